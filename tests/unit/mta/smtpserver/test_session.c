#include <apr_strings.h>

#include "tests/unit/mta/smtpserver/session_help.h"

/* -- greeting ------------------------------------------------------------------------ */

static void the_banner_names_the_host(void)
{
    client_t *client = client_connect("", STRANGER);
    const char *banner = net_get(client->socket);
    CU_ASSERT_EQUAL(strncmp(banner, "220 mx.local.test ", 18), 0);
    ASSERT_HAS(banner, "ESMTP");
    client_done(client);
}

static void the_banner_can_be_configured(void)
{
    client_t *client =
        client_connect("PARAM hdr220 %H one %p %% ESMTP\nPARAM hdr220 two %i", STRANGER);
    ZM_ASSERT_STR(net_get(client->socket),
                  "220-mx.local.test one 25 % ESMTP\r\n220 two [192.0.2.9]\r\n");
    client_done(client);
}

static void ehlo_lists_extensions_and_help_last(void)
{
    client_t *client = client_connect("PARAM maxsize 1000000", STRANGER);
    ZM_ASSERT_STR(hello(client),
                  "250-mx.local.test Hello peer.test\r\n250-SIZE 1000000\r\n"
                  "250-8BITMIME\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n"
                  "250-DSN\r\n250-X-RCPTLIMIT 10000\r\n250-LIMITS RCPTMAX=10000\r\n"
                  "250-ETRN\r\n250 HELP\r\n");
    client_done(client);
}

static void ehlo_leaves_out_what_is_off(void)
{
    client_t *client = client_connect(
        "PARAM NoDSN\nPARAM No8BITMIME\nPARAM NoPIPELINING\n"
        "PARAM NoENHANCEDSTATUSCODES\nPARAM NoCHUNKING\nPARAM RcptLimitCount 100\nPARAM NoETRN",
        STRANGER);
    ZM_ASSERT_STR(hello(client), "250-mx.local.test Hello peer.test\r\n250-SIZE 0\r\n250 HELP\r\n");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test> RET=FULL\r\n"), "555-unknown parameter");
    client_done(client);
}

static void helo_pattern_can_refuse(void)
{
    client_t *client = client_connect("*.bad.test 999 !we know you", STRANGER);
    (void)net_get(client->socket);
    ZM_ASSERT_STR(say(client, "HELO x.bad.test\r\n"),
                  "501 5.7.1 Sorry [192.0.2.9], we know you\r\n");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "503 5.5.1");
    client_done(client);
}

static void mail_needs_a_greeting(void)
{
    client_t *client = client_connect("", STRANGER);
    (void)net_get(client->socket);
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "503 5.5.1 say HELO");
    ASSERT_HAS(say(client, "NOOP\r\n"), "250 2.0.0");
    ASSERT_HAS(say(client, "HELO peer.test\r\n"), "250 mx.local.test Hello peer.test\r\n");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "250 2.1.0");
    client_done(client);
}

/* The session log, which must have this text. */
static void assert_logged(client_t *client, const char *path, const char *part)
{
    apr_file_t *file;
    char text[8192];
    apr_size_t length = sizeof text - 1;
    journal_flush(client->server.journal);
    ZM_ASSERT_OK(apr_file_open(&file, path, APR_FOPEN_READ, 0, zm_test_pool()));
    ZM_ASSERT_OK(apr_file_read(file, text, &length));
    (void)apr_file_close(file);
    text[length] = '\0';
    ASSERT_HAS(text, part);
}

