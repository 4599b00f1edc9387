#include "mta/scheduler/take.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/scheduler/statlog.h"
#include "spool/layout.h"

/* Files that cannot be opened are named in the log so often in so many seconds. */
#define TOLD_MOST 10
#define TOLD_PERIOD 60

typedef struct taking_t {
    zm_take_t *take;
    apr_pool_t *pool;
    const char *name;   /* "transport/A/B/4711" */
    const char *leaf;   /* "4711" */
    const char *prefix; /* "A/B/" */
    zm_name_t parts;
    zm_opened_t opened;
    zm_object_info_t message;
    zm_error_t *reason;
} taking_t;

static const char *below(taking_t *taking, const char *directory, const char *prefix)
{
    return apr_pstrcat(taking->pool, directory, "/", prefix, taking->leaf, NULL);
}

/* -- commands in the file ------------------------------------------------------------------ */

static void obey_turns(taking_t *taking)
{
    const zm_control_file_t *file = taking->opened.file;
    int i;
    for (i = 0; i < file->turn_count; i++) {
        zm_str_t rest = file->turns[i], host;
        int count;
        if (!zm_str_word(&rest, &host))
            continue;
        count = zm_scheduler_etrn(taking->take->scheduler, host);
        zm_log(ZM_LOG_NOTICE, NULL, "etrn", ZM_F_N("host", host), ZM_F_N("for", zm_str_trim(rest)),
               ZM_F_I("threads", count));
    }
}

/* The job that an Obsoletes value names, by spool id or by message id. */
static zm_job_t *obsoleted(zm_scheduler_t *scheduler, zm_str_t id, uint32_t owner)
{
    uint64_t number = 0;
    apr_size_t digits = 0;
    zm_job_t *job = NULL;

    if (id.length > 1 && id.data[0] == 'S') {
        while (1 + digits < id.length && zm_is_digit(id.data[1 + digits]))
            digits++;
        if (zm_str_u64(zm_str_of(id.data + 1, digits), &number) == APR_SUCCESS)
            job = zm_queue_find(scheduler, number);
        if (job != NULL) {
            char spool_id[ZM_SPOOL_ID_SIZE];
            zm_layout_spool_id(spool_id, job->id, job->arrived, job->arrived_ns);
            if (!zm_str_equal_c(id, spool_id))
                job = NULL;
        }
    }
    return job != NULL ? job : zm_queue_find_log(scheduler, id, owner);
}

static zm_str_t error_address(const zm_control_file_t *file)
{
    return file->sender_count > 0 ? file->senders[0].error_address : ZM_S("");
}

/* Only the one who sent a message may withdraw it: same owner, same sender. */
static bool may_withdraw(taking_t *taking, const zm_job_t *job, zm_str_t id)
{
    zm_opened_t old;
    zm_error_t error;
    char spool_id[ZM_SPOOL_ID_SIZE];
    bool may;

    if (job->owner != (uint32_t)taking->message.uid ||
        zm_opened_open(&old, taking->take->files->spool,
                       zm_files_name(ZM_DIR_TRANSPORT, job, taking->pool), taking->pool,
                       &error) != APR_SUCCESS)
        return false;
    zm_layout_spool_id(spool_id, job->id, job->arrived, job->arrived_ns);
    may = zm_str_equal(error_address(old.file), error_address(taking->opened.file)) &&
          (zm_str_equal(old.file->log_id, id) || zm_str_equal_c(id, spool_id));
    zm_opened_close(&old);
    return may;
}

static void obey_obsoletes(taking_t *taking)
{
    const zm_control_file_t *file = taking->opened.file;
    int i;
    for (i = 0; i < file->obsolete_count; i++) {
        zm_str_t id = zm_str_trim(file->obsoletes[i]);
        zm_job_t *job = obsoleted(taking->take->scheduler, id, (uint32_t)taking->message.uid);
        if (job == NULL || !may_withdraw(taking, job, id))
            continue;
        zm_log(ZM_LOG_NOTICE, NULL, "obsoleted", ZM_F_N("id", id),
               ZM_F_N("by", taking->parts.leaf));
        if (taking->take->syslog)
            zm_log_syslog(ZM_LOG_INFO, "scheduler", "%llu: obsoleted by %llu",
                          (unsigned long long)job->id, (unsigned long long)taking->parts.id);
        zm_scheduler_kill(taking->take->scheduler, job);
    }
}

/* -- is it a job? -------------------------------------------------------------------------- */

static zm_taken_t park(taking_t *taking, const char *why)
{
    zm_error_set(taking->reason, ZM_E_CORRUPT, "%s", why);
    return ZM_TAKEN_PARKED;
}

