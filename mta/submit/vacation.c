/*
 * vacation(1): answers mail while its owner is away.
 *
 *     vacation start | stop            puts it into ~/.forward, and takes it out
 *     vacation [option ...] LOGIN      answers the message on standard input
 *
 * The second form stands in .forward.  All of standard input is read in any case,
 * and what is not to be answered is no failure: the message itself has been delivered.
 */
#include <apr_env.h>
#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/submit/handover.h"
#include "mta/mail/header_text.h"
#include "mta/mail/xtext.h"
#include "mta/submit/preamble.h"
#include "mta/submit/vacation_db.h"
#include "mta/submit/vacation_judge.h"
#include "mta/submit/vacation_reply.h"
#include "platform/exec.h"
#include "platform/fs.h"
#include "platform/log.h"
#include "platform/service.h"

enum {
    EXIT_FAILED = 1,
    EXIT_NO_USER = 67,
    EXIT_CANNOT_CREATE = 73,
    EXIT_TRY_AGAIN = 75,
    EXIT_NO_ENV_USER = 165,
    EXIT_NO_TEXT = 167,
    EXIT_LONG_SENDER = 168,
    EXIT_NO_SENDER = 169
};

#define HEADER_LIMIT (1u << 20)
#define TEXT_LIMIT (1u << 20)
#define LONGEST_SENDER 1024

typedef struct vacation_t {
    apr_pool_t *pool;
    zm_zenv_t *zenv;
    zm_user_t *user;
    apr_array_header_t *names; /* the login and its aliases */
    bool initialise, no_database, anyhow, null_sender, debug, lists, excludes;
    const char *text_file, *database, *interval, *sender, *return_address;
    zm_str_t header; /* of the message, a first "From " line included */
} vacation_t;

static int complain(const vacation_t *vacation, int code, const char *text)
{
    char *id;
    fprintf(stderr, "vacation: %s\n", text);
    if (apr_env_get(&id, "MSGSPOOLID", vacation->pool) != APR_SUCCESS)
        id = apr_pstrdup(vacation->pool, "-");
    if (vacation->zenv == NULL || strcmp(zm_zenv_get_or(vacation->zenv, "SYSLOGFLG", ""), "-") != 0)
        zm_log_syslog(ZM_LOG_NOTICE, "vacation", "%s: %s", id, text);
    return code;
}

static int complain_about(const vacation_t *vacation, int code, const char *what, const char *path,
                          apr_status_t status)
{
    char reason[200];
    return complain(vacation, code,
                    apr_psprintf(vacation->pool, "cannot %s %s: %s", what, path,
                                 zm_status_text(status, reason, sizeof reason)));
}

static const char *at_home(const vacation_t *vacation, const char *name)
{
    if (name[0] == '/')
        return name;
    return apr_pstrcat(vacation->pool, vacation->user->home, "/", name, NULL);
}

static const char *database(const vacation_t *vacation)
{
    return at_home(vacation, vacation->database != NULL ? vacation->database : ".vacation.db");
}

/* -- the message that came ----------------------------------------------------------- */

/* Keeps the header; the rest is read and forgotten. */
static int read_message(vacation_t *vacation)
{
    zm_buf_t text = ZM_BUF_INIT;
    char *block = apr_palloc(vacation->pool, 65536);
    apr_size_t length = 65536, i;
    apr_file_t *in;
    apr_status_t status = apr_file_open_stdin(&in, vacation->pool);
    while (status == APR_SUCCESS && (status = apr_file_read(in, block, &length)) == APR_SUCCESS) {
        if (text.length + length <= HEADER_LIMIT)
            zm_buf_add(&text, block, length);
        length = 65536;
    }
    if (!APR_STATUS_IS_EOF(status)) {
        zm_buf_free(&text);
        return complain_about(vacation, EXIT_TRY_AGAIN, "read", "the message", status);
    }
    for (i = 0; i < text.length; i++)
        if (text.data[i] == '\n' && i + 1 < text.length && text.data[i + 1] == '\n')
            break;
    vacation->header = zm_str_copy(vacation->pool, zm_str_of(text.data, i));
    zm_buf_free(&text);
    return 0;
}

/* The answer goes there, and nowhere else. */
static bool is_one_address(vacation_t *vacation)
{
    zm_address_list_t *list =
        zm_address_parse(ZM_RULE_MAILBOX, zm_str(vacation->sender), vacation->pool);
    zm_address_t *item = zm_address_good(list->first);
    if (list->bad > 0 || list->mailboxes != 1 || item == NULL || item->pure.length == 0)
        return false;
    vacation->sender = zm_str_c(vacation->pool, item->pure);
    return true;
}

