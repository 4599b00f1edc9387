/*
 * Fairness: one destination has all that can wait; then come messages for others
 * (another host, another channel), and one of another sender for the same host.
 * Every agent takes the same time for each job.
 */
#include "platform/clock.h"
#include "tests/sim/lives/sim.h"

#define FLOOD 900
#define PROBES 20
#define PATIENCE 20000
/* Milliseconds until a message must have been started: where agents may still be started (and one
 * job's time more, since things happen in steps of it), and where
 * the flood holds all that the limits allow (its share, and the jobs that its agent has already).
 */
#define BOUND_FREE 1000
#define BOUND_TAKEN 7000

typedef struct flood_t {
    sim_t *sim;
    uint32_t job_time; /* milliseconds that an agent takes for a job */
    uint64_t at;       /* milliseconds since the beginning */
    int next_flood;    /* messages put in so far */
} flood_t;

static void pass(flood_t *flood)
{
    sim_t *sim = flood->sim;
    int i, before = sim->agent_count;

    for (i = 0; i < before; i++) {
        uint32_t hosts = sim->agents[i].ta != NULL ? sim->agents[i].ta->lease_count : 1;
        do {
            if (sim->agents[i].alive || sim->agents[i].ta != NULL)
                sim_agent_step(sim, i);
        } while (sim->agents[i].multi && hosts-- > 1);
    }
    zm_clock_advance(apr_time_from_msec(flood->job_time));
    flood->at += flood->job_time;
    zm_scheduler_tick(sim->scheduler);
    zm_scheduler_due(sim->scheduler);
    zm_scheduler_settle(sim->scheduler);
    sim_check_limits(sim);
}

/* Whether one agent more may be had for the channel. */
static bool has_slot(const sim_t *sim, int channel)
{
    const sim_limits_t *limits = &sim->limits;
    int i, total = 0, used = 0;

    for (i = 0; i < sim->agent_count; i++)
        if (sim->agents[i].ta != NULL) {
            total++;
            used += sim->agents[i].channel == channel
                        ? (sim->agents[i].multi ? (int)sim->agents[i].ta->lease_count : 1)
                        : 0;
        }
    return total < limits->maxta && used < limits->maxchannel && used < limits->maxring;
}

static void probe(flood_t *flood, int channel, int host, const char *sender)
{
    sim_t *sim = flood->sim;
    uint32_t bound =
        has_slot(sim, channel) && host != 0 ? BOUND_FREE + flood->job_time : BOUND_TAKEN;
    uint64_t begin = flood->at;
    int number = sim->job_count;
    sim_job_t *job = sim_plain_job(sim, channel, host, sender);

    if (sim->plant == PLANT_UNFAIR)
        begin = begin > bound ? begin - bound : 0;
    zm_scheduler_settle(sim->scheduler);
    while (job->exists && job->recipients[0].tag == ' ' && flood->at - begin < PATIENCE &&
           sim->violation[0] == '\0')
        pass(flood);
    if (flood->at - begin > bound)
        sim_violation(
            sim,
            "job %d for %s/h%d of %s waited %llu ms behind a flood, bound %u (job time %u "
            "ms, maxta %d maxchannel %d maxring %d maxthr %d overfeed %d%s)",
            number + 1, sim_channels[channel], host, sender,
            (unsigned long long)(flood->at - begin), bound, flood->job_time, sim->limits.maxta,
            sim->limits.maxchannel, sim->limits.maxring, sim->limits.maxthr, sim->limits.overfeed,
            sim->multi[channel] ? ", #multi" : "");
    if (flood->at - begin > sim->longest_wait)
        sim->longest_wait = (uint32_t)(flood->at - begin);
}

static void keep_up(flood_t *flood)
{
    while (flood->next_flood < FLOOD && flood->sim->scheduler->vertex_count < FLOOD / 2) {
        sim_plain_job(flood->sim, 0, 0, "bulk");
        flood->next_flood++;
    }
}

void sim_flood(sim_t *sim)
{
    static const uint32_t times[] = {1, 5, 20, 100, 400};
    flood_t flood = {.sim = sim};
    int i;

    flood.job_time = times[sim_random(sim, 5)];
    for (i = 0; i < PROBES && sim->violation[0] == '\0'; i++) {
        uint32_t wait = 1 + sim_random(sim, 200);
        keep_up(&flood);
        while (wait-- > 0 && flood.next_flood < FLOOD) {
            pass(&flood);
            keep_up(&flood);
        }
        if (sim_chance(sim, 40))
            probe(&flood, 0, 0, "probe");
        else
            probe(&flood, (int)sim_random(sim, CHANNELS), 1 + (int)sim_random(sim, HOSTS - 1),
                  "probe");
    }
}
