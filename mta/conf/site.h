/**
 * What every program makes of the site variables before it does anything else:
 * the open spool, the submitter, the host name, the account for files of root
 * programs.
 */
#ifndef ZM_MTA_CONF_SITE_H
#define ZM_MTA_CONF_SITE_H

#include "mta/conf/zenv.h"
#include "platform/identity.h"
#include "spool/submit.h"

/** Opens the spool at POSTOFFICE.  loop may be null: then only waiting calls can be made.
 * SUBMIT_FSYNC=no is honoured. */
apr_status_t zm_site_spool(zm_spool_t **spool, const zm_zenv_t *zenv, zm_loop_t *loop,
                           apr_pool_t *pool, zm_error_t *error);

/** SUBMIT_TRANSPORT: how programs of users hand in mail.  Daemons always use the spool. */
typedef enum zm_site_transport_t {
    ZM_TRANSPORT_DROPBOX, /**< they write into the spool */
    ZM_TRANSPORT_SOCKET,  /**< they give it to the SMTP server */
    ZM_TRANSPORT_EITHER   /**< to the SMTP server; where none answers, into the spool */
} zm_site_transport_t;
apr_status_t zm_site_transport(zm_site_transport_t *transport, const zm_zenv_t *zenv, zm_error_t *error);

/** Where messages are submitted: ROUTERNOTIFY, INPUTDIRS and so on.  Strings live as long as zenv
 * and pool. */
void zm_site_submitter(zm_submitter_t *submitter, const zm_zenv_t *zenv, zm_spool_t *spool,
                       apr_pool_t *pool);

/** A path variable, or this name below POSTOFFICE when it is not set ("SCHEDULERNOTIFY",
 * ".scheduler.notify"). */
const char *zm_site_path(const zm_zenv_t *zenv, const char *variable, const char *below_postoffice,
                         apr_pool_t *pool);

/** Our host name: MYHOSTNAME, else the system's; never asks DNS.  "localhost" when there is none.
 */
const char *zm_site_hostname(const zm_zenv_t *zenv, apr_pool_t *pool);

/**
 * The owner of messages that a program submits: of a root program TRUSTEDUSER
 * (account or uid, default "daemon"; root itself when there is none), of others
 * themselves (ZM_UID_NONE).
 */
zm_credentials_t zm_site_trusted(const zm_zenv_t *zenv, apr_pool_t *pool);

/** MAILPRIORITY words and numbers: high and normal 0, bulk 1, junk 9; negative and null 0. False:
 * not understood. */
bool zm_site_priority(int *priority, const char *text);

#endif
