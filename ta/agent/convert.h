/**
 * MIME conversion of a letter for a carrier: what is needed, the header it
 * gets, and the filter that its body passes.
 *
 *     mode     header                                   body
 *     NONE     -                                        as it is
 *     QP       CTE quoted-printable, Received note      encoded
 *     8BIT     CTE 8BIT, Received note                  decoded
 *     UNKNOWN  MIME fields added, with a comment        encoded
 *     PARTS    CTE of the top level                     8-bit parts encoded
 *     LABEL    CTE 7BIT, an 8-bit charset US-ASCII      as it is
 *
 * Nothing that is signed is ever changed: where it would have to be, conversion
 * is impossible, and the letter is returned (RFC 6152; status 5.6.3).
 */
#ifndef ZM_TA_AGENT_CONVERT_H
#define ZM_TA_AGENT_CONVERT_H

#include "ta/agent/body.h"
#include "ta/agent/fields.h"
#include "ta/agent/parts.h"

typedef enum zm_conversion_t {
    ZM_CONVERT_NONE,
    ZM_CONVERT_QP,
    ZM_CONVERT_8BIT,
    ZM_CONVERT_UNKNOWN,
    ZM_CONVERT_PARTS,
    ZM_CONVERT_LABEL, /**< what claims 8 bits has none, and the carrier does not take the claim */
    ZM_CONVERT_IMPOSSIBLE
} zm_conversion_t;

const char *zm_conversion_name(zm_conversion_t conversion); /**< "NONE", "QP", ... for logs */

/** What carries the letter on. */
typedef struct zm_carrier_t {
    bool eight_bit;      /**< it takes 8 bits */
    bool decode;         /**< quoted-printable text is to be decoded for it */
    const char *charset; /**< of 8-bit text that is not UTF-8; null: not known */
    bool any_length;     /**< it takes lines of more than the 998 octets of SMTP */
    bool code_blanks;    /**< quoted-printable for it has no blanks and TABs */
    bool last;           /**< it keeps the letter: only decoding is done for it */
} zm_carrier_t;

/** Whether nothing of a letter may be changed, its blanks included: it is signed, or its sender
 * forbids it.  Needs pool for parsing only. */
bool zm_conversion_sealed(const zm_fields_t *fields, apr_pool_t *pool);

/** Chooses.  Needs pool for parsing only. */
zm_conversion_t zm_conversion_choose(const zm_fields_t *fields, const zm_body_facts_t *facts,
                                     const zm_carrier_t *carrier, apr_pool_t *pool);

typedef struct zm_converted_t {
    zm_conversion_t conversion;
    bool code_blanks;
    zm_fields_t fields;
    zm_part_kind_t kind; /**< of the top level, with PARTS */
    zm_str_t boundary;   /**< likewise */
} zm_converted_t;

/** Makes the converted header.  body: for UNKNOWN, to see whether it is UTF-8.  Fails when that
 * cannot be read. */
apr_status_t zm_conversion_apply(zm_converted_t *converted, zm_conversion_t conversion,
                                 const zm_fields_t *fields, zm_body_t *body,
                                 const zm_carrier_t *carrier, apr_pool_t *pool);

/**
 * Makes a header ASCII (RFC 2047) if it is not and may be changed.  charset: of bytes that are
 * not UTF-8; null: not known.  False: nothing was changed.
 */
bool zm_conversion_header(zm_fields_t *fields, const char *charset);

/** The body on its way through the conversion; one a transmission. */
typedef struct zm_filter_t zm_filter_t;
zm_filter_t *zm_filter_create(const zm_converted_t *converted, apr_pool_t *pool);
/** LF text in, LF text out. */
void zm_filter_put(zm_filter_t *filter, const char *data, apr_size_t length, zm_buf_t *out);
void zm_filter_end(zm_filter_t *filter, zm_buf_t *out);

#endif
