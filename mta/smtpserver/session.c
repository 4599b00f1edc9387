/*
 * The life of a session.
 *
 * Calls come from the stream, from the timer of a delay, from the policy and from
 * the spool.  Each ends in session_settle, the only place where a session is
 * freed: when it is over, its stream has closed and no commit is under way.  So
 * nothing in between has to ask whether the session is still there.
 */
#include <apr_strings.h>
#include <stdarg.h>

#include "mta/smtpserver/auth.h"
#include "mta/smtpserver/count.h"
#include "mta/smtpserver/rates.h"
#include "mta/smtpserver/starttls.h"
#include "platform/child.h"
#include "platform/clock.h"
#include "platform/log.h"

#define COMMAND_LINE_LIMIT 8192
#define LINGER apr_time_from_sec(2) /* for a peer that is still sending */
#define MOST_SENT_AHEAD 65536       /* commands during a delay; more hide that nobody waits */
#define LEAST_RATE 16               /* octets a second that data must come with on average */

/* -- the log --------------------------------------------------------------------------- */

void session_log(session_t *session, char type, zm_str_t text)
{
    journal_t *journal = session->server->journal;
    if (journal_on(journal))
        journal_line(journal, session->tag, apr_time_sec(zm_clock_monotonic() - session->started),
                     type, text);
}

void session_note(session_t *session, const char *format, ...)
{
    zm_buf_t text = ZM_BUF_INIT;
    va_list arguments;
    if (!journal_on(session->server->journal))
        return;
    va_start(arguments, format);
    zm_buf_vprintf(&text, format, arguments);
    va_end(arguments);
    session_log(session, '#', zm_buf_str(&text));
    zm_buf_free(&text);
}

/* -- the end --------------------------------------------------------------------------- */

static void enlist(session_t *session)
{
    server_t *server = session->server;
    session->next = server->sessions;
    if (session->next != NULL)
        session->next->previous = session;
    server->sessions = session;
    server->open++;
}

static void unlist(session_t *session)
{
    server_t *server = session->server;
    if (session->previous != NULL)
        session->previous->next = session->next;
    else
        server->sessions = session->next;
    if (session->next != NULL)
        session->next->previous = session->previous;
    server->open--;
}

static void release(session_t *session)
{
    if (!session->quit)
        session_log(session, '-', zm_str(session->why));
    session_note(session, "end %s; %u messages, tarpit %.0f", session->why, session->messages,
                 session->tarpit_sum);
    starttls_end(session);
    policy_cancel(session->ask);
    inquiry_cancel(&session->inquiry);
    peer_end(session->peer);
    turn_cancel(session->turn);
    inspection_cancel(session);
    hook_cancel(session->hook);
    transaction_end(session);
    zm_timer_cancel(&session->delay);
    auth_forget(session);
    zm_buf_free(&session->helo);
    zm_buf_free(&session->held);
    zm_buf_free(&session->turn_host);
    unlist(session);
    if (session->options.ended != NULL)
        session->options.ended(&session->options.client, session->options.baton);
    apr_pool_destroy(session->pool);
}

static bool in_data(const session_t *session)
{
    return session->state == SESSION_IN_DATA || session->state == SESSION_IN_CHUNK;
}

void session_settle(session_t *session)
{
    if (session->depth > 0 || !session->over || session->committing)
        return;
    if (session->stream == NULL) {
        release(session);
    } else if (!session->finished && !session->held_back) {
        session->finished = true;
        zm_stream_idle_limit(session->stream,
                             apr_time_from_sec(session->server->config->command_timeout));
        zm_stream_finish(session->stream, LINGER); /* CLOSED comes back here, perhaps within */
    }
}

void session_finish(session_t *session, const char *why)
{
    if (session->over)
        return;
    if (in_data(session))
        data_aborted(session, why);
    session->over = true;
    session->why = why;
}

/* The connection is gone: no reply will arrive. */
static void drop(session_t *session, const char *why)
{
    session_finish(session, why);
    zm_stream_close(session->stream);
    session->stream = NULL;
    zm_timer_cancel(&session->delay);
    session->held_back = false;
}

