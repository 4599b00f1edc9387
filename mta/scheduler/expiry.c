#include "mta/scheduler/expiry.h"

#include <stddef.h>

#include "mta/scheduler/deadline.h"
#include "mta/scheduler/duration.h"
#include "mta/scheduler/memory.h"
#include "mta/scheduler/outcome.h"
#include "mta/scheduler/scheduler.h"

#define DAY 86400
/* After a failure of the disk, and for a vertex that an agent has, seconds. */
#define LATER 300
/* So often it is seen whether an over-age vertex was tried meanwhile, seconds. */
#define SWEEP 900
/* Recipients that expire in one go. */
#define AT_ONCE 200

static const zm_params_t *params_of(const zm_vertex_t *vertex)
{
    return &vertex->lane->thread->ring->selection->params;
}

/* When an attempted vertex expires; 0 never. */
static int64_t first_limit(const zm_vertex_t *vertex)
{
    int64_t expiry = params_of(vertex)->expiry;
    return expiry > 0 ? vertex->job->arrived + expiry : 0;
}

/* When any does. */
static int64_t second_limit(const zm_vertex_t *vertex)
{
    const zm_params_t *params = params_of(vertex);
    int64_t first = first_limit(vertex);
    return first == 0 ? 0 : first + (params->expiry2 >= 0 ? params->expiry2 : DAY);
}

int64_t zm_expiry_time(const zm_vertex_t *vertex)
{
    return first_limit(vertex);
}

bool zm_expiry_before(const zm_vertex_t *vertex, int64_t when)
{
    int64_t first = first_limit(vertex);
    return first != 0 && first <= when;
}

bool zm_expiry_is_due(const zm_scheduler_t *scheduler, const zm_vertex_t *vertex)
{
    return zm_expiry_before(vertex, scheduler->wall);
}

static zm_vertex_t *vertex_of(zm_due_t *due)
{
    return (zm_vertex_t *)(void *)((char *)due - offsetof(zm_vertex_t, due));
}

void zm_expiry_arm(zm_scheduler_t *scheduler, zm_vertex_t *vertex)
{
    const zm_params_t *params = params_of(vertex);
    int64_t when = first_limit(vertex);

    if (when != 0 && when <= scheduler->wall) {
        when = second_limit(vertex);
        if (when > scheduler->wall + SWEEP)
            when = scheduler->wall + SWEEP;
    }
    if (vertex->reports < params->reporttime_count) {
        int64_t report = vertex->job->arrived + params->reporttimes[vertex->reports];
        if (when == 0 || report < when)
            when = report;
    }
    if (vertex->by != 0 && (when == 0 || vertex->by < when))
        when = vertex->by;
    if (when == 0)
        zm_due_clear(&scheduler->expiries, &vertex->due);
    else
        zm_due_set(&scheduler->expiries, &vertex->due,
                   when > scheduler->wall ? (uint32_t)when : scheduler->wall);
}

/* -- expiring ------------------------------------------------------------------------------ */

static void expiry_text(zm_buf_t *out, const zm_vertex_t *vertex, const char *period)
{
    zm_str_t last = zm_vertex_text(vertex);
    if (last.length > 0)
        zm_buf_add_byte(out, '\r');
    zm_buf_printf(out, "expired after %s", period);
    if (last.length > 0) {
        zm_buf_add_c(out, ", problem was:\r");
        zm_buf_add_str(out, last);
    }
}

static void expiry_notary(zm_buf_t *out, const zm_vertex_t *vertex, const char *period)
{
    static const char from_file[] = {ZM_NOTARY_FROM_FILE};
    zm_buf_t reason = ZM_BUF_INIT;
    zm_notary_t notary;

    zm_notary_parse(&notary, zm_vertex_notary(vertex));
    notary.address = zm_str_of(from_file, 1);
    notary.action = ZM_S("failed");
    notary.status = ZM_S("5.4.7 (unspecified timeout failure)");
    if (notary.diagnostic.length == 0) {
        zm_buf_printf(&reason, "smtp; 500 (Expired after %s)", period);
        notary.diagnostic = zm_buf_str(&reason);
    }
    zm_notary_print(out, &notary);
    zm_buf_free(&reason);
}

bool zm_expiry_give_up(zm_scheduler_t *scheduler, zm_vertex_t *vertex, uint32_t index,
                       zm_str_t notary, zm_str_t text)
{
    zm_job_t *job = vertex->job;
    apr_status_t status =
        scheduler->outside->expire(scheduler->baton, job, vertex->offsets[index], notary, text);

    if (status == ZM_E_GONE) {
        zm_vertex_drop(scheduler, vertex, index);
        zm_job_settle(scheduler, job);
        return true;
    }
    if (status != APR_SUCCESS)
        return false;
    zm_job_reportable(scheduler, job);
    job->failed++;
    scheduler->counters.recipients_out++;
    scheduler->outside->finished(scheduler->baton, job, vertex->lane->thread, ZM_STATE_EXPIRE);
    zm_vertex_drop(scheduler, vertex, index);
    zm_job_settle(scheduler, job);
    return true;
}

