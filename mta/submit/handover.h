/**
 * How programs of users hand in mail: into the spool, or through a socket.
 *
 * As SUBMIT_TRANSPORT says.  With "socket" a message is kept in a scratch file until it is whole
 * and then given to the SMTP server at SUBMIT_SERVER, which answers when it is safe in its spool:
 * who has success here may forget the message, as with the spool.  It is all or nothing: when one
 * recipient is refused, nobody gets it, so that whoever tries again makes no second copies.
 *
 *     SUBMIT_SERVER=127.0.0.1:25            (the default) or HOST:PORT, [ADDRESS]:PORT
 *     SUBMIT_SERVER=/run/zmailer/submit     a local socket
 *
 * With "socket,dropbox" a message goes into the spool where no server answers, or where it closes
 * the conversation before the message has been offered.
 *
 * The server sees the envelope that a reader of the spool would see: sender, recipients, body type
 * and DSN parameters.  Without a "to" line the recipients are those of the header.  Programs, files
 * and lists as recipients, and following a message (-v), take a spool.
 */
#ifndef ZM_MTA_SUBMIT_HANDOVER_H
#define ZM_MTA_SUBMIT_HANDOVER_H

#include <stdbool.h>

#include "mta/conf/site.h"

typedef struct handover_t {
    zm_submitter_t submitter; /**< for zm_submit_begin */
    zm_spool_t *spool;        /**< null: there is none, all goes through the socket */
    zm_error_t error;         /**< after a submission that failed: why, if text is not empty */
    bool used_socket;         /**< after one that did not: it went through the socket */

    /* private */
    const zm_zenv_t *zenv;
    zm_site_transport_t transport;
    zm_submitter_t dropbox;
    apr_pool_t *pool;
} handover_t;

/**
 * Makes ready for submissions.  unsynced: the caller does not ask for durability (SUBMIT_FSYNC=no
 * is honoured anyway).  The handover stays where it is until handover_close.
 *
 * What zm_submit_commit_wait returns for a message through the socket: ZM_E_TEMPORARY when no
 * server takes it now, ZM_E_PROTOCOL when the server refuses it for good, ZM_E_LIMIT when it is
 * too large, ZM_E_SYNTAX when its envelope cannot be said in SMTP.
 */
apr_status_t handover_open(handover_t *handover, const zm_zenv_t *zenv, bool unsynced,
                           apr_pool_t *pool, zm_error_t *error);
void handover_close(handover_t *handover);

#endif
