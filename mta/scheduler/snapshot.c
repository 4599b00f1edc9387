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

static bool is_gone(const zm_snapshot_t *listing, const zm_vertex_t *vertex)
{
    return listing->gone.count > 0 &&
           zm_table_find(&listing->gone, address_hash(vertex), vertex) != NULL;
}

/* -- a listing ----------------------------------------------------------------------------- */

void zm_snapshot_begin(zm_snapshot_t *listing, zm_scheduler_t *scheduler)
{
    memset(listing, 0, sizeof *listing);
    listing->scheduler = scheduler;
    zm_table_init(&listing->gone, address_hash, address_equal);
    listing->next = scheduler->listings;
    scheduler->listings = listing;
}

void zm_snapshot_end(zm_snapshot_t *listing)
{
    zm_snapshot_t **at = &listing->scheduler->listings;
    while (*at != listing)
        at = &(*at)->next;
    *at = listing->next;
    zm_table_free(&listing->gone);
    zm_scheduler_free(listing->vertices);
}

static void empty(zm_snapshot_t *listing)
{
    listing->count = listing->at = 0;
    zm_table_free(&listing->gone);
    zm_table_init(&listing->gone, address_hash, address_equal);
}

static void note(zm_vertex_t *vertex, void *baton)
{
    zm_snapshot_t *listing = baton;
    listing->vertices = zm_scheduler_grow(listing->vertices, &listing->capacity, listing->count + 1,
                                          sizeof listing->vertices[0]);
    listing->vertices[listing->count++] = vertex;
    vertex->flags |= ZM_VERTEX_LISTED;
}

void zm_snapshot_thread(zm_snapshot_t *listing, const zm_thread_t *thread)
{
    empty(listing);
    zm_lanes_each(thread, note, listing);
}

void zm_snapshot_more(zm_snapshot_t *listing, const zm_thread_t *thread)
{
    zm_lanes_each(thread, note, listing);
}

void zm_snapshot_job(zm_snapshot_t *listing, const zm_job_t *job)
{
    zm_vertex_t *vertex;
    empty(listing);
    for (vertex = job->vertices; vertex != NULL; vertex = vertex->next)
        note(vertex, listing);
}

zm_vertex_t *zm_snapshot_next(zm_snapshot_t *listing)
{
    while (listing->at < listing->count) {
        zm_vertex_t *vertex = listing->vertices[listing->at++];
        if (!is_gone(listing, vertex))
            return vertex;
    }
    return NULL;
}

void zm_snapshot_forget(zm_snapshot_t *listings, zm_vertex_t *vertex)
{
    for (; listings != NULL; listings = listings->next)
        if (!is_gone(listings, vertex))
            zm_table_add(&listings->gone, vertex);
}
