/**
 * The transparency rules of mail data (RFC 5321, 4.5.2), for streams of any size.
 *
 * Decoding takes wire bytes and gives lines that end in LF, with the leading dot removed; data
 * ends at CRLF "." CRLF alone.  A CR or LF that stands alone is never a line end of the protocol;
 * what becomes of it is chosen.  Encoding does the reverse.  Both keep their state between calls,
 * so that it does not matter where the pieces are cut.
 */
#ifndef ZM_NET_DOT_H
#define ZM_NET_DOT_H

#include "platform/str.h"

/** What becomes of a bare LF (a bare CR always stays as it is; both are counted). */
typedef enum zm_bare_lf_t {
    ZM_BARE_LF_LINE, /**< it ends a line of the text, as it would have in a file; a dot after it is
                        data */
    ZM_BARE_LF_DROP  /**< it is taken out: for data that will be refused anyway */
} zm_bare_lf_t;

typedef struct zm_dot_decoder_t {
    int state; /* private */
    zm_bare_lf_t bare_lf;
    bool ended;        /**< the final dot has come */
    uint64_t bare_lfs; /**< how many LF without CR */
    uint64_t bare_crs; /**< how many CR without LF */
    uint64_t nuls;     /**< how many NUL */
    uint64_t lines;    /**< lines so far */
    bool eight_bit;    /**< a byte above 127 was seen */
} zm_dot_decoder_t;

void zm_dot_decoder_init(zm_dot_decoder_t *decoder, zm_bare_lf_t bare_lf);
/** Decodes wire bytes, adds the text to out, and returns how many were used: all, unless the data
 * ended. */
apr_size_t zm_dot_decode(zm_dot_decoder_t *decoder, zm_str_t wire, zm_buf_t *out);

typedef struct zm_dot_encoder_t {
    int state; /* private */
} zm_dot_encoder_t;

void zm_dot_encoder_init(zm_dot_encoder_t *encoder);
/** Adds text (lines ending in LF; CRLF is left as it is) to out in wire form. */
void zm_dot_encode(zm_dot_encoder_t *encoder, zm_str_t text, zm_buf_t *out);
/** Adds the end: a CRLF if the last line had none, and the final dot. */
void zm_dot_encode_end(zm_dot_encoder_t *encoder, zm_buf_t *out);

#endif
