/**
 * A connection as lines in and bytes out.
 *
 * One stream is one non-blocking socket on one loop, with one callback that is told what
 * happened.  The owner *pulls* input (zm_stream_line, zm_stream_peek), so a protocol takes only
 * as much as its state allows, and *pushes* output (zm_stream_write), which never waits.
 *
 *     static void on_event(zm_stream_t *stream, zm_stream_event_t event, void *baton)
 *     {
 *         switch (event) {
 *         case ZM_STREAM_INPUT:
 *             while (wants_command(session) && (status = zm_stream_line(stream, &line)) ==
 * APR_SUCCESS) command(session, &line);
 *             ...                                  // APR_EAGAIN: return and wait for more
 *
 * Rules that hold everywhere:
 *
 * - Output gathers until the callback returns, then leaves in one write: all replies to a batch
 *   of pipelined commands travel together.  Output made outside the callback (after an answer of
 *   the resolver, say) leaves in the next round of the loop, or at once with zm_stream_flush.
 * - Input is not read, and ZM_STREAM_INPUT not called, while a high-water mark's worth of output
 *   waits to be sent: a client that does not read its replies stops being served.
 * - A stream that waits holds no buffers.  An idle one costs about 500 bytes, plus its socket.
 * - zm_stream_close is allowed at any time, in the stream's callback too; afterwards the stream
 *   is not touched any more, and no event comes.
 * - Writing to a connection that the peer has reset raises SIGPIPE on Unix: the process must ignore
 *   it (zm_control_listen sees to that).
 * - The stream is malloc memory of its own; no pool needs to outlive it but that of its socket.
 */
#ifndef ZM_NET_STREAM_H
#define ZM_NET_STREAM_H

#include "mta/net/ip.h"
#include "mta/net/transport.h"
#include "platform/loop.h"
#include "platform/str.h"

typedef struct zm_stream_t zm_stream_t;

typedef enum zm_stream_event_t {
    /** Input came, or its end, or zm_stream_resume was called: pull what the protocol can use now.
     */
    ZM_STREAM_INPUT,
    /** All output has been handed to the system: after zm_stream_output_full was true, or a source
        has ended, or zm_stream_tell_drained.  Once for each cause. */
    ZM_STREAM_DRAINED,
    /** Nothing moved in either direction for the idle limit.  Once; set the limit again to go on.
     */
    ZM_STREAM_TIMEOUT,
    /** The connection is lost, or a source failed: zm_stream_status tells why.  Only
       zm_stream_close is left. */
    ZM_STREAM_ERROR,
    /** After zm_stream_finish: it is over, and the stream is freed when this returns. */
    ZM_STREAM_CLOSED
} zm_stream_event_t;

typedef void zm_stream_fn(zm_stream_t *stream, zm_stream_event_t event, void *baton);

/**
 * Takes over a connected socket (zm_socket_prepare is called for it).  Nothing is called before
 * this returns.  On failure the socket stays the caller's.
 */
apr_status_t zm_stream_open(zm_stream_t **stream, zm_loop_t *loop, apr_socket_t *socket,
                            zm_stream_fn *fn, void *baton);
/** Another owner for what follows (null fn not allowed). */
void zm_stream_set_callback(zm_stream_t *stream, zm_stream_fn *fn, void *baton);

/** Closes at once; output that waits is lost.  The socket is closed too.  Null allowed. */
void zm_stream_close(zm_stream_t *stream);
/**
 * Closes in order: sends what waits, ends our direction, and then, so that a peer that is still
 * sending gets our last words and not a reset, reads and throws away for at most linger
 * microseconds (0: not at all) until the peer ends too.  Input is refused from now on;
 * ZM_STREAM_CLOSED follows, perhaps before this returns.  An idle limit, if set, still ends it.
 */
void zm_stream_finish(zm_stream_t *stream, apr_interval_time_t linger);

/** Why ZM_STREAM_ERROR came: APR_ECONNRESET, what the source returned, ... */
apr_status_t zm_stream_status(const zm_stream_t *stream);
apr_socket_t *zm_stream_socket(zm_stream_t *stream);
zm_loop_t *zm_stream_loop(zm_stream_t *stream);
uint64_t zm_stream_received(const zm_stream_t *stream); /**< bytes read so far (decrypted) */
uint64_t zm_stream_sent(
    const zm_stream_t *stream); /**< bytes written so far, those that still wait not counted */

/* -- input ------------------------------------------------------------------- */

typedef enum zm_line_end_t { ZM_LINE_CRLF, ZM_LINE_LF, ZM_LINE_EOF } zm_line_end_t;

/** A line without its end.  A CR not before the LF, and NULs, are data in it. */
typedef struct zm_line_t {
    zm_str_t text;
    zm_line_end_t end; /**< how it ended; ZM_LINE_EOF: the connection ended in mid line */
} zm_line_t;

