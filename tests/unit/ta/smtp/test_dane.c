/*
 * The whole agent, a server with TLS and a name service that tells what DNSSEC proves.
 */
#include <apr_env.h>
#include <apr_strings.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "ta/smtp/dane.h"
#include "ta/smtp/tls_client.h"
#include "ta/smtp/trial.h"
#include "tests/unit/mta/net/certificate.h"
#include "tests/unit/mta/net/fake_dns.h"
#include "tests/unit/ta/smtp/relay_help.h"

#define HOST "mx.signed.test"
#define SECURE                                                                                     \
    "[1]\nEHLO client.example\nSTARTTLS\nEHLO client.example (tls)\n"                              \
    "MAIL From:<from@example.org> (tls)\nRCPT To:<a@x> (tls)\nDATA (tls)\nQUIT (tls)\n"

#define RECORDS 12
static fake_record_t zone[RECORDS + 1];
static fake_dns_t *service;

static apr_status_t end_tls(void *data)
{
    zm_tls_destroy(data);
    return APR_SUCCESS;
}

static apr_status_t end_service(void *data)
{
    fake_dns_stop(data);
    apr_env_delete("RESOLVER", zm_test_pool());
    return APR_SUCCESS;
}

static void name(const char *owner, zm_dns_type_t type, const char *data)
{
    int i = 0;
    while (zone[i].name != NULL)
        i++;
    CU_ASSERT_FATAL(i < RECORDS);
    zone[i] = (fake_record_t){owner, type, 300, data};
}

/* "3 1 1 HEX" of the server's certificate */
static const char *record_of(const char *file)
{
    unsigned char digest[EVP_MAX_MD_SIZE], *key = NULL;
    unsigned int length = 0, i;
    FILE *in = fopen(file, "r");
    X509 *certificate = PEM_read_X509(in, NULL, NULL, NULL);
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key);
    const char *text = "3 1 1 ";
    EVP_Digest(key, (size_t)size, digest, &length, EVP_sha256(), NULL);
    for (i = 0; i < length; i++)
        text = apr_psprintf(fixture->pool, "%s%02x", text, digest[i]);
    OPENSSL_free(key);
    X509_free(certificate);
    fclose(in);
    return text;
}

/* A server whose certificate has this name.  Its exchanger is HOST, an address of this machine. */
static void begin_dane(const char *settings)
{
    zm_tls_options_t tls = {.server = true};
    FILE *file;
    begin();
    tls.certificate = zm_test_certificate("cert.pem", "mail.test", "DNS:mail.test");
    ZM_ASSERT_OK(zm_tls_create(&server.tls, &tls, NULL));
    apr_pool_pre_cleanup_register(fixture->pool, server.tls, end_tls);
    server.keywords = "250-PIPELINING\r\n250 STARTTLS\r\n";
    server.secure_keywords = "250 PIPELINING\r\n";
    memset(zone, 0, sizeof zone);
    name(HOST, ZM_DNS_A, "127.0.0.1");
    service = fake_dns_start(fixture->loop, zone, fixture->pool);
    apr_pool_pre_cleanup_register(fixture->pool, service, end_service);
    apr_env_set("RESOLVER", fake_dns_address(service), fixture->pool);
    options.port = server.port;
    options.prefer_ipv6 = false;
    options.tls_file = apr_pstrcat(fixture->pool, zm_test_directory(), "/smtp-tls.conf", NULL);
    file = fopen(options.tls_file, "w");
    fputs(settings, file);
    fclose(file);
}

static const char *owner_at(const char *host)
{
    return apr_psprintf(fixture->pool, "_%u._tcp.%s", server.port, host);
}

static const char *record(void)
{
    return record_of(apr_pstrcat(fixture->pool, zm_test_directory(), "/cert.pem", NULL));
}

static const char *other_record(void)
{
    return apr_pstrcat(fixture->pool, "3 1 1 ",
                       "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL);
}

static const char *deliver_to(const char *host)
{
    const char *path = zm_fixture_letter(
        fixture, &(zm_fixture_letter_t){.sender = "from@example.org",
                                        .recipients = {{"smtp", host, "a@x", 0, NULL}}});
    zm_fixture_feed(fixture, "%s\t%s\n", path, host);
    run();
    return path;
}

static void taken(const char *path)
{
    TAGS(path, "+");
    TALK(SECURE);
}

static void waits(const char *path, const char *why)
{
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.letters, 0);
    CU_ASSERT_TRUE(zm_fixture_count(fixture, why) > 0);
}

