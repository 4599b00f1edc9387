#include "mta/scheduler/report.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <string.h>

#include "mta/scheduler/dsn.h"
#include "mta/scheduler/memory.h"
#include "spool/layout.h"

/* Reports being submitted at the same time. */
#define MOST_UNDER_WAY 64
/* Finished jobs are removed so many at a time; one waits no longer than the pause, microseconds. */
#define MOST_LEAVING 32
#define LEAVING_PAUSE (10 * 1000)
/* After a submission failed, microseconds. */
#define RETRY_PAUSE (30 * APR_USEC_PER_SEC)

/* Jobs by id, first in first out; an id may stand in it although its job is gone. */
typedef struct line_t {
    struct {
        uint64_t job;
        uint32_t when;
    } * items;
    apr_uint32_t capacity, first, count;
} line_t;

/* One job being reported. */
typedef struct work_t {
    zm_reports_t *reports;
    apr_pool_t *pool;
    uint64_t job;
    zm_opened_t opened;
    zm_object_t *message;
    zm_dsn_entry_t *entries; /* grouped by sender */
    int entry_count;
    int pending;               /* submissions not committed */
    char id[ZM_SPOOL_ID_SIZE]; /* of the message */
    const char *form;
    bool failed, final;
    bool vanished; /* the control file is not there any more */
    struct work_t *next, *previous;
} work_t;

struct zm_reports_t {
    zm_reports_options_t options;
    apr_pool_t *pool;
    work_t *works;
    int under_way;
    line_t final, failed, interim; /* failed: final ones, to be tried again */
    line_t leaving;                /* nothing left to tell: to be removed */
    zm_timer_t start, retry, interim_timer, leave;
    bool closing;
};

/* -- lines of jobs ------------------------------------------------------------------------- */

static void line_add(line_t *line, uint64_t job, uint32_t when)
{
    if (line->first > 0 && line->first + line->count == line->capacity) {
        memmove(line->items, line->items + line->first, line->count * sizeof line->items[0]);
        line->first = 0;
    }
    line->items = zm_scheduler_grow(line->items, &line->capacity, line->first + line->count + 1,
                                    sizeof line->items[0]);
    line->items[line->first + line->count].job = job;
    line->items[line->first + line->count++].when = when;
}

static uint64_t line_take(line_t *line)
{
    uint64_t job = line->items[line->first].job;
    line->first = --line->count == 0 ? 0 : line->first + 1;
    return job;
}

/* -- removing ------------------------------------------------------------------------------ */

static void spool_id(char id[ZM_SPOOL_ID_SIZE], const zm_job_t *job)
{
    zm_layout_spool_id(id, job->id, job->arrived, job->arrived_ns);
}

/* Together costs less.  When that fails each is tried alone, since the others may go. */
static void unlink_pairs(zm_reports_t *reports, const char *const *names, int pairs)
{
    zm_spool_t *spool = reports->options.files->spool;
    int i;
    if (zm_spool_unlink_pairs(spool, names, pairs) == APR_SUCCESS)
        return;
    for (i = 0; i < pairs; i++) {
        apr_status_t status = zm_spool_unlink_pair(spool, names[2 * i], names[2 * i + 1]);
        if (status != APR_SUCCESS)
            zm_log(ZM_LOG_ERROR, NULL, "cannot remove a finished job",
                   ZM_F_S("message", names[2 * i]), ZM_F_E("status", status));
    }
}

static bool is_among(zm_job_t *const *jobs, int count, const zm_job_t *job)
{
    while (count > 0 && jobs[count - 1] != job)
        count--;
    return count > 0;
}

static int take_leaving(zm_reports_t *reports, zm_job_t *jobs[MOST_LEAVING])
{
    int count = 0;
    while (reports->leaving.count > 0 && count < MOST_LEAVING) {
        zm_job_t *job = zm_queue_find(reports->options.scheduler, line_take(&reports->leaving));
        if (job != NULL && (job->flags & ZM_JOB_FINISHING) != 0 && !is_among(jobs, count, job))
            jobs[count++] = job;
    }
    return count;
}

/*
 * Until now they were in the queue, finishing, so that nobody takes their files for new ones.  A
 * crash before this leaves files in which all recipients are done, which the next start removes.
 */
