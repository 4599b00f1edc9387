#include "ta/mailbox/biff.h"

#include <apr_network_io.h>
#include <apr_strings.h>
#include <string.h>

void zm_biff_tell(const char *user, uint64_t offset, uint16_t port, apr_pool_t *pool)
{
    const char *text = apr_psprintf(pool, "%s@%" APR_UINT64_T_FMT "\n", user, (apr_uint64_t)offset);
    apr_size_t length = strlen(text) + 1; /* the NUL belongs to it */
    apr_sockaddr_t *there;
    apr_socket_t *socket;
    if (apr_sockaddr_info_get(&there, "127.0.0.1", APR_INET, port, 0, pool) != APR_SUCCESS ||
        apr_socket_create(&socket, APR_INET, SOCK_DGRAM, APR_PROTO_UDP, pool) != APR_SUCCESS)
        return;
    apr_socket_opt_set(socket, APR_SO_NONBLOCK, 1);
    apr_socket_sendto(socket, there, 0, text, &length);
    apr_socket_close(socket);
}