static zm_taken_t discard(taking_t *taking, const char *why)
{
    zm_log(ZM_LOG_INFO, NULL, "control file removed", ZM_F_S("name", taking->name),
           ZM_F_S("reason", why));
    zm_spool_unlink(taking->take->files->spool, taking->name);
    return ZM_TAKEN_NOTHING;
}

/* Not a job, but a request for delivery (ETRN). */
static bool is_command(const taking_t *taking)
{
    const zm_control_file_t *file = taking->opened.file;
    return file->message.length == 0 && file->turn_count > 0;
}

/* ZM_TAKEN when the file may become a job. */
static zm_taken_t examine(taking_t *taking)
{
    const zm_control_file_t *file = taking->opened.file;
    apr_status_t status;

    if (is_command(taking))
        return discard(taking, "it was a command");
    if (file->message.length == 0)
        return park(taking, "it has no i line");
    if (!zm_str_equal(file->message, taking->parts.leaf)) /* agents would find no message */
        return park(taking, "its i line names another message; see \"zmailer spool check\"");
    status = zm_spool_info(&taking->message, taking->take->files->spool,
                           below(taking, ZM_DIR_QUEUE, taking->prefix));
    if (APR_STATUS_IS_ENOENT(status))
        return discard(taking, "its message is gone");
    if (status != APR_SUCCESS)
        return park(taking, "its message cannot be looked at");
    if (file->log_id.length == 0)
        return park(taking, "it has no l line");
    if (!file->complete)
        return park(taking, "it is incomplete; the router's recovery will route it again");
    if (file->recipient_count == 0 && file->alternative_count > 0)
        return park(taking, "it has only alternative recipients (X), whom nobody serves");
    return ZM_TAKEN;
}

/* A pair that lies at the top moves into its hash directories.  If it cannot, it stays. */
static void rehash(taking_t *taking)
{
    char prefix[ZM_HASH_PREFIX_SIZE];
    zm_spool_t *spool = taking->take->files->spool;

    if (taking->prefix[0] != '\0' || taking->take->hash_levels == 0)
        return;
    zm_layout_hash(prefix, taking->parts.id, taking->take->hash_levels);
    if (zm_spool_rename(spool, taking->name, below(taking, ZM_DIR_TRANSPORT, prefix)) !=
        APR_SUCCESS)
        return;
    if (zm_spool_rename(spool, below(taking, ZM_DIR_QUEUE, ""),
                        below(taking, ZM_DIR_QUEUE, prefix)) != APR_SUCCESS) {
        zm_spool_rename(spool, below(taking, ZM_DIR_TRANSPORT, prefix), taking->name);
        return;
    }
    taking->prefix = apr_pstrdup(taking->pool, prefix);
}

/* -- into the queue ------------------------------------------------------------------------ */

/* The scheduling host: of a parenthesised list the first name in it. */
static zm_str_t host_of(zm_str_t field)
{
    apr_size_t start = 0, end;
    if (field.length == 0 || field.data[0] != '(')
        return field;
    while (start < field.length && (field.data[start] == '(' || zm_is_blank(field.data[start])))
        start++;
    for (end = start; end < field.length && field.data[end] != ')' && !zm_is_blank(field.data[end]);
         end++)
        continue;
    return zm_str_of(field.data + start, end - start);
}

static uint32_t deadline_of(const zm_control_recipient_t *recipient)
{
    zm_dsn_t dsn;
    zm_dsn_parse(&dsn, recipient->dsn);
    return dsn.has_by && dsn.by > 0 && dsn.by < UINT32_MAX ? (uint32_t)dsn.by : 0;
}

static void fill_recipients(taking_t *taking, const uint32_t *offsets, uint32_t count,
                            zm_recipient_facts_t *recipients)
{
    const zm_control_file_t *file = taking->opened.file;
    uint32_t i;
    for (i = 0; i < count; i++) {
        const zm_control_recipient_t *recipient = zm_files_recipient(file, offsets[i]);
        recipients[i].channel = zm_str_lower(taking->pool, recipient->quad.channel);
        recipients[i].host = zm_str_lower(taking->pool, host_of(recipient->quad.host));
        recipients[i].offset = offsets[i];
        recipients[i].by = deadline_of(recipient);
        recipients[i].sender =
            recipient->sender >= 0 ? file->senders[recipient->sender].error_address : ZM_S("");
    }
}

