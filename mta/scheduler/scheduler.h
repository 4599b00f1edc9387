/**
 * The whole of a scheduler: queue, agents, and what waits for its time.
 *
 * One thread runs everything.  The world calls in (a job arrived, an agent said
 * something, time passed) and then zm_scheduler_settle, which starts what can
 * be started.  The scheduler calls out through the table of outside.h.
 */
#ifndef ZM_SCHEDULER_SCHEDULER_H
#define ZM_SCHEDULER_SCHEDULER_H

#include "mta/conf/counters.h"
#include "mta/scheduler/holds.h"
#include "mta/scheduler/memory.h"
#include "mta/scheduler/outside.h"
#include "mta/scheduler/queue.h"

typedef struct zm_scheduler_counters_t {
    uint64_t jobs_in, jobs_out, recipients_in, recipients_out;
    uint64_t ta_starts;
    uint64_t etrn, kill_job, kill_thread;
} zm_scheduler_counters_t;

/** Walks the rings and threads while they change. See zm_walk_begin. */
typedef struct zm_walk_t {
    struct zm_walk_t *next;
    zm_ring_t *ring;     /**< null: the end */
    zm_thread_t *thread; /**< next one of the ring; null: past the last */
    bool ring_head_done; /**< for the walker: what stands before the ring's threads */
} zm_walk_t;

struct zm_scheduler_t {
    apr_pool_t *pool;
    zm_config_t *config;
    const zm_outside_t *outside;
    void *baton; /**< for the calls of outside */

    zm_table_t jobs;                         /**< by id */
    zm_table_t logs;                         /**< jobs by hash of the log id and owner */
    zm_table_t threads;                      /**< by channel and host */
    zm_table_t asides;                       /**< threads beside those, by channel, host and kind */
    zm_thread_t *condemned, *last_condemned; /**< of them, those being emptied */
    zm_holds_t holds;
    zm_table_t lanes; /**< by thread and sender */
    zm_table_t ring_table;
    zm_table_t shapes; /**< destinations with rates or suspended (shape.c) */
    zm_texts_t texts;
    zm_slab_t job_slab, vertex_slab, lane_slab, thread_slab, feed_slab;
    zm_ring_t *rings, *last_ring;
    zm_channel_t *channels;

    zm_due_heap_t retries;  /**< threads */
    zm_due_heap_t expiries; /**< vertices, by Unix time; the others by even time */
    zm_due_heap_t paused;   /**< rings */

    zm_ring_t *ready, *last_ready;      /**< rings to be served, in turn */
    zm_ring_t *waiting, *last_waiting;  /**< rings that wait for an agent process */
    zm_ta_t *tas;                       /**< all agents */
    zm_ta_t *idle_oldest, *idle_newest; /**< of all rings, by the time they became idle */
    zm_ta_t *quiet;                     /**< free agents to be told so */

    uint32_t now;      /**< of the present call, seconds of the even time (zm_scheduler_tick) */
    uint32_t wall;     /**< the same moment, Unix seconds as the clock of the system has them */
    int64_t even_base; /**< even time less monotonic time, microseconds */
    int64_t armed_at;  /**< wall less now when the expiries were put in order */
    uint32_t started;
    uint32_t swept;   /**< when the agents were looked at */
    bool expiry_left; /**< more is over-age than one call could do */
    uint32_t ta_count, idle_count;
    uint32_t fork_second, forks; /**< forks in that second */
    uint32_t job_count, vertex_count, thread_count;
    uint64_t recipient_count;
    uint64_t random; /**< state of the generator */
    zm_scheduler_counters_t counters;
    zm_walk_t *walks;
    struct zm_visit_t *visits; /**< under way */

    zm_counters_t *shared;             /**< counters of the system; null: none */
    zm_scheduler_counters_t published; /**< what of ours is in them */

    uint32_t fork_rate;       /**< most forks a second */
    bool frozen;              /**< start no agents */
    bool starting;            /**< first reading of the spool: start none yet */
    bool stopping;            /**< slow stop: feed nothing more */
    const char *only_channel; /**< option -p: serve only this; null: all */
    const char *only_host;
};

