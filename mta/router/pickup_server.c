#include <stdio.h>
#include <string.h>

#include "mta/router/pickup.h"
#include "platform/localsock.h"
#include "platform/log.h"

typedef struct server_t {
    zm_loop_t *loop;
    zm_spool_t *spool;
    const zm_zenv_t *zenv;
    apr_socket_t *listener;
    zm_watch_t *watch;
    zm_uid_t client;
    apr_pool_t *pool;
} server_t;

typedef struct client_t {
    server_t *server;
    apr_socket_t *socket;
    zm_watch_t *watch;
    apr_pool_t *pool;
    apr_size_t length;
    char line[ROUTER_PICKUP_LINE];
} client_t;

static bool below(const char *path, const char *directory)
{
    apr_size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && path[length] == '/';
}

/* Root's own rights are for the site's files only. */
static apr_status_t open_file(const server_t *server, zm_file_t **file, router_folder_t *folder,
                              zm_uid_t uid, const char *path, apr_pool_t *pool)
{
    if (!router_is_plain_path(zm_str(path)))
        return ZM_E_UNSAFE;
    if (uid == 0 && !below(path, zm_zenv_mailvar(server->zenv)) &&
        !below(path, zm_zenv_mailshare(server->zenv)))
        return ZM_E_UNSAFE;
    return router_opening_file(file, folder, uid, path, pool);
}

static apr_status_t answer(client_t *client, apr_status_t status, const router_folder_t *folder,
                           zm_file_t *file)
{
    char line[64];
    apr_status_t sent;
    int length, descriptor = -1;
    if (status == APR_SUCCESS) {
        length = snprintf(line, sizeof line, "ok %u %" APR_INT64_T_FMT "\n", folder->mode,
                          (apr_int64_t)folder->uid);
        descriptor = zm_file_descriptor(file);
    } else {
        length = snprintf(line, sizeof line, "no %d\n", status);
    }
    sent = zm_localsock_send_file(client->socket, line, (apr_size_t)length, descriptor);
    if (status == APR_SUCCESS)
        zm_file_close(file);
    return sent;
}

/* "UID REST" */
static bool read_uid(zm_str_t text, zm_uid_t *uid, const char **rest, apr_pool_t *pool)
{
    zm_str_t number, tail;
    if (!zm_str_cut(text, ' ', &number, &tail) || zm_str_i64(number, uid) != APR_SUCCESS)
        return false;
    *rest = zm_str_c(pool, tail);
    return strlen(*rest) == tail.length; /* no NUL in it */
}

/* Fails when the answer cannot be sent. */
static apr_status_t serve_line(client_t *client, zm_str_t line)
{
    const server_t *server = client->server;
    router_folder_t folder = {0};
    zm_file_t *file = NULL;
    zm_str_t what, rest;
    const char *name;
    zm_uid_t uid;
    apr_pool_t *pool;
    apr_status_t status = ZM_E_PROTOCOL;
    apr_pool_create(&pool, client->pool);
    (void)zm_str_cut(line, ' ', &what, &rest);
    if (zm_str_equal_c(what, "message"))
        status = router_opening_message(&file, server->spool, zm_str_c(pool, rest), pool);
    else if (zm_str_equal_c(what, "file") && read_uid(rest, &uid, &name, pool))
        status = open_file(server, &file, &folder, uid, name, pool);
    else if (zm_str_equal_c(what, "trace") && read_uid(rest, &uid, &name, pool))
        status = router_opening_trace(&file, server->spool, uid, name, pool);
    status = answer(client, status, &folder, file);
    apr_pool_destroy(pool);
    return status;
}

static void client_close(client_t *client)
{
    zm_watch_close(client->watch);
    apr_socket_close(client->socket);
    apr_pool_destroy(client->pool);
}

static void on_client(zm_watch_t *watch, int events, void *baton)
{
    client_t *client = baton;
    apr_size_t length = sizeof client->line - 1 - client->length;
    apr_status_t status;
    char *end;
    (void)watch;
    (void)events;
    status = length > 0 ? apr_socket_recv(client->socket, client->line + client->length, &length)
                        : ZM_E_LIMIT;
    if (APR_STATUS_IS_EAGAIN(status))
        return;
    if (status != APR_SUCCESS || length == 0) {
        client_close(client);
        return;
    }
    client->length += length;
    while ((end = memchr(client->line, '\n', client->length)) != NULL) {
        apr_size_t used = (apr_size_t)(end - client->line) + 1;
        if (serve_line(client, zm_str_of(client->line, used - 1)) != APR_SUCCESS) {
            client_close(client);
            return;
        }
        memmove(client->line, client->line + used, client->length - used);
        client->length -= used;
    }
}

static void on_connect(zm_watch_t *watch, int events, void *baton)
{
    server_t *server = baton;
    zm_credentials_t who;
    apr_int64_t pid;
    apr_pool_t *pool;
    client_t *client;
    (void)watch;
    (void)events;
    apr_pool_create(&pool, server->pool);
    client = apr_pcalloc(pool, sizeof *client);
    client->pool = pool;
    client->server = server;
    if (zm_localsock_accept(&client->socket, server->listener, pool) != APR_SUCCESS) {
        apr_pool_destroy(pool);
        return;
    }
    if (zm_identity_peer(&who, &pid, client->socket) != APR_SUCCESS ||
        (who.uid != server->client && who.uid != 0)) {
        zm_log(ZM_LOG_WARNING, NULL, "pickup refuses a client", ZM_F_I("uid", who.uid));
        client_close(client);
        return;
    }
    (void)apr_socket_timeout_set(client->socket, 0);
    if (zm_watch_open(&client->watch, server->loop, client->socket, ZM_READ, on_client, client) !=
        APR_SUCCESS)
        client_close(client);
}

apr_status_t router_pickup_serve(zm_loop_t *loop, zm_spool_t *spool, const zm_zenv_t *zenv,
                                 const char *socket_path, zm_uid_t client, apr_pool_t *pool,
                                 zm_error_t *error)
{
    server_t *server = apr_pcalloc(pool, sizeof *server);
    apr_status_t status;
    server->loop = loop;
    server->spool = spool;
    server->client = client;
    server->pool = pool;
    server->zenv = zenv;
    /* anyone may connect; who it is decides (on_connect) */
    status = zm_localsock_listen(&server->listener, socket_path, 0666, pool, error);
    if (status != APR_SUCCESS)
        return status;
    return zm_watch_open(&server->watch, loop, server->listener, ZM_READ, on_connect, server);
}
