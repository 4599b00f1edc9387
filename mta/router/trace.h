/**
 * The verbose trace: what `sendmail -v` shows of a message on its way.
 *
 * The submitter made an empty object public/v_XXXXXX and names it in the
 * envelope; whoever handles the message appends to it.  spool/trace.h tells which
 * is believed to be one.
 */
#ifndef ZM_MTA_ROUTER_TRACE_H
#define ZM_MTA_ROUTER_TRACE_H

#include "mta/router/message.h"

/** Opens the file that the envelope names and says that work begins.  Without one, or when it may
 * not be opened, nothing is traced. */
void router_trace_open(router_message_t *message);

/** The value for the control file, "../public/v_XXXXXX"; "" when nothing is traced. */
zm_str_t router_trace_name(const router_message_t *message);

/** Appends a line.  Does nothing when there is no trace. */
void router_trace(router_message_t *message, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** Appends text as it stands. */
void router_trace_text(router_message_t *message, zm_str_t text);

/** Says that work ends, and closes. */
void router_trace_close(router_message_t *message, const char *control);

#endif
