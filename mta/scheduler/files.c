#include "mta/scheduler/files.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/scheduler/scheduler.h"
#include "platform/clock.h"
#include "spool/layout.h"

/* -- opening ------------------------------------------------------------------------------- */

apr_status_t zm_opened_open(zm_opened_t *opened, zm_spool_t *spool, const char *name,
                            apr_pool_t *parent, zm_error_t *error)
{
    char *data;
    apr_size_t length;
    apr_status_t status;

    memset(opened, 0, sizeof *opened);
    apr_pool_create(&opened->pool, parent);
    status = zm_object_open(&opened->object, spool, name, ZM_OBJECT_UPDATE);
    if (status == APR_SUCCESS)
        status = zm_object_info(&opened->info, opened->object);
    if (status == APR_SUCCESS)
        status = zm_object_read_all(opened->object, &data, &length, ZM_CONTROL_LIMIT, opened->pool);
    if (status != APR_SUCCESS)
        zm_error_system(error, status, "cannot read %s", name);
    else
        status = zm_control_parse(&opened->file, data, length, opened->pool, error);
    if (status != APR_SUCCESS)
        zm_opened_close(opened);
    return status;
}

void zm_opened_close(zm_opened_t *opened)
{
    zm_object_close(opened->object);
    if (opened->pool != NULL)
        apr_pool_destroy(opened->pool);
    memset(opened, 0, sizeof *opened);
}

const char *zm_files_name(const char *directory, const zm_job_t *job, apr_pool_t *pool)
{
    char path[ZM_JOB_PATH_SIZE];
    return apr_pstrcat(pool, directory, "/", zm_job_path(path, job), NULL);
}

