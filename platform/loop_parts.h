/**
 * The inside of the event loop, shared by loop.c, watch.c and timer.c.
 *
 * What lives as long as the loop is in its pool; what comes and goes with
 * sessions (watches, posted work, the heap of timers) is malloc memory, because
 * a pool gives nothing back.
 */
#ifndef ZM_PLATFORM_LOOP_PARTS_H
#define ZM_PLATFORM_LOOP_PARTS_H

#include <apr_poll.h>
#include <apr_thread_mutex.h>
#include <stdint.h>

#include "platform/loop.h"

struct zm_watch_t {
    zm_loop_t *loop;
    apr_pollfd_t polled; /* the pollset keeps a pointer to it */
    zm_watch_fn *fn;
    void *baton;
    int events;     /* what the owner wants */
    int registered; /* what the pollset knows; 0: not in the pollset */
    bool closed;    /* its memory goes at the end of the round */
    bool listed;    /* in loop->changed */
    zm_watch_t *changed_next;
    zm_watch_t *previous, *next; /* all live watches; next also chains the closed ones */
};

typedef struct zm_work_t {
    struct zm_work_t *next;
    zm_work_fn *fn;
    void *baton;
} zm_work_t;

struct zm_loop_t {
    apr_pool_t *pool;
    bool running; /* a round is going on: closed watches must stay in memory */
    bool stopped;

    /* watches */
    apr_pool_t *pollset_pool;
    apr_pollset_t *pollset;
    apr_uint32_t pollset_size;
    apr_pool_t *old_pollset_pool; /* outgrown in this round; its results may still be read */
    zm_watch_t *watches, *closed, *changed;

    /* timers: a binary heap by due time */
    zm_timer_t **timers;
    apr_size_t timer_count, timer_capacity;
    uint64_t timer_order; /* of the last one set */

    /* posted work; under the lock, also the exchange of the pollset */
    apr_thread_mutex_t *lock;
    zm_work_t *first_work, **work_end;
    bool sleeping; /* the loop's thread is about to wait, or waits */
    bool woken;    /* and somebody has woken it already */
};

/* watch.c */
apr_status_t zm_watches_create_pollset(zm_loop_t *loop, apr_uint32_t size);
void zm_watches_apply_changes(zm_loop_t *loop);
void zm_watches_dispatch(zm_loop_t *loop, const apr_pollfd_t *ready, apr_int32_t count);
void zm_watches_sweep(zm_loop_t *loop); /* frees what was closed */
void zm_watches_destroy(zm_loop_t *loop);

/* timer.c */
apr_time_t zm_timers_next(const zm_loop_t *loop); /* when the first is due, or -1 */
void zm_timers_run(zm_loop_t *loop);

#endif
