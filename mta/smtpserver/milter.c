/*
 * The conversation is a walk through steps, from where it stands to the goal of the stage that was
 * asked for.  proceed() tells step after step and stops where an answer has to come; on_packet()
 * hears it and goes on.
 */
#include <string.h>

#include <apr_strings.h>

#include "mta/net/stream.h"
#include "mta/smtpserver/milter_parts.h"
#include "platform/clock.h"
#include "platform/log.h"

typedef enum step_t {
    STEP_NEGOTIATE,
    STEP_CONNECT,
    STEP_HELO,
    STEP_MAIL,
    STEP_RCPT,
    STEP_DATA,
    STEP_HEADER,
    STEP_EOH,
    STEP_BODY,
    STEP_EOM,
    STEP_DONE
} step_t;

struct milter_t {
    milter_options_t options;
    apr_pool_t *pool;
    apr_pool_t *connection; /* of the call and the socket; null: there is none */
    service_call_t *call;
    zm_stream_t *stream;
    zm_buf_t input, wire;
    zm_timer_t timer; /* the deadline; then the end of a stage */
    apr_time_t asked; /* since when it has been waited for */
    uint32_t flags;   /* what it does not want */
    step_t step, goal;
    bool busy;       /* a stage is under way */
    bool waiting;    /* for an answer */
    bool ready;      /* the stage is over, which the timer tells */
    bool in_message; /* between MAIL and its end */
    bool satisfied;  /* it has accepted the session */
    bool standing;   /* it has refused the session: answer and text hold */
    milter_answer_t answer;
    zm_buf_t text, why, additions; /* of answer */
    zm_buf_t helo, sender, parameters, recipient;
    milter_source_t source;
    milter_fn *fn;
    void *baton;
};

/* -- the end of a stage
 * ---------------------------------------------------------------------------- */

static void disconnect(milter_t *milter)
{
    service_cancel(milter->call);
    zm_stream_close(milter->stream);
    milter->call = NULL;
    milter->stream = NULL;
    if (milter->connection != NULL)
        apr_pool_destroy(milter->connection);
    milter->connection = NULL;
    milter->in_message = false;
    zm_buf_clear(&milter->input);
}

static void finish(milter_t *milter, milter_result_t result)
{
    milter->answer.result = result;
    milter->busy = true;
    milter->waiting = false;
    milter->ready = true;
    if (milter->goal == STEP_EOM || (result != MILTER_CONTINUE && milter->goal == STEP_MAIL))
        milter->in_message = false;
    zm_timer_set(&milter->timer, 0);
}

static void fail(milter_t *milter, const char *why)
{
    zm_buf_clear(&milter->text);
    zm_buf_add_c(&milter->text, why);
    if (milter->busy && !milter->ready)
        finish(milter, MILTER_FAILED);
    milter->standing = milter->satisfied = false;
    disconnect(milter);
}

static void tell(milter_t *milter)
{
    milter_answer_t answer = milter->answer;
    answer.text = zm_buf_str(&milter->text);
    answer.why = zm_buf_str(&milter->why);
    answer.additions = zm_buf_str(&milter->additions);
    milter->busy = milter->ready = false;
    milter_source_end(&milter->source);
    zm_buf_free(&milter->wire);
    milter->fn(&answer, milter->baton);
}

static void on_timer(zm_timer_t *timer, void *baton)
{
    milter_t *milter = baton;
    (void)timer;
    if (milter->ready)
        tell(milter);
    else
        fail(milter, "it does not answer in time");
}

/* -- telling -------------------------------------------------------------------------------------
 */

static apr_size_t begin(milter_t *milter, char command)
{
    return milter_packet_begin(&milter->wire, command);
}

static void put(milter_t *milter, apr_size_t begun)
{
    milter_packet_end(&milter->wire, begun);
    zm_stream_write(milter->stream, milter->wire.data, milter->wire.length);
    zm_buf_clear(&milter->wire);
}

static void tell_negotiate(milter_t *milter)
{
    apr_size_t begun = begin(milter, 'O');
    milter_packet_number(&milter->wire, MILTER_VERSION);
    milter_packet_number(&milter->wire, MILTER_ACTIONS);
    milter_packet_number(&milter->wire, MILTER_STEPS);
    put(milter, begun);
}

