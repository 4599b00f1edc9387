/*
 * The whole agent against a server that offers STARTTLS, honestly and not.
 */
#include <apr_strings.h>
#include <stdio.h>

#include "ta/smtp/tls_client.h"
#include "tests/unit/mta/net/certificate.h"
#include "tests/unit/ta/smtp/relay_help.h"

#define OFFER "250-PIPELINING\r\n250-STARTTLS\r\n250 SIZE\r\n"
#define SIZED_LETTER(user) "MAIL From:<from@example.org> SIZE=88\nRCPT To:<" user ">\nDATA\nQUIT\n"
#define SECRET_LETTER(user)                                                                        \
    "MAIL From:<from@example.org> (tls)\nRCPT To:<" user "> (tls)\nDATA (tls)\nQUIT (tls)\n"
#define PLAIN "[1]\nEHLO client.example\n" SIZED_LETTER("a@x")
#define ASKED "EHLO client.example\nSTARTTLS\n"
#define SECURE "[1]\n" ASKED "EHLO client.example (tls)\n" SECRET_LETTER("a@x")

static const char *certificate;

static apr_status_t end_tls(void *data)
{
    zm_tls_destroy(data);
    return APR_SUCCESS;
}

/* names: of the certificate. */
static void begin_tls(const char *names)
{
    zm_tls_options_t settings = {.server = true};
    begin();
    certificate = zm_test_certificate("cert.pem", "mail.test", names);
    settings.certificate = certificate;
    ZM_ASSERT_OK(zm_tls_create(&server.tls, &settings, NULL));
    apr_pool_pre_cleanup_register(fixture->pool, server.tls, end_tls);
    server.keywords = OFFER;
    server.secure_keywords = "250 PIPELINING\r\n";
}

static void configure(const char *text)
{
    FILE *file;
    options.tls_file = apr_pstrcat(fixture->pool, zm_test_directory(), "/smtp-tls.conf", NULL);
    file = fopen(options.tls_file, "w");
    fputs(text, file);
    fclose(file);
}

static const char *trust(const char *policy)
{
    return apr_pstrcat(fixture->pool, "tls-CAfile ", certificate, "\n", policy, "\n", NULL);
}

/* -- without settings ------------------------------------------------------- */

static void tls_is_used_where_it_is_offered(void)
{
    const char *path;
    begin_tls("DNS:mail.test");
    path = send_to("a@x");
    run();
    TAGS(path, "+");
    TALK(SECURE);
    CU_ASSERT_EQUAL(zm_counter_get(smtp.agent->counters, ZM_COUNT_TA_SMTP_SmtpSTARTTLSok), 1);
}

static void no_tls_means_none(void)
{
    begin_tls("DNS:mail.test");
    options.no_tls = true;
    send_to("a@x");
    run();
    TALK(PLAIN);
}

static void capabilities_from_before_the_handshake_do_not_count(void)
{
    begin_tls("DNS:mail.test");
    server.keywords = "250-DSN\r\n250-STARTTLS\r\n250 SIZE 1\r\n";
    send_to("a@x");
    run();
    TALK(SECURE);
}

static void refused_starttls_defers(void)
{
    const char *path;
    begin_tls("DNS:mail.test");
    server.starttls.list[0] = "454 4.7.0 not now";
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    TALK("[1]\n" ASKED);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\tretryat +61 "), 1);
    CU_ASSERT_TRUE(zm_fixture_count(fixture, "smtp; 454 (4.7.0 not now)") > 0);
    CU_ASSERT_EQUAL(zm_counter_get(smtp.agent->counters, ZM_COUNT_TA_SMTP_SmtpSTARTTLSfail), 1);
}

static void failure_is_remembered_for_its_time(void)
{
    zm_tls_client_t *client;
    zm_endpoint_t server_end = {0}, other = {0};
    zm_agent_t agent = {0};
    begin();
    agent.pool = fixture->pool;
    zm_ip_parse(&server_end.ip, ZM_S("192.0.2.1"));
    zm_ip_parse(&other.ip, ZM_S("192.0.2.2"));
    zm_tls_client_open(&client, &options, &agent);
    zm_tls_client_failed(client, &server_end);
    CU_ASSERT_FALSE(zm_tls_client_in_clear(client, &server_end));
    options.tls_wait = 0;
    CU_ASSERT_TRUE(zm_tls_client_in_clear(client, &server_end));
    CU_ASSERT_FALSE(zm_tls_client_in_clear(client, &other));
    zm_tls_client_succeeded(client, &server_end);
    CU_ASSERT_FALSE(zm_tls_client_in_clear(client, &server_end));
}

