/**
 * Making signatures: a DKIM-Signature (RFC 6376; 8463), and the three fields of
 * an ARC instance (RFC 8617, 5.1).
 *
 * A file says which domains are signed for, one a line:
 *
 *     # domain       selector  key
 *     example.org    2026      /etc/zmailer/keys/example.org
 *     .example.org   2026      /etc/zmailer/keys/example.org   for all below, too
 */
#ifndef ZM_MTA_DKIM_SIGN_H
#define ZM_MTA_DKIM_SIGN_H

#include "mta/dkim/key.h"

typedef struct zm_signer_t {
    zm_str_t domain; /**< d= */
    bool below;      /**< and what is below it */
    zm_str_t selector;
    const char *file;
    zm_private_key_t *key; /**< null: not read yet */
} zm_signer_t;

typedef struct zm_signers_t {
    zm_signer_t *items;
    int count;
    apr_pool_t *pool;
} zm_signers_t;

/** Reads the file; keys are read when they are first wanted. */
apr_status_t zm_signers_load(zm_signers_t **signers, const char *file, apr_pool_t *pool,
                             zm_error_t *error);
/** The line for a domain: its own, else the longest of those above it.  Null: none. */
zm_signer_t *zm_signers_find(const zm_signers_t *signers, zm_str_t domain);
/** Reads the key of a line, if that is still to be done. */
apr_status_t zm_signer_open(const zm_signers_t *signers, zm_signer_t *signer, zm_error_t *error);

typedef struct zm_sign_request_t {
    const zm_signer_t *signer;      /**< opened */
    const zm_dkim_header_t *header; /**< as it will be sent, without the field that is made */
    unsigned char body_hash[ZM_HASH_OCTETS]; /**< of the relaxed form */
    int64_t now;                             /**< Unix seconds */
} zm_sign_request_t;

/** Appends a DKIM-Signature field, with LF between its lines and at its end.  False: the library
 * failed. */
bool zm_dkim_sign(zm_buf_t *out, const zm_sign_request_t *request, apr_pool_t *pool);

/**
 * Appends the fields of the next ARC instance.  results: what an Authentication-Results field of
 * ours says of the message; a chain that it calls broken, or that is full, gets no more
 * instances: nothing is appended then.
 */
bool zm_arc_seal(zm_buf_t *out, const zm_sign_request_t *request, zm_str_t results,
                 apr_pool_t *pool);

/** Whether a DKIM signature of that domain is there. */
bool zm_dkim_is_signed(const zm_dkim_header_t *header, zm_str_t domain);

#endif
