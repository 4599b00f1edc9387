/* DMARC: records, domains that belong together, and what comes of a message. */
#include <apr_strings.h>

#include "tests/unit/mta/dkim/mail.h"

#define RECORD(domain, text)                                                                       \
    {                                                                                              \
        "_dmarc." domain, ZM_DNS_TXT, 60, text                                                     \
    }

static const fake_record_t records[] = {
    RFC8463_RECORDS,
    RECORD("football.example.com", "v=DMARC1; p=reject"),
    RECORD("strict.test", "v=DMARC1; p=quarantine; aspf=s; adkim=s"),
    RECORD("org.test", "v=DMARC1; p=reject; sp=quarantine"),
    RECORD("none.test", "v=DMARC1; p=none"),
    RECORD("xn--bcher-kva.test", "v=DMARC1; p=reject"),
    RECORD("part.test", "v=DMARC1; p=reject; pct=50"),
    RECORD("two.test", "v=DMARC1; p=reject"),
    RECORD("two.test", "v=DMARC1; p=none"),
    RECORD("other.test", "spf? v=DMARC1; p=reject"),
    RECORD("silly.test", "v=DMARC1; p=silly"),
    {"x.servfail.test", ZM_DNS_TXT, 60, "x"},
    {NULL, ZM_DNS_A, 0, NULL}};

/* "fail reject football.example.com": the result, what is wanted, and who is meant. */
static const char *judge(const char *text, zm_auth_t spf, const char *spf_domain)
{
    const zm_verified_t *verified = verify_at(text, records, RFC8463_NOW, 1000000, spf, spf_domain);
    return apr_pstrcat(zm_test_pool(), zm_auth_name(verified->dmarc), " ",
                       zm_dmarc_policy_name(verified->wanted), " ", verified->author, NULL);
}

static const char *from(const char *domain)
{
    return apr_pstrcat(zm_test_pool(), "From: A (x@y.test) <a@", domain, ">\n\nx\n", NULL);
}

static void records_follow_their_grammar(void)
{
    zm_dmarc_record_t record;
    CU_ASSERT_TRUE(zm_dmarc_read(&record, ZM_S("v=DMARC1; p=reject; pct=20; aspf=s")));
    CU_ASSERT_EQUAL(record.policy, ZM_DMARC_REJECT);
    CU_ASSERT_EQUAL(record.subdomain_policy, ZM_DMARC_REJECT);
    CU_ASSERT_EQUAL(record.percent, 20);
    CU_ASSERT_TRUE(record.strict_spf && !record.strict_dkim);
    CU_ASSERT_TRUE(zm_dmarc_read(&record, ZM_S("v=DMARC1; rua=mailto:x@y.test")));
    CU_ASSERT_EQUAL(record.policy, ZM_DMARC_NONE);
    CU_ASSERT_FALSE(zm_dmarc_read(&record, ZM_S("v=DMARC1; p=silly")));
    CU_ASSERT_FALSE(zm_dmarc_read(&record, ZM_S("p=reject; v=DMARC1")));
    CU_ASSERT_FALSE(zm_dmarc_read(&record, ZM_S("v=DMARC2; p=reject")));
}

static void organizations_go_by_public_suffixes(void)
{
    apr_pool_t *pool = zm_test_pool();
    ZM_ASSERT_STR(zm_organization_of(ZM_S("a.B.example.co.uk"), pool), "example.co.uk");
    ZM_ASSERT_STR(zm_organization_of(ZM_S("example.com"), pool), "example.com");
    ZM_ASSERT_STR(zm_organization_of(ZM_S("com"), pool), "com");
    CU_ASSERT_TRUE(zm_dmarc_aligned(ZM_S("a.example.com"), ZM_S("b.Example.com"), false, pool));
    CU_ASSERT_FALSE(zm_dmarc_aligned(ZM_S("a.example.com"), ZM_S("example.com"), true, pool));
    CU_ASSERT_FALSE(zm_dmarc_aligned(ZM_S("a.co.uk"), ZM_S("b.co.uk"), false, pool));
    CU_ASSERT_FALSE(zm_dmarc_aligned(ZM_S(""), ZM_S("b.co.uk"), false, pool));
}

static void a_signature_of_the_author_passes(void)
{
    const char *text = apr_pstrcat(zm_test_pool(), rfc8463_ed25519, rfc8463_message, NULL);
    ZM_ASSERT_STR(judge(text, ZM_AUTH_FAIL, "x.test"), "pass none football.example.com");
    ZM_ASSERT_STR(judge(rfc8463_message, ZM_AUTH_FAIL, "football.example.com"),
                  "fail reject football.example.com");
}

static void a_sender_of_the_author_passes(void)
{
    ZM_ASSERT_STR(judge(from("org.test"), ZM_AUTH_PASS, "bounces.org.test"), "pass none org.test");
    ZM_ASSERT_STR(judge(from("org.test"), ZM_AUTH_PASS, "evil.test"), "fail reject org.test");
    ZM_ASSERT_STR(judge(from("org.test"), ZM_AUTH_SOFTFAIL, "org.test"), "fail reject org.test");
    ZM_ASSERT_STR(judge(from("strict.test"), ZM_AUTH_PASS, "a.strict.test"),
                  "fail quarantine strict.test");
    ZM_ASSERT_STR(judge(from("strict.test"), ZM_AUTH_PASS, "strict.test"), "pass none strict.test");
}

