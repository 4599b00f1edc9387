/**
 * Giving up what a process does not need any more.
 *
 * Linux: no new privileges, and Landlock rules for the filesystem.  OpenBSD:
 * unveil and pledge.  Where the system has nothing of the kind the process goes
 * on as it is: the sandbox is a second wall, never the only one.
 */
#ifndef ZM_PLATFORM_SANDBOX_H
#define ZM_PLATFORM_SANDBOX_H

#include <stdbool.h>

#include "platform/status.h"

/** What stays allowed.  Lists are null ended paths of files or directory trees; a null list is empty; absent paths are skipped. */
typedef struct zm_sandbox_t {
    const char *const *read;    /**< read files, list directories */
    const char *const *write;   /**< also write, create, link, rename and remove, across these trees too */
    const char *const *execute; /**< read and execute programs */
    bool network;               /**< sockets other than local ones (where the system can tell) */
    bool children;              /**< start programs (where the system can tell) */
} zm_sandbox_t;

/**
 * Enters the sandbox for good; children inherit it.  What is open stays usable.
 * Call before threads start.  Never call it in a process that starts set-id
 * programs for users: they lose their rights.
 *
 * ZM_E_UNSUPPORTED, also written to the log, when the system cannot hold the
 * process to all of this; callers go on then.  Other failures mean that a wall
 * that the system has could not be raised.
 */
apr_status_t zm_sandbox_enter(const zm_sandbox_t *allowed, zm_error_t *error);

#endif
