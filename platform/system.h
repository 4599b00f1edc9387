/**
 * What posix/ or win32/ supply to the common code of platform/.  Not for the
 * layers above: they use the header of the concern (clock.h, log.h, ...).
 */
#ifndef ZM_PLATFORM_SYSTEM_H
#define ZM_PLATFORM_SYSTEM_H

#include <apr_time.h>

#include "platform/log.h"
#include "platform/sandbox.h"

/** The system's monotonic clock in microseconds, whatever tests froze. */
apr_time_t zm_system_monotonic(void);

/**
 * Writes one line (NUL terminated, no line end, no control bytes) to syslog with
 * facility mail, or to the Windows event log.  ident names the program.  Thread
 * safe.  A log service that is not there loses the line.
 */
void zm_system_log(zm_log_level_t level, bool secret, const char *ident, const char *line);

/** zm_sandbox_enter without its log line. */
apr_status_t zm_system_sandbox(const zm_sandbox_t *allowed, zm_error_t *error);

#endif
