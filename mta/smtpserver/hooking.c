#include "mta/smtpserver/hooking.h"

#include <apr_strings.h>

#include "mta/smtpserver/hook.h"
#include "mta/smtpserver/session_parts.h"
#include "platform/log.h"

#define FIELDS_LIMIT 65536 /* octets of header fields for one message */

/* -- the question --------------------------------------------------------------------------------
 */

static void add_number(zm_buf_t *request, const char *name, uint64_t number)
{
    char text[32];
    zm_str_t digits = {text, 0};
    digits.length =
        (apr_size_t)apr_snprintf(text, sizeof text, "%" APR_UINT64_T_FMT, (apr_uint64_t)number);
    hook_attribute(request, name, digits);
}

static void add_c(zm_buf_t *request, const char *name, const char *value)
{
    hook_attribute(request, name, zm_str(value));
}

static void add_ends(zm_buf_t *request, const session_t *session)
{
    const zm_endpoint_t *client = &session->options.client, *server = &session->options.server;
    char address[ZM_IP_TEXT];
    peer_facts_t facts = {0};
    if (session->peer != NULL && peer_is_known(session->peer))
        facts = peer_facts(session->peer);
    add_c(request, "client_address", zm_ip_print(&client->ip, address));
    add_number(request, "client_port", client->port);
    add_c(request, "client_name",
          facts.name != NULL && facts.verified == PEER_OK ? facts.name : "unknown");
    add_c(request, "reverse_client_name", facts.name != NULL ? facts.name : "unknown");
    add_c(request, "server_address",
          server->ip.family != 0 ? zm_ip_print(&server->ip, address) : "");
    add_number(request, "server_port", server->port);
}

static void add_message(zm_buf_t *request, const session_t *session, int stage)
{
    const transaction_t *transaction = session->transaction;
    apr_pool_t *pool = session->server->scratch_pool;
    apr_pool_clear(pool);
    if (transaction == NULL)
        return;
    hook_attribute(request, "sender", transaction->sender);
    hook_attribute(request, "recipient",
                   stage == HOOKING_RCPT ? zm_smtp_path_address(&transaction->recipient, true, pool)
                                         : ZM_S(""));
    add_number(request, "recipient_count",
               stage == HOOKING_DATA ? (uint64_t)transaction->accepted : 0);
    add_number(request, "size", transaction->mail.size);
}

static void add_tls(zm_buf_t *request, session_t *session)
{
    zm_tls_info_t tls;
    if (session->tls != SESSION_TLS_ON || !zm_tls_info(session->stream, &tls))
        return;
    add_c(request, "encryption_protocol", tls.protocol);
    add_c(request, "encryption_cipher", tls.cipher);
    add_number(request, "encryption_keysize", (uint64_t)tls.bits);
    add_c(request, "ccert_subject", tls.verified ? tls.subject : "");
}

static void add_user(zm_buf_t *request, const session_t *session)
{
    if (session->auth.known.length == 0)
        return;
    add_c(request, "sasl_method", config_mechanisms[session->auth.mechanism]);
    hook_attribute(request, "sasl_username", zm_buf_str(&session->auth.known));
}

static bool is_extended(const session_t *session)
{
    return session->helo.length > 0 && zm_to_lower((unsigned char)session->helo.data[0]) == 'e';
}

static const char *stage_name(const session_t *session, int stage)
{
    switch (stage) {
    case HOOKING_HELO:
        return is_extended(session) ? "EHLO" : "HELO";
    case HOOKING_MAIL:
        return "MAIL";
    case HOOKING_RCPT:
        return "RCPT";
    default:
        return "DATA";
    }
}

static void write_request(zm_buf_t *request, session_t *session, int stage)
{
    zm_str_t helo = zm_buf_str(&session->helo), verb;
    char instance[64];
    add_c(request, "request", "smtpd_access_policy");
    add_c(request, "protocol_state", stage_name(session, stage));
    add_c(request, "protocol_name", is_extended(session) ? "ESMTP" : "SMTP");
    (void)zm_str_word(&helo, &verb);
    hook_attribute(request, "helo_name", zm_str_trim(helo));
    apr_snprintf(instance, sizeof instance, "%s.%u", session->tag, session->messages);
    add_c(request, "instance", instance);
    add_c(request, "queue_id", "");
    add_ends(request, session);
    add_message(request, session, stage);
    add_tls(request, session);
    add_user(request, session);
}

