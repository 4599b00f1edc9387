#include "mta/submit/sendmail_input.h"

#include <string.h>

/* So much is looked at before the first lines are taken for body text. */
#define HELD_LIMIT 65536

void sendmail_input_init(sendmail_input_t *input, sendmail_sink_fn *sink, void *baton)
{
    memset(input, 0, sizeof *input);
    input->sink = sink;
    input->baton = baton;
    input->last_is_lf = true;
}

void sendmail_input_free(sendmail_input_t *input)
{
    zm_buf_free(&input->held);
    zm_buf_free(&input->line);
}

static apr_status_t put(sendmail_input_t *input, const char *data, apr_size_t length)
{
    if (length == 0)
        return APR_SUCCESS;
    input->last_is_lf = data[length - 1] == '\n';
    return input->sink(input->baton, data, length);
}

/* Passes bytes on with CR LF as LF.  A CR at the end of a block waits for the next. */
static apr_status_t put_crlf(sendmail_input_t *input, const char *data, apr_size_t length)
{
    apr_size_t start = 0, i;
    apr_status_t status;
    if (input->carriage_return && length > 0) {
        input->carriage_return = false;
        if (data[0] != '\n' && (status = put(input, "\r", 1)) != APR_SUCCESS)
            return status;
    }
    for (i = 0; i < length; i++) {
        if (data[i] != '\r')
            continue;
        if (i + 1 == length) {
            input->carriage_return = true;
            return put(input, data + start, i - start);
        }
        if (data[i + 1] == '\n') {
            if ((status = put(input, data + start, i - start)) != APR_SUCCESS)
                return status;
            start = i + 1;
        }
    }
    return put(input, data + start, length - start);
}

static apr_status_t pass(sendmail_input_t *input, const char *data, apr_size_t length)
{
    return input->crlf ? put_crlf(input, data, length) : put(input, data, length);
}

static bool is_from_line(zm_str_t line)
{
    return zm_str_starts(line, ZM_S("From ")) || zm_str_starts(line, ZM_S(">From "));
}

/* A run of printing ASCII that a colon ends. */
static bool is_header_line(zm_str_t line)
{
    apr_size_t i;
    for (i = 0; i < line.length && line.data[i] > ' ' && line.data[i] < 127; i++)
        if (line.data[i] == ':')
            return i > 0;
    return false;
}

/*
 * Decides how the message begins once its first lines are here.  False: more
 * input is needed (never with `all`).
 */
static bool start(sendmail_input_t *input, bool all, apr_status_t *status)
{
    zm_str_t held = zm_buf_str(&input->held), first, rest, second, third;
    bool have_first = zm_str_cut(held, '\n', &first, &rest), have_second, from, drop_from = false;
    all |= held.length >= HELD_LIMIT;
    *status = APR_SUCCESS;
    if (!have_first && !all)
        return false;
    input->crlf = have_first && first.length > 0 && first.data[first.length - 1] == '\r';
    from = is_from_line(first);
    if (from && !input->keep_from) {
        have_second = have_first && zm_str_cut(rest, '\n', &second, &third);
        if (have_first && !have_second && !all)
            return false;
        if (!have_first || rest.length == 0) {
            zm_buf_clear(&input->held); /* a lone From line is no message */
            input->any = false;
            input->started = true;
            return true;
        }
        drop_from = is_header_line(second);
    }
    input->started = true;
    if (drop_from)
        *status = pass(input, rest.data, rest.length);
    else {
        if ((from && !input->keep_from) ||
            (!from && !is_header_line(first) && first.length > input->crlf))
            *status = put(input, "\n", 1);
        if (*status == APR_SUCCESS)
            *status = pass(input, held.data, held.length);
    }
    zm_buf_clear(&input->held);
    return true;
}

static apr_status_t take(sendmail_input_t *input, const char *data, apr_size_t length)
{
    apr_status_t status;
    input->any |= length > 0;
    if (input->started)
        return pass(input, data, length);
    zm_buf_add(&input->held, data, length);
    start(input, false, &status);
    return status;
}

/* On a terminal: whole lines only, so that a single dot can be told. */
static apr_status_t take_lines(sendmail_input_t *input, const char *data, apr_size_t length)
{
    zm_str_t rest, line, tail;
    apr_status_t status = APR_SUCCESS;
    zm_buf_add(&input->line, data, length);
    rest = zm_buf_str(&input->line);
    while (status == APR_SUCCESS && zm_str_cut(rest, '\n', &line, &tail)) {
        if (zm_str_equal_c(line, ".") || zm_str_equal_c(line, ".\r")) {
            input->ended = true;
            zm_buf_clear(&input->line);
            return APR_EOF;
        }
        status = take(input, line.data, line.length + 1);
        rest = tail;
    }
    zm_buf_consume(&input->line, input->line.length - rest.length);
    return status;
}

apr_status_t sendmail_input_feed(sendmail_input_t *input, const char *data, apr_size_t length)
{
    if (input->ended)
        return APR_EOF;
    return input->dot_ends ? take_lines(input, data, length) : take(input, data, length);
}

apr_status_t sendmail_input_finish(sendmail_input_t *input, bool *empty)
{
    apr_status_t status = APR_SUCCESS;
    if (input->line.length > 0)
        status = take(input, input->line.data, input->line.length);
    if (status == APR_SUCCESS && !input->started && input->any)
        start(input, true, &status);
    if (status == APR_SUCCESS && input->carriage_return)
        status = put(input, "\r", 1);
    if (status == APR_SUCCESS && !input->last_is_lf)
        status = put(input, "\n", 1);
    *empty = !input->any;
    return status;
}