static void end_for_stop(session_t *session)
{
    reply(session, 421, "4.3.2", "%s is going down; try again later", session->server->hostname);
    session_finish(session, "server stopped");
}

void sessions_dump(const server_t *server)
{
    static const char *const states[] = {
        "hello",   "ready",          "recipient", "recipient or data",
        "in data", "between chunks", "in a chunk"};
    const session_t *session;
    for (session = server->sessions; session != NULL; session = session->next)
        zm_log(ZM_LOG_NOTICE, NULL, "session", ZM_F_S("session", session->tag),
               ZM_F_S("client", session->client_text),
               ZM_F_S("state", session->committing ? "commit" : states[session->state]),
               ZM_F_I("seconds", apr_time_sec(zm_clock_monotonic() - session->started)),
               ZM_F_I("messages", session->messages));
}

static void stop(session_t *session)
{
    session->stopping = true;
    if (session->over || session->waiting || session->transaction != NULL)
        return;
    end_for_stop(session);
    session_settle(session);
}

void sessions_stop(server_t *server)
{
    session_t *session, *next;
    for (session = server->sessions; session != NULL; session = next) {
        next = session->next;
        stop(session);
    }
}

/* -- waiting --------------------------------------------------------------------------- */

void session_wait(session_t *session)
{
    session->waiting = true;
    if (session->stream != NULL)
        zm_stream_pause(session->stream);
}

void session_go_on(session_t *session)
{
    session->waiting = false;
    if (session->stopping && session->transaction == NULL && !session->over)
        end_for_stop(session);
    if (session->stream != NULL && !session->over) {
        session->waiting_since = zm_clock_monotonic();
        zm_stream_resume(session->stream);
    }
}

static void idle_limit(session_t *session, int64_t seconds)
{
    session->waiting_since = zm_clock_monotonic();
    if (session->stream != NULL)
        zm_stream_idle_limit(session->stream, apr_time_from_sec(seconds));
}

void session_await_command(session_t *session)
{
    idle_limit(session, session->server->config->command_timeout);
}

void session_await_data(session_t *session)
{
    idle_limit(session, session->server->config->data_timeout);
}

static const char *now(char *date, apr_size_t size)
{
    zm_clock_rfc5322(date, size, zm_clock_wall(), 0);
    return date;
}

static void on_delay(zm_timer_t *timer, void *baton)
{
    session_t *session = baton;
    char date[64];
    (void)timer;
    session->depth++;
    if (session->tls == SESSION_TLS_LISTENING) {
        starttls_listened(session);
        if (session->waiting) { /* for the policy */
            session->depth--;
            session_settle(session);
            return;
        }
    } else if (session->banner_due) {
        session->banner_due = false;
        greeting_banner(session);
    } else if (session->stream != NULL && zm_stream_hung_up(session->stream)) {
        drop(session, "the client has left during a delay");
    } else if (session->stream != NULL &&
               zm_stream_peek(session->stream).length >= MOST_SENT_AHEAD) {
        drop(session, "too much sent ahead during a delay");
    } else {
        session_note(session, "tarpit with delay %04d ends at %s", session->delayed,
                     now(date, sizeof date));
    }
    session->held_back = false;
    if (session->stream != NULL && session->held.length > 0)
        zm_stream_write_str(session->stream, zm_buf_str(&session->held));
    zm_buf_free(&session->held);
    session_go_on(session);
    session->depth--;
    session_settle(session);
}

/* The delay grows with every reason for one. */
void session_tarpit(session_t *session)
{
    const config_group_t *group = session->group;
    double delay = session->tarpit;
    char date[64];
    if (delay <= 0.9999 || session->held_back)
        return;
    count(session, ZM_COUNT_SS_IncomingSmtpTarpits);
    session->tarpit_sum += delay;
    session->tarpit += session->tarpit * group->tarpit_exponent;
    if (session->tarpit > group->tarpit_limit)
        session->tarpit = group->tarpit_limit;
    session->delayed = (int)(delay + 0.5);
    session_note(session, "tarpit delay:%04d sec. at %s", session->delayed, now(date, sizeof date));
    session->held_back = true;
    session_wait(session);
    zm_timer_set(&session->delay, apr_time_from_sec(session->delayed));
}

