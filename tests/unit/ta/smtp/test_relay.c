/*
 * The whole agent against a scripted server, over real sockets.
 */
#include "tests/unit/harness.h"

#include <apr_strings.h>

#include "ta/smtp/lane.h"
#include "ta/smtp/smtp.h"
#include "tests/unit/ta/agent/fixture.h"
#include "tests/unit/ta/smtp/server.h"

static zm_fixture_t *fixture;
static zm_server_t server;
static zm_smtp_options_t options;
static zm_smtp_t smtp;

static void begin(void)
{
    fixture = zm_fixture("MYHOSTNAME=client.example\n");
    server = (zm_server_t){0};
    zm_server_start(&server, fixture->loop, fixture->pool);
    zm_smtp_defaults(&options);
}

/* Puts a letter into the spool and feeds it. */
static const char *send_letter(zm_fixture_letter_t letter)
{
    const char *host = zm_server_host(&server), *path;
    int i;
    for (i = 0; i < 8 && letter.recipients[i].channel != NULL; i++)
        letter.recipients[i].host = host;
    if (letter.sender == NULL)
        letter.sender = "from@example.org";
    path = zm_fixture_letter(fixture, &letter);
    zm_fixture_feed(fixture, "%s\t%s\n", path, host);
    return path;
}

static const char *send_to(const char *user)
{
    return send_letter((zm_fixture_letter_t){.recipients = {{"smtp", "", user, 0, NULL}}});
}

/* Runs the agent until everything that was fed is done. */
static void run(void)
{
    zm_agent_options_t agent = zm_fixture_agent(fixture, "smtp", "smtp");
    zm_error_t error;
    zm_fixture_end(fixture);
    ZM_ASSERT_OK(zm_smtp_open(&smtp, &options, &agent, fixture->pool, &error));
    CU_ASSERT_EQUAL(zm_smtp_run(&smtp), 0);
    while (server.open > 0) /* lets both ends say goodbye */
        zm_loop_once(fixture->loop, -1);
    zm_loop_once(fixture->loop, 0);
    zm_loop_once(fixture->loop, 0);
}

#define TALK(expected) ZM_ASSERT_STR(zm_buf_c(&server.talk), expected)
#define HEARD(text) CU_ASSERT_EQUAL(zm_fixture_count(fixture, text), 1)
#define TAGS(path, tags) ZM_ASSERT_STR(zm_fixture_tags(fixture, path), tags)

/* -- the usual ------------------------------------------------------------- */

static void letter_is_relayed_and_reported(void)
{
    const char *path;
    begin();
    path = send_letter((zm_fixture_letter_t){.body = "Hello\n.dot\nlast",
                                             .recipients = {{"smtp", "", "bob@x.org", 0, NULL}}});
    run();
    TALK("[1]\nEHLO client.example\nMAIL From:<from@example.org> SIZE=97\nRCPT To:<bob@x.org> "
         "NOTIFY=FAILURE,DELAY ORCPT=rfc822;bob@x.org\nDATA\nQUIT\n");
    ZM_ASSERT_STR(zm_buf_c(&server.letter),
                  "Received: by here\r\n        for <bob@x.org>; Mon\r\nTo: "
                  "x\r\n\r\nHello\r\n..dot\r\nlast\r\n");
    TAGS(path, "+");
    HEARD("\t\tok3 \r<<- (end of message)\r->> 250 2.0.0 taken\n");
    HEARD("#multi 100\n#hungry\n");
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, apr_psprintf(fixture->pool, "#hungry %s\t%s\n", path,
                                                           zm_server_host(&server))),
                    1);
}

static void letters_share_a_session_and_follow_the_dot(void)
{
    int i;
    begin();
    for (i = 0; i < 5; i++)
        send_to(apr_psprintf(fixture->pool, "user%d@x.org", i));
    run();
    CU_ASSERT_EQUAL(server.sessions, 1);
    CU_ASSERT_EQUAL(server.letters, 5);
    /* greeting is the server's; EHLO, 5 envelopes in one round trip each (the first alone), QUIT */
    CU_ASSERT_TRUE(server.bursts <= 8);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\tok3 "), 5);
}

static void without_pipelining_one_command_at_a_time(void)
{
    begin();
    server.keywords = "250 SIZE\r\n";
    send_to("one@x.org");
    send_to("two@x.org");
    run();
    CU_ASSERT_EQUAL(server.letters, 2);
    TALK("[1]\nEHLO client.example\nMAIL From:<from@example.org> SIZE=88\nRCPT "
         "To:<one@x.org>\nDATA\nMAIL From:<from@example.org> SIZE=88\nRCPT "
         "To:<two@x.org>\nDATA\nQUIT\n");
    CU_ASSERT_TRUE(server.bursts >= 10);
}