/**
 * Takes the next line.  Its bytes are valid until the next call for this stream's input, or the
 * end of the callback.
 *
 * APR_EAGAIN: no whole line yet.  APR_EOF: nothing more will come.  ZM_E_LIMIT: the line was
 * longer than the limit (terminator not counted): its first bytes are in text, the rest will be
 * skipped, and the next call gives the line after it.
 */
apr_status_t zm_stream_line(zm_stream_t *stream, zm_line_t *line);
/** Longest line, in bytes without its end; at the start 4096. */
void zm_stream_line_limit(zm_stream_t *stream, apr_size_t limit);

/** All input that is here, without taking it; empty when there is none.  Valid as zm_stream_line's.
 */
zm_str_t zm_stream_peek(zm_stream_t *stream);
/** Takes count bytes of what zm_stream_peek gave. */
void zm_stream_take(zm_stream_t *stream, apr_size_t count);
/** The peer has ended its direction, and all input was taken. */
bool zm_stream_at_eof(const zm_stream_t *stream);

/**
 * Stops input until zm_stream_resume: for a state that waits for something else.  Bytes that are
 * here stay (zm_stream_peek still shows them); no more are read, and no ZM_STREAM_INPUT comes.
 */
void zm_stream_pause(zm_stream_t *stream);
/**
 * Whether the peer has ended its direction, or the connection is lost: reads ahead for that, until
 * there are 64 KiB.  For the owner of a paused stream, outside its callback.
 */
bool zm_stream_hung_up(zm_stream_t *stream);
/** Goes on; when input is already here, ZM_STREAM_INPUT is called before this returns (in the
 * callback: after it). */
void zm_stream_resume(zm_stream_t *stream);

/* -- output ------------------------------------------------------------------ */

/** Adds to the output.  Nothing fails here; a lost connection shows as ZM_STREAM_ERROR. */
void zm_stream_write(zm_stream_t *stream, const void *data, apr_size_t length);
void zm_stream_write_str(zm_stream_t *stream, zm_str_t text);
void zm_stream_write_c(zm_stream_t *stream, const char *text);
void zm_stream_printf(zm_stream_t *stream, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** Sends what the socket takes now.  May call ZM_STREAM_DRAINED or ZM_STREAM_ERROR only later,
 * never from within. */
void zm_stream_flush(zm_stream_t *stream);

/** Bytes that wait to be sent. */
apr_size_t zm_stream_output_waiting(const zm_stream_t *stream);
/** The high-water mark is reached: produce no more until ZM_STREAM_DRAINED. */
bool zm_stream_output_full(const zm_stream_t *stream);
/** High-water mark in bytes; at the start 65536. */
void zm_stream_high_water(zm_stream_t *stream, apr_size_t bytes);
/** ZM_STREAM_DRAINED comes when what has been written so far is with the system (soon, when it
 * already is). */
void zm_stream_tell_drained(zm_stream_t *stream);

/**
 * Supplies a long output piece by piece.  Adds about room bytes to into (somewhat more is
 * allowed) and returns APR_SUCCESS: there is more; APR_EOF: that was the last (bytes added in this
 * call count); APR_EAGAIN: nothing now, zm_stream_source_ready will be called; anything else:
 * the stream fails with that status.
 */
typedef apr_status_t zm_source_fn(void *baton, zm_buf_t *into, apr_size_t room);

/**
 * Sends from source after what was written before.  The source is asked only when the output
 * runs low, so a body of any size takes one buffer of some 32 KiB.  ZM_STREAM_DRAINED tells that it
 * ended and all was sent.  Until it has ended, zm_stream_write is not allowed, nor a second source.
 */
void zm_stream_send_from(zm_stream_t *stream, zm_source_fn *source, void *baton);
/** A source that said APR_EAGAIN has data again. */
void zm_stream_source_ready(zm_stream_t *stream);

/* -- time -------------------------------------------------------------------- */

/** Sets the idle limit, counted anew from now, and whenever bytes move; 0: none (as at the start).
 */
void zm_stream_idle_limit(zm_stream_t *stream, apr_interval_time_t limit);

/* -- changing what carries it -------------------------------------------------- */

/**
 * Changes the transport (STARTTLS).  Output must have drained.  Input that was already read is
 * plain text that an attacker may have added: it is thrown away, and how many bytes that were is
 * returned.  The stream destroys state when it closes.
 */
apr_size_t zm_stream_set_transport(zm_stream_t *stream, const zm_transport_t *transport,
                                   void *state);
/** The transport of the moment and its state. */
const zm_transport_t *zm_stream_transport(const zm_stream_t *stream, void **state);

#endif
