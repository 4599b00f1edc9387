#include "mta/router/alone.h"

#include "mta/router/queue.h"
#include "platform/control.h"
#include "platform/log.h"
#include "spool/layout.h"

#define SCAN_INTERVAL apr_time_from_sec(60)

typedef struct alone_t {
    router_worker_t *worker;
    router_queue_t *queue;
    zm_loop_t *loop;
    zm_timer_t scan;
    bool due; /* the directory is to be looked at */
    bool stopping;
} alone_t;

static void on_time(zm_timer_t *timer, void *baton)
{
    alone_t *alone = baton;
    (void)timer;
    alone->due = true;
}

static void on_name(const char *name, void *baton)
{
    alone_t *alone = baton;
    (void)name;
    alone->due = true;
}

static void on_control(zm_control_t event, void *baton)
{
    alone_t *alone = baton;
    if (event == ZM_CONTROL_STOP || event == ZM_CONTROL_SLOW_STOP)
        alone->stopping = true;
    else if (event == ZM_CONTROL_REOPEN)
        (void)zm_log_reopen();
}

static apr_status_t look(alone_t *alone, apr_pool_t *pool)
{
    zm_spool_t *spool = alone->worker->spool;
    zm_listing_t *listing;
    const char *name;
    apr_status_t status = zm_spool_list(&listing, spool, ZM_DIR_ROUTER, false, pool);
    if (status != APR_SUCCESS)
        return status;
    alone->due = false;
    while (zm_listing_next(listing, &name) == APR_SUCCESS) {
        zm_object_info_t info;
        zm_name_t parts;
        if (zm_layout_parse(&parts, zm_str(name)) == APR_SUCCESS && parts.numeric &&
            zm_spool_info(&info, spool, name) == APR_SUCCESS)
            router_queue_add(alone->queue, name, parts.id,
                             apr_time_from_sec(info.mtime_s) + info.mtime_ns / 1000);
    }
    zm_listing_close(listing);
    zm_timer_set(&alone->scan, SCAN_INTERVAL);
    return APR_SUCCESS;
}

static apr_status_t route_all(alone_t *alone)
{
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, alone->worker->pool);
    while (status == APR_SUCCESS && !alone->stopping) {
        router_job_t *job;
        if (alone->due)
            status = look(alone, pool);
        job = router_queue_take(alone->queue);
        if (job != NULL) {
            router_worker_process(alone->worker, job->name);
            router_queue_done(alone->queue, job);
        }
        if (status == APR_SUCCESS)
            status = zm_loop_once(alone->loop, job != NULL ? 0 : SCAN_INTERVAL);
        apr_pool_clear(pool);
    }
    apr_pool_destroy(pool);
    return status;
}

bool router_alone(router_worker_t *worker)
{
    alone_t alone = {.worker = worker, .due = true};
    zm_spool_watch_t *watch = NULL;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, worker->pool);
    if (status == APR_SUCCESS)
        status = zm_loop_create(&alone.loop, pool);
    if (status == APR_SUCCESS)
        status = zm_control_listen(alone.loop, on_control, &alone);
    if (status != APR_SUCCESS)
        return true;
    zm_timer_init(&alone.scan, alone.loop, on_time, &alone);
    if (zm_spool_watch(&watch, worker->spool, ZM_DIR_ROUTER, alone.loop, on_name, &alone) !=
        APR_SUCCESS)
        watch = NULL; /* once a minute, then */
    alone.queue = router_queue_create();
    status = route_all(&alone);
    router_queue_destroy(alone.queue);
    if (watch != NULL)
        zm_spool_watch_close(watch);
    zm_timer_cancel(&alone.scan);
    if (status != APR_SUCCESS)
        zm_log(ZM_LOG_ERROR, NULL, "cannot route what comes", ZM_F_E("reason", status));
    return !alone.stopping;
}