/* The second letter is fed when the first has been answered, for another name of the same server:
 * so for another lane, that has heard of no failure. */
static const char *second_path;

static void on_tick(zm_timer_t *timer, void *baton)
{
    const char *host = apr_pstrcat(fixture->pool, "\"", zm_server_host(&server), NULL);
    zm_fixture_letter_t letter = {.sender = "from@example.org",
                                  .recipients = {{"smtp", host, "b@x", 0, NULL}}};
    (void)baton;
    if (zm_fixture_count(fixture, "\tretryat ") == 0) {
        zm_timer_set(timer, apr_time_from_msec(5));
        return;
    }
    second_path = zm_fixture_letter(fixture, &letter);
    zm_fixture_feed(fixture, "%s\t%s\n", second_path, host);
    zm_fixture_end(fixture);
}

static void two_attempts(apr_interval_time_t wait, const char *second)
{
    zm_agent_options_t agent;
    const char *first;
    zm_error_t error;
    zm_timer_t timer;
    begin_tls("DNS:mail.test");
    agent = zm_fixture_agent(fixture, "smtp", "smtp");
    options.tls_wait = wait;
    server.starttls.list[0] = "220 go\r\n500 but not so";
    server.starttls.list[1] = "220 go\r\n500 but not so";
    first = send_to("a@x");
    zm_timer_init(&timer, fixture->loop, on_tick, NULL);
    zm_timer_set(&timer, 0);
    ZM_ASSERT_OK(zm_smtp_open(&smtp, &options, &agent, fixture->pool, &error));
    CU_ASSERT_EQUAL(zm_smtp_run(&smtp), 0);
    say_goodbye();
    TAGS(first, " ");
    TAGS(second_path, second);
}

static void next_attempt_after_a_failure_is_in_clear(void)
{
    two_attempts(0, "+");
    TALK("[1]\n" ASKED "[2]\nEHLO client.example\n" SIZED_LETTER("b@x"));
}

static void attempts_within_the_minute_are_not_in_clear(void)
{
    two_attempts(apr_time_from_sec(60), " ");
    CU_ASSERT_EQUAL(server.letters, 0);
    CU_ASSERT_EQUAL(server.sessions, 2);
}

static void broken_handshake_defers(void)
{
    const char *path;
    begin_tls("DNS:mail.test");
    server.tls = NULL; /* it agrees, and then speaks on in plain text */
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.sessions, 1);
    CU_ASSERT_TRUE(zm_fixture_count(fixture, "]: no TLS: ") > 0);
}

/* As a server does that wants a certificate of ours, after our side of the handshake has ended. */
static void connection_lost_before_the_first_secure_reply_defers(void)
{
    const char *path;
    begin_tls("DNS:mail.test");
    server.ehlo.list[0] = "250-test\r\n250 STARTTLS";
    server.ehlo.list[1] = "CLOSE";
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    TALK("[1]\n" ASKED "EHLO client.example (tls)\n");
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\tretryat +61 "), 1);
}

static void plain_text_behind_the_reply_ends_the_session(void)
{
    const char *path;
    begin_tls("DNS:mail.test");
    server.starttls.list[0] = "220 go\r\n250 injected";
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.letters, 0);
    CU_ASSERT_EQUAL(server.sessions, 1);
    CU_ASSERT_TRUE(zm_fixture_count(fixture, "plain text after the reply to STARTTLS") > 0);
}

/* -- policies --------------------------------------------------------------- */

static void encrypt_takes_any_certificate(void)
{
    const char *path;
    begin_tls("DNS:mail.test");
    configure("tls-policy * encrypt\n");
    path = send_to("a@x");
    run();
    TAGS(path, "+");
    TALK(SECURE);
}

static void encrypt_waits_for_a_server_without_tls(void)
{
    const char *path;
    begin();
    configure("demand-tls-mode\n");
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.letters, 0);
    CU_ASSERT_TRUE(zm_fixture_count(fixture, "it does not offer STARTTLS; tls-policy * demands") >
                   0);
}

static void encrypt_waits_for_a_server_without_extensions(void)
{
    const char *path;
    begin();
    configure("demand-tls-mode\n");
    server.ehlo.list[0] = "502 what";
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.letters, 0);
}

static void ciphers_without_certificates_serve_no_demand(void)
{
    const char *path;
    begin_tls("DNS:mail.test");
    configure("tls-cipher-list aNULL\ntls-policy elsewhere.test encrypt\n");
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.sessions, 0);
    begin_tls("DNS:mail.test");
    configure("tls-cipher-list aNULL\n");
    path = send_to("a@x");
    run();
    TAGS(path, "+");
    TALK(SECURE);
}

