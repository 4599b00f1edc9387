/*
 * mailrm(1): withdraws messages that wait in the queue, by their sender.
 *
 * It submits a message whose header says which ones it makes obsolete.  The
 * scheduler removes those that the same account sent as the same sender, and
 * no others, so nothing has to be checked here.
 */
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/submit/handover.h"
#include "mta/submit/sendmail_envelope.h"
#include "platform/exec.h"
#include "spool/control.h"
#include "spool/layout.h"

enum { EXIT_NOTHING = 1, EXIT_TRY_AGAIN = 75 };

#define CONTROL_LIMIT (256u << 20)

typedef struct mailrm_t {
    apr_pool_t *pool;
    zm_zenv_t *zenv;
    const char *sender;
    apr_array_header_t *ids; /* Message-IDs in angle brackets, and spool ids */
    int code;
} mailrm_t;

static void complain(mailrm_t *mailrm, int code, const char *text)
{
    fprintf(stderr, "mailrm: %s\n", text);
    if (mailrm->code == 0)
        mailrm->code = code;
}

/* -- which message ---------------------------------------------------------------------- */

/* The log id in a control file; null: it is not there, or not for us to read. */
static const char *log_id(const mailrm_t *mailrm, zm_spool_t *spool, const char *name,
                          apr_status_t *status)
{
    zm_control_file_t *file = NULL;
    zm_object_t *object;
    zm_error_t error;
    char *data;
    apr_size_t length;
    if ((*status = zm_object_open(&object, spool, name, ZM_OBJECT_READ)) != APR_SUCCESS)
        return NULL;
    *status = zm_object_read_all(object, &data, &length, CONTROL_LIMIT, mailrm->pool);
    zm_object_close(object);
    if (*status == APR_SUCCESS)
        *status = zm_control_parse(&file, data, length, mailrm->pool, &error);
    return *status == APR_SUCCESS && file->log_id.length > 0 ? zm_str_c(mailrm->pool, file->log_id)
                                                             : NULL;
}

/* "4711", "A/B/4711": the file below transport/, at whatever level it is. */
static const char *find_number(const mailrm_t *mailrm, const char *word, apr_status_t *status)
{
    char *given = apr_pstrcat(mailrm->pool, ZM_DIR_TRANSPORT "/", word, NULL);
    const char *id = NULL;
    zm_error_t error = {0};
    zm_spool_t *spool;
    zm_name_t parts;
    int levels;
    *status = zm_layout_parse(&parts, zm_str(given));
    if (*status != APR_SUCCESS || !parts.numeric)
        return NULL;
    if ((*status = zm_site_spool(&spool, mailrm->zenv, NULL, mailrm->pool, &error)) != APR_SUCCESS)
        return NULL;
    id = log_id(mailrm, spool, given, status);
    for (levels = 2; id == NULL && levels >= 0 && APR_STATUS_IS_ENOENT(*status); levels--)
        id = log_id(mailrm, spool, zm_layout_name(mailrm->pool, ZM_DIR_TRANSPORT, levels, parts.id),
                    status);
    zm_spool_close(spool);
    return id;
}

static bool is_number(const char *word)
{
    const char *leaf = strrchr(word, '/');
    return zm_is_digit((unsigned char)(leaf != NULL ? leaf[1] : word[0]));
}

static void add(mailrm_t *mailrm, const char *word)
{
    apr_size_t length = strlen(word);
    const char *id = NULL;
    char reason[200];
    apr_status_t status = APR_SUCCESS;
    if (!preamble_is_line(zm_str(word)) || strchr(word, ' ') != NULL)
        complain(mailrm, ZM_EXIT_USAGE, "an id has no blanks and control characters");
    else if (length > 2 && word[0] == '<' && word[length - 1] == '>')
        id = word;
    else if (word[0] == 'S' && zm_is_digit((unsigned char)word[1]))
        id = word;
    else if (!is_number(word))
        complain(mailrm, ZM_EXIT_USAGE,
                 apr_psprintf(mailrm->pool,
                              "%s: expected a number that mailq shows, a spool id, or a "
                              "Message-ID in angle brackets",
                              word));
    else if ((id = find_number(mailrm, word, &status)) == NULL)
        complain(mailrm, EXIT_NOTHING,
                 APR_STATUS_IS_ENOENT(status)
                     ? apr_psprintf(mailrm->pool, "%s is not in the queue", word)
                     : apr_psprintf(mailrm->pool,
                                    "%s: its control file cannot be read (%s); name the message "
                                    "by its Message-ID, as '<ID>'",
                                    word, zm_status_text(status, reason, sizeof reason)));
    if (id != NULL)
        APR_ARRAY_PUSH(mailrm->ids, const char *) = id;
}

/* -- the message that withdraws them --------------------------------------------------------- */