static int find_sender(vacation_t *vacation)
{
    const char *sender = vacation->sender;
    zm_str_t line, rest, word;
    if (sender == NULL)
        sender = preamble_variable("SENDER", vacation->pool);
    if (sender == NULL && zm_str_starts(vacation->header, ZM_S("From "))) {
        zm_str_cut(zm_str_from(vacation->header, 5), '\n', &line, &rest);
        line = zm_str_trim(line);
        zm_str_cut(line, ' ', &word, &rest);
        sender = zm_str_c(vacation->pool, word);
    }
    if (sender == NULL || *sender == '\0')
        return complain(vacation, EXIT_NO_SENDER, "the message has no sender");
    vacation->sender = sender;
    if (strlen(sender) <= LONGEST_SENDER && preamble_is_line(zm_str(sender)) &&
        (vacation_sender_forbids(sender) != NULL || is_one_address(vacation)))
        return 0;
    return complain(vacation, EXIT_LONG_SENDER, "the sender of the message is no address");
}

/* -- the answer ------------------------------------------------------------------------- */

/* "rfc822;ann@example.org" of INRCPT or ORCPT; null: it is not set, or not that. */
static const char *recipient_in(const char *variable, apr_pool_t *pool)
{
    const char *value = preamble_variable(variable, pool);
    zm_str_t type, address;
    if (value == NULL || !zm_str_cut(zm_str(value), ';', &type, &address) || address.length == 0)
        return NULL;
    address = zm_xtext_decode_line(address, pool);
    return zm_str_c(pool, address);
}

static const char *me(const vacation_t *vacation)
{
    const char *me = recipient_in("INRCPT", vacation->pool);
    if (me == NULL)
        me = recipient_in("ORCPT", vacation->pool);
    return me != NULL && preamble_is_line(zm_str(me)) ? me : vacation->user->name;
}

static int read_text(const vacation_t *vacation, zm_str_t *text)
{
    const char *shared =
        apr_pstrcat(vacation->pool, zm_zenv_mailshare(vacation->zenv), "/vacation.msg", NULL);
    const char *own =
        at_home(vacation, vacation->text_file != NULL ? vacation->text_file : ".vacation.msg");
    char *data;
    apr_size_t length;
    apr_status_t status = zm_file_slurp(&data, &length, own, TEXT_LIMIT, vacation->pool);
    if (APR_STATUS_IS_ENOENT(status) && vacation->text_file == NULL)
        status = zm_file_slurp(&data, &length, shared, TEXT_LIMIT, vacation->pool);
    if (status != APR_SUCCESS)
        return complain_about(vacation, EXIT_NO_TEXT, "read", own, status);
    *text = zm_str_of(data, length);
    return 0;
}

static apr_status_t submit(const vacation_t *vacation, zm_str_t text, zm_error_t *error)
{
    zm_submit_options_t options = {0, ZM_UID_NONE, ZM_UID_NONE};
    zm_submission_t *submission;
    handover_t handover;
    apr_status_t status = handover_open(&handover, vacation->zenv, false, vacation->pool, error);
    if (status != APR_SUCCESS)
        return status;
    status = zm_submit_begin(&submission, &handover.submitter, &options);
    if (status == APR_SUCCESS &&
        (status = zm_submit_write(submission, text.data, text.length)) != APR_SUCCESS)
        zm_submit_abort(submission);
    else if (status == APR_SUCCESS)
        status = zm_submit_commit_wait(submission, NULL, vacation->pool);
    if (handover.error.text[0] != '\0')
        *error = handover.error;
    handover_close(&handover);
    return status;
}

static int answer(const vacation_t *vacation, zm_headers_t *headers)
{
    vacation_reply_t reply = {.me = me(vacation), .to = vacation->sender, .answered = headers};
    zm_buf_t text = ZM_BUF_INIT;
    zm_error_t error = {0};
    bool null_sender = true;
    apr_status_t status =
        zm_zenv_switch(vacation->zenv, "VACATION_NULL_SENDER", true, &null_sender, &error);
    int code = status == APR_SUCCESS ? read_text(vacation, &reply.text) : ZM_EXIT_CONFIG;
    if (code != 0)
        return status == APR_SUCCESS ? code : complain(vacation, code, error.text);
    reply.sender = null_sender || vacation->null_sender ? "" : reply.me;
    if (vacation->return_address != NULL)
        reply.sender = vacation->return_address;
    vacation_reply(&text, &reply, vacation->pool);
    if (vacation->debug)
        fwrite(text.data, 1, text.length, stdout);
    else
        status = submit(vacation, zm_buf_str(&text), &error);
    zm_buf_free(&text);
    if (status == APR_SUCCESS)
        return 0;
    if (error.text[0] != '\0')
        return complain(vacation, EXIT_TRY_AGAIN, error.text);
    return complain_about(vacation, EXIT_TRY_AGAIN, "write in", zm_zenv_postoffice(vacation->zenv),
                          status);
}

