/**
 * The queue in memory.
 *
 *     job ──────► vertex ──► lane ──► thread ──► ring ──► channel
 *     one control  its       one      channel    clause    channel
 *     file         recipients sender   and host   and      name
 *                  at one     within              channel
 *                  thread     it
 *
 * A thread is a destination.  Its lanes take turns, so that a sender of many
 * messages does not delay another's one; senders of a single message share a
 * lane, which has every other turn.  Within a lane vertices go in the order of
 * their age, or in random order.  A ring is a pool of agents that serve the
 * threads of one clause and channel.  A lease is one agent at work on one
 * thread; a run is the time from the first lease of a thread to the last.
 *
 * The structures are kept small: a million of vertices must fit.  Times are
 * Unix seconds in 32 bits.
 */
#ifndef ZM_SCHEDULER_QUEUE_H
#define ZM_SCHEDULER_QUEUE_H

#include "mta/scheduler/config.h"
#include "mta/scheduler/due.h"
#include "mta/scheduler/text.h"

typedef struct zm_scheduler_t zm_scheduler_t;
typedef struct zm_job_t zm_job_t;
typedef struct zm_vertex_t zm_vertex_t;
typedef struct zm_lane_t zm_lane_t;
typedef struct zm_thread_t zm_thread_t;
typedef struct zm_ring_t zm_ring_t;
typedef struct zm_channel_t zm_channel_t;
typedef struct zm_lease_t zm_lease_t;
typedef struct zm_ta_t zm_ta_t;

/** Why a thread that has something to do is not served. */
typedef enum zm_pending_t {
    ZM_PENDING_NOTHING, /**< not asked for */
    ZM_PENDING_READY,   /**< its turn has not come */
    ZM_PENDING_MAXTA,
    ZM_PENDING_MAXCHANNEL,
    ZM_PENDING_MAXRING,
    ZM_PENDING_MAXTHR,
    ZM_PENDING_FORK_RATE,
    ZM_PENDING_FROZEN,
    ZM_PENDING_NO_COMMAND,
    ZM_PENDING_NO_CLAUSE,
    ZM_PENDING_FORK_FAILURE,
    ZM_PENDING_AGENT_BROKEN, /**< the ring's program does not start, or ends before it asks for work
                              */
    ZM_PENDING_AGENT_STARTS,
    ZM_PENDING_NOT_SELECTED, /**< option -p names another thread */
    ZM_PENDING_HELD,         /**< on hold by command */
    ZM_PENDING_REROUTE,      /**< to be routed again */
    ZM_PENDING_REMOVED,      /**< being removed by command */
    ZM_PENDING_SUSPENDED,    /**< it answered what its clause suspends it for */
    ZM_PENDING_RATE_THREAD,  /**< a rate is used up */
    ZM_PENDING_RATE_RING,
    ZM_PENDING_RATE_CHANNEL,
    ZM_PENDING_COUNT
} zm_pending_t;
/** ">MaxTA", ...; "" for nothing. */
const char *zm_pending_name(zm_pending_t pending);

/* -- jobs ---------------------------------------------------------------------------------- */

/** What few jobs have. */
typedef struct zm_job_rare_t {
    const char *name;    /**< leaf of the control file when it is more than the digits; null */
    const char *verbose; /**< trace file; null */
    zm_uid_t owner;      /**< of the message file, in full */
} zm_job_rare_t;

#define ZM_JOB_REPORTABLE 1 /**< diagnostics wait for a report */
#define ZM_JOB_FINISHING 2  /**< all recipients are done; being reported and removed */
#define ZM_JOB_REPORTING 4  /**< an interim report is under way */
#define ZM_JOB_REREAD 8     /**< its control file has to be read again */
#define ZM_JOB_LOGGED 32    /**< found by its log id */
#define ZM_JOB_HELD 64      /**< on hold by command */
#define ZM_JOB_KILLED 16    /**< removed by command or by its sender: no statistics */

struct zm_job_t {
    uint64_t id;
    int64_t arrived; /**< mtime of the message file */
    uint32_t arrived_ns;
    uint32_t routed;   /**< seconds from arrival to the control file */
    uint32_t owner;    /**< of the message file */
    uint32_t log_hash; /**< of the log id: finds candidates for Obsoletes */
    uint32_t pending;  /**< recipients that are not done */
    uint32_t total, failed;
    char prefix[2]; /**< hash directories; NUL: none */
    uint8_t flags;
    uint8_t resyncs;
    zm_vertex_t *vertices;
    zm_job_rare_t *rare;
};

