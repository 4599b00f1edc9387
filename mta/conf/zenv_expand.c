/* Typed values and the use of variables in other files' text. */
#include <apr_strings.h>
#include <stdlib.h>

#include "mta/conf/zenv_internal.h"

static apr_status_t bad_value(const zm_zenv_t *zenv, const char *name, const char *expected,
                              zm_error_t *error)
{
    const zm_zenv_entry_t *entry = zm_zenv_find(zenv, zm_str(name));
    if (entry->line == 0)
        return zm_error_set(error, ZM_E_CONFIG, "%s is '%.200s'; expected %s", name, entry->value,
                            expected);
    return zm_error_set(error, ZM_E_CONFIG, "%s:%u: %s is '%.200s'; expected %s", zenv->file,
                        entry->line, name, entry->value, expected);
}

apr_status_t zm_zenv_number(const zm_zenv_t *zenv, const char *name, int64_t otherwise,
                            int64_t minimum, int64_t maximum, int64_t *value, zm_error_t *error)
{
    const char *text = zm_zenv_get_or(zenv, name, NULL);
    char expected[100];
    *value = otherwise;
    if (text == NULL)
        return APR_SUCCESS;
    if (zm_str_i64(zm_str(text), value) == APR_SUCCESS && *value >= minimum && *value <= maximum)
        return APR_SUCCESS;
    *value = otherwise;
    apr_snprintf(expected, sizeof expected,
                 "a number from %" APR_INT64_T_FMT " to %" APR_INT64_T_FMT, (apr_int64_t)minimum,
                 (apr_int64_t)maximum);
    return bad_value(zenv, name, expected, error);
}

apr_status_t zm_zenv_interval(const zm_zenv_t *zenv, const char *name, int64_t otherwise,
                              int64_t *seconds, zm_error_t *error)
{
    const char *text = zm_zenv_get_or(zenv, name, NULL);
    *seconds = otherwise;
    if (text == NULL || zm_interval_parse(zm_str(text), seconds) == APR_SUCCESS)
        return APR_SUCCESS;
    *seconds = otherwise;
    return bad_value(zenv, name, "an interval such as 90, 5m or 1h30m", error);
}

apr_status_t zm_zenv_size(const zm_zenv_t *zenv, const char *name, uint64_t otherwise,
                          uint64_t *bytes, zm_error_t *error)
{
    zm_str_t text = zm_str(zm_zenv_get_or(zenv, name, NULL));
    unsigned shift = 0;
    *bytes = otherwise;
    if (text.length == 0)
        return APR_SUCCESS;
    switch (zm_to_lower((unsigned char)text.data[text.length - 1])) {
    case 'k':
        shift = 10;
        break;
    case 'm':
        shift = 20;
        break;
    case 'g':
        shift = 30;
        break;
    default:
        break;
    }
    if (shift != 0)
        text.length--;
    if (zm_str_u64(text, bytes) == APR_SUCCESS && *bytes <= UINT64_MAX >> shift) {
        *bytes <<= shift;
        return APR_SUCCESS;
    }
    *bytes = otherwise;
    return bad_value(zenv, name, "a number of bytes such as 1048576, 1024k or 1m", error);
}

apr_status_t zm_zenv_switch(const zm_zenv_t *zenv, const char *name, bool otherwise, bool *value,
                            zm_error_t *error)
{
    static const char *const on[] = {"yes", "true", "on"}, *const off[] = {"no", "false", "off"};
    zm_str_t text = zm_str(zm_zenv_get_or(zenv, name, NULL));
    int64_t number;
    unsigned i;
    *value = otherwise;
    if (text.length == 0)
        return APR_SUCCESS;
    if (zm_str_i64(text, &number) == APR_SUCCESS) {
        *value = number != 0;
        return APR_SUCCESS;
    }
    for (i = 0; i < 3; i++) {
        if (zm_str_equal_nocase(text, zm_str(on[i])) || zm_str_equal_nocase(text, zm_str(off[i]))) {
            *value = zm_str_equal_nocase(text, zm_str(on[i]));
            return APR_SUCCESS;
        }
    }
    return bad_value(zenv, name, "yes or no", error);
}

