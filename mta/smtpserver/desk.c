#include "mta/smtpserver/desk.h"

#include <apr_file_info.h>
#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "mta/net/stream.h"
#include "mta/net/tls.h"
#include "platform/clock.h"
#include "platform/log.h"

#define FIRST_REST apr_time_from_sec(1) /* after a router that does not start */
#define LAST_REST apr_time_from_sec(60)

typedef struct visitor_t visitor_t;

typedef struct question_t {
    struct question_t *next;
    visitor_t *visitor; /* null: has gone, or does not want to know any more */
    uint64_t number;
    apr_time_t came;
    zm_str_t text; /* behind this structure */
} question_t;

struct visitor_t { /* a worker */
    visitor_t *next;
    desk_t *desk;
    zm_stream_t *stream;
    apr_pool_t *pool;
};

typedef struct seat_t {
    desk_t *desk;
    clerk_t *clerk;       /* null: empty */
    question_t *question; /* that it works on */
    apr_finfo_t program;  /* of a filter, as it was when it was started */
} seat_t;

struct desk_t {
    zm_loop_t *loop;
    desk_options_t options;
    visitor_t *visitors;
    int visitor_count;
    question_t *first, **last;
    int waiting; /* questions */
    seat_t seats[DESK_CLERKS];
    zm_timer_t rest; /* set: no router is started */
    apr_interval_time_t pause;
};

/* -- answers --------------------------------------------------------------------------------- */

static void forget(question_t *question)
{
    zm_tls_forget(question, sizeof *question + question->text.length);
    free(question);
}

/* "NUMBER MARK LINE"; mark 0: the number alone */
static void tell(const question_t *question, char mark, zm_str_t line)
{
    char head[32];
    int length;
    if (question->visitor == NULL)
        return;
    length = mark != '\0' ? apr_snprintf(head, sizeof head, "%" APR_UINT64_T_FMT "%c",
                                         question->number, mark)
                          : apr_snprintf(head, sizeof head, "%" APR_UINT64_T_FMT, question->number);
    zm_stream_write(question->visitor->stream, head, (apr_size_t)length);
    zm_stream_write_str(question->visitor->stream, line);
    zm_stream_write(question->visitor->stream, "\n", 1);
}

static void turn_down(question_t *question)
{
    tell(question, '\0', ZM_S(""));
    forget(question);
}

static void deliver(desk_t *desk, question_t *question, zm_str_t answer)
{
    zm_str_t line, rest = answer;
    zm_counter_set(desk->options.counters,
                   desk->options.kind == CLERK_FILTER ? ZM_COUNT_SS_Cfilter_reply_delay_G
                                                      : ZM_COUNT_SS_Irouter_reply_delay_G,
                   apr_time_sec(zm_clock_monotonic() - question->came));
    if (answer.length == 0)
        tell(question, ' ', ZM_S(""));
    while (zm_str_cut(rest, '\n', &line, &rest))
        tell(question, rest.length > 0 ? '-' : ' ', line);
    forget(question);
}

/* -- routers ---------------------------------------------------------------------------------- */

static question_t *take_first(desk_t *desk)
{
    question_t *question = desk->first;
    desk->first = question->next;
    if (desk->first == NULL)
        desk->last = &desk->first;
    desk->waiting--;
    return question;
}

static void note_queue(const desk_t *desk)
{
    zm_counter_set(desk->options.counters,
                   desk->options.kind == CLERK_FILTER ? ZM_COUNT_SS_Cfilter_queue_G
                                                      : ZM_COUNT_SS_Irouter_queue_G,
                   desk->waiting);
}

/* The seat of a router that can be asked; else an empty one; *coming: how many start. */
static seat_t *find_seat(desk_t *desk, int *coming, int *present)
{
    seat_t *empty = NULL;
    int i;
    *coming = *present = 0;
    for (i = 0; i < desk->options.clerks; i++) {
        seat_t *seat = &desk->seats[i];
        if (seat->clerk == NULL) {
            if (empty == NULL)
                empty = seat;
            continue;
        }
        if (clerk_is_idle(seat->clerk))
            return seat;
        ++*present;
        *coming += !clerk_was_ready(seat->clerk);
    }
    return empty;
}

static clerk_fn on_clerk;

/* No router is started for a while, longer each time. */
static void rest(desk_t *desk)
{
    desk->pause = desk->pause == 0              ? FIRST_REST
                  : desk->pause * 2 > LAST_REST ? LAST_REST
                                                : desk->pause * 2;
    zm_timer_set(&desk->rest, desk->pause);
}

