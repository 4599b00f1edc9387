/** Starting a program with everything that a zm_child_spec_t asks for. */
#ifndef ZM_WIN32_SPAWN_H
#define ZM_WIN32_SPAWN_H

#include "platform/child.h"

#include <windows.h>

/**
 * Starts the program; channel becomes its standard streams (INVALID_SOCKET: it
 * has ours).  The handles of *process are the caller's.  pool for scratch.
 */
apr_status_t zm_spawn(PROCESS_INFORMATION *process, const zm_child_spec_t *spec, SOCKET channel,
                      apr_pool_t *pool, zm_error_t *error);

/** A command line from which the program's start-up code makes these arguments again. */
apr_status_t zm_command_line(wchar_t **line, const char *const *argv, apr_pool_t *pool);

/**
 * CreateProcess with just these handles inherited.  environment: a block, or
 * null for ours; token: whose process, or null for ours.
 */
apr_status_t zm_create_process(PROCESS_INFORMATION *process, const wchar_t *program, wchar_t *line,
                               wchar_t *environment, const wchar_t *directory, DWORD flags,
                               HANDLE token, const HANDLE standard[3], const HANDLE *handles,
                               int count);

#endif
