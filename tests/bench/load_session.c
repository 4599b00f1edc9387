/*
 * One SMTP session after the other on one slot.
 *
 *     GREETING -> HELLO -> ENVELOPE -> DATA -> FINAL -> ENVELOPE ... -> QUIT -> closed -> GREETING
 *
 * In ENVELOPE the replies to MAIL and all RCPT are awaited; with pipelining DATA has been sent
 * along.  Anything unexpected ends the connection and counts the message that was under way.
 */
#include <apr_pools.h>
#include <stdio.h>

#include "mta/net/socket.h"
#include "mta/net/stream.h"
#include "platform/clock.h"
#include "tests/bench/load.h"

#define CONNECT_TIMEOUT apr_time_from_sec(30)
#define REPLY_TIMEOUT apr_time_from_sec(120)
#define AGAIN_AFTER apr_time_from_msec(50)
#define MOST_FAILED_CONNECTIONS 1000

typedef enum state_t { GREETING, HELLO, ENVELOPE, DATA, FINAL, QUIT } state_t;

typedef struct session_t {
    load_t *load;
    apr_pool_t *pool; /* of the connection */
    zm_connect_t *connect;
    zm_stream_t *stream;
    zm_timer_t again;
    state_t state;
    bool pipelining, in_message;
    apr_time_t began;
    int64_t number; /* of the message */
    int64_t on_this_connection;
    int64_t sent, replied; /* commands of the envelope: 0 is MAIL, then the RCPTs */
    int64_t good_recipients;
    uint64_t body_left;
} session_t;

static void begin_connection(session_t *session);

void load_complain(load_t *load, const char *where, zm_str_t what)
{
    if (load->complaint[0] == '\0')
        snprintf(load->complaint, sizeof load->complaint, "%s: %.*s", where, (int)what.length,
                 what.data);
}

/* -- ends --------------------------------------------------------------------- */

static void end_slot(session_t *session)
{
    load_t *load = session->load;
    apr_pool_destroy(session->pool); /* the session is in it */
    if (--load->running == 0)
        zm_loop_stop(load->loop);
}

/* After a connection has ended, well or not. */
static void next_connection(session_t *session)
{
    load_t *load = session->load;
    session->stream = NULL;
    if (load->next >= load->options.messages || load->timed_out ||
        load->failed_connections >= MOST_FAILED_CONNECTIONS)
        end_slot(session);
    else
        begin_connection(session);
}

static void end_message(session_t *session, int64_t *count)
{
    if (!session->in_message)
        return;
    session->in_message = false;
    (*count)++;
    session->load->done++;
}

static void break_off(session_t *session)
{
    zm_stream_close(session->stream);
    session->stream = NULL;
    zm_timer_set(&session->again, AGAIN_AFTER);
}

static void fail_connection(session_t *session, const char *where, zm_str_t what)
{
    load_complain(session->load, where, what);
    session->load->failed_connections++;
    end_message(session, &session->load->lost);
    break_off(session);
}

static void on_again(zm_timer_t *timer, void *baton)
{
    (void)timer;
    next_connection(baton);
}

/* -- messages ----------------------------------------------------------------- */

/* Puts the numbers of this recipient where the pattern has {n} and {d}. */
static void write_recipient(session_t *session, int64_t index)
{
    const load_options_t *options = &session->load->options;
    int64_t running = session->number * options->recipients + index;
    const char *at = options->recipient;
    zm_stream_write_c(session->stream, "RCPT TO:<");
    for (; *at != '\0'; at++) {
        if (at[0] == '{' && (at[1] == 'n' || at[1] == 'd') && at[2] == '}') {
            int64_t most = at[1] == 'n' ? options->users : options->domains;
            zm_stream_printf(session->stream, "%03" APR_INT64_T_FMT, running % most + 1);
            at += 2;
        } else {
            zm_stream_write(session->stream, at, 1);
        }
    }
    zm_stream_write_c(session->stream, ">\r\n");
}

