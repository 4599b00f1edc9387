/* Sessions whose messages are looked at: the test is the content filter at a socket. */
#include <apr_strings.h>

#include "mta/smtpserver/filter.h"
#include "mta/smtpserver/verdict.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/localsock.h"
#include "tests/unit/mta/smtpserver/session_help.h"

/* -- verdicts ---------------------------------------------------------------------------------- */

static int strays;

static void on_stray(zm_str_t line, void *baton)
{
    (void)line;
    (void)baton;
    strays++;
}

static verdict_t read_verdict(const char *lines)
{
    verdict_t verdict;
    strays = 0;
    verdict_read(&verdict, zm_str(lines), on_stray, NULL);
    return verdict;
}

#define ASSERT_VERDICT(lines, number_, code_, enhanced_, text_)                                    \
    do {                                                                                           \
        verdict_t v_ = read_verdict(lines);                                                        \
        CU_ASSERT_TRUE(v_.given);                                                                  \
        CU_ASSERT_EQUAL(v_.number, (number_));                                                     \
        CU_ASSERT_EQUAL(v_.code, (code_));                                                         \
        ZM_ASSERT_STR(v_.enhanced, (enhanced_));                                                   \
        ZM_ASSERT_STR(zm_str_c(zm_test_pool(), v_.text), (text_));                                 \
    } while (0)

static void a_verdict_has_a_number_and_perhaps_a_code(void)
{
    ASSERT_VERDICT("-1 550 5.7.1 spam\n", -1, 550, "5.7.1", "spam");
    ASSERT_VERDICT("-1\n", -1, 550, "5.7.1", "");
    ASSERT_VERDICT("-3 bad words\n", -3, 550, "5.7.1", "bad words");
    ASSERT_VERDICT("0 250 2.0.0 fine\n", 0, 250, "2.0.0", "fine");
    ASSERT_VERDICT("0\n", 0, 250, "2.0.0", "");
    ASSERT_VERDICT("+7 odd\n", 7, 250, "2.7.1", "odd");
    ASSERT_VERDICT("2\t451 4.7.0 later\n", 2, 451, "4.7.0", "later");
    ASSERT_VERDICT("-1 250 2.7.0 thanks\n", -1, 250, "2.7.0", "thanks");
    ASSERT_VERDICT("5 550 no\n", 5, 550, "5.7.1", "no");
    ASSERT_VERDICT("-1 421 go\n", -1, 421, "4.7.1", "go");
}

static void a_code_that_cannot_be_is_not_taken(void)
{
    ASSERT_VERDICT("-1 354 5.7.1 go on\n", -1, 550, "5.7.1", "go on");
    ASSERT_VERDICT("-1 199 x\n", -1, 550, "5.7.1", "x");
    ASSERT_VERDICT("0 700 x\n", 0, 250, "2.0.0", "x");
    ASSERT_VERDICT("-1 550 2.0.0 x\n", -1, 550, "5.7.1", "x");
    ASSERT_VERDICT("-1 5501 x\n", -1, 550, "5.7.1", "5501 x");
    ASSERT_VERDICT("-1 55 x\n", -1, 550, "5.7.1", "55 x");
}

static void the_last_verdict_counts(void)
{
    ASSERT_VERDICT("0 ok\nwords\n-1 bad\nmore words\n\n", -1, 550, "5.7.1", "bad");
    CU_ASSERT_EQUAL(strays, 3);
}

static void other_lines_are_no_verdict(void)
{
    CU_ASSERT_FALSE(read_verdict("").given);
    CU_ASSERT_FALSE(read_verdict("\n-\n+ 1\n-x\n1x\n0.5\n 1\n#hungry\n1").given);
    ASSERT_VERDICT("-99999999999999999999999 x\n", -2147483647, 550, "5.7.1", "x");
}

/* -- a filter at a socket ---------------------------------------------------------------------- */

typedef struct fixture_t {
    client_t *client;
    apr_socket_t *listener, *filter; /* filter: our end of the last connection */
} fixture_t;