int64_t session_max_size(const session_t *session)
{
    int64_t all = session->server->config->max_size, own = session->policy.max_size;
    if (!session->policy.has_max_size || (all > 0 && (own == 0 || own > all)))
        return all;
    return own;
}

/* -- asking the policy ------------------------------------------------------------------ */

static void on_verdict(const policy_verdict_t *verdict, void *baton)
{
    session_t *session = baton;
    void (*then)(session_t *, const policy_verdict_t *) = session->resume;
    session->ask = NULL;
    session->answered = true;
    if (session->asking) {
        then(session, verdict);
        return;
    }
    session->depth++;
    session->waiting = false;
    if (!session->over)
        then(session, verdict);
    if (!session->waiting)
        session_go_on(session);
    session->depth--;
    session_settle(session);
}

static void count_rates(const session_t *session, policy_question_t *question)
{
    rates_sum_t sum;
    if (!session->policy.has_rates || session->server->rates == NULL)
        return;
    sum = rates_of(session->server->rates, &session->options.client.ip, zm_clock_monotonic());
    question->messages = sum.messages;
    question->recipients = sum.recipients;
    if (session->transaction != NULL)
        question->recipients += (uint64_t)session->transaction->accepted;
}

static void ask_policy(session_t *session, policy_stage_t stage,
                       void (*then)(session_t *session, const policy_verdict_t *verdict))
{
    transaction_t *transaction = session->transaction;
    zm_str_t greeting = zm_buf_str(&session->helo), verb;
    peer_facts_t facts = {0};
    policy_question_t question = {.stage = stage,
                                  .database = session->group->number,
                                  .same = session->options.same,
                                  .spf_threshold = session->group->spf_threshold,
                                  .state = &session->policy,
                                  .client = session->options.client,
                                  .server = session->options.server,
                                  .local = session->server->local};
    if (zm_str_word(&greeting, &verb))
        question.helo = zm_str_trim(greeting);
    if (session->peer != NULL && peer_is_known(session->peer))
        facts = peer_facts(session->peer);
    count_rates(session, &question);
    question.name = facts.name;
    question.name_verified = facts.verified == PEER_OK;
    if (transaction != NULL)
        question.sender = &transaction->sender_path;
    if (transaction != NULL && stage == POLICY_RECIPIENT)
        question.recipient = &transaction->recipient;
    session->resume = then;
    session->asking = true;
    session->answered = false;
    policy_ask(&session->ask, session->server->policy, &question, on_verdict, session);
    session->asking = false;
    if (!session->answered)
        session_wait(session);
}

/* The policy daemon has decided, or left it to the rules. */
static void on_hooked(session_t *session, const policy_verdict_t *verdict)
{
    if (verdict != NULL)
        session->asked_then(session, verdict);
    else
        ask_policy(session, session->asked_stage, session->asked_then);
}

void session_ask(session_t *session, policy_stage_t stage,
                 void (*then)(session_t *session, const policy_verdict_t *verdict))
{
    static const int stages[] = {[POLICY_CONNECT] = 0,
                                 [POLICY_HELO] = HOOKING_HELO,
                                 [POLICY_SENDER] = HOOKING_MAIL,
                                 [POLICY_RECIPIENT] = HOOKING_RCPT};
    if (!hooking_wanted(session, stages[stage])) {
        ask_policy(session, stage, then);
        return;
    }
    session->asked_stage = stage;
    session->asked_then = then;
    hooking_ask(session, stages[stage], on_hooked);
}

/* -- events of the stream ---------------------------------------------------------------- */

/* A peer that sends now and then a byte must not hold a session for ever. */
static bool too_slow(const session_t *session)
{
    const config_t *config = session->server->config;
    apr_time_t waited = zm_clock_monotonic() - session->waiting_since;
    if (!in_data(session))
        return waited > apr_time_from_sec(config->command_timeout);
    return waited > apr_time_from_sec(config->data_timeout) &&
           (session->transaction == NULL ? 0 : session->transaction->octets) <
               (uint64_t)apr_time_sec(waited) * LEAST_RATE;
}