/* The next command of the envelope, DATA at the end. */
static void write_envelope(session_t *session)
{
    const load_options_t *options = &session->load->options;
    if (session->sent == 0)
        zm_stream_printf(session->stream, "MAIL FROM:<%s>\r\n", options->sender);
    else if (session->sent <= options->recipients)
        write_recipient(session, session->sent - 1);
    else
        zm_stream_write_c(session->stream, "DATA\r\n");
    session->sent++;
}

static void quit(session_t *session)
{
    session->state = QUIT;
    zm_stream_write_c(session->stream, "QUIT\r\n");
}

static void begin_message(session_t *session)
{
    load_t *load = session->load;
    const load_options_t *options = &load->options;
    if (load->next >= options->messages || load->timed_out ||
        (options->per_connection != 0 && session->on_this_connection >= options->per_connection)) {
        quit(session);
        return;
    }
    session->number = load->next++;
    if (session->on_this_connection++ > 0)
        session->began = zm_clock_monotonic();
    session->in_message = true;
    session->sent = session->replied = session->good_recipients = 0;
    session->state = ENVELOPE;
    do
        write_envelope(session);
    while (session->pipelining && session->sent < options->recipients + 2);
}

static apr_status_t give_body(void *baton, zm_buf_t *into, apr_size_t room)
{
    session_t *session = baton;
    zm_str_t filler = zm_buf_str(&session->load->filler);
    if (filler.length > session->body_left)
        filler.length = (apr_size_t)session->body_left;
    (void)room;
    zm_buf_add_str(into, filler);
    session->body_left -= filler.length;
    if (session->body_left != 0)
        return APR_SUCCESS;
    zm_buf_add_c(into, "\r\n.\r\n");
    return APR_EOF;
}

static void write_body(session_t *session)
{
    const load_options_t *options = &session->load->options;
    uint64_t before = zm_stream_output_waiting(session->stream);
    zm_stream_printf(session->stream,
                     "From: <%s>\r\nTo: recipients:;\r\nSubject: load\r\n"
                     "Message-ID: <%" APR_INT64_T_FMT ".%" APR_INT64_T_FMT "@load.test>\r\n\r\n",
                     options->sender, (apr_int64_t)session->began, session->number);
    before = zm_stream_output_waiting(session->stream) - before + 5;
    session->body_left = (uint64_t)options->size > before ? (uint64_t)options->size - before : 0;
    session->state = FINAL;
    zm_stream_send_from(session->stream, give_body, session);
}

/* -- replies ------------------------------------------------------------------ */

static void refused(session_t *session, const char *where, zm_str_t reply)
{
    load_complain(session->load, where, reply);
    end_message(session, &session->load->refused);
    break_off(session);
}

static void envelope_reply(session_t *session, int code, zm_str_t reply)
{
    load_t *load = session->load;
    if (session->replied++ == 0) {
        if (code / 100 != 2) {
            refused(session, "MAIL", reply);
            return;
        }
    } else if (code / 100 == 2) {
        session->good_recipients++;
        load->recipients_accepted++;
    } else {
        load_complain(load, "RCPT", reply);
        load->recipients_refused++;
    }
    if (session->replied == load->options.recipients + 1)
        session->state = DATA;
    if (session->state == DATA && session->good_recipients == 0) {
        refused(session, "all recipients", reply);
        return;
    }
    if (!session->pipelining)
        write_envelope(session);
}

static void final_reply(session_t *session, int code, zm_str_t reply)
{
    load_t *load = session->load;
    if (code / 100 != 2) {
        refused(session, "end of data", reply);
        return;
    }
    load->latency[load->accepted] = (uint32_t)(zm_clock_monotonic() - session->began);
    end_message(session, &load->accepted);
    begin_message(session);
}

