/*
 * unordered and ordered: text files of one "key value" a line.
 *
 * unordered is read whole and indexed when it is opened; ordered stays on disk
 * and is searched by halving, so it may be of any size.  Of equal keys the
 * first counts; keys are compared without regard to case.
 */
#include <apr_hash.h>
#include <apr_strings.h>
#include <string.h>

#include "mta/map/types.h"

#define FILE_LIMIT (1u << 30)
#define LINE_LIMIT 65536
#define BLOCK 4096

typedef struct text_t {
    const char *path;
    apr_pool_t *pool;
    zm_file_info_t seen;
    zm_str_t data;     /* unordered: the whole file */
    apr_hash_t *index; /* unordered: lower-case key -> its line */
    uint64_t lines;
    zm_file_t *file; /* ordered */
} text_t;

bool zm_map_text_line(zm_str_t line, zm_str_t *key, zm_str_t *value)
{
    bool quoted = false;
    apr_size_t i, start;
    if (line.length > 0 && line.data[line.length - 1] == '\r')
        line.length--;
    for (i = 0; i < line.length; i++) {
        if (line.data[i] == '\\' && i + 1 < line.length)
            i++;
        else if (line.data[i] == '"')
            quoted = !quoted;
        else if (!quoted && zm_is_blank(line.data[i]))
            break;
    }
    *key = zm_str_of(line.data, i);
    while (i < line.length && zm_is_blank(line.data[i]))
        i++;
    for (start = i;
         i < line.length && !zm_is_blank(line.data[i]) && (unsigned char)line.data[i] < 128; i++)
        ;
    *value = zm_str_of(line.data + start, i - start);
    return key->length > 0;
}

/* The original takes the LF for a part of the key, unless a blank is in between. */
static bool is_unseen(zm_str_t line, zm_str_t key)
{
    return (zm_map_old() & ZM_MAP_OLD_KEYS) && key.length == line.length;
}

