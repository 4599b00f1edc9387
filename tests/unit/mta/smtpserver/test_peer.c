/* What the domain name service knows of a client, and how a session waits for it. */
#include <apr_strings.h>

#include "mta/smtpserver/peer.h"
#include "tests/unit/mta/net/fake_dns.h"
#include "tests/unit/mta/smtpserver/session_help.h"

static const fake_record_t records[] = {
    {"9.2.0.192.in-addr.arpa", ZM_DNS_PTR, 60, "Mail.far.test"},
    {"10.2.0.192.in-addr.arpa", ZM_DNS_PTR, 60, "mail.far.test"},
    {"11.2.0.192.in-addr.arpa", ZM_DNS_PTR, 60, "under_score.far.test"},
    {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", ZM_DNS_PTR, 60,
     "six.far.test"},
    {"mail.far.test", ZM_DNS_A, 60, "192.0.2.77"},
    {"mail.far.test", ZM_DNS_A, 60, "192.0.2.9"},
    {"six.far.test", ZM_DNS_AAAA, 60, "2001:db8::1"},
    {"other.far.test", ZM_DNS_A, 60, "192.0.2.10"},
    {NULL, ZM_DNS_A, 0, NULL}};

static fake_dns_t *dns;

/* A client from that address of a server that asks those name servers; null: the fake one. */
static client_t *client_from(const char *address, const char *servers, const char *config)
{
    zm_dns_options_t options = {.servers = servers};
    client_t *client = client_connect(config, HERE);
    zm_error_t error;
    dns = fake_dns_start(client->server.loop, records, zm_test_pool());
    if (servers == NULL)
        options.servers = fake_dns_address(dns);
    ZM_ASSERT_OK(zm_dns_create(&client->server.dns, client->server.loop, &options, &error));
    (void)apr_socket_close(client->socket);
    client_again(client, address);
    return client;
}

static void done(client_t *client)
{
    client_done(client);
    zm_dns_destroy(client->server.dns);
    fake_dns_stop(dns);
}

/* The line about the client in the message that it sends. */
static const char *rcvdfrom(const char *address, const char *greeting, const char *config)
{
    client_t *client = client_from(address, NULL, config);
    const char *line, *end;
    (void)say(client, "");
    (void)say(client, apr_pstrcat(zm_test_pool(), "EHLO ", greeting, "\r\n", NULL));
    ASSERT_HAS(reply_to(client, "MAIL FROM:<a@far.test>\r\n"), "250 2.1.0");
    ASSERT_HAS(reply_to(client, "RCPT TO:<bob@local.test>\r\n"), "250 2.1.5");
    ASSERT_HAS(reply_to(client, "DATA\r\n"), "354");
    ASSERT_HAS(reply_to(client, ".\r\n"), "250 2.0.0");
    done(client);
    line = strstr(fake_spool.messages[0], "rcvdfrom ");
    end = strchr(line, '\n');
    return zm_str_c(zm_test_pool(), zm_str_of(line, (apr_size_t)(end - line)));
}

static void names_are_verified_both_ways(void)
{
    ZM_ASSERT_STR(rcvdfrom("192.0.2.9", "mail.far.test", ""),
                  "rcvdfrom mail.far.test ([192.0.2.9]:40112 \"EHLO mail.far.test\" "
                  "rhost-flags-OK-OK-OK-OK)");
    ZM_ASSERT_STR(rcvdfrom("192.0.2.10", "mail.far.test", ""),
                  "rcvdfrom mail.far.test ([192.0.2.10]:40112 \"EHLO mail.far.test\" "
                  "rhost-flags-OK-FAIL-OK-FAIL)");
    ZM_ASSERT_STR(rcvdfrom("192.0.2.10", "other.far.test", ""),
                  "rcvdfrom mail.far.test ([192.0.2.10]:40112 \"EHLO other.far.test\" "
                  "rhost-flags-OK-FAIL-OK-OK)");
    ZM_ASSERT_STR(rcvdfrom("2001:db8::1", "six.far.test", ""),
                  "rcvdfrom six.far.test ([IPv6:2001:db8::1]:40112 \"EHLO six.far.test\" "
                  "rhost-flags-OK-OK-OK-OK)");
}

static void names_that_are_none_are_not_believed(void)
{
    ZM_ASSERT_STR(rcvdfrom("192.0.2.11", "x_y", ""),
                  "rcvdfrom [192.0.2.11] ([192.0.2.11]:40112 \"EHLO x_y\" "
                  "rhost-flags-FAIL-FAIL-FAIL-FAIL)");
    ZM_ASSERT_STR(rcvdfrom("192.0.2.12", "[192.0.2.12]", ""),
                  "rcvdfrom [192.0.2.12] ([192.0.2.12]:40112 \"EHLO [192.0.2.12]\" "
                  "rhost-flags-FAIL-FAIL-OK-OK)");
    ZM_ASSERT_STR(rcvdfrom("192.0.2.12", "[192.0.2.9]", ""),
                  "rcvdfrom [192.0.2.12] ([192.0.2.12]:40112 \"EHLO [192.0.2.9]\" "
                  "rhost-flags-FAIL-FAIL-OK-FAIL)");
}

