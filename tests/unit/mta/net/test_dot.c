#include "mta/net/dot.h"
#include "tests/unit/harness.h"

typedef struct decoded_t {
    zm_dot_decoder_t decoder;
    zm_buf_t text;
    apr_size_t used;
} decoded_t;

/* Decodes in pieces of that many bytes. */
static decoded_t decode(zm_str_t wire, apr_size_t piece, zm_bare_lf_t bare_lf)
{
    decoded_t result = {.text = ZM_BUF_INIT, .used = 0};
    zm_dot_decoder_init(&result.decoder, bare_lf);
    while (result.used < wire.length && !result.decoder.ended) {
        apr_size_t left = wire.length - result.used;
        result.used += zm_dot_decode(
            &result.decoder, zm_str_of(wire.data + result.used, left < piece ? left : piece),
            &result.text);
    }
    return result;
}

static void check(zm_str_t wire, zm_str_t text, apr_size_t used, bool ended)
{
    apr_size_t piece;
    for (piece = 1; piece <= wire.length; piece++) {
        decoded_t got = decode(wire, piece, ZM_BARE_LF_LINE);
        CU_ASSERT_TRUE(zm_str_equal(zm_buf_str(&got.text), text));
        CU_ASSERT_EQUAL(got.used, used);
        CU_ASSERT_EQUAL(got.decoder.ended, ended);
        zm_buf_free(&got.text);
    }
}

static void data_ends_at_the_final_dot_and_leaves_the_rest(void)
{
    check(ZM_S("a\r\n.\r\nQUIT\r\n"), ZM_S("a\n"), 6, true);
    check(ZM_S(".\r\nQUIT\r\n"), ZM_S(""), 3, true);
    check(ZM_S("a\r\nb\r\n"), ZM_S("a\nb\n"), 6, false);
}

static void leading_dots_are_removed_once(void)
{
    check(ZM_S("..\r\n...x\r\n.y\r\nz.\r\n.\r\n"), ZM_S(".\n..x\ny\nz.\n"), 21, true);
}

static void only_crlf_dot_crlf_ends_data(void)
{
    check(ZM_S("a\n.\nb\r\n"), ZM_S("a\n.\nb\n"), 7, false);
    check(ZM_S("a\n.\r\nb\r\n"), ZM_S("a\n.\nb\n"), 8, false);
    check(ZM_S("a\r\n.\nb\r\n"), ZM_S("a\n\nb\n"), 8, false);
    check(ZM_S("a\r\n.\r\r\nb\r\n"), ZM_S("a\n\r\nb\n"), 10, false);
    check(ZM_S("a\r.\r\nb\r\n"), ZM_S("a\r.\nb\n"), 8, false);
    check(ZM_S("a\r\n\r.\r\nb\r\n"), ZM_S("a\n\r.\nb\n"), 10, false);
}

static void stray_bytes_are_counted(void)
{
    decoded_t got = decode(ZM_S("a\rb\nc\0\0d\r\r\n\377..\r\n.\r\n"), 3, ZM_BARE_LF_LINE);
    CU_ASSERT_EQUAL(got.decoder.bare_crs, 2);
    CU_ASSERT_EQUAL(got.decoder.bare_lfs, 1);
    CU_ASSERT_EQUAL(got.decoder.nuls, 2);
    CU_ASSERT_EQUAL(got.decoder.lines, 3);
    CU_ASSERT_TRUE(got.decoder.eight_bit);
    CU_ASSERT_TRUE(got.decoder.ended);
    zm_buf_free(&got.text);
}

static void bare_line_feeds_can_be_dropped(void)
{
    decoded_t got = decode(ZM_S("a\nb\n.\r\nc\r\n.\r\n"), 2, ZM_BARE_LF_DROP);
    CU_ASSERT_TRUE(zm_str_equal_c(zm_buf_str(&got.text), "ab.\nc\n"));
    CU_ASSERT_EQUAL(got.decoder.bare_lfs, 2);
    CU_ASSERT_TRUE(got.decoder.ended);
    zm_buf_free(&got.text);
}

static void encode(const char *text, apr_size_t piece, zm_buf_t *out)
{
    zm_dot_encoder_t encoder;
    apr_size_t at, length = strlen(text);
    zm_dot_encoder_init(&encoder);
    for (at = 0; at < length; at += piece)
        zm_dot_encode(&encoder, zm_str_of(text + at, length - at < piece ? length - at : piece),
                      out);
    zm_dot_encode_end(&encoder, out);
}

static void check_encoded(const char *text, const char *wire)
{
    apr_size_t piece;
    for (piece = 1; piece <= strlen(text) + 1; piece++) {
        zm_buf_t out = ZM_BUF_INIT;
        encode(text, piece, &out);
        ZM_ASSERT_STR(zm_buf_c(&out), wire);
        zm_buf_free(&out);
    }
}

static void lines_are_ended_and_dots_doubled(void)
{
    check_encoded("a\n.\n..b\nc.\n", "a\r\n..\r\n...b\r\nc.\r\n.\r\n");
    check_encoded("", ".\r\n");
    check_encoded("no end", "no end\r\n.\r\n");
    check_encoded("crlf\r\n.x\r\n", "crlf\r\n..x\r\n.\r\n");
    check_encoded("half\r", "half\r\n.\r\n");
}

static void what_was_encoded_decodes_to_itself(void)
{
    static const char text[] = ".\n\n..\nlong line of text\r in the middle\n.x\n";
    zm_buf_t wire = ZM_BUF_INIT;
    decoded_t got;
    encode(text, 5, &wire);
    got = decode(zm_buf_str(&wire), 7, ZM_BARE_LF_LINE);
    CU_ASSERT_TRUE(got.decoder.ended);
    CU_ASSERT_TRUE(zm_str_equal_c(zm_buf_str(&got.text), text));
    zm_buf_free(&wire);
    zm_buf_free(&got.text);
}

ZM_TESTS("net dot", ZM_TEST(data_ends_at_the_final_dot_and_leaves_the_rest),
         ZM_TEST(leading_dots_are_removed_once), ZM_TEST(only_crlf_dot_crlf_ends_data),
         ZM_TEST(stray_bytes_are_counted), ZM_TEST(bare_line_feeds_can_be_dropped),
         ZM_TEST(lines_are_ended_and_dots_doubled), ZM_TEST(what_was_encoded_decodes_to_itself))
