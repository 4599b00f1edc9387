/**
 * What all sessions of one process share.  The maker fills it in and keeps it
 * until the last session has ended.
 */
#ifndef ZM_SMTPSERVER_SERVER_H
#define ZM_SMTPSERVER_SERVER_H

#include "mta/conf/counters.h"
#include "mta/net/dns.h"
#include "mta/smtpserver/config.h"
#include "mta/smtpserver/inquiry.h"
#include "mta/smtpserver/journal.h"
#include "mta/smtpserver/policy.h"
#include "mta/smtpserver/space.h"
#include "mta/smtpserver/tls_engine.h"
#include "platform/loop.h"
#include "spool/submit.h"

typedef struct server_t {
    zm_loop_t *loop;
    const config_t *config;
    const char *hostname;
    zm_submitter_t *submitter;
    policy_t *policy;
    const tls_engine_t *tls;   /**< null: TLS is not to be had */
    inquiries_t *inquiries;    /**< to the router; null: it is not asked */
    struct filters_t *filters; /**< content filters; null: none */
    struct hook_t **hooks;     /**< policy daemons, by the numbers of groups; null: none */
    inquiries_t *verifiers;    /**< who know who clients are; null: AUTH is not to be had */
    struct rates_t *failures;  /**< of AUTH; null: nobody counts */
    struct turns_t *turns;     /**< for ETRN */
    struct rates_t *rates;     /**< what clients have sent; null: nobody counts */
    zm_dns_t *dns;             /**< for the names of clients; null: they are not asked for */
    zm_counters_t *counters;   /**< may be null */
    journal_t *journal;        /**< null: none */
    space_t space;
    bool local;       /**< -i: the client is a program on standard input */
    bool batch;       /**< -B: protocol name BSMTP */
    bool echo;        /**< -v: commands are shown among the replies */
    bool gullible;    /**< -g: with helo_check, a bad greeting is let pass after all */
    bool helo_check;  /**< -h: a malformed greeting is refused */
    bool syslog;      /**< SYSLOGFLG has S */
    int strictness;   /**< -s: 1 strict, -1 sloppy */
    int64_t max_load; /**< -L; PATTERN_NO_LOAD or 0: any */
    int style;        /**< PATTERN_ flags before a greeting and when no pattern matches */
    unsigned slot;    /**< number of this process, for tags */
    /* kept by the sessions */
    double load; /**< average, as of load_asked */
    apr_time_t load_asked;
    apr_time_t complained;      /**< of a missing configuration */
    unsigned number;            /**< of the next session */
    struct session_t *sessions; /**< those open */
    int open;                   /**< how many */
    uint64_t accepted, refused_recipients;
    zm_buf_t scratch;         /**< decoded data, used within one call */
    zm_buf_t text, line;      /**< a reply, used within one call */
    apr_pool_t *scratch_pool; /**< to be made by the owner; cleared by the sessions */
} server_t;

#endif
