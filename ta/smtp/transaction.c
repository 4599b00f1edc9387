#include "ta/smtp/transaction.h"

#include <apr_strings.h>
#include <string.h>

#include "platform/clock.h"
#include "ta/agent/head.h"
#include "ta/agent/report.h"
#include "ta/smtp/beyond.h"
#include "ta/smtp/demand.h"
#include "ta/smtp/envelope.h"
#include "ta/smtp/log.h"
#include "ta/smtp/sign.h"
#include "ta/smtp/tally.h"

#define RETRY 60 /* seconds, when a session breaks */

zm_transaction_t *zm_transaction_create(zm_smtp_t *smtp, zm_job_t *job, zm_group_t *group,
                                        zm_recipient_t *const *recipients, int count)
{
    zm_transaction_t *transaction = apr_pcalloc(job->pool, sizeof *transaction);
    int i;
    transaction->smtp = smtp;
    transaction->job = job;
    transaction->group = group;
    transaction->count = count;
    transaction->to = apr_pcalloc(job->pool, sizeof *transaction->to * (apr_size_t)count);
    for (i = 0; i < count; i++)
        transaction->to[i].recipient = recipients[i];
    transaction->since = zm_clock_monotonic();
    zm_beyond_normalise(transaction);
    return transaction;
}

zm_transaction_t *zm_transaction_split(zm_transaction_t *transaction, int limit)
{
    zm_transaction_t *rest = apr_palloc(transaction->job->pool, sizeof *rest);
    *rest = *transaction;
    rest->to += limit;
    rest->count -= limit;
    transaction->count = limit;
    return rest;
}

/* -- reporting ------------------------------------------------------------- */

static void log_outcome(const zm_transaction_t *transaction, const zm_recipient_t *recipient,
                        const zm_peer_t *peer, const zm_outcome_t *outcome)
{
    zm_verdict_t verdict = zm_outcome_verdict(outcome, recipient->dsn.success);
    zm_buf_t line = ZM_BUF_INIT;
    if (transaction->smtp->log == NULL)
        return;
    zm_buf_add_c(&line, "DIAG: ");
    zm_buf_add_str(&line, recipient->user);
    zm_buf_printf(&line, ": %s ", verdict.keyword);
    zm_buf_add_str(&line, outcome->status);
    zm_buf_add_byte(&line, ' ');
    zm_buf_add_str(&line, outcome->diagnostic);
    zm_protocol_log_line(transaction->smtp->log, peer->number, '#', zm_buf_str(&line));
    zm_buf_free(&line);
}

static void report(zm_transaction_t *transaction, int index, const zm_peer_t *peer,
                   zm_outcome_t *outcome)
{
    zm_addressee_t *addressee = &transaction->to[index];
    if (addressee->state == ZM_TARGET_REPORTED)
        return;
    outcome->remote = zm_str(peer->remote);
    outcome->remote_ip = zm_str(peer->address);
    outcome->agent = zm_str(transaction->smtp->identity);
    outcome->spent = zm_clock_monotonic() - transaction->since;
    outcome->conversion = zm_conversion_name(
        transaction->converted != NULL ? transaction->converted->conversion : ZM_CONVERT_NONE);
    addressee->state = ZM_TARGET_REPORTED;
    transaction->reported++;
    log_outcome(transaction, addressee->recipient, peer, outcome);
    zm_job_report(transaction->job, addressee->recipient, outcome);
}

void zm_transaction_fail(zm_transaction_t *transaction, const zm_peer_t *peer, zm_result_t result,
                         const char *status, const char *text, int64_t retry)
{
    zm_outcome_t outcome = {0};
    char *diagnostic = apr_psprintf(transaction->job->pool, "smtp; 500 (%s)", text);
    int i;
    outcome.result = result;
    outcome.retry = retry;
    outcome.status = zm_str(status);
    outcome.diagnostic = zm_str(diagnostic);
    outcome.text = zm_str(text);
    for (i = 0; i < transaction->count; i++)
        report(transaction, i, peer, &outcome);
}

