/**
 * Control files: reading them, and the few bytes that the scheduler changes in
 * them.  The file worked on last stays open, since what is done to a message
 * comes in bursts.
 */
#ifndef ZM_SCHEDULER_FILES_H
#define ZM_SCHEDULER_FILES_H

#include "mta/scheduler/queue.h"
#include "spool/control.h"

/** Largest control file that is read, octets. */
#define ZM_CONTROL_LIMIT (512u * 1024 * 1024)

/** A control file that is open and taken apart.  Everything lives in its pool. */
typedef struct zm_opened_t {
    zm_object_t *object;
    zm_object_info_t info;
    zm_control_file_t *file;
    apr_pool_t *pool;
} zm_opened_t;

typedef struct zm_files_t {
    zm_spool_t *spool;
    uint64_t held; /**< job whose file is open in `last`; 0: none */
    zm_opened_t last;
} zm_files_t;

/** Opens and parses "transport/A/B/123" for reading and updating, in a new pool below `parent`. */
apr_status_t zm_opened_open(zm_opened_t *opened, zm_spool_t *spool, const char *name,
                            apr_pool_t *parent, zm_error_t *error);
void zm_opened_close(zm_opened_t *opened);

/** Name of a job's control file or message file: directory is ZM_DIR_TRANSPORT or ZM_DIR_QUEUE. */
const char *zm_files_name(const char *directory, const zm_job_t *job, apr_pool_t *pool);

/** The recipient whose line starts at an offset, or null. */
const zm_control_recipient_t *zm_files_recipient(const zm_control_file_t *file, uint64_t offset);

/* As in outside.h. */
apr_status_t zm_files_record(zm_files_t *files, zm_job_t *job, uint32_t offset, bool failed,
                             zm_str_t notary, zm_str_t text);
apr_status_t zm_files_expire(zm_files_t *files, zm_job_t *job, uint32_t offset, zm_str_t notary,
                             zm_str_t text);
apr_status_t zm_files_discard(zm_files_t *files, zm_job_t *job, uint32_t offset);
apr_status_t zm_files_delayed(zm_files_t *files, zm_job_t *job, uint32_t offset, int number,
                              zm_str_t notary, zm_str_t text);

apr_status_t zm_files_deadline(zm_files_t *files, const zm_job_t *job, uint32_t offset, int64_t *by,
                               char *mode);
bool zm_files_has_log_id(zm_files_t *files, const zm_job_t *job, zm_str_t log_id);
/** Whether DSN parameters say which reports are wanted. */
bool zm_files_has_notify(zm_str_t dsn);

/** How many of its recipients have failed. */
uint32_t zm_files_failed(const zm_control_file_t *file);
/** Reads a job's file again and calls zm_resync; forgets the job when it cannot be read. */
void zm_files_reread(zm_files_t *files, zm_scheduler_t *scheduler, zm_job_t *job);

/**
 * Offsets of the recipients still to do, ascending, in the opened file's pool.
 * Stale locks are taken off.  *locked: some recipient is locked by a live
 * process; it counts as still to do.
 */
apr_status_t zm_files_pending(const zm_opened_t *opened, uint32_t **offsets, uint32_t *count,
                              bool *locked);
/** Whether diagnostics wait for a report. */
bool zm_files_reportable(const zm_control_file_t *file);

/** Closes what is held open of a job (0: of any). */
void zm_files_release(zm_files_t *files, uint64_t job);

#endif