static void no_session_takes_more_than_its_share(void)
{
    begin();
    options.messages = 2;
    send_to("one@x.org");
    send_to("two@x.org");
    send_to("three@x.org");
    run();
    CU_ASSERT_EQUAL(server.sessions, 2);
    CU_ASSERT_EQUAL(server.letters, 3);
}

static void long_letter_is_streamed(void)
{
    apr_size_t length = 3000000, i;
    char *body;
    const char *path;
    begin();
    body = apr_palloc(fixture->pool, length + 1);
    for (i = 0; i < length; i++)
        body[i] = i % 70 == 69 ? '\n' : i % 70 == 0 ? '.' : 'x';
    body[length] = '\0';
    path = send_letter((zm_fixture_letter_t){
        .body = body, .header = "To: x\n", .recipients = {{"smtp", "", "bob@x", 0, NULL}}});
    send_to("next@x.org");
    run();
    TAGS(path, "+");
    CU_ASSERT_EQUAL(server.letters, 2);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\tok3 "), 2);
}

static void long_letter_arrives_complete(void)
{
    apr_size_t length = 200000, i, lines = 0;
    char *body;
    begin();
    body = apr_palloc(fixture->pool, length + 1);
    for (i = 0; i < length; i++) {
        body[i] = i % 50 == 49 ? '\n' : i % 50 == 0 ? '.' : 'x';
        lines += body[i] == '\n';
    }
    body[length] = '\0';
    send_letter((zm_fixture_letter_t){
        .body = body, .header = "To: x\n", .recipients = {{"smtp", "", "bob@x", 0, NULL}}});
    run();
    CU_ASSERT_EQUAL(server.letter.length, 9 + length + 2 * lines);
}

static void null_sender_and_dsn_parameters_are_passed_on(void)
{
    zm_fixture_letter_t letter = {
        .envid = "env+2B1",
        .ret = "HDRS",
        .recipients = {{"smtp", "", "bob@x.org", 0, "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bb@y"}}};
    const char *path;
    begin();
    letter.recipients[0].host = zm_server_host(&server);
    path = zm_fixture_letter(fixture, &letter);
    zm_fixture_feed(fixture, "%s\t%s\n", path, zm_server_host(&server));
    run();
    TALK("[1]\nEHLO client.example\nMAIL From:<> SIZE=88 ENVID=env+2B1 RET=HDRS\nRCPT "
         "To:<bob@x.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bb@y\nDATA\nQUIT\n");
    HEARD("\t\tok3 "); /* the report of success is the next server's duty now */
}

static void success_is_reported_when_the_server_will_not(void)
{
    begin();
    server.keywords = "250 PIPELINING\r\n";
    send_letter(
        (zm_fixture_letter_t){.recipients = {{"smtp", "", "bob@x.org", 0, "NOTIFY=SUCCESS"}}});
    run();
    HEARD("\t\tok2 ");
}

static void recipients_of_a_message_share_a_transaction(void)
{
    const char *path;
    begin();
    path = send_letter((zm_fixture_letter_t){.recipients = {{"smtp", "", "a@x", 0, NULL},
                                                            {"smtp", "", "b@x", 0, NULL},
                                                            {"smtp", "", "c@x", 0, NULL}}});
    server.keywords = "250 PIPELINING\r\n";
    run();
    TALK("[1]\nEHLO client.example\nMAIL From:<from@example.org>\nRCPT To:<a@x>\nRCPT "
         "To:<b@x>\nRCPT To:<c@x>\nDATA\nQUIT\n");
    ZM_ASSERT_STR(
        zm_buf_c(&server.letter),
        "Received: by here; Mon\r\nTo: x\r\n\r\nHello\r\n"); /* tells nobody of the others */
    TAGS(path, "+++");
}

static void groups_and_recipient_limits_make_more_transactions(void)
{
    const char *path;
    begin();
    path = send_letter((zm_fixture_letter_t){.recipients = {{"smtp", "", "a@x", 0, NULL},
                                                            {"smtp", "", "b@x", 0, NULL},
                                                            {"smtp", "", "c@x", 0, NULL},
                                                            {"smtp", "", "d@x", 0, NULL}},
                                             .second_header = "To: other\n",
                                             .second = 3});
    server.keywords = "250-PIPELINING\r\n250 LIMITS RCPTMAX=2\r\n";
    run();
    CU_ASSERT_EQUAL(server.letters, 3);
    CU_ASSERT_EQUAL(server.sessions, 1);
    TAGS(path, "++++");
}

/* -- refusals -------------------------------------------------------------- */

