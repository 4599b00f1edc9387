/*
 * autoanswer(8): answers each message with its own header, so that people can see
 * what their mail looks like when it arrives.  It stands in an alias:
 *
 *     autoanswer: "|/usr/local/libexec/zmailer/ta/autoanswer"
 *
 * No alias of the stock configuration names it: an answer to a forged sender is a
 * nuisance to somebody else.  So it answers only what a person may have sent
 * (RFC 3834), nobody twice within an interval, and with a limited amount of text.
 * It never fails for that: the message has arrived, and is to be forgotten.
 */
#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/mail/header_text.h"
#include "mta/mail/xtext.h"
#include "mta/submit/handover.h"
#include "mta/submit/preamble.h"
#include "mta/submit/vacation_db.h"
#include "mta/submit/vacation_judge.h"
#include "platform/clock.h"
#include "platform/exec.h"
#include "platform/fs.h"

enum { EXIT_TRY_AGAIN = 75 };

#define HEADER_LIMIT (64u << 10)
#define LOOP "X-autoanswer-loop"
#define SECONDS 3600

typedef struct autoanswer_t {
    apr_pool_t *pool;
    zm_zenv_t *zenv;
    const char *database, *sender;
    int64_t interval;
    bool dry_run;
    zm_str_t header;
    zm_headers_t *headers;
} autoanswer_t;

/* A line in the log, where that can be written, and for who looks. */
static void note(const autoanswer_t *answer, const char *what)
{
    const char *path = apr_pstrcat(answer->pool, zm_zenv_logdir(answer->zenv), "/autoanswer", NULL);
    const char *sender = answer->sender != NULL && *answer->sender != '\0' ? answer->sender : "<>";
    char date[64];
    zm_file_t *file;
    const char *line;
    zm_clock_rfc5322(date, sizeof date, zm_clock_wall(), 0);
    line = apr_psprintf(answer->pool, "%s %s: %s\n", date, sender, what);
    if (answer->dry_run) {
        fprintf(stderr, "autoanswer: %s: %s\n", sender, what);
        return;
    }
    if (zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_APPEND, 0640,
                     answer->pool) != APR_SUCCESS)
        return;
    (void)zm_file_append(file, line, strlen(line));
    zm_file_close(file);
}

/* -- the message that came ------------------------------------------------------------------ */

/* Keeps the header, or its beginning; the rest is read and forgotten. */
static bool read_header(autoanswer_t *answer)
{
    zm_buf_t text = ZM_BUF_INIT;
    char *block = apr_palloc(answer->pool, HEADER_LIMIT);
    apr_size_t length = HEADER_LIMIT, i;
    apr_file_t *in;
    apr_status_t status = apr_file_open_stdin(&in, answer->pool);
    while (status == APR_SUCCESS && (status = apr_file_read(in, block, &length)) == APR_SUCCESS) {
        apr_size_t room = HEADER_LIMIT - text.length;
        zm_buf_add(&text, block, length < room ? length : room);
        length = HEADER_LIMIT;
    }
    for (i = 0; i < text.length; i++)
        if (text.data[i] == '\n' && i + 1 < text.length && text.data[i + 1] == '\n')
            break;
    answer->header = zm_str_copy(answer->pool, zm_str_of(text.data, i));
    zm_buf_free(&text);
    if (zm_str_starts(answer->header, ZM_S("From "))) {
        zm_str_t line, rest = ZM_S("");
        zm_str_cut(answer->header, '\n', &line, &rest);
        answer->header = rest;
    }
    answer->headers = zm_headers_of_text(answer->header, answer->pool);
    return APR_STATUS_IS_EOF(status);
}

static bool is_one_address(const char *sender, apr_pool_t *pool)
{
    zm_address_list_t *list = zm_address_parse(ZM_RULE_MAILBOX, zm_str(sender), pool);
    zm_address_t *item = zm_address_good(list->first);
    return list->bad == 0 && list->mailboxes == 1 && item != NULL &&
           zm_str_equal_c(item->pure, sender);
}

/* Why it is not answered; null: it is. */
static const char *objection(const autoanswer_t *answer)
{
    const zm_header_t *header;
    const char *why;
    bool due = true;
    if (answer->sender == NULL)
        return "SENDER is not set";
    if ((why = vacation_sender_forbids(answer->sender)) != NULL)
        return why;
    if (!preamble_is_line(zm_str(answer->sender)) || !is_one_address(answer->sender, answer->pool))
        return "the sender is no address";
    for (header = answer->headers->first; header != NULL; header = header->next)
        if (zm_str_equal_nocase(header->name, ZM_S(LOOP)))
            return "it is an answer of this program";
    if ((why = vacation_header_forbids(answer->headers, answer->pool)) != NULL)
        return why;
    if (answer->interval <= 0 || answer->dry_run)
        return NULL;
    if (vacation_db_due(&due, answer->database, answer->sender, apr_time_sec(zm_clock_wall()),
                        answer->interval, SECONDS, answer->pool) != APR_SUCCESS)
        return apr_psprintf(answer->pool, "%s cannot be used", answer->database);
    return due ? NULL : "it was answered not long ago";
}

/* -- the answer --------------------------------------------------------------------------- */

static zm_str_t field(const autoanswer_t *answer, const char *name)
{
    const zm_header_t *header;
    for (header = answer->headers->first; header != NULL; header = header->next)
        if (zm_str_equal_nocase(header->name, zm_str(name)))
            return zm_str_trim(header->value);
    return ZM_S("");
}

