/**
 * The desk: takes the questions of all workers and has a few routers, or content filters,
 * answer them, first come, first served.
 *
 * A worker keeps one connection (inquiry.h) and says
 *
 *     NUMBER BLANK KEY TAB ARGUMENT      a question
 *     NUMBER                             which is not wanted any more
 *
 * and is told, when it is answered,
 *
 *     NUMBER - LINE                      a line of the answer; more follow
 *     NUMBER BLANK LINE                  the last line of the answer
 *     NUMBER BLANK                       the answer is empty
 *     NUMBER                             nobody can answer now
 *
 * Routers are started when they are needed, up to the limit.  While they do not
 * start, questions are turned down at once.  A filter whose program file has changed is
 * replaced before it is asked again.
 */
#ifndef ZM_SMTPSERVER_DESK_H
#define ZM_SMTPSERVER_DESK_H

#include "mta/conf/counters.h"
#include "mta/smtpserver/clerk.h"

#define DESK_CLERKS 20       /**< routers at most */
#define DESK_QUESTIONS 10000 /**< that may wait */
#define DESK_LINE_LIMIT 8192 /**< of what a worker says */

typedef struct desk_t desk_t;

typedef struct desk_options_t {
    clerk_kind_t kind;
    const char *const *argv; /**< of a router, or filter */
    const char *directory;   /**< where they work; null: here */
    int clerks;
    zm_counters_t *counters;   /**< may be null */
    void (*left)(void *baton); /**< a worker has gone; may be null */
    void *baton;
} desk_options_t;

/** Strings of the options stay the caller's and must live as long. */
apr_status_t desk_create(desk_t **desk, zm_loop_t *loop, const desk_options_t *options,
                         apr_pool_t *pool);
/** A worker at the other end of a connected socket.  From success on it and its pool are the
 * desk's. */
apr_status_t desk_admit(desk_t *desk, apr_socket_t *socket, apr_pool_t *pool);
/** How many workers are connected. */
int desk_workers(const desk_t *desk);
void desk_close(desk_t *desk);

#endif
