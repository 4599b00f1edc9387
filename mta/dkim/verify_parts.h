/** The inside of verification: verify.c sees the message pass and asks, arc.c judges chains,
 * policy.c finds and applies the policies of authors. */
#ifndef ZM_MTA_DKIM_VERIFY_PARTS_H
#define ZM_MTA_DKIM_VERIFY_PARTS_H

#include "mta/dkim/verify.h"

/** One instance of a chain: indexes into the header, and its two signatures. */
typedef struct arc_set_t {
    int results, message, seal; /* -1: not there */
    zm_signature_t signature, closing;
} arc_set_t;

typedef struct arc_chain_t {
    arc_set_t *sets; /* instance 1 first; null: there is no chain */
    int count;
    zm_auth_t result; /* ZM_AUTH_NONE while open */
    const char *reason;
} arc_chain_t;

/** Finds the sets of a header and reads their signatures. */
void arc_read(arc_chain_t *chain, const zm_dkim_header_t *header, int64_t now, apr_pool_t *pool);
/** The digest that the seal of an instance, 1 and up, signs. */
bool arc_seal_digest(unsigned char digest[ZM_HASH_OCTETS], const arc_chain_t *chain, int instance,
                     const zm_dkim_header_t *header);
/** What the chain comes to when all has been answered. */
void arc_conclude(arc_chain_t *chain);

/** The policy for one domain of From. */
typedef struct policy_t {
    zm_verifier_t *verifier;
    const char *domain, *organization;
    zm_dmarc_record_t record;
    bool found, inherited; /* inherited: it is that of the organization */
    bool answered, temporary;
} policy_t;

struct zm_verifier_t {
    apr_pool_t *pool;
    int64_t now;

    /* while it passes */
    zm_buf_t text; /* the header */
    bool in_body, line_start, too_large, ended;
    zm_dkim_header_t header;
    zm_signature_t signatures[ZM_VERIFY_SIGNATURES];
    int count;
    arc_chain_t chain;
    zm_body_hash_t hashes[ZM_VERIFY_SIGNATURES + 1];
    int hash_count;

    /* while it asks */
    zm_dns_t *dns;
    apr_pool_t *asking;
    int waiting;
    zm_verifier_fn *fn;
    void *baton;
    policy_t policies[ZM_DMARC_AUTHORS];
    int policy_count; /* -1: From is not good for one */

    zm_verified_t verified;
};

/** Asks for the policies; each answer ends with verifier_answered. */
void policy_ask_all(zm_verifier_t *verifier);
/** One more question; and its end, which may be the last. */
void verifier_wait(zm_verifier_t *verifier);
void verifier_answered(zm_verifier_t *verifier);

#endif
