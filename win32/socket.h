/** Sockets of the system as APR sockets, and connected pairs over loopback. */
#ifndef ZM_WIN32_SOCKET_H
#define ZM_WIN32_SOCKET_H

#include <apr_network_io.h>
#include <stdbool.h>

#include "platform/status.h"

static inline apr_status_t zm_socket_status(void)
{
    return APR_FROM_OS_ERROR(WSAGetLastError());
}

/** Makes an APR socket, closed with the pool; non-blocking or blocking as said.  On failure it is
 * closed. */
apr_status_t zm_socket_wrap(apr_socket_t **socket, SOCKET handle, int type, bool blocking,
                            apr_pool_t *pool);
SOCKET zm_socket_handle(apr_socket_t *socket);

/** A new IPv4 socket that no child inherits. */
apr_status_t zm_socket_new(SOCKET *made, int type, bool overlapped);
/** Binds to 127.0.0.1 and a port of the system's choice, exclusively; port in host order. */
apr_status_t zm_socket_bind_loopback(SOCKET handle, unsigned short *port);
/** Connects to a port of 127.0.0.1, or sets the default receiver of a datagram socket. */
apr_status_t zm_socket_connect_loopback(SOCKET handle, unsigned short port);

/**
 * Two connected stream sockets.  The second is made without overlapped
 * operations, so that a program which gets it as its standard stream can use
 * ReadFile and WriteFile as on a pipe.
 */
apr_status_t zm_socket_pair(SOCKET pair[2]);

#endif
