#include "ta/sm/letter.h"

#include <string.h>

#include "mta/mail/xtext.h"
#include "platform/clock.h"
#include "ta/agent/envelope.h"
#include "ta/agent/head.h"

/* -- batched SMTP ---------------------------------------------------------- */

static void add_end(const zm_sm_letter_t *letter, zm_buf_t *out)
{
    zm_buf_add_c(out, letter->mailer->crlf ? "\r\n" : "\n");
}

static apr_status_t add_mail(const zm_sm_letter_t *letter, zm_buf_t *out)
{
    const zm_mailer_t *mailer = letter->mailer;
    zm_body_facts_t facts = {0};
    apr_status_t status = zm_body_facts(&letter->job->body, &facts);
    zm_buf_add_c(out, "MAIL From:<");
    zm_buf_add_str(out, letter->group->sender);
    zm_buf_add_byte(out, '>');
    if (mailer->esmtp > 0) {
        zm_buf_printf(out, " SIZE=%llu", (unsigned long long)zm_job_size_estimate(letter->job));
        if (facts.eight_bit && letter->converted == NULL && !mailer->seven_bit)
            zm_buf_add_c(out, " BODY=8BITMIME");
    }
    if (mailer->esmtp > 1) {
        zm_envelope_mail_dsn(letter->job, out);
        zm_envelope_by(letter->recipients, letter->count, apr_time_sec(zm_clock_wall()), out);
    }
    add_end(letter, out);
    return status;
}

static apr_status_t add_batch(const zm_sm_letter_t *letter, zm_buf_t *out)
{
    const zm_mailer_t *mailer = letter->mailer;
    apr_status_t status;
    int i;
    if (mailer->hello) {
        zm_buf_add_c(out, mailer->esmtp > 0 ? "EHLO " : "HELO ");
        zm_buf_add_c(out, letter->options->hostname);
        add_end(letter, out);
    }
    status = add_mail(letter, out);
    for (i = 0; i < letter->count; i++) {
        zm_buf_add_c(out, "RCPT TO:<");
        zm_buf_add_str(out, letter->recipients[i]->user);
        zm_buf_add_byte(out, '>');
        if (mailer->esmtp > 1)
            zm_envelope_rcpt_dsn(letter->recipients[i], out);
        add_end(letter, out);
    }
    zm_buf_add_c(out, "DATA");
    add_end(letter, out);
    return status;
}

/* -- header ---------------------------------------------------------------- */

/* "From bob@x Mon Jan  1 00:00:00 2024", and "remote from NODE" with U. */
static void add_separator(const zm_sm_letter_t *letter, zm_buf_t *out)
{
    const char *host = letter->options->hostname;
    if (letter->mailer->bsmtp || (letter->mailer->no_separator && !letter->mailer->uucp))
        return;
    zm_head_separator(letter->group->sender, zm_clock_wall(), out);
    out->length--;
    if (letter->mailer->uucp)
        zm_buf_printf(out, " remote from %.*s", (int)strcspn(host, "."), host);
    add_end(letter, out);
}

static void remove_ours(const zm_mailer_t *mailer, zm_fields_t *fields)
{
    zm_fields_remove(fields, "Return-Path");
    if (mailer->envelope || mailer->original) {
        zm_fields_remove(fields, "X-Envelope-To");
        zm_fields_remove(fields, "X-Orcpt");
        zm_fields_remove(fields, "Original-Recipient");
    }
    if (mailer->envelope) {
        zm_fields_remove(fields, "X-Envid");
        zm_fields_remove(fields, "Envelope-Id");
    }
}

static void add_decoded(zm_fields_t *fields, const char *name, zm_str_t xtext)
{
    zm_str_t text = zm_xtext_decode_line(xtext, fields->pool);
    if (xtext.length > 0)
        zm_fields_append(fields, "%s: %.*s", name, (int)text.length, text.data);
}

static void add_ours(const zm_sm_letter_t *letter, zm_fields_t *fields)
{
    const zm_mailer_t *mailer = letter->mailer;
    int i;
    if (mailer->envelope)
        add_decoded(fields, "Envelope-Id", letter->job->file->envid);
    for (i = 0; i < letter->count && (mailer->envelope || mailer->original); i++) {
        const zm_recipient_t *recipient = letter->recipients[i];
        zm_fields_append(fields, "X-Envelope-To: <%s> (uid %lld)",
                         zm_field_text(recipient->user, fields->pool).data,
                         (long long)recipient->privilege);
        add_decoded(fields, "Original-Recipient", recipient->dsn.orcpt);
    }
    if (mailer->return_path)
        zm_fields_append(fields, "Return-Path: <%s>",
                         zm_field_text(letter->group->sender, fields->pool).data);
}