#define IDENTITY (APR_FINFO_INODE | APR_FINFO_MTIME | APR_FINFO_CTIME)

/* What stands for the program now; zero when it cannot be seen. */
static void look_at_program(const desk_t *desk, apr_finfo_t *info)
{
    apr_pool_t *pool;
    memset(info, 0, sizeof *info);
    if (desk->options.kind != CLERK_FILTER || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return;
    (void)apr_stat(info, desk->options.argv[0], IDENTITY, pool);
    info->pool = NULL;
    apr_pool_destroy(pool);
}

/* A filter that was replaced on the disk is let go, so that another comes. */
static bool is_outdated(const seat_t *seat)
{
    apr_finfo_t now;
    if (seat->desk->options.kind != CLERK_FILTER)
        return false;
    look_at_program(seat->desk, &now);
    return now.inode != seat->program.inode || now.mtime != seat->program.mtime ||
           now.ctime != seat->program.ctime;
}

static bool hire(seat_t *seat)
{
    desk_t *desk = seat->desk;
    bool filter = desk->options.kind == CLERK_FILTER;
    zm_error_t error = {0};
    look_at_program(desk, &seat->program);
    if (clerk_start(&seat->clerk, desk->options.kind, desk->options.argv, desk->options.directory,
                    desk->loop, on_clerk, seat, &error) == APR_SUCCESS)
        return true;
    seat->clerk = NULL;
    zm_log(ZM_LOG_ERROR, NULL,
           filter                                 ? "content filter cannot start"
           : desk->options.kind == CLERK_VERIFIER ? "verifier cannot start"
                                                  : "router cannot start",
           ZM_F_S("reason", error.text));
    if (filter)
        zm_counter_add(desk->options.counters, ZM_COUNT_SS_ContentPolicyForkFailures, 1);
    rest(desk);
    return false;
}

static void dispatch(desk_t *desk)
{
    int coming = 0, present = 0;
    while (desk->first != NULL) {
        seat_t *seat = find_seat(desk, &coming, &present);
        if (seat != NULL && seat->clerk != NULL && is_outdated(seat)) {
            zm_log(ZM_LOG_NOTICE, NULL, "the content filter has changed, and is started again");
            clerk_close(seat->clerk);
            seat->clerk = NULL;
        } else if (seat != NULL && seat->clerk != NULL) {
            seat->question = take_first(desk);
            clerk_ask(seat->clerk, seat->question->text);
        } else if (seat == NULL || coming >= desk->waiting || zm_timer_is_set(&desk->rest) ||
                   !hire(seat)) {
            break;
        }
    }
    while (desk->first != NULL && present == 0 && zm_timer_is_set(&desk->rest))
        turn_down(take_first(desk));
    note_queue(desk);
}

static void on_clerk(clerk_t *clerk, clerk_event_t event, zm_str_t answer, void *baton)
{
    seat_t *seat = baton;
    desk_t *desk = seat->desk;
    question_t *question = seat->question;
    seat->question = NULL;
    switch (event) {
    case CLERK_READY:
        desk->pause = 0;
        break;
    case CLERK_ANSWERED:
        if (question != NULL)
            deliver(desk, question, answer);
        break;
    case CLERK_ENDED:
        if (question != NULL)
            turn_down(question);
        if (!clerk_was_ready(clerk))
            rest(desk);
        clerk_close(clerk);
        seat->clerk = NULL;
        break;
    }
    dispatch(desk);
}

static void on_rest(zm_timer_t *timer, void *baton)
{
    (void)timer;
    dispatch(baton);
}

/* -- questions -------------------------------------------------------------------------------- */

static void enqueue(visitor_t *visitor, uint64_t number, zm_str_t text)
{
    desk_t *desk = visitor->desk;
    question_t *made = calloc(1, sizeof *made + text.length);
    if (made == NULL)
        return;
    made->visitor = visitor;
    made->number = number;
    made->came = zm_clock_monotonic();
    memcpy((char *)(made + 1), text.data, text.length);
    made->text = zm_str_of((char *)(made + 1), text.length);
    if (desk->waiting >= DESK_QUESTIONS) {
        turn_down(made);
        return;
    }
    *desk->last = made;
    desk->last = &made->next;
    desk->waiting++;
}

/* Takes questions of that visitor (number null: all) out of the queue. */
static void withdraw(visitor_t *visitor, const uint64_t *number)
{
    desk_t *desk = visitor->desk;
    question_t **at = &desk->first, *question;
    int i;
    while ((question = *at) != NULL) {
        if (question->visitor != visitor || (number != NULL && question->number != *number)) {
            at = &question->next;
            continue;
        }
        *at = question->next;
        desk->waiting--;
        forget(question);
    }
    desk->last = at;
    for (i = 0; i < DESK_CLERKS; i++) {
        question = desk->seats[i].question;
        if (question != NULL && question->visitor == visitor &&
            (number == NULL || question->number == *number))
            question->visitor = NULL;
    }
}

/* What would end the line or the key in the wrong place cannot be part of a question. */
static bool is_question(zm_str_t text)
{
    apr_size_t i;
    int tabs = 0;
    for (i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == '\t')
            tabs++;
        else if (byte < ' ' || byte == 127)
            return false;
    }
    return tabs == 1 && text.data[0] != '\t' && text.length < DESK_LINE_LIMIT / 2;
}

