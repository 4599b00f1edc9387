/*
 * Connecting.  What the system says at once (refused, unreachable, or connected) is told in the
 * next round, as if it had come later, so that the caller has one way to be told.
 */
#include <apr_portable.h>
#include <stdlib.h>

#include "mta/net/socket.h"

struct zm_connect_t {
    apr_socket_t *socket;
    zm_watch_t *watch;
    zm_timer_t timer;   /* the time limit, or the next round */
    apr_status_t known; /* what the system said at once; APR_EINPROGRESS: nothing yet */
    zm_connect_fn *fn;
    void *baton;
};

/* What became of a connect: the error that waits on the socket. */
static apr_status_t outcome(apr_socket_t *socket)
{
    apr_os_sock_t descriptor;
    int error = 0;
    apr_socklen_t size = sizeof error;
    apr_status_t status = apr_os_sock_get(&descriptor, socket);
    if (status != APR_SUCCESS)
        return status;
    if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, (void *)&error, &size) != 0)
        return apr_get_netos_error();
    return APR_FROM_OS_ERROR(error);
}

static void drop(zm_connect_t *connect)
{
    zm_watch_close(connect->watch);
    zm_timer_cancel(&connect->timer);
    free(connect);
}

static void finish(zm_connect_t *connect, apr_status_t status)
{
    zm_connect_fn *fn = connect->fn;
    void *baton = connect->baton;
    apr_socket_t *socket = connect->socket;
    drop(connect);
    if (status != APR_SUCCESS) {
        (void)apr_socket_close(socket);
        socket = NULL;
    }
    fn(status, socket, baton);
}

static void on_writable(zm_watch_t *watch, int events, void *baton)
{
    zm_connect_t *connect = baton;
    (void)watch;
    (void)events;
    finish(connect, outcome(connect->socket));
}

static void on_time(zm_timer_t *timer, void *baton)
{
    zm_connect_t *connect = baton;
    (void)timer;
    finish(connect, connect->known == APR_EINPROGRESS ? APR_TIMEUP : connect->known);
}

/* A socket of the right family, bound to the source address if there is one. */
static apr_status_t make_socket(apr_socket_t **socket, const apr_sockaddr_t *to,
                                const zm_endpoint_t *source, apr_pool_t *pool)
{
    apr_status_t status = apr_socket_create(socket, to->family, SOCK_STREAM, APR_PROTO_TCP, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_socket_prepare(*socket);
    if (status == APR_SUCCESS && source != NULL)
        status =
            apr_socket_bind(*socket, zm_endpoint_sockaddr(source, to->family != APR_INET, pool));
    if (status != APR_SUCCESS)
        (void)apr_socket_close(*socket);
    return status;
}

apr_status_t zm_connect_start(zm_connect_t **connect, zm_loop_t *loop, const zm_endpoint_t *to,
                              const zm_endpoint_t *source, apr_interval_time_t timeout,
                              zm_connect_fn *fn, void *baton, apr_pool_t *pool)
{
    apr_sockaddr_t *address = zm_endpoint_sockaddr(to, true, pool);
    apr_socket_t *socket;
    zm_connect_t *made;
    apr_status_t status = make_socket(&socket, address, source, pool);
    if (status != APR_SUCCESS)
        return status;
    made = calloc(1, sizeof *made);
    if (made == NULL) {
        (void)apr_socket_close(socket);
        return APR_ENOMEM;
    }
    *made = (zm_connect_t){.socket = socket, .fn = fn, .baton = baton};
    zm_timer_init(&made->timer, loop, on_time, made);
    made->known = apr_socket_connect(socket, address);
    if (APR_STATUS_IS_EINPROGRESS(made->known) || APR_STATUS_IS_EAGAIN(made->known)) {
        made->known = APR_EINPROGRESS;
        status = zm_watch_open(&made->watch, loop, socket, ZM_WRITE, on_writable, made);
    }
    if (status != APR_SUCCESS) {
        (void)apr_socket_close(socket);
        free(made);
        return status;
    }
    zm_timer_set(&made->timer, made->known == APR_EINPROGRESS ? timeout : 0);
    *connect = made;
    return APR_SUCCESS;
}

void zm_connect_cancel(zm_connect_t *connect)
{
    apr_socket_t *socket = connect->socket;
    drop(connect);
    (void)apr_socket_close(socket);
}
