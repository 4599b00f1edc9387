#include "mta/smtpserver/hook.h"

#include <stdlib.h>
#include <string.h>

#include "mta/net/stream.h"
#include "mta/smtpserver/inquiry.h"
#include "platform/clock.h"
#include "platform/log.h"

#define IDLE apr_time_from_sec(60)

typedef struct line_t { /* a connection */
    hook_t *hook;
    apr_pool_t *pool; /* null: there is none */
    service_call_t *call;
    zm_stream_t *stream;
    hook_ask_t *ask; /* that it works on */
    bool used;       /* it has answered before: the daemon may have ended it meanwhile */
    zm_buf_t answer;
} line_t;

struct hook_t {
    zm_loop_t *loop;
    zm_dns_t *dns;
    const service_t *service;
    apr_pool_t *pool;
    line_t lines[HOOK_LINES];
    hook_ask_t *first, **last; /* those that wait for a line */
};

struct hook_ask_t {
    hook_ask_t *next;
    hook_t *hook;
    line_t *line; /* null: it waits for one */
    zm_buf_t request, said;
    zm_timer_t timer; /* the deadline; then the end */
    bool over, again;
    const char *why; /* null: said has the action */
    hook_fn *fn;
    void *baton;
};

/* -- what it says --------------------------------------------------------------------------------
 */

static bool is_word(zm_str_t action, const char *word, zm_str_t *rest)
{
    zm_str_t first;
    *rest = action;
    return zm_str_word(rest, &first) && zm_str_equal_nocase(first, zm_str(word));
}

static hook_answer_t refusal(int code, zm_str_t text)
{
    hook_answer_t answer = {.action = HOOK_REFUSE, .code = code, .text = zm_str_trim(text)};
    zm_str_t word, rest = answer.text;
    memcpy(answer.enhanced, code < 500 ? "4.7.1" : "5.7.1", 6);
    if (zm_str_word(&rest, &word) && word.length >= 5 && word.length < sizeof answer.enhanced &&
        word.data[0] == '0' + code / 100 && word.data[1] == '.') {
        apr_size_t i, dots = 0;
        for (i = 1; i < word.length && (zm_is_digit(word.data[i]) || word.data[i] == '.'); i++)
            dots += word.data[i] == '.';
        if (i == word.length && dots == 2) {
            memcpy(answer.enhanced, word.data, word.length);
            answer.enhanced[word.length] = '\0';
            answer.text = zm_str_trim(rest);
        }
    }
    return answer;
}

/* A field that would end the header, or is none, is not added. */
static bool is_field(zm_str_t text)
{
    apr_ssize_t colon = zm_str_find(text, ':');
    apr_size_t i;
    if (colon < 1 || text.length > 998)
        return false;
    for (i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if ((byte < ' ' && byte != '\t') || byte == 127 ||
            (i < (apr_size_t)colon && (byte <= ' ' || byte > '~')))
            return false;
    }
    return true;
}

hook_answer_t hook_read(zm_str_t action)
{
    hook_answer_t answer = {.text = ZM_STR("")};
    zm_str_t rest, word;
    action = zm_str_trim(action);
    if (action.length >= 3 && (action.data[0] == '4' || action.data[0] == '5') &&
        zm_is_digit(action.data[1]) && zm_is_digit(action.data[2]) &&
        (action.length == 3 || action.data[3] == ' ')) {
        int code =
            (action.data[0] - '0') * 100 + (action.data[1] - '0') * 10 + (action.data[2] - '0');
        return refusal(code == 421 ? 451 : code, zm_str_from(action, 3));
    }
    if (is_word(action, "REJECT", &rest))
        return refusal(550, rest);
    rest = action;
    if (zm_str_word(&rest, &word) && zm_str_starts_nocase(word, ZM_S("DEFER")))
        return refusal(451, rest);
    if (is_word(action, "OK", &rest)) {
        answer.action = HOOK_ACCEPT;
    } else if (is_word(action, "HOLD", &rest)) {
        answer.action = HOOK_HOLD;
    } else if (is_word(action, "PREPEND", &rest) && is_field(zm_str_trim(rest))) {
        answer.action = HOOK_PREPEND;
        answer.text = zm_str_trim(rest);
    } else if (is_word(action, "WARN", &rest) || is_word(action, "INFO", &rest)) {
        zm_log(ZM_LOG_NOTICE, NULL, "the policy daemon says", ZM_F_N("text", zm_str_trim(rest)));
    } else if (action.length > 0 && !is_word(action, "DUNNO", &rest)) {
        answer.action = HOOK_FAILED;
        answer.text = ZM_S("it wants what is not possible here");
    }
    return answer;
}

