#include "mta/smtpserver/crew.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/smtpserver/said.h"
#include "mta/smtpserver/ticket_keys.h"
#include "platform/child.h"
#include "platform/clock.h"
#include "platform/log.h"
#include "platform/service.h"

#define FIRST_PAUSE apr_time_from_sec(1)
#define LAST_PAUSE apr_time_from_sec(60)
#define DESCRIPTORS 1048576 /* as many as the system lets us have */

typedef struct post_t { /* the place of one worker */
    crew_t *crew;
    unsigned slot;
    zm_child_t *child;
    zm_watch_t *watch;
    zm_buf_t said;
    zm_buf_t unsent; /* keys of tickets, and "begin" */
    bool ready, closed;
    zm_timer_t again;
    apr_interval_time_t pause;
    apr_time_t started;
} post_t;

struct crew_t {
    crew_frame_t *frame;
    apr_pool_t *pool;
    config_t *config;
    apr_socket_t *const *sockets;
    const char *groups;
    post_t *posts;
    int count;
    bool complete, failed, retired, closed, ended;
    char reason[1024];
    int code;
    ticket_keys_t *keys;
    zm_timer_t news; /* events are told from here, when nothing of the crew is in use */
};

/* -- telling -------------------------------------------------------------------------------- */

static bool all_ready(const crew_t *crew)
{
    int i;
    for (i = 0; i < crew->count; i++)
        if (!crew->posts[i].ready)
            return false;
    return true;
}

static bool all_closed(const crew_t *crew)
{
    int i;
    for (i = 0; i < crew->count; i++)
        if (crew->posts[i].child != NULL && !crew->posts[i].closed)
            return false;
    return true;
}

static bool all_ended(const crew_t *crew)
{
    int i;
    for (i = 0; i < crew->count; i++)
        if (crew->posts[i].child != NULL)
            return false;
    return true;
}

/* One event at a time, since the receiver may close the crew. */
static void on_news(zm_timer_t *timer, void *baton)
{
    crew_t *crew = baton;
    crew_event_t event;
    if (crew->ended)
        return;
    if (crew->failed && !crew->retired) {
        crew->ended = true;
        event = CREW_FAILED;
    } else if (!crew->complete && !crew->retired && all_ready(crew)) {
        crew->complete = true;
        event = CREW_COMPLETE;
    } else if (crew->retired && !crew->closed && all_closed(crew)) {
        crew->closed = true;
        zm_timer_set(timer, 0);
        event = CREW_CLOSED;
    } else if (crew->retired && crew->closed && all_ended(crew)) {
        crew->ended = true;
        event = CREW_ENDED;
    } else {
        return;
    }
    crew->frame->fn(crew, event, crew->frame->baton);
}

static void changed(crew_t *crew)
{
    zm_timer_set(&crew->news, 0);
}

static void fail(crew_t *crew, int code, const char *reason)
{
    if (crew->failed || crew->complete || crew->retired)
        return;
    crew->failed = true;
    crew->code = code;
    apr_cpystrn(crew->reason, reason, sizeof crew->reason);
    changed(crew);
}

/* -- workers --------------------------------------------------------------------------------- */

static void heard(zm_str_t line, void *baton)
{
    post_t *post = baton;
    const zm_str_t failure = ZM_STR("fail ");
    if (zm_str_equal_c(line, "ready")) {
        post->ready = true;
    } else if (zm_str_equal_c(line, "closed")) {
        post->closed = true;
    } else if (zm_str_starts(line, failure)) {
        const char *reason = apr_pstrmemdup(post->crew->pool, line.data + failure.length,
                                            line.length - failure.length);
        zm_log(ZM_LOG_ERROR, NULL, "worker cannot start", ZM_F_S("reason", reason));
        fail(post->crew, 78, reason);
    }
    changed(post->crew);
}

static void listen_to(post_t *post)
{
    if (said_take(&post->said, post->child, heard, post))
        return;
    zm_watch_close(post->watch);
    post->watch = NULL;
}

