#include <stdio.h>

#include "tests/bench/spool_bench.h"

/*
 * A message a time: at a few thousand a second a system that rounds the end of
 * each sleep up, as Linux does by 50 us, adds as much to the latency as a fast
 * disk.  The rounding is switched off for threads that are made later.
 */
#define LEAD 20000 /* microseconds for the threads to come up */

void bench_start_clock(bench_t *bench)
{
    FILE *slack = fopen("/proc/self/timerslack_ns", "w");
    if (slack != NULL) {
        fputs("1", slack);
        fclose(slack);
    }
    bench->clock = zm_clock_monotonic() + LEAD;
}

apr_time_t bench_wait_until_due(bench_t *bench, int number)
{
    apr_time_t due, now = zm_clock_monotonic();
    if (bench->rate <= 0)
        return now;
    due = bench->clock + (apr_time_t)number * 1000000 / bench->rate;
    for (; now < due; now = zm_clock_monotonic())
        apr_sleep(due - now);
    bench->late[number] = now - due;
    return due;
}