static void domains_below_have_a_policy_of_the_organization(void)
{
    ZM_ASSERT_STR(judge(from("news.org.test"), ZM_AUTH_NONE, ""), "fail quarantine news.org.test");
    ZM_ASSERT_STR(judge(from("none.test"), ZM_AUTH_NONE, ""), "fail none none.test");
    ZM_ASSERT_STR(judge(from("nothing.test"), ZM_AUTH_NONE, ""), "none none nothing.test");
    ZM_ASSERT_STR(judge(from("two.test"), ZM_AUTH_NONE, ""), "none none two.test");
    ZM_ASSERT_STR(judge(from("other.test"), ZM_AUTH_NONE, ""), "none none other.test");
    ZM_ASSERT_STR(judge(from("silly.test"), ZM_AUTH_NONE, ""), "none none silly.test");
}

static void a_policy_for_a_part_is_milder_for_the_rest(void)
{
    ZM_ASSERT_STR(judge(from("part.test"), ZM_AUTH_NONE, ""), "fail quarantine part.test");
}

static void an_author_more_does_not_help(void)
{
    ZM_ASSERT_STR(judge("From: a@nothing.test, b@org.test\n\n", ZM_AUTH_NONE, ""),
                  "fail reject org.test");
    ZM_ASSERT_STR(judge("From: a@org.test\nFrom: b@none.test\n\n", ZM_AUTH_PASS, "none.test"),
                  "fail reject org.test");
}

static void domains_beyond_ascii_have_policies(void)
{
    ZM_ASSERT_STR(judge(from("xn--bcher-kva.test"), ZM_AUTH_NONE, ""),
                  "fail reject xn--bcher-kva.test");
    ZM_ASSERT_STR(judge(from("b\xc3\xbc"
                             "cher.test"),
                        ZM_AUTH_NONE, ""),
                  "fail reject xn--bcher-kva.test");
}

static void who_names_no_author_has_no_policy(void)
{
    ZM_ASSERT_STR(judge("Subject: x\n\n", ZM_AUTH_NONE, ""), "permerror none ");
    ZM_ASSERT_STR(judge("From: nobody\n\n", ZM_AUTH_NONE, ""), "permerror none ");
    ZM_ASSERT_STR(judge("From: <a@b\n\n", ZM_AUTH_NONE, ""), "permerror none ");
    ZM_ASSERT_STR(
        judge("From: a@a.test, a@b.test, a@c.test, a@d.test, a@e.test\n\n", ZM_AUTH_NONE, ""),
        "permerror none ");
}

static const char *results(const char *text, zm_auth_t spf, const char *domain, apr_size_t limit)
{
    const zm_verified_t *verified = verify_at(text, records, RFC8463_NOW, 1000000, spf, domain);
    zm_spf_said_t said = {spf, zm_str(domain), false};
    zm_buf_t out = ZM_BUF_INIT;
    const char *result;
    zm_auth_results_add(&out, "mx.test", &said, verified, limit);
    result = zm_str_c(zm_test_pool(), zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

static void results_tell_all_of_it(void)
{
    const char *text = apr_pstrcat(zm_test_pool(), rfc8463_ed25519, rfc8463_message, NULL);
    ZM_ASSERT_STR(results(text, ZM_AUTH_FAIL, "bad\"name", 900),
                  "mx.test; spf=fail; dmarc=pass (p=reject) header.from=football.example.com; "
                  "arc=none; dkim=pass header.d=football.example.com header.s=brisbane "
                  "header.a=ed25519-sha256 header.b=\"/gCrinpc\"");
    ZM_ASSERT_STR(results(from("none.test"), ZM_AUTH_PASS, "none.test", 900),
                  "mx.test; spf=pass smtp.mailfrom=none.test; dmarc=pass (p=none) "
                  "header.from=none.test; arc=none; dkim=none");
    ZM_ASSERT_STR(results(text, ZM_AUTH_NONE, "", 100),
                  "mx.test; spf=none; dmarc=pass (p=reject) header.from=football.example.com; "
                  "arc=none");
}

static void results_can_be_read_again(void)
{
    CU_ASSERT_EQUAL(zm_auth_results_get(ZM_S("mx; spf=fail; arc=pass (i=1)"), "arc"), ZM_AUTH_PASS);
    CU_ASSERT_EQUAL(zm_auth_results_get(ZM_S("mx; arc=none"), "arc"), ZM_AUTH_NONE);
    CU_ASSERT_EQUAL(zm_auth_results_get(ZM_S("arc"), "arc"), ZM_AUTH_NONE);
}

ZM_TESTS("dkim_dmarc", ZM_TEST(records_follow_their_grammar),
         ZM_TEST(organizations_go_by_public_suffixes), ZM_TEST(a_signature_of_the_author_passes),
         ZM_TEST(a_sender_of_the_author_passes),
         ZM_TEST(domains_below_have_a_policy_of_the_organization),
         ZM_TEST(a_policy_for_a_part_is_milder_for_the_rest), ZM_TEST(an_author_more_does_not_help),
         ZM_TEST(domains_beyond_ascii_have_policies), ZM_TEST(who_names_no_author_has_no_policy),
         ZM_TEST(results_tell_all_of_it), ZM_TEST(results_can_be_read_again))
