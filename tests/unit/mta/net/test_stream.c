#include "mta/net/stream.h"

#include <apr_strings.h>

#include "mta/net/socket.h"
#include "platform/clock.h"
#include "tests/unit/mta/net/net_help.h"

/* The owner of a stream under test: notes all that it is told in a readable log. */
typedef struct owner_t {
    zm_loop_t *loop;
    zm_stream_t *stream;
    apr_socket_t *peer;
    const char *log;
    int inputs, drained, timeouts, errors, closed;
    bool leave_input;           /* take nothing */
    bool answer;                /* "ok LINE" to each line */
    bool pause_after_line;      /* as a session that waits for something */
    zm_stream_event_t close_at; /* with close: zm_stream_close at this event */
    bool close;
} owner_t;

static void note(owner_t *owner, const char *text)
{
    owner->log = apr_pstrcat(zm_test_pool(), owner->log, text, " ", NULL);
}

static void take_lines(owner_t *owner)
{
    static const char *const ends[] = {"/crlf", "/lf", "/eof"};
    zm_line_t line;
    apr_status_t status;
    for (;;) {
        const char *text;
        status = zm_stream_line(owner->stream, &line); /* the macro may look at its word twice */
        if (APR_STATUS_IS_EAGAIN(status))
            return;
        text = zm_str_c(zm_test_pool(), line.text);
        if (status == APR_EOF) {
            note(owner, "eof");
            return;
        }
        note(owner, status == ZM_E_LIMIT ? apr_pstrcat(zm_test_pool(), text, "/limit", NULL)
                                         : apr_pstrcat(zm_test_pool(), text, ends[line.end], NULL));
        if (owner->answer)
            zm_stream_printf(owner->stream, "ok %s\r\n", text);
        if (owner->pause_after_line) {
            zm_stream_pause(owner->stream);
            return;
        }
    }
}

static void on_event(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    owner_t *owner = baton;
    owner->inputs += event == ZM_STREAM_INPUT;
    owner->drained += event == ZM_STREAM_DRAINED;
    owner->timeouts += event == ZM_STREAM_TIMEOUT;
    owner->errors += event == ZM_STREAM_ERROR;
    owner->closed += event == ZM_STREAM_CLOSED;
    if (event == ZM_STREAM_INPUT && !owner->leave_input)
        take_lines(owner);
    if (event == ZM_STREAM_ERROR)
        note(owner, "error");
    if (owner->close && event == owner->close_at) {
        owner->closed = 1;
        zm_stream_close(stream);
    }
}

static owner_t *start(void)
{
    apr_socket_t *pair[2];
    owner_t *owner = apr_pcalloc(zm_test_pool(), sizeof *owner);
    owner->loop = net_loop();
    owner->log = "";
    net_pair(pair);
    owner->peer = pair[1];
    ZM_ASSERT_OK(zm_stream_open(&owner->stream, owner->loop, pair[0], on_event, owner));
    return owner;
}

/* -- input -------------------------------------------------------------------- */

static void lines_come_whole_however_they_are_cut(void)
{
    owner_t *owner = start();
    net_put(owner->peer, "EHLO a\r\nMAIL FR");
    net_run_idle(owner->loop);
    ZM_ASSERT_STR(owner->log, "EHLO a/crlf ");
    net_put(owner->peer, "OM:<>\r");
    net_run_idle(owner->loop);
    ZM_ASSERT_STR(owner->log, "EHLO a/crlf ");
    net_put(owner->peer, "\nX\r\n");
    net_run_idle(owner->loop);
    ZM_ASSERT_STR(owner->log, "EHLO a/crlf MAIL FROM:<>/crlf X/crlf ");
    CU_ASSERT_EQUAL(zm_stream_received(owner->stream), 25);
    zm_stream_close(owner->stream);
}

static void bare_line_feed_is_told_apart_and_bare_cr_is_data(void)
{
    owner_t *owner = start();
    net_put(owner->peer, "one\ntwo\rthree\r\n\r\r\n\n");
    net_run_idle(owner->loop);
    ZM_ASSERT_STR(owner->log, "one/lf two\rthree/crlf \r/crlf /lf ");
    zm_stream_close(owner->stream);
}

static void last_line_without_end_is_given_at_end_of_input(void)
{
    owner_t *owner = start();
    net_put(owner->peer, "one\r\nhalf");
    apr_socket_close(owner->peer);
    net_run_idle(owner->loop);
    ZM_ASSERT_STR(owner->log, "one/crlf half/eof eof ");
    CU_ASSERT_TRUE(zm_stream_at_eof(owner->stream));
    zm_stream_close(owner->stream);
}

