/*
 * Fork and exec.
 *
 * Between fork and exec only async-signal-safe calls are made, for the parent
 * may have threads: everything that needs memory is prepared before, in a plan.
 * All signals are blocked over the fork, or a handler of the parent's could run
 * in the child and write into the parent's sockets.
 *
 * A child that cannot become the program writes the step and the error number
 * into a pipe that exec closes; the parent reads either those or end of file.
 */
#include "posix/spawn.h"

#include <apr_portable.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1u << 2)
#endif
#endif

#include "posix/become.h"

#define FIRST_PASSED 3
#define HIGHEST_GUESS 65536

extern char **environ;

typedef enum step_t {
    STEP_DESCRIPTORS,
    STEP_LIMITS,
    STEP_ACCOUNT,
    STEP_DIRECTORY,
    STEP_EXECUTE
} step_t;

typedef struct report_t {
    step_t step;
    int code;
} report_t;

typedef struct plan_t {
    const zm_child_spec_t *spec;
    int channel;
    int *passed; /* descriptors; moved upwards in the child first */
    int passed_count;
    int report;
    int highest;   /* no descriptor of the parent is above */
    gid_t *groups; /* supplementary ones */
    int group_count;
} plan_t;

static const char *path_of(const zm_child_spec_t *spec)
{
    return spec->program != NULL ? spec->program : spec->argv[0];
}

/* -- in the child, async-signal-safe ---------------------------------------------------- */

__attribute__((noreturn)) static void give_up(const plan_t *plan, step_t step, int code)
{
    report_t report = {step, code};
    while (write(plan->report, &report, sizeof report) < 0 && errno == EINTR)
        ;
    _exit(127);
}

/* Ignored signals would stay ignored over exec; handlers must not run from here on. */
static void reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    int number;
    for (number = 1; number < NSIG; number++)
        sigaction(number, &action, NULL);
}

/* Out of the way of the numbers that will be given out. */
static int move_up(const plan_t *plan, int descriptor, int lowest)
{
    int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, lowest);
    if (moved < 0)
        give_up(plan, STEP_DESCRIPTORS, errno);
    return moved;
}

static void place(const plan_t *plan, int descriptor, int number)
{
    while (dup2(descriptor, number) < 0)
        if (errno != EINTR && errno != EBUSY)
            give_up(plan, STEP_DESCRIPTORS, errno);
}

