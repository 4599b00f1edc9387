/**
 * Who has a mailbox here: the accounts of the system and, where the site
 * variable MAILUSERS names a file, the mailboxes in it that have no account.
 *
 * MAILUSERS has a line "NAME" for each, '#' starts a comment.  Their mail is delivered
 * with the rights of the owner of that file, who must be the only one able to
 * write it.  Private instances and mail-only hosts use it.
 */
#ifndef ZM_MTA_CONF_ACCOUNTS_H
#define ZM_MTA_CONF_ACCOUNTS_H

#include "mta/conf/zenv.h"
#include "platform/identity.h"

typedef struct zm_accounts_t zm_accounts_t;

typedef struct zm_account_t {
    const char *name;
    zm_uid_t uid, gid;
    const char *home;      /**< null for a mailbox without an account */
    const char *shell;     /**< null likewise */
    const char *full_name; /**< of its person; null: not known */
    bool mailbox_only;
} zm_account_t;

/** Reads MAILUSERS if it is set.  ZM_E_UNSAFE when others may write it, ZM_E_CONFIG when it cannot
 * be read. */
apr_status_t zm_accounts_open(zm_accounts_t **accounts, const zm_zenv_t *zenv, apr_pool_t *pool,
                              zm_error_t *error);

/**
 * Finds a name: MAILUSERS first, then the system.  APR_ENOENT when nobody has it,
 * ZM_E_TEMPORARY when that cannot be told now.  The file is read again when it
 * has changed.
 */
apr_status_t zm_accounts_find(zm_account_t **account, zm_accounts_t *accounts, const char *name,
                              apr_pool_t *pool);

#endif
