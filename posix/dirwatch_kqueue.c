/*
 * Directory watches through kqueue, on the BSDs and macOS.
 *
 * kqueue tells that a directory has changed, not how.  So a watch knows the names that were there
 * when it looked last, and tells those that are new when it looks again; of a directory with more
 * than NAMES_LIMIT names it tells only that the caller must list.  A name that goes and comes again
 * between two looks is not told: watches are hints.
 *
 * A directory in use changes with every message, so looks are bounded: after one that took T, the
 * next comes PAUSE or 20 T later at the earliest, and what changes meanwhile is seen by that one.
 *
 * Each watch keeps its directory open.  All of a process take at most a quarter of the descriptors
 * that it may have; who gets none is told ZM_E_UNSUPPORTED and rescans.
 */
#include <sys/types.h>

#include <apr_hash.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/event.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/fs.h"

#define WANTED (NOTE_WRITE | NOTE_EXTEND | NOTE_DELETE | NOTE_RENAME | NOTE_REVOKE)
#define GONE (NOTE_DELETE | NOTE_RENAME | NOTE_REVOKE)
#define INSTANCE_KEY "zm_dirwatch"
#define NAMES_LIMIT 8192
#define PAUSE (50 * 1000) /* microseconds */
#define EVENTS_AT_ONCE 32

typedef struct instance_t {
    int queue;
    zm_loop_t *loop;
    zm_watch_t *watch;
    zm_dirwatch_t *first;
    unsigned count, limit;
    int delivering; /* nesting; no watch may be freed now */
    bool closed_some;
} instance_t;

struct zm_dirwatch_t {
    instance_t *instance;
    zm_dirwatch_t *previous, *next;
    apr_pool_t *pool; /* the open directory */
    zm_file_t *directory;
    apr_hash_t *names; /* what the last look saw, in a pool of its own; null: too many */
    apr_pool_t *names_pool;
    zm_timer_t again;
    apr_time_t not_before; /* monotonic: when the next look may come */
    zm_dirwatch_fn *fn;
    void *baton;
    bool closed;
};

/* -- looking ------------------------------------------------------------------------------ */

/* *names: null when there are too many. */
static apr_status_t read_names(apr_hash_t **names, zm_dirwatch_t *watch, apr_pool_t *pool)
{
    const char *name;
    zm_dir_t *directory;
    apr_status_t status = zm_dir_open(&directory, watch->directory, ".", pool);
    if (status != APR_SUCCESS)
        return status;
    *names = apr_hash_make(pool);
    while (*names != NULL && (status = zm_dir_next(directory, &name, NULL)) == APR_SUCCESS) {
        if (apr_hash_count(*names) >= NAMES_LIMIT)
            *names = NULL;
        else
            apr_hash_set(*names, apr_pstrdup(pool, name), APR_HASH_KEY_STRING, "");
    }
    zm_dir_close(directory);
    return *names == NULL || APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

static void tell(zm_dirwatch_t *watch, const char *name)
{
    if (!watch->closed)
        watch->fn(name, watch->baton);
}

/* What was seen replaces what was known; new names are told. */
static void take_names(zm_dirwatch_t *watch, apr_hash_t *seen, apr_pool_t *pool)
{
    apr_hash_t *known = watch->names;
    apr_pool_t *known_pool = watch->names_pool;
    watch->names = seen;
    watch->names_pool = pool;
    if (known == NULL || seen == NULL) {
        tell(watch, NULL);
    } else {
        apr_hash_index_t *index;
        for (index = apr_hash_first(pool, seen); index != NULL; index = apr_hash_next(index)) {
            const char *name = apr_hash_this_key(index);
            if (apr_hash_get(known, name, APR_HASH_KEY_STRING) == NULL)
                tell(watch, name);
        }
    }
    apr_pool_destroy(known_pool);
}

static void look(zm_dirwatch_t *watch)
{
    apr_time_t begun = zm_clock_monotonic(), took;
    apr_hash_t *seen = NULL;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, zm_loop_pool(watch->instance->loop));
    if (status == APR_SUCCESS && (status = read_names(&seen, watch, pool)) != APR_SUCCESS)
        apr_pool_destroy(pool);
    if (status == APR_SUCCESS)
        take_names(watch, seen, pool);
    else
        tell(watch, NULL);
    took = zm_clock_monotonic() - begun;
    watch->not_before = begun + took + (took * 20 > PAUSE ? took * 20 : PAUSE);
}

