#include "ta/mailbox/program.h"

#include <apr_strings.h>
#include <string.h>

#include "platform/child.h"

#define WORDS 100
#define OUTPUT_KEPT 1024
#define GRACE apr_time_from_sec(5)

typedef struct run_t {
    const zm_delivery_t *delivery;
    zm_child_t *child;
    apr_socket_t *channel;
    zm_watch_t *watch;
    zm_timer_t stall, total, grace;
    zm_buf_t input;  /* of the program: what is not sent yet */
    zm_buf_t output; /* of the program: its beginning */
    bool in_line;    /* the letter so far does not end in LF */
    bool fed;        /* the whole letter is in input, or the program does not want more */
    bool half_closed, deaf;
    bool ended, timed_out;
    apr_status_t source; /* why the letter could not be read */
    zm_child_end_t end;
} run_t;

/* -- the command ----------------------------------------------------------- */

static const char *const *shell_words(const char *command, apr_pool_t *pool)
{
    const char **words = apr_pcalloc(pool, sizeof *words * 4);
    words[0] = "/bin/sh";
    words[1] = "-c";
    words[2] = command;
    return words;
}

const char *const *zm_program_words(const char *command, apr_pool_t *pool)
{
    const char **words = apr_pcalloc(pool, sizeof *words * (WORDS + 1));
    int count = 0;
    if (command[0] != '/' || strpbrk(command, "$>") != NULL)
        return command[0] == '\0' ? NULL : shell_words(command, pool);
    for (;;) {
        const char *end;
        while (zm_is_blank(*command))
            command++;
        if (*command == '\0')
            return count > 0 ? words : NULL;
        if (count == WORDS)
            return NULL;
        if (*command == '\'') {
            command++;
            end = command + strcspn(command, "'");
        } else
            end = command + strcspn(command, " \t");
        words[count++] = apr_pstrmemdup(pool, command, (apr_size_t)(end - command));
        command = *end == '\'' ? end + 1 : end;
    }
}

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
        zm_timer_set(&run->stall, apr_time_from_sec(run->delivery->stall_limit));
}

/* -- data ------------------------------------------------------------------ */

static void keep_output(run_t *run, const char *data, apr_size_t length)
{
    apr_size_t room = OUTPUT_KEPT - run->output.length;
    zm_buf_add(&run->output, data, length < room ? length : room);
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
        apr_status_t status = run->delivery->body(run->delivery->baton, &piece);
        if (status == APR_SUCCESS) {
            zm_buf_add_str(&run->input, piece);
            run->in_line = piece.data[piece.length - 1] != '\n';
            continue;
        }
        run->fed = true;
        if (status != APR_EOF) {
            run->source = status; /* half a letter must not look like a whole one */
            zm_control_kill(zm_child_pid(run->child), true);
        } else if (run->in_line)
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

/* -- the outcome ----------------------------------------------------------- */

static void judge(zm_delivered_t *result, run_t *run)
{
    int code = run->end.code, length;
    const char *line = run->output.data != NULL ? run->output.data : "";
    zm_str_t first, rest;
    zm_str_cut(zm_buf_str(&run->output), '\n', &first, &rest);
    length = (int)first.length;
    if (run->source != APR_SUCCESS)
        zm_delivered_set(result, ZM_RESULT_IOERR, "4.3.0", "cannot read the message");
    else if (run->timed_out)
        zm_delivered_set(result, ZM_RESULT_TEMPFAIL, "4.4.7", "%.*s [time limit]", length, line);
    else if (run->end.signalled)
        zm_delivered_set(result, ZM_RESULT_TEMPFAIL, "4.3.0", "%.*s [signal %d]", length, line,
                         code);
    else if (code == 0)
        zm_delivered_set(result, ZM_RESULT_OK, "2.2.0", "%.*s [Exit Status 0]", length, line);
    else if (code == ZM_RESULT_DATAERR)
        zm_delivered_set(result, ZM_RESULT_UNAVAILABLE, "5.6.0", "%.*s [exit status %d]", length,
                         line, code);
    else if (code == ZM_RESULT_NOUSER || code == ZM_RESULT_NOHOST ||
             code == ZM_RESULT_UNAVAILABLE || code == ZM_RESULT_NOPERM)
        zm_delivered_set(result, code, "5.3.0", "%.*s [exit status %d]", length, line, code);
    else
        zm_delivered_set(result, ZM_RESULT_TEMPFAIL, "4.3.0", "%.*s [exit status %d]", length, line,
                         code);
}

static apr_status_t start(run_t *run, const char *const *words, zm_loop_t *loop, zm_error_t *error)
{
    zm_child_spec_t spec = {0};
    apr_status_t status;
    spec.argv = words;
    spec.environment = run->delivery->environment;
    spec.directory = run->delivery->directory;
    spec.io = ZM_CHILD_CHANNEL;
    spec.own_session = true;
    spec.private_files = true;
    status = zm_child_start(&run->child, &spec, loop, on_end, run, error);
    if (status != APR_SUCCESS)
        return status;
    run->channel = zm_child_channel(run->child);
    zm_timer_init(&run->stall, loop, on_too_long, run);
    zm_timer_init(&run->total, loop, on_too_long, run);
    zm_timer_init(&run->grace, loop, on_grace, run);
    zm_timer_set(&run->total, apr_time_from_sec(run->delivery->total_limit));
    progress(run);
    return zm_watch_open(&run->watch, loop, run->channel, ZM_READ | ZM_WRITE, on_channel, run);
}

void zm_program_deliver(zm_delivered_t *result, const zm_delivery_t *delivery, zm_loop_t *loop,
                        apr_pool_t *pool)
{
    const char *const *words = zm_program_words(delivery->path, pool);
    run_t run = {0};
    zm_error_t error = {0};
    run.delivery = delivery;
    if (words == NULL) {
        zm_delivered_set(result, ZM_RESULT_UNAVAILABLE, "5.3.0", "bad command: %s", delivery->path);
        return;
    }
    zm_buf_add_str(&run.input, delivery->separator);
    zm_buf_add_str(&run.input, delivery->head);
    zm_buf_add_byte(&run.input, '\n');
    if (start(&run, words, loop, &error) != APR_SUCCESS)
        zm_delivered_set(result, ZM_RESULT_OSERR, "4.3.0", "cannot start %s: %s", words[0],
                         error.text);
    else {
        while (!run.ended && zm_loop_once(loop, -1) == APR_SUCCESS)
            ;
        if (run.watch != NULL)
            drain(&run);
        judge(result, &run);
        zm_timer_cancel(&run.stall);
        zm_timer_cancel(&run.total);
        zm_timer_cancel(&run.grace);
    }
    zm_watch_close(run.watch);
    if (run.child != NULL)
        zm_child_close(run.child);
    zm_buf_free(&run.input);
    zm_buf_free(&run.output);
}
