/**
 * The line channel between a transport agent and the scheduler.
 *
 * The scheduler gives an agent one stream socket as its standard input and
 * output.  By hand, in scripts and in tests the two may as well be pipes or
 * files; a thread then reads standard input and posts its lines to the loop.
 *
 * A line is everything up to LF.  What stands between the last LF and the end
 * of the stream is a truncated feed and is dropped.  After the end of input the
 * output direction stays usable: results of jobs under way still go out.
 */
#ifndef ZM_TA_AGENT_CHANNEL_H
#define ZM_TA_AGENT_CHANNEL_H

#include "platform/loop.h"
#include "platform/status.h"
#include "platform/str.h"

typedef struct zm_channel_t zm_channel_t;

/** Called on the loop when lines may have arrived, or the input has ended. */
typedef void zm_channel_fn(void *baton);

/**
 * Opens the channel.  socket: the scheduler's end in tests, owned by the caller;
 * null: the standard streams of this process.
 */
apr_status_t zm_channel_open(zm_channel_t **channel, apr_socket_t *socket, zm_loop_t *loop,
                             zm_channel_fn *fn, void *baton, apr_pool_t *pool);
void zm_channel_close(zm_channel_t *channel);

/**
 * Takes the next line, without its LF.  It is valid until the next call on the
 * channel.  APR_EAGAIN: none yet; APR_EOF: the input has ended and every line
 * was taken; ZM_E_LIMIT: a line longer than any control file name can be.
 */
apr_status_t zm_channel_line(zm_channel_t *channel, zm_str_t *line);

/** Where output is put; zm_channel_flush sends it. */
zm_buf_t *zm_channel_output(zm_channel_t *channel);

/**
 * Sends what was put.  What the scheduler does not take at once follows when it
 * can; with wait the call returns only when all is gone, running the loop
 * meanwhile.  An error means that the scheduler is gone.
 */
apr_status_t zm_channel_flush(zm_channel_t *channel, bool wait);

/** Whether all output has been taken. */
bool zm_channel_drained(const zm_channel_t *channel);

#endif