static void compose(zm_buf_t *text, const mailrm_t *mailrm)
{
    int i;
    zm_buf_printf(text,
                  "To: postmaster\nSubject: cancel message%s\nAuto-Submitted: auto-generated\n",
                  mailrm->ids->nelts > 1 ? "s" : "");
    for (i = 0; i < mailrm->ids->nelts; i++)
        zm_buf_printf(text, "Obsoletes: %s\n", APR_ARRAY_IDX(mailrm->ids, i, const char *));
    zm_buf_add_c(text, "\nThe sender withdraws these messages:\n\n");
    for (i = 0; i < mailrm->ids->nelts; i++)
        zm_buf_printf(text, "\t%s\n", APR_ARRAY_IDX(mailrm->ids, i, const char *));
}

static apr_status_t write_all(zm_submission_t *submission, const mailrm_t *mailrm,
                              zm_credentials_t owner)
{
    sendmail_options_t options = {.sender = mailrm->sender, .notify = "NEVER"};
    apr_array_header_t *recipients = apr_array_make(mailrm->pool, 1, sizeof(const char *));
    sendmail_person_t person;
    zm_buf_t text = ZM_BUF_INIT;
    apr_status_t status;
    APR_ARRAY_PUSH(recipients, const char *) = "postmaster";
    sendmail_person(&person, mailrm->zenv, owner, mailrm->sender, mailrm->pool);
    status = sendmail_envelope(submission, &options, recipients, &person, NULL, mailrm->pool);
    compose(&text, mailrm);
    if (status == APR_SUCCESS)
        status = zm_submit_write(submission, text.data, text.length);
    zm_buf_free(&text);
    return status;
}

static apr_status_t submit(const mailrm_t *mailrm, zm_error_t *error)
{
    zm_credentials_t owner = zm_site_trusted(mailrm->zenv, mailrm->pool);
    zm_submit_options_t options = {0, owner.uid, ZM_UID_NONE};
    zm_submission_t *submission;
    zm_published_t published;
    handover_t handover;
    apr_status_t status = handover_open(&handover, mailrm->zenv, false, mailrm->pool, error);
    if (status != APR_SUCCESS)
        return status;
    status = zm_submit_begin(&submission, &handover.submitter, &options);
    if (status == APR_SUCCESS) {
        status = write_all(submission, mailrm, owner);
        if (status != APR_SUCCESS)
            zm_submit_abort(submission);
        else
            status = zm_submit_commit_wait(submission, &published, mailrm->pool);
    }
    if (handover.error.text[0] != '\0')
        *error = handover.error;
    handover_close(&handover);
    return status;
}

static void finish(mailrm_t *mailrm)
{
    zm_error_t error = {0};
    char reason[200];
    apr_status_t status;
    int i;
    if (mailrm->ids->nelts == 0) {
        puts("No messages cancelled");
        return;
    }
    status = submit(mailrm, &error);
    if (status != APR_SUCCESS) {
        complain(mailrm, EXIT_TRY_AGAIN,
                 apr_psprintf(mailrm->pool, "nothing was queued: %s",
                              error.text[0] != '\0'
                                  ? error.text
                                  : zm_status_text(status, reason, sizeof reason)));
        return;
    }
    for (i = 0; i < mailrm->ids->nelts; i++)
        printf("%s is cancelled, if it is yours and still waits\n",
               APR_ARRAY_IDX(mailrm->ids, i, const char *));
}

int main(int argc, char **argv)
{
    mailrm_t mailrm = {0};
    zm_zenv_options_t site = {0};
    zm_error_t error = {0};
    const zm_option_t table[] = {
        {'f', "sender", ZM_OPTION_TEXT, &mailrm.sender, NULL, "ADDRESS",
         "the envelope sender of the messages, if it was given when they were sent"},
    };
    const zm_command_line_t line = {"mailrm",
                                    "ID ...",
                                    "withdraw messages of your own that wait in the queue",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    &site,
                                    0};
    int i, code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&mailrm.pool, NULL);
    mailrm.ids = apr_array_make(mailrm.pool, 4, sizeof(const char *));
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (argc < 2) {
        complain(&mailrm, ZM_EXIT_USAGE, "expected messages; see mailrm --help");
        return mailrm.code;
    }
    if (mailrm.sender != NULL && !preamble_is_line(zm_str(mailrm.sender))) {
        complain(&mailrm, ZM_EXIT_USAGE, "-f: an address without control characters");
        return mailrm.code;
    }
    if (zm_zenv_load(&mailrm.zenv, &site, mailrm.pool, &error) != APR_SUCCESS) {
        complain(&mailrm, ZM_EXIT_CONFIG, error.text);
        return mailrm.code;
    }
    for (i = 1; i < argc; i++)
        add(&mailrm, argv[i]);
    finish(&mailrm);
    return mailrm.code;
}