/* 0 when nobody is to be answered too. */
static int respond(vacation_t *vacation)
{
    zm_headers_t *headers;
    const char *why;
    int64_t interval = -1, otherwise = 86400;
    zm_error_t error = {0};
    bool due = true;
    apr_status_t status;
    int code = read_message(vacation);
    if (code == 0)
        code = find_sender(vacation);
    if (code != 0)
        return code;
    headers = zm_headers_of_text(vacation->header, vacation->pool);
    why = vacation_sender_forbids(vacation->sender);
    if (why == NULL)
        why = vacation_header_forbids(headers, vacation->pool);
    if (why == NULL && vacation_is_one_of(zm_str(vacation->sender), vacation->names))
        why = "it is your own";
    if (why == NULL && !vacation->anyhow && !vacation_is_addressed(headers, vacation->names))
        why = "none of your names is among its recipients";
    if (why == NULL && !vacation->no_database) {
        if (vacation->interval != NULL)
            (void)vacation_interval(&interval, vacation->interval);
        if (zm_zenv_interval(vacation->zenv, "VACATIONINTERVAL", 86400, &otherwise, &error) !=
            APR_SUCCESS)
            return complain(vacation, ZM_EXIT_CONFIG, error.text);
        status = vacation_db_due(&due, database(vacation), vacation->sender,
                                 apr_time_sec(apr_time_now()), interval,
                                 otherwise < 30 ? 30 : otherwise, vacation->pool);
        if (status != APR_SUCCESS)
            return complain_about(vacation, EXIT_CANNOT_CREATE, "use", database(vacation), status);
        why = due ? NULL : "its sender was answered not long ago";
    }
    if (why != NULL) {
        if (vacation->debug)
            printf("no answer: %s\n", why);
        return 0;
    }
    return answer(vacation, headers);
}

/* -- start and stop ------------------------------------------------------------------------ */

static apr_status_t write_new(const char *path, zm_str_t text, apr_pool_t *pool)
{
    zm_file_t *file;
    apr_status_t closed,
        status = zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE,
                              0644, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_write_at(file, 0, text.data, text.length);
    closed = zm_file_close(file);
    return status != APR_SUCCESS ? status : closed;
}

static int initialise(const vacation_t *vacation)
{
    int64_t interval = -1;
    apr_status_t status;
    if (vacation->interval != NULL)
        (void)vacation_interval(&interval, vacation->interval);
    status = vacation_db_begin(database(vacation), interval, vacation->pool);
    return status == APR_SUCCESS
               ? 0
               : complain_about(vacation, EXIT_CANNOT_CREATE, "make", database(vacation), status);
}

static void print_one(void *baton, const char *address, int64_t when)
{
    char text[APR_CTIME_LEN] = "never to be answered";
    (void)baton;
    if (when >= 0)
        apr_ctime(text, apr_time_from_sec(when));
    printf("%-40s %s\n", address, text);
}

static int list(const vacation_t *vacation)
{
    apr_status_t status = vacation_db_each(database(vacation), print_one, NULL, vacation->pool);
    return status == APR_SUCCESS || APR_STATUS_IS_ENOENT(status)
               ? 0
               : complain_about(vacation, EXIT_CANNOT_CREATE, "read", database(vacation), status);
}

/* -x: one address, or @domain, a line. */
static int exclude(const vacation_t *vacation)
{
    char line[LONGEST_SENDER];
    while (fgets(line, sizeof line, stdin) != NULL) {
        const char *address = zm_str_c(vacation->pool, zm_str_trim(zm_str(line)));
        apr_status_t status = APR_SUCCESS;
        if (*address != '\0' && *address != '#')
            status = vacation_db_exclude(database(vacation), address, vacation->pool);
        if (status != APR_SUCCESS)
            return complain_about(vacation, EXIT_CANNOT_CREATE, "use", database(vacation), status);
    }
    return 0;
}

