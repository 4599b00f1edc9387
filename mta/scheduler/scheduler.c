#include "mta/scheduler/scheduler.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "mta/scheduler/aside.h"
#include "mta/scheduler/dispatch.h"
#include "mta/scheduler/expiry.h"
#include "mta/scheduler/lane.h"
#include "mta/scheduler/shape.h"
#include "mta/scheduler/ta.h"
#include "platform/clock.h"

/* How often agents are looked at for having been idle or silent too long, seconds. */
#define AGENT_SWEEP 10
/* An agent that never asked for work, or does not end when told to, is killed after this, seconds.
 */
#define AGENT_PATIENCE 600
/* Recipients given up in one call. */
#define EXPIRY_BUDGET 200
/* A difference of the clocks that is no drift, seconds. */
#define CLOCK_STEP 10

static uint32_t job_hash(const void *item)
{
    return (uint32_t)zm_mix(((const zm_job_t *)item)->id);
}

static bool job_equal(const void *item, const void *key)
{
    return ((const zm_job_t *)item)->id == *(const uint64_t *)key;
}

void zm_scheduler_create(zm_scheduler_t **scheduler, zm_config_t *config,
                         const zm_scheduler_options_t *options, const zm_outside_t *outside,
                         void *baton, apr_pool_t *pool)
{
    zm_scheduler_t *made = zm_scheduler_alloc(sizeof *made);

    made->pool = pool;
    made->config = config;
    made->outside = outside;
    made->baton = baton;
    made->fork_rate = options->fork_rate > 0 ? options->fork_rate : 30;
    made->frozen = options->frozen;
    made->starting = options->starting;
    made->only_channel = options->only_channel;
    made->only_host = options->only_host;
    made->random = options->seed;
    zm_table_init(&made->jobs, job_hash, job_equal);
    zm_logs_init(&made->logs);
    zm_threads_init(&made->threads);
    zm_asides_init(&made->asides);
    zm_rings_init(&made->ring_table);
    zm_shapes_init(&made->shapes);
    zm_table_init(&made->lanes, zm_lane_hash, zm_lane_equal);
    zm_texts_init(&made->texts);
    zm_slab_init(&made->job_slab, sizeof(zm_job_t));
    zm_slab_init(&made->vertex_slab, sizeof(zm_vertex_t) + sizeof(uint32_t));
    zm_slab_init(&made->lane_slab, sizeof(zm_lane_t));
    zm_slab_init(&made->thread_slab, sizeof(zm_thread_t));
    zm_slab_init(&made->feed_slab, sizeof(zm_feed_t));
    made->even_base = zm_clock_wall() - zm_clock_monotonic();
    zm_scheduler_tick(made);
    made->started = made->now;
    made->swept = made->now;
    *scheduler = made;
}

void zm_scheduler_destroy(zm_scheduler_t *scheduler)
{
    uint32_t i = 0;
    while (scheduler->jobs.count > 0 && i < scheduler->jobs.size) {
        zm_job_t *job = scheduler->jobs.slots[i];
        if (job != NULL)
            zm_job_forget(scheduler, job); /* may move another one into this slot */
        else
            i++;
    }
    while (scheduler->rings != NULL && scheduler->rings->tas == NULL &&
           scheduler->rings->threads == NULL) {
        zm_ring_retire(scheduler, scheduler->rings);
        zm_ring_settle(scheduler, scheduler->rings);
    }
    zm_shapes_end(scheduler);
    zm_table_free(&scheduler->jobs);
    zm_table_free(&scheduler->logs);
    zm_table_free(&scheduler->threads);
    zm_table_free(&scheduler->asides);
    zm_holds_free(&scheduler->holds, &scheduler->texts);
    zm_table_free(&scheduler->ring_table);
    zm_table_free(&scheduler->lanes);
    zm_due_heap_free(&scheduler->retries);
    zm_due_heap_free(&scheduler->expiries);
    zm_due_heap_free(&scheduler->paused);
    zm_texts_free(&scheduler->texts);
    zm_slab_end(&scheduler->job_slab);
    zm_slab_end(&scheduler->vertex_slab);
    zm_slab_end(&scheduler->lane_slab);
    zm_slab_end(&scheduler->thread_slab);
    zm_slab_end(&scheduler->feed_slab);
    zm_scheduler_free(scheduler);
}

uint32_t zm_scheduler_random(zm_scheduler_t *scheduler)
{
    scheduler->random += UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(zm_mix(scheduler->random) >> 32);
}

/* -- time ---------------------------------------------------------------------------------- */

