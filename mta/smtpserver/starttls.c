#include "mta/smtpserver/starttls.h"

#include "mta/smtpserver/auth.h"
#include "mta/smtpserver/count.h"
#include "platform/log.h"

/* -- what is told ---------------------------------------------------------------------------- */

/* "TLS_AES_256_GCM_SHA384 keybits 256/256 version TLSv1.3" */
static void add_cipher(zm_buf_t *text, const zm_tls_info_t *info)
{
    zm_buf_printf(text, "%s keybits %d/%d version %s", info->cipher, info->bits,
                  info->algorithm_bits, info->protocol);
}

static void note_certificate(session_t *session, const zm_tls_info_t *info)
{
    if (info->subject[0] == '\0' && info->fingerprint[0] == '\0')
        session_note(session, "TLS client certificate: none");
    else
        session_note(
            session, "TLS client certificate: %s issuer %s SHA256 %s %s%s", info->subject,
            info->issuer, info->fingerprint,
            info->verified ? "verified" : "not verified: ", info->verified ? "" : info->doubt);
}

static void note_start(session_t *session, const zm_tls_info_t *info)
{
    zm_buf_t text = ZM_BUF_INIT;
    add_cipher(&text, info);
    session_note(session, "TLS connection established%s", info->resumed ? "; resumed" : "");
    session_note(session, "Cipher: %s", zm_buf_c(&text));
    zm_buf_free(&text);
    if (session->group->tls.log_level > 0)
        note_certificate(session, info);
}

static void note_failure(session_t *session, const char *reason)
{
    session_note(session, "TLS handshake failed: %s", reason);
    count(session, ZM_COUNT_SS_SMTP_STARTTLS_fail);
    if (session->group->tls.log_level > 0)
        zm_log(ZM_LOG_NOTICE, NULL, "TLS handshake failed", ZM_F_S("session", session->tag),
               ZM_F_S("client", session->client_text), ZM_F_S("reason", reason));
}

static void on_step(const char *text, void *baton)
{
    session_note(baton, "TLS: %s", text);
}

void starttls_end(session_t *session)
{
    if (session->tls == SESSION_TLS_ON)
        session_note(session, "TLS stopping; mode was: ON");
}

void starttls_describe(session_t *session, envelope_head_t *head, zm_tls_info_t *info,
                       zm_buf_t *cipher)
{
    if (session->tls != SESSION_TLS_ON || !zm_tls_info(session->stream, info))
        return;
    add_cipher(cipher, info);
    head->tls_cipher = zm_buf_str(cipher);
    if (info->verified) /* anybody can make one that says anything */
        head->tls_peer = zm_str(info->subject);
}

/* -- the change ------------------------------------------------------------------------------- */

static zm_tls_t *engine(const session_t *session)
{
    return tls_engine_of(session->server->tls, session->group);
}

/* Nothing that was learned without TLS counts any more (RFC 3207, 4.2). */
static void forget(session_t *session)
{
    transaction_end(session);
    zm_buf_free(&session->helo);
    auth_forget(session);
    session->state = SESSION_HELLO;
    session->greeted_ehlo = session->helo_good = session->sender_refused = false;
    session->batch = session->server->batch;
    session->style = session->server->style;
}

/* heard: the beginning of the client's handshake, where it has been read. */
static bool begin(session_t *session, zm_str_t heard)
{
    apr_status_t status = zm_tls_start_heard(session->stream, engine(session), heard);
    if (status != APR_SUCCESS) {
        note_failure(session, "it could not begin");
        session_finish(session, "TLS could not begin");
        return false;
    }
    session->tls = SESSION_TLS_HANDSHAKE;
    if (session->group->tls.log_level > 1)
        zm_tls_trace(session->stream, on_step, session);
    session_await_command(session);
    return true;
}

bool starttls_begin(session_t *session)
{
    if (!begin(session, ZM_S("")))
        return false;
    zm_stream_tell_drained(session->stream); /* of the banner: the handshake is done then */
    return true;
}

/* What our 220 has promised happens when it has left. */
static void keep_promise(session_t *session)
{
    forget(session);
    if (begin(session, ZM_S("")))
        session_go_on(session);
}

