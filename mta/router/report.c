#include <apr_strings.h>
#include <string.h>

#include "mta/mail/form.h"
#include "mta/mail/illegal.h"
#include "mta/mail/recipients.h"
#include "mta/router/exits.h"
#include "spool/control.h"
#include "platform/log.h"

#define RETURNED_LIMIT (1u << 20) /* of the message that a report quotes */

bool router_message_is_error(const router_worker_t *worker)
{
    return worker->message != NULL &&
           (worker->message->error_message || worker->message->error_channel);
}

/* -- reports ----------------------------------------------------------------------------- */

/* A report in the making. */
typedef struct report_t {
    router_worker_t *worker;
    apr_pool_t *pool;
    zm_str_t to;
    apr_array_header_t *copies; /* of zm_str_t: further recipients, from the form */
    zm_buf_t text;
} report_t;

static void begin_report(report_t *report, router_worker_t *worker, zm_str_t to)
{
    memset(report, 0, sizeof *report);
    report->worker = worker;
    report->pool = zm_script_pool(worker->script);
    report->to = to;
    report->copies = apr_array_make(report->pool, 2, sizeof(zm_str_t));
}

/* Whether the message must not be seen by others: then neither may the report (RFC 8689, 5). */
static bool requires_tls(const router_message_t *message)
{
    int i;
    for (i = 0; message != NULL && i < message->file->envelope_count; i++) {
        const zm_envelope_line_t *line = &message->file->envelope[i];
        zm_dsn_t dsn;
        if (line->keyword != ZM_ENV_TODSN)
            continue;
        zm_dsn_parse(&dsn, line->value);
        if (dsn.require_tls)
            return true;
    }
    return false;
}

static apr_status_t write_recipient(zm_submission_t *submission, const report_t *report,
                                    zm_str_t address)
{
    apr_status_t status =
        zm_submit_line(submission, "todsn",
                       requires_tls(report->worker->message) ? ZM_S("NOTIFY=NEVER REQUIRETLS=YES")
                                                             : ZM_S("NOTIFY=NEVER"));
    return status == APR_SUCCESS ? zm_submit_line(submission, "to", address) : status;
}

/* The envelope: null path, and no report about it in turn. */
static apr_status_t write_envelope(zm_submission_t *submission, const report_t *report)
{
    apr_status_t status;
    int i;
    if ((status = zm_submit_line(submission, "channel", ZM_S("error"))) != APR_SUCCESS ||
        (status = zm_submit_line(submission, "errormsg", ZM_S(""))) != APR_SUCCESS ||
        (status = write_recipient(submission, report, report->to)) != APR_SUCCESS)
        return status;
    for (i = 0; i < report->copies->nelts && status == APR_SUCCESS; i++)
        status = write_recipient(submission, report, APR_ARRAY_IDX(report->copies, i, zm_str_t));
    return status == APR_SUCCESS ? zm_submit_env_end(submission) : status;
}

static apr_status_t submit(report_t *report)
{
    zm_submit_options_t options = {0, ZM_UID_NONE, ZM_UID_NONE};
    zm_submission_t *submission;
    apr_status_t status;
    options.uid = zm_site_trusted(report->worker->zenv, report->pool).uid;
    status = zm_submit_begin(&submission, &report->worker->submitter, &options);
    if (status == APR_SUCCESS) {
        status = write_envelope(submission, report);
        if (status == APR_SUCCESS)
            status = zm_submit_write(submission, report->text.data, report->text.length);
        if (status == APR_SUCCESS)
            status = zm_submit_commit_wait(submission, NULL, report->pool);
        else
            zm_submit_abort(submission);
    }
    zm_buf_free(&report->text);
    return status;
}

/* One header line of text that may be hostile. */
static void add_header(zm_buf_t *out, const char *name, zm_str_t value)
{
    apr_size_t i;
    zm_buf_printf(out, "%s: ", name);
    for (i = 0; i < value.length; i++)
        zm_buf_add_byte(out, (unsigned char)value.data[i] < ' ' ? ' ' : value.data[i]);
    zm_buf_add_byte(out, '\n');
}

