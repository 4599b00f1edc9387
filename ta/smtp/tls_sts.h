/**
 * MTA-STS policies (RFC 8461) that something else has fetched: DIRECTORY/DOMAIN holds the body of
 * https://mta-sts.DOMAIN/.well-known/mta-sts.txt as it came, and the file's time of modification is
 * when it was fetched.  Pure functions but for zm_sts_load.
 */
#ifndef ZM_TA_SMTP_TLS_STS_H
#define ZM_TA_SMTP_TLS_STS_H

#include "platform/status.h"
#include "platform/str.h"

typedef enum zm_sts_mode_t {
    ZM_STS_NONE, /**< there is no policy, or it says so, or it has expired */
    ZM_STS_TESTING,
    ZM_STS_ENFORCE
} zm_sts_mode_t;

typedef struct zm_sts_t {
    zm_sts_mode_t mode;
    int64_t max_age;       /**< seconds */
    const char *const *mx; /**< null ended, lower case: "mx.example.org", "*.example.org" */
} zm_sts_t;

/** ZM_E_SYNTAX: it is no policy. */
apr_status_t zm_sts_parse(zm_sts_t *sts, zm_str_t text, apr_pool_t *pool, zm_error_t *error);

/** Whether mail may go to this exchanger (RFC 8461, 4.1). */
bool zm_sts_allows(const zm_sts_t *sts, const char *exchanger);

/**
 * The policy of a domain at a time (Unix seconds).  A domain without one, and one whose policy has
 * expired, have mode ZM_STS_NONE.  ZM_E_SYNTAX: what is there is no policy; otherwise it cannot be
 * read.
 */
apr_status_t zm_sts_load(zm_sts_t *sts, const char *directory, zm_str_t domain, int64_t now,
                         apr_pool_t *pool, zm_error_t *error);

#endif
