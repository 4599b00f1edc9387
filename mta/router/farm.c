#include "mta/router/farm.h"

#include <stdlib.h>
#include <string.h>

#include "platform/log.h"

#define AHEAD 8                             /* messages in a worker's hands at most */
#define LINE_LIMIT 65536                    /* longest line from a worker */
#define FIRST_DELAY apr_time_from_msec(200) /* before a dead worker is replaced */
#define LAST_DELAY apr_time_from_sec(30)
#define WATCH_INTERVAL                                                                             \
    apr_time_from_sec(10) /* how often stuck workers are looked for, at least                      \
                           */

typedef struct worker_t {
    router_farm_t *farm;
    zm_child_t *child; /* null: not running */
    zm_watch_t *watch;
    zm_buf_t in, out;
    router_job_t *first, **last; /* what it has not answered for, oldest first */
    int outstanding;
    apr_time_t since; /* when the oldest became the oldest; monotonic enough */
    bool ready, retiring;
    bool
        waiting; /* for somebody else: what it has not begun comes back, and it gets nothing more */
} worker_t;

struct router_farm_t {
    router_farm_options_t options;
    apr_pool_t *pool;
    worker_t *workers;
    int count;   /* slots: the workers and one for a candidate at reload */
    bool proven; /* the configuration has been loaded once */
    bool stopping;
    bool reload_again; /* asked for while a candidate was loading what may be old by now */
    worker_t *candidate;
    router_figures_t figures; /* the totals */
    zm_timer_t restart, patrol;
    apr_interval_time_t delay, patrol_interval;
};

static void worker_event(zm_watch_t *watch, int events, void *baton);
static void candidate_done(router_farm_t *farm);

/* -- life of a worker ------------------------------------------------------------- */

static void worker_reset(worker_t *worker)
{
    zm_watch_close(worker->watch);
    worker->watch = NULL;
    zm_buf_free(&worker->in);
    zm_buf_free(&worker->out);
    worker->first = NULL;
    worker->last = &worker->first;
    worker->outstanding = 0;
    worker->ready = worker->retiring = worker->waiting = false;
}

/*
 * What it had not answered for waits again; the one it was working on is a suspect.  That is the
 * first that is there: it may have done those before, and died before it told us.
 */
static void worker_return_jobs(worker_t *worker, bool died)
{
    router_farm_t *farm = worker->farm;
    router_job_t *job = worker->first;
    bool searching = died && worker->ready;
    while (job != NULL) {
        router_job_t *next = job->next;
        bool suspect = searching && farm->options.exists(job, farm->options.baton);
        if (suspect && ++job->tries >= 2) {
            farm->figures.parked++;
            farm->options.poison(job, farm->options.baton);
            router_queue_done(farm->options.queue, job);
        } else {
            router_queue_return(farm->options.queue, job);
        }
        searching = searching && !suspect;
        job = next;
    }
    worker->first = NULL;
    worker->last = &worker->first;
    worker->outstanding = 0;
}

static bool any_running(const router_farm_t *farm)
{
    int i;
    for (i = 0; i < farm->count; i++)
        if (farm->workers[i].child != NULL)
            return true;
    return false;
}

