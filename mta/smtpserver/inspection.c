#include "mta/smtpserver/inspection.h"

#include <apr_strings.h>

#include "mta/smtpserver/session_parts.h"
#include "mta/smtpserver/filter.h"
#include "platform/log.h"
#include "spool/layout.h"

/* -- the reply --------------------------------------------------------------------------------- */

/* "HEAD TEXT; ID", in several lines if the text has them and the client may get them. */
static void reply_text(session_t *session, const char *head, const char *id)
{
    const outcome_t *outcome = &session->transaction->outcome;
    const char *enhanced = outcome->enhanced[0] != '\0' ? outcome->enhanced : NULL;
    zm_str_t rest = zm_buf_str(&outcome->text), line, next;
    zm_buf_t joined = ZM_BUF_INIT;
    int count = 0;
    bool more = verdict_line(&rest, &line, &count);
    zm_buf_add_c(&joined, head);
    while (more) {
        zm_buf_add_str(&joined, line);
        more = verdict_line(&rest, &next, &count);
        line = next;
        if (more && session->group->multiline) {
            reply_more(session, outcome->code, enhanced, "%s", zm_buf_c(&joined));
            zm_buf_clear(&joined);
        } else if (more) {
            zm_buf_add_byte(&joined, ' ');
        }
    }
    reply(session, outcome->code, enhanced, "%s; %s", zm_buf_c(&joined), id);
    zm_buf_free(&joined);
}

void inspection_reply(session_t *session, const char *id)
{
    const outcome_t *outcome = &session->transaction->outcome;
    char head[80];
    if (inspection_freezes(session) > 0)
        session_tarpit(session);
    if (!outcome->given || (outcome->number == 0 && outcome->text.length == 0)) {
        reply(session, outcome->given ? outcome->code : 250,
              outcome->given ? outcome->enhanced : "2.0.0", "Message accepted; %s", id);
    } else if (outcome->number == 0) {
        reply_text(session, "", id);
    } else {
        apr_snprintf(head, sizeof head,
                     "Content-Policy accept-into-freezer-%" APR_INT64_T_FMT " msg: ",
                     (apr_int64_t)outcome->number);
        reply_text(session, head, id);
    }
}

int64_t inspection_freezes(const session_t *session)
{
    int64_t number = session->transaction->outcome.number;
    if (number <= 0)
        number = session->policy.freeze;
    return number <= 0 && session->transaction->hold ? 2 : number;
}

/* -- what was decided -----------------------------------------------------------------------------
 */

static void message_id(const session_t *session, char *id)
{
    zm_object_info_t info = {0};
    (void)zm_submit_info(&info, session->transaction->submission);
    zm_layout_spool_id(id, info.id, info.mtime_s, info.mtime_ns);
}

static void refuse(session_t *session)
{
    const outcome_t *outcome = &session->transaction->outcome;
    char id[ZM_SPOOL_ID_SIZE];
    message_id(session, id);
    zm_log(ZM_LOG_INFO, id, "message refused", ZM_F_S("session", session->tag),
           ZM_F_S("client", session->client_text), ZM_F_N("from", session->transaction->sender),
           ZM_F_I("verdict", outcome->number), ZM_F_I("code", outcome->code),
           ZM_F_N("reason", zm_buf_str(&outcome->text)));
    reply_text(session, outcome->plain ? "" : "Content-Policy reject msg: ", id);
    transaction_end(session);
}

static void throw_away(session_t *session)
{
    char id[ZM_SPOOL_ID_SIZE];
    message_id(session, id);
    zm_log(ZM_LOG_INFO, id, "message thrown away", ZM_F_S("session", session->tag),
           ZM_F_S("client", session->client_text), ZM_F_N("from", session->transaction->sender));
    reply(session, 250, "2.0.0", "Message accepted; %s", id);
    transaction_end(session);
}

static void note_outcome(session_t *session)
{
    const outcome_t *outcome = &session->transaction->outcome;
    session_note(session, "Content-policy analysis ordered message %s. (code=%lld); msg='%.*s'",
                 outcome->number < 0   ? "rejection"
                 : outcome->number > 0 ? "freezing"
                                       : "acceptance",
                 (long long)outcome->number, (int)outcome->text.length,
                 outcome->text.length > 0 ? outcome->text.data : "");
}