static void the_session_log_keeps_the_lines_that_parsers_know(void)
{
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/session.log", NULL);
    journal_options_t options = {.file = path};
    client_t *client = client_connect("PARAM tarpit 20 0 20", STRANGER);
    apr_socket_t *first = client->socket;
    zm_error_t error;
    journal_close(client->server.journal);
    ZM_ASSERT_OK(journal_open(&client->server.journal, &options, zm_test_pool(), &error));
    client_again(client, STRANGER);
    assert_logged(client, path,
                  "0000#\tconnection from [192.0.2.9] [192.0.2.9]:40112 on port 25 ipcnt ");
    assert_logged(client, path, " ident: IDENT-NOT-QUERIED\n");
    hello(client);
    (void)say(client, "FOO\r\n");
    (void)later(client, 20);
    assert_logged(client, path, "#\ttarpit delay:0020 sec. at ");
    assert_logged(client, path, "0020#\ttarpit with delay 0020 ends at ");
    (void)say(client, BEGIN);
    (void)hang_up(client);
    assert_logged(client, path, "#\taborted (0 bytes): premature EOF\n");
    assert_logged(client, path, "-\tpremature EOF\n");
    client->socket = first;
    (void)say(client, "QUIT\r\n");
    (void)hang_up(client);
    assert_logged(client, path, "#\tend QUIT;");
    client_done(client);
    journal_close(client->server.journal);
}

static void greet_delay_catches_those_who_do_not_wait(void)
{
    client_t *client = client_connect("PARAM greet-delay 5", STRANGER);
    ZM_ASSERT_STR(net_get(client->socket), "");
    ZM_ASSERT_STR(say(client, "EHLO peer.test\r\n"), "");
    ASSERT_HAS(later(client, 6), "554 5.5.1");
    client_again(client, STRANGER);
    ASSERT_HAS(later(client, 6), "220 ");
    client_done(client);
}

static void without_patterns_nobody_is_served(void)
{
    client_t *client = client_connect("", STRANGER);
    client->config->patterns.first = NULL;
    client_again(client, STRANGER);
    ASSERT_HAS(say(client, ""), "421 4.3.5");
    client_done(client);
}

/* -- a message ------------------------------------------------------------------------ */

static void a_message_is_stored_with_its_envelope(void)
{
    client_t *client = client_connect("", STRANGER);
    const char *got;
    hello(client);
    got = say(client, "MAIL FROM:<a@far.test> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=x+2By\r\n"
                      "RCPT TO:<bob@local.test> NOTIFY=SUCCESS ORCPT=rfc822;bob+40x@local.test\r\n"
                      "RCPT TO:<eve@far.test>\r\nRCPT TO:<c@x.sub.test>\r\nDATA\r\n");
    CU_ASSERT_EQUAL(line_count(got), 6);
    ASSERT_HAS(got, "550-5.7.1 Ask HELP for our contact information.\r\n");
    ASSERT_HAS(got, "550 5.7.1 [192.0.2.9] rcpt=<eve@far.test>: relaying denied");
    ZM_ASSERT_STR(say(client, "Subject: x\r\n\r\n..dot\r\nend\r\n.\r\n"),
                  "250 2.0.0 Message accepted; S4711AbmKUE7r\r\n");
    ZM_ASSERT_STR(
        fake_spool.messages[0],
        "external\n"
        "rcvdfrom [192.0.2.9] ([192.0.2.9]:40112 \"EHLO peer.test\" "
        "rhost-flags-\?\?-FAIL-OK-FAIL)\n"
        "comment [192.0.2.9] [192.0.2.9]:40112 \"EHLO peer.test\" ident: \"IDENT-NOT-QUERIED\" "
        "smtp-auth: <none> TLS-CIPHER: <none> TLS-PEER: <none> rhost-flags-\?\?-FAIL-OK-FAIL)\n"
        "bodytype 8BITMIME\n"
        "with ESMTP\n"
        "from a@far.test\n"
        "envid x+2By\n"
        "notaryret HDRS\n"
        "todsn NOTIFY=SUCCESS ORCPT=rfc822;bob+40x@local.test INRCPT=rfc822;bob@local.test "
        "INFROM=rfc822;a@far.test\n"
        "to bob@local.test\n"
        "todsn NOTIFY=FAILURE,DELAY ORCPT=rfc822;c@x.sub.test INRCPT=rfc822;c@x.sub.test "
        "INFROM=rfc822;a@far.test\n"
        "to c@x.sub.test\n"
        "comment refused recipient: \"eve@far.test\"\n"
        "env-end\n"
        "Subject: x\n\n.dot\nend\n");
    client_done(client);
}

