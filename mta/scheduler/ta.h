/**
 * Agents (TAs) and their leases: the protocol, and who is given what.
 *
 * An agent asks for work with "#hungry" and gets lines "PATH\tHOST".  One that
 * says "#multi N" first serves up to N threads at once and names the job that
 * it ends: "#hungry PATH\tHOST".
 *
 *     STARTING ──hungry──► WORKING ──last lease ends──► FREE ──attached──► WORKING
 *                             ▲                           │ "#idle"
 *                             └──attached── IDLE ◄─hungry─ IDLING
 *     any ──half close──► LEAVING ──end of file──► gone
 *
 * A lease is fed in batches: after up to overfeed + 1 jobs nothing more until
 * all are answered.  Batches grow from one job on while the agent answers them
 * within the second, and shrink when it does not, since what it has been given
 * cannot be taken back when others wait.
 *
 *     LARVA ──first hungry──► STUFFING ──destination refused──► FINISHING ──all answered──► over
 *                                 └──nothing left, all answered──► over
 */
#ifndef ZM_SCHEDULER_TA_H
#define ZM_SCHEDULER_TA_H

#include "mta/scheduler/queue.h"

typedef enum zm_ta_state_t {
    ZM_TA_STARTING,
    ZM_TA_WORKING,
    ZM_TA_FREE,
    ZM_TA_IDLING,
    ZM_TA_IDLE,
    ZM_TA_LEAVING
} zm_ta_state_t;

typedef enum zm_lease_state_t {
    ZM_LEASE_LARVA,
    ZM_LEASE_STUFFING,
    ZM_LEASE_FINISHING
} zm_lease_state_t;

/** A job that an agent has. */
typedef struct zm_feed_t zm_feed_t;
struct zm_feed_t {
    uint64_t job;
    zm_vertex_t *vertex; /**< null when nothing of it is left */
    zm_lease_t *lease;
    zm_feed_t *next; /**< of the lease, in the order fed */
    zm_feed_t *same; /**< of the agent, for another thread of the same job */
    bool answered;   /**< some recipient of it was reported */
};

struct zm_lease_t {
    zm_ta_t *ta;
    zm_thread_t *thread;
    zm_lease_t *thread_next; /**< other agents of the thread */
    zm_lease_t *ta_next, *ta_previous;
    zm_lease_state_t state;
    zm_feed_t *first, *last; /**< jobs that are not answered */
    uint32_t count;
    uint32_t hungry_at, fed_at;
    uint32_t began, jobs; /**< jobs given to it so far */
    uint32_t batch;       /**< how many at once: what it does in a second or so */
};

struct zm_ta_t {
    zm_ring_t *ring;
    void *process; /**< the world's */
    int64_t pid;
    zm_ta_t *next, *previous;           /**< all */
    zm_ta_t *ring_next, *ring_previous; /**< of the ring */
    zm_ta_t *idle_next, *idle_previous; /**< of the ring, latest first */
    zm_ta_t *age_next, *age_previous;   /**< IDLE ones of all rings, oldest first */
    zm_ta_t *quiet_next;
    zm_lease_t *leases;
    zm_table_t feeds; /**< by job: the first of those linked by `same` */
    zm_text_t *host;  /**< served last */
    zm_ta_state_t state;
    uint32_t most; /**< threads at once */
    uint32_t lease_count;
    uint32_t charge; /**< what it counts against ring and channel */
    uint32_t started, spoke, idle_since;
    uint32_t malformed; /**< lines */
    bool hungry;        /**< has asked for work at least once */
    bool useful;        /**< has answered a job */
    bool told_idle;     /**< "#idle" is unanswered */
    bool blocked;       /**< bytes to it wait */
    bool in_idle, in_quiet, in_age;
    bool dismissed; /**< we ended it */
};

/** Starts an agent for a thread; it gets the thread as its first lease. */
apr_status_t zm_ta_start(zm_scheduler_t *scheduler, zm_thread_t *thread, zm_error_t *error);
/** Gives a further thread to an agent of its ring that can take one, and feeds it. */
void zm_ta_attach(zm_scheduler_t *scheduler, zm_ta_t *ta, zm_thread_t *thread);
/** Whether an agent can be given a thread now. */
bool zm_ta_has_room(const zm_ta_t *ta);
/** Tells the agents that are left without work. */
void zm_ta_tell_idle(zm_scheduler_t *scheduler);
/** Ends an agent when it has finished what it has. quit: it is to hurry. */
void zm_ta_dismiss(zm_scheduler_t *scheduler, zm_ta_t *ta, bool quit);

/** Puts an agent under another ring that runs the same program. */
void zm_ta_move(zm_scheduler_t *scheduler, zm_ta_t *ta, zm_ring_t *ring);

/* -- from the world ------------------------------------------------------------------------ */

/** One line without its LF. */
void zm_ta_line(zm_scheduler_t *scheduler, zm_ta_t *ta, zm_str_t line);
/** All that waited has been written. */
void zm_ta_writable(zm_scheduler_t *scheduler, zm_ta_t *ta);
/** Its channel is at end of file: the agent is over and is freed.  abnormal: exit status or signal
 * was not 0. */
void zm_ta_gone(zm_scheduler_t *scheduler, zm_ta_t *ta, bool abnormal);

/* -- private to ta.c, lease.c, outcome.c --------------------------------------------------- */

/** Brings state, lists and limits in line with what the agent has. */
void zm_ta_update(zm_scheduler_t *scheduler, zm_ta_t *ta);
/** One line of the form ID/OFFSET TAB NOTARY TAB STATUS [SP MESSAGE].  False: it is none. */
bool zm_outcome_line(zm_scheduler_t *scheduler, zm_ta_t *ta, zm_str_t line);

zm_lease_t *zm_lease_begin(zm_scheduler_t *scheduler, zm_ta_t *ta, zm_thread_t *thread);
/** The oldest job of the lease is answered. */
void zm_lease_hungry(zm_scheduler_t *scheduler, zm_lease_t *lease);
/** Feeds what may be fed; ends the lease when nothing is left. */
void zm_lease_feed(zm_scheduler_t *scheduler, zm_lease_t *lease);
/** Stop feeding: the destination takes nothing now. */
void zm_lease_finish(zm_scheduler_t *scheduler, zm_lease_t *lease);
/** The same for all agents of the thread, over-age messages too: it is suspended. */
void zm_lease_finish_all(zm_thread_t *thread);
void zm_lease_end(zm_scheduler_t *scheduler, zm_lease_t *lease);
/** The feed that has this recipient, or null. */
zm_feed_t *zm_ta_feed(const zm_ta_t *ta, uint64_t job, uint64_t offset);
/** The oldest feed of the lease that serves this job at this host, or null. */
zm_feed_t *zm_ta_feed_at(const zm_ta_t *ta, uint64_t job, zm_str_t host);
/** A vertex goes away while an agent has it. */
void zm_lease_forget(zm_vertex_t *vertex);

#endif
