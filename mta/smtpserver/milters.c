#include "mta/smtpserver/milters.h"

#include <apr_strings.h>

#include "mta/smtpserver/milter.h"
#include "mta/smtpserver/recompose.h"
#include "mta/smtpserver/starttls.h"
#include "platform/log.h"

typedef enum stage_t { STAGE_MAIL, STAGE_RCPT, STAGE_MESSAGE } stage_t;

typedef struct place_t {
    milter_t *milter;
    bool passed; /* it need not be asked about the message */
} place_t;

struct milters_t {
    session_t *session;
    apr_pool_t *pool;
    place_t places[CONFIG_MILTERS];
    int count, at;
    bool tls, login; /* the session has it */
    stage_t stage;
    zm_str_t address;
    zm_buf_t fields, address_text, parameters;
    recompose_t *recompose;
    milters_fn *then;
};

/* -- the end of a stage
 * ---------------------------------------------------------------------------- */

static const milters_verdict_t accepted = {.accepted = true, .text = ZM_STR("")};

static void done(milters_t *milters, const milters_verdict_t *verdict)
{
    session_t *session = milters->session;
    milters_fn *then = milters->then;
    session->depth++;
    session->waiting = false;
    if (!session->over)
        then(session, verdict);
    if (!session->waiting && !session->held_back)
        session_go_on(session);
    session->depth--;
    session_settle(session);
}

static void on_recomposed(apr_status_t status, zm_submission_t *made, void *baton)
{
    milters_t *milters = baton;
    transaction_t *transaction = milters->session->transaction;
    milters_verdict_t verdict = {
        .code = 451, .enhanced = "4.3.0", .text = ZM_STR("the message cannot be stored now")};
    milters->recompose = NULL;
    if (status == APR_SUCCESS) {
        zm_submit_abort(transaction->submission);
        transaction->submission = made;
        done(milters, &accepted);
        return;
    }
    zm_log(ZM_LOG_ERROR, NULL, "fields of a milter cannot be added", ZM_F_E("reason", status));
    done(milters, &verdict);
}

static void end_stage(milters_t *milters)
{
    session_t *session = milters->session;
    recompose_options_t options = {.loop = session->server->loop,
                                   .submitter = session->server->submitter,
                                   .from = session->transaction->submission,
                                   .content = session->transaction->content,
                                   .fields = zm_buf_str(&milters->fields)};
    if (milters->stage != STAGE_MESSAGE || milters->fields.length == 0 ||
        session->transaction->outcome.discarded) {
        done(milters, &accepted);
        return;
    }
    recompose_begin(&milters->recompose, &options, on_recomposed, milters,
                    session->transaction->pool);
}

/* -- one after another ----------------------------------------------------------------------------
 */

static void ask_next(milters_t *milters);

static void set_aside(session_t *session, zm_str_t why)
{
    outcome_t *outcome = &session->transaction->outcome;
    outcome->given = true;
    outcome->number = 1;
    outcome->code = 250;
    apr_cpystrn(outcome->enhanced, "2.7.1", sizeof outcome->enhanced);
    zm_buf_clear(&outcome->text);
    zm_buf_add_str(&outcome->text, why);
}

/* False: the message, or its sender or recipient, is put off. */
static bool do_without(milters_t *milters, zm_str_t why)
{
    const session_t *session = milters->session;
    config_failmode_t mode = session->server->config->failmode;
    zm_log(ZM_LOG_ERROR, NULL, "milter", ZM_F_S("session", session->tag),
           ZM_F_S("client", session->client_text),
           ZM_F_S("milter", session->group->milters[milters->at]->text), ZM_F_N("reason", why));
    if (mode == FAIL_FREEZE)
        set_aside(milters->session, ZM_S(""));
    milters->places[milters->at].passed = true;
    return mode != FAIL_DEFER;
}

static void refuse(milters_t *milters, const milter_answer_t *answer)
{
    const session_t *session = milters->session;
    milters_verdict_t verdict = {
        .code = answer->code, .enhanced = answer->enhanced, .text = answer->text};
    if (verdict.text.length == 0)
        verdict.text = answer->code < 500 ? ZM_S("come again later") : ZM_S("not wanted here");
    zm_log(ZM_LOG_INFO, NULL, "refused by a milter", ZM_F_S("session", session->tag),
           ZM_F_S("client", session->client_text),
           ZM_F_S("milter", session->group->milters[milters->at]->text),
           ZM_F_N("from", session->transaction->sender), ZM_F_I("code", verdict.code),
           ZM_F_N("reason", verdict.text));
    done(milters, &verdict);
}