void zm_scheduler_tick(zm_scheduler_t *scheduler)
{
    scheduler->now = (uint32_t)apr_time_sec(scheduler->even_base + zm_clock_monotonic());
    scheduler->wall = (uint32_t)apr_time_sec(zm_clock_wall());
}

static void retries_due(zm_scheduler_t *scheduler)
{
    zm_due_t *first;
    while ((first = zm_due_first(&scheduler->retries)) != NULL && first->when <= scheduler->now) {
        zm_thread_t *thread = (zm_thread_t *)(void *)((char *)first - offsetof(zm_thread_t, due));
        zm_due_clear(&scheduler->retries, first);
        zm_dispatch_ready(scheduler, thread);
    }
}

static void rings_due(zm_scheduler_t *scheduler)
{
    zm_due_t *first;
    while ((first = zm_due_first(&scheduler->paused)) != NULL && first->when <= scheduler->now) {
        zm_ring_t *ring = (zm_ring_t *)(void *)((char *)first - offsetof(zm_ring_t, due));
        zm_due_clear(&scheduler->paused, first);
        zm_dispatch_resume(scheduler, ring);
    }
}

static void kill_agent(zm_scheduler_t *scheduler, zm_ta_t *ta, const char *why)
{
    scheduler->outside->event(scheduler->baton, ZM_LOG_ERROR, NULL, why);
    ta->spoke = scheduler->now;
    scheduler->outside->kill(scheduler->baton, ta);
}

static bool has_outstanding(const zm_ta_t *ta)
{
    return ta->feeds.count > 0;
}

static void look_at_agent(zm_scheduler_t *scheduler, zm_ta_t *ta)
{
    const zm_params_t *params = &ta->ring->selection->params;
    int64_t idlemax = params->idlemax >= 0 ? params->idlemax : 3 * params->interval;
    uint32_t silent = scheduler->now - ta->spoke;

    if (ta->state == ZM_TA_IDLE && scheduler->now - ta->idle_since > idlemax)
        zm_ta_dismiss(scheduler, ta, false);
    else if (has_outstanding(ta) && params->watchdog > 0 && silent > params->watchdog)
        kill_agent(scheduler, ta, "an agent was silent for longer than its watchdog allows");
    else if (ta->state == ZM_TA_STARTING && silent > AGENT_PATIENCE)
        kill_agent(scheduler, ta, "an agent never asked for work");
    else if (ta->state == ZM_TA_LEAVING && !has_outstanding(ta) && silent > AGENT_PATIENCE)
        kill_agent(scheduler, ta, "an agent did not end when it was told to");
    else if (ta->state == ZM_TA_IDLING && silent > AGENT_PATIENCE)
        zm_ta_dismiss(scheduler, ta, false);
}

static void agents_due(zm_scheduler_t *scheduler)
{
    zm_ta_t *ta;
    if (scheduler->now - scheduler->swept < AGENT_SWEEP)
        return;
    scheduler->swept = scheduler->now;
    for (ta = scheduler->tas; ta != NULL; ta = ta->next)
        look_at_agent(scheduler, ta);
    zm_shape_sweep(scheduler);
}

/* Put off and held ones wait for a point on a clock that has been set since. */
static void follow_the_clock(zm_scheduler_t *scheduler)
{
    int64_t ahead = (int64_t)scheduler->wall - scheduler->now;
    char text[120];

    if (ahead - scheduler->armed_at < CLOCK_STEP && scheduler->armed_at - ahead < CLOCK_STEP)
        return;
    snprintf(text, sizeof text,
             "the clock was set %s by %lld s; retries keep their pace, ages follow the clock",
             ahead > scheduler->armed_at ? "forward" : "back",
             (long long)(ahead > scheduler->armed_at ? ahead - scheduler->armed_at
                                                     : scheduler->armed_at - ahead));
    scheduler->outside->event(scheduler->baton, ZM_LOG_NOTICE, NULL, text);
    scheduler->armed_at = ahead;
    zm_expiry_rearm(scheduler);
}

void zm_scheduler_due(zm_scheduler_t *scheduler)
{
    follow_the_clock(scheduler);
    rings_due(scheduler);
    retries_due(scheduler);
    agents_due(scheduler);
    scheduler->expiry_left = zm_expiry_run(scheduler, EXPIRY_BUDGET);
    scheduler->expiry_left |= zm_aside_run(scheduler, EXPIRY_BUDGET);
}

