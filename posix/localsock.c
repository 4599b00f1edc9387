/*
 * Local endpoints: AF_UNIX sockets.
 *
 * An endpoint is bound under a temporary name, given its mode, and renamed over
 * the final one.  So its permissions are right from the first moment, whatever
 * the umask, and an endpoint that is replaced is never missing.
 */
#include "platform/localsock.h"

#include <apr_portable.h>
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "posix/file.h"
#include "posix/socket.h"

#define LISTEN_BACKLOG 128
#define MESSAGE_LIMIT 4096 /* what goes into a stream in one piece, with a descriptor */

/* -- addresses ------------------------------------------------------------------ */

/*
 * The address has room for about a hundred octets.  On Linux a longer path is
 * reached through a handle of its directory, *handle, which the caller closes
 * after use (-1: none).
 */
static apr_status_t make_address(struct sockaddr_un *address, socklen_t *size, int *handle,
                                 const char *path)
{
    apr_size_t length = strlen(path);
    *handle = -1;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (length == 0)
        return APR_EINVAL;
    if (length < sizeof address->sun_path) {
        memcpy(address->sun_path, path, length);
    } else {
#ifdef __linux__
        const char *slash = strrchr(path, '/');
        char directory[4096];
        int written;
        apr_status_t status;
        if (slash == NULL || (apr_size_t)(slash - path) >= sizeof directory)
            return APR_ENAMETOOLONG;
        memcpy(directory, path, (apr_size_t)(slash - path));
        directory[slash - path] = '\0';
        status = zm_open_descriptor(handle, NULL, directory, O_PATH | O_DIRECTORY, 0);
        if (status != APR_SUCCESS)
            return status;
        written = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d%s",
                           *handle, slash);
        if (written < 0 || (apr_size_t)written >= sizeof address->sun_path) {
            close(*handle);
            return APR_ENAMETOOLONG;
        }
        length = (apr_size_t)written;
#else
        return APR_ENAMETOOLONG;
#endif
    }
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return APR_SUCCESS;
}

static void close_handle(int handle)
{
    if (handle >= 0)
        close(handle);
}

/* -- binding ----------------------------------------------------------------------- */

static apr_status_t bind_at(int descriptor, const char *path)
{
    struct sockaddr_un address;
    socklen_t size;
    int handle;
    apr_status_t status = make_address(&address, &size, &handle, path);
    if (status != APR_SUCCESS)
        return status;
    if (bind(descriptor, (const struct sockaddr *)&address, size) < 0)
        status = errno;
    close_handle(handle);
    return status;
}

/* Only a socket is ever replaced: a file or a link in its place is somebody's mistake or trap. */
static apr_status_t may_replace(const char *path)
{
    struct stat found;
    if (lstat(path, &found) < 0)
        return errno == ENOENT ? APR_SUCCESS : errno;
    return S_ISSOCK(found.st_mode) ? APR_SUCCESS : ZM_E_UNSAFE;
}

static apr_status_t bind_and_name(int descriptor, const char *path, int mode, apr_pool_t *pool)
{
    const char *temporary = apr_psprintf(pool, "%s.%ld", path, (long)getpid());
    apr_status_t status = may_replace(path);
    if (status != APR_SUCCESS)
        return status;
    if (unlink(temporary) < 0 && errno != ENOENT)
        return errno;
    status = bind_at(descriptor, temporary);
    if (status != APR_SUCCESS)
        return status;
    if (chmod(temporary, (mode_t)mode) < 0 || rename(temporary, path) < 0) {
        status = errno;
        unlink(temporary);
    }
    return status;
}

static apr_status_t open_endpoint(apr_socket_t **socket, const char *path, int type, int mode,
                                  apr_pool_t *pool, zm_error_t *error)
{
    int descriptor;
    apr_pool_t *scratch;
    apr_status_t status = zm_socket_local(&descriptor, type);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot make a local socket");
    apr_pool_create(&scratch, pool);
    status = bind_and_name(descriptor, path, mode, scratch);
    apr_pool_destroy(scratch);
    if (status == APR_SUCCESS && type == SOCK_STREAM && listen(descriptor, LISTEN_BACKLOG) < 0)
        status = errno;
    if (status != APR_SUCCESS) {
        close(descriptor);
        return zm_error_system(error, status, "cannot bind a local socket at %s", path);
    }
    status = zm_socket_wrap(socket, descriptor, type, false, pool);
    return status == APR_SUCCESS
               ? status
               : zm_error_system(error, status, "cannot use the local socket %s", path);
}