static int64_t unit_seconds(char unit)
{
    switch (unit) {
    case 'w':
        return 7 * 86400;
    case 'd':
        return 86400;
    case 'h':
        return 3600;
    case 'm':
        return 60;
    case 's':
        return 1;
    default:
        return 0;
    }
}

apr_status_t zm_interval_parse(zm_str_t text, int64_t *seconds)
{
    apr_size_t i = 0;
    int64_t sum = 0;
    if (text.length == 0)
        return ZM_E_SYNTAX;
    while (i < text.length) {
        int64_t number = 0, unit = 1;
        apr_size_t start = i;
        for (; i < text.length && zm_is_digit((unsigned char)text.data[i]); i++) {
            number = number * 10 + (text.data[i] - '0');
            if (number > INT32_MAX)
                return ZM_E_SYNTAX;
        }
        if (i == start)
            return ZM_E_SYNTAX;
        if (i < text.length && (unit = unit_seconds(text.data[i++])) == 0)
            return ZM_E_SYNTAX;
        sum += number * unit;
        if (sum > (int64_t)INT32_MAX * 604800)
            return ZM_E_SYNTAX;
    }
    *seconds = sum;
    return APR_SUCCESS;
}

/* One reference in the text: where it ends and what it names. */
typedef struct reference_t {
    zm_str_t name;
    apr_size_t length; /* of all of it, from the '$' */
} reference_t;

static bool find_reference(zm_str_t text, int flags, reference_t *found)
{
    char close = '\0';
    apr_size_t start = 1, end;
    if (text.length > 1 && text.data[1] == '{' && (flags & ZM_EXPAND_BRACES) != 0)
        close = '}';
    else if (text.length > 1 && text.data[1] == '(' && (flags & ZM_EXPAND_PARENS) != 0)
        close = ')';
    else if ((flags & ZM_EXPAND_NAMES) == 0)
        return false;
    if (close != '\0')
        start = 2;
    for (end = start; end < text.length && zm_zenv_is_name(text.data[end], end == start);)
        end++;
    if (end == start || (close != '\0' && (end == text.length || text.data[end] != close)))
        return false;
    found->name = zm_str_of(text.data + start, end - start);
    found->length = close != '\0' ? end + 1 : end;
    return true;
}

static bool add_value(const zm_zenv_t *zenv, zm_str_t name, zm_zenv_more_t more, void *baton,
                      zm_buf_t *result)
{
    const char *value = more != NULL ? more(baton, name) : NULL;
    if (value == NULL) {
        const zm_zenv_entry_t *entry = zm_zenv_find(zenv, name);
        value = entry != NULL ? entry->value : NULL;
    }
    if (value != NULL)
        zm_buf_add_c(result, value);
    return value != NULL;
}

zm_str_t zm_zenv_expand(const zm_zenv_t *zenv, zm_str_t text, int flags, zm_zenv_more_t more,
                        void *baton, apr_pool_t *pool)
{
    zm_buf_t result = ZM_BUF_INIT;
    zm_str_t copy, head, rest = text;
    while (zm_str_cut(rest, '$', &head, &rest)) {
        zm_str_t from = {rest.data - 1, rest.length + 1};
        reference_t found = {{NULL, 0}, 1};
        zm_buf_add_str(&result, head);
        if ((flags & ZM_EXPAND_DOLLARS) != 0 && rest.length > 0 && rest.data[0] == '$') {
            zm_buf_add_byte(&result, '$');
            found.length = 2;
        } else if (!find_reference(from, flags, &found)) {
            zm_buf_add_byte(&result, '$');
        } else if (!add_value(zenv, found.name, more, baton, &result) &&
                   (flags & ZM_EXPAND_EMPTY) == 0) {
            zm_buf_add(&result, from.data, found.length);
        }
        rest = zm_str_from(from, found.length);
    }
    zm_buf_add_str(&result, head);
    copy = zm_str_copy(pool, zm_buf_str(&result));
    zm_buf_free(&result);
    return copy;
}
