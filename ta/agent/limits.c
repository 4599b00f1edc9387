#include "ta/agent/limits.h"

#include "mta/conf/zenv.h"

#define CPU 1800   /* seconds */
#define FILES 1024 /* open at once */
#define MOST (INT64_MAX >> 31)

static bool read_size(zm_str_t text, int64_t *value)
{
    static const zm_str_t units = ZM_STR("KMG");
    apr_ssize_t unit = -1;
    uint64_t number;
    if (text.length > 1)
        unit = zm_str_find(units, (char)zm_to_upper(text.data[text.length - 1]));
    if (unit >= 0)
        text.length--;
    if (zm_str_u64(text, &number) != APR_SUCCESS || number > MOST)
        return false;
    *value = (int64_t)number << (10 * (unit + 1));
    return true;
}

static bool read_one(zm_child_limits_t *limits, zm_str_t name, zm_str_t value)
{
    if (zm_str_equal_c(name, "cpu"))
        return zm_interval_parse(value, &limits->cpu) == APR_SUCCESS && limits->cpu >= 0;
    if (zm_str_equal_c(name, "memory"))
        return read_size(value, &limits->memory);
    if (zm_str_equal_c(name, "filesize"))
        return read_size(value, &limits->file_size);
    if (zm_str_equal_c(name, "files"))
        return read_size(value, &limits->files);
    if (zm_str_equal_c(name, "processes"))
        return read_size(value, &limits->processes);
    return false;
}

apr_status_t zm_limits_parse(zm_child_limits_t *limits, const char *text, zm_error_t *error)
{
    zm_str_t rest = zm_str(text != NULL ? text : ""), word, name, value;
    *limits = (zm_child_limits_t){.cpu = CPU, .files = FILES};
    while (zm_str_word(&rest, &word))
        if (!zm_str_cut(word, '=', &name, &value) || !read_one(limits, name, value))
            return zm_error_set(error, ZM_E_SYNTAX,
                                "MBOX_PIPE_LIMITS: %.*s: expected cpu=TIME, memory=SIZE, "
                                "filesize=SIZE, files=NUMBER or processes=NUMBER",
                                (int)word.length, word.data);
    return APR_SUCCESS;
}
