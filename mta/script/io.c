#include "mta/script/io.h"

#include <string.h>

#include "mta/script/interp.h"

#define FILL 4096

/* -- life ------------------------------------------------------------------------- */

zm_stream_t *zm_stream_new(zm_script_t *script, zm_stream_kind_t kind)
{
    zm_stream_t *stream = script->free_streams;
    if (stream != NULL)
        script->free_streams = stream->next_free;
    else
        stream = apr_palloc(script->pool, sizeof *stream);
    *stream = (zm_stream_t){.kind = kind, .holders = 1};
    return stream;
}

zm_stream_t *zm_stream_text(zm_script_t *script, zm_str_t text)
{
    zm_stream_t *stream = zm_stream_new(script, ZM_STREAM_TEXT);
    zm_buf_add_str(&stream->text, text);
    return stream;
}

zm_stream_t *zm_stream_hold(zm_stream_t *stream)
{
    stream->holders++;
    return stream;
}

void zm_stream_release(zm_script_t *script, zm_stream_t *stream)
{
    if (stream == NULL || --stream->holders > 0)
        return;
    if (stream->pool != NULL)
        apr_pool_destroy(stream->pool);
    zm_buf_free(&stream->text);
    stream->next_free = script->free_streams;
    script->free_streams = stream;
}

apr_status_t zm_stream_open(zm_stream_t **result, zm_script_t *script, const char *path,
                            apr_int32_t flags)
{
    apr_pool_t *pool;
    apr_file_t *file;
    apr_status_t status;
    zm_stream_t *stream;
    if (script->no_files)
        return APR_EACCES;
    apr_pool_create(&pool, script->pool);
    status =
        apr_file_open(&file, path, flags | APR_FOPEN_BINARY,
                      APR_FPROT_UREAD | APR_FPROT_UWRITE | APR_FPROT_GREAD | APR_FPROT_WREAD, pool);
    if (status != APR_SUCCESS) {
        apr_pool_destroy(pool);
        return status;
    }
    stream = zm_stream_new(script, ZM_STREAM_FILE);
    stream->file = file;
    stream->pool = pool;
    *result = stream;
    return APR_SUCCESS;
}

/* -- writing ------------------------------------------------------------------------ */

void zm_stream_write(zm_script_t *script, zm_stream_t *stream, zm_str_t text)
{
    if (text.length == 0)
        return;
    switch (stream->kind) {
    case ZM_STREAM_FILE:
        if (!stream->failed &&
            apr_file_write_full(stream->file, text.data, text.length, NULL) != APR_SUCCESS)
            stream->failed = true;
        break;
    case ZM_STREAM_COLLECT:
        zm_arena_charge(&script->arena, text.length);
        if (!script->arena.exhausted)
            zm_buf_add_str(&stream->text, text);
        break;
    case ZM_STREAM_SINK:
        stream->sink(stream->sink_baton, stream->sink_stream, text.data, text.length);
        break;
    case ZM_STREAM_NULL:
    case ZM_STREAM_TEXT:
        break;
    }
}

void zm_write(zm_script_t *script, int descriptor, zm_str_t text)
{
    if (script->fds[descriptor] != NULL)
        zm_stream_write(script, script->fds[descriptor], text);
}

/* -- reading ---------------------------------------------------------------------------- */

/* More bytes of a file; false at its end. */
static bool fill(zm_stream_t *stream)
{
    apr_size_t length = FILL;
    zm_buf_clear(&stream->text);
    stream->at = 0;
    zm_buf_reserve(&stream->text, FILL);
    if (apr_file_read(stream->file, stream->text.data, &length) != APR_SUCCESS)
        length = 0;
    stream->text.length = length;
    return length > 0;
}

int zm_stream_byte(zm_stream_t *stream)
{
    if (stream->at >= stream->text.length && (stream->kind != ZM_STREAM_FILE || !fill(stream)))
        return -1;
    if (stream->kind != ZM_STREAM_FILE && stream->kind != ZM_STREAM_TEXT)
        return -1;
    return (unsigned char)stream->text.data[stream->at++];
}

void zm_stream_drain(zm_stream_t *stream, zm_buf_t *out, apr_size_t limit)
{
    if (stream->kind != ZM_STREAM_FILE && stream->kind != ZM_STREAM_TEXT)
        return;
    do {
        apr_size_t waits = stream->text.length - stream->at;
        if (waits > limit)
            waits = limit;
        if (waits > 0)
            zm_buf_add(out, stream->text.data + stream->at, waits);
        stream->at += waits;
        limit -= waits;
    } while (limit > 0 && stream->kind == ZM_STREAM_FILE && fill(stream));
}

#define SOURCE_LIMIT ((apr_size_t)64 * 1024 * 1024)

zm_str_t zm_stream_source(zm_stream_t *stream, zm_buf_t *text)
{
    zm_str_t whole;
    apr_size_t i, kept = 0;
    zm_stream_drain(stream, text, SOURCE_LIMIT);
    whole = zm_buf_str(text);
    if (zm_str_starts(whole, ZM_S("\xef\xbb\xbf")))
        whole = zm_str_from(whole, 3);
    if (whole.length == 0 || memchr(whole.data, '\r', whole.length) == NULL)
        return whole;
    for (i = 0; i < whole.length; i++)
        if (whole.data[i] != '\r' || i + 1 == whole.length || whole.data[i + 1] != '\n')
            text->data[kept++] = whole.data[i];
    return zm_str_of(text->data, kept);
}

/* -- descriptors -------------------------------------------------------------------------- */

void zm_descriptor_set(zm_script_t *script, int descriptor, zm_stream_t *stream)
{
    zm_stream_release(script, script->fds[descriptor]);
    script->fds[descriptor] = stream;
}
