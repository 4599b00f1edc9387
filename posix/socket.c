#include "posix/socket.h"

#include <apr_portable.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* False also for other families than those of the internet. */
static bool address_of(int (*end)(int, struct sockaddr *, socklen_t *), int descriptor,
                       struct sockaddr_storage *address)
{
    socklen_t length = sizeof *address;
    memset(address, 0, sizeof *address);
    return end(descriptor, (struct sockaddr *)address, &length) == 0 &&
           (address->ss_family == AF_INET || address->ss_family == AF_INET6);
}

apr_status_t zm_socket_wrap(apr_socket_t **socket, int descriptor, int type, bool blocking,
                            apr_pool_t *pool)
{
    struct sockaddr_storage local, remote;
    apr_os_sock_info_t info = {.os_sock = &descriptor, .family = AF_UNIX, .type = type};
    apr_status_t status;
    /* An internet socket that was handed over should know its ends. */
    if (address_of(getsockname, descriptor, &local)) {
        info.family = local.ss_family;
        info.local = (struct sockaddr *)&local;
        if (address_of(getpeername, descriptor, &remote))
            info.remote = (struct sockaddr *)&remote;
    }
    status = apr_os_sock_make(socket, &info, pool);
    if (status != APR_SUCCESS) {
        close(descriptor);
        return status;
    }
    /* APR has its own idea of blocking; the timeout sets both. */
    status = apr_socket_timeout_set(*socket, blocking ? -1 : 0);
    if (status == APR_SUCCESS)
        status = apr_socket_opt_set(*socket, APR_SO_NONBLOCK, !blocking);
    if (status != APR_SUCCESS)
        apr_socket_close(*socket);
    return status;
}

apr_status_t zm_socket_local(int *descriptor, int type)
{
#ifdef SOCK_CLOEXEC
    *descriptor = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    return *descriptor < 0 ? errno : APR_SUCCESS;
#else
    *descriptor = socket(AF_UNIX, type, 0);
    if (*descriptor < 0)
        return errno;
    (void)fcntl(*descriptor, F_SETFD, FD_CLOEXEC);
    return APR_SUCCESS;
#endif
}

apr_status_t zm_socket_local_pair(int pair[2])
{
#ifdef SOCK_CLOEXEC
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ? errno : APR_SUCCESS;
#else
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return errno;
    (void)fcntl(pair[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(pair[1], F_SETFD, FD_CLOEXEC);
    return APR_SUCCESS;
#endif
}
