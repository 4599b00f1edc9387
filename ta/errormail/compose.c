#include "ta/errormail/compose.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <string.h>

#include "mta/mail/dsn_address.h"
#include "mta/mail/encoded_word.h"
#include "mta/mail/xtext.h"
#include "platform/clock.h"
#include "ta/agent/head.h"

#define BODY_LIMIT 65536 /* octets of the body that are returned */

typedef struct writer_t {
    const zm_errata_t *errata;
    apr_pool_t *pool;
    zm_buf_t text;
    char mark[33];      /* random, in the boundary and the Message-ID */
    zm_buf_t head;      /* of the message that is returned */
    bool international; /* an address is beyond ASCII: the types of RFC 6533 */
    bool eight_bit;     /* some part is not ASCII */
    bool eight_bit_message;
    bool full; /* the body is returned */
} writer_t;

#define EIGHT_BIT "Content-Transfer-Encoding: 8bit\n"

const char *zm_errata_status(const char *form_name)
{
    static const struct {
        const char *form, *status;
    } table[] = {
        {"bitnetgw", "5.4.4"},    {"bounce", "5.7.1"},       {"database", "5.1.2"},
        {"envelope", "5.1.7"},    {"expansion", "5.2.4"},    {"header", "5.6.0"},
        {"ip-number", "5.1.3"},   {"localhost", "5.1.2"},    {"loopexceeded", "5.4.6"},
        {"nonewsgroup", "5.1.1"}, {"norealname", "5.1.1"},   {"nosuchuser", "5.1.1"},
        {"acctexpired", "5.2.1"}, {"norecipients", "5.5.3"}, {"unresolvable", "5.1.2"},
        {"vms-in-pros", "5.1.3"}, {"wrongname", "5.1.2"},
    };
    apr_size_t i;
    for (i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(table[i].form, form_name) == 0)
            return table[i].status;
    return "5.0.0";
}

/* -- header ---------------------------------------------------------------- */

static void add_field(writer_t *writer, zm_str_t field)
{
    zm_buf_add_str(&writer->text, field);
    zm_buf_add_byte(&writer->text, '\n');
}

static void add_form_fields(writer_t *writer)
{
    const zm_form_t *form = writer->errata->form;
    int i;
    if (form == NULL) {
        zm_buf_add_c(&writer->text, "From: The Post Office <postmaster>\n"
                                    "Subject: Your mail could not be delivered\n"
                                    "Precedence: junk\n");
        return;
    }
    for (i = 0; i < form->header_count; i++)
        add_field(writer, form->headers[i]);
    for (i = 0; i < form->copy_count; i++)
        if (!zm_str_starts_nocase(form->copies[i], ZM_S("Bcc:")))
            add_field(writer, form->copies[i]);
    if (form->subject.length > 0) {
        zm_buf_add_c(&writer->text, "Subject: ");
        add_field(writer, form->subject);
    }
}

/* Of the second part; so says also the type of the whole (RFC 6522). */
static const char *status_type(const writer_t *writer)
{
    return writer->international ? "global-delivery-status" : "delivery-status";
}

static void add_header(writer_t *writer)
{
    const zm_errata_t *errata = writer->errata;
    char date[40];
    zm_clock_rfc5322(date, sizeof date, zm_clock_wall(), 0);
    zm_buf_printf(&writer->text, "To: <%s>\n",
                  zm_field_text(zm_dsn_reader(errata->sender), writer->pool).data);
    add_form_fields(writer);
    zm_buf_printf(&writer->text, "Date: %s\nMessage-ID: <%s@%s>\nAuto-Submitted: auto-replied\n",
                  date, writer->mark, errata->domain);
    zm_buf_printf(&writer->text,
                  "MIME-Version: 1.0\n%s"
                  "Content-Type: multipart/report; report-type=%s;\n"
                  "\tboundary=\"=_%s\"\n\n",
                  writer->eight_bit ? EIGHT_BIT : "", status_type(writer), writer->mark);
}

static void add_boundary(writer_t *writer, const char *type)
{
    zm_buf_printf(&writer->text, "--=_%s\nContent-Type: %s\n", writer->mark, type);
}

/* -- explanation and status ------------------------------------------------ */

