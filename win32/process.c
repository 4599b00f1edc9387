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
