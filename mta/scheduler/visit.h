/**
 * Going through the vertices of a thread or a job piece by piece, while the
 * queue changes.
 *
 * Those that were there when the visit was asked for are visited, in the order
 * in which they came, unless they are gone by then.  Every step is short,
 * however many there are, and a visit holds no memory.
 */
#ifndef ZM_SCHEDULER_VISIT_H
#define ZM_SCHEDULER_VISIT_H

#include "mta/scheduler/queue.h"

/** Threads in one visit: that of a name, and those set aside. */
#define ZM_VISIT_THREADS 6

typedef struct zm_visit_t {
    struct zm_visit_t *next; /**< private: all that are under way */
    zm_scheduler_t *scheduler;
    struct {
        zm_vertex_t *at, *last; /**< at null: over */
    } parts[ZM_VISIT_THREADS];
    int count, part;
    bool of_job;
} zm_visit_t;

void zm_visit_begin(zm_visit_t *visit, zm_scheduler_t *scheduler);
void zm_visit_end(zm_visit_t *visit);
/** Take the place of what the visit had. */
void zm_visit_thread(zm_visit_t *visit, const zm_thread_t *thread);
void zm_visit_job(zm_visit_t *visit, const zm_job_t *job);
/** Adds those of a further thread. */
void zm_visit_more(zm_visit_t *visit, const zm_thread_t *thread);
/** The next one that is still in the queue, or null. */
zm_vertex_t *zm_visit_next(zm_visit_t *visit);
/** A vertex is about to leave its thread, and its job too unless it only moves. */
void zm_visit_forget(zm_visit_t *visits, const zm_vertex_t *vertex, bool moves);

#endif
