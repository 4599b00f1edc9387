/* sendmail(8) as a submitter: the message on standard input into the spool. */
#include <apr_file_io.h>
#include <apr_poll.h>
#include <apr_signal.h>
#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/submit/handover.h"
#include "mta/submit/sendmail.h"
#include "mta/submit/sendmail_deadletter.h"
#include "mta/submit/sendmail_envelope.h"
#include "mta/submit/sendmail_input.h"
#include "mta/submit/sendmail_recipients.h"
#include "mta/submit/sendmail_trace.h"
#include "platform/child.h"
#include "platform/exec.h"
#include "platform/log.h"
#include "spool/trace.h"

/* A header that has to be seen whole before its recipients are known. */
#define HEADER_LIMIT (16u << 20)

/* What a failure of the spool means to the caller: nothing was queued, so it may try again. */
static int exit_code_of(apr_status_t status)
{
    if (status == APR_SUCCESS)
        return 0;
    if (status == ZM_E_SYNTAX || status == ZM_E_LIMIT)
        return SENDMAIL_EXIT_DATA;
    if (status == ZM_E_CONFIG)
        return SENDMAIL_EXIT_CONFIG;
    if (status == ZM_E_PROTOCOL) /* the SMTP server's last word */
        return SENDMAIL_EXIT_UNAVAILABLE;
    if (status == ZM_E_GONE) /* what sendmail_read gives when the caller's end is broken */
        return SENDMAIL_EXIT_IO;
    return SENDMAIL_EXIT_TEMPORARY;
}

/* -- the message --------------------------------------------------------------------- */

/* A message on its way from standard input into the spool. */
typedef struct message_t {
    const sendmail_t *sendmail;
    handover_t handover;
    zm_submission_t *submission;
    const sendmail_person_t *person;
    const char *trace;
    apr_array_header_t *recipients; /* of the envelope */
    apr_array_header_t *words;      /* those of the command line, with -t */
    sendmail_words_t use;           /* what they are for */
    uint64_t limit;                 /* bytes, 0: none */
    bool gathering;                 /* the envelope waits for the end of the header, */
    zm_buf_t header;                /* which is here as far as it has come */
    bool empty;
    bool saves;          /* what the spool does not take is wanted in dead.letter, */
    zm_buf_t kept;       /* for which it is kept here */
    apr_status_t failed; /* the spool took no more, with this */
    zm_error_t error;
} message_t;

static apr_status_t write_envelope(message_t *message)
{
    return sendmail_envelope(message->submission, message->sendmail->options, message->recipients,
                             message->person, message->trace, message->sendmail->pool);
}

/* The header is here: its recipients, with those of the command line, are those of the envelope. */
static apr_status_t write_gathered(message_t *message, zm_str_t header)
{
    zm_str_t all = zm_buf_str(&message->header);
    apr_status_t status = sendmail_header_recipients(message->recipients, header, &message->error);
    message->gathering = false;
    if (status != APR_SUCCESS)
        return status;
    sendmail_apply_words(message->recipients, message->words, message->use == SENDMAIL_WORDS_ADDED);
    if (message->recipients->nelts == 0)
        return zm_error_set(&message->error, ZM_E_SYNTAX, "no recipients are left");
    status = write_envelope(message);
    return status != APR_SUCCESS ? status
                                 : zm_submit_write(message->submission, all.data, all.length);
}

static apr_status_t pass_on(message_t *message, const void *data, apr_size_t length)
{
    apr_ssize_t end;
    if (message->limit > 0 &&
        zm_submit_written(message->submission) + message->header.length + length > message->limit)
        return zm_error_set(&message->error, ZM_E_LIMIT,
                            "the message is larger than MAX_SUBMIT_SIZE, %" APR_UINT64_T_FMT
                            " bytes",
                            message->limit);
    if (!message->gathering)
        return zm_submit_write(message->submission, data, length);
    zm_buf_add(&message->header, data, length);
    end = sendmail_header_length(zm_buf_str(&message->header));
    if (end >= 0)
        return write_gathered(message, zm_str_of(message->header.data, (apr_size_t)end));
    if (message->header.length > HEADER_LIMIT)
        return zm_error_set(&message->error, ZM_E_LIMIT, "the header is too large");
    return APR_SUCCESS;
}

