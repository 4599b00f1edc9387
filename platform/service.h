/**
 * How a daemon lives: in the foreground, as a Unix daemon, or under the
 * Windows service manager; its pid file; telling when it is ready.
 */
#ifndef ZM_PLATFORM_SERVICE_H
#define ZM_PLATFORM_SERVICE_H

#include <apr_pools.h>

#include "platform/status.h"

typedef struct zm_pidfile_t zm_pidfile_t;

/**
 * Unix: fork twice, own session and process group, standard streams to
 * /dev/null, umask 022, personal variables out of the environment.  The
 * original process waits until zm_service_ready is called in the daemon and
 * exits 0, or prints the daemon's reason and exits with its code when it ends
 * before.  A process that init started stays in the foreground.  Call before
 * threads start, before locks are taken, and before the log goes to standard
 * error, which ends here.
 */
apr_status_t zm_service_detach(zm_error_t *error);

/** Says that the program serves: ends the wait of zm_service_detach and notifies systemd (NOTIFY_SOCKET). */
void zm_service_ready(void);

/** Ends a starting daemon with a reason that the waiting parent prints; in the foreground prints and exits. */
void zm_service_fail(int code, const char *text) __attribute__((noreturn));

/** Writes our pid into path (decimal, LF) and keeps the file locked; ZM_E_BUSY when a live process holds it. */
apr_status_t zm_pidfile_take(zm_pidfile_t **pidfile, const char *path, apr_pool_t *pool, zm_error_t *error);
/** The pid of the live holder; APR_ENOENT when there is none (also when the file is stale). */
apr_status_t zm_pidfile_holder(apr_int64_t *pid, const char *path, apr_pool_t *pool);
void zm_pidfile_release(zm_pidfile_t *pidfile); /**< removes the file */

/** The directory prefix below which this program is installed (".../bin/x" and ".../libexec/zmailer/x" give "..."). */
apr_status_t zm_service_prefix(const char **prefix, apr_pool_t *pool);
/** The absolute path of the running program. */
apr_status_t zm_service_program(const char **path, apr_pool_t *pool);

#endif
