/**
 * Shaping: how many messages and connections in a time, and destinations that
 * are left alone for a while because of what they answered.
 *
 * Rates are counted in periods that begin with their first message or
 * connection.  What is known of a destination outlives its thread, until its
 * period and its suspension are over, since a thread goes with its last message.
 */
#ifndef ZM_SCHEDULER_SHAPE_H
#define ZM_SCHEDULER_SHAPE_H

#include "mta/scheduler/queue.h"

/** Set up and end the table of destinations. */
void zm_shapes_init(zm_table_t *table);
void zm_shapes_end(zm_scheduler_t *scheduler);

/**
 * When the thread may be served as far as its own rates and its suspension go:
 * 0 now, else Unix seconds; *why is set then.
 */
uint32_t zm_shape_thread_until(const zm_scheduler_t *scheduler, const zm_thread_t *thread,
                               zm_pending_t *why);
/** The same for the rates of its ring and channel. */
uint32_t zm_shape_ring_until(const zm_scheduler_t *scheduler, const zm_ring_t *ring,
                             zm_pending_t *why);
/** Whether a period of the ring's rates or its channel's runs, so that it must not be forgotten. */
bool zm_shape_ring_paced(const zm_scheduler_t *scheduler, const zm_ring_t *ring);
/** How many messages the thread may be given now; UINT32_MAX without rates. */
uint32_t zm_shape_allowance(const zm_scheduler_t *scheduler, const zm_thread_t *thread);
/** A message was given to an agent, or an agent begins with the destination. */
void zm_shape_count(zm_scheduler_t *scheduler, const zm_thread_t *thread, zm_paced_t what);

/** What a destination answered: suspends it when the clause says so.  True: it does. */
bool zm_shape_reply(zm_scheduler_t *scheduler, const zm_thread_t *thread, zm_str_t text,
                    zm_str_t notary);
/** Until when the destination is suspended, Unix seconds; 0: it is not. */
uint32_t zm_shape_suspended(const zm_scheduler_t *scheduler, const zm_thread_t *thread);
/** By command: forgets suspension and rates of the destination. */
void zm_shape_reset(zm_scheduler_t *scheduler, const zm_thread_t *thread);
/** Forgets destinations whose time is over; to be called now and then. */
void zm_shape_sweep(zm_scheduler_t *scheduler);

/** For an administrator: a line for each rate of the clause, and the suspension. */
void zm_shape_print(zm_buf_t *out, const zm_scheduler_t *scheduler, const zm_thread_t *thread,
                    const char *indent);

#endif
