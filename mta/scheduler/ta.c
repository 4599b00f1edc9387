#include "mta/scheduler/ta.h"

#include <string.h>

#include "mta/scheduler/dispatch.h"
#include "mta/scheduler/memory.h"
#include "mta/scheduler/scheduler.h"

#define MOST_THREADS 1000
#define MOST_RESYNCS 30

/* -- lists --------------------------------------------------------------------------------- */

static void idle_list(zm_ta_t *ta, bool member)
{
    zm_ring_t *ring = ta->ring;
    if (member == ta->in_idle)
        return;
    ta->in_idle = member;
    if (member) {
        ta->idle_previous = NULL;
        ta->idle_next = ring->idle;
        if (ring->idle != NULL)
            ring->idle->idle_previous = ta;
        ring->idle = ta;
        return;
    }
    if (ta->idle_next != NULL)
        ta->idle_next->idle_previous = ta->idle_previous;
    if (ta->idle_previous != NULL)
        ta->idle_previous->idle_next = ta->idle_next;
    else
        ring->idle = ta->idle_next;
}

static void age_list(zm_scheduler_t *scheduler, zm_ta_t *ta, bool member)
{
    if (member == ta->in_age)
        return;
    ta->in_age = member;
    scheduler->idle_count += member ? 1u : ~0u;
    ta->ring->idle_count += member ? 1u : ~0u;
    if (member) {
        ta->age_next = NULL;
        ta->age_previous = scheduler->idle_newest;
        if (scheduler->idle_newest != NULL)
            scheduler->idle_newest->age_next = ta;
        else
            scheduler->idle_oldest = ta;
        scheduler->idle_newest = ta;
        return;
    }
    if (ta->age_next != NULL)
        ta->age_next->age_previous = ta->age_previous;
    else
        scheduler->idle_newest = ta->age_previous;
    if (ta->age_previous != NULL)
        ta->age_previous->age_next = ta->age_next;
    else
        scheduler->idle_oldest = ta->age_next;
}

/* -- state --------------------------------------------------------------------------------- */

bool zm_ta_has_room(const zm_ta_t *ta)
{
    if (!ta->hungry || ta->state == ZM_TA_LEAVING)
        return false;
    if (ta->most > 1)
        return ta->lease_count < ta->most;
    return ta->state == ZM_TA_FREE || ta->state == ZM_TA_IDLE;
}

static zm_ta_state_t state_of(const zm_ta_t *ta)
{
    if (ta->state == ZM_TA_LEAVING)
        return ZM_TA_LEAVING;
    if (!ta->hungry)
        return ZM_TA_STARTING;
    if (ta->lease_count > 0)
        return ZM_TA_WORKING;
    if (ta->told_idle)
        return ZM_TA_IDLING;
    return ta->state == ZM_TA_IDLE ? ZM_TA_IDLE : ZM_TA_FREE;
}

/* A process counts once against its ring and channel; one that serves many threads, once a thread.
 */
static bool recharge(zm_ta_t *ta, uint32_t charge)
{
    bool less = charge < ta->charge;
    ta->ring->used += charge - ta->charge;
    ta->ring->channel->used += charge - ta->charge;
    ta->charge = charge;
    return less;
}

void zm_ta_update(zm_scheduler_t *scheduler, zm_ta_t *ta)
{
    bool had_room = ta->in_idle, room, released;

    ta->state = state_of(ta);
    released = recharge(ta, ta->most > 1 ? ta->lease_count : 1);
    if (ta->state == ZM_TA_IDLE && !ta->in_age) {
        ta->idle_since = scheduler->now;
        released = true;
    }
    age_list(scheduler, ta, ta->state == ZM_TA_IDLE);
    if (ta->state == ZM_TA_FREE && !ta->in_quiet) {
        ta->in_quiet = true;
        ta->quiet_next = scheduler->quiet;
        scheduler->quiet = ta;
    }
    room = zm_ta_has_room(ta);
    idle_list(ta, room);
    if (room && !had_room)
        zm_dispatch_offer(scheduler, ta->ring);
    if (released)
        zm_dispatch_released(scheduler, ta->ring);
}

