#include "ta/agent/channel.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <stdlib.h>
#include <string.h>

#include "platform/child.h"

#define LINE_LIMIT 65536

struct zm_channel_t {
    apr_pool_t *pool;
    zm_loop_t *loop;
    apr_socket_t *socket; /* null: input comes from the reader thread, output goes to a file */
    apr_file_t *in, *out;
    zm_watch_t *watch;
    int watched;
    zm_channel_fn *fn;
    void *baton;
    zm_buf_t input, output;
    apr_size_t taken; /* bytes of input that were given out as lines */
    bool ended;
    apr_status_t broken;
};

static void watch_for(zm_channel_t *channel)
{
    int events = (channel->ended ? 0 : ZM_READ) | (channel->output.length > 0 ? ZM_WRITE : 0);
    if (channel->watch == NULL || events == channel->watched)
        return;
    channel->watched = events;
    zm_watch_set(channel->watch, events);
}

static void end_input(zm_channel_t *channel)
{
    channel->ended = true;
    watch_for(channel);
}

/* -- a socket -------------------------------------------------------------- */

static void receive(zm_channel_t *channel)
{
    char buffer[8192];
    while (!channel->ended) {
        apr_size_t length = sizeof buffer;
        apr_status_t status = apr_socket_recv(channel->socket, buffer, &length);
        if (length > 0)
            zm_buf_add(&channel->input, buffer, length);
        if (length == sizeof buffer)
            continue;
        if (length == 0 && !APR_STATUS_IS_EAGAIN(status) && !APR_STATUS_IS_EINTR(status))
            end_input(channel);
        break;
    }
}

static void send_some(zm_channel_t *channel)
{
    while (channel->output.length > 0 && channel->broken == APR_SUCCESS) {
        apr_size_t length = channel->output.length;
        apr_status_t status =
            channel->socket != NULL
                ? apr_socket_send(channel->socket, channel->output.data, &length)
                : apr_file_write_full(channel->out, channel->output.data, length, &length);
        zm_buf_consume(&channel->output, length);
        if (APR_STATUS_IS_EAGAIN(status) || (APR_STATUS_IS_EINTR(status) && length == 0))
            break;
        if (status != APR_SUCCESS && !APR_STATUS_IS_EINTR(status))
            channel->broken = status;
    }
    if (channel->broken != APR_SUCCESS)
        zm_buf_clear(&channel->output);
    watch_for(channel);
}

static void on_socket(zm_watch_t *watch, int events, void *baton)
{
    zm_channel_t *channel = baton;
    (void)watch;
    if (events & ZM_WRITE)
        send_some(channel);
    if (events & (ZM_READ | ZM_HANGUP)) {
        receive(channel);
        channel->fn(channel->baton);
    }
}

/* -- pipes and files ------------------------------------------------------- */

typedef struct arrival_t {
    zm_channel_t *channel;
    apr_size_t length; /* 0: the end */
    char data[];
} arrival_t;

static void on_arrival(void *baton)
{
    arrival_t *arrival = baton;
    zm_channel_t *channel = arrival->channel;
    if (arrival->length == 0)
        channel->ended = true;
    else
        zm_buf_add(&channel->input, arrival->data, arrival->length);
    free(arrival);
    channel->fn(channel->baton);
}

/* Reads in a thread of its own because not every kind of standard input can be polled. */
static void *APR_THREAD_FUNC read_input(apr_thread_t *thread, void *baton)
{
    zm_channel_t *channel = baton;
    (void)thread;
    for (;;) {
        apr_size_t length = 8192;
        arrival_t *arrival = malloc(sizeof *arrival + length);
        if (arrival == NULL)
            abort();
        apr_status_t status = apr_file_read(channel->in, arrival->data, &length);
        arrival->channel = channel;
        arrival->length = status == APR_SUCCESS ? length : 0;
        zm_loop_post(channel->loop, on_arrival, arrival);
        if (status != APR_SUCCESS)
            return NULL;
    }
}

static apr_status_t open_files(zm_channel_t *channel)
{
    apr_thread_t *thread;
    apr_threadattr_t *attributes;
    apr_status_t status = apr_file_open_stdin(&channel->in, channel->pool);
    if (status == APR_SUCCESS)
        status = apr_file_open_stdout(&channel->out, channel->pool);
    if (status == APR_SUCCESS)
        status = apr_threadattr_create(&attributes, channel->pool);
    if (status == APR_SUCCESS) {
        apr_threadattr_detach_set(attributes, 1);
        status = apr_thread_create(&thread, attributes, read_input, channel, channel->pool);
    }
    return status;
}

/* -- the interface --------------------------------------------------------- */

apr_status_t zm_channel_open(zm_channel_t **result, apr_socket_t *socket, zm_loop_t *loop,
                             zm_channel_fn *fn, void *baton, apr_pool_t *pool)
{
    zm_channel_t *channel = apr_pcalloc(pool, sizeof *channel);
    channel->pool = pool;
    channel->loop = loop;
    channel->fn = fn;
    channel->baton = baton;
    *result = channel;
    if (socket == NULL && zm_child_own_channel(&socket, pool) != APR_SUCCESS)
        return open_files(channel);
    channel->socket = socket;
    apr_socket_opt_set(socket, APR_SO_NONBLOCK, 1);
    apr_socket_timeout_set(socket, 0);
    channel->watched = ZM_READ;
    return zm_watch_open(&channel->watch, loop, socket, ZM_READ, on_socket, channel);
}

void zm_channel_close(zm_channel_t *channel)
{
    zm_watch_close(channel->watch);
    channel->watch = NULL;
    zm_buf_free(&channel->input);
    zm_buf_free(&channel->output);
}

apr_status_t zm_channel_line(zm_channel_t *channel, zm_str_t *line)
{
    zm_str_t head, rest;
    zm_str_t left = zm_str_from(zm_buf_str(&channel->input), channel->taken);
    if (left.length > 0 && zm_str_cut(left, '\n', &head, &rest)) {
        channel->taken += head.length + 1;
        *line = head;
        return head.length > LINE_LIMIT ? ZM_E_LIMIT : APR_SUCCESS;
    }
    zm_buf_consume(&channel->input, channel->taken);
    channel->taken = 0;
    if (channel->input.length > LINE_LIMIT)
        return ZM_E_LIMIT;
    return channel->ended ? APR_EOF : APR_EAGAIN;
}

zm_buf_t *zm_channel_output(zm_channel_t *channel)
{
    return &channel->output;
}

apr_status_t zm_channel_flush(zm_channel_t *channel, bool wait)
{
    send_some(channel);
    while (wait && channel->output.length > 0 && channel->broken == APR_SUCCESS) {
        apr_status_t status = zm_loop_once(channel->loop, -1);
        if (status != APR_SUCCESS)
            return status;
    }
    return channel->broken;
}

bool zm_channel_drained(const zm_channel_t *channel)
{
    return channel->output.length == 0;
}
