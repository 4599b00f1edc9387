/**
 * Lanes: the order in which a thread gives out its vertices.
 *
 * A lane is a tree of the vertices of one sender, ordered by age or at random
 * (treap; nodes stand in the vertices).  During a run a cursor moves through
 * it; lanes take turns.
 */
#ifndef ZM_SCHEDULER_LANE_H
#define ZM_SCHEDULER_LANE_H

#include "mta/scheduler/queue.h"

/** Puts a vertex into the thread's lane for its sender; into the mixed one when the sender has
 * nothing else in the queue. */
void zm_lane_insert(zm_scheduler_t *scheduler, zm_thread_t *thread, zm_vertex_t *vertex);
/** Takes it out, and frees the lane when it was the last. */
void zm_lane_remove(zm_scheduler_t *scheduler, zm_vertex_t *vertex);

/** Where messages go in the order of age: behind the others of its lane from the next run on, or
 * back to its place. */
void zm_lane_put_back(zm_vertex_t *vertex, bool back);

/** A new run: everything is to be given out again. */
void zm_lanes_begin_run(zm_scheduler_t *scheduler, zm_thread_t *thread);
/** The next vertex of the run, or null.  Its lane's turn ends. */
zm_vertex_t *zm_lanes_take(zm_scheduler_t *scheduler, zm_thread_t *thread);
/** What zm_lanes_take would give. */
zm_vertex_t *zm_lanes_peek(zm_scheduler_t *scheduler, zm_thread_t *thread);
/** Whether a vertex has not been given out in the thread's present run. */
bool zm_vertex_is_unfed(const zm_vertex_t *vertex);

/** Arrival of the thread's oldest message, Unix seconds. */
uint32_t zm_lanes_oldest(zm_thread_t *thread);

/** Places of a lane in the table of all lanes. */
uint32_t zm_lane_hash(const void *lane);
typedef struct zm_lane_key_t {
    const zm_thread_t *thread;
    const zm_text_t *sender;
} zm_lane_key_t;
bool zm_lane_equal(const void *lane, const void *key);
uint32_t zm_lane_key_hash(const zm_lane_key_t *key);

#endif