static void put_off(milters_t *milters)
{
    const milters_verdict_t verdict = {
        .code = 451,
        .enhanced = "4.3.0",
        .text = ZM_STR("the message cannot be looked at now; try again later")};
    done(milters, &verdict);
}

static void discard(milters_t *milters)
{
    int i;
    zm_log(ZM_LOG_INFO, NULL, "thrown away for a milter", ZM_F_S("session", milters->session->tag),
           ZM_F_S("client", milters->session->client_text),
           ZM_F_S("milter", milters->session->group->milters[milters->at]->text),
           ZM_F_N("from", milters->session->transaction->sender));
    milters->session->transaction->outcome.discarded = true;
    for (i = 0; i < milters->count; i++)
        milters->places[i].passed = true;
    end_stage(milters);
}

static void on_answer(const milter_answer_t *answer, void *baton)
{
    milters_t *milters = baton;
    place_t *place = &milters->places[milters->at];
    switch (answer->result) {
    case MILTER_REFUSE:
        refuse(milters, answer);
        return;
    case MILTER_DISCARD:
        discard(milters);
        return;
    case MILTER_FAILED:
        if (!do_without(milters, answer->text)) {
            put_off(milters);
            return;
        }
        break;
    case MILTER_ACCEPT:
        place->passed = true;
        break;
    case MILTER_CONTINUE:
        break;
    }
    zm_buf_add_str(&milters->fields, answer->additions);
    if (answer->quarantine)
        set_aside(milters->session, answer->why);
    milters->at++;
    ask_next(milters);
}

static void ask(milters_t *milters, milter_t *milter)
{
    session_t *session = milters->session;
    transaction_t *transaction = session->transaction;
    zm_str_t helo = zm_buf_str(&session->helo), verb;
    switch (milters->stage) {
    case STAGE_MAIL:
        (void)zm_str_word(&helo, &verb);
        milter_mail(milter, zm_str_trim(helo), transaction->sender,
                    zm_buf_str(&milters->parameters), on_answer, milters);
        break;
    case STAGE_RCPT:
        milter_rcpt(milter, milters->address, on_answer, milters);
        break;
    case STAGE_MESSAGE:
        milter_message(milter, transaction->submission, transaction->content, on_answer, milters);
        break;
    }
}

static bool find_next(milters_t *milters)
{
    while (milters->at < milters->count && milters->places[milters->at].passed)
        milters->at++;
    return milters->at < milters->count;
}

static void ask_next(milters_t *milters)
{
    if (find_next(milters))
        ask(milters, milters->places[milters->at].milter);
    else
        end_stage(milters);
}

static void begin_stage(milters_t *milters, stage_t stage, milters_fn *then)
{
    session_t *session = milters->session;
    milters->stage = stage;
    milters->then = then;
    milters->at = 0;
    zm_buf_clear(&milters->fields);
    if (!find_next(milters)) {
        then(session, &accepted);
        return;
    }
    session_wait(session);
    ask(milters, milters->places[milters->at].milter);
}

/* -- the milters of a session
 * ------------------------------------------------------------------------ */

static void describe(const milters_t *milters, milter_session_t *told)
{
    session_t *session = milters->session;
    peer_facts_t facts = {0};
    zm_tls_info_t tls;
    if (session->peer != NULL && peer_is_known(session->peer))
        facts = peer_facts(session->peer);
    told->hostname = session->server->hostname;
    told->tag = session->tag;
    told->name = facts.name != NULL && facts.verified == PEER_OK
                     ? apr_pstrdup(milters->pool, facts.name)
                     : session->client_text;
    told->client = session->options.client;
    told->tls = told->cipher = "";
    told->login = zm_str_c(milters->pool, zm_buf_str(&session->auth.known));
    if (milters->tls && zm_tls_info(session->stream, &tls)) {
        told->tls = apr_pstrdup(milters->pool, tls.protocol);
        told->cipher = apr_pstrdup(milters->pool, tls.cipher);
    }
}

