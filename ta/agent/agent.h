/**
 * A transport agent as a process: its configuration, its spool, its channel to
 * the scheduler and the rules of when it ends.
 *
 * An agent is either one that does one job at a time,
 *
 *     zm_agent_open(&agent, &options, pool, &error);
 *     while (zm_agent_next(agent, &line) == APR_SUCCESS)
 *         do the job, report every recipient (job.h, report.h);
 *     return zm_agent_end(agent);
 *
 * or one that works on its event loop and may serve several threads at once
 * (options.on_job): zm_agent_serve calls on_job for each line, and the agent
 * calls zm_agent_done when that job's results are out.
 *
 * The agent ends on end of input, on an empty line and on a control event
 * (stop, slow stop, reopen), in each case after the work under way.
 */
#ifndef ZM_TA_AGENT_AGENT_H
#define ZM_TA_AGENT_AGENT_H

#include "mta/conf/counters.h"
#include "platform/loop.h"
#include "platform/status.h"
#include "platform/str.h"
#include "spool/spool.h"
#include "ta/agent/channel.h"

typedef struct zm_agent_t zm_agent_t;

/** One line of work, as the scheduler fed it. */
typedef struct zm_job_line_t {
    zm_str_t path;  /**< of the control file below transport/ */
    zm_str_t host;  /**< selector: of this line, else the last one given; empty: any host */
    bool with_host; /**< the line had a host column */
} zm_job_line_t;

/** The strings of the line live until the callback returns. */
typedef void zm_agent_job_fn(zm_agent_t *agent, const zm_job_line_t *line, void *baton);
typedef void zm_agent_stop_fn(zm_agent_t *agent, void *baton);

typedef struct zm_agent_options_t {
    const char *name;    /**< "smtp": in logs and in the notary string */
    const char *channel; /**< recipients of this channel are ours; null: of any */
    const char *host;    /**< first selector; null: none given */
    bool sticky;         /**< without a selector the first recipient's host is taken, per file */
    int jobs;            /**< with on_job: how many at once, 1 to 1000 */
    zm_agent_job_fn *on_job;   /**< null: one job at a time, with zm_agent_next */
    zm_agent_stop_fn *on_stop; /**< with on_job: a control event came; null allowed */
    void *baton;
    /** Whether a recipient that channel and host select is wanted; null: each is. */
    bool (*wanted)(const zm_agent_t *agent, zm_str_t user, void *baton);
    bool look_only; /**< recipients are not claimed, and nothing about them can be reported */

    /* For tests; null: from the environment. */
    zm_zenv_t *zenv;
    zm_spool_t *spool;
    zm_loop_t *loop;
    apr_socket_t *socket;
} zm_agent_options_t;

struct zm_agent_t {
    apr_pool_t *pool;
    zm_loop_t *loop;
    zm_zenv_t *zenv;
    zm_spool_t *spool;
    const char *name;
    const char *channel; /**< null: any */
    bool sticky;
    bool keep_tabs;  /**< RFC822TABS: header TABs are not expanded */
    bool for_clause; /**< NORECEIVEDFORCLAUSE is not set */
    char log_style;  /**< SYSLOGFLG: 'T' commas, 't' TABs, 0 no system log */
    bool stopping;   /**< a control event, or a failure that ends the agent, came */
    int exit_code;   /**< 0, unless such a failure set it */
    int running;     /**< jobs given out and not done */

    zm_counters_t *counters; /**< of the system */

    /* private */
    zm_channel_t *lines;
    zm_agent_options_t options;
    bool ended;
    zm_timer_t flush; /* event form: output leaves once a round */
    zm_buf_t host, line;
};

/**
 * Reads the site variables, opens the spool and the channel and listens for
 * control events.  error tells a person why it failed.
 */
apr_status_t zm_agent_open(zm_agent_t **agent, const zm_agent_options_t *options, apr_pool_t *pool,
                           zm_error_t *error);

/** Says "#hungry" and waits for the next job.  APR_EOF: the agent shall end.  line lives until the
 * next call. */
apr_status_t zm_agent_next(zm_agent_t *agent, zm_job_line_t *line);

/** Serves until the agent shall end and all jobs are done. */
void zm_agent_serve(zm_agent_t *agent);
/** Ends a job of zm_agent_serve: "#hungry PATH TAB HOST".  path and host as the line had them. */
void zm_agent_done(zm_agent_t *agent, zm_str_t path, zm_str_t host, bool with_host);

/** Says "#resync PATH": the scheduler reads that file again. */
void zm_agent_resync(zm_agent_t *agent, zm_str_t path);
/** A line for the scheduler's log: "# NAME: text".  Line ends in the text become blanks. */
void zm_agent_note(zm_agent_t *agent, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/**
 * Where result lines are put, and the call that sends them.  One-job agents wait until the
 * scheduler has taken them; in others they leave together when the loop comes round.
 */
zm_buf_t *zm_agent_output(zm_agent_t *agent);
void zm_agent_flush(zm_agent_t *agent);

/** Adds to what agents of this name count. */
void zm_agent_count(zm_agent_t *agent, zm_agent_counter_t which, int64_t more);

/** The words of option -O that every agent knows: "strict-3.0" sets the bool at target.  For an
 * option table. */
apr_status_t zm_agent_keyword(void *target, const char *word, zm_error_t *error);

/** Makes the agent end with this exit code as soon as it can. */
void zm_agent_fail(zm_agent_t *agent, int exit_code);

/** Sends what is left, closes everything and returns the exit code of the process. */
int zm_agent_end(zm_agent_t *agent);

#endif
