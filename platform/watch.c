/*
 * Watched sockets over apr_pollset.
 *
 * Changes of interest are collected and told to the pollset before it waits
 * next, since a change costs two system calls there (remove, add) and sessions
 * often take one back before the round ends.  Closing acts at once: the caller
 * may close the socket next, and its descriptor may be somebody else's before
 * the round ends.
 *
 * A watch closed in a round may still stand in the results of that round, so
 * its memory is kept until the round ends and marked closed.
 *
 * The size given to a pollset is a limit for some methods (poll), and for
 * others only the number of events told at once (epoll, kqueue).  When one says
 * that it is full, a larger one takes over.
 */
#include <stdlib.h>

#include "platform/loop_parts.h"

/* apr_terminate destroys all pools, this one before the loop's when nobody has destroyed that. */
static apr_status_t forget_pollset(void *data)
{
    zm_loop_t *loop = data;
    loop->pollset = NULL;
    loop->pollset_pool = NULL;
    return APR_SUCCESS;
}

apr_status_t zm_watches_create_pollset(zm_loop_t *loop, apr_uint32_t size)
{
    apr_pool_t *pool;
    apr_pollset_t *pollset;
    /* Not below the loop's pool: it must outlive all that is there, for they close their watches
     * when they end. */
    apr_status_t status = apr_pool_create(&pool, NULL);
    if (status != APR_SUCCESS)
        return status;
    status = apr_pollset_create(&pollset, size, pool, APR_POLLSET_WAKEABLE | APR_POLLSET_NOCOPY);
    if (status == APR_ENOTIMPL)
        status = apr_pollset_create(&pollset, size, pool, APR_POLLSET_WAKEABLE);
    if (status != APR_SUCCESS) {
        apr_pool_destroy(pool);
        return status;
    }
    loop->pollset = pollset;
    loop->pollset_pool = pool;
    loop->pollset_size = size;
    apr_pool_cleanup_register(pool, loop, forget_pollset, apr_pool_cleanup_null);
    return APR_SUCCESS;
}

/* -- the pollset ---------------------------------------------------------------- */

static void set_polled(zm_watch_t *watch, int events)
{
    watch->polled.reqevents = (apr_int16_t)(((events & ZM_READ) != 0 ? APR_POLLIN : 0) |
                                            ((events & ZM_WRITE) != 0 ? APR_POLLOUT : 0));
}

static void unregister(zm_watch_t *watch)
{
    if (watch->registered != 0 && watch->loop->pollset != NULL)
        (void)apr_pollset_remove(watch->loop->pollset,
                                 &watch->polled); /* it is not there: as wanted */
    watch->registered = 0;
}

/* Other threads may be waking the loop through the old pollset, hence the lock. */
static apr_status_t grow(zm_loop_t *loop)
{
    apr_pool_t *old = loop->pollset_pool;
    zm_watch_t *watch;
    apr_status_t status;

    apr_thread_mutex_lock(loop->lock);
    status = zm_watches_create_pollset(loop, loop->pollset_size * 2);
    apr_thread_mutex_unlock(loop->lock);
    if (status != APR_SUCCESS)
        return status;
    apr_pool_cleanup_kill(old, loop, forget_pollset);
    for (watch = loop->watches; status == APR_SUCCESS && watch != NULL; watch = watch->next)
        if (watch->registered != 0)
            status = apr_pollset_add(loop->pollset, &watch->polled);
    if (!loop->running || loop->old_pollset_pool != NULL)
        apr_pool_destroy(old); /* grown twice in a round: only the first one's results are in use */
    else
        loop->old_pollset_pool = old;
    return status;
}

static apr_status_t register_for(zm_watch_t *watch, int events)
{
    apr_status_t status;
    set_polled(watch, events);
    status = apr_pollset_add(watch->loop->pollset, &watch->polled);
    if (status == APR_ENOMEM && (status = grow(watch->loop)) == APR_SUCCESS)
        status = apr_pollset_add(watch->loop->pollset, &watch->polled);
    if (status == APR_SUCCESS)
        watch->registered = events;
    return status;
}

/* -- opening and closing ---------------------------------------------------------- */

static void enlist(zm_watch_t *watch)
{
    zm_loop_t *loop = watch->loop;
    watch->next = loop->watches;
    if (loop->watches != NULL)
        loop->watches->previous = watch;
    loop->watches = watch;
}

static void delist(zm_watch_t *watch)
{
    if (watch->previous != NULL)
        watch->previous->next = watch->next;
    else
        watch->loop->watches = watch->next;
    if (watch->next != NULL)
        watch->next->previous = watch->previous;
}