/* Reports recipients (index, or -1: all that have the state) with what a reply says. */
static void report_reply(zm_transaction_t *transaction, const zm_peer_t *peer, int index,
                         zm_target_state_t state, const char *command, const zm_reply_t *reply,
                         const zm_meaning_t *meaning)
{
    zm_buf_t text = ZM_BUF_INIT, diagnostic = ZM_BUF_INIT;
    zm_outcome_t outcome = {0};
    int i;
    zm_buf_add_c(&text, "\r<<- ");
    zm_buf_add_c(&text, command);
    zm_buf_add_str(&text, zm_buf_str(&reply->text));
    zm_reply_diagnostic(reply, &diagnostic);
    outcome.result = meaning->result;
    outcome.status = zm_str(meaning->status);
    outcome.diagnostic = zm_buf_str(&diagnostic);
    outcome.text = zm_buf_str(&text);
    if (outcome.result == ZM_RESULT_OK)
        outcome.action = peer->lmtp ? "delivered" : "relayed";
    for (i = 0; i < transaction->count; i++)
        if (index < 0 ? transaction->to[i].state <= state : i == index) {
            if (outcome.result == ZM_RESULT_OK && peer->dsn) /* reporting is the peer's duty now */
                transaction->to[i].recipient->dsn.success = false;
            report(transaction, i, peer, &outcome);
        }
    zm_buf_free(&text);
    zm_buf_free(&diagnostic);
}

/* -- before the first command ---------------------------------------------- */

static bool fits(const zm_transaction_t *transaction, const zm_peer_t *peer)
{
    return peer->size_limit == 0 || zm_job_size_estimate(transaction->job) <= peer->size_limit;
}

/* Makes the letter fit for the peer. */
static apr_status_t convert(zm_transaction_t *transaction, const zm_peer_t *peer)
{
    const zm_smtp_options_t *options = transaction->smtp->options;
    zm_group_t *group = transaction->group;
    zm_carrier_t carrier = {peer->eight_bit_mime || options->eight_bit,
                            options->eight_bit || (options->strict && peer->eight_bit_mime),
                            options->default_charset,
                            false,
                            false,
                            false};
    zm_body_facts_t facts = {false, false};
    apr_status_t status;
    if (!group->ascii && !options->keep_eight_bit && !transaction->smtputf8) {
        zm_conversion_header(&group->fields, options->default_charset);
        group->ascii = true;
        group->converted = NULL; /* made of the header as it was */
    }
    status = zm_group_convert(&transaction->converted, transaction->job, group, &carrier);
    if (status == ZM_E_UNSUPPORTED || transaction->converted != NULL)
        zm_tally_conversion(transaction->smtp, status == APR_SUCCESS);
    if (status != APR_SUCCESS)
        return status;
    if (zm_beyond_taken(peer))
        transaction->smtputf8 |= zm_beyond_header(
            transaction->converted != NULL ? &transaction->converted->fields : &group->fields);
    zm_body_facts(&transaction->job->body, &facts);
    transaction->eight_bit =
        peer->eight_bit_mime &&
        (transaction->converted == NULL ? facts.eight_bit
                                        : transaction->converted->conversion == ZM_CONVERT_8BIT);
    return APR_SUCCESS;
}

/* Why a recipient's deadline cannot be kept there (RFC 2852, 4); null: it can, or need not. */
static const char *deadline_fault(const zm_recipient_t *recipient, const zm_peer_t *peer)
{
    const zm_dsn_t *dsn = &recipient->dsn;
    int64_t left = dsn->by - (int64_t)apr_time_sec(zm_clock_wall());
    if (!dsn->has_by || dsn->by_mode != 'R')
        return NULL;
    if (left <= 0)
        return "its time is over";
    if (peer->lmtp && !peer->deliver_by) /* it delivers at once, or refuses */
        return NULL;
    if (!peer->deliver_by)
        return "it has a deadline, and the server keeps none";
    return left < peer->by_minimum ? "the server needs more time than it has" : NULL;
}

/* Reports a recipient that this server is not to be told of. */
static void judge_recipient(zm_transaction_t *transaction, int index, const zm_peer_t *peer)
{
    const zm_recipient_t *recipient = transaction->to[index].recipient;
    const char *wrong = zm_envelope_fault_beyond(recipient->user, false), *text;
    zm_outcome_t outcome = {0};
    outcome.result = ZM_RESULT_UNAVAILABLE;
    outcome.status = ZM_S("5.1.3");
    text = "address: ";
    if (wrong == NULL) {
        wrong = zm_beyond_fault(recipient->user, peer);
        outcome.status = ZM_S("5.6.7");
    }
    if (wrong == NULL) {
        wrong = deadline_fault(recipient, peer);
        outcome.status = ZM_S("5.4.7");
        text = "";
    }
    if (wrong == NULL)
        return;
    text = apr_pstrcat(transaction->job->pool, text, wrong, NULL);
    outcome.text = zm_str(text);
    outcome.diagnostic = zm_str(apr_psprintf(transaction->job->pool, "smtp; 500 (%s)", text));
    report(transaction, index, peer, &outcome);
}

