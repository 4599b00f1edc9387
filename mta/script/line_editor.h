/**
 * Line editing at a terminal, with a history, where libedit is installed.
 *
 * The library is looked for when a program asks, so that nothing depends on it:
 * without it, or without a terminal, there is no editor, and the caller reads
 * lines as it always did.
 */
#ifndef ZM_SCRIPT_LINE_EDITOR_H
#define ZM_SCRIPT_LINE_EDITOR_H

#include "platform/str.h"

typedef struct zm_line_editor_t zm_line_editor_t;

/** Null: standard input is no terminal, or there is no such library.  Lives as long as the pool. */
zm_line_editor_t *zm_line_editor_open(apr_pool_t *pool);

/** Appends a line of any length and a LF to text; false at the end of input. */
bool zm_line_editor_read(zm_line_editor_t *editor, const char *prompt, zm_buf_t *text);

#endif
