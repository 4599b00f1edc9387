/* Sessions that ask the router: the test is the desk. */
#include <apr_strings.h>

#include "platform/clock.h"
#include "platform/localsock.h"
#include "tests/unit/mta/smtpserver/session_help.h"

#define STRANGER "192.0.2.9"

typedef struct asked_t {
    client_t *client;
    apr_socket_t *listener, *desk; /* desk: our end of the worker's line; null: not yet */
} asked_t;

static const char *path_of_desk(void)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/desk", NULL);
}

/* A session with a server that asks the desk, whose door is open. */
static asked_t *begin(const char *config, const char *address)
{
    asked_t *asked = apr_pcalloc(zm_test_pool(), sizeof *asked);
    zm_error_t error = {0};
    ZM_ASSERT_OK(
        zm_localsock_listen(&asked->listener, path_of_desk(), 0600, zm_test_pool(), &error));
    asked->client =
        client_connect(apr_pstrcat(zm_test_pool(), "PARAM enable-router\n", config, NULL), address);
    asked->client->server.inquiries =
        inquiries_create(asked->client->server.loop, path_of_desk(),
                         address != NULL ? INQUIRY_ATTACH : 0, zm_test_pool());
    (void)net_get(asked->client->socket);
    return asked;
}

/* What the worker says to the desk now. */
static const char *question(asked_t *asked)
{
    (void)say(asked->client, "");
    if (asked->desk == NULL &&
        zm_localsock_accept(&asked->desk, asked->listener, zm_test_pool()) != APR_SUCCESS) {
        asked->desk = NULL;
        return "";
    }
    return net_get(asked->desk);
}

static const char *answer(asked_t *asked, const char *text)
{
    net_put(asked->desk, text);
    return say(asked->client, "");
}

static void done(asked_t *asked)
{
    client_t *client = asked->client;
    (void)apr_socket_close(asked->listener);
    client_done(client);
    inquiries_close(client->server.inquiries);
}

/* As far as RCPT, which has been put to the desk as question 2. */
static void ask_for_bob(asked_t *asked)
{
    (void)say(asked->client, "EHLO peer.test\r\n");
    (void)say(asked->client, "MAIL FROM:<a@far.test>\r\n");
    ZM_ASSERT_STR(question(asked), "1 from\ta@far.test\n");
    ASSERT_HAS(answer(asked, "1 250 2.0.0 ok\n"), "250 2.1.0 Sender <a@far.test> ok\r\n");
    (void)say(asked->client, "RCPT TO:<bob@local.test>\r\n");
    ZM_ASSERT_STR(question(asked), "2 to\tbob@local.test\n");
}

static void the_router_accepts(void)
{
    asked_t *asked = begin("", STRANGER);
    ask_for_bob(asked);
    ASSERT_HAS(answer(asked, "2 250 2.1.5 is welcome\n"),
               "250 2.1.5 Recipient <bob@local.test> is welcome\r\n");
    ASSERT_HAS(say(asked->client, "DATA\r\n"), "354 ");
    ASSERT_HAS(say(asked->client, "Subject: x\r\n\r\n.\r\n"), "250 2.0.0");
    done(asked);
}

static void the_router_refuses_with_its_words(void)
{
    asked_t *asked = begin("", STRANGER);
    ask_for_bob(asked);
    ZM_ASSERT_STR(answer(asked, "2-550-5.1.1 first\n2 550 5.1.1 <bob@local.test> has left\n"),
                  "550-5.1.1 first\r\n550 5.1.1 Hi [192.0.2.9], <bob@local.test> has left\r\n");
    ASSERT_HAS(say(asked->client, "DATA\r\n"), "503 ");
    done(asked);
}

static void the_router_defers(void)
{
    asked_t *asked = begin("", STRANGER);
    ask_for_bob(asked);
    ASSERT_HAS(answer(asked, "2 450 4.2.1 later\n"), "450 4.2.1 Hi [192.0.2.9], later\r\n");
    done(asked);
}

static void a_sender_that_is_deferred_is_not_refused_for_good(void)
{
    asked_t *asked = begin("", STRANGER);
    (void)say(asked->client, "EHLO peer.test\r\n");
    (void)say(asked->client, "MAIL FROM:<a@far.test>\r\nRCPT TO:<bob@local.test>\r\n");
    (void)question(asked);
    ZM_ASSERT_STR(answer(asked, "1 451 4.4.3 no answer from DNS\n"),
                  "451 4.4.3 Hi [192.0.2.9], no answer from DNS\r\n"
                  "503 5.5.1 MAIL comes before RCPT\r\n");
    (void)say(asked->client, "MAIL FROM:<a@far.test>\r\nRCPT TO:<bob@local.test>\r\n");
    (void)question(asked);
    ASSERT_HAS(answer(asked, "2 550 5.7.1 not you\n"), "550 5.7.1 denied by");
    done(asked);
}

