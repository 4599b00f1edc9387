/**
 * Services of other programs that the server asks: where they are, and connecting to one.
 *
 *     unix:/path   local:/path          a local socket
 *     inet:host:port   inet:port@host   a TCP port; [::1] for an IPv6 address
 */
#ifndef ZM_SMTPSERVER_SERVICE_H
#define ZM_SMTPSERVER_SERVICE_H

#include <apr_network_io.h>

#include "mta/net/dns.h"
#include "mta/net/ip.h"
#include "platform/loop.h"

#define SERVICE_ATTACH apr_time_from_sec(10) /**< how long connecting may take */

typedef struct service_t {
    const char *text; /**< as it was written */
    const char *path; /**< of a local socket; null: none */
    const char *host; /**< its name, or ip */
    zm_ip_t ip;       /**< family 0: host must be looked up */
    uint16_t port;
} service_t;

/** Reads one.  False: it is none. */
bool service_parse(service_t *service, zm_str_t text, apr_pool_t *pool);

typedef struct service_call_t service_call_t;

/** socket null: it cannot be reached; else it lives in the pool of service_call. */
typedef void service_fn(apr_socket_t *socket, void *baton);

/** Connects.  fn is called once, never before this returns.  dns may be null: then no names are
 * looked up.  service stays the caller's. */
void service_call(service_call_t **call, zm_loop_t *loop, zm_dns_t *dns, const service_t *service,
                  service_fn *fn, void *baton, apr_pool_t *pool);
/** fn will not be called.  Not after it was called; null allowed. */
void service_cancel(service_call_t *call);

#endif
