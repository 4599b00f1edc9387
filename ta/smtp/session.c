#include <apr_strings.h>
#include <string.h>

#include "platform/localsock.h"
#include "ta/smtp/session_parts.h"
#include "ta/smtp/tally.h"

#define LINGER apr_time_from_sec(5)
#define GIVE_UP apr_time_from_sec(10)
#define RETRY 60 /* seconds */
#define SMTP_PORT 25

/* -- the end --------------------------------------------------------------- */

static void on_farewell(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    apr_pool_t *pool = baton;
    if (event == ZM_STREAM_INPUT || event == ZM_STREAM_DRAINED)
        return;
    if (event != ZM_STREAM_CLOSED)
        zm_stream_close(stream);
    apr_pool_destroy(pool);
}

/* Frees the session; the connection is closed at once, or in order after a QUIT. */
static void release(zm_session_t *session, bool politely)
{
    zm_stream_t *stream = session->stream;
    apr_pool_t *pool = session->pool;
    session->state = ZM_SESSION_OVER;
    zm_timer_cancel(&session->timer);
    if (session->connect != NULL)
        zm_connect_cancel(session->connect);
    zm_reply_free(&session->reply);
    zm_session_auth_end(session);
    if (stream != NULL)
        zm_tally_closed(session);
    if (stream != NULL && politely) {
        zm_protocol_log_line(session->smtp->log, session->number, 'w', ZM_S("QUIT"));
        zm_stream_write_c(stream, "QUIT\r\n");
        zm_stream_set_callback(stream, on_farewell, pool);
        zm_stream_idle_limit(stream, GIVE_UP);
        zm_stream_finish(stream, LINGER);
        return;
    }
    zm_stream_close(stream);
    apr_pool_destroy(pool);
}

static void give_back(zm_session_t *session, zm_transaction_t *transaction, const char *text)
{
    const zm_session_owner_t *owner = &session->owner;
    bool may_repeat = session->delivered > 0 && !transaction->retried && !session->interrupted;
    if (transaction->content_started)
        zm_transaction_fail(transaction, &session->peer, ZM_RESULT_DEFERBACK, "4.4.2", text, 0);
    else if (may_repeat && !zm_transaction_done(transaction)) {
        /* Servers close connections that they are tired of: that is no one's fault. */
        transaction->retried = true;
        zm_transaction_reset(transaction);
        owner->again(owner->baton, transaction);
        return;
    } else
        zm_transaction_fail(transaction, &session->peer, ZM_RESULT_TEMPFAIL, "4.4.2", text, RETRY);
    owner->done(owner->baton, transaction);
}

void zm_session_lose(zm_session_t *session, const char *text)
{
    zm_session_owner_t owner = session->owner;
    zm_transaction_t *flying = session->flying, *sending = session->sending;
    const char *reason = apr_pstrdup(session->pool, text);
    zm_protocol_log_line(session->smtp->log, session->number, '#', zm_str(reason));
    if (session->state != ZM_SESSION_READY) {
        zm_refusal_t refusal = {.result = ZM_RESULT_TEMPFAIL, .status = "4.4.2", .text = reason};
        if (zm_session_tls_lost(session, reason))
            return;
        refusal.ehlo_broke = session->waiting > 0 && !session->secure &&
                             session->queue[session->front].what == ZM_EXPECT_EHLO;
        zm_session_refuse(session, &refusal);
        return;
    }
    session->state = ZM_SESSION_OVER; /* the owner shall not hand out more here */
    session->flying = session->sending = NULL;
    if (flying != NULL)
        give_back(session, flying, reason);
    if (sending != NULL)
        give_back(session, sending, reason);
    release(session, false);
    owner.closed(owner.baton);
}

void zm_session_refuse(zm_session_t *session, const zm_refusal_t *refusal)
{
    zm_session_owner_t owner = session->owner;
    zm_refusal_t told = *refusal;
    zm_protocol_log_line(session->smtp->log, session->number, '#', zm_str(refusal->text));
    if (told.diagnostic == NULL)
        told.diagnostic = apr_psprintf(session->pool, "smtp; 500 (%s)", told.text);
    owner.failed(owner.baton, &told);
    release(session, false);
}

void zm_session_finish(zm_session_t *session)
{
    zm_session_owner_t owner = session->owner;
    release(session, true);
    owner.closed(owner.baton);
}

