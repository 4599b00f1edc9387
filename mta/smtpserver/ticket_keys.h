/**
 * The keys that the workers of a crew seal TLS session tickets with.  The crew makes them, changes
 * them as often as sessions may be old, and tells its workers on their channels:
 *
 *     "ticket 160 hexadecimal digits LF"
 *
 * They are never on a disk, and end with the crew: after a reload no session from before it is
 * gone on with, for keys, certificates and authorities may be others.
 */
#ifndef ZM_SMTPSERVER_TICKET_KEYS_H
#define ZM_SMTPSERVER_TICKET_KEYS_H

#include <apr_network_io.h>

#include "mta/net/tls.h"
#include "mta/smtpserver/config.h"

typedef struct ticket_keys_t ticket_keys_t;

/** Called when there is a new key: it is to be sent to all. */
typedef void ticket_keys_fn(void *baton);

/** Null: no group resumes sessions, or there are no random numbers (which is logged). */
ticket_keys_t *ticket_keys_create(const config_t *config, zm_loop_t *loop, ticket_keys_fn *changed,
                                  void *baton, apr_pool_t *pool);
/** Forgets them.  Null allowed, here and below. */
void ticket_keys_close(ticket_keys_t *keys);

/** Adds what one that knows none yet is to be told. */
void ticket_keys_add_all(const ticket_keys_t *keys, zm_buf_t *unsent);
/** Adds what one that knows all but the newest is to be told.  One that does not listen, and has
 * four to hear, is told no more. */
void ticket_keys_add_newest(const ticket_keys_t *keys, zm_buf_t *unsent);
/** Sends what the channel takes now.  True: the rest must wait until more can be written. */
bool ticket_keys_send(zm_buf_t *unsent, apr_socket_t *channel);
/** Frees what was not sent, and leaves no trace of it. */
void ticket_keys_drop(zm_buf_t *unsent);

/** Reads such a line, for a worker.  False: it is none. */
bool ticket_keys_read(zm_str_t line, zm_tls_ticket_key_t *key);

#endif
