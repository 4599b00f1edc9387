#include "mta/net/socket.h"

#include <apr_portable.h>
#include <stdlib.h>

#define DEFAULT_BACKLOG 1024
#define ACCEPT_BATCH 64                       /* then other sockets get their turn */
#define REST_WITHOUT_DESCRIPTORS (100 * 1000) /* microseconds */

/* -- any socket --------------------------------------------------------------- */

apr_status_t zm_socket_prepare(apr_socket_t *socket)
{
    apr_status_t status = apr_socket_opt_set(socket, APR_SO_NONBLOCK, 1);
    if (status == APR_SUCCESS)
        status = apr_socket_timeout_set(socket, 0);
    if (status == APR_SUCCESS)
        (void)apr_socket_opt_set(socket, APR_TCP_NODELAY, 1); /* a local stream has none */
    return status;
}

zm_endpoint_t zm_socket_local_end(apr_socket_t *socket)
{
    apr_sockaddr_t *address = NULL;
    if (apr_socket_addr_get(&address, APR_LOCAL, socket) != APR_SUCCESS)
        address = NULL;
    return zm_endpoint_of(address);
}

zm_endpoint_t zm_socket_remote_end(apr_socket_t *socket)
{
    apr_sockaddr_t *address = NULL;
    if (apr_socket_addr_get(&address, APR_REMOTE, socket) != APR_SUCCESS)
        address = NULL;
    return zm_endpoint_of(address);
}

static apr_status_t create(apr_socket_t **socket, int family, apr_pool_t *pool)
{
    return apr_socket_create(socket, family, SOCK_STREAM, APR_PROTO_TCP, pool);
}

/* -- listening ---------------------------------------------------------------- */

/*
 * Unix wants SO_REUSEADDR, so that connections in TIME_WAIT do not hold the port.  Where there is
 * SO_EXCLUSIVEADDRUSE, SO_REUSEADDR would let any program share the port of a living server.
 */
static apr_status_t claim_port(apr_socket_t *socket)
{
#ifdef SO_EXCLUSIVEADDRUSE
    apr_os_sock_t descriptor;
    int on = 1;
    apr_status_t status = apr_os_sock_get(&descriptor, socket);
    if (status == APR_SUCCESS &&
        setsockopt(descriptor, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (void *)&on, sizeof on) != 0)
        status = apr_get_netos_error();
    return status;
#else
    return apr_socket_opt_set(socket, APR_SO_REUSEADDR, 1);
#endif
}

static apr_status_t listen_on(apr_socket_t **socket, const zm_endpoint_t *where, bool ipv6,
                              int backlog, apr_pool_t *pool)
{
    apr_sockaddr_t *address = zm_endpoint_sockaddr(where, ipv6, pool);
    apr_status_t status = create(socket, address->family, pool);
    if (status != APR_SUCCESS)
        return status;
    status = claim_port(*socket);
    if (status == APR_SUCCESS && address->family != APR_INET)
        status = apr_socket_opt_set(*socket, APR_IPV6_V6ONLY, where->ip.family != 0);
    if (status == APR_SUCCESS)
        status = apr_socket_bind(*socket, address);
    if (status == APR_SUCCESS)
        status = apr_socket_listen(*socket, backlog > 0 ? backlog : DEFAULT_BACKLOG);
    if (status == APR_SUCCESS)
        status = zm_socket_prepare(*socket);
    if (status != APR_SUCCESS)
        (void)apr_socket_close(*socket);
    return status;
}

apr_status_t zm_socket_listen(apr_socket_t **socket, const zm_endpoint_t *where, int backlog,
                              apr_pool_t *pool, zm_error_t *error)
{
    char text[ZM_IP_TEXT];
    apr_status_t status = listen_on(socket, where, where->ip.family == 0, backlog, pool);
    if (status != APR_SUCCESS && where->ip.family == 0 &&
        listen_on(socket, where, false, backlog, pool) == APR_SUCCESS)
        status = APR_SUCCESS; /* a host without IPv6 */
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot listen on %s",
                               zm_endpoint_print(where, text));
    return APR_SUCCESS;
}

/* -- accepting ---------------------------------------------------------------- */

struct zm_listener_t {
    apr_socket_t *socket;
    apr_pool_t *parent; /* of the connections' pools */
    zm_watch_t *watch;
    zm_timer_t rest;
    zm_accept_fn *fn;
    void *baton;
    bool paused;
    bool busy; /* in accept_all: it frees the listener when it was closed meanwhile */
    bool closed;
};

static bool out_of_descriptors(apr_status_t status)
{
    return APR_STATUS_IS_EMFILE(status) || APR_STATUS_IS_ENFILE(status) ||
           APR_STATUS_IS_ENOMEM(status);
}

static void update_watch(zm_listener_t *listener)
{
    bool off = listener->paused || zm_timer_is_set(&listener->rest);
    (void)zm_watch_set(listener->watch, off ? 0 : ZM_READ);
}

/* False: no more for now.  A connection that died in the queue is passed over. */
static bool accept_one(zm_listener_t *listener)
{
    apr_pool_t *pool;
    apr_socket_t *connection;
    apr_status_t status = apr_pool_create(&pool, listener->parent);
    if (status != APR_SUCCESS)
        return false;
    status = apr_socket_accept(&connection, listener->socket, pool);
    if (status == APR_SUCCESS) {
        listener->fn(connection, pool, listener->baton);
        return true;
    }
    apr_pool_destroy(pool);
    if (out_of_descriptors(status)) {
        zm_timer_set(&listener->rest, REST_WITHOUT_DESCRIPTORS);
        update_watch(listener);
        return false;
    }
    return !APR_STATUS_IS_EAGAIN(status);
}

static void on_connection(zm_watch_t *watch, int events, void *baton)
{
    zm_listener_t *listener = baton;
    int i;
    (void)watch;
    (void)events;
    listener->busy = true;
    for (i = 0; i < ACCEPT_BATCH && !listener->closed && !listener->paused; i++)
        if (!accept_one(listener))
            break;
    listener->busy = false;
    if (listener->closed)
        free(listener);
}

static void on_rested(zm_timer_t *timer, void *baton)
{
    (void)timer;
    update_watch(baton);
}

apr_status_t zm_listener_open(zm_listener_t **listener, zm_loop_t *loop, apr_socket_t *socket,
                              zm_accept_fn *fn, void *baton)
{
    zm_listener_t *made = calloc(1, sizeof *made);
    apr_status_t status;
    if (made == NULL)
        return APR_ENOMEM;
    made->socket = socket;
    made->parent = zm_loop_pool(loop);
    made->fn = fn;
    made->baton = baton;
    zm_timer_init(&made->rest, loop, on_rested, made);
    status = zm_watch_open(&made->watch, loop, socket, ZM_READ, on_connection, made);
    if (status != APR_SUCCESS) {
        free(made);
        return status;
    }
    *listener = made;
    return APR_SUCCESS;
}

void zm_listener_pause(zm_listener_t *listener, bool paused)
{
    listener->paused = paused;
    update_watch(listener);
}

void zm_listener_close(zm_listener_t *listener)
{
    if (listener == NULL || listener->closed)
        return;
    zm_watch_close(listener->watch);
    zm_timer_cancel(&listener->rest);
    listener->closed = true;
    if (!listener->busy)
        free(listener);
}
