/** Fork and exec with everything that a zm_child_spec_t asks for. */
#ifndef ZM_POSIX_SPAWN_H
#define ZM_POSIX_SPAWN_H

#include <sys/types.h>

#include "platform/child.h"

/**
 * Starts the program; channel becomes its standard streams (-1: it has ours).
 * Returns when the program has been executed, or with the reason why not; a
 * child that could not execute it has been collected then.  pool for scratch.
 */
apr_status_t zm_spawn(pid_t *pid, const zm_child_spec_t *spec, int channel, apr_pool_t *pool,
                      zm_error_t *error);

#endif
