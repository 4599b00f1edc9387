/**
 * Recovery of what a crash interrupted, run by the router master at start
 * before its first worker.
 *
 * Every message in queue/ must have a complete control file.  One without is
 * renamed back to router/ (never overwriting) and routed afresh; leftovers of
 * its control file are removed, and so are control files without a message.
 * Delivery is at least once.
 */
#ifndef ZM_SPOOL_RECOVER_H
#define ZM_SPOOL_RECOVER_H

#include "spool/spool.h"

typedef struct zm_recover_report_t {
    uint64_t examined;
    uint64_t rerouted;
    uint64_t orphans;   /**< messages of a foreign spool, parked in postman/ */
    uint64_t leftovers; /**< temporary control files, and those without message, removed */
} zm_recover_report_t;

/** Called for each thing done: ("re-routed", "queue/A/B/4711"), for the log and progress. */
typedef void zm_recover_fn(const char *what, const char *name, void *baton);

typedef struct zm_recover_options_t {
    bool scheduler_running;           /**< then an incomplete pair must be seen twice */
    apr_interval_time_t second_look;  /**< time between the two, microseconds; 0 means 10 s */
    zm_recover_fn *fn;
    void *baton;
} zm_recover_options_t;

apr_status_t zm_spool_recover(zm_spool_t *spool, const zm_recover_options_t *options, zm_recover_report_t *report,
                              apr_pool_t *pool, zm_error_t *error);

#endif
