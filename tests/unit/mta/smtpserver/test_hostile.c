/*
 * Clients that send what no client should, and BDAT.
 */
#include <apr_strings.h>

#include "tests/unit/mta/smtpserver/session_help.h"

/* -- hostile input --------------------------------------------------------------------- */

static void a_client_that_left_is_not_waited_for(void)
{
    client_t *client = client_connect("PARAM tarpit 20 0 20", STRANGER);
    hello(client);
    (void)say(client, "FOO\r\nBAR\r\nBAZ\r\n");
    ZM_ASSERT_OK(apr_socket_shutdown(client->socket, APR_SHUTDOWN_WRITE));
    CU_ASSERT_EQUAL(client->server.open, 1);
    (void)later(client, 21);
    CU_ASSERT_EQUAL(client->server.open, 0);
    client_done(client);
}

static void a_flood_during_a_delay_is_not_worked_off(void)
{
    client_t *client = client_connect("PARAM tarpit 20 0 20", STRANGER);
    zm_buf_t flood = ZM_BUF_INIT;
    int i;
    hello(client);
    zm_buf_add_c(&flood, "FOO\r\n");
    for (i = 0; i < 20000; i++)
        zm_buf_add_c(&flood, "NOOP\r\n");
    for (i = 0; i < 40 && flood.length > 0; i++) { /* as much as the connection takes */
        apr_size_t sent = flood.length;
        if (apr_socket_send(client->socket, flood.data, &sent) == APR_SUCCESS)
            zm_buf_consume(&flood, sent);
        (void)say(client, "");
    }
    zm_buf_free(&flood);
    CU_ASSERT_EQUAL(client->server.open, 1);
    (void)later(client, 21);
    CU_ASSERT_EQUAL(client->server.open, 0);
    client_done(client);
}

static void a_message_without_end_leaves_the_reserve_alone(void)
{
    apr_size_t size = 1 << 20;
    client_t *client = client_connect("", STRANGER);
    char *line = apr_palloc(zm_test_pool(), size + 8);
    hello(client);
    (void)say(client, BEGIN);
    memset(line, 'x', size);
    memcpy(line, "A: b\r\n\r\n", 8);
    ZM_ASSERT_STR(say_bytes(client, line, size), "");
    CU_ASSERT_EQUAL(fake_spool.aborted, 0);
    fake_spool.free = 5000 * 1024;
    (void)later(client, 2);
    ZM_ASSERT_STR(say_bytes(client, line + 8, size), "");
    CU_ASSERT_EQUAL(fake_spool.aborted, 1);
    ASSERT_HAS(say(client, "\r\n.\r\n"), "452 4.3.1");
    client_done(client);
}

static void only_crlf_dot_crlf_ends_data(void)
{
    static const char *const endings[] = {"\n.\n", "\n.\r\n", "\r\n.\n",
                                          "\r.\r", "\r\n.\r", "\r.\r\n"};
    apr_size_t i;
    for (i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        client_t *client = client_connect("", STRANGER);
        hello(client);
        (void)say(client, BEGIN);
        ZM_ASSERT_STR(say(client, apr_pstrcat(zm_test_pool(), "x", endings[i],
                                              "MAIL FROM:<evil@far.test>\r\nx", NULL)),
                      "");
        ZM_ASSERT_STR(say(client, "\r\n.\r\n"),
                      "554 5.6.11 the message has CR or LF bytes that are no line ends\r\n");
        CU_ASSERT_EQUAL(fake_spool.committed, 0);
        CU_ASSERT_EQUAL(fake_spool.aborted, 1);
        ASSERT_HAS(say(client, "NOOP\r\n"), "250");
        client_done(client);
    }
}

static void bare_newlines_can_be_let_pass(void)
{
    client_t *client = client_connect("PARAM data-bare-newline normalize", STRANGER);
    hello(client);
    (void)say(client, BEGIN);
    ZM_ASSERT_STR(say(client, "a\n.\nb\r\n"), "");
    ASSERT_HAS(say(client, ".\r\n"), "250");
    ASSERT_HAS(fake_spool.messages[0], "env-end\na\n.\nb\n");
    client_done(client);
}

