#include "mta/mail/mime.h"

#include "tests/unit/harness.h"

static const char *field_of(const char *value)
{
    zm_content_type_t content;
    zm_buf_t buffer = ZM_BUF_INIT;
    const char *text;
    if (!zm_content_type_parse(&content, zm_str(value), zm_test_pool()))
        return "none";
    zm_content_type_add(&buffer, &content);
    text = zm_str_c(zm_test_pool(), zm_buf_str(&buffer));
    zm_buf_free(&buffer);
    return text;
}

static void parameters_are_kept_in_order(void)
{
    ZM_ASSERT_STR(field_of(" text/plain; format=flowed; charset=\"utf-8\"; x=\"a b\""),
                  "Content-Type:\ttext/plain; charset=utf-8;\n\tformat=flowed;\n\tx=\"a b\"");
    ZM_ASSERT_STR(field_of("multipart/mixed; boundary=\"=_x/y\""),
                  "Content-Type:\tmultipart/mixed;\n\tboundary=\"=_x/y\"");
    ZM_ASSERT_STR(field_of("TEXT/HTML"), "Content-Type:\tTEXT/HTML");
}

static void what_real_mail_does_is_forgiven(void)
{
    ZM_ASSERT_STR(field_of("(x (y) ) text (a) / (b) plain (c) charset = us-ascii (d) name = \"n"),
                  "Content-Type:\ttext/plain; charset=us-ascii;\n\tname=n");
    ZM_ASSERT_STR(field_of("text/plain;; ;charset=a/b; @ =x; y"),
                  "Content-Type:\ttext/plain; charset=\"a/b\"");
    ZM_ASSERT_STR(field_of("text/plain; n=\"a\\\"\\\\b\n c\""),
                  "Content-Type:\ttext/plain;\n\tn=\"a\\\"\\\\b c\"");
    ZM_ASSERT_STR(field_of("text"), "none");
    ZM_ASSERT_STR(field_of("/plain"), "none");
    ZM_ASSERT_STR(field_of("(never closed text/plain"), "none");
}

static void parameters_are_read_and_set(void)
{
    zm_content_type_t content;
    CU_ASSERT_TRUE(
        zm_content_type_parse(&content, ZM_S("Text/Plain; Charset=koi8-r"), zm_test_pool()));
    CU_ASSERT_TRUE(zm_content_type_is(&content, "text", "plain"));
    CU_ASSERT_TRUE(zm_content_type_is(&content, "TEXT", NULL));
    CU_ASSERT_FALSE(zm_content_type_is(&content, "text", "html"));
    CU_ASSERT_TRUE(zm_str_equal_c(zm_content_type_get(&content, "charset"), "koi8-r"));
    CU_ASSERT_PTR_NULL(zm_content_type_get(&content, "boundary").data);
    zm_content_type_set(&content, "charset", ZM_S("US-ASCII"), zm_test_pool());
    zm_content_type_set(&content, "name", ZM_S("x"), zm_test_pool());
    CU_ASSERT_TRUE(zm_str_equal_c(zm_content_type_get(&content, "CHARSET"), "US-ASCII"));
    CU_ASSERT_TRUE(zm_str_equal_c(zm_content_type_get(&content, "name"), "x"));
}

static void transfer_encodings(void)
{
    CU_ASSERT_EQUAL(zm_transfer_encoding(ZM_S(" 8BIT (x)")), ZM_ENCODING_8BIT);
    CU_ASSERT_EQUAL(zm_transfer_encoding(ZM_S("Quoted-Printable")), ZM_ENCODING_QUOTED_PRINTABLE);
    CU_ASSERT_EQUAL(zm_transfer_encoding(ZM_S("base64")), ZM_ENCODING_BASE64);
    CU_ASSERT_EQUAL(zm_transfer_encoding(ZM_S("x-uue")), ZM_ENCODING_OTHER);
    CU_ASSERT_EQUAL(zm_transfer_encoding(ZM_S("")), ZM_ENCODING_OTHER);
    CU_ASSERT_TRUE(zm_str_equal_c(zm_mime_word(ZM_S("(c) prohibited x")), "prohibited"));
}

ZM_TESTS("mail.mime", ZM_TEST(parameters_are_kept_in_order),
         ZM_TEST(what_real_mail_does_is_forgiven), ZM_TEST(parameters_are_read_and_set),
         ZM_TEST(transfer_encodings))