static void tell_connect(milter_t *milter)
{
    const milter_session_t *session = &milter->options.session;
    const zm_ip_t *ip = &session->client.ip;
    char address[ZM_IP_TEXT], literal[ZM_IP_TEXT];
    const char *peer = ip->family != 0 ? apr_psprintf(milter->connection, "%s %s", session->name,
                                                      zm_ip_print_literal(ip, literal))
                                       : session->name;
    const char *macros[] = {"j",
                            session->hostname,
                            "{daemon_name}",
                            "smtpserver",
                            "_",
                            peer,
                            "v",
                            "ZMailer " ZM_VERSION,
                            NULL};
    apr_size_t begun;
    milter_packet_macros(&milter->wire, 'C', macros);
    begun = begin(milter, 'C');
    milter_packet_text(&milter->wire, zm_str(session->name));
    if (ip->family == 0) {
        zm_buf_add_byte(&milter->wire, 'U');
    } else {
        zm_buf_add_byte(&milter->wire, ip->family == 4 ? '4' : '6');
        zm_buf_add_byte(&milter->wire, (char)(session->client.port >> 8));
        zm_buf_add_byte(&milter->wire, (char)session->client.port);
        milter_packet_text(&milter->wire, zm_str(zm_ip_print(ip, address)));
    }
    put(milter, begun);
}

static void tell_helo(milter_t *milter)
{
    const milter_session_t *session = &milter->options.session;
    const char *macros[] = {"{tls_version}", session->tls, "{cipher}", session->cipher, NULL};
    apr_size_t begun;
    milter_packet_macros(&milter->wire, 'H', macros);
    begun = begin(milter, 'H');
    milter_packet_text(&milter->wire, zm_buf_str(&milter->helo));
    put(milter, begun);
}

/* "<ADDRESS>", with macros that repeat it. */
static void tell_address(milter_t *milter, char command, const char *macro, zm_buf_t *address,
                         zm_str_t parameters)
{
    const milter_session_t *session = &milter->options.session;
    const char *macros[] = {macro,           zm_buf_c(address), "i", session->tag,
                            "{auth_authen}", session->login,    NULL};
    apr_size_t begun;
    zm_str_t word;
    milter_packet_macros(&milter->wire, command, macros);
    begun = begin(milter, command);
    zm_buf_add_byte(&milter->wire, '<');
    milter_packet_text(&milter->wire, zm_buf_str(address));
    milter->wire.data[milter->wire.length - 1] = '>';
    zm_buf_add_byte(&milter->wire, '\0');
    while (zm_str_word(&parameters, &word))
        milter_packet_text(&milter->wire, word);
    put(milter, begun);
}

static void tell_simple(milter_t *milter, char command)
{
    put(milter, begin(milter, command));
}

/* False: there is no field left. */
static bool tell_field(milter_t *milter)
{
    zm_str_t name, value;
    apr_size_t begun;
    if (!milter_source_field(&milter->source, &name, &value))
        return false;
    if ((milter->flags & MILTER_LEADING_SPACE) == 0 && value.length > 0 && value.data[0] == ' ')
        value = zm_str_from(value, 1);
    begun = begin(milter, 'L');
    milter_packet_text(&milter->wire, name);
    milter_packet_text(&milter->wire, value);
    put(milter, begun);
    return true;
}

static bool tell_body(milter_t *milter)
{
    apr_size_t begun = begin(milter, 'B');
    if (milter_source_body(&milter->source, &milter->wire)) {
        put(milter, begun);
        return true;
    }
    zm_buf_clear(&milter->wire);
    return false;
}

/* -- steps ---------------------------------------------------------------------------------------
 */

typedef struct step_rule_t {
    uint32_t untold, unanswered; /* flags */
} step_rule_t;

static const step_rule_t rules[] = {
    [STEP_CONNECT] = {MILTER_NO_CONNECT, MILTER_MUTE_CONNECT},
    [STEP_HELO] = {MILTER_NO_HELO, MILTER_MUTE_HELO},
    [STEP_MAIL] = {MILTER_NO_MAIL, MILTER_MUTE_MAIL},
    [STEP_RCPT] = {MILTER_NO_RCPT, MILTER_MUTE_RCPT},
    [STEP_DATA] = {MILTER_NO_DATA, MILTER_MUTE_DATA},
    [STEP_HEADER] = {MILTER_NO_HEADERS, MILTER_MUTE_HEADER},
    [STEP_EOH] = {MILTER_NO_EOH, MILTER_MUTE_EOH},
    [STEP_BODY] = {MILTER_NO_BODY, MILTER_MUTE_BODY},
    [STEP_EOM] = {0, 0},
};

