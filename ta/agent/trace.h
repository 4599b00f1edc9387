/**
 * The trace that `sendmail -v` follows: agents append their progress to what
 * the submitter made (spool/trace.h).
 */
#ifndef ZM_TA_AGENT_TRACE_H
#define ZM_TA_AGENT_TRACE_H

#include "spool/spool.h"

/** The trace of a message, or null. */
zm_object_t *zm_trace_open(zm_spool_t *spool, zm_str_t name, zm_uid_t owner);

/** Appends one line.  Control bytes in it but TAB become '?'.  A null trace does nothing. */
void zm_trace_line(zm_object_t *trace, zm_str_t line);

#endif