/* -- beginning and end ------------------------------------------------------------------------- */

static uint32_t feed_hash(const void *item)
{
    return (uint32_t)zm_mix(((const zm_feed_t *)item)->job);
}

static bool feed_equal(const void *item, const void *key)
{
    return ((const zm_feed_t *)item)->job == *(const uint64_t *)key;
}

static void ring_link(zm_ta_t *ta, zm_ring_t *ring)
{
    ta->ring = ring;
    ta->ring_previous = NULL;
    ta->ring_next = ring->tas;
    if (ta->ring_next != NULL)
        ta->ring_next->ring_previous = ta;
    ring->tas = ta;
    ring->ta_count++;
    if (!ta->hungry)
        ring->starting++;
}

static void ring_unlink(zm_ta_t *ta)
{
    zm_ring_t *ring = ta->ring;
    if (ta->ring_next != NULL)
        ta->ring_next->ring_previous = ta->ring_previous;
    if (ta->ring_previous != NULL)
        ta->ring_previous->ring_next = ta->ring_next;
    else
        ring->tas = ta->ring_next;
    ring->ta_count--;
    if (!ta->hungry)
        ring->starting--;
}

static void link_ta(zm_scheduler_t *scheduler, zm_ta_t *ta, zm_ring_t *ring)
{
    ta->next = scheduler->tas;
    if (ta->next != NULL)
        ta->next->previous = ta;
    scheduler->tas = ta;
    scheduler->ta_count++;
    ring_link(ta, ring);
}

static void unlink_ta(zm_scheduler_t *scheduler, zm_ta_t *ta)
{
    zm_ta_t **at = &scheduler->quiet;

    if (ta->next != NULL)
        ta->next->previous = ta->previous;
    if (ta->previous != NULL)
        ta->previous->next = ta->next;
    else
        scheduler->tas = ta->next;
    scheduler->ta_count--;
    idle_list(ta, false);
    age_list(scheduler, ta, false);
    ring_unlink(ta);
    for (; ta->in_quiet && *at != NULL; at = &(*at)->quiet_next)
        if (*at == ta) {
            *at = ta->quiet_next;
            break;
        }
}

void zm_ta_move(zm_scheduler_t *scheduler, zm_ta_t *ta, zm_ring_t *ring)
{
    idle_list(ta, false);
    age_list(scheduler, ta, false);
    recharge(ta, 0);
    ring_unlink(ta);
    ring_link(ta, ring);
    zm_ta_update(scheduler, ta);
}

apr_status_t zm_ta_start(zm_scheduler_t *scheduler, zm_thread_t *thread, zm_error_t *error)
{
    zm_ta_t *ta = zm_scheduler_alloc(sizeof *ta);
    apr_status_t status;

    ta->ring = thread->ring;
    ta->most = 1;
    ta->started = ta->spoke = scheduler->now;
    status = scheduler->outside->start(scheduler->baton, ta, thread, &ta->process, error);
    if (status != APR_SUCCESS) {
        zm_scheduler_free(ta);
        return status;
    }
    zm_table_init(&ta->feeds, feed_hash, feed_equal);
    link_ta(scheduler, ta, thread->ring);
    thread->ring->last_start = scheduler->now;
    scheduler->counters.ta_starts++;
    zm_lease_begin(scheduler, ta, thread);
    return APR_SUCCESS;
}

void zm_ta_attach(zm_scheduler_t *scheduler, zm_ta_t *ta, zm_thread_t *thread)
{
    zm_lease_feed(scheduler, zm_lease_begin(scheduler, ta, thread));
}

void zm_ta_tell_idle(zm_scheduler_t *scheduler)
{
    zm_ta_t *ta;
    while ((ta = scheduler->quiet) != NULL) {
        scheduler->quiet = ta->quiet_next;
        ta->in_quiet = false;
        if (ta->state != ZM_TA_FREE || ta->blocked)
            continue;
        ta->told_idle = true;
        ta->blocked = !scheduler->outside->send(scheduler->baton, ta, "#idle\n", 6);
        zm_ta_update(scheduler, ta);
    }
}

