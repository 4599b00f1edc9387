/**
 * Quoted-printable, encoding and decoding, and base64 encoding, for bodies that
 * pass in pieces.  Text has LF line ends on both sides.
 */
#ifndef ZM_TA_AGENT_QUOTED_H
#define ZM_TA_AGENT_QUOTED_H

#include "platform/str.h"

typedef struct zm_qp_encoder_t {
    bool code_blanks; /**< blanks and TABs are coded wherever they stand */
    int column;
    char held; /**< a blank or TAB whose fate the next byte decides; 0: none */
} zm_qp_encoder_t;

/** Zeroed memory is a fresh encoder. */
void zm_qp_encode(zm_qp_encoder_t *encoder, const char *data, apr_size_t length, zm_buf_t *out);
void zm_qp_encode_end(zm_qp_encoder_t *encoder, zm_buf_t *out);

typedef struct zm_qp_decoder_t {
    char held[80]; /**< "=" and what followed it so far */
    int count;
} zm_qp_decoder_t;

/** Zeroed memory is a fresh decoder.  What is no quoted-printable passes as it is. */
void zm_qp_decode(zm_qp_decoder_t *decoder, const char *data, apr_size_t length, zm_buf_t *out);
void zm_qp_decode_end(zm_qp_decoder_t *decoder, zm_buf_t *out);

typedef struct zm_base64_encoder_t {
    unsigned char held[3];
    int count, column;
} zm_base64_encoder_t;

/** Zeroed memory is a fresh encoder.  LF is encoded as CR LF, the canonical line end. */
void zm_base64_encode(zm_base64_encoder_t *encoder, const char *data, apr_size_t length,
                      zm_buf_t *out);
/** Ends the last line with LF. */
void zm_base64_encode_end(zm_base64_encoder_t *encoder, zm_buf_t *out);

#endif
