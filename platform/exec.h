/**
 * This process: becoming another program, and its standard streams.
 */
#ifndef ZM_PLATFORM_EXEC_H
#define ZM_PLATFORM_EXEC_H

#include <apr_time.h>
#include <stdbool.h>

#include "platform/status.h"

/**
 * Runs argv[0] (an absolute path) in place of this program, with its standard
 * streams and environment.  Where the system cannot replace a program it is run
 * as a child and this program ends with its exit status.  Returns only on
 * failure.
 */
apr_status_t zm_program_exec(const char *const *argv, zm_error_t *error);

/** Whether a standard stream (0, 1, 2) is a terminal. */
bool zm_program_is_terminal(int stream);

/**
 * Gives each standard stream that the caller has closed a null device: else the first file that is
 * opened would take its place, and messages for people would go into it.  Reading from such a
 * standard input fails.  Every program calls this first (the option readers do).
 */
void zm_program_fill_streams(void);

/** Standard input and output pass bytes as they are (nothing to do on Unix; no CR LF translation on
 * Windows). */
void zm_program_binary_streams(void);

/** Sets the permission bits that new files are denied; returns those before. */
unsigned zm_program_umask(unsigned mask);
/** CPU time of the children that have ended, microseconds; 0 where the system does not tell. */
void zm_program_child_times(apr_time_t *user, apr_time_t *system);

#endif