static milters_t *create(session_t *session)
{
    const config_group_t *group = session->group;
    milter_options_t options = {.loop = session->server->loop, .dns = session->server->dns};
    apr_pool_t *pool;
    milters_t *made;
    int i;
    if (apr_pool_create(&pool, session->pool) != APR_SUCCESS)
        return NULL;
    made = apr_pcalloc(pool, sizeof *made);
    made->session = session;
    made->pool = pool;
    made->tls = session->tls == SESSION_TLS_ON;
    made->login = session->auth.known.length > 0;
    made->count = group->milter_count;
    describe(made, &options.session);
    for (i = 0; i < made->count; i++) {
        options.service = group->milters[i];
        made->places[i].milter = milter_create(&options, pool);
    }
    return made;
}

bool milters_wanted(const session_t *session)
{
    return session->group->milter_count > 0 && inspection_spares(session) == NULL;
}

static void begin_mail(session_t *session)
{
    milters_t *milters = session->milters;
    const transaction_t *transaction = session->transaction;
    int i;
    if (milters != NULL && (milters->tls != (session->tls == SESSION_TLS_ON) ||
                            milters->login != (session->auth.known.length > 0)))
        milters_close(session);
    if (session->milters == NULL)
        session->milters = create(session);
    milters = session->milters;
    if (milters == NULL) {
        const milters_verdict_t verdict = {
            .code = 452, .enhanced = "4.3.0", .text = ZM_STR("out of memory; try again later")};
        session->milters_then(session, &verdict);
        return;
    }
    for (i = 0; i < milters->count; i++)
        milters->places[i].passed = false;
    zm_buf_clear(&milters->parameters);
    if (transaction->mail.has_size)
        zm_buf_printf(&milters->parameters, "SIZE=%llu ",
                      (unsigned long long)transaction->mail.size);
    if (transaction->mail.body.length > 0) {
        zm_buf_add_c(&milters->parameters, "BODY=");
        zm_buf_add_str(&milters->parameters, transaction->mail.body);
    }
    begin_stage(milters, STAGE_MAIL, session->milters_then);
}

/* What the domain name service knows of the client is known now. */
static void on_peer(void *baton)
{
    session_t *session = baton;
    session->depth++;
    session->waiting = false;
    if (!session->over)
        begin_mail(session);
    if (!session->waiting && !session->held_back)
        session_go_on(session);
    session->depth--;
    session_settle(session);
}

void milters_mail(session_t *session, milters_fn *then)
{
    session->milters_then = then;
    if (session->peer == NULL || peer_is_known(session->peer)) {
        begin_mail(session);
        return;
    }
    session_wait(session);
    peer_wait(session->peer, on_peer, session);
}

void milters_rcpt(session_t *session, zm_str_t address, milters_fn *then)
{
    milters_t *milters = session->milters;
    if (milters == NULL) {
        then(session, &accepted);
        return;
    }
    zm_buf_clear(&milters->address_text);
    zm_buf_add_str(&milters->address_text, address);
    milters->address = zm_buf_str(&milters->address_text);
    begin_stage(milters, STAGE_RCPT, then);
}

void milters_message(session_t *session, milters_fn *then)
{
    if (session->milters == NULL)
        then(session, &accepted);
    else
        begin_stage(session->milters, STAGE_MESSAGE, then);
}

void milters_abort(session_t *session)
{
    milters_t *milters = session->milters;
    int i;
    if (milters == NULL)
        return;
    recompose_cancel(milters->recompose);
    milters->recompose = NULL;
    for (i = 0; i < milters->count; i++)
        milter_abort(milters->places[i].milter);
}

void milters_close(session_t *session)
{
    milters_t *milters = session->milters;
    int i;
    if (milters == NULL)
        return;
    session->milters = NULL;
    recompose_cancel(milters->recompose);
    for (i = 0; i < milters->count; i++)
        milter_close(milters->places[i].milter);
    zm_buf_free(&milters->fields);
    zm_buf_free(&milters->address_text);
    zm_buf_free(&milters->parameters);
    apr_pool_destroy(milters->pool);
}
