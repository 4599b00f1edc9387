#include "spool/control.h"

#include <apr_strings.h>

#include "tests/unit/harness.h"

static zm_str_t quoted(const char *value)
{
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t copy;
    zm_quad_quote(&out, zm_str(value));
    copy = zm_str_copy(zm_test_pool(), zm_buf_str(&out));
    zm_buf_free(&out);
    return copy;
}

static void plain_values_stay_plain(void)
{
    ZM_ASSERT_STR(quoted("bob@example.org").data, "bob@example.org");
    ZM_ASSERT_STR(quoted("\"q s\"@x.org").data, "\"q s\"@x.org");
    ZM_ASSERT_STR(quoted("a\\ b").data, "a\\ b");
    ZM_ASSERT_STR(quoted("<>").data, "<>");
    ZM_ASSERT_STR(quoted("-x").data, "-x");
    ZM_ASSERT_STR(quoted("").data, "-");
}

static void values_that_would_not_survive_are_quoted(void)
{
    ZM_ASSERT_STR(quoted("a b").data, "\"a b\"");
    ZM_ASSERT_STR(quoted("|prog \"x\"").data, "\"|prog \\\"x\\\"\"");
    ZM_ASSERT_STR(quoted("open\"quote").data, "\"open\\\"quote\"");
    ZM_ASSERT_STR(quoted("tail\\").data, "\"tail\\\\\"");
    ZM_ASSERT_STR(quoted("a\tb").data, "\"a\tb\"");
    ZM_ASSERT_STR(quoted("\"all quoted\"").data, "\"\\\"all quoted\\\"\"");
}

static void every_value_comes_back(void)
{
    static const char alphabet[] = "a \"\\\t-@";
    char value[5];
    unsigned n, i;
    for (n = 0; n < 7 * 7 * 7 * 7; n++) {
        unsigned rest = n;
        zm_quad_t quad;
        zm_str_t field, plain;
        for (i = 0; i < 4; i++, rest /= 7)
            value[i] = alphabet[rest % 7];
        value[4] = '\0';
        field = quoted(value);
        ZM_ASSERT_OK(zm_quad_parse(&quad, zm_str(apr_pstrcat(zm_test_pool(), "c ", field.data, " ",
                                                             field.data, " 7", NULL))));
        plain = zm_quad_unquote(zm_test_pool(), quad.user);
        if (!zm_str_equal_c(plain, value) || !zm_str_equal(quad.host, quad.user))
            CU_FAIL(value);
    }
}

static void quads_are_parsed(void)
{
    zm_quad_t quad;
    ZM_ASSERT_OK(zm_quad_parse(&quad, ZM_S("  local\t- \"q s\"@x.org -2 ")));
    CU_ASSERT(zm_str_equal_c(quad.channel, "local"));
    CU_ASSERT(zm_str_equal_c(quad.host, "-"));
    CU_ASSERT(zm_str_equal_c(quad.user, "\"q s\"@x.org"));
    CU_ASSERT_EQUAL(quad.privilege, -2);
    ZM_ASSERT_OK(zm_quad_parse(&quad, ZM_S("error <> <> 0")));
    CU_ASSERT_EQUAL(zm_quad_unquote(zm_test_pool(), ZM_S("-")).length, 0);
}

static void malformed_quads_are_refused(void)
{
    zm_quad_t quad;
    CU_ASSERT_NOT_EQUAL(zm_quad_parse(&quad, ZM_S("")), APR_SUCCESS);
    CU_ASSERT_NOT_EQUAL(zm_quad_parse(&quad, ZM_S("local host user")), APR_SUCCESS);
    CU_ASSERT_NOT_EQUAL(zm_quad_parse(&quad, ZM_S("local host user x")), APR_SUCCESS);
    CU_ASSERT_NOT_EQUAL(zm_quad_parse(&quad, ZM_S("local host user 1 2")), APR_SUCCESS);
    CU_ASSERT_NOT_EQUAL(zm_quad_parse(&quad, ZM_S("local host user +1")), APR_SUCCESS);
    CU_ASSERT_NOT_EQUAL(zm_quad_parse(&quad, ZM_S("local host \"user 1")), APR_SUCCESS);
    CU_ASSERT_NOT_EQUAL(zm_quad_parse(&quad, ZM_S("local host user\\")), APR_SUCCESS);
    CU_ASSERT_NOT_EQUAL(zm_quad_parse(&quad, ZM_S("local host user 99999999999999999999")),
                        APR_SUCCESS);
}

ZM_TESTS("spool quad", ZM_TEST(plain_values_stay_plain),
         ZM_TEST(values_that_would_not_survive_are_quoted), ZM_TEST(every_value_comes_back),
         ZM_TEST(quads_are_parsed), ZM_TEST(malformed_quads_are_refused))
