/**
 * When a thread is tried again.  Arithmetic only; times are Unix seconds.
 *
 * The k-th failed run in a row is followed by a pause of retries[k] intervals,
 * counted from its end; after the last factor the sequence goes on from a
 * random one.  The result is drawn towards the nearest multiple of the
 * interval, wholly with skew 1, by a skew-th part of the way otherwise, so
 * that threads of one interval come to be tried together.
 */
#ifndef ZM_SCHEDULER_RETRY_H
#define ZM_SCHEDULER_RETRY_H

#include "mta/scheduler/params.h"

/** The next attempt after a run that ended now, and *index moved on; 0 when there is none.  Always
 * after now. */
int64_t zm_retry_next(const zm_params_t *params, uint16_t *index, int64_t now, uint32_t random);

/** What zm_retry_next would give, without moving on. */
int64_t zm_retry_preview(const zm_params_t *params, uint16_t index, int64_t now);

#endif
