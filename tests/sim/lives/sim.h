/**
 * The simulated world: a disk of jobs, agents, hosts that are up or down, and a
 * clock that only the simulation moves.
 */
#ifndef ZM_TESTS_SIM_SCHEDULER_H
#define ZM_TESTS_SIM_SCHEDULER_H

#include "mta/scheduler/scheduler.h"
#include "mta/scheduler/ta.h"

#define SIM_START INT64_C(1700000000)
#define MOST_JOBS 1000
#define MOST_RECIPIENTS 12
#define MOST_AGENTS 4000
#define HOSTS 9
#define CHANNELS 2

typedef enum plant_t {
    PLANT_NOTHING,
    PLANT_LOST,
    PLANT_TWICE,
    PLANT_LIMITS,
    PLANT_STUCK,
    PLANT_UNFAIR
} plant_t;

typedef struct sim_recipient_t {
    int channel, host;
    char tag;      /* as on disk */
    int locked_by; /* agent number + 1 */
    int delivered;
    bool recorded; /* a success was */
} sim_recipient_t;

typedef struct sim_job_t {
    bool exists; /* on disk */
    const char *sender;
    int64_t arrived;
    sim_recipient_t recipients[MOST_RECIPIENTS];
    int count;
} sim_job_t;

typedef struct sim_agent_t {
    zm_ta_t *ta; /* null: its scheduler has died */
    bool alive, greeted, multi, end_of_input, blocked, hurry;
    int channel;
    int last_host;  /* #multi: hosts take turns */
    zm_buf_t inbox; /* lines not read yet */
} sim_agent_t;

typedef struct sim_limits_t {
    int maxta, maxchannel, maxring, maxthr, overfeed;
    uint32_t rate, period; /* messages to one host in so many seconds; 0: any */
} sim_limits_t;

typedef struct sim_period_t {
    int64_t began;
    uint32_t count;
} sim_period_t;

typedef struct sim_t {
    apr_pool_t *pool;
    uint64_t random;
    zm_scheduler_t *scheduler;
    zm_config_t *config, *other; /* two that reloading changes between */
    sim_limits_t limits;
    bool multi[CHANNELS];
    bool faults; /* bad things happen */
    sim_job_t jobs[MOST_JOBS];
    int job_count;
    sim_agent_t agents[MOST_AGENTS];
    int agent_count;
    bool down[HOSTS];
    sim_period_t periods[CHANNELS][HOSTS]; /* of the rates */
    plant_t plant;
    char violation[300]; /* first one; empty: none */
    uint64_t deliveries, crashes;
    uint32_t longest_wait; /* of a probe, milliseconds */
} sim_t;

extern const char *const sim_channels[CHANNELS];

uint32_t sim_random(sim_t *sim, uint32_t below);
bool sim_chance(sim_t *sim, int percent);
void sim_violation(sim_t *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* flood.c */
/** A life in which one destination has everything waiting, and others come. */
void sim_flood(sim_t *sim);

/* command.c */
/** What an administrator may do at any time: hold, release, try again, reload. */
void sim_command(sim_t *sim);
/** Releases all that is held. */
void sim_release_all(sim_t *sim);

/* world.c */
extern const zm_outside_t sim_outside;
void sim_open_scheduler(sim_t *sim);
void sim_crash_scheduler(sim_t *sim);
/** A new job on disk; the scheduler is told of it, or finds it at the next scan. */
void sim_new_job(sim_t *sim);
/** A job of one recipient, known to the scheduler at once. */
sim_job_t *sim_plain_job(sim_t *sim, int channel, int host, const char *sender);
/** Takes in what lies on disk and the scheduler does not have. */
void sim_scan(sim_t *sim);
void sim_check_limits(sim_t *sim);
sim_job_t *sim_job(sim_t *sim, uint64_t id);

/* agents.c */
int sim_agent_start(sim_t *sim, zm_ta_t *ta, int channel);
/** One agent does one thing. */
void sim_agent_step(sim_t *sim, int number);
void sim_agent_die(sim_t *sim, int number, bool abnormal);
int sim_host(zm_str_t name);

#endif
