/**
 * The private encoding between mailbox and its workers: every value is
 * "LENGTH:BYTES", numbers in decimal text.
 *
 * Both ends are the same program; the encoding is strict all the same, since a
 * worker runs as a user who may tamper with it.
 */
#ifndef ZM_TA_MAILBOX_WIRE_H
#define ZM_TA_MAILBOX_WIRE_H

#include <apr_network_io.h>

#include "platform/str.h"

typedef struct zm_wire_t {
    apr_socket_t *socket; /**< blocking, with a time limit */
    zm_buf_t in, out;
    apr_size_t taken;    /**< bytes of in that the last value took */
    apr_status_t status; /**< the first failure; after it nothing more is sent or read */
} zm_wire_t;

void zm_wire_init(zm_wire_t *wire, apr_socket_t *socket, apr_interval_time_t limit);
void zm_wire_free(zm_wire_t *wire); /**< the socket stays open */

void zm_wire_put(zm_wire_t *wire, zm_str_t value);
void zm_wire_put_c(zm_wire_t *wire, const char *value); /**< null is sent as the empty string */
void zm_wire_put_number(zm_wire_t *wire, int64_t value);
void zm_wire_flush(zm_wire_t *wire);

/** The next value, valid until the next call; at most 16 MiB.  Empty after a failure. */
zm_str_t zm_wire_get(zm_wire_t *wire);
char *zm_wire_get_c(zm_wire_t *wire, apr_pool_t *pool);
int64_t zm_wire_get_number(zm_wire_t *wire);

#endif