static int start(const vacation_t *vacation)
{
    apr_pool_t *pool = vacation->pool;
    const char *forward = at_home(vacation, ".forward"), *kept = at_home(vacation, ".vacforward");
    const char *text = at_home(vacation, ".vacation.msg"), *self, *line;
    const char *shared =
        apr_pstrcat(pool, zm_zenv_mailshare(vacation->zenv), "/vacation.msg", NULL);
    zm_file_info_t info;
    apr_status_t status;
    char *data;
    apr_size_t length;
    if (zm_path_info(&info, NULL, forward) == APR_SUCCESS)
        return complain(vacation, EXIT_FAILED,
                        apr_psprintf(pool,
                                     "there is a %s already; put \"|vacation %s\" into it, or "
                                     "remove it",
                                     forward, vacation->user->name));
    if (zm_path_info(&info, NULL, text) != APR_SUCCESS) {
        status = zm_file_slurp(&data, &length, shared, TEXT_LIMIT, pool);
        if (status == APR_SUCCESS)
            status = write_new(text, zm_str_of(data, length), pool);
        if (status != APR_SUCCESS)
            return complain_about(vacation, EXIT_CANNOT_CREATE, "make", text, status);
        printf("%s is what will be answered; edit it\n", text);
    }
    status = zm_service_program(&self, pool);
    line = status == APR_SUCCESS ? apr_psprintf(pool, "\\%s, \"|%s %s\"\n", vacation->user->name,
                                                self, vacation->user->name)
                                 : "";
    (void)zm_file_unlink(NULL, kept);
    if (status == APR_SUCCESS)
        status = write_new(kept, zm_str(line), pool);
    if (status == APR_SUCCESS && zm_file_link(NULL, kept, NULL, forward) != APR_SUCCESS)
        status = write_new(forward, zm_str(line), pool); /* no links here */
    if (status != APR_SUCCESS)
        return complain_about(vacation, EXIT_CANNOT_CREATE, "make", forward, status);
    return initialise(vacation);
}

static int stop(const vacation_t *vacation)
{
    const char *forward = at_home(vacation, ".forward");
    apr_status_t status = zm_file_unlink(NULL, forward);
    return status == APR_SUCCESS ? 0
                                 : complain_about(vacation, EXIT_FAILED, "remove", forward, status);
}

/* -- the command line -------------------------------------------------------------------------- */

static apr_status_t add_name(void *target, const char *argument, zm_error_t *error)
{
    vacation_t *vacation = target;
    (void)error;
    APR_ARRAY_PUSH(vacation->names, const char *) = argument;
    return APR_SUCCESS;
}

static apr_status_t set_interval(void *target, const char *argument, zm_error_t *error)
{
    vacation_t *vacation = target;
    int64_t seconds;
    apr_status_t status = vacation_interval(&seconds, argument);
    vacation->interval = argument;
    return status == APR_SUCCESS
               ? status
               : zm_error_set(error, ZM_E_SYNTAX,
                              "the interval %s: expected days, as 7, or 1w2d12h, at least 30s, or "
                              "\"infinite\"",
                              argument);
}

static apr_status_t ignore(void *target, const char *argument, zm_error_t *error)
{
    (void)target;
    (void)argument;
    (void)error;
    return APR_SUCCESS;
}

/* Whose mail it is, and with whose rights. */
static int find_user(vacation_t *vacation, const char *login)
{
    zm_error_t error = {0};
    zm_credentials_t who;
    apr_status_t status;
    if (login == NULL)
        login = preamble_variable("LOGNAME", vacation->pool);
    if (login == NULL)
        login = preamble_variable("USER", vacation->pool);
    status = login != NULL
                 ? zm_user_by_name(&vacation->user, login, vacation->pool)
                 : zm_user_by_uid(&vacation->user, zm_identity_real().uid, vacation->pool);
    if (status != APR_SUCCESS)
        return complain(vacation, login != NULL ? EXIT_NO_USER : EXIT_NO_ENV_USER,
                        apr_psprintf(vacation->pool, "there is no account %s",
                                     login != NULL ? login : "of yours"));
    if (vacation->user->home[0] == '\0')
        return complain(vacation, EXIT_NO_USER, "the account has no home directory");
    who = (zm_credentials_t){vacation->user->uid, vacation->user->gid};
    if (zm_identity_privileged() && zm_identity_become(&who, &error) != APR_SUCCESS)
        return complain(vacation, EXIT_NO_USER, error.text);
    (void)add_name(vacation, vacation->user->name, NULL);
    return 0;
}