static void overlong_line_is_reported_once_and_skipped(void)
{
    owner_t *owner = start();
    zm_stream_line_limit(owner->stream, 5);
    net_put(owner->peer, "12345\r\n123456\r\nok\r\n1234567");
    net_run_idle(owner->loop);
    net_put(owner->peer, "89 and ");
    net_run_idle(owner->loop);
    net_put(owner->peer, "on\r\nnext\r\n");
    net_run_idle(owner->loop);
    ZM_ASSERT_STR(owner->log, "12345/crlf 12345/limit ok/crlf 12345/limit next/crlf ");
    zm_stream_close(owner->stream);
}

static void line_at_the_limit_waits_for_the_rest_of_its_end(void)
{
    owner_t *owner = start();
    zm_stream_line_limit(owner->stream, 5);
    net_put(owner->peer, "12345\r");
    net_run_idle(owner->loop);
    ZM_ASSERT_STR(owner->log, "");
    net_put(owner->peer, "\n");
    net_run_idle(owner->loop);
    ZM_ASSERT_STR(owner->log, "12345/crlf ");
    zm_stream_close(owner->stream);
}

static void bytes_can_be_seen_before_they_are_taken(void)
{
    owner_t *owner = start();
    owner->leave_input = true;
    net_put(owner->peer, "abcdef");
    net_run_idle(owner->loop);
    CU_ASSERT_EQUAL(owner->inputs, 1);
    CU_ASSERT_TRUE(zm_str_equal_c(zm_stream_peek(owner->stream), "abcdef"));
    zm_stream_take(owner->stream, 4);
    net_put(owner->peer, "gh");
    net_run_idle(owner->loop);
    CU_ASSERT_TRUE(zm_str_equal_c(zm_stream_peek(owner->stream), "efgh"));
    zm_stream_close(owner->stream);
}

static void paused_stream_keeps_its_input_until_resumed(void)
{
    owner_t *owner = start();
    owner->pause_after_line = true;
    net_put(owner->peer, "one\r\ntwo\r\n");
    net_run_idle(owner->loop);
    net_put(owner->peer, "three\r\n");
    net_run_idle(owner->loop);
    ZM_ASSERT_STR(owner->log, "one/crlf ");
    zm_stream_resume(owner->stream);
    ZM_ASSERT_STR(owner->log, "one/crlf two/crlf ");
    owner->pause_after_line = false;
    zm_stream_resume(owner->stream);
    net_run_idle(owner->loop);
    ZM_ASSERT_STR(owner->log, "one/crlf two/crlf three/crlf ");
    zm_stream_close(owner->stream);
}

static void end_of_input_while_paused_is_told_on_resume(void)
{
    owner_t *owner = start();
    owner->pause_after_line = true;
    net_put(owner->peer, "one\r\n");
    net_run_idle(owner->loop);
    apr_socket_shutdown(owner->peer, APR_SHUTDOWN_WRITE);
    net_run_idle(owner->loop);
    ZM_ASSERT_STR(owner->log, "one/crlf ");
    zm_stream_resume(owner->stream);
    net_run_idle(owner->loop);
    ZM_ASSERT_STR(owner->log, "one/crlf eof ");
    zm_stream_close(owner->stream);
}

/* -- output ------------------------------------------------------------------- */

static void replies_to_pipelined_lines_leave_together(void)
{
    owner_t *owner = start();
    char first[100];
    apr_size_t length = sizeof first;
    owner->answer = true;
    net_put(owner->peer, "a\r\nb\r\nc\r\n");
    net_run_idle(owner->loop);
    ZM_ASSERT_OK(apr_socket_recv(owner->peer, first, &length));
    CU_ASSERT_TRUE(zm_str_equal_c(zm_str_of(first, length), "ok a\r\nok b\r\nok c\r\n"));
    zm_stream_close(owner->stream);
}

