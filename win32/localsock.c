/*
 * Local endpoints: loopback sockets whose port stands in a file at the path of
 * the endpoint, together with a secret.  Who may read the file may speak to the
 * endpoint: the secret is the first thing in every datagram and on every stream.
 *
 *     zmailer-local 1 PORT SECRET PID
 *
 * The file is written beside its place and renamed over it, so it is whole when
 * it is there.  It outlives its process; then PID tells, and it is replaced.
 */
#include "platform/localsock.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "platform/child.h"
#include "platform/fs.h"
#include "platform/str.h"
#include "win32/file.h"
#include "win32/sid.h"
#include "win32/socket.h"

#define MAGIC "zmailer-local"
#define SECRET_OCTETS 16
#define SECRET_KEY "zm_localsock"
#define FILE_LIMIT 200
#define DATAGRAM_LIMIT 65000
#define LISTEN_BACKLOG 128
#define SECRET_PATIENCE_MS 250 /* the client sends it at once */

typedef struct endpoint_t {
    unsigned short port;
    unsigned char secret[SECRET_OCTETS];
    apr_int64_t pid;
} endpoint_t;

/* -- the file ------------------------------------------------------------------------ */

static bool parse_secret(unsigned char *secret, zm_str_t text)
{
    apr_size_t i;
    if (text.length != SECRET_OCTETS * 2)
        return false;
    for (i = 0; i < text.length; i++) {
        const char *digit = strchr("0123456789abcdef", text.data[i]);
        if (digit == NULL || *digit == '\0')
            return false;
        secret[i / 2] = (unsigned char)(secret[i / 2] << 4 | (digit - "0123456789abcdef"));
    }
    return true;
}

static apr_status_t parse_endpoint(endpoint_t *endpoint, zm_str_t text)
{
    zm_str_t word, version, port, secret, pid;
    uint64_t number;
    memset(endpoint, 0, sizeof *endpoint);
    text = zm_str_trim(text);
    if (!zm_str_word(&text, &word) || !zm_str_equal_c(word, MAGIC) ||
        !zm_str_word(&text, &version) || !zm_str_equal_c(version, "1") ||
        !zm_str_word(&text, &port) || !zm_str_word(&text, &secret) || !zm_str_word(&text, &pid) ||
        zm_str_u64(port, &number) != APR_SUCCESS || number == 0 || number > 65535 ||
        !parse_secret(endpoint->secret, secret) || zm_str_i64(pid, &endpoint->pid) != APR_SUCCESS)
        return ZM_E_UNSAFE;
    endpoint->port = (unsigned short)number;
    return APR_SUCCESS;
}

static apr_status_t read_endpoint(endpoint_t *endpoint, const char *path, apr_pool_t *pool)
{
    char *text;
    apr_size_t length;
    apr_status_t status = zm_file_slurp(&text, &length, path, FILE_LIMIT, pool);
    if (status == ZM_E_LIMIT)
        return ZM_E_UNSAFE;
    return status == APR_SUCCESS ? parse_endpoint(endpoint, zm_str_of(text, length)) : status;
}

/* The group and the others are let in by inheriting the rights of the directory. */
static apr_status_t create_file(zm_file_t **file, const char *path, int mode, apr_pool_t *pool)
{
    zm_wide_path_t wide;
    HANDLE handle;
    apr_status_t status = zm_wide_path(&wide, NULL, path);
    if (status != APR_SUCCESS)
        return status;
    handle = CreateFileW(wide.text, GENERIC_READ | GENERIC_WRITE, ZM_SHARE_ALL,
                         (mode & 077) == 0 ? zm_private_security() : NULL, CREATE_ALWAYS,
                         FILE_ATTRIBUTE_NORMAL, NULL);
    if (handle == INVALID_HANDLE_VALUE)
        return zm_last_status();
    zm_make_file(file, handle, false, NULL, pool);
    return APR_SUCCESS;
}

