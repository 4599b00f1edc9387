/*
 * The whole agent against a scripted server: how sessions begin, break and end.
 */
#include <apr_strings.h>

#include "platform/fs.h"
#include "platform/machine.h"
#include "ta/smtp/trial.h"
#include "tests/unit/ta/smtp/relay_help.h"

/* -- openings -------------------------------------------------------------- */

static void ehlo_refused_means_helo(void)
{
    const char *path;
    begin();
    server.ehlo.list[0] = "502 what";
    path = send_to("a@x");
    run();
    TAGS(path, "+");
    TALK("[1]\nEHLO client.example\nHELO client.example\nMAIL From:<from@example.org>\nRCPT "
         "To:<a@x>\nDATA\nQUIT\n");
}

static void ehlo_that_breaks_the_session_means_helo_in_another(void)
{
    const char *path;
    begin();
    server.ehlo.list[0] = "CLOSE";
    path = send_to("a@x");
    run();
    TAGS(path, "+");
    CU_ASSERT_EQUAL(server.sessions, 2);
}

static void temporary_greeting_defers_everything_that_waits(void)
{
    const char *one, *two;
    begin();
    server.greeting.list[0] = "421 too busy";
    one = send_to("a@x");
    two = send_to("b@x");
    run();
    TAGS(one, " ");
    TAGS(two, " ");
    CU_ASSERT_EQUAL(server.sessions, 1);
    HEARD("\tretryat +60 \r->> 421 too busy\n");
    HEARD("\tdeferall \r->> 421 too busy\n");
}

static void permanent_greeting_is_not_believed_at_once(void)
{
    const char *path;
    begin();
    server.greeting.list[0] = "554 no mail here";
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\tretryat +60 "), 1);
}

static void dead_host_is_told_for_all_recipients(void)
{
    const char *path, *host;
    begin();
    zm_server_stop(&server);
    host = zm_server_host(&server);
    path = send_letter((zm_fixture_letter_t){
        .recipients = {{"smtp", "", "a@x", 0, NULL}, {"smtp", "", "b@x", 0, NULL}}});
    send_to("c@x");
    run();
    TAGS(path, "  ");
    CU_ASSERT_EQUAL(
        zm_fixture_count(fixture,
                         apr_psprintf(fixture->pool, "\tdeferall connect to %s [127.0.0.1|", host)),
        3);
    CU_ASSERT_EQUAL(server.sessions, 0);
}

static void garbage_instead_of_replies_ends_the_session(void)
{
    apr_size_t length = 100000;
    char *garbage;
    const char *path;
    begin();
    garbage = apr_palloc(fixture->pool, length + 1);
    memset(garbage, 'x', length);
    garbage[length] = '\0';
    server.greeting.list[0] = garbage;
    path = send_to("a@x");
    run();
    TAGS(path, " ");
}

static void endless_reply_ends_the_session(void)
{
    zm_buf_t endless = ZM_BUF_INIT;
    const char *path;
    int i;
    begin();
    for (i = 0; i < 5000; i++)
        zm_buf_add_c(&endless, "220-more\r\n");
    zm_buf_add_c(&endless, "220 end");
    server.greeting.list[0] = zm_buf_c(&endless);
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    zm_buf_free(&endless);
}

static void silence_is_limited(void)
{
    const char *path;
    begin();
    options.command = apr_time_from_msec(30);
    server.keywords = "250 SIZE\r\n";
    server.mail.list[0] = "SILENT";
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    HEARD("\tretryat +60 timeout waiting for the server\n");
}

static void unasked_replies_end_the_session(void)
{
    const char *path;
    begin();
    server.mail.list[0] = "250 ok\r\n250 and more\r\n250 and more\r\n250 and\r\n250 more";
    path = send_to("a@x");
    run();
    TAGS(path, " ");
}

/* -- broken sessions ------------------------------------------------------- */

