#include "mta/smtpserver/filter.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/net/stream.h"
#include "platform/child.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/localsock.h"
#include "platform/log.h"

#define PIECE 262144 /* octets copied at a time, between which others are served */
#define LINE_LIMIT 4000
#define ANSWER_LIMIT 65536
#define STRAY_LINES 5                      /* of an answer that are written to the log */
#define FORGOTTEN 3600                     /* seconds */
#define FULL_RETRY apr_time_from_msec(100) /* while too many wait at the socket */

struct filters_t {
    filters_options_t options;
    uint64_t number; /* of the last copy */
    apr_pool_t *pool;
};

struct filter_ask_t {
    filters_t *filters;
    zm_submission_t *submission;
    apr_pool_t *pool;
    filter_fn *fn;
    void *baton;
    const char *path;
    zm_timer_t timer; /* the next piece of a copy, or attempt; then the deadline; then the end */
    apr_time_t until; /* monotonic: of attempts to reach the socket; 0: it is not tried */
    zm_file_t *copy;  /* null: none is being made */
    uint64_t copied;
    bool has_copy;
    inquiry_t inquiry;
    zm_stream_t *stream;
    bool hungry; /* the server at the socket has been asked */
    zm_buf_t answer;
    bool over;
    const char *why; /* null: answer has it */
    int strays;
};

/* -- the end ----------------------------------------------------------------------------------- */

static void let_go(filter_ask_t *ask)
{
    zm_timer_cancel(&ask->timer);
    inquiry_cancel(&ask->inquiry);
    zm_stream_close(ask->stream);
    ask->stream = NULL;
    if (ask->copy != NULL)
        (void)zm_file_close(ask->copy);
    ask->copy = NULL;
    if (ask->has_copy)
        (void)zm_file_unlink(NULL, ask->path);
    ask->has_copy = false;
}

/* It is told from the timer, when nothing of the question is in use. */
static void finish(filter_ask_t *ask, const char *why)
{
    if (ask->over)
        return;
    let_go(ask);
    ask->over = true;
    ask->why = why;
    zm_timer_set(&ask->timer, 0);
}

static void on_stray(zm_str_t line, void *baton)
{
    filter_ask_t *ask = baton;
    if (line.length > 0 && ask->strays++ < STRAY_LINES)
        zm_log(ZM_LOG_NOTICE, NULL, "the content filter says", ZM_F_N("text", line));
}

static void tell(filter_ask_t *ask)
{
    verdict_t verdict = {0};
    apr_pool_t *pool = ask->pool;
    zm_buf_t answer = ask->answer;
    if (ask->why == NULL) {
        verdict_read(&verdict, zm_buf_str(&answer), on_stray, ask);
        if (!verdict.given)
            ask->why = "it has given no verdict";
    }
    ask->fn(&verdict, ask->why, ask->baton);
    zm_buf_free(&answer);
    apr_pool_destroy(pool);
}

void filter_cancel(filter_ask_t *ask)
{
    if (ask == NULL)
        return;
    let_go(ask);
    zm_timer_cancel(&ask->timer);
    zm_buf_free(&ask->answer);
    apr_pool_destroy(ask->pool);
}

/* -- the program ------------------------------------------------------------------------------- */

static void on_answer(const inquiry_answer_t *answer, void *baton)
{
    filter_ask_t *ask = baton;
    zm_buf_add_str(&ask->answer, answer->text);
    finish(ask, answer->failed ? "it does not answer" : NULL);
}

/* -- the server at a socket -----------------------------------------------------------------------
 */

static void on_line(filter_ask_t *ask, zm_str_t line)
{
    if (!zm_str_equal_c(line, "#hungry")) {
        if (!ask->hungry)
            return;
        zm_buf_add_str(&ask->answer, line);
        zm_buf_add_byte(&ask->answer, '\n');
        if (ask->answer.length > ANSWER_LIMIT)
            finish(ask, "it says too much");
    } else if (ask->hungry) {
        finish(ask, NULL);
    } else {
        ask->hungry = true;
        zm_stream_printf(ask->stream, "%s\n", ask->path);
        zm_timer_set(&ask->timer, FILTER_PATIENCE);
    }
}

static void on_event(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    filter_ask_t *ask = baton;
    apr_status_t status = APR_EAGAIN;
    zm_line_t line = {0};
    if (event == ZM_STREAM_INPUT)
        while (!ask->over &&
               ((status = zm_stream_line(stream, &line)) == APR_SUCCESS || status == ZM_E_LIMIT))
            on_line(ask, line.text);
    if (event == ZM_STREAM_ERROR || (!ask->over && !APR_STATUS_IS_EAGAIN(status)))
        finish(ask, "the connection to it has ended");
}

static void reach(filter_ask_t *ask)
{
    const filters_options_t *options = &ask->filters->options;
    apr_socket_t *socket;
    apr_status_t status = zm_localsock_connect(&socket, options->socket, ask->pool);
    if (APR_STATUS_IS_EAGAIN(status) && zm_clock_monotonic() < ask->until) {
        zm_timer_set(&ask->timer, FULL_RETRY);
        return;
    }
    ask->until = 0;
    if (status != APR_SUCCESS ||
        zm_stream_open(&ask->stream, options->loop, socket, on_event, ask) != APR_SUCCESS) {
        ask->stream = NULL;
        finish(ask, "it cannot be reached");
        return;
    }
    zm_stream_line_limit(ask->stream, LINE_LIMIT);
    zm_timer_set(&ask->timer, FILTER_ATTACH);
}