static apr_status_t write_endpoint(const endpoint_t *endpoint, const char *path, int mode,
                                   apr_pool_t *pool)
{
    char hex[SECRET_OCTETS * 2 + 1];
    const char *temporary = apr_psprintf(pool, "%s.%lu", path, GetCurrentProcessId());
    const char *text;
    zm_file_t *file;
    apr_status_t status;
    int i;
    for (i = 0; i < SECRET_OCTETS; i++)
        snprintf(hex + i * 2, 3, "%02x", endpoint->secret[i]);
    text = apr_psprintf(pool, MAGIC " 1 %u %s %lu\n", endpoint->port, hex, GetCurrentProcessId());
    status = create_file(&file, temporary, mode, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_write_at(file, 0, text, strlen(text));
    if (zm_file_close(file) != APR_SUCCESS && status == APR_SUCCESS)
        status = APR_EGENERAL;
    if (status == APR_SUCCESS)
        status = zm_file_replace(NULL, temporary, NULL, path);
    if (status != APR_SUCCESS)
        (void)zm_file_unlink(NULL, temporary);
    return status;
}

/* -- binding ---------------------------------------------------------------------------- */

/* Only the file of an endpoint is ever replaced. */
static apr_status_t may_replace(const char *path, apr_pool_t *pool)
{
    endpoint_t there;
    apr_status_t status = read_endpoint(&there, path, pool);
    return status == APR_ENOENT ? APR_SUCCESS : status;
}

static apr_status_t bind_and_name(SOCKET handle, endpoint_t *endpoint, const char *path, int type,
                                  int mode, apr_pool_t *pool)
{
    apr_status_t status = may_replace(path, pool);
    if (status == APR_SUCCESS)
        status = apr_generate_random_bytes(endpoint->secret, sizeof endpoint->secret);
    if (status == APR_SUCCESS)
        status = zm_socket_bind_loopback(handle, &endpoint->port);
    if (status == APR_SUCCESS && type == SOCK_STREAM && listen(handle, LISTEN_BACKLOG) != 0)
        status = zm_socket_status();
    return status == APR_SUCCESS ? write_endpoint(endpoint, path, mode, pool) : status;
}

static apr_status_t open_endpoint(apr_socket_t **socket, const char *path, int type, int mode,
                                  apr_pool_t *pool, zm_error_t *error)
{
    SOCKET handle;
    endpoint_t *endpoint = apr_pcalloc(pool, sizeof *endpoint);
    apr_pool_t *scratch;
    apr_status_t status = zm_socket_new(&handle, type, true);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot make a local socket");
    apr_pool_create(&scratch, pool);
    status = bind_and_name(handle, endpoint, path, type, mode, scratch);
    apr_pool_destroy(scratch);
    if (status != APR_SUCCESS) {
        closesocket(handle);
        return zm_error_system(error, status, "cannot bind a local socket at %s", path);
    }
    status = zm_socket_wrap(socket, handle, type, false, pool);
    if (status == APR_SUCCESS)
        status = apr_socket_data_set(*socket, endpoint, SECRET_KEY, NULL);
    return status == APR_SUCCESS
               ? status
               : zm_error_system(error, status, "cannot use the local socket %s", path);
}

static const endpoint_t *endpoint_of(apr_socket_t *socket)
{
    void *data = NULL;
    apr_socket_data_get(&data, SECRET_KEY, socket);
    return data;
}

/* In constant time: a guesser learns nothing from how long it took. */
static bool secret_fits(const endpoint_t *endpoint, const char *secret)
{
    unsigned char differs = 0;
    int i;
    for (i = 0; i < SECRET_OCTETS; i++)
        differs |= (unsigned char)(endpoint->secret[i] ^ (unsigned char)secret[i]);
    return differs == 0;
}

/* -- datagrams ---------------------------------------------------------------------------- */

apr_status_t zm_localsock_datagram_bind(apr_socket_t **socket, const char *path, int mode,
                                        apr_pool_t *pool, zm_error_t *error)
{
    return open_endpoint(socket, path, SOCK_DGRAM, mode, pool, error);
}

/* Datagrams without the secret are as good as none. */
apr_status_t zm_localsock_datagram_receive(apr_socket_t *socket, char *buffer, apr_size_t *length)
{
    const endpoint_t *endpoint = endpoint_of(socket);
    char secret[SECRET_OCTETS];
    WSABUF parts[2] = {{sizeof secret, secret}, {(ULONG)*length, buffer}};
    *length = 0;
    for (;;) {
        DWORD got = 0, flags = 0;
        int error = WSARecv(zm_socket_handle(socket), parts, 2, &got, &flags, NULL, NULL) == 0
                        ? 0
                        : WSAGetLastError();
        if (error == WSAECONNRESET) /* of a datagram that we sent: not our concern here */
            continue;
        if (error == WSAEWOULDBLOCK)
            return APR_EAGAIN;
        if (error == WSAEMSGSIZE)
            got = parts[0].len + parts[1].len;
        else if (error != 0)
            return APR_FROM_OS_ERROR(error);
        if (got < sizeof secret || !secret_fits(endpoint, secret))
            continue;
        *length = got - sizeof secret;
        return error == WSAEMSGSIZE || (flags & MSG_PARTIAL) != 0 ? ZM_E_LIMIT : APR_SUCCESS;
    }
}

static BOOL CALLBACK make_sender(PINIT_ONCE once, PVOID parameter, PVOID *made)
{
    SOCKET handle;
    u_long yes = 1;
    (void)once, (void)parameter;
    if (zm_socket_new(&handle, SOCK_DGRAM, true) != APR_SUCCESS)
        return FALSE;
    ioctlsocket(handle, (long)FIONBIO, &yes);
    *made = (PVOID)(handle << INIT_ONCE_CTX_RESERVED_BITS); /* the low bits are the system's */
    return TRUE;
}

apr_status_t zm_localsock_datagram_send(const char *path, const char *data, apr_size_t length)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    PVOID sender;
    endpoint_t endpoint;
    struct sockaddr_in address;
    WSABUF parts[2] = {{SECRET_OCTETS, (char *)endpoint.secret},
                       {(ULONG)length, (char *)(uintptr_t)data}};
    apr_pool_t *scratch;
    DWORD sent;
    apr_status_t status;

    if (length > DATAGRAM_LIMIT)
        return APR_EINVAL;
    if (!InitOnceExecuteOnce(&once, make_sender, NULL, &sender))
        return APR_EGENERAL;
    apr_pool_create(&scratch, NULL);
    status = read_endpoint(&endpoint, path, scratch);
    apr_pool_destroy(scratch);
    if (status != APR_SUCCESS)
        return status;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(endpoint.port);
    return WSASendTo((SOCKET)sender >> INIT_ONCE_CTX_RESERVED_BITS, parts, 2, &sent, 0,
                     (const struct sockaddr *)&address, sizeof address, NULL, NULL) == 0
               ? APR_SUCCESS
               : zm_socket_status();
}

