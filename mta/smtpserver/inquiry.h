/**
 * Questions of the sessions to the router, or to a content filter: the worker's line to a desk
 * (desk.h).
 *
 * All questions of a worker share one connection and wait for nothing: answers
 * come as calls, in any order.  When the desk is not there (it is being started
 * again, say), questions wait for it a while.
 */
#ifndef ZM_SMTPSERVER_INQUIRY_H
#define ZM_SMTPSERVER_INQUIRY_H

#include "platform/loop.h"
#include "platform/str.h"

#define INQUIRY_ATTACH apr_time_from_sec(10)   /**< how long to wait for the desk */
#define INQUIRY_PATIENCE apr_time_from_sec(60) /**< how long to wait for an answer */
#define INQUIRY_LIMIT 4000                     /**< octets of a key and its argument */

typedef struct inquiries_t inquiries_t;
typedef struct inquiry_t inquiry_t;

typedef struct inquiry_answer_t {
    bool failed;   /**< there is none: nobody can answer now */
    zm_str_t text; /**< lines, each ended by LF; valid during the call */
} inquiry_answer_t;

typedef void inquiry_fn(const inquiry_answer_t *answer, void *baton);

/** A question under way, embedded by the one who asks.  Zero it at first; fields are private. */
struct inquiry_t {
    inquiries_t *line; /* null: none is under way */
    inquiry_t *next;
    uint64_t number;
    apr_time_t until; /* monotonic */
    zm_buf_t question, answer;
    inquiry_fn *fn;
    void *baton;
};

/** path: of the desk's socket.  attach: how long a question waits for it, INQUIRY_ATTACH, or 0
 * where nobody starts a desk. */
inquiries_t *inquiries_create(zm_loop_t *loop, const char *path, apr_interval_time_t attach,
                              apr_pool_t *pool);
/** How long to wait for answers from now on; INQUIRY_PATIENCE at first. */
void inquiries_patience(inquiries_t *line, apr_interval_time_t patience);
/** Questions under way are dropped without a call. */
void inquiries_close(inquiries_t *line);

/**
 * Asks.  Control characters in the argument count as blanks.  fn is called once,
 * never before this returns.  An argument that is too long is answered with 550.
 */
void inquiry_put(inquiry_t *inquiry, inquiries_t *line, const char *key, zm_str_t argument,
                 inquiry_fn *fn, void *baton);
/** fn will not be called.  Does nothing when no question is under way. */
void inquiry_cancel(inquiry_t *inquiry);

/** A line of an answer: "NNN[ -][x.y.z ]TEXT".  One without a code counts as 250. */
typedef struct inquiry_line_t {
    int code;
    char enhanced[16]; /**< "" for none */
    zm_str_t text;
} inquiry_line_t;

/** Takes the next line off *text.  False: there is none. */
bool inquiry_line(zm_str_t *text, inquiry_line_t *line);
/** The last line, which decides; false: the answer is empty. */
bool inquiry_last_line(zm_str_t text, inquiry_line_t *line);

#endif
