#include <apr_strings.h>
#include <string.h>

#include "platform/clock.h"
#include "ta/agent/trace.h"
#include "ta/smtp/session_parts.h"
#include "ta/smtp/tally.h"

#define NO_BDAT apr_time_from_sec(86400) /* until a server is believed again */
#define SMALL_BODY 49152 /* octets; such a letter is written in one piece with its dot */

static bool talk(zm_session_t *session);
static bool over(zm_session_t *session, zm_transaction_t *transaction);
static bool send_letter(zm_session_t *session, zm_transaction_t *transaction);

/* -- the queue of expected replies ----------------------------------------- */

static apr_interval_time_t limit_of(const zm_session_t *session)
{
    const zm_smtp_options_t *options = session->smtp->options;
    switch (session->queue[session->front].what) {
    case ZM_EXPECT_DATA:
        return options->data;
    case ZM_EXPECT_DOT:
    case ZM_EXPECT_VOID_DOT:
        return options->dot;
    default:
        return options->command;
    }
}

/* Starts the clock for the reply at the front.  Octets that trickle in do not stop it. */
static void arm(zm_session_t *session)
{
    if (session->waiting == 0 || session->streaming)
        zm_timer_cancel(&session->timer);
    else
        zm_timer_set(&session->timer, limit_of(session));
}

void zm_session_expect(zm_session_t *session, zm_expect_t what, zm_transaction_t *transaction,
                       int index)
{
    if (session->waiting == session->room) {
        int room = session->room > 0 ? session->room * 2 : 16, i;
        zm_expected_t *queue = apr_palloc(session->pool, sizeof *queue * (apr_size_t)room);
        for (i = 0; i < session->waiting; i++)
            queue[i] = session->queue[(session->front + i) % session->room];
        session->queue = queue;
        session->front = 0;
        session->room = room;
    }
    session->queue[(session->front + session->waiting++) % session->room] =
        (zm_expected_t){what, index, transaction};
    if (session->waiting == 1)
        arm(session);
}

static zm_expected_t take_front(zm_session_t *session)
{
    zm_expected_t expected = session->queue[session->front];
    session->front = (session->front + 1) % session->room;
    session->waiting--;
    arm(session);
    return expected;
}

/* -- commands out ---------------------------------------------------------- */

static void show(zm_session_t *session, const zm_transaction_t *transaction, char kind,
                 zm_str_t text)
{
    zm_protocol_log_line(session->smtp->log, session->number, kind, text);
    if (transaction != NULL && transaction->job->trace != NULL) {
        zm_buf_t line = ZM_BUF_INIT;
        zm_buf_add_c(&line, kind == 'w' ? "<<- " : "->> ");
        zm_buf_add_str(&line, zm_str_trim(text));
        zm_trace_line(transaction->job->trace, zm_buf_str(&line));
        zm_buf_free(&line);
    }
}

static void command(zm_session_t *session, zm_str_t text, zm_expect_t what,
                    zm_transaction_t *transaction, int index)
{
    show(session, transaction, 'w', text);
    zm_tally_command(session, what, text);
    zm_stream_write_str(session->stream, text);
    zm_session_expect(session, what, transaction, index);
}

void zm_session_say_secret(zm_session_t *session, zm_str_t text, const char *shown,
                           zm_expect_t what)
{
    show(session, NULL, 'w', zm_str(shown));
    zm_stream_write_str(session->stream, text);
    zm_session_expect(session, what, NULL, -1);
}

static bool pipelines(const zm_session_t *session)
{
    return session->peer.pipelining && !session->smtp->options->no_pipelining;
}

/* Whether letters go by BDAT (RFC 3030). */
static bool chunks(const zm_session_t *session)
{
    return session->peer.chunking;
}

/* Gets a transaction to send.  False: none now. */
static bool take_transaction(zm_session_t *session)
{
    const zm_smtp_options_t *options = session->smtp->options;
    zm_transaction_t *transaction;
    if (session->taken >= options->messages || (options->one && session->taken > 0))
        session->tired = true;
    if (session->tired)
        return false;
    if (session->flying != NULL && !(pipelines(session) && session->flying->content_sent))
        return false;
    transaction = session->owner.next(session->owner.baton);
    if (transaction == NULL)
        return false;
    if (!zm_transaction_begin(transaction, &session->peer)) {
        session->owner.done(session->owner.baton, transaction);
        return true;
    }
    session->taken++;
    session->sending = transaction;
    return true;
}