/* Signs the letter as it will go to this peer.  False: nobody gets it now. */
static bool sign(zm_transaction_t *transaction, const zm_peer_t *peer)
{
    zm_error_t error = {0};
    apr_status_t status =
        zm_signing_fields(&transaction->signature, transaction->smtp->signing, transaction->job,
                          transaction->group, transaction->converted, &error);
    if (status == APR_SUCCESS)
        return true;
    zm_agent_note(transaction->smtp->agent, "a letter cannot be signed: %s", error.text);
    zm_transaction_fail(transaction, peer, ZM_RESULT_TEMPFAIL, "4.7.5",
                        apr_psprintf(transaction->job->pool, "cannot sign: %s", error.text), 0);
    return false;
}

bool zm_transaction_begin(zm_transaction_t *transaction, const zm_peer_t *peer)
{
    apr_status_t status;
    const char *wrong;
    bool later;
    int i;
    transaction->since = zm_clock_monotonic();
    transaction->smtputf8 = zm_beyond_taken(peer) && zm_beyond_envelope(transaction);
    status = convert(transaction, peer);
    if (status == ZM_E_UNSUPPORTED)
        zm_transaction_fail(transaction, peer, ZM_RESULT_UNAVAILABLE, "5.6.3",
                            "the letter has 8-bit data, may not be converted, and the server does "
                            "not take it",
                            0);
    else if (status != APR_SUCCESS)
        zm_transaction_fail(transaction, peer, ZM_RESULT_IOERR, "4.3.0", "cannot read the message",
                            0);
    else if ((wrong = zm_demand_unmet(transaction, peer, &later)) != NULL)
        zm_transaction_fail(transaction, peer, later ? ZM_RESULT_TEMPFAIL : ZM_RESULT_UNAVAILABLE,
                            later ? "4.7.30" : "5.7.30", wrong, later ? RETRY : 0);
    else if (!fits(transaction, peer))
        zm_transaction_fail(transaction, peer, ZM_RESULT_UNAVAILABLE, "5.3.4",
                            "the message is larger than the server accepts", 0);
    else if ((wrong = zm_envelope_fault_beyond(transaction->group->sender, true)) != NULL)
        zm_transaction_fail(transaction, peer, ZM_RESULT_UNAVAILABLE, "5.1.7",
                            apr_psprintf(transaction->job->pool, "sender address: %s", wrong), 0);
    else if ((wrong = zm_beyond_fault(transaction->group->sender, peer)) != NULL)
        zm_transaction_fail(transaction, peer, ZM_RESULT_UNAVAILABLE, "5.6.7",
                            apr_psprintf(transaction->job->pool, "sender address: %s", wrong), 0);
    else if (sign(transaction, peer))
        for (i = 0; i < transaction->count; i++)
            judge_recipient(transaction, i, peer);
    return !zm_transaction_done(transaction);
}

void zm_transaction_reset(zm_transaction_t *transaction)
{
    int i, kept = 0;
    for (i = 0; i < transaction->count; i++)
        if (transaction->to[i].state != ZM_TARGET_REPORTED) {
            transaction->to[kept] = transaction->to[i];
            transaction->to[kept++].state = ZM_TARGET_OPEN;
        }
    transaction->count = kept;
    transaction->reported = transaction->accepted = transaction->temporary = 0;
    transaction->rcpts_sent = transaction->rcpts_answered = 0;
    transaction->started = transaction->mail_answered = transaction->data_sent = false;
    transaction->content_sent = transaction->content_started = transaction->refused = false;
    transaction->chunked = false;
    transaction->body_at = 0;
}

/* -- commands -------------------------------------------------------------- */

