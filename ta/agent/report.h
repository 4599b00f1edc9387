/**
 * Reporting the outcome of a recipient: to the control file, to the scheduler,
 * to the submitter's trace and to the system log.
 *
 * Order, each step before the next:
 *     1. the d record, durable, when the outcome is to be told to somebody
 *     2. the trace
 *     3. the tag, which gives up the claim
 *     4. the result line, sent
 *     5. the system log
 * A crash after 1 leaves a claimed recipient, which is tried again; after 3 the
 * scheduler finds the recipient finished when it reads the file again.  It is
 * never delivered twice because of the report.
 */
#ifndef ZM_TA_AGENT_REPORT_H
#define ZM_TA_AGENT_REPORT_H

#include "ta/agent/job.h"
#include "ta/agent/outcome.h"

/**
 * Reports one claimed recipient.  When the d record cannot be written the
 * recipient keeps its claim, the scheduler is told why and the agent ends with
 * exit code 65.
 */
void zm_job_report(zm_job_t *job, zm_recipient_t *recipient, const zm_outcome_t *outcome);

/** Reports the same outcome for every recipient of a group, or of the job, that is still claimed.
 */
void zm_group_report(zm_job_t *job, zm_group_t *group, const zm_outcome_t *outcome);
void zm_job_report_all(zm_job_t *job, const zm_outcome_t *outcome);

#endif
