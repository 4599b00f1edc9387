/*
 * Domain names with letters beyond ASCII: "bücher" is xn--bcher-kva.
 */
#include "mta/net/idn.h"

#include <string.h>

#include "tests/unit/harness.h"

#define BUECHER                                                                                    \
    "b\xc3\xbc"                                                                                    \
    "cher"
#define UNCHANGED(function, text) same(function(zm_str(text), zm_test_pool()), text)

static void same(zm_str_t actual, const char *text)
{
    ZM_ASSERT_STR(zm_str_c(zm_test_pool(), actual), text);
}

static const char *ascii(const char *text)
{
    return zm_str_c(zm_test_pool(), zm_idn_ascii(zm_str(text), zm_test_pool()));
}

static const char *address(const char *text)
{
    return zm_str_c(zm_test_pool(), zm_idn_address(zm_str(text), zm_test_pool()));
}

static const char *other(const char *key)
{
    zm_str_t result;
    return zm_idn_other(&result, zm_str(key), zm_test_pool()) ? zm_str_c(zm_test_pool(), result)
                                                              : "-";
}

static void plain_text_is_given_back_itself(void)
{
    static const char text[] = "bob@a.example";
    CU_ASSERT_PTR_EQUAL(zm_idn_ascii(zm_str(text), zm_test_pool()).data, text);
    CU_ASSERT_PTR_EQUAL(zm_idn_address(zm_str(text), zm_test_pool()).data, text);
    CU_ASSERT_FALSE(zm_idn_any(zm_str(text)));
    CU_ASSERT_FALSE(zm_idn_any(ZM_S("")));
    CU_ASSERT_TRUE(zm_idn_any(ZM_S("a.XN--bcher-kva")));
    CU_ASSERT_TRUE(zm_idn_any(ZM_S(BUECHER)));
}

static void names_get_a_labels(void)
{
    ZM_ASSERT_STR(ascii(BUECHER ".Example"), "xn--bcher-kva.example");
    ZM_ASSERT_STR(ascii("B\xc3\x9c"
                        "CHER.example"),
                  "xn--bcher-kva.example");
    ZM_ASSERT_STR(ascii("." BUECHER ".example."), ".xn--bcher-kva.example.");
    ZM_ASSERT_STR(ascii("a|mx." BUECHER "\\.example|c"), "a|mx.xn--bcher-kva\\.example|c");
}

static void what_is_no_domain_stays(void)
{
    char long_name[4001];
    apr_size_t i;
    UNCHANGED(zm_idn_ascii, "\xff\xfe.example"); /* no UTF-8 */
    UNCHANGED(zm_idn_ascii, "a\xef\xbc\x8f"
                            "b.example");              /* would be a/b */
    UNCHANGED(zm_idn_ascii, "x\xef\xbc\xa0y.example"); /* would be x@y */
    UNCHANGED(zm_idn_ascii, "\xe2\x98\x83.example");   /* a snowman */
    UNCHANGED(zm_idn_ascii, "-\xc3\xbc.example");
    UNCHANGED(zm_idn_ascii, "\xc3");
    memset(long_name, 0xc3, sizeof long_name);
    for (i = 1; i < sizeof long_name; i += 2)
        long_name[i] = (char)0xbc;
    long_name[sizeof long_name - 1] = 0;
    UNCHANGED(zm_idn_ascii, long_name);
}

static void of_an_address_the_domains_are_converted(void)
{
    ZM_ASSERT_STR(address("bob@" BUECHER ".example"), "bob@xn--bcher-kva.example");
    ZM_ASSERT_STR(address("j\xc3\xbcrgen@" BUECHER ".example"),
                  "j\xc3\xbcrgen@xn--bcher-kva.example");
    ZM_ASSERT_STR(address("j\xc3\xbcrgen.x@a.example"), "j\xc3\xbcrgen.x@a.example");
    ZM_ASSERT_STR(address("@" BUECHER ".example,@b.example:bob@" BUECHER),
                  "@xn--bcher-kva.example,@b.example:bob@xn--bcher-kva");
    ZM_ASSERT_STR(address("bob%" BUECHER ".example@a.example"),
                  "bob%xn--bcher-kva.example@a.example");
    ZM_ASSERT_STR(address(BUECHER ".example!bob"), "xn--bcher-kva.example!bob");
    ZM_ASSERT_STR(address("\"x@" BUECHER ".example\"@" BUECHER),
                  "\"x@" BUECHER ".example\"@xn--bcher-kva");
    ZM_ASSERT_STR(address("\"x\\\"@" BUECHER ".example\"@a.example"),
                  "\"x\\\"@" BUECHER ".example\"@a.example");
}

static void keys_have_another_form(void)
{
    ZM_ASSERT_STR(other("xn--bcher-kva.example"), BUECHER ".example");
    ZM_ASSERT_STR(other(".xn--bcher-kva.example"), "." BUECHER ".example");
    ZM_ASSERT_STR(other(BUECHER ".example"), "xn--bcher-kva.example");
    ZM_ASSERT_STR(other("bob@xn--bcher-kva.example:mailname"), "bob@" BUECHER ".example:mailname");
    ZM_ASSERT_STR(other("j\xc3\xbcrgen@xn--bcher-kva.example"),
                  "j\xc3\xbcrgen@" BUECHER ".example");
    ZM_ASSERT_STR(other("@" BUECHER ".example"), "@xn--bcher-kva.example");
    ZM_ASSERT_STR(other("xn--bcher-kva@a.example"), "-"); /* a local part */
    ZM_ASSERT_STR(other("xn--a.example"), "-");           /* forged */
    ZM_ASSERT_STR(other("xn--zzzzzz99.example"), "-");
    ZM_ASSERT_STR(other("a.example"), "-");
    ZM_ASSERT_STR(other(""), "-");
}

ZM_TESTS("domain names beyond ASCII", ZM_TEST(plain_text_is_given_back_itself),
         ZM_TEST(names_get_a_labels), ZM_TEST(what_is_no_domain_stays),
         ZM_TEST(of_an_address_the_domains_are_converted), ZM_TEST(keys_have_another_form))