static int run(vacation_t *vacation, int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    bool starts = word != NULL && strcmp(word, "start") == 0;
    bool stops = word != NULL && strcmp(word, "stop") == 0;
    int code;
    if (argc > 2 ||
        (word == NULL && !vacation->initialise && !vacation->lists && !vacation->excludes)) {
        fprintf(stderr, "vacation: expected start, stop, or one login; see vacation --help\n");
        return ZM_EXIT_USAGE;
    }
    code = find_user(vacation, starts || stops ? NULL : word);
    if (code != 0)
        return code;
    if (starts || stops)
        return starts ? start(vacation) : stop(vacation);
    if (vacation->lists || vacation->excludes)
        return vacation->lists ? list(vacation) : exclude(vacation);
    return vacation->initialise ? initialise(vacation) : respond(vacation);
}

int main(int argc, char **argv)
{
    vacation_t vacation = {0};
    zm_zenv_options_t site = {0};
    zm_error_t error = {0};
    const zm_option_t table[] = {
        {'a', "alias", ZM_OPTION_CALL_ARG, &vacation, add_name, "NAME",
         "another name of yours: what stands before the @, or a whole address"},
        {'d', "no-database", ZM_OPTION_FLAG, &vacation.no_database, NULL, NULL,
         "answer every message, and note nothing"},
        {'f', "database", ZM_OPTION_TEXT, &vacation.database, NULL, "FILE",
         "who was answered when (~/.vacation.db)"},
        {'I', "initialise", ZM_OPTION_FLAG, &vacation.initialise, NULL, NULL,
         "begin the database anew; with -r note the interval"},
        {'i', NULL, ZM_OPTION_FLAG, &vacation.initialise, NULL, NULL, NULL},
        {'l', "list", ZM_OPTION_FLAG, &vacation.lists, NULL, NULL,
         "print who was answered when, and who is not"},
        {'x', "exclude", ZM_OPTION_FLAG, &vacation.excludes, NULL, NULL,
         "never answer the addresses and @domains on standard input"},
        {'j', "anyhow", ZM_OPTION_FLAG, &vacation.anyhow, NULL, NULL,
         "answer also when none of your names is among the recipients"},
        {'m', "message", ZM_OPTION_TEXT, &vacation.text_file, NULL, "FILE",
         "the answer (~/.vacation.msg, else $MAILSHARE/vacation.msg)"},
        {'n', "dry-run", ZM_OPTION_FLAG, &vacation.debug, NULL, NULL,
         "write the answer, or why there is none, to standard output"},
        {'r', "interval", ZM_OPTION_CALL_ARG, &vacation, set_interval, "TIME",
         "answer nobody twice within it: days, 1w2d12h, or infinite"},
        {'t', NULL, ZM_OPTION_CALL_ARG, &vacation, set_interval, "TIME", NULL},
        {'R', "return", ZM_OPTION_TEXT, &vacation.return_address, NULL, "ADDRESS",
         "the envelope sender of the answer"},
        {'s', "sender", ZM_OPTION_TEXT, &vacation.sender, NULL, "ADDRESS",
         "who is answered, in place of the envelope sender"},
        {'z', "null-sender", ZM_OPTION_FLAG, &vacation.null_sender, NULL, NULL,
         "give the answer the null return path"},
        {'C', NULL, ZM_OPTION_CALL_ARG, NULL, ignore, NULL, NULL},
        {'h', NULL, ZM_OPTION_CALL_ARG, NULL, ignore, NULL, NULL},
        {'o', NULL, ZM_OPTION_CALL, NULL, ignore, NULL, NULL},
    };
    const zm_command_line_t line = {"vacation",
                                    "start | stop | LOGIN",
                                    "answer mail while you are away",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    &site,
                                    0};
    int code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&vacation.pool, NULL);
    vacation.names = apr_array_make(vacation.pool, 4, sizeof(const char *));
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    zm_program_binary_streams();
    if (zm_zenv_load(&vacation.zenv, &site, vacation.pool, &error) != APR_SUCCESS) {
        vacation.zenv = NULL;
        return complain(&vacation, ZM_EXIT_CONFIG, error.text);
    }
    if (vacation.return_address != NULL && !preamble_is_line(zm_str(vacation.return_address)))
        return complain(&vacation, ZM_EXIT_USAGE, "-R: an address without control characters");
    return run(&vacation, argc, argv);
}