static fixture_t *begin(const char *config)
{
    apr_pool_t *pool = zm_test_pool();
    fixture_t *fixture = apr_pcalloc(pool, sizeof *fixture);
    filters_options_t options = {.socket = apr_pstrcat(pool, zm_test_directory(), "/filter", NULL),
                                 .copies = zm_test_directory()};
    zm_error_t error = {0};
    ZM_ASSERT_OK(zm_localsock_listen(&fixture->listener, options.socket, 0600, pool, &error));
    fixture->client = client_connect(config, STRANGER);
    fake_spool.path = "/spool/public/x";
    options.loop = fixture->client->server.loop;
    fixture->client->server.filters = filters_create(&options, pool);
    (void)hello(fixture->client);
    return fixture;
}

static void done(fixture_t *fixture)
{
    (void)apr_socket_close(fixture->listener);
    client_done(fixture->client);
    filters_close(fixture->client->server.filters);
}

/* Sends a message; the filter is connected to then. */
static void send_message(fixture_t *fixture)
{
    int i;
    ASSERT_HAS(say(fixture->client, BEGIN), "354 ");
    ZM_ASSERT_STR(say(fixture->client, "Subject: x\r\n\r\nbody\r\n.\r\n"), "");
    for (i = 0; i < 200; i++) {
        if (zm_localsock_accept(&fixture->filter, fixture->listener, zm_test_pool()) == APR_SUCCESS)
            return;
        (void)say(fixture->client, "");
    }
    CU_FAIL("the filter is not asked");
}

static const char *filter_says(fixture_t *fixture, const char *text)
{
    net_put(fixture->filter, text);
    return say(fixture->client, "");
}

/* Waits for what the filter is told. */
static const char *question(fixture_t *fixture)
{
    const char *got = "";
    int i;
    for (i = 0; i < 200 && *got == '\0'; i++) {
        (void)say(fixture->client, "");
        got = net_get(fixture->filter);
    }
    return got;
}

/* The reply that comes of what the filter says. */
static const char *reply_after(fixture_t *fixture, const char *text)
{
    const char *got = filter_says(fixture, text);
    return *got != '\0' ? got : reply_to(fixture->client, "");
}

/* The reply to a message of which the filter says so. */
static const char *judged(fixture_t *fixture, const char *text)
{
    const char *got;
    send_message(fixture);
    ZM_ASSERT_STR(filter_says(fixture, "#hungry\n"), "");
    ZM_ASSERT_STR(question(fixture), "/spool/public/x\n");
    got = reply_after(fixture, text);
    (void)apr_socket_close(fixture->filter);
    return got;
}

#define ID "; S4711" /* how spool ids begin here */

static void a_message_is_taken_refused_or_set_aside(void)
{
    fixture_t *fixture = begin("");
    ASSERT_HAS(judged(fixture, "0 250 2.6.0 clean\n#hungry\n"), "250 2.6.0 clean" ID);
    ASSERT_HAS(judged(fixture, "0\n#hungry\n"), "250 2.0.0 Message accepted" ID);
    CU_ASSERT_EQUAL(fake_spool.committed, 2);
    ASSERT_HAS(judged(fixture, "-1 a virus\n#hungry\n"),
               "550 5.7.1 Content-Policy reject msg: a virus" ID);
    CU_ASSERT_EQUAL(fake_spool.committed, 2);
    CU_ASSERT_EQUAL(fake_spool.aborted, 1);
    ASSERT_HAS(judged(fixture, "17 odd\n#hungry\n"),
               "250 2.7.1 Content-Policy accept-into-freezer-17 msg: odd" ID);
    CU_ASSERT_EQUAL(fake_spool.frozen, 1);
    ZM_ASSERT_STR(fake_spool.suffix, "policy-17");
    done(fixture);
}

