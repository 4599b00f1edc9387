/* What a session serves besides SMTP for everybody: submission, LMTP, DELIVERBY. */
#include <apr_strings.h>

#include "tests/unit/mta/smtpserver/session_help.h"

/* A client of a listener at another port. */
static client_t *client_at(const char *config, uint16_t port, bool submit, const char *address)
{
    client_t *client = client_connect(config, address);
    (void)apr_socket_close(client->socket);
    client->port = port;
    client->submit = submit;
    client_again(client, address);
    return client;
}

/* -- submission -------------------------------------------------------------------------- */

static void submission_wants_to_know_who_it_is(void)
{
    client_t *client = client_at("", 587, true, STRANGER);
    const char *got = hello(client);
    CU_ASSERT_FALSE(has(got, "ETRN"));
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "530 5.7.0 Authentication required\r\n");
    ASSERT_HAS(say(client, "VRFY bob\r\n"), "530 5.7.0");
    ASSERT_HAS(say(client, "HELP\r\n"), "530 5.7.0");
    ASSERT_HAS(say(client, "FOO\r\n"), "530 5.7.0");
    ASSERT_HAS(say(client, "BDAT 3\r\n"), "530 5.7.0");
    ASSERT_HAS(say(client, "NOOP\r\n"), "250 2.0.0");
    ASSERT_HAS(say(client, "RSET\r\n"), "250 2.0.0");
    ASSERT_HAS(say(client, "QUIT\r\n"), "221 2.0.0");
    client_done(client);
}

static void submission_asks_programs_here_too_unless_told_otherwise(void)
{
    client_t *client = client_at("", 587, true, HERE);
    hello(client);
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "530 5.7.0");
    client_done(client);
    client = client_at("PARAM no-submit-requires-auth", 587, true, HERE);
    hello(client);
    ASSERT_HAS(send_text(client, "A: b\r\n\r\n.\r\n"), "250 2.0.0");
    ASSERT_HAS(fake_spool.messages[0],
               "\nenv-end\nX-Comment: mail submission at mx.local.test from "
               "[127.0.0.1], not authenticated\nA: b\n\n");
    client_done(client);
    client = client_at("PARAM no-submit-requires-auth", 587, true, STRANGER);
    hello(client);
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "530 5.7.0");
    client_done(client);
}

static void msa_mode_is_submission_at_every_port_but_for_this_host(void)
{
    client_t *client = client_connect("PARAM MSA-mode", STRANGER);
    hello(client);
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "530 5.7.0");
    client_done(client);
    client = client_connect("PARAM MSA-mode", HERE);
    hello(client);
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "250 2.1.0");
    client_done(client);
    client = client_connect("PARAM MSA-mode\nPARAM submit-requires-auth", HERE);
    hello(client);
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "530 5.7.0");
    client_done(client);
}

/* -- LMTP --------------------------------------------------------------------------------- */

#define TWO                                                                                        \
    "MAIL FROM:<a@far.test>\r\nRCPT TO:<bob@local.test>\r\nRCPT TO:<x@far.test>\r\n"               \
    "RCPT TO:<eve@local.test>\r\n"

static void lmtp_answers_for_each_recipient(void)
{
    client_t *client = client_at("PARAM lmtp-mode\nPARAM maxsize 20", 24, false, STRANGER);
    const char *got;
    (void)net_get(client->socket);
    ASSERT_HAS(say(client, "EHLO peer.test\r\n"), "500 5.5.2");
    ASSERT_HAS(say(client, "HELO peer.test\r\n"), "500 5.5.2");
    ZM_ASSERT_STR(say(client, "LHLO peer.test\r\n"), "250 mx.local.test Hello peer.test\r\n");
    (void)say(client, TWO "DATA\r\n");
    ZM_ASSERT_STR(say(client, "x\r\n.\r\n"), "250 2.0.0 Message accepted; S4711AbmKUE7r\r\n"
                                             "250 2.0.0 Message accepted; S4711AbmKUE7r\r\n");
    ASSERT_HAS(fake_spool.messages[0], "\nwith LMTP\n");
    (void)say(client, TWO "DATA\r\n");
    got = say(client, "0123456789\r\n0123456789\r\n.\r\n");
    CU_ASSERT_EQUAL(line_count(got), 2);
    ASSERT_HAS(got, "552 5.3.4");
    got = say(client, TWO "BDAT 3 LAST\r\nx\r\n");
    CU_ASSERT_EQUAL(line_count(strstr(got, "Message accepted")), 2);
    got = say(client, TWO "BDAT 24\r\n0123456789\r\n0123456789\r\n");
    CU_ASSERT_EQUAL(line_count(strstr(got, "552")), 1);
    CU_ASSERT_EQUAL(line_count(say(client, "BDAT 0 LAST\r\n")), 2);
    ZM_ASSERT_STR(say(client, "NOOP\r\n"), "250 2.0.0 Ok\r\n");
    client_done(client);
}

