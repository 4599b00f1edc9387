/* Sessions that ask a policy daemon: the test is the daemon. */
#include <apr_strings.h>

#include "mta/smtpserver/hook.h"
#include "mta/smtpserver/hooking.h"
#include "platform/clock.h"
#include "platform/localsock.h"
#include "tests/unit/mta/smtpserver/session_help.h"

/* -- actions -------------------------------------------------------------------------------------
 */

static hook_answer_t read_action(const char *text)
{
    return hook_read(zm_str(text));
}

#define ASSERT_REFUSAL(action_, code_, enhanced_, text_)                                           \
    do {                                                                                           \
        hook_answer_t a_ = read_action(action_);                                                   \
        CU_ASSERT_EQUAL(a_.action, HOOK_REFUSE);                                                   \
        CU_ASSERT_EQUAL(a_.code, (code_));                                                         \
        ZM_ASSERT_STR(a_.enhanced, (enhanced_));                                                   \
        ZM_ASSERT_STR(zm_str_c(zm_test_pool(), a_.text), (text_));                                 \
    } while (0)

static void actions_are_read(void)
{
    CU_ASSERT_EQUAL(read_action("DUNNO").action, HOOK_NOTHING);
    CU_ASSERT_EQUAL(read_action("dunno whatever").action, HOOK_NOTHING);
    CU_ASSERT_EQUAL(read_action("").action, HOOK_NOTHING);
    CU_ASSERT_EQUAL(read_action("OK").action, HOOK_ACCEPT);
    CU_ASSERT_EQUAL(read_action("HOLD because").action, HOOK_HOLD);
    CU_ASSERT_EQUAL(read_action("PREPEND X-A: b").action, HOOK_PREPEND);
    ASSERT_REFUSAL("REJECT", 550, "5.7.1", "");
    ASSERT_REFUSAL("REJECT 5.7.25 go away", 550, "5.7.25", "go away");
    ASSERT_REFUSAL("DEFER come again", 451, "4.7.1", "come again");
    ASSERT_REFUSAL("DEFER_IF_PERMIT Service temporarily unavailable", 451, "4.7.1",
                   "Service temporarily unavailable");
    ASSERT_REFUSAL("450 4.2.0 Greylisted", 450, "4.2.0", "Greylisted");
    ASSERT_REFUSAL("554 no", 554, "5.7.1", "no");
    ASSERT_REFUSAL("554 4.7.1 no", 554, "5.7.1", "4.7.1 no");
    ASSERT_REFUSAL("421 bye", 451, "4.7.1", "bye");
}

static void what_is_not_possible_has_failed(void)
{
    static const char *const actions[] = {
        "DISCARD",          "REDIRECT a@b",     "FILTER x",   "250 fine", "45",
        "PREPEND no field", "PREPEND X-A b: c", "PREPEND :x", "4500 x",   "BCC x"};
    apr_size_t i;
    for (i = 0; i < sizeof actions / sizeof actions[0]; i++)
        CU_ASSERT_EQUAL(read_action(actions[i]).action, HOOK_FAILED);
}

/* -- a daemon ------------------------------------------------------------------------------------
 */

typedef struct fixture_t {
    client_t *client;
    apr_socket_t *listener, *daemon; /* daemon: our end of the last connection */
} fixture_t;

static fixture_t *begin(const char *stages, const char *config)
{
    apr_pool_t *pool = zm_test_pool();
    fixture_t *fixture = apr_pcalloc(pool, sizeof *fixture);
    const char *path = apr_pstrcat(pool, zm_test_directory(), "/policy", NULL);
    zm_error_t error = {0};
    server_t *server;
    ZM_ASSERT_OK(zm_localsock_listen(&fixture->listener, path, 0600, pool, &error));
    fixture->client = client_connect(
        apr_pstrcat(pool, "PARAM policy-hook \"unix:", path, "\" ", stages, "\n", config, NULL),
        STRANGER);
    server = &fixture->client->server;
    server->hooks = apr_pcalloc(pool, sizeof *server->hooks);
    server->hooks[0] =
        hook_create(server->loop, NULL, fixture->client->config->standard->hook, pool);
    (void)net_get(fixture->client->socket);
    return fixture;
}

static void done(fixture_t *fixture)
{
    (void)apr_socket_close(fixture->listener);
    client_done(fixture->client);
    hook_close(fixture->client->server.hooks[0]);
}

