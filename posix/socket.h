/** Descriptors as APR sockets. */
#ifndef ZM_POSIX_SOCKET_H
#define ZM_POSIX_SOCKET_H

#include <apr_network_io.h>
#include <stdbool.h>

/** Makes an APR socket of a descriptor, closed with the pool; non-blocking or blocking as said.  On
 * failure it is closed. */
apr_status_t zm_socket_wrap(apr_socket_t **socket, int descriptor, int type, bool blocking,
                            apr_pool_t *pool);

/** A new local socket, or a connected pair, closed on exec. */
apr_status_t zm_socket_local(int *descriptor, int type);
apr_status_t zm_socket_local_pair(int pair[2]);

#endif
