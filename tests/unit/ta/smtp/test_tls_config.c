#include "ta/smtp/tls_config.h"

#include <apr_strings.h>

#include "tests/unit/harness.h"

static zm_tls_config_t config;
static const char *notices;

static void on_notice(void *baton, const char *text)
{
    (void)baton;
    notices = apr_pstrcat(zm_test_pool(), notices, text, "\n", NULL);
}

static void parse(const char *text)
{
    notices = "";
    zm_tls_config_parse(&config, zm_str(text), on_notice, NULL, zm_test_pool());
}

#define PROBLEM(text)                                                                              \
    do {                                                                                           \
        CU_ASSERT_PTR_NOT_NULL_FATAL(config.problem);                                              \
        ZM_ASSERT_STR(config.problem, text);                                                       \
    } while (0)

/* -- keywords --------------------------------------------------------------- */

static void all_settings_are_taken(void)
{
    parse("tls-cert-file /a/cert.pem\n"
          "TLS-KEY-FILE\t/a/key.pem  what follows\n"
          "  tls-dcert-file /a/second.pem\n"
          "tls-dkey-file /a/second.key\n"
          "tls-CAfile /a/ca.pem\r\n"
          "tls-CApath /a/certs\n"
          "tls-loglevel 1\n"
          "tls-cipher-list HIGH:!SHA1\n"
          "tls-ciphersuites TLS_AES_128_GCM_SHA256\n"
          "tls-min-version TLSv1.3\n"
          "tls-mtasts /a/sts");
    CU_ASSERT_PTR_NULL(config.problem);
    ZM_ASSERT_STR(notices, "");
    ZM_ASSERT_STR(config.client.certificate, "/a/cert.pem");
    ZM_ASSERT_STR(config.client.key, "/a/key.pem");
    ZM_ASSERT_STR(config.client.second_certificate, "/a/second.pem");
    ZM_ASSERT_STR(config.client.second_key, "/a/second.key");
    ZM_ASSERT_STR(config.client.authorities, "/a/ca.pem");
    ZM_ASSERT_STR(config.client.authority_directory, "/a/certs");
    CU_ASSERT_EQUAL(config.log_level, 1);
    ZM_ASSERT_STR(config.client.ciphers, "HIGH:!SHA1");
    ZM_ASSERT_STR(config.client.ciphersuites, "TLS_AES_128_GCM_SHA256");
    ZM_ASSERT_STR(config.client.least, "1.3");
    ZM_ASSERT_STR(config.mta_sts, "/a/sts");
}

static void remarks_and_empty_lines_are_passed_over(void)
{
    parse("# tls-loglevel 1\n\n   \t\n ; tls-loglevel 2\n#| more\n");
    CU_ASSERT_PTR_NULL(config.problem);
    CU_ASSERT_EQUAL(config.log_level, 0);
    CU_ASSERT_FALSE(config.strict);
}

static void keywords_that_mean_nothing_any_more_are_accepted(void)
{
    parse("tls-strict-rfc2487\ntls-random-source dev:/dev/urandom\nno-tls-readahead\n"
          "tls-use-scache\ntls-scache-timeout 3600\n");
    CU_ASSERT_PTR_NULL(config.problem);
    ZM_ASSERT_STR(notices, "");
}

static void unknown_keywords_are_told(void)
{
    parse("\ntls-cert /a/cert.pem\ntls-loglevel 1\n");
    CU_ASSERT_PTR_NULL(config.problem);
    ZM_ASSERT_STR(notices, "line 2: unknown keyword tls-cert\n");
    CU_ASSERT_EQUAL(config.log_level, 1);
}

static void log_levels_of_old_files_mean_the_highest(void)
{
    parse("tls-loglevel 4\n");
    CU_ASSERT_EQUAL(config.log_level, 2);
    parse("tls-loglevel much\n");
    PROBLEM("line 1: tls-loglevel needs a number");
}

