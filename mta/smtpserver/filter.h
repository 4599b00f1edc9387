/**
 * Asking the content filter about a message that has come in whole.
 *
 * The filter is a program, which a desk runs for all workers (desk.h), or a server at a
 * local socket, to which each question is a connection of its own.  Both are told the
 * path of a file with envelope, header and body, by the same lines:
 *
 *     filter: #hungry
 *     server: PATH
 *     filter: NUMBER [CODE [X.Y.Z]] TEXT          (verdict.h)
 *     filter: #hungry
 *
 * Where the spool has no files the path is that of a copy, which is made piece by piece
 * and goes when the answer is there.
 */
#ifndef ZM_SMTPSERVER_FILTER_H
#define ZM_SMTPSERVER_FILTER_H

#include "mta/smtpserver/inquiry.h"
#include "mta/smtpserver/verdict.h"
#include "spool/submit.h"

#define FILTER_ATTACH apr_time_from_sec(10)    /**< how long to wait for the first "#hungry" */
#define FILTER_PATIENCE apr_time_from_sec(120) /**< for the answer */

typedef struct filters_t filters_t;
typedef struct filter_ask_t filter_ask_t;

typedef struct filters_options_t {
    zm_loop_t *loop;
    inquiries_t *desk;  /**< the line to the desk; null: socket is asked */
    const char *socket; /**< path */
    const char *copies; /**< directory of copies */
} filters_options_t;

/** What the options point to stays the caller's. */
filters_t *filters_create(const filters_options_t *options, apr_pool_t *pool);
/** Gives up the line to the desk.  No question may be under way. */
void filters_close(filters_t *filters); /**< null allowed */

/** verdict->given is false, and why says what has happened, when there is no answer.  Both are
 * valid during the call. */
typedef void filter_fn(const verdict_t *verdict, const char *why, void *baton);

/** Asks.  fn is called once, never before this returns; submission must stay until then. */
void filter_ask(filter_ask_t **ask, filters_t *filters, zm_submission_t *submission, filter_fn *fn,
                void *baton);
void filter_cancel(filter_ask_t *ask); /**< fn will not be called; null allowed */

/** Removes copies that a process which is gone has left there more than an hour ago. */
void filter_sweep(const char *copies, apr_pool_t *pool);

#endif
