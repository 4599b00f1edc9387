/**
 * One SMTP session (RFC 5321): from the greeting to the last reply.
 *
 * A session lives on the loop and waits for nothing: answers of the policy and of
 * the spool come as calls.  Commands that arrive while it waits stay in the
 * stream and are answered in their order afterwards.  All replies to what came in
 * together leave together.
 */
#ifndef ZM_SMTPSERVER_SESSION_H
#define ZM_SMTPSERVER_SESSION_H

#include "mta/smtpserver/server.h"

typedef struct session_t session_t;

/** Called once when a session is over, with the address of its client. */
typedef void session_end_fn(const zm_endpoint_t *client, void *baton);

typedef struct session_options_t {
    const config_group_t *group;
    bool submit;                  /**< it came to a listener for submission */
    bool tls;                     /**< it begins with TLS; the group must have a context for that */
    zm_endpoint_t client, server; /**< family 0: not an internet connection */
    int64_t same, all; /**< sessions of that address and in all, this one included; for the log */
    session_end_fn *ended;
    void *baton;
} session_options_t;

/**
 * Starts a session on a connected socket in the pool.  From success on both are
 * the session's: it closes the socket and destroys the pool.
 */
apr_status_t session_open(server_t *server, const session_options_t *options, apr_socket_t *socket,
                          apr_pool_t *pool);

/** Ends the sessions that are idle between messages with 421; those amid a message go on, and
 * end after it. */
void sessions_stop(server_t *server);

/** A line in the log for each session. */
void sessions_dump(const server_t *server);

#endif
