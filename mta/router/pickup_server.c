#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/router/pickup.h"
#include "platform/borrow.h"
#include "platform/localsock.h"
#include "platform/log.h"
#include "spool/layout.h"

typedef struct server_t {
    zm_loop_t *loop;
    zm_spool_t *spool;
    apr_socket_t *listener;
    zm_watch_t *watch;
    zm_uid_t client;
    zm_uid_t files_group; /* of the queue: what routed messages are readable for */
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

/* Only input directories: what the router takes from them. */
static bool is_input(const char *name)
{
    zm_name_t parts;
    return zm_spool_name_valid(zm_str(name)) &&
           zm_layout_parse(&parts, zm_str(name)) == APR_SUCCESS && parts.numeric &&
           zm_str_starts(parts.directory, ZM_S(ZM_DIR_ROUTER));
}

/* The open message becomes readable for the group of the queue, as agents need it later. */
static apr_status_t open_message(server_t *server, zm_file_t **file, const char *name,
                                 apr_pool_t *pool)
{
    zm_file_info_t info;
    const char *path;
    apr_status_t status;
    if (!is_input(name))
        return ZM_E_UNSAFE;
    if ((status = zm_spool_native_path(&path, server->spool, name, pool)) != APR_SUCCESS ||
        (status = zm_file_open(file, NULL, path, ZM_OPEN_READ | ZM_OPEN_WRITE, 0, pool)) !=
            APR_SUCCESS)
        return status;
    status = zm_file_info(&info, *file);
    if (status == APR_SUCCESS && (info.kind != ZM_FILE_REGULAR || info.links != 1))
        status = ZM_E_UNSAFE; /* a hard link would submit another user's file in his name */
    if (status == APR_SUCCESS)
        status = zm_file_set_owner(*file, ZM_UID_NONE, server->files_group);
    if (status == APR_SUCCESS)
        status = zm_file_set_mode(*file, (0440 | info.mode) & 0660);
    if (status != APR_SUCCESS)
        zm_file_close(*file);
    return status;
}

static apr_status_t open_file(zm_file_t **file, zm_uid_t uid, const char *path, apr_pool_t *pool)
{
    zm_credentials_t who = {uid, zm_identity_nobody(NULL, pool).gid};
    zm_user_t *user;
    apr_status_t status;
    if (zm_user_by_uid(&user, uid, pool) == APR_SUCCESS)
        who.gid = user->gid;
    if ((status = zm_identity_borrow(&who)) != APR_SUCCESS)
        return status;
    status = zm_file_open(file, NULL, path, ZM_OPEN_READ, 0, pool);
    zm_identity_return();
    return status;
}

static void answer(client_t *client, apr_status_t status, int descriptor)
{
    char line[64];
    int length = status == APR_SUCCESS ? snprintf(line, sizeof line, "ok\n")
                                       : snprintf(line, sizeof line, "no %d\n", status);
    (void)zm_localsock_send_file(client->socket, line, (apr_size_t)length,
                                 status == APR_SUCCESS ? descriptor : -1);
}

static void serve_line(client_t *client, const char *line)
{
    char *path;
    long uid;
    apr_pool_t *pool;
    apr_status_t status;
    apr_pool_create(&pool, client->pool);
    if (strncmp(line, "message ", 8) == 0) {
        zm_file_t *file;
        status = open_message(client->server, &file, line + 8, pool);
        answer(client, status, status == APR_SUCCESS ? zm_file_descriptor(file) : -1);
        if (status == APR_SUCCESS)
            zm_file_close(file);
    } else if (strncmp(line, "file ", 5) == 0 &&
               (uid = strtol(line + 5, &path, 10), *path == ' ')) {
        zm_file_t *file;
        status = open_file(&file, uid, path + 1, pool);
        answer(client, status, status == APR_SUCCESS ? zm_file_descriptor(file) : -1);
        if (status == APR_SUCCESS)
            zm_file_close(file);
    } else {
        answer(client, ZM_E_PROTOCOL, -1);
    }
    apr_pool_destroy(pool);
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
        *end = '\0';
        serve_line(client, client->line);
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

apr_status_t router_pickup_serve(zm_loop_t *loop, zm_spool_t *spool, const char *socket_path,
                                 zm_uid_t client, apr_pool_t *pool, zm_error_t *error)
{
    server_t *server = apr_pcalloc(pool, sizeof *server);
    const char *queue;
    zm_file_info_t info;
    apr_status_t status;
    server->loop = loop;
    server->spool = spool;
    server->client = client;
    server->pool = pool;
    server->files_group = ZM_UID_NONE;
    if (zm_spool_native_path(&queue, spool, ZM_DIR_QUEUE "/0", pool) == APR_SUCCESS &&
        zm_path_info(&info, NULL, apr_pstrmemdup(pool, queue, strlen(queue) - 2)) == APR_SUCCESS)
        server->files_group = info.gid;
    /* anyone may connect; who it is decides (on_connect) */
    status = zm_localsock_listen(&server->listener, socket_path, 0666, pool, error);
    if (status != APR_SUCCESS)
        return status;
    return zm_watch_open(&server->watch, loop, server->listener, ZM_READ, on_connect, server);
}
