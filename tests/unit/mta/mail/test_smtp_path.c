#include "mta/mail/smtp_path.h"

#include <apr_strings.h>

#include "tests/unit/harness.h"

/** "route|local|domain|rest", or "problem @ position". */
static const char *scanned(const char *text, int flags)
{
    zm_smtp_path_t path;
    zm_smtp_problem_t problem;
    if (!zm_smtp_path(zm_str(text), flags, &path, &problem))
        return apr_psprintf(zm_test_pool(), "%s @ %u", problem.text, (unsigned)problem.at);
    return apr_psprintf(zm_test_pool(), "%.*s|%.*s|%.*s|%s", (int)path.route.length,
                        path.route.data, (int)path.local.length, path.local.data,
                        (int)path.domain.length, path.domain.data, text + path.end);
}

#define ASSERT_PATH(text, flags, expected) ZM_ASSERT_STR(scanned(text, flags), expected)

static void good_paths(void)
{
    ASSERT_PATH("<a@b.c> SIZE=1", 0, "|a|b.c| SIZE=1");
    ASSERT_PATH("<>", 0, "|||");
    ASSERT_PATH("<a>", 0, "|a||");
    ASSERT_PATH("<a.b+c!d%e@f  >", ZM_PATH_FULL, "|a.b+c!d%e|f|");
    ASSERT_PATH("<\"a \\\" b\"@c>", ZM_PATH_FULL, "|\"a \\\" b\"|c|");
    ASSERT_PATH("<a\\ b@c>", 0, "|a\\ b|c|");
    ASSERT_PATH("<@x,@[1.2.3.4]:a@b>", 0, "@x,@[1.2.3.4]|a|b|");
    ASSERT_PATH("<a@[1.2.3.4]>", 0, "|a|[1.2.3.4]|");
    ASSERT_PATH("<a@[ipv6:1::2:10.0.0.1]>", 0, "|a|[ipv6:1::2:10.0.0.1]|");
    ASSERT_PATH("<a@1and1.b->", 0, "|a|1and1.b-|");
}

static void dots_at_the_levels(void)
{
    ASSERT_PATH("<.a..b.@c>", 0, "|.a..b.|c|");
    ASSERT_PATH("<.a@c>", ZM_PATH_FULL, "dot without a word before it @ 1");
    ASSERT_PATH("<a..b@c>", ZM_PATH_FULL, "dot without a word before it @ 3");
    ASSERT_PATH("<a.@c>", ZM_PATH_FULL, "dot at the end of the local part @ 2");
}

static void domain_is_mandatory_when_full(void)
{
    ASSERT_PATH("<a>", ZM_PATH_FULL, "expected @ and a domain @ 2");
    ASSERT_PATH("<PostMaster>", ZM_PATH_FULL | ZM_PATH_POSTMASTER, "|PostMaster||");
    ASSERT_PATH("<postmaster>", ZM_PATH_FULL, "expected @ and a domain @ 11");
}

static void sloppy_forms(void)
{
    ASSERT_PATH("a@b X=1", ZM_PATH_SLOPPY, "|a|b| X=1");
    ASSERT_PATH("< << a@b >", ZM_PATH_SLOPPY, "|a|b|");
    ASSERT_PATH("a@b", 0, "expected < @ 0");
    ASSERT_PATH("< a@b>", 0, "expected an address @ 1");
    ASSERT_PATH("<<a@b>", 0, "this character cannot be part of an unquoted local part @ 1");
}

static void diagnoses_of_paths(void)
{
    ASSERT_PATH("", 0, "expected an address @ 0");
    ASSERT_PATH("<", 0, "expected an address @ 1");
    ASSERT_PATH("<a@b", 0, "expected > at the end @ 4");
    ASSERT_PATH("<a@b c>", 0, "unexpected text before > @ 5");
    ASSERT_PATH("<@b>", 0, "expected : after the source route @ 3");
    ASSERT_PATH("<@b,c:d@e>", 0, "expected @ in the source route @ 4");
    ASSERT_PATH("<@b:@c>", 0, "expected a local part before @ @ 4");
    ASSERT_PATH("<a@>", 0, "expected a domain after @ @ 3");
    ASSERT_PATH("<a@b:c>", 0, "unexpected : (a dot was meant?) @ 4");
    ASSERT_PATH("<a(b@c>", 0, "this character cannot be part of an unquoted local part @ 2");
    ASSERT_PATH("<\xc3\xa4@c>", 0, "8-bit character in the local part @ 1");
    ASSERT_PATH("<\"\xc3\xa4\"@c>", 0, "8-bit character in a quoted string @ 2");
    ASSERT_PATH("<\"\"@c>", 0, "empty quoted string @ 1");
    ASSERT_PATH("<\"a@c>", 0, "quoted string without its final quote @ 6");
    ASSERT_PATH("<\"a\\", 0, "bad escape in a quoted string @ 4");
    ASSERT_PATH("<a\\\n@c>", 0, "bad escape in the local part @ 3");
}

