/**
 * Lengths of time as mailq and reports print them ("1 hour 5 mins", "1h5m").
 */
#ifndef ZM_SCHEDULER_DURATION_H
#define ZM_SCHEDULER_DURATION_H

#include <stdint.h>

#include "platform/str.h"

/** Large enough for any result. */
#define ZM_DURATION_SIZE 64

/**
 * "2 days 1 min 34 secs".  Minutes and seconds only while fewer than two of
 * days and hours were printed; zero units are left out; "-" before a negative.
 */
const char *zm_duration_long(char buffer[ZM_DURATION_SIZE], int64_t seconds);
/** "2d1m34s" by the same rule. */
const char *zm_duration_short(char buffer[ZM_DURATION_SIZE], int64_t seconds);

#endif
