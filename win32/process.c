#include "platform/child.h"

#include <windows.h>

/* A process that ended keeps its number as long as somebody holds a handle of it. */
bool zm_process_alive(apr_int64_t pid)
{
    HANDLE process;
    DWORD code;
    bool alive;
    if (pid <= 0 || pid > UINT32_MAX)
        return false;
    process = OpenProcess(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, (DWORD)pid);
    if (process == NULL)
        return GetLastError() == ERROR_ACCESS_DENIED;
    alive = WaitForSingleObject(process, 0) == WAIT_TIMEOUT;
    if (alive && GetExitCodeProcess(process, &code))
        alive = code == STILL_ACTIVE;
    CloseHandle(process);
    return alive;
}

apr_int64_t zm_process_own(void)
{
    return (apr_int64_t)GetCurrentProcessId();
}

/* Intervals of 100 ns. */
static apr_time_t microseconds(const FILETIME *time)
{
    return (apr_time_t)((((uint64_t)time->dwHighDateTime << 32) | time->dwLowDateTime) / 10);
}

void zm_process_times(apr_time_t *user, apr_time_t *system)
{
    FILETIME made, ended, in_system = {0, 0}, in_user = {0, 0};
    (void)GetProcessTimes(GetCurrentProcess(), &made, &ended, &in_system, &in_user);
    *user = microseconds(&in_user);
    *system = microseconds(&in_system);
}

apr_status_t zm_process_nice(int nice, bool absolute)
{
    DWORD priority = NORMAL_PRIORITY_CLASS;
    (void)absolute; /* we start at the normal one */
    if (nice <= -10)
        priority = HIGH_PRIORITY_CLASS;
    else if (nice < 0)
        priority = ABOVE_NORMAL_PRIORITY_CLASS;
    else if (nice >= 10)
        priority = IDLE_PRIORITY_CLASS;
    else if (nice > 0)
        priority = BELOW_NORMAL_PRIORITY_CLASS;
    return SetPriorityClass(GetCurrentProcess(), priority) ? APR_SUCCESS : apr_get_os_error();
}

apr_uint32_t zm_process_descriptors(void)
{
    return 0;
}
