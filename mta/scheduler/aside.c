#include "mta/scheduler/aside.h"

#include "mta/scheduler/dispatch.h"
#include "mta/scheduler/expiry.h"
#include "mta/scheduler/outcome.h"
#include "mta/scheduler/scheduler.h"
#include "mta/scheduler/ta.h"

/* -- the table of threads beside ----------------------------------------------------------- */

typedef struct place_t {
    zm_str_t channel, host;
    zm_aside_t kind;
} place_t;

static uint32_t place_hash(const place_t *place)
{
    uint64_t both = (uint64_t)zm_hash(place->channel.data, place->channel.length) << 32 |
                    zm_hash(place->host.data, place->host.length);
    return (uint32_t)zm_mix(both + (uint64_t)place->kind);
}

static place_t place_of(const zm_thread_t *thread)
{
    place_t place = {zm_text_str(thread->ring->channel->name), zm_text_str(thread->host),
                     (zm_aside_t)thread->aside};
    return place;
}

static uint32_t thread_hash(const void *item)
{
    place_t place = place_of(item);
    return place_hash(&place);
}

static bool thread_equal(const void *item, const void *key)
{
    place_t own = place_of(item);
    const place_t *place = key;
    return own.kind == place->kind && zm_str_equal(own.host, place->host) &&
           zm_str_equal(own.channel, place->channel);
}

void zm_asides_init(zm_table_t *table)
{
    zm_table_init(table, thread_hash, thread_equal);
}

zm_thread_t *zm_aside_find(const zm_scheduler_t *scheduler, zm_str_t channel, zm_str_t host,
                           zm_aside_t kind)
{
    place_t place = {channel, host, kind};
    return zm_table_find(&scheduler->asides, place_hash(&place), &place);
}

static zm_thread_t *beside(zm_scheduler_t *scheduler, zm_str_t channel, zm_str_t host,
                           zm_aside_t kind)
{
    zm_thread_t *thread = zm_aside_find(scheduler, channel, host, kind);
    if (thread != NULL)
        return thread;
    return zm_thread_make(scheduler, &scheduler->asides, kind, channel, host);
}

const zm_selection_t *zm_aside_select(zm_scheduler_t *scheduler, const zm_thread_t *thread)
{
    if (thread->aside == ZM_ASIDE_REROUTE)
        return zm_config_reroute(scheduler->config);
    return zm_config_select(scheduler->config, zm_text_str(thread->ring->channel->name),
                            zm_text_str(thread->host));
}

zm_thread_t *zm_aside_arrival(zm_scheduler_t *scheduler, const zm_job_t *job, zm_str_t channel,
                              zm_str_t host)
{
    if ((job->flags & ZM_JOB_HELD) != 0)
        return beside(scheduler, channel, host, ZM_ASIDE_HELD);
    return zm_thread_get(scheduler, channel, host);
}

/* -- vertices there and back --------------------------------------------------------------- */

static void condemn(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    if (thread->condemned || thread->lease_count > 0)
        return;
    thread->condemned = true;
    thread->ready_next = NULL;
    thread->ready_previous = scheduler->last_condemned;
    if (scheduler->last_condemned != NULL)
        scheduler->last_condemned->ready_next = thread;
    else
        scheduler->condemned = thread;
    scheduler->last_condemned = thread;
    scheduler->expiry_left = true;
}

void zm_aside_forget(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    if (!thread->condemned)
        return;
    thread->condemned = false;
    if (thread->ready_next != NULL)
        thread->ready_next->ready_previous = thread->ready_previous;
    else
        scheduler->last_condemned = thread->ready_previous;
    if (thread->ready_previous != NULL)
        thread->ready_previous->ready_next = thread->ready_next;
    else
        scheduler->condemned = thread->ready_next;
}

/* What is to happen to a thread that was just given something. */
static void begin(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    if (thread->aside == ZM_ASIDE_REROUTE && thread->lease_count == 0)
        zm_dispatch_ready(scheduler, thread);
    else if (thread->aside == ZM_ASIDE_KILL || thread->aside == ZM_ASIDE_RETURN)
        condemn(scheduler, thread);
}

static void put_aside(zm_scheduler_t *scheduler, zm_vertex_t *vertex, zm_aside_t kind)
{
    const zm_thread_t *from = vertex->lane->thread;
    zm_thread_t *to =
        beside(scheduler, zm_text_str(from->ring->channel->name), zm_text_str(from->host), kind);
    if (from == to)
        return;
    zm_vertex_move(scheduler, vertex, to);
    begin(scheduler, to);
}

static void bring_back(zm_scheduler_t *scheduler, zm_vertex_t *vertex)
{
    zm_thread_t *from = vertex->lane->thread;
    zm_thread_t *to =
        zm_thread_get(scheduler, zm_text_str(from->ring->channel->name), zm_text_str(from->host));
    bool waits = zm_due_is_set(&to->due);

    zm_vertex_move(scheduler, vertex, to);
    if (!waits)
        zm_dispatch_arrival(scheduler, to);
}

