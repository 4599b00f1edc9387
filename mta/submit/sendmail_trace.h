/**
 * sendmail -v: the trace file that router, scheduler and transport agents
 * append to, and its reader.
 */
#ifndef ZM_MTA_SUBMIT_SENDMAIL_TRACE_H
#define ZM_MTA_SUBMIT_SENDMAIL_TRACE_H

#include <apr_pools.h>

#include "platform/identity.h"
#include "platform/status.h"
#include "spool/spool.h"

/** Makes public/v_XXXXXX, empty, readable and writable by its owner only.  *name is its leaf.
 * ZM_E_UNSUPPORTED where the spool is no directory tree. */
apr_status_t sendmail_trace_create(const char **name, zm_spool_t *spool, zm_uid_t owner,
                                   apr_pool_t *pool, zm_error_t *error);

/**
 * Copies what is appended to standard error until the scheduler is done with
 * the message (and 20 s more for stragglers), or three days have passed; then
 * removes the file.  grace is in seconds.
 */
void sendmail_trace_follow(const char *postoffice, const char *name, int grace, apr_pool_t *pool);

void sendmail_trace_remove(const char *postoffice, const char *name, apr_pool_t *pool);

#endif
