#include "mta/scheduler/params.h"

#include <apr_strings.h>
#include <stddef.h>
#include <string.h>

#include "mta/conf/zenv.h"
#include "mta/scheduler/duration.h"

typedef enum kind_t {
    KIND_TIME,
    KIND_NUMBER,
    KIND_LIMIT, /* a number; 0 or less: no limit */
    KIND_TEXT,
    KIND_FLAG,
    KIND_RETRIES,
    KIND_TIMES,
    KIND_NICE,
    KIND_PRIORITY,
    KIND_RATE,
    KIND_SUSPEND,
    KIND_OWN,
    KIND_OBSOLETE,
    KIND_OBSOLETE_FLAG
} kind_t;

struct zm_keyword_t {
    const char *name;
    kind_t kind;
    int bit; /* same for aliases */
    apr_size_t offset;
    int64_t minimum, maximum;
};

enum {
    BIT_INTERVAL,
    BIT_RETRIES,
    BIT_SKEW,
    BIT_EXPIRY,
    BIT_EXPIRY2,
    BIT_EXPIRYFORM,
    BIT_DELIVERYFORM,
    BIT_IDLEMAX,
    BIT_MAXTA,
    BIT_MAXCHANNEL,
    BIT_MAXRING,
    BIT_MAXTHR,
    BIT_OVERFEED,
    BIT_AGEORDER,
    BIT_QUEUEONLY,
    BIT_RESTARTONLY,
    BIT_COMMAND,
    BIT_USER,
    BIT_GROUP,
    BIT_NICE,
    BIT_REPORTTIMES,
    BIT_WATCHDOG,
    BIT_RATETHR,
    BIT_RATERING,
    BIT_RATECHANNEL,
    BIT_CONNTHR,
    BIT_CONNRING,
    BIT_CONNCHANNEL,
    BIT_SUSPEND,
    BIT_SOURCE,
    BIT_NONE
};

#define AT(field) offsetof(zm_params_t, field)
#define RATE(whom, what) AT(rates) + ((whom)*2 + (what)) * sizeof(zm_rate_t)
#define LARGE INT64_C(1000000000)

static const zm_keyword_t keywords[] = {
    {"interval", KIND_TIME, BIT_INTERVAL, AT(interval), 1, LARGE},
    {"retries", KIND_RETRIES, BIT_RETRIES, AT(retries), 1, 65535},
    {"skew", KIND_NUMBER, BIT_SKEW, AT(skew), 1, LARGE},
    {"expiry", KIND_TIME, BIT_EXPIRY, AT(expiry), 0, LARGE},
    {"expiry2", KIND_TIME, BIT_EXPIRY2, AT(expiry2), 0, LARGE},
    {"expiryform", KIND_TEXT, BIT_EXPIRYFORM, AT(expiryform), 0, 0},
    {"deliveryform", KIND_TEXT, BIT_DELIVERYFORM, AT(deliveryform), 0, 0},
    {"idlemax", KIND_TIME, BIT_IDLEMAX, AT(idlemax), 0, LARGE},
    {"maxta", KIND_LIMIT, BIT_MAXTA, AT(maxta), 0, 0},
    {"maxtransport", KIND_LIMIT, BIT_MAXTA, AT(maxta), 0, 0},
    {"maxtransports", KIND_LIMIT, BIT_MAXTA, AT(maxta), 0, 0},
    {"maxchannel", KIND_LIMIT, BIT_MAXCHANNEL, AT(maxchannel), 0, 0},
    {"maxchannels", KIND_LIMIT, BIT_MAXCHANNEL, AT(maxchannel), 0, 0},
    {"maxring", KIND_LIMIT, BIT_MAXRING, AT(maxring), 0, 0},
    {"maxrings", KIND_LIMIT, BIT_MAXRING, AT(maxring), 0, 0},
    {"maxthr", KIND_NUMBER, BIT_MAXTHR, AT(maxthr), -LARGE, LARGE},
    {"overfeed", KIND_NUMBER, BIT_OVERFEED, AT(overfeed), -LARGE, 100000},
    {"ageorder", KIND_FLAG, BIT_AGEORDER, AT(ageorder), 0, 0},
    {"queueonly", KIND_FLAG, BIT_QUEUEONLY, AT(queueonly), 0, 0},
    {"wakeuprestartonly", KIND_FLAG, BIT_RESTARTONLY, AT(wakeuprestartonly), 0, 0},
    {"command", KIND_TEXT, BIT_COMMAND, AT(command), 0, 0},
    {"user", KIND_TEXT, BIT_USER, AT(user), 0, 0},
    {"group", KIND_TEXT, BIT_GROUP, AT(group), 0, 0},
    {"nice", KIND_NICE, BIT_NICE, AT(nice), -40, 39},
    {"priority", KIND_PRIORITY, BIT_NICE, AT(nice), -20, 19},
    {"sysnice", KIND_OWN, BIT_NONE, 0, -40, 39},
    {"syspriority", KIND_OWN, BIT_NONE, 0, -20, 19},
    {"reporttimes", KIND_TIMES, BIT_REPORTTIMES, AT(reporttimes), 1, LARGE},
    {"watchdog", KIND_TIME, BIT_WATCHDOG, AT(watchdog), 0, LARGE},
    {"ratethr", KIND_RATE, BIT_RATETHR, RATE(ZM_SHAPED_THREAD, ZM_PACED_MESSAGES), 0, 0},
    {"ratering", KIND_RATE, BIT_RATERING, RATE(ZM_SHAPED_RING, ZM_PACED_MESSAGES), 0, 0},
    {"ratechannel", KIND_RATE, BIT_RATECHANNEL, RATE(ZM_SHAPED_CHANNEL, ZM_PACED_MESSAGES), 0, 0},
    {"connthr", KIND_RATE, BIT_CONNTHR, RATE(ZM_SHAPED_THREAD, ZM_PACED_CONNECTIONS), 0, 0},
    {"connring", KIND_RATE, BIT_CONNRING, RATE(ZM_SHAPED_RING, ZM_PACED_CONNECTIONS), 0, 0},
    {"connchannel", KIND_RATE, BIT_CONNCHANNEL, RATE(ZM_SHAPED_CHANNEL, ZM_PACED_CONNECTIONS), 0,
     0},
    {"suspend", KIND_SUSPEND, BIT_SUSPEND, AT(suspend), 0, 0},
    {"source", KIND_TEXT, BIT_SOURCE, AT(source), 0, 0},
    {"bychannel", KIND_OBSOLETE_FLAG, BIT_NONE, 0, 0, 0},
    {"byhost", KIND_OBSOLETE_FLAG, BIT_NONE, 0, 0, 0},
    {"bhost", KIND_OBSOLETE_FLAG, BIT_NONE, 0, 0, 0},
    {"gangschedule", KIND_OBSOLETE_FLAG, BIT_NONE, 0, 0, 0},
    {"maxhost", KIND_OBSOLETE, BIT_NONE, 0, 0, 0},
};
#define KEYWORD_COUNT (sizeof keywords / sizeof keywords[0])

