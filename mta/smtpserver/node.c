#include "mta/smtpserver/node.h"

#include <apr_strings.h>

#include "mta/net/challenge.h"
#include "mta/net/stream.h"
#include "mta/smtpserver/service.h"

#define LINE_LIMIT 1000

typedef enum stage_t { GREETING, CHALLENGE, LOGIN, ORDER } stage_t; /* what is expected */

struct node_call_t {
    zm_loop_t *loop;
    zm_dns_t *dns;
    const config_node_t *node;
    const char *command;
    apr_pool_t *pool;
    node_fn *fn;
    void *baton;
    zm_timer_t deadline;
    service_t service;
    service_call_t *connecting;
    zm_stream_t *stream;
    stage_t stage;
    bool over, admitted;
    const char *text;
};

/* -- the end ----------------------------------------------------------------------------------- */

static void let_go(node_call_t *call)
{
    zm_timer_cancel(&call->deadline);
    service_cancel(call->connecting);
    zm_stream_close(call->stream);
    call->connecting = NULL;
    call->stream = NULL;
}

/* It is told from the timer, when nothing of the call is in use. */
static void finish(node_call_t *call, bool admitted, const char *text)
{
    if (call->over)
        return;
    let_go(call);
    call->over = true;
    call->admitted = admitted;
    call->text = text;
    zm_timer_set(&call->deadline, 0);
}

static void on_deadline(zm_timer_t *timer, void *baton)
{
    node_call_t *call = baton;
    (void)timer;
    if (call->over)
        call->fn(call->admitted, zm_str(call->text), call->baton);
    else
        finish(call, false, "no answer in time");
}

/* -- the conversation -------------------------------------------------------------------------- */

static const char *rest_of(const node_call_t *call, zm_str_t line)
{
    line = line.length > 0 ? zm_str_trim(zm_str_from(line, 1)) : line;
    if (zm_str_starts(line, ZM_S("OK;")))
        line = zm_str_trim(zm_str_from(line, 3));
    return zm_str_c(call->pool, line);
}

static void on_line(node_call_t *call, zm_str_t line)
{
    bool yes = line.length > 0 && line.data[0] == '+';
    char answer[33];
    switch (call->stage) {
    case GREETING:
        if (!zm_str_starts(line, ZM_S("version zmailer 2.0")))
            finish(call, false, "it is no scheduler that can be asked");
        call->stage = CHALLENGE;
        break;
    case CHALLENGE:
        if (!zm_str_starts(line, ZM_S("220 "))) {
            finish(call, false, "it does not talk to us");
            break;
        }
        zm_challenge_answer(answer, line, zm_str(call->node->password));
        zm_stream_printf(call->stream, "AUTH %s %s\n", call->node->user, answer);
        call->stage = LOGIN;
        break;
    case LOGIN:
        if (!yes) {
            finish(call, false, "it does not admit us");
            break;
        }
        zm_stream_printf(call->stream, "%s\n", call->command);
        call->stage = ORDER;
        break;
    case ORDER:
        finish(call, yes, rest_of(call, line));
        break;
    }
}

static void on_event(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    node_call_t *call = baton;
    apr_status_t status = APR_EAGAIN;
    zm_line_t line;
    if (event == ZM_STREAM_INPUT)
        while (!call->over && (status = zm_stream_line(stream, &line)) == APR_SUCCESS)
            on_line(call, line.text);
    if (event == ZM_STREAM_ERROR || !APR_STATUS_IS_EAGAIN(status))
        finish(call, false, "the connection has ended");
}

static void talk(node_call_t *call, apr_socket_t *socket)
{
    if (zm_stream_open(&call->stream, call->loop, socket, on_event, call) != APR_SUCCESS) {
        call->stream = NULL;
        (void)apr_socket_close(socket);
        finish(call, false, "out of memory");
        return;
    }
    zm_stream_line_limit(call->stream, LINE_LIMIT);
    call->stage = GREETING;
}

/* -- reaching it ------------------------------------------------------------------------------- */

static void on_connected(apr_socket_t *socket, void *baton)
{
    node_call_t *call = baton;
    call->connecting = NULL;
    if (socket != NULL)
        talk(call, socket);
    else
        finish(call, false, "it cannot be reached");
}

void node_call(node_call_t **call, zm_loop_t *loop, zm_dns_t *dns, const config_node_t *node,
               const char *command, node_fn *fn, void *baton, apr_pool_t *pool)
{
    node_call_t *made = apr_pcalloc(pool, sizeof *made);
    made->loop = loop;
    made->dns = dns;
    made->node = node;
    made->command = command;
    made->pool = pool;
    made->fn = fn;
    made->baton = baton;
    made->service =
        (service_t){.path = node->path, .host = node->host, .ip = node->ip, .port = node->port};
    zm_timer_init(&made->deadline, loop, on_deadline, made);
    zm_timer_set(&made->deadline, NODE_PATIENCE);
    *call = made;
    service_call(&made->connecting, loop, dns, &made->service, on_connected, made, pool);
}

void node_hang_up(node_call_t *call)
{
    if (call != NULL)
        let_go(call);
}
