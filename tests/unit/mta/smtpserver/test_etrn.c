/* ETRN: what clients may say, and the conversation with schedulers, whom the test plays. */
#include <apr_strings.h>

#include "mta/net/challenge.h"
#include "mta/smtpserver/turn.h"
#include "platform/clock.h"
#include "platform/localsock.h"
#include "tests/unit/mta/smtpserver/session_help.h"

#define STRANGER "192.0.2.9"
#define VERSION "version zmailer 2.0\n"
#define SAMPLE "220 MAILQ-V2-CHALLENGE: 1.2.3\n"

static client_t *begin(const char *config)
{
    client_t *client = client_connect(config, STRANGER);
    (void)say(client, "EHLO peer.test\r\n");
    return client;
}

static const char *path_of(const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
}

static apr_socket_t *open_node(const char *name)
{
    apr_socket_t *listener = NULL;
    zm_error_t error = {0};
    ZM_ASSERT_OK(zm_localsock_listen(&listener, path_of(name), 0600, zm_test_pool(), &error));
    return listener;
}

static const char *node_line(const char *name)
{
    return apr_pstrcat(zm_test_pool(), "PARAM etrn-cluster UNIX:", path_of(name),
                       " turner secret\n", NULL);
}

/* The server has called. */
static apr_socket_t *answer_call(apr_socket_t *listener)
{
    apr_socket_t *socket = NULL;
    ZM_ASSERT_OK(zm_localsock_accept(&socket, listener, zm_test_pool()));
    return socket;
}

/* What the server says to the scheduler after that. */
static const char *scheduler_says(client_t *client, apr_socket_t *scheduler, const char *text)
{
    net_put(scheduler, text);
    net_run_idle(client->server.loop);
    return net_get(scheduler);
}

/* -- what clients may say -------------------------------------------------------------------- */

static void a_request_becomes_a_file(void)
{
    client_t *client = begin("");
    ZM_ASSERT_STR(say(client, "ETRN Host.Sub.TEST\r\n"),
                  "251 2.0.0 no mail waits for Host.Sub.TEST\r\n"); /* no node, and none failed */
    client_done(client);
    client = begin(node_line("nobody"));
    ASSERT_HAS(say(client, "ETRN Host.Sub.TEST\r\n"),
               "250 2.0.0 delivery to Host.Sub.TEST is started\r\n");
    ZM_ASSERT_STR(client->filed, "T host.sub.test [192.0.2.9]\n");
    client->filing = APR_EACCES;
    ASSERT_HAS(say(client, "TURNME x.test\r\n"), "458 4.3.0 ");
    client_done(client);
}

static void what_is_no_host_is_refused(void)
{
    static const char *const bad[][2] = {{"", "501 5.5.4"},        {" @sub.test", "458 5.7.1"},
                                         {" #queue", "458 5.7.1"}, {" a b", "501 5.5.4"},
                                         {" a..b", "501 5.5.4"},   {" -a", "501 5.5.4"},
                                         {" a/b", "501 5.5.4"},    {" [192.0.2.1]", "501 5.5.4"},
                                         {" a\tb", "501 5.5.4"},   {" a\\b", "501 5.5.4"}};
    client_t *client = begin("");
    apr_size_t i;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ASSERT_HAS(say(client, apr_pstrcat(zm_test_pool(), "ETRN", bad[i][0], "\r\n", NULL)),
                   bad[i][1]);
    ASSERT_HAS(say_bytes(client, "ETRN a\0b\r\n", 10), "500 5.5.2");
    CU_ASSERT_PTR_NULL(client->filed);
    client_done(client);
}

static void it_has_its_place_in_a_session(void)
{
    client_t *client = client_connect("", STRANGER);
    (void)net_get(client->socket);
    ASSERT_HAS(say(client, "ETRN x.test\r\n"), "503 5.5.1");
    (void)say(client, "HELO peer.test\r\n");
    ASSERT_HAS(say(client, "ETRN x.test\r\n"), "503 5.5.1");
    (void)say(client, "EHLO peer.test\r\n");
    (void)say(client, "MAIL FROM:<a@far.test>\r\n");
    ASSERT_HAS(say(client, "ETRN x.test\r\n"), "503 5.5.1");
    ASSERT_HAS(say(client, "RSET\r\nETRN x.test\r\n"), "251 2.0.0");
    client_done(client);
    client = begin("PARAM NoETRN");
    ASSERT_HAS(say(client, "ETRN x.test\r\n"), "500 5.5.2");
    client_done(client);
}

static void a_stranger_may_not_ask_for_ever(void)
{
    client_t *client = begin("");
    int i;
    for (i = 0; i < TURN_RATE; i++)
        ASSERT_HAS(say(client, "ETRN x.test\r\n"), "251 ");
    ASSERT_HAS(say(client, "ETRN x.test\r\n"), "459 4.7.0");
    zm_clock_advance(TURN_PERIOD + 1);
    (void)hang_up(client);
    client_again(client, STRANGER);
    (void)say(client, "EHLO peer.test\r\n");
    ASSERT_HAS(say(client, "ETRN x.test\r\n"), "251 ");
    client_done(client);
}

/* -- schedulers -------------------------------------------------------------------------------- */