static void verify_takes_the_right_certificate(void)
{
    const char *path;
    begin_tls("IP:127.0.0.1");
    configure(trust("tls-policy * verify"));
    path = send_to("a@x");
    run();
    TAGS(path, "+");
    TALK(SECURE);
}

static void verify_takes_the_name_it_is_told(void)
{
    const char *path;
    begin_tls("DNS:mail.test");
    configure(trust("tls-policy [127.0.0.1] verify other.test .test"));
    path = send_to("a@x");
    run();
    TAGS(path, "+");
    TALK(SECURE);
}

static void verify_waits_for_another_name(void)
{
    const char *path;
    begin_tls("DNS:mail.test");
    configure(trust("tls-policy [127.0.0.1] verify other.test"));
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.letters, 0);
    CU_ASSERT_TRUE(zm_fixture_count(fixture, "certificate not accepted") > 0);
}

static void verify_waits_for_an_unknown_issuer(void)
{
    const char *path;
    begin_tls("IP:127.0.0.1");
    configure("tls-policy * verify\n");
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.letters, 0);
}

static void log_levels_tell_more_and_more(void)
{
    int level;
    for (level = 0; level <= 2; level++) {
        begin_tls("DNS:mail.test");
        configure(apr_psprintf(fixture->pool, "tls-loglevel %d\n", level));
        send_to("a@x");
        run();
        CU_ASSERT_EQUAL(zm_fixture_count(fixture, "certificate /CN=mail.test of /CN=mail.test: "
                                                  "not verified, "),
                        level >= 1);
        CU_ASSERT_EQUAL(zm_fixture_count(fixture, "# smtp: ") > 3, level >= 2);
    }
}

static void wrong_settings_hold_all_mail_where_a_policy_is_strict(void)
{
    const char *path;
    begin_tls("DNS:mail.test");
    configure("tls-policy elsewhere.test encrypt\ntls-cert-file /nonexistent/cert.pem\n");
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.sessions, 0);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\tdeferall "), 1);
}

static void wrong_settings_turn_tls_off_where_none_is(void)
{
    begin_tls("DNS:mail.test");
    configure("tls-cert-file /nonexistent/cert.pem\n");
    send_to("a@x");
    run();
    TALK(PLAIN);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "mail goes without TLS"), 1);
}

static void unreadable_settings_hold_all_mail(void)
{
    const char *path;
    begin_tls("DNS:mail.test");
    options.tls_file = "/nonexistent/smtp-tls.conf";
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.sessions, 0);
}

/* -- letters that must have TLS all the way (RFC 8689) ------------------------ */

static const char *send_secret(const char *names, const char *offer)
{
    begin_tls(names);
    server.secure_keywords = offer;
    configure(trust("tls-loglevel 0"));
    return send_letter((zm_fixture_letter_t){
        .recipients = {{"smtp", "", "a@x", 0, "NOTIFY=FAILURE REQUIRETLS=YES"}}});
}

static void secret_letter_goes_to_a_server_that_keeps_it(void)
{
    const char *path = send_secret("IP:127.0.0.1", "250-PIPELINING\r\n250 REQUIRETLS\r\n");
    run();
    TAGS(path, "+");
    TALK("[1]\n" ASKED "EHLO client.example (tls)\nMAIL From:<from@example.org> REQUIRETLS (tls)\n"
         "RCPT To:<a@x> (tls)\nDATA (tls)\nQUIT (tls)\n");
}

static void secret_letter_comes_back_from_a_server_that_does_not(void)
{
    const char *path = send_secret("IP:127.0.0.1", "250 PIPELINING\r\n");
    run();
    TAGS(path, "-");
    CU_ASSERT_EQUAL(server.letters, 0);
    CU_ASSERT_TRUE(zm_fixture_count(fixture, "REQUIRETLS: the server does not offer it") > 0);
}

static void secret_letter_is_not_given_to_who_proves_nothing(void)
{
    const char *path = send_secret("DNS:mail.test", "250 REQUIRETLS\r\n");
    run();
    TAGS(path, "-");
    CU_ASSERT_EQUAL(server.letters, 0);
    CU_ASSERT_TRUE(zm_fixture_count(fixture, "TLS does not prove that the server is") > 0);
}

static void secret_letter_does_not_go_in_clear(void)
{
    const char *path = send_secret("IP:127.0.0.1", "250 REQUIRETLS\r\n");
    server.keywords = "250 REQUIRETLS\r\n";
    run();
    TAGS(path, "-");
    CU_ASSERT_EQUAL(server.letters, 0);
}