static void nobody_answers(void)
{
    asked_t *asked = begin("", STRANGER);
    ask_for_bob(asked);
    ASSERT_HAS(answer(asked, "2\n"), "451 4.3.0 ");
    ASSERT_HAS(say(asked->client, "QUIT\r\n"), "221 ");
    done(asked);
}

static void an_answer_without_a_line_accepts_and_one_without_a_code_too(void)
{
    asked_t *asked = begin("", STRANGER);
    ask_for_bob(asked);
    ASSERT_HAS(answer(asked, "2 \n"), "250 2.1.5 Recipient <bob@local.test> ok");
    (void)say(asked->client, "RCPT TO:<x@local.test>\r\n");
    (void)question(asked);
    ASSERT_HAS(answer(asked, "3 fine\n"), "250 2.1.5 Recipient <x@local.test> fine");
    done(asked);
}

static void a_code_that_does_not_belong_is_not_passed_on(void)
{
    static const char *const answers[] = {"354 go on", "221 bye", "999 what", "000 x", "150 wait"};
    apr_size_t i;
    for (i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        asked_t *asked = begin("", STRANGER);
        const char *got;
        ask_for_bob(asked);
        got = answer(asked, apr_psprintf(zm_test_pool(), "2 %s\n", answers[i]));
        CU_ASSERT_TRUE(strncmp(got, "451 4.3.0 ", 10) == 0 || strncmp(got, "250 ", 4) == 0);
        done(asked);
    }
}

static void a_slow_answer_times_out_and_does_not_stop_other_sessions(void)
{
    asked_t *asked = begin("PARAM command-timeout 1000", STRANGER);
    client_t *client = asked->client;
    apr_socket_t *first = client->socket;
    ask_for_bob(asked);
    client_again(client, STRANGER);
    ASSERT_HAS(say(client, "HELO x\r\n"), "250 ");
    (void)say(client, "MAIL FROM:<c@far.test>\r\n");
    ZM_ASSERT_STR(question(asked), "3 from\tc@far.test\n");
    ASSERT_HAS(answer(asked, "3 250 ok\n"), "250 2.1.0");
    ZM_ASSERT_STR(net_get(first), "");
    (void)later(client, 61);
    ASSERT_HAS(net_get(first), "451 4.3.0 ");
    ZM_ASSERT_STR(question(asked), "2\n"); /* it is not wanted any more */
    ASSERT_HAS(answer(asked, "2 250 too late\n"), "");
    (void)apr_socket_close(first);
    done(asked);
}

static void commands_sent_ahead_wait_for_the_answer(void)
{
    asked_t *asked = begin("", STRANGER);
    (void)say(asked->client, "EHLO peer.test\r\n");
    ZM_ASSERT_STR(say(asked->client, "MAIL FROM:<a@far.test>\r\nRCPT TO:<bob@local.test>\r\n"
                                     "RCPT TO:<eve@far.test>\r\nNOOP\r\n"),
                  "");
    (void)question(asked);
    ASSERT_HAS(answer(asked, "1 250 ok\n"), "250 2.1.0");
    ZM_ASSERT_STR(question(asked), "2 to\tbob@local.test\n");
    ZM_ASSERT_STR(answer(asked, "2 250 ok\n"),
                  "250 2.1.5 Recipient <bob@local.test> ok\r\n"
                  "550-5.7.1 Ask HELP for our contact information.\r\n"
                  "550 5.7.1 [192.0.2.9] rcpt=<eve@far.test>: relaying denied: this is not a "
                  "local domain\r\n250 2.0.0 Ok\r\n");
    done(asked);
}

static void the_desk_may_come_later_or_never(void)
{
    asked_t *asked = begin("PARAM command-timeout 1000", STRANGER);
    client_t *client = asked->client;
    zm_error_t error = {0};
    (void)apr_socket_close(asked->listener);
    (void)say(client, "EHLO peer.test\r\n");
    ZM_ASSERT_STR(say(client, "MAIL FROM:<a@far.test>\r\n"), "");
    ZM_ASSERT_STR(later(client, 5), "");
    ASSERT_HAS(later(client, 6), "451 4.3.0");
    ZM_ASSERT_STR(say(client, "MAIL FROM:<a@far.test>\r\n"), "");
    ZM_ASSERT_OK(
        zm_localsock_listen(&asked->listener, path_of_desk(), 0600, zm_test_pool(), &error));
    ZM_ASSERT_STR(later(client, 1), "");
    ZM_ASSERT_STR(question(asked), "2 from\ta@far.test\n");
    ASSERT_HAS(answer(asked, "2 250 ok\n"), "250 2.1.0");
    done(asked);
}

