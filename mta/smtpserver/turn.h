/**
 * ETRN: has the schedulers start delivery to a host.
 *
 * The schedulers that are named by etrn-cluster, or else that of this host, are asked in
 * turn over their mailq sockets.  When one of them cannot be asked, a command file goes
 * into the spool, where the scheduler of this host finds it.
 */
#ifndef ZM_SMTPSERVER_TURN_H
#define ZM_SMTPSERVER_TURN_H

#include <apr_tables.h>

#include "mta/net/dns.h"
#include "mta/net/ip.h"
#include "platform/loop.h"
#include "platform/status.h"
#include "platform/str.h"

#define TURN_RATE 20                       /**< requests from one address */
#define TURN_PERIOD apr_time_from_sec(600) /**< in this time */

typedef struct turns_t turns_t;
typedef struct turn_t turn_t;

typedef enum turn_result_t {
    TURN_STARTED, /**< it is, or will be when the file is found */
    TURN_NOTHING, /**< all schedulers say that nothing waits */
    TURN_FAILED
} turn_result_t;

/** notes: a line for each scheduler that was asked, unless these are not to be told of; valid
 * during the call. */
typedef void turn_fn(turn_result_t result, zm_str_t notes, void *baton);

typedef void turn_filed_fn(apr_status_t status, void *baton);
/** Puts a command file with that content into the spool; done is called once, perhaps before this
 * returns. */
typedef void turn_file_fn(void *baton, zm_str_t content, turn_filed_fn *done, void *done_baton);

typedef struct turns_options_t {
    const char *hostname;            /**< ours */
    const apr_array_header_t *nodes; /**< of config_node_t; at least one */
    bool quiet;                      /**< clients are not told of nodes */
    turn_file_fn *file;
    void *baton;
} turns_options_t;

/** Strings of the options stay the caller's. */
turns_t *turns_create(zm_loop_t *loop, const turns_options_t *options, apr_pool_t *pool);
void turns_close(turns_t *turns); /**< null allowed; no request may be under way */

/** Whether that address may ask once more; counts it.  This host always may. */
bool turns_allow(turns_t *turns, const zm_ip_t *client);

/**
 * Starts a request.  host is a domain or address literal; client is written as "[192.0.2.9]".  fn
 * is called once, never before this returns.
 */
apr_status_t turn_begin(turn_t **turn, turns_t *turns, zm_str_t host, const char *client,
                        turn_fn *fn, void *baton);
/** fn will not be called.  Not after it was; null allowed. */
void turn_cancel(turn_t *turn);

#endif
