#include <stdlib.h>

#include "spool/emulated.h"

/*
 * A locked range of an object is a locked range of the file `locks`, at a place
 * that its number gives; so it ends with its process.  The system's lock belongs
 * to the process here, and handles of one process are told apart by the list of
 * claims.  Numbers 2^33 apart share a place, and offsets beyond 256 MiB the last
 * one: then a lock may be refused that could have been had, never the reverse.
 */

#define OFFSET_BITS 28
#define OFFSET_LIMIT ((uint64_t)1 << OFFSET_BITS)
#define NUMBER_MASK (((uint64_t)1 << 33) - 1)

struct zm_emulated_claim_t {
    zm_emulated_object_t *holder;
    uint64_t id, from, to; /* to: first byte after it */
    zm_emulated_claim_t *next;
};

static uint64_t place_of(uint64_t id, uint64_t offset)
{
    return (id & NUMBER_MASK) << OFFSET_BITS | offset;
}

static uint64_t limited(uint64_t offset, uint64_t limit)
{
    return offset < limit ? offset : limit;
}

/* The first claim of this process that overlaps: another handle's, or with own the handle's own. */
static zm_emulated_claim_t *overlapping(zm_emulated_object_t *object, uint64_t from, uint64_t to,
                                        bool own)
{
    zm_emulated_claim_t *claim;
    for (claim = object->engine->claims; claim != NULL; claim = claim->next)
        if (claim->id == object->info.id && (claim->holder == object) == own && claim->from < to &&
            from < claim->to)
            return claim;
    return NULL;
}

static void drop_claim(zm_emulated_t *e, zm_emulated_claim_t **at)
{
    zm_emulated_claim_t *claim = *at;
    *at = claim->next;
    free(claim);
    apr_thread_cond_broadcast(e->unlocked);
}

static void forget(zm_emulated_t *e, const zm_emulated_claim_t *claim)
{
    zm_emulated_claim_t **at;
    for (at = &e->claims; *at != claim; at = &(*at)->next)
        ;
    drop_claim(e, at);
}

static apr_status_t take(zm_emulated_object_t *object, uint64_t from, uint64_t to, bool wait)
{
    zm_emulated_t *e = object->engine;
    zm_emulated_claim_t *claim = malloc(sizeof *claim);
    apr_status_t status = APR_SUCCESS;
    if (claim == NULL)
        return APR_ENOMEM;
    apr_thread_mutex_lock(e->lock);
    while (overlapping(object, from, to, false) != NULL && status == APR_SUCCESS)
        if (wait)
            apr_thread_cond_wait(e->unlocked, e->lock);
        else
            status = ZM_E_BUSY;
    if (status == APR_SUCCESS && overlapping(object, from, to, true) == NULL) {
        *claim = (zm_emulated_claim_t){object, object->info.id, from, to, e->claims};
        e->claims = claim;
        apr_thread_mutex_unlock(e->lock);
        status = zm_file_lock(e->locks, place_of(object->info.id, from), to - from, wait);
        apr_thread_mutex_lock(e->lock);
        if (status != APR_SUCCESS)
            forget(e, claim);
    } else {
        free(claim); /* refused, or the handle's own already */
    }
    apr_thread_mutex_unlock(e->lock);
    return status;
}

static void release(zm_emulated_object_t *object, uint64_t from, uint64_t to)
{
    zm_emulated_t *e = object->engine;
    zm_emulated_claim_t **at = &e->claims;
    apr_thread_mutex_lock(e->lock);
    while (*at != NULL) {
        zm_emulated_claim_t *claim = *at;
        if (claim->holder == object && claim->from >= from && claim->to <= to) {
            zm_file_unlock(e->locks, place_of(claim->id, claim->from), claim->to - claim->from);
            drop_claim(e, at);
        } else {
            at = &claim->next;
        }
    }
    apr_thread_mutex_unlock(e->lock);
}

/* A range as it is kept: within the limit, and never empty. */
static uint64_t start_of(uint64_t offset)
{
    return limited(offset, OFFSET_LIMIT - 1);
}

static uint64_t end_of(uint64_t offset, uint64_t length)
{
    uint64_t start = start_of(offset);
    return start + limited(length > 0 ? length : 1, OFFSET_LIMIT - start);
}

apr_status_t zm_emulated_lock(zm_engine_object_t *handle, uint64_t offset, uint64_t length)
{
    return take(zm_emulated_object(handle), start_of(offset), end_of(offset, length), false);
}

apr_status_t zm_emulated_unlock(zm_engine_object_t *handle, uint64_t offset, uint64_t length)
{
    release(zm_emulated_object(handle), start_of(offset), end_of(offset, length));
    return APR_SUCCESS;
}

apr_status_t zm_emulated_locked(zm_engine_object_t *handle, bool *held, uint64_t offset,
                                uint64_t length)
{
    zm_emulated_object_t *object = zm_emulated_object(handle);
    zm_emulated_t *e = object->engine;
    uint64_t from = start_of(offset), to = end_of(offset, length);
    bool others, own;
    apr_thread_mutex_lock(e->lock);
    others = overlapping(object, from, to, false) != NULL;
    own = overlapping(object, from, to, true) != NULL;
    apr_thread_mutex_unlock(e->lock);
    *held = others;
    if (others || own)
        return APR_SUCCESS; /* what is locked here nobody else has */
    return zm_file_locked(held, e->locks, place_of(object->info.id, from), to - from);
}

bool zm_emulated_holds(zm_engine_object_t *handle, uint64_t offset, uint64_t length)
{
    zm_emulated_object_t *object = zm_emulated_object(handle);
    uint64_t from = start_of(offset), to = end_of(offset, length);
    const zm_emulated_claim_t *claim;
    bool found = false;
    apr_thread_mutex_lock(object->engine->lock);
    for (claim = object->engine->claims; claim != NULL && !found; claim = claim->next)
        found = claim->holder == object && claim->from <= from && claim->to >= to;
    apr_thread_mutex_unlock(object->engine->lock);
    return found;
}

apr_status_t zm_emulated_lock_whole(zm_engine_object_t *handle, bool wait)
{
    return take(zm_emulated_object(handle), 0, OFFSET_LIMIT, wait);
}

void zm_emulated_drop_locks(zm_emulated_object_t *object)
{
    if (object->engine->claims != NULL)
        release(object, 0, OFFSET_LIMIT);
}