static void explain(zm_buf_t *out, const zm_errata_t *errata, apr_pool_t *pool)
{
    int i;
    if (errata->form != NULL)
        zm_buf_add_str(out, errata->form->text);
    else
        zm_buf_add_c(out, "Your mail could not be delivered to the addresses below.\n");
    if (out->length > 0 && out->data[out->length - 1] != '\n')
        zm_buf_add_byte(out, '\n');
    zm_buf_add_byte(out, '\n');
    for (i = 0; i < errata->count; i++)
        zm_buf_printf(out, "error: %s: %s\n", errata->form_name,
                      zm_field_text(errata->recipients[i]->user, pool).data);
    zm_buf_add_byte(out, '\n');
}

static void add_explanation(writer_t *writer)
{
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t text;

    explain(&out, writer->errata, writer->pool);
    text = zm_buf_str(&out);
    if (zm_dsn_is_ascii(text)) {
        add_boundary(writer, "text/plain; charset=us-ascii");
    } else {
        add_boundary(writer, zm_is_utf8(text) ? "text/plain; charset=utf-8"
                                              : "text/plain; charset=unknown-8bit");
        zm_buf_add_c(&writer->text, EIGHT_BIT);
    }
    zm_buf_add_byte(&writer->text, '\n');
    zm_buf_add_str(&writer->text, text);
    zm_buf_free(&out);
}

/* A field of the delivery status.  Octets that it may not have become '?'. */
static void add_status_field(writer_t *writer, const char *name, zm_str_t value)
{
    zm_buf_printf(&writer->text, "%s", name);
    zm_dsn_add_line(&writer->text, value, writer->international);
    zm_buf_add_byte(&writer->text, '\n');
}

static void add_recipient(writer_t *writer, const zm_recipient_t *recipient)
{
    zm_str_t user = zm_field_text(recipient->user, writer->pool);
    bool internet = zm_str_find(user, '@') >= 0 && !zm_str_starts(user, ZM_S("ns:"));
    const char *type = !internet                       ? "Final-Recipient: X-LOCAL; "
                       : zm_dsn_is_international(user) ? "Final-Recipient: utf-8; "
                                                       : "Final-Recipient: RFC822; ";

    zm_buf_add_byte(&writer->text, '\n');
    if (recipient->dsn.orcpt.length > 0)
        add_status_field(
            writer, "Original-Recipient: ", zm_dsn_original(recipient->dsn.orcpt, writer->pool));
    add_status_field(writer, type, user);
    zm_buf_printf(&writer->text, "Action: failed\nStatus: %s\nDiagnostic-Code: X-LOCAL; 500 (%s)\n",
                  zm_errata_status(writer->errata->form_name), writer->errata->form_name);
}

static void add_status(writer_t *writer)
{
    const zm_errata_t *errata = writer->errata;
    zm_str_t envid = zm_xtext_decode_line(errata->job->file->envid, writer->pool);
    zm_str_t sender = zm_field_text(errata->sender, writer->pool);
    char date[40];
    int i;
    add_boundary(writer, apr_pstrcat(writer->pool, "message/", status_type(writer), NULL));
    zm_buf_printf(&writer->text, "%s\nReporting-MTA: dns; %s\n",
                  writer->international ? EIGHT_BIT : "", errata->domain);
    if (envid.length > 0)
        add_status_field(writer, "Original-Envelope-Id: ", envid);
    zm_clock_rfc5322(date, sizeof date, apr_time_from_sec(errata->job->info.mtime_s), 0);
    zm_buf_printf(&writer->text, "Arrival-Date: %s\n", date);
    add_status_field(
        writer, "Return-Path: ", zm_str(apr_pstrcat(writer->pool, "<", sender.data, ">", NULL)));
    for (i = 0; i < errata->count; i++)
        add_recipient(writer, errata->recipients[i]);
    zm_buf_add_byte(&writer->text, '\n');
}

/* -- the message ----------------------------------------------------------- */

static void make_returned_header(writer_t *writer)
{
    const zm_errata_t *errata = writer->errata;
    zm_head_style_t style = {.keep_tabs = errata->job->agent->keep_tabs};
    if ((errata->count == 1 || errata->name_first) && errata->job->agent->for_clause)
        style.for_address = errata->recipients[0]->user;
    zm_head_write(&errata->group->fields, &style, &writer->head);
}

