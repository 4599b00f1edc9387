/**
 * What the scheduler asks of the world: agents as processes, control files,
 * logs.  The daemon fills the table with the real things; tests and the
 * simulation with others.
 */
#ifndef ZM_SCHEDULER_OUTSIDE_H
#define ZM_SCHEDULER_OUTSIDE_H

#include "mta/scheduler/queue.h"
#include "platform/log.h"

/** How a recipient ended, for the statistics log. */
typedef enum zm_state_t {
    ZM_STATE_OK,
    ZM_STATE_OK2,
    ZM_STATE_OK3,
    ZM_STATE_ERROR,
    ZM_STATE_ERROR2,
    ZM_STATE_EXPIRE
} zm_state_t;
const char *zm_state_name(zm_state_t state); /**< "ok", "ok2", ... */

/** Number of the one report of delay that DELIVERBY asks for. */
#define ZM_DELAY_DEADLINE 10

typedef struct zm_outside_t {
    /** Starts an agent for a thread's channel and host; its process is kept in *process. */
    apr_status_t (*start)(void *baton, zm_ta_t *ta, zm_thread_t *thread, void **process,
                          zm_error_t *error);
    /** Writes to an agent.  False: some of it waits, and zm_ta_writable will be called when it has
     * gone. */
    bool (*send)(void *baton, zm_ta_t *ta, const char *data, apr_size_t length);
    /** No more will be written: the agent is to finish and end.  quit: and is to hurry. */
    void (*half_close)(void *baton, zm_ta_t *ta, bool quit);
    /** Ends an agent at once; zm_ta_gone follows. */
    void (*kill)(void *baton, zm_ta_t *ta);

    /** Records what an agent left to us: the d line of a final result, if the sender wants to know.
     */
    apr_status_t (*record)(void *baton, zm_job_t *job, uint32_t offset, bool failed,
                           zm_str_t notary, zm_str_t text);
    /** Gives up on a recipient: its tag becomes '-' and a d line is written.  ZM_E_BUSY: somebody
     * has it locked; ZM_E_GONE: it is done already. */
    apr_status_t (*expire)(void *baton, zm_job_t *job, uint32_t offset, zm_str_t notary,
                           zm_str_t text);
    /** Gives up on a recipient and tells nobody: its tag becomes '-'.  Errors as those of expire.
     */
    apr_status_t (*discard)(void *baton, zm_job_t *job, uint32_t offset);
    /** Tells those senders who want to know that a recipient is delayed, once for each number. */
    apr_status_t (*delayed)(void *baton, zm_job_t *job, uint32_t offset, int number,
                            zm_str_t notary, zm_str_t text);
    /** The time by which a recipient is to be delivered, Unix seconds, and 'R' or 'N'; 0: none. */
    apr_status_t (*deadline)(void *baton, const zm_job_t *job, uint32_t offset, int64_t *by,
                             char *mode);
    /** Whether the log id of a job, its Message-ID as a rule, is that one: the job itself knows a
     * hash only. */
    bool (*has_log_id)(void *baton, const zm_job_t *job, zm_str_t log_id);
    /** Reports and removes a job without recipients; zm_job_free when that is done, or after the
     * call. */
    void (*complete)(void *baton, zm_job_t *job);
    /** A job that is not complete has got something to tell its sender. */
    void (*reportable)(void *baton, zm_job_t *job);
    /** An agent found nothing to do in the control file, or died at work on it: read it again and
     * call zm_resync or zm_job_forget. */
    void (*reread)(void *baton, zm_job_t *job);

    /** A line of the statistics log. */
    void (*finished)(void *baton, const zm_job_t *job, const zm_thread_t *thread, zm_state_t state);
    /** A line of an agent that is no result. malformed: nor a comment. */
    void (*comment)(void *baton, zm_ta_t *ta, zm_str_t line, bool malformed);
    /** A job is given to an agent (verbose trace). */
    void (*fed)(void *baton, zm_ta_t *ta, zm_vertex_t *vertex, zm_str_t line);
    /** Something an administrator may want to know.  job may be null. */
    void (*event)(void *baton, zm_log_level_t level, const zm_job_t *job, const char *text);
} zm_outside_t;

#endif