static void remove_leaving(zm_reports_t *reports)
{
    zm_job_t *jobs[MOST_LEAVING];
    int i, count;
    while ((count = take_leaving(reports, jobs)) > 0) {
        const char *names[2 * MOST_LEAVING];
        apr_pool_t *pool;
        apr_pool_create(&pool, reports->pool);
        for (i = 0; i < count; i++) {
            zm_files_release(reports->options.files, jobs[i]->id);
            names[2 * i] = zm_files_name(ZM_DIR_QUEUE, jobs[i], pool);
            names[2 * i + 1] = zm_files_name(ZM_DIR_TRANSPORT, jobs[i], pool);
        }
        if (!reports->options.keep_files)
            unlink_pairs(reports, names, count);
        apr_pool_destroy(pool);
        for (i = 0; i < count; i++) {
            reports->options.removed(reports->options.baton, jobs[i]);
            zm_job_free(reports->options.scheduler, jobs[i]);
        }
    }
    zm_timer_cancel(&reports->leave);
}

/* Soon, but not now: the caller may be on his way through all jobs.  Where no other job is there
 * nothing comes that could go with it. */
static void remove_job(zm_reports_t *reports, zm_job_t *job)
{
    line_add(&reports->leaving, job->id, 0);
    if (reports->leaving.count >= MOST_LEAVING ||
        reports->leaving.count >= reports->options.scheduler->job_count)
        zm_timer_set(&reports->leave, 0);
    else if (!zm_timer_is_set(&reports->leave))
        zm_timer_set(&reports->leave, LEAVING_PAUSE);
}

static void leave_due(zm_timer_t *timer, void *baton)
{
    (void)timer;
    remove_leaving(baton);
}

/* -- gathering what there is to tell ------------------------------------------------------- */

static const char *sender_of(const work_t *work, const zm_dsn_entry_t *entry, zm_str_t *sender)
{
    int index = entry->recipient->sender;
    *sender = index >= 0 ? work->opened.file->senders[index].error_address : ZM_S("");
    return sender->data;
}

static void gather(work_t *work)
{
    const zm_control_file_t *file = work->opened.file;
    int i;

    work->entries =
        apr_pcalloc(work->pool, ((apr_size_t)file->diagnostic_count + 1) * sizeof(zm_dsn_entry_t));
    for (i = 0; i < file->diagnostic_count; i++) {
        const zm_control_diagnostic_t *diagnostic = &file->diagnostics[i];
        zm_dsn_entry_t *entry = &work->entries[work->entry_count];
        if (diagnostic->tag != ' ')
            continue;
        entry->recipient = zm_files_recipient(file, diagnostic->recipient_offset);
        entry->diagnostic = diagnostic;
        if (entry->recipient == NULL)
            continue;
        zm_notary_parse(&entry->notary, diagnostic->notary);
        entry->action = zm_dsn_action(entry->notary.action);
        zm_dsn_parse(&entry->wishes, entry->recipient->dsn);
        if (entry->action == ZM_DSN_DELAYED && !zm_files_has_notify(entry->recipient->dsn))
            entry->wishes.delay = true; /* written only when it is wanted (files.h) */
        work->entry_count++;
    }
}

/* The entries of one sender that are to be told; every entry looked at is moved behind *taken. */
static int group(work_t *work, int *taken, zm_dsn_entry_t *entries, zm_str_t *sender)
{
    int i, count = 0, start = *taken;
    bool visible = false, bounce;

    sender_of(work, &work->entries[start], sender);
    for (i = start; i < work->entry_count; i++) {
        zm_dsn_entry_t entry = work->entries[i];
        zm_str_t own;
        sender_of(work, &entry, &own);
        if (!zm_str_equal(own, *sender))
            continue;
        work->entries[i] = work->entries[*taken];
        work->entries[(*taken)++] = entry;
        bounce = sender->length == 0 && entry.action == ZM_DSN_FAILED;
        if (!zm_dsn_wanted(&entry.wishes, entry.action) && !bounce)
            continue;
        entries[count++] = entry;
        visible |= !entry.wishes.never;
    }
    return visible ? count : 0; /* of a bounce: not if it is all about those who want none */
}

/* -- the end of a report ------------------------------------------------------------------- */

static void start_more(zm_reports_t *reports);

static void work_free(work_t *work)
{
    zm_reports_t *reports = work->reports;
    if (work->next != NULL)
        work->next->previous = work->previous;
    if (work->previous != NULL)
        work->previous->next = work->next;
    else
        reports->works = work->next;
    reports->under_way--;
    zm_object_close(work->message);
    zm_opened_close(&work->opened);
    apr_pool_destroy(work->pool);
}