void zm_ta_dismiss(zm_scheduler_t *scheduler, zm_ta_t *ta, bool quit)
{
    zm_lease_t *lease, *next;

    if (ta->state == ZM_TA_LEAVING)
        return;
    ta->state = ZM_TA_LEAVING;
    ta->dismissed = true;
    ta->spoke = scheduler->now;
    scheduler->outside->send(scheduler->baton, ta, "\n\n", quit ? 2 : 1);
    scheduler->outside->half_close(scheduler->baton, ta, quit);
    for (lease = ta->leases; lease != NULL; lease = next) {
        next = lease->ta_next;
        lease->state = ZM_LEASE_FINISHING;
        if (lease->count == 0)
            zm_lease_end(scheduler, lease);
    }
    zm_ta_update(scheduler, ta);
}

static void abandon(zm_scheduler_t *scheduler, zm_ta_t *ta, zm_lease_t *lease)
{
    zm_feed_t *feed;
    if (lease->first != NULL || !ta->dismissed)
        lease->thread->flags |= ZM_THREAD_BROKEN;
    for (feed = lease->first; feed != NULL; feed = feed->next)
        if (feed->vertex != NULL)
            scheduler->outside->reread(scheduler->baton, feed->vertex->job);
    zm_lease_end(scheduler, lease);
}

void zm_ta_gone(zm_scheduler_t *scheduler, zm_ta_t *ta, bool abnormal)
{
    zm_ring_t *ring = ta->ring;
    bool useless = !ta->dismissed && !ta->useful && (abnormal || !ta->hungry);

    ta->state = ZM_TA_LEAVING;
    while (ta->leases != NULL)
        abandon(scheduler, ta, ta->leases);
    unlink_ta(scheduler, ta);
    recharge(ta, 0);
    zm_text_drop(&scheduler->texts, ta->host);
    zm_table_free(&ta->feeds);
    zm_scheduler_free(ta);
    zm_dispatch_released(scheduler, ring);
    if (useless)
        zm_dispatch_hold_back(scheduler, ring);
    zm_ring_settle(scheduler, ring);
}

void zm_ta_writable(zm_scheduler_t *scheduler, zm_ta_t *ta)
{
    zm_lease_t *lease, *next;

    ta->blocked = false;
    for (lease = ta->leases; lease != NULL && !ta->blocked; lease = next) {
        next = lease->ta_next;
        if (lease->count == 0)
            zm_lease_feed(scheduler, lease);
    }
    zm_ta_update(scheduler, ta);
}

/* -- what agents say --------------------------------------------------------------------------- */

static void kind_known(zm_scheduler_t *scheduler, zm_ta_t *ta, zm_ta_kind_t kind)
{
    zm_ring_t *ring = ta->ring;
    ring->kind = kind;
    ring->failures = 0;
    zm_dispatch_trouble(scheduler, ring, ZM_S(""));
    if (ring->wait == ZM_RING_WAIT_TIME &&
        (ring->blocked == ZM_PENDING_AGENT_STARTS || ring->blocked == ZM_PENDING_AGENT_BROKEN))
        zm_dispatch_resume(scheduler, ring);
}

static void multi(zm_scheduler_t *scheduler, zm_ta_t *ta, zm_str_t line)
{
    uint64_t most;
    if (ta->hungry || zm_str_u64(zm_str_trim(line), &most) != APR_SUCCESS || most < 2 ||
        most > MOST_THREADS) {
        scheduler->outside->comment(scheduler->baton, ta, line, true);
        return;
    }
    if (ta->ring->host == NULL)
        ta->most = (uint32_t)most;
}

/* The first "#hungry": the agent is up. */
static void awake(zm_scheduler_t *scheduler, zm_ta_t *ta)
{
    zm_lease_t *lease = ta->leases;

    ta->hungry = true;
    ta->ring->starting--;
    kind_known(scheduler, ta, ta->most > 1 ? ZM_TA_MULTI : ZM_TA_CLASSIC);
    zm_ta_update(scheduler, ta);
    if (lease != NULL)
        zm_lease_feed(scheduler, lease);
}

