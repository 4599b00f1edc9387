#include "mta/net/transport.h"

static apr_status_t receive_plain(void *state, apr_socket_t *socket, char *data, apr_size_t *length)
{
    (void)state;
    return apr_socket_recv(socket, data, length);
}

static apr_status_t send_plain(void *state, apr_socket_t *socket, const char *data,
                               apr_size_t *length)
{
    (void)state;
    return apr_socket_send(socket, data, length);
}

static apr_status_t shutdown_plain(void *state, apr_socket_t *socket)
{
    (void)state;
    return apr_socket_shutdown(socket, APR_SHUTDOWN_WRITE);
}

const zm_transport_t zm_transport_plain = {
    .receive = receive_plain, .send = send_plain, .shutdown = shutdown_plain};