static void answer_call(fixture_t *fixture)
{
    int i;
    for (i = 0; i < 200; i++) {
        if (zm_localsock_accept(&fixture->daemon, fixture->listener, zm_test_pool()) == APR_SUCCESS)
            return;
        (void)say(fixture->client, "");
    }
    CU_FAIL("the daemon is not called");
}

static const char *question(fixture_t *fixture)
{
    const char *got = "";
    int i;
    for (i = 0; i < 200 && !has(got, "\n\n"); i++) {
        (void)say(fixture->client, "");
        got = apr_pstrcat(zm_test_pool(), got, net_get(fixture->daemon), NULL);
    }
    return got;
}

/* The reply that comes of what the daemon says. */
static const char *says(fixture_t *fixture, const char *text)
{
    const char *got;
    net_put(fixture->daemon, text);
    got = say(fixture->client, "");
    return *got != '\0' ? got : reply_to(fixture->client, "");
}

#define MAIL "MAIL FROM:<a@far.test> SIZE=100\r\n"
#define RCPT "RCPT TO:<bob@local.test>\r\n"

/* As far as RCPT, which the daemon has been asked about. */
static const char *ask_for_bob(fixture_t *fixture)
{
    (void)say(fixture->client, "EHLO peer.test\r\n");
    (void)say(fixture->client, MAIL);
    (void)say(fixture->client, RCPT);
    answer_call(fixture);
    return question(fixture);
}

static void it_is_told_who_wants_what(void)
{
    fixture_t *fixture = begin("rcpt", "");
    const char *asked = ask_for_bob(fixture);
    ASSERT_HAS(asked, "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n"
                      "helo_name=peer.test\ninstance=");
    ASSERT_HAS(asked, "\nclient_address=192.0.2.9\nclient_port=40112\nclient_name=unknown\n");
    ASSERT_HAS(asked, "\nserver_address=192.0.2.1\nserver_port=25\nsender=a@far.test\n"
                      "recipient=bob@local.test\nrecipient_count=0\nsize=100\n\n");
    ASSERT_HAS(says(fixture, "action=DUNNO\n\n"), "250 2.1.5");
    done(fixture);
}

static void every_stage_can_be_asked_about(void)
{
    fixture_t *fixture = begin("", "");
    (void)say(fixture->client, "HELO peer.test\r\n");
    answer_call(fixture);
    ASSERT_HAS(question(fixture), "protocol_state=HELO\nprotocol_name=SMTP\n");
    ASSERT_HAS(says(fixture, "action=DUNNO\n\n"), "250 ");
    (void)say(fixture->client, MAIL);
    ASSERT_HAS(question(fixture), "protocol_state=MAIL\n");
    ASSERT_HAS(says(fixture, "action=DUNNO\n\n"), "250 2.1.0");
    (void)say(fixture->client, RCPT);
    ASSERT_HAS(question(fixture), "protocol_state=RCPT\n");
    ASSERT_HAS(says(fixture, "action=\n\n"), "250 2.1.5");
    (void)say(fixture->client, "DATA\r\n");
    ASSERT_HAS(question(fixture), "\nrecipient=\nrecipient_count=1\n");
    ASSERT_HAS(says(fixture, "action=DUNNO\n\n"), "354 ");
    ASSERT_HAS(reply_to(fixture->client, "x: y\r\n.\r\n"), "250 2.0.0");
    done(fixture);
}

static void its_refusals_are_told(void)
{
    fixture_t *fixture = begin("mail,rcpt,data", "");
    (void)say(fixture->client, "EHLO peer.test\r\n");
    (void)say(fixture->client, MAIL);
    answer_call(fixture);
    (void)question(fixture);
    ASSERT_HAS(says(fixture, "action=DEFER wait\n\n"),
               "451 4.7.1 [192.0.2.9] mail from=<a@far.test>: wait\r\n");
    (void)say(fixture->client, MAIL);
    (void)question(fixture);
    ASSERT_HAS(says(fixture, "action=DUNNO\n\n"), "250 2.1.0");
    (void)say(fixture->client, RCPT);
    (void)question(fixture);
    ASSERT_HAS(says(fixture, "action=450 4.2.0 Greylisted\n\n"),
               "450 4.2.0 [192.0.2.9] rcpt=<bob@local.test>: Greylisted\r\n");
    (void)say(fixture->client, RCPT);
    (void)question(fixture);
    ASSERT_HAS(says(fixture, "action=DUNNO\n\n"), "250 2.1.5");
    (void)say(fixture->client, "DATA\r\n");
    (void)question(fixture);
    ASSERT_HAS(says(fixture, "action=REJECT\n\n"), "550 5.7.1 [192.0.2.9] not wanted here\r\n");
    ASSERT_HAS(reply_to(fixture->client, "NOOP\r\n"), "250 ");
    CU_ASSERT_EQUAL(fake_spool.aborted, 1);
    done(fixture);
}

