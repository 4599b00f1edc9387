/*
 * sendmail(8): the submitter that every mail program expects.
 *
 * It writes one spool object, makes it durable, and hints the router; it never
 * routes, looks up or delivers.  Exit 0 means that the message is safe.
 */
#include <apr_env.h>
#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_poll.h>
#include <apr_signal.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/site.h"
#include "mta/submit/sendmail_envelope.h"
#include "mta/submit/sendmail_input.h"
#include "mta/submit/sendmail_options.h"
#include "mta/submit/sendmail_trace.h"
#include "platform/child.h"
#include "platform/log.h"
#include "platform/exec.h"
#include "platform/service.h"
#include "spool/layout.h"

enum {
    EXIT_USAGE = 64,
    EXIT_DATA = 65,
    EXIT_UNAVAILABLE = 69,
    EXIT_IO = 74,
    EXIT_TEMPORARY = 75,
    EXIT_CONFIG = 78
};

typedef struct sendmail_t {
    sendmail_options_t *options;
    zm_zenv_t *zenv;
    apr_pool_t *pool;
    const char *self; /* path of this program */
} sendmail_t;

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

static int complain(const sendmail_t *sendmail, int code, const char *text)
{
    if (!sendmail->options->quiet)
        fprintf(stderr, "sendmail: %s\n", text);
    return code;
}

/* What a failure of the spool means to the caller: nothing was queued, so it may try again. */
static int exit_code_of(apr_status_t status)
{
    if (status == ZM_E_SYNTAX || status == ZM_E_LIMIT)
        return EXIT_DATA;
    if (status == ZM_E_CONFIG)
        return EXIT_CONFIG;
    return EXIT_TEMPORARY;
}

/* -- submission ------------------------------------------------------------------ */

typedef struct body_t {
    zm_submission_t *submission;
    uint64_t limit; /* bytes, 0: none */
} body_t;

static apr_status_t body_sink(void *baton, const void *data, apr_size_t length)
{
    body_t *body = baton;
    if (body->limit > 0 && zm_submit_written(body->submission) + length > body->limit)
        return ZM_E_LIMIT;
    return zm_submit_write(body->submission, data, length);
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
        if (interrupted)
            return ZM_E_STOPPED;
    } while (APR_STATUS_IS_EINTR(status));
    return APR_SUCCESS;
}

static apr_status_t copy_input(sendmail_input_t *input, bool *empty, apr_pool_t *pool)
{
    apr_file_t *in;
    apr_status_t status = apr_file_open_stdin(&in, pool);
    char *block = apr_palloc(pool, 65536);
    while (status == APR_SUCCESS) {
        apr_size_t length = 65536;
        if ((status = wait_readable(in, pool)) != APR_SUCCESS)
            return status;
        status = apr_file_read(in, block, &length);
        if (status == APR_SUCCESS)
            status = sendmail_input_feed(input, block, length);
    }
    if (!APR_STATUS_IS_EOF(status))
        return status;
    return sendmail_input_finish(input, empty);
}

static const char *environment(const char *name, apr_pool_t *pool)
{
    char *value;
    return apr_env_get(&value, name, pool) == APR_SUCCESS && *value != '\0' ? value : NULL;
}

static void fill_person(sendmail_person_t *person, const sendmail_t *sendmail,
                        zm_credentials_t trusted)
{
    apr_pool_t *pool = sendmail->pool;
    zm_user_t *user;
    memset(person, 0, sizeof *person);
    person->login = environment("LOGNAME", pool);
    if (person->login == NULL)
        person->login = environment("USERNAME", pool);
    if (person->login == NULL)
        person->login = environment("USER", pool);
    if (person->login == NULL)
        person->login = "\"?\?\"";
    person->host = zm_site_hostname(sendmail->zenv, pool);
    person->full_name = environment("FULLNAME", pool);
    person->pretty_login = environment("PRETTYLOGIN", pool);
    if (trusted.uid == ZM_UID_NONE || sendmail->options->sender != NULL)
        return;
    /* Root submits under the trusted account: say who it really is. */
    person->sender =
        zm_user_by_uid(&user, zm_identity_real().uid, pool) == APR_SUCCESS ? user->name : "root";
}

