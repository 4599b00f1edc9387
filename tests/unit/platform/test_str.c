#include "platform/str.h"
#include "tests/unit/harness.h"

static void nul_is_data(void)
{
    zm_str_t a = zm_str_of("a\0b", 3), b = zm_str_of("a\0c", 3);
    CU_ASSERT_FALSE(zm_str_equal(a, b));
    CU_ASSERT_FALSE(zm_str_equal_c(a, "a"));
    CU_ASSERT_TRUE(zm_str_compare(a, b) < 0);
    CU_ASSERT_EQUAL(zm_str_find(a, 'b'), 2);
    CU_ASSERT_EQUAL(zm_str_find(a, '\0'), 1);
    CU_ASSERT_EQUAL(memcmp(zm_str_c(zm_test_pool(), a), "a\0b\0", 4), 0);
}

static void null_and_empty_strings_are_safe(void)
{
    zm_str_t empty = zm_str(NULL), none = {NULL, 0}, head, rest;
    CU_ASSERT_EQUAL(empty.length, 0);
    CU_ASSERT_TRUE(zm_str_equal(empty, ZM_S("")));
    CU_ASSERT_TRUE(zm_str_equal_nocase(none, ZM_S("")));
    CU_ASSERT_TRUE(zm_str_starts(ZM_S("x"), none));
    CU_ASSERT_TRUE(zm_str_starts_nocase(none, none));
    CU_ASSERT_TRUE(zm_str_ends_nocase(none, none));
    CU_ASSERT_EQUAL(zm_str_compare(none, ZM_S("")), 0);
    CU_ASSERT_EQUAL(zm_str_find(none, 'x'), -1);
    CU_ASSERT_FALSE(zm_str_cut(none, 'x', &head, &rest));
    CU_ASSERT_EQUAL(zm_str_trim(none).length, 0);
    ZM_ASSERT_STR(zm_str_c(zm_test_pool(), none), "");
    CU_ASSERT_FALSE(zm_str_word(&none, &head));
}

static void compare_orders_prefixes_first(void)
{
    CU_ASSERT_TRUE(zm_str_compare(ZM_S("abc"), ZM_S("abcd")) < 0);
    CU_ASSERT_TRUE(zm_str_compare(ZM_S("abd"), ZM_S("abcd")) > 0);
    CU_ASSERT_TRUE(zm_str_compare(ZM_S("\xff"), ZM_S("a")) > 0);
    CU_ASSERT_EQUAL(zm_str_compare(ZM_S("abc"), ZM_S("abc")), 0);
}

static void case_is_ascii_only(void)
{
    CU_ASSERT_TRUE(zm_str_equal_nocase(ZM_S("PostMaster"), ZM_S("postmaster")));
    CU_ASSERT_FALSE(zm_str_equal_nocase(ZM_S("\xc4"), ZM_S("\xe4")));
    CU_ASSERT_FALSE(zm_str_equal_nocase(ZM_S("@"), ZM_S("`")));
    CU_ASSERT_TRUE(zm_str_starts_nocase(ZM_S("MAIL From:<>"), ZM_S("mail from:")));
    CU_ASSERT_TRUE(zm_str_ends_nocase(ZM_S("host.Example.ORG"), ZM_S(".example.org")));
    CU_ASSERT_FALSE(zm_str_ends_nocase(ZM_S("org"), ZM_S(".example.org")));
    ZM_ASSERT_STR(zm_str_lower(zm_test_pool(), ZM_S("A[Z]\xc4")).data, "a[z]\xc4");
}

static void cut_splits_at_the_first_byte(void)
{
    zm_str_t head, rest;
    CU_ASSERT_TRUE(zm_str_cut(ZM_S("a=b=c"), '=', &head, &rest));
    CU_ASSERT_TRUE(zm_str_equal_c(head, "a"));
    CU_ASSERT_TRUE(zm_str_equal_c(rest, "b=c"));
    CU_ASSERT_TRUE(zm_str_cut(ZM_S("=x"), '=', &head, &rest));
    CU_ASSERT_EQUAL(head.length, 0);
    CU_ASSERT_TRUE(zm_str_cut(ZM_S("x="), '=', &head, &rest));
    CU_ASSERT_EQUAL(rest.length, 0);
    CU_ASSERT_FALSE(zm_str_cut(ZM_S("abc"), '=', &head, &rest));
    CU_ASSERT_TRUE(zm_str_equal_c(head, "abc"));
    CU_ASSERT_EQUAL(rest.length, 0);
}

