/**
 * The command line of sendmail(8), as every program that was ever written
 * against Sendmail, Postfix, Exim and their kin uses it.
 *
 * Options may stand after recipients, be clustered, and take their argument
 * attached or as the next word.  What has no meaning here is accepted in
 * silence; what would mislead the caller is refused.
 */
#ifndef ZM_MTA_SUBMIT_SENDMAIL_OPTIONS_H
#define ZM_MTA_SUBMIT_SENDMAIL_OPTIONS_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>

#include "platform/status.h"
#include "platform/str.h"

typedef enum sendmail_mode_t {
    SENDMAIL_SUBMIT,
    SENDMAIL_SMTP,    /**< -bs: SMTP on standard input and output */
    SENDMAIL_DAEMON,  /**< -bd: start the daemons */
    SENDMAIL_TEST,    /**< -bt: interactive address test */
    SENDMAIL_ALIASES, /**< -bi, -I */
    SENDMAIL_QUEUE,   /**< -bp: list the queue */
    SENDMAIL_VERIFY,  /**< -bv: say where mail would go; sends nothing */
    SENDMAIL_FLUSH,   /**< -q alone: have the scheduler try now what waits */
    SENDMAIL_NOTHING, /**< -q30m, -bz: nothing to do, exit 0 */
    SENDMAIL_HELP,
    SENDMAIL_VERSION,
    SENDMAIL_UNSUPPORTED /**< called as hoststat, purgestat */
} sendmail_mode_t;

typedef struct sendmail_options_t {
    sendmail_mode_t mode;
    const char *zconfig;      /**< --zconfig FILE, -Z FILE */
    const char *root;         /**< --root DIR: a private instance */
    const char *router_cf;    /**< -C */
    const char *postoffice;   /**< -oQ, -O QueueDirectory= */
    const char *body_type;    /**< -B, upper case */
    const char *full_name;    /**< -F */
    const char *sender;       /**< -f, -r; null: not given; "": the null path */
    const char *envid;        /**< -V */
    const char *notify;       /**< -N, upper case */
    const char *ret;          /**< -R, upper case */
    const char *protocol;     /**< -p */
    const char *priority;     /**< -P */
    bool external;            /**< -E */
    bool ignore_dots;         /**< -i, -oi */
    bool keep_from;           /**< -s */
    bool from_header;         /**< -t */
    bool verbose;             /**< -v */
    bool quiet;               /**< -oeq */
    char error_mode;          /**< -oe: one of e m p q w; 0: not given */
    const char *flush_option; /**< -q with a choice: an option of mailq for it; else null */
    const char *flush_value;
    bool version;                   /**< --version, -d0: print it (and go on, with -d0) */
    bool by_name;                   /**< called as mailq or newaliases */
    apr_array_header_t *recipients; /**< of const char *, the words as given */
    apr_array_header_t *rest;       /**< with by_name: all arguments */
} sendmail_options_t;

/**
 * Reads a command line.  The base name of argv[0] may choose the mode (mailq,
 * newaliases, smtpd).  On failure the error says which word is wrong; the
 * caller exits 64.
 */
apr_status_t sendmail_options_parse(sendmail_options_t **options, int argc, const char *const *argv,
                                    apr_pool_t *pool, zm_error_t *error);

extern const char sendmail_usage[];

#endif
