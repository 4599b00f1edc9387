/*
 * Child processes: the life of one, as the parent sees it.  How it is started is
 * in spawn.c.
 *
 * The system's thread pool waits for the end of each child and posts it to the
 * loop.  Until that post has run, the object stays, also when its owner has
 * closed it: the post carries a pointer to it.
 */
#include "platform/child.h"

#include <apr_portable.h>
#include <stdlib.h>

#include "win32/control.h"
#include "win32/file.h"
#include "win32/handover.h"
#include "win32/socket.h"
#include "win32/spawn.h"

#define CHILDREN_KEY "zm_children"
#define SIGNAL_KILL 9 /* the numbers that Unix would report */
#define SIGNAL_SEGMENT 11

typedef struct children_t {
    zm_child_t *first;
} children_t;

struct zm_child_t {
    zm_child_t *previous, *next; /* in the list of those whose end was not reported */
    children_t *family;
    zm_loop_t *loop;
    HANDLE process, wait;
    DWORD pid;
    bool ended;  /* reported */
    bool closed; /* the owner is no longer interested */
    apr_pool_t *pool;
    apr_socket_t *channel;
    zm_child_fn *fn;
    void *baton;
};

/* -- the end ------------------------------------------------------------------------------ */

static void free_child(zm_child_t *child)
{
    CloseHandle(child->process);
    if (child->pool != NULL)
        apr_pool_destroy(child->pool);
    free(child);
}

static void delist(zm_child_t *child)
{
    if (child->previous != NULL)
        child->previous->next = child->next;
    else
        child->family->first = child->next;
    if (child->next != NULL)
        child->next->previous = child->previous;
}

static apr_time_t microseconds(const FILETIME *time)
{
    return (apr_time_t)(((uint64_t)time->dwHighDateTime << 32 | time->dwLowDateTime) / 10);
}

/* Codes of the severity "error" are not chosen by a program: it crashed or was killed. */
static void fill_end(zm_child_end_t *end, HANDLE process)
{
    FILETIME created, exited, kernel, user;
    DWORD code = 0;
    *end = (zm_child_end_t){0};
    GetExitCodeProcess(process, &code);
    end->signalled = code >> 30 == 3 && code != UINT32_MAX;
    end->code = (int)code;
    if (end->signalled)
        end->code = code == ZM_EXIT_KILLED || code == (DWORD)STATUS_CONTROL_C_EXIT ? SIGNAL_KILL
                                                                                   : SIGNAL_SEGMENT;
    if (GetProcessTimes(process, &created, &exited, &kernel, &user)) {
        end->user_cpu = microseconds(&user);
        end->system_cpu = microseconds(&kernel);
    }
}

/* On the loop. */
static void report(void *baton)
{
    zm_child_t *child = baton;
    zm_child_end_t end;
    UnregisterWaitEx(child->wait, INVALID_HANDLE_VALUE);
    delist(child);
    child->ended = true;
    if (child->closed) {
        free_child(child);
        return;
    }
    fill_end(&end, child->process);
    child->fn(child, &end, child->baton);
}

/* On a thread of the system's. */
static void CALLBACK on_end(PVOID baton, BOOLEAN timed_out)
{
    zm_child_t *child = baton;
    (void)timed_out;
    zm_loop_post(child->loop, report, child);
}

/* -- the children of a loop ------------------------------------------------------------------ */

/* Runs when the loop begins to end: what has not been reported until now is lost to its owner. */
static apr_status_t forget_children(void *data)
{
    children_t *family = data;
    zm_child_t *child;
    while ((child = family->first) != NULL) {
        UnregisterWaitEx(child->wait, INVALID_HANDLE_VALUE);
        family->first = child->next;
        child->pool = NULL; /* below the loop's, and about to go with it */
        free_child(child);
    }
    return APR_SUCCESS;
}

static children_t *family_of(zm_loop_t *loop)
{
    apr_pool_t *pool = zm_loop_pool(loop);
    void *known = NULL;
    children_t *family;
    apr_pool_userdata_get(&known, CHILDREN_KEY, pool);
    if (known != NULL)
        return known;
    family = apr_pcalloc(pool, sizeof *family);
    apr_pool_userdata_setn(family, CHILDREN_KEY, NULL, pool);
    apr_pool_pre_cleanup_register(pool, family, forget_children);
    return family;
}

static void enlist(zm_child_t *child)
{
    child->next = child->family->first;
    if (child->next != NULL)
        child->next->previous = child;
    child->family->first = child;
}

/* -- starting ---------------------------------------------------------------------------------- */