static void output_from_outside_the_callback_leaves_in_the_next_round(void)
{
    owner_t *owner = start();
    zm_stream_write_c(owner->stream, "220 hello\r\n");
    ZM_ASSERT_STR(net_get(owner->peer), "");
    net_run_idle(owner->loop);
    ZM_ASSERT_STR(net_get(owner->peer), "220 hello\r\n");
    zm_stream_write_c(owner->stream, "now\r\n");
    zm_stream_flush(owner->stream);
    ZM_ASSERT_STR(net_get(owner->peer), "now\r\n");
    CU_ASSERT_EQUAL(owner->drained, 0);
    CU_ASSERT_EQUAL(zm_stream_sent(owner->stream), 16);
    zm_stream_close(owner->stream);
}

static void input_waits_while_the_peer_does_not_read_its_replies(void)
{
    owner_t *owner = start();
    apr_size_t got = 0;
    int rounds;
    zm_stream_high_water(owner->stream, 1000);
    while (!zm_stream_output_full(owner->stream)) { /* until the socket takes no more */
        char filler[1000];
        memset(filler, 'x', sizeof filler);
        zm_stream_write(owner->stream, filler, sizeof filler);
        zm_stream_flush(owner->stream);
    }
    net_put(owner->peer, "command\r\n");
    net_run_idle(owner->loop);
    CU_ASSERT_EQUAL(owner->inputs, 0);
    for (rounds = 0; rounds < 10000 && owner->inputs == 0; rounds++) {
        got += strlen(net_get(owner->peer));
        ZM_ASSERT_OK(zm_loop_once(owner->loop, apr_time_from_msec(1)));
    }
    got += strlen(net_get(owner->peer));
    CU_ASSERT_EQUAL(got, zm_stream_sent(owner->stream));
    CU_ASSERT_EQUAL(owner->drained, 1);
    ZM_ASSERT_STR(owner->log, "command/crlf ");
    zm_stream_close(owner->stream);
}

typedef struct body_t {
    owner_t *owner;
    uint64_t left;
    apr_size_t most_waiting;
    bool wait_once;
    apr_status_t fail;
} body_t;

static apr_status_t give_body(void *baton, zm_buf_t *into, apr_size_t room)
{
    body_t *body = baton;
    apr_size_t piece = room < body->left ? room : (apr_size_t)body->left;
    if (body->wait_once) {
        body->wait_once = false;
        return APR_EAGAIN;
    }
    if (body->fail != APR_SUCCESS)
        return body->fail;
    zm_buf_reserve(into, piece);
    memset(into->data + into->length, 'b', piece);
    into->length += piece;
    body->left -= piece;
    if (into->length > body->most_waiting)
        body->most_waiting = into->length;
    return body->left == 0 ? APR_EOF : APR_SUCCESS;
}

static void long_body_needs_one_small_buffer(void)
{
    owner_t *owner = start();
    body_t body = {.owner = owner, .left = 20000000};
    uint64_t got = 0;
    apr_time_t give_up = apr_time_now() + apr_time_from_sec(60);
    zm_stream_write_c(owner->stream, "head");
    zm_stream_send_from(owner->stream, give_body, &body);
    while (owner->drained == 0 && apr_time_now() < give_up) {
        ZM_ASSERT_OK(zm_loop_once(owner->loop, 0));
        for (;;) {
            char piece[65536];
            apr_size_t length = sizeof piece;
            if (apr_socket_recv(owner->peer, piece, &length) != APR_SUCCESS)
                break;
            got += length;
        }
    }
    got += strlen(net_get(owner->peer));
    CU_ASSERT_EQUAL(got, 20000004);
    CU_ASSERT_TRUE(body.most_waiting <= 70000);
    zm_stream_close(owner->stream);
}

static void source_may_wait_for_its_data(void)
{
    owner_t *owner = start();
    body_t body = {.owner = owner, .left = 3, .wait_once = true};
    zm_stream_send_from(owner->stream, give_body, &body);
    net_run_idle(owner->loop);
    ZM_ASSERT_STR(net_get(owner->peer), "");
    zm_stream_source_ready(owner->stream);
    net_run_until(owner->loop, &owner->drained);
    ZM_ASSERT_STR(net_get(owner->peer), "bbb");
    zm_stream_close(owner->stream);
}

static void failing_source_fails_the_stream(void)
{
    owner_t *owner = start();
    body_t body = {.owner = owner, .left = 3, .fail = ZM_E_CORRUPT};
    zm_stream_send_from(owner->stream, give_body, &body);
    net_run_until(owner->loop, &owner->errors);
    CU_ASSERT_EQUAL(zm_stream_status(owner->stream), ZM_E_CORRUPT);
    zm_stream_close(owner->stream);
}

