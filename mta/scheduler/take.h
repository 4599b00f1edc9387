/**
 * One control file from the disk into the queue.
 */
#ifndef ZM_SCHEDULER_TAKE_H
#define ZM_SCHEDULER_TAKE_H

#include "mta/scheduler/files.h"
#include "mta/scheduler/scheduler.h"

typedef enum zm_taken_t {
    ZM_TAKEN,         /**< in the queue now */
    ZM_TAKEN_LATER,   /**< locked by a live process, or too early: look again in a while */
    ZM_TAKEN_NOTHING, /**< it is not there, cannot be opened now, or was a command and is gone */
    ZM_TAKEN_PARKED   /**< it is no job as it stands: look again when it has changed */
} zm_taken_t;

typedef struct zm_take_t {
    zm_scheduler_t *scheduler;
    zm_files_t *files;
    int hash_levels;
    bool early; /**< the spool is being read at the start: commands wait until all jobs are there */
    bool syslog;         /**< in the classic shapes too */
    uint32_t told_since; /**< private: trouble with many files is told a few times in a while */
    int told;
} zm_take_t;

/** prefixed_leaf: "A/B/4711".  reason: why it was parked. */
zm_taken_t zm_take_file(zm_take_t *take, const char *prefixed_leaf, apr_pool_t *pool,
                        zm_error_t *reason);

#endif
