/*
 * STARTTLS within a session (RFC 3207): asked for after EHLO, and EHLO said again under it.
 * Nothing that a server said before the handshake counts after it.
 */
#include <apr_strings.h>

#include "ta/smtp/session_parts.h"

static void count(const zm_session_t *session, zm_counter_t counter)
{
    zm_counter_add(session->smtp->agent->counters, counter, 1);
}

/* Into the protocol log, and into the system log where tls-loglevel asks for it. */
static void remark(zm_session_t *session, const char *text)
{
    zm_protocol_log_line(session->smtp->log, session->number, '#', zm_str(text));
    if (zm_tls_client_tells(session->smtp->tls, 1))
        zm_tls_client_tell(session->smtp->tls, ZM_LOG_INFO, "%s [%s]: %s", session->hop.name,
                           session->peer.address, text);
}

/* -- failing ---------------------------------------------------------------- */

/* What must be encrypted waits for a better day; the rest goes in clear, but not so soon. */
static bool refuse(zm_session_t *session, const char *status, const char *text,
                   const char *diagnostic)
{
    zm_refusal_t refusal = {.result = ZM_RESULT_TEMPFAIL, .status = status, .tls_failed = true};
    refusal.text =
        apr_psprintf(session->pool, "%s [%s]: %s", session->hop.name, session->peer.address, text);
    refusal.diagnostic = diagnostic;
    if (zm_tls_client_tells(session->smtp->tls, 1))
        zm_tls_client_tell(session->smtp->tls, ZM_LOG_NOTICE, "%s", refusal.text);
    zm_session_refuse(session, &refusal);
    return false;
}

static bool fail(zm_session_t *session, const char *status, const char *text,
                 const char *diagnostic)
{
    count(session, ZM_COUNT_TA_SMTP_SmtpSTARTTLSfail);
    if (session->rule.level == ZM_TLS_MAY)
        zm_tls_client_failed(session->smtp->tls, &session->hop.to);
    return refuse(session, status, text, diagnostic);
}

static bool unmet(zm_session_t *session, const char *status, const char *what)
{
    return refuse(session, status,
                  apr_psprintf(session->pool, "%s; %s demands TLS", what, session->rule.origin),
                  NULL);
}

/* Our side of a handshake may end before the server has refused our certificate (TLS 1.3), so only
 * its first reply shows that there is TLS. */
bool zm_session_tls_lost(zm_session_t *session, const char *text)
{
    const char *reason = session->stream != NULL ? zm_tls_failure(session->stream) : "";
    bool asked = session->waiting > 0 && session->queue[session->front].what == ZM_EXPECT_STARTTLS;
    if (!asked && (!session->tls_started || session->secure))
        return false;
    fail(session, "4.7.5",
         apr_psprintf(session->pool, "no TLS: %s", reason[0] != '\0' ? reason : text), NULL);
    return true;
}

/* -- after a handshake ------------------------------------------------------ */

static const char *describe(const zm_session_t *session, const zm_tls_info_t *info)
{
    return apr_psprintf(session->pool, "%s, %s (%d bits), certificate %s of %s: %s%s",
                        info->protocol, info->cipher, info->bits,
                        info->subject[0] != '\0' ? info->subject : "none",
                        info->issuer[0] != '\0' ? info->issuer : "nobody",
                        !info->verified              ? "not verified, "
                        : session->rule.dane != NULL ? "verified by its TLSA records"
                                                     : "verified",
                        info->verified ? "" : info->doubt);
}

/* The first reply that came under TLS. */
static bool judge(zm_session_t *session)
{
    zm_tls_info_t info;
    if (session->secure)
        return true;
    if (!zm_tls_info(session->stream, &info))
        return fail(session, "4.7.5", "no TLS: the handshake has not ended", NULL);
    if (session->rule.level >= ZM_TLS_VERIFY && !info.verified)
        return fail(session, "4.7.5",
                    apr_psprintf(session->pool, "no TLS: certificate not accepted: %s", info.doubt),
                    NULL);
    session->secure = true;
    session->peer.proved = info.verified && session->rule.named;
    zm_tls_trace(session->stream, NULL, NULL);
    count(session, ZM_COUNT_TA_SMTP_SmtpSTARTTLSok);
    zm_tls_client_succeeded(session->smtp->tls, &session->hop.to);
    remark(session, describe(session, &info));
    if (session->rule.tested != NULL && !info.verified)
        zm_tls_client_tell(session->smtp->tls, ZM_LOG_WARNING,
                           "%s, in testing mode: %s would be refused: %s", session->rule.tested,
                           session->hop.name, info.doubt);
    return true;
}