/* The addresses of a form's ADR line get the report too. */
static void add_copies(report_t *report, zm_str_t field)
{
    zm_address_list_t *list =
        zm_address_parse(ZM_RULE_ADDRESS_LIST, zm_form_field_value(field), report->pool);
    zm_address_t *item;
    zm_buf_add_str(&report->text, field);
    zm_buf_add_byte(&report->text, '\n');
    for (item = zm_address_good(list->first); item != NULL; item = zm_address_good(item->next))
        APR_ARRAY_PUSH(report->copies, zm_str_t) = zm_address_plain(item, report->pool);
}

static void add_form(report_t *report, zm_form_t *form, const char *subject, const char *builtin)
{
    int i;
    if (form == NULL)
        form = zm_form_parse(ZM_S("HDR From: The Post Office <postmaster>\n\n"), report->pool);
    for (i = 0; i < form->header_count; i++) {
        zm_buf_add_str(&report->text, form->headers[i]);
        zm_buf_add_byte(&report->text, '\n');
    }
    add_header(&report->text, "To", report->to);
    for (i = 0; i < form->copy_count; i++)
        add_copies(report, form->copies[i]);
    add_header(&report->text, "Subject",
               form->subject.length > 0 ? form->subject : zm_str(subject));
    zm_buf_add_c(
        &report->text,
        "Auto-Submitted: auto-replied\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: 8bit\n\n");
    if (form->text.length > 0)
        zm_buf_add_str(&report->text, form->text);
    else
        zm_buf_add_c(&report->text, builtin);
    zm_buf_add_byte(&report->text, '\n');
}

/* A value of the envelope, with what is wrong below it. */
static void add_bad_line(zm_buf_t *out, const zm_envelope_line_t *line, apr_pool_t *pool)
{
    static const struct {
        zm_envelope_keyword_t keyword;
        zm_rule_t rule;
    } rules[] = {{ZM_ENV_RCVDFROM, ZM_RULE_DOMAIN}, {ZM_ENV_FROM, ZM_RULE_MAILBOX},
                 {ZM_ENV_CHANNEL, ZM_RULE_WORD},    {ZM_ENV_USER, ZM_RULE_MAILBOX},
                 {ZM_ENV_TO, ZM_RULE_ADDRESS},      {ZM_ENV_VERBOSE, ZM_RULE_WORD},
                 {ZM_ENV_FULLNAME, ZM_RULE_PHRASE}, {ZM_ENV_LOGINNAME, ZM_RULE_ROUTE_ADDRESS}};
    zm_address_list_t *list;
    apr_size_t i;
    for (i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].keyword != line->keyword)
            continue;
        list = zm_address_parse(rules[i].rule, line->value, pool);
        if (list->bad > 0) {
            zm_buf_printf(out, "%s:\n", zm_envelope_keyword_name(line->keyword));
            zm_add_problems(out, list, "    ");
        }
    }
}

/* What is wrong, with a mark below each problem. */
static void add_annotations(report_t *report, const router_message_t *message)
{
    const zm_header_t *header;
    int i;
    for (i = 0; i < message->file->envelope_count && message->bad_envelope; i++)
        add_bad_line(&report->text, &message->file->envelope[i], report->pool);
    for (header = message->headers ? message->headers->first : NULL; header != NULL;
         header = header->next)
        if (header->bad && header->parsed != NULL) {
            zm_buf_printf(&report->text, "%.*s:\n", (int)header->name.length, header->name.data);
            zm_add_problems(&report->text, header->parsed, "    ");
        }
}

static apr_status_t add_original(report_t *report, const router_message_t *message)
{
    uint64_t offset = message->file->header_offset;
    char block[8192];
    apr_size_t length = sizeof block;
    apr_status_t status;
    zm_buf_add_c(&report->text, "\n-- the message as it came --\n\n");
    while ((status = zm_object_read(message->object, offset, block, &length)) == APR_SUCCESS &&
           offset - message->file->header_offset < RETURNED_LIMIT) {
        zm_buf_add(&report->text, block, length);
        offset += length;
        length = sizeof block;
    }
    if (status == APR_SUCCESS)
        zm_buf_add_c(&report->text, "\n-- the rest is left out --\n");
    return APR_STATUS_IS_EOF(status) ? APR_SUCCESS : status;
}

