#include "mta/smtpserver/session_parts.h"

#include <apr_general.h>

#include "mta/dkim/results.h"
#include "mta/net/idn.h"
#include "mta/smtpserver/count.h"
#include "mta/smtpserver/policy.h"
#include "platform/clock.h"
#include "platform/log.h"

#define WORD "authres: "
#define KEYWORD "comment"
#define ROOM (AUTHRES_LINE - sizeof KEYWORD - (sizeof WORD - 1)) /* octets for the text */
#define PATIENCE 60                                              /* seconds for all questions */

struct authres_t {
    session_t *session;
    apr_pool_t *asking;
    zm_verifier_t *verifier;
    zm_spf_said_t spf;
    zm_timer_t patience;
    bool verified, spf_known; /* answered */
    bool told, at_once;
    bool frozen; /* by us: the policy of the session does not say so */
};

/* -- the line ---------------------------------------------------------------------------------- */

bool authres_wanted(const session_t *session)
{
    if (session->server->dns == NULL || session->options.client.ip.family == 0)
        return false;
    if (session->group->auth_results != AUTHRES_DEFAULT)
        return session->group->auth_results != AUTHRES_OFF;
    return !session->submission && !policy_trusts(&session->options.client, session->server->local);
}

apr_status_t authres_line(zm_submission_t *submission, uint64_t *at)
{
    char text[sizeof WORD - 1 + ROOM];
    *at = zm_submit_written(submission) + sizeof KEYWORD + sizeof WORD - 1;
    memset(text, ' ', sizeof text);
    memcpy(text, WORD, sizeof WORD - 1);
    return zm_submit_line(submission, KEYWORD, zm_str_of(text, sizeof text));
}

/* The blanks that are left stay. */
static void fill_in(session_t *session, const authres_t *authres)
{
    transaction_t *transaction = session->transaction;
    zm_buf_t text = ZM_BUF_INIT;
    apr_status_t status;
    zm_auth_results_add(&text, session->server->hostname, &authres->spf,
                        zm_verifier_result(authres->verifier), ROOM);
    session_note(session, "-- %.*s", (int)text.length, text.data);
    status = zm_submit_overwrite(transaction->submission, transaction->authres_at, text.data,
                                 text.length);
    zm_buf_free(&text);
    if (status != APR_SUCCESS)
        transaction_fail(transaction, status);
}

/* -- what is made of it --------------------------------------------------------------------------
 */

static void count_one(const session_t *session, zm_auth_t result, zm_counter_t pass,
                      zm_counter_t fail)
{
    if (result == ZM_AUTH_PASS)
        count(session, pass);
    else if (result == ZM_AUTH_TEMPERROR)
        count(session, ZM_COUNT_SS_Auth_temperror);
    else if (result != ZM_AUTH_NONE && result != ZM_AUTH_NEUTRAL)
        count(session, fail);
}

static void record(const session_t *session, const authres_t *authres)
{
    const zm_verified_t *verified = zm_verifier_result(authres->verifier);
    int i;
    count_one(session, authres->spf.result, ZM_COUNT_SS_Auth_spf_pass, ZM_COUNT_SS_Auth_spf_fail);
    for (i = 0; i < verified->count; i++)
        count_one(session, verified->signatures[i].result, ZM_COUNT_SS_Auth_dkim_pass,
                  ZM_COUNT_SS_Auth_dkim_fail);
    count_one(session, verified->arc, ZM_COUNT_SS_Auth_arc_pass, ZM_COUNT_SS_Auth_arc_fail);
    count_one(session, verified->dmarc, ZM_COUNT_SS_Auth_dmarc_pass, ZM_COUNT_SS_Auth_dmarc_fail);
}

/* Whether the last seal of a good chain is of somebody whose word is taken. */
static bool is_vouched_for(const session_t *session, const zm_verified_t *verified)
{
    zm_str_t rest = zm_str(session->group->arc_trusted), domain, sealer = verified->arc_sealer;
    while (verified->arc == ZM_AUTH_PASS && zm_str_word(&rest, &domain)) {
        if (zm_str_equal_nocase(sealer, domain))
            return true;
        if (sealer.length > domain.length && zm_str_ends_nocase(sealer, domain) &&
            sealer.data[sealer.length - domain.length - 1] == '.')
            return true;
    }
    return false;
}

static zm_dmarc_policy_t action(const session_t *session, const zm_verified_t *verified)
{
    const policy_state_t *policy = &session->policy;
    bool waits = verified->arc == ZM_AUTH_TEMPERROR && session->group->arc_trusted[0] != '\0';
    if (session->group->auth_results != AUTHRES_ENFORCE || policy->always_accept ||
        policy->full_trust || policy->authenticated || waits || is_vouched_for(session, verified))
        return ZM_DMARC_NONE;
    return verified->wanted;
}

static void refuse(session_t *session, const zm_verified_t *verified)
{
    count(session, ZM_COUNT_SS_Auth_rejected);
    zm_log(ZM_LOG_INFO, NULL, "message refused", ZM_F_S("session", session->tag),
           ZM_F_S("client", session->client_text), ZM_F_N("from", session->transaction->sender),
           ZM_F_S("dmarc", verified->author));
    session_tarpit(session);
    reply(session, 550, "5.7.1",
          "%s refuses mail in its name that it has not sent or signed (DMARC)", verified->author);
    transaction_end(session);
}

