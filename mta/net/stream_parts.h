/**
 * The inside of a stream, shared by stream.c, stream_input.c and stream_output.c.
 *
 * Every way in (a ready socket, a timer, a call of the owner from outside its callback) ends in
 * settle() of stream.c, which alone calls the owner and alone decides what to wait for.
 * The parts only change the state below.
 */
#ifndef ZM_NET_STREAM_PARTS_H
#define ZM_NET_STREAM_PARTS_H

#include "mta/net/stream.h"

struct zm_stream_t {
    zm_loop_t *loop;
    apr_socket_t *socket;
    zm_watch_t *watch;
    int interest; /* what the watch was last told */
    zm_stream_fn *fn;
    void *baton;
    const zm_transport_t *transport;
    void *transport_state;

    int depth;   /* > 0: the owner is being called, or settle() runs */
    bool closed; /* free it when depth is 0 */
    bool failed; /* status says why */
    bool told_error;
    apr_status_t status;
    apr_status_t send_status; /* a send failed, and failed is about to be set */

    /* input: what was read and not yet taken stands at data[at..end) */
    const char *data;
    apr_size_t at, end;
    zm_buf_t kept;      /* data, where it had to be kept from one round to the next */
    apr_size_t scanned; /* bytes from at on that are known to hold no LF */
    apr_size_t line_limit;
    bool skipping; /* the rest of an overlong line */
    bool paused;
    bool eof;
    bool news; /* the owner has not been told of what is here */
    uint64_t received;

    /* output: what waits stands at out.data[sent_at..out.length) */
    zm_buf_t out;
    apr_size_t sent_at;
    apr_size_t high_water;
    bool blocked;      /* the socket took less than there was */
    bool yielded;      /* enough was sent in this round */
    bool tell_drained; /* ZM_STREAM_DRAINED is owed */
    zm_source_fn *source;
    void *source_baton;
    bool source_waits; /* it said APR_EAGAIN */
    uint64_t sent;

    /* the orderly end */
    bool finishing;
    bool shut; /* our direction has ended */
    apr_interval_time_t linger;

    zm_timer_t later; /* settle in the next round; when shut: the end of lingering */
    zm_timer_t idle;
    apr_interval_time_t idle_limit;
    apr_time_t moved; /* when bytes moved last */
};

/* stream.c */
void zm_stream_fail(zm_stream_t *stream, apr_status_t status);
void zm_stream_note_movement(zm_stream_t *stream);
void zm_stream_settle_later(
    zm_stream_t *stream);                   /* a call from outside the callback changed something */
void zm_stream_settle(zm_stream_t *stream); /* at once, unless it is going on */
void zm_stream_update_interest(zm_stream_t *stream);

/* stream_input.c */
bool zm_stream_wants_input(const zm_stream_t *stream);
void zm_stream_receive(zm_stream_t *stream);
void zm_stream_keep_input(
    zm_stream_t *stream); /* before the round ends: out of the shared memory */
void zm_stream_drop_input(zm_stream_t *stream);
void zm_stream_receive_last(zm_stream_t *stream); /* what a peer said before it closed on us */

/* stream_output.c */
bool zm_stream_has_output(const zm_stream_t *stream); /* bytes, or a source that can give some */
void zm_stream_send(zm_stream_t *stream);

#endif