static void odd_bytes_in_commands_are_refused(void)
{
    client_t *client = client_connect("", STRANGER);
    hello(client);
    ASSERT_HAS(say_bytes(client, "NO\0OP\r\n", 7), "500-5.5.2 a NUL in the command");
    ASSERT_HAS(say(client, "NOOP\x01\r\n"), "500-5.5.2 a control character");
    ASSERT_HAS(say(client, "NOOP \xe4\r\n"), "500-5.5.2 an 8-bit character");
    ASSERT_HAS(say(client, "NOOP\rNOOP\r\n"), "500-5.5.2 a control character");
    ASSERT_HAS(say(client, "NOOP\n"), "500 5.5.2 the command is not terminated with CRLF");
    client_done(client);
}

static void a_megabyte_without_an_end_is_one_error(void)
{
    apr_size_t size = 1 << 20;
    client_t *client = client_connect("", STRANGER);
    char *line = apr_palloc(zm_test_pool(), size);
    memset(line, 'x', size);
    hello(client);
    CU_ASSERT_EQUAL(
        strncmp(say_bytes(client, line, size), "500 5.5.2 the line is too long\r\n", 32), 0);
    ZM_ASSERT_STR(say(client, "yyy\r\nNOOP\r\n"), "250 2.0.0 Ok\r\n");
    client_done(client);
}

static void a_megabyte_line_of_data_is_kept(void)
{
    apr_size_t size = 1 << 20;
    client_t *client = client_connect("", STRANGER);
    char *line = apr_palloc(zm_test_pool(), size + 8);
    hello(client);
    (void)say(client, BEGIN);
    memset(line, 'x', size);
    memcpy(line, "A: b\r\n\r\n", 8);
    ZM_ASSERT_STR(say_bytes(client, line, size), "");
    ASSERT_HAS(say(client, "\r\n.\r\n"), "250");
    CU_ASSERT_TRUE(strlen(fake_spool.messages[0]) > size);
    client_done(client);
}

static void a_header_line_without_end_is_refused(void)
{
    apr_size_t size = 70000;
    client_t *client = client_connect("", STRANGER);
    char *line = apr_palloc(zm_test_pool(), size);
    hello(client);
    (void)say(client, BEGIN);
    memset(line, 'x', size);
    ZM_ASSERT_STR(say_bytes(client, line, size), "");
    ASSERT_HAS(say(client, "\r\n.\r\n"), "554 5.6.0");
    client_done(client);
}

static void loops_are_noticed(void)
{
    client_t *client = client_connect("PARAM max-received 3", STRANGER);
    hello(client);
    ASSERT_HAS(send_text(client, "Received: a\r\nreceived: b\r\n\r\nReceived: body\r\n.\r\n"),
               "250");
    ASSERT_HAS(send_text(client, "Received: a\r\nReceived: b\r\nRECEIVED: c\r\n\r\n.\r\n"),
               "554 5.4.6");
    client_done(client);
}

static void many_errors_end_the_session(void)
{
    client_t *client = client_connect("PARAM max-unknown-commands 3", STRANGER);
    hello(client);
    ASSERT_HAS(say(client, "FOO\r\nBAR\r\n"), "500 5.5.2 Unknown command 'BAR'");
    ASSERT_HAS(say(client, "BAZ\r\n"), "421 4.7.0");
    client_done(client);
    CU_ASSERT_EQUAL(client->ended, 1);
}

static void pipelined_garbage_ends_the_session(void)
{
    client_t *client = client_connect("", STRANGER);
    zm_buf_t garbage = ZM_BUF_INIT;
    const char *got;
    int i;
    for (i = 0; i < 20000; i++)
        zm_buf_add_byte(&garbage, (char)(i * 7919 >> 3));
    hello(client);
    got = say_bytes(client, garbage.data, garbage.length);
    CU_ASSERT_TRUE(line_count(got) < 200);
    zm_buf_free(&garbage);
    client_done(client);
}

static void replies_wait_for_a_client_that_does_not_read(void)
{
    client_t *client = client_connect("", STRANGER);
    zm_buf_t lines = ZM_BUF_INIT;
    int i, count = 0;
    hello(client);
    for (i = 0; i < 5000; i++)
        zm_buf_add_c(&lines, "HELP\r\n");
    for (i = 0; i < 200; i++) { /* each reads what has come */
        apr_size_t sent = lines.length;
        if (sent > 0 && apr_socket_send(client->socket, lines.data, &sent) == APR_SUCCESS)
            zm_buf_consume(&lines, sent);
        count += line_count(say(client, ""));
    }
    CU_ASSERT_EQUAL(count, 3 * 5000);
    zm_buf_free(&lines);
    client_done(client);
}