/* -- before ----------------------------------------------------------------- */

static bool goes_in_clear(zm_session_t *session)
{
    if (session->rule.level != ZM_TLS_MAY ||
        !zm_tls_client_in_clear(session->smtp->tls, &session->hop.to))
        return false;
    remark(session, "TLS failed before: in clear this time");
    session->peer.may_prove = true;
    return true;
}

zm_tls_step_t zm_session_tls_step(zm_session_t *session)
{
    const zm_tls_rule_t *rule = &session->rule;
    bool must = rule->level >= ZM_TLS_ENCRYPT;
    if (session->tls_started)
        return judge(session) ? ZM_TLS_GO_ON : ZM_TLS_GONE;
    if (session->peer.starttls)
        count(session, ZM_COUNT_TA_SMTP_capaSTARTTLS);
    if (rule->level == ZM_TLS_NONE)
        return ZM_TLS_GO_ON;
    if (session->peer.starttls && !goes_in_clear(session) &&
        zm_tls_client_context(session->smtp->tls, rule->level) != NULL) {
        count(session, ZM_COUNT_TA_SMTP_SmtpSTARTTLS);
        return ZM_TLS_ASK;
    }
    if (must && !session->peer.starttls)
        unmet(session, "4.7.4", "it does not offer STARTTLS");
    else if (must)
        unmet(session, "4.7.5", "we have no TLS");
    else if (rule->tested != NULL)
        zm_tls_client_tell(session->smtp->tls, ZM_LOG_WARNING,
                           "%s, in testing mode: %s would be refused: no STARTTLS", rule->tested,
                           session->hop.name);
    return must ? ZM_TLS_GONE : ZM_TLS_GO_ON;
}

static void on_step(const char *text, void *baton)
{
    const zm_session_t *session = baton;
    zm_tls_client_tell(session->smtp->tls, ZM_LOG_INFO, "%s [%s]: %s", session->hop.name,
                       session->peer.address, text);
}

static apr_status_t start(zm_session_t *session, zm_tls_t *tls, apr_size_t *dropped)
{
    const char *name = session->hop.name;
    char address[ZM_IP_TEXT];
    if (session->rule.dane != NULL)
        return zm_tls_start_dane(session->stream, tls, session->rule.dane, dropped);
    if (session->literal)
        name = zm_ip_print(&session->hop.to.ip, address);
    return zm_tls_start_as(session->stream, tls, name, session->rule.names, dropped);
}

bool zm_session_tls_start(zm_session_t *session)
{
    zm_tls_t *tls = zm_tls_client_context(session->smtp->tls, session->rule.level);
    zm_buf_t diagnostic = ZM_BUF_INIT;
    const char *reply;
    apr_size_t dropped;
    if (session->reply.code != 220) {
        zm_reply_diagnostic(&session->reply, &diagnostic);
        reply = apr_pstrdup(session->pool, zm_buf_c(&diagnostic));
        zm_buf_free(&diagnostic);
        return fail(session, "4.7.4",
                    apr_psprintf(session->pool, "no TLS: %s", zm_buf_c(&session->reply.text)),
                    reply);
    }
    if (tls == NULL || start(session, tls, &dropped) != APR_SUCCESS)
        return fail(session, "4.7.5", "no TLS: it cannot be started here", NULL);
    if (dropped > 0)
        return fail(session, "4.7.5", "no TLS: there was plain text after the reply to STARTTLS",
                    NULL);
    session->tls_started = true;
    if (zm_tls_client_tells(session->smtp->tls, 2))
        zm_tls_trace(session->stream, on_step, session);
    zm_peer_reset(&session->peer);
    return true;
}
