/*
 * DATA: the message on its way from the wire to the spool.
 *
 * What has come in is decoded (CRLF to LF, dots) and handed on at once, so a
 * message of any size takes no memory of ours.  A message that will be refused is
 * read to its end all the same, without being kept.
 *
 * After the final dot the submission is committed.  The session waits, and so do
 * commands that were sent ahead; other sessions go on, and commits that are
 * under way together share their trip to the disk.  The reply that makes the
 * message ours is sent when the spool has said that it is durable, not before.
 * A crash before that leaves nothing visible, and the client sends again; a crash
 * after it may make the client send a second time, never lose the message.
 */
#include <apr_strings.h>

#include "mta/smtpserver/count.h"
#include "mta/smtpserver/rates.h"
#include "platform/clock.h"
#include "platform/log.h"
#include "spool/layout.h"

#define SPACE_STEP 1048576 /* octets of one message between looks at the free space */

/* -- before ---------------------------------------------------------------------------- */

static apr_status_t finish_envelope(session_t *session)
{
    transaction_t *transaction = session->transaction;
    zm_str_t rest = zm_buf_str(&transaction->refused), comment;
    apr_status_t status = APR_SUCCESS;
    while (status == APR_SUCCESS && zm_str_cut(rest, '\n', &comment, &rest))
        status = zm_submit_line(transaction->submission, "comment", comment);
    if (status == APR_SUCCESS && session->policy.freeze)
        status = zm_submit_line(transaction->submission, "comment", ZM_S("policy: set aside"));
    if (status == APR_SUCCESS)
        status = zm_submit_env_end(transaction->submission);
    return status;
}

static zm_bare_lf_t bare_lf(const session_t *session)
{
    return session->server->config->bare_newline == NEWLINE_REJECT && !session->server->local
               ? ZM_BARE_LF_DROP
               : ZM_BARE_LF_LINE;
}

static void wrong_state(session_t *session)
{
    const char *hint = session->state == SESSION_HELLO    ? "say HELO or EHLO first"
                       : session->state == SESSION_READY  ? "MAIL and RCPT come before DATA"
                       : session->state == SESSION_CHUNKS ? "DATA does not go together with BDAT"
                                                          : "no valid recipients";
    transaction_end(session);
    command_error(session, 503, "5.5.2", hint);
}

bool data_is_spray(const session_t *session)
{
    const transaction_t *transaction = session->transaction;
    return transaction->sender.length == 0 &&
           transaction->attempts > session->group->error_recipients;
}

static void refuse_spray(session_t *session)
{
    reply(session, 550, "5.7.1", "too many recipients for a message without sender");
}

/* What was submitted here says so. */
static apr_status_t add_comment(const session_t *session)
{
    zm_buf_t *line = &session->server->scratch;
    zm_buf_clear(line);
    zm_buf_printf(line, "X-Comment: mail submission at %s from %s, ", session->server->hostname,
                  session->client_text);
    if (session->auth.known.length > 0) {
        zm_buf_add_c(line, "authenticated as ");
        envelope_quote(line, zm_buf_str(&session->auth.known));
        zm_buf_add_byte(line, '\n');
    } else {
        zm_buf_add_c(line, "not authenticated\n");
    }
    return zm_submit_write(session->transaction->submission, line->data, line->length);
}

/* What SPF says of the sender (RFC 7208, 9.1). */
static apr_status_t add_spf(const session_t *session)
{
    const transaction_t *transaction = session->transaction;
    zm_buf_t *line = &session->server->scratch;
    zm_str_t greeting = zm_buf_str(&session->helo), verb;
    char address[ZM_IP_TEXT];
    zm_buf_clear(line);
    zm_buf_printf(line, "Received-SPF: %s (%s: sender and client) client-ip=%s;\n",
                  spf_name(session->policy.spf_result), session->server->hostname,
                  zm_ip_print(&session->options.client.ip, address));
    zm_buf_add_c(line, "\tenvelope-from=");
    envelope_quote(line, transaction->sender);
    if (session->helo_good && zm_str_word(&greeting, &verb)) {
        greeting = zm_str_trim(greeting);
        zm_buf_printf(line, "; helo=\"%.*s\"", (int)greeting.length, greeting.data);
    }
    zm_buf_add_byte(line, '\n');
    return zm_submit_write(transaction->submission, line->data, line->length);
}