void zm_transaction_mail(const zm_transaction_t *transaction, const zm_peer_t *peer, zm_buf_t *out)
{
    const zm_job_t *job = transaction->job;
    zm_buf_add_c(out, "MAIL From:<");
    zm_envelope_sender(transaction, out);
    zm_buf_add_byte(out, '>');
    if (transaction->eight_bit)
        zm_buf_add_c(out, " BODY=8BITMIME");
    if (transaction->smtputf8)
        zm_buf_add_c(out, " SMTPUTF8");
    if (zm_demand_tls(transaction, peer))
        zm_buf_add_c(out, " REQUIRETLS");
    if (peer->size)
        zm_buf_printf(
            out, " SIZE=%llu",
            (unsigned long long)(zm_job_size_estimate(job) + transaction->signature.length));
    if (peer->dsn)
        zm_envelope_mail_dsn(job, out);
    if (peer->deliver_by)
        zm_envelope_by(&transaction->to[0].recipient, 1, apr_time_sec(zm_clock_wall()), out);
    zm_buf_add_c(out, "\r\n");
}

void zm_transaction_rcpt(const zm_transaction_t *transaction, const zm_peer_t *peer, int index,
                         zm_buf_t *out)
{
    const zm_addressee_t *addressee = &transaction->to[index];
    const zm_recipient_t *recipient = addressee->recipient;
    zm_buf_add_c(out, "RCPT To:<");
    zm_buf_add_str(out, addressee->address.length > 0 ? addressee->address : recipient->user);
    zm_buf_add_byte(out, '>');
    if (peer->dsn)
        zm_envelope_rcpt_dsn(recipient, out);
    zm_buf_add_c(out, "\r\n");
}

/* -- the letter ------------------------------------------------------------ */

static void add_signature(zm_str_t fields, zm_buf_t *out)
{
    zm_str_t line;
    while (zm_str_cut(fields, '\n', &line, &fields)) {
        zm_buf_add_str(out, line);
        zm_buf_add(out, "\r\n", 2);
    }
}

static void add_head(zm_transaction_t *transaction, zm_buf_t *out)
{
    const zm_agent_t *agent = transaction->smtp->agent;
    zm_head_style_t style = {
        .crlf = true, .dots = !transaction->chunked, .keep_tabs = agent->keep_tabs};
    style.keep_tabs |= zm_conversion_sealed(&transaction->group->fields, transaction->job->pool);
    if ((transaction->count == 1 || transaction->smtp->options->strict) && agent->for_clause)
        style.for_address = transaction->to[0].recipient->user;
    transaction->filter = NULL;
    if (transaction->converted != NULL)
        transaction->filter = zm_filter_create(transaction->converted, transaction->job->pool);
    add_signature(transaction->signature, out);
    zm_head_write(transaction->converted != NULL ? &transaction->converted->fields
                                                 : &transaction->group->fields,
                  &style, out);
    zm_buf_add(out, "\r\n", 2);
    zm_lines_init(&transaction->lines,
                  ZM_LINES_CRLF | (transaction->chunked ? 0 : ZM_LINES_DOTS) |
                      (transaction->smtp->options->raw_cr ? ZM_LINES_RAW_CR : 0));
}

/* The next piece of the body, or its end when it is empty, through the conversion onto the wire. */
static void add_piece(zm_transaction_t *transaction, zm_str_t piece, zm_buf_t *out)
{
    zm_buf_t text = ZM_BUF_INIT;
    if (transaction->filter == NULL) {
        zm_lines_put(&transaction->lines, piece.data, piece.length, out);
        return;
    }
    if (piece.length > 0)
        zm_filter_put(transaction->filter, piece.data, piece.length, &text);
    else
        zm_filter_end(transaction->filter, &text);
    zm_lines_put(&transaction->lines, text.data, text.length, out);
    zm_buf_free(&text);
}

apr_status_t zm_transaction_content(zm_transaction_t *transaction, zm_buf_t *out, apr_size_t room)
{
    apr_size_t start = out->length;
    zm_str_t piece;
    if (!transaction->content_started) {
        add_head(transaction, out);
        transaction->head_octets = out->length - start;
        transaction->octets = 0;
    }
    transaction->content_started = true;
    while (out->length - start < room) {
        apr_status_t status = zm_body_at(&transaction->job->body, transaction->body_at, &piece);
        if (status == APR_EOF) {
            add_piece(transaction, ZM_S(""), out);
            zm_lines_end(&transaction->lines, out);
            if (!transaction->chunked)
                zm_buf_add_c(out, ".\r\n");
            transaction->content_sent = true;
            transaction->octets += out->length - start;
            return APR_EOF;
        }
        if (status != APR_SUCCESS)
            return status;
        if (piece.length > room)
            piece.length = room;
        add_piece(transaction, piece, out);
        transaction->body_at += piece.length;
    }
    transaction->octets += out->length - start;
    return APR_SUCCESS;
}