static void trace_locked(taking_t *taking)
{
    zm_str_t trace = taking->opened.file->verbose;
    zm_job_rare_t rare = {NULL, zm_str_c(taking->pool, trace), taking->message.uid};
    zm_job_t job = {.rare = &rare};

    if (trace.length > 0)
        zm_trace(taking->take->files->spool, &job,
                 zm_str(apr_pstrcat(taking->pool, "scheduler skips ", taking->prefix, taking->leaf,
                                    " for now: a live process has locked it", NULL)));
}

static zm_taken_t enqueue(taking_t *taking)
{
    const zm_control_file_t *file = taking->opened.file;
    zm_job_facts_t facts = {0};
    zm_recipient_facts_t *recipients;
    uint32_t *offsets, count;
    bool locked;
    apr_status_t status = zm_files_pending(&taking->opened, &offsets, &count, &locked);

    if (status == ZM_E_LIMIT)
        return park(taking, "it is too large");
    if (status != APR_SUCCESS)
        return ZM_TAKEN_NOTHING;
    if (locked) {
        trace_locked(taking);
        return ZM_TAKEN_LATER;
    }
    if (file->alternative_count > 0)
        zm_log(ZM_LOG_WARNING, NULL, "alternative recipients (X) are not delivered to",
               ZM_F_S("name", taking->name), ZM_F_I("count", file->alternative_count));
    rehash(taking);
    recipients = apr_pcalloc(taking->pool, (count + (apr_size_t)1) * sizeof *recipients);
    fill_recipients(taking, offsets, count, recipients);
    facts.id = taking->parts.id;
    facts.leaf = taking->leaf;
    facts.prefix = taking->prefix;
    facts.verbose = file->verbose.length > 0 ? zm_str_c(taking->pool, file->verbose) : NULL;
    facts.arrived = taking->message.mtime_s;
    facts.arrived_ns = taking->message.mtime_ns;
    facts.routed_at = taking->opened.info.ctime_s;
    facts.owner = taking->message.uid;
    facts.log_id = file->log_id;
    facts.reportable = zm_files_reportable(file);
    facts.recipients = recipients;
    facts.recipient_count = count;
    facts.total = (uint32_t)file->recipient_count;
    facts.failed = zm_files_failed(file);
    return zm_queue_add(taking->take->scheduler, &facts) == APR_SUCCESS ? ZM_TAKEN
                                                                        : ZM_TAKEN_NOTHING;
}

/* While the disk is in trouble or descriptors are short, each scan finds the same files. */
static void tell_unopened(zm_take_t *take, const char *reason)
{
    uint32_t now = take->scheduler->now;
    if (now - take->told_since >= TOLD_PERIOD) {
        take->told_since = now;
        take->told = 0;
    }
    if (take->told++ < TOLD_MOST)
        zm_log(ZM_LOG_WARNING, NULL, "control file cannot be opened now", ZM_F_S("reason", reason));
    else if (take->told == TOLD_MOST + 1)
        zm_log(ZM_LOG_WARNING, NULL, "more control files cannot be opened; not told for a while");
}

zm_taken_t zm_take_file(zm_take_t *take, const char *prefixed_leaf, apr_pool_t *pool,
                        zm_error_t *reason)
{
    taking_t taking = {.take = take, .pool = pool, .reason = reason};
    zm_taken_t taken;
    apr_status_t status;

    taking.name = apr_pstrcat(pool, ZM_DIR_TRANSPORT "/", prefixed_leaf, NULL);
    if (zm_layout_parse(&taking.parts, zm_str(taking.name)) != APR_SUCCESS || !taking.parts.numeric)
        return ZM_TAKEN_NOTHING;
    taking.leaf = zm_str_c(pool, taking.parts.leaf);
    taking.prefix = zm_str_c(pool, taking.parts.prefix);
    status = zm_opened_open(&taking.opened, take->files->spool, taking.name, pool, reason);
    if (status == ZM_E_UNSUPPORTED || status == ZM_E_CORRUPT || status == ZM_E_LIMIT ||
        status == ZM_E_UNSAFE)
        return ZM_TAKEN_PARKED;
    if (status != APR_SUCCESS) {
        if (!APR_STATUS_IS_ENOENT(status))
            tell_unopened(take, reason->text);
        return ZM_TAKEN_NOTHING;
    }
    if (take->early && is_command(&taking)) {
        zm_opened_close(&taking.opened);
        return ZM_TAKEN_LATER;
    }
    obey_turns(&taking);
    taken = examine(&taking);
    if (taken == ZM_TAKEN) {
        obey_obsoletes(&taking);
        taken = enqueue(&taking);
    }
    zm_opened_close(&taking.opened);
    return taken;
}