void zm_params_defaults(zm_params_t *params, int most_children)
{
    memset(params, 0, sizeof *params);
    params->interval = 3600;
    params->skew = 5;
    params->expiry = params->expiry2 = params->idlemax = -1;
    params->deliveryform = "delivery";
    params->maxta = params->maxchannel = params->maxring = most_children;
    params->maxthr = 1;
    params->as.uid = params->as.gid = ZM_UID_NONE;
}

const zm_keyword_t *zm_param_find(zm_str_t name)
{
    apr_size_t i;
    for (i = 0; i < KEYWORD_COUNT; i++)
        if (zm_str_equal_nocase(name, zm_str(keywords[i].name)))
            return &keywords[i];
    return NULL;
}

bool zm_param_is_flag(const zm_keyword_t *keyword)
{
    return keyword->kind == KIND_FLAG || keyword->kind == KIND_OBSOLETE_FLAG;
}

bool zm_param_is_obsolete(const zm_keyword_t *keyword)
{
    return keyword->kind == KIND_OBSOLETE || keyword->kind == KIND_OBSOLETE_FLAG;
}

bool zm_param_is_own(const zm_keyword_t *keyword)
{
    return keyword->kind == KIND_OWN;
}

static apr_status_t number(int64_t *value, const zm_keyword_t *keyword, zm_str_t text,
                           zm_error_t *error)
{
    if (zm_str_i64(text, value) != APR_SUCCESS || *value < keyword->minimum ||
        *value > keyword->maximum)
        return zm_error_set(error, ZM_E_SYNTAX, "%s wants a number from %lld to %lld, not \"%.*s\"",
                            keyword->name, (long long)keyword->minimum, (long long)keyword->maximum,
                            (int)text.length, text.data);
    return APR_SUCCESS;
}

static apr_status_t interval(int64_t *value, const zm_keyword_t *keyword, zm_str_t text,
                             zm_error_t *error)
{
    if (zm_interval_parse(text, value) != APR_SUCCESS || *value > keyword->maximum)
        return zm_error_set(error, ZM_E_SYNTAX,
                            "%s wants an interval such as 90, 5m, 1h30m or 2d, not \"%.*s\"",
                            keyword->name, (int)text.length, text.data);
    if (*value < keyword->minimum)
        return zm_error_set(error, ZM_E_SYNTAX, "%s must be at least %lld seconds", keyword->name,
                            (long long)keyword->minimum);
    return APR_SUCCESS;
}

