/**
 * What the command line and the site variables say to mailbox.
 */
#ifndef ZM_TA_MAILBOX_OPTIONS_H
#define ZM_TA_MAILBOX_OPTIONS_H

#include "mta/conf/accounts.h"
#include "mta/conf/zenv.h"
#include "platform/child.h"
#include "platform/identity.h"

typedef struct zm_mailbox_options_t {
    const char *channel;   /**< -c */
    const char *host;      /**< -h */
    const char *directory; /**< -d: directory or format; null: MAILBOX, else the usual places */
    const char *log;       /**< -l */
    int name_levels;       /**< -D */
    int pjw_levels;        /**< -P */
    int crc_levels;        /**< -X */
    bool canonical;        /**< -C: the account's own spelling names the mailbox */
    bool quota_permanent;  /**< -F edquot */
    bool uidl;             /**< -U */
    bool mmdf;             /**< -M */
    bool decode;           /**< -8 */
    bool keep_eight_bit;   /**< -H */
    bool no_create;        /**< -g */
    bool lose_read_time;   /**< -a: reading times of mailboxes are not kept */
    bool no_biff;          /**< -b */
    int64_t quota;         /**< -q: octets of a mailbox file; 0: any number */

    /* Site variables. */
    const char *charset;      /**< DEFCHARSET; null: not set */
    bool domain_aware;        /**< DOMAIN_AWARE_GETPWNAM */
    bool dotlock;             /**< MBOXLOCKS, mailboxes */
    char mailbox_lock;        /**< likewise: 'L' lockf, 'F' flock */
    char file_lock;           /**< MBOXLOCKS, files */
    bool root_pipes;          /**< MBOX_ALLOW_ROOT_PIPES */
    int64_t stall_limit;      /**< MBOX_PIPE_TIMEOUT, seconds */
    zm_child_limits_t limits; /**< MBOX_PIPE_LIMITS */
    bool biff;                /**< MBOX_BIFF: tell comsat of what came */
    uint16_t biff_port;       /**< of comsat on this machine */
    zm_credentials_t nobody;  /**< NOBODY */
    zm_accounts_t *accounts;  /**< who has a mailbox: MAILUSERS and the system */
    bool privileged;          /**< we can become other users */
} zm_mailbox_options_t;

/** Reads argv.  False: the process ends with *code. */
bool zm_mailbox_command_line(zm_mailbox_options_t *options, int argc, char **argv, int *code);

/** Reads the site variables. */
apr_status_t zm_mailbox_site(zm_mailbox_options_t *options, const zm_zenv_t *zenv, apr_pool_t *pool,
                             zm_error_t *error);

/** MBOXLOCKS: letters for mailboxes, ':', letters for files.  Part of zm_mailbox_site. */
apr_status_t zm_mailbox_locks(zm_mailbox_options_t *options, const char *text, zm_error_t *error);

#endif
