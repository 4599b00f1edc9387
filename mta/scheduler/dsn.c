#include "mta/scheduler/dsn.h"

#include <string.h>

#include "mta/mail/encoded_word.h"
#include "mta/mail/xtext.h"
#include "mta/mail/dsn_address.h"
#include "platform/clock.h"

#define COPY_SIZE 65536
/* Of a header that is returned though the router made none. */
#define HEADER_LIMIT (1u << 20)

static const struct {
    const char *word, *label, *heading;
} actions[ZM_DSN_ACTIONS] = {
    {"failed", "FAILED", "FAILED:"},
    {"delayed", "DELAYED", "DELAYED (still trying, do not send it again):"},
    {"relayed", "RELAYED-OK", "RELAYED (to a system that sends no reports):"},
    {"delivered", "DELIVERED-OK", "DELIVERED:"},
    {"expanded", "EXPANDED-OK", "EXPANDED (sent on to the members of a list):"},
};

typedef struct writer_t {
    const zm_dsn_report_t *report;
    zm_submission_t *submission;
    apr_pool_t *pool;
    zm_buf_t out;
    bool international; /* an address is beyond ASCII: the types of RFC 6533 */
} writer_t;

zm_dsn_action_t zm_dsn_action(zm_str_t word)
{
    int i;
    for (i = 0; i < ZM_DSN_ACTIONS; i++)
        if (zm_str_equal_nocase(word, zm_str(actions[i].word)))
            return (zm_dsn_action_t)i;
    return ZM_DSN_FAILED;
}

bool zm_dsn_wanted(const zm_dsn_t *wishes, zm_dsn_action_t action)
{
    if (wishes->never)
        return false;
    if (action == ZM_DSN_FAILED)
        return wishes->failure;
    return action == ZM_DSN_DELAYED ? wishes->delay : wishes->success;
}

bool zm_dsn_has_reader(const zm_dsn_report_t *report)
{
    return report->sender.length > 0 || (report->form != NULL && report->form->copy_count > 0);
}

/* -- pieces of text ------------------------------------------------------------------------ */

static void add_line_text(zm_buf_t *out, zm_str_t text)
{
    zm_dsn_add_line(out, text, true);
}

static void add_field(zm_buf_t *out, const char *indent, const char *name, zm_str_t value)
{
    if (value.length == 0)
        return;
    zm_buf_printf(out, "%s%s: ", indent, name);
    add_line_text(out, value);
    zm_buf_add_byte(out, '\n');
}

static void add_date(zm_buf_t *out, const char *indent, const char *name, int64_t when)
{
    char date[64];
    zm_clock_rfc5322(date, sizeof date, apr_time_from_sec(when), 0);
    zm_buf_printf(out, "%s%s: %s\n", indent, name, date);
}

/* "smtp; 550 no": the text after CR is another line. */
static void add_text_lines(zm_buf_t *out, zm_str_t text)
{
    zm_str_t line;
    bool more = text.length > 0;
    while (more) {
        zm_str_t rest = ZM_S("");
        more = zm_str_cut(text, '\r', &line, &rest);
        text = rest;
        if (line.length == 0)
            continue;
        zm_buf_add_c(out, "        ");
        add_line_text(out, line);
        zm_buf_add_byte(out, '\n');
    }
}

static bool prefixed(zm_str_t text, const char *prefix)
{
    return zm_str_starts_nocase(text, zm_str(prefix));
}

static zm_str_t final_address(writer_t *writer, const zm_dsn_entry_t *entry)
{
    zm_str_t address = entry->notary.address;
    if (address.length == 0 || address.data[0] == ZM_NOTARY_FROM_FILE)
        return zm_quad_unquote(writer->pool, entry->recipient->quad.user);
    return address;
}

static zm_str_t final_recipient(writer_t *writer, const zm_dsn_entry_t *entry)
{
    return zm_dsn_typed(final_address(writer, entry), writer->pool);
}

static zm_str_t status_text(const zm_dsn_entry_t *entry)
{
    if (entry->notary.status.length > 0 && zm_is_digit(entry->notary.status.data[0]))
        return entry->notary.status;
    if (entry->action == ZM_DSN_FAILED)
        return ZM_S("5.0.0");
    return entry->action == ZM_DSN_DELAYED ? ZM_S("4.0.0") : ZM_S("2.0.0");
}