/** Room for "A/B/" and a leaf. */
#define ZM_JOB_PATH_SIZE 272
/** "A/B/4711": the control file as agents and mailq know it. */
const char *zm_job_path(char path[ZM_JOB_PATH_SIZE], const zm_job_t *job);

/* -- vertices ------------------------------------------------------------------------------ */

#define ZM_VERTEX_OUTSTANDING 1 /**< an agent has it */
#define ZM_VERTEX_FRESH 2       /**< never given to an agent (see zm_vertex_is_fresh) */
#define ZM_VERTEX_BACK 4        /**< to be tried behind those that come in order of age */

struct zm_vertex_t {
    zm_job_t *job;
    zm_lane_t *lane;
    zm_vertex_t *next, *previous; /**< of the job */
    zm_vertex_t *left, *right;    /**< in the lane's tree */
    zm_vertex_t *earlier, *later; /**< of the thread, in the order in which they came there */
    zm_text_t *sender;            /**< error address of its first recipient */
    zm_text_t *diagnosis;         /**< notary LF text of the last transient result; null */
    zm_due_t due;                 /**< next expiry or delay report to look at */
    uint32_t by;                  /**< DELIVERBY: the next time that a recipient has; 0 none */
    uint32_t fed;                 /**< when it was last given to an agent; 0 never */
    uint32_t count;               /**< recipients left */
    uint16_t attempts;
    uint16_t mark; /**< thread's refusals already counted in attempts */
    uint8_t flags;
    uint8_t reports;    /**< delay reports made */
    uint8_t fed_run;    /**< low bits of the thread's run in which it was last given out */
    bool single;        /**< made for one recipient: from the slab */
    uint32_t offsets[]; /**< of the recipients left, ascending */
};

/** Never given to an agent, nor refused together with others. */
bool zm_vertex_is_fresh(const zm_vertex_t *vertex);
/** Counts in what befell the whole thread since (a refusal of the destination). */
void zm_vertex_sync(zm_scheduler_t *scheduler, zm_vertex_t *vertex);
/** Parts of the last transient result, each possibly empty. */
zm_str_t zm_vertex_notary(const zm_vertex_t *vertex);
zm_str_t zm_vertex_text(const zm_vertex_t *vertex);

/* -- lanes, threads ------------------------------------------------------------------------ */

typedef struct zm_order_t {
    uint64_t key, id;
} zm_order_t;

struct zm_lane_t {
    zm_thread_t *thread;
    zm_text_t *sender;          /**< null: the mixed lane */
    zm_lane_t *next, *previous; /**< circular, in one of the thread's two lists */
    zm_vertex_t *root;
    zm_order_t cursor; /**< last one given out in the run */
    uint64_t start;    /**< where the run began (random order) */
    uint32_t run;      /**< thread's run that cursor belongs to */
    uint32_t count;
    bool wrapped, spent;
    bool aged; /**< in the order of age; else at random */
};

#define ZM_THREAD_ETRN 1      /**< asked for by command: serve even if queue-only */
#define ZM_THREAD_SUCCEEDED 2 /**< in this run: some recipient was done */
#define ZM_THREAD_STOPPED 4   /**< in this run: the destination refused everything */
#define ZM_THREAD_BROKEN 8    /**< in this run: an agent died */
#define ZM_THREAD_YIELDED 16  /**< its run is interrupted: others had their turn to come */
#define ZM_THREAD_HELD 32     /**< on hold by command */

/** How a thread beside the ordinary one of its channel and host was set aside (aside.h). */
typedef enum zm_aside_t {
    ZM_ASIDE_NOT,
    ZM_ASIDE_HELD,
    ZM_ASIDE_REROUTE,
    ZM_ASIDE_KILL,
    ZM_ASIDE_RETURN
} zm_aside_t;