static void add_header(const zm_sm_letter_t *letter, zm_buf_t *out)
{
    const zm_agent_t *agent = letter->job->agent;
    zm_head_style_t style = {.crlf = letter->mailer->crlf,
                             .dots = letter->mailer->dots || letter->mailer->bsmtp};
    zm_fields_t fields;
    apr_pool_t *pool;
    apr_pool_create(&pool, letter->job->pool);
    zm_fields_copy(&fields,
                   letter->converted != NULL ? &letter->converted->fields : &letter->group->fields,
                   pool);
    remove_ours(letter->mailer, &fields);
    add_ours(letter, &fields);
    style.keep_tabs = agent->keep_tabs || zm_conversion_sealed(&letter->group->fields, pool);
    if (letter->count == 1 && agent->for_clause)
        style.for_address = letter->recipients[0]->user;
    zm_head_write(&fields, &style, out);
    add_end(letter, out);
    apr_pool_destroy(pool);
}

/* -- conversion ------------------------------------------------------------ */

static apr_status_t convert(zm_sm_letter_t *letter)
{
    const zm_sm_options_t *options = letter->options;
    const zm_mailer_t *mailer = letter->mailer;
    zm_carrier_t carrier = {.eight_bit = options->eight_bit || mailer->eight_bit,
                            .decode = options->eight_bit || mailer->decode,
                            .charset = options->charset,
                            .any_length = true,
                            .code_blanks = options->code_blanks};
    apr_status_t status;
    if (!letter->group->ascii && !options->keep_eight_bit)
        zm_conversion_header(&letter->group->fields, options->charset);
    letter->group->ascii = true;
    status = zm_group_convert(&letter->converted, letter->job, letter->group, &carrier);
    /* What may not be changed goes as it is: a table's lack of a flag is no refusal. */
    return status == ZM_E_UNSUPPORTED ? APR_SUCCESS : status;
}

/* -- the interface --------------------------------------------------------- */

apr_status_t zm_sm_letter_begin(zm_sm_letter_t *letter, zm_buf_t *out)
{
    const zm_mailer_t *mailer = letter->mailer;
    apr_status_t status = convert(letter);
    if (status == APR_SUCCESS && mailer->bsmtp)
        status = add_batch(letter, out);
    if (status != APR_SUCCESS)
        return status;
    add_separator(letter, out);
    add_header(letter, out);
    if (letter->converted != NULL)
        letter->filter = zm_filter_create(letter->converted, letter->job->pool);
    zm_lines_init(&letter->lines, (mailer->crlf ? ZM_LINES_CRLF : 0) |
                                      (mailer->dots || mailer->bsmtp ? ZM_LINES_DOTS : 0) |
                                      (mailer->escape ? ZM_LINES_FROM : 0));
    return APR_SUCCESS;
}

/* Body text on its way out.  Seven bits are left before lines are made of it: what loses its eighth
 * may become a line end or a dot. */
static void put(zm_sm_letter_t *letter, char *data, apr_size_t length)
{
    apr_size_t i;
    for (i = 0; letter->mailer->seven_bit && i < length; i++)
        data[i] = (char)(data[i] & 0x7f);
    zm_lines_put(&letter->lines, data, length, &letter->text);
}

static void add_piece(zm_sm_letter_t *letter, zm_str_t piece)
{
    zm_buf_t made = ZM_BUF_INIT;
    if (letter->filter == NULL)
        zm_buf_add_str(&made, piece);
    else if (piece.length > 0)
        zm_filter_put(letter->filter, piece.data, piece.length, &made);
    else
        zm_filter_end(letter->filter, &made);
    put(letter, made.data, made.length);
    zm_buf_free(&made);
}

apr_status_t zm_sm_letter_piece(void *baton, zm_str_t *piece)
{
    zm_sm_letter_t *letter = baton;
    apr_status_t status;
    zm_buf_clear(&letter->text);
    while (letter->text.length == 0 && !letter->ended) {
        status = zm_body_at(&letter->job->body, letter->at, piece);
        if (status == APR_SUCCESS) {
            letter->at += piece->length;
            add_piece(letter, *piece);
            continue;
        }
        if (status != APR_EOF)
            return status;
        letter->ended = true;
        add_piece(letter, ZM_S(""));
        zm_lines_end(&letter->lines, &letter->text);
        if (letter->mailer->bsmtp) {
            zm_buf_add_byte(&letter->text, '.');
            add_end(letter, &letter->text);
        }
    }
    *piece = zm_buf_str(&letter->text);
    return piece->length > 0 ? APR_SUCCESS : APR_EOF;
}

void zm_sm_letter_free(zm_sm_letter_t *letter)
{
    zm_buf_free(&letter->text);
}
