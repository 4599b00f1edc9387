/*
 * The event loop's round: wait for sockets no longer than until the next timer,
 * then run posted work, sockets and timers, in this order.
 *
 * Waking.  A poster wakes the loop only when it sleeps and nobody else has
 * woken it yet, so a burst of posts costs one system call, and posts made while
 * callbacks run cost none.
 */
#include <stdlib.h>

#include "platform/clock.h"
#include "platform/loop_parts.h"
#include "platform/status.h"

#define FIRST_POLLSET_SIZE 512

/* Runs after the pools below the loop's have gone and closed what they watched. */
static apr_status_t destroy(void *data)
{
    zm_loop_t *loop = data;
    zm_work_t *work;
    zm_watches_destroy(loop);
    free(loop->timers);
    while ((work = loop->first_work) != NULL) {
        loop->first_work = work->next;
        free(work);
    }
    return APR_SUCCESS;
}

apr_status_t zm_loop_create(zm_loop_t **loop, apr_pool_t *parent)
{
    apr_pool_t *pool;
    zm_loop_t *made;
    apr_status_t status = apr_pool_create(&pool, parent);
    if (status != APR_SUCCESS)
        return status;
    made = apr_pcalloc(pool, sizeof *made);
    made->pool = pool;
    made->work_end = &made->first_work;
    status = apr_thread_mutex_create(&made->lock, APR_THREAD_MUTEX_DEFAULT, pool);
    if (status == APR_SUCCESS)
        status = zm_watches_create_pollset(made, FIRST_POLLSET_SIZE);
    if (status != APR_SUCCESS) {
        apr_pool_destroy(pool);
        return status;
    }
    apr_pool_cleanup_register(pool, made, destroy, apr_pool_cleanup_null);
    *loop = made;
    return APR_SUCCESS;
}

apr_pool_t *zm_loop_pool(zm_loop_t *loop)
{
    return loop->pool;
}

/* -- posted work ------------------------------------------------------------------- */

apr_status_t zm_loop_post(zm_loop_t *loop, zm_work_fn *fn, void *baton)
{
    apr_status_t status = APR_SUCCESS;
    zm_work_t *work = malloc(sizeof *work);
    if (work == NULL)
        return APR_ENOMEM;
    *work = (zm_work_t){.fn = fn, .baton = baton};
    apr_thread_mutex_lock(loop->lock);
    *loop->work_end = work;
    loop->work_end = &work->next;
    if (loop->sleeping && !loop->woken) {
        loop->woken = true;
        status = apr_pollset_wakeup(loop->pollset);
    }
    apr_thread_mutex_unlock(loop->lock);
    return status;
}

/* True: work waits, so the loop must not sleep. */
static bool prepare_to_sleep(zm_loop_t *loop)
{
    bool waiting;
    apr_thread_mutex_lock(loop->lock);
    waiting = loop->first_work != NULL;
    loop->sleeping = !waiting;
    apr_thread_mutex_unlock(loop->lock);
    return waiting;
}

/* What the work itself posts runs in the next round. */
static void run_posted(zm_loop_t *loop)
{
    zm_work_t *work, *next;
    apr_thread_mutex_lock(loop->lock);
    loop->sleeping = loop->woken = false;
    work = loop->first_work;
    loop->first_work = NULL;
    loop->work_end = &loop->first_work;
    apr_thread_mutex_unlock(loop->lock);
    for (; work != NULL; work = next) {
        next = work->next;
        work->fn(work->baton);
        free(work);
    }
}

/* -- rounds ---------------------------------------------------------------------------- */

/* Rounded up to what the system's clock can wait for (1 ms): waking early would be a busy loop. */
static apr_interval_time_t time_to_wait(const zm_loop_t *loop, apr_interval_time_t max_wait)
{
    apr_time_t due = zm_timers_next(loop);
    apr_interval_time_t wait = max_wait;
    if (due >= 0) {
        apr_interval_time_t left = due - zm_clock_monotonic();
        if (left < 0)
            left = 0;
        if (wait < 0 || left < wait)
            wait = left;
    }
    /* Some systems count milliseconds in 32 bits; a round may end early. */
    if (wait > apr_time_from_sec(86400))
        wait = apr_time_from_sec(86400);
    return wait <= 0 ? wait : (wait + 999) / 1000 * 1000;
}

apr_status_t zm_loop_once(zm_loop_t *loop, apr_interval_time_t max_wait)
{
    const apr_pollfd_t *ready = NULL;
    apr_int32_t count = 0;
    apr_interval_time_t wait;
    apr_status_t status;

    if (loop->running)
        return ZM_E_BUSY;
    loop->running = true;
    zm_watches_apply_changes(loop);
    wait = time_to_wait(loop, max_wait);
    if (prepare_to_sleep(loop))
        wait = 0;
    status = apr_pollset_poll(loop->pollset, wait, &count, &ready);
    if (status != APR_SUCCESS)
        count = 0;
    if (APR_STATUS_IS_EINTR(status) || APR_STATUS_IS_TIMEUP(status))
        status = APR_SUCCESS;
    run_posted(loop);
    zm_watches_dispatch(loop, ready, count);
    zm_timers_run(loop);
    loop->running = false;
    zm_watches_sweep(loop);
    return status;
}

apr_status_t zm_loop_run(zm_loop_t *loop)
{
    apr_status_t status = APR_SUCCESS;
    while (!loop->stopped && status == APR_SUCCESS)
        status = zm_loop_once(loop, -1);
    loop->stopped = false;
    return status;
}

void zm_loop_stop(zm_loop_t *loop)
{
    loop->stopped = true;
}
