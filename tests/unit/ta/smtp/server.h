/**
 * A scripted SMTP server on a loop, for tests of clients.
 *
 * Each command takes its reply from a list of its own, in order; when the list
 * is empty, the usual reply.  A reply may have several lines.  "CLOSE" as a
 * reply closes the connection, "CLOSE " and text says that before; "SILENT" says
 * nothing.
 */
#ifndef ZM_TESTS_UNIT_TA_SMTP_SERVER_H
#define ZM_TESTS_UNIT_TA_SMTP_SERVER_H

#include "mta/net/tls.h"

#define ZM_SERVER_REPLIES 16

typedef struct zm_server_replies_t {
    const char *list[ZM_SERVER_REPLIES];
    int used;
} zm_server_replies_t;

typedef struct zm_server_t {
    /* The script, filled in by the test. */
    zm_server_replies_t greeting, ehlo, helo, mail, rcpt, data, dot, rset, starttls, bdat, auth;
    const char *keywords; /**< lines after the first of the reply to EHLO: "250-X\r\n"...; null:
                             PIPELINING, 8BITMIME, SIZE, ENHANCEDSTATUSCODES, DSN */
    const char *secure_keywords; /**< the same under TLS; null: the same */
    zm_tls_t *tls;               /**< what STARTTLS begins; null: nothing, whatever was replied */
    int lmtp;                    /**< replies after the dot are one for each accepted recipient */

    bool no_bdat;                /**< BDAT is unknown, and what follows it are commands */
    void (*hook)(zm_str_t line); /**< called with every line before it is answered; null: none */

    /* What came. */
    zm_buf_t talk;   /**< every command line, CR LF as "\n", after " (tls)" under TLS; sessions
                        begin with "[n]\n" */
    zm_buf_t letter; /**< the last letter, as it was on the wire, without the final dot */
    int sessions, letters;
    int open;   /**< connections that are open now */
    int bursts; /**< times that input arrived */

    /* private */
    zm_loop_t *loop;
    apr_pool_t *pool;
    apr_socket_t *socket;
    struct zm_listener_t *listener;
    uint16_t port;
} zm_server_t;

/** Starts to listen on a free port of the loopback interface. */
void zm_server_start(zm_server_t *server, zm_loop_t *loop, apr_pool_t *pool);
/** Listens no more: who connects is refused. */
void zm_server_stop(zm_server_t *server);
/** Stops it and frees what it heard; done at the end of the test too. */
void zm_server_end(zm_server_t *server);
/** "[127.0.0.1]:4711" */
const char *zm_server_host(const zm_server_t *server);

#endif
