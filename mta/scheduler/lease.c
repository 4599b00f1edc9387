/* Leases: feeding one agent with one thread's vertices. */
#include "mta/scheduler/aside.h"
#include "mta/scheduler/dispatch.h"
#include "mta/scheduler/expiry.h"
#include "mta/scheduler/lane.h"
#include "mta/scheduler/memory.h"
#include "mta/scheduler/retry.h"
#include "mta/scheduler/scheduler.h"
#include "mta/scheduler/shape.h"
#include "mta/scheduler/ta.h"

/* What a thread may have in one go while others wait: jobs, seconds. */
#define SHARE_JOBS 200
#define SHARE_TIME 2

/* -- feeds --------------------------------------------------------------------------------- */

static zm_feed_t *feeds_of(const zm_ta_t *ta, uint64_t job)
{
    return zm_table_find(&ta->feeds, (uint32_t)zm_mix(job), &job);
}

zm_feed_t *zm_ta_feed(const zm_ta_t *ta, uint64_t job, uint64_t offset)
{
    zm_feed_t *feed;
    for (feed = feeds_of(ta, job); feed != NULL; feed = feed->same)
        if (feed->vertex != NULL && zm_vertex_index(feed->vertex, offset) >= 0)
            return feed;
    return NULL;
}

zm_feed_t *zm_ta_feed_at(const zm_ta_t *ta, uint64_t job, zm_str_t host)
{
    zm_feed_t *feed;
    for (feed = feeds_of(ta, job); feed != NULL; feed = feed->same)
        if (zm_str_equal_nocase(zm_text_str(feed->lease->thread->host), host))
            return feed;
    return NULL;
}

static void feed_add(zm_scheduler_t *scheduler, zm_lease_t *lease, zm_vertex_t *vertex)
{
    zm_feed_t *feed = zm_slab_get(&scheduler->feed_slab);
    zm_feed_t *same = feeds_of(lease->ta, vertex->job->id);

    feed->job = vertex->job->id;
    feed->vertex = vertex;
    feed->lease = lease;
    if (lease->last != NULL)
        lease->last->next = feed;
    else
        lease->first = feed;
    lease->last = feed;
    lease->count++;
    if (same != NULL) {
        feed->same = same->same;
        same->same = feed;
    } else {
        zm_table_add(&lease->ta->feeds, feed);
    }
}

/* Takes the oldest feed off a lease. */
static zm_feed_t *feed_take(zm_lease_t *lease)
{
    zm_feed_t *feed = lease->first, *at = feeds_of(lease->ta, feed->job);

    lease->first = feed->next;
    if (lease->first == NULL)
        lease->last = NULL;
    lease->count--;
    if (at == feed) {
        zm_table_remove(&lease->ta->feeds, feed);
        if (feed->same != NULL)
            zm_table_add(&lease->ta->feeds, feed->same);
    } else {
        while (at->same != feed)
            at = at->same;
        at->same = feed->same;
    }
    return feed;
}

void zm_lease_forget(zm_vertex_t *vertex)
{
    zm_lease_t *lease;
    for (lease = vertex->lane->thread->leases; lease != NULL; lease = lease->thread_next) {
        zm_feed_t *feed;
        for (feed = feeds_of(lease->ta, vertex->job->id); feed != NULL; feed = feed->same)
            if (feed->vertex == vertex)
                feed->vertex = NULL;
    }
    vertex->flags &= (uint8_t)~ZM_VERTEX_OUTSTANDING;
}

/* -- beginning and end --------------------------------------------------------------------- */

static void begin_run(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    bool goes_on = (thread->flags & ZM_THREAD_YIELDED) != 0;

    thread->flags &=
        (uint8_t) ~(ZM_THREAD_ETRN | ZM_THREAD_STOPPED | ZM_THREAD_BROKEN | ZM_THREAD_YIELDED);
    zm_due_clear(&scheduler->retries, &thread->due);
    if (goes_on)
        return;
    thread->flags &= (uint8_t)~ZM_THREAD_SUCCEEDED;
    thread->not_before = 0;
    zm_lanes_begin_run(scheduler, thread);
}

zm_lease_t *zm_lease_begin(zm_scheduler_t *scheduler, zm_ta_t *ta, zm_thread_t *thread)
{
    zm_lease_t *lease = zm_scheduler_alloc(sizeof *lease);

    if (thread->lease_count == 0)
        begin_run(scheduler, thread);
    lease->ta = ta;
    lease->thread = thread;
    lease->hungry_at = lease->began = scheduler->now;
    lease->thread_next = thread->leases;
    thread->leases = lease;
    thread->lease_count++;
    lease->ta_next = ta->leases;
    if (ta->leases != NULL)
        ta->leases->ta_previous = lease;
    ta->leases = lease;
    ta->lease_count++;
    if (ta->host != thread->host || ta->most > 1)
        zm_shape_count(scheduler, thread, ZM_PACED_CONNECTIONS);
    zm_ta_update(scheduler, ta);
    return lease;
}