static void lost_session_is_opened_again_for_the_next_letter(void)
{
    const char *one, *two;
    begin();
    server.mail.list[0] = "250 ok";
    server.mail.list[1] = "CLOSE 421 enough";
    one = send_to("a@x");
    two = send_to("b@x");
    run();
    TAGS(one, "+");
    TAGS(two, "+");
    CU_ASSERT_EQUAL(server.sessions, 2);
    CU_ASSERT_EQUAL(server.letters, 2);
}

static void letter_is_retried_in_a_new_session_once(void)
{
    const char *one, *two;
    begin();
    server.mail.list[0] = "250 ok";
    server.mail.list[1] = server.mail.list[2] = "CLOSE";
    one = send_to("a@x");
    two = send_to("b@x");
    run();
    TAGS(one, "+");
    TAGS(two, " ");
    CU_ASSERT_EQUAL(server.sessions, 2);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\tretryat +60 the server closed the connection\n"),
                    1);
}

static void session_lost_at_the_dot_defers_behind_others(void)
{
    const char *path;
    begin();
    server.dot.list[0] = "CLOSE";
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    HEARD("\tdeferback the server closed the connection\n");
    CU_ASSERT_EQUAL(server.letters, 1);
}

static void farewell_after_the_dot_still_counts(void)
{
    const char *one, *two;
    begin();
    server.dot.list[0] = "CLOSE 250 ok";
    one = send_to("a@x");
    two = send_to("b@x");
    run();
    TAGS(one, "+");
    TAGS(two, "+");
    CU_ASSERT_EQUAL(server.sessions, 2);
}

static void success_before_the_end_of_the_letter_is_not_believed(void)
{
    apr_size_t length = 3000000;
    char *body;
    const char *path;
    begin();
    body = apr_palloc(fixture->pool, length + 1);
    memset(body, 'x', length);
    body[length] = '\0';
    server.data.list[0] = "354 go\r\n250 2.0.0 taken already";
    path = send_letter((zm_fixture_letter_t){
        .body = body, .header = "To: x\n", .recipients = {{"smtp", "", "bob@x", 0, NULL}}});
    run();
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.letters, 0);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\tok"), 0);
    HEARD("the server answered before the end of the message\n");
}

static void servers_without_extensions_get_no_parameters(void)
{
    begin();
    options.eight_bit = true;
    server.ehlo.list[0] = "500 what";
    send_letter(
        (zm_fixture_letter_t){.header = "MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n",
                              .body = "\xc3\xa4\n",
                              .recipients = {{"smtp", "", "a@x", 0, NULL}}});
    run();
    TALK("[1]\nEHLO client.example\nHELO client.example\nMAIL From:<from@example.org>\nRCPT "
         "To:<a@x>\nDATA\nQUIT\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.letter), "\xc3\xa4")); /* -8: they take them */
}

static void greeting_of_many_lines_may_say_esmtp_in_any(void)
{
    begin();
    options.ehlo_if_offered = true;
    server.greeting.list[0] = "220-here ESMTP\r\n220 welcome";
    server.greeting.list[1] = "220 here SMTP";
    options.one = true;
    send_to("a@x");
    send_to("b@x");
    run();
    CU_ASSERT_EQUAL(strncmp(zm_buf_c(&server.talk), "[1]\nEHLO ", 9), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.talk), "\nHELO "));
}

/* -- the protocol log -------------------------------------------------------- */

