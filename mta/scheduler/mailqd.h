/**
 * The server of mailq: version 1, which writes the queue and closes, and
 * version 2, which takes commands of users who prove who they are.
 */
#ifndef ZM_SCHEDULER_MAILQD_H
#define ZM_SCHEDULER_MAILQD_H

#include "mta/scheduler/scheduler.h"
#include "platform/loop.h"

typedef struct zm_mailqd_t zm_mailqd_t;

typedef struct zm_mailqd_options_t {
    zm_loop_t *loop;
    zm_scheduler_t *scheduler;
    const char *socket;    /**< PARAMmailqsock, null: the mailq port */
    const char *bind;      /**< BINDADDR, null: any */
    const char *authfile;  /**< PARAMauthfile, null: none */
    int version;           /**< 1 or 2; an account file that can be read makes it 2 */
    bool syslog;           /**< messages that are killed are told there */
    bool summary;          /**< version 1 without vertices */
    const zm_zenv_t *zenv; /**< for SCHEDULER_M_EXTRA; null: none */
    void (*settle)(void *baton);
    void *baton;
} zm_mailqd_options_t;

apr_status_t zm_mailqd_open(zm_mailqd_t **mailqd, const zm_mailqd_options_t *options,
                            apr_pool_t *pool, zm_error_t *error);
void zm_mailqd_close(zm_mailqd_t *mailqd);

/**
 * Decides anew between version 1 and 2.  In between an account file that comes
 * makes it 2, and one that goes does not make it 1: then nobody is admitted.
 */
void zm_mailqd_reload(zm_mailqd_t *mailqd);

/** Writes the text of version 1 into a file, replacing it. */
apr_status_t zm_mailqd_dump(zm_scheduler_t *scheduler, const char *path, apr_pool_t *pool,
                            zm_error_t *error);

#endif
