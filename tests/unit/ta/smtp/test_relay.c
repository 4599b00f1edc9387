/*
 * The whole agent against a scripted server, over real sockets: letters and refusals.
 */
#include <apr_strings.h>

#include "tests/unit/ta/smtp/relay_help.h"

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
    const char *path;
    begin();
    path = send_long_letter(70);
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

static const char *deadline(int seconds, const char *mode)
{
    return apr_psprintf(zm_test_pool(), "BY=%d;%s", (int)(apr_time_sec(apr_time_now()) + seconds),
                        mode);
}

static void deadlines_are_passed_on(void)
{
    const char *path, *talk;
    begin();
    server.keywords = "250-PIPELINING\r\n250 DELIVERBY 60\r\n";
    path = send_letter((zm_fixture_letter_t){
        .recipients = {{"smtp", "", "a@x", 0, "BY=4000000000;RT"},
                       {"smtp", "", "b@x", 0, "NOTIFY=DELAY BY=4000000000;RT"},
                       {"smtp", "", "late@x", 0, deadline(30, "R")},
                       {"smtp", "", "over@x", 0, deadline(-5, "R")},
                       {"smtp", "", "c@x", 0, deadline(-5, "N")},
                       {"smtp", "", "d@x", 0, NULL}}});
    run();
    TAGS(path, "++--++");
    talk = zm_buf_c(&server.talk);
    CU_ASSERT_PTR_NOT_NULL(strstr(talk, ";RT\nRCPT To:<a@x>\nRCPT To:<b@x>\nDATA\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(talk, ";N\nRCPT To:<c@x>\nDATA\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(talk, "MAIL From:<from@example.org>\nRCPT To:<d@x>\nDATA\n"));
    CU_ASSERT_EQUAL(server.letters, 3);
    HEARD("\terror2 the server needs more time than it has\n");
    HEARD("\terror2 its time is over\n");
}

static void deadlines_that_are_not_kept_return_the_letter(void)
{
    const char *path;
    begin();
    path = send_letter(
        (zm_fixture_letter_t){.recipients = {{"smtp", "", "a@x", 0, "BY=4000000000;R"},
                                             {"smtp", "", "b@x", 0, "BY=4000000000;N"}}});
    run();
    TAGS(path, "-+");
    CU_ASSERT_PTR_NULL(strstr(zm_buf_c(&server.talk), " BY="));
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_fixture_control(fixture, path).data, "\1failed\0015.4.7\1"));
}

static void one_of_many_is_named_only_on_request(void)
{
    const zm_fixture_letter_t letter = {
        .header = "Received: by here; Mon\n",
        .recipients = {{"smtp", "", "a@x", 0, NULL}, {"smtp", "", "b@x", 0, NULL}}};
    begin();
    send_letter(letter);
    run();
    CU_ASSERT_PTR_NULL(strstr(zm_buf_c(&server.letter), "for <a@x>"));
    begin();
    options.strict = true;
    send_letter(letter);
    run();
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.letter), "for <a@x>"));
}

#define COUNTED(counter, value)                                                                    \
    CU_ASSERT_EQUAL(zm_counter_get(smtp.agent->counters, ZM_COUNT_TA_SMTP_##counter), value)

static void sessions_are_counted(void)
{
    begin();
    server.keywords = "250-PIPELINING\r\n250-AUTH PLAIN\r\n250-DSN\r\n250 SIZE\r\n";
    server.rcpt.list[0] = "550 no";
    send_letter((zm_fixture_letter_t){
        .header = "MIME-Version: 1.0\n",
        .body = "\xe4\n",
        .envid = "E1",
        .recipients = {{"smtp", "", "a@x", 0, NULL}, {"smtp", "", "b@x", 0, "NOTIFY=DELAY"}}});
    send_to("c@x");
    run();
    COUNTED(SmtpStarts, 1);
    COUNTED(SmtpConnects, 1);
    COUNTED(SmtpConnectFails, 0);
    COUNTED(SmtpConnectsCnt_G, 0);
    COUNTED(SmtpEHLO, 1);
    COUNTED(SmtpEHLOok, 1);
    COUNTED(SmtpHELO, 0);
    COUNTED(SmtpPIPELINING, 1);
    COUNTED(capaCHUNKING, 0);
    COUNTED(capaAUTH, 1);
    COUNTED(capa8BITMIME, 0);
    COUNTED(SmtpMAIL, 2);
    COUNTED(SmtpMAILok, 2);
    COUNTED(SmtpRCPT, 3);
    COUNTED(SmtpRCPTok, 2);
    COUNTED(SmtpDATA, 2);
    COUNTED(SmtpDATAok, 2);
    COUNTED(sent_option_SIZE, 2);
    COUNTED(sent_option_ENVID, 1);
    COUNTED(sent_option_NOTIFY, 3);
    CU_ASSERT_EQUAL(zm_counter_get(smtp.agent->counters, ZM_COUNT_mtaSuccessfulConvertedMessages),
                    1);
}

static void lmtp_delivers_where_smtp_relays(void)
{
    const char *path;
    begin();
    server.keywords = "250 PIPELINING\r\n";
    path = send_letter(
        (zm_fixture_letter_t){.recipients = {{"smtp", "", "a@x", 0, "NOTIFY=SUCCESS"}}});
    run();
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_fixture_control(fixture, path).data, "\1relayed\1"));
    begin();
    options.lmtp = true;
    server.lmtp = 1;
    server.keywords = "250 PIPELINING\r\n";
    path = send_letter(
        (zm_fixture_letter_t){.recipients = {{"smtp", "", "a@x", 0, "NOTIFY=SUCCESS"}}});
    run();
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_fixture_control(fixture, path).data, "\1delivered\1"));
}

