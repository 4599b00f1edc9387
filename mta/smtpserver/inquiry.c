#include "mta/smtpserver/inquiry.h"

#include <string.h>

#include "mta/net/scram.h"
#include "mta/net/stream.h"
#include "platform/clock.h"
#include "platform/localsock.h"
#include "platform/log.h"

#define RETRY apr_time_from_msec(250) /* between attempts to reach the desk */
#define LINE_LIMIT 8192
#define AT_ONCE 1 /* a deadline */

typedef struct queue_t {
    inquiry_t *first, **last;
} queue_t;

struct inquiries_t {
    zm_loop_t *loop;
    const char *path;
    apr_interval_time_t attach, patience;
    apr_pool_t *pool;
    zm_stream_t *stream; /* null: not connected */
    apr_pool_t *stream_pool;
    queue_t unsent, sent; /* each in the order of deadlines */
    uint64_t number;      /* of the last question */
    zm_timer_t timer;
};

/* -- queues ---------------------------------------------------------------------------------- */

static void append(queue_t *queue, inquiry_t *inquiry)
{
    inquiry->next = NULL;
    *queue->last = inquiry;
    queue->last = &inquiry->next;
}

static void prepend(queue_t *queue, inquiry_t *inquiry)
{
    inquiry->next = queue->first;
    if (queue->first == NULL)
        queue->last = &inquiry->next;
    queue->first = inquiry;
}

static bool take_out(queue_t *queue, const inquiry_t *inquiry)
{
    inquiry_t **at;
    for (at = &queue->first; *at != NULL; at = &(*at)->next) {
        if (*at != inquiry)
            continue;
        *at = inquiry->next;
        if (*at == NULL)
            queue->last = at;
        return true;
    }
    return false;
}

/* The call may put another question with the same structure. */
static void finish(inquiry_t *inquiry, bool failed)
{
    zm_buf_t text = inquiry->answer;
    inquiry_answer_t answer = {.failed = failed, .text = zm_buf_str(&text)};
    memset(&inquiry->answer, 0, sizeof inquiry->answer);
    zm_buf_free_secret(&inquiry->question);
    inquiry->line = NULL;
    inquiry->fn(&answer, inquiry->baton);
    zm_buf_free(&text);
}

/* -- the connection ---------------------------------------------------------------------------- */

static void set_timer(inquiries_t *line)
{
    apr_time_t now = zm_clock_monotonic(), next = 0;
    if (line->sent.first != NULL)
        next = line->sent.first->until;
    if (line->unsent.first != NULL && (next == 0 || line->unsent.first->until < next))
        next = line->unsent.first->until;
    if (line->unsent.first != NULL && line->stream == NULL && next > now + RETRY)
        next = now + RETRY;
    if (next == 0)
        zm_timer_cancel(&line->timer);
    else
        zm_timer_set(&line->timer, next > now ? next - now : 0);
}

static void disconnect(inquiries_t *line)
{
    if (line->stream == NULL)
        return;
    zm_stream_close(line->stream);
    apr_pool_destroy(line->stream_pool);
    line->stream = NULL;
}

/* Whoever has been asked is gone, and the answers with him. */
static void on_lost(inquiries_t *line)
{
    inquiry_t *inquiry;
    disconnect(line);
    for (inquiry = line->sent.first; inquiry != NULL; inquiry = inquiry->next)
        inquiry->until = AT_ONCE;
}

static inquiry_t *find_sent(inquiries_t *line, uint64_t number)
{
    inquiry_t *inquiry = line->sent.first;
    while (inquiry != NULL && inquiry->number != number)
        inquiry = inquiry->next;
    return inquiry;
}