/* "PATH\tHOST": whose job has ended? */
static zm_lease_t *lease_named(const zm_ta_t *ta, zm_str_t rest)
{
    zm_str_t path, host, digits;
    apr_size_t i;
    uint64_t id;
    zm_feed_t *feed;

    if (!zm_str_cut(zm_str_trim(rest), '\t', &path, &host))
        return NULL;
    for (i = path.length; i > 0 && path.data[i - 1] != '/'; i--)
        continue;
    digits = zm_str_from(path, i);
    for (i = 0; i < digits.length && zm_is_digit(digits.data[i]); i++)
        continue;
    if (zm_str_u64(zm_str_of(digits.data, i), &id) != APR_SUCCESS)
        return NULL;
    feed = zm_ta_feed_at(ta, id, host);
    return feed != NULL ? feed->lease : NULL;
}

static void hungry(zm_scheduler_t *scheduler, zm_ta_t *ta, zm_str_t line)
{
    zm_str_t rest = zm_str_from(line, 7);
    zm_lease_t *lease = NULL;

    if (!ta->hungry) {
        awake(scheduler, ta);
        return;
    }
    if (ta->most > 1 && zm_str_trim(rest).length > 0)
        lease = lease_named(ta, rest);
    else if (ta->most == 1)
        lease = ta->leases;
    if (lease != NULL && lease->count > 0) {
        ta->useful = true;
        zm_lease_hungry(scheduler, lease);
    } else if (lease == NULL && ta->told_idle && zm_str_trim(rest).length == 0) {
        ta->told_idle = false;
        if (ta->lease_count == 0 && ta->state != ZM_TA_LEAVING)
            ta->state = ZM_TA_IDLE;
        zm_ta_update(scheduler, ta);
    } else {
        ta->malformed++;
        scheduler->outside->comment(scheduler->baton, ta, line, true);
    }
}

static void resync(zm_scheduler_t *scheduler, zm_ta_t *ta, zm_str_t path)
{
    zm_feed_t *feed;
    zm_job_t *job;
    uint64_t id;
    apr_size_t start, end;

    path = zm_str_trim(path);
    for (start = path.length; start > 0 && path.data[start - 1] != '/'; start--)
        continue;
    for (end = start; end < path.length && zm_is_digit(path.data[end]); end++)
        continue;
    if (zm_str_u64(zm_str_of(path.data + start, end - start), &id) != APR_SUCCESS)
        return;
    feed = zm_table_find(&ta->feeds, (uint32_t)zm_mix(id), &id);
    job = zm_queue_find(scheduler, id);
    if (feed == NULL || job == NULL || (job->flags & ZM_JOB_FINISHING) != 0)
        return;
    for (; feed != NULL; feed = feed->same)
        feed->answered = true;
    if (++job->resyncs > MOST_RESYNCS) {
        scheduler->outside->event(scheduler->baton, ZM_LOG_WARNING, job,
                                  "too many resyncs; the job is forgotten until the next scan");
        zm_job_forget(scheduler, job);
        return;
    }
    job->flags |= ZM_JOB_REREAD;
    scheduler->outside->reread(scheduler->baton, job);
}

void zm_ta_line(zm_scheduler_t *scheduler, zm_ta_t *ta, zm_str_t line)
{
    ta->spoke = scheduler->now;
    if (zm_str_starts(line, ZM_S("#hungry"))) {
        hungry(scheduler, ta, line);
    } else if (zm_str_starts(line, ZM_S("#resync "))) {
        resync(scheduler, ta, zm_str_from(line, 8));
    } else if (zm_str_starts(line, ZM_S("#multi "))) {
        multi(scheduler, ta, zm_str_from(line, 7));
    } else if (line.length == 0 || line.data[0] == '#') {
        scheduler->outside->comment(scheduler->baton, ta, line, false);
    } else if (!zm_outcome_line(scheduler, ta, line)) {
        ta->malformed++;
        scheduler->outside->comment(scheduler->baton, ta, line, true);
    }
}
