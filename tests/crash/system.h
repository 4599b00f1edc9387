/**
 * A whole mail system in one process, on the mounted disk: the library code of
 * submission, router, scheduler and agents, put together as their programs do.
 * What agents deliver goes into letters.h; what they say to a recipient follows
 * from his name: "fails" is refused, "later" is put off now and then.
 */
#ifndef ZM_TESTS_CRASH_SYSTEM_H
#define ZM_TESTS_CRASH_SYSTEM_H

#include "mta/conf/zenv.h"
#include "platform/loop.h"
#include "spool/submit.h"
#include "tests/crash/letters.h"

#define SYSTEM_SPOOL DISK_ROOT "/spool"

/** What is made once: configuration files in a real directory, interpreter, loop. */
typedef struct site_t {
    apr_pool_t *pool;
    const char *directory;
    zm_zenv_t *zenv;
    zm_loop_t *loop;
    struct router_worker_t *worker;
    struct zm_config_t *scheduler; /**< its configuration, once read */
    const char *engine;            /**< "native", "emulated" */
} site_t;

bool site_open(site_t *site, const char *engine, const char *share, apr_pool_t *pool);
void site_close(site_t *site);

typedef struct schedule_t schedule_t;

typedef struct system_t {
    site_t *site;
    apr_pool_t *pool;
    /** Programs have handles of their own; a system that only finishes what is left shares one. */
    zm_spool_t *submit, *route, *deliver;
    zm_submitter_t submitter;
    schedule_t *schedule;
    void (*between)(void *baton); /**< called while an agent works; null: not */
    void *baton;
} system_t;

/** Opens the spool (create: makes it), recovers it as the router's master does, starts a scheduler.
 */
bool system_open(system_t **system, site_t *site, bool create, bool shared, zm_error_t *error);
/** Everything is closed as it stands, as a killed program leaves it. */
void system_close(system_t *system);

/** Submits a letter.  What is accepted is noted in it. */
apr_status_t system_submit(system_t *system, letter_t *letter);
/** Submits several at once: they share their syncs. */
void system_submit_group(system_t *system, letter_t *const *letters, int count);
/** Routes what is in router/, at most so many; returns how many were tried. */
int system_route(system_t *system, int most);
/** Lets the scheduler look at the spool and agents work, until nothing is left to do now. */
void system_deliver(system_t *system);
/** Moves work of the log into the database (emulated engine). */
void system_checkpoint(system_t *system);

/* -- schedule.c ----------------------------------------------------------------------------- */

bool schedule_open(system_t *system, zm_error_t *error);
void schedule_close(schedule_t *schedule);
void schedule_run(schedule_t *schedule);

/* -- agents.c ------------------------------------------------------------------------------- */

/** Does a line of work ("A/B/4711 TAB host") and appends what the agent says to out. */
void agent_work(system_t *system, zm_str_t line, zm_buf_t *out);
bool agent_prepare(site_t *site, zm_error_t *error);
void agent_end(void);

#endif
