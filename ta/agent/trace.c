#include "ta/agent/trace.h"

#include "spool/trace.h"

zm_object_t *zm_trace_open(zm_spool_t *spool, zm_str_t name, zm_uid_t owner)
{
    zm_object_t *trace;
    return zm_spool_trace_open(&trace, spool, name, owner) == APR_SUCCESS ? trace : NULL;
}

void zm_trace_line(zm_object_t *trace, zm_str_t line)
{
    if (trace != NULL)
        zm_spool_trace_line(trace, line);
}