static void the_code_of_the_reply_is_its_own(void)
{
    fixture_t *fixture = begin("");
    ASSERT_HAS(judged(fixture, "-1 250 2.7.0 thank you\n#hungry\n"),
               "250 2.7.0 Content-Policy reject msg: thank you" ID);
    CU_ASSERT_EQUAL(fake_spool.committed, 0);
    ASSERT_HAS(judged(fixture, "3 550 5.7.9 no\n#hungry\n"),
               "550 5.7.9 Content-Policy accept-into-freezer-3 msg: no" ID);
    CU_ASSERT_EQUAL(fake_spool.frozen, 1);
    ASSERT_HAS(judged(fixture, "0 451 4.7.1 again\n#hungry\n"), "451 4.7.1 again" ID);
    CU_ASSERT_EQUAL(fake_spool.committed, 2);
    done(fixture);
}

static void carriage_returns_divide_the_reply(void)
{
    fixture_t *fixture = begin("");
    zm_buf_t many = ZM_BUF_INIT;
    const char *got;
    int i;
    ASSERT_HAS(judged(fixture, "-1 one\rtwo\rthree\n#hungry\n"),
               "550-5.7.1 Content-Policy reject msg: one\r\n550-5.7.1 two\r\n550 5.7.1 three" ID);
    zm_buf_add_c(&many, "-1 line");
    for (i = 0; i < 40; i++)
        zm_buf_add_c(&many, "\rline");
    zm_buf_add_c(&many, "\n#hungry\n");
    got = judged(fixture, zm_buf_c(&many));
    zm_buf_free(&many);
    CU_ASSERT_EQUAL(line_count(got), VERDICT_LINES);
    done(fixture);
}

static void single_lines_hold_all_of_the_reply(void)
{
    fixture_t *fixture = begin("PARAM no-multiline-replies");
    const char *got = judged(fixture, "-1 one\rtwo\n#hungry\n");
    ASSERT_HAS(got, "550 5.7.1 Content-Policy reject msg: one two" ID);
    CU_ASSERT_EQUAL(line_count(got), 1);
    done(fixture);
}

static void what_cannot_be_looked_at_is_put_off(void)
{
    fixture_t *fixture = begin("");
    ASSERT_HAS(judged(fixture, "I do not know\n#hungry\n"), "451 4.3.0 ");
    send_message(fixture);
    (void)apr_socket_close(fixture->filter);
    ASSERT_HAS(reply_to(fixture->client, ""), "451 4.3.0 ");
    send_message(fixture); /* it says nothing */
    ASSERT_HAS(later(fixture->client, 11), "451 4.3.0 ");
    (void)apr_socket_close(fixture->filter);
    send_message(fixture);
    ZM_ASSERT_STR(filter_says(fixture, "#hungry\n"), "");
    ZM_ASSERT_STR(question(fixture), "/spool/public/x\n");
    ZM_ASSERT_STR(later(fixture->client, 100), "");
    ASSERT_HAS(later(fixture->client, 21), "451 4.3.0 ");
    (void)apr_socket_close(fixture->filter);
    CU_ASSERT_EQUAL(fake_spool.committed, 0);
    CU_ASSERT_EQUAL(fake_spool.aborted, 4);
    done(fixture);
}

static void a_filter_that_cannot_be_reached_may_be_done_without(void)
{
    fixture_t *fixture = begin("PARAM contentfilter-failmode accept");
    ASSERT_HAS(judged(fixture, "nothing\n#hungry\n"), "250 2.0.0 Message accepted" ID);
    CU_ASSERT_EQUAL(fake_spool.frozen, 0);
    done(fixture);
    fixture = begin("PARAM contentfilter-failmode freeze");
    ASSERT_HAS(judged(fixture, "nothing\n#hungry\n"), "250 2.7.1 ");
    CU_ASSERT_EQUAL(fake_spool.frozen, 1);
    ZM_ASSERT_STR(fake_spool.suffix, "policy-1");
    done(fixture);
}