/* -- the answer ----------------------------------------------------------------------------------
 */

static void go_on(session_t *session)
{
    session->hooking_then(session, NULL);
}

static void refuse(session_t *session, const hook_answer_t *answer)
{
    policy_verdict_t verdict = {.result = answer->code < 500 ? POLICY_DEFER : POLICY_REFUSE,
                                .code = answer->code,
                                .enhanced = answer->enhanced};
    zm_buf_t text = ZM_BUF_INIT;
    zm_buf_add_str(&text, answer->text);
    if (text.length == 0)
        zm_buf_add_c(&text, answer->code < 500 ? "come again later" : "not wanted here");
    verdict.text = zm_buf_c(&text);
    session->hooking_then(session, &verdict);
    zm_buf_free(&text);
}

static void prepend(session_t *session, zm_str_t field)
{
    if (session->transaction == NULL || session->transaction->fields.length > FIELDS_LIMIT)
        return;
    zm_buf_add_str(&session->transaction->fields, field);
    zm_buf_add_byte(&session->transaction->fields, '\n');
}

static void hold(session_t *session)
{
    if (session->transaction != NULL)
        session->transaction->hold = true;
}

static void fail(session_t *session, zm_str_t why)
{
    const hook_answer_t later = {.action = HOOK_REFUSE,
                                 .code = 451,
                                 .enhanced = "4.3.5",
                                 .text =
                                     ZM_STR("something is out of order here; come again later")};
    config_failmode_t mode = session->server->config->failmode;
    zm_log(ZM_LOG_ERROR, NULL, "policy daemon", ZM_F_S("session", session->tag),
           ZM_F_S("client", session->client_text), ZM_F_S("daemon", session->group->hook->text),
           ZM_F_N("reason", why));
    if (mode == FAIL_FREEZE)
        hold(session);
    if (mode == FAIL_DEFER)
        refuse(session, &later);
    else
        go_on(session);
}

static void decide(session_t *session, const hook_answer_t *answer)
{
    static const policy_verdict_t accepted = {POLICY_ACCEPT, 250, "2.1.5", "accepted"};
    switch (answer->action) {
    case HOOK_ACCEPT:
        if (session->hooking_stage == HOOKING_MAIL)
            policy_begin_message(&session->policy);
        session->hooking_then(session, &accepted);
        return;
    case HOOK_REFUSE:
        refuse(session, answer);
        return;
    case HOOK_FAILED:
        fail(session, answer->text);
        return;
    case HOOK_HOLD:
        hold(session);
        break;
    case HOOK_PREPEND:
        prepend(session, answer->text);
        break;
    case HOOK_NOTHING:
        break;
    }
    go_on(session);
}

static void on_answer(const hook_answer_t *answer, void *baton)
{
    session_t *session = baton;
    session->hook = NULL;
    session->depth++;
    session->waiting = false;
    if (!session->over)
        decide(session, answer);
    if (!session->waiting && !session->held_back)
        session_go_on(session);
    session->depth--;
    session_settle(session);
}

/* -- asking --------------------------------------------------------------------------------------
 */

bool hooking_wanted(const session_t *session, int stage)
{
    const policy_state_t *state = &session->policy;
    const config_group_t *group = session->group;
    if (group->hook == NULL || (group->hook_stages & stage) == 0 ||
        session->server->hooks == NULL || session->options.client.ip.family == 0)
        return false;
    if (state->always_reject || state->always_freeze || state->full_trust)
        return false;
    if (state->authenticated && stage != HOOKING_DATA)
        return false;
    return stage != HOOKING_RCPT || (!state->sender_freeze && !state->trust_recipients);
}

void hooking_ask(session_t *session, int stage, hooking_fn *then)
{
    zm_buf_t request = ZM_BUF_INIT;
    session->hooking_stage = stage;
    session->hooking_then = then;
    write_request(&request, session, stage);
    session_wait(session);
    hook_ask(&session->hook, session->server->hooks[session->group->number], zm_buf_str(&request),
             on_answer, session);
    zm_buf_free(&request);
}