static void a_chunk_is_read_before_it_is_refused(void)
{
    fixture_t *fixture = begin("data", "");
    const char *got;
    (void)say(fixture->client, "EHLO peer.test\r\n");
    (void)say(fixture->client, MAIL);
    (void)say(fixture->client, RCPT);
    (void)say(fixture->client, "BDAT 6 LAST\r\nNOOP\r\nNOOP\r\n");
    answer_call(fixture);
    (void)question(fixture);
    got = says(fixture, "action=REJECT unloved\n\n");
    ASSERT_HAS(got, "550 5.7.1 [192.0.2.9] unloved\r\n250 ");
    CU_ASSERT_EQUAL(line_count(got), 2);
    (void)say(fixture->client, MAIL);
    (void)say(fixture->client, RCPT);
    (void)say(fixture->client, "BDAT 6 LAST\r\na: b\r\n");
    (void)question(fixture);
    ASSERT_HAS(says(fixture, "action=PREPEND X-Seen: yes\n\n"), "250 2.0.0");
    ASSERT_HAS(fake_spool.messages[0], "\nenv-end\nX-Seen: yes\na: b\n");
    done(fixture);
}

static void it_may_let_in_what_the_rules_would_not(void)
{
    fixture_t *fixture = begin("rcpt", "");
    (void)say(fixture->client, "EHLO peer.test\r\n");
    (void)say(fixture->client, MAIL);
    (void)say(fixture->client, "RCPT TO:<x@far.test>\r\n");
    answer_call(fixture);
    (void)question(fixture);
    ASSERT_HAS(says(fixture, "action=OK\n\n"), "250 2.1.5");
    (void)say(fixture->client, "RCPT TO:<y@far.test>\r\n");
    (void)question(fixture);
    ASSERT_HAS(says(fixture, "action=DUNNO\n\n"), "550 5.7.1");
    done(fixture);
}

static void it_may_add_fields_and_hold(void)
{
    fixture_t *fixture = begin("rcpt,data", "");
    (void)ask_for_bob(fixture);
    ASSERT_HAS(says(fixture, "action=PREPEND X-One: 1\n\n"), "250 2.1.5");
    (void)say(fixture->client, "DATA\r\n");
    (void)question(fixture);
    ASSERT_HAS(says(fixture, "action=HOLD\n\n"), "354 ");
    ASSERT_HAS(reply_to(fixture->client, "x: y\r\n.\r\n"), "250 2.0.0");
    CU_ASSERT_EQUAL(fake_spool.frozen, 1);
    ASSERT_HAS(fake_spool.messages[0], "\nenv-end\nX-One: 1\nx: y\n");
    done(fixture);
}

static void daemons_that_misbehave_have_failed(void)
{
    static const char *const answers[] = {"\n", "hello\n\n", "action=DISCARD\n\n",
                                          "x=y\naktion=OK\n\n"};
    apr_size_t i;
    for (i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        fixture_t *fixture = begin("rcpt", "");
        (void)ask_for_bob(fixture);
        ASSERT_HAS(says(fixture, answers[i]), "451 4.3.5 ");
        done(fixture);
    }
}

static void one_that_is_gone_or_silent_puts_off(void)
{
    fixture_t *fixture = begin("rcpt", "");
    (void)ask_for_bob(fixture);
    ASSERT_HAS(later(fixture->client, 31), "451 4.3.5 ");
    (void)say(fixture->client, RCPT);
    answer_call(fixture);
    (void)question(fixture);
    (void)apr_socket_close(fixture->daemon);
    ASSERT_HAS(reply_to(fixture->client, ""), "451 4.3.5 ");
    (void)apr_socket_close(fixture->listener);
    ASSERT_HAS(reply_to(fixture->client, RCPT), "451 4.3.5 ");
    done(fixture);
    fixture = begin("rcpt", "PARAM contentfilter-failmode accept\n");
    (void)apr_socket_close(fixture->listener);
    (void)say(fixture->client, "EHLO peer.test\r\n");
    (void)say(fixture->client, MAIL);
    ASSERT_HAS(reply_to(fixture->client, RCPT), "250 2.1.5");
    done(fixture);
}

