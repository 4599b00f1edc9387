/*
 * AUTH within a session (RFC 4954): after the greeting, and after TLS where there is TLS.  A server
 * that the file of -A names gets no mail before it has let us in.
 *
 *     SCRAM-SHA-256[-PLUS]   first message, challenge, proof, the server's proof, an empty line
 *     PLAIN                  all at once
 *     LOGIN                  user, password
 */
#include <apr_strings.h>

#include "mta/net/base64.h"
#include "mta/net/scram.h"
#include "mta/net/tls.h"
#include "ta/smtp/secrets.h"
#include "ta/smtp/session_parts.h"

typedef enum step_t {
    STEP_ONLY,
    STEP_USER,
    STEP_PASSWORD,
    STEP_CHALLENGE,
    STEP_PROOF,
    STEP_LAST
} step_t;

struct zm_session_auth_t {
    zm_peer_mechanism_t mechanism;
    step_t step; /* what the next reply answers */
    zm_secrets_t secrets;
    zm_scram_client_t scram;
    unsigned char binding[ZM_TLS_BINDING];
};

/* -- failing ------------------------------------------------------------------ */

/* The mail waits for a better day, or goes to the next server. */
static zm_auth_step_t refuse(zm_session_t *session, const char *text, const char *diagnostic)
{
    zm_refusal_t refusal = {.result = ZM_RESULT_TEMPFAIL, .status = "4.7.0"};
    refusal.text = apr_psprintf(session->pool, "%s [%s]: no authentication: %s", session->hop.name,
                                session->peer.address, text);
    refusal.diagnostic = diagnostic;
    zm_session_refuse(session, &refusal);
    return ZM_AUTH_GONE;
}

static zm_auth_step_t refused(zm_session_t *session)
{
    zm_buf_t text = ZM_BUF_INIT;
    const char *diagnostic;
    zm_reply_diagnostic(&session->reply, &text);
    diagnostic = apr_pstrdup(session->pool, zm_buf_c(&text));
    zm_buf_free(&text);
    return refuse(session, apr_pstrdup(session->pool, zm_buf_c(&session->reply.text)), diagnostic);
}

/* -- saying ------------------------------------------------------------------- */

