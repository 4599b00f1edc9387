/**
 * Hints that a file arrived: "NEW router B/4711" to the router, "NEW A/B/4711"
 * to the scheduler, as one datagram.  A lost hint costs latency only: receivers
 * also scan.
 */
#ifndef ZM_SPOOL_NOTIFY_H
#define ZM_SPOOL_NOTIFY_H

#include <apr_pools.h>

#include "platform/loop.h"
#include "platform/str.h"

/** Sends "NEW " and the words; never waits, errors are not reported.  directory null: scheduler form. */
void zm_notify_send(const char *socket_path, const char *directory, const char *prefixed_leaf);

typedef struct zm_notify_t zm_notify_t;
/** Called with the directory ("" in the scheduler form) and "X/Y/4711", both checked for shape. */
typedef void zm_notify_fn(zm_str_t directory, zm_str_t prefixed_leaf, void *baton);

/** Receives hints at a socket path (an old socket there is replaced). */
apr_status_t zm_notify_listen(zm_notify_t **notify, const char *socket_path, int mode, zm_loop_t *loop,
                              zm_notify_fn *fn, void *baton, zm_error_t *error);
void zm_notify_close(zm_notify_t *notify);

#endif
