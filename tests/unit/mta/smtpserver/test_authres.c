/* Who stands behind a message: what is written about it, and what is refused. */
#include <apr_strings.h>

#include "tests/unit/mta/dkim/mail.h"
#include "tests/unit/mta/smtpserver/session_help.h"

#define ENFORCE "PARAM auth-results enforce"

static const fake_record_t records[] = {
    RFC8463_RECORDS,
    {"_dmarc.football.example.com", ZM_DNS_TXT, 60, "v=DMARC1; p=reject"},
    {"_dmarc.reject.test", ZM_DNS_TXT, 60, "v=DMARC1; p=reject"},
    {"_dmarc.freeze.test", ZM_DNS_TXT, 60, "v=DMARC1; p=quarantine"},
    {"reject.test", ZM_DNS_TXT, 60, "v=spf1 ip4:192.0.2.9 -all"},
    {"_dmarc.silent.reject.test", ZM_DNS_TXT, 60, "v=DMARC1; p=none"},
    {NULL, ZM_DNS_A, 0, NULL}};

static fake_dns_t *dns;

static client_t *client_from(const char *address, const char *config)
{
    zm_dns_options_t options = {.tries = 1};
    client_t *client = client_connect(config, HERE);
    zm_error_t error;
    dns = fake_dns_start(client->server.loop, records, zm_test_pool());
    options.servers = fake_dns_address(dns);
    ZM_ASSERT_OK(zm_dns_create(&client->server.dns, client->server.loop, &options, &error));
    (void)apr_socket_close(client->socket);
    client_again(client, address);
    (void)reply_to(client, "");
    (void)say(client, "EHLO peer.test\r\n");
    return client;
}

static void done(client_t *client)
{
    client_done(client);
    zm_dns_destroy(client->server.dns);
    fake_dns_stop(dns);
}

/* Text with CR LF line ends. */
static const char *on_the_wire(const char *text)
{
    zm_buf_t wire = ZM_BUF_INIT;
    const char *result;
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            zm_buf_add_byte(&wire, '\r');
        zm_buf_add_byte(&wire, *text);
    }
    result = zm_str_c(zm_test_pool(), zm_buf_str(&wire));
    zm_buf_free(&wire);
    return result;
}

/* The reply to a message from a sender. */
static const char *offer(client_t *client, const char *sender, const char *text)
{
    const char *begin = apr_pstrcat(zm_test_pool(), "MAIL FROM:<", sender,
                                    ">\r\nRCPT TO:<bob@local.test>\r\nDATA\r\n", NULL);
    ASSERT_HAS(reply_to(client, begin), "250");
    (void)say(client, "");
    return reply_to(client, apr_pstrcat(zm_test_pool(), on_the_wire(text), ".\r\n", NULL));
}

/* What the envelope of the last message says, without the blanks; "" for nothing. */
static const char *said(void)
{
    const char *message = fake_spool.messages[fake_spool.committed - 1], *line, *end;
    line = strstr(message, "\ncomment authres: ");
    if (line == NULL)
        return "";
    end = strchr(++line, '\n');
    CU_ASSERT_EQUAL(end - line, 1000);
    CU_ASSERT_TRUE(line < strstr(message, "\nfrom "));
    return zm_str_c(zm_test_pool(),
                    zm_str_trim(zm_str_of(line + 17, (apr_size_t)(end - line - 17))));
}

static const char *signed_message(void)
{
    return apr_pstrcat(zm_test_pool(), rfc8463_ed25519, rfc8463_message, NULL);
}

static void a_signed_message_is_told_in_the_envelope(void)
{
    client_t *client = client_from(STRANGER, "");
    ASSERT_HAS(offer(client, "joe@reject.test", signed_message()), "250 2.0.0");
    ZM_ASSERT_STR(said(), "mx.local.test; spf=pass smtp.mailfrom=reject.test; dmarc=pass "
                          "(p=reject) header.from=football.example.com; arc=none; dkim=pass "
                          "header.d=football.example.com header.s=brisbane "
                          "header.a=ed25519-sha256 header.b=\"/gCrinpc\"");
    ASSERT_HAS(fake_spool.messages[0], "\nenv-end\nDKIM-Signature: v=1;");
    CU_ASSERT_EQUAL(zm_counter_get(client->server.counters, ZM_COUNT_SS_Auth_dkim_pass), 1);
    CU_ASSERT_EQUAL(zm_counter_get(client->server.counters, ZM_COUNT_SS_Auth_dmarc_pass), 1);
    CU_ASSERT_EQUAL(zm_counter_get(client->server.counters, ZM_COUNT_SS_Auth_spf_pass), 1);
    done(client);
}

static void an_altered_message_is_taken_and_told(void)
{
    client_t *client = client_from(STRANGER, "");
    ASSERT_HAS(offer(client, "joe@other.test",
                     apr_pstrcat(zm_test_pool(), signed_message(), "More.\n", NULL)),
               "250 2.0.0");
    ASSERT_HAS(said(), "spf=none");
    ASSERT_HAS(said(), "dmarc=fail (p=reject)");
    ASSERT_HAS(said(), "dkim=fail (the body has been changed)");
    done(client);
}

