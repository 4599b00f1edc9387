/* Canonical forms, lists of tags, and what stands for a header. */
#include <apr_strings.h>
#include <openssl/evp.h>

#include "mta/dkim/canon.h"
#include "mta/dkim/header.h"
#include "mta/dkim/tags.h"
#include "tests/unit/harness.h"

/* The hash of a body in base64, given in pieces. */
static const char *hash_of(const char *body, bool relaxed, int64_t limit, apr_size_t piece)
{
    unsigned char digest[ZM_HASH_OCTETS];
    char *text = apr_palloc(zm_test_pool(), 64);
    zm_body_hash_t hash;
    apr_size_t at, length = strlen(body);
    CU_ASSERT_TRUE(zm_body_hash_init(&hash, relaxed, limit, zm_test_pool()));
    for (at = 0; at < length; at += piece)
        zm_body_hash_put(&hash, body + at, length - at < piece ? length - at : piece);
    CU_ASSERT_TRUE(zm_body_hash_end(&hash, digest));
    EVP_EncodeBlock((unsigned char *)text, digest, sizeof digest);
    return text;
}

static const char *plain_hash(const char *text)
{
    unsigned char digest[ZM_HASH_OCTETS];
    char *encoded = apr_palloc(zm_test_pool(), 64);
    CU_ASSERT_TRUE(zm_sha256(digest, zm_str(text)));
    EVP_EncodeBlock((unsigned char *)encoded, digest, sizeof digest);
    return encoded;
}

static void bodies_have_two_forms(void)
{
    static const char body[] = " C \nD \t E\n\n\n";
    apr_size_t piece;
    for (piece = 1; piece < sizeof body; piece++) {
        ZM_ASSERT_STR(hash_of(body, true, -1, piece), plain_hash(" C\r\nD E\r\n"));
        ZM_ASSERT_STR(hash_of(body, false, -1, piece), plain_hash(" C \r\nD \t E\r\n"));
    }
}

static void empty_bodies_have_the_hashes_of_the_standard(void)
{
    static const char simple[] = "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=";
    static const char relaxed[] = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    ZM_ASSERT_STR(hash_of("", false, -1, 1), simple);
    ZM_ASSERT_STR(hash_of("\n\n\n", false, -1, 1), simple);
    ZM_ASSERT_STR(hash_of("", true, -1, 1), relaxed);
    ZM_ASSERT_STR(hash_of("\n \t\n\n", true, -1, 1), relaxed);
}

static void line_ends_within_a_body_count_and_the_last_is_supplied(void)
{
    ZM_ASSERT_STR(hash_of("\n\na\n\n\nb", false, -1, 2), plain_hash("\r\n\r\na\r\n\r\n\r\nb\r\n"));
    ZM_ASSERT_STR(hash_of("\n\na\n  \n\nb \t", true, -1, 3),
                  plain_hash("\r\n\r\na\r\n\r\n\r\nb\r\n"));
    ZM_ASSERT_STR(hash_of("a\rb\r\n", false, -1, 1), plain_hash("a\rb\r\r\n"));
}

static void a_limit_counts_octets_of_the_canonical_form(void)
{
    ZM_ASSERT_STR(hash_of("abc\ndef\n", false, 6, 1), plain_hash("abc\r\nd"));
    ZM_ASSERT_STR(hash_of("a  b\ndef\n", true, 0, 1), plain_hash(""));
    ZM_ASSERT_STR(hash_of("a  b\n", true, 100, 1), plain_hash("a b\r\n"));
}

