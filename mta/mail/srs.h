/**
 * Sender rewriting (SRS): a forwarded message gets a sender of our own domain,
 * so that checks of where a domain sends from pass, and a report finds its way
 * back through us.
 *
 *     ann@a.test       ->  SRS0=HHHH=TT=a.test=ann@our.test
 *     SRS0=...@b.test  ->  SRS1=HHHH=b.test==...@our.test       (b forwarded before)
 *
 * HHHH is the beginning of a keyed hash, TT the day modulo 1024: nobody can make
 * us send to arbitrary addresses, and the way back closes after a while.  The form
 * is that of other implementations, with HMAC-SHA-1.
 */
#ifndef ZM_MAIL_SRS_H
#define ZM_MAIL_SRS_H

#include <apr_time.h>

#include "platform/status.h"
#include "platform/str.h"

typedef struct zm_srs_t {
    const zm_str_t *secrets; /**< the first signs, all are believed */
    apr_size_t secret_count;
    zm_str_t domain;        /**< of rewritten senders; "" : forward does nothing */
    char separator;         /**< behind SRS0 and SRS1: '=', '+' or '-' */
    apr_size_t hash_length; /**< characters of the hash in new addresses; at most 27 count */
    apr_size_t hash_min;    /**< characters of it that an address must have */
    unsigned max_age;       /**< days an address is believed */
    bool always;            /**< also rewrite senders of our own domain */
    apr_time_t now;
} zm_srs_t;

/** Separator '=', hash of 4 characters, 21 days. */
void zm_srs_defaults(zm_srs_t *srs);

/**
 * The sender to forward with.  APR_EINVAL: no secret or domain; ZM_E_SYNTAX: no
 * user@domain.  An address of our own domain comes back as it is unless `always`.
 */
apr_status_t zm_srs_forward(zm_str_t *result, const zm_srs_t *srs, zm_str_t address,
                            apr_pool_t *pool);

/**
 * Where a report to such a sender goes.  ZM_E_SYNTAX: not such an address;
 * ZM_E_UNSAFE: the hash is not ours; APR_TIMEUP: too old.
 */
apr_status_t zm_srs_reverse(zm_str_t *result, const zm_srs_t *srs, zm_str_t address,
                            apr_pool_t *pool);

#endif
