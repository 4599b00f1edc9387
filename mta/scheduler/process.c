#include "mta/scheduler/process.h"

#include <apr_strings.h>

#include "mta/scheduler/command.h"
#include "mta/scheduler/dispatch.h"
#include "mta/scheduler/memory.h"
#include "mta/scheduler/ta.h"
#include "platform/child.h"
#include "platform/log.h"

/* A line longer than this is dropped and logged: no agent has so much to say. */
#define LINE_LIMIT (1u << 20)
#define READ_SIZE 32768
/* EX_SOFTWARE: an agent found itself in a state that must not be. */
#define INTERNAL_ERROR 70
/* An agent that closed its channel and does not end is killed after this, microseconds. */
#define END_PATIENCE (10 * APR_USEC_PER_SEC)
/* Bad ends that are logged within a minute. */
#define MOST_TOLD 20
#define SAID 240

struct zm_process_t {
    zm_processes_t *processes;
    apr_pool_t *pool;
    zm_ta_t *ta;
    zm_child_t *child;
    apr_socket_t *channel;
    zm_watch_t *watch;
    zm_timer_t patience;
    const char *words; /* of its command line */
    char said[SAID];   /* its last line that was no result */
    zm_buf_t in, out;
    apr_size_t searched; /* bytes of in without an LF */
    bool overlong;       /* the rest of a line that was too long is being skipped */
    bool closing, quit;  /* half-close when all is written */
    bool closed, at_end, ended, abnormal;
};

/* -- the end ------------------------------------------------------------------------------- */

static void drop(zm_process_t *process)
{
    zm_timer_cancel(&process->patience);
    zm_watch_close(process->watch);
    zm_child_close(process->child);
    zm_buf_free(&process->in);
    zm_buf_free(&process->out);
    apr_pool_destroy(process->pool);
    zm_scheduler_free(process);
}

static void gone(zm_process_t *process)
{
    zm_processes_t *processes = process->processes;
    zm_ta_t *ta = process->ta;
    bool abnormal = process->abnormal;

    if (process->in.length > 0)
        processes->scheduler->outside->comment(processes->scheduler->baton, ta,
                                               zm_buf_str(&process->in), true);
    drop(process);
    zm_scheduler_tick(processes->scheduler);
    zm_ta_gone(processes->scheduler, ta, abnormal);
    processes->settle(processes->baton);
}

static void impatient(zm_timer_t *timer, void *baton)
{
    zm_process_t *process = baton;
    (void)timer;
    zm_child_kill(process->child);
}

/* -- reading ------------------------------------------------------------------------------- */

static void too_long(zm_process_t *process)
{
    zm_scheduler_t *scheduler = process->processes->scheduler;
    process->overlong = true;
    scheduler->outside->comment(scheduler->baton, process->ta, zm_str_of(process->in.data, 200),
                                true);
    zm_buf_clear(&process->in);
    process->searched = 0;
}

/* Hands the whole lines in the buffer to the scheduler. */
static void take_lines(zm_process_t *process)
{
    apr_size_t start = 0, at = process->searched;

    for (; at < process->in.length; at++) {
        if (process->in.data[at] != '\n')
            continue;
        if (!process->overlong)
            zm_ta_line(process->processes->scheduler, process->ta,
                       zm_str_of(process->in.data + start, at - start));
        process->overlong = false;
        start = at + 1;
    }
    zm_buf_consume(&process->in, start);
    process->searched = process->in.length;
    if (process->overlong)
        zm_buf_clear(&process->in);
    else if (process->in.length > LINE_LIMIT)
        too_long(process);
    if (process->in.length == 0)
        process->searched = 0;
}

/* Reads what is there; sets at_end. */
static void read_channel(zm_process_t *process, int rounds, bool to_end)
{
    while (rounds-- > 0 && !process->at_end) {
        apr_size_t length = READ_SIZE;
        apr_status_t status;
        zm_buf_reserve(&process->in, READ_SIZE);
        status = apr_socket_recv(process->channel, process->in.data + process->in.length, &length);
        if (APR_STATUS_IS_EAGAIN(status))
            return;
        if (status != APR_SUCCESS || length == 0) {
            process->at_end = true;
            return;
        }
        process->in.length += length;
        take_lines(process);
        if (length < READ_SIZE && !to_end)
            return; /* there was no more just now */
    }
}

