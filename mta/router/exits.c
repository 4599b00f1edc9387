#include "mta/router/exits.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/mail/form.h"
#include "mta/mail/illegal.h"
#include "platform/log.h"

#define RETURNED_LIMIT (1u << 20) /* of the message that a reject quotes */

bool router_message_is_error(const router_worker_t *worker)
{
    return worker->message != NULL &&
           (worker->message->error_message || worker->message->null_path);
}

/* -- side directories ------------------------------------------------------------------- */

static const char *side_name(router_message_t *message, const char *directory, const char *suffix)
{
    return apr_psprintf(message->pool, "%s/%" APR_UINT64_T_FMT ".%s", directory,
                        (apr_uint64_t)message->file->info.id, suffix);
}

void router_squirrel(router_message_t *message, unsigned event, const char *key)
{
    apr_status_t status;
    if (event != 0 && (message->worker->squirrel & event) == 0)
        return;
    status = zm_spool_link(message->worker->spool, message->name,
                           side_name(message, ZM_DIR_POSTMAN, key));
    if (status == APR_SUCCESS || APR_STATUS_IS_EEXIST(status))
        zm_log(ZM_LOG_NOTICE, message->spool_id, "copy kept for the postmaster",
               ZM_F_S("key", key));
    else
        zm_log(ZM_LOG_ERROR, message->spool_id, "no copy could be kept for the postmaster",
               ZM_F_S("key", key), ZM_F_E("reason", status));
}

/* Renames the message; a name that is taken gets a number behind it. */
static apr_status_t move(router_message_t *message, const char *directory, const char *suffix)
{
    apr_status_t status = APR_EEXIST;
    int tries;
    for (tries = 0; tries < 100 && APR_STATUS_IS_EEXIST(status); tries++) {
        const char *tail =
            tries == 0 ? suffix : apr_psprintf(message->pool, "%s.%d", suffix, tries);
        status = zm_spool_rename(message->worker->spool, message->name,
                                 side_name(message, directory, tail));
    }
    return status;
}

void router_park(router_message_t *message, const char *key, const char *why)
{
    apr_status_t status = move(message, ZM_DIR_POSTMAN, key);
    if (status == APR_SUCCESS)
        zm_log(ZM_LOG_ERROR, message->spool_id, "message parked in postman", ZM_F_S("key", key),
               ZM_F_S("reason", why));
    else
        zm_log(ZM_LOG_ERROR, message->spool_id, "message stays where it is: it cannot be parked",
               ZM_F_S("name", message->name), ZM_F_S("reason", why), ZM_F_E("trouble", status));
}

void router_defer(router_message_t *message, const char *why)
{
    apr_status_t status = move(message, ZM_DIR_DEFERRED, why);
    if (status == APR_SUCCESS)
        zm_log(ZM_LOG_WARNING, message->spool_id,
               "message deferred; \"zmailer resubmit\" routes it again", ZM_F_S("reason", why));
    else
        zm_log(ZM_LOG_ERROR, message->spool_id, "message stays where it is: it cannot be deferred",
               ZM_F_S("name", message->name), ZM_F_S("reason", why), ZM_F_E("trouble", status));
}

/* -- reports ----------------------------------------------------------------------------- */

/* The envelope of a report: null path, and no report about it in turn. */
static apr_status_t begin_report(zm_submission_t **submission, router_worker_t *worker, zm_str_t to)
{
    zm_submit_options_t options = {0, ZM_UID_NONE, ZM_UID_NONE};
    apr_status_t status;
    options.uid = zm_site_trusted(worker->zenv, zm_script_pool(worker->script)).uid;
    if ((status = zm_submit_begin(submission, &worker->submitter, &options)) != APR_SUCCESS)
        return status;
    if ((status = zm_submit_line(*submission, "channel", ZM_S("error"))) == APR_SUCCESS &&
        (status = zm_submit_line(*submission, "errormsg", ZM_S(""))) == APR_SUCCESS &&
        (status = zm_submit_line(*submission, "todsn", ZM_S("NOTIFY=NEVER"))) == APR_SUCCESS &&
        (status = zm_submit_line(*submission, "to", to)) == APR_SUCCESS)
        status = zm_submit_env_end(*submission);
    if (status != APR_SUCCESS)
        zm_submit_abort(*submission);
    return status;
}