/* Tells it one thing.  False: of this step there is nothing to tell. */
static bool tell_step(milter_t *milter)
{
    switch (milter->step) {
    case STEP_NEGOTIATE:
        tell_negotiate(milter);
        return true;
    case STEP_CONNECT:
        tell_connect(milter);
        return true;
    case STEP_HELO:
        tell_helo(milter);
        return true;
    case STEP_MAIL:
        tell_address(milter, 'M', "{mail_addr}", &milter->sender, zm_buf_str(&milter->parameters));
        return true;
    case STEP_RCPT:
        tell_address(milter, 'R', "{rcpt_addr}", &milter->recipient, ZM_S(""));
        return true;
    case STEP_DATA:
        tell_simple(milter, 'T');
        return true;
    case STEP_HEADER:
        return tell_field(milter);
    case STEP_EOH:
        tell_simple(milter, 'N');
        return true;
    case STEP_BODY:
        return tell_body(milter);
    case STEP_EOM:
        tell_simple(milter, 'E');
        return true;
    default:
        return false;
    }
}

static bool is_repeated(step_t step)
{
    return step == STEP_HEADER || step == STEP_BODY;
}

static void await(milter_t *milter)
{
    milter->waiting = true;
    milter->asked = zm_clock_monotonic();
    zm_timer_set(&milter->timer, milter->step == STEP_EOM ? MILTER_LAST_PATIENCE : MILTER_PATIENCE);
}

/* It is at work, and may go on for a while, but not for ever: the client waits too. */
static void await_longer(milter_t *milter)
{
    apr_interval_time_t left = milter->asked + MILTER_LONGEST - zm_clock_monotonic();
    if (left > MILTER_LAST_PATIENCE)
        left = MILTER_LAST_PATIENCE;
    zm_timer_set(&milter->timer, left > 0 ? left : 0);
}

/* Fields that nobody wants are passed over all the same: the body begins behind them. */
static void pass_over_header(milter_t *milter)
{
    zm_str_t name, value;
    if (milter->step == STEP_HEADER)
        while (milter_source_field(&milter->source, &name, &value))
            continue;
}

static void proceed(milter_t *milter)
{
    while (!milter->ready && !milter->waiting && milter->step <= milter->goal) {
        const step_rule_t *rule = &rules[milter->step];
        bool told;
        if (zm_stream_output_full(milter->stream)) {
            zm_timer_set(&milter->timer,
                         MILTER_PATIENCE); /* for it to read, until all has drained */
            return;
        }
        if ((milter->flags & rule->untold) != 0)
            pass_over_header(milter);
        told = (milter->flags & rule->untold) == 0 && tell_step(milter);
        if (milter->source.status != APR_SUCCESS)
            fail(milter, "the message cannot be read");
        else if (told && (milter->flags & rule->unanswered) == 0)
            await(milter);
        else if (!told || !is_repeated(milter->step))
            milter->step++;
    }
    if (!milter->ready && !milter->waiting && milter->step > milter->goal)
        finish(milter, MILTER_CONTINUE);
}

/* -- answers -------------------------------------------------------------------------------------
 */

static bool hear_negotiation(milter_t *milter, zm_str_t data)
{
    uint32_t version, actions, steps;
    if (!milter_take_number(&data, &version) || !milter_take_number(&data, &actions) ||
        !milter_take_number(&data, &steps) || version < 2 || version > MILTER_VERSION ||
        (steps & ~(uint32_t)MILTER_STEPS) != 0)
        return false;
    milter->flags = steps; /* some ask for more actions than were offered, and do without */
    return true;
}

static bool hear_field(milter_t *milter, zm_str_t data, bool insert)
{
    zm_str_t name, value;
    uint32_t place;
    if ((insert && !milter_take_number(&data, &place)) || !milter_take_text(&data, &name) ||
        !milter_take_text(&data, &value) || data.length != 0 ||
        milter->additions.length + name.length + value.length > MILTER_ADDED)
        return false;
    if (!milter_add_field(&milter->additions, name, value))
        zm_log(ZM_LOG_WARNING, NULL, "milter adds what is no header field",
               ZM_F_S("milter", milter->options.service->text), ZM_F_N("name", name));
    return true;
}

