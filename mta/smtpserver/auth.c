#include "mta/smtpserver/auth.h"

#include <apr_strings.h>
#include <stdlib.h>

#include "mta/net/base64.h"
#include "mta/net/secret.h"
#include "mta/net/tls.h"
#include "mta/smtpserver/count.h"
#include "mta/smtpserver/rates.h"
#include "platform/clock.h"
#include "platform/log.h"

#define PLUS (1u << AUTH_SCRAM_PLUS)
#define IN_CLEAR (1u << AUTH_PLAIN | 1u << AUTH_LOGIN)
#define LEAKS 2 /* lines that a client sends on when it has not understood a refusal */
#define HIDDEN "**base64-password**"

/* -- what is offered --------------------------------------------------------------------------- */

bool auth_is_here(const session_t *session)
{
    return session->group->auth.use && session->server->verifiers != NULL;
}

/* Listeners that other servers come to may be left without it. */
static bool is_banned(const session_t *session)
{
    return session->group->auth.not_on_25 && !session->options.submit && !session->options.tls;
}

static bool may_send_passwords(const session_t *session)
{
    return session->tls == SESSION_TLS_ON || session->group->auth.in_clear;
}

static bool binding_of(const session_t *session, unsigned char binding[ZM_TLS_BINDING])
{
    return session->tls == SESSION_TLS_ON && session->stream != NULL &&
           zm_tls_binding(session->stream, binding);
}

/* A set of those that would be heard. */
static unsigned offered(const session_t *session)
{
    unsigned set = session->group->auth.mechanisms;
    unsigned char binding[ZM_TLS_BINDING];
    if (!auth_is_here(session) || is_banned(session) || session->auth.known.length > 0)
        return 0;
    if (!may_send_passwords(session))
        set &= ~IN_CLEAR;
    if ((set & PLUS) != 0 && !binding_of(session, binding))
        set &= ~PLUS;
    return set;
}

bool auth_is_offered(const session_t *session)
{
    return offered(session) != 0;
}

void auth_list(session_t *session)
{
    unsigned set = offered(session);
    char names[120] = "";
    apr_size_t used = 0;
    int i;
    if (set == 0)
        return;
    for (i = 0; i < AUTH_MECHANISMS; i++)
        if ((set & 1u << i) != 0)
            used += (apr_size_t)apr_snprintf(names + used, sizeof names - used, " %s",
                                             config_mechanisms[i]);
    if (session->group->auth.old_syntax)
        reply_list(session, 250, "AUTH=%s", names + 1);
    reply_list(session, 250, "AUTH%s", names);
}

/* -- secrets stay here ---------------------------------------------------------------------------
 */

static int find(zm_str_t name)
{
    int i;
    for (i = 0; i < AUTH_MECHANISMS; i++)
        if (zm_str_equal_nocase(name, zm_str(config_mechanisms[i])))
            return i;
    return -1;
}

zm_str_t auth_hide(const session_t *session, zm_str_t line, bool is_verb)
{
    zm_str_t rest = line, verb, mechanism;
    if (!zm_str_word(&rest, &verb) || !zm_str_starts_nocase(verb, ZM_S("AUTH")))
        return session->auth.leaks > 0 && !is_verb ? ZM_S(HIDDEN) : line;
    if (verb.length > 4)
        return ZM_S("AUTH " HIDDEN);
    if (!zm_str_word(&rest, &mechanism))
        return line;
    switch (find(mechanism)) {
    case AUTH_PLAIN:
        return zm_str_trim(rest).length > 0 ? ZM_S("AUTH PLAIN " HIDDEN) : ZM_S("AUTH PLAIN");
    case AUTH_LOGIN:
        return zm_str_trim(rest).length > 0 ? ZM_S("AUTH LOGIN **base64-user**")
                                            : ZM_S("AUTH LOGIN");
    case AUTH_SCRAM:
        return ZM_S("AUTH SCRAM-SHA-256");
    case AUTH_SCRAM_PLUS:
        return ZM_S("AUTH SCRAM-SHA-256-PLUS");
    default:
        return ZM_S("AUTH " HIDDEN);
    }
}

