#include "mta/smtpserver/clerk.h"

#include <stdlib.h>
#include <string.h>

#include "mta/net/scram.h"
#include "platform/child.h"
#include "platform/log.h"

#define INPUT_LIMIT 65536 /* octets of a line */

#define FILTER_DESCRIPTORS 1024 /* that a filter may have open */

struct clerk_t {
    clerk_kind_t kind;
    zm_child_t *child;
    zm_watch_t *watch;
    zm_timer_t patience;
    bool ready, busy, over;
    bool spare; /* over for want of questions: no reason to kill it */
    zm_buf_t input, answer, question;
    apr_size_t last; /* where the last line of the answer begins */
    clerk_fn *fn;
    void *baton;
};

static const char *clerk_ended(clerk_kind_t kind)
{
    static const char *const texts[] = {"router ended", "content filter ended", "verifier ended"};
    return texts[kind];
}

/* It is told from the timer, when nothing of the clerk is in use. */
static void finish(clerk_t *clerk, const char *why)
{
    if (clerk->over)
        return;
    clerk->over = true;
    zm_watch_close(clerk->watch);
    clerk->watch = NULL;
    zm_timer_set(&clerk->patience, 0);
    if (!clerk->spare)
        zm_log(ZM_LOG_ERROR, NULL, clerk_ended(clerk->kind), ZM_F_S("reason", why),
               ZM_F_I("pid", zm_child_pid(clerk->child)),
               ZM_F_S("while", clerk->busy    ? "answering"
                               : clerk->ready ? "idle"
                                              : "starting"),
               ZM_F_N("question", clerk->kind == CLERK_VERIFIER ? ZM_S("not told")
                                                                : zm_buf_str(&clerk->question)));
}

static void on_patience(zm_timer_t *timer, void *baton)
{
    clerk_t *clerk = baton;
    (void)timer;
    if (!clerk->over) {
        clerk->spare = clerk->ready && !clerk->busy;
        finish(clerk, clerk->ready ? "no answer in time" : "not ready in time");
        return;
    }
    if (!clerk->spare)
        (void)zm_child_kill(clerk->child);
    clerk->fn(clerk, CLERK_ENDED, ZM_S(""), clerk->baton);
}

/* -- what it says --------------------------------------------------------------------------- */

static bool is_kept(const clerk_t *clerk, unsigned char byte)
{
    return (byte >= ' ' && byte != 127) || (byte == '\r' && clerk->kind == CLERK_FILTER);
}

static apr_interval_time_t patience_of(const clerk_t *clerk)
{
    return clerk->kind == CLERK_FILTER ? CLERK_FILTER_PATIENCE : CLERK_PATIENCE;
}

static void add_line(clerk_t *clerk, zm_str_t line)
{
    apr_size_t limit = clerk->kind == CLERK_FILTER ? CLERK_FILTER_LINE : CLERK_LINE_LIMIT, i;
    if (clerk->answer.length > CLERK_ANSWER_LIMIT)
        clerk->answer.length = clerk->last; /* the new last line takes the place of the old one */
    clerk->last = clerk->answer.length;
    if (line.length > limit)
        line.length = limit;
    for (i = 0; i < line.length; i++) {
        unsigned char byte = (unsigned char)line.data[i];
        zm_buf_add_byte(&clerk->answer, is_kept(clerk, byte) ? (char)byte : ' ');
    }
    zm_buf_add_byte(&clerk->answer, '\n');
}

static void on_hungry(clerk_t *clerk)
{
    bool first = !clerk->ready;
    if (!first && !clerk->busy) {
        finish(clerk, "an answer without a question");
        return;
    }
    clerk->ready = true;
    clerk->busy = false;
    zm_timer_set(&clerk->patience, CLERK_IDLE);
    clerk->fn(clerk, first ? CLERK_READY : CLERK_ANSWERED,
              first ? ZM_S("") : zm_buf_str(&clerk->answer), clerk->baton);
}

static void take_lines(clerk_t *clerk)
{
    zm_str_t line, rest;
    while (!clerk->over && zm_str_cut(zm_buf_str(&clerk->input), '\n', &line, &rest)) {
        apr_size_t used = line.length + 1;
        bool hungry;
        if (line.length > 0 && line.data[line.length - 1] == '\r')
            line.length--;
        hungry = zm_str_equal_c(line, "#hungry");
        if (!hungry && line.length > 0 && clerk->busy)
            add_line(clerk, line);
        zm_buf_consume(&clerk->input, used);
        if (hungry)
            on_hungry(clerk);
    }
}

