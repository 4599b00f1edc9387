/**
 * The worker processes of one input directory.
 *
 * Master and worker talk over the worker's standard input and output:
 *
 *     master -> worker   NAME LF          route this message ("router/B/4711")
 *     worker -> master   #hungry LF       done with the oldest, whatever came of it
 *                        other lines      for the log
 *     end of input                        finish what was given and exit
 *
 * A worker says #hungry once when its configuration is loaded, and is ready
 * then.  It is given a few messages ahead, so that it never waits for the
 * master.  When a worker dies, what it had not answered for waits again; a
 * message over which two workers died is handed to `poison`.  A worker that
 * works on one message for too long is killed, which counts the same.
 */
#ifndef ZM_MTA_ROUTER_FARM_H
#define ZM_MTA_ROUTER_FARM_H

#include "mta/router/queue.h"
#include "platform/child.h"

typedef struct router_farm_t router_farm_t;

typedef struct router_farm_options_t {
    zm_loop_t *loop;
    router_queue_t *queue;
    const zm_child_spec_t *spec; /**< how a worker is started; must outlive the farm */
    int workers;
    apr_interval_time_t patience; /**< a worker may work so long on one message */
    /** The first worker is ready, or (ready false) one ended before any was: the configuration is
     * bad, or the worker was killed.  Another one is tried after a pause. */
    void (*started)(bool ready, void *baton);
    /** A message killed two workers; it is forgotten after this call. */
    void (*poison)(const router_job_t *job, void *baton);
    /** Whether a message that was announced again while a worker had it is there (a new one of that
     * number). */
    bool (*exists)(const router_job_t *job, void *baton);
    /** All workers are gone after router_farm_stop. */
    void (*stopped)(void *baton);
    void *baton;
} router_farm_options_t;

router_farm_t *router_farm_create(const router_farm_options_t *options, apr_pool_t *pool);
/** Gives waiting jobs to workers; starts workers as the load asks for them. */
void router_farm_feed(router_farm_t *farm);
/** Lets a fresh worker read the configuration; when it is ready the others are replaced, else they
 * stay. */
void router_farm_reload(router_farm_t *farm);
/** Workers finish what they have and end; `stopped` is called then. */
void router_farm_stop(router_farm_t *farm);
typedef struct router_figures_t {
    int workers, busy;       /**< that run; messages in their hands */
    uint64_t routed;         /**< messages answered for, since the start */
    uint64_t starts, deaths; /**< of workers; deaths are those that nobody asked for */
    uint64_t parked;         /**< messages over which workers died */
} router_figures_t;
void router_farm_figures(const router_farm_t *farm, router_figures_t *figures);

#endif