/* What stands in the log for a line of an exchange. */
static const char *hidden(const session_t *session)
{
    switch (session->auth.step) {
    case AUTH_LOGIN_USER:
        return "**base64-user**";
    case AUTH_LOGIN_PASSWORD:
    case AUTH_PLAIN_ALL:
        return HIDDEN;
    default:
        return "**base64-response**";
    }
}

/* The exchange is over. */
static void end_exchange(session_t *session)
{
    session_auth_t *auth = &session->auth;
    auth->step = AUTH_IDLE;
    zm_buf_free(&auth->user);
    if (auth->scram == NULL)
        return;
    zm_scram_server_end(auth->scram);
    free(auth->scram);
    auth->scram = NULL;
}

void auth_forget(session_t *session)
{
    end_exchange(session);
    zm_buf_free(&session->auth.known);
    session->policy.authenticated = false;
}

/* -- failures ---------------------------------------------------------------------------------- */

static void count_failure(session_t *session, zm_str_t user)
{
    rates_t *failures = session->server->failures;
    apr_time_t now = zm_clock_monotonic();
    if (failures == NULL)
        return;
    if (session->options.client.ip.family != 0)
        rates_add(failures, &session->options.client.ip, now, 1, 0);
    if (user.length > 0)
        rates_add_name(failures, user, now);
}

static bool failed_too_often(const session_t *session, zm_str_t user)
{
    const rates_t *failures = session->server->failures;
    uint64_t most = (uint64_t)session->group->auth.failures;
    apr_time_t now = zm_clock_monotonic();
    if (failures == NULL)
        return false;
    return (session->options.client.ip.family != 0 &&
            rates_of(failures, &session->options.client.ip, now).messages >= most) ||
           (user.length > 0 && rates_of_name(failures, user, now) >= most);
}

/* A refusal that counts: what follows it may still be meant for the exchange. */
static void refuse(session_t *session, int code, const char *enhanced, const char *text)
{
    count_failure(session, zm_buf_str(&session->auth.user));
    end_exchange(session);
    session->auth.leaks = LEAKS;
    session_tarpit(session);
    command_error(session, code, enhanced, text);
}

static void put_off(session_t *session)
{
    session_note(session, "-- authentication put off: too many failures");
    end_exchange(session);
    session->auth.leaks = LEAKS;
    session_tarpit(session);
    reply(session, 454, "4.7.0", "too many failures to authenticate; come again later");
}

static void fail(session_t *session)
{
    zm_str_t user = zm_buf_str(&session->auth.user);
    session_note(session, "-- authentication failed: user %.*s, mechanism %s", (int)user.length,
                 user.data, config_mechanisms[session->auth.mechanism]);
    zm_log(ZM_LOG_NOTICE, NULL, "authentication failed", ZM_F_S("session", session->tag),
           ZM_F_S("client", session->client_text), ZM_F_N("user", user),
           ZM_F_S("mechanism", config_mechanisms[session->auth.mechanism]));
    refuse(session, 535, "5.7.8", "Authentication credentials invalid");
}

static void succeed(session_t *session)
{
    session_auth_t *auth = &session->auth;
    zm_str_t user = zm_buf_str(&auth->user);
    zm_buf_clear(&auth->known);
    zm_buf_add_str(&auth->known, user);
    session->policy.authenticated = true;
    session_note(session, "-- authenticated: user %.*s, mechanism %s", (int)user.length, user.data,
                 config_mechanisms[auth->mechanism]);
    zm_log(ZM_LOG_INFO, NULL, "authenticated", ZM_F_S("session", session->tag),
           ZM_F_S("client", session->client_text), ZM_F_N("user", user),
           ZM_F_S("mechanism", config_mechanisms[auth->mechanism]));
    end_exchange(session);
    reply(session, 235, "2.7.0", "Authentication successful");
}