static apr_status_t limit(int64_t *value, const zm_keyword_t *keyword, zm_str_t text,
                          zm_error_t *error)
{
    if (zm_str_i64(text, value) != APR_SUCCESS)
        return zm_error_set(error, ZM_E_SYNTAX, "%s wants a number, not \"%.*s\"", keyword->name,
                            (int)text.length, text.data);
    if (*value <= 0 || *value > ZM_UNLIMITED)
        *value = ZM_UNLIMITED;
    return APR_SUCCESS;
}

static apr_status_t retries(zm_params_t *params, const zm_keyword_t *keyword, zm_str_t text,
                            apr_pool_t *pool, zm_error_t *error)
{
    uint16_t list[ZM_RETRIES_MAX];
    zm_str_t word;
    int count = 0;

    while (zm_str_word(&text, &word)) {
        int64_t value;
        apr_status_t status = number(&value, keyword, word, error);
        if (status != APR_SUCCESS)
            return status;
        if (count == ZM_RETRIES_MAX)
            return zm_error_set(error, ZM_E_SYNTAX, "retries has more than %d factors",
                                ZM_RETRIES_MAX);
        list[count++] = (uint16_t)value;
    }
    if (count == 0)
        return zm_error_set(error, ZM_E_SYNTAX, "retries wants at least one factor");
    params->retries = apr_pmemdup(pool, list, (apr_size_t)count * sizeof list[0]);
    params->retry_count = count;
    return APR_SUCCESS;
}

static apr_status_t times(zm_params_t *params, const zm_keyword_t *keyword, zm_str_t text,
                          zm_error_t *error)
{
    zm_str_t word;
    int count = 0;

    while (zm_str_word(&text, &word)) {
        apr_status_t status;
        if (count == ZM_REPORTTIMES_MAX)
            return zm_error_set(error, ZM_E_SYNTAX, "reporttimes takes at most %d intervals",
                                ZM_REPORTTIMES_MAX);
        status = interval(&params->reporttimes[count], keyword, word, error);
        if (status != APR_SUCCESS)
            return status;
        if (count > 0 && params->reporttimes[count] <= params->reporttimes[count - 1])
            return zm_error_set(error, ZM_E_SYNTAX, "reporttimes must increase");
        count++;
    }
    params->reporttime_count = count;
    return APR_SUCCESS;
}

apr_status_t zm_param_set(zm_params_t *params, zm_param_set_t *set, const zm_keyword_t *keyword,
                          zm_str_t value, apr_pool_t *pool, zm_error_t *error)
{
    char *field = (char *)params + keyword->offset;
    apr_status_t status = APR_SUCCESS;
    int64_t *integer = (int64_t *)(void *)field;

    switch (keyword->kind) {
    case KIND_TIME:
        status = interval(integer, keyword, value, error);
        break;
    case KIND_NUMBER:
        status = number(integer, keyword, value, error);
        if (status == APR_SUCCESS && keyword->bit == BIT_MAXTHR && *integer < 1)
            *integer = 1;
        if (status == APR_SUCCESS && keyword->bit == BIT_OVERFEED && *integer < 0)
            *integer = 0;
        break;
    case KIND_NICE:
    case KIND_PRIORITY:
        status = number(integer, keyword, value, error);
        params->priority = keyword->kind == KIND_PRIORITY;
        break;
    case KIND_LIMIT:
        status = limit(integer, keyword, value, error);
        break;
    case KIND_TEXT:
        if (value.length == 0)
            return zm_error_set(error, ZM_E_SYNTAX, "%s wants a value", keyword->name);
        *(const char **)(void *)field = zm_str_c(pool, value);
        break;
    case KIND_FLAG:
        *(bool *)(void *)field = true;
        break;
    case KIND_RETRIES:
        status = retries(params, keyword, value, pool, error);
        break;
    case KIND_TIMES:
        status = times(params, keyword, value, error);
        break;
    case KIND_RATE:
        if (zm_rate_parse((zm_rate_t *)(void *)field, value) != APR_SUCCESS)
            status = zm_error_set(error, ZM_E_SYNTAX,
                                  "%s wants a number and a time such as 60/1m, not \"%.*s\"",
                                  keyword->name, (int)value.length, value.data);
        break;
    case KIND_SUSPEND:
        status = zm_suspend_parse(&params->suspend, &params->suspend_count, value, pool, error);
        break;
    case KIND_OWN: {
        int64_t unused;
        status = number(&unused, keyword, value, error);
        break;
    }
    case KIND_OBSOLETE:
    case KIND_OBSOLETE_FLAG:
        break;
    }
    if (status == APR_SUCCESS && keyword->bit != BIT_NONE)
        *set |= (zm_param_set_t)1 << keyword->bit;
    return status;
}

