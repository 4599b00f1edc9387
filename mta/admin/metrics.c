#include "mta/admin/metrics.h"

#include <string.h>

#include "mta/conf/counters.h"

static bool ends_in(const char *name, const char *end)
{
    apr_size_t length = strlen(name), other = strlen(end);
    return length >= other && strcmp(name + length - other, end) == 0;
}

/* Process numbers and points in time are no counters either. */
static bool is_gauge(const char *name)
{
    return ends_in(name, "-G") || ends_in(name, "PID") || ends_in(name, "Time") ||
           ends_in(name, "time") || ends_in(name, "_now");
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

/* Whether a word begins here: "StoredMessages", "SMTPconnects", "MQ2Connects", but not "kB". */
static bool begins_word(const char *name, apr_size_t i)
{
    if (i == 0)
        return false;
    if (is_lower(name[i]))
        return i > 1 && is_upper(name[i - 1]) && is_upper(name[i - 2]);
    if (!is_upper(name[i]))
        return false;
    return zm_is_digit(name[i - 1]) ||
           (is_lower(name[i - 1]) && (name[i - 1] != 'k' || i < 2 || name[i - 2] != '-'));
}

/* "SC.StoredMessages-G": zmailer_sc_stored_messages */
static void add_name(zm_buf_t *out, const char *name)
{
    apr_size_t i, length = strlen(name) - (ends_in(name, "-G") ? 2 : 0);
    char last = '_';

    zm_buf_add_c(out, "zmailer_");
    for (i = 0; i < length; i++) {
        char c = name[i];
        bool word = begins_word(name, i);
        if (!is_upper(c) && !is_lower(c) && !zm_is_digit(c))
            c = '_';
        if ((word && last != '_') || (c == '_' && last != '_'))
            zm_buf_add_byte(out, '_');
        last = c;
        if (c != '_')
            zm_buf_add_byte(out, (char)zm_to_lower((unsigned char)c));
    }
}

static void add_metric(zm_buf_t *out, const zm_counters_t *counters, zm_counter_t counter)
{
    const char *name = zm_counter_name(counter);
    bool gauge = is_gauge(name);

    zm_buf_add_c(out, "# TYPE ");
    add_name(out, name);
    zm_buf_printf(out, " %s\n", gauge ? "gauge" : "counter");
    add_name(out, name);
    zm_buf_add_c(out, gauge ? " " : "_total ");
    zm_counter_print(out, counters, counter);
    zm_buf_add_byte(out, '\n');
}

apr_status_t metrics_print(zm_buf_t *out, const zm_zenv_t *zenv, bool json, apr_pool_t *pool)
{
    const zm_counters_t *counters = zm_counters_read(zenv, pool);
    int i;

    if (counters == NULL)
        return APR_ENOENT;
    for (i = 0; i < ZM_COUNTERS; i++) {
        if (!json) {
            add_metric(out, counters, (zm_counter_t)i);
            continue;
        }
        zm_buf_printf(out, "%s\"%s\":", i > 0 ? ",\n " : "{", zm_counter_name((zm_counter_t)i));
        zm_counter_print(out, counters, (zm_counter_t)i);
    }
    zm_buf_add_c(out, json ? "}\n" : "# EOF\n");
    return APR_SUCCESS;
}
