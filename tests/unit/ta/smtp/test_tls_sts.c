#include "ta/smtp/tls_sts.h"

#include <apr_strings.h>
#include <apr_time.h>
#include <stdio.h>

#include "platform/fs.h"
#include "tests/unit/harness.h"

#define GOOD                                                                                       \
    "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\n"             \
    "max_age: 604800\r\n"

static zm_sts_t sts;

static apr_status_t parse(const char *text)
{
    return zm_sts_parse(&sts, zm_str(text), zm_test_pool(), NULL);
}

static void policy_is_understood(void)
{
    ZM_ASSERT_OK(parse(GOOD));
    CU_ASSERT_EQUAL(sts.mode, ZM_STS_ENFORCE);
    CU_ASSERT_EQUAL(sts.max_age, 604800);
    ZM_ASSERT_OK(parse("version: STSv1\nmode: testing\nmx: a.test\nmax_age: 1"));
    CU_ASSERT_EQUAL(sts.mode, ZM_STS_TESTING);
    ZM_ASSERT_OK(parse("version: STSv1\nmode: none\nmax_age: 99999999999\n"));
    CU_ASSERT_EQUAL(sts.mode, ZM_STS_NONE);
    CU_ASSERT_EQUAL(sts.max_age, 31557600);
}

static void fields_of_later_versions_and_second_ones_are_passed_over(void)
{
    ZM_ASSERT_OK(parse("version:STSv1\nmode :enforce\nx_new: thing\nmode: none\nmx: a.test\n"
                       "max_age: 5\nmax_age: 6\n"));
    CU_ASSERT_EQUAL(sts.mode, ZM_STS_ENFORCE);
    CU_ASSERT_EQUAL(sts.max_age, 5);
}

static void what_is_no_policy_is_refused(void)
{
    CU_ASSERT_EQUAL(parse(""), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(parse("<html>not found</html>\n"), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(parse("version: STSv2\nmode: none\nmax_age: 1\n"), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(parse("version: STSv1\nmode: strict\nmx: a.test\nmax_age: 1\n"), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(parse("version: STSv1\nmode: enforce\nmax_age: 1\n"), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(parse("version: STSv1\nmode: enforce\nmx: a.test\n"), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(parse("mode: enforce\nmx: a.test\nmax_age: 1\n"), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(parse("version: STSv1\nmode: enforce\nmx: a b\nmax_age: 1\n"), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(parse("version: STSv1\nmode: enforce\nmx: a.*.b\nmax_age: 1\n"), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(parse("version: STSv1\nmode: enforce\nmx: a.test\nmax_age: -1\n"), ZM_E_SYNTAX);
}

static void exchangers_match_by_name_or_one_label(void)
{
    ZM_ASSERT_OK(parse(GOOD));
    CU_ASSERT_TRUE(zm_sts_allows(&sts, "mail.example.com"));
    CU_ASSERT_TRUE(zm_sts_allows(&sts, "MAIL.Example.Com."));
    CU_ASSERT_FALSE(zm_sts_allows(&sts, "example.com"));
    CU_ASSERT_FALSE(zm_sts_allows(&sts, "mail2.example.com"));
    CU_ASSERT_TRUE(zm_sts_allows(&sts, "mx1.example.net"));
    CU_ASSERT_FALSE(zm_sts_allows(&sts, "example.net"));
    CU_ASSERT_FALSE(zm_sts_allows(&sts, ".example.net"));
    CU_ASSERT_FALSE(zm_sts_allows(&sts, "a.b.example.net"));
    CU_ASSERT_FALSE(zm_sts_allows(&sts, "mx1.example.net.evil.test"));
    CU_ASSERT_FALSE(zm_sts_allows(&sts, ""));
}

/* -- the directory ---------------------------------------------------------- */

static void put(const char *name, const char *text)
{
    FILE *file = fopen(apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL), "w");
    fputs(text, file);
    fclose(file);
}

static apr_status_t load(const char *domain, int64_t later)
{
    int64_t now = (int64_t)apr_time_sec(apr_time_now());
    return zm_sts_load(&sts, zm_test_directory(), zm_str(domain), now + later, zm_test_pool(),
                       NULL);
}

static void policy_counts_until_it_expires(void)
{
    put("example.org", GOOD);
    ZM_ASSERT_OK(load("Example.ORG", 0));
    CU_ASSERT_EQUAL(sts.mode, ZM_STS_ENFORCE);
    ZM_ASSERT_OK(load("example.org.", 604700));
    CU_ASSERT_EQUAL(sts.mode, ZM_STS_ENFORCE);
    ZM_ASSERT_OK(load("example.org", 604900));
    CU_ASSERT_EQUAL(sts.mode, ZM_STS_NONE);
}

static void domain_without_a_policy_has_none(void)
{
    ZM_ASSERT_OK(load("example.org", 0));
    CU_ASSERT_EQUAL(sts.mode, ZM_STS_NONE);
    CU_ASSERT_FALSE(zm_sts_allows(&sts, "example.org"));
}

static void domain_cannot_name_another_file(void)
{
    static const char *const names[] = {"../secret", "a/../../secret", ".", "..", "",
                                        "-x",        "[192.0.2.1]"};
    int i;
    put("x", GOOD);
    for (i = 0; i < 7; i++) {
        ZM_ASSERT_OK(load(names[i], 0));
        CU_ASSERT_EQUAL(sts.mode, ZM_STS_NONE);
    }
}

static void file_that_is_no_policy_is_told(void)
{
    put("example.org", "404\n");
    CU_ASSERT_EQUAL(load("example.org", 0), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(sts.mode, ZM_STS_NONE);
}

ZM_TESTS("smtp tls sts", ZM_TEST(policy_is_understood),
         ZM_TEST(fields_of_later_versions_and_second_ones_are_passed_over),
         ZM_TEST(what_is_no_policy_is_refused), ZM_TEST(exchangers_match_by_name_or_one_label),
         ZM_TEST(policy_counts_until_it_expires), ZM_TEST(domain_without_a_policy_has_none),
         ZM_TEST(domain_cannot_name_another_file), ZM_TEST(file_that_is_no_policy_is_told))
