#include "platform/system.h"

#include <windows.h>

apr_time_t zm_system_monotonic(void)
{
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&per_second);
    /* Split, because ticks * 1000000 overflows after days of uptime. */
    return (ticks.QuadPart / per_second.QuadPart) * APR_USEC_PER_SEC +
           (ticks.QuadPart % per_second.QuadPart) * APR_USEC_PER_SEC / per_second.QuadPart;
}
