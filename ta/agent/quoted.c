#include "ta/agent/quoted.h"

#include <string.h>

#define SOFT_COLUMN 70
#define BASE64_COLUMN 72

/* -- quoted-printable, encoding -------------------------------------------- */

static void soft_break(zm_qp_encoder_t *encoder, zm_buf_t *out)
{
    if (encoder->column > SOFT_COLUMN) {
        zm_buf_add(out, "=\n", 2);
        encoder->column = 0;
    }
}

static void add_code(zm_qp_encoder_t *encoder, unsigned char byte, zm_buf_t *out)
{
    static const char digits[] = "0123456789ABCDEF";
    const char code[3] = {'=', digits[byte >> 4], digits[byte & 15]};
    soft_break(encoder, out);
    zm_buf_add(out, code, 3);
    encoder->column += 3;
}

static void add_plain(zm_qp_encoder_t *encoder, char byte, zm_buf_t *out)
{
    soft_break(encoder, out);
    zm_buf_add_byte(out, byte);
    encoder->column++;
}

/* 'F' and '.' are coded at the start of a line, where "From " and dots mean something elsewhere. */
static bool must_code(const zm_qp_encoder_t *encoder, unsigned char byte)
{
    bool at_start = encoder->column == 0 || encoder->column > SOFT_COLUMN;
    return byte < ' ' || byte > 126 || byte == '=' || (at_start && (byte == 'F' || byte == '.'));
}

void zm_qp_encode(zm_qp_encoder_t *encoder, const char *data, apr_size_t length, zm_buf_t *out)
{
    for (; length > 0; data++, length--) {
        char byte = *data;
        if (byte == '\n') {
            if (encoder->held != 0)
                add_code(encoder, (unsigned char)encoder->held, out);
            zm_buf_add_byte(out, '\n');
            encoder->held = 0;
            encoder->column = 0;
            continue;
        }
        if (encoder->held != 0)
            add_plain(encoder, encoder->held, out);
        encoder->held = 0;
        if (zm_is_blank(byte) && !encoder->code_blanks)
            encoder->held = byte;
        else if (byte == ' ' || must_code(encoder, (unsigned char)byte))
            add_code(encoder, (unsigned char)byte, out);
        else
            add_plain(encoder, byte, out);
    }
}

void zm_qp_encode_end(zm_qp_encoder_t *encoder, zm_buf_t *out)
{
    if (encoder->held != 0)
        add_code(encoder, (unsigned char)encoder->held, out);
    encoder->held = 0;
    encoder->column = 0;
}

/* -- quoted-printable, decoding -------------------------------------------- */

static int hex(char byte)
{
    if (zm_is_digit(byte))
        return byte - '0';
    byte = (char)zm_to_upper(byte);
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

static void pass_held(zm_qp_decoder_t *decoder, zm_buf_t *out)
{
    zm_buf_add(out, decoder->held, (apr_size_t)decoder->count);
    decoder->count = 0;
}

/* Takes the byte after "=..."; held[0] is '='. */
static void decode_held(zm_qp_decoder_t *decoder, char byte, zm_buf_t *out)
{
    bool blanks = decoder->count == 1 || zm_is_blank(decoder->held[1]);
    if (byte == '\n' && blanks) { /* a soft line break */
        decoder->count = 0;
        return;
    }
    if (decoder->count == 2 && hex(decoder->held[1]) >= 0 && hex(byte) >= 0) {
        zm_buf_add_byte(out, (char)(hex(decoder->held[1]) * 16 + hex(byte)));
        decoder->count = 0;
        return;
    }
    if (decoder->count < (int)sizeof decoder->held &&
        ((decoder->count == 1 && (hex(byte) >= 0 || zm_is_blank(byte))) ||
         (decoder->count > 1 && blanks && zm_is_blank(byte)))) {
        decoder->held[decoder->count++] = byte;
        return;
    }
    pass_held(decoder, out);
    if (byte == '=')
        decoder->held[decoder->count++] = byte;
    else
        zm_buf_add_byte(out, byte);
}

void zm_qp_decode(zm_qp_decoder_t *decoder, const char *data, apr_size_t length, zm_buf_t *out)
{
    for (; length > 0; data++, length--) {
        if (decoder->count > 0)
            decode_held(decoder, *data, out);
        else if (*data == '=')
            decoder->held[decoder->count++] = '=';
        else
            zm_buf_add_byte(out, *data);
    }
}

void zm_qp_decode_end(zm_qp_decoder_t *decoder, zm_buf_t *out)
{
    pass_held(decoder, out);
}

/* -- base64 ---------------------------------------------------------------- */

static void add_group(zm_base64_encoder_t *encoder, zm_buf_t *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *held = encoder->held;
    char group[4];
    group[0] = letters[held[0] >> 2];
    group[1] = letters[(held[0] & 3) << 4 | held[1] >> 4];
    group[2] = encoder->count > 1 ? letters[(held[1] & 15) << 2 | held[2] >> 6] : '=';
    group[3] = encoder->count > 2 ? letters[held[2] & 63] : '=';
    zm_buf_add(out, group, 4);
    encoder->column += 4;
    if (encoder->column >= BASE64_COLUMN) {
        zm_buf_add_byte(out, '\n');
        encoder->column = 0;
    }
    encoder->count = 0;
    memset(encoder->held, 0, sizeof encoder->held);
}

static void add_octet(zm_base64_encoder_t *encoder, char byte, zm_buf_t *out)
{
    encoder->held[encoder->count++] = (unsigned char)byte;
    if (encoder->count == 3)
        add_group(encoder, out);
}

void zm_base64_encode(zm_base64_encoder_t *encoder, const char *data, apr_size_t length,
                      zm_buf_t *out)
{
    for (; length > 0; data++, length--) {
        if (*data == '\n')
            add_octet(encoder, '\r', out);
        add_octet(encoder, *data, out);
    }
}

void zm_base64_encode_end(zm_base64_encoder_t *encoder, zm_buf_t *out)
{
    if (encoder->count > 0)
        add_group(encoder, out);
    if (encoder->column > 0)
        zm_buf_add_byte(out, '\n');
    *encoder = (zm_base64_encoder_t){0};
}
