#include "mta/scheduler/dispatch.h"

#include "mta/scheduler/scheduler.h"
#include "mta/scheduler/shape.h"
#include "mta/scheduler/ta.h"

/* A ring without any agent that has waited this long gets the next one, seconds. */
#define STARVING 1
/* Agents whose last host is compared before one is taken. */
#define SEARCH_LIMIT 64
#define LONGEST_HOLD 300

const char *zm_pending_name(zm_pending_t pending)
{
    static const char *const names[ZM_PENDING_COUNT] = {"",
                                                        "Ready",
                                                        ">MaxTA",
                                                        ">MaxChannel",
                                                        ">MaxRing",
                                                        ">MaxThr",
                                                        "ForkRateLimit",
                                                        "Frozen",
                                                        "ConfBUG:NoCmdDefined!",
                                                        "ConfBUG:NoClause!",
                                                        "System:ForkFailure!",
                                                        "AgentBroken",
                                                        "AgentStarts",
                                                        "procsel-mismatch",
                                                        "Held",
                                                        "Reroute",
                                                        "BeingRemoved",
                                                        "Suspended",
                                                        ">RateThread",
                                                        ">RateRing",
                                                        ">RateChannel"};
    return names[pending];
}

/* -- lists of rings ------------------------------------------------------------------------ */

static zm_ring_t **list_of(zm_scheduler_t *scheduler, zm_ring_t *ring, zm_ring_t ***last)
{
    switch (ring->wait) {
    case ZM_RING_READY:
        *last = &scheduler->last_ready;
        return &scheduler->ready;
    case ZM_RING_WAIT_TA:
        *last = &scheduler->last_waiting;
        return &scheduler->waiting;
    case ZM_RING_WAIT_CHANNEL:
        *last = &ring->channel->last_waiting;
        return &ring->channel->waiting;
    default:
        return NULL;
    }
}

static void set_wait(zm_scheduler_t *scheduler, zm_ring_t *ring, zm_ring_wait_t wait)
{
    zm_ring_t **last = NULL, **list = list_of(scheduler, ring, &last);

    if (ring->wait == wait)
        return;
    if (list != NULL) {
        if (ring->wait_previous != NULL)
            ring->wait_previous->wait_next = ring->wait_next;
        else
            *list = ring->wait_next;
        if (ring->wait_next != NULL)
            ring->wait_next->wait_previous = ring->wait_previous;
        else
            *last = ring->wait_previous;
    }
    if (ring->wait == ZM_RING_WAIT_TIME)
        zm_due_clear(&scheduler->paused, &ring->due);
    ring->wait = wait;
    ring->wait_next = ring->wait_previous = NULL;
    list = list_of(scheduler, ring, &last);
    if (list == NULL)
        return;
    ring->wait_previous = *last;
    if (*last != NULL)
        (*last)->wait_next = ring;
    else
        *list = ring;
    *last = ring;
}

static void block(zm_scheduler_t *scheduler, zm_ring_t *ring, zm_ring_wait_t wait,
                  zm_pending_t reason)
{
    if (ring->waits_since == 0) /* it may be woken and refused again many times */
        ring->waits_since = scheduler->now;
    set_wait(scheduler, ring, wait);
    ring->blocked = reason;
}

static void pause_until(zm_scheduler_t *scheduler, zm_ring_t *ring, uint32_t when,
                        zm_pending_t reason)
{
    block(scheduler, ring, ZM_RING_WAIT_TIME, reason);
    zm_due_set(&scheduler->paused, &ring->due, when);
}

static void wake(zm_scheduler_t *scheduler, zm_ring_t *ring)
{
    if (ring->ready != NULL)
        set_wait(scheduler, ring, ZM_RING_READY);
    else if (ring->wait != ZM_RING_WAIT_TIME)
        set_wait(scheduler, ring, ZM_RING_AT_REST);
}

/* -- ready threads ------------------------------------------------------------------------- */

/* Not to be served: on hold, or being emptied. */
static bool is_set_aside(const zm_thread_t *thread)
{
    return (thread->flags & ZM_THREAD_HELD) != 0 ||
           (thread->aside != ZM_ASIDE_NOT && thread->aside != ZM_ASIDE_REROUTE);
}

void zm_dispatch_ready(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    zm_ring_t *ring = thread->ring;

    if (thread->ready || is_set_aside(thread))
        return;
    thread->ready = true;
    thread->ready_next = NULL;
    thread->ready_previous = ring->last_ready;
    if (ring->last_ready != NULL)
        ring->last_ready->ready_next = thread;
    else
        ring->ready = thread;
    ring->last_ready = thread;
    if (ring->wait == ZM_RING_AT_REST)
        set_wait(scheduler, ring, ZM_RING_READY);
}