static void values_that_are_missing_or_wrong_are_problems(void)
{
    parse("tls-loglevel 1\ntls-cert-file\n");
    PROBLEM("line 2: tls-cert-file needs a value");
    CU_ASSERT_FALSE(config.strict);
    parse("tls-min-version 3\n");
    PROBLEM("line 1: tls-min-version: expected 1.0, 1.1, 1.2 or 1.3");
    parse("tls-dane perhaps\n");
    PROBLEM("line 1: tls-dane: expected yes or no");
}

static void dane_is_for_all_or_for_some(void)
{
    parse("tls-dane no\n");
    CU_ASSERT_FALSE(config.dane || config.ask_dane || config.strict);
    parse("tls-dane yes\n");
    CU_ASSERT_PTR_NULL(config.problem);
    CU_ASSERT_TRUE(config.dane && config.ask_dane && config.strict);
    parse("tls-policy example.org dane\n");
    CU_ASSERT_PTR_NULL(config.problem);
    CU_ASSERT_TRUE(!config.dane && config.ask_dane && config.strict);
    CU_ASSERT_EQUAL(config.policies->level, ZM_TLS_DANE);
    parse("tls-policy [192.0.2.1] dane\n");
    PROBLEM("line 1: tls-policy: an address has no TLSA records, so it cannot have dane");
}

static void too_long_a_line_is_a_problem(void)
{
    char *line = apr_palloc(zm_test_pool(), 1100);
    memset(line, 'x', 1099);
    line[1099] = '\0';
    parse(line);
    PROBLEM("line 1: longer than 1023 bytes");
    CU_ASSERT_TRUE(config.strict);
}

/* -- policies --------------------------------------------------------------- */

static int level_of(const char *destination)
{
    const zm_tls_policy_t *policy =
        zm_tls_policy_find(&config, zm_str(destination), zm_test_pool());
    return policy != NULL ? (int)policy->level : -1;
}

static void most_specific_policy_counts(void)
{
    parse("tls-policy * none\n"
          "tls-policy .org may\n"
          "tls-policy .example.org encrypt\n"
          "tls-policy Example.ORG verify\n"
          "tls-policy deep.below.example.org none\n");
    CU_ASSERT_PTR_NULL(config.problem);
    CU_ASSERT_EQUAL(level_of("example.org"), ZM_TLS_VERIFY);
    CU_ASSERT_EQUAL(level_of("EXAMPLE.org."), ZM_TLS_VERIFY);
    CU_ASSERT_EQUAL(level_of("a.example.org"), ZM_TLS_ENCRYPT);
    CU_ASSERT_EQUAL(level_of("a.below.example.org"), ZM_TLS_ENCRYPT);
    CU_ASSERT_EQUAL(level_of("deep.below.example.org"), ZM_TLS_NONE);
    CU_ASSERT_EQUAL(level_of("other.org"), ZM_TLS_MAY);
    CU_ASSERT_EQUAL(level_of("notexample.org"), ZM_TLS_MAY);
    CU_ASSERT_EQUAL(level_of("example.com"), ZM_TLS_NONE);
    CU_ASSERT_EQUAL(level_of(""), ZM_TLS_NONE);
    CU_ASSERT_EQUAL(level_of("*"), ZM_TLS_NONE);
}

static void a_policy_may_have_either_form_of_a_domain(void)
{
    parse("tls-policy B\xc3\xbc"
          "cher.example verify\ntls-policy .b\xc3\xbc"
          "cher.example encrypt\n");
    CU_ASSERT_PTR_NULL(config.problem);
    CU_ASSERT_EQUAL(level_of("xn--bcher-kva.example"), ZM_TLS_VERIFY);
    CU_ASSERT_EQUAL(level_of("mx.xn--bcher-kva.example"), ZM_TLS_ENCRYPT);
}

static void of_equal_policies_the_first_counts(void)
{
    parse("tls-policy a.test encrypt\ntls-policy a.test none\n");
    CU_ASSERT_EQUAL(level_of("a.test"), ZM_TLS_ENCRYPT);
    CU_ASSERT_EQUAL(level_of("b.test"), -1);
}