/* -- the end of watches ------------------------------------------------------------------- */

static void free_watch(zm_dirwatch_t *watch)
{
    instance_t *instance = watch->instance;
    if (watch->previous != NULL)
        watch->previous->next = watch->next;
    else
        instance->first = watch->next;
    if (watch->next != NULL)
        watch->next->previous = watch->previous;
    instance->count--;
    if (watch->names_pool != NULL)
        apr_pool_destroy(watch->names_pool);
    apr_pool_destroy(watch->pool); /* closes the directory, which takes it out of the queue */
    free(watch);
}

static void end_delivery(instance_t *instance)
{
    zm_dirwatch_t *watch, *next;
    if (--instance->delivering != 0 || !instance->closed_some)
        return;
    instance->closed_some = false;
    for (watch = instance->first; watch != NULL; watch = next) {
        next = watch->next;
        if (watch->closed)
            free_watch(watch);
    }
}

static void look_again(zm_timer_t *timer, void *baton)
{
    zm_dirwatch_t *watch = baton;
    instance_t *instance = watch->instance;
    (void)timer;
    instance->delivering++;
    look(watch);
    end_delivery(instance);
}

/* -- events ------------------------------------------------------------------------------- */

static zm_dirwatch_t *watch_of(instance_t *instance, const struct kevent *event)
{
    zm_dirwatch_t *watch = instance->first;
    while (watch != NULL &&
           (watch->closed || (uintptr_t)zm_file_descriptor(watch->directory) != event->ident))
        watch = watch->next;
    return watch;
}

static void take_event(zm_dirwatch_t *watch, const struct kevent *event)
{
    apr_time_t now = zm_clock_monotonic();
    if ((event->flags & EV_ERROR) != 0 || (event->fflags & GONE) != 0)
        tell(watch, NULL);
    else if (now >= watch->not_before)
        look(watch);
    else if (!zm_timer_is_set(&watch->again))
        zm_timer_set(&watch->again, watch->not_before - now);
}

static void on_events(zm_watch_t *unused, int wanted, void *baton)
{
    static const struct timespec at_once = {0, 0};
    instance_t *instance = baton;
    struct kevent events[EVENTS_AT_ONCE];
    int count, i;
    (void)unused;
    (void)wanted;
    instance->delivering++;
    do {
        count = kevent(instance->queue, NULL, 0, events, EVENTS_AT_ONCE, &at_once);
        for (i = 0; i < count; i++) {
            zm_dirwatch_t *watch = watch_of(instance, &events[i]);
            if (watch != NULL)
                take_event(watch, &events[i]);
        }
    } while (count == EVENTS_AT_ONCE);
    end_delivery(instance);
}

/* -- the instance ------------------------------------------------------------------------- */

static apr_status_t end_instance(void *data)
{
    instance_t *instance = data;
    zm_watch_close(instance->watch);
    while (instance->first != NULL) {
        zm_timer_cancel(&instance->first->again);
        free_watch(instance->first);
    }
    return APR_SUCCESS;
}

static unsigned descriptors_to_use(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 16;
    return limit.rlim_cur / 4 > 4096 ? 4096 : (unsigned)(limit.rlim_cur / 4);
}

/* Out of descriptors: the caller can do without. */
static apr_status_t kqueue_status(apr_status_t code)
{
    return code == ENOSYS || code == EMFILE || code == ENFILE || code == ENOMEM ? ZM_E_UNSUPPORTED
                                                                                : code;
}