static void diagnoses_of_domains(void)
{
    ASSERT_PATH("<a@.b>", 0, "domain starts with a dot @ 3");
    ASSERT_PATH("<a@b.>", 0, "domain ends with a dot @ 4");
    ASSERT_PATH("<a@b..c>", 0, "expected a letter or digit in the domain name @ 5");
    ASSERT_PATH("<a@-b>", 0, "expected a domain name @ 3");
    ASSERT_PATH("<a@b_c>", 0, "this character cannot be part of a domain name @ 4");
    ASSERT_PATH("<a@1.2.3.4>", 0, "numeric domain; write an address as [n.n.n.n] @ 3");
    ASSERT_PATH("<a@#12>", 0, "numbers with # are not supported; use an address literal @ 3");
    ASSERT_PATH("<a@[1.2.3]>", 0, "expected . in the address literal @ 9");
    ASSERT_PATH("<a@[1.2.3.256]>", 0,
                "expected a number from 0 to 255 in the address literal @ 10");
    ASSERT_PATH("<a@[1.2.3.4>", 0, "expected ] after the address literal @ 11");
    ASSERT_PATH("<a@[0001.2.3.4]>", 0,
                "expected a number from 0 to 255 in the address literal @ 4");
}

static const char *six(const char *address)
{
    const char *text = scanned(apr_pstrcat(zm_test_pool(), "<a@[IPv6:", address, "]>", NULL), 0);
    return text[0] == '|' ? "good" : text;
}

static void ipv6_literals(void)
{
    ZM_ASSERT_STR(six("::"), "good");
    ZM_ASSERT_STR(six("::1"), "good");
    ZM_ASSERT_STR(six("1::"), "good");
    ZM_ASSERT_STR(six("1:2:3:4:5:6:7:8"), "good");
    ZM_ASSERT_STR(six("1:2:3:4:5:6:1.2.3.4"), "good");
    ZM_ASSERT_STR(six("::ffff:1.2.3.4"), "good");
    ZM_ASSERT_STR(six(":1"), "lone : at the start of the IPv6 address @ 9");
    ZM_ASSERT_STR(six("1::2::3"), "second :: in the IPv6 address @ 13");
    ZM_ASSERT_STR(six("12345::"), "element of the IPv6 address is too large @ 9");
    ZM_ASSERT_STR(six("1:2:3:4:5:6:7"), "too few elements in the IPv6 address @ 22");
    ZM_ASSERT_STR(six("1:2:3:4:5:6:7:8:9"), "too many elements in the IPv6 address @ 26");
    ZM_ASSERT_STR(six("1:x"), "expected hexadecimal digits in the IPv6 address @ 11");
    CU_ASSERT_TRUE(zm_smtp_is_ipv6(ZM_S("fe80::1")));
    CU_ASSERT_FALSE(zm_smtp_is_ipv6(ZM_S("fe80::1%eth0")));
    CU_ASSERT_FALSE(zm_smtp_is_ipv6(ZM_S("")));
}

static void helo_is_one_domain(void)
{
    zm_smtp_problem_t problem;
    CU_ASSERT_TRUE(zm_smtp_helo(ZM_S("mail.x.org "), &problem));
    CU_ASSERT_TRUE(zm_smtp_helo(ZM_S("[10.0.0.1]"), &problem));
    CU_ASSERT_FALSE(zm_smtp_helo(ZM_S("mail x"), &problem));
    ZM_ASSERT_STR(problem.text, "text after the domain");
    CU_ASSERT_EQUAL(problem.at, 4);
    CU_ASSERT_FALSE(zm_smtp_helo(ZM_S(""), &problem));
}