typedef struct zm_scheduler_options_t {
    uint32_t fork_rate; /**< 0: 30 */
    bool frozen, starting;
    const char *only_channel, *only_host;
    uint64_t seed; /**< of the generator of random numbers */
} zm_scheduler_options_t;

void zm_scheduler_create(zm_scheduler_t **scheduler, zm_config_t *config,
                         const zm_scheduler_options_t *options, const zm_outside_t *outside,
                         void *baton, apr_pool_t *pool);
/** Frees the queue.  Agents must have been ended before (zm_ta_gone). */
void zm_scheduler_destroy(zm_scheduler_t *scheduler);

/**
 * To be called first in every entry from the world: reads the clocks.
 *
 * Waiting is counted in even time: seconds that run evenly from the start of
 * the scheduler, when they were those of the clock of the system.  Somebody who
 * sets that clock, forward or back, shifts no retry, pause, rate or patience.
 * Ages, expiry and what senders set a date for go by the clock (`wall`), since
 * messages carry its time.
 */
void zm_scheduler_tick(zm_scheduler_t *scheduler);
/** The Unix time of a moment in even time, as the clock stands now; and back. */
static inline int64_t zm_scheduler_wall_of(const zm_scheduler_t *scheduler, int64_t even)
{
    return even - scheduler->now + scheduler->wall;
}
static inline int64_t zm_scheduler_even_of(const zm_scheduler_t *scheduler, int64_t wall)
{
    return wall - scheduler->wall + scheduler->now;
}
/** Does what time has brought: retries, expiries (a bounded number), idle agents. */
void zm_scheduler_due(zm_scheduler_t *scheduler);
/** Starts and feeds what can be; to be called after every batch of events. */
void zm_scheduler_settle(zm_scheduler_t *scheduler);
/** When zm_scheduler_due has something to do next, in even time; never more than an hour ahead. */
uint32_t zm_scheduler_next(const zm_scheduler_t *scheduler);

/** The first reading of the spool is finished. */
void zm_scheduler_open(zm_scheduler_t *scheduler);
/** Starts nothing new, lets the agents finish; true when none is left. */
bool zm_scheduler_slow_stop(zm_scheduler_t *scheduler);

/** Takes on another configuration; the old one may go afterwards. Jobs, threads and agents stay. */
void zm_scheduler_reload(zm_scheduler_t *scheduler, zm_config_t *config);

/** Serves all threads of that host now, queue-only ones too, but not those on hold.  How many there
 * are, those included that are being served already. */
int zm_scheduler_etrn(zm_scheduler_t *scheduler, zm_str_t host);
/** Serves a thread now, queue-only or not.  1; 0 when it is being served, or on hold. */
int zm_scheduler_retry(zm_scheduler_t *scheduler, zm_thread_t *thread);
/** Drops all recipients of a job and finishes it.  By command (no owner), or for an Obsoletes line.
 */
void zm_scheduler_kill(zm_scheduler_t *scheduler, zm_job_t *job);

/** Brings the counters of the system up to date. */
void zm_scheduler_publish(zm_scheduler_t *scheduler);
/** At the start: gauges that a crash may have left are zero again. */
void zm_scheduler_publish_start(zm_scheduler_t *scheduler);

uint32_t zm_scheduler_random(zm_scheduler_t *scheduler);

/* -- walking ------------------------------------------------------------------------------- */

/** Registers a walk before the first ring.  A walk stays valid while threads and rings come and go.
 */
void zm_walk_begin(zm_scheduler_t *scheduler, zm_walk_t *walk);
void zm_walk_end(zm_scheduler_t *scheduler, zm_walk_t *walk);
/** Private: steps over what is about to be freed. */
void zm_walk_skip_thread(zm_scheduler_t *scheduler, zm_thread_t *thread);
void zm_walk_skip_ring(zm_scheduler_t *scheduler, zm_ring_t *ring);

#endif