static void words_are_taken_off_one_by_one(void)
{
    zm_str_t rest = ZM_S("  RCPT\tTO:<a>  x "), word;
    CU_ASSERT_TRUE(zm_str_word(&rest, &word));
    CU_ASSERT_TRUE(zm_str_equal_c(word, "RCPT"));
    CU_ASSERT_TRUE(zm_str_word(&rest, &word));
    CU_ASSERT_TRUE(zm_str_equal_c(word, "TO:<a>"));
    CU_ASSERT_TRUE(zm_str_word(&rest, &word));
    CU_ASSERT_TRUE(zm_str_equal_c(word, "x"));
    CU_ASSERT_FALSE(zm_str_word(&rest, &word));
    CU_ASSERT_FALSE(zm_str_word(&rest, &word));
}

static void trim_keeps_the_inside(void)
{
    CU_ASSERT_TRUE(zm_str_equal_c(zm_str_trim(ZM_S(" \t a b \r\n")), "a b"));
    CU_ASSERT_EQUAL(zm_str_trim(ZM_S(" \r\n")).length, 0);
    CU_ASSERT_EQUAL(zm_str_trim(zm_str_of("\0 ", 2)).length, 1);
}

static void numbers_refuse_all_but_digits(void)
{
    static const char *const bad[] = {
        "", " 1", "1 ", "0x1", "1.5", "+-1", "- 1", "1a", "18446744073709551616"};
    uint64_t u;
    int64_t i;
    apr_size_t n;
    ZM_ASSERT_OK(zm_str_u64(ZM_S("18446744073709551615"), &u));
    CU_ASSERT_EQUAL(u, UINT64_MAX);
    ZM_ASSERT_OK(zm_str_u64(ZM_S("000"), &u));
    CU_ASSERT_EQUAL(u, 0);
    for (n = 0; n < sizeof bad / sizeof bad[0]; n++) {
        CU_ASSERT_EQUAL(zm_str_u64(zm_str(bad[n]), &u), ZM_E_SYNTAX);
        CU_ASSERT_EQUAL(zm_str_i64(zm_str(bad[n]), &i), ZM_E_SYNTAX);
    }
    CU_ASSERT_EQUAL(zm_str_u64(ZM_S("-1"), &u), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_str_u64(zm_str_of("1\0", 2), &u), ZM_E_SYNTAX);
    ZM_ASSERT_OK(zm_str_i64(ZM_S("-9223372036854775808"), &i));
    CU_ASSERT_EQUAL(i, INT64_MIN);
    ZM_ASSERT_OK(zm_str_i64(ZM_S("+9223372036854775807"), &i));
    CU_ASSERT_EQUAL(i, INT64_MAX);
    ZM_ASSERT_OK(zm_str_i64(ZM_S("-0"), &i));
    CU_ASSERT_EQUAL(i, 0);
    CU_ASSERT_EQUAL(zm_str_i64(ZM_S("9223372036854775808"), &i), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_str_i64(ZM_S("-9223372036854775809"), &i), ZM_E_SYNTAX);
}

static void hash_tells_bytes_and_lengths_apart(void)
{
    char text[40];
    apr_size_t length;
    memset(text, 0, sizeof text);
    CU_ASSERT_EQUAL(zm_hash("abc", 3), zm_hash("abc", 3));
    for (length = 1; length < sizeof text; length++)
        CU_ASSERT_NOT_EQUAL(zm_hash(text, length), zm_hash(text, length - 1));
    CU_ASSERT_EQUAL(zm_hash(NULL, 0), zm_hash("", 0));
}

static void crc32c_has_the_published_values(void)
{
    unsigned char bytes[32];
    unsigned i;
    CU_ASSERT_EQUAL(zm_crc32c(0, "123456789", 9), 0xe3069283u);
    CU_ASSERT_EQUAL(zm_crc32c(0, "", 0), 0);
    memset(bytes, 0, sizeof bytes); /* RFC 3720, appendix B.4 */
    CU_ASSERT_EQUAL(zm_crc32c(0, bytes, sizeof bytes), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    CU_ASSERT_EQUAL(zm_crc32c(0, bytes, sizeof bytes), 0x62a8ab43u);
    for (i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    CU_ASSERT_EQUAL(zm_crc32c(0, bytes, sizeof bytes), 0x46dd794eu);
    for (i = 0; i <= sizeof bytes; i++)
        CU_ASSERT_EQUAL(zm_crc32c(zm_crc32c(0, bytes, i), bytes + i, sizeof bytes - i),
                        0x46dd794eu);
}

ZM_TESTS("str", ZM_TEST(nul_is_data), ZM_TEST(null_and_empty_strings_are_safe),
         ZM_TEST(compare_orders_prefixes_first), ZM_TEST(case_is_ascii_only),
         ZM_TEST(cut_splits_at_the_first_byte), ZM_TEST(words_are_taken_off_one_by_one),
         ZM_TEST(trim_keeps_the_inside), ZM_TEST(numbers_refuse_all_but_digits),
         ZM_TEST(hash_tells_bytes_and_lengths_apart), ZM_TEST(crc32c_has_the_published_values))