static int try_out(const char *host)
{
    zm_agent_options_t agent = zm_fixture_agent(fixture, "smtp", "smtp");
    zm_error_t error;
    int code;
    zm_fixture_end(fixture);
    options.host = host;
    ZM_ASSERT_OK(zm_smtp_open(&smtp, &options, &agent, fixture->pool, &error));
    code = zm_smtp_try(&smtp);
    say_goodbye();
    return code;
}

/* -- records that are there --------------------------------------------------- */

static void server_that_fits_its_record_is_believed(void)
{
    begin_dane("tls-dane yes\ntls-loglevel 1\n");
    name(owner_at(HOST), ZM_DNS_TLSA, record());
    taken(deliver_to(HOST));
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "verified by its TLSA records"), 1);
}

static void one_of_many_records_is_enough(void)
{
    begin_dane("tls-dane yes\n");
    name(owner_at(HOST), ZM_DNS_TLSA, other_record());
    name(owner_at(HOST), ZM_DNS_TLSA, "9 9 9 00");
    name(owner_at(HOST), ZM_DNS_TLSA, record());
    taken(deliver_to(HOST));
}

static void server_that_does_not_fit_gets_nothing(void)
{
    begin_dane("tls-dane yes\n");
    name(owner_at(HOST), ZM_DNS_TLSA, other_record());
    waits(deliver_to(HOST), "certificate not accepted");
}

static void trials_look_at_records_too(void)
{
    begin_dane("tls-policy " HOST " dane\n");
    name(owner_at(HOST), ZM_DNS_TLSA, record());
    CU_ASSERT_EQUAL(try_out(HOST), 0);
    begin_dane("tls-dane yes\n");
    name(owner_at(HOST), ZM_DNS_TLSA, other_record());
    CU_ASSERT_EQUAL(try_out(HOST), ZM_RESULT_TEMPFAIL);
}

static void server_with_a_record_and_without_tls_gets_nothing(void)
{
    begin_dane("tls-dane yes\n");
    server.keywords = "250 PIPELINING\r\n";
    name(owner_at(HOST), ZM_DNS_TLSA, record());
    waits(deliver_to(HOST), "it does not offer STARTTLS; TLSA records of _");
}

static void records_that_cannot_be_used_ask_for_any_tls(void)
{
    begin_dane("tls-dane yes\n");
    name(owner_at(HOST), ZM_DNS_TLSA, "1 1 1 00");
    name(owner_at(HOST), ZM_DNS_TLSA, "3 1 1 00ff");
    taken(deliver_to(HOST));
    begin_dane("tls-dane yes\n");
    server.keywords = "250 PIPELINING\r\n";
    name(owner_at(HOST), ZM_DNS_TLSA, "3 1 1 00ff");
    waits(deliver_to(HOST), "it does not offer STARTTLS; TLSA records of _");
}

static void records_that_cannot_be_had_stop_the_mail(void)
{
    begin_dane("tls-dane yes\n");
    name(owner_at(HOST), ZM_DNS_TLSA, "3 1");
    waits(deliver_to(HOST), "cannot be had: unreadable reply");
    CU_ASSERT_EQUAL(server.sessions, 0);
}

/* -- records that do not count ------------------------------------------------- */

static void without_records_all_is_as_ever(void)
{
    begin_dane("tls-dane yes\n");
    taken(deliver_to(HOST));
}

static void unproved_records_do_not_count(void)
{
    begin_dane("tls-dane yes\n");
    name("mx.test", ZM_DNS_A, "127.0.0.1");
    name(owner_at("mx.test"), ZM_DNS_TLSA, other_record());
    taken(deliver_to("mx.test"));
}

static void records_are_not_asked_for_unless_wanted(void)
{
    begin_dane("tls-policy * may\n");
    name(owner_at(HOST), ZM_DNS_TLSA, other_record());
    taken(deliver_to(HOST));
}