bool zm_expiry_recipient(zm_scheduler_t *scheduler, zm_vertex_t *vertex, uint32_t index)
{
    char period[ZM_DURATION_SIZE];
    zm_buf_t text = ZM_BUF_INIT, notary = ZM_BUF_INIT;
    bool done;

    zm_duration_long(period, params_of(vertex)->expiry > 0
                                 ? params_of(vertex)->expiry
                                 : scheduler->wall - vertex->job->arrived);
    expiry_text(&text, vertex, period);
    expiry_notary(&notary, vertex, period);
    done = zm_expiry_give_up(scheduler, vertex, index, zm_buf_str(&notary), zm_buf_str(&text));
    zm_buf_free(&text);
    zm_buf_free(&notary);
    return done;
}

void zm_expiry_rearm(zm_scheduler_t *scheduler)
{
    const zm_due_heap_t *heap = &scheduler->expiries;
    uint32_t i, count = heap->count;
    zm_due_t **all = zm_scheduler_alloc((count + (apr_size_t)1) * sizeof(zm_due_t *));

    for (i = 0; i < count; i++) /* arming changes the heap */
        all[i] = heap->items[i];
    for (i = 0; i < count; i++)
        zm_expiry_arm(scheduler, vertex_of(all[i]));
    zm_scheduler_free(all);
}

/* Of a vertex with more recipients the rest has its turn in the next call. */
static void expire_all(zm_scheduler_t *scheduler, zm_vertex_t *vertex)
{
    uint32_t i = vertex->count, end = i > AT_ONCE ? i - AT_ONCE : 0;
    while (i-- > end) {
        bool last = vertex->count == 1;
        if (!zm_expiry_recipient(scheduler, vertex, i)) {
            zm_due_set(&scheduler->expiries, &vertex->due, scheduler->wall + LATER);
            return;
        }
        if (last)
            return; /* the vertex is gone */
    }
    zm_due_set(&scheduler->expiries, &vertex->due, scheduler->wall);
}

/* -- delays -------------------------------------------------------------------------------- */

static void report_delay(zm_scheduler_t *scheduler, zm_vertex_t *vertex)
{
    static const char from_file[] = {ZM_NOTARY_FROM_FILE};
    zm_buf_t text = ZM_BUF_INIT, joined = ZM_BUF_INIT;
    zm_str_t last = zm_vertex_text(vertex);
    zm_notary_t notary;
    uint32_t i;

    zm_notary_parse(&notary, zm_vertex_notary(vertex));
    notary.address = zm_str_of(from_file, 1);
    notary.action = ZM_S("delayed");
    notary.status = ZM_S("4.4.7 (still trying)");
    zm_notary_print(&joined, &notary);
    zm_buf_add_c(&text, "delayed; delivery will be tried again");
    if (last.length > 0) {
        zm_buf_add_c(&text, ", last problem was:\r");
        zm_buf_add_str(&text, last);
    }
    vertex->reports++;
    for (i = 0; i < vertex->count; i++)
        if (scheduler->outside->delayed(scheduler->baton, vertex->job, vertex->offsets[i],
                                        vertex->reports, zm_buf_str(&joined),
                                        zm_buf_str(&text)) == APR_SUCCESS)
            zm_job_reportable(scheduler, vertex->job);
    zm_buf_free(&text);
    zm_buf_free(&joined);
}

static bool over_age(const zm_scheduler_t *scheduler, const zm_vertex_t *vertex)
{
    int64_t second = second_limit(vertex);
    return (zm_expiry_is_due(scheduler, vertex) && vertex->attempts > 0) ||
           (second != 0 && second <= scheduler->wall);
}

static bool report_is_due(const zm_scheduler_t *scheduler, const zm_vertex_t *vertex)
{
    const zm_params_t *params = params_of(vertex);
    return vertex->reports < params->reporttime_count &&
           vertex->job->arrived + params->reporttimes[vertex->reports] <= scheduler->wall;
}

/* Mail on hold gets no older. */
static bool is_held(const zm_vertex_t *vertex)
{
    const zm_thread_t *thread = vertex->lane->thread;
    return thread->aside == ZM_ASIDE_HELD || (thread->flags & ZM_THREAD_HELD) != 0;
}

static void look_at(zm_scheduler_t *scheduler, zm_vertex_t *vertex)
{
    if ((vertex->flags & ZM_VERTEX_OUTSTANDING) != 0 || is_held(vertex)) {
        zm_due_set(&scheduler->expiries, &vertex->due, scheduler->wall + LATER);
        return;
    }
    zm_vertex_sync(scheduler, vertex);
    if (zm_deadline_is_due(scheduler, vertex) && !zm_deadline_act(scheduler, vertex))
        return;
    if (over_age(scheduler, vertex)) {
        expire_all(scheduler, vertex);
        return;
    }
    if (report_is_due(scheduler, vertex))
        report_delay(scheduler, vertex);
    zm_expiry_arm(scheduler, vertex);
}

bool zm_expiry_run(zm_scheduler_t *scheduler, int budget)
{
    for (;;) {
        zm_due_t *first = zm_due_first(&scheduler->expiries);
        zm_vertex_t *vertex;
        if (first == NULL || first->when > scheduler->wall)
            return false;
        if (budget <= 0)
            return true;
        vertex = vertex_of(first);
        budget -= vertex->count < AT_ONCE ? (int)vertex->count : AT_ONCE;
        look_at(scheduler, vertex);
    }
}
