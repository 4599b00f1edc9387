#include "mta/submit/sendmail_input.h"

#include <apr_strings.h>

#include "tests/unit/harness.h"

static zm_buf_t out;
static bool was_empty;

static apr_status_t collect(void *baton, const void *data, apr_size_t length)
{
    (void)baton;
    zm_buf_add(&out, data, length);
    return APR_SUCCESS;
}

/* Feeds input in blocks of so many bytes; the result. */
static zm_str_t through(zm_str_t text, apr_size_t block, bool terminal, bool keep_from)
{
    sendmail_input_t input;
    apr_size_t at;
    zm_buf_clear(&out);
    sendmail_input_init(&input, collect, NULL);
    input.dot_ends = terminal;
    input.keep_from = keep_from;
    for (at = 0; at < text.length; at += block)
        if (sendmail_input_feed(&input, text.data + at,
                                text.length - at < block ? text.length - at : block) != APR_SUCCESS)
            break;
    ZM_ASSERT_OK(sendmail_input_finish(&input, &was_empty));
    sendmail_input_free(&input);
    return zm_buf_str(&out);
}

/* The same whatever the blocks. */
static void expect(zm_str_t text, bool terminal, bool keep_from, const char *expected)
{
    apr_size_t block;
    for (block = 1; block <= text.length + 1; block++) {
        zm_str_t result = through(text, block, terminal, keep_from);
        CU_ASSERT(zm_str_equal_c(result, expected));
    }
}

static void a_plain_message_passes_and_gets_its_last_line_end(void)
{
    expect(ZM_S("Subject: x\n\nbody"), false, false, "Subject: x\n\nbody\n");
    CU_ASSERT_FALSE(was_empty);
}

static void crlf_becomes_lf_when_the_first_line_ends_so(void)
{
    expect(ZM_S("Subject: x\r\n\r\na\rb\r\n"), false, false, "Subject: x\n\na\rb\n");
    expect(ZM_S("Subject: x\n\r\nb\n"), false, false, "Subject: x\n\r\nb\n");
}

static void a_from_line_before_a_header_goes(void)
{
    expect(ZM_S("From a b\nSubject: x\n\ny\n"), false, false, "Subject: x\n\ny\n");
    expect(ZM_S("From a b\nSubject: x\n\ny\n"), false, true, "From a b\nSubject: x\n\ny\n");
    expect(ZM_S("From a b\nno header\n"), false, false, "\nFrom a b\nno header\n");
}

static void text_without_a_header_is_all_body(void)
{
    expect(ZM_S("hello there\n"), false, false, "\nhello there\n");
    expect(ZM_S("\nhello\n"), false, false, "\nhello\n");
}

static void nothing_in_is_nothing_out(void)
{
    CU_ASSERT_EQUAL(through(ZM_S(""), 1, false, false).length, 0);
    CU_ASSERT(was_empty);
    CU_ASSERT_EQUAL(through(ZM_S("From a b\n"), 100, false, false).length, 0);
    CU_ASSERT(was_empty);
}

static void a_dot_ends_input_on_a_terminal_only(void)
{
    expect(ZM_S("Subject: x\n\na\n.\nb\n"), true, false, "Subject: x\n\na\n");
    expect(ZM_S("Subject: x\n\na\n.\nb\n"), false, false, "Subject: x\n\na\n.\nb\n");
}

static void nul_and_8_bit_bytes_pass(void)
{
    zm_str_t text = ZM_S("Subject: \xC3\xA4\n\na\0b\n"), result = through(text, 3, false, false);
    CU_ASSERT(zm_str_equal(result, text));
    zm_buf_free(&out);
}

ZM_TESTS("sendmail input", ZM_TEST(a_plain_message_passes_and_gets_its_last_line_end),
         ZM_TEST(crlf_becomes_lf_when_the_first_line_ends_so),
         ZM_TEST(a_from_line_before_a_header_goes), ZM_TEST(text_without_a_header_is_all_body),
         ZM_TEST(nothing_in_is_nothing_out), ZM_TEST(a_dot_ends_input_on_a_terminal_only),
         ZM_TEST(nul_and_8_bit_bytes_pass))
