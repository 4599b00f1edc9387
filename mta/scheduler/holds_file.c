#include "mta/scheduler/holds_file.h"

#include <apr_strings.h>

#include "platform/fs.h"
#include "platform/log.h"

#define NAME "/.scheduler.holds"
#define SIZE_LIMIT (64u << 20)

void zm_holds_load(zm_scheduler_t *scheduler, const char *postoffice, apr_pool_t *parent)
{
    apr_pool_t *pool;
    char *data;
    apr_size_t length;
    apr_status_t status;

    apr_pool_create(&pool, parent);
    status =
        zm_file_slurp(&data, &length, apr_pstrcat(pool, postoffice, NAME, NULL), SIZE_LIMIT, pool);
    if (status == APR_SUCCESS)
        zm_holds_parse(&scheduler->holds, &scheduler->texts, zm_str_of(data, length));
    else if (!APR_STATUS_IS_ENOENT(status))
        zm_log(ZM_LOG_ERROR, NULL, "the holds cannot be read; nothing is on hold",
               ZM_F_E("status", status));
    scheduler->holds.changed = false;
    apr_pool_destroy(pool);
}

static apr_status_t write_new(const char *path, zm_str_t text, apr_pool_t *pool)
{
    zm_file_t *file;
    apr_status_t closed,
        status = zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_TRUNCATE,
                              0600, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_write_at(file, 0, text.data, text.length);
    if (status == APR_SUCCESS)
        status = zm_file_sync(file);
    closed = zm_file_close(file);
    return status == APR_SUCCESS ? closed : status;
}

void zm_holds_save(zm_scheduler_t *scheduler, const char *postoffice, apr_pool_t *parent)
{
    zm_buf_t text = ZM_BUF_INIT;
    const char *path, *new_path;
    apr_pool_t *pool;
    apr_status_t status;

    if (!scheduler->holds.changed)
        return;
    scheduler->holds.changed = false;
    apr_pool_create(&pool, parent);
    path = apr_pstrcat(pool, postoffice, NAME, NULL);
    new_path = apr_pstrcat(pool, path, ".new", NULL);
    zm_holds_print(&scheduler->holds, &text);
    status = write_new(new_path, zm_buf_str(&text), pool);
    if (status == APR_SUCCESS)
        status = zm_file_replace(NULL, new_path, NULL, path);
    if (status != APR_SUCCESS)
        zm_log(ZM_LOG_ERROR, NULL, "the holds cannot be written; a restart will forget them",
               ZM_F_E("status", status));
    zm_buf_free(&text);
    apr_pool_destroy(pool);
}

void zm_holds_prune(zm_scheduler_t *scheduler)
{
    zm_holds_t *holds = &scheduler->holds;
    apr_uint32_t i = holds->job_count;
    while (i-- > 0)
        if (zm_queue_find(scheduler, holds->jobs[i]) == NULL)
            zm_holds_remove_job(holds, holds->jobs[i]);
}