static void replies_echo_nothing_that_forges(void)
{
    client_t *client = client_connect("PARAM data-bare-newline accept", HERE);
    hello(client);
    CU_ASSERT_EQUAL(line_count(say(client, "VRFY a\tb\r\n")), 1);
    ASSERT_HAS(say(client, "FOO\tx\r\n"), "500 5.5.2 Unknown command 'FOO?x'");
    client_done(client);
}

static void long_replies_are_folded(void)
{
    client_t *client = client_connect("", STRANGER);
    char *line = apr_pcalloc(zm_test_pool(), 4001);
    const char *got, *end;
    hello(client);
    memset(line, 'y', 4000);
    got = say(client, apr_pstrcat(zm_test_pool(), "MAIL FROM:<", line, "\r\n", NULL));
    while ((end = strstr(got, "\r\n")) != NULL) {
        CU_ASSERT_TRUE(end - got <= 510);
        CU_ASSERT_EQUAL(strncmp(got, "501", 3), 0);
        CU_ASSERT_EQUAL(got[3], end[2] == '\0' ? ' ' : '-');
        got = end + 2;
    }
    client_done(client);
}

/* -- BDAT ----------------------------------------------------------------------------- */

#define ENVELOPE "MAIL FROM:<a@far.test>\r\nRCPT TO:<bob@local.test>\r\n"

static void chunks_make_one_message(void)
{
    client_t *client = client_connect("", STRANGER);
    hello(client);
    ASSERT_HAS(
        say(client, ENVELOPE "BDAT 8\r\nA: b\r\n\r\nBDAT 4\r\n.\r\nxBDAT 2 LAST\r\n\r\nNOOP\r\n"),
        "250 2.0.0 Received 8 octets\r\n250 2.0.0 Received 4 octets\r\n"
        "250 2.0.0 Message accepted; S4711AbmKUE7r\r\n250 2.0.0 Ok\r\n");
    ASSERT_HAS(fake_spool.messages[0], "env-end\nA: b\n\n.\nx\n");
    ASSERT_HAS(say(client, ENVELOPE "BDAT 0 LAST\r\n"), "250 2.0.0 Message accepted");
    client_done(client);
}

static void chunk_octets_are_never_commands(void)
{
    client_t *client = client_connect("", STRANGER);
    hello(client);
    ZM_ASSERT_STR(say(client, "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
                  "503 5.5.2 BDAT comes after MAIL and RCPT\r\n250 2.0.0 Ok\r\n");
    ZM_ASSERT_STR(
        say(client, "BDAT x\r\nQUIT\r\n"),
        "421 4.5.4 mx.local.test: BDAT wants SIZE [LAST]; closing the connection\r\n<eof>");
    client_done(client);
}

static void a_failed_chunk_spoils_the_message(void)
{
    client_t *client = client_connect("PARAM maxsize 10", STRANGER);
    hello(client);
    ASSERT_HAS(say(client, ENVELOPE "BDAT 12\r\n0123456789\r\nBDAT 2 LAST\r\n\r\n"),
               "552 5.3.4 the message is too big: the limit is 10 octets\r\n"
               "452 4.3.0 discarded due to an earlier error\r\n");
    ASSERT_HAS(say(client, ENVELOPE "BDAT 3 LAST\r\na\nb"), "554 5.6.11");
    ASSERT_HAS(say(client, ENVELOPE "BDAT 2 LAST\r\na\r"), "554 5.6.11");
    CU_ASSERT_EQUAL(fake_spool.committed, 0);
    ASSERT_HAS(say(client, ENVELOPE "BDAT 3\r\na\r\nDATA\r\n"), "503 5.5.2 DATA does not go");
    ASSERT_HAS(say(client, ENVELOPE "BDAT 3\r\na\r\nRCPT TO:<c@local.test>\r\n"), "503 5.5.1");
    ASSERT_HAS(say(client, "RSET\r\n"), "250");
    client_done(client);
}

static void a_failed_chunk_ends_with_the_next_mail(void)
{
    client_t *client = client_connect("PARAM maxsize 10", STRANGER);
    hello(client);
    ASSERT_HAS(say(client, ENVELOPE "BDAT 12\r\n0123456789\r\n"), "552 5.3.4");
    ASSERT_HAS(say(client, ENVELOPE "BDAT 4 LAST\r\nab\r\n"), "250 2.0.0 Message accepted");
    (void)say(client, ENVELOPE "BDAT 4\r\nab\r\n");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "503 5.5.1");
    client_done(client);
}