static void the_null_sender_is_channel_error(void)
{
    client_t *client = client_connect("", STRANGER);
    hello(client);
    (void)say(client, "MAIL FROM:<>\r\nRCPT TO:<bob@local.test>\r\nDATA\r\n");
    (void)say(client, ".\r\n");
    ASSERT_HAS(fake_spool.messages[0], "\nchannel error\n");
    ASSERT_HAS(fake_spool.messages[0], " INFROM=rfc822;\n");
    client_done(client);
}

static void the_null_sender_has_few_recipients(void)
{
    client_t *client = client_connect("PARAM max-error-recipients 2", STRANGER);
    hello(client);
    ASSERT_HAS(say(client, "MAIL FROM:<>\r\nRCPT TO:<a@local.test>\r\nRCPT TO:<b@local.test>\r\n"
                           "RCPT TO:<c@local.test>\r\n"),
               "552 5.7.1");
    client_done(client);
}

static void a_local_program_writes_no_peer(void)
{
    client_t *client = client_connect("", NULL);
    (void)net_get(client->socket);
    (void)say(client, "MAIL FROM:<joe>\r\nRCPT TO:<x@far.test>\r\nDATA\r\nhi\r\n.\r\n");
    ZM_ASSERT_STR(fake_spool.messages[0],
                  "with SMTP\nfrom joe\n"
                  "todsn NOTIFY=FAILURE,DELAY ORCPT=rfc822;x@far.test INRCPT=rfc822;x@far.test "
                  "INFROM=rfc822;joe\nto x@far.test\nenv-end\nhi\n");
    client_done(client);
}

static void the_greeting_cannot_leave_its_comment(void)
{
    client_t *client = client_connect("", STRANGER);
    (void)net_get(client->socket);
    (void)say(client, "EHLO x\") by \\evil (\xff\r\n");
    (void)send_text(client, ".\r\n");
    ASSERT_HAS(fake_spool.messages[0],
               "\"EHLO x\\\"\\) by \\\\evil \\(\\377\" rhost-flags-\?\?-FAIL-FAIL");
    client_done(client);
}

static void several_messages_in_one_session(void)
{
    client_t *client = client_connect("", STRANGER);
    hello(client);
    ASSERT_HAS(send_text(client, "one\r\n.\r\n"), "250 2.0.0");
    ASSERT_HAS(send_text(client, "two\r\n.\r\n"), "250 2.0.0");
    CU_ASSERT_EQUAL(fake_spool.committed, 2);
    CU_ASSERT_EQUAL(fake_spool.aborted, 0);
    client_done(client);
}

static void aborted_transactions_leave_nothing(void)
{
    client_t *client = client_connect("", STRANGER);
    hello(client);
    (void)say(client, "MAIL FROM:<a@far.test>\r\nRCPT TO:<bob@local.test>\r\n");
    CU_ASSERT_EQUAL(fake_spool.begun, 1);
    ASSERT_HAS(say(client, "RSET\r\n"), "250 2.0.0");
    CU_ASSERT_EQUAL(fake_spool.aborted, 1);
    (void)say(client, BEGIN);
    (void)say(client, "half a mess");
    (void)hang_up(client);
    CU_ASSERT_EQUAL(fake_spool.aborted, 2);
    CU_ASSERT_EQUAL(fake_spool.committed, 0);
    CU_ASSERT_EQUAL(client->ended, 1);
    client_done(client);
}

static void refused_recipients_make_no_file(void)
{
    client_t *client = client_connect("", STRANGER);
    hello(client);
    (void)say(client, "MAIL FROM:<a@far.test>\r\nRCPT TO:<x@far.test>\r\n");
    CU_ASSERT_EQUAL(fake_spool.begun, 0);
    ASSERT_HAS(say(client, "DATA\r\n"), "503 5.5.2 no valid recipients");
    client_done(client);
}

/* -- pipelining ------------------------------------------------------------------------ */