void hook_attribute(zm_buf_t *request, const char *name, zm_str_t value)
{
    apr_size_t i;
    zm_buf_add_c(request, name);
    zm_buf_add_byte(request, '=');
    for (i = 0; i < value.length; i++) {
        unsigned char byte = (unsigned char)value.data[i];
        zm_buf_add_byte(request, byte < ' ' || byte == 127 ? ' ' : (char)byte);
    }
    zm_buf_add_byte(request, '\n');
}

/* -- the end of a question ------------------------------------------------------------------------
 */

static void hang_up(line_t *line)
{
    service_cancel(line->call);
    zm_stream_close(line->stream);
    line->call = NULL;
    line->stream = NULL;
    if (line->pool != NULL)
        apr_pool_destroy(line->pool);
    line->pool = NULL;
    line->ask = NULL;
    zm_buf_free(&line->answer);
}

static void take_out(hook_ask_t *ask)
{
    hook_t *hook = ask->hook;
    hook_ask_t **at;
    for (at = &hook->first; *at != NULL; at = &(*at)->next) {
        if (*at != ask)
            continue;
        *at = ask->next;
        if (*at == NULL)
            hook->last = at;
        return;
    }
}

static void release(hook_ask_t *ask)
{
    zm_timer_cancel(&ask->timer);
    zm_buf_free(&ask->request);
    zm_buf_free(&ask->said);
    free(ask);
}

/* It is told from the timer, when nothing of the question is in use. */
static void finish(hook_ask_t *ask, const char *why)
{
    if (ask->over)
        return;
    ask->over = true;
    ask->why = why;
    zm_timer_set(&ask->timer, 0);
}

static void dispatch(hook_t *hook);

static void on_timer(zm_timer_t *timer, void *baton)
{
    hook_ask_t *ask = baton;
    hook_t *hook = ask->hook;
    hook_answer_t answer = {.action = HOOK_FAILED, .text = ZM_STR("it does not answer in time")};
    (void)timer;
    if (!ask->over && ask->line != NULL)
        hang_up(ask->line);
    else if (!ask->over)
        take_out(ask);
    else if (ask->why != NULL)
        answer.text = zm_str(ask->why);
    else
        answer = hook_read(zm_buf_str(&ask->said));
    ask->fn(&answer, ask->baton);
    release(ask);
    dispatch(hook);
}

void hook_cancel(hook_ask_t *ask)
{
    hook_t *hook;
    if (ask == NULL)
        return;
    hook = ask->hook;
    if (ask->line != NULL && ask->line->ask == ask)
        hang_up(ask->line); /* its answer would be taken for that of the next */
    else if (!ask->over)
        take_out(ask);
    release(ask);
    dispatch(hook);
}

/* -- lines ---------------------------------------------------------------------------------------
 */

static void put(line_t *line)
{
    zm_buf_clear(&line->answer);
    zm_stream_idle_limit(line->stream, 0);
    zm_stream_write_str(line->stream, zm_buf_str(&line->ask->request));
    zm_stream_write(line->stream, "\n", 1);
}

/* The line has ended.  A daemon may end one that was idle: then the question is put again. */
static void lose(line_t *line, const char *why)
{
    hook_ask_t *ask = line->ask;
    bool stale = line->used && line->answer.length == 0;
    hook_t *hook = line->hook;
    hang_up(line);
    if (ask != NULL && stale && !ask->again) {
        ask->again = true;
        ask->line = NULL;
        ask->next = hook->first;
        if (hook->first == NULL)
            hook->last = &ask->next;
        hook->first = ask;
    } else if (ask != NULL) {
        finish(ask, why);
    }
    dispatch(hook);
}

/* False: there is no whole answer yet. */
static bool take_answer(line_t *line)
{
    hook_ask_t *ask = line->ask;
    zm_str_t rest = zm_buf_str(&line->answer), text;
    bool found = false, ended = false;
    while (!ended && zm_str_cut(rest, '\n', &text, &rest)) {
        if (text.length > 0 && text.data[text.length - 1] == '\r')
            text.length--;
        ended = text.length == 0;
        if (!found && zm_str_starts_nocase(text, ZM_S("action="))) {
            found = true;
            zm_buf_clear(&ask->said);
            zm_buf_add_str(&ask->said, zm_str_from(text, 7));
        }
    }
    if (!ended)
        return false;
    line->ask = NULL;
    line->used = true;
    finish(ask, found ? NULL : "it has told no action");
    if (rest.length > 0)
        hang_up(line); /* it speaks unasked */
    else
        zm_stream_idle_limit(line->stream, IDLE);
    zm_buf_clear(&line->answer);
    return true;
}