static void send_rcpt(zm_session_t *session, zm_transaction_t *transaction)
{
    int index = transaction->rcpts_sent++;
    zm_buf_t *text = &session->smtp->scratch;
    if (transaction->to[index].state == ZM_TARGET_REPORTED)
        return;
    zm_buf_clear(text);
    zm_transaction_rcpt(transaction, &session->peer, index, text);
    command(session, zm_buf_str(text), ZM_EXPECT_RCPT, transaction, index);
}

/* Sends the next command.  False: nothing can be sent now. */
static bool send_next(zm_session_t *session)
{
    zm_transaction_t *transaction = session->sending;
    zm_buf_t *text = &session->smtp->scratch;
    if (transaction == NULL)
        return take_transaction(session);
    if (session->reset_first) {
        session->reset_first = false;
        command(session, ZM_S("RSET\r\n"), ZM_EXPECT_RSET, transaction, -1);
    } else if (!transaction->started) {
        transaction->started = true;
        zm_buf_clear(text);
        zm_transaction_mail(transaction, &session->peer, text);
        command(session, zm_buf_str(text), ZM_EXPECT_MAIL, transaction, -1);
    } else if (transaction->rcpts_sent < transaction->count)
        send_rcpt(session, transaction);
    else if (!transaction->data_sent && !chunks(session)) {
        transaction->data_sent = true;
        command(session, ZM_S("DATA\r\n"), ZM_EXPECT_DATA, transaction, -1);
    } else
        return false;
    return true;
}

/* Whether a letter can follow: BDAT asks for no leave, but all RCPTs are answered. */
static bool may_chunk(const zm_session_t *session)
{
    const zm_transaction_t *transaction = session->sending;
    return transaction != NULL && chunks(session) && session->waiting == 0 &&
           session->flying == NULL && transaction->started && !transaction->data_sent &&
           transaction->rcpts_sent == transaction->count;
}

/* False: the session is gone. */
static bool talk(zm_session_t *session)
{
    if (session->talking || session->state != ZM_SESSION_READY)
        return true;
    session->talking = true;
    while (!session->streaming && (pipelines(session) || session->waiting == 0) &&
           send_next(session))
        ;
    session->talking = false;
    if (may_chunk(session)) {
        zm_transaction_t *transaction = session->sending;
        if (transaction->accepted == 0 || transaction->refused)
            return over(session, transaction);
        return send_letter(session, transaction) && talk(session);
    }
    if (session->tired && zm_session_idle(session)) {
        zm_session_finish(session);
        return false;
    }
    return true;
}

void zm_session_talk(zm_session_t *session)
{
    talk(session);
}

/* -- the letter ------------------------------------------------------------ */

static apr_status_t next_piece(void *baton, zm_buf_t *into, apr_size_t room)
{
    zm_session_t *session = baton;
    return zm_transaction_content(session->flying, into, room);
}

/* Expects what answers the end of a letter. */
static void expect_dot(zm_session_t *session, zm_transaction_t *transaction)
{
    int i;
    if (!transaction->chunked)
        show(session, transaction, 'w', ZM_S("."));
    if (!session->peer.lmtp) {
        zm_session_expect(session, ZM_EXPECT_DOT, transaction, -1);
        return;
    }
    for (i = 0; i < transaction->count; i++)
        if (transaction->to[i].state == ZM_TARGET_ACCEPTED)
            zm_session_expect(session, ZM_EXPECT_DOT, transaction, i);
}

static void say_chunk(zm_session_t *session, zm_transaction_t *transaction, uint64_t octets)
{
    char line[48];
    zm_str_t text = zm_str(line);
    text.length =
        (apr_size_t)apr_snprintf(line, sizeof line, "BDAT %" APR_UINT64_T_FMT " LAST\r\n", octets);
    show(session, transaction, 'w', text);
    zm_tally_command(session, ZM_EXPECT_DOT, text);
    zm_stream_write_str(session->stream, text);
}

