/**
 * One job: the recipients of one control file that are ours to deliver now.
 *
 *     switch (zm_job_open(&job, agent, &line)) {
 *     case ZM_JOB_READY:   for each job->groups[i].recipients[j]: deliver, zm_job_report
 *                          zm_job_close(job); break;
 *     case ZM_JOB_NOTHING: resync was said; break;
 *     }
 *
 * Opening claims the recipients; each must be reported once (report.h), in any
 * order.  What is still claimed at close is reported as deferred.  All memory
 * of a job is in job->pool, which close destroys.
 */
#ifndef ZM_TA_AGENT_JOB_H
#define ZM_TA_AGENT_JOB_H

#include "spool/control.h"
#include "spool/layout.h"
#include "ta/agent/agent.h"
#include "ta/agent/body.h"
#include "ta/agent/convert.h"
#include "ta/agent/fields.h"

typedef struct zm_recipient_t {
    const zm_control_recipient_t *line;
    zm_str_t host, user; /**< plain: without the quotes of the control file */
    int64_t privilege;
    zm_dsn_t dsn;
    bool claimed; /**< not reported yet */
} zm_recipient_t;

/** Recipients that share sender and header block, in file order. */
typedef struct zm_group_t {
    zm_str_t sender; /**< plain envelope sender; empty: the null path */
    zm_str_t sender_channel;
    int64_t sender_privilege;
    const zm_control_sender_t *sender_line;
    const zm_control_header_t *header;
    zm_fields_t fields;        /**< of the header block */
    bool ascii;                /**< fields went through zm_conversion_header */
    zm_converted_t *converted; /**< the last conversion that was needed; null: none yet */
    zm_recipient_t **recipients;
    int count;
} zm_group_t;

typedef struct zm_job_t {
    apr_pool_t *pool;
    zm_agent_t *agent;
    zm_str_t path, host; /**< as fed */
    bool with_host;
    uint64_t id; /**< in results */
    zm_object_t *control;
    zm_object_t *message;
    zm_object_info_t info; /**< of the message */
    const zm_control_file_t *file;
    char spool_id[ZM_SPOOL_ID_SIZE];
    zm_group_t *groups;
    int group_count;
    zm_recipient_t *recipients; /**< all of them, in file order */
    int count;
    zm_body_t body;
    zm_object_t *trace; /**< null: the submitter did not ask for one (trace.h) */
    apr_time_t started; /**< monotonic */
    void *own;          /**< of the agent that has the job; null at first */
} zm_job_t;

typedef enum zm_job_state_t {
    ZM_JOB_READY,
    ZM_JOB_NOTHING /**< nothing to deliver: resync was said, or everything has been reported */
} zm_job_state_t;

/**
 * Opens the control file, claims our recipients and opens the message.  A
 * missing message fails every recipient for good; one that cannot be opened
 * now defers them.  A control file of an unknown format ends the agent.
 */
zm_job_state_t zm_job_open(zm_job_t **job, zm_agent_t *agent, const zm_job_line_t *line);
void zm_job_close(zm_job_t *job);

/**
 * Finds out what a carrier needs of a group's letter, and makes the converted header where that is
 * not what there is: *converted is null when the letter goes as it is.  Done once for all
 * recipients.  ZM_E_UNSUPPORTED: the letter may not be changed and cannot go as it is (5.6.3);
 * others: the body cannot be read.
 */
apr_status_t zm_group_convert(const zm_converted_t **converted, zm_job_t *job, zm_group_t *group,
                              const zm_carrier_t *carrier);

/** Octets of the message as SIZE= declares them: body and largest header block, with room for line
 * ends. */
uint64_t zm_job_size_estimate(const zm_job_t *job);

#endif
