/* Windows keeps no load average. */
#include "platform/machine.h"

#include <windows.h>

int zm_machine_processors(void)
{
    DWORD count = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    return count > 0 ? (int)count : 1;
}

apr_status_t zm_machine_load(double *load)
{
    (void)load;
    return ZM_E_UNSUPPORTED;
}

apr_status_t zm_machine_loads(double *one, double *five)
{
    (void)one;
    (void)five;
    return ZM_E_UNSUPPORTED;
}