static void log_tells_the_session_and_what_came_of_it(void)
{
    char *log = NULL;
    apr_size_t length;
    begin();
    options.log = apr_pstrcat(fixture->pool, zm_test_directory(), "/smtp.log", NULL);
    server.rcpt.list[0] = "550 no\033such";
    send_letter((zm_fixture_letter_t){
        .header = "To: x\n",
        .recipients = {{"smtp", "", "a@x", 0, NULL}, {"smtp", "", "b@x", 0, NULL}}});
    run();
    ZM_ASSERT_OK(zm_file_slurp(&log, &length, options.log, 1 << 20, fixture->pool));
    CU_ASSERT_PTR_NOT_NULL(strstr(log, "#\tConnecting to '[127.0.0.1]"));
    CU_ASSERT_PTR_NOT_NULL(strstr(log, "w\tRCPT To:<a@x>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(log, "r\t550 no?such\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(log, "#\tDIAG: a@x: error2 5.1.1 smtp; 550 (no such)\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(log, "#\tDIAG: b@x: ok3 2.0.0 smtp; 250 (2.0.0 taken)\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(log, "#\t19 bytes, 9 in header, 2 recipients, 0 secs for "
                                       "envelope, 0 secs for body xfer\n"));
}

/* -- ourselves --------------------------------------------------------------- */

static zm_refusal_t refusal;

static void on_failed(void *baton, const zm_refusal_t *why)
{
    (void)baton;
    refusal = *why;
}

static void our_own_address_is_an_error_unless_allowed(void)
{
    zm_agent_options_t agent = zm_fixture_agent((begin(), fixture), "smtp", "smtp");
    zm_session_owner_t owner = {.failed = on_failed};
    zm_hop_t hop = {.name = "we.example", .to = {.port = 25}};
    zm_session_t *session;
    zm_error_t error;
    options.no_mx = true;
    zm_fixture_end(fixture);
    ZM_ASSERT_OK(zm_smtp_open(&smtp, &options, &agent, fixture->pool, &error));
    zm_ip_parse(&hop.to.ip, ZM_S("127.0.0.1"));
    refusal.result = ZM_RESULT_OK;
    zm_session_start(&session, &smtp, &hop, false, false, &owner);
    while (refusal.result == ZM_RESULT_OK)
        zm_loop_once(fixture->loop, -1);
    CU_ASSERT_EQUAL(refusal.result, ZM_RESULT_UNAVAILABLE);
    ZM_ASSERT_STR(refusal.status, "5.4.6");
    CU_ASSERT_EQUAL(zm_smtp_run(&smtp), 0);
}

/* -- control events ---------------------------------------------------------- */

static const char *stop_at;

static void stop_hook(zm_str_t line)
{
    if (stop_at == NULL || !zm_str_starts(line, zm_str(stop_at)))
        return;
    stop_at = NULL;
    smtp.agent->stopping = true;
    zm_lanes_interrupt(&smtp);
}

static void stop_before_the_dot_gives_up_the_letter(void)
{
    const char *one, *two;
    begin();
    server.hook = stop_hook;
    stop_at = "MAIL";
    one = send_to("a@x");
    two = send_to("b@x");
    run();
    TAGS(one, " ");
    TAGS(two, " ");
    CU_ASSERT_EQUAL(server.letters, 0);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "the agent is being stopped\n"), 1);
}

static void stop_after_the_dot_waits_for_its_reply(void)
{
    const char *one, *two, *three;
    begin();
    server.hook = stop_hook;
    stop_at = ".";
    one = send_to("a@x");
    two = send_to("b@x");
    three = send_to("c@x");
    run();
    TAGS(one, "+");
    TAGS(two, " ");
    TAGS(three, " ");
    CU_ASSERT_EQUAL(server.letters, 1);
}

/* -- trying ---------------------------------------------------------------- */

static int attempt(void)
{
    zm_agent_options_t agent = zm_fixture_agent(fixture, "smtp", "smtp");
    zm_error_t error;
    int code;
    zm_fixture_end(fixture);
    ZM_ASSERT_OK(zm_smtp_open(&smtp, &options, &agent, fixture->pool, &error));
    code = zm_smtp_try(&smtp);
    say_goodbye();
    return code;
}

