/*
 * The decoder's states tell what the last byte was; the end is found by one path only:
 *
 *     LINE_START --'.'--> DOT --CR--> DOT_CR --LF--> ended
 *         ^                |            |
 *         |                +-- else: the dot is dropped, TEXT
 *         +---- CR LF ----- TEXT --CR--> CR
 *
 * BARE_START is the line start after a bare LF: a dot there is data.
 */
#include "mta/net/dot.h"

#include <string.h>

#define LOOK_AHEAD 256

enum { LINE_START, BARE_START, TEXT, CR, DOT, DOT_CR };

void zm_dot_decoder_init(zm_dot_decoder_t *decoder, zm_bare_lf_t bare_lf)
{
    memset(decoder, 0, sizeof *decoder);
    decoder->state = LINE_START;
    decoder->bare_lf = bare_lf;
}

/* Eight bytes at a time: the sign bits of all that differ, and whether any byte is zero. */
static void look_at_bytes(zm_dot_decoder_t *decoder, const char *data, apr_size_t length)
{
    apr_size_t at = 0;
    uint64_t all = 0;
    for (; at + 8 <= length; at += 8) {
        uint64_t word;
        memcpy(&word, data + at, 8);
        all |= word;
        if (((word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080)) != 0) {
            int i;
            for (i = 0; i < 8; i++)
                decoder->nuls += data[at + (apr_size_t)i] == '\0';
        }
    }
    for (; at < length; at++) {
        all |= (uint64_t)(unsigned char)data[at];
        decoder->nuls += data[at] == '\0';
    }
    decoder->eight_bit |= (all & UINT64_C(0x8080808080808080)) != 0;
}

/*
 * Adds the run of ordinary text at data, up to the next LF or CR; gives its length.  It looks ahead
 * a limited way, so that a flood of one of the two does not make it search for the other over
 * and over.
 */
static apr_size_t add_text(zm_dot_decoder_t *decoder, const char *data, apr_size_t length,
                           zm_buf_t *out)
{
    apr_size_t run = length < LOOK_AHEAD ? length : LOOK_AHEAD;
    const char *end = memchr(data, '\n', run);
    if (end != NULL)
        run = (apr_size_t)(end - data);
    end = memchr(data, '\r', run);
    if (end != NULL)
        run = (apr_size_t)(end - data);
    look_at_bytes(decoder, data, run);
    zm_buf_add(out, data, run);
    return run;
}

static void line_feed(zm_dot_decoder_t *decoder, bool bare, zm_buf_t *out)
{
    decoder->bare_lfs += bare;
    if (bare && decoder->bare_lf == ZM_BARE_LF_DROP) {
        decoder->state = TEXT;
        return;
    }
    decoder->lines++;
    zm_buf_add_byte(out, '\n');
    decoder->state = bare ? BARE_START : LINE_START;
}

/* A CR that no LF followed: it is data after all. */
static void bare_cr(zm_dot_decoder_t *decoder, zm_buf_t *out)
{
    decoder->bare_crs++;
    zm_buf_add_byte(out, '\r');
    decoder->state = TEXT;
}

/* One byte that is not ordinary text in its state; gives how many bytes were used, 0: look again.
 */
static apr_size_t special(zm_dot_decoder_t *decoder, char byte, zm_buf_t *out)
{
    switch (decoder->state) {
    case CR:
        if (byte == '\n') {
            line_feed(decoder, false, out);
            return 1;
        }
        bare_cr(decoder, out);
        return 0;
    case DOT:
        decoder->state = byte == '\r' ? DOT_CR : TEXT;
        return byte == '\r';
    case DOT_CR:
        decoder->ended = byte == '\n';
        if (!decoder->ended)
            bare_cr(decoder, out);
        return byte == '\n';
    default:
        break;
    }
    if (byte == '.' && decoder->state == LINE_START) {
        decoder->state = DOT;
        return 1;
    }
    if (byte == '\r') {
        decoder->state = CR;
        return 1;
    }
    if (byte == '\n') {
        line_feed(decoder, true, out);
        return 1;
    }
    decoder->state = TEXT;
    return 0;
}

apr_size_t zm_dot_decode(zm_dot_decoder_t *decoder, zm_str_t wire, zm_buf_t *out)
{
    apr_size_t at = 0;
    zm_buf_reserve(out, wire.length + 1);
    while (at < wire.length && !decoder->ended) {
        apr_size_t run = 0;
        if (decoder->state == TEXT)
            run = add_text(decoder, wire.data + at, wire.length - at, out);
        at += run != 0 ? run : special(decoder, wire.data[at], out);
    }
    return at;
}

void zm_dot_encoder_init(zm_dot_encoder_t *encoder)
{
    encoder->state = LINE_START;
}

void zm_dot_encode(zm_dot_encoder_t *encoder, zm_str_t text, zm_buf_t *out)
{
    const char *at = text.data, *end = text.data + text.length;
    zm_buf_reserve(out, text.length + text.length / 32 + 4);
    while (at < end) {
        const char *lf = memchr(at, '\n', (apr_size_t)(end - at));
        apr_size_t run = (apr_size_t)((lf != NULL ? lf : end) - at);
        if (encoder->state == LINE_START && *at == '.')
            zm_buf_add_byte(out, '.');
        if (run != 0) {
            zm_buf_add(out, at, run);
            encoder->state = at[run - 1] == '\r' ? CR : TEXT;
        }
        at += run;
        if (lf == NULL)
            break;
        zm_buf_add(out, encoder->state == CR ? "\n" : "\r\n", encoder->state == CR ? 1 : 2);
        encoder->state = LINE_START;
        at++;
    }
}

void zm_dot_encode_end(zm_dot_encoder_t *encoder, zm_buf_t *out)
{
    if (encoder->state == CR)
        zm_buf_add(out, "\n", 1);
    else if (encoder->state != LINE_START)
        zm_buf_add(out, "\r\n", 2);
    zm_buf_add(out, ".\r\n", 3);
    encoder->state = LINE_START;
}