static void signed_headers_keep_their_blanks(void)
{
    begin();
    send_letter((zm_fixture_letter_t){.header = "DKIM-Signature:\tv=1;\n\tc=simple\n",
                                      .recipients = {{"smtp", "", "a@x", 0, NULL}}});
    run();
    CU_ASSERT_PTR_NOT_NULL(
        strstr(zm_buf_c(&server.letter), "DKIM-Signature:\tv=1;\r\n\tc=simple\r\n"));
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

/* Each with a sender of its own, by which the list learns who cannot be reached. */
static void list_members_travel_alone(void)
{
    const char *path, *talk, *next;
    begin();
    path = send_letter((zm_fixture_letter_t){.sender = "list@example.org",
                                             .recipients = {{"smtp", "", "a@x", 0, "EZMLM=-7-a=x"},
                                                            {"smtp", "", "b@x", 0, "EZMLM=-7-b=x"},
                                                            {"smtp", "", "c@x", 0, NULL}}});
    run();
    TAGS(path, "+++");
    CU_ASSERT_EQUAL(server.letters, 3);
    talk = zm_buf_c(&server.talk);
    next = strstr(talk, "MAIL From:<list-7-a=x-S");
    CU_ASSERT_PTR_NOT_NULL_FATAL(next);
    CU_ASSERT_PTR_NOT_NULL(strstr(next, "@example.org>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(talk, "MAIL From:<list-7-b=x-S"));
    CU_ASSERT_PTR_NOT_NULL(strstr(talk, "MAIL From:<list@example.org>"));
    begin();
    options.ignore_ezmlm = true;
    send_letter((zm_fixture_letter_t){.sender = "list@example.org",
                                      .recipients = {{"smtp", "", "a@x", 0, "EZMLM=-7-a=x"},
                                                     {"smtp", "", "b@x", 0, "EZMLM=-7-b=x"}}});
    run();
    CU_ASSERT_EQUAL(server.letters, 1);
}

ZM_TESTS("smtp relay", ZM_TEST(list_members_travel_alone), ZM_TEST(letter_is_relayed_and_reported),
         ZM_TEST(letters_share_a_session_and_follow_the_dot),
         ZM_TEST(without_pipelining_one_command_at_a_time),
         ZM_TEST(no_session_takes_more_than_its_share), ZM_TEST(long_letter_is_streamed),
         ZM_TEST(long_letter_arrives_complete),
         ZM_TEST(null_sender_and_dsn_parameters_are_passed_on),
         ZM_TEST(success_is_reported_when_the_server_will_not),
         ZM_TEST(recipients_of_a_message_share_a_transaction),
         ZM_TEST(groups_and_recipient_limits_make_more_transactions),
         ZM_TEST(refused_recipients_have_their_own_outcome),
         ZM_TEST(nobody_accepted_means_no_letter),
         ZM_TEST(server_that_wants_a_letter_to_nobody_gets_a_bare_dot),
         ZM_TEST(refused_sender_is_the_outcome_of_all),
         ZM_TEST(refused_sender_without_pipelining_is_told_at_once),
         ZM_TEST(refused_data_and_dot_decide_for_the_accepted),
         ZM_TEST(too_large_letters_are_not_sent),
         ZM_TEST(addresses_that_cannot_be_sent_are_refused_here),
         ZM_TEST(lmtp_has_a_reply_for_each_recipient), ZM_TEST(eight_bit_letters_are_declared),
         ZM_TEST(eight_bit_letters_are_encoded_for_old_servers),
         ZM_TEST(signed_eight_bit_letters_are_returned_by_old_servers),
         ZM_TEST(lmtp_delivers_where_smtp_relays), ZM_TEST(signed_headers_keep_their_blanks),
         ZM_TEST(deadlines_are_passed_on), ZM_TEST(deadlines_that_are_not_kept_return_the_letter),
         ZM_TEST(one_of_many_is_named_only_on_request), ZM_TEST(sessions_are_counted))