/* Without the comment. */
static zm_str_t status_code(const zm_dsn_entry_t *entry)
{
    zm_str_t status = status_text(entry);
    apr_size_t i = 0;
    while (i < status.length && (zm_is_digit(status.data[i]) || status.data[i] == '.'))
        i++;
    return zm_str_of(status.data, i);
}

/* -- envelope and header ------------------------------------------------------------------- */

/* The report on mail that must not be seen by others is such mail too, and does not have its body
 * (RFC 8689, 5). */
static bool requires_tls(const zm_dsn_report_t *report)
{
    int i;
    for (i = 0; i < report->count; i++)
        if (report->entries[i].wishes.require_tls)
            return true;
    return false;
}

static apr_status_t add_recipient(writer_t *writer, zm_str_t address)
{
    zm_buf_t todsn = ZM_BUF_INIT;
    apr_status_t status;

    zm_buf_add_c(&todsn, "NOTIFY=NEVER ORCPT=");
    zm_dsn_add_orcpt(&todsn, address);
    if (requires_tls(writer->report))
        zm_buf_add_c(&todsn, " REQUIRETLS=YES");
    status = zm_submit_line(writer->submission, "todsn", zm_buf_str(&todsn));
    if (status == APR_SUCCESS)
        status = zm_submit_line(writer->submission, "to", address);
    zm_buf_free(&todsn);
    return status;
}

/* "Name <a@b>" or "a@b" */
static zm_str_t bare_address(zm_str_t value)
{
    apr_ssize_t open = zm_str_find(value, '<');
    apr_size_t end = value.length;
    if (open < 0)
        return value;
    while (end > (apr_size_t)open && value.data[end - 1] != '>')
        end--;
    if (end <= (apr_size_t)open + 1)
        return value;
    return zm_str_of(value.data + open + 1, end - (apr_size_t)open - 2);
}

static apr_status_t write_envelope(writer_t *writer)
{
    const zm_form_t *form = writer->report->form;
    apr_status_t status = zm_submit_line(writer->submission, "channel", ZM_S("error"));
    int i;

    if (status == APR_SUCCESS)
        status = zm_submit_line(writer->submission, "errormsg", ZM_S(""));
    if (status == APR_SUCCESS && writer->report->sender.length > 0)
        status = add_recipient(writer, zm_dsn_reader(writer->report->sender));
    if (status == APR_SUCCESS && form == NULL)
        status = add_recipient(writer, ZM_S("postmaster"));
    for (i = 0; status == APR_SUCCESS && form != NULL && i < form->copy_count; i++)
        status = add_recipient(writer, bare_address(zm_form_field_value(form->copies[i])));
    if (status == APR_SUCCESS)
        status = zm_submit_env_end(writer->submission);
    return status;
}

static void add_subject(writer_t *writer)
{
    const zm_dsn_report_t *report = writer->report;
    int counts[ZM_DSN_ACTIONS] = {0}, i;
    bool any = false;

    for (i = 0; i < report->count; i++)
        counts[report->entries[i].action]++;
    zm_buf_add_c(&writer->out, "Subject: ");
    if (report->form == NULL)
        zm_buf_add_c(&writer->out, "Multiple-fault: ");
    else if (report->sender.length == 0)
        zm_buf_add_c(&writer->out, "Double-fault: ");
    if (report->form != NULL && report->form->subject.length > 0)
        add_line_text(&writer->out, report->form->subject);
    else
        zm_buf_add_c(&writer->out, "Delivery report");
    zm_buf_add_c(&writer->out, " [");
    for (i = 0; i < ZM_DSN_ACTIONS; i++) {
        if (counts[i] == 0)
            continue;
        zm_buf_printf(&writer->out, "%s%s(%d)", any ? "," : "", actions[i].label, counts[i]);
        any = true;
    }
    zm_buf_add_c(&writer->out, "]\n");
}

/* Of the second part; so says also the type of the whole (RFC 6522). */
static const char *status_type(const writer_t *writer)
{
    return writer->international ? "global-delivery-status" : "delivery-status";
}

