#include "ta/agent/trace.h"

#include <apr_strings.h>
#include <string.h>

#include "platform/fs.h"

struct zm_trace_t {
    zm_file_t *file;
};

/* The leaf of "../public/v_abc123", or an empty string. */
static zm_str_t trace_leaf(zm_str_t name)
{
    static const char directory[] = "../public/";
    zm_str_t leaf = {"", 0};
    apr_size_t i;
    if (!zm_str_starts(name, ZM_S(directory)) || name.length != sizeof directory - 1 + 8)
        return leaf;
    leaf = zm_str_of(name.data + sizeof directory - 1, 8);
    if (leaf.data[0] != 'v' || leaf.data[1] != '_')
        return ZM_S("");
    for (i = 2; i < leaf.length; i++)
        if (!zm_is_alpha(leaf.data[i]) && !zm_is_digit(leaf.data[i]))
            return ZM_S("");
    return leaf;
}

static bool trustworthy(zm_file_t *file, zm_uid_t owner)
{
    zm_file_info_t info;
    return zm_file_info(&info, file) == APR_SUCCESS && info.kind == ZM_FILE_REGULAR &&
           info.links == 1 && info.uid == owner;
}

zm_trace_t *zm_trace_open(zm_spool_t *spool, zm_str_t name, zm_uid_t owner, apr_pool_t *pool)
{
    zm_str_t leaf = trace_leaf(name);
    zm_trace_t *trace;
    zm_file_t *file;
    const char *path;
    if (leaf.length == 0)
        return NULL;
    path = apr_pstrcat(pool, "public/", zm_str_c(pool, leaf), NULL);
    if (zm_spool_native_path(&path, spool, path, pool) != APR_SUCCESS ||
        zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_APPEND, 0, pool) != APR_SUCCESS)
        return NULL;
    if (!trustworthy(file, owner)) {
        zm_file_close(file);
        return NULL;
    }
    trace = apr_palloc(pool, sizeof *trace);
    trace->file = file;
    return trace;
}

void zm_trace_close(zm_trace_t *trace)
{
    if (trace != NULL)
        zm_file_close(trace->file);
}

void zm_trace_line(zm_trace_t *trace, zm_str_t line)
{
    zm_buf_t text = ZM_BUF_INIT;
    apr_size_t i;
    if (trace == NULL)
        return;
    zm_buf_add_str(&text, line);
    for (i = 0; i < text.length; i++)
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 127)
            text.data[i] = '?';
    zm_buf_add_byte(&text, '\n');
    zm_file_append(trace->file, text.data,
                   text.length); /* the trace is a courtesy: losing it is no failure */
    zm_buf_free(&text);
}
