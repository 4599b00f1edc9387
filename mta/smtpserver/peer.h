/**
 * Who a client is by the domain name service: the name of its address, whether that name leads
 * back to the address, and whether the name that it greets with does.
 *
 * The questions are asked while the session goes on; only the first recipient of a message waits
 * for their answers, and for no longer than PEER_PATIENCE.
 */
#ifndef ZM_SMTPSERVER_PEER_H
#define ZM_SMTPSERVER_PEER_H

#include "mta/net/dns.h"

#define PEER_PATIENCE apr_time_from_sec(5)
#define PEER_GREETINGS 5 /**< names of greetings that are looked up in one session */

typedef struct peer_t peer_t;

typedef enum peer_fact_t { PEER_UNTESTED, PEER_FAIL, PEER_OK } peer_fact_t;

typedef struct peer_facts_t {
    const char *name;     /**< of the address, a well-formed domain; null: unknown */
    peer_fact_t reversed; /**< it has one */
    peer_fact_t verified; /**< the name leads to the address */
    peer_fact_t greeting; /**< that of the greeting does */
} peer_facts_t;

/** Called once, never before peer_wait returns. */
typedef void peer_fn(void *baton);

/** Begins to ask about that address.  It lives in the pool, and the resolver must live longer. */
peer_t *peer_begin(zm_dns_t *dns, zm_loop_t *loop, const zm_ip_t *ip, apr_pool_t *pool);
/** Asks nothing more, and calls nobody.  Null allowed. */
void peer_end(peer_t *peer);

/** The client has said that it is called so. */
void peer_greeted(peer_t *peer, zm_str_t name);

/** Whether all that will be known is known. */
bool peer_is_known(const peer_t *peer);
/** Calls fn when it is, or when the time is over. */
void peer_wait(peer_t *peer, peer_fn *fn, void *baton);
/** What is known by now; the name lives as long as the peer. */
peer_facts_t peer_facts(const peer_t *peer);

#endif
