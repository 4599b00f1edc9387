/**
 * The file in which holds outlive the scheduler: $POSTOFFICE/.scheduler.holds.
 */
#ifndef ZM_SCHEDULER_HOLDS_FILE_H
#define ZM_SCHEDULER_HOLDS_FILE_H

#include "mta/scheduler/scheduler.h"

/** Reads it, if it is there.  To be called before the spool is read. */
void zm_holds_load(zm_scheduler_t *scheduler, const char *postoffice, apr_pool_t *pool);
/** Writes it when something has changed.  A crash leaves the old file or the new one. */
void zm_holds_save(zm_scheduler_t *scheduler, const char *postoffice, apr_pool_t *pool);
/** The whole spool is read: forgets messages that are not in it, lest their numbers be used again.
 */
void zm_holds_prune(zm_scheduler_t *scheduler);

#endif