static void a_desk_that_ends_or_babbles_fails_what_it_was_asked(void)
{
    asked_t *asked = begin("", STRANGER);
    ask_for_bob(asked);
    (void)apr_socket_close(asked->desk);
    asked->desk = NULL;
    ASSERT_HAS(later(asked->client, 1), "451 4.3.0");
    (void)say(asked->client, "RCPT TO:<bob@local.test>\r\n");
    ZM_ASSERT_STR(question(asked), "3 to\tbob@local.test\n");
    ASSERT_HAS(answer(asked, "what?\n"), "451 4.3.0");
    done(asked);
}

static void a_client_that_leaves_withdraws_its_question(void)
{
    asked_t *asked = begin("", STRANGER);
    ask_for_bob(asked);
    (void)apr_socket_close(asked->client->socket);
    (void)later(asked->client, 4000);
    ASSERT_HAS(question(asked), "2\n");
    client_again(asked->client, STRANGER);
    done(asked);
}

static void too_many_failures_end_a_session(void)
{
    asked_t *asked = begin("", STRANGER);
    int i;
    ask_for_bob(asked);
    (void)answer(asked, "2\n");
    for (i = 3; i < 22; i++) {
        (void)say(asked->client, "RCPT TO:<bob@local.test>\r\n");
        (void)question(asked);
        ASSERT_HAS(answer(asked, apr_psprintf(zm_test_pool(), "%d\n", i)), "451 4.3.0");
    }
    (void)say(asked->client, "RCPT TO:<bob@local.test>\r\n");
    (void)question(asked);
    ASSERT_HAS(answer(asked, "22\n"), "421 4.3.0 ");
    done(asked);
}

static void hostile_addresses_stay_one_question(void)
{
    asked_t *asked = begin("PARAM VRFYcmd\nPARAM EXPNcmd", STRANGER);
    client_t *client = asked->client;
    char long_line[5200];
    (void)say(client, "EHLO peer.test\r\n");
    (void)say(client, "VRFY --help a\tb\r\n");
    ZM_ASSERT_STR(question(asked), "1 verify\thelp a b\n");
    ZM_ASSERT_STR(
        answer(asked, "1-250 2.1.5 <x@local.test>\n1-550 5.1.1 none\n1 250 2.1.5 <y@z>\n"),
        "250-2.1.5 <x@local.test>\r\n250-none\r\n250 2.1.5 <y@z>\r\n");
    (void)say(client, "MAIL FROM:<-rf@far.test>\r\n");
    ZM_ASSERT_STR(question(asked), "2 from\t<-rf@far.test>\n");
    ASSERT_HAS(answer(asked, "2 250 ok\n"), "250 2.1.0 Sender <-rf@far.test> ok");
    ASSERT_HAS(say_bytes(client, "VRFY a\0b\r\n", 10), "500 5.5.2");
    ASSERT_HAS(say(client, "EXPN a\x07\r\n"), "500 5.5.2");
    memset(long_line, 'a', sizeof long_line);
    memcpy(long_line, "EXPN ", 5);
    memcpy(long_line + sizeof long_line - 2, "\r\n", 2);
    ASSERT_HAS(say_bytes(client, long_line, sizeof long_line), "550 5.1.3");
    ZM_ASSERT_STR(question(asked), "");
    done(asked);
}

static void flags_of_patterns_decide_what_is_asked(void)
{
    asked_t *asked = begin("f.test 999 F\nt.test 999 T\nboth.test 999 FT", STRANGER);
    client_t *client = asked->client;
    (void)say(client, "HELO both.test\r\n");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "250 2.1.0");
    ASSERT_HAS(say(client, "RCPT TO:<bob@local.test>\r\n"), "250 2.1.5");
    (void)say(client, "HELO f.test\r\n");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "250 2.1.0");
    ZM_ASSERT_STR(say(client, "RCPT TO:<bob@local.test>\r\n"), "");
    ZM_ASSERT_STR(question(asked), "1 to\tbob@local.test\n");
    ASSERT_HAS(answer(asked, "1 250 ok\n"), "250 2.1.5");
    (void)say(client, "HELO t.test\r\n");
    ZM_ASSERT_STR(say(client, "MAIL FROM:<>\r\n"), "");
    ZM_ASSERT_STR(question(asked), "2 from\t\n");
    ASSERT_HAS(answer(asked, "2 250 ok\n"), "250 2.1.0");
    ASSERT_HAS(say(client, "RCPT TO:<bob@local.test>\r\n"), "250 2.1.5");
    done(asked);
}

