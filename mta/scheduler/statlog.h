/**
 * The statistics log: one line a finished recipient,
 *
 *     SPOOLID DT1 DT2 STATE CHANNEL/HOST
 *
 * DT1: seconds from the message's arrival to its control file; DT2: from there
 * to now.  And the verbose trace, for senders who watch their message go.
 */
#ifndef ZM_SCHEDULER_STATLOG_H
#define ZM_SCHEDULER_STATLOG_H

#include "mta/scheduler/scheduler.h"
#include "spool/spool.h"

typedef struct zm_statlog_t zm_statlog_t;

apr_status_t zm_statlog_open(zm_statlog_t **log, const char *path, apr_pool_t *pool,
                             zm_error_t *error);
/** Closes the file and opens it again under its name, so that renaming it starts another. */
void zm_statlog_reopen(zm_statlog_t *log);
void zm_statlog_line(zm_statlog_t *log, const zm_job_t *job, const zm_thread_t *thread,
                     zm_state_t state, uint32_t now);

/** Appends a line to a job's trace, if it has one (spool/trace.h). */
void zm_trace(zm_spool_t *spool, const zm_job_t *job, zm_str_t line);

#endif
