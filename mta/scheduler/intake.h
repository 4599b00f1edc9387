/**
 * Learning of control files: hints from the router, a watch, and a scan of the
 * directory as the safety net.  Names queue here, oldest file first, and are
 * taken into the scheduler in bounded steps.
 *
 * A file that cannot be what it should be stays where it is and is looked at
 * again when it changes; nothing is deleted but what is verifiably over (a
 * control file without its message) and ETRN command files once obeyed.
 */
#ifndef ZM_SCHEDULER_INTAKE_H
#define ZM_SCHEDULER_INTAKE_H

#include "mta/scheduler/files.h"
#include "mta/scheduler/scheduler.h"

typedef struct zm_intake_t zm_intake_t;

typedef struct zm_intake_options_t {
    zm_loop_t *loop;
    zm_scheduler_t *scheduler;
    zm_files_t *files;
    int hash_levels;             /**< where files found at the top are moved to */
    bool syslog;                 /**< in the classic shapes too */
    const char *notify_path;     /**< null: no hints */
    int scan_entries;            /**< names looked at in one step of a scan */
    bool watch;                  /**< also watch the directory */
    void (*opened)(void *baton); /**< called once, after the first scan and all it found */
    void (*settle)(void *baton); /**< called after each batch */
    void (*taken)(void *baton, zm_job_t *job); /**< a job was taken in (verbose trace) */
    void *baton;
} zm_intake_options_t;

/** Starts listening and scanning. */
apr_status_t zm_intake_open(zm_intake_t **intake, const zm_intake_options_t *options,
                            apr_pool_t *pool, zm_error_t *error);
void zm_intake_close(zm_intake_t *intake);

/** Listens for hints at another path from now on; null: nowhere. */
apr_status_t zm_intake_listen(zm_intake_t *intake, const char *path, zm_error_t *error);

/** "A/B/4711" or "4711": a control file that may be there. */
void zm_intake_name(zm_intake_t *intake, zm_str_t prefixed_leaf);
/** Whether that id waits here. */
bool zm_intake_waits(const zm_intake_t *intake, uint64_t id);
/** How many wait. */
uint32_t zm_intake_pending(const zm_intake_t *intake);
/** Scan now. */
void zm_intake_scan(zm_intake_t *intake);
/** Takes everything that waits before it returns (control files named on the command line). */
void zm_intake_drain(zm_intake_t *intake);

#endif
