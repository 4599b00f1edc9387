/**
 * One signature: DKIM-Signature (RFC 6376, 3.5), and the two that ARC has, which
 * are like it (RFC 8617, 4.1.2 and 4.1.3).
 */
#ifndef ZM_MTA_DKIM_SIGNATURE_H
#define ZM_MTA_DKIM_SIGNATURE_H

#include "mta/dkim/canon.h"
#include "mta/dkim/header.h"
#include "mta/dkim/result.h"

#define ZM_ARC_SETS 50 /**< instances that a chain may have */

typedef enum zm_signature_kind_t {
    ZM_SIGNATURE_DKIM,
    ZM_SIGNATURE_ARC_MESSAGE,
    ZM_SIGNATURE_ARC_SEAL
} zm_signature_kind_t;

typedef struct zm_signature_t {
    zm_signature_kind_t kind;
    zm_str_t field;     /**< as it stands */
    zm_auth_t result;   /**< ZM_AUTH_NONE: as far as it has been looked at it is good */
    const char *reason; /**< of a result; null: it says all itself */
    bool ed25519;       /**< else RSA; the hash is SHA-256 in both */
    bool relaxed_header, relaxed_body;
    bool testing; /**< its key says that its domain only tries (t=y) */
    zm_str_t domain, selector;
    zm_str_t agent;     /**< domain of i=, or that of d= */
    zm_str_t names;     /**< h= */
    zm_str_t signature; /**< b=, its bytes */
    char brief[9];      /**< its first characters, which tell signatures apart */
    unsigned char body_hash[ZM_HASH_OCTETS];
    int64_t length; /**< l=; -1: none */
    int instance;   /**< of ARC */
    zm_str_t chain; /**< cv= of a seal */
} zm_signature_t;

/** Reads a signature, whose text must stay.  now: Unix seconds, against which its times are held.
 */
void zm_signature_read(zm_signature_t *signature, zm_signature_kind_t kind, zm_str_t field,
                       int64_t now, apr_pool_t *pool);

/** "rsa-sha256" */
const char *zm_signature_algorithm(const zm_signature_t *signature);

/** The name that its key is published under, in pool. */
const char *zm_signature_key_name(const zm_signature_t *signature, apr_pool_t *pool);

/** The hash that DKIM and ARC message signatures sign. */
bool zm_signature_digest(unsigned char digest[ZM_HASH_OCTETS], const zm_signature_t *signature,
                         const zm_dkim_header_t *header, apr_pool_t *pool);

#endif
