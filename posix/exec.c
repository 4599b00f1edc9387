#include "platform/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

apr_status_t zm_program_exec(const char *const *argv, zm_error_t *error)
{
    /* execv changes nothing in the strings; its prototype is older than const */
    union {
        const char *const *given;
        char *const *taken;
    } words = {argv};
    execv(argv[0], words.taken);
    return zm_error_system(error, errno, "cannot run %s", argv[0]);
}

bool zm_program_is_terminal(int stream)
{
    return isatty(stream) == 1;
}

void zm_program_fill_streams(void)
{
    int stream;
    for (stream = 0; stream <= 2; stream++) /* open takes the lowest number that is free */
        if (fcntl(stream, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_WRONLY) != stream)
            abort();
}

void zm_program_binary_streams(void)
{
}

unsigned zm_program_umask(unsigned mask)
{
    return (unsigned)umask((mode_t)mask);
}

void zm_program_child_times(apr_time_t *user, apr_time_t *system)
{
    struct rusage usage;
    *user = *system = 0;
    if (getrusage(RUSAGE_CHILDREN, &usage) != 0)
        return;
    *user = apr_time_make(usage.ru_utime.tv_sec, usage.ru_utime.tv_usec);
    *system = apr_time_make(usage.ru_stime.tv_sec, usage.ru_stime.tv_usec);
}