static void addresses_have_policies_at_any_port(void)
{
    parse("tls-policy [192.0.2.1] encrypt\ntls-policy [IPv6:2001:db8::1] verify\n");
    CU_ASSERT_PTR_NULL(config.problem);
    CU_ASSERT_EQUAL(level_of("[192.0.2.1]"), ZM_TLS_ENCRYPT);
    CU_ASSERT_EQUAL(level_of("[192.0.2.1]:2525"), ZM_TLS_ENCRYPT);
    CU_ASSERT_EQUAL(level_of("[192.0.2.2]"), -1);
    CU_ASSERT_EQUAL(level_of("[IPv6:2001:DB8:0:0::1]"), ZM_TLS_VERIFY);
    parse("tls-policy [192.0.2.x] encrypt\n");
    CU_ASSERT_PTR_NOT_NULL(config.problem);
}

static void names_of_certificates_follow_verify(void)
{
    const zm_tls_policy_t *policy;
    parse("tls-policy a.test verify mx.a.test .b.test # theirs\ntls-policy b.test verify\n");
    policy = zm_tls_policy_find(&config, ZM_S("a.test"), zm_test_pool());
    ZM_ASSERT_STR(policy->names[0], "mx.a.test");
    ZM_ASSERT_STR(policy->names[1], ".b.test");
    CU_ASSERT_PTR_NULL(policy->names[2]);
    policy = zm_tls_policy_find(&config, ZM_S("b.test"), zm_test_pool());
    CU_ASSERT_PTR_NULL(policy->names);
}

static void demand_mode_goes_before_other_policies_for_all(void)
{
    parse("tls-policy * may\ndemand-tls-mode\ntls-policy weak.test none\n");
    CU_ASSERT_EQUAL(level_of("a.test"), ZM_TLS_ENCRYPT);
    CU_ASSERT_EQUAL(level_of("weak.test"), ZM_TLS_NONE);
    CU_ASSERT_TRUE(config.strict);
    parse("demand-tls-mode\ntls-policy a.test none\n");
    CU_ASSERT_EQUAL(level_of("a.test"), ZM_TLS_NONE);
    CU_ASSERT_EQUAL(level_of("b.test"), ZM_TLS_ENCRYPT);
}

static void strictness_is_known(void)
{
    parse("tls-policy * may\ntls-policy a.test none\n");
    CU_ASSERT_FALSE(config.strict);
    parse("tls-policy a.test encrypt\n");
    CU_ASSERT_TRUE(config.strict);
    parse("tls-mtasts /a/sts\n");
    CU_ASSERT_TRUE(config.strict);
    parse("tls-policy a.test encript\n"); /* what was it to be? */
    CU_ASSERT_TRUE(config.strict);
    PROBLEM("line 1: tls-policy: expected a domain, .domain, [address] or *, and none, may, "
            "encrypt, verify or dane");
    parse("tls-policy a.test\n");
    CU_ASSERT_TRUE(config.strict);
}

ZM_TESTS("smtp tls config", ZM_TEST(all_settings_are_taken),
         ZM_TEST(remarks_and_empty_lines_are_passed_over),
         ZM_TEST(keywords_that_mean_nothing_any_more_are_accepted),
         ZM_TEST(unknown_keywords_are_told), ZM_TEST(log_levels_of_old_files_mean_the_highest),
         ZM_TEST(values_that_are_missing_or_wrong_are_problems),
         ZM_TEST(dane_is_for_all_or_for_some), ZM_TEST(too_long_a_line_is_a_problem),
         ZM_TEST(most_specific_policy_counts), ZM_TEST(of_equal_policies_the_first_counts),
         ZM_TEST(a_policy_may_have_either_form_of_a_domain),
         ZM_TEST(addresses_have_policies_at_any_port), ZM_TEST(names_of_certificates_follow_verify),
         ZM_TEST(demand_mode_goes_before_other_policies_for_all), ZM_TEST(strictness_is_known))
