#include "mta/scheduler/explain_queue.h"

#include "mta/scheduler/dispatch.h"
#include "mta/scheduler/duration.h"
#include "mta/scheduler/expiry.h"
#include "mta/scheduler/lane.h"
#include "mta/scheduler/shape.h"
#include "mta/scheduler/show.h"
#include "mta/scheduler/ta.h"
#include "platform/clock.h"

/* -- pieces -------------------------------------------------------------------------------- */

/* On one line; CR means a line break and becomes a bar. */
static void add_text(zm_buf_t *out, zm_str_t text)
{
    apr_size_t i;
    while (text.length > 0 && text.data[0] == '\r')
        text = zm_str_from(text, 1);
    for (i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '\r')
            zm_buf_add_c(out, " | ");
        else
            zm_buf_add_byte(out, c < ' ' || c == 127 ? ' ' : (char)c);
    }
}

/* "in 1m49s (Sat, 21 Nov 2026 10:00:00 +0000)" */
static void add_when(zm_buf_t *out, const zm_scheduler_t *scheduler, int64_t when)
{
    char span[ZM_DURATION_SIZE], date[64];
    zm_clock_rfc5322(date, sizeof date, apr_time_from_sec(when), 0);
    if (when <= scheduler->wall)
        zm_buf_printf(out, "%s ago (%s)", zm_duration_short(span, scheduler->wall - when), date);
    else
        zm_buf_printf(out, "in %s (%s)", zm_duration_short(span, when - scheduler->wall), date);
}

static void add_last_reply(zm_buf_t *out, zm_str_t text)
{
    if (text.length == 0)
        return;
    zm_buf_add_c(out, "  last result: ");
    add_text(out, text);
    zm_buf_add_byte(out, '\n');
}

/* -- the clause ---------------------------------------------------------------------------- */

static void add_clauses(zm_buf_t *out, const zm_scheduler_t *scheduler,
                        const zm_selection_t *selection)
{
    int i;

    for (i = 0; i < selection->clause_count; i++)
        zm_buf_printf(out, "  clause %s/%s at %s:%u\n", selection->clauses[i]->channel,
                      selection->clauses[i]->host, scheduler->config->file,
                      selection->clauses[i]->line);
    if (selection->params.command != NULL)
        zm_buf_printf(out, "  served by: %s\n", selection->params.command);
}

static void add_limits(zm_buf_t *out, const zm_scheduler_t *scheduler, const zm_thread_t *thread)
{
    const zm_ring_t *ring = thread->ring;
    const zm_params_t *params = &ring->selection->params;
    zm_buf_printf(out,
                  "  in use: maxta %u of %lld, maxchannel %u of %lld, maxring %u of %lld, maxthr "
                  "%u of %lld\n",
                  scheduler->ta_count, (long long)params->maxta, ring->channel->used,
                  (long long)params->maxchannel, ring->used, (long long)params->maxring,
                  thread->lease_count, (long long)params->maxthr);
    zm_shape_print(out, scheduler, thread, "  ");
}

/* -- the reason ---------------------------------------------------------------------------- */

static const char *reason(zm_pending_t pending)
{
    static const char *const texts[ZM_PENDING_COUNT] = {
        "nothing asks for an attempt: the clause has no retries, or waits for ETRN (queueonly)",
        "it is ready; its turn comes after other destinations of the same clause",
        "as many agents run as maxta allows",
        "as many agents serve the channel as maxchannel allows",
        "as many agents serve the clause as maxring allows",
        "as many agents serve the destination as maxthr allows",
        "as many agents were started in this second as -R allows",
        "the scheduler is frozen (option -F)",
        "no clause that matches has a command",
        "no clause of the configuration matches",
        "the agent's process could not be started; see the log",
        "its agent does not come up, and is started again after a pause",
        "an agent for it is starting",
        "option -p restricts the scheduler to another destination",
        "it is on hold by command; RELEASE lets it go on",
        "it is to be routed again by command",
        "it is being removed by command",
        "it is suspended because of what it answered; RETRY tries it all the same",
        "as many messages or connections as the clause allows for the destination in that time",
        "as many messages or connections as the clause allows in that time",
        "as many messages or connections as the clause allows for the channel in that time",
    };
    return texts[pending];
}

static void add_lease(zm_buf_t *out, const zm_scheduler_t *scheduler, const zm_lease_t *lease)
{
    char since[ZM_DURATION_SIZE];
    zm_buf_printf(out, "  being served by process %lld since %s, %u jobs given, %u not answered\n",
                  (long long)lease->ta->pid,
                  zm_duration_short(since, (int64_t)scheduler->now - lease->began), lease->jobs,
                  lease->count);
}

