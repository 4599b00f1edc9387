/**
 * The protocol log: what was said to servers and what they said.
 *
 * A line is "TAG KIND TAB TEXT"; the tag sorts the lines of one connection
 * together, the kind is 'w' written, 'r' read, '#' remark.
 */
#ifndef ZM_TA_SMTP_LOG_H
#define ZM_TA_SMTP_LOG_H

#include "platform/str.h"

typedef struct zm_protocol_log_t zm_protocol_log_t;

apr_status_t zm_protocol_log_open(zm_protocol_log_t **log, const char *path, apr_pool_t *pool);
/** A number for a new connection. */
unsigned zm_protocol_log_number(zm_protocol_log_t *log);
/** Writes a line; CR LF at its end is dropped, control bytes become '?'.  A null log does nothing.
 */
void zm_protocol_log_line(zm_protocol_log_t *log, unsigned connection, char kind, zm_str_t text);

#endif