/* A letter that is made while it goes.  False: it cannot be read. */
static bool stream_letter(zm_session_t *session, zm_transaction_t *transaction)
{
    uint64_t octets;
    if (chunks(session)) {
        if (zm_transaction_measure(transaction, &octets) != APR_SUCCESS)
            return false;
        say_chunk(session, transaction, octets);
    }
    session->streaming = true;
    expect_dot(session, transaction);
    zm_stream_idle_limit(session->stream, session->smtp->options->write);
    zm_stream_send_from(session->stream, next_piece, session);
    return true;
}

/* A letter that goes in one piece.  False: it cannot be read. */
static bool write_letter(zm_session_t *session, zm_transaction_t *transaction)
{
    zm_buf_t *text = &session->smtp->scratch;
    transaction->chunked = chunks(session);
    zm_buf_clear(text);
    if (zm_transaction_content(transaction, text, SIZE_MAX) != APR_EOF)
        return false;
    if (transaction->chunked)
        say_chunk(session, transaction, text->length);
    zm_stream_write_str(session->stream, zm_buf_str(text));
    expect_dot(session, transaction);
    return true;
}

/* False: the session is gone. */
static bool send_letter(zm_session_t *session, zm_transaction_t *transaction)
{
    bool small = transaction->job->body.size <= SMALL_BODY;
    session->flying = transaction;
    session->sending = NULL;
    transaction->data_sent = true;
    transaction->letter_at = zm_clock_monotonic();
    if (small ? write_letter(session, transaction) : stream_letter(session, transaction))
        return true;
    zm_session_lose(session, "cannot read the message");
    return false;
}

void zm_session_letter_sent(zm_session_t *session)
{
    session->streaming = false;
    zm_stream_idle_limit(session->stream, 0);
    arm(session);
    talk(session);
}

/* -- replies of the opening ------------------------------------------------ */

/* A name that is no domain says nothing to the server: then our address does. */
static void add_our_name(const zm_session_t *session, zm_buf_t *text)
{
    const char *name = session->smtp->options->helo;
    zm_endpoint_t local = zm_socket_local_end(zm_stream_socket(session->stream));
    char literal[ZM_IP_TEXT];
    if (strchr(name, '.') == NULL && name[0] != '[' && local.ip.family != 0)
        name = zm_ip_print_literal(&local.ip, literal);
    zm_buf_add_c(text, name);
}

static void say_hello(zm_session_t *session)
{
    const zm_smtp_options_t *options = session->smtp->options;
    bool esmtp_offered = strstr(zm_buf_c(&session->reply.text), "ESMTP") != NULL;
    bool helo = session->helo_only || options->seven_bit > 1 ||
                (options->ehlo_if_offered && !esmtp_offered && !session->tls_started);
    zm_buf_t *text = &session->smtp->scratch;
    if (session->peer.lmtp)
        helo = false;
    zm_buf_clear(text);
    zm_buf_add_c(text, session->peer.lmtp ? "LHLO " : helo ? "HELO " : "EHLO ");
    add_our_name(session, text);
    zm_buf_add_c(text, "\r\n");
    command(session, zm_buf_str(text), helo ? ZM_EXPECT_HELO : ZM_EXPECT_EHLO, NULL, -1);
}

static bool refuse(zm_session_t *session, bool ehlo_broke)
{
    zm_meaning_t meaning = zm_reply_meaning(&session->reply, ZM_REPLY_TO_OTHER, true);
    zm_refusal_t refusal = {.result = ZM_RESULT_TEMPFAIL, .ehlo_broke = ehlo_broke};
    zm_buf_t diagnostic = ZM_BUF_INIT;
    refusal.greeting_permanent =
        meaning.result != ZM_RESULT_OK && !zm_result_temporary(meaning.result);
    refusal.status = refusal.greeting_permanent ? "4.3.2" : meaning.status;
    refusal.text = apr_pstrdup(session->pool, zm_buf_c(&session->reply.text));
    zm_reply_diagnostic(&session->reply, &diagnostic);
    refusal.diagnostic = apr_pstrdup(session->pool, zm_buf_c(&diagnostic));
    zm_buf_free(&diagnostic);
    zm_session_refuse(session, &refusal);
    return false;
}