void zm_dispatch_unready(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    zm_ring_t *ring = thread->ring;

    if (!thread->ready)
        return;
    thread->ready = false;
    if (thread->ready_next != NULL)
        thread->ready_next->ready_previous = thread->ready_previous;
    else
        ring->last_ready = thread->ready_previous;
    if (thread->ready_previous != NULL)
        thread->ready_previous->ready_next = thread->ready_next;
    else
        ring->ready = thread->ready_next;
    if (ring->ready != NULL)
        return;
    ring->waits_since = 0;
    if (ring->wait != ZM_RING_WAIT_TIME)
        set_wait(scheduler, ring, ZM_RING_AT_REST);
}

void zm_dispatch_arrival(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    const zm_params_t *params = &thread->ring->selection->params;

    if (params->queueonly)
        return;
    if (params->wakeuprestartonly && (thread->lease_count > 0 || thread->run > 0))
        return;
    if (thread->lease_count > 0 &&
        (thread->lease_count >= params->maxthr || thread->lease_count >= thread->unfed))
        return;
    zm_dispatch_ready(scheduler, thread);
}

/* -- making room --------------------------------------------------------------------------- */

/* Sends away the agent that has been idle longest; of one channel, when that is what is full. */
static void evict(zm_scheduler_t *scheduler, const zm_ring_t *ring, const zm_channel_t *channel)
{
    zm_ta_t *ta;
    for (ta = scheduler->idle_oldest; ta != NULL; ta = ta->age_next)
        if (ta->ring != ring && (channel == NULL || ta->ring->channel == channel)) {
            zm_ta_dismiss(scheduler, ta, false);
            return;
        }
}

static bool is_starving(const zm_scheduler_t *scheduler, const zm_ring_t *ring)
{
    return ring->ta_count == 0 && ring->used == 0 && ring->waits_since != 0 &&
           scheduler->now - ring->waits_since >= STARVING;
}

static bool starves(const zm_scheduler_t *scheduler, const zm_ring_t *list, const zm_ring_t *except)
{
    for (; list != NULL; list = list->wait_next)
        if (list != except && is_starving(scheduler, list))
            return true;
    return false;
}

/* Whether a ring without any agent has just been woken, because something gave way that this ring
 * would take as well: an agent process, or a place under the limit of the channel. */
static bool starving_one_woken(const zm_scheduler_t *scheduler, const zm_ring_t *ring, bool channel)
{
    const zm_ring_t *woken;
    for (woken = scheduler->ready; woken != NULL; woken = woken->wait_next)
        if (woken != ring && is_starving(scheduler, woken) &&
            (woken->blocked == ZM_PENDING_MAXTA ||
             (channel && woken->blocked == ZM_PENDING_MAXCHANNEL &&
              woken->channel == ring->channel)))
            return true;
    return false;
}

/* Whether an agent should rather go than take another thread, so that a ring without any gets one.
 */
static bool must_yield(const zm_scheduler_t *scheduler, const zm_ta_t *ta)
{
    const zm_ring_t *ring = ta->ring;
    return starves(scheduler, scheduler->waiting, ring) ||
           (ta->most == 1 && starves(scheduler, ring->channel->waiting, ring)) ||
           starving_one_woken(scheduler, ring, ta->most == 1);
}

bool zm_dispatch_contended(const zm_scheduler_t *scheduler, const zm_ring_t *ring)
{
    bool own = ring->ready != NULL &&
               (ring->wait == ZM_RING_WAIT_OWN || ring->wait == ZM_RING_WAIT_CHANNEL ||
                ring->wait == ZM_RING_WAIT_TA);
    return own || starves(scheduler, scheduler->waiting, ring) ||
           starves(scheduler, ring->channel->waiting, ring);
}

/* -- serving ----------------------------------------------------------------------------------- */

static bool only_others(const zm_scheduler_t *scheduler, const zm_thread_t *thread)
{
    zm_str_t channel = zm_text_str(thread->ring->channel->name), host = zm_text_str(thread->host);
    return (scheduler->only_channel != NULL && !zm_str_equal_c(channel, scheduler->only_channel)) ||
           (scheduler->only_host != NULL && !zm_str_equal_c(host, scheduler->only_host));
}

/* Whether a ready thread has no use for a (further) agent. */
static bool pointless(const zm_scheduler_t *scheduler, const zm_thread_t *thread)
{
    const zm_selection_t *selection = thread->ring->selection;
    if (thread->vertices == 0 || selection->params.command == NULL ||
        only_others(scheduler, thread))
        return true;
    return thread->lease_count > 0 &&
           (thread->lease_count >= selection->params.maxthr ||
            thread->lease_count >= thread->unfed || (thread->flags & ZM_THREAD_STOPPED) != 0);
}

