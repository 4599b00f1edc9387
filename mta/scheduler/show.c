#include "mta/scheduler/show.h"

#include <stdlib.h>
#include <string.h>

#include "mta/scheduler/aside.h"
#include "mta/scheduler/explain_queue.h"
#include "mta/scheduler/snapshot.h"
#include "mta/scheduler/memory.h"

/* The vertices of one thread in version 1: keys first ... first + count - 1. */
typedef struct span_t {
    zm_text_t *channel, *host;
    uint64_t first;
    uint32_t count;
} span_t;

typedef enum phase_t {
    PHASE_BEGIN,
    PHASE_VERTICES,
    PHASE_CHANNELS,
    PHASE_HOSTS,
    PHASE_END_LINE,
    PHASE_RINGS,
    PHASE_LISTING,
    PHASE_OVER
} phase_t;

struct zm_show_t {
    zm_scheduler_t *scheduler;
    zm_show_kind_t kind;
    zm_text_t *channel, *host;
    bool summary, dots, walking;
    phase_t phase;
    zm_walk_t walk;
    uint64_t job;           /* of ZM_SHOW_JOB and the like */
    zm_snapshot_t snapshot; /* of the thread or job being shown */
    uint64_t key;
    span_t *spans;
    apr_uint32_t span_count, span_capacity, span_next;
    zm_buf_t buffer;
};

/* -- beginning and end --------------------------------------------------------------------- */

zm_show_t *zm_show_begin(zm_scheduler_t *scheduler, zm_show_kind_t kind, zm_str_t channel,
                         zm_str_t host, bool summary, bool dots)
{
    zm_show_t *show = zm_scheduler_alloc(sizeof *show);
    show->scheduler = scheduler;
    show->kind = kind;
    show->channel = zm_text_get(&scheduler->texts, channel);
    show->host = zm_text_get(&scheduler->texts, host);
    show->summary = summary;
    show->dots = dots;
    zm_snapshot_begin(&show->snapshot, scheduler);
    return show;
}

zm_show_t *zm_show_begin_job(zm_scheduler_t *scheduler, zm_show_kind_t kind, uint64_t job)
{
    zm_show_t *show = zm_show_begin(scheduler, kind, ZM_S(""), ZM_S(""), false, true);
    show->job = job;
    return show;
}

static void stop_walking(zm_show_t *show)
{
    if (show->walking)
        zm_walk_end(show->scheduler, &show->walk);
    show->walking = false;
}

static void start_walking(zm_show_t *show)
{
    stop_walking(show);
    memset(&show->walk, 0, sizeof show->walk);
    zm_walk_begin(show->scheduler, &show->walk);
    show->walking = true;
}

void zm_show_end(zm_show_t *show)
{
    zm_texts_t *texts;
    apr_uint32_t i;

    if (show == NULL)
        return;
    texts = &show->scheduler->texts;
    stop_walking(show);
    for (i = 0; i < show->span_count; i++) {
        zm_text_drop(texts, show->spans[i].channel);
        zm_text_drop(texts, show->spans[i].host);
    }
    zm_text_drop(texts, show->channel);
    zm_text_drop(texts, show->host);
    zm_snapshot_end(&show->snapshot);
    zm_scheduler_free(show->spans);
    zm_buf_free(&show->buffer);
    zm_scheduler_free(show);
}

/* -- one thread, one job ------------------------------------------------------------------- */

static void step_listing(zm_show_t *show)
{
    zm_vertex_t *vertex = zm_snapshot_next(&show->snapshot);

    if (vertex == NULL)
        show->phase = PHASE_OVER;
    else if (show->kind == ZM_SHOW_THREAD)
        zm_show_recipients(&show->buffer, show->scheduler, vertex, false);
    else if (show->kind == ZM_SHOW_JOB)
        zm_show_recipients(&show->buffer, show->scheduler, vertex, true);
    else
        zm_explain_vertex(&show->buffer, show->scheduler, vertex);
}

