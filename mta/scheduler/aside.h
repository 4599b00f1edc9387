/**
 * Mail that the administrator has set aside: held, to be routed again, or to be
 * removed.
 *
 * A destination on hold is a thread with a flag: it is not served, and what
 * arrives for it waits, too.  Everything else that is set aside lies in threads
 * beside the ordinary one of the same channel and host:
 *
 *     HELD      single messages on hold
 *     REROUTE   served once, by the agent reroute; what it leaves comes back
 *     KILL      recipients are removed, and nobody is told
 *     RETURN    recipients are returned to their senders
 *
 * Such a thread is not found by zm_queue_thread, so that new mail does not join
 * it.  Removing goes on in bounded steps (zm_aside_run), however long the
 * thread.  Recipients that an agent has are left to it; they are looked at when
 * its run ends.
 *
 * A crash forgets threads beside the ordinary ones, and with them what was not
 * removed or routed again yet; holds are kept (holds.h).
 */
#ifndef ZM_SCHEDULER_ASIDE_H
#define ZM_SCHEDULER_ASIDE_H

#include "mta/scheduler/queue.h"

/** The destination is not served until it is released.  True: it has mail. */
bool zm_aside_hold_thread(zm_scheduler_t *scheduler, zm_str_t channel, zm_str_t host);
/** Serves it again, and brings back its messages that are held or wait for reroute.  True: there
 * was something to release. */
bool zm_aside_release_thread(zm_scheduler_t *scheduler, zm_str_t channel, zm_str_t host);
/** Sets a whole ordinary thread aside, to be routed again, killed or returned. */
void zm_aside_thread(zm_scheduler_t *scheduler, zm_thread_t *thread, zm_aside_t kind);

/** The message is not delivered until it is released.  How many recipients are with agents, and so
 * may be delivered still. */
uint32_t zm_aside_hold_job(zm_scheduler_t *scheduler, zm_job_t *job);
void zm_aside_release_job(zm_scheduler_t *scheduler, zm_job_t *job);
/** Sets what agents do not have aside.  How many recipients are set aside. */
uint32_t zm_aside_job(zm_scheduler_t *scheduler, zm_job_t *job, zm_aside_t kind);
/** Serves the message's threads now.  How many. */
int zm_aside_retry_job(zm_scheduler_t *scheduler, zm_job_t *job);

/** The thread of that kind beside the ordinary one, or null. */
zm_thread_t *zm_aside_find(const zm_scheduler_t *scheduler, zm_str_t channel, zm_str_t host,
                           zm_aside_t kind);

/* -- for the rest of the queue ------------------------------------------------------------- */

void zm_asides_init(zm_table_t *table);
/** The thread for a vertex that arrives: of a held message, the one beside. */
zm_thread_t *zm_aside_arrival(zm_scheduler_t *scheduler, const zm_job_t *job, zm_str_t channel,
                              zm_str_t host);
/** The clauses of a thread, in its state. */
const zm_selection_t *zm_aside_select(zm_scheduler_t *scheduler, const zm_thread_t *thread);
/** An agent has left a vertex of a held message: puts it aside. */
void zm_aside_divert(zm_scheduler_t *scheduler, zm_vertex_t *vertex);
/** The last agent has left a thread.  True: it is set aside, and no retry is to be planned. */
bool zm_aside_run_over(zm_scheduler_t *scheduler, zm_thread_t *thread);
/** A thread is about to be freed. */
void zm_aside_forget(zm_scheduler_t *scheduler, zm_thread_t *thread);
/** Removes and returns what is set aside for that, about `budget` recipients; true when there is
 * more. */
bool zm_aside_run(zm_scheduler_t *scheduler, int budget);

#endif
