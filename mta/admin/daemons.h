/**
 * Starting, stopping and asking after the daemons: router, scheduler,
 * smtpserver.
 */
#ifndef ZM_MTA_ADMIN_DAEMONS_H
#define ZM_MTA_ADMIN_DAEMONS_H

#include <apr_pools.h>
#include <stdbool.h>

#include "mta/conf/zenv.h"
#include "platform/control.h"

typedef struct daemon_t {
    const char *name;      /**< "router"; one of several servers is "smtpserver/NAME" */
    const char *program;   /**< below $MAILBIN */
    const char *pid_file;  /**< below $POSTOFFICE */
    const char *variable;  /**< ZENV variable with its options */
    const char *otherwise; /**< options when that is not set */
    bool group;            /**< its pid leads a process group that stops with it */
    const char *log;       /**< below $LOGDIR */
    const char *config;    /**< of one of several servers: its configuration, absolute; else null */
} daemon_t;

/**
 * The daemons of this site in the order of starting; ends with a null name.  Where
 * $MAILSHARE/smtpserver.conf is a directory there is a server for each file in it; then
 * $POSTOFFICE/.pid.smtpserver is a directory too.
 */
const daemon_t *daemons_of(const zm_zenv_t *zenv, apr_pool_t *pool);

/** Whether a word means this daemon: its name, at least four letters of it, or of one of several
 * servers what they have in common. */
bool daemon_is(const daemon_t *daemon, const char *word);

/** Which daemon runs on the spool in a directory, whatever its site is; null: none. */
const char *daemon_on(const char *postoffice, apr_pool_t *pool);

/** Runs a program with our standard streams to its end.  Returns its exit code; 70 or 71, and why,
 * when it has none. */
int daemon_run(const char *name, const char *const *argv, apr_pool_t *pool, zm_error_t *error);

/** Starts it in the background and waits until it is ready. Returns its exit code: 0 running. */
int daemon_start(const daemon_t *daemon, const zm_zenv_t *zenv, apr_pool_t *pool,
                 zm_error_t *error);

/** Becomes the daemon, in the foreground. Returns only on failure. */
apr_status_t daemon_become(const daemon_t *daemon, const zm_zenv_t *zenv, apr_pool_t *pool,
                           zm_error_t *error);

/**
 * Runs these daemons in the foreground until told to stop; one that ends is started again.  As a
 * service there is nobody to read what they say, so they write their logs, and those that do not
 * end within 20 seconds are killed.  Returns the exit code.
 */
int daemons_supervise(const daemon_t *const *list, int count, bool as_service,
                      const zm_zenv_t *zenv, apr_pool_t *pool);

/** Its pid, or 0 when it does not run. */
apr_int64_t daemon_pid(const daemon_t *daemon, const zm_zenv_t *zenv, apr_pool_t *pool);

/** Sends it a control event.  APR_ENOENT when it does not run. */
apr_status_t daemon_control(const daemon_t *daemon, zm_control_t event, const zm_zenv_t *zenv,
                            apr_pool_t *pool);

/**
 * Stops it (kill: at once) and waits until it is gone, at most so many seconds.
 * APR_ENOENT: it was not running; APR_TIMEUP: it still is.
 */
apr_status_t daemon_stop(const daemon_t *daemon, bool kill, int seconds, const zm_zenv_t *zenv,
                         apr_pool_t *pool);

#endif
