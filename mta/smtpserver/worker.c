/*
 * A worker process: takes connections from the sockets that the master bound, and
 * serves them all on one loop.
 *
 * It tells the master through its standard input and output, a socket:
 *
 *     "ready LF"        it accepts connections
 *     "closed LF"       it accepts no more
 *     "fail TEXT LF"    why it ends at once
 *
 * It hears there the keys of TLS tickets (ticket_keys.h), and
 *
 *     "begin LF"        it has heard the keys that there are: it may take connections
 *
 * When the master is gone (end of file there) or says stop, it accepts no more,
 * finishes its sessions, and ends.
 */
#include <apr_strings.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/net/socket.h"
#include "mta/smtpserver/program.h"
#include "mta/smtpserver/session.h"
#include "mta/smtpserver/tally.h"
#include "mta/smtpserver/ticket_keys.h"
#include "mta/smtpserver/worker.h"
#include "platform/child.h"
#include "platform/clock.h"
#include "platform/control.h"
#include "platform/log.h"

typedef struct worker_t worker_t;

typedef struct door_t { /* one of the sockets to listen at */
    worker_t *worker;
    const config_group_t *group;
    bool submit, tls;
    apr_socket_t *socket;
    zm_listener_t *listener;
} door_t;

struct worker_t {
    program_t *program;
    config_t *config;
    server_t server;
    tally_t *tally;
    apr_socket_t *channel;
    zm_watch_t *watch;
    zm_buf_t heard; /* from the master, up to the end of a line */
    tls_engine_t *tls;
    apr_array_header_t *doors; /* of door_t */
    bool begun, stopping, failed;
    uint64_t turned_away;
};

static void tell_master(const worker_t *worker, const char *text)
{
    apr_size_t length = strlen(text);
    (void)apr_socket_send(worker->channel, text, &length); /* it sees our end in any case */
}

/* -- connections ---------------------------------------------------------------------------- */

static void end_if_done(worker_t *worker)
{
    if (worker->stopping && worker->server.open == 0)
        zm_loop_stop(worker->server.loop);
}

static void note_sessions(const worker_t *worker)
{
    tally_tell(worker->tally, worker->server.counters);
}

static tally_class_t class_of(const door_t *door)
{
    return door->submit ? TALLY_SUBMIT : door->tls ? TALLY_SMTPS : TALLY_SMTP;
}

static void on_session_end(const zm_endpoint_t *client, void *baton)
{
    const door_t *door = baton;
    worker_t *worker = door->worker;
    tally_leave(worker->tally, class_of(door), &client->ip);
    note_sessions(worker);
    end_if_done(worker);
}

static void turn_away(worker_t *worker, apr_socket_t *socket, const zm_endpoint_t *client,
                      const char *what, int64_t count, int64_t limit)
{
    char text[512], address[ZM_IP_TEXT];
    apr_size_t length;
    worker->turned_away++;
    zm_log(ZM_LOG_WARNING, NULL, "connection refused",
           ZM_F_S("client", zm_ip_print_literal(&client->ip, address)), ZM_F_S("reason", what),
           ZM_F_I("sessions", count), ZM_F_I("limit", limit));
    length = (apr_size_t)apr_snprintf(text, sizeof text,
                                      "421 4.7.0 %s: too many %s; try again later\r\n",
                                      worker->server.hostname, what);
    (void)apr_socket_send(socket, text, &length);
}

/* Whether there is room for one more; it has been counted already. */
static bool has_room(worker_t *worker, apr_socket_t *socket, const zm_endpoint_t *client,
                     int64_t same, int64_t all)
{
    const config_t *config = worker->config;
    if (same > 1 && same > config->same_address)
        zm_counter_add(worker->server.counters, ZM_COUNT_SS_MaxSameIpSourceCloses, 1);
    else if (all > config->sessions)
        zm_counter_add(worker->server.counters, ZM_COUNT_SS_MaxParallelConnectionCloses, 1);
    if (same > 4 * config->same_address || all > config->sessions + 100) {
        worker->turned_away++; /* not worth an answer */
        return false;
    }
    if (all > config->sessions) {
        turn_away(worker, socket, client, "connections", all, config->sessions);
        return false;
    }
    if (same > config->same_address && same > 1) {
        turn_away(worker, socket, client, "connections from your address", same,
                  config->same_address);
        return false;
    }
    return true;
}

static void on_connection(apr_socket_t *socket, apr_pool_t *pool, void *baton)
{
    door_t *door = baton;
    worker_t *worker = door->worker;
    session_options_t options = {.group = door->group,
                                 .submit = door->submit,
                                 .tls = door->tls,
                                 .client = zm_socket_remote_end(socket),
                                 .server = zm_socket_local_end(socket),
                                 .ended = on_session_end,
                                 .baton = door};
    int64_t same, all;
    if (options.client.ip.family == 0) { /* it has gone already */
        apr_pool_destroy(pool);
        return;
    }
    tally_enter(worker->tally, class_of(door), &options.client.ip, &same, &all);
    zm_counter_add(worker->server.counters,
                   door->submit ? ZM_COUNT_SS_SUBMITconnects
                   : door->tls  ? ZM_COUNT_SS_SMTPSconnects
                                : ZM_COUNT_SS_SMTPconnects,
                   1);
    note_sessions(worker);
    options.same = same;
    options.all = all;
    if (!has_room(worker, socket, &options.client, same, all) ||
        session_open(&worker->server, &options, socket, pool) != APR_SUCCESS) {
        tally_leave(worker->tally, class_of(door), &options.client.ip);
        note_sessions(worker);
        apr_pool_destroy(pool);
    }
}