/* What comes before the answer to a whole message.  False: it is not allowed. */
static bool hear_change(milter_t *milter, const milter_packet_t *packet)
{
    zm_str_t data = packet->data, why;
    if (milter->step != STEP_EOM)
        return false;
    if (packet->command == 'm') { /* many would tidy up fields that others forged */
        zm_log(ZM_LOG_WARNING, NULL, "milter would change a header field, which it may not",
               ZM_F_S("milter", milter->options.service->text));
        return true;
    }
    if (packet->command == 'h' || packet->command == 'i')
        return hear_field(milter, data, packet->command == 'i');
    if (packet->command != 'q' || !milter_take_text(&data, &why) || data.length != 0)
        return false;
    milter->answer.quarantine = true;
    zm_buf_clear(&milter->why);
    zm_buf_add_str(&milter->why, why);
    return true;
}

static void refuse(milter_t *milter, int code)
{
    milter->answer.code = code;
    apr_cpystrn(milter->answer.enhanced, code < 500 ? "4.7.1" : "5.7.1",
                sizeof milter->answer.enhanced);
    zm_buf_clear(&milter->text);
}

static void conclude(milter_t *milter, milter_result_t result)
{
    bool session = milter->step <= STEP_HELO;
    if (session && result == MILTER_ACCEPT)
        milter->satisfied = true;
    if (session && result == MILTER_REFUSE)
        milter->standing = true;
    finish(milter, result);
}

static void go_on(milter_t *milter)
{
    milter->waiting = false;
    zm_timer_cancel(&milter->timer);
    if (!is_repeated(milter->step))
        milter->step++;
    proceed(milter);
}

/* False: it is against the protocol. */
static bool on_packet(milter_t *milter, const milter_packet_t *packet)
{
    bool bare = packet->data.length == 0;
    if (!milter->waiting)
        return false;
    if (milter->step == STEP_NEGOTIATE) {
        if (packet->command != 'O' || !hear_negotiation(milter, packet->data))
            return false;
        go_on(milter);
        return true;
    }
    switch (packet->command) {
    case 'c':
        go_on(milter);
        return bare;
    case 'p':
        await_longer(milter);
        return bare;
    case 'a':
        conclude(milter, MILTER_ACCEPT);
        return bare;
    case 'd':
        conclude(milter, MILTER_DISCARD);
        return bare && milter->step >= STEP_MAIL;
    case 'r':
        refuse(milter, 550);
        conclude(milter, MILTER_REFUSE);
        return bare;
    case 't':
    case 'f':
    case '4':
        refuse(milter, 451);
        conclude(milter, MILTER_REFUSE);
        return bare;
    case 'y':
        if (!milter_read_reply(&milter->answer, packet->data, &milter->text))
            return false;
        conclude(milter, MILTER_REFUSE);
        return true;
    case 's':
        if (milter->step != STEP_BODY)
            return false;
        milter->step = STEP_EOM;
        milter->waiting = false;
        proceed(milter);
        return bare;
    default:
        return hear_change(milter, packet);
    }
}

static void hear(milter_t *milter)
{
    milter_packet_t packet;
    apr_size_t size;
    apr_status_t status = APR_SUCCESS;
    while (milter->stream != NULL &&
           (status = milter_packet_read(&packet, zm_buf_str(&milter->input), &size)) ==
               APR_SUCCESS) {
        if (!on_packet(milter, &packet)) {
            milter->ready = false;
            fail(milter, "it does not keep to the protocol");
            return;
        }
        if (milter->stream != NULL)
            zm_buf_consume(&milter->input, size);
    }
    if (milter->stream != NULL && status == ZM_E_PROTOCOL)
        fail(milter, "it does not keep to the protocol");
}

static void on_event(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    milter_t *milter = baton;
    if (event == ZM_STREAM_INPUT) {
        zm_str_t bytes = zm_stream_peek(stream);
        zm_buf_add_str(&milter->input, bytes);
        zm_stream_take(stream, bytes.length);
        hear(milter);
        if (milter->stream == stream && zm_stream_at_eof(stream))
            fail(milter, "the connection to it has ended");
    } else if (event == ZM_STREAM_DRAINED) {
        if (milter->busy)
            proceed(milter);
    } else if (event == ZM_STREAM_ERROR) {
        fail(milter, "the connection to it has ended");
    }
}

/* -- stages --------------------------------------------------------------------------------------
 */

static void on_connected(apr_socket_t *socket, void *baton)
{
    milter_t *milter = baton;
    milter->call = NULL;
    if (socket == NULL) {
        fail(milter, "it cannot be reached");
    } else if (zm_stream_open(&milter->stream, milter->options.loop, socket, on_event, milter) !=
               APR_SUCCESS) {
        milter->stream = NULL;
        fail(milter, "out of memory");
    } else {
        milter->flags = 0;
        milter->step = STEP_NEGOTIATE;
        milter->waiting = false;
        proceed(milter);
    }
}

