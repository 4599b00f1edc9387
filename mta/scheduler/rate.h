/**
 * Values of the shaping parameters of scheduler.conf: "so many in such a time",
 * and replies that suspend a destination.
 */
#ifndef ZM_SCHEDULER_RATE_H
#define ZM_SCHEDULER_RATE_H

#include <apr_pools.h>

#include "platform/status.h"
#include "platform/str.h"

/** "60/1m": at most count in each period, which begins with the first. */
typedef struct zm_rate_t {
    uint32_t count;  /**< 0: no limit */
    uint32_t period; /**< seconds */
} zm_rate_t;

/** A reply like this suspends its destination for so long. */
typedef struct zm_suspend_t {
    zm_str_t pattern;
    uint32_t time; /**< seconds */
} zm_suspend_t;

/** "N/TIME", N from 1; "0" takes a limit away.  ZM_E_SYNTAX. */
apr_status_t zm_rate_parse(zm_rate_t *rate, zm_str_t text);
void zm_rate_print(zm_buf_t *out, const zm_rate_t *rate);

/** "PATTERN=TIME; PATTERN=TIME".  ZM_E_SYNTAX with what was expected in *error. */
apr_status_t zm_suspend_parse(const zm_suspend_t **list, int *count, zm_str_t text,
                              apr_pool_t *pool, zm_error_t *error);
void zm_suspend_print(zm_buf_t *out, const zm_suspend_t *list, int count);

#endif