static void pipelined_commands_wait_for_the_commit(void)
{
    client_t *client = client_connect("", STRANGER);
    hello(client);
    fake_spool.hold = true;
    (void)say(client, BEGIN);
    ZM_ASSERT_STR(say(client, "x\r\n.\r\nMAIL FROM:<b@far.test>\r\nQUIT\r\n"), "");
    fake_spool_release();
    ZM_ASSERT_STR(say(client, ""), "250 2.0.0 Message accepted; S4711AbmKUE7r\r\n"
                                   "250 2.1.0 Sender <b@far.test> ok\r\n"
                                   "221 2.0.0 mx.local.test Out\r\n<eof>");
    client_done(client);
}

static void a_client_that_leaves_during_the_commit_does_no_harm(void)
{
    client_t *client = client_connect("", STRANGER);
    hello(client);
    fake_spool.hold = true;
    (void)send_text(client, "x\r\n.\r\n");
    (void)hang_up(client);
    CU_ASSERT_EQUAL(client->ended, 0);
    fake_spool_release();
    (void)later(client, 1);
    CU_ASSERT_EQUAL(fake_spool.committed, 1);
    client_done(client);
    CU_ASSERT_EQUAL(client->ended, 1);
}

static void pipelining_needs_ehlo(void)
{
    client_t *client = client_connect("", STRANGER);
    (void)net_get(client->socket);
    ASSERT_HAS(say(client, "HELO peer.test\r\nMAIL FROM:<a@far.test>\r\n"), "503 5.5.1 pipelined");
    client_done(client);
    CU_ASSERT_EQUAL(client->ended, 1);
}

static void the_end_is_found_wherever_pieces_are_cut(void)
{
    static const char text[] = "Subject: y\r\n\r\n..\r\n.x\r\n\r\n.\r\n";
    client_t *client = client_connect("", STRANGER);
    const char *got = "";
    apr_size_t i;
    hello(client);
    (void)say(client, BEGIN);
    for (i = 0; i < sizeof text - 1; i++) {
        ZM_ASSERT_STR(got, "");
        got = say_bytes(client, text + i, 1);
    }
    ASSERT_HAS(got, "250 2.0.0");
    ASSERT_HAS(fake_spool.messages[0], "env-end\nSubject: y\n\n.\nx\n\n");
    client_done(client);
}

/* -- syntax ---------------------------------------------------------------------------- */

static void the_caret_stands_under_the_error(void)
{
    client_t *client = client_connect("", STRANGER);
    hello(client);
    ZM_ASSERT_STR(say(client, "MAIL FROM:<joe@example,org>\r\n"),
                  "501-5.1.7             ^\r\n"
                  "501-5.1.7 unexpected text before >\r\n"
                  "501 5.1.7 Hi [192.0.2.9], that was for input: <joe@example,org>\r\n");
    client_done(client);
}

static void single_line_replies_say_it_all(void)
{
    client_t *client = client_connect("PARAM no-multiline-replies", STRANGER);
    hello(client);
    CU_ASSERT_EQUAL(line_count(say(client, "MAIL FROM:<joe@example,org>\r\n")), 1);
    (void)say(client, "MAIL FROM:<a@far.test>\r\n");
    CU_ASSERT_EQUAL(line_count(say(client, "RCPT TO:<x@far.test>\r\n")), 1);
    (void)say(client, "RSET\r\n");
    ASSERT_HAS(say(client, "MAIL FROM:joe\r\n"), "501 5.1.7 [192.0.2.9] ");
    client_done(client);
}

static void bad_parameters_are_refused(void)
{
    static const char *const bad[] = {
        "SIZE=x",     "SIZE=1 SIZE=2", "BODY=9BIT", "RET=ALL",
        "ENVID=a+2b", "ENVID=",        "SIZE",      "SIZE=99999999999999999999"};
    client_t *client = client_connect("PARAM max-unknown-commands 100", STRANGER);
    apr_size_t i;
    hello(client);
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ASSERT_HAS(say(client, apr_pstrcat(zm_test_pool(), "MAIL FROM:<a@far.test> ", bad[i],
                                           "\r\n", NULL)),
                   "501 5.5.4");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test> FOO=1\r\n"), "555 5.5.4");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>SIZE=1\r\n"), "501 5.1.7");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "250");
    ASSERT_HAS(say(client, "RCPT TO:<b@local.test> NOTIFY=NEVER,DELAY\r\n"), "501 5.5.4");
    ASSERT_HAS(say(client, "RCPT TO:<b@local.test> ORCPT=x\r\n"), "501 5.5.4");
    ASSERT_HAS(say(client, "RCPT TO:<>\r\n"), "501 5.1.3");
    client_done(client);
}

