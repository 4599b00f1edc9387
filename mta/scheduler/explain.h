/**
 * scheduler --check: what scheduler.conf makes of a destination, in words.
 */
#ifndef ZM_SCHEDULER_EXPLAIN_H
#define ZM_SCHEDULER_EXPLAIN_H

#include "mta/scheduler/daemon.h"

/** Prints for "CHANNEL/HOST".  Returns the exit code. */
int zm_explain_destination(const zm_daemon_options_t *options, const char *destination,
                           apr_pool_t *pool);

#endif