static void refused_recipients_have_their_own_outcome(void)
{
    const char *path;
    begin();
    server.rcpt.list[0] = "550 5.1.1 no (a)";
    server.rcpt.list[1] = "250 ok";
    server.rcpt.list[2] = "451 4.7.1 later";
    path = send_letter((zm_fixture_letter_t){.recipients = {{"smtp", "", "a@x", 0, NULL},
                                                            {"smtp", "", "b@x", 0, NULL},
                                                            {"smtp", "", "c@x", 0, NULL}}});
    send_to("next@x.org");
    run();
    TAGS(path, "-+ ");
    HEARD("\t\terror2 \r<<- RCPT To:<a@x> NOTIFY=FAILURE,DELAY ORCPT=rfc822;a@x\r->> 550 5.1.1 no "
          "(a)\n");
    HEARD("\tdeferred \r<<- RCPT To:<c@x> NOTIFY=FAILURE,DELAY ORCPT=rfc822;c@x\r->> 451 4.7.1 "
          "later\n");
    HEARD("c@x\1"
          "failed\1"
          "4.7.1\1smtp; 451 (4.7.1 later)\1X-IP-addr; [127.0.0.1]:");
    CU_ASSERT_EQUAL(server.sessions, 2); /* a 4xx may mean: enough of you in this session */
    CU_ASSERT_EQUAL(server.letters, 2);
}

static void nobody_accepted_means_no_letter(void)
{
    const char *path;
    begin();
    server.rcpt.list[0] = "550 no";
    path = send_to("a@x");
    send_to("b@x");
    run();
    TAGS(path, "-");
    CU_ASSERT_EQUAL(server.letters, 1);
    CU_ASSERT_EQUAL(server.sessions, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.talk), "DATA\nRSET\nMAIL "));
}

static void server_that_wants_a_letter_to_nobody_gets_a_bare_dot(void)
{
    const char *path;
    begin();
    server.rcpt.list[0] = "550 no";
    server.data.list[0] = "354 go on";
    path = send_to("a@x");
    send_to("b@x");
    run();
    TAGS(path, "-");
    CU_ASSERT_EQUAL(server.letters, 2);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\tok3 "), 1);
}

static void refused_sender_is_the_outcome_of_all(void)
{
    const char *path;
    begin();
    server.mail.list[0] = "550 5.7.1 not you";
    server.rcpt.list[0] = "503 5.5.1 no MAIL";
    server.rcpt.list[1] = "503 5.5.1 no MAIL";
    server.data.list[0] = "503 5.5.1 no RCPT";
    path = send_letter((zm_fixture_letter_t){
        .recipients = {{"smtp", "", "a@x", 0, NULL}, {"smtp", "", "b@x", 0, NULL}}});
    run();
    TAGS(path, "--");
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "->> 550 5.7.1 not you\n"), 2);
}

static void refused_sender_without_pipelining_is_told_at_once(void)
{
    const char *path;
    begin();
    server.keywords = "250 SIZE\r\n";
    server.mail.list[0] = "451 not now";
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    HEARD("\tdeferred \r<<- MAIL From:<from@example.org> SIZE=88\r->> 451 not now\n");
}

static void refused_data_and_dot_decide_for_the_accepted(void)
{
    const char *one, *two, *three;
    begin();
    server.data.list[0] = "554 5.6.0 no data";
    server.data.list[1] = "354 go";
    server.dot.list[0] = "552 5.2.3 too big";
    server.dot.list[1] = "451 4.3.0 disk";
    one = send_to("a@x");
    two = send_to("b@x");
    three = send_to("c@x");
    run();
    TAGS(one, "-");
    TAGS(two, "-");
    TAGS(three, " ");
    HEARD("\tdeferback \r<<- (end of message)\r->> 451 4.3.0 disk\n");
}

static void too_large_letters_are_not_sent(void)
{
    const char *path;
    begin();
    server.keywords = "250-PIPELINING\r\n250 SIZE 50\r\n";
    path = send_to("a@x");
    run();
    TAGS(path, "-");
    TALK("[1]\nEHLO client.example\nQUIT\n");
}

static void addresses_that_cannot_be_sent_are_refused_here(void)
{
    const char *path;
    begin();
    path = send_letter((zm_fixture_letter_t){
        .recipients = {{"smtp", "", "a b@x", 0, NULL}, {"smtp", "", "b@x", 0, NULL}}});
    run();
    TAGS(path, "-+");
    CU_ASSERT_PTR_NULL(strstr(zm_buf_c(&server.talk), "a b@x"));
}

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

/* -- LMTP and 8 bits ------------------------------------------------------- */

