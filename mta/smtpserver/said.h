/**
 * What the master's children tell it: lines on the channel that is their standard input and output.
 */
#ifndef ZM_SMTPSERVER_SAID_H
#define ZM_SMTPSERVER_SAID_H

#include "platform/child.h"
#include "platform/str.h"

typedef void said_fn(zm_str_t line, void *baton);

/** Reads what is there and calls heard with each line; said keeps the beginning of the next one,
 * 8 KiB at most.  False: nothing will come any more. */
bool said_take(zm_buf_t *said, zm_child_t *child, said_fn *heard, void *baton);

#endif
