/**
 * Where the scheduler answers mailq: the value of PARAMmailqsock in
 * scheduler.conf, as the scheduler listens there and as mailq finds it.
 *
 *     UNIX:/path  /path           a local socket
 *     TCP:174  TCP:mailq  174     a TCP port or service
 */
#ifndef ZM_MTA_CONF_MAILQSOCK_H
#define ZM_MTA_CONF_MAILQSOCK_H

#include "mta/conf/zenv.h"

#define ZM_MAILQ_PORT 174

typedef struct zm_mailqsock_t {
    const char *path; /**< of the local socket; null: it is a TCP port */
    uint16_t port;
} zm_mailqsock_t;

/** Null or empty text: the service "mailq", else port 174.  ZM_E_SYNTAX.  The path is allocated in
 * pool. */
apr_status_t zm_mailqsock_parse(zm_mailqsock_t *sock, const char *text, apr_pool_t *pool);

/** The value that a scheduler.conf sets, with ${NAME} expanded; null when it sets none or cannot be
 * read. */
const char *zm_mailqsock_configured(const char *scheduler_conf, const zm_zenv_t *zenv,
                                    apr_pool_t *pool);

#endif