static void drained_is_told_on_request(void)
{
    owner_t *owner = start();
    zm_stream_write_c(owner->stream, "x");
    zm_stream_tell_drained(owner->stream);
    net_run_until(owner->loop, &owner->drained);
    net_run_idle(owner->loop);
    CU_ASSERT_EQUAL(owner->drained, 1);
    zm_stream_close(owner->stream);
}

/* -- ends --------------------------------------------------------------------- */

static void finish_sends_what_waits_and_then_ends(void)
{
    owner_t *owner = start();
    zm_stream_write_c(owner->stream, "221 bye\r\n");
    zm_stream_finish(owner->stream, 0);
    net_run_until(owner->loop, &owner->closed);
    ZM_ASSERT_STR(net_get(owner->peer), "221 bye\r\n<eof>");
}

static void lingering_end_waits_for_the_peer(void)
{
    owner_t *owner = start();
    zm_stream_write_c(owner->stream, "421 enough\r\n");
    zm_stream_finish(owner->stream, apr_time_from_sec(1000));
    net_run_idle(owner->loop);
    net_put(owner->peer, "still talking\r\n");
    net_run_idle(owner->loop);
    CU_ASSERT_EQUAL(owner->closed, 0);
    ZM_ASSERT_STR(net_get(owner->peer), "421 enough\r\n<eof>");
    apr_socket_close(owner->peer);
    net_run_until(owner->loop, &owner->closed);
    CU_ASSERT_EQUAL(owner->inputs, 0);
}

static void lingering_ends_when_its_time_is_over(void)
{
    owner_t *owner = start();
    zm_clock_freeze(apr_time_from_sec(1), apr_time_from_sec(1));
    zm_stream_finish(owner->stream, apr_time_from_sec(5));
    net_run_idle(owner->loop);
    CU_ASSERT_EQUAL(owner->closed, 0);
    zm_clock_advance(apr_time_from_sec(5));
    net_run_idle(owner->loop);
    CU_ASSERT_EQUAL(owner->closed, 1);
    zm_clock_thaw();
}

static void idle_limit_counts_from_the_last_movement(void)
{
    owner_t *owner = start();
    zm_clock_freeze(apr_time_from_sec(1), apr_time_from_sec(1));
    zm_stream_idle_limit(owner->stream, apr_time_from_sec(10));
    zm_clock_advance(apr_time_from_sec(8));
    net_put(owner->peer, "x");
    net_run_idle(owner->loop);
    zm_clock_advance(apr_time_from_sec(8));
    net_run_idle(owner->loop);
    CU_ASSERT_EQUAL(owner->timeouts, 0);
    zm_clock_advance(apr_time_from_sec(2));
    net_run_idle(owner->loop);
    CU_ASSERT_EQUAL(owner->timeouts, 1);
    zm_clock_advance(apr_time_from_sec(100));
    net_run_idle(owner->loop);
    CU_ASSERT_EQUAL(owner->timeouts, 1);
    zm_clock_thaw();
    zm_stream_close(owner->stream);
}

static void stream_may_be_closed_in_each_of_its_events(void)
{
    static const zm_stream_event_t events[] = {ZM_STREAM_INPUT, ZM_STREAM_DRAINED};
    apr_size_t i;
    for (i = 0; i < sizeof events / sizeof events[0]; i++) {
        owner_t *owner = start();
        owner->leave_input = true;
        owner->close = true;
        owner->close_at = events[i];
        net_put(owner->peer, "one\r\n");
        zm_stream_write_c(owner->stream, "reply\r\n");
        zm_stream_tell_drained(owner->stream);
        net_run_until(owner->loop, &owner->closed);
        net_run_idle(owner->loop);
    }
}

static void lost_connection_is_an_error_after_its_last_words(void)
{
    if (zm_test_on_windows()) /* a local stream is TCP there, which notices at a second write */
        return;
    owner_t *owner = start();
    net_put(owner->peer, "421 go away\r\n");
    apr_socket_close(owner->peer);
    zm_stream_write_c(owner->stream, "MAIL FROM:<>\r\n");
    zm_stream_flush(owner->stream); /* fails: the peer has closed */
    net_run_until(owner->loop, &owner->errors);
    ZM_ASSERT_STR(owner->log, "421 go away/crlf eof error ");
    CU_ASSERT_NOT_EQUAL(zm_stream_status(owner->stream), APR_SUCCESS);
    zm_stream_close(owner->stream);
}

