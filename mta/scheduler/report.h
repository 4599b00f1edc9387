/**
 * The end of jobs: their senders are told what the control file records, then
 * message and control file are removed, in this order (a crash in between
 * leaves a control file without message, which is discarded).
 *
 * A report is durable before its diagnostics are marked as reported, and they
 * are marked before anything is removed: a crash repeats a report, but never
 * loses one.
 */
#ifndef ZM_SCHEDULER_REPORT_H
#define ZM_SCHEDULER_REPORT_H

#include "mta/scheduler/files.h"
#include "mta/scheduler/scheduler.h"
#include "spool/submit.h"

typedef struct zm_reports_t zm_reports_t;

typedef struct zm_reports_options_t {
    zm_loop_t *loop;
    zm_scheduler_t *scheduler;
    zm_files_t *files;
    zm_submitter_t *submitter;
    const zm_zenv_t *zenv;
    const char *domain;          /**< our name in reports */
    zm_credentials_t owner;      /**< of submitted reports */
    bool full_by_default;        /**< return whole messages when the sender did not say */
    bool keep_files;             /**< remove and report nothing (option -p) */
    bool syslog;                 /**< classic lines in the system log are wanted */
    void (*settle)(void *baton); /**< called after events */
    void (*removed)(void *baton, const zm_job_t *job); /**< a job is about to be freed */
    void *baton;
} zm_reports_options_t;

void zm_reports_open(zm_reports_t **reports, const zm_reports_options_t *options, apr_pool_t *pool);
/** Before the process ends: reports under way are left; those not durable are made again. */
void zm_reports_close(zm_reports_t *reports);

/** outside->complete: reports what is to be reported, removes the files, frees the job. */
void zm_reports_complete(zm_reports_t *reports, zm_job_t *job);
/** outside->reportable: a job that is not complete has something to tell; it will, in a while. */
void zm_reports_interim(zm_reports_t *reports, zm_job_t *job);

#endif