static void nobody_asks_where_it_is_not_wanted(void)
{
    ZM_ASSERT_STR(rcvdfrom("192.0.2.9", "mail.far.test", "PARAM no-client-names"),
                  "rcvdfrom [192.0.2.9] ([192.0.2.9]:40112 \"EHLO mail.far.test\" "
                  "rhost-flags-\?\?-FAIL-OK-FAIL)");
    ZM_ASSERT_STR(rcvdfrom("127.0.0.1", "mail.far.test", ""),
                  "rcvdfrom [127.0.0.1] ([127.0.0.1]:40112 \"EHLO mail.far.test\" "
                  "rhost-flags-\?\?-FAIL-OK-FAIL)");
}

/* A name server that takes questions and never answers. */
static const char *silent_server(void)
{
    apr_socket_t *socket;
    apr_sockaddr_t *address;
    ZM_ASSERT_OK(apr_sockaddr_info_get(&address, "127.0.0.1", APR_INET, 0, 0, zm_test_pool()));
    ZM_ASSERT_OK(apr_socket_create(&socket, APR_INET, SOCK_DGRAM, APR_PROTO_UDP, zm_test_pool()));
    ZM_ASSERT_OK(apr_socket_bind(socket, address));
    ZM_ASSERT_OK(apr_socket_addr_get(&address, APR_LOCAL, socket));
    return apr_psprintf(zm_test_pool(), "127.0.0.1:%u", address->port);
}

static void the_first_recipient_waits_and_not_for_ever(void)
{
    client_t *client = client_from("192.0.2.9", silent_server(), "PARAM auth-results off");
    (void)say(client, "");
    (void)say(client, "EHLO mail.far.test\r\n");
    ZM_ASSERT_STR(say(client, "MAIL FROM:<a@far.test>\r\nRCPT TO:<bob@local.test>\r\nNOOP\r\n"),
                  "250 2.1.0 Sender <a@far.test> ok\r\n");
    ZM_ASSERT_STR(later(client, 4), "");
    ASSERT_HAS(later(client, 2), "250 2.1.5 Recipient <bob@local.test> ok\r\n250 2.0.0 Ok\r\n");
    ASSERT_HAS(say(client, "RCPT TO:<eve@local.test>\r\n"), "250 2.1.5");
    ASSERT_HAS(say(client, "DATA\r\n"), "354");
    ASSERT_HAS(say(client, ".\r\n"), "250 2.0.0");
    ASSERT_HAS(fake_spool.messages[0], "rhost-flags-FAIL-FAIL-OK-FAIL");
    done(client);
}

static void a_client_that_leaves_meanwhile_does_no_harm(void)
{
    client_t *client = client_from("192.0.2.9", silent_server(), "");
    (void)say(client, "EHLO mail.far.test\r\n");
    (void)say(client, "MAIL FROM:<a@far.test>\r\nRCPT TO:<bob@local.test>\r\n");
    (void)hang_up(client);
    (void)later(client, 10);
    CU_ASSERT_EQUAL(client->server.open, 0);
    done(client);
}

/* Each greeting may ask for a name, but a client cannot make us ask for any number. */
static void few_greetings_are_looked_up(void)
{
    client_t *client = client_from("192.0.2.9", NULL, "");
    int i;
    (void)say(client, "");
    for (i = 0; i < 40; i++)
        ASSERT_HAS(reply_to(client, apr_psprintf(zm_test_pool(), "EHLO x%d.far.test\r\n", i)),
                   "250 HELP");
    for (i = 0; i < 20; i++)
        (void)say(client, "");
    CU_ASSERT_TRUE(fake_dns_udp_count(dns) <= 2 + PEER_GREETINGS);
    CU_ASSERT_TRUE(fake_dns_udp_count(dns) >= 2);
    done(client);
}

ZM_TESTS("smtpserver peer", ZM_TEST(names_are_verified_both_ways),
         ZM_TEST(names_that_are_none_are_not_believed), ZM_TEST(nobody_asks_where_it_is_not_wanted),
         ZM_TEST(the_first_recipient_waits_and_not_for_ever),
         ZM_TEST(a_client_that_leaves_meanwhile_does_no_harm), ZM_TEST(few_greetings_are_looked_up))