static void letters_beside_it_go_as_ever(void)
{
    const char *path;
    begin_tls("DNS:mail.test");
    path = send_letter((zm_fixture_letter_t){
        .recipients = {{"smtp", "", "a@x", 0, "REQUIRETLS=YES"}, {"smtp", "", "b@x", 0, NULL}}});
    run();
    TAGS(path, "-+");
    CU_ASSERT_EQUAL(server.letters, 1);
}

/* -- what domains say of themselves ------------------------------------------ */

static void put(const char *name, const char *text)
{
    FILE *file = fopen(apr_pstrcat(fixture->pool, zm_test_directory(), "/", name, NULL), "w");
    fputs(text, file);
    fclose(file);
}

static const char *sts_with(const char *more)
{
    return apr_pstrcat(fixture->pool, "tls-mtasts ", zm_test_directory(), "\n", more, NULL);
}

static zm_tls_rule_t rule_of(const char *settings, const char *exchanger)
{
    static const char *const policy = "version: STSv1\nmode: enforce\nmx: mx.a.test\n"
                                      "max_age: 1000\n";
    zm_hop_t hop = {.name = exchanger, .domain = "a.test"};
    zm_agent_t agent = {0};
    zm_tls_client_t *client;
    zm_tls_rule_t rule;
    begin();
    agent.pool = fixture->pool;
    put("a.test", policy);
    configure(sts_with(settings));
    zm_tls_client_open(&client, &options, &agent);
    zm_tls_rule_for(&rule, client, &hop, fixture->pool);
    return rule;
}

static void enforced_policy_of_a_domain_demands_verification(void)
{
    zm_tls_rule_t rule = rule_of("tls-policy * encrypt\n", "mx.a.test");
    CU_ASSERT_EQUAL(rule.level, ZM_TLS_VERIFY);
    CU_ASSERT_PTR_NULL(rule.refusal);
    ZM_ASSERT_STR(rule.origin, "MTA-STS of a.test");
}

static void exchanger_that_its_domain_does_not_name_is_not_used(void)
{
    zm_tls_rule_t rule = rule_of("", "mx.evil.test");
    ZM_ASSERT_STR(rule.refusal, "MTA-STS of a.test does not name mx.evil.test");
}

static void word_on_just_the_domain_goes_before_its_own(void)
{
    zm_tls_rule_t rule = rule_of("tls-policy a.test none\n", "mx.evil.test");
    CU_ASSERT_EQUAL(rule.level, ZM_TLS_NONE);
    CU_ASSERT_PTR_NULL(rule.refusal);
}

/* A letter for localhost, whose policy and certificate are these. */
static const char *send_to_localhost(const char *names, const char *policy)
{
    const char *path;
    begin_tls(names);
    options.no_mx = true;
    options.port = server.port;
    options.prefer_ipv6 = false;
    put("localhost", policy);
    configure(trust(sts_with("")));
    path = zm_fixture_letter(
        fixture, &(zm_fixture_letter_t){.sender = "from@example.org",
                                        .recipients = {{"smtp", "localhost", "a@x", 0, NULL}}});
    zm_fixture_feed(fixture, "%s\tlocalhost\n", path);
    run();
    return path;
}

static void domain_with_a_policy_gets_mail_over_verified_tls(void)
{
    const char *path = send_to_localhost(
        "DNS:localhost", "version: STSv1\nmode: enforce\nmx: localhost\nmax_age: 1000\n");
    TAGS(path, "+");
    TALK(SECURE);
}

static void domain_with_a_policy_is_not_trusted_by_another_name(void)
{
    const char *path = send_to_localhost(
        "DNS:other.test", "version: STSv1\nmode: enforce\nmx: localhost\nmax_age: 1000\n");
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.letters, 0);
}

static void mail_for_an_exchanger_not_named_waits(void)
{
    const char *path = send_to_localhost(
        "DNS:localhost", "version: STSv1\nmode: enforce\nmx: mx.test\nmax_age: 1000\n");
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.sessions, 0);
}