/* Marks instead of closing, for the report pipe must live until exec. */
static void close_above_on_exec(int lowest, int highest)
{
    int descriptor;
#if defined(__linux__) && defined(SYS_close_range)
    if (syscall(SYS_close_range, (unsigned)lowest, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
        return;
#endif
    for (descriptor = lowest; descriptor <= highest; descriptor++)
        fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

static void arrange_descriptors(plan_t *plan)
{
    int lowest = FIRST_PASSED + plan->passed_count, channel = plan->channel, i;
    plan->report = move_up(plan, plan->report, lowest);
    if (channel >= 0)
        channel = move_up(plan, channel, lowest);
    for (i = 0; i < plan->passed_count; i++)
        plan->passed[i] = move_up(plan, plan->passed[i], lowest);
    for (i = 0; i < plan->passed_count; i++)
        place(plan, plan->passed[i], FIRST_PASSED + i);
    if (channel >= 0) {
        place(plan, channel, STDIN_FILENO);
        place(plan, channel, STDOUT_FILENO);
        if (plan->spec->io == ZM_CHILD_CHANNEL)
            place(plan, channel, STDERR_FILENO);
    }
    close_above_on_exec(lowest, plan->highest + 4 + plan->passed_count);
}

/* None of them can be raised again by the child. */
static void limit(const plan_t *plan, int resource, int64_t most)
{
    struct rlimit found;
    if (getrlimit(resource, &found) < 0)
        give_up(plan, STEP_LIMITS, errno);
    if (found.rlim_max == RLIM_INFINITY || (rlim_t)most < found.rlim_max)
        found.rlim_max = (rlim_t)most;
    found.rlim_cur = found.rlim_max;
    if (setrlimit(resource, &found) < 0)
        give_up(plan, STEP_LIMITS, errno);
}

static void limit_all(const plan_t *plan, const zm_child_limits_t *limits)
{
    limit(plan, RLIMIT_CORE, 0);
    if (limits->cpu > 0)
        limit(plan, RLIMIT_CPU, limits->cpu);
    if (limits->file_size > 0)
        limit(plan, RLIMIT_FSIZE, limits->file_size);
    if (limits->files > 0)
        limit(plan, RLIMIT_NOFILE, limits->files);
#ifdef RLIMIT_AS /* not on OpenBSD */
    if (limits->memory > 0)
        limit(plan, RLIMIT_AS, limits->memory);
#endif
#ifdef RLIMIT_NPROC
    if (limits->processes > 0)
        limit(plan, RLIMIT_NPROC, limits->processes);
#endif
}

/* A priority that is refused is no reason to leave the work undone. */
static void set_limits(const plan_t *plan)
{
    const zm_child_spec_t *spec = plan->spec;
    struct rlimit files;
    if (spec->descriptors != 0 && getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = spec->descriptors;
        if (files.rlim_max != RLIM_INFINITY && files.rlim_cur > files.rlim_max)
            files.rlim_cur = files.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &files) < 0)
            give_up(plan, STEP_LIMITS, errno);
    }
    if (spec->limits != NULL)
        limit_all(plan, spec->limits);
    if (spec->priority_absolute != 0)
        (void)setpriority(PRIO_PROCESS, 0, spec->nice);
    else if (spec->nice != 0 && nice(spec->nice) == -1)
        return;
}

/* The directory is entered as the account that the program runs under: it may be nobody else's to
 * enter. */
__attribute__((noreturn)) static void become_program(plan_t *plan)
{
    const zm_child_spec_t *spec = plan->spec;
    sigset_t none;
    int code;

    reset_signals();
    arrange_descriptors(plan);
    if (spec->own_session)
        setsid();
    else if (spec->new_group)
        setpgid(0, 0);
    if (spec->private_files)
        umask(077);
    set_limits(plan);
    if (spec->as != NULL) {
        code = zm_become_with((uid_t)spec->as->uid, (gid_t)spec->as->gid, plan->groups,
                              plan->group_count);
        if (code != 0)
            give_up(plan, STEP_ACCOUNT, code);
    }
    if (spec->directory != NULL && chdir(spec->directory) < 0)
        give_up(plan, STEP_DIRECTORY, errno);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(path_of(spec), (char *const *)(uintptr_t)spec->argv,
           spec->environment != NULL ? (char *const *)(uintptr_t)spec->environment : environ);
    give_up(plan, STEP_EXECUTE, errno);
}

/* -- in the parent ------------------------------------------------------------------------- */

/* Only looked at where the system cannot close a whole range. */
static int highest_descriptor(void)
{
    int highest = -1;
    DIR *directory = opendir("/dev/fd");
    struct dirent *entry;
    if (directory == NULL) {
        long limit = sysconf(_SC_OPEN_MAX);
        return limit < 0 || limit > HIGHEST_GUESS ? HIGHEST_GUESS : (int)limit;
    }
    while ((entry = readdir(directory)) != NULL) {
        int number = atoi(entry->d_name);
        highest = number > highest ? number : highest;
    }
    closedir(directory);
    return highest;
}

/* The group database may ask the network: that is for the parent to do. */
static int find_groups(plan_t *plan, const zm_child_spec_t *spec, apr_pool_t *pool)
{
    int room = 64, attempt;
    if (spec->as == NULL || spec->groups_of == NULL)
        return 0;
    for (attempt = 0; attempt < 3; attempt++) {
        plan->groups = apr_palloc(pool, sizeof *plan->groups * (apr_size_t)room);
        plan->group_count = room;
        if (getgrouplist(spec->groups_of, (gid_t)spec->as->gid, plan->groups, &plan->group_count) >=
            0)
            return 0;
        room = plan->group_count > room ? plan->group_count : room * 16;
    }
    return ERANGE;
}

static int make_plan(plan_t *plan, const zm_child_spec_t *spec, int channel, apr_pool_t *pool)
{
    int i;
    *plan = (plan_t){.spec = spec, .channel = channel};
    while (spec->pass != NULL && spec->pass[plan->passed_count] != NULL)
        plan->passed_count++;
    plan->passed = apr_pcalloc(pool, sizeof *plan->passed * ((apr_size_t)plan->passed_count + 1));
    for (i = 0; i < plan->passed_count; i++)
        if (apr_os_sock_get(&plan->passed[i], spec->pass[i]) != APR_SUCCESS)
            return EBADF;
    i = find_groups(plan, spec, pool);
    if (i != 0)
        return i;
#if !defined(__linux__) || !defined(SYS_close_range)
    plan->highest = highest_descriptor();
#else
    plan->highest = syscall(SYS_close_range, ~0u, ~0u, 0) == 0 ? -1 : highest_descriptor();
#endif
    return 0;
}

static int make_report_pipe(int ends[2])
{
#ifdef __linux__
    return pipe2(ends, O_CLOEXEC) < 0 ? errno : 0;
#else
    if (pipe(ends) < 0)
        return errno;
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
#endif
}

/* True when the child reported a failure; it is collected then. */
static bool read_report(report_t *report, int descriptor, pid_t pid)
{
    ssize_t got;
    do
        got = read(descriptor, report, sizeof *report);
    while (got < 0 && errno == EINTR);
    if (got != sizeof *report)
        return false;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return true;
}

static apr_status_t explain(const report_t *report, const zm_child_spec_t *spec, zm_error_t *error)
{
    switch (report->step) {
    case STEP_DESCRIPTORS:
        return zm_error_system(error, report->code, "cannot hand descriptors to %s", path_of(spec));
    case STEP_LIMITS:
        return zm_error_system(error, report->code, "cannot set the limits of %s", path_of(spec));
    case STEP_ACCOUNT:
        return zm_error_system(error, report->code,
                               "cannot become user %lld, group %lld to start %s",
                               (long long)spec->as->uid, (long long)spec->as->gid, path_of(spec));
    case STEP_DIRECTORY:
        return zm_error_system(error, report->code, "cannot enter %s to start %s", spec->directory,
                               path_of(spec));
    case STEP_EXECUTE:
        break;
    }
    return zm_error_system(error, report->code, "cannot execute %s", path_of(spec));
}

static pid_t fork_with_signals_blocked(plan_t *plan)
{
    sigset_t all, before;
    pid_t pid;
    int code;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0)
        become_program(plan);
    code = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = code;
    return pid;
}

apr_status_t zm_spawn(pid_t *pid, const zm_child_spec_t *spec, int channel, apr_pool_t *pool,
                      zm_error_t *error)
{
    plan_t plan;
    report_t report;
    int ends[2];
    int code = make_plan(&plan, spec, channel, pool);
    if (code == 0)
        code = make_report_pipe(ends);
    if (code != 0)
        return zm_error_system(error, code, "cannot prepare to start %s", path_of(spec));

    plan.report = ends[1];
    *pid = fork_with_signals_blocked(&plan);
    code = errno;
    close(ends[1]);
    if (*pid < 0) {
        close(ends[0]);
        return zm_error_system(error, code, "cannot make a process for %s", path_of(spec));
    }
    if (read_report(&report, ends[0], *pid)) {
        close(ends[0]);
        return explain(&report, spec, error);
    }
    close(ends[0]);
    return APR_SUCCESS;
}