static void begin_one_thread(zm_show_t *show, zm_thread_t *thread)
{
    if (thread == NULL)
        return;
    zm_snapshot_more(&show->snapshot, thread);
    show->phase = PHASE_LISTING;
    if (show->kind == ZM_SHOW_EXPLAIN_THREAD) {
        zm_explain_thread(&show->buffer, show->scheduler, thread);
        return;
    }
    zm_buf_add_byte(&show->buffer, '#');
    zm_show_thread_name(&show->buffer, thread);
    zm_buf_add_c(&show->buffer, "  ");
    zm_show_thread_fields(&show->buffer, show->scheduler, thread, false);
    zm_buf_add_byte(&show->buffer, '\n');
}

/* The thread, and those set aside of the same name. */
static void begin_thread(zm_show_t *show)
{
    zm_str_t channel = zm_text_str(show->channel), host = zm_text_str(show->host);
    int kind;

    show->phase = PHASE_OVER;
    begin_one_thread(show, zm_queue_thread(show->scheduler, channel, host));
    for (kind = ZM_ASIDE_HELD; kind <= ZM_ASIDE_RETURN; kind++)
        begin_one_thread(show, zm_aside_find(show->scheduler, channel, host, (zm_aside_t)kind));
    if (show->kind != ZM_SHOW_EXPLAIN_THREAD)
        return;
    if (show->phase == PHASE_OVER)
        zm_explain_place(&show->buffer, show->scheduler, channel, host);
    show->phase = PHASE_OVER;
}

static void begin_job(zm_show_t *show)
{
    zm_job_t *job = zm_queue_find(show->scheduler, show->job);

    show->phase = PHASE_OVER;
    if (job == NULL)
        return;
    zm_show_job(&show->buffer, job, show->kind == ZM_SHOW_JOB);
    zm_snapshot_job(&show->snapshot, job);
    show->phase = PHASE_LISTING;
}

/* -- rings and threads --------------------------------------------------------------------- */

static void next_ring(zm_walk_t *walk)
{
    walk->ring = walk->ring->next;
    walk->thread = walk->ring != NULL ? walk->ring->threads : NULL;
    walk->ring_head_done = false;
}

static void thread_line(zm_show_t *show, zm_thread_t *thread)
{
    zm_buf_t *out = &show->buffer;
    apr_size_t start = out->length, width;

    zm_buf_add_c(out, "    ");
    zm_show_thread_name(out, thread);
    width = out->length - start - 4 + 7;
    if (width < 15)
        zm_buf_add_byte(out, '\t');
    if (width < 23)
        zm_buf_add_byte(out, '\t');
    if (width < 31)
        zm_buf_add_byte(out, '\t');
    zm_buf_add_byte(out, width < 39 ? '\t' : ' ');
    zm_show_thread_fields(out, show->scheduler, thread, false);
    zm_buf_add_byte(out, '\n');
}

static void thread_row(zm_show_t *show, zm_thread_t *thread)
{
    zm_buf_t *out = &show->buffer;
    apr_size_t start = out->length, i;

    zm_show_thread_name(out, thread);
    while (out->length > start && out->data[out->length - 1] != '/')
        out->length--;
    out->length--;
    for (i = start; i < out->length; i++)
        if (out->data[i] == '/') {
            out->data[i] = '\t';
            break;
        }
    zm_buf_add_byte(out, '\t');
    zm_show_thread_fields(out, show->scheduler, thread, true);
    zm_buf_add_byte(out, '\n');
}

/* Whether a thread beside the ordinary one of its name needs no row of its own: clients ask for
 * what lies in a thread by its name, and get all of that name. */
