#include "mta/scheduler/show.h"

#include <string.h>

#include "mta/scheduler/aside.h"
#include "mta/scheduler/explain_queue.h"
#include "mta/scheduler/memory.h"
#include "mta/scheduler/visit.h"

/* Names of version 1, which come after all vertices: channels and hosts. */
enum { CHANNELS, HOSTS, NAMES };

/* The vertices of one thread in version 1: keys first ... first + count - 1. */
typedef struct span_t {
    struct span_t *next[NAMES]; /* of the same name */
    uint64_t first;
    uint32_t count;
} span_t;

typedef struct name_t {
    struct name_t *next;
    zm_text_t *text;
    span_t *first, *last;
} name_t;

typedef struct names_t {
    zm_table_t table;
    name_t *first, *last;
} names_t;

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
    uint64_t job;     /* of ZM_SHOW_JOB and the like */
    zm_visit_t visit; /* of the thread or job being shown */
    uint64_t key;
    zm_slab_t span_slab, name_slab;
    names_t names[NAMES];
    span_t *span;  /* being filled; or whose keys are being told */
    uint32_t told; /* keys of it */
    uint32_t page; /* lines that may still be handed on; ALL_LINES: no pages */
    int handle;    /* of the client's, to go on */
    zm_buf_t extra;
    zm_buf_t buffer;
};

#define ALL_LINES UINT32_MAX

/* Keys of a name in one step. */
#define KEYS_AT_ONCE 1000

/* -- names --------------------------------------------------------------------------------- */

static uint32_t name_hash(const void *item)
{
    return ((const name_t *)item)->text->hash;
}

/* Texts are shared: equal ones are one. */
static bool name_equal(const void *item, const void *key)
{
    return ((const name_t *)item)->text == key;
}

static void add_to_name(zm_show_t *show, int kind, zm_text_t *text, span_t *span)
{
    names_t *names = &show->names[kind];
    name_t *name = zm_table_find(&names->table, text->hash, text);

    if (name == NULL) {
        name = zm_slab_get(&show->name_slab);
        name->text = zm_text_hold(text);
        zm_table_add(&names->table, name);
        if (names->last != NULL)
            names->last->next = name;
        else
            names->first = name;
        names->last = name;
    }
    if (name->last != NULL)
        name->last->next[kind] = span;
    else
        name->first = span;
    name->last = span;
}

static void drop_first_name(zm_show_t *show, int kind)
{
    name_t *name = show->names[kind].first;
    show->names[kind].first = name->next;
    zm_text_drop(&show->scheduler->texts, name->text);
}

static void drop_names(zm_show_t *show)
{
    int kind;
    for (kind = 0; kind < NAMES; kind++) {
        while (show->names[kind].first != NULL)
            drop_first_name(show, kind);
        zm_table_free(&show->names[kind].table);
    }
    zm_slab_end(&show->span_slab);
    zm_slab_end(&show->name_slab);
}

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
    show->page = ALL_LINES;
    zm_slab_init(&show->span_slab, sizeof(span_t));
    zm_slab_init(&show->name_slab, sizeof(name_t));
    zm_table_init(&show->names[CHANNELS].table, name_hash, name_equal);
    zm_table_init(&show->names[HOSTS].table, name_hash, name_equal);
    zm_visit_begin(&show->visit, scheduler);
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
    if (show == NULL)
        return;
    stop_walking(show);
    drop_names(show);
    zm_text_drop(&show->scheduler->texts, show->channel);
    zm_text_drop(&show->scheduler->texts, show->host);
    zm_visit_end(&show->visit);
    zm_buf_free(&show->extra);
    zm_buf_free(&show->buffer);
    zm_scheduler_free(show);
}

/* -- one thread, one job ------------------------------------------------------------------- */

