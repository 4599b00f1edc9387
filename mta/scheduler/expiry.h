/**
 * Giving up: recipients that became too old, and reports of delay on the way.
 *
 * A vertex is due when its message is older than `expiry` and it has been
 * attempted, or older than `expiry` + `expiry2` in any case.  Each vertex waits
 * in a heap for the next moment at which it has to be looked at.
 */
#ifndef ZM_SCHEDULER_EXPIRY_H
#define ZM_SCHEDULER_EXPIRY_H

#include "mta/scheduler/queue.h"

/** (Re)computes when a vertex has to be looked at. */
void zm_expiry_arm(zm_scheduler_t *scheduler, zm_vertex_t *vertex);
/** The same for all: the clock was set. */
void zm_expiry_rearm(zm_scheduler_t *scheduler);
/** Looks at what has come due, at most `budget` recipients; true when there is more. */
bool zm_expiry_run(zm_scheduler_t *scheduler, int budget);

/** Whether an attempted vertex will be over-age at that time. */
bool zm_expiry_before(const zm_vertex_t *vertex, int64_t when);
/** Whether it is over-age now, attempted or not. */
bool zm_expiry_is_due(const zm_scheduler_t *scheduler, const zm_vertex_t *vertex);
/** When it will expire, Unix seconds; 0 never. */
int64_t zm_expiry_time(const zm_vertex_t *vertex);

/** Returns one recipient to its sender.  The vertex may be gone afterwards. False: not possible
 * now. */
bool zm_expiry_recipient(zm_scheduler_t *scheduler, zm_vertex_t *vertex, uint32_t index);
/** The same, for a reason of the caller's. */
bool zm_expiry_give_up(zm_scheduler_t *scheduler, zm_vertex_t *vertex, uint32_t index,
                       zm_str_t notary, zm_str_t text);

#endif