static apr_status_t message_sink(void *baton, const void *data, apr_size_t length)
{
    message_t *message = baton;
    apr_status_t status;
    if (message->saves && message->kept.length + length > SENDMAIL_SAVED_LIMIT)
        message->saves = false;
    if (message->saves)
        zm_buf_add(&message->kept, data, length);
    if (message->failed != APR_SUCCESS) /* the rest is read to be saved */
        return message->saves ? APR_SUCCESS : message->failed;
    status = pass_on(message, data, length);
    if (exit_code_of(status) != SENDMAIL_EXIT_TEMPORARY || !message->saves)
        return status;
    message->failed = status;
    return APR_SUCCESS;
}

/* Waits until standard input has something.  A signal ends the wait; where files cannot be polled,
 * reading waits. */
static apr_status_t wait_readable(apr_file_t *in, apr_pool_t *pool)
{
    apr_pollfd_t fd = {0};
    apr_int32_t count;
    apr_status_t status;
    fd.p = pool;
    fd.desc_type = APR_POLL_FILE;
    fd.reqevents = APR_POLLIN;
    fd.desc.f = in;
    do {
        status = apr_poll(&fd, 1, &count, -1);
        if (sendmail_interrupted)
            return ZM_E_STOPPED;
    } while (APR_STATUS_IS_EINTR(status));
    return APR_SUCCESS;
}

apr_status_t sendmail_read(sendmail_input_t *input, zm_error_t *error, apr_pool_t *pool)
{
    apr_file_t *in;
    apr_status_t status = apr_file_open_stdin(&in, pool);
    char *block = apr_palloc(pool, 65536);
    while (status == APR_SUCCESS) {
        apr_size_t length = 65536;
        if ((status = wait_readable(in, pool)) != APR_SUCCESS)
            return status;
        status = apr_file_read(in, block, &length);
        if (status != APR_SUCCESS && !APR_STATUS_IS_EOF(status)) {
            zm_error_system(error, status, "cannot read the message from standard input");
            return ZM_E_GONE;
        }
        if (status == APR_SUCCESS)
            status = sendmail_input_feed(input, block, length);
    }
    return APR_STATUS_IS_EOF(status) ? APR_SUCCESS : status;
}

static apr_status_t copy_input(message_t *message)
{
    const sendmail_options_t *options = message->sendmail->options;
    sendmail_input_t input;
    apr_status_t status;
    sendmail_input_init(&input, message_sink, message);
    input.keep_from = options->keep_from;
    input.dot_ends = !options->ignore_dots && zm_program_is_terminal(0);
    status = sendmail_read(&input, &message->error, message->sendmail->pool);
    if (status == APR_SUCCESS)
        status = sendmail_input_finish(&input, &message->empty);
    if (status == APR_SUCCESS && message->failed == APR_SUCCESS && !message->empty &&
        message->gathering) /* nothing but a header */
        status = write_gathered(message, zm_buf_str(&message->header));
    sendmail_input_free(&input);
    return status;
}

/* -- around the message ------------------------------------------------------------------ */

static apr_status_t find_recipients(message_t *message, zm_error_t *error)
{
    const sendmail_t *sendmail = message->sendmail;
    const sendmail_options_t *options = sendmail->options;
    apr_array_header_t *words =
        apr_array_make(sendmail->pool, options->recipients->nelts + 1, sizeof(const char *));
    apr_status_t status = sendmail_words_by_name(
        &message->use, zm_zenv_get_or(sendmail->zenv, "SENDMAIL_T_ARGS", "ignore"), error);
    int i;
    message->words = words;
    message->recipients =
        options->from_header ? apr_array_make(sendmail->pool, 16, sizeof(const char *)) : words;
    if (options->from_header && message->use == SENDMAIL_WORDS_IGNORED)
        return status;
    for (i = 0; status == APR_SUCCESS && i < options->recipients->nelts; i++)
        status =
            sendmail_addresses(words, APR_ARRAY_IDX(options->recipients, i, const char *), error);
    message->gathering = options->from_header && words->nelts > 0;
    return status;
}

