#include "mta/conf/lines.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

static apr_status_t read_whole(zm_str_t *text, const char *path, apr_pool_t *pool,
                               zm_error_t *error)
{
    apr_file_t *file;
    apr_finfo_t info;
    apr_size_t length;
    char *data;
    apr_status_t status = apr_file_open(&file, path, APR_FOPEN_READ | APR_FOPEN_BINARY, 0, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot open %s", path);
    status = apr_file_info_get(&info, APR_FINFO_SIZE | APR_FINFO_TYPE, file);
    if (status != APR_SUCCESS && status != APR_INCOMPLETE) {
        apr_file_close(file);
        return zm_error_system(error, status, "cannot examine %s", path);
    }
    if (info.filetype == APR_DIR || info.size > (apr_off_t)ZM_CONF_FILE_LIMIT) {
        apr_file_close(file);
        return zm_error_set(error, ZM_E_LIMIT, "%s is %s; expected a configuration file", path,
                            info.filetype == APR_DIR ? "a directory" : "too long");
    }
    data = apr_palloc(pool, (apr_size_t)info.size + 1);
    status = apr_file_read_full(file, data, (apr_size_t)info.size, &length);
    apr_file_close(file);
    if (status != APR_SUCCESS && status != APR_EOF)
        return zm_error_system(error, status, "cannot read %s", path);
    *text = zm_str_of(data, length);
    return APR_SUCCESS;
}

/** Refuses what no later function should have to think about: NUL bytes and endless lines. */
static apr_status_t check_text(zm_conf_lines_t *lines, zm_error_t *error)
{
    zm_str_t line = ZM_S("");
    while (zm_conf_lines_next(lines, &line)) {
        if (line.length > ZM_CONF_LINE_LIMIT) {
            zm_conf_lines_fail(lines, error, "the line is longer than %u bytes",
                               ZM_CONF_LINE_LIMIT);
            return ZM_E_LIMIT;
        }
        if (memchr(line.data, '\0', line.length) != NULL) {
            zm_conf_lines_fail(lines, error, "the line has a NUL byte; expected text");
            return ZM_E_SYNTAX;
        }
    }
    lines->next = 0;
    lines->number = 0;
    return APR_SUCCESS;
}

apr_status_t zm_conf_lines_of(zm_conf_lines_t **lines, zm_str_t text, const char *file,
                              apr_pool_t *pool, zm_error_t *error)
{
    zm_conf_lines_t *made = apr_pcalloc(pool, sizeof *made);
    made->file = apr_pstrdup(pool, file);
    if (zm_str_starts(text, ZM_S("\xef\xbb\xbf")))
        text = zm_str_from(text, 3);
    made->text = text;
    *lines = made;
    return check_text(made, error);
}

apr_status_t zm_conf_lines_open(zm_conf_lines_t **lines, const char *path, apr_pool_t *pool,
                                zm_error_t *error)
{
    zm_str_t text = {0};
    apr_status_t status = read_whole(&text, path, pool, error);
    return status == APR_SUCCESS ? zm_conf_lines_of(lines, text, path, pool, error) : status;
}

bool zm_conf_lines_next(zm_conf_lines_t *lines, zm_str_t *line)
{
    zm_str_t rest;
    const char *end;
    if (lines->next >= lines->text.length)
        return false;
    rest = zm_str_of(lines->text.data + lines->next, lines->text.length - lines->next);
    end = memchr(rest.data, '\n', rest.length);
    line->data = rest.data;
    line->length = end != NULL ? (apr_size_t)(end - rest.data) : rest.length;
    lines->next += line->length + (end != NULL ? 1 : 0);
    lines->number++;
    if (line->length > 0 && line->data[line->length - 1] == '\r')
        line->length--;
    return true;
}

apr_status_t zm_conf_lines_fail(const zm_conf_lines_t *lines, zm_error_t *error, const char *format,
                                ...)
{
    char text[sizeof error->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return zm_error_set(error, ZM_E_CONFIG, "%s:%u: %s", lines->file, lines->number, text);
}