static void add_trouble(zm_buf_t *out, const zm_ring_t *ring)
{
    if (ring->failures == 0 || ring->trouble == NULL)
        return;
    zm_buf_printf(out, "  starts in vain: %u; the last: ", ring->failures);
    add_text(out, zm_text_str(ring->trouble));
    zm_buf_add_byte(out, '\n');
}

static void add_state(zm_buf_t *out, const zm_scheduler_t *scheduler, const zm_thread_t *thread)
{
    const zm_params_t *params = &thread->ring->selection->params;
    zm_pending_t pending = zm_thread_pending(scheduler, thread);
    const zm_lease_t *lease;

    for (lease = thread->leases; lease != NULL; lease = lease->thread_next)
        add_lease(out, scheduler, lease);
    if (thread->leases != NULL)
        return;
    if (zm_due_is_set(&thread->due) && thread->due.when > scheduler->now) {
        zm_buf_add_c(out, "  next attempt ");
        add_when(out, scheduler, zm_scheduler_wall_of(scheduler, thread->due.when));
        if (thread->not_before != 0 && thread->due.when == thread->not_before)
            zm_buf_add_c(out, ", as the agent asked");
        else if (params->retry_count > 0)
            zm_buf_printf(out, ", after failed run %u", thread->run);
        zm_buf_add_byte(out, '\n');
    } else {
        zm_buf_printf(out, "  waits: %s\n", reason(pending));
    }
    add_trouble(out, thread->ring);
}

/* -- the whole ----------------------------------------------------------------------------- */

void zm_explain_thread(zm_buf_t *out, zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    char age[ZM_DURATION_SIZE];
    uint32_t oldest = zm_lanes_oldest(thread);
    zm_vertex_t *sample = thread->first;

    zm_show_thread_name(out, thread);
    out->length -= 2; /* without the "/0" */
    zm_buf_printf(out, ": %u message%s, %u recipient%s, %u attempt%s; the oldest came %s ago\n",
                  thread->vertices, thread->vertices == 1 ? "" : "s", thread->recipients,
                  thread->recipients == 1 ? "" : "s", thread->attempts,
                  thread->attempts == 1 ? "" : "s",
                  zm_duration_short(age, oldest != 0 ? (int64_t)scheduler->wall - oldest : 0));
    add_state(out, scheduler, thread);
    if (sample != NULL) {
        zm_vertex_sync(scheduler, sample);
        add_last_reply(out, zm_vertex_text(sample));
    }
    add_clauses(out, scheduler, thread->ring->selection);
    add_limits(out, scheduler, thread);
}

void zm_explain_vertex(zm_buf_t *out, zm_scheduler_t *scheduler, zm_vertex_t *vertex)
{
    const zm_thread_t *thread = vertex->lane->thread;
    int64_t expiry = zm_expiry_time(vertex);

    zm_vertex_sync(scheduler, vertex);
    zm_show_thread_name(out, thread);
    out->length -= 2;
    zm_buf_printf(out, ": %u recipient%s, tried %u time%s", vertex->count,
                  vertex->count == 1 ? "" : "s", vertex->attempts,
                  vertex->attempts == 1 ? "" : "s");
    if (vertex->fed != 0) {
        zm_buf_add_c(out, ", last ");
        add_when(out, scheduler, zm_scheduler_wall_of(scheduler, vertex->fed));
    }
    zm_buf_add_byte(out, '\n');
    if ((vertex->flags & ZM_VERTEX_OUTSTANDING) != 0)
        zm_buf_add_c(out, "  is with an agent now\n");
    add_last_reply(out, zm_vertex_text(vertex));
    add_state(out, scheduler, thread);
    if (expiry > 0) {
        zm_buf_add_c(out, "  expires ");
        add_when(out, scheduler, expiry);
        zm_buf_add_byte(out, '\n');
    }
    add_clauses(out, scheduler, thread->ring->selection);
    add_limits(out, scheduler, thread);
}

void zm_explain_place(zm_buf_t *out, zm_scheduler_t *scheduler, zm_str_t channel, zm_str_t host)
{
    const zm_selection_t *selection = zm_config_select(scheduler->config, channel, host);

    zm_buf_add_c(out, "nothing waits for ");
    add_text(out, channel);
    zm_buf_add_byte(out, '/');
    add_text(out, host);
    zm_buf_add_byte(out, '\n');
    if (zm_holds_place(&scheduler->holds, zm_text_find(&scheduler->texts, channel),
                       zm_text_find(&scheduler->texts, host)))
        zm_buf_add_c(out, "  on hold by command: what comes will wait\n");
    if (selection->clause_count == 0)
        zm_buf_add_c(out, "  no clause of the configuration matches\n");
    add_clauses(out, scheduler, selection);
}