static int follow_in_background(const sendmail_t *sendmail, const char *trace)
{
    const char *argv[] = {sendmail->self, "--follow", zm_zenv_spool(sendmail->zenv), trace, NULL};
    zm_child_spec_t spec = {0};
    zm_error_t error;
    zm_child_t *child;
    zm_loop_t *loop;
    spec.argv = argv;
    spec.io = ZM_CHILD_INHERIT;
    spec.new_group = true;
    if (zm_loop_create(&loop, sendmail->pool) != APR_SUCCESS ||
        zm_child_start(&child, &spec, loop, NULL, NULL, &error) != APR_SUCCESS)
        return sendmail_complain(sendmail, 0,
                                 "the message is queued; its trace cannot be followed");
    zm_child_close(child);
    return 0;
}

/* A program that is no person at a terminal goes on at once. */
static int follow(const sendmail_t *sendmail, const char *trace)
{
    if (!zm_program_is_terminal(2))
        return follow_in_background(sendmail, trace);
    sendmail_default_signals();
    sendmail_trace_follow(zm_zenv_spool(sendmail->zenv), trace, 1, sendmail->pool);
    return 0;
}

/* Nothing was queued: says why, tells the administrator, saves the message where that is wanted. */
static int give_up(message_t *message, apr_status_t status)
{
    const sendmail_t *sendmail = message->sendmail;
    char buffer[200];
    const char *reason = message->error.text[0] != '\0' ? message->error.text
                         : message->handover.error.text[0] != '\0'
                             ? message->handover.error.text
                             : zm_status_text(status, buffer, sizeof buffer);
    int code = exit_code_of(status);
    if (status == ZM_E_STOPPED)
        return sendmail_complain(sendmail, SENDMAIL_EXIT_TEMPORARY,
                                 "interrupted; nothing was queued");
    sendmail_complain(sendmail, code,
                      code == SENDMAIL_EXIT_TEMPORARY && message->handover.error.text[0] == '\0'
                          ? apr_psprintf(sendmail->pool, "nothing was queued in %s: %s",
                                         zm_zenv_postoffice(sendmail->zenv), reason)
                          : apr_psprintf(sendmail->pool, "nothing was queued: %s", reason));
    if (code != SENDMAIL_EXIT_TEMPORARY && code != SENDMAIL_EXIT_CONFIG)
        return code;
    if (strcmp(zm_zenv_get_or(sendmail->zenv, "SYSLOGFLG", ""), "-") != 0)
        zm_log_syslog(ZM_LOG_ERROR, "sendmail",
                      "a message of uid=%" APR_INT64_T_FMT " is not accepted: %s",
                      (apr_int64_t)zm_identity_real().uid, reason);
    return message->saves && message->kept.length > 0
               ? sendmail_save(sendmail, zm_buf_str(&message->kept), code)
               : code;
}

/* Reads it, and writes it as far as the spool takes it. */
static apr_status_t transfer(message_t *message)
{
    apr_status_t status;
    if (message->failed == APR_SUCCESS)
        message->failed = zm_zenv_size(message->sendmail->zenv, "MAX_SUBMIT_SIZE", 0,
                                       &message->limit, &message->error);
    if (message->failed == APR_SUCCESS && !message->gathering)
        message->failed = write_envelope(message);
    if (message->failed != APR_SUCCESS && !message->saves)
        return message->failed;
    status = copy_input(message);
    return status != APR_SUCCESS ? status : message->failed;
}