struct zm_thread_t {
    zm_ring_t *ring;
    zm_text_t *host;
    zm_thread_t *ring_next, *ring_previous;
    zm_thread_t *ready_next, *ready_previous; /**< also of the condemned (aside.c) */
    zm_due_t due;                             /**< next attempt */
    zm_vertex_t *first, *last;
    zm_lane_t *active, *spent;
    zm_lane_t *mixed; /**< of senders that have one message in the queue; null: none */
    zm_lease_t *leases;
    zm_text_t *refusal; /**< diagnosis that holds for all vertices not given out in that run */
    uint32_t refusal_run_began;
    uint32_t oldest; /**< arrival of its oldest message; 0: to be found again */
    uint32_t vertices, recipients;
    uint32_t unfed; /**< vertices not yet given out in this run */
    uint32_t fresh; /**< vertices never given out */
    uint32_t attempts;
    uint32_t run, run_began;
    uint32_t not_before; /**< earliest next attempt that an agent asked for */
    uint16_t lease_count;
    uint16_t retry; /**< next factor of the retry sequence */
    uint16_t refusals;
    uint8_t flags;
    uint8_t aside; /**< zm_aside_t */
    bool ready;
    bool condemned; /**< in the list of those being emptied */
};

/** Whether a run is under way, with agents or interrupted. */
static inline bool zm_thread_runs(const zm_thread_t *thread)
{
    return thread->lease_count > 0 || (thread->flags & ZM_THREAD_YIELDED) != 0;
}

/* -- rings, channels ----------------------------------------------------------------------- */

/** A period of a rate (shape.h). */
typedef struct zm_pace_t {
    uint32_t began, period; /**< seconds */
    uint32_t count;         /**< 0: no period runs */
} zm_pace_t;

/** What is known of a ring's program. */
typedef enum zm_ta_kind_t { ZM_TA_UNKNOWN, ZM_TA_CLASSIC, ZM_TA_MULTI } zm_ta_kind_t;

typedef enum zm_ring_wait_t {
    ZM_RING_AT_REST, /**< nothing ready */
    ZM_RING_READY,   /**< in the scheduler's list of ready rings */
    ZM_RING_WAIT_TA, /**< in the list of those that wait for a free agent process */
    ZM_RING_WAIT_CHANNEL,
    ZM_RING_WAIT_OWN, /**< its own limit is reached */
    ZM_RING_WAIT_TIME /**< until `due` */
} zm_ring_wait_t;

struct zm_ring_t {
    const zm_selection_t *selection;
    zm_channel_t *channel;
    zm_text_t *identity;
    zm_text_t *host;            /**< null, unless the command names the host */
    zm_ring_t *next, *previous; /**< all rings, in the order of the clauses */
    zm_thread_t *threads, *last_thread;
    zm_thread_t *ready, *last_ready;
    zm_ring_t *wait_next, *wait_previous;
    zm_ring_wait_t wait;
    zm_pending_t blocked; /**< why its ready threads wait */
    zm_due_t due;
    zm_ta_t *tas;  /**< all its agents */
    zm_ta_t *idle; /**< agents that want work: free, told so, or idle; latest first */
    zm_ta_kind_t kind;
    uint32_t thread_count, vertex_count;
    uint32_t used; /**< what counts against maxring */
    uint32_t ta_count, idle_count, starting;
    uint32_t failures;  /**< starts in a row that came to nothing */
    zm_text_t *trouble; /**< why the last of them did; null */
    uint32_t starts;    /**< of agents: chooses the source address */
    zm_pace_t paces[2]; /**< by zm_paced_t */
    uint32_t last_start;
    uint32_t waits_since; /**< refused since; 0: it was served last */
    bool retired;         /**< the configuration no longer has it */
};

struct zm_channel_t {
    zm_text_t *name;
    zm_channel_t *next;
    zm_ring_t *waiting, *last_waiting; /**< rings that wait for this channel's limit */
    uint32_t used;                     /**< what counts against maxchannel */
    zm_pace_t paces[2];                /**< by zm_paced_t */
    uint32_t rings;
};

/* -- building and taking apart ------------------------------------------------------------- */

typedef struct zm_recipient_facts_t {
    zm_str_t channel, host; /**< lower-cased */
    zm_str_t sender;        /**< error address of its group, may be empty */
    uint32_t offset;
    uint32_t by; /**< DELIVERBY, Unix seconds; 0 none */
} zm_recipient_facts_t;

