/* Addresses beyond ASCII: SMTPUTF8 (RFC 6531). */
#include "mta/smtpserver/parameters.h"
#include "tests/unit/mta/smtpserver/session_help.h"

#define JOERG "j\xc3\xb6rg"
#define BUECHER                                                                                    \
    "b\xc3\xbc"                                                                                    \
    "cher.test"

static client_t *begin(void)
{
    client_t *client = client_connect("PARAM smtputf8-ok", STRANGER);
    (void)net_get(client->socket);
    return client;
}

static void it_is_off_unless_wanted(void)
{
    client_t *client = client_connect("", STRANGER);
    CU_ASSERT_FALSE(has(hello(client), "SMTPUTF8"));
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test> SMTPUTF8\r\n"), "555 5.5.4");
    ASSERT_HAS(say(client, "MAIL FROM:<" JOERG "@far.test>\r\n"), "500 5.5.2");
    client_done(client);
}

static void addresses_may_go_beyond_ascii(void)
{
    client_t *client = begin();
    ASSERT_HAS(say(client, "EHLO peer.test\r\n"), "250-SMTPUTF8\r\n");
    ASSERT_HAS(say(client, "MAIL FROM:<" JOERG "@" BUECHER "> SMTPUTF8\r\n"), "250 2.1.0");
    ASSERT_HAS(say(client, "RCPT TO:<" JOERG "@local.test>\r\n"), "250 2.1.5");
    ASSERT_HAS(say(client, "RCPT TO:<\"" JOERG " x\"@local.test>\r\n"), "250 2.1.5");
    ASSERT_HAS(say(client, "RCPT TO:<bob@local.test>\r\n"), "250 2.1.5");
    ASSERT_HAS(say(client, "DATA\r\n"), "354 ");
    ASSERT_HAS(say(client, "Subject: " JOERG "\r\n\r\nx\r\n.\r\n"), "250 2.0.0");
    ASSERT_HAS(fake_spool.messages[0], "with UTF8SMTP\nfrom " JOERG "@xn--bcher-kva.test\n");
    ASSERT_HAS(fake_spool.messages[0], " ORCPT=utf-8;j\\x{F6}rg@local.test INRCPT=rfc822;");
    ASSERT_HAS(fake_spool.messages[0], "\nto " JOERG "@local.test\n");
    ASSERT_HAS(fake_spool.messages[0], "\nto \"" JOERG " x\"@local.test\n");
    ASSERT_HAS(fake_spool.messages[0], " ORCPT=rfc822;bob@local.test ");
    client_done(client);
}

static void a_message_without_the_parameter_has_none(void)
{
    client_t *client = begin();
    say(client, "EHLO peer.test\r\n");
    ASSERT_HAS(say(client, "MAIL FROM:<" JOERG "@far.test>\r\n"), "553 5.6.7");
    ASSERT_HAS(say(client, "MAIL FROM:<a@" BUECHER ">\r\n"), "553 5.6.7");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "250 2.1.0");
    ASSERT_HAS(say(client, "RCPT TO:<" JOERG "@local.test>\r\n"), "553 5.6.7");
    ASSERT_HAS(say(client, "RCPT TO:<bob@local.test> ORCPT=utf-8;" JOERG "@x\r\n"), "501 5.5.4");
    ASSERT_HAS(say(client, "RCPT TO:<bob@local.test>\r\n"), "250 2.1.5");
    client_done(client);
}

static void helo_knows_nothing_of_it(void)
{
    client_t *client = begin();
    say(client, "HELO peer.test\r\n");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test> SMTPUTF8\r\n"), "555 5.5.4");
    client_done(client);
}

static void what_is_no_address_is_refused(void)
{
    client_t *client = begin();
    say(client, "EHLO peer.test\r\n");
    ASSERT_HAS(say(client, "MAIL FROM:<j\xf6rg@far.test> SMTPUTF8\r\n"), "not UTF-8");
    ASSERT_HAS(say(client, "MAIL FROM:<a\xc2\x9b"
                           "b@far.test> SMTPUTF8\r\n"),
               "control character");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far\xe2\x92\x88test> SMTPUTF8\r\n"),
               "there can be no such domain");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test> SMTPUTF8=1\r\n"), "501 5.5.4");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test> SMTPUTF8\r\n"), "250 2.1.0");
    client_done(client);
}

static void original_recipients_may_come_as_they_are(void)
{
    client_t *client = begin();
    say(client, "EHLO peer.test\r\n");
    say(client, "MAIL FROM:<a@far.test> SMTPUTF8\r\n");
    ASSERT_HAS(say(client, "RCPT TO:<bob@local.test> ORCPT=utf-8;" JOERG "\\x{2B}a@x\r\n"),
               "250 2.1.5");
    ASSERT_HAS(say(client, "RCPT TO:<eve@local.test> ORCPT=rfc822;" JOERG "@x\r\n"), "501 5.5.4");
    say(client, "DATA\r\n");
    ASSERT_HAS(say(client, "\r\nx\r\n.\r\n"), "250 2.0.0");
    ASSERT_HAS(fake_spool.messages[0], " ORCPT=utf-8;j\\x{F6}rg\\x{2B}a@x INRCPT=");
    client_done(client);
}

ZM_TESTS("smtpserver beyond", ZM_TEST(it_is_off_unless_wanted),
         ZM_TEST(addresses_may_go_beyond_ascii), ZM_TEST(a_message_without_the_parameter_has_none),
         ZM_TEST(helo_knows_nothing_of_it), ZM_TEST(what_is_no_address_is_refused),
         ZM_TEST(original_recipients_may_come_as_they_are))