static void a_scheduler_is_asked(void)
{
    apr_socket_t *listener = open_node("one"), *scheduler;
    client_t *client = begin(node_line("one"));
    char answer[33];
    zm_challenge_answer(answer, zm_str_of(SAMPLE, sizeof SAMPLE - 2), ZM_S("secret"));
    ZM_ASSERT_STR(say(client, "ETRN X.test\r\nNOOP\r\n"), "");
    scheduler = answer_call(listener);
    ZM_ASSERT_STR(scheduler_says(client, scheduler, VERSION), "");
    ZM_ASSERT_STR(scheduler_says(client, scheduler, SAMPLE),
                  apr_psprintf(zm_test_pool(), "AUTH turner %s\n", answer));
    ZM_ASSERT_STR(scheduler_says(client, scheduler, "+OK\n"),
                  "ETRN x.test [192.0.2.9]@mx.local.test\n");
    ZM_ASSERT_STR(scheduler_says(client, scheduler, "+OK; delivery is started\n"), "<eof>");
    ZM_ASSERT_STR(say(client, ""), "250-2.0.0 node 1: delivery is started\r\n"
                                   "250 2.0.0 delivery to X.test is started\r\n250 2.0.0 Ok\r\n");
    CU_ASSERT_PTR_NULL(client->filed);
    client_done(client);
}

static void all_are_asked_and_a_file_stands_in_for_those_that_fail(void)
{
    apr_socket_t *one = open_node("one"), *two = open_node("two"), *scheduler;
    client_t *client = begin(
        apr_pstrcat(zm_test_pool(), node_line("one"), node_line("absent"), node_line("two"), NULL));
    (void)say(client, "ETRN x.test\r\n");
    scheduler = answer_call(one);
    ZM_ASSERT_STR(scheduler_says(client, scheduler, "version zmailer 1.0\n"), "<eof>");
    scheduler = answer_call(two);
    (void)scheduler_says(client, scheduler, VERSION SAMPLE);
    (void)scheduler_says(client, scheduler, "+OK\n");
    (void)scheduler_says(client, scheduler, "+OK; nothing waits for that host\n");
    ZM_ASSERT_STR(say(client, ""), "250-2.0.0 node 1 cannot be asked now\r\n"
                                   "250-2.0.0 node 2 cannot be asked now\r\n"
                                   "250-2.0.0 node 3: nothing waits for that host\r\n"
                                   "250 2.0.0 delivery to x.test is started\r\n");
    ZM_ASSERT_STR(client->filed, "T x.test [192.0.2.9]\n");
    client_done(client);
}

static void schedulers_that_misbehave_have_failed(void)
{
    static const char *const talks[] = {"550 go away\n",
                                        VERSION "550 no account\n",
                                        VERSION SAMPLE "-Authentication failed\n",
                                        VERSION SAMPLE "+OK\n-no right to it\n",
                                        "\n",
                                        VERSION "\n"};
    apr_size_t i;
    for (i = 0; i < sizeof talks / sizeof talks[0]; i++) {
        apr_socket_t *listener = open_node("one"), *scheduler;
        client_t *client = begin(node_line("one"));
        (void)say(client, "ETRN x.test\r\n");
        scheduler = answer_call(listener);
        (void)scheduler_says(client, scheduler, talks[i]);
        ASSERT_HAS(say(client, ""), "node 1 cannot be asked now\r\n");
        CU_ASSERT_PTR_NOT_NULL(client->filed);
        client_done(client);
        (void)apr_socket_close(listener);
    }
}

static void a_scheduler_without_words_is_given_up(void)
{
    apr_socket_t *listener = open_node("one"), *scheduler;
    client_t *client =
        begin(apr_pstrcat(zm_test_pool(), "PARAM no-multiline-replies\n", node_line("one"), NULL));
    char flood[5000];
    ZM_ASSERT_STR(say(client, "ETRN x.test\r\n"), "");
    scheduler = answer_call(listener);
    (void)scheduler_says(client, scheduler, VERSION);
    ZM_ASSERT_STR(later(client, 29), "");
    ZM_ASSERT_STR(later(client, 2), "250 2.0.0 delivery to x.test is started\r\n");
    ZM_ASSERT_STR(say(client, "ETRN x.test\r\n"), "");
    scheduler = answer_call(listener);
    memset(flood, 'x', sizeof flood - 1);
    flood[sizeof flood - 1] = '\0';
    (void)scheduler_says(client, scheduler, flood);
    ZM_ASSERT_STR(say(client, ""), "250 2.0.0 delivery to x.test is started\r\n");
    client_done(client);
}

static void a_client_that_leaves_ends_the_call(void)
{
    apr_socket_t *listener = open_node("one"), *scheduler;
    client_t *client = begin(node_line("one"));
    (void)say(client, "ETRN x.test\r\n");
    scheduler = answer_call(listener);
    (void)apr_socket_close(client->socket);
    (void)later(client, 4000);
    net_run_idle(client->server.loop);
    ZM_ASSERT_STR(net_get(scheduler), "<eof>");
    client_again(client, STRANGER);
    client_done(client);
}

ZM_TESTS("etrn", ZM_TEST(a_request_becomes_a_file), ZM_TEST(what_is_no_host_is_refused),
         ZM_TEST(it_has_its_place_in_a_session), ZM_TEST(a_stranger_may_not_ask_for_ever),
         ZM_TEST(a_scheduler_is_asked),
         ZM_TEST(all_are_asked_and_a_file_stands_in_for_those_that_fail),
         ZM_TEST(schedulers_that_misbehave_have_failed),
         ZM_TEST(a_scheduler_without_words_is_given_up),
         ZM_TEST(a_client_that_leaves_ends_the_call))
