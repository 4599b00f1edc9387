/**
 * Asking the configuration: `router` for every address, `crossbar` for every
 * pair of sender and recipient, and the grouping of what comes back.
 */
#ifndef ZM_MTA_ROUTER_ROUTING_H
#define ZM_MTA_ROUTER_ROUTING_H

#include <apr_tables.h>

#include "mta/router/worker.h"

/** One routed address, as scripts see it and taken apart. */
typedef struct router_quad_t {
    zm_value_t value; /**< (channel host user attributes) */
    zm_str_t channel, host, user;
    zm_str_t attributes; /**< name of the variable with its property list */
} router_quad_t;

/** Takes a list apart.  False: not four items, or one of them is a list. */
bool router_quad_parse(router_quad_t *quad, zm_value_t value);

/**
 * Calls `router` with an address and the symbol of its attributes and adds what
 * it gives to quads (of router_quad_t): of alternatives one.  Where the
 * configuration fails or hands back nonsense the address is held, so that
 * nobody's mail is dropped by a slip in a script.  Domains are given to it with A-labels (idn.h).
 * An address of absurd length is an error without asking.
 */
void router_route(router_worker_t *worker, apr_array_header_t *quads, zm_str_t address,
                  zm_value_t attributes);

/* -- the plan of a control file ------------------------------------------------------- */

/** A recipient as the control file gets it. */
typedef struct router_final_t {
    router_quad_t quad;
    int64_t privilege;
    zm_str_t dsn, ret, envid; /**< "" without */
} router_final_t;

typedef struct router_sender_group_t {
    router_quad_t sender;
    int64_t privilege;
    zm_str_t error_address;
    apr_array_header_t *recipients; /**< of router_final_t * */
} router_sender_group_t;

typedef struct router_rewrite_group_t {
    zm_value_t rewrite;          /**< name of a function, or (ADDRESS-FUNCTION HEADER-FUNCTION) */
    apr_array_header_t *senders; /**< of router_sender_group_t * */
} router_rewrite_group_t;

typedef struct router_plan_t {
    apr_array_header_t *rewrites; /**< of router_rewrite_group_t * */
    int recipients;
    int duplicates; /**< final recipients that were met twice */
} router_plan_t;

/**
 * Calls `crossbar` for each recipient and groups the results.  A pair that it
 * drops is left out, and of recipients that are the same the first is kept,
 * with what any of them wants to be told.  ZM_E_CORRUPT when the configuration
 * hands back something malformed.
 */
apr_status_t router_plan(router_plan_t **plan, router_worker_t *worker, const router_quad_t *sender,
                         const apr_array_header_t *recipients, zm_error_t *error);

/** The NOTIFY of two DSN values joined, and the rest of the first. */
zm_str_t router_merge_dsn(zm_str_t kept, zm_str_t other, apr_pool_t *pool);

/** The privilege of a quad; false when it is missing or no number. */
bool router_privilege(router_worker_t *worker, const router_quad_t *quad, int64_t *privilege);

/** A property of a quad's attributes as a string, "" when absent. */
zm_str_t router_attribute(router_worker_t *worker, const router_quad_t *quad, const char *name);

#endif
