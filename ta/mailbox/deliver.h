/**
 * From a local recipient to an outcome: decides what it means, as whom and
 * where it is delivered, has it done, and reports.
 */
#ifndef ZM_TA_MAILBOX_DELIVER_H
#define ZM_TA_MAILBOX_DELIVER_H

#include "ta/agent/job.h"
#include "ta/mailbox/options.h"
#include "ta/mailbox/worker.h"

/** Delivers to every recipient of the job.  workers: null when everything is done in our own
 * identity. */
void zm_mailbox_job(zm_job_t *job, const zm_mailbox_options_t *options, zm_workers_t *workers);

#endif