static apr_status_t recipients_of(apr_array_header_t **recipients, const sendmail_t *sendmail,
                                  zm_error_t *error)
{
    const sendmail_options_t *options = sendmail->options;
    const char *arguments = zm_zenv_get_or(sendmail->zenv, "SENDMAIL_T_ARGS", "ignore");
    apr_status_t status = APR_SUCCESS;
    int i;
    *recipients =
        apr_array_make(sendmail->pool, options->recipients->nelts + 1, sizeof(const char *));
    if (options->from_header && options->recipients->nelts > 0 && strcmp(arguments, "ignore") != 0)
        return zm_error_set(
            error, ZM_E_CONFIG,
            "SENDMAIL_T_ARGS=%s: only \"ignore\" is supported: with -t, recipients stand in the "
            "header",
            arguments);
    if (options->from_header)
        return APR_SUCCESS;
    for (i = 0; status == APR_SUCCESS && i < options->recipients->nelts; i++)
        status = sendmail_addresses(*recipients,
                                    APR_ARRAY_IDX(options->recipients, i, const char *), error);
    return status;
}

static int follow_in_background(const sendmail_t *sendmail, const char *trace)
{
    const char *argv[] = {sendmail->self, "--follow", zm_zenv_postoffice(sendmail->zenv), trace,
                          NULL};
    zm_child_spec_t spec = {0};
    zm_error_t error;
    zm_child_t *child;
    zm_loop_t *loop;
    spec.argv = argv;
    spec.io = ZM_CHILD_INHERIT;
    spec.new_group = true;
    if (zm_loop_create(&loop, sendmail->pool) != APR_SUCCESS ||
        zm_child_start(&child, &spec, loop, NULL, NULL, &error) != APR_SUCCESS)
        return complain(sendmail, 0, "the message is queued; its trace cannot be followed");
    zm_child_close(child);
    return 0;
}

static int write_message(const sendmail_t *sendmail, zm_submission_t *submission,
                         apr_array_header_t *recipients, const sendmail_person_t *person,
                         const char *trace)
{
    const sendmail_options_t *options = sendmail->options;
    body_t body = {submission, 0};
    sendmail_input_t input;
    zm_published_t published;
    zm_error_t error = {0};
    bool empty = false;
    char reason[200];
    char id[ZM_SPOOL_ID_SIZE];
    apr_status_t status = zm_zenv_size(sendmail->zenv, "MAX_SUBMIT_SIZE", 0, &body.limit, &error);
    if (status == APR_SUCCESS)
        status = sendmail_envelope(submission, options, recipients, person, trace, sendmail->pool);
    sendmail_input_init(&input, body_sink, &body);
    input.keep_from = options->keep_from;
    input.dot_ends = !options->ignore_dots && zm_program_is_terminal(0);
    if (status == APR_SUCCESS)
        status = copy_input(&input, &empty, sendmail->pool);
    sendmail_input_free(&input);
    if (status != APR_SUCCESS || empty) {
        zm_submit_abort(submission);
        if (status == APR_SUCCESS)
            return 0; /* nothing in, nothing out: what cron and scripts rely on */
        if (status == ZM_E_STOPPED)
            return complain(sendmail, EXIT_TEMPORARY, "interrupted; nothing was queued");
        return complain(sendmail, exit_code_of(status),
                        apr_psprintf(sendmail->pool, "nothing was queued: %s",
                                     error.text[0]
                                         ? error.text
                                         : zm_status_text(status, reason, sizeof reason)));
    }
    status = zm_submit_commit_wait(submission, &published, sendmail->pool);
    if (status != APR_SUCCESS)
        return complain(sendmail, exit_code_of(status),
                        apr_psprintf(sendmail->pool, "nothing was queued in %s: %s",
                                     zm_zenv_postoffice(sendmail->zenv),
                                     zm_status_text(status, reason, sizeof reason)));
    zm_layout_spool_id(id, published.info.id, published.info.mtime_s, published.info.mtime_ns);
    if (strchr(zm_zenv_get_or(sendmail->zenv, "SYSLOGFLG", ""), 'S') != NULL)
        zm_log_syslog(ZM_LOG_INFO, "sendmail", "%s: submitted uid=%" APR_INT64_T_FMT, id,
                      (apr_int64_t)zm_identity_real().uid);
    return 0;
}

