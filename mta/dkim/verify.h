/**
 * Who stands behind a message: its DKIM signatures, its ARC chain, and the policy
 * of the domain in its From.
 *
 *     verifier = zm_verifier_create(now, pool);
 *     zm_verifier_put(verifier, text, length);      header and body, as they pass
 *     zm_verifier_ask(verifier, dns, fn, baton);    when all has passed
 *     ... fn is called ...
 *     zm_verifier_judge(verifier, spf, domain);     DMARC, with what SPF has said
 *
 * Bodies are hashed as they pass and only when something in the header wants it;
 * a message without signatures costs the copy of its header.  At most
 * ZM_VERIFY_SIGNATURES signatures are looked at, and ZM_VERIFY_HEADER octets of
 * header.
 */
#ifndef ZM_MTA_DKIM_VERIFY_H
#define ZM_MTA_DKIM_VERIFY_H

#include "mta/dkim/dmarc.h"
#include "mta/net/dns.h"

#define ZM_VERIFY_SIGNATURES 8
#define ZM_VERIFY_HEADER 262144

typedef struct zm_verifier_t zm_verifier_t;

/** now: Unix seconds. */
zm_verifier_t *zm_verifier_create(int64_t now, apr_pool_t *pool);
/** The next piece of the message, with LF line ends. */
void zm_verifier_put(zm_verifier_t *verifier, const char *data, apr_size_t length);

typedef void zm_verifier_fn(void *baton);

/**
 * The message has ended: asks for keys and policies.  fn is called once, maybe before this
 * returns; never after the pool was destroyed.
 */
void zm_verifier_ask(zm_verifier_t *verifier, zm_dns_t *dns, zm_verifier_fn *fn, void *baton);
/** What has not been answered by now has failed for now.  Calls fn, if that is still due. */
void zm_verifier_give_up(zm_verifier_t *verifier);

/** What came of it; everything in the verifier's pool. */
typedef struct zm_verified_t {
    const zm_signature_t *signatures; /**< of DKIM, in the order of the header */
    int count;
    zm_auth_t arc;
    const char *arc_reason; /**< may be null */
    int arc_sets;
    zm_str_t arc_sealer; /**< domain of the last seal */

    /* set by zm_verifier_judge */
    zm_auth_t dmarc;
    const char *dmarc_reason; /**< may be null */
    const char *author;       /**< domain in From; "" when it has none */
    zm_dmarc_policy_t policy; /**< that its domain has published for such mail */
    zm_dmarc_policy_t wanted; /**< what it wants done with this message: none if that has passed */
} zm_verified_t;

const zm_verified_t *zm_verifier_result(const zm_verifier_t *verifier);

/**
 * DMARC.  spf: what SPF said of spf_domain.  dice: 0 to 99, by chance, for policies that are for
 * a part of the mail only.
 */
void zm_verifier_judge(zm_verifier_t *verifier, zm_auth_t spf, zm_str_t spf_domain, int dice);

#endif