static void start(milter_t *milter, step_t goal, milter_fn *fn, void *baton)
{
    milter->goal = goal;
    milter->fn = fn;
    milter->baton = baton;
    milter->busy = true;
    milter->ready = milter->waiting = false;
    if (!milter->standing) {
        memset(&milter->answer, 0, sizeof milter->answer);
        zm_buf_clear(&milter->text);
    }
    zm_buf_clear(&milter->why);
    zm_buf_clear(&milter->additions);
}

static void set(zm_buf_t *buffer, zm_str_t text)
{
    zm_buf_clear(buffer);
    zm_buf_add_str(buffer, text);
}

static void reach(milter_t *milter)
{
    milter->standing = milter->satisfied = false;
    if (apr_pool_create(&milter->connection, milter->pool) != APR_SUCCESS) {
        milter->connection = NULL;
        fail(milter, "out of memory");
        return;
    }
    milter->waiting = true;
    service_call(&milter->call, milter->options.loop, milter->options.dns, milter->options.service,
                 on_connected, milter, milter->connection);
}

void milter_mail(milter_t *milter, zm_str_t helo, zm_str_t sender, zm_str_t parameters,
                 milter_fn *fn, void *baton)
{
    bool same = zm_str_equal(helo, zm_buf_str(&milter->helo));
    start(milter, STEP_MAIL, fn, baton);
    set(&milter->helo, helo);
    set(&milter->sender, sender);
    set(&milter->parameters, parameters);
    milter->in_message = true;
    if (milter->stream == NULL) {
        disconnect(milter);
        milter->in_message = true;
        reach(milter);
    } else if (milter->standing || milter->satisfied) {
        finish(milter, milter->standing ? MILTER_REFUSE : MILTER_ACCEPT);
    } else {
        milter->step = same ? STEP_MAIL : STEP_HELO;
        proceed(milter);
    }
}

/* The connection may have ended between two stages. */
static bool is_there(milter_t *milter)
{
    if (milter->stream != NULL && milter->in_message)
        return true;
    fail(milter, "the connection to it has ended");
    return false;
}

void milter_rcpt(milter_t *milter, zm_str_t recipient, milter_fn *fn, void *baton)
{
    start(milter, STEP_RCPT, fn, baton);
    set(&milter->recipient, recipient);
    if (!is_there(milter))
        return;
    milter->step = STEP_RCPT;
    proceed(milter);
}

void milter_message(milter_t *milter, zm_submission_t *submission, uint64_t content, milter_fn *fn,
                    void *baton)
{
    start(milter, STEP_EOM, fn, baton);
    if (!is_there(milter))
        return;
    milter_source_begin(&milter->source, submission, content);
    milter->step = STEP_DATA;
    proceed(milter);
}

void milter_abort(milter_t *milter)
{
    if (milter->busy) { /* it would answer into the next message */
        zm_timer_cancel(&milter->timer);
        milter->busy = milter->ready = milter->waiting = false;
        milter_source_end(&milter->source);
        disconnect(milter);
    } else if (milter->stream != NULL && milter->in_message) {
        tell_simple(milter, 'A');
    }
    milter->in_message = false;
}

/* -- the conversation
 * ------------------------------------------------------------------------------ */

milter_t *milter_create(const milter_options_t *options, apr_pool_t *pool)
{
    milter_t *made = apr_pcalloc(pool, sizeof *made);
    made->options = *options;
    made->pool = pool;
    zm_timer_init(&made->timer, options->loop, on_timer, made);
    return made;
}

void milter_close(milter_t *milter)
{
    if (milter == NULL)
        return;
    zm_timer_cancel(&milter->timer);
    if (milter->stream != NULL && !milter->busy) {
        tell_simple(milter, 'Q');
        zm_stream_flush(milter->stream);
    }
    milter->busy = false;
    disconnect(milter);
    milter_source_end(&milter->source);
    zm_buf_free(&milter->input);
    zm_buf_free(&milter->wire);
    zm_buf_free(&milter->text);
    zm_buf_free(&milter->why);
    zm_buf_free(&milter->additions);
    zm_buf_free(&milter->helo);
    zm_buf_free(&milter->sender);
    zm_buf_free(&milter->parameters);
    zm_buf_free(&milter->recipient);
}
