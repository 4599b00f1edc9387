/*
 * One session on standard input and output: for sendmail -bs, for batches of SMTP
 * in a file, and under inetd.
 *
 * A connection is served as it is.  Pipes, files and terminals cannot be polled
 * everywhere, so two threads carry their bytes to and from a socket pair; on the
 * way in, lines that end in a bare LF get the CR that they would have on the wire.
 */
#include <apr_file_io.h>
#include <apr_thread_proc.h>
#include <stdio.h>

#include "mta/conf/options.h"
#include "mta/net/socket.h"
#include "mta/smtpserver/program.h"
#include "mta/smtpserver/session.h"
#include "platform/child.h"
#include "platform/control.h"
#include "platform/exec.h"
#include "platform/localsock.h"

#define PIECE 16384

typedef struct pump_t {
    apr_file_t *in, *out;
    apr_socket_t *socket;
    apr_thread_t *writer;
} pump_t;

/* -- carrying bytes ---------------------------------------------------------------------- */

static apr_status_t send_all(apr_socket_t *socket, const char *data, apr_size_t length)
{
    apr_status_t status = APR_SUCCESS;
    while (length > 0 && status == APR_SUCCESS) {
        apr_size_t sent = length;
        status = apr_socket_send(socket, data, &sent);
        data += sent;
        length -= sent;
    }
    return status;
}

static void *APR_THREAD_FUNC carry_in(apr_thread_t *thread, void *baton)
{
    pump_t *pump = baton;
    char piece[PIECE];
    zm_buf_t wire = ZM_BUF_INIT;
    apr_size_t length = sizeof piece, i;
    char last = '\0';
    (void)thread;
    while (apr_file_read(pump->in, piece, &length) == APR_SUCCESS) {
        zm_buf_clear(&wire);
        for (i = 0; i < length; i++) {
            if (piece[i] == '\n' && last != '\r')
                zm_buf_add_byte(&wire, '\r');
            zm_buf_add_byte(&wire, piece[i]);
            last = piece[i];
        }
        if (send_all(pump->socket, wire.data, wire.length) != APR_SUCCESS)
            break;
        length = sizeof piece;
    }
    zm_buf_free(&wire);
    (void)apr_socket_shutdown(pump->socket, APR_SHUTDOWN_WRITE);
    return NULL;
}

static void *APR_THREAD_FUNC carry_out(apr_thread_t *thread, void *baton)
{
    pump_t *pump = baton;
    char piece[PIECE];
    apr_size_t length = sizeof piece;
    (void)thread;
    while (apr_socket_recv(pump->socket, piece, &length) == APR_SUCCESS) {
        if (apr_file_write_full(pump->out, piece, length, NULL) != APR_SUCCESS)
            break;
        length = sizeof piece;
    }
    (void)apr_socket_shutdown(pump->socket, APR_SHUTDOWN_READWRITE);
    return NULL;
}

/* Gives the session's end of the pair. */
static apr_status_t start_pump(pump_t *pump, apr_socket_t **socket, apr_pool_t *pool,
                               apr_pool_t *session_pool)
{
    apr_socket_t *pair[2];
    apr_thread_t *reader;
    apr_status_t status = zm_localsock_pair(pair, session_pool);
    if (status != APR_SUCCESS)
        return status;
    *socket = pair[0];
    pump->socket = pair[1];
    zm_program_binary_streams();
    status = apr_socket_opt_set(pump->socket, APR_SO_NONBLOCK, 0);
    if (status == APR_SUCCESS)
        status = apr_socket_timeout_set(pump->socket, -1);
    if (status == APR_SUCCESS)
        status = apr_file_open_stdin(&pump->in, pool);
    if (status == APR_SUCCESS)
        status = apr_file_open_stdout(&pump->out, pool);
    if (status == APR_SUCCESS)
        status = apr_thread_create(&pump->writer, NULL, carry_out, pump, pool);
    if (status == APR_SUCCESS)
        status = apr_thread_create(&reader, NULL, carry_in, pump, pool);
    return status;
}

/* -- the session ---------------------------------------------------------------------------- */

typedef struct interactive_t {
    program_t *program;
    server_t server;
    config_t *config;
    tls_engine_t *tls;
    pump_t pump;
} interactive_t;

