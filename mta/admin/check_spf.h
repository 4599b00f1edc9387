/**
 * Whether a domain's SPF record (RFC 7208) covers one of our own addresses.  Simple on purpose:
 * what depends on the sender of a message (macros, exists) and ptr are not decided.
 */
#ifndef ZM_MTA_ADMIN_CHECK_SPF_H
#define ZM_MTA_ADMIN_CHECK_SPF_H

#include "mta/admin/lookup.h"

typedef enum spf_result_t {
    SPF_NONE,
    SPF_PASS,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_NEUTRAL,
    SPF_ERROR,  /**< the record cannot be used, or DNS does not answer */
    SPF_UNKNOWN /**< it has what is not decided here */
} spf_result_t;

spf_result_t check_spf(lookup_t *lookup, const char *domain, const zm_ip_t *ip, apr_pool_t *pool);

#endif