void zm_scheduler_settle(zm_scheduler_t *scheduler)
{
    zm_dispatch(scheduler);
    zm_ta_tell_idle(scheduler);
    zm_dispatch(scheduler); /* those sent away may have made room at once */
}

static void earlier(uint32_t *when, const zm_due_heap_t *heap)
{
    const zm_due_t *first = zm_due_first(heap);
    if (first != NULL && first->when < *when)
        *when = first->when;
}

uint32_t zm_scheduler_next(const zm_scheduler_t *scheduler)
{
    uint32_t when = scheduler->now + 3600;
    const zm_due_t *expiry;

    if (scheduler->expiry_left)
        return scheduler->now;
    if (scheduler->tas != NULL || scheduler->shapes.count > 0)
        when = scheduler->swept + AGENT_SWEEP;
    earlier(&when, &scheduler->retries);
    earlier(&when, &scheduler->paused);
    expiry = zm_due_first(&scheduler->expiries);
    if (expiry != NULL && zm_scheduler_even_of(scheduler, expiry->when) < when)
        when = expiry->when > scheduler->wall
                   ? (uint32_t)zm_scheduler_even_of(scheduler, expiry->when)
                   : scheduler->now;
    return when;
}

/* -- from the administrator ---------------------------------------------------------------- */

void zm_scheduler_open(zm_scheduler_t *scheduler)
{
    scheduler->starting = false;
}

bool zm_scheduler_slow_stop(zm_scheduler_t *scheduler)
{
    zm_ta_t *ta, *next;
    scheduler->stopping = true;
    for (ta = scheduler->tas; ta != NULL; ta = next) {
        next = ta->next;
        zm_ta_dismiss(scheduler, ta, true);
    }
    return scheduler->tas == NULL;
}

int zm_scheduler_retry(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    if (thread->lease_count > 0 || (thread->flags & ZM_THREAD_HELD) != 0)
        return 0;
    thread->flags |= ZM_THREAD_ETRN;
    zm_shape_reset(scheduler, thread);
    zm_due_clear(&scheduler->retries, &thread->due);
    zm_dispatch_ready(scheduler, thread);
    return 1;
}

int zm_scheduler_etrn(zm_scheduler_t *scheduler, zm_str_t host)
{
    zm_text_t *lower = zm_text_get_lower(&scheduler->texts, host);
    zm_channel_t *channel;
    int count = 0;

    for (channel = scheduler->channels; channel != NULL; channel = channel->next) {
        zm_thread_t *thread =
            zm_queue_thread(scheduler, zm_text_str(channel->name), zm_text_str(lower));
        if (thread != NULL)
            count += thread->lease_count > 0 ? 1 : zm_scheduler_retry(scheduler, thread);
    }
    scheduler->counters.etrn++;
    zm_text_drop(&scheduler->texts, lower);
    return count;
}

void zm_scheduler_kill(zm_scheduler_t *scheduler, zm_job_t *job)
{
    zm_vertex_t *vertex, *next;

    if ((job->flags & ZM_JOB_FINISHING) != 0)
        return;
    job->flags |= ZM_JOB_KILLED;
    for (vertex = job->vertices; vertex != NULL; vertex = next) {
        next = vertex->next;
        scheduler->counters.recipients_out += vertex->count;
        zm_vertex_remove(scheduler, vertex);
    }
    zm_job_settle(scheduler, job);
}

/* -- walking ------------------------------------------------------------------------------- */

void zm_walk_begin(zm_scheduler_t *scheduler, zm_walk_t *walk)
{
    walk->next = scheduler->walks;
    scheduler->walks = walk;
    walk->ring = scheduler->rings;
    walk->thread = walk->ring != NULL ? walk->ring->threads : NULL;
}

void zm_walk_end(zm_scheduler_t *scheduler, zm_walk_t *walk)
{
    zm_walk_t **at = &scheduler->walks;
    while (*at != NULL && *at != walk)
        at = &(*at)->next;
    if (*at != NULL)
        *at = walk->next;
}

void zm_walk_skip_thread(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    zm_walk_t *walk;
    for (walk = scheduler->walks; walk != NULL; walk = walk->next)
        if (walk->thread == thread)
            walk->thread = thread->ring_next;
}

void zm_walk_skip_ring(zm_scheduler_t *scheduler, zm_ring_t *ring)
{
    zm_walk_t *walk;
    for (walk = scheduler->walks; walk != NULL; walk = walk->next)
        if (walk->ring == ring) {
            walk->ring = ring->next;
            walk->thread = walk->ring != NULL ? walk->ring->threads : NULL;
            walk->ring_head_done = false;
        }
}
