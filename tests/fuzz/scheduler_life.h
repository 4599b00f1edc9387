/**
 * A scheduler with a few jobs and agents that nobody plays, for fuzz targets.
 */
#ifndef ZM_TESTS_FUZZ_SCHEDULER_LIFE_H
#define ZM_TESTS_FUZZ_SCHEDULER_LIFE_H

#include "mta/scheduler/scheduler.h"
#include "mta/scheduler/ta.h"

#define LIFE_JOBS 8
#define LIFE_AGENTS 8

typedef struct life_t {
    zm_scheduler_t *scheduler;
    zm_ta_t *agents[LIFE_AGENTS];
    int agent_count;
    uint64_t next_job;
} life_t;

/** The clock stands still from here on. */
void life_open(life_t *life, apr_pool_t *pool);
void life_close(life_t *life);
/** Adds a job of three recipients at two hosts; ids go round. */
void life_add_job(life_t *life);
/** A minute passes. */
void life_pass(life_t *life);
/** Agent `number` ends. */
void life_agent_gone(life_t *life, int number);
/** Counts agree: recipients in the queue with those of its jobs, agents with the limit. */
void life_check(life_t *life);

#endif
