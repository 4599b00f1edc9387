/**
 * Keys: what a domain publishes (RFC 6376, 3.6.1; RFC 8463, 4), and what it signs
 * with.
 */
#ifndef ZM_MTA_DKIM_KEY_H
#define ZM_MTA_DKIM_KEY_H

#include "mta/dkim/signature.h"

#define ZM_RSA_LEAST 1024 /**< bits (RFC 8301, 3.2) */
#define ZM_RSA_MOST 4096

/**
 * Checks a signature of a digest with what the name of its key has, a record's text: sets result
 * and reason.
 */
void zm_key_check(zm_signature_t *signature, zm_str_t record,
                  const unsigned char digest[ZM_HASH_OCTETS], apr_pool_t *pool);

/** A private key. */
typedef struct zm_private_key_t zm_private_key_t;

/** Reads a PEM file.  The key is freed with the pool.  ZM_E_UNSAFE: everybody may read it. */
apr_status_t zm_private_key_load(zm_private_key_t **key, const char *file, apr_pool_t *pool,
                                 zm_error_t *error);
/** Makes one; bits 0: ed25519, else RSA. */
apr_status_t zm_private_key_make(zm_private_key_t **key, int bits, apr_pool_t *pool,
                                 zm_error_t *error);
/** Writes it as a PEM file that must not exist yet, for its owner only. */
apr_status_t zm_private_key_write(const zm_private_key_t *key, const char *file, apr_pool_t *pool,
                                  zm_error_t *error);
bool zm_private_key_is_ed25519(const zm_private_key_t *key);
int zm_private_key_bits(const zm_private_key_t *key);
/** Appends the signature of a digest, its bytes.  False: the library failed. */
bool zm_private_key_sign(const zm_private_key_t *key, const unsigned char digest[ZM_HASH_OCTETS],
                         zm_buf_t *out);
/** What is to be published: "v=DKIM1; k=rsa; p=...". */
const char *zm_private_key_record(const zm_private_key_t *key, apr_pool_t *pool);
/** Whether a published record has the public half of this key. */
bool zm_private_key_matches(const zm_private_key_t *key, zm_str_t record, apr_pool_t *pool);

#endif