/* Never at once: while the disk is in trouble every attempt fails and is logged. */
static void try_again(zm_reports_t *reports, zm_job_t *job)
{
    if ((job->flags & ZM_JOB_FINISHING) == 0) {
        zm_reports_interim(reports, job);
        return;
    }
    line_add(&reports->failed, job->id,
             reports->options.scheduler->now + (uint32_t)apr_time_sec(RETRY_PAUSE));
    if (!zm_timer_is_set(&reports->retry))
        zm_timer_set(&reports->retry, RETRY_PAUSE);
}

static void mark_reported(work_t *work)
{
    const zm_control_file_t *file = work->opened.file;
    int i;
    for (i = 0; i < file->diagnostic_count; i++)
        if (file->diagnostics[i].tag == ' ' &&
            zm_control_reported(work->opened.object, file->diagnostics[i].offset) != APR_SUCCESS)
            zm_log(ZM_LOG_WARNING, NULL, "a diagnostic could not be marked as reported");
}

static void conclude(work_t *work)
{
    zm_reports_t *reports = work->reports;
    zm_job_t *job = zm_queue_find(reports->options.scheduler, work->job);
    bool failed = work->failed, final = work->final, vanished = work->vanished;

    if (!failed)
        mark_reported(work);
    work_free(work);
    if (job == NULL)
        return;
    job->flags &= (uint8_t)~ZM_JOB_REPORTING;
    if (vanished) {
        zm_job_forget(reports->options.scheduler, job); /* should it come back, a scan finds it */
    } else if (failed) {
        job->flags |= ZM_JOB_REPORTABLE;
        try_again(reports, job);
    } else if (final) {
        remove_job(reports, job);
    } else if ((job->flags & ZM_JOB_FINISHING) != 0) {
        zm_reports_complete(reports, job); /* it was waiting for this interim report */
    }
}

static void committed(apr_status_t status, const zm_published_t *published, void *baton)
{
    work_t *work = baton;
    zm_reports_t *reports = work->reports;

    if (status != APR_SUCCESS) {
        work->failed = true;
        zm_log(ZM_LOG_ERROR, NULL, "a report could not be submitted", ZM_F_I("job", work->job),
               ZM_F_E("status", status));
    } else {
        char id[ZM_SPOOL_ID_SIZE];
        zm_layout_spool_id(id, published->info.id, published->info.mtime_s,
                           published->info.mtime_ns);
        zm_log(ZM_LOG_NOTICE, NULL, "report", ZM_F_I("job", work->job), ZM_F_S("as", id));
        if (reports->options.syslog)
            zm_log_syslog(ZM_LOG_INFO, "scheduler", "%s: Created '%s' report on spoolid: %s",
                          work->id, work->form, id);
    }
    if (--work->pending > 0 || reports->closing)
        return;
    conclude(work);
    start_more(reports);
    reports->options.settle(reports->options.baton);
}

/* -- making reports ------------------------------------------------------------------------ */

static const char *boundary(work_t *work)
{
    unsigned char random[16];
    char *text = apr_palloc(work->pool, 2 * sizeof random + 1);
    apr_size_t i;

    if (apr_generate_random_bytes(random, sizeof random) != APR_SUCCESS)
        for (i = 0; i < sizeof random; i++)
            random[i] = (unsigned char)zm_scheduler_random(work->reports->options.scheduler);
    for (i = 0; i < sizeof random; i++)
        apr_snprintf(text + 2 * i, 3, "%02x", random[i]);
    return apr_pstrcat(work->pool, text, "=_/", work->reports->options.domain, NULL);
}

static void choose_form(work_t *work, const zm_dsn_entry_t *entry, zm_dsn_report_t *report)
{
    zm_reports_t *reports = work->reports;
    const zm_selection_t *selection =
        zm_config_select(reports->options.scheduler->config,
                         zm_str_lower(work->pool, entry->recipient->quad.channel),
                         zm_str_lower(work->pool, entry->recipient->quad.host));
    zm_form_t *form;

    work->form = apr_pstrdup(work->pool, selection->params.deliveryform);
    if (selection->params.expiry > 0)
        report->expires = report->arrived + selection->params.expiry;
    if (zm_form_read(&form, zm_zenv_mailshare(reports->options.zenv),
                     zm_str(selection->params.deliveryform), work->pool) == APR_SUCCESS)
        report->form = form;
}

