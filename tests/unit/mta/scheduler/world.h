/**
 * A world for the scheduler's core: agents are records of what was sent to
 * them, control files are counters.  One world a test.
 */
#ifndef ZM_TESTS_SCHEDULER_WORLD_H
#define ZM_TESTS_SCHEDULER_WORLD_H

#include "mta/scheduler/scheduler.h"
#include "mta/scheduler/ta.h"

#define WORLD_START INT64_C(1700000000)
#define WORLD_AGENTS 64

typedef struct world_agent_t {
    zm_ta_t *ta;
    char command[64]; /* "channel/host" it was started for */
    zm_buf_t sent;
    bool half_closed, killed;
} world_agent_t;

typedef struct world_t {
    zm_scheduler_t *scheduler;
    zm_config_t *config;
    world_agent_t agents[WORLD_AGENTS];
    int agent_count; /* started so far */
    zm_buf_t log;    /* "record 12", "expire 12 NOTARY TEXT", "complete 5", ... one a line */
    bool refuse_start, refuse_expire;
} world_t;

world_t *world_open(const char *conf);
/** Adds a job "id" that arrived at WORLD_START + age; recipients "channel/host channel/host ...".
 */
#define WORLD_OTHER_LOG_ID 13          /**< a job whose log id only looks like this by its hash */
const char *world_log_id(uint64_t id); /**< "<id@world.test>" */
void world_add(world_t *world, uint64_t id, int64_t age, const char *sender, const char *places);
/** What an agent says; then the scheduler settles. */
void world_say(world_t *world, int agent, const char *line);
/** What was sent to the agent since the last question; valid until the next. */
const char *world_sent(world_t *world, int agent);
void world_gone(world_t *world, int agent, bool abnormal);
/** Time passes; what is due happens. */
void world_pass(world_t *world, int64_t seconds);
/** Whether the log has the line, and how often. */
int world_logged(world_t *world, const char *piece);
zm_thread_t *world_thread(world_t *world, const char *channel, const char *host);
void world_close(world_t *world);

#endif
