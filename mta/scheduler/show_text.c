/* The lines of listings: the second half of show.h. */
#include <string.h>

#include "mta/scheduler/dispatch.h"
#include "mta/scheduler/duration.h"
#include "mta/scheduler/expiry.h"
#include "mta/scheduler/lane.h"
#include "mta/scheduler/show.h"
#include "mta/scheduler/ta.h"
#include "spool/layout.h"

/* A name in a line of fields: nothing in it may end the field. */
static void add_name(zm_buf_t *out, zm_str_t name)
{
    apr_size_t i;
    for (i = 0; i < name.length; i++) {
        unsigned char c = (unsigned char)name.data[i];
        zm_buf_add_byte(out, c < ' ' || c == 127 ? '?' : (char)c);
    }
}

/* A diagnostic text: CR stays, it means a line break. */
static void add_text(zm_buf_t *out, zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        zm_buf_add_byte(out, c == '\r' ? '\r' : c < ' ' || c == 127 ? ' ' : (char)c);
    }
}

/* -- rings --------------------------------------------------------------------------------- */

void zm_show_ring_head(zm_buf_t *out, const zm_ring_t *ring)
{
    zm_buf_printf(out, "%s/%d\n", ring->selection->label, ring->host != NULL ? 2 : 0);
}

void zm_show_ring_summary(zm_buf_t *out, const zm_ring_t *ring)
{
    const zm_params_t *params = &ring->selection->params;
    zm_buf_printf(out,
                  "\tThreads: %4u Msgs: %5u Procs: %3u Idle: %3u Plim: %3lld Flim: %3lld Tlim: "
                  "%lld\n",
                  ring->thread_count, ring->vertex_count, ring->ta_count, ring->idle_count,
                  (long long)params->maxring, (long long)params->overfeed,
                  (long long)params->maxthr);
}

/* -- threads ------------------------------------------------------------------------------- */

void zm_show_thread_name(zm_buf_t *out, const zm_thread_t *thread)
{
    add_name(out, zm_text_str(thread->ring->channel->name));
    zm_buf_add_byte(out, '/');
    add_name(out, zm_text_str(thread->host));
    zm_buf_printf(out, "/%d", thread->ring->host != NULL ? 2 : 0);
}

static const char *lease_state(const zm_lease_t *lease)
{
    static const char *const names[] = {"LARVA", "STUFF", "FINISH"};
    return names[lease->state];
}

static void add_leases(zm_buf_t *out, const zm_scheduler_t *scheduler, const zm_thread_t *thread,
                       const char *separator)
{
    const zm_lease_t *lease;
    int i;
    for (i = 0; i < 5; i++) {
        static const char *const names[] = {"P", "HA", "FA", "OF", "S"};
        zm_buf_printf(out, "%s%s={", separator, names[i]);
        for (lease = thread->leases; lease != NULL; lease = lease->thread_next) {
            if (lease != thread->leases)
                zm_buf_add_byte(out, ',');
            if (i == 0)
                zm_buf_printf(out, "%lld", (long long)lease->ta->pid);
            else if (i == 1)
                zm_buf_printf(out, "%u", scheduler->now - lease->hungry_at);
            else if (i == 2 && lease->fed_at == 0)
                zm_buf_add_c(out, "never");
            else if (i == 2)
                zm_buf_printf(out, "%u", scheduler->now - lease->fed_at);
            else if (i == 3)
                zm_buf_printf(out, "%u", lease->count);
            else
                zm_buf_add_c(out, lease_state(lease));
        }
        zm_buf_add_c(out, i == 1 || i == 2 ? "}s" : "}");
    }
    zm_buf_printf(out, "%sUF=%u", separator, thread->unfed);
}

static bool is_waiting(const zm_scheduler_t *scheduler, const zm_thread_t *thread)
{
    return zm_due_is_set(&thread->due) && thread->due.when > scheduler->now;
}

void zm_show_thread_fields(zm_buf_t *out, zm_scheduler_t *scheduler, zm_thread_t *thread, bool tabs)
{
    const char *separator = tabs ? "\t" : " ";
    zm_pending_t pending = zm_thread_pending(scheduler, thread);
    char age[ZM_DURATION_SIZE];
    uint32_t oldest = zm_lanes_oldest(thread);

    zm_buf_printf(out, tabs ? "N=%u\tR=%u\tA=%u" : "N=%-3u R=%-3u A=%-2u", thread->vertices,
                  thread->recipients, thread->attempts);
    if (thread->leases != NULL)
        add_leases(out, scheduler, thread, separator);
    else if (is_waiting(scheduler, thread))
        zm_buf_printf(out, "%sW=%us", separator, thread->due.when - scheduler->now);
    else if (pending != ZM_PENDING_NOTHING)
        zm_buf_printf(out, "%spend=%s", separator, zm_pending_name(pending));
    zm_buf_printf(out, "%sQA=%s", separator,
                  zm_duration_short(age, oldest != 0 ? (int64_t)scheduler->wall - oldest : 0));
    if (!tabs && pending == ZM_PENDING_MAXCHANNEL)
        zm_buf_add_c(out, " channelwait");
    else if (!tabs && pending == ZM_PENDING_MAXRING)
        zm_buf_add_c(out, " threadwait");
}