/* An agent of the ring that wants work, best one that served this host last. */
static zm_ta_t *find_agent(zm_ring_t *ring, const zm_thread_t *thread)
{
    zm_ta_t *ta;
    int left = SEARCH_LIMIT;
    for (ta = ring->idle; ta != NULL && left > 0; ta = ta->idle_next, left--)
        if (ta->host == thread->host)
            return ta;
    return ring->idle;
}

static bool channel_full(const zm_ring_t *ring)
{
    return ring->channel->used >= ring->selection->params.maxchannel;
}

static bool ring_full(const zm_ring_t *ring)
{
    return ring->used >= ring->selection->params.maxring;
}

static void to_the_end(zm_scheduler_t *scheduler, zm_ring_t *ring)
{
    set_wait(scheduler, ring, ZM_RING_AT_REST);
    set_wait(scheduler, ring, ZM_RING_READY);
}

/* Blocks the ring when a limit stands against it. */
static bool refused(zm_scheduler_t *scheduler, zm_ring_t *ring, bool new_process)
{
    if (new_process && scheduler->ta_count >= ring->selection->params.maxta) {
        evict(scheduler, ring, NULL);
        block(scheduler, ring, ZM_RING_WAIT_TA, ZM_PENDING_MAXTA);
    } else if (channel_full(ring)) {
        evict(scheduler, ring, ring->channel);
        block(scheduler, ring, ZM_RING_WAIT_CHANNEL, ZM_PENDING_MAXCHANNEL);
    } else if (ring_full(ring)) {
        block(scheduler, ring, ZM_RING_WAIT_OWN, ZM_PENDING_MAXRING);
    } else {
        return false;
    }
    return true;
}

/* The kind of program decides whether one process more is of use: wait for the first to say. */
static bool newcomer_expected(const zm_scheduler_t *scheduler, const zm_ring_t *ring)
{
    return ring->starting > 0 && ring->kind != ZM_TA_CLASSIC &&
           scheduler->now - ring->last_start <= 1;
}

static bool fork_rate_reached(zm_scheduler_t *scheduler)
{
    if (scheduler->fork_second != scheduler->now) {
        scheduler->fork_second = scheduler->now;
        scheduler->forks = 0;
    }
    return scheduler->forks >= scheduler->fork_rate;
}

static bool start_agent(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    zm_ring_t *ring = thread->ring;
    zm_error_t error;
    apr_status_t status;

    if (scheduler->frozen) {
        block(scheduler, ring, ZM_RING_WAIT_OWN, ZM_PENDING_FROZEN);
        return false;
    }
    if (!is_starving(scheduler, ring) && starving_one_woken(scheduler, ring, true)) {
        to_the_end(scheduler, ring); /* that one is served, or blocked, before we come again */
        return false;
    }
    if (newcomer_expected(scheduler, ring)) {
        pause_until(scheduler, ring, scheduler->now + 2, ZM_PENDING_AGENT_STARTS);
        return false;
    }
    if (ring->failures > 0 && ring->starting > 0) {
        pause_until(scheduler, ring, scheduler->now + 1, ZM_PENDING_AGENT_BROKEN);
        return false;
    }
    if (refused(scheduler, ring, true))
        return false;
    if (fork_rate_reached(scheduler)) {
        pause_until(scheduler, ring, scheduler->now + 1, ZM_PENDING_FORK_RATE);
        return false;
    }
    scheduler->forks++;
    status = zm_ta_start(scheduler, thread, &error);
    if (status != APR_SUCCESS) {
        scheduler->outside->event(scheduler->baton, ZM_LOG_ERROR, NULL, error.text);
        zm_dispatch_trouble(scheduler, ring, zm_str(error.text));
        zm_dispatch_hold_back(scheduler, ring);
        if (APR_STATUS_IS_EAGAIN(status) || APR_STATUS_IS_ENOMEM(status))
            ring->blocked = ZM_PENDING_FORK_FAILURE;
        return false;
    }
    return true;
}

/* Gives the thread an agent.  False: its ring is blocked now, or behind others. */
static bool serve_thread(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    zm_ring_t *ring = thread->ring;
    zm_ta_t *ta;

    while ((ta = find_agent(ring, thread)) != NULL) {
        if (must_yield(scheduler, ta)) {
            zm_ta_dismiss(scheduler, ta, false);
            continue;
        }
        if (ta->most > 1 && refused(scheduler, ring, false))
            return false;
        zm_ta_attach(scheduler, ta, thread);
        return true;
    }
    return start_agent(scheduler, thread);
}

/* Whether the thread has to wait for its rates, or is suspended; then it comes back in time. */
static bool put_off(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    zm_pending_t why;
    uint32_t until = zm_shape_thread_until(scheduler, thread, &why);

    if (until <= scheduler->now)
        return false;
    if (!zm_due_is_set(&thread->due) || thread->due.when < until)
        zm_due_set(&scheduler->retries, &thread->due, until);
    return true;
}

