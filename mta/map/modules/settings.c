#include "mta/map/modules/settings.h"

#include <apr_strings.h>

#define FILE_LIMIT 65536

static apr_status_t set(const zm_setting_t *table, const char *path, unsigned number, zm_str_t line,
                        apr_pool_t *pool, zm_error_t *error)
{
    zm_str_t rest = zm_str_trim(line), keyword;
    if (rest.length == 0 || rest.data[0] == '#' || !zm_str_word(&rest, &keyword))
        return APR_SUCCESS;
    while (table->keyword != NULL && !zm_str_equal_nocase(keyword, zm_str(table->keyword)))
        table++;
    if (table->keyword == NULL)
        return zm_error_set(error, ZM_E_CONFIG, "%s:%u: unknown keyword \"%.*s\"", path, number,
                            (int)(keyword.length < 80 ? keyword.length : 80), keyword.data);
    *table->value = zm_str_c(pool, zm_str_trim(rest));
    return APR_SUCCESS;
}

apr_status_t zm_settings_read(const char *path, const zm_setting_t *table, zm_file_info_t *seen,
                              apr_pool_t *pool, zm_error_t *error)
{
    zm_file_t *file;
    zm_str_t rest = ZM_S(""), line;
    char *text;
    apr_size_t length;
    unsigned number = 0;
    apr_status_t status = zm_file_open(&file, NULL, path, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool);
    if (status == APR_SUCCESS) {
        if (seen != NULL)
            status = zm_file_info(seen, file);
        if (status == APR_SUCCESS)
            status = zm_file_slurp_file(&text, &length, file, FILE_LIMIT, pool);
        zm_file_close(file);
    }
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot read %s", path);
    for (rest = zm_str_of(text, length); status == APR_SUCCESS && rest.length > 0;) {
        zm_str_cut(rest, '\n', &line, &rest);
        status = set(table, path, ++number, line, pool, error);
    }
    return status;
}

bool zm_settings_changed(const char *path, const zm_file_info_t *seen)
{
    zm_file_info_t now;
    return zm_path_info(&now, NULL, path) != APR_SUCCESS || now.id != seen->id ||
           now.device != seen->device || now.size != seen->size || now.mtime_s != seen->mtime_s ||
           now.mtime_ns != seen->mtime_ns;
}

apr_status_t zm_settings_seconds(const char *text, unsigned otherwise, unsigned *seconds,
                                 zm_error_t *error)
{
    uint64_t number = otherwise;
    if (text != NULL &&
        (zm_str_u64(zm_str(text), &number) != APR_SUCCESS || number < 1 || number > 600))
        return zm_error_set(error, ZM_E_CONFIG, "timeout \"%s\" is no number of seconds, 1 to 600",
                            text);
    *seconds = (unsigned)number;
    return APR_SUCCESS;
}

void zm_settings_add(apr_array_header_t *values, zm_str_t value)
{
    if (values->nelts <= ZM_SETTINGS_MOST_VALUES)
        APR_ARRAY_PUSH(values, zm_str_t) = zm_str_copy(values->pool, value);
}

zm_map_outcome_t zm_settings_answer(zm_map_answer_t *answer, const apr_array_header_t *values,
                                    const char *path)
{
    if (values->nelts == 0)
        return ZM_MAP_ABSENT;
    if (values->nelts > ZM_SETTINGS_MOST_VALUES) {
        answer->reason =
            apr_psprintf(values->pool, "IO:%s: more than %d values", path, ZM_SETTINGS_MOST_VALUES);
        return ZM_MAP_FAILED;
    }
    answer->value = APR_ARRAY_IDX(values, 0, zm_str_t);
    if (values->nelts > 1) {
        answer->values = (const zm_str_t *)(const void *)values->elts;
        answer->count = (apr_size_t)values->nelts;
    }
    return ZM_MAP_FOUND;
}