static void a_flood_from_the_filter_is_no_answer(void)
{
    fixture_t *fixture = begin("");
    char *line = apr_palloc(zm_test_pool(), 3002);
    const char *got = "";
    int i;
    memset(line, 'x', 3000);
    memcpy(line + 3000, "\n", 2);
    send_message(fixture);
    (void)filter_says(fixture, "#hungry\n");
    (void)question(fixture);
    for (i = 0; i < 60 && *got == '\0'; i++) {
        apr_size_t length = 3001;
        if (apr_socket_send(fixture->filter, line, &length) != APR_SUCCESS)
            break;
        got = say(fixture->client, "");
    }
    if (*got == '\0')
        got = reply_to(fixture->client, "");
    ASSERT_HAS(got, "451 4.3.0 ");
    done(fixture);
}

static void other_sessions_go_on_meanwhile(void)
{
    fixture_t *fixture = begin("");
    apr_socket_t *first = fixture->client->socket;
    send_message(fixture);
    client_again(fixture->client, "192.0.2.10");
    ASSERT_HAS(hello(fixture->client), "250 ");
    (void)apr_socket_close(fixture->client->socket);
    fixture->client->socket = first;
    (void)filter_says(fixture, "#hungry\n");
    (void)question(fixture);
    ASSERT_HAS(reply_after(fixture, "0 fine\n#hungry\n"), "250 2.0.0 fine");
    done(fixture);
}

static void a_client_that_leaves_takes_the_question_back(void)
{
    fixture_t *fixture = begin("");
    send_message(fixture);
    CU_ASSERT_EQUAL(fake_spool.aborted, 0);
    done(fixture); /* closes; the session must end without an answer */
    CU_ASSERT_EQUAL(fake_spool.committed, 0);
}

static void a_spool_without_files_gives_a_copy(void)
{
    fixture_t *fixture = begin("");
    const char *path;
    char *text;
    apr_size_t length;
    zm_file_info_t info;
    fake_spool.path = NULL;
    send_message(fixture);
    (void)filter_says(fixture, "#hungry\n");
    path = apr_pstrdup(zm_test_pool(), question(fixture));
    ((char *)path)[strlen(path) - 1] = '\0';
    ZM_ASSERT_OK(zm_file_slurp(&text, &length, path, 100000, zm_test_pool()));
    ASSERT_HAS(text, "\nto bob@local.test\nenv-end\nSubject: x\n\nbody\n");
    ASSERT_HAS(reply_after(fixture, "0 fine\n#hungry\n"), "250 2.0.0 fine");
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_path_info(&info, NULL, path)));
    done(fixture);
}

static void programs_of_this_host_are_not_asked_about(void)
{
    client_t *client = client_connect("", NULL);
    filters_options_t options = {.loop = client->server.loop, .socket = "/nonexistent"};
    client->server.filters = filters_create(&options, zm_test_pool());
    (void)hello(client);
    ASSERT_HAS(send_text(client, "Subject: x\r\n\r\n.\r\n"), "250 2.0.0 Message accepted");
    client_done(client);
}

ZM_TESTS("inspection", ZM_TEST(a_verdict_has_a_number_and_perhaps_a_code),
         ZM_TEST(a_code_that_cannot_be_is_not_taken), ZM_TEST(the_last_verdict_counts),
         ZM_TEST(other_lines_are_no_verdict), ZM_TEST(a_message_is_taken_refused_or_set_aside),
         ZM_TEST(the_code_of_the_reply_is_its_own), ZM_TEST(carriage_returns_divide_the_reply),
         ZM_TEST(single_lines_hold_all_of_the_reply), ZM_TEST(what_cannot_be_looked_at_is_put_off),
         ZM_TEST(a_filter_that_cannot_be_reached_may_be_done_without),
         ZM_TEST(a_flood_from_the_filter_is_no_answer), ZM_TEST(other_sessions_go_on_meanwhile),
         ZM_TEST(a_client_that_leaves_takes_the_question_back),
         ZM_TEST(a_spool_without_files_gives_a_copy),
         ZM_TEST(programs_of_this_host_are_not_asked_about))
