/**
 * The trace that `sendmail -v` follows: agents append their progress to a file
 * that the submitter made.
 *
 * The name comes from the message's submitter, so it is believed only this far:
 * a leaf v_ and six letters or digits in public/, a regular file that exists,
 * with one link, owned by the message's owner.  Anything else means no trace.
 */
#ifndef ZM_TA_AGENT_TRACE_H
#define ZM_TA_AGENT_TRACE_H

#include "spool/spool.h"

typedef struct zm_trace_t zm_trace_t;

/** The trace of a message, or null. */
zm_trace_t *zm_trace_open(zm_spool_t *spool, zm_str_t name, zm_uid_t owner, apr_pool_t *pool);
void zm_trace_close(zm_trace_t *trace); /**< null allowed */

/** Appends one line.  Control bytes in it become '?'.  A null trace does nothing. */
void zm_trace_line(zm_trace_t *trace, zm_str_t line);

#endif