static void hear(clerk_t *clerk)
{
    while (!clerk->over) {
        char piece[4096];
        apr_size_t length = sizeof piece;
        apr_status_t status = apr_socket_recv(zm_child_channel(clerk->child), piece, &length);
        if (APR_STATUS_IS_EAGAIN(status))
            return;
        if (status != APR_SUCCESS || length == 0) {
            finish(clerk, "its output has ended");
            return;
        }
        zm_buf_add(&clerk->input, piece, length);
        take_lines(clerk);
        if (clerk->input.length > INPUT_LIMIT)
            finish(clerk, "a line without end");
    }
}

static void on_channel(zm_watch_t *watch, int events, void *baton)
{
    (void)watch;
    (void)events;
    hear(baton);
}

static void on_end(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    clerk_t *clerk = baton;
    (void)child;
    (void)end;
    hear(clerk); /* its last words */
    finish(clerk, "the process has ended");
}

/* -- the clerk -------------------------------------------------------------------------------- */

apr_status_t clerk_start(clerk_t **clerk, clerk_kind_t kind, const char *const *argv,
                         const char *directory, zm_loop_t *loop, clerk_fn *fn, void *baton,
                         zm_error_t *error)
{
    zm_child_spec_t spec = {.argv = argv, .io = ZM_CHILD_CHANNEL_01, .directory = directory};
    clerk_t *made = calloc(1, sizeof *made);
    apr_status_t status;
    if (made == NULL)
        return zm_error_system(error, APR_ENOMEM, "cannot start a program");
    if (kind == CLERK_FILTER) {
        spec.io = ZM_CHILD_CHANNEL;
        spec.descriptors = FILTER_DESCRIPTORS;
    }
    made->kind = kind;
    made->fn = fn;
    made->baton = baton;
    zm_timer_init(&made->patience, loop, on_patience, made);
    status = zm_child_start(&made->child, &spec, loop, on_end, made, error);
    if (status != APR_SUCCESS) {
        made->child = NULL;
        clerk_close(made);
        return status;
    }
    status =
        zm_watch_open(&made->watch, loop, zm_child_channel(made->child), ZM_READ, on_channel, made);
    if (status != APR_SUCCESS) {
        made->watch = NULL;
        clerk_close(made);
        return zm_error_system(error, status, "cannot listen to a program");
    }
    zm_timer_set(&made->patience, patience_of(made));
    *clerk = made;
    return APR_SUCCESS;
}

bool clerk_is_idle(const clerk_t *clerk)
{
    return clerk->ready && !clerk->busy && !clerk->over;
}

bool clerk_was_ready(const clerk_t *clerk)
{
    return clerk->ready;
}

/* An idle program has read everything, so that a line always fits into its channel. */
void clerk_ask(clerk_t *clerk, zm_str_t question)
{
    apr_size_t length;
    apr_status_t status;
    zm_str_t key, argument;
    if (clerk->kind == CLERK_FILTER && zm_str_cut(question, '\t', &key, &argument))
        question = argument;
    zm_buf_clear(&clerk->answer);
    clerk->last = 0;
    zm_buf_clear(&clerk->question);
    zm_buf_add_str(&clerk->question, question);
    zm_buf_add_byte(&clerk->question, '\n');
    length = clerk->question.length;
    clerk->busy = true;
    zm_timer_set(&clerk->patience, patience_of(clerk));
    status = apr_socket_send(zm_child_channel(clerk->child), zm_buf_c(&clerk->question), &length);
    if (status != APR_SUCCESS || length != clerk->question.length)
        finish(clerk, "it takes no question");
    if (clerk->kind == CLERK_VERIFIER)
        zm_buf_free_secret(&clerk->question);
    else
        clerk->question.length--; /* for the log */
}

void clerk_close(clerk_t *clerk)
{
    zm_timer_cancel(&clerk->patience);
    zm_watch_close(clerk->watch);
    if (clerk->child != NULL)
        zm_child_close(clerk->child);
    zm_buf_free(&clerk->input);
    zm_buf_free(&clerk->answer);
    zm_buf_free_secret(&clerk->question);
    free(clerk);
}