static void word_of_the_administrator_goes_before_records(void)
{
    begin_dane("tls-dane yes\ntls-policy " HOST " none\n");
    name(owner_at(HOST), ZM_DNS_TLSA, other_record());
    TAGS(deliver_to(HOST), "+");
    CU_ASSERT_PTR_NULL(strstr(zm_buf_c(&server.talk), "STARTTLS"));
}

/* -- aliases ------------------------------------------------------------------- */

static void records_may_be_where_an_alias_leads(void)
{
    begin_dane("tls-dane yes\ntls-loglevel 1\n");
    name("alias.signed.test", ZM_DNS_CNAME, HOST);
    name(owner_at(HOST), ZM_DNS_TLSA, record());
    taken(deliver_to("alias.signed.test"));
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "verified by its TLSA records"), 1);
}

static void records_may_be_at_the_alias(void)
{
    begin_dane("tls-dane yes\n");
    name("alias.signed.test", ZM_DNS_CNAME, HOST);
    name(owner_at("alias.signed.test"), ZM_DNS_TLSA, other_record());
    waits(deliver_to("alias.signed.test"), "certificate not accepted");
}

static void alias_that_leads_to_an_unproved_name_has_its_own_records(void)
{
    begin_dane("tls-dane yes\n");
    name("alias.signed.test", ZM_DNS_CNAME, "apart.test");
    name("apart.test", ZM_DNS_A, "127.0.0.1");
    name(owner_at("alias.signed.test"), ZM_DNS_TLSA, other_record());
    waits(deliver_to("alias.signed.test"), "certificate not accepted");
}

/* -- the policy ----------------------------------------------------------------- */

static void dane_demanded_takes_a_server_with_a_record(void)
{
    begin_dane("tls-policy .signed.test dane\n");
    name(owner_at(HOST), ZM_DNS_TLSA, record());
    taken(deliver_to(HOST));
}

static void dane_demanded_takes_no_other(void)
{
    begin_dane("tls-policy * dane\n");
    waits(deliver_to(HOST), "has no TLSA records that DNSSEC proves; tls-policy * demands them");
    begin_dane("tls-policy * dane\n");
    name(owner_at(HOST), ZM_DNS_TLSA, "0 0 1 00");
    waits(deliver_to(HOST), "has no TLSA records that can be used; tls-policy * demands them");
    begin_dane("tls-policy * dane\n");
    name("mx.test", ZM_DNS_A, "127.0.0.1");
    name(owner_at("mx.test"), ZM_DNS_TLSA, record());
    waits(deliver_to("mx.test"), "has no TLSA records that DNSSEC proves");
    CU_ASSERT_EQUAL(server.sessions, 0);
}

/* -- beside a policy of the domain ------------------------------------------------ */

static zm_tls_rule_t rule_with(zm_dane_state_t state, zm_str_t tlsa)
{
    static zm_dane_t dane;
    static zm_str_t records[1];
    zm_hop_t hop = {.name = HOST, .domain = "signed.test", .dane = &dane};
    zm_agent_t agent = {0};
    zm_tls_client_t *client;
    zm_tls_rule_t rule;
    FILE *file;
    begin_dane("tls-dane yes\n");
    records[0] = tlsa;
    dane = (zm_dane_t){state, "_25._tcp." HOST, "timeout", {HOST, NULL, records, 1}};
    agent.pool = fixture->pool;
    file = fopen(apr_pstrcat(fixture->pool, zm_test_directory(), "/signed.test", NULL), "w");
    fputs("version: STSv1\nmode: enforce\nmx: other.test\nmax_age: 1000\n", file);
    fclose(file);
    file = fopen(options.tls_file, "w");
    fprintf(file, "tls-dane yes\ntls-mtasts %s\n", zm_test_directory());
    fclose(file);
    zm_tls_client_open(&client, &options, &agent);
    zm_tls_rule_for(&rule, client, &hop, fixture->pool);
    return rule;
}

