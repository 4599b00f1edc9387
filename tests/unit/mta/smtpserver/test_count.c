/* What sessions count. */
#include <stdio.h>

#include "tests/unit/mta/smtpserver/session_help.h"

#define STRANGER "192.0.2.9"

#define ASSERT_COUNT(client, name, expected)                                                       \
    assert_count((client), ZM_COUNT_SS_##name, (expected), #name, __LINE__)

static void assert_count(const client_t *client, zm_counter_t counter, int64_t expected,
                         const char *name, int line)
{
    int64_t got = zm_counter_get(client->server.counters, counter);
    if (got != expected)
        fprintf(stderr, "line %d: %s is %d, not %d\n", line, name, (int)got, (int)expected);
    CU_ASSERT_EQUAL(got, expected);
}

static void a_message_is_counted_with_its_commands(void)
{
    client_t *client = client_connect("", STRANGER);
    (void)say(client, "EHLO peer.test\r\n");
    (void)say(client, "MAIL FROM:<a@far.test> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=x\r\n"
                      "RCPT TO:<bob@local.test> NOTIFY=NEVER\r\nRCPT TO:<eve@far.test>\r\n"
                      "RCPT TO:<c@local.test> ORCPT=rfc822;x\r\nDATA\r\n");
    ASSERT_COUNT(client, SMTP_DATA, 1);
    ASSERT_COUNT(client, SMTP_DATA_ok, 0);
    (void)say(client, "Subject: x\r\n\r\ntext\r\n.\r\n");
    (void)say(client, "QUIT\r\n");
    ASSERT_COUNT(client, SMTP_EHLO, 1);
    ASSERT_COUNT(client, SMTP_EHLO_ok, 1);
    ASSERT_COUNT(client, SMTP_EHLO_bad, 0);
    ASSERT_COUNT(client, SMTP_MAIL_ok, 1);
    ASSERT_COUNT(client, SMTP_RCPT, 3);
    ASSERT_COUNT(client, SMTP_RCPT_ok, 2);
    ASSERT_COUNT(client, SMTP_RCPT_bad, 1);
    ASSERT_COUNT(client, SMTP_DATA_ok, 1);
    ASSERT_COUNT(client, SMTP_DATA_kB, 1);
    ASSERT_COUNT(client, SMTP_input_spool_kB, 1);
    ASSERT_COUNT(client, SMTPcommands, 7);
    ASSERT_COUNT(client, Smtp_Opt_SIZE, 1);
    ASSERT_COUNT(client, Smtp_Opt_BODY_8BITMIME, 1);
    ASSERT_COUNT(client, Smtp_Opt_RETURN, 1);
    ASSERT_COUNT(client, Smtp_Opt_ENVID, 1);
    ASSERT_COUNT(client, Smtp_Opt_NOTIFY, 1);
    ASSERT_COUNT(client, Smtp_Opt_ORCPT, 1);
    ASSERT_COUNT(client, ReceivedMessages, 1);
    ASSERT_COUNT(client, ReceivedRecipients, 2);
    ASSERT_COUNT(client, TransmittedMessages, 1);
    ASSERT_COUNT(client, TransmittedRecipients, 2);
    CU_ASSERT_TRUE(zm_counter_get(client->server.counters, ZM_COUNT_SS_IncomingClientPipelines) >
                   0);
    client_done(client);
}

static void what_fails_is_counted_as_such(void)
{
    client_t *client = client_connect("PARAM tarpit 2 1 10", STRANGER);
    (void)say(client, "HELO peer.test\r\n");
    (void)say(client, "MAIL FROM:<a@far.test\r\n");
    (void)later(client, 3);
    (void)say(client, "BOGUS\r\n");
    (void)later(client, 5);
    (void)say(client, "MAIL FROM:<a@far.test>\r\n");
    (void)say(client, "RCPT TO:<bob@local.test>\r\n");
    fake_spool.commit = APR_EGENERAL;
    (void)say(client, "DATA\r\n");
    (void)say(client, "x\r\n.\r\n");
    ASSERT_COUNT(client, SMTP_HELO_ok, 1);
    ASSERT_COUNT(client, SMTP_MAIL, 2);
    ASSERT_COUNT(client, SMTP_MAIL_bad, 1);
    ASSERT_COUNT(client, SMTPcommands_unknown, 1);
    ASSERT_COUNT(client, IncomingSmtpTarpits, 2);
    ASSERT_COUNT(client, SMTP_DATA_bad, 1);
    ASSERT_COUNT(client, ReceivedMessages, 1);
    ASSERT_COUNT(client, TransmittedMessages, 0);
    client_done(client);
}

static void chunks_and_lost_connections_are_counted(void)
{
    client_t *client = client_connect("", STRANGER);
    (void)say(client, "EHLO peer.test\r\n");
    (void)say(client, "MAIL FROM:<a@far.test>\r\nRCPT TO:<bob@local.test>\r\n");
    (void)say(client, "BDAT 6\r\nab\r\n\r\nBDAT 2 LAST\r\nx\n");
    ASSERT_COUNT(client, SMTP_BDAT, 2);
    ASSERT_COUNT(client, SMTP_BDAT_kB, 1);
    ASSERT_COUNT(client, SMTP_DATA_kB, 0);
    ASSERT_COUNT(client, ReceivedMessages, 1);
    (void)say(client, "MAIL FROM:<a@far.test>\r\nRCPT TO:<bob@local.test>\r\nDATA\r\n");
    (void)say(client, "half a message");
    (void)hang_up(client);
    ASSERT_COUNT(client, SMTP_DATA_bad, 1);
    ASSERT_COUNT(client, ReceivedMessages, 1);
    client_again(client, STRANGER);
    client_done(client);
}

static void small_commands_are_counted(void)
{
    client_t *client = client_connect("", STRANGER);
    (void)say(client, "EHLO peer.test\r\n");
    (void)say(client, "NOOP\r\nRSET\r\nHELP\r\nVRFY x\r\nEXPN x\r\nTURN\r\nVERB\r\n");
    (void)say(client, "STARTTLS\r\nETRN x.test\r\n");
    ASSERT_COUNT(client, SMTP_NOOP, 1);
    ASSERT_COUNT(client, SMTP_RSET, 1);
    ASSERT_COUNT(client, SMTP_HELP, 1);
    ASSERT_COUNT(client, SMTP_VRFY, 1);
    ASSERT_COUNT(client, SMTP_EXPN, 1);
    ASSERT_COUNT(client, SMTP_TURN, 1);
    ASSERT_COUNT(client, SMTP_VERBOSE, 1);
    ASSERT_COUNT(client, SMTP_STARTTLS, 1);
    ASSERT_COUNT(client, SMTP_ETRN, 1);
    client_done(client);
}

ZM_TESTS("count", ZM_TEST(a_message_is_counted_with_its_commands),
         ZM_TEST(what_fails_is_counted_as_such), ZM_TEST(chunks_and_lost_connections_are_counted),
         ZM_TEST(small_commands_are_counted))
