#include "ta/agent/run.h"

#include <string.h>

#define GRACE apr_time_from_sec(5)

typedef struct run_t {
    const zm_run_spec_t *spec;
    zm_run_end_t *result;
    zm_child_t *child;
    apr_socket_t *channel;
    zm_watch_t *watch;
    zm_timer_t stall, total, grace;
    zm_buf_t input;  /* of the program: what is not sent yet */
    apr_size_t kept; /* octets of its output */
    bool in_line;    /* the letter so far does not end in LF */
    bool fed;        /* the whole letter is in input, or the program does not want more */
    bool half_closed, deaf;
    bool ended, timed_out;
    apr_status_t source; /* why the letter could not be read */
    zm_child_end_t end;
} run_t;

/* -- time ------------------------------------------------------------------ */

static void on_grace(zm_timer_t *timer, void *baton)
{
    run_t *run = baton;
    (void)timer;
    zm_control_kill(zm_child_pid(run->child), true);
}

static void on_too_long(zm_timer_t *timer, void *baton)
{
    run_t *run = baton;
    (void)timer;
    run->timed_out = true;
    zm_control_send(zm_child_pid(run->child), true, ZM_CONTROL_STOP);
    zm_timer_set(&run->grace, GRACE);
}

static void progress(run_t *run)
{
    if (!run->timed_out)
        zm_timer_set(&run->stall, apr_time_from_sec(run->spec->stall_limit));
}

/* -- data ------------------------------------------------------------------ */

static void keep_output(run_t *run, const char *data, apr_size_t length)
{
    apr_size_t room = ZM_RUN_OUTPUT - run->kept;
    apr_size_t more = length < room ? length : room;
    memcpy(run->result->output + run->kept, data, more);
    run->kept += more;
}

static void drain(run_t *run)
{
    char buffer[4096];
    for (;;) {
        apr_size_t length = sizeof buffer;
        apr_status_t status = apr_socket_recv(run->channel, buffer, &length);
        if (length > 0) {
            keep_output(run, buffer, length);
            progress(run);
        }
        if (length == 0 && APR_STATUS_IS_EINTR(status))
            continue;
        if (length == 0 || status != APR_SUCCESS) {
            run->deaf = run->deaf || !APR_STATUS_IS_EAGAIN(status);
            return;
        }
    }
}

/* Gets more of the letter when there is little left to send. */
static void refill(run_t *run)
{
    zm_str_t piece;
    while (!run->fed && run->input.length < 32768) {
        apr_status_t status = run->spec->body(run->spec->baton, &piece);
        if (status == APR_SUCCESS) {
            zm_buf_add_str(&run->input, piece);
            if (piece.length > 0)
                run->in_line = piece.data[piece.length - 1] != '\n';
            continue;
        }
        run->fed = true;
        if (status != APR_EOF) {
            run->source = status; /* half a letter must not look like a whole one */
            zm_control_kill(zm_child_pid(run->child), true);
        } else if (run->in_line && run->spec->end_line)
            zm_buf_add_byte(&run->input, '\n');
    }
}

static void feed(run_t *run)
{
    while (!run->half_closed && run->source == APR_SUCCESS) {
        apr_size_t length;
        apr_status_t status;
        refill(run);
        if (run->input.length == 0 && run->fed) {
            zm_child_half_close(run->child);
            run->half_closed = true;
            return;
        }
        length = run->input.length;
        status = apr_socket_send(run->channel, run->input.data, &length);
        zm_buf_consume(&run->input, length);
        if (length > 0)
            progress(run);
        if (APR_STATUS_IS_EAGAIN(status))
            return;
        if (status != APR_SUCCESS && !APR_STATUS_IS_EINTR(status)) { /* it need not read on */
            run->fed = true;
            zm_buf_clear(&run->input);
        }
    }
}

static void on_channel(zm_watch_t *watch, int events, void *baton)
{
    run_t *run = baton;
    if (events & (ZM_READ | ZM_HANGUP))
        drain(run);
    if (events & ZM_WRITE)
        feed(run);
    zm_watch_set(watch, (run->deaf ? 0 : ZM_READ) | (run->half_closed ? 0 : ZM_WRITE));
    if (run->deaf && (events & ZM_HANGUP)) { /* nobody at the other end any more */
        zm_watch_close(watch);
        run->watch = NULL;
    }
}

static void on_end(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    run_t *run = baton;
    (void)child;
    run->end = *end;
    run->ended = true;
}

/* -- running --------------------------------------------------------------- */

static apr_status_t start(run_t *run, zm_loop_t *loop, zm_error_t *error)
{
    const zm_run_spec_t *wanted = run->spec;
    zm_child_spec_t spec = {0};
    apr_status_t status;
    spec.program = wanted->program;
    spec.argv = wanted->words;
    spec.environment = wanted->environment;
    spec.directory = wanted->directory;
    spec.io = ZM_CHILD_CHANNEL;
    spec.own_session = true;
    spec.private_files = wanted->private_files;
    spec.limits = wanted->limits;
    status = zm_child_start(&run->child, &spec, loop, on_end, run, error);
    if (status != APR_SUCCESS)
        return status;
    run->channel = zm_child_channel(run->child);
    zm_timer_init(&run->stall, loop, on_too_long, run);
    zm_timer_init(&run->total, loop, on_too_long, run);
    zm_timer_init(&run->grace, loop, on_grace, run);
    zm_timer_set(&run->total, apr_time_from_sec(wanted->total_limit));
    progress(run);
    return zm_watch_open(&run->watch, loop, run->channel, ZM_READ | ZM_WRITE, on_channel, run);
}

static void tell(run_t *run)
{
    zm_run_end_t *result = run->result;
    zm_str_t rest;
    zm_str_cut(zm_str_of(result->output, run->kept), '\n', &result->line, &rest);
    result->code = run->end.code;
    if (run->source != APR_SUCCESS)
        result->how = ZM_RUN_NO_LETTER;
    else if (run->timed_out)
        result->how = ZM_RUN_TOO_LONG;
    else
        result->how = run->end.signalled ? ZM_RUN_SIGNALLED : ZM_RUN_EXITED;
}

apr_status_t zm_run(zm_run_end_t *result, const zm_run_spec_t *spec, zm_loop_t *loop,
                    zm_error_t *error)
{
    run_t run = {.spec = spec, .result = result};
    apr_status_t status;
    result->line = ZM_S("");
    zm_buf_add_str(&run.input, spec->beginning);
    status = start(&run, loop, error);
    if (run.child != NULL && status != APR_SUCCESS) /* nobody would feed it */
        zm_control_kill(zm_child_pid(run.child), true);
    if (status == APR_SUCCESS) {
        while (!run.ended && zm_loop_once(loop, -1) == APR_SUCCESS)
            ;
        if (run.watch != NULL)
            drain(&run);
        tell(&run);
    }
    if (run.child != NULL) {
        zm_timer_cancel(&run.stall);
        zm_timer_cancel(&run.total);
        zm_timer_cancel(&run.grace);
    }
    zm_watch_close(run.watch);
    if (run.child != NULL)
        zm_child_close(run.child);
    zm_buf_free(&run.input);
    return status;
}
