/**
 * The pickup helper and its clients.
 *
 * Submitted messages belong to their submitters, and .forward and list files to
 * their owners; nobody else may read them.  Where the router runs as root, its
 * workers do not: one small program, pickup, keeps root, opens what a worker
 * asks for, and hands the open file over.  It reads and parses nothing.
 *
 * One request is one line on a local stream, answered by one line, with the
 * file attached when it begins with "ok":
 *
 *     message router/B/4711            a submitted message, for reading and locking
 *     file 1001 /home/ann/.forward     a file, opened with the rights of that uid
 *
 * Answers: "ok" and "no CODE" (an apr_status_t).
 */
#ifndef ZM_MTA_ROUTER_PICKUP_H
#define ZM_MTA_ROUTER_PICKUP_H

#include "platform/fs.h"
#include "spool/spool.h"

#define ROUTER_PICKUP_LINE 4352 /**< longest request with its LF */

typedef struct router_opener_t router_opener_t;

/** Opens through the helper at this socket; with a null path directly, with our own rights. */
apr_status_t router_opener_create(router_opener_t **opener, zm_spool_t *spool,
                                  const char *socket_path, apr_pool_t *pool, zm_error_t *error);

/** A submitted message. ZM_E_UNSAFE: what stands there is no message that its owner put there. */
apr_status_t router_open_message(router_opener_t *opener, zm_object_t **object, const char *name);

/** A file as that uid would open it, for reading. */
apr_status_t router_open_file(router_opener_t *opener, zm_file_t **file, zm_uid_t uid,
                              const char *path, apr_pool_t *pool);

/** The helper's own end: serves clients of this uid until the loop is stopped. */
apr_status_t router_pickup_serve(zm_loop_t *loop, zm_spool_t *spool, const char *socket_path,
                                 zm_uid_t client, apr_pool_t *pool, zm_error_t *error);

#endif
