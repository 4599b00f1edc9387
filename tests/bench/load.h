/**
 * zm-load: SMTP sessions that send messages to a server and measure it.
 *
 * load_options.c reads the command line, load_session.c is one SMTP session, load.c starts them
 * and tells the result.  The number of messages and the time are bounded; only servers on this
 * machine are loaded.
 */
#ifndef ZM_TESTS_BENCH_LOAD_H
#define ZM_TESTS_BENCH_LOAD_H

#include "mta/net/ip.h"
#include "platform/loop.h"
#include "platform/str.h"

typedef struct load_options_t {
    zm_endpoint_t target;
    int64_t sessions, messages;
    int64_t size;           /**< bytes of a message on the wire, about */
    int64_t recipients;     /**< of each message */
    int64_t domains;        /**< distinct ones that {d} stands for */
    int64_t users;          /**< distinct ones that {n} stands for */
    int64_t per_connection; /**< messages; 0: no limit */
    int64_t timeout;        /**< seconds for all */
    const char *recipient;  /**< "user{n}@d{d}.sink.test" */
    const char *sender;
    bool no_pipelining, json;
} load_options_t;

/** What has happened so far; one for all sessions. */
typedef struct load_t {
    load_options_t options;
    zm_loop_t *loop;
    zm_timer_t limit;
    zm_buf_t filler; /**< lines of text, a piece of every body */
    int64_t next;    /**< messages begun */
    int64_t done;    /**< messages ended, well or not */
    int64_t accepted, refused, lost;
    int64_t recipients_accepted, recipients_refused;
    int64_t connections, failed_connections;
    int64_t running;     /**< sessions that have not ended */
    uint32_t *latency;   /**< microseconds of each accepted message */
    char complaint[300]; /**< the first reply or error that was not as it should be */
    bool timed_out;
} load_t;

/** False: the program ends with *code. */
bool load_read_options(load_options_t *options, int argc, char **argv, int *code);

/** Starts one session; it takes messages until none are left, and counts running down at its end.
 */
void load_session_start(load_t *load, apr_pool_t *pool);

/** Remembers the first complaint. */
void load_complain(load_t *load, const char *where, zm_str_t what);

#endif