static void worker_end(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    worker_t *worker = baton;
    router_farm_t *farm = worker->farm;
    bool died = end->signalled || end->code != 0, was_ready, was_candidate;
    worker->retiring = true; /* it gets nothing more */
    if (worker->watch != NULL)
        worker_event(worker->watch, ZM_READ, worker); /* its last words */
    if (worker->child == NULL)
        return;
    was_ready = worker->ready;
    was_candidate = worker == farm->candidate;
    farm->figures.deaths += died;
    zm_log(died && !(farm->stopping && !worker->ready) ? ZM_LOG_ERROR : ZM_LOG_INFO, NULL,
           "worker ended", ZM_F_I("pid", zm_child_pid(child)),
           ZM_F_S("by", end->signalled ? "signal" : "exit"), ZM_F_I("code", end->code),
           ZM_F_I("user_us", end->user_cpu), ZM_F_I("system_us", end->system_cpu));
    worker_return_jobs(worker, died);
    zm_child_close(worker->child);
    worker->child = NULL;
    worker_reset(worker);
    if (was_candidate) {
        zm_log(ZM_LOG_ERROR, NULL, "the old configuration stays in force",
               ZM_F_S("reason", "the new one does not load"));
        candidate_done(farm);
    }
    if (farm->stopping) {
        if (!any_running(farm))
            farm->options.stopped(farm->options.baton);
        return;
    }
    if (!was_ready && !farm->proven)
        farm->options.started(false, farm->options.baton); /* which may be the end */
    if (!zm_timer_is_set(&farm->restart)) {
        zm_timer_set(&farm->restart, died ? farm->delay : 0);
        if (died)
            farm->delay = farm->delay * 2 > LAST_DELAY ? LAST_DELAY : farm->delay * 2;
    }
}

static worker_t *worker_start(router_farm_t *farm)
{
    zm_error_t error = {0};
    worker_t *worker = NULL;
    int i;
    for (i = 0; i < farm->count && worker == NULL; i++)
        if (farm->workers[i].child == NULL)
            worker = &farm->workers[i];
    if (worker == NULL)
        return NULL;
    worker_reset(worker);
    worker->since = apr_time_now();
    if (zm_child_start(&worker->child, farm->options.spec, farm->options.loop, worker_end, worker,
                       &error) != APR_SUCCESS) {
        zm_log(ZM_LOG_ERROR, NULL, "cannot start a worker", ZM_F_S("reason", error.text));
        worker->child = NULL;
        zm_timer_set(&farm->restart, farm->delay);
        if (!farm->proven)
            farm->options.started(false, farm->options.baton);
        return NULL;
    }
    farm->figures.starts++;
    if (zm_watch_open(&worker->watch, farm->options.loop, zm_child_channel(worker->child), ZM_READ,
                      worker_event, worker) != APR_SUCCESS)
        (void)zm_child_kill(worker->child); /* its end is handled like any other */
    return worker;
}

/* -- talking to it ------------------------------------------------------------------- */

static void worker_flush(worker_t *worker)
{
    while (worker->out.length > 0) {
        apr_size_t length = worker->out.length;
        apr_status_t status =
            apr_socket_send(zm_child_channel(worker->child), worker->out.data, &length);
        zm_buf_consume(&worker->out, length);
        if (APR_STATUS_IS_EAGAIN(status))
            break;
        if (status != APR_SUCCESS) { /* it is dying: its end will be reported */
            zm_buf_clear(&worker->out);
            break;
        }
    }
    if (worker->watch != NULL)
        (void)zm_watch_set(worker->watch, ZM_READ | (worker->out.length > 0 ? ZM_WRITE : 0));
}

static void worker_give(worker_t *worker, router_job_t *job)
{
    *worker->last = job;
    worker->last = &job->next;
    job->next = NULL;
    if (worker->outstanding++ == 0)
        worker->since = apr_time_now();
    zm_buf_add_c(&worker->out, job->name);
    zm_buf_add_byte(&worker->out, '\n');
}

static void worker_retire(worker_t *worker)
{
    worker->retiring = true;
    (void)zm_child_half_close(worker->child);
}

/* The candidate has loaded the configuration, or has failed to. */
static void candidate_done(router_farm_t *farm)
{
    farm->candidate = NULL;
    if (farm->reload_again) {
        farm->reload_again = false;
        router_farm_reload(farm);
    }
}

/* A candidate is ready: it and its like take over. */
static void take_over(router_farm_t *farm)
{
    int i;
    for (i = 0; i < farm->count; i++) {
        worker_t *worker = &farm->workers[i];
        if (worker->child != NULL && worker != farm->candidate && !worker->retiring)
            worker_retire(worker);
    }
    zm_log(ZM_LOG_NOTICE, NULL, "configuration loaded again");
    candidate_done(farm);
}