void zm_process_said(zm_process_t *process, zm_str_t line)
{
    apr_size_t i;
    line = zm_str_trim(line);
    if (line.length == 0)
        return;
    if (line.length >= SAID)
        line.length = SAID - 1;
    for (i = 0; i < line.length; i++)
        process->said[i] = line.data[i] >= ' ' && line.data[i] <= '~' ? line.data[i] : '?';
    process->said[i] = '\0';
}

/* It ended before it asked for work, unless we told it to. */
static bool ended_early(const zm_process_t *process)
{
    return !process->ta->hungry && !process->ta->dismissed;
}

static void note_trouble(const zm_process_t *process, const zm_child_end_t *end)
{
    char text[SAID + 80];
    if (!ended_early(process))
        return;
    apr_snprintf(text, sizeof text, "the agent ended with %s %d before it asked for work%s%s",
                 end->signalled ? "signal" : "status", end->code,
                 process->said[0] != '\0' ? ": " : "", process->said);
    zm_dispatch_trouble(process->processes->scheduler, process->ta->ring, zm_str(text));
}

/* Many agents that end at once do not fill the log. */
static bool may_tell(zm_processes_t *processes)
{
    uint32_t now = processes->scheduler->now;
    if (processes->told == 0 || now - processes->told_since >= 60) {
        if (processes->untold > 0)
            zm_log(ZM_LOG_WARNING, NULL, "further agents ended badly",
                   ZM_F_I("count", processes->untold));
        processes->told_since = now;
        processes->told = processes->untold = 0;
    }
    if (processes->told < MOST_TOLD) {
        processes->told++;
        return true;
    }
    processes->untold++;
    return false;
}

static void tell_end(const zm_process_t *process, const zm_child_end_t *end)
{
    const zm_ta_t *ta = process->ta;
    if (!end->signalled && end->code == INTERNAL_ERROR)
        zm_log_syslog(ZM_LOG_ERROR, "scheduler", "agent %ld of channel %s ended with status %d",
                      (long)ta->pid, ta->ring->channel->name->data, end->code);
    if (!process->abnormal && !ended_early(process))
        return;
    if (may_tell(process->processes))
        zm_log(end->code == INTERNAL_ERROR ? ZM_LOG_ERROR : ZM_LOG_WARNING, NULL,
               "agent ended badly", ZM_F_I("pid", ta->pid),
               ZM_F_S("channel", ta->ring->channel->name->data),
               ZM_F_S(end->signalled ? "by" : "with", end->signalled ? "signal" : "status"),
               ZM_F_I("code", end->code), ZM_F_S("said", process->said));
}

static void child_ended(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    zm_process_t *process = baton;

    (void)child;
    process->ended = true;
    process->abnormal = end->signalled || end->code != 0;
    zm_scheduler_tick(process->processes->scheduler);
    read_channel(process, 10000, true); /* its last words */
    if (process->in.length > 0)
        zm_process_said(process, zm_buf_str(&process->in));
    tell_end(process, end);
    note_trouble(process, end);
    gone(process);
}

/* -- writing ------------------------------------------------------------------------------- */

static void watch_for(zm_process_t *process)
{
    int events = process->at_end ? 0 : ZM_READ;
    if (process->out.length > 0 && !process->at_end)
        events |= ZM_WRITE;
    zm_watch_set(process->watch, events);
}

static void close_when_written(zm_process_t *process)
{
    if (!process->closing || process->closed || process->out.length > 0)
        return;
    process->closed = true;
    zm_child_half_close(process->child);
    if (process->quit)
        zm_child_control(process->child, ZM_CONTROL_SLOW_STOP);
}

static void write_channel(zm_process_t *process)
{
    apr_size_t done = 0;
    while (done < process->out.length) {
        apr_size_t length = process->out.length - done;
        apr_status_t status = apr_socket_send(process->channel, process->out.data + done, &length);
        done += length;
        if (status != APR_SUCCESS) {
            if (!APR_STATUS_IS_EAGAIN(status))
                done = process->out.length; /* it is gone: the end is reported by reading */
            break;
        }
    }
    zm_buf_consume(&process->out, done);
    close_when_written(process);
}

