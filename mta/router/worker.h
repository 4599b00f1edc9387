/**
 * A worker: one interpreter with the site's configuration, routing one message
 * after another.
 */
#ifndef ZM_MTA_ROUTER_WORKER_H
#define ZM_MTA_ROUTER_WORKER_H

#include "mta/conf/accounts.h"
#include "mta/conf/counters.h"
#include "mta/conf/site.h"
#include "mta/mail/header_table.h"
#include "mta/router/pickup.h"
#include "mta/script/script.h"

struct router_message_t;

/** Copies for the postmaster, switched on and off by the script command squirrel. */
enum {
    ROUTER_SQUIRREL_BREAKIN = 1,
    ROUTER_SQUIRREL_BADHEADER = 2,
    ROUTER_SQUIRREL_ILLHEADER = 4,
    ROUTER_SQUIRREL_NOCHANNEL = 8,
    ROUTER_SQUIRREL_NOSENDER = 16
};

typedef struct router_worker_t {
    zm_zenv_t *zenv;
    zm_script_t *script;
    zm_spool_t *spool;
    zm_submitter_t submitter;
    zm_counters_t *counters; /**< of the system: what is routed */
    router_opener_t *opener;
    zm_accounts_t *accounts;
    apr_pool_t *pool;
    zm_uid_t nobody;
    zm_uid_t runas; /**< whose rights files are opened with: 0, or what the innermost runas said */
    const zm_account_t *account; /**< that a script asked about last; null: none */
    zm_str_t account_name;
    apr_time_t account_time;
    apr_pool_t *account_pool;
    zm_user_t *owner;      /**< of the last message; null: none yet */
    apr_time_t owner_time; /**< when the system was asked */
    apr_pool_t *owner_pool;
    zm_file_t *judged; /**< the file that filepriv looked at last, for the next cat; null: none */
    const char *judged_path;
    apr_pool_t *judged_pool; /**< of the file and its path */
    zm_uid_t own; /**< a worker that is not root trusts the account that it runs as: reports of
                     ours are its files */
    const char *hostname; /**< set by the configuration; without one nothing is routed */
    zm_header_table_t *header_table;
    const char *scheduler_notify;
    int hash_levels; /**< of queue/ and transport/ */
    unsigned squirrel;
    const char *bad_address_file; /**< of erraddron; null: off */
    unsigned message_ids;         /**< made by this process */
    bool illegal_object;          /**< -W: bad header fields are shown as Illegal-Object */
    bool no_fromto;               /**< -l */
    bool fromto_syslog;           /**< -S */
    bool served;                  /**< by a master */
    unsigned lines;               /**< logged for the scripts in this message */
    bool alone;                   /**< the command daemon was given: see alone.h */
    bool unstable;                /**< said by the command stability; changes nothing */
    bool assisting;               /**< serves the SMTP server's questions */
    const char *syslog; /**< "R..." or "r..." of SYSLOGFLG: how messages are told to the system's
                           log; null: not at all */
    struct router_message_t *message; /**< being routed; null in between */
} router_worker_t;

typedef struct router_worker_options_t {
    zm_zenv_t *zenv;
    const char *config;             /**< router.cf; null: none is loaded */
    const char *pickup_socket;      /**< null: files are opened directly */
    const char *script_flags;       /**< -o */
    const char *const *environment; /**< of this process, for the scripts; null: none */
    const char *const
        *traces; /**< -t: words for the command trace, once the configuration is loaded */
    int trace_count;
    bool illegal_object, no_fromto, fromto_syslog;
    bool old_sift; /**< of the original's ways, the one of the language (script.h) */
    bool served;   /**< by a master, who says when to end: signals that end programs do nothing */
} router_worker_options_t;

/** Opens the spool and loads the configuration.  Errors of the configuration name file and line. */
apr_status_t router_worker_open(router_worker_t **worker, const router_worker_options_t *options,
                                apr_pool_t *pool, zm_error_t *error);

/** Routes one message by its spool name, through the configuration's function `process`. */
void router_worker_process(router_worker_t *worker, const char *name);

/**
 * Gives up, for good, writing anywhere but in the spool, MAILVAR and the folder
 * of the log (null: LOGDIR).  Does nothing for root.
 */
apr_status_t router_worker_confine(router_worker_t *worker, const char *log, zm_error_t *error);

/** Serves the master on standard input and output until its end; returns the exit code. */
int router_worker_serve(router_worker_t *worker);

#endif