static void look_at_handshake(session_t *session, zm_stream_event_t event)
{
    zm_tls_info_t info;
    if (zm_tls_info(session->stream, &info)) {
        session->tls = SESSION_TLS_ON;
        count(session, ZM_COUNT_SS_SMTPTLSes);
        note_start(session, &info);
        session_await_command(session);
    } else if (event == ZM_STREAM_ERROR) {
        note_failure(session, zm_tls_failure(session->stream));
    } else if (event == ZM_STREAM_TIMEOUT) {
        note_failure(session, "it took too long");
    }
}

void starttls_event(session_t *session, zm_stream_event_t event)
{
    if (event == ZM_STREAM_CLOSED || session->over)
        return;
    if (session->tls == SESSION_TLS_PROMISED && event == ZM_STREAM_DRAINED)
        keep_promise(session);
    else if (session->tls == SESSION_TLS_HANDSHAKE)
        look_at_handshake(session, event);
    else if (session->tls == SESSION_TLS_LISTENING && event == ZM_STREAM_INPUT)
        starttls_listened(session);
}

/* -- clients that begin with TLS anywhere --------------------------------------------------------
 */

#define SNIFF_PATIENCE apr_time_from_sec(2)
#define RECORD_OF_HANDSHAKE 0x16
#define OLD_HELLO 0x80 /* of SSL 2, which newer ones put on */

bool starttls_listen(session_t *session)
{
    if (!session->group->tls.sniff || engine(session) == NULL || session->server->local ||
        session->options.server.port == 25)
        return false;
    session->tls = SESSION_TLS_LISTENING;
    session->waiting = true; /* the stream goes on */
    zm_timer_set(&session->delay, SNIFF_PATIENCE);
    return true;
}

void starttls_listened(session_t *session)
{
    zm_str_t heard = zm_stream_peek(session->stream);
    unsigned char first = heard.length > 0 ? (unsigned char)heard.data[0] : 0;
    zm_timer_cancel(&session->delay);
    session->tls = SESSION_TLS_NONE;
    session->waiting = false;
    if (first == RECORD_OF_HANDSHAKE || first == OLD_HELLO) {
        if (!begin(session, heard))
            return;
        zm_stream_tell_drained(session->stream);
    }
    greeting_begin(session);
}

/* -- the command
 * ----------------------------------------------------------------------------------- */

bool starttls_is_offered(const session_t *session)
{
    return engine(session) != NULL && session->tls == SESSION_TLS_NONE && !session->server->local;
}

bool starttls_is_pending(const session_t *session)
{
    return session->tls == SESSION_TLS_PROMISED || session->tls == SESSION_TLS_HANDSHAKE;
}

bool starttls_is_missing(const session_t *session, bool is_mail)
{
    return is_mail && session->group->tls.enforce && session->tls != SESSION_TLS_ON &&
           !session->server->local;
}

void command_starttls(session_t *session, zm_str_t arguments, apr_size_t column)
{
    (void)column;
    if (!session->group->tls.use) {
        command_error(session, 502, "5.4.0", "TLS is not available");
    } else if (session->tls != SESSION_TLS_NONE) {
        command_error(session, 554, "5.4.0", "TLS is active already");
    } else if (arguments.length > 0) {
        command_error(session, 501, "5.5.4", "STARTTLS takes no argument");
    } else if (!starttls_is_offered(session)) {
        reply(session, 454, "4.7.0", "TLS is not available due to temporary reason");
    } else if (zm_stream_peek(session->stream).length > 0) { /* somebody may have added it */
        session_note(session, "plain text after STARTTLS");
        count(session, ZM_COUNT_SS_SMTP_STARTTLS_fail);
        reply(session, 501, "5.5.4", "nothing may follow STARTTLS before TLS has begun");
        session_finish(session, "plain text after STARTTLS");
    } else {
        reply(session, 220, "2.0.0", "Ready to start TLS");
        session->tls = SESSION_TLS_PROMISED;
        session_wait(session);
        zm_stream_tell_drained(session->stream);
    }
}