/* -- recipients ---------------------------------------------------------------------------- */

static void add_when(zm_buf_t *out, const zm_scheduler_t *scheduler, const zm_thread_t *thread)
{
    zm_pending_t pending = zm_thread_pending(scheduler, thread);
    char text[ZM_DURATION_SIZE];

    if (is_waiting(scheduler, thread))
        zm_buf_printf(out, "retry in %s",
                      zm_duration_short(text, (int64_t)thread->due.when - scheduler->now));
    else if (pending == ZM_PENDING_MAXCHANNEL || pending == ZM_PENDING_MAXTA)
        zm_buf_add_c(out, "channel");
    else if (pending == ZM_PENDING_MAXRING || pending == ZM_PENDING_MAXTHR)
        zm_buf_add_c(out, "thread");
    else if (pending == ZM_PENDING_HELD)
        zm_buf_add_c(out, "held");
    else if (pending == ZM_PENDING_REROUTE)
        zm_buf_add_c(out, "reroute");
    else if (pending == ZM_PENDING_REMOVED)
        zm_buf_add_c(out, "removed");
}

/* Of a moment in even time; 0 stays. */
static long long unix_time(const zm_scheduler_t *scheduler, uint32_t even)
{
    return even != 0 ? (long long)zm_scheduler_wall_of(scheduler, even) : 0;
}

/* What the last attempt said, or why there was none. */
static zm_str_t last_text(const zm_vertex_t *vertex)
{
    const zm_ring_t *ring = vertex->lane->thread->ring;
    zm_str_t text = zm_vertex_text(vertex);
    return text.length == 0 && ring->failures > 0 && ring->trouble != NULL
               ? zm_text_str(ring->trouble)
               : text;
}

void zm_show_recipients(zm_buf_t *out, zm_scheduler_t *scheduler, zm_vertex_t *vertex,
                        bool with_thread)
{
    const zm_thread_t *thread = vertex->lane->thread;
    char path[ZM_JOB_PATH_SIZE];
    uint32_t i;

    zm_vertex_sync(scheduler, vertex);
    zm_job_path(path, vertex->job);
    for (i = 0; i < vertex->count; i++) {
        if (with_thread) {
            add_name(out, zm_text_str(thread->ring->channel->name));
            zm_buf_add_byte(out, '\t');
            add_name(out, zm_text_str(thread->host));
            zm_buf_add_byte(out, '\t');
        }
        zm_buf_printf(out, "%s\t%u\t", path, i);
        add_name(out, zm_text_str(vertex->sender));
        zm_buf_printf(out, "\t%u\t%lld\t%lld\t%lld\t%u\t", vertex->offsets[i],
                      (long long)zm_expiry_time(vertex),
                      unix_time(scheduler, zm_due_is_set(&thread->due) ? thread->due.when : 0),
                      unix_time(scheduler, vertex->fed), vertex->attempts);
        add_when(out, scheduler, thread);
        zm_buf_add_byte(out, '\t');
        add_text(out, last_text(vertex));
        zm_buf_add_byte(out, '\n');
    }
}

void zm_show_job(zm_buf_t *out, const zm_job_t *job, bool fields)
{
    char path[ZM_JOB_PATH_SIZE], id[ZM_SPOOL_ID_SIZE];

    zm_layout_spool_id(id, job->id, job->arrived, job->arrived_ns);
    zm_job_path(path, job);
    if (fields) {
        zm_buf_printf(out, "#%s  ID=%s T=%lld R=%u TOTAL=%u FAILED=%u%s\n", path, id,
                      (long long)job->arrived, job->pending, job->total, job->failed,
                      (job->flags & ZM_JOB_HELD) != 0 ? " HELD" : "");
        return;
    }
    zm_buf_printf(out, "message %s, spool id %s: %u of %u recipients are left, %u failed\n", path,
                  id, job->pending, job->total, job->failed);
    if ((job->flags & ZM_JOB_HELD) != 0)
        zm_buf_add_c(out, "It is on hold by command; RELEASE MSG lets it go on.\n");
    if ((job->flags & ZM_JOB_FINISHING) != 0)
        zm_buf_add_c(out, "All its recipients are done; reports on them are being written.\n");
}