static apr_status_t submit_report(work_t *work, const zm_dsn_report_t *report, bool store)
{
    zm_reports_t *reports = work->reports;
    zm_submit_options_t options = {0, reports->options.owner.uid, reports->options.owner.gid};
    zm_submission_t *submission;
    apr_status_t status = zm_submit_begin(&submission, reports->options.submitter, &options);

    if (status != APR_SUCCESS)
        return status;
    status = zm_dsn_write(report, submission, work->pool);
    if (status != APR_SUCCESS) {
        zm_submit_abort(submission);
        return status;
    }
    if (store)
        return zm_submit_commit_to(submission, ZM_DIR_POSTMAN, ":error-on-error", NULL, work->pool);
    work->pending++;
    zm_submit_commit(submission, committed, work);
    return APR_SUCCESS;
}

static void report_group(work_t *work, const zm_job_t *job, const zm_dsn_entry_t *entries,
                         int count, zm_str_t sender)
{
    zm_reports_t *reports = work->reports;
    zm_dsn_report_t report = {.file = work->opened.file, .sender = sender};
    char id[ZM_SPOOL_ID_SIZE];
    bool readers;
    apr_status_t status;

    spool_id(id, job);
    report.spool_id = id;
    report.arrived = job->arrived;
    report.entries = entries;
    report.count = count;
    report.domain = reports->options.domain;
    report.message = work->message;
    report.full_by_default = reports->options.full_by_default;
    report.boundary = boundary(work);
    choose_form(work, &entries[0], &report);
    readers = zm_dsn_has_reader(&report);
    if (!readers && !reports->options.scheduler->config->store_error_on_error) {
        zm_log(ZM_LOG_NOTICE, id, "an error message failed; nobody is told");
        return;
    }
    status = submit_report(work, &report, !readers);
    if (status == ZM_E_SYNTAX) {
        zm_log(ZM_LOG_ERROR, id, "the sender's address cannot be answered",
               ZM_F_N("address", sender));
    } else if (status != APR_SUCCESS) {
        work->failed = true;
        zm_log(ZM_LOG_ERROR, id, "a report could not be written", ZM_F_E("status", status));
    }
}

static apr_status_t open_files(work_t *work, const zm_job_t *job)
{
    zm_reports_t *reports = work->reports;
    zm_spool_t *spool = reports->options.files->spool;
    zm_error_t error = {0};
    apr_status_t status;

    zm_files_release(reports->options.files, job->id);
    status = zm_opened_open(&work->opened, spool, zm_files_name(ZM_DIR_TRANSPORT, job, work->pool),
                            work->pool, &error);
    if (status != APR_SUCCESS) {
        zm_log(ZM_LOG_ERROR, NULL, "a job cannot be reported", ZM_F_S("reason", error.text));
        return status;
    }
    if (zm_object_open(&work->message, spool, zm_files_name(ZM_DIR_QUEUE, job, work->pool),
                       ZM_OBJECT_READ) != APR_SUCCESS)
        work->message = NULL;
    return APR_SUCCESS;
}

static work_t *work_begin(zm_reports_t *reports, zm_job_t *job, bool final)
{
    apr_pool_t *pool;
    work_t *work;

    apr_pool_create(&pool, NULL);
    work = apr_pcalloc(pool, sizeof *work);
    work->reports = reports;
    work->pool = pool;
    work->job = job->id;
    work->final = final;
    work->form = "";
    spool_id(work->id, job);
    work->next = reports->works;
    if (work->next != NULL)
        work->next->previous = work;
    reports->works = work;
    reports->under_way++;
    return work;
}

/* Tells what the file records; conclude follows, now or after the commits. */
static void report_job(zm_reports_t *reports, zm_job_t *job, bool final)
{
    work_t *work = work_begin(reports, job, final);
    zm_dsn_entry_t *entries;
    apr_status_t status;
    int taken = 0, told = 0;

    job->flags |= ZM_JOB_REPORTING;
    job->flags &= (uint8_t)~ZM_JOB_REPORTABLE;
    work->pending = 1; /* ourselves */
    status = open_files(work, job);
    if (status != APR_SUCCESS) {
        work->failed = true;
        work->vanished = APR_STATUS_IS_ENOENT(status);
    } else {
        gather(work);
        entries = apr_palloc(work->pool, ((apr_size_t)work->entry_count + 1) * sizeof *entries);
        while (taken < work->entry_count) {
            zm_str_t sender;
            int count = group(work, &taken, entries, &sender);
            if (count > 0)
                report_group(work, job, entries, count, sender);
            told += count;
        }
        if (told == 0 && reports->options.syslog)
            zm_log_syslog(ZM_LOG_INFO, "scheduler", "%s: Nothing to report, ignorecount: %d",
                          work->id, work->entry_count);
        if (told == 0)
            zm_log(ZM_LOG_INFO, NULL, "nothing to report", ZM_F_I("job", job->id),
                   ZM_F_I("ignored", work->entry_count));
    }
    if (--work->pending == 0)
        conclude(work);
}