static apr_status_t open_doors(worker_t *worker, zm_error_t *error)
{
    apr_status_t status = APR_SUCCESS;
    int i;
    for (i = 0; i < worker->doors->nelts && status == APR_SUCCESS; i++) {
        door_t *door = &APR_ARRAY_IDX(worker->doors, i, door_t);
        status = zm_listener_open(&door->listener, worker->server.loop, door->socket, on_connection,
                                  door);
    }
    return status == APR_SUCCESS ? status : zm_error_system(error, status, "cannot listen");
}

/* -- control ---------------------------------------------------------------------------------- */

static void close_doors(worker_t *worker)
{
    int i;
    if (worker->stopping)
        return;
    worker->stopping = true;
    for (i = 0; i < worker->doors->nelts; i++) {
        door_t *door = &APR_ARRAY_IDX(worker->doors, i, door_t);
        zm_listener_close(door->listener);
        (void)apr_socket_close(door->socket);
    }
    tell_master(worker, "closed\n");
    end_if_done(worker);
}

static void dump(const worker_t *worker)
{
    zm_log(ZM_LOG_NOTICE, NULL, "sessions", ZM_F_I("open", worker->server.open),
           ZM_F_I("begun", worker->server.number), ZM_F_I("accepted", worker->server.accepted),
           ZM_F_I("refused_recipients", worker->server.refused_recipients),
           ZM_F_I("turned_away", worker->turned_away));
    sessions_dump(&worker->server);
}

static void on_control(zm_control_t event, void *baton)
{
    worker_t *worker = baton;
    switch (event) {
    case ZM_CONTROL_STOP:
        close_doors(worker);
        break;
    case ZM_CONTROL_SLOW_STOP:
        close_doors(worker);
        sessions_stop(&worker->server);
        break;
    case ZM_CONTROL_DUMP:
        dump(worker);
        break;
    default: /* reload and reopen: the master replaces us */
        break;
    }
}

static void begin(worker_t *worker)
{
    zm_error_t error = {0};
    if (worker->begun || worker->stopping)
        return;
    worker->begun = true;
    if (open_doors(worker, &error) == APR_SUCCESS) {
        tell_master(worker, "ready\n");
        return;
    }
    tell_master(worker, apr_pstrcat(worker->program->pool, "fail ", error.text, "\n", NULL));
    worker->failed = true;
    zm_loop_stop(worker->server.loop);
}

/* What the master says: keys, and when to begin. */
static void hear(worker_t *worker, zm_str_t bytes)
{
    zm_str_t line, rest;
    zm_tls_ticket_key_t key;
    zm_buf_add_str(&worker->heard, bytes);
    while (zm_str_cut(zm_buf_str(&worker->heard), '\n', &line, &rest)) {
        apr_size_t taken = line.length + 1;
        if (ticket_keys_read(line, &key))
            tls_engine_ticket_key(worker->tls, &key);
        else if (zm_str_equal(line, ZM_S("begin")))
            begin(worker);
        zm_tls_forget(worker->heard.data, taken);
        zm_buf_consume(&worker->heard, taken);
    }
    zm_tls_forget(&key, sizeof key);
}

static void on_channel(zm_watch_t *watch, int events, void *baton)
{
    worker_t *worker = baton;
    char bytes[1024];
    apr_size_t length = sizeof bytes;
    apr_status_t status = apr_socket_recv(worker->channel, bytes, &length);
    (void)events;
    if (status == APR_SUCCESS)
        hear(worker, zm_str_of(bytes, length));
    zm_tls_forget(bytes, sizeof bytes);
    if (status == APR_SUCCESS || APR_STATUS_IS_EAGAIN(status))
        return;
    zm_log(ZM_LOG_WARNING, NULL, "the master is gone; finishing the sessions",
           ZM_F_I("open", worker->server.open));
    zm_watch_close(watch);
    worker->watch = NULL;
    close_doors(worker);
}

/* -- starting --------------------------------------------------------------------------------- */

/* The sockets that were handed over, and the groups they belong to: "SLOT:0,0,1"; "1s": for
 * submission, "1t": for TLS. */