static const char *builtin_text(const char *form)
{
    static const struct {
        const char *form, *text;
    } texts[] = {
        {"loopexceeded", "Your message has passed so many hosts that it must be in a loop. It was "
                         "not delivered.\n"},
        {"envelope", "The envelope of your message has addresses that cannot be understood. It was "
                     "not delivered.\n"},
        {"header", "The header of your message has addresses that cannot be understood, and no "
                   "recipients are named "
                   "elsewhere. It was not delivered.\n"},
        {"norecipients", "Your message names no recipients. It was not delivered.\n"},
    };
    apr_size_t i;
    for (i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(texts[i].form, form) == 0)
            return texts[i].text;
    return "Your message could not be delivered.\n";
}

static apr_status_t report_message(router_message_t *message, const char *name, const char *subject)
{
    report_t report;
    zm_form_t *form;
    apr_status_t status;
    begin_report(&report, message->worker, message->error_address);
    if (zm_form_read(&form, zm_zenv_mailshare(message->worker->zenv), zm_str(name), report.pool) !=
        APR_SUCCESS)
        form = NULL;
    add_form(&report, form, subject, builtin_text(name));
    add_annotations(&report, message);
    if ((status = add_original(&report, message)) == APR_SUCCESS)
        return submit(&report);
    zm_buf_free(&report.text);
    return status;
}

void router_reject(router_message_t *message, const char *form)
{
    apr_status_t status;
    if (message->sender_address.length == 0)
        router_find_error_address(message);
    if (message->error_address.length == 0 || message->null_path || message->error_message) {
        router_park(message, "noerraddr", form);
        return;
    }
    status = report_message(message, form, "Your message was not delivered");
    if (status != APR_SUCCESS) {
        zm_log(ZM_LOG_ERROR, message->spool_id,
               "the report of a rejected message could not be written", ZM_F_E("reason", status));
        router_defer(message, "mailcreatefail");
        return;
    }
    zm_log(ZM_LOG_NOTICE, message->spool_id, "message rejected", ZM_F_S("form", form),
           ZM_F_N("told", message->error_address));
    status = zm_spool_unlink(message->worker->spool, message->name);
    if (status != APR_SUCCESS)
        zm_log(ZM_LOG_ERROR, message->spool_id, "a rejected message could not be removed",
               ZM_F_E("reason", status));
}

void router_warn(router_message_t *message, const char *form)
{
    apr_status_t status;
    if (message->error_address.length == 0 || message->null_path || message->error_message)
        return;
    status = report_message(message, form, "Your message has faults in its header");
    zm_log(status == APR_SUCCESS ? ZM_LOG_NOTICE : ZM_LOG_ERROR, message->spool_id, "sender warned",
           ZM_F_S("form", form), ZM_F_N("told", message->error_address), ZM_F_E("status", status));
}

void router_report_list(router_worker_t *worker, zm_str_t to, zm_str_t what, zm_str_t problems)
{
    report_t report;
    zm_form_t *form = NULL;
    apr_status_t status;
    if (worker->message == NULL || router_message_is_error(worker))
        return; /* somebody asks, or a report is on its way: nobody is told */
    begin_report(&report, worker, to);
    (void)zm_form_read(&form, zm_zenv_mailshare(worker->zenv), ZM_S("expansion"), report.pool);
    if (!zm_str_equal_c(to, "postmaster"))
        APR_ARRAY_PUSH(report.copies, zm_str_t) = ZM_S("postmaster");
    add_form(&report, form, apr_psprintf(report.pool, "Error in %.*s", (int)what.length, what.data),
             "An address list of yours has lines that cannot be understood:\n");
    zm_buf_add_str(&report.text, problems);
    status = submit(&report);
    if (status != APR_SUCCESS)
        zm_log(ZM_LOG_ERROR, NULL, "the report about a list could not be written",
               ZM_F_N("list", what), ZM_F_E("reason", status));
}