void zm_session_end(zm_session_t *session)
{
    release(session, zm_session_idle(session));
}

void zm_session_interrupt(zm_session_t *session)
{
    session->interrupted = session->tired = true;
    if (session->flying != NULL && session->sending == NULL && !session->streaming)
        return; /* its reply decides */
    if (session->flying != NULL && !session->streaming) {
        /* What was sent behind the letter is dropped; the reply to the dot still comes first. */
        zm_transaction_t *sending = session->sending;
        session->sending = NULL;
        give_back(session, sending, "the agent is being stopped");
        while (
            session->waiting > 1 &&
            session->queue[(session->front + session->waiting - 1) % session->room].transaction ==
                sending)
            session->waiting--;
        return;
    }
    zm_session_lose(session, "the agent is being stopped");
}

/* -- what the stream tells ------------------------------------------------- */

static void on_stream(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    zm_session_t *session = baton;
    char text[200], reason[120];
    switch (event) {
    case ZM_STREAM_INPUT:
        zm_session_listen(session);
        return;
    case ZM_STREAM_DRAINED:
        if (session->streaming)
            zm_session_letter_sent(session);
        return;
    case ZM_STREAM_TIMEOUT:
        zm_session_lose(session, "timeout while sending");
        return;
    case ZM_STREAM_ERROR:
        apr_snprintf(text, sizeof text, "connection lost: %s",
                     zm_status_text(zm_stream_status(stream), reason, sizeof reason));
        zm_session_lose(session, text);
        return;
    case ZM_STREAM_CLOSED:
        return;
    }
}

static void on_timeout(zm_timer_t *timer, void *baton)
{
    (void)timer;
    zm_session_lose(baton, "timeout waiting for the server");
}

/* -- connecting ------------------------------------------------------------ */

static void name_peer(zm_session_t *session)
{
    static const zm_endpoint_t none;
    zm_endpoint_t local = none;
    if (session->stream != NULL)
        local = zm_socket_local_end(zm_stream_socket(session->stream));
    zm_peer_name(&session->peer, session->hop.name, session->literal, &session->hop.to, &local);
}

static zm_result_t class_of(apr_status_t status)
{
    if (APR_STATUS_IS_EACCES(status))
        return ZM_RESULT_UNAVAILABLE;
    if (APR_STATUS_IS_EINTR(status) || APR_STATUS_IS_ENOMEM(status) || APR_STATUS_IS_EMFILE(status))
        return ZM_RESULT_TEMPFAIL;
    if (APR_STATUS_IS_EBADF(status) || status == ZM_E_UNSUPPORTED)
        return ZM_RESULT_SOFTWARE;
    return ZM_RESULT_DEFERALL;
}

static void no_connection(zm_session_t *session, apr_status_t status)
{
    zm_refusal_t refusal = {0};
    char reason[120];
    zm_tally_not_connected(session);
    refusal.result = class_of(status);
    refusal.status = "4.4.1";
    if (APR_STATUS_IS_TIMEUP(status))
        apr_cpystrn(reason, "timed out", sizeof reason);
    else
        zm_status_text(status, reason, sizeof reason);
    refusal.text = apr_psprintf(session->pool, "connect to %s [%s]: %s", session->hop.name,
                                session->peer.address, reason);
    zm_session_refuse(session, &refusal);
}

static void on_connect(apr_status_t status, apr_socket_t *socket, void *baton)
{
    zm_session_t *session = baton;
    session->connect = NULL;
    if (status == APR_SUCCESS)
        status = zm_stream_open(&session->stream, session->smtp->loop, socket, on_stream, session);
    if (status != APR_SUCCESS) {
        no_connection(session, status);
        return;
    }
    apr_socket_opt_set(socket, APR_SO_KEEPALIVE, 1);
    if (session->smtp->options->send_buffer > 0)
        apr_socket_opt_set(socket, APR_SO_SNDBUF, (apr_int32_t)session->smtp->options->send_buffer);
    zm_tally_connected(session);
    name_peer(session);
    session->state = ZM_SESSION_HELLO;
    zm_session_expect(session, ZM_EXPECT_GREETING, NULL, -1);
}

/* A local socket connects at once or not at all; the owner is told in the next round all the same.
 */
