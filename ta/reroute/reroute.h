/**
 * The agent reroute: recipients go back to the router.
 */
#ifndef ZM_TA_REROUTE_REROUTE_H
#define ZM_TA_REROUTE_REROUTE_H

#include "ta/agent/resubmit.h"

/**
 * Does a job.  Files and programs are not routed again: on the way they would
 * lose the authority on which they were reached.  Such recipients are deferred,
 * and so are all when the message cannot be submitted.
 */
void zm_reroute_job(zm_resubmitter_t *resubmitter, zm_job_t *job);

#endif