static void add_headers(writer_t *writer)
{
    const zm_dsn_report_t *report = writer->report;
    const zm_form_t *form = report->form;
    int i;

    zm_buf_add_c(&writer->out, "To: ");
    if (report->sender.length > 0)
        add_line_text(&writer->out, zm_dsn_reader(report->sender));
    else
        zm_buf_add_c(&writer->out, "dummy:; (the message was itself an error message)");
    zm_buf_add_byte(&writer->out, '\n');
    if (form == NULL)
        zm_buf_add_c(&writer->out, "From: The Post Office <postmaster>\n"
                                   "Auto-Submitted: auto-replied\n");
    for (i = 0; form != NULL && i < form->header_count; i++) {
        add_line_text(&writer->out, form->headers[i]);
        zm_buf_add_byte(&writer->out, '\n');
    }
    for (i = 0; form != NULL && i < form->copy_count; i++) {
        if (prefixed(form->copies[i], "Bcc:"))
            continue;
        add_line_text(&writer->out, form->copies[i]);
        zm_buf_add_byte(&writer->out, '\n');
    }
    add_subject(writer);
    zm_buf_printf(&writer->out,
                  "MIME-Version: 1.0\n"
                  "Content-Type: multipart/report; report-type=%s;\n"
                  "\tboundary=\"%s\"\n"
                  "Content-Transfer-Encoding: 8bit\n\n"
                  "This is a delivery report in several parts (RFC 3464).\n\n",
                  status_type(writer), report->boundary);
}

/* -- the part for people ------------------------------------------------------------------- */

static void add_message_facts(writer_t *writer, const char *indent, bool people)
{
    const zm_dsn_report_t *report = writer->report;
    zm_buf_t *out = &writer->out;

    zm_buf_printf(out, "%sReporting-MTA: dns; %s\n", indent, report->domain);
    if (people && report->sender.length > 0) {
        zm_buf_printf(out, "%sReturn-Path: <", indent);
        add_line_text(out, report->sender);
        zm_buf_add_c(out, ">\n");
    }
    if (report->file->envid.length > 0)
        add_field(out, indent, "Original-Envelope-Id",
                  zm_xtext_decode_line(report->file->envid, writer->pool));
    add_date(out, indent, "Arrival-Date", report->arrived);
    zm_buf_printf(out, "%s%s: %s\n", indent, people ? "Local-Spool-ID" : "X-Local-Spool-ID",
                  report->spool_id);
}

static void add_quad(zm_buf_t *out, const zm_quad_t *quad)
{
    zm_buf_add_c(out, "      Control data: ");
    add_line_text(out, quad->channel);
    zm_buf_add_byte(out, ' ');
    add_line_text(out, quad->host);
    zm_buf_add_byte(out, ' ');
    add_line_text(out, quad->user);
    zm_buf_printf(out, " %lld\n", (long long)quad->privilege);
}

static void add_for_people(writer_t *writer, const zm_dsn_entry_t *entry)
{
    static const char indent[] = "      ";
    zm_buf_t *out = &writer->out;

    zm_buf_printf(out, "  %s\n", actions[entry->action].heading);
    if (entry->wishes.inrcpt.length > 0)
        add_field(out, indent, "Arrived Recipient",
                  zm_xtext_decode_line(entry->wishes.inrcpt, writer->pool));
    if (entry->wishes.orcpt.length > 0)
        add_field(out, indent, "Original Recipient",
                  zm_dsn_original(entry->wishes.orcpt, writer->pool));
    add_field(out, indent, "Final Recipient", final_recipient(writer, entry));
    add_field(out, indent, "Action", zm_str(actions[entry->action].word));
    add_field(out, indent, "Status", status_text(entry));
    add_field(out, indent, "Remote-MTA", entry->notary.remote);
    add_date(out, indent, "Last-Attempt-Date", entry->diagnostic->time);
    add_field(out, indent, "X-ZTAID", entry->notary.agent);
    add_field(out, indent, "Diagnostic-Code", entry->notary.diagnostic);
    add_quad(out, &entry->recipient->quad);
    if (entry->diagnostic->text.length > 0) {
        zm_buf_add_c(out, "      Diagnostic texts:\n");
        add_text_lines(out, entry->diagnostic->text);
    }
    zm_buf_add_byte(out, '\n');
}

