/*
 * The life of a stream, and the one place where its owner is called.
 *
 * settle() repeats, until nothing is left to do: tell a failure, send output, tell that it
 * drained, tell of input.  The owner's calls made meanwhile only change the state that the next
 * turn looks at, so nothing here is entered twice, however the callbacks are nested; a stream
 * closed in its callback is freed when settle() comes back to it.
 */
#include "mta/net/stream_parts.h"

#include <stdio.h>
#include <stdlib.h>

#include "mta/net/socket.h"
#include "platform/clock.h"

#define DEFAULT_HIGH_WATER 65536
#define DEFAULT_LINE_LIMIT 4096

/* -- the end ------------------------------------------------------------------ */

/* All that the stream holds but its own memory. */
static void release(zm_stream_t *stream)
{
    if (stream->socket == NULL)
        return;
    zm_timer_cancel(&stream->later);
    zm_timer_cancel(&stream->idle);
    zm_watch_close(stream->watch);
    if (stream->transport->destroy != NULL)
        stream->transport->destroy(stream->transport_state);
    (void)apr_socket_close(stream->socket); /* nothing that it could tell matters any more */
    stream->socket = NULL;
    zm_stream_drop_input(stream);
    zm_buf_free(&stream->kept);
    zm_buf_free(&stream->out);
}

void zm_stream_close(zm_stream_t *stream)
{
    if (stream == NULL || stream->closed)
        return;
    stream->closed = true;
    release(stream);
    if (stream->depth == 0)
        free(stream);
}

void zm_stream_fail(zm_stream_t *stream, apr_status_t status)
{
    if (stream->failed)
        return;
    stream->failed = true;
    stream->status = status;
}

void zm_stream_finish(zm_stream_t *stream, apr_interval_time_t linger)
{
    if (stream->finishing)
        return;
    stream->finishing = true;
    stream->linger = linger;
    zm_stream_settle(stream);
}

/* -- settling ----------------------------------------------------------------- */

static void tell(zm_stream_t *stream, zm_stream_event_t event)
{
    stream->fn(stream, event, stream->baton);
}

/* A finished stream has come to its end. */
static void end(zm_stream_t *stream)
{
    release(stream);
    tell(stream, ZM_STREAM_CLOSED);
    stream->closed = true;
}

/* After zm_stream_finish, with all output sent.  False: wait for the socket. */
static bool end_in_order(zm_stream_t *stream)
{
    bool layered = stream->transport->wants != NULL;
    if (stream->linger <= 0 && !layered) {
        end(stream); /* closing the socket ends our direction too */
        return true;
    }
    if (!stream->shut) {
        apr_status_t status = stream->transport->shutdown(stream->transport_state, stream->socket);
        if (APR_STATUS_IS_EAGAIN(status)) {
            stream->blocked = true;
            return false;
        }
        stream->shut = true;
        if (status != APR_SUCCESS)
            stream->eof = true; /* the peer has gone already */
        else if (stream->linger > 0)
            zm_timer_set(&stream->later, stream->linger);
    }
    if (!stream->eof && stream->linger > 0)
        return false;
    end(stream);
    return true;
}

/* Input that came before the failure is told before it: often it is the peer's reason. */
static bool settle_failure(zm_stream_t *stream)
{
    if (stream->finishing) {
        end(stream);
    } else if (stream->told_error) {
        return false;
    } else if (stream->news && !stream->paused && zm_stream_peek(stream).length != 0) {
        stream->news = false;
        tell(stream, ZM_STREAM_INPUT);
    } else {
        stream->told_error = true;
        tell(stream, ZM_STREAM_ERROR);
    }
    return true;
}

/* One turn; false when there was nothing to do. */
static bool settle_once(zm_stream_t *stream)
{
    if (stream->send_status != APR_SUCCESS && !stream->failed) {
        zm_stream_receive_last(stream);
        zm_stream_fail(stream, stream->send_status);
    }
    if (stream->failed)
        return settle_failure(stream);
    if (zm_stream_has_output(stream) && !stream->blocked && !stream->yielded) {
        zm_stream_send(stream);
        return true;
    }
    if (stream->finishing)
        return zm_stream_output_waiting(stream) == 0 && stream->source == NULL &&
               end_in_order(stream);
    if (stream->tell_drained && zm_stream_output_waiting(stream) == 0 && stream->source == NULL) {
        stream->tell_drained = false;
        tell(stream, ZM_STREAM_DRAINED);
        return true;
    }
    if (stream->news && !stream->paused && !zm_stream_output_full(stream)) {
        stream->news = false;
        tell(stream, ZM_STREAM_INPUT);
        return true;
    }
    return false;
}

static void set_interest(zm_stream_t *stream, int wanted)
{
    if (wanted != stream->interest)
        (void)zm_watch_set(stream->watch, wanted); /* a refusal is reported as a hang-up */
    stream->interest = wanted;
}

/* Interest in reading is given up only when it disturbs (see on_ready): a pause is often short. */
void zm_stream_update_interest(zm_stream_t *stream)
{
    int wanted = stream->interest & ZM_READ;
    if (zm_stream_wants_input(stream))
        wanted |= ZM_READ;
    else if (stream->eof)
        wanted = 0;
    if (stream->failed)
        wanted = 0;
    else if (stream->transport->wants != NULL)
        wanted |= stream->transport->wants(stream->transport_state);
    else if (stream->blocked)
        wanted |= ZM_WRITE;
    set_interest(stream, wanted);
}

