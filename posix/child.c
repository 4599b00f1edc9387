/*
 * Child processes: the life of one, as the parent sees it.  What happens between
 * fork and exec is in spawn.c.
 *
 * Every loop that has children owns a socket pair; the SIGCHLD handler writes a
 * byte into all of them, and each loop then asks for its own children by number.
 * Nobody else's children are ever collected.  A child that is closed while it
 * runs stays in the list, silent, until it can be collected.
 */
#include "platform/child.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "posix/signals.h"
#include "posix/socket.h"
#include "posix/spawn.h"

struct zm_child_t {
    zm_child_t *previous, *next; /* in the list of the running ones */
    pid_t pid;
    bool ended;  /* collected: the number may be another's by now */
    bool closed; /* the owner is no longer interested */
    apr_pool_t *pool;
    apr_socket_t *channel;
    zm_child_fn *fn;
    void *baton;
};

/* -- collecting ------------------------------------------------------------------------ */

#define REAPER_LIMIT 64 /* loops with children in one process */

typedef struct reaper_t {
    zm_loop_t *loop; /* null: a free place */
    zm_watch_t *watch;
    int reading;
    zm_child_t *children;
} reaper_t;

static pthread_mutex_t reapers_lock = PTHREAD_MUTEX_INITIALIZER;
static reaper_t reapers[REAPER_LIMIT];
static atomic_int wake_descriptors[REAPER_LIMIT]; /* 0: none */

static void on_sigchld(int number)
{
    int saved = errno, i;
    (void)number;
    for (i = 0; i < REAPER_LIMIT; i++) {
        int descriptor = atomic_load(&wake_descriptors[i]);
        if (descriptor > 0 && write(descriptor, "", 1) < 0)
            continue; /* full: it will wake anyway */
    }
    errno = saved;
}

static void free_child(zm_child_t *child)
{
    apr_pool_destroy(child->pool);
    free(child);
}

static void fill_end(zm_child_end_t *end, int status, const struct rusage *usage)
{
    end->signalled = WIFSIGNALED(status);
    end->code = end->signalled ? WTERMSIG(status) : WEXITSTATUS(status);
    end->user_cpu = apr_time_from_sec((apr_time_t)usage->ru_utime.tv_sec) + usage->ru_utime.tv_usec;
    end->system_cpu =
        apr_time_from_sec((apr_time_t)usage->ru_stime.tv_sec) + usage->ru_stime.tv_usec;
}

static void delist(reaper_t *reaper, zm_child_t *child)
{
    if (child->previous != NULL)
        child->previous->next = child->next;
    else
        reaper->children = child->next;
    if (child->next != NULL)
        child->next->previous = child->previous;
}

/* A callback may close children and start new ones, but nothing except this leaves the list, so
 * next stays valid. */
static void collect(reaper_t *reaper)
{
    zm_child_t *child, *next;
    for (child = reaper->children; child != NULL; child = next) {
        zm_child_end_t end;
        struct rusage usage;
        int status;
        next = child->next;
        if (wait4(child->pid, &status, WNOHANG, &usage) != child->pid)
            continue;
        delist(reaper, child);
        child->ended = true;
        if (child->closed) {
            free_child(child);
        } else {
            fill_end(&end, status, &usage);
            child->fn(child, &end, child->baton);
        }
    }
}

static void on_wake(zm_watch_t *watch, int events, void *baton)
{
    reaper_t *reaper = baton;
    char bytes[256];
    (void)watch;
    (void)events;
    while (read(reaper->reading, bytes, sizeof bytes) > 0)
        ;
    collect(reaper);
}

/* -- one reaper a loop --------------------------------------------------------------------- */

/* Runs when the loop ends: what has not been closed until now is lost to its owner. */
static apr_status_t end_reaper(void *data)
{
    reaper_t *reaper = data;
    zm_child_t *child;
    int descriptor;
    zm_watch_close(reaper->watch);
    while ((child = reaper->children) != NULL) {
        reaper->children = child->next;
        free(child); /* its pool is below the loop's and has gone before */
    }
    pthread_mutex_lock(&reapers_lock);
    descriptor = atomic_exchange(&wake_descriptors[reaper - reapers], 0);
    close(descriptor);
    reaper->loop = NULL;
    pthread_mutex_unlock(&reapers_lock);
    return APR_SUCCESS;
}