static apr_status_t make_channel(zm_child_t *child, zm_child_io_t io, SOCKET *theirs)
{
    SOCKET pair[2];
    apr_status_t status;
    *theirs = INVALID_SOCKET;
    if (io == ZM_CHILD_INHERIT)
        return APR_SUCCESS;
    status = zm_socket_pair(pair);
    if (status != APR_SUCCESS)
        return status;
    status = zm_socket_wrap(&child->channel, pair[0], SOCK_STREAM, false, child->pool);
    if (status != APR_SUCCESS)
        closesocket(pair[1]);
    else
        *theirs = pair[1];
    return status;
}

static apr_status_t start_and_wait(zm_child_t *child, const zm_child_spec_t *spec, SOCKET theirs,
                                   zm_error_t *error)
{
    PROCESS_INFORMATION process;
    apr_status_t status = zm_spawn(&process, spec, theirs, child->pool, error);
    if (status != APR_SUCCESS)
        return status;
    CloseHandle(process.hThread);
    child->process = process.hProcess;
    child->pid = process.dwProcessId;
    enlist(child);
    if (RegisterWaitForSingleObject(&child->wait, child->process, on_end, child, INFINITE,
                                    WT_EXECUTEONLYONCE))
        return APR_SUCCESS;
    status = zm_last_status();
    TerminateProcess(child->process, ZM_EXIT_KILLED);
    CloseHandle(child->process);
    delist(child);
    return zm_error_system(error, status, "cannot wait for the end of %s", spec->argv[0]);
}

apr_status_t zm_child_start(zm_child_t **child, const zm_child_spec_t *spec, zm_loop_t *loop,
                            zm_child_fn *fn, void *baton, zm_error_t *error)
{
    SOCKET theirs;
    apr_status_t status;
    zm_child_t *made = calloc(1, sizeof *made);
    if (made == NULL || apr_pool_create(&made->pool, zm_loop_pool(loop)) != APR_SUCCESS) {
        free(made);
        return zm_error_system(error, APR_ENOMEM, "cannot start %s", spec->argv[0]);
    }
    made->family = family_of(loop);
    made->loop = loop;
    made->fn = fn;
    made->baton = baton;
    status = make_channel(made, spec->io, &theirs);
    if (status != APR_SUCCESS)
        zm_error_system(error, status, "cannot make a channel for %s", spec->argv[0]);
    else
        status = start_and_wait(made, spec, theirs, error);
    if (theirs != INVALID_SOCKET)
        closesocket(theirs);
    if (status != APR_SUCCESS) {
        apr_pool_destroy(made->pool);
        free(made);
        return status;
    }
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

/* By handle: the number of a process that ended may be another's. */
apr_status_t zm_child_kill(zm_child_t *child)
{
    if (child->ended)
        return ZM_E_GONE;
    if (TerminateProcess(child->process, ZM_EXIT_KILLED) ||
        WaitForSingleObject(child->process, 0) == WAIT_OBJECT_0)
        return APR_SUCCESS;
    return zm_last_status();
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

static bool is_socket(SOCKET handle)
{
    int type, size = sizeof type;
    return handle != INVALID_SOCKET && handle != 0 &&
           getsockopt(handle, SOL_SOCKET, SO_TYPE, (char *)&type, &size) == 0;
}

/*
 * A handle beside the standard streams, which stay in place.  Where somebody
 * else started us with a socket as standard input, that is taken itself, and
 * not closed with the pool.
 */
apr_status_t zm_child_own_channel(apr_socket_t **channel, apr_pool_t *pool)
{
    SOCKET handle;
    apr_os_sock_t input = (SOCKET)GetStdHandle(STD_INPUT_HANDLE);
    apr_status_t status;
    if (zm_handover_take(&handle, 0) == APR_SUCCESS)
        return zm_socket_wrap(channel, handle, SOCK_STREAM, false, pool);
    if (!is_socket(input))
        return APR_ENOTSOCK;
    SetHandleInformation((HANDLE)input, HANDLE_FLAG_INHERIT, 0);
    *channel = NULL;
    status = apr_os_sock_put(channel, &input, pool);
    return status == APR_SUCCESS ? apr_socket_timeout_set(*channel, 0) : status;
}

apr_status_t zm_child_own_passed(apr_socket_t **passed, int index, apr_pool_t *pool)
{
    SOCKET handle;
    apr_status_t status = index < 0 ? APR_EBADF : zm_handover_take(&handle, index + 1);
    return status == APR_SUCCESS ? zm_socket_wrap(passed, handle, SOCK_STREAM, false, pool)
                                 : status;
}