/* "NUMBER", "NUMBER-LINE" or "NUMBER LINE".  False: it is neither. */
static bool heard(inquiries_t *line, zm_str_t text)
{
    apr_size_t digits = 0;
    uint64_t number;
    inquiry_t *inquiry;
    zm_str_t rest;
    while (digits < text.length && zm_is_digit(text.data[digits]))
        digits++;
    if (zm_str_u64(zm_str_of(text.data, digits), &number) != APR_SUCCESS ||
        (digits < text.length && text.data[digits] != '-' && text.data[digits] != ' '))
        return false;
    inquiry = find_sent(line, number);
    if (inquiry == NULL)
        return true;
    if (digits < text.length) {
        rest = zm_str_of(text.data + digits + 1, text.length - digits - 1);
        if (rest.length > 0) {
            zm_buf_add_str(&inquiry->answer, rest);
            zm_buf_add_byte(&inquiry->answer, '\n');
        }
        if (text.data[digits] == '-')
            return true;
    }
    (void)take_out(&line->sent, inquiry);
    finish(inquiry, digits == text.length);
    return true;
}

static void on_desk(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    inquiries_t *line = baton;
    apr_status_t status = APR_EAGAIN;
    zm_line_t input;
    if (event == ZM_STREAM_INPUT)
        while (line->stream == stream && (status = zm_stream_line(stream, &input)) == APR_SUCCESS)
            if (!heard(line, input.text))
                break;
    if (line->stream == stream && (!APR_STATUS_IS_EAGAIN(status) || event == ZM_STREAM_ERROR)) {
        zm_log(ZM_LOG_WARNING, NULL, "lost the connection to a desk");
        on_lost(line);
    }
    set_timer(line);
}

static bool attach(inquiries_t *line)
{
    apr_socket_t *socket;
    if (line->stream != NULL)
        return true;
    if (apr_pool_create(&line->stream_pool, line->pool) != APR_SUCCESS)
        return false;
    if (zm_localsock_connect(&socket, line->path, line->stream_pool) == APR_SUCCESS &&
        zm_stream_open(&line->stream, line->loop, socket, on_desk, line) == APR_SUCCESS) {
        zm_stream_line_limit(line->stream, LINE_LIMIT);
        return true;
    }
    line->stream = NULL;
    apr_pool_destroy(line->stream_pool);
    return false;
}

static void send_all(inquiries_t *line)
{
    inquiry_t *inquiry;
    if (line->unsent.first == NULL || !attach(line))
        return;
    while ((inquiry = line->unsent.first) != NULL) {
        if (inquiry->question.length == 0)
            break; /* its answer is known and waits for the timer */
        (void)take_out(&line->unsent, inquiry);
        zm_stream_write_str(line->stream, zm_buf_str(&inquiry->question));
        inquiry->until = zm_clock_monotonic() + line->patience;
        append(&line->sent, inquiry);
    }
}

/* -- time -------------------------------------------------------------------------------------- */

static void withdraw(inquiries_t *line, uint64_t number)
{
    if (line->stream != NULL)
        zm_stream_printf(line->stream, "%" APR_UINT64_T_FMT "\n", number);
}

static void on_timer(zm_timer_t *timer, void *baton)
{
    inquiries_t *line = baton;
    apr_time_t now = zm_clock_monotonic();
    inquiry_t *inquiry;
    (void)timer;
    while ((inquiry = line->sent.first) != NULL && inquiry->until <= now) {
        (void)take_out(&line->sent, inquiry);
        if (inquiry->until > AT_ONCE)
            withdraw(line, inquiry->number);
        finish(inquiry, true);
    }
    while ((inquiry = line->unsent.first) != NULL && inquiry->until <= now) {
        (void)take_out(&line->unsent, inquiry);
        finish(inquiry, inquiry->answer.length == 0);
    }
    send_all(line);
    set_timer(line);
}

/* -- questions --------------------------------------------------------------------------------- */

inquiries_t *inquiries_create(zm_loop_t *loop, const char *path, apr_interval_time_t attach,
                              apr_pool_t *pool)
{
    inquiries_t *made = apr_pcalloc(pool, sizeof *made);
    made->loop = loop;
    made->path = path;
    made->attach = attach;
    made->patience = INQUIRY_PATIENCE;
    made->pool = pool;
    made->unsent.last = &made->unsent.first;
    made->sent.last = &made->sent.first;
    zm_timer_init(&made->timer, loop, on_timer, made);
    return made;
}

void inquiries_patience(inquiries_t *line, apr_interval_time_t patience)
{
    line->patience = patience;
}