static void step_listing(zm_show_t *show)
{
    zm_vertex_t *vertex = zm_visit_next(&show->visit);

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
    zm_visit_more(&show->visit, thread);
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
    zm_visit_job(&show->visit, job);
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

/* The first vertex of a thread. */
static void begin_span(zm_show_t *show, const zm_thread_t *thread)
{
    span_t *span = zm_slab_get(&show->span_slab);
    span->first = show->key;
    add_to_name(show, CHANNELS, thread->ring->channel->name, span);
    add_to_name(show, HOSTS, thread->host, span);
    show->span = span;
}

static void begin_names(zm_show_t *show, phase_t phase)
{
    show->phase = show->key > 0 ? phase : PHASE_END_LINE;
    show->span = NULL;
    if (show->key > 0)
        zm_buf_add_c(&show->buffer, phase == PHASE_CHANNELS ? "Channels:\n" : "Hosts:\n");
}

static void step_vertices(zm_show_t *show)
{
    zm_walk_t *walk = &show->walk;
    zm_vertex_t *vertex = zm_visit_next(&show->visit);

    if (vertex != NULL) {
        ++show->key;
        if (show->span == NULL)
            begin_span(show, vertex->lane->thread);
        show->span->count++;
        zm_show_vertex(&show->buffer, show->scheduler, vertex, show->key);
        return;
    }
    if (walk->ring != NULL && walk->thread == NULL) {
        next_ring(walk);
    } else if (walk->ring != NULL) {
        zm_visit_thread(&show->visit, walk->thread);
        walk->thread = walk->thread->ring_next;
        show->span = NULL;
    } else {
        stop_walking(show);
        begin_names(show, PHASE_CHANNELS);
    }
}

/* Channels and hosts: each name once, with the keys of all its vertices. */
static void step_names(zm_show_t *show)
{
    int kind = show->phase == PHASE_CHANNELS ? CHANNELS : HOSTS;
    const name_t *name = show->names[kind].first;
    zm_buf_t *out = &show->buffer;
    int left = KEYS_AT_ONCE;

    if (name == NULL) {
        if (kind == CHANNELS)
            begin_names(show, PHASE_HOSTS);
        else
            show->phase = PHASE_END_LINE;
        return;
    }
    if (show->span == NULL) {
        zm_buf_add_str(out, zm_text_str(name->text));
        zm_buf_add_c(out, ":\t");
        show->span = name->first;
        show->told = 0;
    }
    while (show->span != NULL && left-- > 0) {
        zm_buf_printf(out, ">%llu", (unsigned long long)show->span->first + show->told);
        if (++show->told < show->span->count)
            continue;
        show->span = show->span->next[kind];
        show->told = 0;
    }
    if (show->span == NULL) {
        zm_buf_add_byte(out, '\n');
        drop_first_name(show, kind);
    }
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
        zm_show_counters(out, show->scheduler, zm_buf_str(&show->extra));
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

    while (show->dots && rest.length > 0 && show->page > 0) {
        zm_str_t after = ZM_S("");
        zm_str_cut(rest, '\n', &line, &after);
        if (line.length > 0 && line.data[0] == '.')
            zm_buf_add_byte(out, '.');
        zm_buf_add_str(out, line);
        zm_buf_add_byte(out, '\n');
        rest = after;
        if (show->page != ALL_LINES)
            show->page--;
    }
    if (!show->dots) {
        zm_buf_add_str(out, rest);
        rest.length = 0;
    }
    zm_buf_consume(&show->buffer, show->buffer.length - rest.length);
}

void zm_show_page(zm_show_t *show, uint32_t lines, int handle)
{
    show->page = lines;
    show->handle = handle;
}

void zm_show_extra(zm_show_t *show, zm_str_t text)
{
    zm_buf_clear(&show->extra);
    zm_buf_add_str(&show->extra, text);
}

bool zm_show_has_more(const zm_show_t *show)
{
    return show->phase != PHASE_OVER || show->buffer.length > 0;
}

static uint32_t lines_from(const zm_buf_t *buffer, apr_size_t start)
{
    uint32_t lines = 0;
    for (; start < buffer->length; start++)
        lines += buffer->data[start] == '\n';
    return lines;
}

/* Makes no more than the page takes: what is made later is as the queue is then. */
static void fill(zm_show_t *show, apr_size_t room)
{
    uint32_t lines = show->page != ALL_LINES ? lines_from(&show->buffer, 0) : 0;

    while (show->phase != PHASE_OVER && show->buffer.length < room && lines < show->page) {
        apr_size_t start = show->buffer.length;
        step(show);
        if (show->page != ALL_LINES)
            lines += lines_from(&show->buffer, start);
    }
}

apr_status_t zm_show_more(zm_show_t *show, zm_buf_t *out, apr_size_t room)
{
    zm_scheduler_tick(show->scheduler);
    fill(show, room);
    hand_on(show, out);
    if (show->page > 0 && show->phase != PHASE_OVER)
        return APR_SUCCESS;
    if (show->page == 0 && zm_show_has_more(show))
        zm_buf_printf(out, "#more %d\n", show->handle);
    if (show->dots)
        zm_buf_add_c(out, ".\n");
    return APR_EOF;
}