static void lmtp_has_a_reply_for_each_recipient(void)
{
    const char *path;
    begin();
    options.lmtp = true;
    server.lmtp = 1;
    server.rcpt.list[0] = "250 ok";
    server.rcpt.list[1] = "550 no";
    server.rcpt.list[2] = "250 ok";
    server.dot.list[0] = "250 stored";
    server.dot.list[1] = "452 4.2.2 full";
    path = send_letter((zm_fixture_letter_t){.recipients = {{"smtp", "", "a@x", 0, NULL},
                                                            {"smtp", "", "b@x", 0, NULL},
                                                            {"smtp", "", "c@x", 0, NULL}}});
    run();
    TAGS(path, "+- ");
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.talk), "LHLO client.example\n"));
}

static void eight_bit_letters_are_declared(void)
{
    begin();
    send_letter(
        (zm_fixture_letter_t){.header = "MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n",
                              .body = "\xc3\xa4\n",
                              .recipients = {{"smtp", "", "a@x", 0, NULL}}});
    run();
    CU_ASSERT_PTR_NOT_NULL(
        strstr(zm_buf_c(&server.talk), "MAIL From:<from@example.org> BODY=8BITMIME SIZE="));
}

static void eight_bit_letters_are_encoded_for_old_servers(void)
{
    const char *path;
    begin();
    server.keywords = "250 PIPELINING\r\n";
    path = send_letter(
        (zm_fixture_letter_t){.header = "MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n",
                              .body = "\xc3\xa4\n",
                              .recipients = {{"smtp", "", "a@x", 0, NULL}}});
    run();
    TAGS(path, "+");
    ZM_ASSERT_STR(zm_buf_c(&server.letter), "MIME-Version: 1.0\r\nContent-Transfer-Encoding: "
                                            "QUOTED-PRINTABLE\r\n\r\n=C3=A4\r\n");
}

static void signed_eight_bit_letters_are_returned_by_old_servers(void)
{
    const char *path;
    begin();
    server.keywords = "250 PIPELINING\r\n";
    path = send_letter((zm_fixture_letter_t){
        .header = "DKIM-Signature: v=1\nMIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n",
        .body = "\xc3\xa4\n",
        .recipients = {{"smtp", "", "a@x", 0, NULL}}});
    run();
    TAGS(path, "-");
    CU_ASSERT_EQUAL(server.letters, 0);
}

ZM_TESTS(
    "smtp relay", ZM_TEST(letter_is_relayed_and_reported),
    ZM_TEST(letters_share_a_session_and_follow_the_dot),
    ZM_TEST(without_pipelining_one_command_at_a_time),
    ZM_TEST(no_session_takes_more_than_its_share), ZM_TEST(long_letter_is_streamed),
    ZM_TEST(long_letter_arrives_complete), ZM_TEST(null_sender_and_dsn_parameters_are_passed_on),
    ZM_TEST(success_is_reported_when_the_server_will_not),
    ZM_TEST(recipients_of_a_message_share_a_transaction),
    ZM_TEST(groups_and_recipient_limits_make_more_transactions),
    ZM_TEST(refused_recipients_have_their_own_outcome), ZM_TEST(nobody_accepted_means_no_letter),
    ZM_TEST(server_that_wants_a_letter_to_nobody_gets_a_bare_dot),
    ZM_TEST(refused_sender_is_the_outcome_of_all),
    ZM_TEST(refused_sender_without_pipelining_is_told_at_once),
    ZM_TEST(refused_data_and_dot_decide_for_the_accepted), ZM_TEST(too_large_letters_are_not_sent),
    ZM_TEST(addresses_that_cannot_be_sent_are_refused_here), ZM_TEST(ehlo_refused_means_helo),
    ZM_TEST(ehlo_that_breaks_the_session_means_helo_in_another),
    ZM_TEST(temporary_greeting_defers_everything_that_waits),
    ZM_TEST(permanent_greeting_is_not_believed_at_once),
    ZM_TEST(dead_host_is_told_for_all_recipients),
    ZM_TEST(garbage_instead_of_replies_ends_the_session), ZM_TEST(endless_reply_ends_the_session),
    ZM_TEST(silence_is_limited), ZM_TEST(unasked_replies_end_the_session),
    ZM_TEST(lost_session_is_opened_again_for_the_next_letter),
    ZM_TEST(letter_is_retried_in_a_new_session_once),
    ZM_TEST(session_lost_at_the_dot_defers_behind_others),
    ZM_TEST(farewell_after_the_dot_still_counts), ZM_TEST(stop_before_the_dot_gives_up_the_letter),
    ZM_TEST(stop_after_the_dot_waits_for_its_reply), ZM_TEST(lmtp_has_a_reply_for_each_recipient),
    ZM_TEST(eight_bit_letters_are_declared), ZM_TEST(eight_bit_letters_are_encoded_for_old_servers),
    ZM_TEST(signed_eight_bit_letters_are_returned_by_old_servers))
