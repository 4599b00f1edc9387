#include "platform/machine.h"

#include <stdlib.h>
#include <unistd.h>

#ifdef __linux__
#include <sched.h>
#endif

int zm_machine_processors(void)
{
    long count;
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
#endif
    count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
}

apr_status_t zm_machine_load(double *load)
{
    return getloadavg(load, 1) == 1 ? APR_SUCCESS : ZM_E_UNSUPPORTED;
}

apr_status_t zm_machine_loads(double *one, double *five)
{
    double loads[2];
    if (getloadavg(loads, 2) != 2)
        return ZM_E_UNSUPPORTED;
    *one = loads[0];
    *five = loads[1];
    return APR_SUCCESS;
}
