#include "mta/smtpserver/doors.h"

#include <apr_strings.h>
#include <errno.h>
#include <string.h>

#include "mta/net/socket.h"
#include "platform/log.h"

#define RETRY_PAUSE apr_time_from_msec(50)

typedef struct door_t {
    zm_endpoint_t where;
    apr_pool_t *pool; /* its own: sockets come and go */
    apr_socket_t *socket;
} door_t;

void doors_init(doors_t *doors, apr_pool_t *pool)
{
    doors->pool = pool;
    doors->list = apr_array_make(pool, 8, sizeof(door_t));
}

static bool is_same(const zm_endpoint_t *a, const zm_endpoint_t *b)
{
    return a->port == b->port && a->ip.family == b->ip.family &&
           (a->ip.family == 0 || zm_ip_equal(&a->ip, &b->ip));
}

static door_t *find(const doors_t *doors, const zm_endpoint_t *where)
{
    int i;
    for (i = 0; i < doors->list->nelts; i++) {
        door_t *door = &APR_ARRAY_IDX(doors->list, i, door_t);
        if (is_same(&door->where, where))
            return door;
    }
    return NULL;
}

static void set_buffers(apr_socket_t *socket, const config_group_t *group)
{
    if (group->receive_buffer > 0)
        (void)apr_socket_opt_set(socket, APR_SO_RCVBUF, (apr_int32_t)group->receive_buffer);
    if (group->send_buffer > 0)
        (void)apr_socket_opt_set(socket, APR_SO_SNDBUF, (apr_int32_t)group->send_buffer);
}

static apr_status_t open_one(doors_t *doors, const config_bind_t *bind, apr_time_t until,
                             zm_error_t *error)
{
    door_t door = {.where = bind->where};
    apr_status_t status = apr_pool_create(&door.pool, doors->pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot listen");
    for (;;) {
        status = zm_socket_listen(&door.socket, &bind->where, (int)bind->group->backlog, door.pool,
                                  error);
        if (status != EADDRINUSE || apr_time_now() >= until)
            break;
        apr_sleep(RETRY_PAUSE);
    }
    if (status != APR_SUCCESS) {
        apr_pool_destroy(door.pool);
        return status;
    }
    set_buffers(door.socket, bind->group);
    APR_ARRAY_PUSH(doors->list, door_t) = door;
    return APR_SUCCESS;
}

apr_status_t doors_open(doors_t *doors, const config_t *config, apr_interval_time_t patience,
                        zm_error_t *error)
{
    apr_time_t until = apr_time_now() + patience;
    char reasons[sizeof error->text] = "", text[ZM_IP_TEXT];
    int i, open = 0;
    for (i = 0; i < config->binds->nelts; i++) {
        const config_bind_t *bind = &APR_ARRAY_IDX(config->binds, i, config_bind_t);
        zm_error_t reason;
        if (find(doors, &bind->where) != NULL ||
            open_one(doors, bind, until, &reason) == APR_SUCCESS) {
            open++;
            continue;
        }
        zm_log(ZM_LOG_ERROR, NULL, "cannot listen",
               ZM_F_S("address", zm_endpoint_print(&bind->where, text)),
               ZM_F_S("reason", reason.text));
        apr_snprintf(reasons + strlen(reasons), sizeof reasons - strlen(reasons), "%s%s",
                     *reasons != '\0' ? "; " : "", reason.text);
    }
    return open > 0 ? APR_SUCCESS : zm_error_set(error, ZM_E_CONFIG, "%s", reasons);
}

apr_socket_t *const *doors_of(const doors_t *doors, const config_t *config, const char **groups,
                              apr_pool_t *pool)
{
    apr_array_header_t *sockets = apr_array_make(pool, 8, sizeof(apr_socket_t *));
    const char *text = "";
    int i;
    for (i = 0; i < config->binds->nelts; i++) {
        const config_bind_t *bind = &APR_ARRAY_IDX(config->binds, i, config_bind_t);
        const door_t *door = find(doors, &bind->where);
        if (door == NULL)
            continue;
        text = apr_psprintf(pool, "%s%s%d%s", text, *text != '\0' ? "," : "", bind->group->number,
                            bind->submit ? "s"
                            : bind->tls  ? "t"
                                         : "");
        APR_ARRAY_PUSH(sockets, apr_socket_t *) = door->socket;
    }
    APR_ARRAY_PUSH(sockets, apr_socket_t *) = NULL;
    *groups = text;
    return (apr_socket_t *const *)sockets->elts;
}

static bool is_wanted(const config_t *config, const zm_endpoint_t *where)
{
    int i;
    for (i = 0; config != NULL && i < config->binds->nelts; i++)
        if (is_same(&APR_ARRAY_IDX(config->binds, i, config_bind_t).where, where))
            return true;
    return false;
}

void doors_close_others(doors_t *doors, const config_t *config)
{
    int i, kept = 0;
    for (i = 0; i < doors->list->nelts; i++) {
        door_t door = APR_ARRAY_IDX(doors->list, i, door_t);
        if (is_wanted(config, &door.where))
            APR_ARRAY_IDX(doors->list, kept++, door_t) = door;
        else
            apr_pool_destroy(door.pool);
    }
    doors->list->nelts = kept;
}

void doors_close(doors_t *doors)
{
    doors_close_others(doors, NULL);
}
