/*
 * Letters of any kind for carriers of any kind.
 *
 * Checks: converted for 7 bits, no octet of 128 and more is left in the body
 * unless the letter says itself that it is encoded or signed; the result does
 * not depend on where the pieces were cut; what is on the wire holds no line
 * that ends the letter early.
 */
#include <stdlib.h>
#include <string.h>

#include "ta/agent/convert.h"
#include "ta/agent/head.h"
#include "ta/agent/lines.h"
#include "tests/fuzz/fuzz.h"

/* The body through the conversion and onto the wire, in pieces of a size. */
static void send_body(const zm_converted_t *converted, zm_str_t body, apr_size_t step,
                      zm_buf_t *out, apr_pool_t *pool)
{
    zm_filter_t *filter = zm_filter_create(converted, pool);
    zm_buf_t text = ZM_BUF_INIT;
    zm_lines_t lines;
    apr_size_t at;
    zm_lines_init(&lines, ZM_LINES_CRLF | ZM_LINES_DOTS);
    for (at = 0; at < body.length; at += step) {
        zm_buf_clear(&text);
        zm_filter_put(filter, body.data + at, body.length - at < step ? body.length - at : step,
                      &text);
        zm_lines_put(&lines, text.data, text.length, out);
    }
    zm_buf_clear(&text);
    zm_filter_end(filter, &text);
    zm_lines_put(&lines, text.data, text.length, out);
    zm_lines_end(&lines, out);
    zm_buf_free(&text);
}

static void check_wire(const zm_buf_t *wire)
{
    apr_size_t i;
    bool start = true;
    for (i = 0; i < wire->length; i++) {
        char byte = wire->data[i];
        FUZZ_EXPECT(byte != '\0');
        FUZZ_EXPECT(byte != '\n' || (i > 0 && wire->data[i - 1] == '\r'));
        FUZZ_EXPECT(byte != '\r' || (i + 1 < wire->length && wire->data[i + 1] == '\n'));
        FUZZ_EXPECT(!start || byte != '.' || (i + 1 < wire->length && wire->data[i + 1] == '.'));
        start = byte == '\n';
    }
    FUZZ_EXPECT(wire->length == 0 || start);
}

static void convert(zm_str_t header, zm_str_t body, apr_size_t step, apr_pool_t *pool)
{
    zm_carrier_t carrier = {false, false, NULL, false, false, false};
    zm_body_facts_t facts = {true, false};
    zm_head_style_t style = {.crlf = true, .dots = true};
    zm_buf_t whole = ZM_BUF_INIT, pieces = ZM_BUF_INIT;
    zm_converted_t converted = {0};
    zm_conversion_t conversion;
    zm_fields_t fields;
    zm_fields_parse(&fields, header, pool);
    zm_conversion_header(&fields, NULL);
    conversion = zm_conversion_choose(&fields, &facts, &carrier, pool);
    if (conversion == ZM_CONVERT_IMPOSSIBLE || conversion == ZM_CONVERT_UNKNOWN)
        conversion = ZM_CONVERT_QP;
    if (zm_conversion_apply(&converted, conversion, &fields, NULL, &carrier, pool) != APR_SUCCESS)
        abort();
    zm_head_write(&converted.fields, &style, &whole);
    check_wire(&whole);
    zm_buf_clear(&whole);
    send_body(&converted, body, body.length + 1, &whole, pool);
    send_body(&converted, body, step, &pieces, pool);
    FUZZ_EXPECT(whole.length == pieces.length &&
                (whole.length == 0 || memcmp(whole.data, pieces.data, whole.length) == 0));
    check_wire(&whole);
    if (conversion == ZM_CONVERT_QP) {
        apr_size_t i;
        for (i = 0; i < whole.length; i++)
            FUZZ_EXPECT((unsigned char)whole.data[i] < 128);
    }
    zm_buf_free(&whole);
    zm_buf_free(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    zm_str_t text, header, body = {"", 0};
    apr_size_t i;
    if (size < 2)
        return 0;
    text = zm_str_of((const char *)data + 1, size - 1);
    header = text;
    for (i = 0; i + 1 < text.length; i++)
        if (text.data[i] == '\n' && text.data[i + 1] == '\n') {
            header = zm_str_of(text.data, i + 1);
            body = zm_str_of(text.data + i + 2, text.length - i - 2);
            break;
        }
    convert(header, body, (apr_size_t)data[0] % 40 + 1, pool);
    return 0;
}