static int descriptor_of(apr_socket_t *socket)
{
    apr_os_sock_t descriptor = -1;
    apr_os_sock_get(&descriptor, socket);
    return descriptor;
}

/* -- datagrams ------------------------------------------------------------------------ */

apr_status_t zm_localsock_datagram_bind(apr_socket_t **socket, const char *path, int mode,
                                        apr_pool_t *pool, zm_error_t *error)
{
    return open_endpoint(socket, path, SOCK_DGRAM, mode, pool, error);
}

apr_status_t zm_localsock_datagram_receive(apr_socket_t *socket, char *buffer, apr_size_t *length)
{
    struct iovec into = {.iov_base = buffer, .iov_len = *length};
    struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1};
    ssize_t got;
    do
        got = recvmsg(descriptor_of(socket), &message, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    *length = got > 0 ? (apr_size_t)got : 0;
    if (got < 0)
        return errno == EWOULDBLOCK ? APR_EAGAIN : errno;
    return (message.msg_flags & MSG_TRUNC) != 0 ? ZM_E_LIMIT : APR_SUCCESS;
}

/*
 * Every message sends a hint or two, so one unbound socket serves the process;
 * sendto needs no lock.  The loser of a race to make it closes its own.
 */
static apr_status_t sending_socket(int *descriptor)
{
    static atomic_int shared = -1;
    int none = -1;
    apr_status_t status;
    *descriptor = atomic_load_explicit(&shared, memory_order_acquire);
    if (*descriptor >= 0)
        return APR_SUCCESS;
    status = zm_socket_local(descriptor, SOCK_DGRAM);
    if (status == APR_SUCCESS && !atomic_compare_exchange_strong(&shared, &none, *descriptor)) {
        close(*descriptor);
        *descriptor = none;
    }
    return status;
}

apr_status_t zm_localsock_datagram_send(const char *path, const char *data, apr_size_t length)
{
    struct sockaddr_un address;
    socklen_t size;
    int handle, descriptor;
    ssize_t sent;
    apr_status_t status = sending_socket(&descriptor);
    if (status == APR_SUCCESS)
        status = make_address(&address, &size, &handle, path);
    if (status != APR_SUCCESS)
        return status;
    do
        sent =
            sendto(descriptor, data, length, MSG_DONTWAIT, (const struct sockaddr *)&address, size);
    while (sent < 0 && errno == EINTR);
    status = sent < 0 ? errno : APR_SUCCESS;
    close_handle(handle);
    return status;
}

/* -- streams ------------------------------------------------------------------------------ */

apr_status_t zm_localsock_listen(apr_socket_t **socket, const char *path, int mode,
                                 apr_pool_t *pool, zm_error_t *error)
{
    return open_endpoint(socket, path, SOCK_STREAM, mode, pool, error);
}

