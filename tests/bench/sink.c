/*
 * zm-sink: an SMTP server that takes messages, counts them and forgets them.
 *
 * Besides SMTP it knows XCOUNT, which tells the counts in one reply line, as JSON, so that a
 * runner can follow what has arrived.
 */
#include <apr_general.h>
#include <stdio.h>
#include <stdlib.h>

#include "mta/conf/options.h"
#include "mta/net/dot.h"
#include "mta/net/socket.h"
#include "mta/net/stream.h"
#include "platform/control.h"
#include "tests/bench/sink_rules.h"

#define IDLE_LIMIT apr_time_from_sec(600)

typedef struct sink_t {
    zm_loop_t *loop;
    zm_timer_t lifetime;
    int64_t delay; /* milliseconds before the reply to the final dot */
    int64_t seconds;
    bool json, no_pipelining;
    sink_rules_t rules;
    zm_buf_t text; /* what came, decoded, and not looked at */
    int64_t connections, messages, recipients, refused;
    uint64_t bytes;
} sink_t;

typedef struct session_t {
    sink_t *sink;
    apr_pool_t *pool; /* the session is in it */
    zm_stream_t *stream;
    zm_timer_t delay;
    zm_dot_decoder_t decoder;
    bool in_data;
    int64_t recipients;
} session_t;

/* -- telling ------------------------------------------------------------------ */

static const char *counts(const sink_t *sink, char *buffer, apr_size_t size)
{
    snprintf(buffer, size,
             "{\"connections\": %lld, \"messages\": %lld, \"recipients\": %lld, \"refused\": %lld, "
             "\"bytes\": %llu}",
             (long long)sink->connections, (long long)sink->messages, (long long)sink->recipients,
             (long long)sink->refused, (unsigned long long)sink->bytes);
    return buffer;
}

static void tell(const sink_t *sink)
{
    char text[300];
    if (sink->json)
        printf("%s\n", counts(sink, text, sizeof text));
    else
        printf("%lld messages for %lld recipients on %lld connections, %lld recipients refused, "
               "%llu bytes\n",
               (long long)sink->messages, (long long)sink->recipients, (long long)sink->connections,
               (long long)sink->refused, (unsigned long long)sink->bytes);
    fflush(stdout);
}

/* -- sessions ----------------------------------------------------------------- */

static void accepted(session_t *session)
{
    session->sink->messages++;
    session->sink->recipients += session->recipients;
    session->recipients = 0;
    zm_stream_write_c(session->stream, "250 2.0.0 taken\r\n");
}

static void on_delay(zm_timer_t *timer, void *baton)
{
    session_t *session = baton;
    (void)timer;
    accepted(session);
    zm_stream_resume(session->stream);
}

/* False: more is to come. */
static bool take_data(session_t *session)
{
    sink_t *sink = session->sink;
    zm_str_t input = zm_stream_peek(session->stream);
    apr_size_t used = zm_dot_decode(&session->decoder, input, &sink->text);
    zm_stream_take(session->stream, used);
    sink->bytes += used;
    zm_buf_clear(&sink->text);
    if (!session->decoder.ended)
        return false;
    session->in_data = false;
    if (sink->delay == 0) {
        accepted(session);
        return true;
    }
    zm_stream_pause(session->stream);
    zm_timer_set(&session->delay, apr_time_from_msec(sink->delay));
    return false;
}

static void recipient(session_t *session, zm_str_t argument)
{
    zm_str_t head, address, rest;
    const char *refusal;
    zm_stream_t *stream = session->stream;
    if (!zm_str_cut(argument, '<', &head, &rest) || !zm_str_cut(rest, '>', &address, &rest)) {
        zm_stream_write_c(stream, "501 5.5.4 an address in <> is expected\r\n");
        return;
    }
    refusal = sink_rules_judge(&session->sink->rules, address);
    if (refusal != NULL)
        session->sink->refused++;
    else
        session->recipients++;
    zm_stream_write_c(stream, refusal != NULL ? refusal : "250 2.1.5 ok\r\n");
}

static void begin_data(session_t *session)
{
    if (session->recipients == 0) {
        zm_stream_write_c(session->stream, "554 5.5.1 no recipients\r\n");
        return;
    }
    zm_dot_decoder_init(&session->decoder, ZM_BARE_LF_LINE);
    session->in_data = true;
    zm_stream_write_c(session->stream, "354 go on\r\n");
}

static void command(session_t *session, zm_str_t line)
{
    zm_stream_t *stream = session->stream;
    char text[300];
    zm_str_t verb = line;
    if (zm_str_find(line, ' ') >= 0)
        verb.length = (apr_size_t)zm_str_find(line, ' ');
    if (zm_str_equal_nocase(verb, ZM_S("RCPT"))) {
        recipient(session, line);
    } else if (zm_str_equal_nocase(verb, ZM_S("DATA"))) {
        begin_data(session);
    } else if (zm_str_equal_nocase(verb, ZM_S("EHLO"))) {
        zm_stream_write_c(stream, session->sink->no_pipelining
                                      ? "250-sink.test\r\n250-8BITMIME\r\n250 SIZE\r\n"
                                      : "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
                                        "250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250 SIZE\r\n");
    } else if (zm_str_equal_nocase(verb, ZM_S("QUIT"))) {
        zm_stream_write_c(stream, "221 2.0.0 bye\r\n");
        zm_stream_finish(stream, 0);
    } else if (zm_str_equal_nocase(verb, ZM_S("XCOUNT"))) {
        zm_stream_printf(stream, "250 %s\r\n", counts(session->sink, text, sizeof text));
    } else if (zm_str_equal_nocase(verb, ZM_S("MAIL")) || zm_str_equal_nocase(verb, ZM_S("RSET"))) {
        session->recipients = 0;
        zm_stream_write_c(stream, "250 2.0.0 ok\r\n");
    } else if (zm_str_equal_nocase(verb, ZM_S("HELO")) || zm_str_equal_nocase(verb, ZM_S("NOOP"))) {
        zm_stream_write_c(stream, "250 2.0.0 ok\r\n");
    } else {
        zm_stream_write_c(stream, "500 5.5.2 unknown command\r\n");
    }
}