const zm_control_recipient_t *zm_files_recipient(const zm_control_file_t *file, uint64_t offset)
{
    int low = 0, high = file->recipient_count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (file->recipients[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < file->recipient_count && file->recipients[low].offset == offset)
        return &file->recipients[low];
    return NULL;
}

void zm_files_release(zm_files_t *files, uint64_t job)
{
    if (files->held == 0 || (job != 0 && job != files->held))
        return;
    zm_opened_close(&files->last);
    files->held = 0;
}

/* Opens a job's file, or takes the one held. */
static apr_status_t hold_file(zm_files_t *files, const zm_job_t *job)
{
    apr_status_t status;
    zm_error_t error;

    if (files->held != job->id) {
        apr_pool_t *pool;
        zm_files_release(files, 0);
        apr_pool_create(&pool, NULL);
        status = zm_opened_open(&files->last, files->spool,
                                zm_files_name(ZM_DIR_TRANSPORT, job, pool), NULL, &error);
        apr_pool_destroy(pool);
        if (status != APR_SUCCESS) {
            zm_log(ZM_LOG_ERROR, NULL, "control file is not readable",
                   ZM_F_S("reason", error.text));
            return status;
        }
        files->held = job->id;
    }
    return APR_SUCCESS;
}

/* And finds the recipient. */
static apr_status_t hold(zm_files_t *files, const zm_job_t *job, uint32_t offset,
                         const zm_control_recipient_t **recipient)
{
    apr_status_t status = hold_file(files, job);
    if (status != APR_SUCCESS)
        return status;
    *recipient = zm_files_recipient(files->last.file, offset);
    return *recipient != NULL ? APR_SUCCESS : APR_ENOENT;
}

bool zm_files_has_log_id(zm_files_t *files, const zm_job_t *job, zm_str_t log_id)
{
    return hold_file(files, job) == APR_SUCCESS && zm_str_equal(files->last.file->log_id, log_id);
}

/* -- diagnostics ------------------------------------------------------------------------------- */

static apr_status_t diagnose(const zm_opened_t *opened, const zm_control_recipient_t *recipient,
                             zm_str_t notary, zm_str_t text)
{
    const zm_control_file_t *file = opened->file;
    int64_t header = recipient->header >= 0 ? (int64_t)file->headers[recipient->header].offset : -1;
    return zm_control_diagnose(opened->object, recipient->offset, header, recipient->dsn_offset,
                               zm_clock_wall(), notary, text);
}

apr_status_t zm_files_record(zm_files_t *files, zm_job_t *job, uint32_t offset, bool failed,
                             zm_str_t notary, zm_str_t text)
{
    const zm_control_recipient_t *recipient;
    zm_dsn_t dsn;
    apr_status_t status = hold(files, job, offset, &recipient);

    if (status != APR_SUCCESS)
        return status;
    zm_dsn_parse(&dsn, recipient->dsn);
    if (failed ? !dsn.failure : !dsn.success)
        return APR_SUCCESS;
    return diagnose(&files->last, recipient, notary, text);
}

/* The tag as it stands on disk now. */
static apr_status_t tag_now(const zm_opened_t *opened, uint64_t offset, char *tag)
{
    apr_size_t length = 1;
    return zm_object_read(opened->object, offset + 1, tag, &length);
}

static apr_status_t unlock_stale(const zm_opened_t *opened, uint64_t offset)
{
    char slot[7] = "";
    apr_size_t length = 6;
    int64_t pid = -1;
    bool stale = false;
    apr_status_t status = zm_object_read(opened->object, offset + 2, slot, &length);

    if (status != APR_SUCCESS)
        return status;
    /* A number that does not reach to the end of its slot was cut by a crash and names nobody. */
    if (slot[5] == ' ' || zm_str_i64(zm_str_trim(zm_str_of(slot, length)), &pid) != APR_SUCCESS)
        pid = -1;
    status = zm_control_lock_stale(&stale, opened->object, offset, pid);
    if (status != APR_SUCCESS)
        return status;
    return stale ? zm_control_mark(opened->object, offset, '~', ' ') : ZM_E_BUSY;
}

/* Marks a recipient as failed, unless it is done or somebody has it. */
static apr_status_t give_up(zm_files_t *files, const zm_job_t *job, uint32_t offset,
                            const zm_control_recipient_t **recipient)
{
    char tag = ' ';
    apr_status_t status = hold(files, job, offset, recipient);

    if (status == APR_SUCCESS)
        status = tag_now(&files->last, offset, &tag);
    if (status != APR_SUCCESS)
        return status;
    if (tag == '+' || tag == '-')
        return ZM_E_GONE;
    if (tag == '~')
        status = unlock_stale(&files->last, offset);
    return status == APR_SUCCESS ? zm_control_mark(files->last.object, offset, ' ', '-') : status;
}

apr_status_t zm_files_expire(zm_files_t *files, zm_job_t *job, uint32_t offset, zm_str_t notary,
                             zm_str_t text)
{
    const zm_control_recipient_t *recipient;
    apr_status_t status = give_up(files, job, offset, &recipient);
    return status == APR_SUCCESS ? diagnose(&files->last, recipient, notary, text) : status;
}

apr_status_t zm_files_discard(zm_files_t *files, zm_job_t *job, uint32_t offset)
{
    const zm_control_recipient_t *recipient;
    return give_up(files, job, offset, &recipient);
}

bool zm_files_has_notify(zm_str_t dsn)
{
    zm_str_t word;
    while (zm_str_word(&dsn, &word))
        if (zm_str_starts_nocase(word, ZM_S("NOTIFY=")))
            return true;
    return false;
}

apr_status_t zm_files_deadline(zm_files_t *files, const zm_job_t *job, uint32_t offset, int64_t *by,
                               char *mode)
{
    const zm_control_recipient_t *recipient;
    zm_dsn_t dsn;
    apr_status_t status = hold(files, job, offset, &recipient);

    if (status != APR_SUCCESS)
        return status;
    zm_dsn_parse(&dsn, recipient->dsn);
    *by = dsn.has_by ? dsn.by : 0;
    *mode = dsn.by_mode;
    return APR_SUCCESS;
}

/* The delay slot: columns 8 to 11 of a recipient line, a right-aligned number.  Its last digit is
 * that of the last report of delay; ten more when the one for DELIVERBY was made. */
#define DELAY_COLUMN 8
#define DELAY_WIDTH 4

/* What the slot is to be after a report; false: that report was made already. */
static bool next_slot(int64_t told, int number, int64_t *slot)
{
    if (number == ZM_DELAY_DEADLINE) {
        *slot = told + ZM_DELAY_DEADLINE;
        return told < ZM_DELAY_DEADLINE;
    }
    *slot = told - told % 10 + number;
    return told % 10 < number;
}

/* A report for DELIVERBY is wanted unless NOTIFY excludes it. */
static bool wants_delay(const zm_control_recipient_t *recipient, int number)
{
    zm_dsn_t dsn;
    zm_dsn_parse(&dsn, recipient->dsn);
    return dsn.delay || (number == ZM_DELAY_DEADLINE && !zm_files_has_notify(recipient->dsn));
}

apr_status_t zm_files_delayed(zm_files_t *files, zm_job_t *job, uint32_t offset, int number,
                              zm_str_t notary, zm_str_t text)
{
    const zm_control_recipient_t *recipient;
    char slot[DELAY_WIDTH + 1];
    apr_size_t length = DELAY_WIDTH;
    int64_t told = 0, next;
    apr_status_t status = hold(files, job, offset, &recipient);

    if (status != APR_SUCCESS)
        return status;
    if (!wants_delay(recipient, number) || (files->last.file->format & 3) != 3)
        return ZM_E_GONE;
    status = zm_object_read(files->last.object, offset + DELAY_COLUMN, slot, &length);
    if (status != APR_SUCCESS)
        return status;
    if (zm_str_i64(zm_str_trim(zm_str_of(slot, length)), &told) != APR_SUCCESS || told < 0)
        told = 0;
    if (!next_slot(told, number, &next))
        return ZM_E_GONE;
    status = diagnose(&files->last, recipient, notary, text);
    if (status != APR_SUCCESS)
        return status;
    apr_snprintf(slot, sizeof slot, "%4d", (int)(next % 10000));
    return zm_object_overwrite(files->last.object, offset + DELAY_COLUMN, slot, DELAY_WIDTH);
}

/* -- what is left to do ------------------------------------------------------------------------ */

apr_status_t zm_files_pending(const zm_opened_t *opened, uint32_t **offsets, uint32_t *count,
                              bool *locked)
{
    const zm_control_file_t *file = opened->file;
    apr_status_t status = zm_control_claimed(locked, opened->object);
    int i;

    *count = 0;
    if (status != APR_SUCCESS)
        return status;
    *offsets = apr_palloc(opened->pool, ((apr_size_t)file->recipient_count + 1) * sizeof **offsets);
    for (i = 0; i < file->recipient_count; i++) {
        const zm_control_recipient_t *recipient = &file->recipients[i];
        if (recipient->tag == '+' || recipient->tag == '-')
            continue;
        if (recipient->offset > UINT32_MAX)
            return ZM_E_LIMIT;
        if (recipient->tag == '~') {
            status = unlock_stale(opened, recipient->offset);
            if (status == ZM_E_BUSY)
                *locked = true;
            else if (status != APR_SUCCESS)
                return status;
        }
        (*offsets)[(*count)++] = (uint32_t)recipient->offset;
    }
    return APR_SUCCESS;
}

bool zm_files_reportable(const zm_control_file_t *file)
{
    int i;
    for (i = 0; i < file->diagnostic_count; i++)
        if (file->diagnostics[i].tag == ' ')
            return true;
    return false;
}

uint32_t zm_files_failed(const zm_control_file_t *file)
{
    uint32_t count = 0;
    int i;
    for (i = 0; i < file->recipient_count; i++)
        count += file->recipients[i].tag == '-';
    return count;
}

void zm_files_reread(zm_files_t *files, zm_scheduler_t *scheduler, zm_job_t *job)
{
    apr_pool_t *pool;
    zm_opened_t opened;
    uint32_t *offsets, count;
    bool locked;
    zm_error_t error = {0};
    apr_status_t status;

    apr_pool_create(&pool, NULL);
    zm_files_release(files, job->id);
    status = zm_opened_open(&opened, files->spool, zm_files_name(ZM_DIR_TRANSPORT, job, pool), pool,
                            &error);
    if (status == APR_SUCCESS) {
        status = zm_files_pending(&opened, &offsets, &count, &locked);
        job->failed = zm_files_failed(opened.file);
        if (status == APR_SUCCESS)
            zm_resync(scheduler, job, offsets, count, zm_files_reportable(opened.file));
        zm_opened_close(&opened);
    }
    if (status != APR_SUCCESS) {
        zm_log(ZM_LOG_WARNING, NULL, "control file could not be read again; the job is forgotten",
               ZM_F_S("reason", error.text), ZM_F_E("status", status));
        zm_job_forget(scheduler, job);
    }
    apr_pool_destroy(pool);
}