apr_status_t zm_transaction_measure(zm_transaction_t *transaction, uint64_t *octets)
{
    zm_buf_t piece = ZM_BUF_INIT;
    apr_status_t status;
    transaction->chunked = true;
    *octets = 0;
    do {
        zm_buf_clear(&piece);
        status = zm_transaction_content(transaction, &piece, ZM_BODY_WINDOW);
        *octets += piece.length;
    } while (status == APR_SUCCESS);
    zm_buf_free(&piece);
    transaction->content_started = transaction->content_sent = false;
    transaction->body_at = 0;
    return status == APR_EOF ? APR_SUCCESS : status;
}

/* -- replies --------------------------------------------------------------- */

void zm_transaction_on_mail(zm_transaction_t *transaction, const zm_peer_t *peer,
                            const zm_reply_t *reply)
{
    zm_meaning_t meaning = zm_reply_meaning(reply, ZM_REPLY_TO_OTHER, peer->enhanced);
    zm_buf_t command = ZM_BUF_INIT;
    transaction->mail_answered = true;
    if (meaning.result == ZM_RESULT_OK)
        return;
    transaction->refused = true;
    if (!zm_result_temporary(meaning.result))
        meaning.result = ZM_RESULT_UNAVAILABLE;
    zm_transaction_mail(transaction, peer, &command);
    command.length -= 2;
    report_reply(transaction, peer, -1, ZM_TARGET_ACCEPTED, zm_buf_c(&command), reply, &meaning);
    zm_buf_free(&command);
}

void zm_transaction_on_rcpt(zm_transaction_t *transaction, const zm_peer_t *peer, int index,
                            const zm_reply_t *reply)
{
    zm_meaning_t meaning = zm_reply_meaning(reply, ZM_REPLY_TO_RCPT, peer->enhanced);
    zm_buf_t command = ZM_BUF_INIT;
    transaction->rcpts_answered++;
    if (transaction->to[index].state == ZM_TARGET_REPORTED)
        return;
    if (meaning.result == ZM_RESULT_OK) {
        transaction->to[index].state = ZM_TARGET_ACCEPTED;
        transaction->accepted++;
        return;
    }
    transaction->temporary += zm_result_temporary(meaning.result);
    zm_transaction_rcpt(transaction, peer, index, &command);
    command.length -= 2;
    report_reply(transaction, peer, index, ZM_TARGET_OPEN, zm_buf_c(&command), reply, &meaning);
    zm_buf_free(&command);
}

void zm_transaction_on_data(zm_transaction_t *transaction, const zm_peer_t *peer,
                            const zm_reply_t *reply)
{
    zm_meaning_t meaning = zm_reply_meaning(reply, ZM_REPLY_TO_OTHER, peer->enhanced);
    if (reply->code >= 300 && reply->code < 400)
        return;
    transaction->refused = true;
    if (meaning.result == ZM_RESULT_OK) /* 2xx is no answer to DATA */
        meaning.result = ZM_RESULT_TEMPFAIL;
    else if (!zm_result_temporary(meaning.result))
        meaning.result = ZM_RESULT_UNAVAILABLE;
    report_reply(transaction, peer, -1, ZM_TARGET_ACCEPTED, "DATA", reply, &meaning);
}

void zm_transaction_on_dot(zm_transaction_t *transaction, const zm_peer_t *peer, int index,
                           const zm_reply_t *reply)
{
    zm_meaning_t meaning = zm_reply_meaning(reply, ZM_REPLY_TO_OTHER, peer->enhanced);
    if (zm_result_temporary(meaning.result) || (reply->code >= 300 && reply->code < 400))
        meaning.result = ZM_RESULT_DEFERBACK;
    else if (meaning.result != ZM_RESULT_OK)
        meaning.result = ZM_RESULT_UNAVAILABLE;
    report_reply(transaction, peer, index, ZM_TARGET_ACCEPTED, "(end of message)", reply, &meaning);
}
