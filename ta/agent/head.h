/**
 * Writing a header block: line ends, TAB expansion, the trace clause.
 */
#ifndef ZM_TA_AGENT_HEAD_H
#define ZM_TA_AGENT_HEAD_H

#include <apr_time.h>

#include "ta/agent/fields.h"

typedef struct zm_head_style_t {
    bool crlf;            /**< lines end in CR LF */
    bool keep_tabs;       /**< TABs are not expanded to columns of eight */
    bool dots;            /**< a leading dot of a line is doubled, as SMTP wants it */
    zm_str_t for_address; /**< put "for <ADDRESS>" into the first field if that is Received; empty:
                             do not */
} zm_head_style_t;

/** Appends the fields.  The empty line after them is the caller's. A CR or NUL in a field is left
 * out. */
void zm_head_write(const zm_fields_t *fields, const zm_head_style_t *style, zm_buf_t *out);

/** Appends "From SENDER DATE" LF, the line that begins a letter in a mailbox file; MAILER-DAEMON
 * for the null path.  when: wall clock, shown as local time. */
void zm_head_separator(zm_str_t sender, apr_time_t when, zm_buf_t *out);

#endif