static void sloppy_clients_are_let_pass_by_pattern(void)
{
    client_t *client = client_connect("peer.test 999 S", STRANGER);
    hello(client);
    ASSERT_HAS(say(client, "MAIL FROM: a@far.test\r\n"), "250 2.1.0 Sender <a@far.test>");
    client_done(client);
}

static void source_routes_are_cut(void)
{
    client_t *client = client_connect("", STRANGER);
    hello(client);
    ASSERT_HAS(say(client, "MAIL FROM:<@a.test,@b.test:c@d.test>\r\n"),
               "<c@d.test> ok; the source route");
    client_done(client);
}

static void commands_out_of_order_are_refused(void)
{
    client_t *client = client_connect("", STRANGER);
    hello(client);
    ASSERT_HAS(say(client, "RCPT TO:<b@local.test>\r\n"), "503 5.5.1");
    ASSERT_HAS(say(client, "DATA\r\n"), "503 5.5.2");
    (void)say(client, "MAIL FROM:<a@far.test>\r\n");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "503 5.5.1");
    ASSERT_HAS(say(client, "EXPN x\r\n"), "502 5.5.1");
    ASSERT_HAS(say(client, "VRFY x\r\n"), "252 2.5.2");
    ASSERT_HAS(say(client, "TURN\r\n"), "502");
    ASSERT_HAS(say(client, "HELP\r\n"), "214 A person");
    ASSERT_HAS(say(client, "HELP\r\n"),
               "214-EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT HELP VRFY ETRN\r\n");
    client_done(client);
}

/* -- policy ----------------------------------------------------------------------------- */

static void strangers_reach_local_domains_only(void)
{
    static const char *const refused[] = {"<x@far.test>",
                                          "<x%far.test@local.test>",
                                          "<far.test!x@local.test>",
                                          "<\"x@far.test\"@local.test>",
                                          "<\"x%far.test\"@local.test>",
                                          "<x@notlocal.test>",
                                          "<x@sub.test>",
                                          "<x@[192.0.2.77]>",
                                          "<x@[127.0.0.1]>",
                                          "<bob>",
                                          "<a%b%far.test@local.test>"};
    static const char *const accepted[] = {"<x@local.test>",  "<X@LOCAL.Test>",
                                           "<postmaster>",    "<x@a.b.sub.test>",
                                           "<x@[192.0.2.1]>", "<x%local.test@local.test>"};
    client_t *client = client_connect("", STRANGER);
    apr_size_t i;
    hello(client);
    (void)say(client, "MAIL FROM:<a@far.test>\r\n");
    for (i = 0; i < sizeof refused / sizeof refused[0]; i++)
        ASSERT_HAS(say(client, apr_pstrcat(zm_test_pool(), "RCPT TO:", refused[i], "\r\n", NULL)),
                   "550 5.7.1");
    for (i = 0; i < sizeof accepted / sizeof accepted[0]; i++)
        ASSERT_HAS(say(client, apr_pstrcat(zm_test_pool(), "RCPT TO:", accepted[i], "\r\n", NULL)),
                   "250 2.1.5");
    client_done(client);
}

static void the_loopback_may_relay(void)
{
    client_t *client = client_connect("", HERE);
    hello(client);
    (void)say(client, "MAIL FROM:<a@far.test>\r\n");
    ASSERT_HAS(say(client, "RCPT TO:<x@elsewhere.test>\r\n"), "250");
    client_done(client);
    client = client_connect("", "::1");
    hello(client);
    (void)say(client, "MAIL FROM:<a@far.test>\r\n");
    ASSERT_HAS(say(client, "RCPT TO:<x@elsewhere.test>\r\n"), "250");
    client_done(client);
}

/* -- limits ------------------------------------------------------------------------------ */

