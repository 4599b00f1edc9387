/**
 * The vertices of a thread or a job as they are at one moment, to be gone
 * through later piece by piece, while the queue changes.
 *
 * Vertices that are gone by then are left out; so each step is short, however
 * many there are.  Beginning takes time and 8 bytes for each.
 */
#ifndef ZM_SCHEDULER_SNAPSHOT_H
#define ZM_SCHEDULER_SNAPSHOT_H

#include <apr.h>

#include "mta/scheduler/queue.h"

typedef struct zm_snapshot_t {
    struct zm_snapshot_t *next; /**< private: all that are under way */
    zm_scheduler_t *scheduler;
    zm_vertex_t **vertices;
    apr_uint32_t count, capacity, at;
    zm_table_t gone; /**< addresses that are no vertices of this snapshot any more */
} zm_snapshot_t;

void zm_snapshot_begin(zm_snapshot_t *snapshot, zm_scheduler_t *scheduler);
void zm_snapshot_end(zm_snapshot_t *snapshot);
/** Take the place of what the snapshot had. */
void zm_snapshot_thread(zm_snapshot_t *snapshot, const zm_thread_t *thread);
void zm_snapshot_job(zm_snapshot_t *snapshot, const zm_job_t *job);
/** Adds those of a further thread. */
void zm_snapshot_more(zm_snapshot_t *snapshot, const zm_thread_t *thread);
/** The next one that is still in the queue, or null. */
zm_vertex_t *zm_snapshot_next(zm_snapshot_t *snapshot);
/** A vertex is about to be freed. */
void zm_snapshot_forget(zm_snapshot_t *snapshots, zm_vertex_t *vertex);

#endif
