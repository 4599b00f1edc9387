#include "mta/scheduler/snapshot.h"

#include <string.h>

#include "mta/scheduler/lane.h"
#include "mta/scheduler/memory.h"
#include "mta/scheduler/scheduler.h"

/* -- addresses ----------------------------------------------------------------------------- */

static uint32_t address_hash(const void *item)
{
    return (uint32_t)zm_mix((uint64_t)(uintptr_t)item);
}

static bool address_equal(const void *item, const void *key)
{
    return item == key;
}

static bool is_gone(const zm_snapshot_t *snapshot, const zm_vertex_t *vertex)
{
    return snapshot->gone.count > 0 &&
           zm_table_find(&snapshot->gone, address_hash(vertex), vertex) != NULL;
}

/* -- a snapshot ----------------------------------------------------------------------------- */

void zm_snapshot_begin(zm_snapshot_t *snapshot, zm_scheduler_t *scheduler)
{
    memset(snapshot, 0, sizeof *snapshot);
    snapshot->scheduler = scheduler;
    zm_table_init(&snapshot->gone, address_hash, address_equal);
    snapshot->next = scheduler->snapshots;
    scheduler->snapshots = snapshot;
}

void zm_snapshot_end(zm_snapshot_t *snapshot)
{
    zm_snapshot_t **at = &snapshot->scheduler->snapshots;
    while (*at != snapshot)
        at = &(*at)->next;
    *at = snapshot->next;
    zm_table_free(&snapshot->gone);
    zm_scheduler_free(snapshot->vertices);
}

static void empty(zm_snapshot_t *snapshot)
{
    snapshot->count = snapshot->at = 0;
    zm_table_free(&snapshot->gone);
    zm_table_init(&snapshot->gone, address_hash, address_equal);
}

static void note(zm_vertex_t *vertex, void *baton)
{
    zm_snapshot_t *snapshot = baton;
    snapshot->vertices = zm_scheduler_grow(snapshot->vertices, &snapshot->capacity,
                                           snapshot->count + 1, sizeof snapshot->vertices[0]);
    snapshot->vertices[snapshot->count++] = vertex;
    vertex->flags |= ZM_VERTEX_LISTED;
}

void zm_snapshot_thread(zm_snapshot_t *snapshot, const zm_thread_t *thread)
{
    empty(snapshot);
    zm_lanes_each(thread, note, snapshot);
}

void zm_snapshot_more(zm_snapshot_t *snapshot, const zm_thread_t *thread)
{
    zm_lanes_each(thread, note, snapshot);
}

void zm_snapshot_job(zm_snapshot_t *snapshot, const zm_job_t *job)
{
    zm_vertex_t *vertex;
    empty(snapshot);
    for (vertex = job->vertices; vertex != NULL; vertex = vertex->next)
        note(vertex, snapshot);
}

zm_vertex_t *zm_snapshot_next(zm_snapshot_t *snapshot)
{
    while (snapshot->at < snapshot->count) {
        zm_vertex_t *vertex = snapshot->vertices[snapshot->at++];
        if (!is_gone(snapshot, vertex))
            return vertex;
    }
    return NULL;
}

void zm_snapshot_forget(zm_snapshot_t *snapshots, zm_vertex_t *vertex)
{
    for (; snapshots != NULL; snapshots = snapshots->next)
        if (!is_gone(snapshots, vertex))
            zm_table_add(&snapshots->gone, vertex);
}
