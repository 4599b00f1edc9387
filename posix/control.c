/*
 * Control events are signals.  The handler notes the event and writes one byte
 * into a socket that the loop watches; everything else happens on the loop.
 */
#include "platform/control.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "posix/signals.h"
#include "posix/socket.h"

static const struct {
    int number;
    zm_control_t event;
} signals[] = {
    {SIGTERM, ZM_CONTROL_STOP},  {SIGINT, ZM_CONTROL_STOP},    {SIGQUIT, ZM_CONTROL_SLOW_STOP},
    {SIGHUP, ZM_CONTROL_REOPEN}, {SIGUSR1, ZM_CONTROL_RELOAD}, {SIGUSR2, ZM_CONTROL_DUMP},
};
#define SIGNAL_COUNT (sizeof signals / sizeof signals[0])

static atomic_bool noted[ZM_CONTROL_COUNT];
static atomic_int wake_descriptor = -1;

static struct {
    zm_control_fn *fn; /* null: nobody listens */
    void *baton;
    zm_watch_t *watch;
    int reading;
} listener;

int zm_signal_of_control(zm_control_t event)
{
    apr_size_t i;
    for (i = 0; i < SIGNAL_COUNT; i++)
        if (signals[i].event == event)
            return signals[i].number;
    return 0;
}

const char *zm_control_name(zm_control_t event)
{
    static const char *const names[] = {"stop", "slow-stop", "reopen", "reload", "dump"};
    return (unsigned)event < ZM_CONTROL_COUNT ? names[event] : "unknown";
}

/* -- listening ------------------------------------------------------------------- */

static void on_signal(int number)
{
    int saved = errno, descriptor = atomic_load(&wake_descriptor);
    apr_size_t i;
    for (i = 0; i < SIGNAL_COUNT; i++)
        if (signals[i].number == number)
            atomic_store(&noted[signals[i].event], true);
    /* When the socket is full, the loop is about to wake anyway. */
    if (descriptor >= 0 && write(descriptor, "", 1) < 0)
        errno = saved;
    errno = saved;
}

static void on_wake(zm_watch_t *watch, int events, void *baton)
{
    char bytes[64];
    int event;
    (void)watch;
    (void)events;
    (void)baton;
    while (read(listener.reading, bytes, sizeof bytes) > 0)
        ;
    for (event = 0; event < ZM_CONTROL_COUNT && listener.fn != NULL; event++)
        if (atomic_exchange(&noted[event], false))
            listener.fn((zm_control_t)event, listener.baton);
}

static void set_handlers(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigset_t ours;
    apr_size_t i;
    sigfillset(&action.sa_mask);
    sigemptyset(&ours);
    for (i = 0; i < SIGNAL_COUNT; i++) {
        sigaction(signals[i].number, &action, NULL);
        sigaddset(&ours, signals[i].number);
    }
    pthread_sigmask(SIG_UNBLOCK, &ours, NULL); /* who started us may have blocked them */
}

static apr_status_t stop_listening(void *data)
{
    (void)data;
    set_handlers(SIG_DFL);
    zm_watch_close(listener.watch);
    close(atomic_exchange(&wake_descriptor, -1));
    memset(&listener, 0, sizeof listener);
    return APR_SUCCESS;
}

apr_status_t zm_control_listen(zm_loop_t *loop, zm_control_fn *fn, void *baton)
{
    apr_socket_t *reading;
    int pair[2];
    apr_status_t status;

    if (listener.fn != NULL)
        return ZM_E_BUSY;
    status = zm_socket_local_pair(pair);
    if (status != APR_SUCCESS)
        return status;
    (void)fcntl(pair[1], F_SETFL, O_NONBLOCK);
    status = zm_socket_wrap(&reading, pair[0], SOCK_STREAM, false, zm_loop_pool(loop));
    if (status == APR_SUCCESS)
        status = zm_watch_open(&listener.watch, loop, reading, ZM_READ, on_wake, NULL);
    if (status != APR_SUCCESS) {
        close(pair[1]);
        return status;
    }
    listener.fn = fn;
    listener.baton = baton;
    listener.reading = pair[0];
    atomic_store(&wake_descriptor, pair[1]);
    apr_pool_cleanup_register(zm_loop_pool(loop), NULL, stop_listening, apr_pool_cleanup_null);
    signal(SIGPIPE, SIG_IGN);
    set_handlers(on_signal);
    return APR_SUCCESS;
}

/* -- declining --------------------------------------------------------------------- */

static bool declined;

/* A handler and not SIG_IGN, which a program that we start would inherit. */
static void do_nothing(int number)
{
    (void)number;
}

apr_status_t zm_control_decline(void)
{
    if (listener.fn != NULL)
        return ZM_E_BUSY;
    declined = true;
    set_handlers(do_nothing);
    return zm_control_catch(SIGPIPE, do_nothing);
}

static bool is_declined(int number)
{
    apr_size_t i;
    for (i = 0; declined && i < SIGNAL_COUNT; i++)
        if (signals[i].number == number)
            return true;
    return declined && number == SIGPIPE;
}

apr_status_t zm_control_catch(int number, zm_signal_fn *fn)
{
    struct sigaction action = {.sa_flags = SA_RESTART};
    if (fn != NULL)
        action.sa_handler = fn;
    else
        action.sa_handler = is_declined(number) ? do_nothing : SIG_DFL;
    sigemptyset(&action.sa_mask);
    return sigaction(number, &action, NULL) < 0 ? errno : APR_SUCCESS;
}

/* -- sending ------------------------------------------------------------------------- */

/* 0, -1 and 1 would mean our own group, everybody, and init. */
static apr_status_t send_signal(apr_int64_t pid, bool group, int number)
{
    pid_t target = (pid_t)pid;
    if (pid <= 1 || (apr_int64_t)target != pid || number == 0)
        return APR_EINVAL;
    return kill(group ? -target : target, number) < 0 ? errno : APR_SUCCESS;
}

apr_status_t zm_control_send(apr_int64_t pid, bool group, zm_control_t event)
{
    return send_signal(pid, group, zm_signal_of_control(event));
}

apr_status_t zm_control_kill(apr_int64_t pid, bool group)
{
    return send_signal(pid, group, SIGKILL);
}