static void at_the_port_of_smtp_nobody_speaks_lmtp(void)
{
    client_t *client = client_connect("PARAM lmtp-mode", STRANGER);
    ASSERT_HAS(hello(client), "250 HELP");
    ASSERT_HAS(say(client, "LHLO peer.test\r\n"), "500 5.5.2");
    client_done(client);
}

/* -- DELIVERBY ----------------------------------------------------------------------------- */

static void the_deadline_is_kept_for_each_recipient(void)
{
    client_t *client = client_connect("PARAM deliverby", STRANGER);
    ASSERT_HAS(hello(client), "250-DSN\r\n250-DELIVERBY\r\n250-X-RCPTLIMIT");
    (void)say(client, "MAIL FROM:<a@far.test> by=600;nt\r\nRCPT TO:<bob@local.test> "
                      "NOTIFY=SUCCESS\r\nRCPT TO:<eve@local.test>\r\n"
                      "RCPT TO:<joe@local.test> NOTIFY=NEVER\r\nDATA\r\n");
    ASSERT_HAS(say(client, ".\r\n"), "250 2.0.0");
    ASSERT_HAS(fake_spool.messages[0],
               "\ntodsn NOTIFY=SUCCESS,DELAY,TRACE BY=1795237787;NT ORCPT=");
    ASSERT_HAS(fake_spool.messages[0],
               "\ntodsn NOTIFY=FAILURE,DELAY,TRACE BY=1795237787;NT ORCPT=");
    ASSERT_HAS(fake_spool.messages[0], "\ntodsn NOTIFY=NEVER,TRACE BY=1795237787;NT ORCPT=");
    (void)say(client, "MAIL FROM:<a@far.test> BY=10;R\r\nRCPT TO:<bob@local.test> "
                      "NOTIFY=SUCCESS\r\nDATA\r\n");
    ASSERT_HAS(say(client, ".\r\n"), "250 2.0.0");
    ASSERT_HAS(fake_spool.messages[1], "\ntodsn NOTIFY=SUCCESS BY=1795237197;R ORCPT=");
    client_done(client);
}

static void deadlines_that_make_no_sense_are_refused(void)
{
    static const char *const bad[] = {
        "BY",       "BY=",     "BY=10",           "BY=10;",    "BY=10;T",         "BY=10;RN",
        "BY=10;RR", "BY=x;R",  "BY=;R",           "BY=+1;R",   "BY=1234567890;N", "BY=0;R",
        "BY=-5;R",  "BY=59;R", "BY=60;N BY=60;N", "BY=60;NTT", "BY=--5;N",        "BY=-;N"};
    static const char *const good[] = {"BY=60;R", "BY=-999999999;N", "BY=0;nT", "BY=999999999;tr"};
    client_t *client =
        client_connect("PARAM deliverby 60\nPARAM max-unknown-commands 100", STRANGER);
    apr_size_t i;
    ASSERT_HAS(hello(client), "250-DELIVERBY 60\r\n");
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ASSERT_HAS(say(client, apr_pstrcat(zm_test_pool(), "MAIL FROM:<a@far.test> ", bad[i],
                                           "\r\n", NULL)),
                   "501 5.5.4");
    for (i = 0; i < sizeof good / sizeof good[0]; i++)
        ASSERT_HAS(say(client, apr_pstrcat(zm_test_pool(), "RSET\r\nMAIL FROM:<a@far.test> ",
                                           good[i], "\r\n", NULL)),
                   "250 2.1.0");
    client_done(client);
    client = client_connect("", STRANGER);
    CU_ASSERT_FALSE(has(hello(client), "DELIVERBY"));
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test> BY=60;R\r\n"), "555 5.5.4");
    client_done(client);
}

/* -- what Received tells -------------------------------------------------------------------- */

static void received_tells_what_is_asked_for(void)
{
    client_t *client =
        client_connect("PARAM rcvd-auth-user\nPARAM rcvd-tls-mode\nPARAM rcvd-tls-peer", STRANGER);
    hello(client);
    ASSERT_HAS(send_text(client, ".\r\n"), "250 2.0.0");
    ASSERT_HAS(fake_spool.messages[0],
               "rcvdfrom [192.0.2.9] ([192.0.2.9]:40112 \"EHLO peer.test\" smtp-auth: <none> "
               "TLS-CIPHER: <none> TLS-PEER-CN1: <none> rhost-flags-");
    client_done(client);
}

ZM_TESTS("smtpserver services", ZM_TEST(submission_wants_to_know_who_it_is),
         ZM_TEST(submission_asks_programs_here_too_unless_told_otherwise),
         ZM_TEST(msa_mode_is_submission_at_every_port_but_for_this_host),
         ZM_TEST(lmtp_answers_for_each_recipient), ZM_TEST(at_the_port_of_smtp_nobody_speaks_lmtp),
         ZM_TEST(the_deadline_is_kept_for_each_recipient),
         ZM_TEST(deadlines_that_make_no_sense_are_refused),
         ZM_TEST(received_tells_what_is_asked_for))