static void start_more(zm_reports_t *reports)
{
    while (reports->final.count > 0 && reports->under_way < MOST_UNDER_WAY) {
        zm_job_t *job = zm_queue_find(reports->options.scheduler, line_take(&reports->final));
        if (job != NULL && (job->flags & ZM_JOB_FINISHING) != 0 &&
            (job->flags & ZM_JOB_REPORTING) == 0)
            report_job(reports, job, true);
    }
}

void zm_reports_complete(zm_reports_t *reports, zm_job_t *job)
{
    if ((job->flags & ZM_JOB_REPORTING) != 0)
        return; /* conclude comes back to it */
    if ((job->flags & ZM_JOB_REPORTABLE) == 0 || reports->options.keep_files) {
        remove_job(reports, job);
        return;
    }
    line_add(&reports->final, job->id, 0);
    if (!zm_timer_is_set(&reports->start))
        zm_timer_set(&reports->start, 0);
}

/* -- interim reports ----------------------------------------------------------------------- */

void zm_reports_interim(zm_reports_t *reports, zm_job_t *job)
{
    zm_scheduler_t *scheduler = reports->options.scheduler;
    int64_t pause = scheduler->config->report_interval;

    line_add(&reports->interim, job->id, scheduler->now + (uint32_t)pause);
    if (!zm_timer_is_set(&reports->interim_timer))
        zm_timer_set(&reports->interim_timer, apr_time_from_sec(pause));
}

static void interim_due(zm_timer_t *timer, void *baton)
{
    zm_reports_t *reports = baton;
    zm_scheduler_t *scheduler = reports->options.scheduler;
    line_t *line = &reports->interim;

    zm_scheduler_tick(scheduler);
    while (line->count > 0 && reports->under_way < MOST_UNDER_WAY &&
           line->items[line->first].when <= scheduler->now) {
        zm_job_t *job = zm_queue_find(scheduler, line_take(line));
        if (job != NULL && (job->flags & ZM_JOB_REPORTABLE) != 0 &&
            (job->flags & (ZM_JOB_FINISHING | ZM_JOB_REPORTING)) == 0)
            report_job(reports, job, false);
    }
    if (line->count > 0) {
        uint32_t when = line->items[line->first].when;
        zm_timer_set(timer, apr_time_from_sec(when > scheduler->now ? when - scheduler->now : 1));
    }
    reports->options.settle(reports->options.baton);
}

static void start_due(zm_timer_t *timer, void *baton)
{
    zm_reports_t *reports = baton;
    (void)timer;
    zm_scheduler_tick(reports->options.scheduler);
    start_more(reports);
    reports->options.settle(reports->options.baton);
}

static void retry_due(zm_timer_t *timer, void *baton)
{
    zm_reports_t *reports = baton;
    zm_scheduler_t *scheduler = reports->options.scheduler;
    line_t *line = &reports->failed;

    zm_scheduler_tick(scheduler);
    while (line->count > 0 && line->items[line->first].when <= scheduler->now)
        line_add(&reports->final, line_take(line), 0);
    if (line->count > 0) {
        uint32_t when = line->items[line->first].when;
        zm_timer_set(timer, apr_time_from_sec(when - scheduler->now));
    }
    start_more(reports);
    reports->options.settle(reports->options.baton);
}

void zm_reports_open(zm_reports_t **opened, const zm_reports_options_t *options, apr_pool_t *pool)
{
    zm_reports_t *reports = apr_pcalloc(pool, sizeof *reports);
    reports->options = *options;
    apr_pool_create(&reports->pool, pool);
    zm_timer_init(&reports->start, options->loop, start_due, reports);
    zm_timer_init(&reports->retry, options->loop, retry_due, reports);
    zm_timer_init(&reports->interim_timer, options->loop, interim_due, reports);
    zm_timer_init(&reports->leave, options->loop, leave_due, reports);
    *opened = reports;
}

void zm_reports_close(zm_reports_t *reports)
{
    reports->closing = true;
    remove_leaving(reports);
    zm_timer_cancel(&reports->start);
    zm_timer_cancel(&reports->retry);
    zm_timer_cancel(&reports->interim_timer);
    zm_scheduler_free(reports->final.items);
    zm_scheduler_free(reports->failed.items);
    zm_scheduler_free(reports->interim.items);
    zm_scheduler_free(reports->leaving.items);
    apr_pool_destroy(reports->pool);
}