static void orcpt_is_a_type_and_xtext(void)
{
    zm_smtp_problem_t problem;
    CU_ASSERT_TRUE(zm_smtp_orcpt(ZM_S("rfc822;a+2Bb@c"), &problem));
    CU_ASSERT_FALSE(zm_smtp_orcpt(ZM_S("rfc822"), &problem));
    CU_ASSERT_EQUAL(problem.at, 6);
    CU_ASSERT_FALSE(zm_smtp_orcpt(ZM_S(";x"), &problem));
    CU_ASSERT_FALSE(zm_smtp_orcpt(ZM_S("r(;x"), &problem));
    CU_ASSERT_EQUAL(problem.at, 1);
    CU_ASSERT_FALSE(zm_smtp_orcpt(ZM_S("rfc822;a=b"), &problem));
    CU_ASSERT_EQUAL(problem.at, 8);
}

static const char *address_of(const char *text, bool with_route)
{
    zm_smtp_path_t path;
    zm_smtp_problem_t problem;
    CU_ASSERT_TRUE(zm_smtp_path(zm_str(text), 0, &path, &problem));
    return zm_smtp_path_address(&path, with_route, zm_test_pool()).data;
}

static void conversion_to_rfc822(void)
{
    ZM_ASSERT_STR(address_of("<a\\ b@c>", false), "\"a\\ b\"@c");
    ZM_ASSERT_STR(address_of("<@x:a@c>", false), "a@c");
    ZM_ASSERT_STR(address_of("<@x:a@c>", true), "@x:a@c");
    ZM_ASSERT_STR(address_of("<>", true), "");
    ZM_ASSERT_STR(address_of("<.a@c>", true), "\".a\"@c");
    ZM_ASSERT_STR(address_of("<a..b@c>", true), "\"a..b\"@c");
    ZM_ASSERT_STR(address_of("<a!%b@c>", true), "\"a!%b\"@c");
    ZM_ASSERT_STR(address_of("<a!@c>", true), "\"a!\"@c");
    ZM_ASSERT_STR(address_of("<a!b%c.d@e>", true), "a!b%c.d@e");
    ZM_ASSERT_STR(address_of("<\"a\\b\"@c>", true), "\"a\\b\"@c");
}

static void paths_go_beyond_ascii_where_they_may(void)
{
    ASSERT_PATH("<\xc3\xa4.\xe2\x82\xac@\xc3\xbc-1.x> y", ZM_PATH_BEYOND | ZM_PATH_FULL,
                "|\xc3\xa4.\xe2\x82\xac|\xc3\xbc-1.x| y");
    ASSERT_PATH("<\"\xc3\xa4 \"@x>", ZM_PATH_BEYOND, "|\"\xc3\xa4 \"|x|");
    ASSERT_PATH("<\xc3\xa4@x>", 0, "8-bit character in the local part @ 1");
    ASSERT_PATH("<a@\xc3\xa4>", 0, "expected a domain name @ 3");
    ASSERT_PATH("<\xe4@x>", ZM_PATH_BEYOND, "the address is not UTF-8 @ 0");
    ASSERT_PATH("<a\xc2\x80@x>", ZM_PATH_BEYOND, "control character in the address @ 2");
    ASSERT_PATH("<a\\\xc3\xa4@x>", ZM_PATH_BEYOND, "bad escape in the local part @ 3");
}

static void nul_is_never_part_of_a_path(void)
{
    zm_smtp_path_t path;
    zm_smtp_problem_t problem;
    CU_ASSERT_FALSE(zm_smtp_path(ZM_S("<a\0b@c>"), 0, &path, &problem));
    CU_ASSERT_EQUAL(problem.at, 2);
    CU_ASSERT_FALSE(zm_smtp_path(ZM_S("<a@c\0>"), 0, &path, &problem));
}

ZM_TESTS("mail.smtp_path", ZM_TEST(good_paths), ZM_TEST(dots_at_the_levels),
         ZM_TEST(domain_is_mandatory_when_full), ZM_TEST(sloppy_forms), ZM_TEST(diagnoses_of_paths),
         ZM_TEST(diagnoses_of_domains), ZM_TEST(ipv6_literals), ZM_TEST(helo_is_one_domain),
         ZM_TEST(orcpt_is_a_type_and_xtext), ZM_TEST(conversion_to_rfc822),
         ZM_TEST(paths_go_beyond_ascii_where_they_may), ZM_TEST(nul_is_never_part_of_a_path))