static int submit(const sendmail_t *sendmail)
{
    const sendmail_options_t *options = sendmail->options;
    zm_credentials_t trusted = zm_site_trusted(sendmail->zenv, sendmail->pool);
    zm_submit_options_t submit_options = {0, trusted.uid, ZM_UID_NONE};
    apr_array_header_t *recipients;
    zm_submission_t *submission;
    zm_submitter_t submitter;
    sendmail_person_t person;
    const char *trace = NULL;
    zm_error_t error = {0};
    zm_spool_t *spool;
    apr_status_t status;
    char reason[200];
    int code;

    if (!zm_site_priority(&submit_options.priority,
                          options->priority ? options->priority
                                            : environment("MAILPRIORITY", sendmail->pool)))
        return complain(sendmail, EXIT_USAGE,
                        "the priority is a number, or high, normal, bulk, junk");
    if (recipients_of(&recipients, sendmail, &error) != APR_SUCCESS)
        return complain(sendmail, error.status == ZM_E_CONFIG ? EXIT_CONFIG : EXIT_DATA,
                        error.text);
    if (zm_site_spool(&spool, sendmail->zenv, NULL, sendmail->pool, &error) != APR_SUCCESS)
        return complain(sendmail, exit_code_of(error.status), error.text);
    zm_site_submitter(&submitter, sendmail->zenv, spool, sendmail->pool);
    fill_person(&person, sendmail, trusted);
    if (options->verbose &&
        sendmail_trace_create(&trace, spool, trusted.uid, sendmail->pool, &error) != APR_SUCCESS) {
        complain(sendmail, 0, error.text);
        trace = NULL;
    }
    status = zm_submit_begin(&submission, &submitter, &submit_options);
    if (status != APR_SUCCESS)
        code = complain(sendmail, exit_code_of(status),
                        apr_psprintf(sendmail->pool, "cannot write in %s/public: %s",
                                     zm_spool_location(spool),
                                     zm_status_text(status, reason, sizeof reason)));
    else
        code = write_message(sendmail, submission, recipients, &person, trace);
    zm_spool_close(spool);
    if (trace == NULL)
        return code;
    if (code != 0) {
        sendmail_trace_remove(zm_zenv_postoffice(sendmail->zenv), trace, sendmail->pool);
        return code;
    }
    if (!zm_program_is_terminal(2))
        return follow_in_background(sendmail, trace);
    apr_signal(SIGINT, SIG_DFL);
    sendmail_trace_follow(zm_zenv_postoffice(sendmail->zenv), trace, 1, sendmail->pool);
    return 0;
}

/* -- the other modes ---------------------------------------------------------------- */

static int run(const sendmail_t *sendmail, const char *program, const char *const *words, int count)
{
    apr_array_header_t *argv = apr_array_make(sendmail->pool, count + 2, sizeof(const char *));
    zm_error_t error = {0};
    int i;
    APR_ARRAY_PUSH(argv, const char *) = program;
    for (i = 0; i < count; i++)
        APR_ARRAY_PUSH(argv, const char *) = words[i];
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    (void)apr_env_set("ZCONFIG", zm_zenv_file(sendmail->zenv), sendmail->pool);
    zm_program_exec((const char *const *)argv->elts, &error);
    return complain(sendmail, EXIT_UNAVAILABLE, error.text);
}

static const char *libexec(const sendmail_t *sendmail, const char *name)
{
    return apr_pstrcat(sendmail->pool, zm_zenv_mailbin(sendmail->zenv), "/", name, NULL);
}

/* A sibling of this program: mailq, newaliases, zmailer. */
static const char *sibling(const sendmail_t *sendmail, const char *name)
{
    const char *slash = strrchr(sendmail->self, '/');
    return apr_psprintf(sendmail->pool, "%.*s/%s", (int)(slash ? slash - sendmail->self : 0),
                        sendmail->self, name);
}

