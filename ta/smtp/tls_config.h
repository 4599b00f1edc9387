/**
 * smtp-tls.conf: which settings TLS has, and how much of it each destination must have.
 *
 * One "keyword value" a line; lines that begin with '#' or ';' are remarks.  The file is parsed
 * from memory, so nothing here opens anything: certificates are loaded by tls_client.c.
 */
#ifndef ZM_TA_SMTP_TLS_CONFIG_H
#define ZM_TA_SMTP_TLS_CONFIG_H

#include "mta/net/tls.h"

/** What a destination must have, weakest first. */
typedef enum zm_tls_level_t {
    ZM_TLS_NONE,    /**< no TLS, even where it is offered */
    ZM_TLS_MAY,     /**< TLS where it is offered */
    ZM_TLS_ENCRYPT, /**< TLS or nothing, with whoever it is */
    ZM_TLS_VERIFY,  /**< TLS with a server whose certificate proves its name, or nothing */
    ZM_TLS_DANE     /**< TLS with a server that the name service vouches for, or nothing */
} zm_tls_level_t;

typedef struct zm_tls_policy_t {
    struct zm_tls_policy_t *next;
    const char *domain; /**< lower case: "example.org", ".example.org", "[192.0.2.1]", "*" */
    zm_tls_level_t level;
    const char *const *names; /**< with verify: what certificates may carry; null: the server's own
                                 name */
} zm_tls_policy_t;

typedef struct zm_tls_config_t {
    zm_tls_options_t client;
    int log_level;             /**< 0 to 2 */
    const char *mta_sts;       /**< directory of cached policies (tls_sts.h); null: none */
    zm_tls_policy_t *policies; /**< in the order of the file; "demand-tls-mode" before all */
    bool dane;                 /**< ask for TLSA records, and obey those that are there */
    bool ask_dane;             /**< the same, or a policy says ZM_TLS_DANE */
    bool strict;               /**< something may ask for more than ZM_TLS_MAY */
    const char *problem;       /**< the first line that cannot be obeyed; null: none */
} zm_tls_config_t;

/** Told of what has no effect but does no harm. */
typedef void zm_tls_notice_fn(void *baton, const char *text);

/** Never fails: see problem.  Strings are copied into pool. */
void zm_tls_config_parse(zm_tls_config_t *config, zm_str_t text, zm_tls_notice_fn *notice,
                         void *baton, apr_pool_t *pool);

/**
 * The policy of a destination as routed ("example.org", "[192.0.2.1]:25"): that of the name
 * itself, else of the longest ".name" that it is below, else of "*"; of equal ones the first.
 * Null: there is none.
 */
const zm_tls_policy_t *zm_tls_policy_find(const zm_tls_config_t *config, zm_str_t destination,
                                          apr_pool_t *pool);

#endif