/* -- asking the verifiers ------------------------------------------------------------------------
 */

static void on_answer(const inquiry_answer_t *answer, void *baton)
{
    session_t *session = baton;
    session->depth++;
    session->waiting = false;
    if (!session->over)
        session->heard(session, answer);
    if (!session->waiting)
        session_go_on(session);
    session->depth--;
    session_settle(session);
}

static void add_word(zm_buf_t *question, zm_str_t bytes)
{
    zm_buf_add_byte(question, ' ');
    zm_sasl_encode(question, bytes.data, bytes.length);
}

/* "GROUP USER FIRST SECOND", what is in it encoded. */
static void ask(session_t *session, const char *key, zm_str_t first, zm_str_t second,
                void (*then)(session_t *session, const inquiry_answer_t *answer))
{
    zm_buf_t question = ZM_BUF_INIT;
    zm_str_t user = zm_buf_str(&session->auth.user);
    if (failed_too_often(session, user)) {
        put_off(session);
        return;
    }
    if (!zm_secret_user(user)) {
        fail(session);
        return;
    }
    zm_buf_printf(&question, "%d", session->group->number);
    add_word(&question, user);
    if (first.length > 0)
        add_word(&question, first);
    if (second.length > 0)
        add_word(&question, second);
    session->heard = then;
    inquiry_put(&session->inquiry, session->server->verifiers, key, zm_buf_str(&question),
                on_answer, session);
    zm_buf_free_secret(&question);
    session_wait(session);
}

/* What the verifiers have said; 0: nothing that helps. */
static int read_answer(const inquiry_answer_t *answer, inquiry_line_t *line)
{
    if (answer->failed || !inquiry_last_line(answer->text, line))
        return 0;
    return line->code;
}

/* False: it is not known whether the client is right, and it has been told so. */
static bool is_judged(session_t *session, int code)
{
    if (code == 235 || code == 250 || code == 535 || code == 550)
        return true;
    end_exchange(session);
    session->auth.leaks = LEAKS;
    reply(session, 454, "4.7.0", "Temporary authentication failure; try again later");
    return false;
}

static void on_password_judged(session_t *session, const inquiry_answer_t *answer)
{
    inquiry_line_t line = {.code = 0};
    int code = read_answer(answer, &line);
    if (!is_judged(session, code))
        return;
    if (code == 235)
        succeed(session);
    else
        fail(session);
}

static void check_password(session_t *session, zm_str_t password)
{
    if (password.length == 0 || password.length > ZM_SECRET_PASSWORD)
        fail(session);
    else
        ask(session, "plain", password, ZM_S(""), on_password_judged);
}

/* -- questions to the client ----------------------------------------------------------------------
 */

static void challenge(session_t *session, session_auth_step_t step, zm_str_t text)
{
    zm_buf_t encoded = ZM_BUF_INIT;
    zm_sasl_encode(&encoded, text.data, text.length);
    session->auth.step = step;
    reply(session, 334, NULL, "%s", zm_buf_c(&encoded));
    zm_buf_free(&encoded);
}

static void bad_response(session_t *session)
{
    refuse(session, 501, "5.5.2", "that is not what the mechanism wants, in base64");
}

/* -- PLAIN and LOGIN ------------------------------------------------------------------------------
 */

/* "[IDENTITY] NUL USER NUL PASSWORD"; nobody acts for another. */
static void take_plain(session_t *session, zm_str_t message)
{
    zm_str_t identity, user, password;
    if (!zm_str_cut(message, '\0', &identity, &user) || !zm_str_cut(user, '\0', &user, &password)) {
        bad_response(session);
        return;
    }
    zm_buf_add_str(&session->auth.user, user);
    if (identity.length > 0 && !zm_str_equal(identity, user))
        fail(session);
    else
        check_password(session, password);
}

static void take_user(session_t *session, zm_str_t user)
{
    zm_buf_add_str(&session->auth.user, user);
    challenge(session, AUTH_LOGIN_PASSWORD, zm_str(session->group->auth.password_prompt));
}