static void on_end(const zm_endpoint_t *client, void *baton)
{
    interactive_t *interactive = baton;
    (void)client;
    zm_loop_stop(interactive->server.loop);
}

static void on_control(zm_control_t event, void *baton)
{
    interactive_t *interactive = baton;
    if (event == ZM_CONTROL_STOP || event == ZM_CONTROL_SLOW_STOP)
        sessions_stop(&interactive->server);
}

static int complain(int code, const char *text)
{
    fprintf(stderr, "smtpserver: %s\n", text);
    return code;
}

static apr_status_t open_session(interactive_t *interactive, zm_error_t *error)
{
    program_t *program = interactive->program;
    session_options_t options = {.group = interactive->config->standard,
                                 .tls = program->arguments.tls,
                                 .ended = on_end,
                                 .baton = interactive};
    apr_pool_t *pool = program->pool, *session_pool;
    apr_socket_t *socket;
    apr_status_t status = apr_pool_create(&session_pool, pool);
    if (status == APR_SUCCESS)
        status = zm_child_own_channel(&socket, session_pool);
    if (status == APR_SUCCESS) {
        options.client = zm_socket_remote_end(socket);
        options.server = zm_socket_local_end(socket);
        interactive->server.local = options.client.ip.family == 0;
    } else if (program->arguments.inetd) {
        return zm_error_system(error, status, "-n: standard input is not a connection");
    } else {
        interactive->server.local = true;
        status = start_pump(&interactive->pump, &socket, pool, pool);
    }
    if (program->arguments.pretend.ip.family != 0)
        options.client = program->arguments.pretend;
    else if (interactive->server.local)
        interactive->server.strictness = 0; /* it is the network's manners that -s is about */
    interactive->server.echo = program->arguments.echo && interactive->server.local;
    if (status == APR_SUCCESS)
        status = session_open(&interactive->server, &options, socket, session_pool);
    return status == APR_SUCCESS ? status
                                 : zm_error_system(error, status, "cannot use standard input");
}

static apr_status_t start(interactive_t *interactive, zm_error_t *error)
{
    program_t *program = interactive->program;
    journal_options_t journal = {.file = program_session_log(program, program->pool),
                                 .system = program->arguments.session_syslog};
    server_t *server = &interactive->server;
    zm_loop_t *loop;
    apr_status_t status = journal_open(&server->journal, &journal, program->pool, error);
    if (status != APR_SUCCESS) { /* a user who may not write there still may send */
        journal.file = NULL;
        status = journal_open(&server->journal, &journal, program->pool, error);
    }
    server->counters = zm_counters_open(program->zenv, false, program->pool);
    if (status == APR_SUCCESS && program->arguments.inetd)
        status = tls_engine_open(&interactive->tls, interactive->config, program->pool, error);
    server->tls = interactive->tls;
    if (status == APR_SUCCESS && program->arguments.tls && !interactive->config->standard->tls.use)
        status = zm_error_set(error, ZM_E_CONFIG, "-t: the configuration has no use-tls");
    if (status == APR_SUCCESS)
        status = program_confine(program, interactive->config, error);
    if (status != APR_SUCCESS)
        return status;
    status = zm_loop_create(&loop, program->pool);
    if (status == APR_SUCCESS)
        status = zm_control_listen(loop, on_control, interactive);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot set up the event loop");
    status = program_server(program, server, interactive->config, loop, program->pool, error);
    if (status != APR_SUCCESS)
        return status;
    journal_attach(server->journal, loop);
    return open_session(interactive, error);
}

int interactive_run(program_t *program)
{
    interactive_t interactive = {.program = program};
    zm_error_t error = {0};
    apr_status_t status, ended;
    if (program_config(program, &interactive.config, program->pool) != APR_SUCCESS)
        return complain(ZM_EXIT_CONFIG, APR_ARRAY_IDX(interactive.config->errors, 0, const char *));
    if (start(&interactive, &error) != APR_SUCCESS)
        return complain(error.status == ZM_E_CONFIG ? ZM_EXIT_CONFIG : 75, error.text);
    status = zm_loop_run(interactive.server.loop);
    if (interactive.pump.writer != NULL)
        (void)apr_thread_join(&ended, interactive.pump.writer);
    program_server_end(&interactive.server);
    return status == APR_SUCCESS ? 0 : 71;
}