static void ready(zm_watch_t *watch, int events, void *baton)
{
    zm_process_t *process = baton;
    zm_processes_t *processes = process->processes;

    (void)watch;
    zm_scheduler_tick(processes->scheduler);
    if ((events & ZM_WRITE) != 0) {
        write_channel(process);
        if (process->out.length == 0)
            zm_ta_writable(processes->scheduler, process->ta);
    }
    if ((events & ZM_READ) != 0)
        read_channel(process, 8, false);
    watch_for(process);
    if (process->at_end && !zm_timer_is_set(&process->patience))
        zm_timer_set(&process->patience, END_PATIENCE);
    processes->settle(processes->baton);
}

const char *zm_process_words(const zm_process_t *process)
{
    return process->words;
}

bool zm_process_send(zm_process_t *process, const char *data, apr_size_t length)
{
    bool waiting = process->out.length > 0;
    zm_buf_add(&process->out, data, length);
    if (!waiting) {
        write_channel(process);
        watch_for(process);
    }
    return process->out.length == 0;
}

void zm_process_half_close(zm_process_t *process, bool quit)
{
    process->closing = true;
    process->quit = quit;
    close_when_written(process);
}

void zm_process_kill(zm_process_t *process)
{
    zm_child_kill(process->child);
}

void zm_process_leave(zm_process_t *process)
{
    drop(process);
}

/* -- starting ------------------------------------------------------------------------------ */

static const char *quoted_words(const char *const *argv, apr_pool_t *pool)
{
    zm_buf_t text = ZM_BUF_INIT;
    const char *words;

    for (; *argv != NULL; argv++)
        zm_buf_printf(&text, "%s'%s'", text.length > 0 ? " " : "", *argv);
    words = zm_str_c(pool, zm_buf_str(&text));
    zm_buf_free(&text);
    return words;
}

static apr_status_t start_child(zm_process_t *process, const zm_thread_t *thread, zm_error_t *error)
{
    zm_processes_t *processes = process->processes;
    const zm_params_t *params = &thread->ring->selection->params;
    zm_child_spec_t spec = {0};
    zm_command_for_t what = {zm_text_str(thread->ring->channel->name), zm_text_str(thread->host),
                             params->source, thread->ring->starts++};
    zm_command_t command;
    apr_status_t status;

    status =
        zm_command_build(&command, params->command, &what, processes->zenv, process->pool, error);
    if (status != APR_SUCCESS)
        return status;
    process->words = quoted_words(command.argv, process->pool);
    spec.argv = command.argv;
    spec.environment = command.environment;
    spec.directory = processes->directory;
    spec.io = ZM_CHILD_CHANNEL;
    spec.as = processes->privileged ? &params->as : NULL;
    spec.nice = (int)params->nice;
    spec.priority_absolute = params->priority;
    spec.descriptors = processes->descriptors;
    return zm_child_start(&process->child, &spec, processes->loop, child_ended, process, error);
}

apr_status_t zm_process_start(zm_processes_t *processes, zm_ta_t *ta, zm_thread_t *thread,
                              zm_process_t **started, zm_error_t *error)
{
    zm_process_t *process = zm_scheduler_alloc(sizeof *process);
    apr_status_t status;

    apr_pool_create(&process->pool, NULL);
    process->processes = processes;
    process->ta = ta;
    zm_timer_init(&process->patience, processes->loop, impatient, process);
    status = start_child(process, thread, error);
    if (status == APR_SUCCESS) {
        process->channel = zm_child_channel(process->child);
        ta->pid = zm_child_pid(process->child);
        status = zm_watch_open(&process->watch, processes->loop, process->channel, ZM_READ, ready,
                               process);
        if (status != APR_SUCCESS) {
            zm_error_system(error, status, "cannot watch an agent");
            zm_child_close(process->child);
        }
    }
    if (status != APR_SUCCESS) {
        apr_pool_destroy(process->pool);
        zm_scheduler_free(process);
        return status;
    }
    *started = process;
    return APR_SUCCESS;
}
