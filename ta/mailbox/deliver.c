#include "ta/mailbox/deliver.h"

#include <apr_strings.h>
#include <stdarg.h>
#include <string.h>

#include "platform/child.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/log.h"
#include "ta/agent/head.h"
#include "ta/agent/report.h"
#include "ta/mailbox/biff.h"
#include "ta/mailbox/destination.h"
#include "ta/mailbox/environment.h"
#include "ta/mailbox/letter.h"
#include "ta/mailbox/path.h"

#define TOTAL_LIMIT 1800 /* seconds that a program may take */

/* One recipient on its way. */
typedef struct errand_t {
    zm_job_t *job;
    zm_group_t *group;
    zm_recipient_t *recipient;
    const zm_mailbox_options_t *options;
    zm_workers_t *workers;
    apr_pool_t *pool;
    zm_destination_t destination;
    zm_credentials_t as;
    const char *account; /* whose groups; null: nobody's */
    zm_delivery_t delivery;
    zm_delivered_t result;
    bool mailbox_only; /* the user has no account */
    bool decided;      /* result says all: there is nothing to deliver */
} errand_t;

static void decide(errand_t *errand, int code, const char *status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void decide(errand_t *errand, int code, const char *status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    zm_delivered_vset(&errand->result, code, status, format, arguments);
    va_end(arguments);
    errand->decided = true;
}

/* -- the body, for whoever delivers ---------------------------------------- */

typedef struct reader_t {
    zm_body_t *body;
    uint64_t offset;
    zm_filter_t *filter; /* null: the body goes as it is */
    zm_buf_t text;       /* what the filter gave last */
    bool ended;
} reader_t;

static apr_status_t read_body(void *baton, zm_str_t *piece)
{
    reader_t *reader = baton;
    do {
        apr_status_t status = zm_body_at(reader->body, reader->offset, piece);
        if (status == APR_SUCCESS)
            reader->offset += piece->length;
        if (reader->filter == NULL || reader->ended || (status != APR_SUCCESS && status != APR_EOF))
            return status;
        zm_buf_clear(&reader->text);
        if (status == APR_SUCCESS)
            zm_filter_put(reader->filter, piece->data, piece->length, &reader->text);
        else {
            zm_filter_end(reader->filter, &reader->text);
            reader->ended = true;
        }
        *piece = zm_buf_str(&reader->text);
    } while (piece->length == 0);
    return APR_SUCCESS;
}

/* Makes of the letter what -8 and -H ask for. */
static const zm_converted_t *convert(errand_t *errand)
{
    const zm_mailbox_options_t *options = errand->options;
    zm_carrier_t carrier = {true, options->decode, options->charset, true, false, true};
    const zm_converted_t *converted = NULL;
    if (!errand->group->ascii && !options->keep_eight_bit)
        zm_conversion_header(&errand->group->fields, options->charset);
    errand->group->ascii = true;
    if (options->decode)
        zm_group_convert(&converted, errand->job, errand->group, &carrier);
    return converted;
}

/* -- files and programs ---------------------------------------------------- */

/* Sets who the delivery is done as, and gives the account; null: that is nobody or cannot be, which
 * is decided then. */
static const zm_user_t *act_as_privilege(errand_t *errand)
{
    const zm_mailbox_options_t *options = errand->options;
    int64_t privilege = errand->recipient->privilege;
    zm_user_t *found = NULL;
    apr_status_t status;
    if (zm_privilege_is_nobody(privilege, options->nobody.uid)) {
        if (errand->destination.kind == ZM_TO_FILE && zm_looks_like_x400(errand->destination.text))
            decide(errand, ZM_RESULT_NOUSER, "5.1.4", "an X.400 address cannot be delivered here");
        else
            decide(errand, ZM_RESULT_UNAVAILABLE, "5.2.1", "mail to %s is not allowed",
                   errand->destination.kind == ZM_TO_PROGRAM ? "programs" : "files");
        return NULL;
    }
    if (!options->privileged && privilege != zm_identity_own().uid) {
        decide(errand, ZM_RESULT_TEMPFAIL, "4.3.5", "mailbox cannot act as user %lld",
               (long long)privilege);
        return NULL;
    }
    status = zm_user_by_uid(&found, privilege, errand->pool);
    if (status != APR_SUCCESS) {
        if (APR_STATUS_IS_ENOENT(status))
            decide(errand, ZM_RESULT_SOFTWARE, "4.3.0", "no account has the number %lld",
                   (long long)privilege);
        else
            decide(errand, ZM_RESULT_TEMPFAIL, "4.3.0", "cannot look up account %lld now",
                   (long long)privilege);
        return NULL;
    }
    errand->as = (zm_credentials_t){found->uid, found->gid};
    errand->account = found->name;
    return found;
}

static void to_program(errand_t *errand)
{
    const zm_user_t *account = act_as_privilege(errand);
    zm_delivery_t *delivery = &errand->delivery;
    zm_file_info_t info;
    if (account == NULL)
        return;
    if (errand->as.uid == 0 && errand->options->privileged && !errand->options->root_pipes) {
        decide(errand, ZM_RESULT_UNAVAILABLE, "5.2.1", "mail to programs of root is not allowed");
        return;
    }
    delivery->kind = ZM_STORE_PIPE;
    delivery->path = errand->destination.text;
    delivery->environment = zm_program_environment(errand->job, errand->group, errand->recipient,
                                                   &errand->destination, account, errand->pool);
    delivery->directory = account->home;
    if (zm_path_info(&info, NULL, apr_pstrcat(errand->pool, account->home, "/.", NULL)) !=
        APR_SUCCESS)
        delivery->directory = "/";
    delivery->stall_limit = errand->options->stall_limit;
    delivery->total_limit =
        TOTAL_LIMIT > delivery->stall_limit ? TOTAL_LIMIT : delivery->stall_limit;
    delivery->limits = errand->options->limits;
}

static void to_file(errand_t *errand)
{
    zm_delivery_t *delivery = &errand->delivery;
    apr_size_t length = strlen(errand->destination.text);
    if (strcmp(errand->destination.text, "/dev/null") == 0) {
        decide(errand, ZM_RESULT_OK, "2.2.0", "discarded");
        return;
    }
    if (act_as_privilege(errand) == NULL)
        return;
    delivery->path = errand->destination.text;
    delivery->kind = delivery->path[length - 1] == '/' ? ZM_STORE_MAILDIR : ZM_STORE_FILE;
    delivery->owner = ZM_UID_NONE;
    delivery->create = true;
    delivery->lock = errand->options->file_lock;
    delivery->escape = !errand->options->mmdf;
    delivery->mmdf = errand->options->mmdf;
    delivery->quota_permanent = errand->options->quota_permanent;
    delivery->keep_read_time = !errand->options->lose_read_time;
}

/* -- users ----------------------------------------------------------------- */

/* The account of a user, as named or in lower case. */
static apr_status_t find_account(zm_account_t **account, const char **name, errand_t *errand)
{
    zm_accounts_t *accounts = errand->options->accounts;
    apr_status_t status = zm_accounts_find(account, accounts, *name, errand->pool);
    zm_str_t lower = zm_str_lower(errand->pool, zm_str(*name));
    if (!APR_STATUS_IS_ENOENT(status) || zm_str_equal_c(lower, *name))
        return status;
    *name = zm_str_c(errand->pool, lower);
    return zm_accounts_find(account, accounts, *name, errand->pool);
}

static void no_such_user(errand_t *errand)
{
    if (zm_looks_like_x400(errand->destination.text))
        decide(errand, ZM_RESULT_NOUSER, "5.1.4", "an X.400 address cannot be delivered here");
    else
        decide(errand, ZM_RESULT_NOUSER, "5.1.1", "no user \"%s\" here", errand->destination.name);
}

/* Finds out whose mailbox it is; decides when there is none or we cannot be that user. */
static void act_as_user(errand_t *errand, zm_mbox_user_t *user)
{
    zm_account_t *account = NULL;
    zm_user_t *person;
    apr_status_t status;
    user->name = errand->destination.name;
    user->address = zm_str_c(errand->pool, errand->recipient->user);
    user->domain = errand->destination.domain;
    status = find_account(&account, &user->name, errand);
    if (APR_STATUS_IS_ENOENT(status))
        no_such_user(errand);
    else if (status != APR_SUCCESS)
        decide(errand, ZM_RESULT_TEMPFAIL, "4.3.0", "cannot look up user \"%s\" now", user->name);
    else if (!errand->options->privileged && account->uid != zm_identity_own().uid)
        decide(errand, ZM_RESULT_TEMPFAIL, "4.3.5", "mailbox must run as root to deliver to \"%s\"",
               user->name);
    if (errand->decided)
        return;
    errand->as = (zm_credentials_t){account->uid, account->gid};
    errand->mailbox_only = account->mailbox_only;
    errand->account = account->mailbox_only ? NULL : account->name;
    user->home = account->home;
    if (!account->mailbox_only && zm_user_by_name(&person, user->name, errand->pool) == APR_SUCCESS)
        user->full_name = person->full_name;
    if (errand->options->canonical)
        user->name = account->name;
}

/*
 * A mailbox in a directory that only root writes is made by root, empty and
 * owned by its user; in a group-writable one the user makes it with that group.
 * Both only where no user can have put that directory in place of another.
 */
static void prepare_mailbox(errand_t *errand, const zm_mbox_path_t *path)
{
    zm_delivery_t *delivery = &errand->delivery;
    zm_file_info_t directory;
    zm_file_t *file;
    apr_status_t status;
    if (!errand->options->privileged || errand->as.uid == 0 ||
        !zm_mbox_roots_alone(&directory, path->directory, errand->pool))
        return;
    if ((directory.mode & 0022) == 0020) {
        errand->as.gid = directory.gid;
        delivery->shared = true;
        return;
    }
    if (path->exists || !delivery->create || (directory.mode & 0022) != 0)
        return;
    status = zm_file_open(&file, NULL, path->path,
                          ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0600, errand->pool);
    if (status != APR_SUCCESS) {
        if (!APR_STATUS_IS_EEXIST(status))
            decide(errand, ZM_RESULT_TEMPFAIL, "4.2.0", "cannot create %s", path->path);
        return;
    }
    if (delivery->keep_read_time)
        zm_file_set_atime(file, 0, 0); /* nobody has read it */
    status = zm_file_set_owner(file, errand->as.uid, errand->as.gid);
    zm_file_close(file);
    if (status != APR_SUCCESS) {
        zm_file_unlink(NULL, path->path);
        decide(errand, ZM_RESULT_TEMPFAIL, "4.2.0", "cannot give %s to its user", path->path);
    }
}

static void path_trouble(errand_t *errand, apr_status_t status)
{
    char text[160];
    if (status == ZM_E_SYNTAX)
        decide(errand, ZM_RESULT_NOUSER, "5.1.3", "\"%s\" cannot name a mailbox",
               errand->destination.name);
    else if (status == ZM_E_CONFIG) {
        decide(errand, ZM_RESULT_TEMPFAIL, "4.3.5", "no usable mailbox directory (MAILBOX)");
        if (errand->job->agent->log_style != 0)
            zm_log_syslog(ZM_LOG_ERROR, "mailbox", "%s: %s", errand->job->spool_id,
                          errand->result.text);
    } else if (status == ZM_E_LIMIT)
        decide(errand, ZM_RESULT_CANTCREAT, "4.3.5", "the path of the mailbox is too long");
    else
        decide(errand, ZM_RESULT_TEMPFAIL, "4.3.0", "cannot look for the mailbox: %s",
               zm_status_text(status, text, sizeof text));
}

static void to_user(errand_t *errand)
{
    const zm_mailbox_options_t *options = errand->options;
    zm_delivery_t *delivery = &errand->delivery;
    zm_mbox_user_t user = {0};
    zm_mbox_path_t path;
    apr_status_t status;
    act_as_user(errand, &user);
    if (errand->decided)
        return;
    status = zm_mbox_path(&path, options, &user, errand->pool);
    if (status != APR_SUCCESS) {
        path_trouble(errand, status);
        return;
    }
    delivery->kind = path.maildir ? ZM_STORE_MAILDIR : ZM_STORE_MBOX;
    delivery->path = path.path;
    delivery->detail = errand->destination.detail;
    delivery->owner = errand->as.uid;
    delivery->create = !options->no_create;
    delivery->make_parents = errand->mailbox_only;
    delivery->dotlock = options->dotlock;
    delivery->lock = options->mailbox_lock;
    delivery->escape = !options->mmdf;
    delivery->mmdf = options->mmdf;
    delivery->quota_permanent = options->quota_permanent;
    delivery->keep_read_time = !options->lose_read_time;
    delivery->quota = options->quota;
    if (!path.maildir && !errand->mailbox_only)
        prepare_mailbox(errand, &path);
}

/* -- carrying it out ------------------------------------------------------- */

static void log_delivery(const errand_t *errand)
{
    zm_buf_t line = ZM_BUF_INIT;
    zm_file_t *file;
    apr_size_t at;
    if (errand->options->log == NULL || errand->result.result != ZM_RESULT_OK ||
        zm_file_open(&file, NULL, errand->options->log,
                     ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_APPEND, 0640,
                     errand->pool) != APR_SUCCESS)
        return;
    zm_buf_add_str(&line, errand->job->file->log_id);
    zm_buf_printf(&line, ": %llu + %llu : %s (pid %lld user %s)\n",
                  (unsigned long long)errand->result.before,
                  (unsigned long long)errand->result.added, errand->delivery.path,
                  (long long)zm_process_own(), errand->destination.text);
    for (at = 0; at + 1 < line.length; at++) /* a line is one, whatever an address says */
        if ((unsigned char)line.data[at] < ' ' || line.data[at] == 127)
            line.data[at] = '?';
    zm_file_append(file, line.data, line.length);
    zm_file_close(file);
    zm_buf_free(&line);
}

static void carry_out(errand_t *errand)
{
    zm_delivery_t *delivery = &errand->delivery;
    const zm_converted_t *converted = convert(errand);
    reader_t reader = {&errand->job->body, 0, NULL, ZM_BUF_INIT, false};
    zm_buf_t separator = ZM_BUF_INIT, head = ZM_BUF_INIT;
    if (delivery->kind != ZM_STORE_MAILDIR)
        zm_head_separator(errand->group->sender, zm_clock_wall(), &separator);
    if (converted != NULL)
        reader.filter = zm_filter_create(converted, errand->pool);
    zm_letter_head(errand->job, errand->group, converted, errand->recipient, errand->options,
                   &head);
    delivery->separator = zm_buf_str(&separator);
    delivery->head = zm_buf_str(&head);
    delivery->size = (int64_t)(separator.length + head.length + errand->job->body.size);
    delivery->body = read_body;
    delivery->baton = &reader;
    if (errand->workers != NULL && errand->as.uid != zm_identity_own().uid)
        zm_workers_deliver(&errand->result, errand->workers, &errand->as, errand->account,
                           delivery);
    else
        zm_deliver(&errand->result, delivery, errand->job->agent->loop, errand->pool);
    zm_buf_free(&separator);
    zm_buf_free(&head);
    zm_buf_free(&reader.text);
    log_delivery(errand);
    if (errand->result.result == ZM_RESULT_OK && delivery->kind == ZM_STORE_MBOX &&
        errand->options->biff && !errand->options->no_biff)
        zm_biff_tell(errand->destination.name, errand->result.before, errand->options->biff_port,
                     errand->pool);
}

static void report(errand_t *errand, apr_time_t started)
{
    const zm_delivered_t *result = &errand->result;
    zm_outcome_t outcome = {0};
    outcome.result = result->result;
    outcome.status = zm_str(result->status);
    outcome.diagnostic =
        zm_str(apr_psprintf(errand->pool, "x-local; %s (%s)",
                            result->result == ZM_RESULT_OK ? "250" : "500", result->text));
    outcome.text = zm_str(result->text);
    outcome.spent = zm_clock_monotonic() - started;
    zm_job_report(errand->job, errand->recipient, &outcome);
}

static void deliver_one(errand_t *errand)
{
    apr_status_t status =
        zm_destination_parse(&errand->destination, errand->recipient->line->quad.user,
                             errand->recipient->user, errand->options->domain_aware, errand->pool);
    if (status != APR_SUCCESS)
        decide(errand, ZM_RESULT_NOUSER, "5.1.3", "an address that names nobody");
    else if (errand->destination.kind == ZM_TO_PROGRAM)
        to_program(errand);
    else if (errand->destination.kind == ZM_TO_FILE)
        to_file(errand);
    else
        to_user(errand);
    if (!errand->decided)
        carry_out(errand);
}

void zm_mailbox_job(zm_job_t *job, const zm_mailbox_options_t *options, zm_workers_t *workers)
{
    int i, j;
    for (i = 0; i < job->group_count; i++)
        for (j = 0; j < job->groups[i].count && !job->agent->stopping; j++) {
            errand_t errand = {0};
            apr_time_t started = zm_clock_monotonic();
            errand.job = job;
            errand.group = &job->groups[i];
            errand.recipient = job->groups[i].recipients[j];
            errand.options = options;
            errand.workers = workers;
            apr_pool_create(&errand.pool, job->pool);
            deliver_one(&errand);
            report(&errand, started);
            apr_pool_destroy(errand.pool);
        }
}