static void put_question(filter_ask_t *ask)
{
    filters_t *filters = ask->filters;
    if (filters->options.desk != NULL)
        inquiry_put(&ask->inquiry, filters->options.desk, "file", zm_str(ask->path), on_answer,
                    ask);
    else {
        ask->until = zm_clock_monotonic() + FILTER_ATTACH;
        reach(ask);
    }
}

/* -- the file ---------------------------------------------------------------------------------- */

static void copy_piece(filter_ask_t *ask)
{
    static char piece[PIECE];
    apr_size_t length = sizeof piece;
    apr_status_t status = zm_submit_read(ask->submission, ask->copied, piece, &length);
    if (status == APR_SUCCESS)
        status = zm_file_write_at(ask->copy, ask->copied, piece, length);
    else if (APR_STATUS_IS_EOF(status)) {
        status = zm_file_close(ask->copy);
        ask->copy = NULL;
        if (status == APR_SUCCESS)
            put_question(ask);
        else
            finish(ask, "a copy for it cannot be made");
        return;
    }
    if (status != APR_SUCCESS) {
        zm_log(ZM_LOG_ERROR, NULL, "no copy for the content filter", ZM_F_S("file", ask->path),
               ZM_F_E("reason", status));
        finish(ask, "a copy for it cannot be made");
        return;
    }
    ask->copied += length;
    zm_timer_set(&ask->timer, 0);
}

static void begin_copy(filter_ask_t *ask)
{
    filters_t *filters = ask->filters;
    apr_status_t status;
    ask->path = apr_psprintf(ask->pool, "%s/%" APR_INT64_T_FMT "-%" APR_UINT64_T_FMT,
                             filters->options.copies, zm_process_own(), ++filters->number);
    (void)zm_file_unlink(NULL, ask->path); /* of an earlier process of that number */
    status = zm_file_open(&ask->copy, NULL, ask->path,
                          ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0600, ask->pool);
    ask->has_copy = status == APR_SUCCESS;
    if (status == APR_SUCCESS) {
        zm_timer_set(&ask->timer, 0);
        return;
    }
    ask->copy = NULL;
    zm_log(ZM_LOG_ERROR, NULL, "no copy for the content filter", ZM_F_S("file", ask->path),
           ZM_F_E("reason", status));
    finish(ask, "a copy for it cannot be made");
}

static void on_timer(zm_timer_t *timer, void *baton)
{
    filter_ask_t *ask = baton;
    (void)timer;
    if (ask->over)
        tell(ask);
    else if (ask->copy != NULL)
        copy_piece(ask);
    else if (ask->until != 0)
        reach(ask);
    else
        finish(ask, "it does not answer in time");
}

/* -- asking -------------------------------------------------------------------------------------
 */

filters_t *filters_create(const filters_options_t *options, apr_pool_t *pool)
{
    filters_t *made = apr_pcalloc(pool, sizeof *made);
    made->options = *options;
    made->pool = pool;
    if (options->desk != NULL)
        inquiries_patience(options->desk, FILTER_PATIENCE);
    return made;
}

void filters_close(filters_t *filters)
{
    if (filters != NULL)
        inquiries_close(filters->options.desk);
}

void filter_ask(filter_ask_t **ask, filters_t *filters, zm_submission_t *submission, filter_fn *fn,
                void *baton)
{
    apr_pool_t *pool;
    filter_ask_t *made;
    apr_status_t status;
    apr_pool_create(&pool, filters->pool);
    made = apr_pcalloc(pool, sizeof *made);
    made->filters = filters;
    made->submission = submission;
    made->pool = pool;
    made->fn = fn;
    made->baton = baton;
    zm_timer_init(&made->timer, filters->options.loop, on_timer, made);
    *ask = made;
    status = zm_submit_path(&made->path, submission, pool);
    if (status == APR_SUCCESS)
        put_question(made);
    else if (status == ZM_E_UNSUPPORTED)
        begin_copy(made);
    else
        finish(made, "the message cannot be written");
}

void filter_sweep(const char *copies, apr_pool_t *pool)
{
    zm_dir_t *directory;
    zm_file_info_t info;
    const char *name;
    if (zm_dir_open(&directory, NULL, copies, pool) != APR_SUCCESS)
        return;
    while (zm_dir_next(directory, &name, NULL) == APR_SUCCESS) {
        const char *path = apr_pstrcat(pool, copies, "/", name, NULL);
        if (zm_path_info(&info, NULL, path) == APR_SUCCESS && info.kind == ZM_FILE_REGULAR &&
            info.mtime_s + FORGOTTEN < apr_time_sec(zm_clock_wall()))
            (void)zm_file_unlink(NULL, path);
    }
    zm_dir_close(directory);
}
