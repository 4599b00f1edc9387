#include "platform/child.h"

#include <errno.h>
#include <signal.h>
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
