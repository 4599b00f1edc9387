/*
 * Where log lines go.
 *
 * A line is made in a buffer of its own and written by one append, so lines of
 * several threads and processes do not mix.  The lock only keeps the file from
 * being exchanged while it is written.  When the file's name stands for another
 * file (a log rotation renamed it away), it is opened anew; that is looked at
 * once a second.
 */
#include "platform/log.h"

#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "platform/child.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/log_format.h"
#include "platform/system.h"

#define LOOK_INTERVAL APR_USEC_PER_SEC

static struct {
    apr_pool_t *pool; /* null: not opened */
    apr_thread_mutex_t *lock;
    const char *program, *path;
    apr_pool_t *file_pool;
    zm_file_t *file;
    zm_file_info_t identity;
    apr_time_t looked;
    bool json, system;
    zm_uid_t owner;
} sink;

static atomic_int level_limit = ZM_LOG_NOTICE;

bool zm_log_on(zm_log_level_t level)
{
    return (int)level <= atomic_load_explicit(&level_limit, memory_order_relaxed);
}

/* -- the file --------------------------------------------------------------------- */

/* Only a new file is given away, never one that somebody has put in its place. */
static void give_to_owner(zm_file_t *file, const zm_file_info_t *identity)
{
    if (sink.owner > 0 && identity->kind == ZM_FILE_REGULAR && identity->size == 0 &&
        identity->links == 1)
        (void)zm_file_set_owner(file, sink.owner, ZM_UID_NONE);
}

/* The old file stays in use when the new one cannot be had. */
static apr_status_t open_file(void)
{
    apr_pool_t *pool;
    zm_file_t *file;
    zm_file_info_t identity;
    apr_status_t status = apr_pool_create(&pool, sink.pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_open(&file, NULL, sink.path, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_APPEND,
                          0640, pool);
    if (status == APR_SUCCESS)
        status = zm_file_info(&identity, file);
    if (status != APR_SUCCESS) {
        apr_pool_destroy(pool);
        return status;
    }
    give_to_owner(file, &identity);
    if (sink.file_pool != NULL)
        apr_pool_destroy(sink.file_pool);
    sink.file_pool = pool;
    sink.file = file;
    sink.identity = identity;
    return APR_SUCCESS;
}

static void follow_rename(void)
{
    apr_time_t now = zm_clock_monotonic();
    zm_file_info_t named;
    if (now - sink.looked < LOOK_INTERVAL && now >= sink.looked)
        return;
    sink.looked = now;
    if (zm_path_info(&named, NULL, sink.path) != APR_SUCCESS || named.id != sink.identity.id ||
        named.device != sink.identity.device)
        (void)open_file(); /* else the old one is as good as it gets */
}

static void write_stderr(const zm_buf_t *line)
{
    fwrite(line->data, 1, line->length, stderr);
}

static void write_line(const zm_buf_t *line)
{
    apr_status_t status;
    if (sink.path == NULL) {
        write_stderr(line);
        return;
    }
    apr_thread_mutex_lock(sink.lock);
    follow_rename();
    status = zm_file_append(sink.file, line->data, line->length);
    apr_thread_mutex_unlock(sink.lock);
    if (status != APR_SUCCESS)
        write_stderr(line); /* a full disk: perhaps somebody looks there */
}

/* -- opening and closing -------------------------------------------------------------- */

apr_status_t zm_log_open(const zm_log_options_t *options, zm_error_t *error)
{
    apr_status_t status;
    zm_log_close();
    status = apr_pool_create(&sink.pool, NULL);
    if (status == APR_SUCCESS)
        status = apr_thread_mutex_create(&sink.lock, APR_THREAD_MUTEX_DEFAULT, sink.pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot set up the log");
    sink.program = apr_pstrdup(sink.pool, options->program);
    sink.json = options->json;
    sink.system = options->system;
    sink.owner = options->owner;
    if (options->file != NULL) {
        sink.path = apr_pstrdup(sink.pool, options->file);
        status = open_file();
        if (status != APR_SUCCESS) {
            zm_log_close();
            return zm_error_system(error, status, "cannot open the log file %s", options->file);
        }
        sink.looked = zm_clock_monotonic();
    }
    atomic_store(&level_limit, (int)options->level);
    return APR_SUCCESS;
}

apr_status_t zm_log_reopen(void)
{
    apr_status_t status;
    if (sink.path == NULL)
        return APR_SUCCESS;
    apr_thread_mutex_lock(sink.lock);
    status = open_file();
    apr_thread_mutex_unlock(sink.lock);
    return status;
}

void zm_log_close(void)
{
    if (sink.pool != NULL)
        apr_pool_destroy(sink.pool);
    memset(&sink, 0, sizeof sink);
    atomic_store(&level_limit, ZM_LOG_NOTICE);
}

/* -- events ------------------------------------------------------------------------------ */

void zm_log_event(zm_log_level_t level, const char *id, const char *event,
                  const zm_log_field_t *fields, int count)
{
    zm_log_record_t record = {
        .level = level, .id = id, .event = event, .fields = fields, .count = count};
    zm_buf_t line = ZM_BUF_INIT;

    if (!zm_log_on(level))
        return;
    record.when = zm_clock_wall();
    record.program = sink.program != NULL ? sink.program : "zmailer";
    record.pid = zm_process_own();
    zm_buf_reserve(&line, 400); /* most lines fit: one allocation */
    if (sink.json)
        zm_log_format_json(&line, &record);
    else
        zm_log_format_text(&line, &record);
    zm_buf_add_byte(&line, '\n');
    write_line(&line);
    if (sink.system && level <= ZM_LOG_NOTICE) {
        zm_buf_clear(&line);
        zm_log_format_tail(&line, &record);
        zm_system_log(level, false, record.program, zm_buf_c(&line));
    }
    zm_buf_free(&line);
}

static void tell_syslog(zm_log_level_t level, bool secret, const char *ident, const char *format,
                        va_list arguments)
{
    zm_buf_t line = ZM_BUF_INIT;
    apr_size_t i;
    zm_buf_vprintf(&line, format, arguments);
    for (i = 0; i < line.length; i++)
        if (((unsigned char)line.data[i] < ' ' && line.data[i] != '\t') || line.data[i] == 0x7f)
            line.data[i] = ' ';
    zm_system_log(level, secret, ident, zm_buf_c(&line));
    zm_buf_free(&line);
}

void zm_log_syslog(zm_log_level_t level, const char *ident, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell_syslog(level, false, ident, format, arguments);
    va_end(arguments);
}

void zm_log_syslog_secret(zm_log_level_t level, const char *ident, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell_syslog(level, true, ident, format, arguments);
    va_end(arguments);
}
