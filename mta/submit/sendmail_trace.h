/**
 * sendmail -v: the reader of the trace to which router, scheduler and transport
 * agents append (spool/trace.h).
 */
#ifndef ZM_MTA_SUBMIT_SENDMAIL_TRACE_H
#define ZM_MTA_SUBMIT_SENDMAIL_TRACE_H

#include <apr_pools.h>

/**
 * Copies what is appended to standard error until the scheduler is done with
 * the message (and grace seconds more for stragglers), or three days have
 * passed; then removes the trace.  spool: as zm_spool_open wants it.
 */
void sendmail_trace_follow(const char *spool, const char *leaf, int grace, apr_pool_t *pool);

#endif