static void add_first_part(writer_t *writer)
{
    const zm_dsn_report_t *report = writer->report;
    zm_buf_t *out = &writer->out;
    int i;

    zm_buf_printf(out,
                  "--%s\nContent-Type: text/plain; charset=utf-8\n"
                  "Content-Transfer-Encoding: 8bit\n\n",
                  report->boundary);
    if (report->form != NULL)
        zm_buf_add_str(out, report->form->text);
    else
        zm_buf_add_c(out, "This is a report from the mail system about a message of yours.\n");
    if (out->length > 0 && out->data[out->length - 1] != '\n')
        zm_buf_add_byte(out, '\n');
    zm_buf_add_byte(out, '\n');
    add_message_facts(writer, "  ", true);
    zm_buf_add_byte(out, '\n');
    for (i = 0; i < report->count; i++)
        add_for_people(writer, &report->entries[i]);
}

/* -- the part for programs ----------------------------------------------------------------- */

/* A field of message/delivery-status, which is ASCII only. */
static void add_status_field(writer_t *writer, const char *name, zm_str_t value)
{
    if (value.length == 0)
        return;
    zm_buf_printf(&writer->out, "%s: ", name);
    zm_dsn_add_line(&writer->out, value, writer->international);
    zm_buf_add_byte(&writer->out, '\n');
}

static void add_for_programs(writer_t *writer, const zm_dsn_entry_t *entry)
{
    zm_buf_add_byte(&writer->out, '\n');
    if (entry->wishes.orcpt.length > 0)
        add_status_field(writer, "Original-Recipient",
                         zm_dsn_original(entry->wishes.orcpt, writer->pool));
    add_status_field(writer, "Final-Recipient", final_recipient(writer, entry));
    add_status_field(writer, "Action", zm_str(actions[entry->action].word));
    add_status_field(writer, "Status", status_code(entry));
    add_status_field(writer, "Remote-MTA", entry->notary.remote);
    add_date(&writer->out, "", "Last-Attempt-Date", entry->diagnostic->time);
    add_status_field(writer, "X-ZTAID", entry->notary.agent);
    add_status_field(writer, "Diagnostic-Code", entry->notary.diagnostic);
    if (entry->action == ZM_DSN_DELAYED && writer->report->expires > 0)
        add_date(&writer->out, "", "Will-Retry-Until", writer->report->expires);
}

static void add_second_part(writer_t *writer)
{
    const zm_dsn_report_t *report = writer->report;
    int i;

    zm_buf_printf(&writer->out, "--%s\nContent-Type: message/%s\n%s\n", report->boundary,
                  status_type(writer),
                  writer->international ? "Content-Transfer-Encoding: 8bit\n" : "");
    add_message_facts(writer, "", false);
    for (i = 0; i < report->count; i++)
        add_for_programs(writer, &report->entries[i]);
    zm_buf_add_byte(&writer->out, '\n');
}

/* -- the message --------------------------------------------------------------------------- */

static bool body_wanted(const zm_dsn_report_t *report)
{
    bool bad = false;
    int i;
    for (i = 0; i < report->count; i++) {
        zm_str_t code = status_code(&report->entries[i]);
        bad |= code.length > 0 && (code.data[0] == '4' || code.data[0] == '5');
    }
    if (!bad || report->message == NULL || requires_tls(report))
        return false;
    if (report->sender.length == 0 || prefixed(report->file->ret, "FULL"))
        return true;
    return report->file->ret.length == 0 && report->full_by_default;
}

/* The header as it was submitted, behind the envelope. */
static zm_str_t submitted_header(const zm_dsn_report_t *report, apr_pool_t *pool)
{
    static const char end[] = "\nenv-end\n";
    apr_size_t length = report->file->body_offset < HEADER_LIMIT
                            ? (apr_size_t)report->file->body_offset
                            : HEADER_LIMIT;
    char *data = apr_palloc(pool, length + 1), *at;

    if (report->message == NULL || zm_object_read(report->message, 0, data, &length) != APR_SUCCESS)
        return ZM_S("");
    data[length] = '\0';
    at = strstr(data, end);
    if (at == NULL)
        return ZM_S("");
    at += sizeof end - 1;
    length -= (apr_size_t)(at - data);
    while (length > 1 && at[length - 1] == '\n' && at[length - 2] == '\n')
        length--;
    return zm_str_of(at, length);
}