static void time_out(session_t *session)
{
    reply(session, 421, "4.4.2", "%s: timeout, closing the connection", session->server->hostname);
    session_finish(session, "timeout");
}

/* False: there is nothing to proceed with. */
static bool proceed(session_t *session)
{
    switch (session->state) {
    case SESSION_IN_DATA:
        return data_input(session);
    case SESSION_IN_CHUNK:
        return chunk_input(session);
    default:
        return session->auth.step != AUTH_IDLE ? auth_input(session) : command_next(session);
    }
}

/* A client that does not read its replies gets no more of them made. */
void session_run(session_t *session)
{
    while (!session->waiting && !session->over && !zm_stream_output_full(session->stream)) {
        if (session->stopping && session->transaction == NULL)
            end_for_stop(session);
        else if (!proceed(session))
            break;
    }
    if (!session->waiting && !session->over && too_slow(session))
        time_out(session);
}

static void on_event(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    session_t *session = baton;
    session->depth++;
    starttls_event(session, event);
    switch (event) {
    case ZM_STREAM_INPUT:
        session_run(session);
        break;
    case ZM_STREAM_DRAINED:
        session_run(session);
        break;
    case ZM_STREAM_TIMEOUT:
        if (session->finished || session->over || starttls_is_pending(session))
            drop(session, "timeout");
        else if (session->waiting)
            session_await_command(session); /* it is us who take so long */
        else
            time_out(session);
        break;
    case ZM_STREAM_ERROR:
        session_note(session, "connection lost: status %d", (int)zm_stream_status(stream));
        drop(session, "connection lost");
        break;
    case ZM_STREAM_CLOSED:
        session->stream = NULL;
        break;
    }
    session->depth--;
    session_settle(session);
}

/* -- the beginning ---------------------------------------------------------------------- */

static void describe_client(session_t *session)
{
    const zm_endpoint_t *client = &session->options.client;
    if (client->ip.family != 0)
        (void)zm_ip_print_literal(&client->ip, session->client_text);
    else
        apr_cpystrn(session->client_text, "[local]", sizeof session->client_text);
    session_note(session,
                 "connection from %s %s:%u on port %u ipcnt %d childs %d pid %" APR_INT64_T_FMT
                 " ident: IDENT-NOT-QUERIED",
                 session->client_text, session->client_text, client->port,
                 session->options.server.port, (int)session->options.same,
                 (int)session->options.all, zm_process_own());
}

#define SMTP_PORT 25 /* where nobody expects another protocol */

static void choose_protocol(session_t *session)
{
    const config_t *config = session->server->config;
    const session_options_t *options = &session->options;
    session->submission = options->submit || config->submission;
    session->lmtp = config->lmtp && !options->submit && options->server.port != SMTP_PORT;
}

apr_status_t session_open(server_t *server, const session_options_t *options, apr_socket_t *socket,
                          apr_pool_t *pool)
{
    session_t *made = apr_pcalloc(pool, sizeof *made);
    apr_status_t status;
    made->server = server;
    made->group = options->group;
    made->pool = pool;
    made->options = *options;
    made->style = server->style;
    made->batch = server->batch;
    made->tarpit = options->group->tarpit_initial;
    choose_protocol(made);
    made->why = "";
    made->counted = ZM_COUNTERS;
    made->started = zm_clock_monotonic();
    zm_timer_init(&made->delay, server->loop, on_delay, made);
    status = zm_stream_open(&made->stream, server->loop, socket, on_event, made);
    if (status != APR_SUCCESS)
        return status;
    zm_stream_line_limit(made->stream, COMMAND_LINE_LIMIT);
    journal_tag(made->tag, zm_clock_wall(), server->slot, server->number++);
    enlist(made);
    describe_client(made);
    if (server->dns != NULL && options->group->names && options->client.ip.family != 0 &&
        !zm_ip_is_loopback(&options->client.ip))
        made->peer = peer_begin(server->dns, server->loop, &options->client.ip, pool);
    session_await_command(made);
    made->depth++;
    if ((!options->tls || starttls_begin(made)) && (options->tls || !starttls_listen(made)))
        greeting_begin(made);
    made->depth--;
    session_settle(made);
    return APR_SUCCESS;
}