static void size_is_checked_before_and_while_receiving(void)
{
    client_t *client = client_connect("PARAM maxsize 100", STRANGER);
    int i;
    hello(client);
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test> SIZE=101\r\n"), "552 5.3.4");
    (void)say(client, BEGIN);
    for (i = 0; i < 20; i++)
        ZM_ASSERT_STR(say(client, "0123456789\r\n"), "");
    CU_ASSERT_EQUAL(fake_spool.aborted, 1);
    ASSERT_HAS(say(client, ".\r\n"), "552 5.3.4");
    ASSERT_HAS(send_text(client, "small\r\n.\r\n"), "250 2.0.0");
    client_done(client);
}

static void what_data_adds_to_a_message_is_not_its_size(void)
{
    client_t *client = client_connect("PARAM maxsize 12", STRANGER);
    hello(client);
    ASSERT_HAS(send_text(client, "..23456789\r\n.\r\n"), "250 2.0.0");
    ASSERT_HAS(send_text(client, "..234567890\r\n.\r\n"), "250 2.0.0");
    ASSERT_HAS(send_text(client, "..2345678901\r\n.\r\n"), "552 5.3.4");
    client_done(client);
}

static void recipients_are_limited(void)
{
    client_t *client = client_connect("PARAM RcptLimitCount 100", STRANGER);
    const char *got = "";
    int i;
    hello(client);
    (void)say(client, "MAIL FROM:<a@far.test>\r\n");
    for (i = 0; i < 101; i++)
        got = say(client, "RCPT TO:<bob@local.test>\r\n");
    ASSERT_HAS(got, "452 4.5.3");
    client_done(client);
}

static void a_full_disk_is_told_early(void)
{
    client_t *client = client_connect("", STRANGER);
    hello(client);
    fake_spool.free = 5000 * 1024 + 1000;
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test> SIZE=2000\r\n"), "452 4.3.1");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test> SIZE=500\r\n"), "250");
    client_done(client);
}

static void failures_of_the_spool_are_temporary(void)
{
    client_t *client = client_connect("", STRANGER);
    hello(client);
    fake_spool.begin = APR_EGENERAL;
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\nRCPT TO:<bob@local.test>\r\n"), "451 4.3.0");
    ASSERT_HAS(say(client, "RSET\r\n"), "250");
    fake_spool.begin = APR_SUCCESS;
    fake_spool.write = APR_ENOSPC;
    ASSERT_HAS(send_text(client, "x\r\n.\r\n"), "452 4.3.1");
    fake_spool.write = APR_SUCCESS;
    fake_spool.commit = APR_ENOSPC;
    ASSERT_HAS(send_text(client, "x\r\n.\r\n"), "452 4.3.1");
    fake_spool.commit = APR_EGENERAL;
    ASSERT_HAS(send_text(client, "x\r\n.\r\n"), "451 4.3.0");
    fake_spool.commit = APR_SUCCESS;
    ASSERT_HAS(send_text(client, "x\r\n.\r\n"), "250 2.0.0");
    client_done(client);
}

/* -- time -------------------------------------------------------------------------------- */

static void a_silent_client_is_sent_away(void)
{
    client_t *client = client_connect("PARAM command-timeout 60", STRANGER);
    hello(client);
    ZM_ASSERT_STR(later(client, 59), "");
    ASSERT_HAS(later(client, 2), "421 4.4.2");
    client_done(client);
    CU_ASSERT_EQUAL(client->ended, 1);
}

static void a_dripping_client_is_sent_away(void)
{
    client_t *client = client_connect("PARAM command-timeout 60", STRANGER);
    const char *got = "";
    int i;
    hello(client);
    for (i = 0; i < 5 && *got == '\0'; i++) {
        got = later(client, 20);
        if (*got == '\0')
            got = say(client, "N");
    }
    ASSERT_HAS(got, "421 4.4.2");
    client_done(client);
}