static void records_go_before_the_policy_of_the_domain(void)
{
    char data[36] = "\3\1\1";
    zm_tls_rule_t rule = rule_with(ZM_DANE_FOUND, zm_str_of(data, 35));
    CU_ASSERT_EQUAL(rule.level, ZM_TLS_DANE);
    CU_ASSERT_PTR_NULL(rule.refusal);
    rule = rule_with(ZM_DANE_FOUND, zm_str_of("\1\1\1x", 4));
    CU_ASSERT_EQUAL(rule.level, ZM_TLS_VERIFY);
    ZM_ASSERT_STR(rule.refusal, "MTA-STS of signed.test does not name " HOST);
    rule = rule_with(ZM_DANE_NONE, zm_str_of("", 0));
    ZM_ASSERT_STR(rule.refusal, "MTA-STS of signed.test does not name " HOST);
    rule = rule_with(ZM_DANE_FAILED, zm_str_of("", 0));
    ZM_ASSERT_STR(rule.refusal, "TLSA records of _25._tcp." HOST " cannot be had: timeout");
}

/* -- the way there ------------------------------------------------------------------ */

typedef struct seen_t {
    const zm_route_t *route;
} seen_t;

static void on_route(const zm_route_t *route, void *baton)
{
    ((seen_t *)baton)->route = route;
}

/* The first hop to a destination. */
static const zm_hop_t *hop_to(zm_dns_t *dns, const char *destination)
{
    seen_t seen = {NULL};
    zm_route_find(zm_str(destination), false, &options, dns, on_route, &seen, fixture->pool);
    while (seen.route == NULL)
        zm_loop_once(fixture->loop, -1);
    return seen.route->count > 0 ? &seen.route->hops[0] : NULL;
}

static void way_is_proved_link_by_link(void)
{
    zm_dns_options_t dns_options = {.dnssec = true};
    const zm_hop_t *hop;
    zm_dns_t *dns;
    begin_dane("");
    options.hostname = options.helo = "us.test";
    name("a.signed.test", ZM_DNS_MX, "10 out.signed.test");
    name("b.signed.test", ZM_DNS_MX, "10 out.test");
    name("c.test", ZM_DNS_MX, "10 out.signed.test");
    name("out.signed.test", ZM_DNS_A, "198.51.100.1");
    name("out.test", ZM_DNS_A, "198.51.100.2");
    ZM_ASSERT_OK(zm_dns_create(&dns, fixture->loop, &dns_options, NULL));
    hop = hop_to(dns, "a.signed.test");
    CU_ASSERT_TRUE(hop->proved_name && hop->proved_address);
    hop = hop_to(dns, "b.signed.test");
    CU_ASSERT_TRUE(hop->proved_name && !hop->proved_address);
    hop = hop_to(dns, "c.test");
    CU_ASSERT_TRUE(!hop->proved_name && hop->proved_address);
    hop = hop_to(dns, "out.signed.test");
    CU_ASSERT_TRUE(hop->proved_name && hop->proved_address);
    hop = hop_to(dns, "[198.51.100.1]");
    CU_ASSERT_FALSE(hop->proved_name || hop->proved_address);
    zm_dns_destroy(dns);
}

ZM_TESTS("smtp dane", ZM_TEST(server_that_fits_its_record_is_believed),
         ZM_TEST(one_of_many_records_is_enough), ZM_TEST(server_that_does_not_fit_gets_nothing),
         ZM_TEST(trials_look_at_records_too),
         ZM_TEST(server_with_a_record_and_without_tls_gets_nothing),
         ZM_TEST(records_that_cannot_be_used_ask_for_any_tls),
         ZM_TEST(records_that_cannot_be_had_stop_the_mail), ZM_TEST(without_records_all_is_as_ever),
         ZM_TEST(unproved_records_do_not_count), ZM_TEST(records_are_not_asked_for_unless_wanted),
         ZM_TEST(word_of_the_administrator_goes_before_records),
         ZM_TEST(records_may_be_where_an_alias_leads), ZM_TEST(records_may_be_at_the_alias),
         ZM_TEST(alias_that_leads_to_an_unproved_name_has_its_own_records),
         ZM_TEST(dane_demanded_takes_a_server_with_a_record), ZM_TEST(dane_demanded_takes_no_other),
         ZM_TEST(records_go_before_the_policy_of_the_domain), ZM_TEST(way_is_proved_link_by_link))