static void with_need_ft_only_named_checks_are_made(void)
{
    asked_t *asked = begin("PARAM router-checks-need-ft\nft.test 999 ft", STRANGER);
    client_t *client = asked->client;
    (void)say(client, "HELO other.test\r\n");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "250 2.1.0");
    ASSERT_HAS(say(client, "RCPT TO:<bob@local.test>\r\n"), "250 2.1.5");
    (void)say(client, "HELO ft.test\r\n");
    ZM_ASSERT_STR(say(client, "MAIL FROM:<a@far.test>\r\n"), "");
    ZM_ASSERT_STR(question(asked), "1 from\ta@far.test\n");
    (void)answer(asked, "1 250 ok\n");
    done(asked);
}

static void the_greeting_can_be_asked_about(void)
{
    asked_t *asked = begin("h.test 999 h", STRANGER);
    client_t *client = asked->client;
    ZM_ASSERT_STR(say(client, "HELO h.test\r\n"), "");
    ZM_ASSERT_STR(question(asked), "1 hello\t[192.0.2.9] h.test\n");
    ASSERT_HAS(answer(asked, "1 550 5.7.1 we know you\n"), "550 5.7.1 Hi [192.0.2.9], we know you");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "503 ");
    (void)say(client, "HELO h.test\r\n");
    (void)question(asked);
    ZM_ASSERT_STR(answer(asked, "2 250 Hello there\n"),
                  "250-mx.local.test Hello h.test\r\n250 Hello there\r\n");
    done(asked);
}

static void vrfy_and_expn_need_both_switches(void)
{
    asked_t *asked = begin("PARAM VRFYcmd\nplain.test 999 R\n", STRANGER);
    client_t *client = asked->client;
    const char *got = say(client, "EHLO x\r\n");
    ASSERT_HAS(got, "250-VRFY\r\n");
    CU_ASSERT_FALSE(has(got, "EXPN"));
    ASSERT_HAS(say(client, "EXPN list\r\n"), "502 5.5.1");
    got = say(client, "EHLO plain.test\r\n");
    CU_ASSERT_FALSE(has(got, "VRFY"));
    ASSERT_HAS(say(client, "VRFY bob\r\n"), "252 2.5.2");
    (void)say(client, "EHLO x\r\n");
    (void)say(client, "VRFY nosuch\r\n");
    ZM_ASSERT_STR(question(asked), "1 verify\tnosuch\n");
    ZM_ASSERT_STR(answer(asked, "1 550 5.1.1 no such user: nosuch\n"),
                  "550 5.1.1 no such user: nosuch\r\n");
    (void)say(client, "VRFY x\r\n");
    (void)question(asked);
    ASSERT_HAS(answer(asked, "2\n"), "451 4.3.0");
    done(asked);
}

static void a_program_on_standard_input_is_believed_when_nobody_answers(void)
{
    asked_t *asked = begin("", NULL);
    client_t *client = asked->client;
    (void)apr_socket_close(asked->listener);
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "250 2.1.0");
    done(asked);
}

ZM_TESTS("referral", ZM_TEST(the_router_accepts), ZM_TEST(the_router_refuses_with_its_words),
         ZM_TEST(the_router_defers), ZM_TEST(a_sender_that_is_deferred_is_not_refused_for_good),
         ZM_TEST(nobody_answers),
         ZM_TEST(an_answer_without_a_line_accepts_and_one_without_a_code_too),
         ZM_TEST(a_code_that_does_not_belong_is_not_passed_on),
         ZM_TEST(a_slow_answer_times_out_and_does_not_stop_other_sessions),
         ZM_TEST(commands_sent_ahead_wait_for_the_answer),
         ZM_TEST(the_desk_may_come_later_or_never),
         ZM_TEST(a_desk_that_ends_or_babbles_fails_what_it_was_asked),
         ZM_TEST(a_client_that_leaves_withdraws_its_question),
         ZM_TEST(too_many_failures_end_a_session), ZM_TEST(hostile_addresses_stay_one_question),
         ZM_TEST(flags_of_patterns_decide_what_is_asked),
         ZM_TEST(with_need_ft_only_named_checks_are_made), ZM_TEST(the_greeting_can_be_asked_about),
         ZM_TEST(vrfy_and_expn_need_both_switches),
         ZM_TEST(a_program_on_standard_input_is_believed_when_nobody_answers))