void data_begin(session_t *session)
{
    transaction_t *transaction = session->transaction;
    apr_status_t status = transaction->failure;
    if (status == APR_SUCCESS)
        status = finish_envelope(session);
    if (status == APR_SUCCESS)
        transaction->content = zm_submit_written(transaction->submission);
    if (status == APR_SUCCESS && session->submission)
        status = add_comment(session);
    if (status == APR_SUCCESS && session->group->spf_received && session->policy.spf_known)
        status = add_spf(session);
    if (status == APR_SUCCESS && transaction->fields.length > 0)
        status = zm_submit_write(transaction->submission, transaction->fields.data,
                                 transaction->fields.length);
    if (status != APR_SUCCESS)
        transaction_fail(transaction, status);
    if (transaction->authres_at > 0)
        transaction->authres = authres_begin(session);
    zm_dot_decoder_init(&transaction->decoder, bare_lf(session));
    header_scan_init(&transaction->header);
}

static void start(session_t *session)
{
    apr_status_t failure;
    data_begin(session);
    failure = session->transaction->failure;
    if (failure != APR_SUCCESS) {
        transaction_end(session);
        reply_spool_failure(session, failure);
        return;
    }
    session->state = SESSION_IN_DATA;
    session_await_data(session);
    reply(session, 354, NULL, "Send the message; a line with a lone dot ends it");
}

static void on_hooked(session_t *session, const policy_verdict_t *verdict)
{
    if (verdict == NULL || verdict->result == POLICY_ACCEPT) {
        start(session);
        return;
    }
    session_tarpit(session);
    reply(session, verdict->code, verdict->enhanced, "%s %s", session->client_text, verdict->text);
    transaction_end(session);
}

void command_data(session_t *session, zm_str_t arguments, apr_size_t column)
{
    (void)column;
    if (arguments.length > 0) {
        command_error(session, 501, "5.5.4", "DATA takes no argument");
        return;
    }
    if (session->state != SESSION_RECIPIENT_OR_DATA) {
        wrong_state(session);
        return;
    }
    if (data_is_spray(session)) {
        transaction_end(session);
        refuse_spray(session);
        return;
    }
    if (hooking_wanted(session, HOOKING_DATA))
        hooking_ask(session, HOOKING_DATA, on_hooked);
    else
        start(session);
}

/* -- while it comes ---------------------------------------------------------------------- */

static apr_status_t store(void *baton, const void *data, apr_size_t length)
{
    transaction_t *transaction = baton;
    authres_see(transaction->authres, data, length);
    return zm_submit_write(transaction->submission, data, length);
}

static bool has_bare_newline(const session_t *session)
{
    const zm_dot_decoder_t *decoder = &session->transaction->decoder;
    return decoder->bare_lf == ZM_BARE_LF_DROP && (decoder->bare_lfs > 0 || decoder->bare_crs > 0);
}

static bool has_loop(const session_t *session)
{
    return session->transaction->header.received >= session->server->config->max_received;
}

/* Whether it is clear by now that the message will not be taken. */
static bool is_doomed(const session_t *session)
{
    const transaction_t *transaction = session->transaction;
    return transaction->too_big || has_bare_newline(session) || transaction->header.too_long ||
           has_loop(session);
}