static const char *field(const char *text, bool relaxed)
{
    zm_buf_t out = ZM_BUF_INIT;
    const char *result;
    zm_canon_field(&out, zm_str(text), relaxed);
    result = zm_str_c(zm_test_pool(), zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

static void fields_have_two_forms(void)
{
    ZM_ASSERT_STR(field("A: X", true), "a:X\r\n");
    ZM_ASSERT_STR(field("B : Y\t\n\tZ  ", true), "b:Y Z\r\n");
    ZM_ASSERT_STR(field("B : Y\t\n\tZ  ", false), "B : Y\t\r\n\tZ  \r\n");
    ZM_ASSERT_STR(field("Empty:", true), "empty:\r\n");
}

static void a_signature_is_left_out_of_what_it_signs(void)
{
    zm_buf_t out = ZM_BUF_INIT;
    zm_canon_signature(&out, ZM_S("S: bh=b=; b = a\n b ;d=x"), false);
    ZM_ASSERT_STR(zm_buf_c(&out), "S: bh=b=; b =;d=x");
    zm_buf_clear(&out);
    zm_canon_signature(&out, ZM_S("S: d=x;\n b=abc"), true);
    ZM_ASSERT_STR(zm_buf_c(&out), "s:d=x; b=");
    zm_buf_free(&out);
}

static const char *selected(const char *header, const char *names)
{
    zm_buf_t out = ZM_BUF_INIT;
    zm_dkim_header_t read;
    const char *result;
    zm_dkim_header_read(&read, zm_str(header), zm_test_pool());
    CU_ASSERT_TRUE(zm_dkim_header_select(&out, &read, zm_str(names), true, zm_test_pool()));
    result = zm_str_c(zm_test_pool(), zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

static void fields_are_taken_from_the_bottom_up(void)
{
    static const char header[] = "A: 1\nno field\nB: 2\n x\nA: 3\n\nA: 4\n";
    ZM_ASSERT_STR(selected(header, "a"), "a:3\r\n");
    ZM_ASSERT_STR(selected(header, "a : A\n :a:b"), "a:3\r\na:1\r\nb:2 x\r\n");
    ZM_ASSERT_STR(selected(header, "c"), "");
    ZM_ASSERT_STR(selected("", "c"), "");
}

static void lists_of_names_and_fields_have_ends(void)
{
    zm_buf_t text = ZM_BUF_INIT, out = ZM_BUF_INIT;
    zm_dkim_header_t header;
    int i;
    for (i = 0; i < ZM_DKIM_FIELDS + 1; i++)
        zm_buf_add_c(&text, "a:\n");
    zm_dkim_header_read(&header, zm_buf_str(&text), zm_test_pool());
    CU_ASSERT_EQUAL(header.count, ZM_DKIM_FIELDS);
    CU_ASSERT_TRUE(header.cut);
    CU_ASSERT_FALSE(zm_dkim_header_select(&out, &header, zm_buf_str(&text), true, zm_test_pool()));
    zm_buf_free(&text);
    zm_buf_free(&out);
}

static void lists_of_tags_follow_their_grammar(void)
{
    zm_tags_t tags;
    zm_str_t value;
    CU_ASSERT_TRUE(zm_tags_read(&tags, ZM_S(" a = 1 ;\n b=x y\n\tz; c=;")));
    CU_ASSERT_EQUAL(tags.count, 3);
    CU_ASSERT_TRUE(zm_tags_get(&tags, "b", &value));
    CU_ASSERT_TRUE(zm_str_equal(value, ZM_S("x y\n\tz")));
    CU_ASSERT_TRUE(zm_tags_get(&tags, "c", &value) && value.length == 0);
    CU_ASSERT_FALSE(zm_tags_get(&tags, "A", &value));
    CU_ASSERT_FALSE(zm_tags_read(&tags, ZM_S("a=1; a=2")));
    CU_ASSERT_FALSE(zm_tags_read(&tags, ZM_S("a=1;; b=2")));
    CU_ASSERT_FALSE(zm_tags_read(&tags, ZM_S("a=1; b")));
    CU_ASSERT_FALSE(zm_tags_read(&tags, ZM_S("1a=1")));
    CU_ASSERT_FALSE(zm_tags_read(&tags, ZM_S("")));
}

static bool is_base64(const char *text, const char *expected)
{
    zm_str_t bytes;
    return zm_base64_read(&bytes, zm_str(text), zm_test_pool()) && zm_str_equal_c(bytes, expected);
}

static void base64_may_be_folded(void)
{
    zm_str_t bytes;
    CU_ASSERT_TRUE(is_base64("", ""));
    CU_ASSERT_TRUE(is_base64("Zm9v", "foo"));
    CU_ASSERT_TRUE(is_base64("Zm 9v\n\tYg = =", "foob"));
    CU_ASSERT_TRUE(is_base64("Zm9vYmE=", "fooba"));
    CU_ASSERT_TRUE(is_base64("Zm9vYmE", "fooba"));
    CU_ASSERT_FALSE(zm_base64_read(&bytes, ZM_S("Z"), zm_test_pool()));
    CU_ASSERT_FALSE(zm_base64_read(&bytes, ZM_S("Zm=9v"), zm_test_pool()));
    CU_ASSERT_FALSE(zm_base64_read(&bytes, ZM_S("Zm9v===="), zm_test_pool()));
    CU_ASSERT_FALSE(zm_base64_read(&bytes, ZM_S("Zm-v"), zm_test_pool()));
}

static void names_of_dns_can_end_nothing(void)
{
    CU_ASSERT_TRUE(zm_is_dns_name(ZM_S("a_b.Example-1.org")));
    CU_ASSERT_FALSE(zm_is_dns_name(ZM_S("")));
    CU_ASSERT_FALSE(zm_is_dns_name(ZM_S("a..b")));
    CU_ASSERT_FALSE(zm_is_dns_name(ZM_S("a.b.")));
    CU_ASSERT_FALSE(zm_is_dns_name(ZM_S("a b")));
    CU_ASSERT_FALSE(zm_is_dns_name(ZM_S("a;b")));
    CU_ASSERT_FALSE(zm_is_dns_name(ZM_S("a(b")));
    CU_ASSERT_FALSE(zm_is_dns_name(ZM_S("\xc3\xa4.org")));
}

ZM_TESTS("dkim_canon", ZM_TEST(bodies_have_two_forms),
         ZM_TEST(empty_bodies_have_the_hashes_of_the_standard),
         ZM_TEST(line_ends_within_a_body_count_and_the_last_is_supplied),
         ZM_TEST(a_limit_counts_octets_of_the_canonical_form), ZM_TEST(fields_have_two_forms),
         ZM_TEST(a_signature_is_left_out_of_what_it_signs),
         ZM_TEST(fields_are_taken_from_the_bottom_up), ZM_TEST(lists_of_names_and_fields_have_ends),
         ZM_TEST(lists_of_tags_follow_their_grammar), ZM_TEST(base64_may_be_folded),
         ZM_TEST(names_of_dns_can_end_nothing))
