/* MAIL and RCPT: the envelope of a message, from its sender to its last recipient. */
#include <apr_strings.h>
#include <string.h>

#include "mta/mail/dsn_address.h"
#include "mta/net/idn.h"
#include "mta/smtpserver/auth.h"
#include "mta/smtpserver/count.h"
#include "mta/smtpserver/starttls.h"
#include "platform/clock.h"
#include "platform/log.h"

#define HELO_LIMIT 199 /* bytes of the greeting that a message carries */
#define BEYOND_ASCII "an address beyond ASCII needs SMTPUTF8 behind MAIL"
#define REFUSED_LIMIT 4096 /* bytes about refused recipients that a message carries */

/* -- the transaction ---------------------------------------------------------------------- */

static transaction_t *begin(session_t *session)
{
    apr_pool_t *pool;
    transaction_t *made;
    if (apr_pool_create(&pool, session->pool) != APR_SUCCESS)
        return NULL;
    made = apr_pcalloc(pool, sizeof *made);
    made->pool = pool;
    session->transaction = made;
    return made;
}

void transaction_end(session_t *session)
{
    transaction_t *transaction = session->transaction;
    if (transaction == NULL)
        return;
    if (transaction->milters)
        milters_abort(session);
    session->transaction = NULL;
    authres_cancel(transaction->authres);
    if (transaction->submission != NULL)
        zm_submit_abort(transaction->submission);
    zm_buf_free(&transaction->command);
    zm_buf_free(&transaction->refused);
    zm_buf_free(&transaction->fields);
    zm_buf_free(&transaction->hooked_text);
    zm_buf_free(&transaction->outcome.text);
    apr_pool_destroy(transaction->pool);
    if (session->state != SESSION_HELLO)
        session->state = SESSION_READY;
}

void transaction_fail(transaction_t *transaction, apr_status_t status)
{
    if (transaction->submission != NULL)
        zm_submit_abort(transaction->submission);
    transaction->submission = NULL;
    if (transaction->failure == APR_SUCCESS)
        transaction->failure = status;
}

static const char *protocol(const session_t *session)
{
    static const char *const utf8[] = {"UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA"};
    static const char *const lmtp[] = {"LMTP", "LMTPS", "LMTPA", "LMTPSA"};
    static const char *const esmtp[] = {"ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"};
    int index = (session->tls == SESSION_TLS_ON ? 1 : 0) + (session->auth.known.length > 0 ? 2 : 0);
    if (session->batch)
        return "BSMTP";
    if (session->transaction->mail.smtputf8) /* RFC 6531, 4.3 */
        return utf8[index];
    if (session->lmtp)
        return lmtp[index];
    return session->greeted_ehlo ? esmtp[index] : "SMTP";
}