void data_take(session_t *session, apr_size_t octets, zm_str_t text)
{
    transaction_t *transaction = session->transaction;
    uint64_t limit = (uint64_t)session_max_size(session);
    uint64_t before = transaction->octets;
    apr_status_t status;
    transaction->octets += octets;
    transaction->too_big |= limit > 0 && transaction->octets > limit;
    if (transaction->submission == NULL)
        return;
    status = header_scan(&transaction->header, text, store, transaction);
    if (status != APR_SUCCESS)
        transaction_fail(transaction, status);
    else if (is_doomed(session))
        transaction_fail(transaction, ZM_E_PROTOCOL);
    else if (transaction->octets / SPACE_STEP > before / SPACE_STEP &&
             space_usable(&session->server->space) == 0)
        transaction_fail(transaction, APR_ENOSPC); /* the reserve is not for those without end */
}

void data_aborted(session_t *session, const char *why)
{
    const transaction_t *transaction = session->transaction;
    uint64_t octets = transaction != NULL ? transaction->octets : 0;
    session_note(session, "aborted (%llu bytes): %s", (unsigned long long)octets, why);
    zm_log(ZM_LOG_INFO, NULL, "message aborted", ZM_F_S("session", session->tag),
           ZM_F_S("client", session->client_text), ZM_F_I("octets", octets), ZM_F_S("reason", why));
    if (session->server->syslog)
        zm_log_syslog(ZM_LOG_ERROR, "smtpserver", "%s - aborted (%llu bytes) from %s/%u: %s",
                      session->tag, (unsigned long long)octets, session->client_text,
                      session->options.client.port, why);
}

void data_abandoned(session_t *session)
{
    count_reply(session, 421); /* it would have been */
    session_finish(session, "premature EOF");
}

/* Decodes into text; gives the octets of the message, in which the dots that DATA adds do not count
 * (RFC 1870, 5).  *used is what has been decoded. */
static apr_size_t decode(zm_dot_decoder_t *decoder, zm_str_t wire, zm_buf_t *text, apr_size_t *used)
{
    uint64_t lines = decoder->lines, bare = decoder->bare_lfs;
    *used = zm_dot_decode(decoder, wire, text);
    lines = decoder->lines - lines; /* each has lost its CR, but for those that had none */
    if (decoder->bare_lf == ZM_BARE_LF_LINE)
        lines -= decoder->bare_lfs - bare;
    return text->length + (apr_size_t)lines;
}

bool data_input(session_t *session)
{
    transaction_t *transaction = session->transaction;
    zm_buf_t *text = &session->server->scratch;
    zm_str_t wire = zm_stream_peek(session->stream);
    apr_size_t used, octets;
    if (wire.length == 0) {
        if (zm_stream_at_eof(session->stream))
            data_abandoned(session);
        return false;
    }
    zm_buf_clear(text);
    octets = decode(&transaction->decoder, wire, text, &used);
    zm_stream_take(session->stream, used);
    data_take(session, octets, zm_buf_str(text));
    if (!transaction->decoder.ended)
        return used > 0 && zm_stream_peek(session->stream).length > 0;
    data_end(session);
    return true;
}

/* -- after the final dot ------------------------------------------------------------------ */

void data_refuse(session_t *session)
{
    transaction_t *transaction = session->transaction;
    if (transaction->hooked_code != 0)
        reply(session, transaction->hooked_code, transaction->hooked_enhanced, "%s %s",
              session->client_text, zm_buf_c(&transaction->hooked_text));
    else if (data_is_spray(session))
        refuse_spray(session);
    else if (transaction->too_big)
        reply(session, 552, "5.3.4", "the message is too big: the limit is %lld octets",
              (long long)session_max_size(session));
    else if (has_bare_newline(session))
        reply(session, 554, "5.6.11", "the message has CR or LF bytes that are no line ends");
    else if (transaction->header.too_long)
        reply(session, 554, "5.6.0", "a header line is longer than %d octets", HEADER_SCAN_LINE);
    else if (has_loop(session))
        reply(session, 554, "5.4.6", "too many Received headers: this message is in a loop");
    else
        reply_spool_failure(session, transaction->failure);
    session_note(session, "message not taken (%llu octets)",
                 (unsigned long long)transaction->octets);
}

