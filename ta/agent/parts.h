/**
 * Making the 8-bit parts of a MIME body fit for 7 bits: text parts become
 * quoted-printable, others base64, and the parts' headers say so.
 *
 * The body passes in pieces; at most one line and one part header are in
 * memory.  Parts that say 7bit, quoted-printable or base64 pass as they are.
 * Signed and encrypted parts pass untouched with all that is in them: they
 * would be worth nothing otherwise.
 */
#ifndef ZM_TA_AGENT_PARTS_H
#define ZM_TA_AGENT_PARTS_H

#include "ta/agent/fields.h"
#include "ta/agent/quoted.h"

typedef struct zm_parts_t zm_parts_t;

/** What becomes of an entity's content. */
typedef enum zm_part_kind_t {
    ZM_PART_AS_IS,
    ZM_PART_QUOTED,
    ZM_PART_BASE64,
    ZM_PART_MULTIPART, /**< has parts of its own */
    ZM_PART_MESSAGE,   /**< has a header and content of its own */
    ZM_PART_SEALED     /**< signed or encrypted: nothing in it may change */
} zm_part_kind_t;

/**
 * Judges an entity by its header and changes Content-Transfer-Encoding to what
 * it will be.  boundary is set for MULTIPART.  Part of zm_parts_create's job
 * for the top level; public for the header conversion of the message itself.
 */
zm_part_kind_t zm_part_judge(zm_fields_t *fields, zm_str_t *boundary);

/** Starts a body whose header was judged so. */
zm_parts_t *zm_parts_create(zm_part_kind_t kind, zm_str_t boundary, apr_pool_t *pool);
void zm_parts_put(zm_parts_t *parts, const char *data, apr_size_t length, zm_buf_t *out);
void zm_parts_end(zm_parts_t *parts, zm_buf_t *out);

#endif
