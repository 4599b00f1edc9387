/**
 * DELIVERBY (RFC 2852): recipients with a time by which their mail is to be
 * delivered.
 *
 * When it has passed, a recipient of mode R is returned to its sender; of one
 * of mode N the sender is told that it is late, once, and attempts go on.
 */
#ifndef ZM_SCHEDULER_DEADLINE_H
#define ZM_SCHEDULER_DEADLINE_H

#include "mta/scheduler/queue.h"

/** Whether the time of any recipient has passed, and was not looked at yet. */
bool zm_deadline_is_due(const zm_scheduler_t *scheduler, const zm_vertex_t *vertex);
/** Does what is to be done.  False: the vertex is gone. */
bool zm_deadline_act(zm_scheduler_t *scheduler, zm_vertex_t *vertex);

#endif
