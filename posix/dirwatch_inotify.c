/*
 * Directory watches through inotify.
 *
 * The system allows few inotify instances (128 a user), and a hashed spool has
 * hundreds of directories, so all watches of a loop share one instance.
 */
#include <apr_hash.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/fs.h"
#include "posix/socket.h"

#define WANTED                                                                                     \
    (IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW)
#define INSTANCE_KEY "zm_dirwatch"

typedef struct instance_t {
    int descriptor;
    zm_watch_t *watch;
    apr_hash_t *by_number; /* the first of a list of zm_dirwatch_t, by its number */
    bool delivering;       /* none may leave its list now */
    bool closed_some;
} instance_t;

struct zm_dirwatch_t {
    instance_t *instance;
    int number;          /* inotify's; the same for all watches of one directory */
    zm_dirwatch_t *next; /* of the same directory */
    zm_dirwatch_fn *fn;
    void *baton;
    bool closed;
};

/* -- the lists ---------------------------------------------------------------------------- */

/* The table keeps a pointer to the key, which stands in the first of the list: both are exchanged
 * together. */
static void set_list(instance_t *instance, int number, zm_dirwatch_t *first)
{
    apr_hash_set(instance->by_number, &number, sizeof number, NULL);
    if (first != NULL)
        apr_hash_set(instance->by_number, &first->number, sizeof first->number, first);
    else
        (void)inotify_rm_watch(instance->descriptor,
                               number); /* fails when the directory has gone: as wanted */
}

static void drop_closed(instance_t *instance, zm_dirwatch_t *first)
{
    zm_dirwatch_t *kept = NULL, **end = &kept, *watch, *dropped = NULL;
    int number = first->number;
    while ((watch = first) != NULL) {
        first = watch->next;
        if (watch->closed) {
            watch->next = dropped;
            dropped = watch;
        } else {
            *end = watch;
            end = &watch->next;
        }
    }
    *end = NULL;
    set_list(instance, number, kept);
    while ((watch = dropped) != NULL) { /* the table no longer points into them */
        dropped = watch->next;
        free(watch);
    }
}

/* Removing the entry that an iteration stands on is allowed; to add it again is not, so it starts
 * anew. */
static void drop_all_closed(instance_t *instance)
{
    apr_hash_index_t *index = apr_hash_first(NULL, instance->by_number);
    while (index != NULL) {
        zm_dirwatch_t *watch = apr_hash_this_val(index), *first = watch;
        while (watch != NULL && !watch->closed)
            watch = watch->next;
        if (watch == NULL) {
            index = apr_hash_next(index);
        } else {
            drop_closed(instance, first);
            index = apr_hash_first(NULL, instance->by_number);
        }
    }
    instance->closed_some = false;
}

/* -- delivery --------------------------------------------------------------------------- */

static void deliver_to(zm_dirwatch_t *watch, const char *name)
{
    for (; watch != NULL; watch = watch->next)
        if (!watch->closed)
            watch->fn(name, watch->baton);
}

static void deliver(instance_t *instance, const struct inotify_event *event)
{
    apr_hash_index_t *index;
    if ((event->mask & IN_Q_OVERFLOW) == 0) {
        deliver_to(apr_hash_get(instance->by_number, &event->wd, sizeof event->wd),
                   event->len != 0 ? event->name : NULL);
        return;
    }
    for (index = apr_hash_first(NULL, instance->by_number); index != NULL;
         index = apr_hash_next(index))
        deliver_to(apr_hash_this_val(index), NULL);
}

static void on_events(zm_watch_t *watch, int events, void *baton)
{
    instance_t *instance = baton;
    union {
        struct inotify_event aligned;
        char bytes[8192];
    } buffer;
    ssize_t got;
    (void)watch;
    (void)events;
    instance->delivering = true;
    while ((got = read(instance->descriptor, buffer.bytes, sizeof buffer.bytes)) > 0) {
        apr_size_t at = 0;
        while (at + sizeof(struct inotify_event) <= (apr_size_t)got) {
            const struct inotify_event *event = (const void *)(buffer.bytes + at);
            deliver(instance, event);
            at += sizeof *event + event->len;
        }
    }
    instance->delivering = false;
    if (instance->closed_some)
        drop_all_closed(instance);
}

/* -- the instance ------------------------------------------------------------------------- */

static apr_status_t end_instance(void *data)
{
    instance_t *instance = data;
    apr_hash_index_t *index;
    zm_watch_close(instance->watch);
    for (index = apr_hash_first(NULL, instance->by_number); index != NULL;
         index = apr_hash_next(index)) {
        zm_dirwatch_t *watch = apr_hash_this_val(index), *next;
        for (; watch != NULL; watch = next) {
            next = watch->next;
            free(watch);
        }
    }
    return APR_SUCCESS;
}

/* Out of instances or watches: the caller can do without. */
static apr_status_t inotify_status(int code)
{
    return code == ENOSYS || code == EMFILE || code == ENFILE || code == ENOSPC ? ZM_E_UNSUPPORTED
                                                                                : code;
}

static apr_status_t instance_of(instance_t **instance, zm_loop_t *loop)
{
    apr_pool_t *pool = zm_loop_pool(loop);
    apr_socket_t *reading;
    void *known = NULL;
    int descriptor;
    apr_status_t status;

    apr_pool_userdata_get(&known, INSTANCE_KEY, pool);
    if (known != NULL) {
        *instance = known;
        return APR_SUCCESS;
    }
    descriptor = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (descriptor < 0)
        return inotify_status(errno);
    *instance = apr_pcalloc(pool, sizeof **instance);
    (*instance)->descriptor = descriptor;
    (*instance)->by_number = apr_hash_make(pool);
    status = zm_socket_wrap(&reading, descriptor, SOCK_STREAM, false,
                            pool); /* to the pollset all are alike */
    if (status != APR_SUCCESS) {
        close(descriptor);
        return status;
    }
    status = zm_watch_open(&(*instance)->watch, loop, reading, ZM_READ, on_events, *instance);
    if (status != APR_SUCCESS) {
        apr_socket_close(reading);
        return status;
    }
    return apr_pool_userdata_setn(*instance, INSTANCE_KEY, end_instance, pool);
}

/* -- the interface ---------------------------------------------------------------------------- */

apr_status_t zm_dirwatch_open(zm_dirwatch_t **watch, zm_loop_t *loop, const char *path,
                              zm_dirwatch_fn *fn, void *baton)
{
    instance_t *instance = NULL;
    zm_dirwatch_t *made, *first;
    apr_status_t status = instance_of(&instance, loop);
    if (status != APR_SUCCESS || instance == NULL)
        return status;
    made = calloc(1, sizeof *made);
    if (made == NULL)
        return APR_ENOMEM;
    made->instance = instance;
    made->fn = fn;
    made->baton = baton;
    made->number = inotify_add_watch(instance->descriptor, path, WANTED);
    if (made->number < 0) {
        status = inotify_status(errno);
        free(made);
        return status;
    }
    first = apr_hash_get(instance->by_number, &made->number, sizeof made->number);
    if (first != NULL) {
        made->next = first->next;
        first->next = made;
    } else {
        set_list(instance, made->number, made);
    }
    *watch = made;
    return APR_SUCCESS;
}

void zm_dirwatch_close(zm_dirwatch_t *watch)
{
    instance_t *instance;
    if (watch == NULL)
        return;
    instance = watch->instance;
    watch->closed = true;
    if (instance->delivering)
        instance->closed_some = true;
    else
        drop_closed(instance,
                    apr_hash_get(instance->by_number, &watch->number, sizeof watch->number));
}
