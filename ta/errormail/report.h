/**
 * The report of errormail: what could not be routed goes back to its sender,
 * with the text of the form that the route named.
 */
#ifndef ZM_TA_ERRORMAIL_REPORT_H
#define ZM_TA_ERRORMAIL_REPORT_H

#include "spool/submit.h"
#include "ta/agent/job.h"

/** What the process knows. */
typedef struct zm_errormail_t {
    zm_submitter_t submitter;
    zm_credentials_t owner; /**< of the reports' files */
    const char *domain;     /**< ORGDOMAIN, or our host name */
    bool name_first; /**< -O strict-3.0: a Received field may name one recipient of several */
} zm_errormail_t;

/** Reads the site variables for an agent. */
void zm_errormail_open(zm_errormail_t *errormail, zm_agent_t *agent);

/** Does a job: a report for each sender, and the outcome of every recipient. */
void zm_errormail_job(zm_errormail_t *errormail, zm_job_t *job);

#endif