int zm_map_text_compare(zm_str_t a, zm_str_t b)
{
    apr_size_t i, shorter = a.length < b.length ? a.length : b.length;
    for (i = 0; i < shorter; i++) {
        int x = zm_to_lower((unsigned char)a.data[i]), y = zm_to_lower((unsigned char)b.data[i]);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return a.length == b.length ? 0 : a.length < b.length ? -1 : 1;
}

static bool text_changed(void *state)
{
    const text_t *text = state;
    return zm_map_file_changed(text->path, &text->seen);
}

static apr_status_t text_owner(void *state, zm_uid_t *owner, zm_error_t *error)
{
    const text_t *text = state;
    (void)error;
    *owner = text->seen.uid;
    return APR_SUCCESS;
}

static text_t *make(const zm_map_options_t *options, apr_pool_t *pool)
{
    text_t *text = apr_pcalloc(pool, sizeof *text);
    text->path = options->file;
    text->pool = pool;
    return text;
}

/* -- unordered ---------------------------------------------------------------------------- */

static void index_lines(text_t *text)
{
    zm_str_t rest = text->data, line, key, value;
    while (rest.length > 0) {
        zm_str_cut(rest, '\n', &line, &rest);
        text->lines++;
        if (!zm_map_text_line(line, &key, &value) || is_unseen(line, key))
            continue;
        key = zm_str_lower(text->pool, key);
        if (apr_hash_get(text->index, key.data, (apr_ssize_t)key.length) == NULL)
            apr_hash_set(text->index, key.data, (apr_ssize_t)key.length, line.data);
    }
}

static apr_status_t unordered_open(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                                   zm_error_t *error)
{
    text_t *text = make(options, pool);
    zm_file_t *file;
    apr_size_t length;
    char *data;
    apr_status_t status =
        zm_file_open(&file, NULL, text->path, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool);
    if (status == APR_SUCCESS) {
        status = zm_file_info(&text->seen, file);
        zm_file_close(file);
    }
    if (status == APR_SUCCESS)
        status = zm_file_slurp(&data, &length, text->path, FILE_LIMIT, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot read %s", text->path);
    text->data = zm_str_of(data, length);
    if (zm_str_starts(text->data, ZM_S("\xef\xbb\xbf"))) /* editors put it before UTF-8 */
        text->data = zm_str_from(text->data, 3);
    text->index = apr_hash_make(pool);
    index_lines(text);
    *state = text;
    return APR_SUCCESS;
}

static zm_map_outcome_t unordered_lookup(void *state, zm_str_t key, zm_map_answer_t *answer,
                                         apr_pool_t *pool)
{
    const text_t *text = state;
    zm_str_t lower = zm_str_lower(pool, key), line, rest, found, value;
    const char *start = apr_hash_get(text->index, lower.data, (apr_ssize_t)lower.length);
    if (start == NULL)
        return ZM_MAP_ABSENT;
    zm_str_cut(zm_str_of(start, text->data.length - (apr_size_t)(start - text->data.data)), '\n',
               &line, &rest);
    zm_map_text_line(line, &found, &value);
    answer->value = zm_str_copy(pool, value);
    return ZM_MAP_FOUND;
}

/* Appends a line; the file is read again at the next lookup. */
static apr_status_t unordered_add(void *state, zm_str_t key, zm_str_t value, zm_error_t *error)
{
    const text_t *text = state;
    zm_buf_t line = ZM_BUF_INIT;
    zm_file_t *file;
    apr_status_t status;
    if (key.length == 0 || zm_str_find(key, '\n') >= 0 || zm_str_find(value, '\n') >= 0)
        return zm_error_set(error, ZM_E_SYNTAX, "a line of a text file cannot hold that");
    zm_buf_add_str(&line, key);
    zm_buf_add_byte(&line, '\t');
    zm_buf_add_str(&line, value);
    zm_buf_add_byte(&line, '\n');
    status = zm_file_open(&file, NULL, text->path, ZM_OPEN_WRITE | ZM_OPEN_APPEND | ZM_OPEN_FOLLOW,
                          0, text->pool);
    if (status == APR_SUCCESS) {
        status = zm_file_append(file, line.data, line.length);
        zm_file_close(file);
    }
    zm_buf_free(&line);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot add to %s", text->path);
    return APR_SUCCESS;
}

static apr_status_t unordered_count(void *state, uint64_t *count, zm_error_t *error)
{
    (void)error;
    *count = ((const text_t *)state)->lines;
    return APR_SUCCESS;
}

static apr_status_t unordered_each(void *state, zm_map_each_fn *fn, void *baton, zm_error_t *error)
{
    zm_str_t rest = ((const text_t *)state)->data, line, none = {NULL, 0};
    (void)error;
    while (rest.length > 0) {
        zm_str_cut(rest, '\n', &line, &rest);
        if (!fn(baton, line, none))
            break;
    }
    return APR_SUCCESS;
}

/* -- ordered ------------------------------------------------------------------------------- */

static apr_status_t ordered_open(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                                 zm_error_t *error)
{
    text_t *text = make(options, pool);
    apr_status_t status =
        zm_file_open(&text->file, NULL, text->path, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool);
    if (status == APR_SUCCESS)
        status = zm_file_info(&text->seen, text->file);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot read %s", text->path);
    *state = text;
    return APR_SUCCESS;
}

static void ordered_close(void *state)
{
    zm_file_close(((text_t *)state)->file);
}

/*
 * Reads the line that begins at or, when `skip`, after the first line end behind
 * an offset.  *start is where it begins.  APR_EOF: there is none.
 */
static apr_status_t read_line(const text_t *text, uint64_t offset, bool skip, zm_buf_t *line,
                              uint64_t *start)
{
    char block[BLOCK];
    zm_buf_clear(line);
    *start = offset;
    for (;;) {
        apr_size_t length = sizeof block, used = 0;
        const char *end;
        apr_status_t status = zm_file_read_at(text->file, offset, block, &length);
        if (APR_STATUS_IS_EOF(status))
            return line->length > 0 && !skip ? APR_SUCCESS : APR_EOF;
        if (status != APR_SUCCESS)
            return status;
        if (skip) {
            end = memchr(block, '\n', length);
            used = end != NULL ? (apr_size_t)(end - block) + 1 : length;
            *start = offset + used;
            skip = end == NULL;
        }
        if (!skip && used < length) {
            end = memchr(block + used, '\n', length - used);
            zm_buf_add(line, block + used,
                       end != NULL ? (apr_size_t)(end - block) - used : length - used);
            if (end != NULL)
                return APR_SUCCESS;
            if (line->length > LINE_LIMIT)
                return ZM_E_LIMIT;
        }
        offset += length;
    }
}

/*
 * Halves the file: lines that end before `low` are smaller than the key; the
 * first line that begins behind `high` is not.
 */
static apr_status_t search(const text_t *text, zm_str_t key, zm_buf_t *line)
{
    uint64_t low = 0, high = text->seen.size, start;
    zm_str_t found, value;
    apr_status_t status;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        status = read_line(text, middle, middle > 0, line, &start);
        if (status != APR_SUCCESS && !APR_STATUS_IS_EOF(status))
            return status;
        if (status == APR_SUCCESS && start < high) {
            zm_map_text_line(zm_buf_str(line), &found, &value);
            if (zm_map_text_compare(found, key) < 0)
                low = start + line->length + 1;
            else
                high = middle;
        } else {
            high = middle;
        }
    }
    /* low begins a line that no half has looked at: go on from there */
    while ((status = read_line(text, low, false, line, &start)) == APR_SUCCESS) {
        int order;
        zm_map_text_line(zm_buf_str(line), &found, &value);
        order = zm_map_text_compare(found, key);
        if (order >= 0)
            return order == 0 ? APR_SUCCESS : APR_ENOENT;
        low = start + line->length + 1;
    }
    return APR_STATUS_IS_EOF(status) ? APR_ENOENT : status;
}

static zm_map_outcome_t ordered_lookup(void *state, zm_str_t key, zm_map_answer_t *answer,
                                       apr_pool_t *pool)
{
    const text_t *text = state;
    zm_buf_t line = ZM_BUF_INIT;
    zm_str_t found, value;
    apr_status_t status = search(text, key, &line);
    if (status == APR_SUCCESS) {
        zm_map_text_line(zm_buf_str(&line), &found, &value);
        answer->value = zm_str_copy(pool, value);
        if (is_unseen(zm_buf_str(&line), found))
            status = APR_ENOENT;
    }
    zm_buf_free(&line);
    if (status == APR_SUCCESS)
        return ZM_MAP_FOUND;
    if (APR_STATUS_IS_ENOENT(status))
        return ZM_MAP_ABSENT;
    answer->reason = apr_pstrcat(pool, "IO:", text->path, NULL);
    return ZM_MAP_FAILED;
}

static apr_status_t ordered_each(void *state, zm_map_each_fn *fn, void *baton, zm_error_t *error)
{
    const text_t *text = state;
    zm_buf_t line = ZM_BUF_INIT;
    uint64_t offset = 0, start;
    zm_str_t none = {NULL, 0};
    apr_status_t status;
    while ((status = read_line(text, offset, false, &line, &start)) == APR_SUCCESS) {
        if (!fn(baton, zm_buf_str(&line), none))
            break;
        offset = start + line.length + 1;
    }
    zm_buf_free(&line);
    if (status == APR_SUCCESS || APR_STATUS_IS_EOF(status))
        return APR_SUCCESS;
    return zm_error_system(error, status, "cannot read %s", text->path);
}

static bool count_line(void *baton, zm_str_t key, zm_str_t value)
{
    (void)key;
    (void)value;
    ++*(uint64_t *)baton;
    return true;
}

static apr_status_t ordered_count(void *state, uint64_t *count, zm_error_t *error)
{
    *count = 0;
    return ordered_each(state, count_line, count, error);
}

const zm_map_type_t zm_map_unordered = {
    .name = "unordered",
    .reads_file = true,
    .check = zm_map_needs_file,
    .open = unordered_open,
    .lookup = unordered_lookup,
    .changed = text_changed,
    .add = unordered_add,
    .add_reopens = true,
    .count = unordered_count,
    .owner = text_owner,
    .each = unordered_each,
};

const zm_map_type_t zm_map_ordered = {
    .name = "ordered",
    .reads_file = true,
    .check = zm_map_needs_file,
    .open = ordered_open,
    .close = ordered_close,
    .lookup = ordered_lookup,
    .changed = text_changed,
    .count = ordered_count,
    .owner = text_owner,
    .each = ordered_each,
};