static void chunks_can_be_cut_anywhere(void)
{
    static const char text[] = "BDAT 14 LAST\r\nA: b\r\n\r\n\r\n.\r\nx";
    client_t *client = client_connect("", STRANGER);
    const char *got = "";
    apr_size_t i;
    hello(client);
    (void)say(client, ENVELOPE);
    for (i = 0; i < sizeof text - 1 && *got == '\0'; i++)
        got = say_bytes(client, text + i, 1);
    ASSERT_HAS(got, "250 2.0.0");
    ASSERT_HAS(fake_spool.messages[0], "env-end\nA: b\n\n\n.\nx");
    client_done(client);
}

static client_t *spray(void)
{
    client_t *client = client_connect("PARAM max-error-recipients 2", STRANGER);
    (void)say(client, "EHLO peer.test\r\n");
    ASSERT_HAS(say(client, "MAIL FROM:<>\r\nRCPT TO:<a@local.test>\r\nRCPT TO:<b@local.test>\r\n"
                           "RCPT TO:<c@local.test>\r\n"),
               "552 5.7.1");
    return client;
}

static void a_message_without_sender_to_too_many_is_not_taken(void)
{
    client_t *client = spray();
    ZM_ASSERT_STR(say(client, "DATA\r\n"),
                  "550 5.7.1 too many recipients for a message without sender\r\n");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "250 2.1.0");
    client_done(client);
    client = spray();
    ASSERT_HAS(say(client, "BDAT 2\r\nx\nBDAT 0 LAST\r\n"), "550 5.7.1 too many");
    CU_ASSERT_EQUAL(fake_spool.committed, 0);
    client_done(client);
}

static void a_long_greeting_is_cut(void)
{
    client_t *client = client_connect("", STRANGER);
    char line[2000];
    memset(line, 'a', sizeof line);
    memcpy(line, "EHLO ", 5);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    ASSERT_HAS(say_bytes(client, line, sizeof line), "250 HELP");
    (void)say(client, "MAIL FROM:<a@far.test>\r\nRCPT TO:<bob@local.test>\r\nDATA\r\n");
    ASSERT_HAS(say(client, "x\r\n.\r\n"), "250 2.0.0");
    CU_ASSERT_EQUAL(fake_spool.committed, 1);
    CU_ASSERT_TRUE(strlen(fake_spool.messages[0]) < 1500);
    client_done(client);
}

ZM_TESTS("smtpserver hostile", ZM_TEST(a_client_that_left_is_not_waited_for),
         ZM_TEST(a_flood_during_a_delay_is_not_worked_off),
         ZM_TEST(a_message_without_end_leaves_the_reserve_alone),
         ZM_TEST(a_failed_chunk_ends_with_the_next_mail),
         ZM_TEST(a_message_without_sender_to_too_many_is_not_taken),
         ZM_TEST(a_long_greeting_is_cut), ZM_TEST(only_crlf_dot_crlf_ends_data),
         ZM_TEST(bare_newlines_can_be_let_pass), ZM_TEST(odd_bytes_in_commands_are_refused),
         ZM_TEST(a_megabyte_without_an_end_is_one_error), ZM_TEST(a_megabyte_line_of_data_is_kept),
         ZM_TEST(a_header_line_without_end_is_refused), ZM_TEST(loops_are_noticed),
         ZM_TEST(many_errors_end_the_session), ZM_TEST(pipelined_garbage_ends_the_session),
         ZM_TEST(chunks_make_one_message), ZM_TEST(chunk_octets_are_never_commands),
         ZM_TEST(a_failed_chunk_spoils_the_message), ZM_TEST(chunks_can_be_cut_anywhere),
         ZM_TEST(replies_wait_for_a_client_that_does_not_read),
         ZM_TEST(replies_echo_nothing_that_forges), ZM_TEST(long_replies_are_folded))