static bool take_line(visitor_t *visitor, zm_str_t line)
{
    zm_str_t word, text;
    uint64_t number;
    bool asks = zm_str_cut(line, ' ', &word, &text);
    if (zm_str_u64(word, &number) != APR_SUCCESS || (asks && !is_question(text)))
        return false;
    if (asks)
        enqueue(visitor, number, text);
    else
        withdraw(visitor, &number);
    return true;
}

/* -- workers ---------------------------------------------------------------------------------- */

static void dismiss(visitor_t *visitor)
{
    desk_t *desk = visitor->desk;
    visitor_t **at = &desk->visitors;
    withdraw(visitor, NULL);
    while (*at != visitor)
        at = &(*at)->next;
    *at = visitor->next;
    desk->visitor_count--;
    zm_stream_close(visitor->stream);
    apr_pool_destroy(visitor->pool);
    if (desk->options.left != NULL)
        desk->options.left(desk->options.baton);
}

static void on_visitor(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    visitor_t *visitor = baton;
    desk_t *desk = visitor->desk;
    apr_status_t status = APR_EAGAIN;
    zm_line_t line = {0};
    if (event == ZM_STREAM_ERROR)
        status = APR_EOF;
    else if (event == ZM_STREAM_INPUT)
        while ((status = zm_stream_line(stream, &line)) == APR_SUCCESS)
            if (!take_line(visitor, line.text))
                break;
    if (status == APR_SUCCESS)
        zm_log(ZM_LOG_ERROR, NULL, "a worker speaks nonsense",
               ZM_F_N("line", desk->options.kind == CLERK_VERIFIER ? ZM_S("not told") : line.text));
    if (!APR_STATUS_IS_EAGAIN(status))
        dismiss(visitor);
    dispatch(desk);
}

apr_status_t desk_admit(desk_t *desk, apr_socket_t *socket, apr_pool_t *pool)
{
    visitor_t *made = apr_pcalloc(pool, sizeof *made);
    apr_status_t status;
    made->desk = desk;
    made->pool = pool;
    status = zm_stream_open(&made->stream, desk->loop, socket, on_visitor, made);
    if (status != APR_SUCCESS)
        return status;
    zm_stream_line_limit(made->stream, DESK_LINE_LIMIT);
    zm_stream_high_water(made->stream, 1 << 30); /* questions are read whatever waits to be sent */
    made->next = desk->visitors;
    desk->visitors = made;
    desk->visitor_count++;
    return APR_SUCCESS;
}

int desk_workers(const desk_t *desk)
{
    return desk->visitor_count;
}

/* -- the desk ---------------------------------------------------------------------------------- */

apr_status_t desk_create(desk_t **desk, zm_loop_t *loop, const desk_options_t *options,
                         apr_pool_t *pool)
{
    desk_t *made = apr_pcalloc(pool, sizeof *made);
    int i;
    made->loop = loop;
    made->options = *options;
    if (made->options.clerks < 1)
        made->options.clerks = 1;
    if (made->options.clerks > DESK_CLERKS)
        made->options.clerks = DESK_CLERKS;
    made->last = &made->first;
    zm_timer_init(&made->rest, loop, on_rest, made);
    for (i = 0; i < DESK_CLERKS; i++)
        made->seats[i].desk = made;
    *desk = made;
    return APR_SUCCESS;
}

void desk_close(desk_t *desk)
{
    int i;
    desk->options.left = NULL;
    while (desk->visitors != NULL)
        dismiss(desk->visitors);
    zm_timer_cancel(&desk->rest);
    for (i = 0; i < DESK_CLERKS; i++) {
        if (desk->seats[i].clerk != NULL)
            clerk_close(desk->seats[i].clerk);
        desk->seats[i].clerk = NULL;
        if (desk->seats[i].question != NULL)
            forget(desk->seats[i].question);
        desk->seats[i].question = NULL;
    }
}
