/**
 * Private instances: a whole ZMailer below one directory, for an ordinary user,
 * a test, or a second domain.  Nothing of it stands elsewhere:
 *
 *     DIR/etc/zmailer.conf    the site variables
 *     DIR/share/              $MAILSHARE: router.cf, scheduler.conf, smtpserver.conf, forms
 *     DIR/var/                $MAILVAR: mail.conf, db/, lists/
 *     DIR/postoffice/         the spool
 *     DIR/mail/               mailboxes
 *     DIR/log/                logs
 */
#ifndef ZM_MTA_ADMIN_INSTANCE_H
#define ZM_MTA_ADMIN_INSTANCE_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdint.h>

#include "platform/identity.h"
#include "platform/status.h"

typedef struct instance_options_t {
    const char *root;
    const char *hostname; /**< null: the system's */
    int64_t smtp_port;    /**< 0: 2525 */
    const char
        *smart_host; /**< where all remote mail goes, "[127.0.0.1]:2526" or a name; null: by MX */
    const char *local_domains; /**< further local domains, comma separated; null: none */
    const char *users; /**< mailboxes without a system account, comma separated; null: none */
    const char *mailbox_form; /**< "mbox" or "maildir" */
    const char *engine;       /**< of the spool: "native", "emulated"; null: what suits */
} instance_options_t;

/** Makes the instance.  Files that exist are left alone, so it may be run again. */
apr_status_t instance_init(const instance_options_t *options, apr_pool_t *pool, zm_error_t *error);

/** Gives a directory and all below it to an account. */
apr_status_t instance_give(const char *path, zm_uid_t uid, apr_pool_t *pool, zm_error_t *error);

#endif