static void letter_may_not_want_what_the_domain_demands(void)
{
    const char *strict, *relaxed;
    begin_tls("DNS:other.test");
    options.no_mx = true;
    options.port = server.port;
    options.prefer_ipv6 = false;
    put("localhost", "version: STSv1\nmode: enforce\nmx: localhost\nmax_age: 1000\n");
    configure(trust(sts_with("")));
    strict = zm_fixture_letter(
        fixture, &(zm_fixture_letter_t){.sender = "from@example.org",
                                        .recipients = {{"smtp", "localhost", "a@x", 0, NULL}}});
    relaxed = zm_fixture_letter(
        fixture,
        &(zm_fixture_letter_t){.sender = "from@example.org",
                               .header = "Received: by here; Mon\nTLS-Required: no\nTo: x\n",
                               .recipients = {{"smtp", "localhost", "b@x", 0, NULL}}});
    zm_fixture_feed(fixture, "%s\tlocalhost\n", strict);
    zm_fixture_feed(fixture, "%s\tlocalhost\n", relaxed);
    run();
    TAGS(strict, " ");
    TAGS(relaxed, "+");
    CU_ASSERT_EQUAL(server.letters, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.talk), "RCPT To:<b@x> (tls)\n"));
}

static void administrator_is_obeyed_whatever_a_letter_wants(void)
{
    const char *path;
    begin_tls("DNS:mail.test");
    configure("tls-policy * verify\n");
    path = send_letter((zm_fixture_letter_t){.header = "TLS-Required: No\n",
                                             .recipients = {{"smtp", "", "a@x", 0, NULL}}});
    run();
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.letters, 0);
}

static void letter_that_wants_both_gets_the_stricter(void)
{
    const char *path;
    begin_tls("DNS:mail.test");
    path = send_letter((zm_fixture_letter_t){
        .header = "TLS-Required: No\n", .recipients = {{"smtp", "", "a@x", 0, "REQUIRETLS=YES"}}});
    run();
    TAGS(path, "-");
    CU_ASSERT_EQUAL(server.letters, 0);
}

static void policy_in_testing_is_only_told(void)
{
    const char *path = send_to_localhost(
        "DNS:other.test", "version: STSv1\nmode: testing\nmx: localhost\nmax_age: 1000\n");
    TAGS(path, "+");
    TALK(SECURE);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "in testing mode: localhost would be refused"), 1);
}

ZM_TESTS("smtp tls", ZM_TEST(tls_is_used_where_it_is_offered), ZM_TEST(no_tls_means_none),
         ZM_TEST(capabilities_from_before_the_handshake_do_not_count),
         ZM_TEST(refused_starttls_defers), ZM_TEST(failure_is_remembered_for_its_time),
         ZM_TEST(next_attempt_after_a_failure_is_in_clear),
         ZM_TEST(attempts_within_the_minute_are_not_in_clear), ZM_TEST(broken_handshake_defers),
         ZM_TEST(connection_lost_before_the_first_secure_reply_defers),
         ZM_TEST(plain_text_behind_the_reply_ends_the_session),
         ZM_TEST(ciphers_without_certificates_serve_no_demand),
         ZM_TEST(encrypt_takes_any_certificate), ZM_TEST(encrypt_waits_for_a_server_without_tls),
         ZM_TEST(encrypt_waits_for_a_server_without_extensions),
         ZM_TEST(verify_takes_the_right_certificate), ZM_TEST(verify_takes_the_name_it_is_told),
         ZM_TEST(verify_waits_for_another_name), ZM_TEST(verify_waits_for_an_unknown_issuer),
         ZM_TEST(log_levels_tell_more_and_more),
         ZM_TEST(wrong_settings_hold_all_mail_where_a_policy_is_strict),
         ZM_TEST(wrong_settings_turn_tls_off_where_none_is),
         ZM_TEST(unreadable_settings_hold_all_mail),
         ZM_TEST(enforced_policy_of_a_domain_demands_verification),
         ZM_TEST(exchanger_that_its_domain_does_not_name_is_not_used),
         ZM_TEST(word_on_just_the_domain_goes_before_its_own),
         ZM_TEST(domain_with_a_policy_gets_mail_over_verified_tls),
         ZM_TEST(domain_with_a_policy_is_not_trusted_by_another_name),
         ZM_TEST(mail_for_an_exchanger_not_named_waits),
         ZM_TEST(letter_may_not_want_what_the_domain_demands),
         ZM_TEST(administrator_is_obeyed_whatever_a_letter_wants),
         ZM_TEST(letter_that_wants_both_gets_the_stricter),
         ZM_TEST(secret_letter_goes_to_a_server_that_keeps_it),
         ZM_TEST(secret_letter_comes_back_from_a_server_that_does_not),
         ZM_TEST(secret_letter_is_not_given_to_who_proves_nothing),
         ZM_TEST(secret_letter_does_not_go_in_clear), ZM_TEST(letters_beside_it_go_as_ever),
         ZM_TEST(policy_in_testing_is_only_told))