static apr_status_t adopt_doors(worker_t *worker, zm_error_t *error)
{
    apr_pool_t *pool = worker->program->pool;
    zm_str_t rest = zm_str(worker->program->arguments.worker), word;
    uint64_t number;
    bool more;
    int index = 0;
    worker->doors = apr_array_make(pool, 8, sizeof(door_t));
    (void)zm_str_cut(rest, ':', &word, &rest);
    if (zm_str_u64(word, &number) != APR_SUCCESS || number >= TALLY_SLOTS)
        return zm_error_set(error, ZM_E_SYNTAX, "--worker is for the master's use only");
    worker->server.slot = (unsigned)number;
    do {
        door_t *door = apr_array_push(worker->doors);
        apr_status_t status;
        more = zm_str_cut(rest, ',', &word, &rest);
        door->submit = word.length > 0 && word.data[word.length - 1] == 's';
        door->tls = word.length > 0 && word.data[word.length - 1] == 't';
        word.length -= door->submit || door->tls;
        if (zm_str_u64(word, &number) != APR_SUCCESS ||
            number >= (uint64_t)worker->config->groups->nelts)
            return zm_error_set(error, ZM_E_CONFIG, "the configuration has changed meanwhile");
        door->worker = worker;
        door->group = APR_ARRAY_IDX(worker->config->groups, (int)number, config_group_t *);
        status = zm_child_own_passed(&door->socket, index++, pool);
        if (status == APR_SUCCESS)
            status = zm_socket_prepare(door->socket);
        if (status != APR_SUCCESS)
            return zm_error_system(error, status, "a socket to listen at was not handed over");
    } while (more);
    return APR_SUCCESS;
}

/* Everything that needs root, in the order in which it is given up. */
static apr_status_t prepare(worker_t *worker, zm_error_t *error)
{
    program_t *program = worker->program;
    journal_options_t journal = {.file = program_session_log(program, program->pool),
                                 .system = program->arguments.session_syslog};
    apr_status_t status;
    if (program_config(program, &worker->config, program->pool) != APR_SUCCESS)
        return zm_error_set(error, ZM_E_CONFIG, "%s",
                            APR_ARRAY_IDX(worker->config->errors, 0, const char *));
    status = adopt_doors(worker, error);
    if (status == APR_SUCCESS)
        status = tls_engine_open(&worker->tls, worker->config, program->pool, error);
    worker->server.tls = worker->tls;
    if (status == APR_SUCCESS)
        status = journal_open(&worker->server.journal, &journal, program->pool, error);
    if (status == APR_SUCCESS)
        status = tally_attach(&worker->tally, worker_tally_path(program), worker->server.slot,
                              program->pool, error);
    if (status == APR_SUCCESS) {
        worker->server.rates = tally_rates(worker->tally);
        worker->server.failures = tally_failures(worker->tally);
    }
    worker->server.counters = zm_counters_open(program->zenv, true, program->pool);
    return status == APR_SUCCESS ? program_confine(program, worker->config, error) : status;
}

static apr_status_t start(worker_t *worker, zm_error_t *error)
{
    program_t *program = worker->program;
    zm_loop_t *loop;
    apr_status_t status = prepare(worker, error);
    if (status != APR_SUCCESS)
        return status;
    status = zm_loop_create(&loop, program->pool);
    if (status == APR_SUCCESS)
        status = zm_control_listen(loop, on_control, worker);
    if (status == APR_SUCCESS)
        status = zm_watch_open(&worker->watch, loop, worker->channel, ZM_READ, on_channel, worker);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot set up the event loop");
    status = program_server(program, &worker->server, worker->config, loop, program->pool, error);
    if (status != APR_SUCCESS)
        return status;
    journal_attach(worker->server.journal, loop);
    return APR_SUCCESS;
}

const char *worker_tally_path(const program_t *program)
{
    const char *pid_file = program->arguments.pid_file;
    return apr_pstrcat(program->pool, zm_zenv_postoffice(program->zenv), "/",
                       pid_file != NULL ? pid_file : ".pid.smtpserver", ".sessions", NULL);
}

static void note_in_journal(const worker_t *worker, const char *what)
{
    char text[128], date[64];
    zm_clock_rfc5322(date, sizeof date, zm_clock_wall(), 0);
    apr_snprintf(text, sizeof text, "000-%s server pid %" APR_INT64_T_FMT " at %s", what,
                 zm_process_own(), date);
    journal_line(worker->server.journal, NULL, 0, '#', zm_str(text));
}

int worker_run(program_t *program)
{
    worker_t worker = {.program = program};
    zm_error_t error = {0};
    apr_status_t status = zm_child_own_channel(&worker.channel, program->pool);
    if (status != APR_SUCCESS)
        return 1;
    if (start(&worker, &error) != APR_SUCCESS) {
        tell_master(&worker, apr_pstrcat(program->pool, "fail ", error.text, "\n", NULL));
        return error.status == ZM_E_CONFIG ? ZM_EXIT_CONFIG : 71;
    }
    note_in_journal(&worker, "started");
    status = zm_loop_run(worker.server.loop);
    note_in_journal(&worker, "ended");
    program_server_end(&worker.server);
    return status == APR_SUCCESS && !worker.failed ? 0 : 71;
}