/* -- version 1 --------------------------------------------------------------------------------- */

static void add_state(zm_buf_t *out, const zm_scheduler_t *scheduler, const zm_vertex_t *vertex)
{
    const zm_thread_t *thread = vertex->lane->thread;
    zm_pending_t pending = zm_thread_pending(scheduler, thread);
    char text[ZM_DURATION_SIZE];
    int64_t expiry = zm_expiry_time(vertex);

    if (thread->leases != NULL)
        zm_buf_printf(out, "running now, pid=%lld%s", (long long)thread->leases->ta->pid,
                      zm_vertex_is_unfed(vertex) ? " NextFeed" : "");
    else if (is_waiting(scheduler, thread))
        zm_buf_printf(out, "retry in %s",
                      zm_duration_short(text, (int64_t)thread->due.when - scheduler->now));
    else if (pending == ZM_PENDING_MAXCHANNEL)
        zm_buf_add_c(out, "waiting for channel slot");
    else if (pending == ZM_PENDING_MAXRING || pending == ZM_PENDING_MAXTHR)
        zm_buf_add_c(out, "waiting for thread slot");
    else if (pending == ZM_PENDING_MAXTA || pending == ZM_PENDING_READY)
        zm_buf_add_c(out, "waiting for slot");
    else
        zm_buf_add_c(out, "activation pending, thread inactive");
    if (expiry > 0)
        zm_buf_printf(out, ", expires in %s, tries=%u",
                      zm_duration_short(text, expiry - scheduler->wall), vertex->attempts);
}

void zm_show_vertex(zm_buf_t *out, zm_scheduler_t *scheduler, zm_vertex_t *vertex, uint64_t key)
{
    char path[ZM_JOB_PATH_SIZE];
    zm_str_t text;
    uint32_t i;

    zm_vertex_sync(scheduler, vertex);
    zm_buf_printf(out, "%llu:\t%s\t%u; ", (unsigned long long)key, zm_job_path(path, vertex->job),
                  vertex->count);
    for (i = 0; i < vertex->count; i++)
        zm_buf_printf(out, i > 0 ? ",%u" : "%u", vertex->offsets[i]);
    zm_buf_add_c(out, "\t#");
    text = last_text(vertex);
    if (text.length > 0) {
        add_text(out, text);
        zm_buf_add_byte(out, ' ');
    }
    zm_buf_add_byte(out, '(');
    add_state(out, scheduler, vertex);
    zm_buf_add_c(out, ")\n");
}

/* -- totals -------------------------------------------------------------------------------- */

void zm_show_totals(zm_buf_t *out, const zm_scheduler_t *scheduler, bool seconds)
{
    const zm_scheduler_counters_t *counters = &scheduler->counters;
    char uptime[ZM_DURATION_SIZE];
    uint32_t up = scheduler->now - scheduler->started;

    zm_buf_printf(out, "Kids: %u  Idle: %2u  Msgs: %3u  Thrds: %3u  Rcpnts: %4u  Uptime: ",
                  scheduler->ta_count, scheduler->idle_count, scheduler->job_count,
                  scheduler->thread_count, scheduler->vertex_count);
    if (seconds)
        zm_buf_printf(out, "%u sec\n", up);
    else
        zm_buf_printf(out, "%s\n", zm_duration_short(uptime, up));
    zm_buf_printf(out, "Msgs in %llu out %llu stored %u Rcpnts in %llu out %llu stored %llu\n",
                  (unsigned long long)counters->jobs_in, (unsigned long long)counters->jobs_out,
                  scheduler->job_count, (unsigned long long)counters->recipients_in,
                  (unsigned long long)counters->recipients_out,
                  (unsigned long long)scheduler->recipient_count);
}

void zm_show_counters(zm_buf_t *out, zm_scheduler_t *scheduler, zm_str_t extra)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_str_t rest, line;

    zm_scheduler_publish(scheduler);
    if (scheduler->shared != NULL)
        zm_counters_print(&text, scheduler->shared);
    rest = zm_buf_str(&text);
    while (extra.length > 0 && rest.length > 0) {
        zm_str_t after = ZM_S("");
        zm_str_cut(rest, '\n', &line, &after);
        zm_buf_add(out, line.data, line.length + 1);
        rest = after;
        if (zm_str_starts(line, ZM_S("SYS.Load-Avg-5-min-G ")))
            break;
    }
    zm_buf_add_str(out, extra);
    zm_buf_add_str(out, rest);
    zm_buf_free(&text);
}