static void log_accepted(session_t *session, const char *id)
{
    const transaction_t *transaction = session->transaction;
    const zm_endpoint_t *client = &session->options.client;
    int64_t freezer = inspection_freezes(session);
    session_note(session, "%s: %llu bytes", id, (unsigned long long)transaction->octets);
    zm_log(ZM_LOG_INFO, id, "accepted", ZM_F_S("session", session->tag),
           ZM_F_S("client", session->client_text), ZM_F_N("from", transaction->sender),
           ZM_F_I("recipients", transaction->accepted), ZM_F_I("octets", transaction->octets));
    if (freezer > 0)
        zm_log(ZM_LOG_NOTICE, id, "set aside", ZM_F_S("client", session->client_text),
               ZM_F_I("freeze", freezer));
    if (freezer > 0)
        zm_log_syslog(ZM_LOG_INFO, "smtpserver", "accepted %s (%lluc) from %s/%u into freeze[%lld]",
                      id, (unsigned long long)transaction->octets, session->client_text,
                      client->port, (long long)freezer);
    else if (session->server->syslog)
        zm_log_syslog(ZM_LOG_INFO, "smtpserver", "%s: (%lluc) accepted from %s/%u", id,
                      (unsigned long long)transaction->octets, session->client_text, client->port);
}

static void on_commit(apr_status_t status, const zm_published_t *published, void *baton)
{
    session_t *session = baton;
    char id[ZM_SPOOL_ID_SIZE];
    session->depth++;
    session->committing = false;
    if (status == APR_SUCCESS) {
        zm_layout_spool_id(id, published->info.id, published->info.mtime_s,
                           published->info.mtime_ns);
        log_accepted(session, id);
        session->messages++;
        session->errors = 0;
        session->server->accepted++;
        if (session->policy.has_rates && session->server->rates != NULL)
            rates_add(session->server->rates, &session->options.client.ip, zm_clock_monotonic(), 1,
                      (unsigned)session->transaction->accepted);
        count_transmitted(session, session->stored, session->transaction->accepted);
        inspection_reply(session, id);
    } else {
        reply_spool_failure(session, status);
    }
    transaction_end(session);
    if (!session->held_back)
        session_go_on(session);
    session->depth--;
    session_settle(session);
}

void data_end(session_t *session)
{
    transaction_t *transaction = session->transaction;
    apr_status_t status;
    session->state = SESSION_READY;
    session_await_command(session);
    count_received(session);
    if (session->lmtp)
        session->copies = transaction->accepted; /* each recipient has an answer of his own */
    if (transaction->submission != NULL) {
        status = header_scan_end(&transaction->header, store, transaction);
        if (status != APR_SUCCESS)
            transaction_fail(transaction, status);
        else if (is_doomed(session))
            transaction_fail(transaction, ZM_E_PROTOCOL);
        else if (space_usable(&session->server->space) == 0)
            transaction_fail(transaction, APR_ENOSPC);
    }
    if (transaction->submission == NULL) {
        data_refuse(session);
        transaction_end(session);
        return;
    }
    authres_check(session);
}

void data_commit(session_t *session)
{
    transaction_t *transaction = session->transaction;
    zm_submission_t *submission = transaction->submission;
    int64_t freezer = inspection_freezes(session);
    transaction->submission = NULL; /* the commit consumes it */
    if (transaction->header.priority > 0)
        zm_submit_set_priority(submission, transaction->header.priority);
    session->stored = zm_submit_written(submission);
    space_taken(&session->server->space, session->stored);
    session->committing = true;
    session_wait(session);
    if (freezer > 0) {
        apr_snprintf(transaction->outcome.suffix, sizeof transaction->outcome.suffix,
                     "policy-%" APR_INT64_T_FMT, (apr_int64_t)freezer);
        zm_submit_commit_aside(submission, ZM_DIR_FREEZER, transaction->outcome.suffix, on_commit,
                               session);
    } else {
        zm_submit_commit(submission, on_commit, session);
    }
}