static void tell_keys(post_t *post)
{
    bool left = ticket_keys_send(&post->unsent, zm_child_channel(post->child));
    zm_watch_set(post->watch, left ? ZM_READ | ZM_WRITE : ZM_READ);
}

static void on_channel(zm_watch_t *watch, int events, void *baton)
{
    (void)watch;
    if (events & ZM_WRITE)
        tell_keys(baton);
    listen_to(baton);
}

/* A worker that dies cannot say that its sessions have ended. */
static void note_workers(const crew_frame_t *frame)
{
    int count = 0, i;
    for (i = 0; i < TALLY_SLOTS; i++)
        count += frame->used[i];
    zm_counter_set(frame->counters, ZM_COUNT_SS_Processes_G, count);
    tally_tell(frame->tally, frame->counters);
}

static void leave(post_t *post)
{
    zm_watch_close(post->watch);
    post->watch = NULL;
    zm_child_close(post->child);
    post->child = NULL;
    zm_buf_free(&post->said);
    ticket_keys_drop(&post->unsent);
    tally_clear(post->crew->frame->tally, post->slot);
    post->crew->frame->used[post->slot] = false;
    post->ready = post->closed = false;
    note_workers(post->crew->frame);
}

static void on_end(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    post_t *post = baton;
    crew_t *crew = post->crew;
    (void)child;
    listen_to(post); /* its last words */
    leave(post);
    if (crew->retired) {
        changed(crew);
        return;
    }
    zm_log(ZM_LOG_ERROR, NULL, "worker ended", ZM_F_I("slot", post->slot),
           ZM_F_S("how", end->signalled ? "signal" : "exit"), ZM_F_I("code", end->code));
    if (!crew->complete) {
        fail(crew, 71, "a worker ended while it started");
        return;
    }
    if (zm_clock_monotonic() - post->started > LAST_PAUSE)
        post->pause = FIRST_PAUSE;
    zm_timer_set(&post->again, post->pause);
    post->pause = post->pause * 2 > LAST_PAUSE ? LAST_PAUSE : post->pause * 2;
}

/* The command line that we got, and what makes it a worker's. */
static const char *const *command(const post_t *post, apr_pool_t *pool)
{
    const arguments_t *arguments = &post->crew->frame->program->arguments;
    apr_array_header_t *argv = apr_array_make(pool, arguments->argc + 4, sizeof(const char *));
    const char *self;
    int i;
    if (zm_service_program(&self, pool) != APR_SUCCESS)
        self = arguments->argv[0];
    APR_ARRAY_PUSH(argv, const char *) = self;
    for (i = 1; i < arguments->argc; i++)
        APR_ARRAY_PUSH(argv, const char *) = arguments->argv[i];
    APR_ARRAY_PUSH(argv, const char *) = "--worker";
    APR_ARRAY_PUSH(argv, const char *) =
        apr_psprintf(pool, "%u:%s", post->slot, post->crew->groups);
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    return (const char *const *)argv->elts;
}

static apr_status_t take_slot(post_t *post, zm_error_t *error)
{
    unsigned slot;
    for (slot = 0; slot < TALLY_SLOTS; slot++) {
        if (!post->crew->frame->used[slot]) {
            post->slot = slot;
            post->crew->frame->used[slot] = true;
            tally_clear(post->crew->frame->tally, slot);
            return APR_SUCCESS;
        }
    }
    return zm_error_set(error, ZM_E_LIMIT,
                        "too many workers of earlier configurations still have sessions");
}

