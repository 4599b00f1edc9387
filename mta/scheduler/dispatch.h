/**
 * Who is served next.
 *
 * A thread that has something to do and may do it now is ready.  Ready threads
 * queue in their ring, first come first served; rings with ready threads take
 * turns.  A ring whose first thread is refused by a limit waits until that
 * limit gives way, and holds up no other ring.  To make room under a limit the
 * longest idle agent of another ring is sent away.
 */
#ifndef ZM_SCHEDULER_DISPATCH_H
#define ZM_SCHEDULER_DISPATCH_H

#include "mta/scheduler/queue.h"

/** A vertex was added to the thread: serve it at once, unless its clause says otherwise. */
void zm_dispatch_arrival(zm_scheduler_t *scheduler, zm_thread_t *thread);
/** Queues a thread to be served. */
void zm_dispatch_ready(zm_scheduler_t *scheduler, zm_thread_t *thread);
void zm_dispatch_unready(zm_scheduler_t *scheduler, zm_thread_t *thread);

/** Serves what is ready. */
void zm_dispatch(zm_scheduler_t *scheduler);

/** Something that counts against the limits of this ring has ended, or an agent became idle. */
void zm_dispatch_released(zm_scheduler_t *scheduler, zm_ring_t *ring);
/** The ring's agents may be able to take threads now. */
void zm_dispatch_offer(zm_scheduler_t *scheduler, zm_ring_t *ring);
/** An agent of the ring ended before it asked for work: start none for a while. */
void zm_dispatch_hold_back(zm_scheduler_t *scheduler, zm_ring_t *ring);
/** The time that a ring waited for has come. */
void zm_dispatch_resume(zm_scheduler_t *scheduler, zm_ring_t *ring);
/** A ring is about to be freed. */
void zm_dispatch_forget_ring(zm_scheduler_t *scheduler, zm_ring_t *ring);

/** Whether others wait for what this ring's threads hold. */
bool zm_dispatch_contended(const zm_scheduler_t *scheduler, const zm_ring_t *ring);

/** Why a thread is not being served. */
/** Why an agent of the ring did not start, or was of no use; empty: it asked for work. */
void zm_dispatch_trouble(zm_scheduler_t *scheduler, zm_ring_t *ring, zm_str_t why);
zm_pending_t zm_thread_pending(const zm_scheduler_t *scheduler, const zm_thread_t *thread);

#endif
