/**
 * Listening, accepting and connecting, on the loop.
 *
 * All sockets made here are non-blocking, closed in children, and have TCP_NODELAY set: streams
 * gather their output themselves.
 */
#ifndef ZM_NET_SOCKET_H
#define ZM_NET_SOCKET_H

#include "mta/net/ip.h"
#include "platform/loop.h"

/* -- listening ---------------------------------------------------------------- */

/**
 * A listening socket.  Any address (family 0) listens on IPv6 and IPv4 together where the host
 * can, else on IPv4 alone; "::" by name listens on IPv6 alone.  Port 0 takes a free port:
 * zm_socket_local_end tells which.  A port left in TIME_WAIT by an ended server may be taken at
 * once; one that a living server holds may not, on Windows either.  backlog 0: a sane default.
 */
apr_status_t zm_socket_listen(apr_socket_t **socket, const zm_endpoint_t *where, int backlog,
                              apr_pool_t *pool, zm_error_t *error);

typedef struct zm_listener_t zm_listener_t;

/**
 * A new connection.  socket lives in pool, which is the connection's own: the receiver destroys
 * it when the connection has ended (a pool takes 8 KiB: put the whole session into this one).
 */
typedef void zm_accept_fn(apr_socket_t *socket, apr_pool_t *pool, void *baton);

/**
 * Calls fn for each connection.  When the process is out of descriptors it rests for 100 ms
 * instead of spinning.  The socket stays the caller's; close the listener before it.
 */
apr_status_t zm_listener_open(zm_listener_t **listener, zm_loop_t *loop, apr_socket_t *socket,
                              zm_accept_fn *fn, void *baton);
/** Stops or goes on accepting; connections wait in the backlog meanwhile. */
void zm_listener_pause(zm_listener_t *listener, bool paused);
void zm_listener_close(zm_listener_t *listener); /**< null allowed */

/* -- connecting --------------------------------------------------------------- */

typedef struct zm_connect_t zm_connect_t;

/** status APR_SUCCESS and a socket in the pool of zm_connect_start, now the receiver's; or
 * APR_TIMEUP, or the system's reason. */
typedef void zm_connect_fn(apr_status_t status, apr_socket_t *socket, void *baton);

/**
 * Connects.  source may be null; its port may be 0.  timeout in microseconds, over all.  fn is
 * called once, never before this returns; an error returned means that it will not be called.
 */
apr_status_t zm_connect_start(zm_connect_t **connect, zm_loop_t *loop, const zm_endpoint_t *to,
                              const zm_endpoint_t *source, apr_interval_time_t timeout,
                              zm_connect_fn *fn, void *baton, apr_pool_t *pool);
/** Gives up: fn is not called.  Not after fn was called. */
void zm_connect_cancel(zm_connect_t *connect);

/* -- any socket --------------------------------------------------------------- */

/** Makes a socket that came from elsewhere (accepted, inherited) as those made here. */
apr_status_t zm_socket_prepare(apr_socket_t *socket);
/** The two ends; family 0 when the system does not tell or it is not an internet socket. */
zm_endpoint_t zm_socket_local_end(apr_socket_t *socket);
zm_endpoint_t zm_socket_remote_end(apr_socket_t *socket);

#endif
