/* What an administrator does to a running scheduler. */
#include <stdio.h>

#include "mta/scheduler/aside.h"
#include "tests/sim/lives/sim.h"

static zm_job_t *some_job(sim_t *sim)
{
    return sim->job_count > 0
               ? zm_queue_find(sim->scheduler, 1 + sim_random(sim, (uint32_t)sim->job_count))
               : NULL;
}

static void reload(sim_t *sim)
{
    zm_config_t *old = sim->config;
    zm_scheduler_reload(sim->scheduler, sim->other);
    sim->config = sim->other;
    sim->other = old;
}

/* A command for a destination forgets what was counted for it. */
static void forget_period(sim_t *sim, int channel, const char *host)
{
    const zm_thread_t *thread =
        zm_queue_thread(sim->scheduler, zm_str(sim_channels[channel]), zm_str(host));
    if (thread != NULL && thread->lease_count == 0 && (thread->flags & ZM_THREAD_HELD) == 0)
        sim->periods[channel][sim_host(zm_str(host))].count = 0;
}

void sim_command(sim_t *sim)
{
    int number = (int)sim_random(sim, CHANNELS);
    zm_str_t channel = zm_str(sim_channels[number]);
    zm_job_t *job = some_job(sim);
    zm_thread_t *thread;
    char host[4];

    snprintf(host, sizeof host, "h%u", sim_random(sim, HOSTS));
    thread = zm_queue_thread(sim->scheduler, channel, zm_str(host));

    zm_scheduler_tick(sim->scheduler);
    switch (sim_random(sim, 7)) {
    case 0:
        reload(sim);
        break;
    case 1:
        zm_aside_hold_thread(sim->scheduler, channel, zm_str(host));
        break;
    case 2:
        zm_aside_release_thread(sim->scheduler, channel, zm_str(host));
        break;
    case 3:
        if (job != NULL)
            zm_aside_hold_job(sim->scheduler, job);
        break;
    case 4:
        if (job != NULL)
            zm_aside_release_job(sim->scheduler, job);
        break;
    case 5:
        forget_period(sim, number, host);
        if (thread != NULL)
            zm_scheduler_retry(sim->scheduler, thread);
        break;
    default:
        for (number = 0; number < CHANNELS; number++)
            forget_period(sim, number, host);
        zm_scheduler_etrn(sim->scheduler, zm_str(host));
    }
    zm_scheduler_settle(sim->scheduler);
}

void sim_release_all(sim_t *sim)
{
    char host[16];
    int i, number;

    zm_scheduler_tick(sim->scheduler);
    for (i = 0; i < CHANNELS; i++)
        for (number = 0; number < HOSTS; number++) {
            snprintf(host, sizeof host, "h%d", number);
            zm_aside_release_thread(sim->scheduler, zm_str(sim_channels[i]), zm_str(host));
        }
    for (i = 0; i < sim->job_count; i++) {
        zm_job_t *job = zm_queue_find(sim->scheduler, (uint64_t)i + 1);
        if (job != NULL)
            zm_aside_release_job(sim->scheduler, job);
    }
    zm_scheduler_settle(sim->scheduler);
}
