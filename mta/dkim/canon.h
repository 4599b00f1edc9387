/**
 * Canonical forms (RFC 6376, 3.4): what of a message is hashed, so that changes
 * which mail suffers on its way do not count.
 *
 * Text comes with LF line ends, as the spool keeps it, in pieces of any size; the
 * canonical form has CR LF.  A CR in the text is data.
 */
#ifndef ZM_MTA_DKIM_CANON_H
#define ZM_MTA_DKIM_CANON_H

#include "platform/str.h"

#define ZM_HASH_OCTETS 32 /**< of SHA-256, the only hash there is for us */

/** The hash of a body in one of its forms. */
typedef struct zm_body_hash_t {
    bool relaxed;
    int64_t limit;  /**< octets of the canonical form that count; -1: all of them */
    uint64_t given; /**< octets of the canonical form, those that do not count included */

    /* private */
    void *digest; /* EVP_MD_CTX */
    uint64_t line_ends;
    bool in_line, blank;
} zm_body_hash_t;

/** The digest is freed with the pool.  False: the library has no memory. */
bool zm_body_hash_init(zm_body_hash_t *hash, bool relaxed, int64_t limit, apr_pool_t *pool);
void zm_body_hash_put(zm_body_hash_t *hash, const char *data, apr_size_t length);
/** Ends the body.  False: the library failed. */
bool zm_body_hash_end(zm_body_hash_t *hash, unsigned char out[ZM_HASH_OCTETS]);

/** Appends a field, given with its name and folds and without its last line end; with CR LF. */
void zm_canon_field(zm_buf_t *out, zm_str_t field, bool relaxed);
/** Appends a field with the value of its tag b= left out, and without its last CR LF: what a
 * signature says of itself. */
void zm_canon_signature(zm_buf_t *out, zm_str_t field, bool relaxed);

bool zm_sha256(unsigned char out[ZM_HASH_OCTETS], zm_str_t text);

#endif
