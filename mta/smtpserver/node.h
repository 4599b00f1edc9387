/**
 * One command to one scheduler, over its mailq socket (MAILQ-V2), for ETRN.
 *
 * Nothing waits: names are asked of DNS, and the conversation runs on the loop.
 */
#ifndef ZM_SMTPSERVER_NODE_H
#define ZM_SMTPSERVER_NODE_H

#include "mta/net/dns.h"
#include "mta/smtpserver/config.h"
#include "platform/loop.h"

#define NODE_PATIENCE apr_time_from_sec(30) /**< for all of it */

typedef struct node_call_t node_call_t;

/** admitted: the scheduler has said yes.  text: what it said, or what went wrong; valid during the
 * call. */
typedef void node_fn(bool admitted, zm_str_t text, void *baton);

/**
 * Logs in and gives the command, a line without its end.  fn is called once, never
 * before this returns.  All is allocated in pool.
 */
void node_call(node_call_t **call, zm_loop_t *loop, zm_dns_t *dns, const config_node_t *node,
               const char *command, node_fn *fn, void *baton, apr_pool_t *pool);
/** fn will not be called.  Not after it was; null allowed. */
void node_hang_up(node_call_t *call);

#endif