/* The thread is freed with its last vertex. */
static void bring_all_back(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    uint32_t left = thread->vertices;
    while (left-- > 0)
        bring_back(scheduler, thread->first);
}

void zm_aside_divert(zm_scheduler_t *scheduler, zm_vertex_t *vertex)
{
    put_aside(scheduler, vertex, ZM_ASIDE_HELD);
}

/* -- whole threads ------------------------------------------------------------------------- */

/* Agents at work on it get nothing more of it. */
static void stop_feeding(zm_thread_t *thread)
{
    zm_lease_t *lease;
    for (lease = thread->leases; lease != NULL; lease = lease->thread_next)
        lease->state = ZM_LEASE_FINISHING;
    thread->flags &= (uint8_t) ~(ZM_THREAD_ETRN | ZM_THREAD_YIELDED);
}

bool zm_aside_hold_thread(zm_scheduler_t *scheduler, zm_str_t channel, zm_str_t host)
{
    zm_thread_t *thread = zm_queue_thread(scheduler, channel, host);

    zm_holds_add_place(&scheduler->holds, &scheduler->texts, channel, host);
    if (thread == NULL)
        return false;
    stop_feeding(thread);
    thread->flags |= ZM_THREAD_HELD;
    zm_dispatch_unready(scheduler, thread);
    zm_due_clear(&scheduler->retries, &thread->due);
    return true;
}

static bool release_kind(zm_scheduler_t *scheduler, zm_str_t channel, zm_str_t host,
                         zm_aside_t kind)
{
    zm_thread_t *thread = zm_aside_find(scheduler, channel, host, kind);
    zm_vertex_t *vertex;
    uint32_t left;

    if (thread == NULL || thread->lease_count > 0)
        return false;
    for (left = thread->vertices; left > 0; left--) {
        vertex = thread->first;
        if ((vertex->job->flags & ZM_JOB_HELD) != 0)
            zm_holds_remove_job(&scheduler->holds, vertex->job->id);
        vertex->job->flags &= (uint8_t)~ZM_JOB_HELD;
        bring_back(scheduler, vertex);
    }
    return true;
}

bool zm_aside_release_thread(zm_scheduler_t *scheduler, zm_str_t channel, zm_str_t host)
{
    zm_thread_t *thread = zm_queue_thread(scheduler, channel, host);
    zm_text_t *own_channel = zm_text_get(&scheduler->texts, channel);
    zm_text_t *own_host = zm_text_get(&scheduler->texts, host);
    bool any = zm_holds_place(&scheduler->holds, own_channel, own_host);

    zm_holds_remove_place(&scheduler->holds, &scheduler->texts, channel, host);
    if (thread != NULL && (thread->flags & ZM_THREAD_HELD) != 0) {
        thread->flags &= (uint8_t)~ZM_THREAD_HELD;
        if (thread->lease_count == 0 && !thread->ring->selection->params.queueonly)
            zm_dispatch_ready(scheduler, thread);
    }
    any |= release_kind(scheduler, channel, host, ZM_ASIDE_HELD);
    any |= release_kind(scheduler, channel, host, ZM_ASIDE_REROUTE);
    zm_text_drop(&scheduler->texts, own_channel);
    zm_text_drop(&scheduler->texts, own_host);
    return any;
}

/* Goes to work on a thread that no agent has. */
static void take_up(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    zm_str_t channel = zm_text_str(thread->ring->channel->name), host = zm_text_str(thread->host);
    zm_ring_t *old = thread->ring;
    if (thread->aside == ZM_ASIDE_REROUTE) {
        zm_thread_move(scheduler, thread,
                       zm_ring_get(scheduler, zm_config_reroute(scheduler->config), channel, host));
        zm_ring_settle(scheduler, old);
    }
    begin(scheduler, thread);
}

void zm_aside_thread(zm_scheduler_t *scheduler, zm_thread_t *thread, zm_aside_t kind)
{
    zm_dispatch_unready(scheduler, thread);
    zm_due_clear(&scheduler->retries, &thread->due);
    stop_feeding(thread);
    zm_table_remove(&scheduler->threads, thread);
    thread->flags &= (uint8_t)~ZM_THREAD_HELD;
    thread->aside = (uint8_t)kind;
    zm_table_add(&scheduler->asides, thread);
    if (thread->lease_count == 0)
        take_up(scheduler, thread);
}

bool zm_aside_run_over(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    if ((thread->flags & ZM_THREAD_HELD) != 0)
        return true;
    if (thread->aside == ZM_ASIDE_NOT)
        return false;
    if (thread->aside == ZM_ASIDE_REROUTE &&
        thread->ring->selection == zm_config_reroute(scheduler->config)) {
        if ((thread->flags & ZM_THREAD_YIELDED) != 0) {
            zm_dispatch_ready(scheduler, thread);
            return true;
        }
        bring_all_back(scheduler, thread); /* it had its attempt */
        return true;
    }
    take_up(scheduler, thread);
    return true;
}

