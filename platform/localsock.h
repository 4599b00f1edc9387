/**
 * Local endpoints named by a path: datagrams (hints such as "NEW router 4711")
 * and streams (mailq, sub-daemons).
 *
 * Unix: AF_UNIX sockets.  Windows: loopback sockets whose port and secret stand
 * in a file at that path.  An endpoint that a dead process left is replaced.
 */
#ifndef ZM_PLATFORM_LOCALSOCK_H
#define ZM_PLATFORM_LOCALSOCK_H

#include <apr_network_io.h>

#include "platform/identity.h"
#include "platform/status.h"

/** Binds a non-blocking datagram endpoint; mode as for chmod.  An existing socket at path is replaced. */
apr_status_t zm_localsock_datagram_bind(apr_socket_t **socket, const char *path, int mode, apr_pool_t *pool,
                                        zm_error_t *error);
/**
 * Receives one datagram.  *length is in/out.  APR_EAGAIN when none waits;
 * ZM_E_LIMIT when it was longer than the buffer and has been cut.
 */
apr_status_t zm_localsock_datagram_receive(apr_socket_t *socket, char *buffer, apr_size_t *length);
/** Sends one datagram without waiting; cheap, any thread.  A missing receiver or a full queue is an error that senders of hints ignore. */
apr_status_t zm_localsock_datagram_send(const char *path, const char *data, apr_size_t length);

/** A listening stream endpoint, non-blocking; as for datagrams an existing socket is replaced, anything else is ZM_E_UNSAFE. */
apr_status_t zm_localsock_listen(apr_socket_t **socket, const char *path, int mode, apr_pool_t *pool,
                                 zm_error_t *error);
/** A non-blocking connection; APR_EAGAIN when none waits. */
apr_status_t zm_localsock_accept(apr_socket_t **connection, apr_socket_t *listener, apr_pool_t *pool);
/** Connects, which a local endpoint does at once; the connection is non-blocking.  Never waits: an error that is
 * APR_STATUS_IS_EAGAIN says that too many wait there to be accepted. */
apr_status_t zm_localsock_connect(apr_socket_t **socket, const char *path, apr_pool_t *pool);

/** Two connected, non-blocking stream sockets. */
apr_status_t zm_localsock_pair(apr_socket_t *pair[2], apr_pool_t *pool);

/** Hands an open file (-1: none) to the peer of a local stream, with 1 to 4096 octets of data (not on Windows: ZM_E_UNSUPPORTED). */
apr_status_t zm_localsock_send_file(apr_socket_t *socket, const char *data, apr_size_t length, int descriptor);
/** Receives data and, if one came with it, an open file; *descriptor is -1 when none came.  APR_EOF at the end. */
apr_status_t zm_localsock_receive_file(apr_socket_t *socket, char *buffer, apr_size_t *length, int *descriptor);

#endif
