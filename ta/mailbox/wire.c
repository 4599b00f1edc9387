#include "ta/mailbox/wire.h"

#include <stdio.h>

#include "platform/status.h"

#define VALUE_LIMIT (16u * 1024 * 1024)
#define SEND_SIZE 65536

void zm_wire_init(zm_wire_t *wire, apr_socket_t *socket, apr_interval_time_t limit)
{
    *wire = (zm_wire_t){socket, ZM_BUF_INIT, ZM_BUF_INIT, 0, APR_SUCCESS};
    apr_socket_opt_set(socket, APR_SO_NONBLOCK, 0);
    apr_socket_timeout_set(socket, limit);
}

void zm_wire_free(zm_wire_t *wire)
{
    zm_buf_free(&wire->in);
    zm_buf_free(&wire->out);
}

void zm_wire_flush(zm_wire_t *wire)
{
    while (wire->out.length > 0 && wire->status == APR_SUCCESS) {
        apr_size_t length = wire->out.length;
        wire->status = apr_socket_send(wire->socket, wire->out.data, &length);
        zm_buf_consume(&wire->out, length);
    }
    zm_buf_clear(&wire->out);
}

void zm_wire_put(zm_wire_t *wire, zm_str_t value)
{
    zm_buf_printf(&wire->out, "%lu:", (unsigned long)value.length);
    zm_buf_add_str(&wire->out, value);
    if (wire->out.length >= SEND_SIZE)
        zm_wire_flush(wire);
}

void zm_wire_put_c(zm_wire_t *wire, const char *value)
{
    zm_wire_put(wire, zm_str(value));
}

void zm_wire_put_number(zm_wire_t *wire, int64_t value)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%lld", (long long)value);
    zm_wire_put(wire, zm_str_of(text, (apr_size_t)length));
}

static void receive(zm_wire_t *wire)
{
    apr_size_t length = 32768;
    zm_buf_reserve(&wire->in, length);
    wire->status = apr_socket_recv(wire->socket, wire->in.data + wire->in.length, &length);
    wire->in.length += length;
    if (length > 0)
        wire->status = APR_SUCCESS;
    else if (wire->status == APR_SUCCESS)
        wire->status = APR_EOF;
}

zm_str_t zm_wire_get(zm_wire_t *wire)
{
    zm_str_t length_text, rest, nothing = {"", 0};
    uint64_t length = 0;
    zm_buf_consume(&wire->in, wire->taken);
    wire->taken = 0;
    while (wire->status == APR_SUCCESS) {
        if (zm_str_cut(zm_buf_str(&wire->in), ':', &length_text, &rest)) {
            if (zm_str_u64(length_text, &length) != APR_SUCCESS || length > VALUE_LIMIT)
                wire->status = ZM_E_PROTOCOL;
            else if (rest.length >= length) {
                wire->taken = length_text.length + 1 + (apr_size_t)length;
                return zm_str_of(rest.data, (apr_size_t)length);
            }
        } else if (wire->in.length > 20)
            wire->status = ZM_E_PROTOCOL;
        if (wire->status == APR_SUCCESS)
            receive(wire);
    }
    return nothing;
}

char *zm_wire_get_c(zm_wire_t *wire, apr_pool_t *pool)
{
    return zm_str_c(pool, zm_wire_get(wire));
}

int64_t zm_wire_get_number(zm_wire_t *wire)
{
    int64_t value = 0;
    zm_str_t text = zm_wire_get(wire);
    if (wire->status == APR_SUCCESS && zm_str_i64(text, &value) != APR_SUCCESS)
        wire->status = ZM_E_PROTOCOL;
    return value;
}