apr_status_t zm_localsock_accept(apr_socket_t **connection, apr_socket_t *listener,
                                 apr_pool_t *pool)
{
    int descriptor;
    do
#ifdef SOCK_CLOEXEC
        descriptor = accept4(descriptor_of(listener), NULL, NULL, SOCK_CLOEXEC);
#else
        descriptor = accept(descriptor_of(listener), NULL, NULL);
#endif
    while (descriptor < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (descriptor < 0)
        return errno;
#ifndef SOCK_CLOEXEC
    (void)fcntl(descriptor, F_SETFD, FD_CLOEXEC);
#endif
    return zm_socket_wrap(connection, descriptor, SOCK_STREAM, false, pool);
}

/* A local connect succeeds or fails at once; only a full backlog would make it wait, for as long as
 * the other side likes. */
apr_status_t zm_localsock_connect(apr_socket_t **socket, const char *path, apr_pool_t *pool)
{
    struct sockaddr_un address;
    socklen_t size;
    int handle, descriptor, result;
    apr_status_t status = make_address(&address, &size, &handle, path);
    if (status != APR_SUCCESS)
        return status;
    status = zm_socket_local(&descriptor, SOCK_STREAM);
    if (status == APR_SUCCESS) {
        (void)fcntl(descriptor, F_SETFL, O_NONBLOCK);
        do
            result = connect(descriptor, (const struct sockaddr *)&address, size);
        while (result < 0 && errno == EINTR);
        if (result < 0) {
            status = errno;
            close(descriptor);
        } else {
            status = zm_socket_wrap(socket, descriptor, SOCK_STREAM, false, pool);
        }
    }
    close_handle(handle);
    return status;
}

apr_status_t zm_localsock_pair(apr_socket_t *pair[2], apr_pool_t *pool)
{
    int descriptors[2];
    apr_status_t status = zm_socket_local_pair(descriptors);
    if (status != APR_SUCCESS)
        return status;
    status = zm_socket_wrap(&pair[0], descriptors[0], SOCK_STREAM, false, pool);
    if (status != APR_SUCCESS) {
        close(descriptors[1]);
        return status;
    }
    status = zm_socket_wrap(&pair[1], descriptors[1], SOCK_STREAM, false, pool);
    if (status != APR_SUCCESS)
        apr_socket_close(pair[0]);
    return status;
}

/* -- open files over a stream ------------------------------------------------------------------ */

union control_space {
    struct cmsghdr aligned;
    char bytes[CMSG_SPACE(sizeof(int) *
                          4)]; /* some room, so that a peer that sends more is noticed */
};

apr_status_t zm_localsock_send_file(apr_socket_t *socket, const char *data, apr_size_t length,
                                    int descriptor)
{
    union control_space control;
    struct iovec from = {.iov_base = (char *)(uintptr_t)data, .iov_len = length};
    struct msghdr message = {.msg_iov = &from, .msg_iovlen = 1};
    struct cmsghdr *header;
    ssize_t sent;

    if (length == 0 || length > MESSAGE_LIMIT)
        return APR_EINVAL;
    if (descriptor >= 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof descriptor);
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof descriptor);
        memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    do
        sent = sendmsg(descriptor_of(socket), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == EWOULDBLOCK ? APR_EAGAIN : errno;
    return (apr_size_t)sent == length ? APR_SUCCESS
                                      : ZM_E_PROTOCOL; /* local streams take so little whole */
}

/* Keeps the first descriptor that came and closes the others. */
static void take_descriptors(struct msghdr *message, int *descriptor)
{
    struct cmsghdr *header;
    for (header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
        apr_size_t count, i;
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (i = 0; i < count; i++) {
            int came;
            memcpy(&came, CMSG_DATA(header) + i * sizeof came, sizeof came);
            if (*descriptor < 0)
                *descriptor = came;
            else
                close(came);
        }
    }
}

apr_status_t zm_localsock_receive_file(apr_socket_t *socket, char *buffer, apr_size_t *length,
                                       int *descriptor)
{
    union control_space control;
    struct iovec into = {.iov_base = buffer, .iov_len = *length};
    struct msghdr message = {.msg_iov = &into,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    int flags = MSG_DONTWAIT;
    ssize_t got;

    *descriptor = -1;
    *length = 0;
#ifdef MSG_CMSG_CLOEXEC
    flags |= MSG_CMSG_CLOEXEC;
#endif
    do
        got = recvmsg(descriptor_of(socket), &message, flags);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EWOULDBLOCK ? APR_EAGAIN : errno;
    take_descriptors(&message, descriptor);
    if ((message.msg_flags & MSG_CTRUNC) != 0) {
        if (*descriptor >= 0)
            close(*descriptor);
        *descriptor = -1;
        return ZM_E_PROTOCOL;
    }
#ifndef MSG_CMSG_CLOEXEC
    if (*descriptor >= 0)
        (void)fcntl(*descriptor, F_SETFD, FD_CLOEXEC);
#endif
    *length = (apr_size_t)got;
    return got == 0 ? APR_EOF : APR_SUCCESS;
}
