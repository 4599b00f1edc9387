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
 *     trace 1001 v_AbCdEf              the trace file of that uid in public/, for appending
 *
 * Answers: "ok" (for a file followed by mode and owner of its directory, seen
 * with the same rights: "ok 40755 1001") and "no CODE" (an apr_status_t).
 *
 * What it refuses (ZM_E_UNSAFE): names outside of the input directories, paths
 * that are not absolute or have "..", links, what is not a regular file or has
 * several names, and as root everything outside of MAILVAR and MAILSHARE.
 */
#ifndef ZM_MTA_ROUTER_PICKUP_H
#define ZM_MTA_ROUTER_PICKUP_H

#include "mta/conf/zenv.h"
#include "platform/fs.h"
#include "spool/spool.h"

#define ROUTER_PICKUP_LINE 4352 /**< longest request with its LF */

typedef struct router_opener_t router_opener_t;

/** Opens through the helper at this socket; with a null path directly: then as root with the
 * rights asked for, else with our own. */
apr_status_t router_opener_create(router_opener_t **opener, zm_spool_t *spool,
                                  const char *socket_path, apr_pool_t *pool, zm_error_t *error);

/** A submitted message. ZM_E_UNSAFE: what stands there is no message that its owner put there. */
apr_status_t router_open_message(router_opener_t *opener, zm_object_t **object, const char *name);

/** What decides about the trust in a file beside the file itself. */
typedef struct router_folder_t {
    uint32_t mode; /**< of the directory that holds it; 0: cannot be told */
    zm_uid_t uid;
} router_folder_t;

/** A regular file as that uid would open it, for reading.  folder may be null. */
apr_status_t router_open_file(router_opener_t *opener, zm_file_t **file, router_folder_t *folder,
                              zm_uid_t uid, const char *path, apr_pool_t *pool);

/** The trace of that uid's messages with this leaf in public/, for appending (spool/trace.h). */
apr_status_t router_open_trace(router_opener_t *opener, zm_object_t **trace, zm_uid_t uid,
                               const char *leaf, apr_pool_t *pool);

/* -- what both ends share (opening.c) ------------------------------------------------------- */

/** The three kinds of opening, done by this process. */
apr_status_t router_opening_message(zm_file_t **file, zm_spool_t *spool, const char *name,
                                    apr_pool_t *pool);
apr_status_t router_opening_file(zm_file_t **file, router_folder_t *folder, zm_uid_t uid,
                                 const char *path, apr_pool_t *pool);
apr_status_t router_opening_trace(zm_file_t **file, zm_spool_t *spool, zm_uid_t uid,
                                  const char *leaf, apr_pool_t *pool);

/** Absolute, and without "..". */
bool router_is_plain_path(zm_str_t path);

/** The helper's own end: serves clients of this uid until the loop is stopped. */
apr_status_t router_pickup_serve(zm_loop_t *loop, zm_spool_t *spool, const zm_zenv_t *zenv,
                                 const char *socket_path, zm_uid_t client, apr_pool_t *pool,
                                 zm_error_t *error);

#endif
