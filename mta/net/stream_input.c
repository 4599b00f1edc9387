/*
 * Input.  Bytes are read into one piece of memory that all streams of a thread share, and the
 * owner takes them from there.  Only what is left when its callback returns is copied, so a
 * waiting stream holds nothing but an unfinished line.  Since a loop never runs inside one of its
 * own callbacks, the shared memory has one user at a time.
 */
#include <string.h>

#include "mta/net/stream_parts.h"

#define SHARED_SIZE 65536
#define MOST_KEPT (4 * SHARED_SIZE) /* an owner that takes nothing is not read for */

static _Thread_local char shared[SHARED_SIZE];

static apr_size_t available(const zm_stream_t *stream)
{
    return stream->end - stream->at;
}

bool zm_stream_wants_input(const zm_stream_t *stream)
{
    if (stream->eof || stream->failed)
        return false;
    if (stream->finishing)
        return stream->shut;
    return !stream->paused && available(stream) < MOST_KEPT && !zm_stream_output_full(stream);
}

void zm_stream_drop_input(zm_stream_t *stream)
{
    stream->at = stream->end = stream->scanned = 0;
    stream->data = NULL;
    zm_buf_free(&stream->kept);
}

void zm_stream_keep_input(zm_stream_t *stream)
{
    apr_size_t left = available(stream);
    if (left == 0) {
        zm_stream_drop_input(stream);
        return;
    }
    if (stream->data != stream->kept.data) {
        zm_buf_add(&stream->kept, stream->data + stream->at, left);
    } else if (stream->at >= stream->end / 2) {
        zm_buf_consume(&stream->kept, stream->at);
    } else {
        return;
    }
    stream->data = stream->kept.data;
    stream->at = 0;
    stream->end = stream->kept.length;
}

/* Puts what was read where the owner finds it: as it is, or after what it has left. */
static void add_input(zm_stream_t *stream, apr_size_t length)
{
    stream->received += length;
    stream->news = true;
    zm_stream_note_movement(stream);
    if (stream->finishing)
        return;
    if (available(stream) == 0) {
        stream->data = shared;
        stream->at = 0;
        stream->end = length;
        return;
    }
    zm_buf_add(&stream->kept, shared, length);
    stream->data = stream->kept.data;
    stream->end = stream->kept.length;
}

/* A transport that holds decrypted bytes must be emptied: no poll tells of them. */
void zm_stream_receive(zm_stream_t *stream)
{
    do {
        apr_size_t length = sizeof shared;
        apr_status_t status =
            stream->transport->receive(stream->transport_state, stream->socket, shared, &length);
        if (APR_STATUS_IS_EAGAIN(status))
            return;
        if (status == APR_SUCCESS && length > 0) {
            add_input(stream, length);
            if (stream->transport->pending != NULL)
                zm_stream_keep_input(stream);
        } else if (status == APR_SUCCESS || APR_STATUS_IS_EOF(status)) {
            stream->eof = stream->news = true;
        } else {
            zm_stream_fail(stream, status);
        }
    } while (zm_stream_wants_input(stream) && stream->transport->pending != NULL &&
             stream->transport->pending(stream->transport_state));
}

/* Not into the shared memory, which another stream whose callback led here may be using. */
void zm_stream_receive_last(zm_stream_t *stream)
{
    char words[4096];
    apr_size_t length = sizeof words;
    if (stream->eof || stream->finishing ||
        stream->transport->receive(stream->transport_state, stream->socket, words, &length) !=
            APR_SUCCESS)
        return;
    zm_stream_keep_input(stream);
    zm_buf_add(&stream->kept, words, length);
    stream->data = stream->kept.data;
    stream->end = stream->kept.length;
    stream->received += length;
    stream->news = true;
}

/* -- taking ------------------------------------------------------------------- */

zm_str_t zm_stream_peek(zm_stream_t *stream)
{
    return zm_str_of(available(stream) != 0 ? stream->data + stream->at : "", available(stream));
}

void zm_stream_take(zm_stream_t *stream, apr_size_t count)
{
    if (count > available(stream))
        count = available(stream);
    stream->at += count;
    stream->scanned = 0;
    if (stream->depth == 0 && (stream->interest & ZM_READ) == 0)
        zm_stream_settle_later(stream);
}

bool zm_stream_at_eof(const zm_stream_t *stream)
{
    return stream->eof && available(stream) == 0;
}

void zm_stream_line_limit(zm_stream_t *stream, apr_size_t limit)
{
    stream->line_limit = limit;
    stream->scanned = 0;
}

/* The LF of the next line, or null; looks at each byte once over all calls. */
static const char *find_end(zm_stream_t *stream)
{
    apr_size_t left = available(stream) - stream->scanned;
    const char *end;
    if (left == 0)
        return NULL;
    end = memchr(stream->data + stream->at + stream->scanned, '\n', left);
    stream->scanned = end != NULL ? 0 : available(stream);
    return end;
}

/* Throws the rest of an overlong line away.  False: it still goes on. */
static bool skip_line(zm_stream_t *stream)
{
    const char *end = find_end(stream);
    zm_stream_take(stream, end != NULL ? (apr_size_t)(end - (stream->data + stream->at)) + 1
                                       : available(stream));
    if (end != NULL || stream->eof)
        stream->skipping = false;
    return !stream->skipping;
}

/* No end is here (yet). */
static apr_status_t unfinished(zm_stream_t *stream, zm_line_t *line)
{
    line->text = zm_stream_peek(stream);
    line->end = ZM_LINE_EOF;
    /* One more than the limit may be the CR of the end. */
    if (line->text.length > stream->line_limit + 1) {
        line->text.length = stream->line_limit;
        stream->skipping = true;
        zm_stream_take(stream, available(stream));
        return ZM_E_LIMIT;
    }
    if (!stream->eof && !stream->failed)
        return APR_EAGAIN;
    if (line->text.length == 0)
        return APR_EOF;
    zm_stream_take(stream, line->text.length);
    return APR_SUCCESS;
}

apr_status_t zm_stream_line(zm_stream_t *stream, zm_line_t *line)
{
    const char *start, *end;
    apr_size_t length;
    *line = (zm_line_t){{"", 0}, ZM_LINE_EOF};
    if (stream->finishing)
        return APR_EOF;
    if (stream->skipping && !skip_line(stream))
        return APR_EAGAIN;
    end = find_end(stream);
    if (end == NULL)
        return unfinished(stream, line);
    start = stream->data + stream->at;
    length = (apr_size_t)(end - start);
    zm_stream_take(stream, length + 1);
    line->end = length > 0 && end[-1] == '\r' ? ZM_LINE_CRLF : ZM_LINE_LF;
    line->text = zm_str_of(start, length - (line->end == ZM_LINE_CRLF));
    if (line->text.length <= stream->line_limit)
        return APR_SUCCESS;
    line->text.length = stream->line_limit;
    return ZM_E_LIMIT;
}

/* -- pausing ------------------------------------------------------------------ */

void zm_stream_pause(zm_stream_t *stream)
{
    stream->paused = true;
}

bool zm_stream_hung_up(zm_stream_t *stream)
{
    uint64_t before;
    do {
        if (stream->eof || stream->failed)
            return true;
        if (stream->finishing || available(stream) >= SHARED_SIZE)
            return false;
        before = stream->received;
        zm_stream_receive(stream);
        zm_stream_keep_input(stream);
    } while (stream->received != before);
    return stream->eof || stream->failed;
}

void zm_stream_resume(zm_stream_t *stream)
{
    stream->paused = false;
    if (available(stream) != 0 || stream->eof)
        stream->news = true;
    zm_stream_settle(stream);
}