void zm_stream_settle(zm_stream_t *stream)
{
    if (stream->depth > 0)
        return;
    stream->depth++;
    while (!stream->closed && settle_once(stream))
        continue;
    stream->depth--;
    if (stream->closed) {
        free(stream);
        return;
    }
    zm_stream_keep_input(stream);
    zm_stream_update_interest(stream);
    if (stream->yielded)
        zm_timer_set(&stream->later, 0);
    stream->yielded = false;
}

void zm_stream_settle_later(zm_stream_t *stream)
{
    if (stream->depth == 0 && !stream->shut && !zm_timer_is_set(&stream->later))
        zm_timer_set(&stream->later, 0);
}

/* -- what happens ------------------------------------------------------------- */

static void on_ready(zm_watch_t *watch, int events, void *baton)
{
    zm_stream_t *stream = baton;
    bool layered =
        stream->transport->wants != NULL; /* reading may wait for writing, and vice versa */
    if (layered || (events & (ZM_WRITE | ZM_HANGUP)) != 0)
        stream->blocked = false;
    (void)watch;
    if ((layered || (events & ZM_READ) != 0) && zm_stream_wants_input(stream))
        zm_stream_receive(stream);
    else if ((events & ZM_READ) != 0)
        set_interest(stream, stream->interest & ~ZM_READ);
    zm_stream_settle(stream);
}

static void on_later(zm_timer_t *timer, void *baton)
{
    zm_stream_t *stream = baton;
    (void)timer;
    if (stream->shut)
        zm_stream_fail(stream, APR_TIMEUP);
    zm_stream_settle(stream);
}

static void on_idle(zm_timer_t *timer, void *baton)
{
    zm_stream_t *stream = baton;
    apr_interval_time_t quiet = zm_clock_monotonic() - stream->moved;
    if (quiet < stream->idle_limit) {
        zm_timer_set(timer, stream->idle_limit - quiet);
        return;
    }
    if (stream->finishing) {
        zm_stream_fail(stream, APR_TIMEUP);
    } else if (!stream->failed) {
        stream->depth++;
        tell(stream, ZM_STREAM_TIMEOUT);
        stream->depth--;
        if (stream->closed) {
            free(stream);
            return;
        }
    }
    zm_stream_settle(stream);
}

/* The timer is not moved for each byte: it looks at the time of the last one when it fires. */
void zm_stream_note_movement(zm_stream_t *stream)
{
    if (stream->idle_limit > 0)
        stream->moved = zm_clock_monotonic();
}

void zm_stream_idle_limit(zm_stream_t *stream, apr_interval_time_t limit)
{
    apr_interval_time_t before = stream->idle_limit;
    stream->idle_limit = limit;
    if (limit <= 0) {
        zm_timer_cancel(&stream->idle);
        return;
    }
    stream->moved = zm_clock_monotonic();
    if (!zm_timer_is_set(&stream->idle) || limit < before)
        zm_timer_set(&stream->idle, limit);
}

/* -- the beginning ------------------------------------------------------------ */

apr_status_t zm_stream_open(zm_stream_t **stream, zm_loop_t *loop, apr_socket_t *socket,
                            zm_stream_fn *fn, void *baton)
{
    apr_status_t status = zm_socket_prepare(socket);
    zm_stream_t *made;
    if (status != APR_SUCCESS)
        return status;
    made = calloc(1, sizeof *made);
    if (made == NULL)
        return APR_ENOMEM;
    status = zm_watch_open(&made->watch, loop, socket, ZM_READ, on_ready, made);
    if (status != APR_SUCCESS) {
        free(made);
        return status;
    }
    made->interest = ZM_READ;
    made->loop = loop;
    made->socket = socket;
    made->fn = fn;
    made->baton = baton;
    made->transport = &zm_transport_plain;
    made->high_water = DEFAULT_HIGH_WATER;
    made->line_limit = DEFAULT_LINE_LIMIT;
    zm_timer_init(&made->later, loop, on_later, made);
    zm_timer_init(&made->idle, loop, on_idle, made);
    *stream = made;
    return APR_SUCCESS;
}

void zm_stream_set_callback(zm_stream_t *stream, zm_stream_fn *fn, void *baton)
{
    stream->fn = fn;
    stream->baton = baton;
}

apr_size_t zm_stream_set_transport(zm_stream_t *stream, const zm_transport_t *transport,
                                   void *state)
{
    apr_size_t dropped = stream->end - stream->at;
    zm_stream_drop_input(stream);
    stream->news = stream->skipping = false;
    if (stream->transport->destroy != NULL)
        stream->transport->destroy(stream->transport_state);
    stream->transport = transport;
    stream->transport_state = state;
    zm_stream_settle_later(stream);
    return dropped;
}

const zm_transport_t *zm_stream_transport(const zm_stream_t *stream, void **state)
{
    *state = stream->transport_state;
    return stream->transport;
}

apr_status_t zm_stream_status(const zm_stream_t *stream)
{
    return stream->status;
}

apr_socket_t *zm_stream_socket(zm_stream_t *stream)
{
    return stream->socket;
}

zm_loop_t *zm_stream_loop(zm_stream_t *stream)
{
    return stream->loop;
}

uint64_t zm_stream_received(const zm_stream_t *stream)
{
    return stream->received;
}

uint64_t zm_stream_sent(const zm_stream_t *stream)
{
    return stream->sent;
}
