/**
 * What carries the bytes of a stream: a table of functions over a non-blocking socket.
 *
 * The plain transport is built in.  TLS is another table: the stream neither knows nor cares, but
 * must be told which way the transport waits (a TLS read may have to write first) and whether it
 * holds decrypted bytes that no poll will announce.
 */
#ifndef ZM_NET_TRANSPORT_H
#define ZM_NET_TRANSPORT_H

#include <apr_network_io.h>
#include <stdbool.h>

#include "platform/loop.h"

typedef struct zm_transport_t {
    /**
     * Reads at most *length bytes into data; *length becomes how many.  APR_EAGAIN: none now;
     * APR_EOF: the peer ended in order; anything else: the connection is lost.
     */
    apr_status_t (*receive)(void *state, apr_socket_t *socket, char *data, apr_size_t *length);
    /** Writes some of *length bytes; *length becomes how many.  APR_EAGAIN: none now.  Must accept
     * a retry from a moved buffer. */
    apr_status_t (*send)(void *state, apr_socket_t *socket, const char *data, apr_size_t *length);
    /** Ends our direction in order (close_notify, then shutdown).  APR_EAGAIN: call again when
     * writable. */
    apr_status_t (*shutdown)(void *state, apr_socket_t *socket);
    /** What to poll for besides the stream's own wish: a set of ZM_READ and ZM_WRITE.  Null:
     * nothing. */
    int (*wants)(void *state);
    /** Whether receive would give bytes without the socket being readable.  Null: never. */
    bool (*pending)(void *state);
    /** Frees state; the socket is closed by the stream.  Null: nothing to free. */
    void (*destroy)(void *state);
} zm_transport_t;

/** The socket itself; its state is null. */
extern const zm_transport_t zm_transport_plain;

#endif
