/**
 * Wall and monotonic time, both replaceable in tests.  Unit: microseconds
 * (apr_time_t).
 */
#ifndef ZM_PLATFORM_CLOCK_H
#define ZM_PLATFORM_CLOCK_H

#include <apr_time.h>

apr_time_t zm_clock_wall(void);      /**< since 1970 UTC */
apr_time_t zm_clock_monotonic(void); /**< never goes back; the origin has no meaning */

/** Tests: from now on both clocks stand still at these values until moved again. */
void zm_clock_freeze(apr_time_t wall, apr_time_t monotonic);
void zm_clock_advance(apr_interval_time_t by);
void zm_clock_thaw(void);

/** "Sat, 21 Nov 2026 04:59:47 +0000" (RFC 5322, local offset; utc non-zero: +0000). buffer of at least 40 bytes. */
void zm_clock_rfc5322(char *buffer, apr_size_t size, apr_time_t when, int utc);

#endif