static void install_handler(void)
{
    struct sigaction action = {.sa_handler = on_sigchld, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    sigset_t ours;
    sigfillset(&action.sa_mask);
    sigaction(SIGCHLD, &action, NULL);
    sigemptyset(&ours);
    sigaddset(&ours, SIGCHLD);
    pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
}

static apr_status_t begin_reaper(reaper_t *reaper, zm_loop_t *loop)
{
    apr_socket_t *reading;
    int pair[2];
    apr_status_t status = zm_socket_local_pair(pair);
    if (status != APR_SUCCESS)
        return status;
    (void)fcntl(pair[1], F_SETFL, O_NONBLOCK);
    status = zm_socket_wrap(&reading, pair[0], SOCK_STREAM, false, zm_loop_pool(loop));
    if (status == APR_SUCCESS)
        status = zm_watch_open(&reaper->watch, loop, reading, ZM_READ, on_wake, reaper);
    if (status != APR_SUCCESS) {
        close(pair[1]);
        return status;
    }
    reaper->loop = loop;
    reaper->reading = pair[0];
    reaper->children = NULL;
    atomic_store(&wake_descriptors[reaper - reapers], pair[1]);
    apr_pool_cleanup_register(zm_loop_pool(loop), reaper, end_reaper, apr_pool_cleanup_null);
    install_handler();
    return APR_SUCCESS;
}

static apr_status_t reaper_of(reaper_t **reaper, zm_loop_t *loop)
{
    apr_status_t status = ZM_E_LIMIT;
    int i;
    *reaper = NULL;
    pthread_mutex_lock(&reapers_lock);
    for (i = 0; i < REAPER_LIMIT && status != APR_SUCCESS; i++)
        if (reapers[i].loop == loop) {
            *reaper = &reapers[i];
            status = APR_SUCCESS;
        }
    for (i = 0; i < REAPER_LIMIT && *reaper == NULL; i++)
        if (reapers[i].loop == NULL) {
            *reaper = &reapers[i];
            status = begin_reaper(*reaper, loop);
        }
    pthread_mutex_unlock(&reapers_lock);
    return status;
}

/* -- starting --------------------------------------------------------------------------------- */

/* Makes the channel; *theirs is the child's end, -1 when there is none. */
static apr_status_t make_channel(zm_child_t *child, zm_child_io_t io, int *theirs)
{
    int pair[2];
    apr_status_t status;
    *theirs = -1;
    if (io == ZM_CHILD_INHERIT)
        return APR_SUCCESS;
    status = zm_socket_local_pair(pair);
    if (status != APR_SUCCESS)
        return status;
    status = zm_socket_wrap(&child->channel, pair[0], SOCK_STREAM, false, child->pool);
    if (status != APR_SUCCESS)
        close(pair[1]);
    else
        *theirs = pair[1];
    return status;
}

static void enlist(reaper_t *reaper, zm_child_t *child)
{
    child->next = reaper->children;
    if (child->next != NULL)
        child->next->previous = child;
    reaper->children = child;
}

apr_status_t zm_child_start(zm_child_t **child, const zm_child_spec_t *spec, zm_loop_t *loop,
                            zm_child_fn *fn, void *baton, zm_error_t *error)
{
    reaper_t *reaper;
    zm_child_t *made;
    int theirs;
    apr_status_t status = reaper_of(&reaper, loop);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot watch for the end of children");
    made = calloc(1, sizeof *made);
    if (made == NULL || apr_pool_create(&made->pool, zm_loop_pool(loop)) != APR_SUCCESS) {
        free(made);
        return zm_error_system(error, APR_ENOMEM, "cannot start %s", spec->argv[0]);
    }
    made->fn = fn;
    made->baton = baton;
    status = make_channel(made, spec->io, &theirs);
    if (status != APR_SUCCESS) {
        free_child(made);
        return zm_error_system(error, status, "cannot make a channel for %s", spec->argv[0]);
    }
    status = zm_spawn(&made->pid, spec, theirs, made->pool, error);
    if (theirs >= 0)
        close(theirs);
    if (status != APR_SUCCESS) {
        free_child(made);
        return status;
    }
    enlist(reaper, made);
    *child = made;
    return APR_SUCCESS;
}

/* -- the running child ------------------------------------------------------------------------- */

apr_socket_t *zm_child_channel(zm_child_t *child)
{
    return child->channel;
}

apr_int64_t zm_child_pid(const zm_child_t *child)
{
    return child->pid;
}

apr_status_t zm_child_half_close(zm_child_t *child)
{
    return child->channel == NULL ? APR_EINVAL
                                  : apr_socket_shutdown(child->channel, APR_SHUTDOWN_WRITE);
}

apr_status_t zm_child_control(zm_child_t *child, zm_control_t event)
{
    return child->ended ? ZM_E_GONE : zm_control_send(child->pid, false, event);
}

apr_status_t zm_child_kill(zm_child_t *child)
{
    return child->ended ? ZM_E_GONE : zm_control_kill(child->pid, false);
}

void zm_child_close(zm_child_t *child)
{
    if (child->ended) {
        free_child(child);
        return;
    }
    child->closed = true;
    if (child->channel != NULL)
        apr_socket_close(child->channel);
    child->channel = NULL;
}

/* -- in the child ------------------------------------------------------------------------------ */

static bool is_socket(int descriptor)
{
    struct stat found;
    return fstat(descriptor, &found) == 0 && S_ISSOCK(found.st_mode);
}

/* A copy of 0, so that closing the pool leaves the standard streams in place. */
apr_status_t zm_child_own_channel(apr_socket_t **channel, apr_pool_t *pool)
{
    int descriptor;
    if (!is_socket(STDIN_FILENO))
        return APR_ENOTSOCK;
    descriptor = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    return descriptor < 0 ? errno : zm_socket_wrap(channel, descriptor, SOCK_STREAM, false, pool);
}

apr_status_t zm_child_own_passed(apr_socket_t **passed, int index, apr_pool_t *pool)
{
    int descriptor = 3 + index;
    if (index < 0 || !is_socket(descriptor))
        return APR_EBADF;
    if (fcntl(descriptor, F_SETFD, FD_CLOEXEC) < 0)
        return errno;
    return zm_socket_wrap(passed, descriptor, SOCK_STREAM, false, pool);
}