apr_status_t zm_watch_open(zm_watch_t **watch, zm_loop_t *loop, apr_socket_t *socket, int events,
                           zm_watch_fn *fn, void *baton)
{
    apr_status_t status = APR_SUCCESS;
    zm_watch_t *made = calloc(1, sizeof *made);
    if (made == NULL)
        return APR_ENOMEM;
    made->loop = loop;
    made->polled.p = loop->pool;
    made->polled.desc_type = APR_POLL_SOCKET;
    made->polled.desc.s = socket;
    made->polled.client_data = made;
    made->fn = fn;
    made->baton = baton;
    made->events = events & (ZM_READ | ZM_WRITE);
    if (made->events != 0)
        status = register_for(made, made->events);
    if (status != APR_SUCCESS) {
        free(made);
        return status;
    }
    enlist(made);
    *watch = made;
    return APR_SUCCESS;
}

apr_status_t zm_watch_set(zm_watch_t *watch, int events)
{
    watch->events = events & (ZM_READ | ZM_WRITE);
    if (watch->events != watch->registered && !watch->listed) {
        watch->listed = true;
        watch->changed_next = watch->loop->changed;
        watch->loop->changed = watch;
    }
    return APR_SUCCESS;
}

void zm_watch_close(zm_watch_t *watch)
{
    zm_loop_t *loop;
    if (watch == NULL)
        return;
    loop = watch->loop;
    unregister(watch);
    delist(watch);
    watch->closed = true;
    watch->events = 0;
    watch->next = loop->closed;
    loop->closed = watch;
    if (!loop->running)
        zm_watches_sweep(loop);
}

/* None of the closed may stay in the list of changes. */
static void forget_closed_changes(zm_loop_t *loop)
{
    zm_watch_t **link = &loop->changed;
    while (*link != NULL) {
        if ((*link)->closed)
            *link = (*link)->changed_next;
        else
            link = &(*link)->changed_next;
    }
}

void zm_watches_sweep(zm_loop_t *loop)
{
    zm_watch_t *watch;
    if (loop->closed != NULL)
        forget_closed_changes(loop);
    while ((watch = loop->closed) != NULL) {
        loop->closed = watch->next;
        free(watch);
    }
    if (loop->old_pollset_pool != NULL)
        apr_pool_destroy(loop->old_pollset_pool);
    loop->old_pollset_pool = NULL;
}

void zm_watches_destroy(zm_loop_t *loop)
{
    zm_watch_t *watch;
    loop->changed = NULL;
    zm_watches_sweep(loop);
    if (loop->pollset_pool != NULL)
        apr_pool_destroy(loop->pollset_pool);
    while ((watch = loop->watches) != NULL) {
        loop->watches = watch->next;
        free(watch);
    }
}

/* -- a round ------------------------------------------------------------------------- */

/*
 * A change that the system refuses (it is out of memory) cannot be told to the
 * one who asked for it; the watch hears of an error on its socket instead.
 */
void zm_watches_apply_changes(zm_loop_t *loop)
{
    zm_watch_t *watch;
    while ((watch = loop->changed) != NULL) {
        loop->changed = watch->changed_next;
        watch->listed = false;
        if (watch->closed || watch->events == watch->registered)
            continue;
        unregister(watch);
        if (watch->events != 0 && register_for(watch, watch->events) != APR_SUCCESS)
            watch->fn(watch, ZM_READ | ZM_HANGUP | (watch->events & ZM_WRITE), watch->baton);
    }
}

static int events_of(const zm_watch_t *watch, apr_int16_t returned)
{
    int events = ((returned & APR_POLLIN) != 0 ? ZM_READ : 0) |
                 ((returned & APR_POLLOUT) != 0 ? ZM_WRITE : 0);
    events &= watch->events; /* another callback may have lost interest for it meanwhile */
    if ((returned & (APR_POLLHUP | APR_POLLERR | APR_POLLNVAL)) != 0 && watch->events != 0)
        events |= ZM_READ | ZM_HANGUP | (watch->events & ZM_WRITE);
    return events;
}

void zm_watches_dispatch(zm_loop_t *loop, const apr_pollfd_t *ready, apr_int32_t count)
{
    apr_int32_t i;
    (void)loop;
    for (i = 0; i < count; i++) {
        zm_watch_t *watch = ready[i].client_data;
        int events;
        if (watch->closed)
            continue;
        events = events_of(watch, ready[i].rtnevents);
        if (events != 0)
            watch->fn(watch, events, watch->baton);
    }
}
