#include "mta/smtpserver/said.h"

#define LIMIT 8192

bool said_take(zm_buf_t *said, zm_child_t *child, said_fn *heard, void *baton)
{
    apr_status_t status;
    do {
        char piece[1024];
        apr_size_t length = sizeof piece;
        zm_str_t line, rest;
        status = apr_socket_recv(zm_child_channel(child), piece, &length);
        if (status != APR_SUCCESS)
            break;
        zm_buf_add(said, piece, length);
        while (zm_str_cut(zm_buf_str(said), '\n', &line, &rest)) {
            apr_size_t taken = line.length + 1;
            heard(line, baton);
            zm_buf_consume(said, taken);
        }
    } while (said->length < LIMIT);
    return APR_STATUS_IS_EAGAIN(status);
}