/* -- single messages ----------------------------------------------------------------------- */

uint32_t zm_aside_job(zm_scheduler_t *scheduler, zm_job_t *job, zm_aside_t kind)
{
    zm_vertex_t *vertex, *next;
    uint32_t count = 0;

    for (vertex = job->vertices; vertex != NULL; vertex = next) {
        next = vertex->next;
        if ((vertex->flags & ZM_VERTEX_OUTSTANDING) != 0)
            continue;
        count += vertex->count;
        put_aside(scheduler, vertex, kind);
    }
    return count;
}

uint32_t zm_aside_hold_job(zm_scheduler_t *scheduler, zm_job_t *job)
{
    job->flags |= ZM_JOB_HELD;
    zm_holds_add_job(&scheduler->holds, job->id);
    return job->pending - zm_aside_job(scheduler, job, ZM_ASIDE_HELD);
}

void zm_aside_release_job(zm_scheduler_t *scheduler, zm_job_t *job)
{
    zm_vertex_t *vertex, *next;

    job->flags &= (uint8_t)~ZM_JOB_HELD;
    zm_holds_remove_job(&scheduler->holds, job->id);
    for (vertex = job->vertices; vertex != NULL; vertex = next) {
        next = vertex->next;
        if ((vertex->flags & ZM_VERTEX_OUTSTANDING) == 0 &&
            vertex->lane->thread->aside != ZM_ASIDE_NOT)
            bring_back(scheduler, vertex);
    }
}

int zm_aside_retry_job(zm_scheduler_t *scheduler, zm_job_t *job)
{
    zm_vertex_t *vertex;
    int count = 0;
    for (vertex = job->vertices; vertex != NULL; vertex = vertex->next)
        if (vertex->lane->thread->aside == ZM_ASIDE_NOT)
            count += zm_scheduler_retry(scheduler, vertex->lane->thread);
    return count;
}

/* -- removing ------------------------------------------------------------------------------ */

static void return_text(zm_buf_t *text, zm_buf_t *notary, const zm_vertex_t *vertex)
{
    static const char from_file[] = {ZM_NOTARY_FROM_FILE};
    zm_str_t last = zm_vertex_text(vertex);
    zm_notary_t parts;

    zm_notary_parse(&parts, zm_vertex_notary(vertex));
    parts.address = zm_str_of(from_file, 1);
    parts.action = ZM_S("failed");
    parts.status = ZM_S("5.7.0 (returned by the administrator)");
    if (parts.diagnostic.length == 0)
        parts.diagnostic = ZM_S("x-local; 500 (Returned by the administrator)");
    zm_notary_print(notary, &parts);
    zm_buf_add_c(text, "returned by the administrator");
    if (last.length > 0) {
        zm_buf_add_c(text, ", last problem was:\r");
        zm_buf_add_str(text, last);
    }
}

static bool remove_one(zm_scheduler_t *scheduler, zm_vertex_t *vertex, uint32_t index, bool tell)
{
    zm_job_t *job = vertex->job;
    apr_status_t status;

    if (tell) {
        zm_buf_t text = ZM_BUF_INIT, notary = ZM_BUF_INIT;
        bool done;
        return_text(&text, &notary, vertex);
        done = zm_expiry_give_up(scheduler, vertex, index, zm_buf_str(&notary), zm_buf_str(&text));
        zm_buf_free(&text);
        zm_buf_free(&notary);
        return done;
    }
    status = scheduler->outside->discard(scheduler->baton, job, vertex->offsets[index]);
    if (status != APR_SUCCESS && status != ZM_E_GONE)
        return false;
    scheduler->counters.recipients_out++;
    zm_vertex_drop(scheduler, vertex, index);
    zm_job_settle(scheduler, job);
    return true;
}

/* Recipients removed, no more than the budget.  One that cannot be, since somebody has it locked,
 * goes on as usual. */
static int remove_vertex(zm_scheduler_t *scheduler, zm_vertex_t *vertex, bool tell, int budget)
{
    uint32_t left = vertex->count;
    int count = 0;
    while (left-- > 0 && count < budget) {
        count++;
        if (remove_one(scheduler, vertex, left, tell))
            continue;
        bring_back(scheduler, vertex);
        break;
    }
    return count;
}

bool zm_aside_run(zm_scheduler_t *scheduler, int budget)
{
    while (scheduler->condemned != NULL && budget > 0) {
        zm_thread_t *thread = scheduler->condemned;
        budget -= remove_vertex(scheduler, thread->first, thread->aside == ZM_ASIDE_RETURN, budget);
    }
    return scheduler->condemned != NULL;
}