static void conclude(session_t *session)
{
    if (session->transaction->outcome.given)
        note_outcome(session);
    if (session->transaction->outcome.number < 0)
        refuse(session);
    else
        data_commit(session);
}

/* Nobody can tell what the message is. */
static void fail(session_t *session, const char *who, const char *why)
{
    config_failmode_t mode = session->server->config->failmode;
    zm_log(ZM_LOG_ERROR, NULL, who, ZM_F_S("session", session->tag),
           ZM_F_S("client", session->client_text), ZM_F_S("reason", why),
           ZM_F_S("message", mode == FAIL_ACCEPT   ? "taken"
                             : mode == FAIL_FREEZE ? "set aside"
                                                   : "put off"));
    session_note(session, "%s: %s", who, why);
    if (mode == FAIL_DEFER) {
        reply(session, 451, "4.3.0", "the message cannot be looked at now; try again later");
        transaction_end(session);
        return;
    }
    if (mode == FAIL_FREEZE)
        session->transaction->outcome = (outcome_t){
            .given = true, .number = 1, .code = 250, .enhanced = "2.7.1", .text = ZM_BUF_INIT};
    conclude(session);
}

/* -- the content filter ---------------------------------------------------------------------------
 */

static void take(outcome_t *outcome, const verdict_t *verdict)
{
    outcome->given = true;
    outcome->number = verdict->number;
    outcome->code = verdict->code;
    apr_cpystrn(outcome->enhanced, verdict->enhanced, sizeof outcome->enhanced);
    zm_buf_clear(&outcome->text);
    zm_buf_add_str(&outcome->text, verdict->text);
}

static void on_filter(const verdict_t *verdict, const char *why, void *baton)
{
    session_t *session = baton;
    session->depth++;
    session->filtering = NULL;
    session->waiting = false;
    if (session->over) {
        transaction_end(session);
    } else if (verdict->given) {
        take(&session->transaction->outcome, verdict);
        conclude(session);
    } else {
        fail(session, "content filter", why);
    }
    if (!session->waiting && !session->held_back)
        session_go_on(session);
    session->depth--;
    session_settle(session);
}

const char *inspection_spares(const session_t *session)
{
    const policy_state_t *policy = &session->policy;
    if (session->options.client.ip.family == 0)
        return "the client is a program of this host";
    if (policy->freeze > 0)
        return "the message is set aside already";
    if (policy->has_filtering)
        return policy->filtering ? NULL : "the policy has \"filtering -\" for the client";
    return policy->always_accept ? "the policy has \"relaycustnet +\" for the client" : NULL;
}

static void ask_filter(session_t *session)
{
    server_t *server = session->server;
    const char *why = inspection_spares(session);
    if (session->transaction->outcome.given) { /* a milter has set it aside */
        conclude(session);
        return;
    }
    if (server->filters == NULL || why != NULL) {
        if (server->filters != NULL && server->config->filter.debug)
            zm_log(ZM_LOG_NOTICE, NULL, "content filter not asked", ZM_F_S("session", session->tag),
                   ZM_F_S("client", session->client_text), ZM_F_S("reason", why));
        conclude(session);
        return;
    }
    session_wait(session);
    filter_ask(&session->filtering, server->filters, session->transaction->submission, on_filter,
               session);
}

static void on_milters(session_t *session, const milters_verdict_t *verdict)
{
    outcome_t *outcome = &session->transaction->outcome;
    if (verdict->accepted && outcome->discarded) {
        throw_away(session);
        return;
    }
    if (verdict->accepted) {
        ask_filter(session);
        return;
    }
    *outcome = (outcome_t){
        .given = true, .plain = true, .number = -1, .code = verdict->code, .text = outcome->text};
    apr_cpystrn(outcome->enhanced, verdict->enhanced, sizeof outcome->enhanced);
    zm_buf_clear(&outcome->text);
    zm_buf_add_str(&outcome->text, verdict->text);
    conclude(session);
}

void inspection_begin(session_t *session)
{
    if (session->transaction->milters && inspection_spares(session) == NULL)
        milters_message(session, on_milters);
    else
        ask_filter(session);
}

void inspection_cancel(session_t *session)
{
    milters_close(session);
    filter_cancel(session->filtering);
    session->filtering = NULL;
}