static void data_that_drips_is_given_up(void)
{
    client_t *client = client_connect("PARAM data-timeout 60", STRANGER);
    const char *got = "";
    int i;
    hello(client);
    (void)say(client, BEGIN);
    for (i = 0; i < 10 && *got == '\0'; i++) {
        got = later(client, 20);
        if (*got == '\0')
            got = say(client, "x\r\n");
    }
    ASSERT_HAS(got, "421 4.4.2");
    client_done(client);
    CU_ASSERT_EQUAL(fake_spool.aborted, 1);
}

static void the_tarpit_delays_refusals_more_and_more(void)
{
    client_t *client = client_connect("PARAM tarpit 20 2 100", STRANGER);
    hello(client);
    ZM_ASSERT_STR(say(client, "FOO\r\n"), "");
    ZM_ASSERT_STR(later(client, 19), "");
    ASSERT_HAS(later(client, 1), "500 5.5.2");
    ZM_ASSERT_STR(say(client, "BAR\r\nNOOP\r\n"), "");
    ZM_ASSERT_STR(later(client, 59), "");
    ASSERT_HAS(later(client, 1), "500 5.5.2 Unknown command 'BAR'\r\n250 2.0.0 Ok\r\n");
    client_done(client);
}

static void stopping_ends_idle_sessions_and_lets_messages_finish(void)
{
    client_t *client = client_connect("", STRANGER);
    apr_socket_t *idle = client->socket;
    hello(client);
    client_again(client, STRANGER);
    (void)say(client, "");
    hello(client);
    (void)say(client, BEGIN);
    sessions_stop(&client->server);
    ASSERT_HAS(say(client, "x\r\n.\r\n"), "250 2.0.0 Message accepted; S4711AbmKUE7r\r\n421 4.3.2");
    ASSERT_HAS(net_get(idle), "421 4.3.2");
    (void)apr_socket_close(idle);
    client_done(client);
}

ZM_TESTS("smtpserver session", ZM_TEST(the_session_log_keeps_the_lines_that_parsers_know),
         ZM_TEST(what_data_adds_to_a_message_is_not_its_size), ZM_TEST(the_banner_names_the_host),
         ZM_TEST(the_banner_can_be_configured), ZM_TEST(ehlo_lists_extensions_and_help_last),
         ZM_TEST(ehlo_leaves_out_what_is_off), ZM_TEST(helo_pattern_can_refuse),
         ZM_TEST(mail_needs_a_greeting), ZM_TEST(greet_delay_catches_those_who_do_not_wait),
         ZM_TEST(without_patterns_nobody_is_served), ZM_TEST(a_message_is_stored_with_its_envelope),
         ZM_TEST(the_null_sender_is_channel_error), ZM_TEST(the_null_sender_has_few_recipients),
         ZM_TEST(a_local_program_writes_no_peer), ZM_TEST(the_greeting_cannot_leave_its_comment),
         ZM_TEST(several_messages_in_one_session), ZM_TEST(aborted_transactions_leave_nothing),
         ZM_TEST(refused_recipients_make_no_file), ZM_TEST(pipelined_commands_wait_for_the_commit),
         ZM_TEST(a_client_that_leaves_during_the_commit_does_no_harm),
         ZM_TEST(pipelining_needs_ehlo), ZM_TEST(the_end_is_found_wherever_pieces_are_cut),
         ZM_TEST(the_caret_stands_under_the_error), ZM_TEST(single_line_replies_say_it_all),
         ZM_TEST(bad_parameters_are_refused), ZM_TEST(sloppy_clients_are_let_pass_by_pattern),
         ZM_TEST(source_routes_are_cut), ZM_TEST(commands_out_of_order_are_refused),
         ZM_TEST(strangers_reach_local_domains_only), ZM_TEST(the_loopback_may_relay),
         ZM_TEST(size_is_checked_before_and_while_receiving), ZM_TEST(recipients_are_limited),
         ZM_TEST(a_full_disk_is_told_early), ZM_TEST(failures_of_the_spool_are_temporary),
         ZM_TEST(a_silent_client_is_sent_away), ZM_TEST(a_dripping_client_is_sent_away),
         ZM_TEST(data_that_drips_is_given_up), ZM_TEST(the_tarpit_delays_refusals_more_and_more),
         ZM_TEST(stopping_ends_idle_sessions_and_lets_messages_finish))