/* "rfc822;autoanswer@example.org" */
static const char *me(const autoanswer_t *answer)
{
    const char *value = preamble_variable("INRCPT", answer->pool);
    zm_str_t type, address;
    if (value == NULL || !zm_str_cut(zm_str(value), ';', &type, &address) || address.length == 0)
        return "autoanswer";
    value = zm_str_c(answer->pool, zm_xtext_decode_line(address, answer->pool));
    return preamble_is_line(zm_str(value)) && is_one_address(value, answer->pool) ? value
                                                                                  : "autoanswer";
}

static void add_clean(zm_buf_t *out, zm_str_t text, apr_size_t limit)
{
    apr_size_t i;
    for (i = 0; i < text.length && i < limit; i++)
        zm_buf_add_byte(out, (unsigned char)text.data[i] < ' ' ? ' ' : text.data[i]);
}

static void compose(zm_buf_t *out, const autoanswer_t *answer)
{
    zm_str_t subject = field(answer, "subject"), id = field(answer, "message-id");
    zm_buf_printf(out, "From: %s\nTo: %s\nSubject: Autoanswer: ", me(answer), answer->sender);
    add_clean(out, subject, 200);
    if (id.length > 2 && id.data[0] == '<' && id.length < 500) {
        zm_buf_add_c(out, "\nIn-Reply-To: ");
        add_clean(out, id, 500);
        zm_buf_add_c(out, "\nReferences: ");
        add_clean(out, id, 500);
    }
    zm_buf_add_c(out, "\nAuto-Submitted: auto-replied\n" LOOP ": Megaloop\n"
                      "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n"
                      "Content-Transfer-Encoding: 8bit\n\n"
                      "A program answers.  Your message came with this header:\n\n");
    zm_buf_add_str(out, answer->header);
    if (answer->header.length > 0 && answer->header.data[answer->header.length - 1] != '\n')
        zm_buf_add_byte(out, '\n');
}

static apr_status_t put(zm_submission_t *submission, const autoanswer_t *answer, zm_str_t text)
{
    apr_status_t status = zm_submit_line(submission, "channel", ZM_S("error"));
    if (status == APR_SUCCESS)
        status = zm_submit_line(submission, "todsn", ZM_S("NOTIFY=NEVER"));
    if (status == APR_SUCCESS)
        status = zm_submit_line(submission, "to", zm_str(answer->sender));
    if (status == APR_SUCCESS)
        status = zm_submit_env_end(submission);
    return status != APR_SUCCESS ? status : zm_submit_write(submission, text.data, text.length);
}

static apr_status_t submit(const autoanswer_t *answer, zm_str_t text, zm_error_t *error)
{
    zm_submit_options_t options = {0, ZM_UID_NONE, ZM_UID_NONE};
    zm_submission_t *submission;
    handover_t handover;
    apr_status_t status = handover_open(&handover, answer->zenv, false, answer->pool, error);
    if (status != APR_SUCCESS)
        return status;
    status = zm_submit_begin(&submission, &handover.submitter, &options);
    if (status == APR_SUCCESS && (status = put(submission, answer, text)) != APR_SUCCESS)
        zm_submit_abort(submission);
    else if (status == APR_SUCCESS)
        status = zm_submit_commit_wait(submission, NULL, answer->pool);
    handover_close(&handover);
    return status;
}

static int respond(autoanswer_t *answer)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_error_t error = {0};
    const char *why;
    apr_status_t status = APR_SUCCESS;
    if (!read_header(answer)) {
        fprintf(stderr, "autoanswer: the message cannot be read\n");
        return EXIT_TRY_AGAIN;
    }
    why = objection(answer);
    if (why != NULL) {
        note(answer, apr_pstrcat(answer->pool, "not answered: ", why, NULL));
        return 0;
    }
    compose(&text, answer);
    if (answer->dry_run)
        fwrite(text.data, 1, text.length, stdout);
    else
        status = submit(answer, zm_buf_str(&text), &error);
    zm_buf_free(&text);
    note(answer, status == APR_SUCCESS ? "answered" : "the answer could not be queued");
    return 0;
}

int main(int argc, char **argv)
{
    autoanswer_t answer = {.interval = SECONDS};
    zm_zenv_options_t site = {0};
    const zm_option_t table[] = {
        {'f', "database", ZM_OPTION_TEXT, &answer.database, NULL, "FILE",
         "who was answered when ($LOGDIR/autoanswer.db)"},
        {'n', "dry-run", ZM_OPTION_FLAG, &answer.dry_run, NULL, NULL,
         "write the answer, or why there is none"},
        {'r', "interval", ZM_OPTION_INTERVAL, &answer.interval, NULL, "TIME",
         "answer nobody twice within it (1h); 0: everybody always"},
    };
    const zm_command_line_t line = {"autoanswer",
                                    NULL,
                                    "answer mail with its own header",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    &site,
                                    0};
    int code;

    if (!zm_options_start(&line, &argc, argv, &answer.pool, &answer.zenv, &code))
        return code;
    zm_program_binary_streams();
    if (answer.database == NULL)
        answer.database =
            apr_pstrcat(answer.pool, zm_zenv_logdir(answer.zenv), "/autoanswer.db", NULL);
    answer.sender = preamble_variable("SENDER", answer.pool);
    return respond(&answer);
}