static void a_connection_that_ended_while_idle_is_made_again(void)
{
    fixture_t *fixture = begin("rcpt", "");
    (void)ask_for_bob(fixture);
    ASSERT_HAS(says(fixture, "action=DUNNO\r\n\r\n"), "250 2.1.5");
    (void)apr_socket_close(fixture->daemon);
    (void)say(fixture->client, RCPT);
    answer_call(fixture);
    ASSERT_HAS(question(fixture), "protocol_state=RCPT\n");
    ASSERT_HAS(says(fixture, "action=DUNNO\n\n"), "250 2.1.5");
    ASSERT_HAS(later(fixture->client, 0), "");
    (void)later(fixture->client, 61); /* idle: it is ended */
    ZM_ASSERT_STR(net_get(fixture->daemon), "<eof>");
    done(fixture);
}

static void a_daemon_may_answer_and_hang_up(void)
{
    fixture_t *fixture = begin("rcpt", "");
    int i;
    (void)ask_for_bob(fixture);
    for (i = 0; i < 3; i++) {
        net_put(fixture->daemon, "action=DUNNO\n\n");
        (void)apr_socket_close(fixture->daemon);
        ASSERT_HAS(reply_to(fixture->client, ""), "250 2.1.5");
        (void)say(fixture->client, RCPT);
        answer_call(fixture);
        ASSERT_HAS(question(fixture), "protocol_state=RCPT\n");
    }
    ASSERT_HAS(says(fixture, "action=DUNNO\n\n"), "250 2.1.5");
    done(fixture);
}

static void sessions_wait_for_each_other_only_where_lines_are_few(void)
{
    fixture_t *fixture = begin("rcpt", "");
    apr_socket_t *first, *first_daemon;
    (void)ask_for_bob(fixture);
    first = fixture->client->socket;
    first_daemon = fixture->daemon;
    client_again(fixture->client, "192.0.2.10");
    (void)net_get(fixture->client->socket);
    ASSERT_HAS(ask_for_bob(fixture), "client_address=192.0.2.10\n");
    ASSERT_HAS(says(fixture, "action=DUNNO\n\n"), "250 2.1.5");
    (void)apr_socket_close(fixture->client->socket);
    fixture->client->socket = first;
    fixture->daemon = first_daemon;
    ASSERT_HAS(says(fixture, "action=DUNNO\n\n"), "250 2.1.5");
    done(fixture);
}

static void a_flood_is_no_answer(void)
{
    fixture_t *fixture = begin("rcpt", "");
    char *text = apr_palloc(zm_test_pool(), HOOK_ANSWER + 2);
    memset(text, 'x', HOOK_ANSWER + 1);
    text[HOOK_ANSWER + 1] = '\0';
    (void)ask_for_bob(fixture);
    ASSERT_HAS(says(fixture, text), "451 4.3.5 ");
    done(fixture);
}

static void a_client_that_leaves_takes_the_question_back(void)
{
    fixture_t *fixture = begin("rcpt", "");
    (void)ask_for_bob(fixture);
    done(fixture);
}

ZM_TESTS("hook", ZM_TEST(actions_are_read), ZM_TEST(what_is_not_possible_has_failed),
         ZM_TEST(it_is_told_who_wants_what), ZM_TEST(every_stage_can_be_asked_about),
         ZM_TEST(its_refusals_are_told), ZM_TEST(a_chunk_is_read_before_it_is_refused),
         ZM_TEST(it_may_let_in_what_the_rules_would_not), ZM_TEST(it_may_add_fields_and_hold),
         ZM_TEST(daemons_that_misbehave_have_failed), ZM_TEST(one_that_is_gone_or_silent_puts_off),
         ZM_TEST(a_connection_that_ended_while_idle_is_made_again),
         ZM_TEST(a_daemon_may_answer_and_hang_up),
         ZM_TEST(sessions_wait_for_each_other_only_where_lines_are_few),
         ZM_TEST(a_flood_is_no_answer), ZM_TEST(a_client_that_leaves_takes_the_question_back))
