/**
 * Control events: the portable form of signals.
 *
 * Unix: stop TERM (and INT), slow stop QUIT, reopen logs HUP, reload USR1, dump USR2.
 * Windows: named events "Global\zmailer-PID-EVENT", the console's Ctrl-C, and
 * the service manager's stop.
 */
#ifndef ZM_PLATFORM_CONTROL_H
#define ZM_PLATFORM_CONTROL_H

#include "platform/loop.h"
#include "platform/status.h"

typedef enum zm_control_t {
    ZM_CONTROL_STOP,
    ZM_CONTROL_SLOW_STOP,
    ZM_CONTROL_REOPEN,
    ZM_CONTROL_RELOAD,
    ZM_CONTROL_DUMP,
    ZM_CONTROL_COUNT
} zm_control_t;

typedef void zm_control_fn(zm_control_t event, void *baton);

/** From now on control events of this process are calls on the loop.  One listener a process.  Also ignores SIGPIPE. */
apr_status_t zm_control_listen(zm_loop_t *loop, zm_control_fn *fn, void *baton);

/**
 * For a worker, which ends when its master closes the channel: from now on no control event, nor
 * SIGPIPE, ends this process, also when its whole group is told (as by Ctrl-C at a terminal).
 * Programs that it starts are not protected.  Not together with zm_control_listen.
 */
apr_status_t zm_control_decline(void);

/**
 * From now on this signal calls fn, in the middle of anything: fn may only note it.  Calls of the
 * system are not interrupted, and programs started later have the signal's default.  A null fn:
 * as zm_control_decline left it, or the default.  APR_EINVAL: the signal cannot be caught here.
 */
typedef void zm_signal_fn(int number);
apr_status_t zm_control_catch(int number, zm_signal_fn *fn);

/** Sends an event to a process, or with group to the process group that it leads. */
apr_status_t zm_control_send(apr_int64_t pid, bool group, zm_control_t event);

/** Ends a process (group) at once. */
apr_status_t zm_control_kill(apr_int64_t pid, bool group);

/** "stop", "slow-stop", "reopen", "reload", "dump" */
const char *zm_control_name(zm_control_t event);

#endif