typedef struct zm_job_facts_t {
    uint64_t id;
    const char *leaf;    /**< base name of the control file */
    const char *prefix;  /**< "", "A/", "A/B/" */
    const char *verbose; /**< null: none */
    int64_t arrived;
    uint32_t arrived_ns;
    int64_t routed_at;
    zm_uid_t owner;
    zm_str_t log_id;
    bool reportable;
    const zm_recipient_facts_t *recipients; /**< those to do, in any order */
    uint32_t recipient_count;
    uint32_t total;  /**< all recipients of the file */
    uint32_t failed; /**< those of them that have failed */
} zm_job_facts_t;

/** Takes a job in and asks for its threads to be served.  Without recipients it is finished at
 * once. APR_EEXIST when the id is known. */
apr_status_t zm_queue_add(zm_scheduler_t *scheduler, const zm_job_facts_t *facts);
zm_job_t *zm_queue_find(const zm_scheduler_t *scheduler, uint64_t id);
/** A job of that owner whose log id has the same hash; the caller must compare the ids. */
zm_job_t *zm_queue_find_log(const zm_scheduler_t *scheduler, zm_str_t log_id, uint32_t owner);
/** A job with that log id, whoever sent it; of several any one. */
zm_job_t *zm_queue_find_message(const zm_scheduler_t *scheduler, zm_str_t log_id);
zm_thread_t *zm_queue_thread(const zm_scheduler_t *scheduler, zm_str_t channel, zm_str_t host);
/** The same, made when there is none. */
zm_thread_t *zm_thread_get(zm_scheduler_t *scheduler, zm_str_t channel, zm_str_t host);
/** A further one, in a table of the caller's. */
zm_thread_t *zm_thread_make(zm_scheduler_t *scheduler, zm_table_t *table, zm_aside_t aside,
                            zm_str_t channel, zm_str_t host);

/** Set up the tables. */
void zm_threads_init(zm_table_t *table);
void zm_logs_init(zm_table_t *table);
void zm_rings_init(zm_table_t *table);

/** Takes the recipient at an index out of its vertex, and the vertex out when it was the last. */
void zm_vertex_drop(zm_scheduler_t *scheduler, zm_vertex_t *vertex, uint32_t index);
/** Takes out all recipients of a vertex. */
void zm_vertex_remove(zm_scheduler_t *scheduler, zm_vertex_t *vertex);
/** Puts a vertex that no agent has into another thread; the one it was in may be gone afterwards.
 */
void zm_vertex_move(zm_scheduler_t *scheduler, zm_vertex_t *vertex, zm_thread_t *to);
/** The index of the recipient with that offset, or -1. */
int64_t zm_vertex_index(const zm_vertex_t *vertex, uint64_t offset);

/**
 * The control file was read again: recipients whose offsets are not among those
 * still to do (ascending) are taken out; nothing is added.  Finishes the job
 * when nothing is left.
 */
void zm_resync(zm_scheduler_t *scheduler, zm_job_t *job, const uint32_t *left, uint32_t count,
               bool reportable);

/** Diagnostics of the job wait for a report. */
void zm_job_reportable(zm_scheduler_t *scheduler, zm_job_t *job);

/** Frees a job without vertices. */
void zm_job_free(zm_scheduler_t *scheduler, zm_job_t *job);
/** Forgets a job wholly, as if it had never been read; its file stays. */
void zm_job_forget(zm_scheduler_t *scheduler, zm_job_t *job);
/** Finishes a job when nothing of it is left to do. */
void zm_job_settle(zm_scheduler_t *scheduler, zm_job_t *job);

/** The ring of a selection and channel, made when there is none. */
zm_ring_t *zm_ring_get(zm_scheduler_t *scheduler, const zm_selection_t *selection, zm_str_t channel,
                       zm_str_t host);
/** The same, or null.  host counts only for a ring with a host; else empty. */
zm_ring_t *zm_ring_find(const zm_scheduler_t *scheduler, zm_str_t identity, zm_str_t channel,
                        zm_str_t host);
/** The configuration no longer has it: it is not found again, and freed when it is empty. */
void zm_ring_retire(zm_scheduler_t *scheduler, zm_ring_t *ring);
/** Frees a ring when it has neither threads nor agents. */
void zm_ring_settle(zm_scheduler_t *scheduler, zm_ring_t *ring);
/** Moves a thread to another ring. */
void zm_thread_move(zm_scheduler_t *scheduler, zm_thread_t *thread, zm_ring_t *ring);
/** Frees a thread that has no vertices and no leases. */
void zm_thread_settle(zm_scheduler_t *scheduler, zm_thread_t *thread);

#endif
