#include "mta/submit/vacation_db.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/conf/zenv.h"
#include "platform/fs.h"

#define DB_LIMIT (4u << 20)
#define LEAST 30
#define DAY 86400
/* Who has not been heard of for so long is forgotten, whatever the interval. */
#define REMEMBERED (400 * (int64_t)DAY)

apr_status_t vacation_interval(int64_t *seconds, const char *text)
{
    uint64_t days;
    if (zm_str_u64(zm_str(text), &days) == APR_SUCCESS) {
        if (days > 100000)
            return ZM_E_SYNTAX;
        *seconds = (int64_t)days * DAY;
    } else if (zm_is_alpha((unsigned char)text[0])) {
        *seconds = VACATION_NEVER_AGAIN;
    } else if (zm_interval_parse(zm_str(text), seconds) != APR_SUCCESS) {
        return ZM_E_SYNTAX;
    }
    return *seconds < LEAST ? ZM_E_LIMIT : APR_SUCCESS;
}

static apr_status_t open_locked(zm_file_t **file, const char *path, apr_pool_t *pool)
{
    zm_file_info_t info;
    apr_status_t status =
        zm_file_open(file, NULL, path, ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0600, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_info(&info, *file);
    if (status == APR_SUCCESS && (info.kind != ZM_FILE_REGULAR || info.links != 1))
        status = ZM_E_UNSAFE;
    if (status == APR_SUCCESS)
        status = zm_file_lock(*file, 0, 0, true);
    if (status != APR_SUCCESS)
        zm_file_close(*file);
    return status;
}

static apr_status_t write_whole(zm_file_t *file, zm_str_t text)
{
    apr_status_t status = zm_file_write_at(file, 0, text.data, text.length);
    return status == APR_SUCCESS ? zm_file_truncate(file, text.length) : status;
}

apr_status_t vacation_db_begin(const char *path, int64_t interval, apr_pool_t *pool)
{
    zm_file_t *file;
    apr_status_t status = open_locked(&file, path, pool), closed;
    const char *text =
        interval >= 0 ? apr_psprintf(pool, "interval %" APR_INT64_T_FMT "\n", interval) : "";
    if (status != APR_SUCCESS)
        return status;
    status = write_whole(file, zm_str(text));
    closed = zm_file_close(file);
    return status != APR_SUCCESS ? status : closed;
}

/* What the file says, and what of it is written again. */
typedef struct contents_t {
    int64_t interval; /* -1: none */
    int64_t last;     /* when this address was answered; -1: never */
    bool excluded;
    zm_buf_t kept;
} contents_t;

/* "@domain" means all of it. */
static bool is_meant(zm_str_t pattern, const char *address)
{
    const char *at = strrchr(address, '@');
    return zm_str_equal_nocase(pattern, zm_str(address)) ||
           (pattern.data[0] == '@' && at != NULL && zm_str_equal_nocase(pattern, zm_str(at)));
}

static void take_line(contents_t *contents, zm_str_t line, const char *address, int64_t now)
{
    zm_str_t first, rest;
    int64_t number;
    if (!zm_str_cut(line, ' ', &first, &rest) || rest.length == 0)
        return;
    if (zm_str_equal_c(first, "interval")) {
        if (zm_str_i64(rest, &number) == APR_SUCCESS && number >= 0)
            contents->interval = number;
        return;
    }
    if (zm_str_equal_c(first, "exclude")) {
        zm_buf_printf(&contents->kept, "%.*s\n", (int)line.length, line.data);
        contents->excluded |= is_meant(rest, address);
        return;
    }
    if (zm_str_i64(first, &number) != APR_SUCCESS || number < 0 || number > now)
        return;
    if (zm_str_equal_nocase(rest, zm_str(address)))
        contents->last = number;
    else if (now - number < REMEMBERED)
        zm_buf_printf(&contents->kept, "%.*s\n", (int)line.length, line.data);
}

static void read_lines(contents_t *contents, zm_str_t text, const char *address, int64_t now)
{
    zm_str_t rest = text, line;
    bool more = true;
    while (more) {
        more = zm_str_cut(rest, '\n', &line, &rest);
        take_line(contents, line, address, now);
    }
}

apr_status_t vacation_db_due(bool *due, const char *path, const char *address, int64_t now,
                             int64_t interval, int64_t otherwise, apr_pool_t *pool)
{
    contents_t contents = {-1, -1, false, ZM_BUF_INIT};
    zm_buf_t text = ZM_BUF_INIT;
    zm_file_t *file;
    char *data;
    apr_size_t length;
    apr_status_t status = open_locked(&file, path, pool), closed;
    *due = false;
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_slurp_file(&data, &length, file, DB_LIMIT, pool);
    if (status == APR_SUCCESS)
        read_lines(&contents, zm_str_of(data, length), address, now);
    else if (status == ZM_E_LIMIT) /* nobody has so many friends: begin anew */
        status = APR_SUCCESS;
    if (interval < 0)
        interval = contents.interval >= 0 ? contents.interval : otherwise;
    *due = !contents.excluded && (contents.last < 0 || now - contents.last >= interval);
    if (status == APR_SUCCESS && *due) {
        if (contents.interval >= 0)
            zm_buf_printf(&text, "interval %lld\n", (long long)contents.interval);
        zm_buf_add_str(&text, zm_buf_str(&contents.kept));
        zm_buf_printf(&text, "%lld %s\n", (long long)now, address);
        status = write_whole(file, zm_buf_str(&text));
    }
    closed = zm_file_close(file);
    zm_buf_free(&contents.kept);
    zm_buf_free(&text);
    return status != APR_SUCCESS ? status : closed;
}

apr_status_t vacation_db_exclude(const char *path, const char *address, apr_pool_t *pool)
{
    zm_file_t *file;
    zm_file_info_t info;
    const char *line = apr_psprintf(pool, "exclude %s\n", address);
    apr_status_t status = open_locked(&file, path, pool), closed;
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_info(&info, file);
    if (status == APR_SUCCESS)
        status = info.size > DB_LIMIT ? ZM_E_LIMIT
                                      : zm_file_write_at(file, info.size, line, strlen(line));
    closed = zm_file_close(file);
    return status != APR_SUCCESS ? status : closed;
}

apr_status_t vacation_db_each(const char *path,
                              void (*each)(void *baton, const char *address, int64_t when),
                              void *baton, apr_pool_t *pool)
{
    char *data;
    apr_size_t length;
    zm_str_t rest, line, first, address;
    bool more = true;
    int64_t when;
    apr_status_t status = zm_file_slurp(&data, &length, path, DB_LIMIT + 2048, pool);
    if (status != APR_SUCCESS)
        return status;
    for (rest = zm_str_of(data, length); more;) {
        more = zm_str_cut(rest, '\n', &line, &rest);
        if (!zm_str_cut(line, ' ', &first, &address) || address.length == 0)
            continue;
        if (zm_str_equal_c(first, "exclude"))
            each(baton, zm_str_c(pool, address), -1);
        else if (zm_str_i64(first, &when) == APR_SUCCESS)
            each(baton, zm_str_c(pool, address), when);
    }
    return APR_SUCCESS;
}