/* The file begins with the first recipient: what is refused before leaves no trace on the disk. */
static apr_status_t begin_submission(session_t *session)
{
    transaction_t *transaction = session->transaction;
    zm_submit_options_t options = {.uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    envelope_head_t head = {
        .client = session->options.client.ip.family != 0 ? &session->options.client : NULL,
        .helo = zm_buf_str(&session->helo),
        .helo_good = session->helo_good,
        .with = protocol(session),
        .user = zm_buf_str(&session->auth.known),
        .tell_auth = session->group->rcvd_auth,
        .tell_tls = session->group->rcvd_tls,
        .tell_tls_peer = session->group->rcvd_tls_peer,
        .sender = transaction->sender,
        .mail = transaction->mail};
    zm_tls_info_t tls;
    zm_buf_t cipher = ZM_BUF_INIT;
    apr_status_t status;
    if (session->peer != NULL) {
        head.facts = peer_facts(session->peer);
        session_note(session, "-- the client is %s%s",
                     head.facts.name != NULL ? head.facts.name : "without a name",
                     head.facts.verified == PEER_OK ? ", and that name is its own" : "");
    }
    if (head.helo.length > HELO_LIMIT)
        head.helo.length = HELO_LIMIT;
    status = zm_submit_begin(&transaction->submission, session->server->submitter, &options);
    if (status != APR_SUCCESS) {
        transaction->submission = NULL;
        return status;
    }
    if (authres_wanted(session))
        head.authres = &transaction->authres_at;
    starttls_describe(session, &head, &tls, &cipher);
    status = envelope_head(transaction->submission, &head);
    zm_buf_free(&cipher);
    return status;
}

/* -- what both commands share ---------------------------------------------------------------- */

static bool strict(const session_t *session)
{
    return (session->style & PATTERN_FULL) || session->server->strictness > 0;
}

static bool sloppy(const session_t *session)
{
    return (session->style & PATTERN_SLOPPY) || session->server->strictness < 0;
}

static int path_flags(const session_t *session)
{
    int beyond = session_goes_beyond(session) ? ZM_PATH_BEYOND : 0;
    if (sloppy(session))
        return ZM_PATH_SLOPPY | beyond;
    return (strict(session) ? ZM_PATH_FULL : 0) | beyond;
}

bool session_requires_tls(const session_t *session)
{
    return session->group->require_tls && session->tls == SESSION_TLS_ON;
}

bool session_goes_beyond(const session_t *session)
{
    return session->group->smtputf8 && session->group->eight_bit && session->greeted_ehlo;
}

/* beyond: SMTPUTF8 may be said, or has been. */
static int parameter_flags(const session_t *session, bool beyond)
{
    return (session->group->dsn ? PARAMETERS_DSN : 0) |
           (session->group->eight_bit ? PARAMETERS_8BITMIME : 0) |
           (session->group->deliver_by >= 0 ? PARAMETERS_DELIVERBY : 0) |
           (beyond ? PARAMETERS_SMTPUTF8 : 0) |
           (session_requires_tls(session) ? PARAMETERS_REQUIRETLS : 0) |
           (auth_is_here(session) ? PARAMETERS_AUTH : 0) |
           (strict(session) ? PARAMETERS_STRICT : 0) | (sloppy(session) ? PARAMETERS_SLOPPY : 0);
}

static zm_str_t from(zm_str_t text, apr_size_t at)
{
    return zm_str_from(text, at);
}

/* Where the path begins in "FROM:<...>"; false: the words are not there. */
static bool path_start(const session_t *session, zm_str_t arguments, zm_str_t word, apr_size_t *at)
{
    if (!zm_str_starts_nocase(arguments, word))
        return false;
    *at = word.length;
    if (session->server->strictness <= 0)
        while (*at < arguments.length && zm_is_blank(arguments.data[*at]))
            ++*at;
    return true;
}

static void out_of_order(session_t *session, const char *text)
{
    session_tarpit(session);
    command_error(session, 503, "5.5.1", text);
}

static void bad_syntax(session_t *session, int code, const char *enhanced, apr_size_t column,
                       const char *reason, zm_str_t input)
{
    session->errors++;
    reply_syntax(session, code, enhanced, column, reason, input);
}

/* Domains are known by their A-labels from here on. */
static bool bring_to_ascii(const session_t *session, zm_smtp_path_t *path, zm_str_t text,
                           zm_smtp_problem_t *problem)
{
    apr_pool_t *pool = session->transaction->pool;
    zm_str_t domain = path->domain;
    path->route = zm_idn_ascii(path->route, pool);
    path->domain = zm_idn_ascii(domain, pool);
    if (zm_dsn_is_ascii(path->route) && zm_dsn_is_ascii(path->domain))
        return true;
    problem->text = "there can be no such domain";
    problem->at = domain.length > 0 ? (apr_size_t)(domain.data - text.data) : 0;
    return false;
}

/* Whether an address goes beyond ASCII without leave to. */
static bool needs_smtputf8(const session_t *session, zm_str_t text, const zm_smtp_path_t *path)
{
    return !session->transaction->mail.smtputf8 &&
           !zm_dsn_is_ascii(zm_str_of(text.data, path->end));
}

/* A path and what may follow it directly. */
static bool read_path(session_t *session, zm_str_t text, int flags, zm_smtp_path_t *path,
                      zm_smtp_problem_t *problem)
{
    if (!zm_smtp_path(text, flags, path, problem))
        return false;
    if (path->end < text.length && !zm_is_blank(text.data[path->end])) {
        problem->text = "garbage behind the path";
        problem->at = path->end;
        return false;
    }
    session->source_route_cut = path->route.length > 0 && !session->server->config->source_route;
    if (session->source_route_cut)
        path->route = zm_str_of("", 0);
    return bring_to_ascii(session, path, text, problem);
}

static const char *route_note(const session_t *session)
{
    return session->source_route_cut ? "; the source route is ignored" : "";
}

/* "Sender <ADDRESS> ok", or what the router says in place of "ok" */
static void reply_accepted(session_t *session, const char *who, const char *enhanced,
                           zm_str_t address, const inquiry_line_t *answer)
{
    zm_str_t text = answer != NULL && answer->text.length > 0 ? answer->text : ZM_S("ok");
    if (answer != NULL && answer->enhanced[0] == '2' && strcmp(answer->enhanced, "2.0.0") != 0)
        enhanced = answer->enhanced;
    reply(session, 250, enhanced, "%s <%.*s> %.*s%s", who, (int)address.length, address.data,
          (int)text.length, text.data, route_note(session));
}

/* -- MAIL ------------------------------------------------------------------------------------ */

/* Room for what SIZE= announces.  False: the reply has been made. */
static bool check_size(session_t *session, uint64_t size, uint64_t sum)
{
    server_t *server = session->server;
    uint64_t limit = (uint64_t)session_max_size(session);
    if (limit > 0 && size > limit) {
        session_tarpit(session);
        reply(session, 552, "5.3.4", "the message is too big: the limit is %llu octets",
              (unsigned long long)limit);
        return false;
    }
    if (space_usable(&server->space) <= sum) {
        session_tarpit(session);
        reply(session, 452, "4.3.1", "not enough space for this message now; try again later");
        return false;
    }
    return true;
}

/* What a milter says of a sender or recipient that it does not want. */
static void reply_milter(session_t *session, const milters_verdict_t *verdict, const char *what,
                         zm_str_t address)
{
    zm_buf_t text = ZM_BUF_INIT;
    apr_size_t i;
    zm_buf_add_str(&text, verdict->text);
    for (i = 0; i < text.length; i++)
        if (text.data[i] == '\r')
            text.data[i] = ' ';
    session_tarpit(session);
    reply(session, verdict->code, verdict->enhanced, "%s %s=<%.*s>: %s", session->client_text, what,
          (int)address.length, address.data, zm_buf_c(&text));
    zm_buf_free(&text);
}

static void take_sender(session_t *session, const inquiry_line_t *answer)
{
    transaction_t *transaction = session->transaction;
    transaction->announced = transaction->mail.size;
    session->state = SESSION_RECIPIENT;
    reply_accepted(session, "Sender", "2.1.0", transaction->sender, answer);
}

static void on_sender_milters(session_t *session, const milters_verdict_t *verdict)
{
    if (verdict->accepted) {
        take_sender(session, NULL);
        return;
    }
    reply_milter(session, verdict, "mail from", session->transaction->sender);
    transaction_end(session);
    session->sender_refused = verdict->code >= 500;
}

/* The sender may send; answer: what the router says, if it was asked. */
static void accept_sender(session_t *session, const inquiry_line_t *answer)
{
    transaction_t *transaction = session->transaction;
    if (!check_size(session, transaction->mail.size, transaction->mail.size)) {
        transaction_end(session);
        return;
    }
    transaction->milters = milters_wanted(session);
    if (transaction->milters)
        milters_mail(session, on_sender_milters);
    else
        take_sender(session, answer);
}

static void on_sender_heard(session_t *session, const inquiry_answer_t *answer)
{
    referral_t referral = referral_read(session, answer);
    if (referral.accepted) {
        accept_sender(session, referral.answered ? &referral.line : NULL);
        return;
    }
    referral_refuse(session, &referral, answer);
    transaction_end(session);
    session->sender_refused = referral.answered && referral.line.code / 100 == 5;
}

static void on_sender_verdict(session_t *session, const policy_verdict_t *verdict)
{
    transaction_t *transaction = session->transaction;
    if (verdict->result != POLICY_ACCEPT) {
        session_note(session, "-- policy result=%d, msg: %s", verdict->code, verdict->text);
        session_tarpit(session);
        reply_contact(session, verdict->code, verdict->enhanced);
        reply(session, verdict->code, verdict->enhanced, "%s mail from=<%.*s>: %s",
              session->client_text, (int)transaction->sender.length, transaction->sender.data,
              verdict->text);
        transaction_end(session);
        session->sender_refused = verdict->result == POLICY_REFUSE;
        return;
    }
    if (referral_of_sender(session))
        session_inquire(session, "from", referral_address(session, transaction->sender),
                        on_sender_heard);
    else
        accept_sender(session, NULL);
}

/* Reads the arguments, which have been copied to the transaction.  False: the reply has been made.
 */
static bool read_mail(session_t *session, zm_str_t arguments, apr_size_t column)
{
    transaction_t *transaction = session->transaction;
    zm_smtp_path_t *path = &transaction->sender_path;
    zm_smtp_problem_t problem;
    parameter_problem_t parameter;
    apr_size_t at = 0;
    zm_str_t text;
    if (!path_start(session, arguments, ZM_S("FROM:"), &at)) {
        session_tarpit(session);
        bad_syntax(session, 501, "5.5.2", column, "expected FROM:<ADDRESS> behind MAIL", arguments);
        return false;
    }
    text = from(arguments, at);
    if (!read_path(session, text, path_flags(session), path, &problem)) {
        session_tarpit(session);
        bad_syntax(session, 501, "5.1.7", column + at + problem.at, problem.text, text);
        return false;
    }
    if (!parameters_of_mail(&transaction->mail, from(text, path->end),
                            parameter_flags(session, session_goes_beyond(session)), &parameter)) {
        session_tarpit(session);
        bad_syntax(session, parameter.code, parameter.enhanced,
                   column + at + path->end + parameter.at, parameter.text, text);
        return false;
    }
    if (needs_smtputf8(session, text, path)) {
        session_tarpit(session);
        bad_syntax(session, 553, "5.6.7", column + at, BEYOND_ASCII, text);
        return false;
    }
    if (transaction->mail.by_mode == 'R' && transaction->mail.by < session->group->deliver_by) {
        session_tarpit(session);
        bad_syntax(session, 501, "5.5.4", column + at + path->end,
                   "BY is earlier than the least time that EHLO tells", text);
        return false;
    }
    count_mail(session, &transaction->mail);
    transaction->deadline = apr_time_sec(zm_clock_wall()) + transaction->mail.by;
    transaction->sender = zm_smtp_path_address(path, true, transaction->pool);
    return true;
}

void command_mail(session_t *session, zm_str_t arguments, apr_size_t column)
{
    transaction_t *transaction = session->transaction;
    if (session->state == SESSION_HELLO) {
        out_of_order(session, "say HELO or EHLO first");
        return;
    }
    if (session->state == SESSION_CHUNKS && transaction->chunk_refused)
        transaction_end(session); /* it has failed, and the client knows (RFC 3030, 2) */
    if (session->state != SESSION_READY) {
        out_of_order(session, "the sender is known already; RCPT or DATA comes next");
        return;
    }
    session->sender_refused = false;
    transaction = begin(session);
    if (transaction == NULL) {
        reply(session, 452, "4.3.0", "out of memory; try again later");
        return;
    }
    if (read_mail(session, zm_str_copy(transaction->pool, arguments), column))
        session_ask(session, POLICY_SENDER, on_sender_verdict);
    else
        transaction_end(session);
}

/* -- RCPT ------------------------------------------------------------------------------------ */

static void note_refusal(session_t *session, const policy_verdict_t *verdict, zm_str_t address)
{
    zm_buf_t *refused = &session->transaction->refused;
    session->server->refused_recipients++;
    zm_log(ZM_LOG_INFO, NULL, "recipient refused", ZM_F_S("session", session->tag),
           ZM_F_S("client", session->client_text), ZM_F_N("from", session->transaction->sender),
           ZM_F_N("to", address), ZM_F_I("code", verdict->code), ZM_F_S("reason", verdict->text));
    if (refused->length + address.length > REFUSED_LIMIT)
        return;
    zm_buf_add_c(refused, "refused recipient: ");
    envelope_quote(refused, address);
    zm_buf_add_byte(refused, '\n');
}

static apr_status_t write_recipient(session_t *session, zm_str_t address)
{
    transaction_t *transaction = session->transaction;
    envelope_deadline_t deadline = {.mode = transaction->mail.by_mode,
                                    .trace = transaction->mail.by_trace,
                                    .at = transaction->deadline};
    zm_buf_t *todsn = &session->server->scratch;
    apr_status_t status = APR_SUCCESS;
    if (transaction->failure != APR_SUCCESS)
        return transaction->failure;
    if (transaction->submission == NULL)
        status = begin_submission(session);
    zm_buf_clear(todsn);
    envelope_todsn(todsn, &transaction->rcpt, session->group->never_notify, &deadline, address,
                   transaction->sender);
    if (transaction->mail.require_tls)
        zm_buf_add_c(todsn, " REQUIRETLS=YES");
    if (status == APR_SUCCESS)
        status = zm_submit_line(transaction->submission, "todsn", zm_buf_str(todsn));
    if (status == APR_SUCCESS)
        status = zm_submit_line(transaction->submission, "to", address);
    if (status != APR_SUCCESS)
        transaction_fail(transaction, status);
    return status;
}

static void take_recipient(session_t *session, zm_str_t address, const inquiry_line_t *answer)
{
    transaction_t *transaction = session->transaction;
    apr_status_t status = write_recipient(session, address);
    if (status != APR_SUCCESS) {
        reply_spool_failure(session, status);
        return;
    }
    transaction->accepted++;
    if (session->server->config->sum_size)
        transaction->announced += transaction->mail.size;
    session->state = SESSION_RECIPIENT_OR_DATA;
    reply_accepted(session, "Recipient", "2.1.5", address, answer);
}

static void on_recipient_milters(session_t *session, const milters_verdict_t *verdict)
{
    apr_pool_t *pool = session->server->scratch_pool;
    policy_verdict_t told = {.result = POLICY_REFUSE, .code = verdict->code, .text = "milter"};
    zm_str_t address;
    apr_pool_clear(pool);
    address = zm_smtp_path_address(&session->transaction->recipient, true, pool);
    if (verdict->accepted) {
        take_recipient(session, address, NULL);
        return;
    }
    note_refusal(session, &told, address);
    reply_milter(session, verdict, "rcpt", address);
}

/* answer: what the router says, if it was asked. */
static void accept_recipient(session_t *session, zm_str_t address, const inquiry_line_t *answer)
{
    transaction_t *transaction = session->transaction;
    if (!check_size(session, transaction->mail.size, transaction->announced))
        return;
    if (data_is_spray(session)) {
        session_tarpit(session);
        reply(session, 552, "5.7.1", "too many recipients for a message without sender");
        return;
    }
    if (transaction->milters)
        milters_rcpt(session, address, on_recipient_milters);
    else
        take_recipient(session, address, answer);
}

static void on_recipient_heard(session_t *session, const inquiry_answer_t *answer)
{
    referral_t referral = referral_read(session, answer);
    apr_pool_t *pool = session->server->scratch_pool;
    policy_verdict_t verdict = {.result = POLICY_REFUSE, .code = 451, .text = "not answered"};
    zm_str_t address;
    apr_pool_clear(pool);
    address = zm_smtp_path_address(&session->transaction->recipient, true, pool);
    if (referral.accepted) {
        accept_recipient(session, address, referral.answered ? &referral.line : NULL);
        return;
    }
    if (referral.answered) {
        verdict.code = referral.line.code;
        verdict.text = zm_str_c(pool, referral.line.text);
    }
    note_refusal(session, &verdict, address);
    referral_refuse(session, &referral, answer);
}

static void on_recipient_verdict(session_t *session, const policy_verdict_t *verdict)
{
    transaction_t *transaction = session->transaction;
    apr_pool_t *pool = session->server->scratch_pool;
    zm_str_t address;
    apr_pool_clear(pool);
    address = zm_smtp_path_address(&transaction->recipient, true, pool);
    if (verdict->result == POLICY_ACCEPT) {
        if (referral_of_recipient(session))
            session_inquire(session, "to", referral_address(session, address), on_recipient_heard);
        else
            accept_recipient(session, address, NULL);
        return;
    }
    note_refusal(session, verdict, address);
    session_tarpit(session);
    reply_contact(session, verdict->code, verdict->enhanced);
    reply(session, verdict->code, verdict->enhanced, "%s rcpt=<%.*s>: %s", session->client_text,
          (int)address.length, address.data, verdict->text);
}

/* What the domain name service knows of the client is known now. */
static void on_peer(void *baton)
{
    session_t *session = baton;
    session->depth++;
    session->waiting = false;
    if (!session->over)
        session_ask(session, POLICY_RECIPIENT, on_recipient_verdict);
    if (!session->waiting)
        session_go_on(session);
    session->depth--;
    session_settle(session);
}

/* As read_mail. */
static bool read_rcpt(session_t *session, zm_str_t arguments, apr_size_t column)
{
    transaction_t *transaction = session->transaction;
    zm_smtp_path_t *path = &transaction->recipient;
    zm_smtp_problem_t problem;
    parameter_problem_t parameter;
    apr_size_t at = 0;
    zm_str_t text;
    if (!path_start(session, arguments, ZM_S("TO:"), &at)) {
        session_tarpit(session);
        bad_syntax(session, 501, "5.5.2", column, "expected TO:<ADDRESS> behind RCPT", arguments);
        return false;
    }
    text = from(arguments, at);
    if (!read_path(session, text, path_flags(session) | ZM_PATH_POSTMASTER, path, &problem)) {
        bad_syntax(session, 501, "5.1.3", column + at + problem.at, problem.text, text);
        return false;
    }
    if (path->local.length == 0) {
        session_tarpit(session);
        bad_syntax(session, 501, "5.1.3", column + at, "the null address is valid only as a sender",
                   text);
        return false;
    }
    if (!parameters_of_rcpt(&transaction->rcpt, from(text, path->end),
                            parameter_flags(session, transaction->mail.smtputf8), &parameter)) {
        session_tarpit(session);
        bad_syntax(session, parameter.code, parameter.enhanced,
                   column + at + path->end + parameter.at, parameter.text, text);
        return false;
    }
    if (needs_smtputf8(session, text, path)) {
        session_tarpit(session);
        bad_syntax(session, 553, "5.6.7", column + at, BEYOND_ASCII, text);
        return false;
    }
    count_rcpt(session, &transaction->rcpt);
    return true;
}

void command_rcpt(session_t *session, zm_str_t arguments, apr_size_t column)
{
    transaction_t *transaction = session->transaction;
    if (session->sender_refused) {
        session_tarpit(session);
        reply(session, 550, "5.7.1", "denied by the earlier rejection of the sender");
        return;
    }
    if (transaction == NULL) {
        out_of_order(session, session->state == SESSION_HELLO ? "say HELO or EHLO first"
                                                              : "MAIL comes before RCPT");
        return;
    }
    if (session->state == SESSION_CHUNKS) {
        out_of_order(session, "the message has begun; BDAT LAST comes next");
        return;
    }
    if (++transaction->attempts > session->group->recipients) {
        session_tarpit(session);
        reply(session, 452, "4.5.3", "too many recipients; send the rest in another message");
        return;
    }
    zm_buf_clear(&transaction->command);
    zm_buf_add_str(&transaction->command, arguments);
    if (!read_rcpt(session, zm_buf_str(&transaction->command), column))
        return;
    if (session->peer == NULL || peer_is_known(session->peer)) {
        session_ask(session, POLICY_RECIPIENT, on_recipient_verdict);
    } else {
        session_wait(session);
        peer_wait(session->peer, on_peer, session);
    }
}