/* Not zm_socket_wrap: a kqueue knows no blocking, and some systems refuse to be told of it. */
static apr_status_t poll_queue(instance_t *instance, apr_pool_t *pool)
{
    apr_os_sock_info_t info = {.os_sock = &instance->queue, .family = AF_UNIX, .type = SOCK_STREAM};
    apr_socket_t *socket;
    apr_status_t status = apr_os_sock_make(&socket, &info, pool);
    if (status != APR_SUCCESS) {
        close(instance->queue);
        return status;
    }
    status = zm_watch_open(&instance->watch, instance->loop, socket, ZM_READ, on_events, instance);
    if (status != APR_SUCCESS)
        apr_socket_close(socket);
    return status;
}

static apr_status_t instance_of(instance_t **instance, zm_loop_t *loop)
{
    apr_pool_t *pool = zm_loop_pool(loop);
    void *known = NULL;
    apr_status_t status;

    apr_pool_userdata_get(&known, INSTANCE_KEY, pool);
    if (known != NULL) {
        *instance = known;
        return APR_SUCCESS;
    }
    *instance = apr_pcalloc(pool, sizeof **instance);
    (*instance)->loop = loop;
    (*instance)->limit = descriptors_to_use();
    (*instance)->queue = kqueue();
    if ((*instance)->queue < 0)
        return kqueue_status(errno);
    (void)fcntl((*instance)->queue, F_SETFD, FD_CLOEXEC);
    status = poll_queue(*instance, pool);
    if (status != APR_SUCCESS)
        return status;
    apr_pool_pre_cleanup_register(pool, *instance, end_instance); /* before the watches' pools */
    return apr_pool_userdata_setn(*instance, INSTANCE_KEY, NULL, pool);
}

/* -- the interface ------------------------------------------------------------------------ */

static apr_status_t begin(zm_dirwatch_t *watch, const char *path)
{
    struct kevent change;
    apr_status_t status = zm_dir_handle(&watch->directory, NULL, path, watch->pool);
    if (status != APR_SUCCESS)
        return status;
    EV_SET(&change, (uintptr_t)zm_file_descriptor(watch->directory), EVFILT_VNODE,
           EV_ADD | EV_CLEAR, WANTED, 0, 0);
    if (kevent(watch->instance->queue, &change, 1, NULL, 0, NULL) < 0)
        return errno;
    /* After it, so that no change falls between. */
    status = apr_pool_create(&watch->names_pool, zm_loop_pool(watch->instance->loop));
    return status == APR_SUCCESS ? read_names(&watch->names, watch, watch->names_pool) : status;
}

apr_status_t zm_dirwatch_open(zm_dirwatch_t **result, zm_loop_t *loop, const char *path,
                              zm_dirwatch_fn *fn, void *baton)
{
    instance_t *instance = NULL;
    zm_dirwatch_t *watch;
    apr_status_t status = instance_of(&instance, loop);
    if (status != APR_SUCCESS)
        return status;
    if (instance->count >= instance->limit)
        return ZM_E_UNSUPPORTED;
    watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return APR_ENOMEM;
    if ((status = apr_pool_create(&watch->pool, zm_loop_pool(loop))) != APR_SUCCESS) {
        free(watch);
        return status;
    }
    watch->instance = instance;
    watch->fn = fn;
    watch->baton = baton;
    zm_timer_init(&watch->again, loop, look_again, watch);
    watch->next = instance->first;
    if (watch->next != NULL)
        watch->next->previous = watch;
    instance->first = watch;
    instance->count++;
    if ((status = begin(watch, path)) != APR_SUCCESS) {
        free_watch(watch);
        return kqueue_status(status);
    }
    *result = watch;
    return APR_SUCCESS;
}

void zm_dirwatch_close(zm_dirwatch_t *watch)
{
    if (watch == NULL)
        return;
    zm_timer_cancel(&watch->again);
    watch->closed = true;
    if (watch->instance->delivering != 0)
        watch->instance->closed_some = true;
    else
        free_watch(watch);
}