/* It gives a message back that it has not begun. */
static void worker_return(worker_t *worker, zm_str_t name)
{
    router_job_t **link = worker->first != NULL ? &worker->first->next : NULL, *job;
    while (link != NULL && (job = *link) != NULL) {
        if (!zm_str_equal_c(name, job->name)) {
            link = &job->next;
            continue;
        }
        *link = job->next;
        if (worker->last == &job->next)
            worker->last = link;
        worker->outstanding--;
        router_queue_return(worker->farm->options.queue, job);
        return;
    }
}

static void worker_hungry(worker_t *worker)
{
    router_farm_t *farm = worker->farm;
    worker->waiting = false;
    if (!worker->ready) {
        worker->ready = true;
        farm->delay = FIRST_DELAY;
        if (worker == farm->candidate)
            take_over(farm);
        if (!farm->proven) {
            farm->proven = true;
            farm->options.started(true, farm->options.baton);
        }
    } else if (worker->first != NULL) {
        router_job_t *job = worker->first;
        worker->first = job->next;
        if (worker->first == NULL)
            worker->last = &worker->first;
        worker->outstanding--;
        farm->figures.routed++;
        worker->since = apr_time_now();
        if (job->again && farm->options.exists(job, farm->options.baton)) {
            job->again = false;
            router_queue_return(farm->options.queue, job);
        } else {
            router_queue_done(farm->options.queue, job);
        }
    }
}

static void worker_line(worker_t *worker, zm_str_t line)
{
    if (zm_str_equal_c(line, "#hungry"))
        worker_hungry(worker);
    else if (zm_str_equal_c(line, "#waiting"))
        worker->waiting = true;
    else if (zm_str_starts(line, ZM_S("#return ")))
        worker_return(worker, zm_str_from(line, 8));
    else if (line.length > 0)
        zm_log(ZM_LOG_NOTICE, NULL, "worker says", ZM_F_I("pid", zm_child_pid(worker->child)),
               ZM_F_N("text", line));
}

static void worker_event(zm_watch_t *watch, int events, void *baton)
{
    worker_t *worker = baton;
    zm_str_t rest, line, tail;
    apr_status_t status = APR_SUCCESS;
    (void)watch;
    if (events & ZM_WRITE)
        worker_flush(worker);
    while ((events & ZM_READ) && status == APR_SUCCESS) {
        apr_size_t length = 8192;
        zm_buf_reserve(&worker->in, length);
        status = apr_socket_recv(zm_child_channel(worker->child),
                                 worker->in.data + worker->in.length, &length);
        worker->in.length += length;
        if (length < 8192)
            break;
    }
    rest = zm_buf_str(&worker->in);
    while (zm_str_cut(rest, '\n', &line, &tail)) {
        worker_line(worker, line);
        rest = tail;
    }
    zm_buf_consume(&worker->in, worker->in.length - rest.length);
    if (worker->in.length > LINE_LIMIT)
        zm_buf_clear(&worker->in);
    if (status != APR_SUCCESS &&
        !APR_STATUS_IS_EAGAIN(status)) { /* closed: its end will be reported */
        zm_watch_close(worker->watch);
        worker->watch = NULL;
    }
    router_farm_feed(worker->farm);
}

/* -- the farm --------------------------------------------------------------------------- */

static worker_t *least_loaded(router_farm_t *farm)
{
    worker_t *best = NULL;
    int i;
    for (i = 0; i < farm->count; i++) {
        worker_t *worker = &farm->workers[i];
        if (worker->child == NULL || !worker->ready || worker->retiring || worker->waiting ||
            worker->watch == NULL)
            continue;
        if (best == NULL || worker->outstanding < best->outstanding)
            best = worker;
    }
    return best;
}