/* -bs: the server's options without those that make it listen. */
static int run_smtp(const sendmail_t *sendmail)
{
    const char *options = zm_zenv_get_or(sendmail->zenv, "SMTPOPTIONS", "");
    apr_array_header_t *words = apr_array_make(sendmail->pool, 8, sizeof(const char *));
    char *copy = apr_pstrdup(sendmail->pool, options), *last, *word;
    APR_ARRAY_PUSH(words, const char *) = "-i";
    for (word = apr_strtok(copy, " \t\"'", &last); word != NULL;
         word = apr_strtok(NULL, " \t\"'", &last)) {
        bool takes_value = strcmp(word, "-p") == 0 || strcmp(word, "-I") == 0;
        if (takes_value)
            word = apr_strtok(NULL, " \t\"'", &last);
        else if (strcmp(word, "-d") != 0 && strncmp(word, "-p", 2) != 0 &&
                 strncmp(word, "-I", 2) != 0)
            APR_ARRAY_PUSH(words, const char *) = word;
        if (word == NULL)
            break;
    }
    return run(sendmail, libexec(sendmail, "smtpserver"), (const char *const *)words->elts,
               words->nelts);
}

static int dispatch(const sendmail_t *sendmail)
{
    const sendmail_options_t *options = sendmail->options;
    const char *const *rest = (const char *const *)options->rest->elts;
    const char *router[] = {"-i", "-f", options->router_cf};
    const char *start[] = {"start"};
    apr_array_header_t *verify;

    switch (options->mode) {
    case SENDMAIL_SMTP:
        return run_smtp(sendmail);
    case SENDMAIL_DAEMON:
        return run(sendmail, sibling(sendmail, "zmailer"), start, 1);
    case SENDMAIL_TEST:
        return run(sendmail, libexec(sendmail, "router"), router, options->router_cf ? 3 : 1);
    case SENDMAIL_ALIASES:
        return run(sendmail, sibling(sendmail, "newaliases"), rest, options->rest->nelts);
    case SENDMAIL_QUEUE:
        return run(sendmail, sibling(sendmail, "mailq"), rest, options->rest->nelts);
    case SENDMAIL_VERIFY:
        verify = apr_array_make(sendmail->pool, 4, sizeof(const char *));
        APR_ARRAY_PUSH(verify, const char *) = "--explain";
        apr_array_cat(verify, options->recipients);
        return run(sendmail, libexec(sendmail, "router"), (const char *const *)verify->elts,
                   verify->nelts);
    case SENDMAIL_SUBMIT:
    default:
        return submit(sendmail);
    }
}

int main(int argc, const char *const *argv, const char *const *environ_)
{
    sendmail_t sendmail = {0};
    zm_zenv_options_t where = {0};
    zm_error_t error = {0};
    int code;

    apr_app_initialize(&argc, &argv, &environ_);
    apr_pool_create(&sendmail.pool, NULL);
    if (argc == 4 &&
        strcmp(argv[1], "--follow") == 0) { /* our own background half, see follow_in_background */
        sendmail_trace_follow(argv[2], argv[3], 20, sendmail.pool);
        return 0;
    }
    if (sendmail_options_parse(&sendmail.options, argc, argv, sendmail.pool, &error) !=
        APR_SUCCESS) {
        fprintf(stderr, "sendmail: %s\n%s", error.text, sendmail_usage);
        return EXIT_USAGE;
    }
    if (sendmail.options->mode == SENDMAIL_HELP || sendmail.options->mode == SENDMAIL_VERSION) {
        fputs(sendmail.options->mode == SENDMAIL_HELP ? sendmail_usage
                                                      : "sendmail (ZMailer) " ZM_VERSION "\n",
              stdout);
        return 0;
    }
    if (sendmail.options->mode == SENDMAIL_NOTHING)
        return 0;
    zm_program_binary_streams();
    apr_signal(SIGINT, on_signal);
    apr_signal(SIGTERM, on_signal);
    where.file = sendmail.options->zconfig;
    where.root = sendmail.options->root;
    if (zm_zenv_load(&sendmail.zenv, &where, sendmail.pool, &error) != APR_SUCCESS ||
        zm_service_program(&sendmail.self, sendmail.pool) != APR_SUCCESS)
        return complain(&sendmail, EXIT_CONFIG, error.text);
    if (sendmail.options->postoffice != NULL)
        zm_zenv_set(sendmail.zenv, "POSTOFFICE", sendmail.options->postoffice);
    code = dispatch(&sendmail);
    apr_pool_destroy(sendmail.pool);
    apr_terminate();
    return code;
}