static const char *const names[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"};

/* "AUTH NAME RESPONSE", of which no log tells the response. */
static zm_auth_step_t say_command(zm_session_t *session, const zm_buf_t *response, step_t step)
{
    zm_session_auth_t *auth = session->auth;
    zm_buf_t line = ZM_BUF_INIT;
    const char *shown = apr_pstrcat(session->pool, "AUTH ", names[auth->mechanism],
                                    response != NULL ? " ***secret***" : "", NULL);
    zm_buf_printf(&line, "AUTH %s", names[auth->mechanism]);
    if (response != NULL) {
        zm_buf_add_byte(&line, ' ');
        zm_sasl_encode(&line, response->data, response->length);
    }
    zm_buf_add_c(&line, "\r\n");
    auth->step = step;
    zm_session_say_secret(session, zm_buf_str(&line), shown, ZM_EXPECT_AUTH);
    zm_buf_free_secret(&line);
    return ZM_AUTH_ASKED;
}

static zm_auth_step_t say_response(zm_session_t *session, zm_str_t response, step_t step)
{
    zm_buf_t line = ZM_BUF_INIT;
    zm_sasl_encode(&line, response.data, response.length);
    zm_buf_add_c(&line, "\r\n");
    session->auth->step = step;
    zm_session_say_secret(session, zm_buf_str(&line), "***secret***", ZM_EXPECT_AUTH);
    zm_buf_free_secret(&line);
    return ZM_AUTH_ASKED;
}

/* -- beginning ------------------------------------------------------------------ */

static zm_auth_step_t begin_plain(zm_session_t *session)
{
    const zm_secrets_t *secrets = &session->auth->secrets;
    zm_buf_t message = ZM_BUF_INIT;
    zm_auth_step_t step;
    zm_buf_add_byte(&message, '\0');
    zm_buf_add_str(&message, zm_buf_str(&secrets->user));
    zm_buf_add_byte(&message, '\0');
    zm_buf_add_str(&message, zm_buf_str(&secrets->password));
    step = say_command(session, &message, STEP_ONLY);
    zm_buf_free_secret(&message);
    return step;
}

static zm_auth_step_t begin_scram(zm_session_t *session)
{
    zm_session_auth_t *auth = session->auth;
    zm_buf_t nonce = ZM_BUF_INIT, message = ZM_BUF_INIT;
    zm_auth_step_t step;
    if (zm_scram_nonce(&nonce) != APR_SUCCESS)
        return refuse(session, "there are no random numbers", NULL);
    zm_scram_client_first(&auth->scram, zm_buf_str(&auth->secrets.user), zm_buf_str(&nonce),
                          &message);
    step = say_command(session, &message, STEP_CHALLENGE);
    zm_buf_free(&nonce);
    zm_buf_free(&message);
    return step;
}

/* The best that both know.  False: there is none. */
static bool choose(zm_session_t *session)
{
    zm_session_auth_t *auth = session->auth;
    unsigned offered = session->peer.mechanisms;
    int i;
    if ((offered & 1u << ZM_PEER_SCRAM_PLUS) != 0 &&
        !zm_tls_binding(session->stream, auth->binding))
        offered &= ~(1u << ZM_PEER_SCRAM_PLUS);
    for (i = 0; i < ZM_PEER_MECHANISMS; i++) {
        if ((offered & 1u << i) == 0)
            continue;
        auth->mechanism = (zm_peer_mechanism_t)i;
        if (i == ZM_PEER_SCRAM_PLUS)
            auth->scram.binding = zm_str_of((char *)auth->binding, sizeof auth->binding);
        return true;
    }
    return false;
}

static zm_auth_step_t begin(zm_session_t *session)
{
    if (!choose(session))
        return refuse(session,
                      session->peer.auth ? "it offers no AUTH that we know" : "it offers no AUTH",
                      NULL);
    switch (session->auth->mechanism) {
    case ZM_PEER_PLAIN:
        return begin_plain(session);
    case ZM_PEER_LOGIN:
        return say_command(session, NULL, STEP_USER);
    default:
        return begin_scram(session);
    }
}

/* Whether nobody else can listen. */
static bool is_private(const zm_session_t *session)
{
    return session->secure || session->hop.unix_path != NULL ||
           zm_ip_is_loopback(&session->hop.to.ip) || session->smtp->options->auth_clear;
}

zm_auth_step_t zm_session_auth_step(zm_session_t *session)
{
    const zm_smtp_options_t *options = session->smtp->options;
    zm_error_t error = {0};
    bool found;
    if (options->secrets == NULL)
        return ZM_AUTH_GO_ON;
    session->auth = apr_pcalloc(session->pool, sizeof *session->auth);
    if (zm_secrets_find(&session->auth->secrets, &found, options->secrets, options->channel,
                        session->hop.name, session->pool, &error) != APR_SUCCESS)
        return refuse(session, apr_pstrdup(session->pool, error.text), NULL);
    if (!found)
        return ZM_AUTH_GO_ON;
    if (!is_private(session))
        return refuse(session, "there is no TLS, and passwords are not sent without", NULL);
    return begin(session);
}

/* -- going on -------------------------------------------------------------------- */

/* What the server asks, decoded; false: it is no base64. */
static bool read_question(zm_session_t *session, zm_buf_t *question)
{
    return zm_sasl_decode(question, zm_str_trim(zm_buf_str(&session->reply.last))) == APR_SUCCESS;
}

static zm_auth_step_t prove(zm_session_t *session)
{
    zm_session_auth_t *auth = session->auth;
    zm_buf_t question = ZM_BUF_INIT, proof = ZM_BUF_INIT;
    zm_auth_step_t step;
    if (read_question(session, &question) &&
        zm_scram_client_answer(&auth->scram, zm_buf_str(&question),
                               zm_buf_str(&auth->secrets.password), &proof) == APR_SUCCESS)
        step = say_response(session, zm_buf_str(&proof), STEP_PROOF);
    else
        step = refuse(session, "what it asks is not what SCRAM-SHA-256 asks", NULL);
    zm_buf_free(&question);
    zm_buf_free(&proof);
    return step;
}

static zm_auth_step_t judge(zm_session_t *session)
{
    zm_buf_t shown = ZM_BUF_INIT;
    bool good = read_question(session, &shown) &&
                zm_scram_client_trusts(&session->auth->scram, zm_buf_str(&shown));
    zm_buf_free(&shown);
    return good ? say_response(session, ZM_S(""), STEP_LAST)
                : refuse(session, "it does not know our password itself", NULL);
}

static zm_auth_step_t accepted(zm_session_t *session)
{
    const zm_session_auth_t *auth = session->auth;
    zm_protocol_log_line(session->smtp->log, session->number, '#',
                         zm_str(apr_psprintf(session->pool, "authenticated as %.*s by %s",
                                             (int)auth->secrets.user.length,
                                             auth->secrets.user.data, names[auth->mechanism])));
    zm_session_auth_end(session);
    return ZM_AUTH_GO_ON;
}

zm_auth_step_t zm_session_auth_reply(zm_session_t *session)
{
    zm_session_auth_t *auth = session->auth;
    bool asks = session->reply.code == 334, good = session->reply.code / 100 == 2;
    if (!asks && !good)
        return refused(session);
    switch (auth->step) {
    case STEP_USER:
        if (asks)
            return say_response(session, zm_buf_str(&auth->secrets.user), STEP_PASSWORD);
        break;
    case STEP_PASSWORD:
        if (asks)
            return say_response(session, zm_buf_str(&auth->secrets.password), STEP_ONLY);
        break;
    case STEP_CHALLENGE:
        if (asks)
            return prove(session);
        break;
    case STEP_PROOF:
        if (asks)
            return judge(session);
        break;
    case STEP_ONLY:
    case STEP_LAST:
        if (good)
            return accepted(session);
        break;
    }
    return refuse(session, "it answers out of step", NULL);
}

void zm_session_auth_end(zm_session_t *session)
{
    if (session->auth == NULL)
        return;
    zm_secrets_end(&session->auth->secrets);
    zm_scram_client_end(&session->auth->scram);
    session->auth = NULL;
}