static int running(const router_farm_t *farm)
{
    int i, count = 0;
    for (i = 0; i < farm->count; i++)
        count += farm->workers[i].child != NULL && !farm->workers[i].retiring &&
                 &farm->workers[i] != farm->candidate;
    return count;
}

void router_farm_feed(router_farm_t *farm)
{
    worker_t *worker;
    int i;
    if (!farm->proven || farm->stopping)
        return;
    while (router_queue_waiting(farm->options.queue) > 0 && (worker = least_loaded(farm)) != NULL &&
           worker->outstanding < AHEAD)
        worker_give(worker, router_queue_take(farm->options.queue));
    for (i = 0; i < farm->count; i++)
        if (farm->workers[i].child != NULL && farm->workers[i].out.length > 0)
            worker_flush(&farm->workers[i]);
    if (router_queue_waiting(farm->options.queue) > 0 && running(farm) < farm->options.workers &&
        !zm_timer_is_set(&farm->restart))
        worker_start(farm);
}

static void restart(zm_timer_t *timer, void *baton)
{
    router_farm_t *farm = baton;
    (void)timer;
    if (!farm->stopping && running(farm) == 0)
        worker_start(farm);
    router_farm_feed(farm);
}

/* Looks for workers that do not come back from a message. */
static void patrol(zm_timer_t *timer, void *baton)
{
    router_farm_t *farm = baton;
    apr_time_t now = apr_time_now();
    int i;
    for (i = 0; i < farm->count; i++) {
        worker_t *worker = &farm->workers[i];
        bool working = worker->outstanding > 0 || !worker->ready;
        if (worker->child == NULL || !working || now - worker->since < farm->options.patience)
            continue;
        zm_log(ZM_LOG_ERROR, NULL, "worker is stuck and is killed",
               ZM_F_I("pid", zm_child_pid(worker->child)),
               ZM_F_S("message", worker->first ? worker->first->name : "-"));
        (void)zm_child_kill(worker->child);
    }
    zm_timer_set(timer, farm->patrol_interval);
}

router_farm_t *router_farm_create(const router_farm_options_t *options, apr_pool_t *pool)
{
    router_farm_t *farm = apr_pcalloc(pool, sizeof *farm);
    int i;
    farm->options = *options;
    farm->pool = pool;
    farm->count = 2 * options->workers + 1; /* during a reload both generations run */
    farm->workers = apr_pcalloc(pool, (apr_size_t)farm->count * sizeof *farm->workers);
    farm->delay = FIRST_DELAY;
    for (i = 0; i < farm->count; i++) {
        farm->workers[i].farm = farm;
        farm->workers[i].last = &farm->workers[i].first;
    }
    zm_timer_init(&farm->restart, options->loop, restart, farm);
    zm_timer_init(&farm->patrol, options->loop, patrol, farm);
    farm->patrol_interval =
        options->patience / 4 < WATCH_INTERVAL ? options->patience / 4 : WATCH_INTERVAL;
    zm_timer_set(&farm->patrol, farm->patrol_interval);
    worker_start(farm);
    return farm;
}

void router_farm_reload(router_farm_t *farm)
{
    if (farm->stopping)
        return;
    if (farm->candidate != NULL)
        farm->reload_again = true;
    else
        farm->candidate = worker_start(farm);
}

void router_farm_stop(router_farm_t *farm)
{
    int i;
    farm->stopping = true;
    zm_timer_cancel(&farm->restart);
    for (i = 0; i < farm->count; i++)
        if (farm->workers[i].child != NULL)
            worker_retire(&farm->workers[i]);
    if (!any_running(farm))
        farm->options.stopped(farm->options.baton);
}

void router_farm_figures(const router_farm_t *farm, router_figures_t *figures)
{
    int i;
    *figures = farm->figures;
    for (i = 0; i < farm->count; i++) {
        figures->workers += farm->workers[i].child != NULL;
        figures->busy += farm->workers[i].outstanding;
    }
}