/* The last agent has left the thread: when again? */
static void end_run(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    const zm_params_t *params = &thread->ring->selection->params;
    int64_t when;

    if (thread->vertices == 0) {
        zm_thread_settle(scheduler, thread);
        return;
    }
    if (zm_aside_run_over(scheduler, thread))
        return;
    if ((thread->flags & ZM_THREAD_SUCCEEDED) != 0)
        thread->retry = 0;
    if ((thread->flags & (ZM_THREAD_STOPPED | ZM_THREAD_BROKEN)) != 0 || thread->unfed == 0)
        thread->flags &= (uint8_t)~ZM_THREAD_YIELDED;
    if ((thread->flags & ZM_THREAD_YIELDED) != 0) {
        zm_dispatch_ready(scheduler, thread); /* behind those that wait */
        return;
    }
    if (params->queueonly)
        return;
    if (thread->fresh > 0 && (thread->flags & (ZM_THREAD_STOPPED | ZM_THREAD_BROKEN)) == 0) {
        zm_dispatch_ready(scheduler, thread);
        return;
    }
    when = zm_retry_next(params, &thread->retry, scheduler->now, zm_scheduler_random(scheduler));
    if (when < thread->not_before)
        when = thread->not_before;
    if (when < zm_shape_suspended(scheduler, thread))
        when = zm_shape_suspended(scheduler, thread);
    if (when > 0)
        zm_due_set(&scheduler->retries, &thread->due, (uint32_t)when);
}

/* An agent has done what it could for a vertex. */
static void come_back(zm_scheduler_t *scheduler, zm_vertex_t *vertex)
{
    vertex->flags &= (uint8_t)~ZM_VERTEX_OUTSTANDING;
    if ((vertex->job->flags & ZM_JOB_HELD) != 0)
        zm_aside_divert(scheduler, vertex);
}

void zm_lease_end(zm_scheduler_t *scheduler, zm_lease_t *lease)
{
    zm_ta_t *ta = lease->ta;
    zm_thread_t *thread = lease->thread;
    zm_lease_t **at = &thread->leases;

    while (lease->first != NULL) { /* only when the agent is gone */
        zm_feed_t *feed = feed_take(lease);
        if (feed->vertex != NULL)
            come_back(scheduler, feed->vertex);
        zm_slab_put(&scheduler->feed_slab, feed);
    }
    while (*at != lease)
        at = &(*at)->thread_next;
    *at = lease->thread_next;
    thread->lease_count--;
    if (lease->ta_next != NULL)
        lease->ta_next->ta_previous = lease->ta_previous;
    if (lease->ta_previous != NULL)
        lease->ta_previous->ta_next = lease->ta_next;
    else
        ta->leases = lease->ta_next;
    ta->lease_count--;
    if (ta->host != thread->host) {
        zm_text_drop(&scheduler->texts, ta->host);
        ta->host = zm_text_hold(thread->host);
    }
    zm_scheduler_free(lease);
    if (thread->lease_count == 0)
        end_run(scheduler, thread);
    zm_ta_update(scheduler, ta);
}

/* -- feeding ------------------------------------------------------------------------------- */

static void feed_one(zm_scheduler_t *scheduler, zm_lease_t *lease, zm_vertex_t *vertex,
                     zm_buf_t *out)
{
    char path[ZM_JOB_PATH_SIZE];
    zm_thread_t *thread = lease->thread;
    apr_size_t start = out->length;

    if (zm_vertex_is_fresh(vertex))
        thread->fresh--;
    zm_vertex_sync(scheduler, vertex);
    vertex->flags = (uint8_t)((vertex->flags & ~ZM_VERTEX_FRESH) | ZM_VERTEX_OUTSTANDING);
    vertex->fed = lease->fed_at = scheduler->now;
    vertex->fed_run = (uint8_t)thread->run;
    lease->jobs++;
    feed_add(scheduler, lease, vertex);
    zm_shape_count(scheduler, thread, ZM_PACED_MESSAGES);
    zm_buf_add_c(out, zm_job_path(path, vertex->job));
    if (lease->ta->ring->host == NULL) {
        zm_buf_add_byte(out, '\t');
        zm_buf_add_str(out, zm_text_str(thread->host));
    }
    zm_buf_add_byte(out, '\n');
    scheduler->outside->fed(scheduler->baton, lease->ta, vertex,
                            zm_str_of(out->data + start, out->length - start - 1));
}