/* -- streams ---------------------------------------------------------------------------------- */

apr_status_t zm_localsock_listen(apr_socket_t **socket, const char *path, int mode,
                                 apr_pool_t *pool, zm_error_t *error)
{
    return open_endpoint(socket, path, SOCK_STREAM, mode, pool, error);
}

/* The socket is non-blocking; a stranger who sends nothing costs the patience, once. */
static bool read_secret(SOCKET handle, char *secret)
{
    int used = 0;
    while (used < SECRET_OCTETS) {
        WSAPOLLFD polled = {handle, POLLRDNORM, 0};
        int got = recv(handle, secret + used, SECRET_OCTETS - used, 0);
        if (got > 0)
            used += got;
        else if (got == 0 || WSAGetLastError() != WSAEWOULDBLOCK ||
                 WSAPoll(&polled, 1, SECRET_PATIENCE_MS) <= 0)
            return false;
    }
    return true;
}

apr_status_t zm_localsock_accept(apr_socket_t **connection, apr_socket_t *listener,
                                 apr_pool_t *pool)
{
    char secret[SECRET_OCTETS];
    apr_status_t status;
    SOCKET handle = accept(zm_socket_handle(listener), NULL, NULL);
    if (handle == INVALID_SOCKET)
        return WSAGetLastError() == WSAEWOULDBLOCK ? APR_EAGAIN : zm_socket_status();
    SetHandleInformation((HANDLE)handle, HANDLE_FLAG_INHERIT, 0);
    status = zm_socket_wrap(connection, handle, SOCK_STREAM, false, pool);
    if (status == APR_SUCCESS &&
        (!read_secret(handle, secret) || !secret_fits(endpoint_of(listener), secret))) {
        apr_socket_close(*connection);
        status = APR_EAGAIN;
    }
    return status;
}

apr_status_t zm_localsock_connect(apr_socket_t **socket, const char *path, apr_pool_t *pool)
{
    endpoint_t endpoint;
    SOCKET handle;
    apr_status_t status = read_endpoint(&endpoint, path, pool);
    if (status == APR_SUCCESS && !zm_process_alive(endpoint.pid))
        status = APR_ECONNREFUSED; /* the port may be somebody else's by now */
    if (status == APR_SUCCESS)
        status = zm_socket_new(&handle, SOCK_STREAM, true);
    if (status != APR_SUCCESS)
        return status;
    status = zm_socket_connect_loopback(handle, endpoint.port);
    if (status == APR_SUCCESS &&
        send(handle, (const char *)endpoint.secret, SECRET_OCTETS, 0) != SECRET_OCTETS)
        status = zm_socket_status();
    if (status != APR_SUCCESS) {
        closesocket(handle);
        return status;
    }
    return zm_socket_wrap(socket, handle, SOCK_STREAM, false, pool);
}

apr_status_t zm_localsock_pair(apr_socket_t *pair[2], apr_pool_t *pool)
{
    SOCKET handles[2];
    apr_status_t status = zm_socket_pair(handles);
    if (status != APR_SUCCESS)
        return status;
    status = zm_socket_wrap(&pair[0], handles[0], SOCK_STREAM, false, pool);
    if (status != APR_SUCCESS) {
        closesocket(handles[1]);
        return status;
    }
    status = zm_socket_wrap(&pair[1], handles[1], SOCK_STREAM, false, pool);
    if (status != APR_SUCCESS)
        apr_socket_close(pair[0]);
    return status;
}

/* -- open files over a stream: not on this system --------------------------------------------- */

apr_status_t zm_localsock_send_file(apr_socket_t *socket, const char *data, apr_size_t length,
                                    int descriptor)
{
    (void)socket, (void)data, (void)length, (void)descriptor;
    return ZM_E_UNSUPPORTED;
}

apr_status_t zm_localsock_receive_file(apr_socket_t *socket, char *buffer, apr_size_t *length,
                                       int *descriptor)
{
    (void)socket, (void)buffer;
    *length = 0;
    *descriptor = -1;
    return ZM_E_UNSUPPORTED;
}
