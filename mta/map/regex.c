/* regex: a text file of "expression value"; the first expression that the key matches gives its
 * value, $1 to $9 filled in. */
#include <pcre2.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "mta/map/types.h"

#define FILE_LIMIT (16u << 20)
#define MATCH_LIMIT 100000 /* steps of one match */

typedef struct rule_t {
    pcre2_code *code;
    zm_str_t value;
} rule_t;

typedef struct regex_t {
    const char *path;
    zm_file_info_t seen;
    apr_array_header_t *rules;
    pcre2_match_context *context;
} regex_t;

static void regex_close(void *state)
{
    regex_t *regex = state;
    int i;
    for (i = 0; i < regex->rules->nelts; i++)
        pcre2_code_free(APR_ARRAY_IDX(regex->rules, i, rule_t).code);
    pcre2_match_context_free(regex->context);
}

static apr_status_t add_rule(regex_t *regex, zm_str_t line, unsigned number, zm_error_t *error)
{
    zm_str_t expression, value;
    PCRE2_SIZE offset;
    rule_t rule;
    int code;
    if (line.length == 0 || line.data[0] == '#' || !zm_map_text_line(line, &expression, &value))
        return APR_SUCCESS;
    rule.code = pcre2_compile((PCRE2_SPTR)expression.data, expression.length, PCRE2_CASELESS, &code,
                              &offset, NULL);
    if (rule.code == NULL) {
        char text[120];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text);
        return zm_error_set(error, ZM_E_CONFIG, "%s:%u: column %u: %s", regex->path, number,
                            (unsigned)offset + 1, text);
    }
    (void)pcre2_jit_compile(rule.code, PCRE2_JIT_COMPLETE);
    rule.value = value;
    APR_ARRAY_PUSH(regex->rules, rule_t) = rule;
    return APR_SUCCESS;
}

static apr_status_t regex_open(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                               zm_error_t *error)
{
    regex_t *regex = apr_pcalloc(pool, sizeof *regex);
    zm_str_t rest, line;
    apr_size_t length;
    unsigned number = 0;
    char *data;
    apr_status_t status;
    regex->path = options->file;
    regex->rules = apr_array_make(pool, 16, sizeof(rule_t));
    regex->context = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(regex->context, MATCH_LIMIT);
    status = zm_path_info(&regex->seen, NULL, regex->path);
    if (status == APR_SUCCESS)
        status = zm_file_slurp(&data, &length, regex->path, FILE_LIMIT, pool);
    if (status != APR_SUCCESS)
        zm_error_system(error, status, "cannot read %s", regex->path);
    for (rest = zm_str_of(status == APR_SUCCESS ? data : "", status == APR_SUCCESS ? length : 0);
         status == APR_SUCCESS && rest.length > 0;) {
        zm_str_cut(rest, '\n', &line, &rest);
        status = add_rule(regex, line, ++number, error);
    }
    if (status != APR_SUCCESS)
        regex_close(regex);
    *state = regex;
    return status;
}

static zm_str_t fill_in(zm_str_t value, zm_str_t key, pcre2_match_data *match, apr_pool_t *pool)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(match);
    uint32_t count = pcre2_get_ovector_count(match);
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t result;
    apr_size_t i;
    for (i = 0; i < value.length; i++) {
        uint32_t group = i + 1 < value.length && zm_is_digit(value.data[i + 1])
                             ? (uint32_t)(value.data[i + 1] - '0')
                             : 99;
        if (value.data[i] != '$' || group == 99) {
            zm_buf_add_byte(&out, value.data[i]);
            continue;
        }
        if (group < count && at[2 * group] != PCRE2_UNSET)
            zm_buf_add(&out, key.data + at[2 * group], at[2 * group + 1] - at[2 * group]);
        i++;
    }
    result = zm_str_copy(pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

static zm_map_outcome_t regex_lookup(void *state, zm_str_t key, zm_map_answer_t *answer,
                                     apr_pool_t *pool)
{
    const regex_t *regex = state;
    int i;
    for (i = 0; i < regex->rules->nelts; i++) {
        const rule_t *rule = &APR_ARRAY_IDX(regex->rules, i, rule_t);
        pcre2_match_data *match = pcre2_match_data_create_from_pattern(rule->code, NULL);
        int found =
            pcre2_match(rule->code, (PCRE2_SPTR)key.data, key.length, 0, 0, match, regex->context);
        if (found > 0)
            answer->value = fill_in(rule->value, key, match, pool);
        pcre2_match_data_free(match);
        if (found > 0)
            return ZM_MAP_FOUND;
    }
    return ZM_MAP_ABSENT;
}

static bool regex_changed(void *state)
{
    const regex_t *regex = state;
    return zm_map_file_changed(regex->path, &regex->seen);
}

static apr_status_t regex_owner(void *state, zm_uid_t *owner, zm_error_t *error)
{
    return zm_map_file_owner(((const regex_t *)state)->path, owner, error);
}

const zm_map_type_t zm_map_regex = {
    .name = "regex",
    .reads_file = true,
    .check = zm_map_needs_file,
    .open = regex_open,
    .close = regex_close,
    .lookup = regex_lookup,
    .changed = regex_changed,
    .owner = regex_owner,
};