void zm_params_apply(zm_params_t *params, const zm_params_t *from, zm_param_set_t set)
{
    apr_size_t i;
    for (i = 0; i < KEYWORD_COUNT; i++) {
        const zm_keyword_t *keyword = &keywords[i];
        char *to = (char *)params + keyword->offset;
        const char *source = (const char *)from + keyword->offset;
        if (keyword->bit == BIT_NONE || (set & (zm_param_set_t)1 << keyword->bit) == 0)
            continue;
        switch (keyword->kind) {
        case KIND_TIME:
        case KIND_NUMBER:
        case KIND_LIMIT:
            memcpy(to, source, sizeof(int64_t));
            break;
        case KIND_TEXT:
            *(const char **)(void *)to = *(const char *const *)(const void *)source;
            if (keyword->bit == BIT_USER)
                params->as.uid = from->as.uid;
            else if (keyword->bit == BIT_GROUP)
                params->as.gid = from->as.gid;
            break;
        case KIND_FLAG:
            memcpy(to, source, sizeof(bool));
            break;
        case KIND_RETRIES:
            params->retries = from->retries;
            params->retry_count = from->retry_count;
            break;
        case KIND_TIMES:
            memcpy(params->reporttimes, from->reporttimes, sizeof params->reporttimes);
            params->reporttime_count = from->reporttime_count;
            break;
        case KIND_RATE:
            memcpy(to, source, sizeof(zm_rate_t));
            break;
        case KIND_SUSPEND:
            params->suspend = from->suspend;
            params->suspend_count = from->suspend_count;
            break;
        case KIND_NICE:
        case KIND_PRIORITY:
            params->nice = from->nice;
            params->priority = from->priority;
            break;
        case KIND_OWN:
        case KIND_OBSOLETE:
        case KIND_OBSOLETE_FLAG:
            break;
        }
    }
}

bool zm_params_has_command(zm_param_set_t set)
{
    return (set & (zm_param_set_t)1 << BIT_COMMAND) != 0;
}

static void print_list(zm_buf_t *out, const zm_params_t *params, const zm_keyword_t *keyword)
{
    char text[ZM_DURATION_SIZE];
    int i;
    if (keyword->kind == KIND_RETRIES)
        for (i = 0; i < params->retry_count; i++)
            zm_buf_printf(out, "%s%u", i > 0 ? " " : "", params->retries[i]);
    else
        for (i = 0; i < params->reporttime_count; i++)
            zm_buf_printf(out, "%s%s", i > 0 ? " " : "",
                          zm_duration_short(text, params->reporttimes[i]));
}

static void print_value(zm_buf_t *out, const zm_params_t *params, const zm_keyword_t *keyword)
{
    const char *field = (const char *)params + keyword->offset;
    char text[ZM_DURATION_SIZE];
    int64_t number_value;

    switch (keyword->kind) {
    case KIND_TIME:
        memcpy(&number_value, field, sizeof number_value);
        zm_buf_add_c(out, number_value < 0 ? "unset" : zm_duration_short(text, number_value));
        break;
    case KIND_TEXT: {
        const char *value;
        memcpy(&value, field, sizeof value);
        zm_buf_printf(out, value != NULL ? "\"%s\"" : "%s", value != NULL ? value : "unset");
        break;
    }
    case KIND_FLAG:
        zm_buf_add_c(out, *field != 0 ? "yes" : "no");
        break;
    case KIND_RATE: {
        zm_rate_t rate;
        memcpy(&rate, field, sizeof rate);
        zm_rate_print(out, &rate);
        break;
    }
    case KIND_SUSPEND:
        zm_buf_add_byte(out, '"');
        zm_suspend_print(out, params->suspend, params->suspend_count);
        zm_buf_add_byte(out, '"');
        break;
    case KIND_RETRIES:
    case KIND_TIMES:
        zm_buf_add_byte(out, '"');
        print_list(out, params, keyword);
        zm_buf_add_byte(out, '"');
        break;
    default:
        memcpy(&number_value, field, sizeof number_value);
        zm_buf_printf(out, "%lld", (long long)number_value);
    }
}

void zm_params_print(zm_buf_t *out, const zm_params_t *params, const char *indent)
{
    zm_param_set_t done = 0;
    apr_size_t i;
    for (i = 0; i < KEYWORD_COUNT; i++) {
        const zm_keyword_t *keyword = &keywords[i];
        zm_param_set_t bit = (zm_param_set_t)1 << (keyword->bit & 63);
        if (keyword->bit == BIT_NONE || (done & bit) != 0)
            continue;
        if (keyword->bit == BIT_NICE && params->priority && keyword->kind == KIND_NICE)
            continue;
        done |= bit;
        zm_buf_printf(out, "%s%s=", indent, keyword->name);
        print_value(out, params, keyword);
        zm_buf_add_byte(out, '\n');
    }
}
