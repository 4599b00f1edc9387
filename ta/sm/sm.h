/**
 * The recipients of a job, given to a mailer.
 */
#ifndef ZM_TA_SM_SM_H
#define ZM_TA_SM_SM_H

#include "ta/agent/job.h"
#include "ta/sm/options.h"
#include "ta/sm/table.h"

typedef struct zm_sm_t {
    zm_agent_t *agent;
    const zm_sm_options_t *options;
    const zm_mailer_t *mailer;
} zm_sm_t;

/** Completes the options and finds the mailer.  Fails with a text. */
apr_status_t zm_sm_open(zm_sm_t *sm, zm_sm_options_t *options, zm_agent_t *agent,
                        zm_error_t *error);

/** Delivers all recipients of a job and reports them. */
void zm_sm_job(const zm_sm_t *sm, zm_job_t *job);

#endif