static void read_capabilities(zm_session_t *session)
{
    zm_str_t rest = zm_buf_str(&session->reply.text), line;
    bool more, first = true;
    zm_peer_reset(&session->peer);
    session->peer.esmtp = true;
    zm_str_cut(rest, '\r', &line, &rest);
    do {
        more = zm_str_cut(rest, '\r', &line, &rest);
        if (!first && line.length > 8) /* "->> 250-" */
            zm_peer_keyword(&session->peer, zm_str_from(line, 8));
        first = false;
    } while (more);
    if (session->smtp->options->seven_bit > 0)
        session->peer.eight_bit_mime = false;
    if (zm_servers_have(&session->smtp->no_bdat, &session->hop.to, 0, NO_BDAT))
        session->peer.chunking = false;
}

static bool ready(zm_session_t *session)
{
    session->state = ZM_SESSION_READY;
    zm_tally_capabilities(session);
    session->owner.opened(session->owner.baton);
    return talk(session);
}

static bool introduced(zm_session_t *session, zm_auth_step_t step)
{
    return step == ZM_AUTH_GO_ON ? ready(session) : step == ZM_AUTH_ASKED;
}

/* EHLO or HELO was answered well. */
static bool greeted(zm_session_t *session)
{
    switch (zm_session_tls_step(session)) {
    case ZM_TLS_GO_ON:
        return introduced(session, zm_session_auth_step(session));
    case ZM_TLS_ASK:
        command(session, ZM_S("STARTTLS\r\n"), ZM_EXPECT_STARTTLS, NULL, -1);
        return true;
    default:
        return false;
    }
}

static bool on_hello(zm_session_t *session, zm_expect_t what)
{
    int code = session->reply.code;
    bool good = code >= 200 && code < 300;
    switch (what) {
    case ZM_EXPECT_GREETING:
        if (!good)
            return refuse(session, false);
        say_hello(session);
        return true;
    case ZM_EXPECT_EHLO:
        if (good) {
            read_capabilities(session);
            return greeted(session);
        }
        if (code < 500 || session->peer.lmtp)
            return refuse(session, !session->peer.lmtp && !session->tls_started);
        session->helo_only = true;
        say_hello(session);
        return true;
    case ZM_EXPECT_AUTH:
        return introduced(session, zm_session_auth_reply(session));
    case ZM_EXPECT_STARTTLS:
        if (!zm_session_tls_start(session))
            return false;
        say_hello(session);
        return true;
    default:
        return good ? greeted(session) : refuse(session, false);
    }
}

/* -- replies of a transaction ---------------------------------------------- */

/* The commands of the sending transaction came to nothing. */
static bool over(zm_session_t *session, zm_transaction_t *transaction)
{
    session->sending = NULL;
    session->reset_first = true;
    session->owner.done(session->owner.baton, transaction);
    return talk(session);
}

static bool on_data(zm_session_t *session, zm_transaction_t *transaction)
{
    bool go_ahead = session->reply.code >= 300 && session->reply.code < 400;
    zm_transaction_on_data(transaction, &session->peer, &session->reply);
    if (go_ahead && transaction->accepted > 0 && !transaction->refused)
        return send_letter(session, transaction) && talk(session);
    if (go_ahead) /* it waits for a letter to nobody: end that */
        command(session, ZM_S(".\r\n"), ZM_EXPECT_VOID_DOT, NULL, -1);
    return over(session, transaction);
}

static bool more_dots(const zm_session_t *session, const zm_transaction_t *transaction)
{
    const zm_expected_t *front = &session->queue[session->front];
    return session->waiting > 0 && front->what == ZM_EXPECT_DOT &&
           front->transaction == transaction;
}

static void letter_taken(zm_session_t *session, const zm_transaction_t *transaction)
{
    char text[160];
    apr_snprintf(text, sizeof text,
                 "%" APR_UINT64_T_FMT " bytes, %" APR_UINT64_T_FMT
                 " in header, %d recipients, %d secs for envelope, %d secs for body xfer",
                 transaction->octets, transaction->head_octets, transaction->count,
                 (int)apr_time_sec(transaction->letter_at - transaction->since),
                 (int)apr_time_sec(zm_clock_monotonic() - transaction->letter_at));
    zm_protocol_log_line(session->smtp->log, session->number, '#', zm_str(text));
    zm_tally_letter(session, transaction);
}

static void take_back(zm_session_t *session, zm_transaction_t *transaction)
{
    transaction->retried = true;
    zm_transaction_reset(transaction);
    session->owner.again(session->owner.baton, transaction);
}

/* The server offers BDAT and does not know it: it gets DATA from now on.  Not in this session, for
 * what was a letter to us are commands to the server, and it answers every line of it. */