static apr_status_t start(post_t *post, zm_error_t *error)
{
    crew_t *crew = post->crew;
    zm_child_spec_t spec = {.io = ZM_CHILD_CHANNEL_01, .descriptors = DESCRIPTORS};
    apr_pool_t *pool;
    apr_status_t status = take_slot(post, error);
    if (status != APR_SUCCESS)
        return status;
    apr_pool_create(&pool, crew->pool);
    spec.argv = command(post, pool);
    spec.pass = crew->sockets;
    post->started = zm_clock_monotonic();
    status = zm_child_start(&post->child, &spec, crew->frame->loop, on_end, post, error);
    apr_pool_destroy(pool);
    if (status != APR_SUCCESS) {
        post->child = NULL;
        crew->frame->used[post->slot] = false;
        zm_counter_add(crew->frame->counters, ZM_COUNT_SS_ProcessForkFailures, 1);
        return status;
    }
    zm_counter_add(crew->frame->counters, ZM_COUNT_SS_ProcessForks, 1);
    note_workers(crew->frame);
    status = zm_watch_open(&post->watch, crew->frame->loop, zm_child_channel(post->child), ZM_READ,
                           on_channel, post);
    if (status != APR_SUCCESS) {
        post->watch = NULL;
        leave(post);
        return zm_error_system(error, status, "cannot listen to a worker");
    }
    ticket_keys_add_all(crew->keys, &post->unsent);
    zm_buf_add_c(&post->unsent, "begin\n");
    tell_keys(post);
    return APR_SUCCESS;
}

static void on_again(zm_timer_t *timer, void *baton)
{
    post_t *post = baton;
    zm_error_t error;
    if (start(post, &error) == APR_SUCCESS)
        return;
    zm_log(ZM_LOG_ERROR, NULL, "worker cannot start", ZM_F_S("reason", error.text));
    zm_timer_set(timer, LAST_PAUSE);
}

static void on_new_key(void *baton)
{
    const crew_t *crew = baton;
    int i;
    for (i = 0; i < crew->count; i++) {
        post_t *post = &crew->posts[i];
        if (post->child == NULL || post->watch == NULL)
            continue;
        ticket_keys_add_newest(crew->keys, &post->unsent);
        tell_keys(post);
    }
}

/* -- the crew ---------------------------------------------------------------------------------- */

apr_status_t crew_start(crew_t **crew, crew_frame_t *frame, config_t *config, int count,
                        apr_socket_t *const *sockets, const char *groups, apr_pool_t *pool,
                        zm_error_t *error)
{
    crew_t *made = apr_pcalloc(pool, sizeof *made);
    apr_status_t status = APR_SUCCESS;
    int i;
    made->frame = frame;
    made->pool = pool;
    made->config = config;
    made->sockets = sockets;
    made->groups = groups;
    made->count = count;
    made->posts = apr_pcalloc(pool, (apr_size_t)count * sizeof *made->posts);
    zm_timer_init(&made->news, frame->loop, on_news, made);
    made->keys = ticket_keys_create(config, frame->loop, on_new_key, made, pool);
    for (i = 0; i < count; i++) {
        made->posts[i].crew = made;
        made->posts[i].pause = FIRST_PAUSE;
        zm_timer_init(&made->posts[i].again, frame->loop, on_again, &made->posts[i]);
    }
    for (i = 0; i < count && status == APR_SUCCESS; i++)
        status = start(&made->posts[i], error);
    if (status == APR_SUCCESS)
        *crew = made;
    else
        crew_close(made);
    return status;
}

const config_t *crew_config(const crew_t *crew)
{
    return crew->config;
}

const char *crew_reason(const crew_t *crew)
{
    return crew->reason;
}

int crew_code(const crew_t *crew)
{
    return crew->code;
}

void crew_control(crew_t *crew, zm_control_t event)
{
    int i;
    for (i = 0; i < crew->count; i++)
        if (crew->posts[i].child != NULL)
            (void)zm_child_control(crew->posts[i].child, event);
}

void crew_retire(crew_t *crew, bool slowly)
{
    int i;
    crew->retired = true;
    for (i = 0; i < crew->count; i++)
        zm_timer_cancel(&crew->posts[i].again);
    crew_control(crew, slowly ? ZM_CONTROL_SLOW_STOP : ZM_CONTROL_STOP);
    changed(crew);
}

void crew_close(crew_t *crew)
{
    int i;
    zm_timer_cancel(&crew->news);
    ticket_keys_close(crew->keys);
    for (i = 0; i < crew->count; i++) {
        zm_timer_cancel(&crew->posts[i].again);
        if (crew->posts[i].child != NULL)
            leave(&crew->posts[i]); /* the end of the channel tells it */
    }
    apr_pool_destroy(crew->pool);
}