static void add_returned_header(writer_t *writer)
{
    bool global = zm_dsn_is_international(zm_buf_str(&writer->head));
    add_boundary(writer, writer->full
                             ? (global ? "message/global" : "message/rfc822")
                             : (global ? "message/global-headers" : "text/rfc822-headers"));
    if (writer->eight_bit_message)
        zm_buf_add_c(&writer->text, EIGHT_BIT);
    zm_buf_add_byte(&writer->text, '\n');
    zm_buf_add_str(&writer->text, zm_buf_str(&writer->head));
    zm_buf_add_byte(&writer->text, '\n');
}

static apr_status_t add_returned_body(writer_t *writer)
{
    zm_body_t *body = &writer->errata->job->body;
    uint64_t at = 0, end = body->size < BODY_LIMIT ? body->size : BODY_LIMIT;
    zm_str_t piece;
    while (at < end) {
        apr_status_t status = zm_body_at(body, at, &piece);
        if (status != APR_SUCCESS)
            return status;
        if (piece.length > end - at)
            piece.length = (apr_size_t)(end - at);
        zm_buf_add_str(&writer->text, piece);
        at += piece.length;
    }
    zm_buf_add_byte(&writer->text, '\n');
    return APR_SUCCESS;
}

static bool form_is_ascii(const zm_form_t *form)
{
    int i;
    for (i = 0; form != NULL && i < form->header_count; i++)
        if (!zm_dsn_is_ascii(form->headers[i]))
            return false;
    return form == NULL || (zm_dsn_is_ascii(form->text) && zm_dsn_is_ascii(form->subject));
}

/* What goes beyond ASCII, and whether an address does. */
static void examine_addresses(writer_t *writer)
{
    const zm_errata_t *errata = writer->errata;
    int i;

    writer->international = zm_dsn_is_international(errata->sender);
    writer->eight_bit = !zm_dsn_is_ascii(errata->sender) || !form_is_ascii(errata->form);
    for (i = 0; i < errata->count; i++) {
        zm_str_t user = errata->recipients[i]->user;
        zm_str_t original = zm_dsn_original(errata->recipients[i]->dsn.orcpt, writer->pool);
        writer->international |= zm_dsn_is_international(user) || zm_dsn_is_international(original);
        writer->eight_bit |= !zm_dsn_is_ascii(user);
    }
    writer->eight_bit |= writer->international;
}

static apr_status_t prepare(writer_t *writer)
{
    const zm_errata_t *errata = writer->errata;
    zm_str_t ret = errata->job->file->ret;
    unsigned char random[16];
    zm_body_facts_t facts = {0};
    apr_status_t status = apr_generate_random_bytes(random, sizeof random);
    int i;
    for (i = 0; i < 16; i++)
        apr_snprintf(writer->mark + i * 2, 3, "%02x", random[i]);
    writer->full = ret.length == 0 || zm_str_equal_nocase(ret, ZM_S("FULL"));
    if (status == APR_SUCCESS)
        status = zm_body_facts(&errata->job->body, &facts);
    if (status != APR_SUCCESS)
        return status;
    make_returned_header(writer);
    examine_addresses(writer);
    writer->eight_bit_message =
        (writer->full && facts.eight_bit) || !zm_dsn_is_ascii(zm_buf_str(&writer->head));
    writer->eight_bit |= writer->eight_bit_message;
    return APR_SUCCESS;
}

apr_status_t zm_errata_write(const zm_errata_t *errata, zm_errata_write_fn *write, void *baton,
                             apr_pool_t *pool)
{
    writer_t writer = {.errata = errata, .pool = pool};
    apr_status_t status = prepare(&writer);
    if (status == APR_SUCCESS) {
        add_header(&writer);
        add_explanation(&writer);
        add_status(&writer);
        add_returned_header(&writer);
        if (writer.full)
            status = add_returned_body(&writer);
    }
    if (status == APR_SUCCESS) {
        zm_buf_printf(&writer.text, "--=_%s--\n", writer.mark);
        status = write(baton, writer.text.data, writer.text.length);
    }
    zm_buf_free(&writer.head);
    zm_buf_free(&writer.text);
    return status;
}