static zm_str_t message_header(const zm_dsn_report_t *report, apr_pool_t *pool)
{
    int i;
    for (i = report->count - 1; i >= 0; i--) {
        int header = report->entries[i].recipient->header;
        if (header >= 0)
            return report->file->headers[header].text;
    }
    return submitted_header(report, pool);
}

static apr_status_t flush(writer_t *writer)
{
    apr_status_t status = zm_submit_write(writer->submission, writer->out.data, writer->out.length);
    zm_buf_clear(&writer->out);
    return status;
}

static apr_status_t write_body(writer_t *writer)
{
    const zm_dsn_report_t *report = writer->report;
    uint64_t offset = report->file->body_offset;
    apr_status_t status = APR_SUCCESS;
    char *buffer = apr_palloc(writer->pool, COPY_SIZE);
    char last = '\n';

    while (status == APR_SUCCESS) {
        apr_size_t length = COPY_SIZE;
        status = zm_object_read(report->message, offset, buffer, &length);
        if (APR_STATUS_IS_EOF(status) || (status == APR_SUCCESS && length == 0))
            break;
        if (status == APR_SUCCESS)
            status = zm_submit_write(writer->submission, buffer, length);
        offset += length;
        last = buffer[length - 1];
    }
    if (APR_STATUS_IS_EOF(status))
        status = APR_SUCCESS;
    if (status == APR_SUCCESS && last != '\n')
        zm_buf_add_byte(&writer->out, '\n');
    return status;
}

static apr_status_t write_third_part(writer_t *writer)
{
    const zm_dsn_report_t *report = writer->report;
    bool body = body_wanted(report);
    zm_str_t header = message_header(report, writer->pool);
    bool global = zm_dsn_is_international(header);
    apr_status_t status = APR_SUCCESS;

    zm_buf_printf(&writer->out, "--%s\nContent-Type: %s\nContent-Transfer-Encoding: 8bit\n\n",
                  report->boundary,
                  body ? (global ? "message/global" : "message/rfc822")
                       : (global ? "message/global-headers" : "text/rfc822-headers"));
    zm_buf_add_str(&writer->out, header);
    if (header.length > 0 && header.data[header.length - 1] != '\n')
        zm_buf_add_byte(&writer->out, '\n');
    if (body) {
        zm_buf_add_byte(&writer->out, '\n');
        status = flush(writer);
        if (status == APR_SUCCESS)
            status = write_body(writer);
    }
    zm_buf_printf(&writer->out, "\n--%s--\n", report->boundary);
    return status == APR_SUCCESS ? flush(writer) : status;
}

/* RFC 6533: any address beyond ASCII. */
static bool is_international(writer_t *writer)
{
    const zm_dsn_report_t *report = writer->report;
    bool any = zm_dsn_is_international(report->sender);
    int i;
    for (i = 0; i < report->count && !any; i++) {
        const zm_dsn_entry_t *entry = &report->entries[i];
        zm_str_t final = final_address(writer, entry);
        any = zm_dsn_is_international(final) ||
              !zm_dsn_is_ascii(zm_dsn_original(entry->wishes.orcpt, writer->pool));
    }
    return any;
}

apr_status_t zm_dsn_write(const zm_dsn_report_t *report, zm_submission_t *submission,
                          apr_pool_t *pool)
{
    writer_t writer = {report, submission, pool, ZM_BUF_INIT, false};
    apr_status_t status = write_envelope(&writer);

    writer.international = is_international(&writer);

    if (status == APR_SUCCESS) {
        add_headers(&writer);
        add_first_part(&writer);
        add_second_part(&writer);
        status = flush(&writer);
    }
    if (status == APR_SUCCESS)
        status = write_third_part(&writer);
    zm_buf_free(&writer.out);
    return status;
}
