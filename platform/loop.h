/**
 * The event loop: one a thread, over apr_pollset.
 *
 * Sockets, timers, work posted by other threads, child exits (child.h),
 * control events (control.h) and directory watches (fs.h) all arrive as calls
 * on the loop's own thread; nothing here needs a lock of the caller's.  Any
 * callback may close any watch or timer, its own included.
 */
#ifndef ZM_PLATFORM_LOOP_H
#define ZM_PLATFORM_LOOP_H

#include <apr_network_io.h>
#include <apr_pools.h>
#include <apr_time.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct zm_loop_t zm_loop_t;
typedef struct zm_watch_t zm_watch_t;

apr_status_t zm_loop_create(zm_loop_t **loop, apr_pool_t *pool);
apr_pool_t *zm_loop_pool(zm_loop_t *loop);

/** Runs callbacks until zm_loop_stop is called in one.  Returns APR_SUCCESS, or why polling failed. */
apr_status_t zm_loop_run(zm_loop_t *loop);

/**
 * One round: waits at most max_wait microseconds (0: not at all, -1: until
 * something happens), then runs posted work, sockets and timers, in this order.
 * May return without having run anything.  ZM_E_BUSY inside a callback.
 */
apr_status_t zm_loop_once(zm_loop_t *loop, apr_interval_time_t max_wait);
void zm_loop_stop(zm_loop_t *loop); /**< on the loop's thread; others post it */

/* -- sockets ---------------------------------------------------------------- */

#define ZM_READ 1
#define ZM_WRITE 2
#define ZM_HANGUP 4 /**< reported only, together with ZM_READ and a wanted ZM_WRITE: the peer is gone or an error waits */

typedef void zm_watch_fn(zm_watch_t *watch, int events, void *baton);

/**
 * Watches a socket (level triggered); events is a set of ZM_READ and ZM_WRITE,
 * possibly empty (then not even a hangup is reported).  The socket stays the
 * caller's and must outlive the watch; one watch a socket.
 */
apr_status_t zm_watch_open(zm_watch_t **watch, zm_loop_t *loop, apr_socket_t *socket, int events, zm_watch_fn *fn,
                           void *baton);
apr_status_t zm_watch_set(zm_watch_t *watch, int events); /**< cheap; counts from now on, also for this round */
void zm_watch_close(zm_watch_t *watch); /**< null allowed */

/* -- timers ----------------------------------------------------------------- */

typedef struct zm_timer_t zm_timer_t;
typedef void zm_timer_fn(zm_timer_t *timer, void *baton);

/** Embedded by the caller: setting a timer allocates nothing.  Fields are private. */
struct zm_timer_t {
    zm_loop_t *loop;
    zm_timer_fn *fn;
    void *baton;
    apr_time_t due; /* monotonic */
    apr_size_t slot; /* heap index + 1; 0 = not set */
    uint64_t order;  /* of equal dues the one set first fires first */
};

void zm_timer_init(zm_timer_t *timer, zm_loop_t *loop, zm_timer_fn *fn, void *baton);
/** Fires once, after that many microseconds of the monotonic clock; a set timer is moved. */
void zm_timer_set(zm_timer_t *timer, apr_interval_time_t after);
void zm_timer_cancel(zm_timer_t *timer);
bool zm_timer_is_set(const zm_timer_t *timer);

/* -- work from other threads, and deferred work ------------------------------ */

typedef void zm_work_fn(void *baton);

/** Has fn called on the loop's thread, in the order of the posts.  The only call here that any thread may make. */
apr_status_t zm_loop_post(zm_loop_t *loop, zm_work_fn *fn, void *baton);

#endif