static void on_event(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    line_t *line = baton;
    zm_str_t bytes;
    if (event == ZM_STREAM_DRAINED)
        return;
    if (event != ZM_STREAM_INPUT) {
        lose(line, "the connection to it has ended");
        return;
    }
    bytes = zm_stream_peek(stream);
    if (line->ask == NULL && bytes.length > 0) {
        lose(line, "");
        return;
    }
    zm_buf_add_str(&line->answer, bytes);
    zm_stream_take(stream, bytes.length);
    if (line->answer.length > HOOK_ANSWER) {
        lose(line, "it says too much");
        return;
    }
    if (line->ask != NULL && line->answer.length > 0 && take_answer(line)) {
        if (line->stream == stream && zm_stream_at_eof(stream))
            hang_up(line); /* it takes one question a connection */
        dispatch(line->hook);
        return;
    }
    if (zm_stream_at_eof(stream))
        lose(line, "the connection to it has ended");
}

static void on_connected(apr_socket_t *socket, void *baton)
{
    line_t *line = baton;
    line->call = NULL;
    if (socket == NULL) {
        lose(line, "it cannot be reached");
    } else if (zm_stream_open(&line->stream, line->hook->loop, socket, on_event, line) !=
               APR_SUCCESS) {
        line->stream = NULL;
        lose(line, "out of memory");
    } else if (line->ask != NULL) {
        put(line);
    }
}

static void connect_line(line_t *line)
{
    hook_t *hook = line->hook;
    line->used = false;
    if (apr_pool_create(&line->pool, hook->pool) != APR_SUCCESS) {
        line->pool = NULL;
        return;
    }
    service_call(&line->call, hook->loop, hook->dns, hook->service, on_connected, line, line->pool);
}

/* A connection that is idle; else one that can be made. */
static line_t *find_line(hook_t *hook)
{
    line_t *free_line = NULL;
    int i;
    for (i = 0; i < HOOK_LINES; i++) {
        line_t *line = &hook->lines[i];
        if (line->stream != NULL && line->ask == NULL)
            return line;
        if (line->pool == NULL && free_line == NULL)
            free_line = line;
    }
    return free_line;
}

static void dispatch(hook_t *hook)
{
    while (hook->first != NULL) {
        hook_ask_t *ask = hook->first;
        line_t *line = find_line(hook);
        if (line == NULL)
            return;
        take_out(ask);
        ask->line = line;
        line->ask = ask;
        if (line->stream != NULL)
            put(line);
        else
            connect_line(line);
        if (line->pool == NULL) {
            line->ask = NULL;
            finish(ask, "out of memory");
        }
    }
}

/* -- asking --------------------------------------------------------------------------------------
 */

hook_t *hook_create(zm_loop_t *loop, zm_dns_t *dns, const service_t *service, apr_pool_t *pool)
{
    hook_t *made = apr_pcalloc(pool, sizeof *made);
    int i;
    made->loop = loop;
    made->dns = dns;
    made->service = service;
    made->pool = pool;
    made->last = &made->first;
    for (i = 0; i < HOOK_LINES; i++)
        made->lines[i].hook = made;
    return made;
}

void hook_close(hook_t *hook)
{
    int i;
    if (hook == NULL)
        return;
    for (i = 0; i < HOOK_LINES; i++)
        hang_up(&hook->lines[i]);
}

void hook_ask(hook_ask_t **ask, hook_t *hook, zm_str_t request, hook_fn *fn, void *baton)
{
    hook_ask_t *made = calloc(1, sizeof *made);
    if (made == NULL)
        abort();
    made->hook = hook;
    made->fn = fn;
    made->baton = baton;
    zm_buf_add_str(&made->request, request);
    zm_timer_init(&made->timer, hook->loop, on_timer, made);
    zm_timer_set(&made->timer, HOOK_PATIENCE);
    *hook->last = made;
    hook->last = &made->next;
    *ask = made;
    dispatch(hook);
}
