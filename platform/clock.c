#include "platform/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "platform/system.h"

static atomic_bool frozen;
static _Atomic apr_time_t frozen_wall, frozen_monotonic;

apr_time_t zm_clock_wall(void)
{
    return atomic_load(&frozen) ? atomic_load(&frozen_wall) : apr_time_now();
}

apr_time_t zm_clock_monotonic(void)
{
    return atomic_load(&frozen) ? atomic_load(&frozen_monotonic) : zm_system_monotonic();
}

void zm_clock_freeze(apr_time_t wall, apr_time_t monotonic)
{
    atomic_store(&frozen_wall, wall);
    atomic_store(&frozen_monotonic, monotonic);
    atomic_store(&frozen, true);
}

void zm_clock_advance(apr_interval_time_t by)
{
    atomic_fetch_add(&frozen_wall, by);
    atomic_fetch_add(&frozen_monotonic, by);
}

void zm_clock_thaw(void)
{
    atomic_store(&frozen, false);
}

/* Not strftime: its names follow the locale, those of a mail header may not. */
void zm_clock_rfc5322(char *buffer, apr_size_t size, apr_time_t when, int utc)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    apr_time_exp_t part;
    int minutes;
    if (utc)
        apr_time_exp_gmt(&part, when);
    else
        apr_time_exp_lt(&part, when);
    minutes = part.tm_gmtoff / 60;
    snprintf(buffer, size, "%s, %d %s %04d %02d:%02d:%02d %c%02d%02d", days[part.tm_wday],
             part.tm_mday, months[part.tm_mon], part.tm_year + 1900, part.tm_hour, part.tm_min,
             part.tm_sec, minutes < 0 ? '-' : '+', abs(minutes) / 60, abs(minutes) % 60);
}