/* A thread that had its share gives way when others wait for a slot; its run goes on later. */
static bool yields(const zm_scheduler_t *scheduler, const zm_lease_t *lease)
{
    if (lease->count > 0 || lease->thread->unfed == 0 ||
        (lease->jobs < SHARE_JOBS && scheduler->now - lease->began < SHARE_TIME))
        return false;
    return zm_dispatch_contended(scheduler, lease->thread->ring);
}

/* How much the agent may be given now; all that it was given before is answered. */
static uint32_t next_batch(const zm_scheduler_t *scheduler, zm_lease_t *lease)
{
    uint32_t most = (uint32_t)lease->thread->ring->selection->params.overfeed + 1;
    uint32_t took = scheduler->now - lease->fed_at;

    if (lease->batch == 0)
        lease->batch = 1;
    else if (took == 0 && lease->batch < most)
        lease->batch *= 2;
    else if (took > 1 && lease->batch > 1)
        lease->batch /= 2;
    if (lease->batch > most)
        lease->batch = most;
    return lease->batch;
}

void zm_lease_feed(zm_scheduler_t *scheduler, zm_lease_t *lease)
{
    zm_ta_t *ta = lease->ta;
    zm_thread_t *thread = lease->thread;
    zm_buf_t out = ZM_BUF_INIT;
    uint32_t most, allowed = 0;

    if (ta->blocked || !ta->hungry)
        return;
    most = next_batch(scheduler, lease);
    if (ta->state == ZM_TA_LEAVING || scheduler->stopping)
        lease->state = ZM_LEASE_FINISHING;
    if (lease->state == ZM_LEASE_STUFFING && yields(scheduler, lease)) {
        lease->state = ZM_LEASE_FINISHING;
        thread->flags |= ZM_THREAD_YIELDED;
    }
    if (lease->state == ZM_LEASE_STUFFING || lease->state == ZM_LEASE_LARVA)
        allowed = zm_shape_allowance(scheduler, thread);
    while (lease->state != ZM_LEASE_FINISHING && lease->count < most) {
        zm_vertex_t *vertex;
        if (allowed-- == 0) { /* the run goes on when the rates allow it */
            lease->state = ZM_LEASE_FINISHING;
            thread->flags |= ZM_THREAD_YIELDED;
            break;
        }
        vertex = zm_lanes_take(scheduler, thread);
        if (vertex == NULL)
            break;
        feed_one(scheduler, lease, vertex, &out);
    }
    if (lease->state == ZM_LEASE_LARVA)
        lease->state = ZM_LEASE_STUFFING;
    if (out.length > 0)
        ta->blocked = !scheduler->outside->send(scheduler->baton, ta, out.data, out.length);
    zm_buf_free(&out);
    if (lease->count == 0)
        zm_lease_end(scheduler, lease);
}

void zm_lease_finish(zm_scheduler_t *scheduler, zm_lease_t *lease)
{
    zm_vertex_t *next = zm_lanes_peek(scheduler, lease->thread);
    lease->thread->flags |= ZM_THREAD_STOPPED;
    if (next != NULL && zm_expiry_is_due(scheduler, next))
        return; /* over-age ones get their attempt, and then expire */
    lease->state = ZM_LEASE_FINISHING;
}

void zm_lease_finish_all(zm_thread_t *thread)
{
    zm_lease_t *lease;
    thread->flags |= ZM_THREAD_STOPPED;
    for (lease = thread->leases; lease != NULL; lease = lease->thread_next)
        lease->state = ZM_LEASE_FINISHING;
}

static void no_result(zm_scheduler_t *scheduler, zm_vertex_t *vertex)
{
    zm_thread_t *thread = vertex->lane->thread;
    if (vertex->attempts < UINT16_MAX)
        vertex->attempts++;
    thread->attempts++;
    zm_text_drop(&scheduler->texts, vertex->diagnosis);
    vertex->diagnosis = zm_text_get(&scheduler->texts, ZM_S("\nthe agent gave no result"));
    scheduler->outside->event(scheduler->baton, ZM_LOG_WARNING, vertex->job,
                              "the agent gave no result for a recipient");
}

void zm_lease_hungry(zm_scheduler_t *scheduler, zm_lease_t *lease)
{
    lease->hungry_at = scheduler->now;
    if (lease->first != NULL) {
        zm_feed_t *feed = feed_take(lease);
        if (feed->vertex != NULL) {
            if (!feed->answered)
                no_result(scheduler, feed->vertex);
            come_back(scheduler, feed->vertex);
        }
        zm_slab_put(&scheduler->feed_slab, feed);
    }
    if (lease->count == 0)
        zm_lease_feed(scheduler, lease);
}
