#include "ta/smtp/log.h"

#include "platform/child.h"
#include "platform/clock.h"
#include "platform/fs.h"

struct zm_protocol_log_t {
    zm_file_t *file;
    apr_time_t started;
    unsigned connections;
};

apr_status_t zm_protocol_log_open(zm_protocol_log_t **log, const char *path, apr_pool_t *pool)
{
    zm_protocol_log_t *made = apr_pcalloc(pool, sizeof *made);
    apr_status_t status = zm_file_open(&made->file, NULL, path,
                                       ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_APPEND, 0640, pool);
    made->started = zm_clock_wall();
    if (status == APR_SUCCESS)
        *log = made;
    return status;
}

unsigned zm_protocol_log_number(zm_protocol_log_t *log)
{
    return log != NULL ? ++log->connections : 0;
}

void zm_protocol_log_line(zm_protocol_log_t *log, unsigned connection, char kind, zm_str_t text)
{
    zm_buf_t line = ZM_BUF_INIT;
    apr_size_t at;
    if (log == NULL)
        return;
    while (text.length > 0 &&
           (text.data[text.length - 1] == '\n' || text.data[text.length - 1] == '\r'))
        text.length--;
    zm_buf_printf(&line, "%05d%04X-%04u-%04d%c\t", (int)(zm_process_own() % 100000),
                  (unsigned)(apr_time_sec(log->started) & 0xffff), connection % 10000,
                  (int)(apr_time_sec(zm_clock_wall() - log->started) % 10000), kind);
    at = line.length;
    zm_buf_add_str(&line, text);
    for (; at < line.length; at++)
        if ((unsigned char)line.data[at] < ' ' || line.data[at] == 127)
            line.data[at] = '?';
    zm_buf_add_byte(&line, '\n');
    zm_file_append(log->file, line.data, line.length); /* losing the log costs no mail */
    zm_buf_free(&line);
}