static void destination_can_be_tried(void)
{
    begin();
    options.host = zm_server_host(&server);
    CU_ASSERT_EQUAL(attempt(), 0);
    TALK("[1]\nEHLO client.example\nQUIT\n");
    begin();
    options.host = apr_psprintf(fixture->pool, "[127.0.0.1]:1,%s", zm_server_host(&server));
    server.greeting.list[0] = "554 not you";
    CU_ASSERT_EQUAL(attempt(), ZM_RESULT_TEMPFAIL);
    TALK("[1]\n");
    begin();
    options.host = "[nonsense";
    CU_ASSERT_EQUAL(attempt(), ZM_RESULT_NOHOST);
    begin(); /* silence after EHLO is answered with HELO */
    options.host = zm_server_host(&server);
    server.ehlo.list[0] = "CLOSE 421 no";
    CU_ASSERT_EQUAL(attempt(), 0);
    TALK("[1]\nEHLO client.example\n[2]\nHELO client.example\nQUIT\n");
}

static bool reads(const char *word, const char *value)
{
    const char *argv[] = {"smtp", word, value, "host.test", NULL};
    int code;
    return zm_smtp_command_line(&options, 4, (char **)(uintptr_t)argv, &code);
}

static void source_may_be_of_an_interface(void)
{
    const char *const *names = NULL, *first = zm_test_on_windows() ? NULL : "lo";
    CU_ASSERT_TRUE(reads("-L", "[192.0.2.1]"));
    CU_ASSERT_TRUE(zm_smtp_has_family(&options, 4));
    CU_ASSERT_FALSE(zm_smtp_has_family(&options, 6));
    CU_ASSERT_TRUE(reads("-L", "[IPv6:2001:db8::1]"));
    CU_ASSERT_FALSE(zm_smtp_has_family(&options, 4));
    CU_ASSERT_TRUE(reads("-L", "any"));
    CU_ASSERT_TRUE(zm_smtp_has_family(&options, 4) && zm_smtp_has_family(&options, 6));
    CU_ASSERT_FALSE(reads("-L", "iface:nosuchinterface"));
    CU_ASSERT_FALSE(reads("-L", "somewhere"));
    if (first == NULL || zm_machine_interface(&names, first, zm_test_pool()) != APR_SUCCESS ||
        names[0] == NULL || strcmp(names[0], "127.0.0.1") != 0)
        return; /* it is called otherwise here */
    CU_ASSERT_TRUE(reads("-L", "iface:v4:lo"));
    CU_ASSERT_TRUE(zm_ip_is_loopback(&options.source[0].ip));
    CU_ASSERT_FALSE(zm_smtp_has_family(&options, 6));
}

ZM_TESTS("smtp sessions", ZM_TEST(destination_can_be_tried), ZM_TEST(source_may_be_of_an_interface),
         ZM_TEST(ehlo_refused_means_helo),
         ZM_TEST(ehlo_that_breaks_the_session_means_helo_in_another),
         ZM_TEST(temporary_greeting_defers_everything_that_waits),
         ZM_TEST(permanent_greeting_is_not_believed_at_once),
         ZM_TEST(dead_host_is_told_for_all_recipients),
         ZM_TEST(garbage_instead_of_replies_ends_the_session),
         ZM_TEST(endless_reply_ends_the_session), ZM_TEST(silence_is_limited),
         ZM_TEST(unasked_replies_end_the_session),
         ZM_TEST(lost_session_is_opened_again_for_the_next_letter),
         ZM_TEST(letter_is_retried_in_a_new_session_once),
         ZM_TEST(session_lost_at_the_dot_defers_behind_others),
         ZM_TEST(farewell_after_the_dot_still_counts),
         ZM_TEST(stop_before_the_dot_gives_up_the_letter),
         ZM_TEST(stop_after_the_dot_waits_for_its_reply),
         ZM_TEST(success_before_the_end_of_the_letter_is_not_believed),
         ZM_TEST(servers_without_extensions_get_no_parameters),
         ZM_TEST(greeting_of_many_lines_may_say_esmtp_in_any),
         ZM_TEST(our_own_address_is_an_error_unless_allowed),
         ZM_TEST(log_tells_the_session_and_what_came_of_it))
