/*
 * Becoming a daemon.
 *
 *     original ── fork ── session ── fork ── daemon
 *        │                  │                  │
 *        │ reads the pipe   │ waits for the    │ works; says READY, or FAIL with
 *        │                  │ daemon's end     │ code and text, into the pipe
 *
 * The middle process leads the session, so that the daemon can never get a
 * terminal, and stays until the daemon is ready, to pass on the exit status of
 * one that dies without a word.  The daemon leads a process group of its own,
 * which is what its pid file stands for.
 */
#include "platform/service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "posix/socket.h"

#define READY 'R'
#define FAIL 'F'
#define TEXT_LIMIT 1000
#define EXIT_OS_ERROR 71 /* EX_OSERR */

typedef struct verdict_t {
    char kind;
    unsigned char code;
    char text[TEXT_LIMIT + 1];
} verdict_t;

/* In a daemon that is not ready yet: */
static int verdict_pipe = -1;
static pid_t session_leader;

/* -- the original process --------------------------------------------------------------- */

static int exit_code_of(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return EXIT_OS_ERROR;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* _exit: what is in the buffers and exit handlers belongs to the daemon. */
__attribute__((noreturn)) static void wait_for_verdict(int pipe_end, pid_t middle)
{
    verdict_t verdict = {0};
    apr_size_t length = 0;
    ssize_t got;
    int code;
    while (length < sizeof verdict) {
        got = read(pipe_end, (char *)&verdict + length, sizeof verdict - length);
        if (got == 0 || (got < 0 && errno != EINTR))
            break;
        length += got > 0 ? (apr_size_t)got : 0;
    }
    if (length > 0 && verdict.kind == READY)
        _exit(0);
    if (length > offsetof(verdict_t, text) && verdict.kind == FAIL) {
        verdict.text[TEXT_LIMIT] = '\0';
        fprintf(stderr, "%s\n", verdict.text);
        _exit(verdict.code);
    }
    code = exit_code_of(middle);
    fprintf(stderr, "the daemon ended while it was starting, exit code %d\n", code);
    _exit(code != 0 ? code : EXIT_OS_ERROR);
}

/* -- the middle process ------------------------------------------------------------------- */

__attribute__((noreturn)) static void pass_on_exit(pid_t daemon_pid)
{
    _exit(exit_code_of(daemon_pid));
}

/* -- the daemon ------------------------------------------------------------------------------- */

/* A null device on all three, so that no later open becomes somebody's standard error. */
static int detach_streams(void)
{
    int descriptor = open("/dev/null", O_RDWR | O_CLOEXEC), number;
    if (descriptor < 0)
        return errno;
    for (number = 0; number <= 2; number++)
        if (dup2(descriptor, number) < 0)
            return errno;
    if (descriptor > 2)
        close(descriptor);
    else /* one of the three was closed, and dup2 onto itself keeps the flag */
        (void)fcntl(descriptor, F_SETFD, 0);
    return 0;
}

static void forget_the_person(void)
{
    static const char *const personal[] = {"LOGNAME", "USER",     "FULLNAME", "PRETTYLOGIN",
                                           "IFS",     "USERNAME", "MAIL"};
    apr_size_t i;
    for (i = 0; i < sizeof personal / sizeof personal[0]; i++)
        unsetenv(personal[i]);
}

static void lift_cpu_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_CPU, &limit) == 0 && limit.rlim_cur != limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_CPU,
                        &limit); /* raising the soft limit to the hard one is always allowed */
    }
}

static int become_daemon(int pipe_end)
{
    signal(SIGTSTP, SIG_IGN);
    signal(SIGTTIN, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    setpgid(0, 0);
    umask(022);
    forget_the_person();
    lift_cpu_limit();
    verdict_pipe = pipe_end;
    session_leader = getppid();
    return detach_streams();
}

static int make_pipe(int ends[2])
{
    if (pipe(ends) < 0)
        return errno;
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
}

apr_status_t zm_service_detach(zm_error_t *error)
{
    int ends[2], code;
    pid_t pid;

    if (getppid() == 1) /* init started us and waits for us: it wants us in the foreground */
        return APR_SUCCESS;
    code = make_pipe(ends);
    if (code != 0)
        return zm_error_system(error, code, "cannot detach");
    fflush(NULL);
    pid = fork();
    if (pid < 0)
        return zm_error_system(error, errno, "cannot detach");
    if (pid > 0) {
        close(ends[1]);
        wait_for_verdict(ends[0], pid);
    }
    close(ends[0]);
    setsid();
    pid = fork();
    if (pid < 0) /* still attached to the original's streams, which say it */
        return zm_error_system(error, errno, "cannot detach");
    if (pid > 0) {
        close(ends[1]);
        pass_on_exit(pid);
    }
    code = become_daemon(ends[1]);
    return code == 0 ? APR_SUCCESS
                     : zm_error_system(error, code, "cannot detach from the standard streams");
}

/* -- readiness --------------------------------------------------------------------------------- */

static void tell_original(const void *data, apr_size_t length)
{
    while (write(verdict_pipe, data, length) < 0 && errno == EINTR)
        ;
    close(verdict_pipe);
    verdict_pipe = -1;
}

/* The datagram protocol of sd_notify(3); '@' stands for Linux's abstract names. */
static void notify_supervisor(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    apr_size_t length = path != NULL ? strlen(path) : 0;
    int descriptor;
    if (length < 2 || length >= sizeof address.sun_path || (*path != '/' && *path != '@'))
        return;
    memcpy(address.sun_path, path, length);
    if (*path == '@')
        address.sun_path[0] = '\0';
    if (zm_socket_local(&descriptor, SOCK_DGRAM) != APR_SUCCESS)
        return;
    while (sendto(descriptor, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0 &&
           errno == EINTR)
        ;
    close(descriptor);
}

void zm_service_ready(void)
{
    char text[64];
    const char ready = READY;
    if (verdict_pipe >= 0) {
        tell_original(&ready, 1);
        if (getppid() == session_leader)
            kill(session_leader, SIGKILL);
    }
    snprintf(text, sizeof text, "READY=1\nMAINPID=%ld", (long)getpid());
    notify_supervisor(text);
}

void zm_service_fail(int code, const char *text)
{
    verdict_t verdict = {.kind = FAIL, .code = (unsigned char)code};
    if (verdict_pipe >= 0) {
        apr_size_t length = strlen(text);
        if (length > TEXT_LIMIT)
            length = TEXT_LIMIT;
        memcpy(verdict.text, text, length);
        verdict.text[length] = '\0';
        tell_original(&verdict, offsetof(verdict_t, text) + length + 1);
    } else {
        fprintf(stderr, "%s\n", text);
    }
    exit(code);
}
