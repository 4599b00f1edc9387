#include "mta/mail/xtext.h"

#include "tests/unit/harness.h"

static void encoding_keeps_graphic_bytes(void)
{
    zm_str_t encoded = zm_xtext_encode(ZM_S("a+b=c d\0\xff~!"), zm_test_pool());
    ZM_ASSERT_STR(encoded.data, "a+2Bb+3Dc+20d+00+FF~!");
}

static void decoding_undoes_encoding(void)
{
    static const char bytes[] = "any\0thing \x7f\x80+=++2";
    zm_str_t text = zm_str_of(bytes, sizeof bytes - 1);
    zm_str_t encoded = zm_xtext_encode(text, zm_test_pool());
    CU_ASSERT_TRUE(zm_str_equal(zm_xtext_decode(encoded, zm_test_pool()), text));
}

static void decoding_is_tolerant(void)
{
    ZM_ASSERT_STR(zm_xtext_decode(ZM_S("a+zz+2b+4"), zm_test_pool()).data, "a+zz++4");
}

static void decoding_for_a_line_has_no_control_bytes(void)
{
    ZM_ASSERT_STR(zm_xtext_decode_line(ZM_S("a+0D+0AX:+00+41"), zm_test_pool()).data, "a??X:?A");
}

static void validation_names_the_byte(void)
{
    apr_size_t at;
    CU_ASSERT_TRUE(zm_xtext_valid(ZM_S("a+2Bb"), &at));
    CU_ASSERT_FALSE(zm_xtext_valid(ZM_S(""), &at));
    CU_ASSERT_EQUAL(at, 0);
    CU_ASSERT_FALSE(zm_xtext_valid(ZM_S("ab=c"), &at));
    CU_ASSERT_EQUAL(at, 2);
    CU_ASSERT_FALSE(zm_xtext_valid(ZM_S("a+2b"), &at));
    CU_ASSERT_EQUAL(at, 1);
    CU_ASSERT_FALSE(zm_xtext_valid(ZM_S("abc+2"), &at));
    CU_ASSERT_EQUAL(at, 3);
    CU_ASSERT_FALSE(zm_xtext_valid(ZM_S("a b"), &at));
    CU_ASSERT_EQUAL(at, 1);
}

ZM_TESTS("mail.xtext", ZM_TEST(encoding_keeps_graphic_bytes), ZM_TEST(decoding_undoes_encoding),
         ZM_TEST(decoding_is_tolerant), ZM_TEST(decoding_for_a_line_has_no_control_bytes),
         ZM_TEST(validation_names_the_byte))
