/*
 * zm-null-ta: an agent that delivers nothing and says that all went well.
 *
 *     zm-null-ta [-c CHANNEL] [-m N]
 *
 * It reads each control file for the offsets of the recipients, and changes
 * nothing in it: what is measured is the scheduler.  With -m it is a #multi agent
 * of N threads.
 */
#include <apr_file_io.h>
#include <apr_general.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"
#include "platform/str.h"
#include "spool/control.h"

typedef struct null_t {
    const char *channel;
    int64_t threads, delay;
    apr_pool_t *pool;
    zm_buf_t out;
} null_t;

static apr_status_t slurp(const char *path, char **data, apr_size_t *length, apr_pool_t *pool)
{
    apr_file_t *file;
    apr_finfo_t info;
    apr_status_t status = apr_file_open(&file, path, APR_FOPEN_READ | APR_FOPEN_BINARY, 0, pool);

    if (status != APR_SUCCESS)
        return status;
    status = apr_file_info_get(&info, APR_FINFO_SIZE, file);
    if (status == APR_SUCCESS) {
        *data = apr_palloc(pool, (apr_size_t)info.size + 1);
        status = apr_file_read_full(file, *data, (apr_size_t)info.size, length);
    }
    apr_file_close(file);
    return status;
}

static apr_size_t id_start(zm_str_t path)
{
    apr_size_t i = path.length;
    while (i > 0 && path.data[i - 1] != '/')
        i--;
    return i;
}

static void job(null_t *null, const char *path, zm_str_t host)
{
    zm_control_file_t *file;
    zm_error_t error;
    char *data;
    apr_size_t length;
    apr_size_t start = id_start(zm_str(path));
    int i, told = 0;

    if (slurp(path, &data, &length, null->pool) == APR_SUCCESS &&
        zm_control_parse(&file, data, length, null->pool, &error) == APR_SUCCESS)
        for (i = 0; i < file->recipient_count; i++) {
            const zm_control_recipient_t *recipient = &file->recipients[i];
            if (!zm_str_equal_c(recipient->quad.channel, null->channel) ||
                !zm_str_equal_nocase(recipient->quad.host, host) || recipient->tag != ' ')
                continue;
            zm_buf_printf(&null->out, "%s/%llu\t\tok3 nothing was done\n", path + start,
                          (unsigned long long)recipient->offset);
            told++;
        }
    if (told == 0)
        zm_buf_printf(&null->out, "#resync %s\n", path);
}

/* False: the end. */
static bool serve(null_t *null, char *line)
{
    char *end = strchr(line, '\n'), *host;

    if (end == NULL || end == line)
        return false;
    *end = '\0';
    if (line[0] == '#') {
        zm_buf_add_c(&null->out, "#hungry\n");
        return true;
    }
    host = strchr(line, '\t');
    if (host != NULL)
        *host++ = '\0';
    if (null->delay > 0)
        apr_sleep(apr_time_from_msec(null->delay));
    job(null, line, zm_str(host != NULL ? host : ""));
    apr_pool_clear(null->pool);
    if (null->threads > 1)
        zm_buf_printf(&null->out, "#hungry %s\t%s\n", line, host != NULL ? host : "");
    else
        zm_buf_add_c(&null->out, "#hungry\n");
    return true;
}

/* Answers go out when there is nothing more to read, or a heap of them. */
static void flush(null_t *null, apr_file_t *output)
{
    apr_file_write_full(output, null->out.data, null->out.length, NULL);
    zm_buf_clear(&null->out);
}

static void run(null_t *null, apr_file_t *input, apr_file_t *output)
{
    zm_buf_t in = ZM_BUF_INIT;
    char line[4096];
    bool more = true;

    while (more) {
        zm_str_t first, rest;
        apr_size_t length = 32768;
        while (more && zm_str_cut(zm_buf_str(&in), '\n', &first, &rest)) {
            if (first.length + 2 > sizeof line)
                return;
            memcpy(line, first.data, first.length + 1);
            line[first.length + 1] = '\0';
            more = serve(null, line);
            zm_buf_consume(&in, (apr_size_t)(rest.data - in.data));
        }
        flush(null, output);
        zm_buf_reserve(&in, length);
        if (more && apr_file_read(input, in.data + in.length, &length) == APR_SUCCESS)
            in.length += length;
        else
            more = false;
    }
    zm_buf_free(&in);
}

int main(int argc, char **argv)
{
    null_t null = {.channel = "null", .threads = 1};
    const zm_option_t table[] = {
        {'c', "channel", ZM_OPTION_TEXT, &null.channel, NULL, "NAME", "channel (null)"},
        {'m', "multi", ZM_OPTION_NUMBER, &null.threads, NULL, "N", "threads at once (1)"},
        {'d', "delay", ZM_OPTION_NUMBER, &null.delay, NULL, "MS", "milliseconds for a job (0)"},
    };
    const zm_command_line_t line = {"zm-null-ta", NULL, "an agent that does nothing", table, 3,
                                    NULL,         0};
    apr_pool_t *pool;
    apr_file_t *input, *output;
    int code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    apr_pool_create(&null.pool, pool);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (apr_file_open_stdin(&input, pool) != APR_SUCCESS ||
        apr_file_open_stdout(&output, pool) != APR_SUCCESS)
        return 1;
    if (null.threads > 1)
        zm_buf_printf(&null.out, "#multi %lld\n", (long long)null.threads);
    zm_buf_add_c(&null.out, "#hungry\n");
    run(&null, input, output);
    zm_buf_free(&null.out);
    return 0;
}
