#include "mta/mail/encoded_word.h"

#include "tests/unit/harness.h"

static const char *encoded(const char *name, const char *value)
{
    zm_buf_t buffer = ZM_BUF_INIT;
    const char *text;
    zm_encode_header(&buffer, zm_str(name), zm_str(value), "ISO-8859-1", zm_test_pool());
    text = zm_str_c(zm_test_pool(), zm_buf_str(&buffer));
    zm_buf_free(&buffer);
    return text;
}

static void ascii_is_left_alone(void)
{
    ZM_ASSERT_STR(encoded("Subject", " plain =?x\n\ttext"), " plain =?x\n\ttext");
    CU_ASSERT_FALSE(zm_needs_encoding(ZM_S("a\tb\r\n ~")));
    CU_ASSERT_TRUE(zm_needs_encoding(ZM_S("a\x7f")));
    CU_ASSERT_TRUE(zm_needs_encoding(ZM_S("a\0b")));
}

static void words_of_text_are_encoded(void)
{
    ZM_ASSERT_STR(encoded("Subject", " caf\xc3\xa9 time"), " =?utf-8?Q?caf=C3=A9?= time");
    ZM_ASSERT_STR(encoded("Subject", " caf\xe9"), " =?ISO-8859-1?Q?caf=E9?=");
}

static void blanks_between_encoded_words_are_encoded_too(void)
{
    ZM_ASSERT_STR(encoded("Subject", " \xc3\xa4 \xc3\xb6 x \xc3\xbc"),
                  " =?utf-8?Q?=C3=A4_=C3=B6?= x =?utf-8?Q?=C3=BC?=");
    ZM_ASSERT_STR(encoded("Subject", " \xc3\xa4\n \xc3\xb6"), " =?utf-8?Q?=C3=A4_=C3=B6?=");
}

static void names_and_comments_are_encoded_but_no_address(void)
{
    ZM_ASSERT_STR(encoded("From", " \"J\xc3\xb6rg, X\"<j\xc3\xb6@x> (\xc3\xa4 (b) \\) )"),
                  " =?utf-8?Q?J=C3=B6rg=2C_X?= <j\xc3\xb6@x> (=?utf-8?Q?=C3=A4_=28b=29_=29_?=)");
    ZM_ASSERT_STR(encoded("resent-to", " J\xc3\xb6rg \xc3\x84 X <a@b>, c"),
                  " =?utf-8?Q?J=C3=B6rg_=C3=84?= X <a@b>, c");
    ZM_ASSERT_STR(encoded("Cc", " l\xc3\xb6: a, b;"), " =?utf-8?Q?l=C3=B6?= : a, b;");
}

static void names_that_break_the_grammar_are_encoded_too(void)
{
    ZM_ASSERT_STR(encoded("From", " x, J. \xc3\x96rjan <a@b>, y"),
                  " x, =?utf-8?Q?J=2E_=C3=96rjan?= <a@b>, y");
}

static void other_structured_fields_encode_comments_only(void)
{
    ZM_ASSERT_STR(encoded("Received", " from \xc3\xa4 (\xc3\xa4) by x"),
                  " from \xc3\xa4 (=?utf-8?Q?=C3=A4?=) by x");
    ZM_ASSERT_STR(encoded("Content-Type", " text/plain; name=\"\xc3\xa4\""),
                  " text/plain; name=\"\xc3\xa4\"");
}

static void long_text_is_split_between_characters_and_folded(void)
{
    zm_buf_t value = ZM_BUF_INIT;
    zm_str_t rest, line;
    bool more = true;
    int i;
    zm_buf_add_c(&value, " short words and then ");
    for (i = 0; i < 200; i++)
        zm_buf_add_c(&value, "\xe2\x82\xac");
    rest = zm_str(encoded("Subject", zm_buf_c(&value)));
    while (more) {
        more = zm_str_cut(rest, '\n', &line, &rest);
        CU_ASSERT_TRUE(line.length + (line.data[1] == 's' ? 8 : 0) <= 76);
        CU_ASSERT_TRUE(zm_str_ends_nocase(line, ZM_S("=AC?=")));
    }
    zm_buf_free(&value);
}

static void utf8_is_checked_strictly(void)
{
    CU_ASSERT_TRUE(zm_is_utf8(ZM_S("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")));
    CU_ASSERT_FALSE(zm_is_utf8(ZM_S("\xc0\x80")));
    CU_ASSERT_FALSE(zm_is_utf8(ZM_S("\xed\xa0\x80")));
    CU_ASSERT_FALSE(zm_is_utf8(ZM_S("\xf4\x90\x80\x80")));
    CU_ASSERT_FALSE(zm_is_utf8(ZM_S("\xe2\x82")));
    CU_ASSERT_FALSE(zm_is_utf8(ZM_S("\xe4")));
}

static void hostile_values_take_linear_time(void)
{
    static const char *const names[] = {"Subject", "To", "Received"};
    static const char *const patterns[] = {"(\xc3\xa4)", "\xc3\xa4", "\xc3\xa4 a ",
                                           "\xe4\"",     "(((",      "\x01,"};
    zm_buf_t value = ZM_BUF_INIT, result = ZM_BUF_INIT;
    unsigned i, j, k;
    for (i = 0; i < 3; i++) {
        for (j = 0; j < 6; j++) {
            zm_buf_clear(&value);
            for (k = 0; value.length < 100000; k++)
                zm_buf_add_c(&value, patterns[j]);
            zm_buf_clear(&result);
            zm_encode_header(&result, zm_str(names[i]), zm_buf_str(&value), "x", zm_test_pool());
            CU_ASSERT_TRUE(result.length >= value.length);
        }
    }
    zm_buf_free(&value);
    zm_buf_free(&result);
}

ZM_TESTS("mail.encoded_word", ZM_TEST(ascii_is_left_alone), ZM_TEST(words_of_text_are_encoded),
         ZM_TEST(blanks_between_encoded_words_are_encoded_too),
         ZM_TEST(names_and_comments_are_encoded_but_no_address),
         ZM_TEST(names_that_break_the_grammar_are_encoded_too),
         ZM_TEST(other_structured_fields_encode_comments_only),
         ZM_TEST(long_text_is_split_between_characters_and_folded),
         ZM_TEST(utf8_is_checked_strictly), ZM_TEST(hostile_values_take_linear_time))