static void on_local(zm_timer_t *timer, void *baton)
{
    zm_session_t *session = baton;
    apr_socket_t *socket = NULL;
    apr_status_t status = zm_localsock_connect(&socket, session->hop.unix_path, session->pool);
    (void)timer;
    zm_timer_init(&session->timer, session->smtp->loop, on_timeout, session);
    on_connect(status, socket, session);
}

static bool is_ourselves(const zm_session_t *session)
{
    const zm_smtp_options_t *options = session->smtp->options;
    const zm_ip_t *ip = &session->hop.to.ip;
    if (session->literal || (options->no_mx && options->allow_self) ||
        session->hop.to.port != SMTP_PORT)
        return false;
    return zm_route_is_own(ip, options, session->pool);
}

static void on_refused_hop(zm_timer_t *timer, void *baton)
{
    zm_session_t *session = baton;
    zm_refusal_t refusal = {.result = ZM_RESULT_UNAVAILABLE, .status = "5.4.6"};
    (void)timer;
    zm_tally_loop(session->smtp);
    refusal.text = zm_ip_is_multicast(&session->hop.to.ip) ? "the address is not that of one host"
                                                           : "the mail would come back to us";
    zm_session_refuse(session, &refusal);
}

static void on_unwanted(zm_timer_t *timer, void *baton)
{
    zm_session_t *session = baton;
    zm_refusal_t refusal = {.result = ZM_RESULT_TEMPFAIL, .status = "4.7.5", .tls_failed = true};
    (void)timer;
    refusal.text = session->rule.refusal;
    zm_session_refuse(session, &refusal);
}

static void on_no_start(zm_timer_t *timer, void *baton)
{
    zm_session_t *session = baton;
    (void)timer;
    no_connection(session, APR_EGENERAL);
}

void zm_session_start(zm_session_t **result, zm_smtp_t *smtp, const zm_hop_t *hop, bool literal,
                      bool helo_only, const zm_session_owner_t *owner)
{
    const zm_smtp_options_t *options = smtp->options;
    const zm_endpoint_t *source = &options->source[hop->to.ip.family == 6];
    zm_session_t *session;
    apr_pool_t *pool;
    zm_timer_fn *soon = NULL;
    apr_pool_create(&pool, smtp->agent->pool);
    session = apr_pcalloc(pool, sizeof *session);
    session->pool = pool;
    session->smtp = smtp;
    session->owner = *owner;
    session->hop = *hop;
    session->hop.name = apr_pstrdup(pool, hop->name);
    session->literal = literal;
    session->helo_only = helo_only;
    session->number = zm_protocol_log_number(smtp->log);
    session->peer.number = session->number;
    session->peer.lmtp = options->lmtp;
    session->peer.local = hop->unix_path != NULL;
    zm_peer_reset(&session->peer);
    name_peer(session);
    zm_protocol_log_line(
        smtp->log, session->number, '#',
        zm_str(apr_psprintf(pool, "Connecting to '%s' [%s]", hop->name, session->peer.address)));
    zm_tally_start(session);
    *result = session;
    zm_tls_rule_for(&session->rule, smtp->tls, hop, pool);
    if (session->rule.refusal != NULL)
        soon = on_unwanted;
    else if (hop->unix_path != NULL)
        soon = on_local;
    else if (is_ourselves(session) || zm_ip_is_multicast(&hop->to.ip))
        soon = on_refused_hop;
    else if (zm_connect_start(&session->connect, smtp->loop, &hop->to,
                              source->ip.family != 0 ? source : NULL, options->connect, on_connect,
                              session, pool) != APR_SUCCESS)
        soon = on_no_start;
    zm_timer_init(&session->timer, smtp->loop, soon != NULL ? soon : on_timeout, session);
    if (soon != NULL)
        zm_timer_set(&session->timer, 0);
}

/* -- questions ------------------------------------------------------------- */

const zm_peer_t *zm_session_peer(const zm_session_t *session)
{
    return &session->peer;
}

bool zm_session_is_secure(const zm_session_t *session)
{
    return session->secure;
}

bool zm_session_idle(const zm_session_t *session)
{
    return session->state == ZM_SESSION_READY && session->waiting == 0 &&
           session->sending == NULL && session->flying == NULL;
}

void zm_session_work(zm_session_t *session)
{
    if (session->state == ZM_SESSION_READY)
        zm_session_talk(session);
}