static void a_message_in_chunks_is_examined_too(void)
{
    client_t *client = client_from(STRANGER, "");
    const char *text = on_the_wire(signed_message()), *first, *last;
    ASSERT_HAS(reply_to(client, "MAIL FROM:<joe@other.test>\r\nRCPT TO:<bob@local.test>\r\n"),
               "250");
    (void)say(client, "");
    first = apr_psprintf(zm_test_pool(), "BDAT 300\r\n%.300s", text);
    last = apr_psprintf(zm_test_pool(), "BDAT %d LAST\r\n%s", (int)strlen(text + 300), text + 300);
    ASSERT_HAS(reply_to(client, first), "250 2.0.0 Received 300");
    ASSERT_HAS(reply_to(client, last), "250 2.0.0 Message accepted");
    ASSERT_HAS(said(), "dkim=pass");
    done(client);
}

static void policies_are_followed_where_that_is_wanted(void)
{
    client_t *client = client_from(STRANGER, ENFORCE);
    ASSERT_HAS(offer(client, "a@other.test", "From: a@reject.test\n\nx\n"),
               "550 5.7.1 reject.test");
    CU_ASSERT_EQUAL(fake_spool.committed, 0);
    CU_ASSERT_EQUAL(fake_spool.aborted, 1);
    ASSERT_HAS(offer(client, "a@reject.test", "From: a@reject.test\n\nx\n"), "250 2.0.0");
    ASSERT_HAS(said(), "dmarc=pass");
    CU_ASSERT_EQUAL(fake_spool.frozen, 0);
    ASSERT_HAS(offer(client, "a@other.test", "From: a@freeze.test\n\nx\n"), "250 2.0.0");
    CU_ASSERT_EQUAL(fake_spool.frozen, 1);
    ASSERT_HAS(said(), "dmarc=fail (p=quarantine)");
    ASSERT_HAS(offer(client, "a@other.test", "From: a@nothing.test\n\nx\n"), "250 2.0.0");
    CU_ASSERT_EQUAL(fake_spool.frozen, 1);
    ASSERT_HAS(offer(client, "", "From: a@reject.test\n\nx\n"), "550 5.7.1");
    CU_ASSERT_EQUAL(zm_counter_get(client->server.counters, ZM_COUNT_SS_Auth_rejected), 2);
    CU_ASSERT_EQUAL(zm_counter_get(client->server.counters, ZM_COUNT_SS_Auth_frozen), 1);
    done(client);
}

static void without_that_nothing_is_refused(void)
{
    client_t *client = client_from(STRANGER, "PARAM auth-results header");
    ASSERT_HAS(offer(client, "a@other.test", "From: a@reject.test\n\nx\n"), "250 2.0.0");
    ASSERT_HAS(said(), "dmarc=fail (p=reject) header.from=reject.test");
    done(client);
}

static void some_clients_are_not_examined(void)
{
    client_t *client = client_from(STRANGER, "PARAM auth-results off");
    ASSERT_HAS(offer(client, "a@other.test", "From: a@reject.test\n\nx\n"), "250 2.0.0");
    ZM_ASSERT_STR(said(), "");
    done(client);
    client = client_from(HERE, "");
    ASSERT_HAS(offer(client, "a@other.test", "From: a@reject.test\n\nx\n"), "250 2.0.0");
    ZM_ASSERT_STR(said(), "");
    done(client);
    client = client_from(HERE, ENFORCE);
    ASSERT_HAS(offer(client, "a@other.test", "From: a@reject.test\n\nx\n"), "550 5.7.1");
    done(client);
}

static void what_cannot_be_known_now_refuses_nothing(void)
{
    client_t *client = client_from(STRANGER, ENFORCE);
    ASSERT_HAS(offer(client, "a@servfail.test", "From: a@servfail.test\n\nx\n"), "250 2.0.0");
    ASSERT_HAS(said(), "spf=temperror");
    ASSERT_HAS(said(), "dmarc=");
    done(client);
}

static void patience_has_an_end(void)
{
    client_t *client = client_from(STRANGER, ENFORCE);
    const char *got;
    zm_dns_options_t options = {.tries = 50, .timeout = apr_time_from_sec(3000)};
    zm_dns_t *before = client->server.dns;
    int i;
    zm_error_t error;
    options.servers = fake_dns_address(dns);
    ZM_ASSERT_OK(zm_dns_create(&client->server.dns, client->server.loop, &options, &error));
    ZM_ASSERT_STR(offer(client, "a@silent.test", "From: a@silent.test\n\nx\n"), "");
    CU_ASSERT_EQUAL(fake_spool.committed, 0);
    got = later(client, 61);
    for (i = 0; i < 200 && *got == '\0'; i++)
        got = say(client, "");
    ASSERT_HAS(got, "250 2.0.0");
    ASSERT_HAS(said(), "spf=temperror");
    zm_dns_destroy(before);
    done(client);
}

static void a_client_may_leave_meanwhile(void)
{
    client_t *client = client_from(STRANGER, ENFORCE);
    ZM_ASSERT_STR(offer(client, "a@silent.test", "From: a@silent.test\n\nx\n"), "");
    (void)hang_up(client);
    done(client);
    CU_ASSERT_EQUAL(fake_spool.begun, 1);
}

ZM_TESTS("smtpserver_authres", ZM_TEST(a_signed_message_is_told_in_the_envelope),
         ZM_TEST(an_altered_message_is_taken_and_told),
         ZM_TEST(a_message_in_chunks_is_examined_too),
         ZM_TEST(policies_are_followed_where_that_is_wanted),
         ZM_TEST(without_that_nothing_is_refused), ZM_TEST(some_clients_are_not_examined),
         ZM_TEST(what_cannot_be_known_now_refuses_nothing), ZM_TEST(patience_has_an_end),
         ZM_TEST(a_client_may_leave_meanwhile))