static void serve_ring(zm_scheduler_t *scheduler, zm_ring_t *ring)
{
    zm_thread_t *thread = ring->ready;
    zm_pending_t why;
    uint32_t until = zm_shape_ring_until(scheduler, ring, &why);

    if (until > scheduler->now) {
        pause_until(scheduler, ring, until, why);
        return;
    }

    if (pointless(scheduler, thread) || put_off(scheduler, thread)) {
        zm_dispatch_unready(scheduler, thread);
        return;
    }
    if (thread->lease_count > 0 && thread->ready_next != NULL &&
        thread->ready_next->lease_count == 0) {
        zm_dispatch_unready(scheduler, thread); /* a further agent: after those without any */
        zm_dispatch_ready(scheduler, thread);
        return;
    }
    if (!serve_thread(scheduler, thread))
        return;
    ring->waits_since = 0;
    zm_dispatch_unready(scheduler, thread);
    if (!pointless(scheduler, thread))
        zm_dispatch_ready(scheduler, thread);
    if (ring->ready != NULL)
        to_the_end(scheduler, ring);
}

void zm_dispatch(zm_scheduler_t *scheduler)
{
    if (scheduler->starting || scheduler->stopping)
        return;
    while (scheduler->ready != NULL)
        serve_ring(scheduler, scheduler->ready);
}

/* -- what gives way ------------------------------------------------------------------------ */

static void wake_list(zm_scheduler_t *scheduler, zm_ring_t *ring)
{
    while (ring != NULL) {
        zm_ring_t *next = ring->wait_next;
        wake(scheduler, ring);
        ring = next;
    }
}

void zm_dispatch_released(zm_scheduler_t *scheduler, zm_ring_t *ring)
{
    if (ring->wait == ZM_RING_WAIT_OWN && ring->blocked == ZM_PENDING_MAXRING)
        wake(scheduler, ring);
    wake_list(scheduler, ring->channel->waiting);
    wake_list(scheduler, scheduler->waiting);
}

void zm_dispatch_offer(zm_scheduler_t *scheduler, zm_ring_t *ring)
{
    if (ring->wait != ZM_RING_AT_REST)
        wake(scheduler, ring);
}

void zm_dispatch_hold_back(zm_scheduler_t *scheduler, zm_ring_t *ring)
{
    uint32_t delay = LONGEST_HOLD;
    if (ring->failures < 9)
        delay = (uint32_t)1 << ring->failures;
    ring->failures++;
    pause_until(scheduler, ring, scheduler->now + (delay < LONGEST_HOLD ? delay : LONGEST_HOLD),
                ZM_PENDING_AGENT_BROKEN);
}

void zm_dispatch_trouble(zm_scheduler_t *scheduler, zm_ring_t *ring, zm_str_t why)
{
    zm_text_drop(&scheduler->texts, ring->trouble);
    ring->trouble = why.length > 0 ? zm_text_get(&scheduler->texts, why) : NULL;
}

void zm_dispatch_resume(zm_scheduler_t *scheduler, zm_ring_t *ring)
{
    set_wait(scheduler, ring, ZM_RING_AT_REST);
    wake(scheduler, ring);
}

void zm_dispatch_forget_ring(zm_scheduler_t *scheduler, zm_ring_t *ring)
{
    set_wait(scheduler, ring, ZM_RING_AT_REST);
}

zm_pending_t zm_thread_pending(const zm_scheduler_t *scheduler, const zm_thread_t *thread)
{
    const zm_ring_t *ring = thread->ring;
    zm_pending_t why;
    if (thread->leases != NULL)
        return ZM_PENDING_NOTHING;
    if (is_set_aside(thread))
        return thread->aside == ZM_ASIDE_KILL || thread->aside == ZM_ASIDE_RETURN
                   ? ZM_PENDING_REMOVED
                   : ZM_PENDING_HELD;
    if (thread->aside == ZM_ASIDE_REROUTE &&
        (ring->wait == ZM_RING_READY || ring->wait == ZM_RING_AT_REST))
        return ZM_PENDING_REROUTE;
    if (ring->selection->clause_count == 0 && thread->aside == ZM_ASIDE_NOT)
        return ZM_PENDING_NO_CLAUSE;
    if (ring->selection->params.command == NULL)
        return ZM_PENDING_NO_COMMAND;
    if (only_others(scheduler, thread))
        return ZM_PENDING_NOT_SELECTED;
    if (zm_shape_thread_until(scheduler, thread, &why) > scheduler->now)
        return why;
    if (!thread->ready)
        return ZM_PENDING_NOTHING;
    return ring->wait == ZM_RING_READY || ring->wait == ZM_RING_AT_REST ? ZM_PENDING_READY
                                                                        : ring->blocked;
}