static void on_reply(session_t *session, int code, zm_str_t reply)
{
    if (code == 421 && session->state != QUIT) {
        fail_connection(session, "closed", reply);
        return;
    }
    switch (session->state) {
    case GREETING:
        if (code != 220) {
            fail_connection(session, "greeting", reply);
            return;
        }
        session->state = HELLO;
        zm_stream_write_c(session->stream, "EHLO load.test\r\n");
        break;
    case HELLO:
        if (code != 250)
            fail_connection(session, "EHLO", reply);
        else
            begin_message(session);
        break;
    case ENVELOPE:
        envelope_reply(session, code, reply);
        break;
    case DATA:
        if (code == 354)
            write_body(session);
        else
            refused(session, "DATA", reply);
        break;
    case FINAL:
        final_reply(session, code, reply);
        break;
    case QUIT:
        zm_stream_finish(session->stream, 0);
        break;
    }
}

/* Three digits and a blank end a reply; a hyphen goes on. */
static bool on_line(session_t *session, zm_str_t text)
{
    uint64_t code;
    if (text.length < 3 || zm_str_u64(zm_str_of(text.data, 3), &code) != APR_SUCCESS) {
        fail_connection(session, "no reply", text);
        return false;
    }
    if (session->state == HELLO && !session->load->options.no_pipelining && text.length >= 14 &&
        zm_str_equal_nocase(zm_str_from(text, 4), ZM_S("PIPELINING")))
        session->pipelining = true;
    if (text.length == 3 || text.data[3] != '-')
        on_reply(session, (int)code, text);
    return session->stream != NULL;
}

static void on_input(session_t *session)
{
    zm_line_t line;
    for (;;) {
        apr_status_t status = zm_stream_line(session->stream, &line);
        if (APR_STATUS_IS_EAGAIN(status))
            return;
        if (status != APR_SUCCESS) {
            if (session->state == QUIT)
                zm_stream_finish(session->stream, 0);
            else
                fail_connection(session, "connection", zm_str("closed by the server"));
            return;
        }
        if (!on_line(session, line.text) || session->state == QUIT)
            return;
    }
}

/* -- connections -------------------------------------------------------------- */

static void on_event(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    session_t *session = baton;
    char text[200];
    switch (event) {
    case ZM_STREAM_INPUT:
        on_input(session);
        break;
    case ZM_STREAM_DRAINED:
        break;
    case ZM_STREAM_TIMEOUT:
        fail_connection(session, "connection", zm_str("no reply in time"));
        break;
    case ZM_STREAM_ERROR:
        fail_connection(session, "connection",
                        zm_str(zm_status_text(zm_stream_status(stream), text, sizeof text)));
        break;
    case ZM_STREAM_CLOSED:
        next_connection(session);
        break;
    }
}

static void on_connected(apr_status_t status, apr_socket_t *socket, void *baton)
{
    session_t *session = baton;
    char text[200];
    if (status == APR_SUCCESS)
        status = zm_stream_open(&session->stream, session->load->loop, socket, on_event, session);
    if (status == APR_SUCCESS)
        zm_stream_idle_limit(session->stream, REPLY_TIMEOUT);
    else
        fail_connection(session, "connect", zm_str(zm_status_text(status, text, sizeof text)));
}

static session_t *make(load_t *load, apr_pool_t *pool)
{
    session_t *session = apr_pcalloc(pool, sizeof *session);
    session->load = load;
    session->pool = pool;
    zm_timer_init(&session->again, load->loop, on_again, session);
    return session;
}

/* A connection begins with a cleared pool, so that many of them cost no more memory than one. */
static void begin_connection(session_t *session)
{
    load_t *load = session->load;
    apr_pool_t *pool = session->pool;
    char text[200];
    apr_status_t status;
    apr_pool_clear(pool);
    session = make(load, pool);
    session->began = zm_clock_monotonic();
    load->connections++;
    status = zm_connect_start(&session->connect, load->loop, &load->options.target, NULL,
                              CONNECT_TIMEOUT, on_connected, session, pool);
    if (status != APR_SUCCESS)
        fail_connection(session, "connect", zm_str(zm_status_text(status, text, sizeof text)));
}

void load_session_start(load_t *load, apr_pool_t *pool)
{
    load->running++;
    begin_connection(make(load, pool));
}
