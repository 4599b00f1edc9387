/* Output: one buffer that is filled by the owner or by its source, and freed when it is empty. */
#include <stdarg.h>
#include <string.h>

#include "mta/net/stream_parts.h"

#define CHUNK 32768          /* what a source is asked for, and the least that is sent of one */
#define MOST_A_ROUND 1048576 /* then other streams get their turn */

apr_size_t zm_stream_output_waiting(const zm_stream_t *stream)
{
    return stream->out.length - stream->sent_at;
}

bool zm_stream_output_full(const zm_stream_t *stream)
{
    return zm_stream_output_waiting(stream) >= stream->high_water;
}

void zm_stream_high_water(zm_stream_t *stream, apr_size_t bytes)
{
    stream->high_water = bytes;
}

bool zm_stream_has_output(const zm_stream_t *stream)
{
    return zm_stream_output_waiting(stream) != 0 ||
           (stream->source != NULL && !stream->source_waits);
}

/* -- sending ------------------------------------------------------------------ */

static void drop_sent(zm_stream_t *stream)
{
    if (stream->sent_at == stream->out.length) {
        zm_buf_free(&stream->out);
        stream->sent_at = 0;
    } else if (stream->sent_at >= CHUNK) {
        zm_buf_consume(&stream->out, stream->sent_at);
        stream->sent_at = 0;
    }
}

/* Asks the source for more when little is left. */
static void refill(zm_stream_t *stream)
{
    apr_size_t waiting = zm_stream_output_waiting(stream);
    apr_status_t status;
    if (stream->source == NULL || stream->source_waits || waiting >= CHUNK)
        return;
    zm_buf_consume(&stream->out, stream->sent_at);
    stream->sent_at = 0;
    zm_buf_reserve(&stream->out, CHUNK - waiting);
    status = stream->source(stream->source_baton, &stream->out, CHUNK - waiting);
    if (status == APR_SUCCESS)
        return;
    if (APR_STATUS_IS_EAGAIN(status)) {
        stream->source_waits = true;
        return;
    }
    stream->source = NULL;
    stream->tell_drained = true;
    if (!APR_STATUS_IS_EOF(status))
        zm_stream_fail(stream, status);
}

void zm_stream_send(zm_stream_t *stream)
{
    apr_size_t sent = 0;
    while (sent < MOST_A_ROUND && !stream->blocked && !stream->failed) {
        apr_size_t length, waiting;
        apr_status_t status;
        refill(stream);
        waiting = length = zm_stream_output_waiting(stream);
        if (waiting == 0)
            break;
        status = stream->transport->send(stream->transport_state, stream->socket,
                                         stream->out.data + stream->sent_at, &length);
        if (status != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(status)) {
            stream->send_status = status;
            stream->blocked = true;
            zm_stream_settle_later(stream);
            return;
        }
        if (status != APR_SUCCESS)
            length = 0;
        sent += length;
        stream->sent_at += length;
        stream->blocked = length < waiting;
    }
    stream->yielded = sent >= MOST_A_ROUND;
    stream->sent += sent;
    drop_sent(stream);
    if (sent != 0)
        zm_stream_note_movement(stream);
}

void zm_stream_flush(zm_stream_t *stream)
{
    if (stream->failed || stream->blocked || !zm_stream_has_output(stream))
        return;
    zm_stream_send(stream);
    if (stream->depth > 0 || stream->send_status != APR_SUCCESS || stream->failed ||
        stream->tell_drained || stream->news || stream->yielded)
        return; /* settle() goes on from here */
    zm_timer_cancel(&stream->later);
    zm_stream_update_interest(stream);
}

/* -- writing ------------------------------------------------------------------ */

static void written(zm_stream_t *stream)
{
    if (zm_stream_output_full(stream))
        stream->tell_drained = true;
    zm_stream_settle_later(stream);
}

void zm_stream_write(zm_stream_t *stream, const void *data, apr_size_t length)
{
    if (stream->failed || stream->finishing)
        return;
    zm_buf_add(&stream->out, data, length);
    written(stream);
}

void zm_stream_write_str(zm_stream_t *stream, zm_str_t text)
{
    zm_stream_write(stream, text.data, text.length);
}

void zm_stream_write_c(zm_stream_t *stream, const char *text)
{
    zm_stream_write(stream, text, strlen(text));
}

void zm_stream_printf(zm_stream_t *stream, const char *format, ...)
{
    va_list arguments;
    if (stream->failed || stream->finishing)
        return;
    va_start(arguments, format);
    zm_buf_vprintf(&stream->out, format, arguments);
    va_end(arguments);
    written(stream);
}

void zm_stream_tell_drained(zm_stream_t *stream)
{
    stream->tell_drained = true;
    zm_stream_settle_later(stream);
}

void zm_stream_send_from(zm_stream_t *stream, zm_source_fn *source, void *baton)
{
    stream->source = source;
    stream->source_baton = baton;
    stream->source_waits = false;
    zm_stream_settle_later(stream);
}

void zm_stream_source_ready(zm_stream_t *stream)
{
    stream->source_waits = false;
    zm_stream_settle_later(stream);
}
