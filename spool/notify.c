#include "spool/notify.h"

#include <stdlib.h>

#include "platform/localsock.h"
#include "spool/layout.h"

#define HINT_LIMIT 700     /* longest name and the words around it */
#define HINTS_A_WAKE_UP 50 /* so that a flood of hints leaves time for other work */

struct zm_notify_t {
    apr_pool_t *pool;
    apr_socket_t *socket;
    zm_watch_t *watch;
    zm_notify_fn *fn;
    void *baton;
    bool closed, receiving;
};

void zm_notify_send(const char *socket_path, const char *directory, const char *prefixed_leaf)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_buf_add_c(&text, "NEW ");
    if (directory != NULL) {
        zm_buf_add_c(&text, directory);
        zm_buf_add_byte(&text, ' ');
    }
    zm_buf_add_c(&text, prefixed_leaf);
    if (text.length <= HINT_LIMIT)
        (void)zm_localsock_datagram_send(socket_path, text.data, text.length);
    zm_buf_free(&text);
}

/* "X/Y/4711" as it would stand in some directory of the spool. */
static bool is_object(zm_str_t prefixed_leaf)
{
    zm_buf_t name = ZM_BUF_INIT;
    zm_name_t parts;
    bool good;
    zm_buf_add_c(&name, "d/");
    zm_buf_add_str(&name, prefixed_leaf);
    good = zm_layout_parse(&parts, zm_buf_str(&name)) == APR_SUCCESS && parts.numeric &&
           parts.leaf.data[0] != '0';
    zm_buf_free(&name);
    return good;
}

/* Anybody may send to the socket: what has not the known shape is dropped. */
static void take_hint(zm_notify_t *notify, zm_str_t text)
{
    zm_str_t first, second, extra;
    if (!zm_str_word(&text, &first) || !zm_str_equal_c(first, "NEW") || !zm_str_word(&text, &first))
        return;
    if (!zm_str_word(&text, &second)) {
        if (is_object(first))
            notify->fn(ZM_S(""), first, notify->baton);
    } else if (!zm_str_word(&text, &extra) && zm_layout_directory_valid(first) &&
               is_object(second)) {
        notify->fn(first, second, notify->baton);
    }
}

static void release(zm_notify_t *notify)
{
    apr_pool_destroy(notify->pool);
    free(notify);
}

static void on_readable(zm_watch_t *watch, int events, void *baton)
{
    zm_notify_t *notify = baton;
    char text[HINT_LIMIT];
    int count;
    (void)watch;
    (void)events;
    notify->receiving = true;
    for (count = 0; count < HINTS_A_WAKE_UP && !notify->closed; count++) {
        apr_size_t length = sizeof text;
        apr_status_t status = zm_localsock_datagram_receive(notify->socket, text, &length);
        if (status == APR_SUCCESS)
            take_hint(notify, zm_str_of(text, length));
        else if (status != ZM_E_LIMIT) /* longer than any hint: dropped */
            break;
    }
    notify->receiving = false;
    if (notify->closed)
        release(notify);
}

apr_status_t zm_notify_listen(zm_notify_t **result, const char *socket_path, int mode,
                              zm_loop_t *loop, zm_notify_fn *fn, void *baton, zm_error_t *error)
{
    zm_notify_t *notify = calloc(1, sizeof *notify);
    apr_status_t status;
    if (notify == NULL)
        return zm_error_system(error, APR_ENOMEM, "cannot listen at %s", socket_path);
    status = apr_pool_create(&notify->pool, zm_loop_pool(loop));
    if (status != APR_SUCCESS) {
        free(notify);
        return zm_error_system(error, status, "cannot listen at %s", socket_path);
    }
    notify->fn = fn;
    notify->baton = baton;
    status = zm_localsock_datagram_bind(&notify->socket, socket_path, mode, notify->pool, error);
    if (status == APR_SUCCESS) {
        status = zm_watch_open(&notify->watch, loop, notify->socket, ZM_READ, on_readable, notify);
        if (status != APR_SUCCESS)
            zm_error_system(error, status, "cannot watch the socket %s", socket_path);
    }
    if (status == APR_SUCCESS)
        *result = notify;
    else
        release(notify);
    return status;
}

void zm_notify_close(zm_notify_t *notify)
{
    if (notify == NULL)
        return;
    zm_watch_close(notify->watch);
    notify->closed = true;
    if (!notify->receiving)
        release(notify);
}