void inquiries_close(inquiries_t *line)
{
    inquiry_t *inquiry;
    if (line == NULL)
        return;
    while ((inquiry = line->sent.first) != NULL || (inquiry = line->unsent.first) != NULL)
        inquiry_cancel(inquiry);
    zm_timer_cancel(&line->timer);
    disconnect(line);
}

static void write_question(inquiry_t *inquiry, const char *key, zm_str_t argument)
{
    zm_buf_t *question = &inquiry->question;
    apr_size_t i;
    zm_buf_printf(question, "%" APR_UINT64_T_FMT " %s\t", inquiry->number, key);
    for (i = 0; i < argument.length; i++) {
        unsigned char byte = (unsigned char)argument.data[i];
        zm_buf_add_byte(question, byte < ' ' || byte == 127 ? ' ' : (char)byte);
    }
    zm_buf_add_byte(question, '\n');
}

void inquiry_put(inquiry_t *inquiry, inquiries_t *line, const char *key, zm_str_t argument,
                 inquiry_fn *fn, void *baton)
{
    inquiry->line = line;
    inquiry->number = ++line->number;
    inquiry->fn = fn;
    inquiry->baton = baton;
    zm_buf_clear(&inquiry->question);
    zm_buf_clear(&inquiry->answer);
    inquiry->until = zm_clock_monotonic() + line->attach;
    if (strlen(key) + argument.length > INQUIRY_LIMIT) {
        zm_buf_add_c(&inquiry->answer, "550 5.1.3 the address is too long\n");
        inquiry->until = AT_ONCE;
        prepend(&line->unsent, inquiry);
    } else {
        write_question(inquiry, key, argument);
        append(&line->unsent, inquiry);
        send_all(line);
    }
    set_timer(line);
}

void inquiry_cancel(inquiry_t *inquiry)
{
    inquiries_t *line = inquiry->line;
    if (line == NULL)
        return;
    if (!take_out(&line->unsent, inquiry) && take_out(&line->sent, inquiry))
        withdraw(line, inquiry->number);
    inquiry->line = NULL;
    zm_buf_free_secret(&inquiry->question);
    zm_buf_free(&inquiry->answer);
    set_timer(line);
}

/* -- answers ----------------------------------------------------------------------------------- */

/* Takes "x.y.z" and a blank off *text, if that is how it begins. */
static void take_enhanced(zm_str_t *text, char *enhanced, apr_size_t size)
{
    apr_size_t at = 0;
    int dots = 0;
    enhanced[0] = '\0';
    while (at < text->length && (zm_is_digit(text->data[at]) || text->data[at] == '.'))
        dots += text->data[at++] == '.';
    if (dots != 2 || at < 5 || at >= size || strchr("245", text->data[0]) == NULL ||
        text->data[1] != '.' || text->data[at - 1] == '.' ||
        (at < text->length && text->data[at] != ' '))
        return;
    memcpy(enhanced, text->data, at);
    enhanced[at] = '\0';
    at += at < text->length;
    *text = zm_str_from(*text, at);
}

static void read_line(zm_str_t text, inquiry_line_t *line)
{
    line->code = 250;
    line->enhanced[0] = '\0';
    line->text = text;
    if (text.length < 3 || !zm_is_digit(text.data[0]) || !zm_is_digit(text.data[1]) ||
        !zm_is_digit(text.data[2]) ||
        (text.length > 3 && text.data[3] != ' ' && text.data[3] != '-'))
        return;
    line->code = (text.data[0] - '0') * 100 + (text.data[1] - '0') * 10 + (text.data[2] - '0');
    line->text = text.length > 4 ? zm_str_from(text, 4) : ZM_S("");
    take_enhanced(&line->text, line->enhanced, sizeof line->enhanced);
}

bool inquiry_line(zm_str_t *text, inquiry_line_t *line)
{
    zm_str_t taken;
    if (text->length == 0)
        return false;
    (void)zm_str_cut(*text, '\n', &taken, text);
    read_line(taken, line);
    return true;
}

bool inquiry_last_line(zm_str_t text, inquiry_line_t *line)
{
    bool found = false;
    while (inquiry_line(&text, line))
        found = true;
    return found;
}
