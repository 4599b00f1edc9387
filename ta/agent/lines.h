/**
 * Body lines on their way out: line ends, dot doubling, From-escaping, and the
 * bytes that no transport may see.
 *
 * Works on pieces of any size and keeps what it must remember between them, so
 * that a body of any length passes through a small buffer.
 */
#ifndef ZM_TA_AGENT_LINES_H
#define ZM_TA_AGENT_LINES_H

#include "platform/str.h"

#define ZM_LINES_CRLF 1   /**< lines end in CR LF; a bare CR becomes a blank, a NUL is dropped */
#define ZM_LINES_DOTS 2   /**< a leading dot is doubled */
#define ZM_LINES_FROM 4   /**< '>' before a line that starts with "From " */
#define ZM_LINES_RAW_CR 8 /**< with CRLF: bare CR and NUL pass as they are */

typedef struct zm_lines_t {
    int flags;
    bool in_line; /**< the last byte out was not a line end */
    bool unclean; /**< this piece has, or follows, a CR or a NUL */
    bool cr;      /**< a CR is held back until the next byte is known */
    int matched;  /**< octets of "From " held back */
} zm_lines_t;

void zm_lines_init(zm_lines_t *lines, int flags);
void zm_lines_put(zm_lines_t *lines, const char *data, apr_size_t length, zm_buf_t *out);
/** Ends the body: adds the line end that it may lack. */
void zm_lines_end(zm_lines_t *lines, zm_buf_t *out);

#endif