static void end(session_t *session)
{
    zm_timer_cancel(&session->delay);
    zm_stream_close(session->stream);
    apr_pool_destroy(session->pool);
}

static void on_input(session_t *session)
{
    zm_line_t line;
    apr_status_t status = APR_SUCCESS;
    while (status == APR_SUCCESS && (!session->in_data || take_data(session))) {
        status = zm_stream_line(session->stream, &line);
        if (status == APR_SUCCESS)
            command(session, line.text);
    }
    if ((status != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(status)) ||
        (session->in_data && zm_stream_at_eof(session->stream)))
        zm_stream_finish(session->stream, 0);
}

static void on_event(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    (void)stream;
    if (event == ZM_STREAM_INPUT)
        on_input(baton);
    else if (event != ZM_STREAM_DRAINED)
        end(baton);
}

static void on_connection(apr_socket_t *socket, apr_pool_t *pool, void *baton)
{
    session_t *session = apr_pcalloc(pool, sizeof *session);
    session->sink = baton;
    session->pool = pool;
    if (zm_stream_open(&session->stream, session->sink->loop, socket, on_event, session) !=
        APR_SUCCESS) {
        apr_pool_destroy(pool);
        return;
    }
    session->sink->connections++;
    zm_timer_init(&session->delay, session->sink->loop, on_delay, session);
    zm_stream_idle_limit(session->stream, IDLE_LIMIT);
    zm_stream_write_c(session->stream, "220 sink.test ESMTP\r\n");
    zm_stream_flush(session->stream);
}

/* -- the program -------------------------------------------------------------- */

static void on_control(zm_control_t event, void *baton)
{
    sink_t *sink = baton;
    if (event == ZM_CONTROL_DUMP)
        tell(sink);
    else if (event == ZM_CONTROL_STOP || event == ZM_CONTROL_SLOW_STOP)
        zm_loop_stop(sink->loop);
}

static void on_lifetime(zm_timer_t *timer, void *baton)
{
    (void)timer;
    zm_loop_stop(((sink_t *)baton)->loop);
}

static bool read_options(sink_t *sink, int argc, char **argv, zm_endpoint_t *where, int *code)
{
    const zm_option_t table[] = {
        {0, "delay", ZM_OPTION_NUMBER, &sink->delay, NULL, "MS",
         "wait before the reply to the end of data"},
        {0, "reject", ZM_OPTION_CALL_ARG, &sink->rules, sink_rules_reject, "PATTERN[:PERCENT]",
         "refuse such recipients for good"},
        {0, "tempfail", ZM_OPTION_CALL_ARG, &sink->rules, sink_rules_tempfail, "PATTERN[:PERCENT]",
         "refuse such recipients for now"},
        {0, "no-pipelining", ZM_OPTION_FLAG, &sink->no_pipelining, NULL, NULL,
         "do not offer PIPELINING"},
        {0, "lifetime", ZM_OPTION_INTERVAL, &sink->seconds, NULL, "TIME", "end after (1h)"},
        {0, "json", ZM_OPTION_FLAG, &sink->json, NULL, NULL, "print the counts as JSON"},
    };
    const zm_command_line_t line = {"zm-sink",
                                    "[ADDRESS:PORT]",
                                    "take and count messages; port 0 chooses one and prints it",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    NULL,
                                    0};
    sink->seconds = 3600;
    if (!zm_options_parse(&line, &argc, argv, code))
        return false;
    *code = ZM_EXIT_USAGE;
    if (argc <= 2 && zm_endpoint_parse(where, zm_str(argc == 2 ? argv[1] : "127.0.0.1:2526"),
                                       2526) == APR_SUCCESS)
        return true;
    fprintf(stderr, "zm-sink: one ADDRESS:PORT is expected\n");
    return false;
}

int main(int argc, char **argv)
{
    sink_t sink = {0};
    apr_pool_t *pool;
    apr_socket_t *socket;
    zm_listener_t *listener;
    zm_endpoint_t where;
    zm_error_t error = {0};
    char text[ZM_IP_TEXT];
    int code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    if (!read_options(&sink, argc, argv, &where, &code))
        return code;
    if (zm_loop_create(&sink.loop, pool) != APR_SUCCESS ||
        zm_control_listen(sink.loop, on_control, &sink) != APR_SUCCESS ||
        zm_socket_listen(&socket, &where, 0, pool, &error) != APR_SUCCESS ||
        zm_listener_open(&listener, sink.loop, socket, on_connection, &sink) != APR_SUCCESS) {
        fprintf(stderr, "zm-sink: %s\n", error.text[0] != '\0' ? error.text : "cannot start");
        return 2;
    }
    zm_timer_init(&sink.lifetime, sink.loop, on_lifetime, &sink);
    zm_timer_set(&sink.lifetime, apr_time_from_sec(sink.seconds));
    where = zm_socket_local_end(socket);
    printf("listening on %s\n", zm_endpoint_print(&where, text));
    fflush(stdout);
    (void)zm_loop_run(sink.loop);
    tell(&sink);
    zm_listener_close(listener);
    zm_buf_free(&sink.text);
    sink_rules_free(&sink.rules);
    return 0;
}
