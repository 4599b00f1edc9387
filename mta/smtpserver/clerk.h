/**
 * One program at work for the desk, which answers one question after another: a router,
 * "router -i -I smtpserver", or a content filter.
 *
 * Its line protocol: it says "#hungry" when it is ready; a question is a line
 * KEY TAB ARGUMENT; what it prints until the next "#hungry" is the answer.  A filter
 * is asked for the argument alone, what it says to standard error is heard too, and a CR
 * within its lines stays.
 *
 * A clerk that takes too long over a question, or to start, is killed; one that
 * nobody has asked for a while is sent home.
 */
#ifndef ZM_SMTPSERVER_CLERK_H
#define ZM_SMTPSERVER_CLERK_H

#include "platform/loop.h"
#include "platform/status.h"
#include "platform/str.h"

#define CLERK_PATIENCE apr_time_from_sec(60) /**< for an answer, and for a start */
#define CLERK_FILTER_PATIENCE apr_time_from_sec(120)
#define CLERK_IDLE apr_time_from_sec(600) /**< without a question */
#define CLERK_ANSWER_LIMIT 65536          /**< octets; of a longer answer the middle is left out */
#define CLERK_LINE_LIMIT 1000             /**< octets of a line of an answer; the rest is cut off */
#define CLERK_FILTER_LINE 4000            /**< the same of a filter */

typedef struct clerk_t clerk_t;

typedef enum clerk_kind_t { CLERK_ROUTER, CLERK_FILTER, CLERK_VERIFIER } clerk_kind_t;

typedef enum clerk_event_t {
    CLERK_READY,    /**< it has started, and can be asked */
    CLERK_ANSWERED, /**< answer has it, and it can be asked again */
    CLERK_ENDED     /**< it is gone, or no use any more: close it, here or later */
} clerk_event_t;

/** answer: lines, each ended by LF, without other control characters; valid during the call. */
typedef void clerk_fn(clerk_t *clerk, clerk_event_t event, zm_str_t answer, void *baton);

/** Starts one.  argv and directory as zm_child_spec_t has them.  fn is never called from within the
 * functions here. */
apr_status_t clerk_start(clerk_t **clerk, clerk_kind_t kind, const char *const *argv,
                         const char *directory, zm_loop_t *loop, clerk_fn *fn, void *baton,
                         zm_error_t *error);
/** Whether it can be asked now. */
bool clerk_is_idle(const clerk_t *clerk);
/** Whether it has been ready once. */
bool clerk_was_ready(const clerk_t *clerk);
/** Asks: "KEY TAB ARGUMENT", without control characters but that TAB.  Only of an idle one. */
void clerk_ask(clerk_t *clerk, zm_str_t question);
/** Frees it, at once; a router that is at work ends when it has finished. */
void clerk_close(clerk_t *clerk);

#endif