static bool has_row(const zm_scheduler_t *scheduler, const zm_thread_t *thread)
{
    zm_str_t channel = zm_text_str(thread->ring->channel->name), host = zm_text_str(thread->host);
    int kind;

    if (thread->aside == ZM_ASIDE_NOT)
        return true;
    if (zm_queue_thread(scheduler, channel, host) != NULL)
        return false;
    for (kind = ZM_ASIDE_HELD; kind < thread->aside; kind++)
        if (zm_aside_find(scheduler, channel, host, (zm_aside_t)kind) != NULL)
            return false;
    return true;
}

static void step_rings(zm_show_t *show)
{
    zm_walk_t *walk = &show->walk;
    bool rows = show->kind == ZM_SHOW_THREADS2;

    if (walk->ring == NULL) {
        if (!rows)
            zm_show_totals(&show->buffer, show->scheduler, false);
        show->phase = PHASE_OVER;
        return;
    }
    if (!walk->ring_head_done) {
        walk->ring_head_done = true;
        if (!rows)
            zm_show_ring_head(&show->buffer, walk->ring);
        if (show->kind == ZM_SHOW_SHORT)
            walk->thread = NULL;
    }
    if (walk->thread == NULL) {
        if (!rows)
            zm_show_ring_summary(&show->buffer, walk->ring);
        next_ring(walk);
        return;
    }
    if (rows && has_row(show->scheduler, walk->thread))
        thread_row(show, walk->thread);
    else if (!rows)
        thread_line(show, walk->thread);
    walk->thread = walk->thread->ring_next;
}

/* -- version 1 ----------------------------------------------------------------------------- */

static void begin_span(zm_show_t *show, zm_thread_t *thread)
{
    span_t *span;
    zm_snapshot_thread(&show->snapshot, thread);
    show->spans = zm_scheduler_grow(show->spans, &show->span_capacity, show->span_count + 1,
                                    sizeof show->spans[0]);
    span = &show->spans[show->span_count++];
    span->channel = zm_text_hold(thread->ring->channel->name);
    span->host = zm_text_hold(thread->host);
    span->first = show->key + 1;
    span->count = 0;
}

static int by_channel(const void *a, const void *b)
{
    const span_t *one = a, *other = b;
    int order = zm_str_compare(zm_text_str(one->channel), zm_text_str(other->channel));
    return order != 0 ? order : one->first < other->first ? -1 : 1;
}

static int by_host(const void *a, const void *b)
{
    const span_t *one = a, *other = b;
    int order = zm_str_compare(zm_text_str(one->host), zm_text_str(other->host));
    return order != 0 ? order : one->first < other->first ? -1 : 1;
}

static void begin_names(zm_show_t *show, phase_t phase)
{
    show->phase = show->key > 0 ? phase : PHASE_END_LINE;
    if (show->key == 0)
        return;
    qsort(show->spans, show->span_count, sizeof show->spans[0],
          phase == PHASE_CHANNELS ? by_channel : by_host);
    show->span_next = 0;
    zm_buf_add_c(&show->buffer, phase == PHASE_CHANNELS ? "Channels:\n" : "Hosts:\n");
}

static void step_vertices(zm_show_t *show)
{
    zm_walk_t *walk = &show->walk;
    zm_vertex_t *vertex = zm_snapshot_next(&show->snapshot);

    if (vertex != NULL) {
        zm_show_vertex(&show->buffer, show->scheduler, vertex, ++show->key);
        show->spans[show->span_count - 1].count++;
        return;
    }
    if (walk->ring != NULL && walk->thread == NULL) {
        next_ring(walk);
    } else if (walk->ring != NULL) {
        zm_thread_t *thread = walk->thread;
        walk->thread = thread->ring_next;
        begin_span(show, thread);
    } else {
        stop_walking(show);
        begin_names(show, PHASE_CHANNELS);
    }
}

