#include "platform/child.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* Zero and negative numbers mean groups to kill(2). */
bool zm_process_alive(apr_int64_t pid)
{
    pid_t number = (pid_t)pid;
    if (pid <= 0 || (apr_int64_t)number != pid)
        return false;
    return kill(number, 0) == 0 || errno == EPERM;
}

apr_int64_t zm_process_own(void)
{
    return getpid();
}

static apr_time_t microseconds(const struct timeval *time)
{
    return apr_time_from_sec(time->tv_sec) + time->tv_usec;
}

void zm_process_times(apr_time_t *user, apr_time_t *system)
{
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    *user = microseconds(&usage.ru_utime);
    *system = microseconds(&usage.ru_stime);
}

apr_status_t zm_process_nice(int increment, bool absolute)
{
    int now = absolute ? 0 : getpriority(PRIO_PROCESS, 0);
    return setpriority(PRIO_PROCESS, 0, now + increment) == 0 ? APR_SUCCESS : errno;
}

apr_uint32_t zm_process_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (limit.rlim_cur != limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > UINT32_MAX
               ? 0
               : (apr_uint32_t)limit.rlim_cur;
}
