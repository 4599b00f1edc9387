#include "mta/scheduler/statlog.h"

#include <apr_strings.h>
#include <string.h>

#include "platform/fs.h"
#include "spool/layout.h"
#include "spool/trace.h"

struct zm_statlog_t {
    const char *path;
    apr_pool_t *pool; /* of the open file */
    zm_file_t *file;  /* null: cannot be opened now */
};

static apr_status_t open_file(zm_statlog_t *log)
{
    return zm_file_open(&log->file, NULL, log->path,
                        ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_APPEND, 0644, log->pool);
}

apr_status_t zm_statlog_open(zm_statlog_t **opened, const char *path, apr_pool_t *pool,
                             zm_error_t *error)
{
    zm_statlog_t *log = apr_pcalloc(pool, sizeof *log);
    apr_status_t status;

    log->path = apr_pstrdup(pool, path);
    apr_pool_create(&log->pool, pool);
    status = open_file(log);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot open the statistics log %s", path);
    *opened = log;
    return APR_SUCCESS;
}

void zm_statlog_reopen(zm_statlog_t *log)
{
    if (log->file != NULL)
        zm_file_close(log->file);
    log->file = NULL;
    apr_pool_clear(log->pool);
    if (open_file(log) != APR_SUCCESS)
        log->file = NULL;
}

void zm_statlog_line(zm_statlog_t *log, const zm_job_t *job, const zm_thread_t *thread,
                     zm_state_t state, uint32_t now)
{
    char id[ZM_SPOOL_ID_SIZE];
    int64_t routed_at = job->arrived + job->routed;
    zm_buf_t line = ZM_BUF_INIT;

    if (log->file == NULL)
        return;
    zm_layout_spool_id(id, job->id, job->arrived, job->arrived_ns);
    zm_buf_printf(&line, "%s %u %lld %s ", id, job->routed,
                  (long long)(now > routed_at ? now - routed_at : 0), zm_state_name(state));
    zm_buf_add_str(&line, zm_text_str(thread->ring->channel->name));
    zm_buf_add_byte(&line, '/');
    zm_buf_add_str(&line, zm_text_str(thread->host));
    zm_buf_add_byte(&line, '\n');
    zm_file_append(log->file, line.data, line.length);
    zm_buf_free(&line);
}

/* -- the verbose trace --------------------------------------------------------------------- */

void zm_trace(zm_spool_t *spool, const zm_job_t *job, zm_str_t line)
{
    zm_object_t *trace;

    if (job->rare == NULL || job->rare->verbose == NULL ||
        zm_spool_trace_open(&trace, spool, zm_str(job->rare->verbose), job->rare->owner) !=
            APR_SUCCESS)
        return;
    zm_spool_trace_line(trace, line);
    zm_object_close(trace);
}
