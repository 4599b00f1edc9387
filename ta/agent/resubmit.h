/**
 * Putting recipients back to the router as a new message: sender, header and
 * body as they were.
 *
 * The message must not gain rights on the way.  Where the agent can act for the
 * account that sent it, that account owns the new file.  Otherwise, and for
 * recipients that were reached on the authority of another (an alias, a
 * .forward), the file is that of a trusted account, so that the sender is
 * believed, and is marked as one from outside, which has nobody's rights.
 */
#ifndef ZM_TA_AGENT_RESUBMIT_H
#define ZM_TA_AGENT_RESUBMIT_H

#include "platform/identity.h"
#include "spool/submit.h"
#include "ta/agent/job.h"

/** What the process knows. */
typedef struct zm_resubmitter_t {
    zm_submitter_t submitter;
    zm_credentials_t trusted; /**< may say who the sender is */
    zm_uid_t nobody;
    const char *via;   /**< what the envelope says about the way: "suspension" */
    bool trace_clause; /**< the first Received field names the recipient, when there is one */
    bool name_first;   /**< and the first of several, as ZMailer 3.0 did */
} zm_resubmitter_t;

/** Reads the site variables for an agent. */
void zm_resubmitter_open(zm_resubmitter_t *resubmitter, const zm_agent_t *agent, const char *via);

/** Told what became of each recipient: status APR_SUCCESS and the new spool id, or why it failed.
 */
typedef void zm_resubmitted_fn(zm_job_t *job, zm_recipient_t *recipient, apr_status_t status,
                               const char *text);

/** Submits recipients of a group, durably: those with the sender's rights as one message, all
 * others as another. */
void zm_resubmit(zm_resubmitter_t *resubmitter, zm_job_t *job, const zm_group_t *group,
                 zm_recipient_t **recipients, int count, zm_resubmitted_fn *done);

#endif