static void act(session_t *session, const zm_verified_t *verified)
{
    if (session->transaction->submission == NULL) {
        reply_spool_failure(session, session->transaction->failure);
        transaction_end(session);
        return;
    }
    switch (action(session, verified)) {
    case ZM_DMARC_REJECT:
        refuse(session, verified);
        return;
    case ZM_DMARC_QUARANTINE:
        count(session, ZM_COUNT_SS_Auth_frozen);
        zm_log(ZM_LOG_INFO, NULL, "message to be set aside", ZM_F_S("session", session->tag),
               ZM_F_S("client", session->client_text), ZM_F_S("dmarc", verified->author));
        session->transaction->authres->frozen = session->policy.freeze == 0;
        if (session->policy.freeze == 0)
            session->policy.freeze = 1;
        break;
    default:
        break;
    }
    inspection_begin(session);
}

static int dice(void)
{
    unsigned char byte = 0;
    do
        (void)apr_generate_random_bytes(&byte, 1);
    while (byte >= 200);
    return byte % 100;
}

/* -- asking
 * ---------------------------------------------------------------------------------------- */

static void conclude(authres_t *authres)
{
    session_t *session = authres->session;
    zm_timer_cancel(&authres->patience);
    zm_verifier_judge(authres->verifier, authres->spf.result, authres->spf.domain, dice());
    record(session, authres);
    fill_in(session, authres);
    act(session, zm_verifier_result(authres->verifier));
}

/* An answer has come: goes on if it was the last. */
static void go_on(authres_t *authres)
{
    session_t *session = authres->session;
    if (!authres->verified || !authres->spf_known || authres->told)
        return;
    authres->told = true;
    if (authres->at_once)
        return; /* authres_check goes on itself */
    session->depth++;
    session->waiting = false;
    if (session->over)
        transaction_end(session);
    else
        conclude(authres);
    if (!session->waiting && !session->held_back)
        session_go_on(session);
    session->depth--;
    session_settle(session);
}

static void on_verified(void *baton)
{
    authres_t *authres = baton;
    authres->verified = true;
    go_on(authres);
}

static zm_auth_t result_of(spf_result_t result)
{
    static const zm_auth_t results[] = {ZM_AUTH_NONE,     ZM_AUTH_NEUTRAL,  ZM_AUTH_PASS,
                                        ZM_AUTH_FAIL,     ZM_AUTH_SOFTFAIL, ZM_AUTH_TEMPERROR,
                                        ZM_AUTH_PERMERROR};
    return results[result];
}

static void on_spf(spf_result_t result, zm_str_t explanation, void *baton)
{
    authres_t *authres = baton;
    (void)explanation;
    authres->spf.result = result_of(result);
    authres->spf_known = true;
    go_on(authres);
}

static void on_patience(zm_timer_t *timer, void *baton)
{
    authres_t *authres = baton;
    (void)timer;
    if (!authres->spf_known) {
        apr_pool_destroy(authres->asking);
        authres->spf.result = ZM_AUTH_TEMPERROR;
        authres->spf_known = true;
    }
    if (authres->verified)
        go_on(authres);
    else
        zm_verifier_give_up(authres->verifier);
}

static void ask_spf(authres_t *authres)
{
    session_t *session = authres->session;
    const zm_smtp_path_t *sender = &session->transaction->sender_path;
    zm_str_t greeting = zm_buf_str(&session->helo), verb;
    spf_question_t question = {.dns = session->server->dns,
                               .ip = session->options.client.ip,
                               .local = sender->local,
                               .domain = zm_idn_ascii(sender->domain, session->transaction->pool),
                               .receiver = zm_str(session->server->hostname)};
    if (zm_str_word(&greeting, &verb))
        question.helo = zm_str_trim(greeting);
    authres->spf.helo = sender->domain.length == 0;
    authres->spf.domain = zm_str_copy(session->transaction->pool,
                                      authres->spf.helo ? question.helo : question.domain);
    if (session->policy.spf_known) {
        authres->spf.result = result_of(session->policy.spf_result);
        authres->spf_known = true;
    } else {
        spf_ask(&question, on_spf, authres, authres->asking);
    }
}

authres_t *authres_begin(session_t *session)
{
    apr_pool_t *pool = session->transaction->pool;
    authres_t *made = apr_pcalloc(pool, sizeof *made);
    made->session = session;
    made->verifier = zm_verifier_create(apr_time_sec(zm_clock_wall()), pool);
    zm_timer_init(&made->patience, session->server->loop, on_patience, made);
    return made;
}

void authres_see(authres_t *authres, const void *data, apr_size_t length)
{
    if (authres != NULL)
        zm_verifier_put(authres->verifier, data, length);
}

void authres_check(session_t *session)
{
    authres_t *authres = session->transaction->authres;
    if (authres == NULL || apr_pool_create(&authres->asking, session->transaction->pool)) {
        inspection_begin(session);
        return;
    }
    authres->at_once = true;
    ask_spf(authres);
    zm_verifier_ask(authres->verifier, session->server->dns, on_verified, authres);
    authres->at_once = false;
    if (authres->told) {
        conclude(authres);
        return;
    }
    session_wait(session);
    zm_timer_set(&authres->patience, apr_time_from_sec(PATIENCE));
}

void authres_cancel(authres_t *authres)
{
    if (authres == NULL)
        return;
    zm_timer_cancel(&authres->patience);
    if (authres->frozen)
        authres->session->policy.freeze = 0;
}
