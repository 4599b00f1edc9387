#include "mta/scheduler/rate.h"

#include "mta/conf/zenv.h"
#include "mta/scheduler/duration.h"

#define LARGE 1000000000

apr_status_t zm_rate_parse(zm_rate_t *rate, zm_str_t text)
{
    zm_str_t number, time;
    uint64_t count;
    int64_t period = 0;
    bool limited = zm_str_cut(text, '/', &number, &time);

    if (zm_str_u64(number, &count) != APR_SUCCESS || count > LARGE)
        return ZM_E_SYNTAX;
    if (limited && (zm_interval_parse(time, &period) != APR_SUCCESS || period < 1 ||
                    period > LARGE || count == 0))
        return ZM_E_SYNTAX;
    if (!limited && count != 0)
        return ZM_E_SYNTAX;
    rate->count = (uint32_t)count;
    rate->period = (uint32_t)period;
    return APR_SUCCESS;
}

void zm_rate_print(zm_buf_t *out, const zm_rate_t *rate)
{
    char text[ZM_DURATION_SIZE];
    if (rate->count == 0)
        zm_buf_add_c(out, "0");
    else
        zm_buf_printf(out, "%u/%s", rate->count, zm_duration_short(text, rate->period));
}

static bool last_equals(zm_str_t text, zm_str_t *pattern, zm_str_t *time)
{
    apr_size_t i = text.length;
    while (i > 0 && text.data[i - 1] != '=')
        i--;
    if (i < 2)
        return false;
    *pattern = zm_str_trim(zm_str_of(text.data, i - 1));
    *time = zm_str_trim(zm_str_from(text, i));
    return pattern->length > 0;
}

apr_status_t zm_suspend_parse(const zm_suspend_t **list, int *count, zm_str_t text,
                              apr_pool_t *pool, zm_error_t *error)
{
    zm_suspend_t *made = apr_pcalloc(pool, (text.length / 2 + 1) * sizeof *made);
    zm_str_t item, time;
    int64_t seconds;

    *count = 0;
    while (text.length > 0) {
        zm_str_t rest = ZM_S("");
        zm_suspend_t *next = &made[*count];
        zm_str_cut(text, ';', &item, &rest);
        text = rest;
        item = zm_str_trim(item);
        if (item.length == 0)
            continue;
        if (!last_equals(item, &next->pattern, &time) ||
            zm_interval_parse(time, &seconds) != APR_SUCCESS || seconds < 1 || seconds > LARGE)
            return zm_error_set(error, ZM_E_SYNTAX,
                                "suspend wants PATTERN=TIME, several with \";\" between, not "
                                "\"%.*s\"",
                                (int)item.length, item.data);
        next->pattern = zm_str_copy(pool, next->pattern);
        next->time = (uint32_t)seconds;
        ++*count;
    }
    *list = made;
    return APR_SUCCESS;
}

void zm_suspend_print(zm_buf_t *out, const zm_suspend_t *list, int count)
{
    char text[ZM_DURATION_SIZE];
    int i;
    for (i = 0; i < count; i++)
        zm_buf_printf(out, "%s%.*s=%s", i > 0 ? "; " : "", (int)list[i].pattern.length,
                      list[i].pattern.data, zm_duration_short(text, list[i].time));
}