static bool unknown_chunk(zm_session_t *session, zm_transaction_t *transaction)
{
    zm_transaction_t *sending = session->sending;
    zm_servers_add(&session->smtp->no_bdat, &session->hop.to, NO_BDAT);
    if (!session->streaming && !session->peer.lmtp) {
        session->flying = NULL;
        take_back(session, transaction);
    }
    if (sending != NULL && !zm_transaction_done(sending)) {
        session->sending = NULL;
        take_back(session, sending);
    }
    zm_session_lose(session, "the server does not know BDAT");
    return false;
}

static bool on_dot(zm_session_t *session, zm_transaction_t *transaction, int index)
{
    bool taken = session->reply.code >= 200 && session->reply.code < 400;
    if (transaction->chunked && (session->reply.code == 500 || session->reply.code == 502))
        return unknown_chunk(session, transaction);
    if (session->streaming) {
        /* It may refuse what it has not seen the end of, but not have taken it. */
        if (!taken)
            zm_transaction_on_dot(transaction, &session->peer, index, &session->reply);
        zm_session_lose(session, "the server answered before the end of the message");
        return false;
    }
    zm_transaction_on_dot(transaction, &session->peer, index, &session->reply);
    session->delivered += taken && session->reply.code < 300;
    if (more_dots(session, transaction))
        return true;
    if (taken && session->reply.code < 300)
        letter_taken(session, transaction);
    session->flying = NULL;
    session->owner.done(session->owner.baton, transaction);
    return talk(session);
}

static bool on_rcpt(zm_session_t *session, zm_transaction_t *transaction, int index)
{
    zm_transaction_on_rcpt(transaction, &session->peer, index, &session->reply);
    if (transaction->temporary > 0)
        session->tired = true; /* some servers count recipients by session */
    if (pipelines(session) || transaction->rcpts_sent < transaction->count ||
        transaction->accepted > 0)
        return talk(session);
    return over(session, transaction); /* nobody to send DATA for */
}

static bool on_transaction(zm_session_t *session, const zm_expected_t *expected)
{
    zm_transaction_t *transaction = expected->transaction;
    switch (expected->what) {
    case ZM_EXPECT_MAIL:
        zm_transaction_on_mail(transaction, &session->peer, &session->reply);
        if (transaction->refused && !pipelines(session))
            return over(session, transaction);
        return talk(session);
    case ZM_EXPECT_RCPT:
        return on_rcpt(session, transaction, expected->index);
    case ZM_EXPECT_DATA:
        return on_data(session, transaction);
    case ZM_EXPECT_DOT:
        return on_dot(session, transaction, expected->index);
    default: /* RSET, and the dot after nothing: what they say changes nothing */
        return talk(session);
    }
}

/* -- replies --------------------------------------------------------------- */

/* False: the session is gone. */
static bool on_reply(zm_session_t *session)
{
    bool closing = session->reply.code == 421;
    zm_expected_t expected;
    if (session->waiting == 0) {
        zm_session_lose(session,
                        closing ? "the server closes the session" : "the server spoke unasked");
        return false;
    }
    expected = take_front(session);
    zm_tally_reply(session, expected.what);
    if (session->state == ZM_SESSION_HELLO)
        return on_hello(session, expected.what);
    if (closing && expected.what != ZM_EXPECT_DOT) {
        zm_session_lose(session, zm_buf_c(&session->reply.text));
        return false;
    }
    if (closing)
        session->tired = true;
    return on_transaction(session, &expected);
}

void zm_session_listen(zm_session_t *session)
{
    zm_line_t line;
    for (;;) {
        apr_status_t status = zm_stream_line(session->stream, &line);
        const zm_transaction_t *transaction =
            session->waiting > 0 ? session->queue[session->front].transaction : NULL;
        if (status == APR_EAGAIN)
            return;
        if (status == APR_SUCCESS) {
            show(session, transaction, 'r', line.text);
            status = zm_reply_line(&session->reply, line.text);
        }
        if (status == APR_EAGAIN)
            continue;
        if (status != APR_SUCCESS) {
            zm_session_lose(session, status == APR_EOF ? "the server closed the connection"
                                                       : "the server's reply is too long");
            return;
        }
        if (!on_reply(session))
            return;
        zm_reply_clear(&session->reply);
    }
}