/* -- SCRAM
 * -------------------------------------------------------------------------------------------
 */

/* "SALT ITERATIONS" */
static bool read_salt(zm_str_t text, zm_buf_t *salt, uint64_t *iterations)
{
    zm_str_t word;
    return zm_str_word(&text, &word) && zm_sasl_decode(salt, word) == APR_SUCCESS &&
           zm_str_word(&text, &word) && zm_str_u64(word, iterations) == APR_SUCCESS &&
           *iterations <= ZM_SCRAM_MOST_ITERATIONS;
}

static void on_salt(session_t *session, const inquiry_answer_t *answer)
{
    inquiry_line_t line = {.code = 0};
    int code = read_answer(answer, &line);
    zm_buf_t salt = ZM_BUF_INIT, nonce = ZM_BUF_INIT;
    uint64_t iterations;
    if (is_judged(session, code)) {
        if (code != 250 || !read_salt(line.text, &salt, &iterations) ||
            zm_scram_nonce(&nonce) != APR_SUCCESS)
            fail(session);
        else
            challenge(session, AUTH_SCRAM_LAST,
                      zm_scram_server_challenge(session->auth.scram, zm_buf_str(&salt),
                                                (int)iterations, zm_buf_str(&nonce)));
    }
    zm_buf_free(&salt);
    zm_buf_free(&nonce);
}

static void take_first(session_t *session, zm_str_t message)
{
    session_auth_t *auth = &session->auth;
    auth->scram = calloc(1, sizeof *auth->scram);
    if (auth->scram == NULL) {
        bad_response(session);
        return;
    }
    auth->scram->plus = auth->mechanism == AUTH_SCRAM_PLUS;
    auth->scram->plus_here = (offered(session) & PLUS) != 0;
    if (zm_scram_server_first(auth->scram, message) != APR_SUCCESS) {
        bad_response(session);
        return;
    }
    zm_buf_add_str(&auth->user, zm_buf_str(&auth->scram->user));
    ask(session, "first", ZM_S(""), ZM_S(""), on_salt);
}

static void on_proof_judged(session_t *session, const inquiry_answer_t *answer)
{
    inquiry_line_t line = {.code = 0};
    int code = read_answer(answer, &line);
    zm_buf_t text = ZM_BUF_INIT;
    if (!is_judged(session, code))
        return;
    if (code != 235) {
        fail(session);
        return;
    }
    zm_buf_add_c(&text, "v=");
    zm_buf_add_str(&text, zm_str_trim(line.text));
    challenge(session, AUTH_SCRAM_DONE, zm_buf_str(&text));
    zm_buf_free(&text);
}

static void take_last(session_t *session, zm_str_t message)
{
    unsigned char binding[ZM_TLS_BINDING], proof[ZM_SCRAM_KEY];
    zm_buf_t about = ZM_BUF_INIT;
    zm_str_t bound = ZM_S("");
    apr_status_t status;
    if (session->auth.scram->plus && binding_of(session, binding))
        bound = zm_str_of((char *)binding, sizeof binding);
    status = zm_scram_server_last(session->auth.scram, message, bound, &about, proof);
    if (status == APR_SUCCESS)
        ask(session, "last", zm_buf_str(&about), zm_str_of((char *)proof, sizeof proof),
            on_proof_judged);
    else if (status == ZM_E_SYNTAX)
        bad_response(session);
    else
        fail(session);
    zm_buf_free(&about);
}

/* -- the exchange
 * ----------------------------------------------------------------------------------- */

static void take_response(session_t *session, zm_str_t message)
{
    switch (session->auth.step) {
    case AUTH_LOGIN_USER:
        take_user(session, message);
        break;
    case AUTH_LOGIN_PASSWORD:
        check_password(session, message);
        break;
    case AUTH_PLAIN_ALL:
        take_plain(session, message);
        break;
    case AUTH_SCRAM_FIRST:
        take_first(session, message);
        break;
    case AUTH_SCRAM_LAST:
        take_last(session, message);
        break;
    case AUTH_SCRAM_DONE:
        if (message.length == 0)
            succeed(session);
        else
            bad_response(session);
        break;
    case AUTH_IDLE:
        break;
    }
}

