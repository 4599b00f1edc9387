#include "win32/socket.h"

#include <apr_portable.h>
#include <string.h>

apr_status_t zm_socket_wrap(apr_socket_t **socket, SOCKET handle, int type, bool blocking,
                            apr_pool_t *pool)
{
    apr_os_sock_info_t info = {.os_sock = &handle, .family = AF_INET, .type = type};
    apr_status_t status = apr_os_sock_make(socket, &info, pool);
    if (status != APR_SUCCESS) {
        closesocket(handle);
        return status;
    }
    /* Once to and fro, since APR does nothing when it thinks that the mode is right already. */
    status = apr_socket_timeout_set(*socket, 0);
    if (status == APR_SUCCESS && blocking)
        status = apr_socket_timeout_set(*socket, -1);
    if (status != APR_SUCCESS)
        apr_socket_close(*socket);
    return status;
}

SOCKET zm_socket_handle(apr_socket_t *socket)
{
    apr_os_sock_t handle = INVALID_SOCKET;
    apr_os_sock_get(&handle, socket);
    return handle;
}

apr_status_t zm_socket_new(SOCKET *made, int type, bool overlapped)
{
    DWORD flags = WSA_FLAG_NO_HANDLE_INHERIT | (overlapped ? WSA_FLAG_OVERLAPPED : 0);
    *made = WSASocketW(AF_INET, type, 0, NULL, 0, flags);
    return *made == INVALID_SOCKET ? zm_socket_status() : APR_SUCCESS;
}

static struct sockaddr_in loopback(unsigned short port)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

apr_status_t zm_socket_bind_loopback(SOCKET handle, unsigned short *port)
{
    struct sockaddr_in address = loopback(0);
    int size = sizeof address;
    BOOL yes = TRUE;
    if (setsockopt(handle, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (const char *)&yes, sizeof yes) != 0 ||
        bind(handle, (const struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(handle, (struct sockaddr *)&address, &size) != 0)
        return zm_socket_status();
    *port = ntohs(address.sin_port);
    return APR_SUCCESS;
}

apr_status_t zm_socket_connect_loopback(SOCKET handle, unsigned short port)
{
    struct sockaddr_in address = loopback(port);
    return connect(handle, (const struct sockaddr *)&address, sizeof address) == 0
               ? APR_SUCCESS
               : zm_socket_status();
}

/* -- pairs ------------------------------------------------------------------------- */

static bool same_address(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
    return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
}

/* Any program of this machine may connect to the port in between; those are turned away. */
static apr_status_t accept_own(SOCKET *accepted, SOCKET listener, SOCKET connecting)
{
    struct sockaddr_in own, peer;
    int size = sizeof own;
    if (getsockname(connecting, (struct sockaddr *)&own, &size) != 0)
        return zm_socket_status();
    for (;;) {
        size = sizeof peer;
        *accepted = accept(listener, (struct sockaddr *)&peer, &size);
        if (*accepted == INVALID_SOCKET)
            return zm_socket_status();
        if (same_address(&own, &peer))
            return APR_SUCCESS;
        closesocket(*accepted);
    }
}

static void send_at_once(SOCKET handle)
{
    BOOL yes = TRUE;
    setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, (const char *)&yes, sizeof yes);
    SetHandleInformation((HANDLE)handle, HANDLE_FLAG_INHERIT, 0);
}

apr_status_t zm_socket_pair(SOCKET pair[2])
{
    SOCKET listener;
    unsigned short port;
    apr_status_t status = zm_socket_new(&listener, SOCK_STREAM, true);
    if (status != APR_SUCCESS)
        return status;
    status = zm_socket_bind_loopback(listener, &port);
    if (status == APR_SUCCESS && listen(listener, 8) != 0)
        status = zm_socket_status();
    if (status == APR_SUCCESS)
        status = zm_socket_new(&pair[1], SOCK_STREAM, false);
    if (status == APR_SUCCESS) {
        status = zm_socket_connect_loopback(pair[1], port);
        if (status == APR_SUCCESS)
            status = accept_own(&pair[0], listener, pair[1]);
        if (status != APR_SUCCESS)
            closesocket(pair[1]);
    }
    closesocket(listener);
    if (status == APR_SUCCESS) {
        send_at_once(pair[0]);
        send_at_once(pair[1]);
    }
    return status;
}