/* -- another transport -------------------------------------------------------- */

typedef struct toy_t {
    int destroyed;
    zm_buf_t ready; /* decoded and not yet given, to be told by pending */
} toy_t;

/* Each byte is changed by one bit; gives at most three bytes at a time. */
static apr_status_t toy_receive(void *state, apr_socket_t *socket, char *data, apr_size_t *length)
{
    toy_t *toy = state;
    char piece[100];
    apr_size_t size = sizeof piece, i;
    if (toy->ready.length == 0) {
        apr_status_t status = apr_socket_recv(socket, piece, &size);
        if (status != APR_SUCCESS)
            return status;
        for (i = 0; i < size; i++)
            zm_buf_add_byte(&toy->ready, (char)(piece[i] ^ 1));
    }
    *length = toy->ready.length < 3 ? toy->ready.length : 3;
    memcpy(data, toy->ready.data, *length);
    zm_buf_consume(&toy->ready, *length);
    return APR_SUCCESS;
}

static apr_status_t toy_send(void *state, apr_socket_t *socket, const char *data,
                             apr_size_t *length)
{
    char byte = (char)(*data ^ 1);
    (void)state;
    *length = 1;
    return apr_socket_send(socket, &byte, length);
}

static bool toy_pending(void *state)
{
    return ((toy_t *)state)->ready.length != 0;
}

static int toy_wants(void *state)
{
    (void)state;
    return ZM_WRITE;
}

static void toy_destroy(void *state)
{
    toy_t *toy = state;
    zm_buf_free(&toy->ready);
    toy->destroyed = 1;
}

static void changed_transport_carries_on_without_old_input(void)
{
    zm_transport_t table = zm_transport_plain;
    toy_t toy = {0, ZM_BUF_INIT};
    owner_t *owner = start();
    table.receive = toy_receive;
    table.send = toy_send;
    table.pending = toy_pending;
    table.wants = toy_wants;
    table.destroy = toy_destroy;
    owner->answer = true;
    owner->pause_after_line = true;
    net_put(owner->peer, "STARTTLS\r\ninjected");
    net_run_idle(owner->loop);
    ZM_ASSERT_STR(net_get(owner->peer), "ok STARTTLS\r\n");
    CU_ASSERT_EQUAL(zm_stream_set_transport(owner->stream, &table, &toy), 8);
    zm_stream_resume(owner->stream);
    net_put(owner->peer, "ienb\x0c\x0b"); /* "hdoc\r\n", each changed */
    net_run_idle(owner->loop);
    ZM_ASSERT_STR(owner->log, "STARTTLS/crlf hdoc/crlf ");
    ZM_ASSERT_STR(net_get(owner->peer), "nj!ienb\x0c\x0b");
    zm_stream_close(owner->stream);
    CU_ASSERT_EQUAL(toy.destroyed, 1);
}

ZM_TESTS("net stream", ZM_TEST(lines_come_whole_however_they_are_cut),
         ZM_TEST(bare_line_feed_is_told_apart_and_bare_cr_is_data),
         ZM_TEST(last_line_without_end_is_given_at_end_of_input),
         ZM_TEST(overlong_line_is_reported_once_and_skipped),
         ZM_TEST(line_at_the_limit_waits_for_the_rest_of_its_end),
         ZM_TEST(bytes_can_be_seen_before_they_are_taken),
         ZM_TEST(paused_stream_keeps_its_input_until_resumed),
         ZM_TEST(end_of_input_while_paused_is_told_on_resume),
         ZM_TEST(replies_to_pipelined_lines_leave_together),
         ZM_TEST(output_from_outside_the_callback_leaves_in_the_next_round),
         ZM_TEST(input_waits_while_the_peer_does_not_read_its_replies),
         ZM_TEST(long_body_needs_one_small_buffer), ZM_TEST(source_may_wait_for_its_data),
         ZM_TEST(failing_source_fails_the_stream), ZM_TEST(drained_is_told_on_request),
         ZM_TEST(finish_sends_what_waits_and_then_ends), ZM_TEST(lingering_end_waits_for_the_peer),
         ZM_TEST(lingering_ends_when_its_time_is_over),
         ZM_TEST(idle_limit_counts_from_the_last_movement),
         ZM_TEST(stream_may_be_closed_in_each_of_its_events),
         ZM_TEST(lost_connection_is_an_error_after_its_last_words),
         ZM_TEST(changed_transport_carries_on_without_old_input))