/* Channels and hosts: each name once, with the keys of all its vertices. */
static void step_names(zm_show_t *show)
{
    bool channels = show->phase == PHASE_CHANNELS;
    const span_t *span = &show->spans[show->span_next];
    const span_t *last = span - 1;
    zm_buf_t *out = &show->buffer;
    zm_text_t *name;
    uint32_t i;

    if (show->span_next == show->span_count) {
        zm_buf_add_byte(out, '\n');
        if (channels)
            begin_names(show, PHASE_HOSTS);
        else
            show->phase = PHASE_END_LINE;
        return;
    }
    show->span_next++;
    if (span->count == 0)
        return;
    name = channels ? span->channel : span->host;
    while (last >= show->spans && last->count == 0)
        last--;
    if (last < show->spans || (channels ? last->channel : last->host) != name) {
        if (last >= show->spans)
            zm_buf_add_byte(out, '\n');
        zm_buf_add_str(out, zm_text_str(name));
        zm_buf_add_c(out, ":\t");
    }
    for (i = 0; i < span->count; i++)
        zm_buf_printf(out, ">%llu", (unsigned long long)(span->first + i));
}

/* -- all of it ----------------------------------------------------------------------------- */

static void begin(zm_show_t *show)
{
    zm_buf_t *out = &show->buffer;

    switch (show->kind) {
    case ZM_SHOW_VERSION1:
        zm_buf_add_c(out, "Vertices:\n");
        show->phase = show->summary ? PHASE_END_LINE : PHASE_VERTICES;
        if (!show->summary)
            start_walking(show);
        break;
    case ZM_SHOW_SHORT:
    case ZM_SHOW_THREADS:
    case ZM_SHOW_THREADS2:
        start_walking(show);
        show->phase = PHASE_RINGS;
        break;
    case ZM_SHOW_THREAD:
    case ZM_SHOW_EXPLAIN_THREAD:
        begin_thread(show);
        break;
    case ZM_SHOW_JOB:
    case ZM_SHOW_EXPLAIN_JOB:
        begin_job(show);
        break;
    case ZM_SHOW_TOTALS:
        zm_show_totals(out, show->scheduler, true);
        show->phase = PHASE_OVER;
        break;
    case ZM_SHOW_COUNTERS:
        zm_show_counters(out, show->scheduler);
        show->phase = PHASE_OVER;
        break;
    }
}

static void step(zm_show_t *show)
{
    switch (show->phase) {
    case PHASE_BEGIN:
        begin(show);
        break;
    case PHASE_VERTICES:
        step_vertices(show);
        break;
    case PHASE_CHANNELS:
    case PHASE_HOSTS:
        step_names(show);
        break;
    case PHASE_END_LINE:
        zm_buf_add_c(&show->buffer, "End:\n");
        start_walking(show);
        show->phase = PHASE_RINGS;
        break;
    case PHASE_RINGS:
        step_rings(show);
        break;
    case PHASE_LISTING:
        step_listing(show);
        break;
    case PHASE_OVER:
        break;
    }
}

/* Hands on what is made so far, which ends at a line end when dots are doubled. */
static void hand_on(zm_show_t *show, zm_buf_t *out)
{
    zm_str_t rest = zm_buf_str(&show->buffer), line;
    bool more = rest.length > 0;

    while (show->dots && more) {
        zm_str_t after = ZM_S("");
        more = zm_str_cut(rest, '\n', &line, &after);
        if (line.length > 0 && line.data[0] == '.')
            zm_buf_add_byte(out, '.');
        zm_buf_add_str(out, line);
        zm_buf_add_byte(out, '\n');
        rest = after;
        more = rest.length > 0;
    }
    if (!show->dots)
        zm_buf_add_str(out, zm_buf_str(&show->buffer));
    zm_buf_clear(&show->buffer);
}

apr_status_t zm_show_more(zm_show_t *show, zm_buf_t *out, apr_size_t room)
{
    zm_scheduler_tick(show->scheduler);
    while (show->phase != PHASE_OVER && show->buffer.length < room)
        step(show);
    hand_on(show, out);
    if (show->phase != PHASE_OVER)
        return APR_SUCCESS;
    if (show->dots)
        zm_buf_add_c(out, ".\n");
    return APR_EOF;
}