static apr_status_t send_report(router_worker_t *worker, zm_str_t to, zm_str_t text)
{
    zm_submission_t *submission;
    apr_status_t status = begin_report(&submission, worker, to);
    if (status != APR_SUCCESS)
        return status;
    status = zm_submit_write(submission, text.data, text.length);
    if (status != APR_SUCCESS) {
        zm_submit_abort(submission);
        return status;
    }
    return zm_submit_commit_wait(submission, NULL, zm_script_pool(worker->script));
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

static void add_form(zm_buf_t *out, router_worker_t *worker, const char *name, zm_str_t to,
                     zm_str_t subject, const char *builtin)
{
    apr_pool_t *pool = zm_script_pool(worker->script);
    zm_form_t *form = NULL;
    int i;
    if (zm_form_read(&form, zm_zenv_mailshare(worker->zenv), zm_str(name), pool) != APR_SUCCESS)
        form = zm_form_parse(ZM_S("HDR From: The Post Office <postmaster>\n\n"), pool);
    for (i = 0; i < form->header_count; i++) {
        zm_buf_add_str(out, form->headers[i]);
        zm_buf_add_byte(out, '\n');
    }
    add_header(out, "To", to);
    add_header(out, "Subject", form->subject.length > 0 ? form->subject : subject);
    zm_buf_add_c(
        out,
        "Auto-Submitted: auto-replied\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: 8bit\n\n");
    if (form->text.length > 0)
        zm_buf_add_str(out, form->text);
    else
        zm_buf_add_c(out, builtin);
    zm_buf_add_byte(out, '\n');
}

/* What is wrong, with a mark below each problem. */
static void add_annotations(zm_buf_t *out, router_message_t *message)
{
    const zm_header_t *header;
    int i;
    for (i = 0; i < message->file->envelope_count && message->bad_envelope; i++) {
        const zm_envelope_line_t *line = &message->file->envelope[i];
        zm_buf_printf(out, "    %.*s %.*s\n", (int)line->name.length, line->name.data,
                      (int)line->value.length, line->value.data);
    }
    for (header = message->headers ? message->headers->first : NULL; header != NULL;
         header = header->next)
        if (header->bad && header->parsed != NULL) {
            zm_buf_printf(out, "%.*s:\n", (int)header->name.length, header->name.data);
            zm_add_problems(out, header->parsed, "    ");
        }
}

static apr_status_t add_original(zm_buf_t *out, router_message_t *message)
{
    uint64_t offset = message->file->header_offset;
    char block[8192];
    apr_size_t length = sizeof block;
    apr_status_t status;
    zm_buf_add_c(out, "\n-- the message as it came --\n\n");
    while ((status = zm_object_read(message->object, offset, block, &length)) == APR_SUCCESS &&
           offset - message->file->header_offset < RETURNED_LIMIT) {
        zm_buf_add(out, block, length);
        offset += length;
        length = sizeof block;
    }
    if (status == APR_SUCCESS)
        zm_buf_add_c(out, "\n-- the rest is left out --\n");
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

void router_reject(router_message_t *message, const char *form)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_str_t to = message->error_address;
    apr_status_t status;
    if (to.length == 0 && !message->error_message && !message->error_channel &&
        message->from != NULL)
        to = message->from->first->pure; /* the sequence ended before the sender was looked for */
    if (to.length == 0 && !message->trusted)
        to = zm_str(message->login);
    if (to.length == 0 || message->null_path || message->error_message) {
        router_park(message, "noerraddr", form);
        return;
    }
    add_form(&text, message->worker, form, to, ZM_S("Your message was not delivered"),
             builtin_text(form));
    add_annotations(&text, message);
    status = add_original(&text, message);
    if (status == APR_SUCCESS)
        status = send_report(message->worker, to, zm_buf_str(&text));
    zm_buf_free(&text);
    if (status != APR_SUCCESS) {
        zm_log(ZM_LOG_ERROR, message->spool_id,
               "the report of a rejected message could not be written", ZM_F_E("reason", status));
        router_defer(message, "deferred");
        return;
    }
    zm_log(ZM_LOG_NOTICE, message->spool_id, "message rejected", ZM_F_S("form", form),
           ZM_F_N("told", to));
    status = zm_spool_unlink(message->worker->spool, message->name);
    if (status != APR_SUCCESS)
        zm_log(ZM_LOG_ERROR, message->spool_id, "a rejected message could not be removed",
               ZM_F_E("reason", status));
}

void router_report_list(router_worker_t *worker, zm_str_t to, zm_str_t what, zm_str_t problems)
{
    zm_buf_t text = ZM_BUF_INIT, subject = ZM_BUF_INIT;
    apr_status_t status;
    zm_buf_printf(&subject, "Error in %.*s", (int)what.length, what.data);
    add_form(&text, worker, "expansion", to, zm_buf_str(&subject),
             "An address list of yours has lines that cannot be understood:\n");
    zm_buf_add_str(&text, problems);
    status = send_report(worker, to, zm_buf_str(&text));
    if (status != APR_SUCCESS)
        zm_log(ZM_LOG_ERROR, NULL, "the report about a list could not be written",
               ZM_F_N("list", what), ZM_F_E("reason", status));
    zm_buf_free(&text);
    zm_buf_free(&subject);
}