static void decode_response(session_t *session, zm_str_t line)
{
    zm_buf_t message = ZM_BUF_INIT;
    if (zm_sasl_decode(&message, line) == APR_SUCCESS)
        take_response(session, zm_buf_str(&message));
    else
        bad_response(session);
    zm_buf_free_secret(&message);
}

bool auth_input(session_t *session)
{
    zm_line_t line;
    apr_status_t status = zm_stream_line(session->stream, &line);
    if (APR_STATUS_IS_EAGAIN(status))
        return false;
    if (APR_STATUS_IS_EOF(status) || (status == APR_SUCCESS && line.end == ZM_LINE_EOF)) {
        end_exchange(session);
        reply(session, 501, "5.7.0", "Authentication broken off");
        session_finish(session, "connection closed while authenticating");
        return false;
    }
    session_await_command(session);
    if (status == ZM_E_LIMIT) {
        refuse(session, 500, "5.5.6", "the line is too long");
        return true;
    }
    if (zm_str_equal_c(line.text, "*")) {
        session_log(session, 'r', line.text);
        end_exchange(session);
        reply(session, 501, "5.7.0", "Authentication cancelled");
        return true;
    }
    session_log(session, 'r', zm_str(hidden(session)));
    decode_response(session, line.text);
    return true;
}

/* -- the command ---------------------------------------------------------------------------------
 */

/* initial: what came with the command, "=" for an empty response; "": nothing did. */
static void begin(session_t *session, int mechanism, zm_str_t initial)
{
    static const session_auth_step_t steps[] = {AUTH_SCRAM_FIRST, AUTH_SCRAM_FIRST, AUTH_PLAIN_ALL,
                                                AUTH_LOGIN_USER};
    session->auth.mechanism = mechanism;
    session->auth.step = steps[mechanism];
    session->auth.leaks = 0;
    if (initial.length > 0)
        decode_response(session, zm_str_equal_c(initial, "=") ? ZM_S("") : initial);
    else if (mechanism == AUTH_LOGIN)
        challenge(session, AUTH_LOGIN_USER, zm_str(session->group->auth.user_prompt));
    else
        challenge(session, session->auth.step, ZM_S(""));
}

/* Whether the client may try at all; else it has been answered. */
static bool may_try(session_t *session)
{
    if (session->state == SESSION_HELLO)
        refuse(session, 503, "5.5.1", "say EHLO first");
    else if (session->transaction != NULL)
        refuse(session, 503, "5.5.1", "not within a message");
    else if (session->auth.known.length > 0)
        refuse(session, 503, "5.5.1", "you have said who you are");
    else if (failed_too_often(session, ZM_S("")))
        put_off(session);
    else
        return true;
    return false;
}

void command_auth(session_t *session, zm_str_t arguments, apr_size_t column)
{
    zm_str_t rest = arguments, name;
    int mechanism;
    (void)column;
    if (is_banned(session)) {
        session->tarpit += session->tarpit * session->group->tarpit_exponent; /* as for two */
        refuse(session, 503, "5.5.1", "no authentication here: use the submission port");
        return;
    }
    if (!may_try(session))
        return;
    mechanism = zm_str_word(&rest, &name) ? find(name) : -1;
    if (mechanism < 0 || (session->group->auth.mechanisms & 1u << mechanism) == 0)
        refuse(session, 504, "5.5.4", "there is no such mechanism");
    else if ((IN_CLEAR & 1u << mechanism) != 0 && !may_send_passwords(session))
        refuse(session, 538, "5.7.11", "Encryption required for that mechanism: STARTTLS first");
    else if ((offered(session) & 1u << mechanism) == 0)
        refuse(session, 504, "5.5.4", "that mechanism cannot be used on this connection");
    else
        begin(session, mechanism, zm_str_trim(rest));
}