static int write_message(message_t *message)
{
    const sendmail_t *sendmail = message->sendmail;
    zm_published_t published;
    apr_status_t status = transfer(message);
    if (message->submission != NULL && (status != APR_SUCCESS || message->empty)) {
        zm_submit_abort(message->submission);
    } else if (message->submission != NULL) {
        if (message->handover.submitter.handover != NULL) /* a server may take its time */
            sendmail_default_signals();
        status = zm_submit_commit_wait(message->submission, &published, sendmail->pool);
        if (status == APR_SUCCESS && message->handover.submitter.handover == NULL)
            sendmail_note(sendmail->zenv, "sendmail", &published);
    }
    /* Nothing in, nothing out: what cron and scripts rely on. */
    return status == APR_SUCCESS ? 0 : give_up(message, status);
}

static apr_status_t priority_of(const sendmail_t *sendmail, int *priority)
{
    const char *wanted = preamble_variable("MAILPRIORITY", sendmail->pool);
    *priority = 0;
    if (sendmail->options->priority != NULL)
        return zm_site_priority(priority, sendmail->options->priority) ? APR_SUCCESS : ZM_E_SYNTAX;
    if (!zm_site_priority(priority, wanted))
        *priority = 0; /* as before there were words */
    return APR_SUCCESS;
}

/* Without one the message goes all the same. */
static void make_trace(message_t *message, zm_spool_t *spool, zm_uid_t owner)
{
    const sendmail_t *sendmail = message->sendmail;
    char *leaf = apr_palloc(sendmail->pool, ZM_TRACE_LEAF_SIZE), reason[200];
    apr_status_t status = zm_spool_trace_make(leaf, spool, owner);
    if (status == APR_SUCCESS)
        message->trace = leaf;
    else
        sendmail_complain(
            sendmail, 0,
            apr_psprintf(sendmail->pool, "nothing to follow: cannot make a trace in %s/public: %s",
                         zm_spool_location(spool), zm_status_text(status, reason, sizeof reason)));
}

static int submit_to(message_t *message, const zm_submit_options_t *options)
{
    const sendmail_t *sendmail = message->sendmail;
    zm_credentials_t trusted = {options->uid, ZM_UID_NONE};
    handover_t *handover = &message->handover;
    sendmail_person_t person;
    int code;

    sendmail_person(&person, sendmail->zenv, trusted, sendmail->options->sender, sendmail->pool);
    message->person = &person;
    if (sendmail->options->verbose && handover->submitter.handover != NULL)
        sendmail_complain(sendmail, 0, "nothing to follow: the message goes through a socket");
    else if (sendmail->options->verbose)
        make_trace(message, handover->spool, options->uid);
    message->failed = zm_submit_begin(&message->submission, &handover->submitter, options);
    code = write_message(message);
    if (message->trace != NULL && (code != 0 || message->empty)) {
        zm_spool_trace_remove(handover->spool, message->trace);
        message->trace = NULL;
    }
    return code;
}

int sendmail_submit(const sendmail_t *sendmail)
{
    zm_submit_options_t options = {0, zm_site_trusted(sendmail->zenv, sendmail->pool).uid,
                                   ZM_UID_NONE};
    message_t message = {.sendmail = sendmail, .saves = sendmail_saves(sendmail)};
    int code;

    if (priority_of(sendmail, &options.priority) != APR_SUCCESS)
        return sendmail_complain(sendmail, SENDMAIL_EXIT_USAGE,
                                 "the priority is a number, or high, normal, bulk, junk");
    if (find_recipients(&message, &message.error) != APR_SUCCESS)
        return sendmail_complain(sendmail, exit_code_of(message.error.status), message.error.text);
    message.failed =
        handover_open(&message.handover, sendmail->zenv, false, sendmail->pool, &message.error);
    if (message.failed != APR_SUCCESS)
        return write_message(&message);
    code = submit_to(&message, &options);
    handover_close(&message.handover);
    zm_buf_free(&message.header);
    zm_buf_free(&message.kept);
    return code == 0 && message.trace != NULL ? follow(sendmail, message.trace) : code;
}
