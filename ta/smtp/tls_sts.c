#include "ta/smtp/tls_sts.h"

#include <apr_strings.h>

#include "platform/fs.h"

#define LARGEST 65536        /* bytes of a policy */
#define LONGEST_AGE 31557600 /* seconds, a year */
#define LONGEST_NAME 253

typedef struct found_t {
    bool version, mode, age;
    int exchangers;
} found_t;

static bool is_name(zm_str_t name)
{
    apr_size_t i;
    if (name.length == 0 || name.length > LONGEST_NAME || name.data[0] == '.' ||
        name.data[0] == '-')
        return false;
    for (i = 0; i < name.length; i++)
        if (!zm_is_alpha(name.data[i]) && !zm_is_digit(name.data[i]) && name.data[i] != '-' &&
            name.data[i] != '_' && name.data[i] != '.')
            return false;
    return true;
}

static bool set_mode(zm_sts_t *sts, zm_str_t value)
{
    if (zm_str_equal_c(value, "enforce"))
        sts->mode = ZM_STS_ENFORCE;
    else if (zm_str_equal_c(value, "testing"))
        sts->mode = ZM_STS_TESTING;
    else
        return zm_str_equal_c(value, "none");
    return true;
}

static bool set_age(zm_sts_t *sts, zm_str_t value)
{
    uint64_t age;
    if (zm_str_u64(value, &age) != APR_SUCCESS)
        return false;
    sts->max_age = age > LONGEST_AGE ? LONGEST_AGE : (int64_t)age;
    return true;
}

/* A field that comes twice counts the first time; unknown ones are of a later version. */
static bool take_field(zm_sts_t *sts, const char **exchangers, found_t *found, zm_str_t name,
                       zm_str_t value, apr_pool_t *pool)
{
    if (zm_str_equal_c(name, "version") && !found->version)
        return found->version = zm_str_equal_c(value, "STSv1");
    if (zm_str_equal_c(name, "mode") && !found->mode)
        return found->mode = set_mode(sts, value);
    if (zm_str_equal_c(name, "max_age") && !found->age)
        return found->age = set_age(sts, value);
    if (zm_str_equal_c(name, "mx")) {
        if (!is_name(zm_str_starts(value, ZM_S("*.")) ? zm_str_from(value, 2) : value))
            return false;
        exchangers[found->exchangers++] = zm_str_c(pool, zm_str_lower(pool, value));
    }
    return true;
}

apr_status_t zm_sts_parse(zm_sts_t *sts, zm_str_t text, apr_pool_t *pool, zm_error_t *error)
{
    const char **exchangers = apr_pcalloc(pool, sizeof *exchangers * (text.length / 4 + 2));
    found_t found = {0};
    int number = 0;
    bool more;
    *sts = (zm_sts_t){ZM_STS_NONE, 0, exchangers};
    do {
        zm_str_t line, name, value;
        more = zm_str_cut(text, '\n', &line, &text);
        line = zm_str_trim(line);
        number++;
        if (line.length == 0)
            continue;
        if (!zm_str_cut(line, ':', &name, &value) ||
            !take_field(sts, exchangers, &found, zm_str_trim(name), zm_str_trim(value), pool))
            return zm_error_set(error, ZM_E_SYNTAX, "line %d is not of an MTA-STS policy", number);
    } while (more);
    if (!found.version || !found.mode || !found.age ||
        (sts->mode != ZM_STS_NONE && found.exchangers == 0))
        return zm_error_set(error, ZM_E_SYNTAX,
                            "an MTA-STS policy needs version, mode, max_age and mx");
    return APR_SUCCESS;
}

bool zm_sts_allows(const zm_sts_t *sts, const char *exchanger)
{
    zm_str_t host = zm_str(exchanger), label, rest;
    const char *const *mx;
    if (host.length > 0 && host.data[host.length - 1] == '.')
        host.length--;
    for (mx = sts->mx; *mx != NULL; mx++) {
        zm_str_t pattern = zm_str(*mx);
        if (zm_str_equal_nocase(pattern, host))
            return true;
        if (zm_str_starts(pattern, ZM_S("*.")) && zm_str_cut(host, '.', &label, &rest) &&
            label.length > 0 && zm_str_equal_nocase(zm_str_from(pattern, 2), rest))
            return true;
    }
    return false;
}

apr_status_t zm_sts_load(zm_sts_t *sts, const char *directory, zm_str_t domain, int64_t now,
                         apr_pool_t *pool, zm_error_t *error)
{
    zm_file_info_t info;
    const char *path;
    char *data;
    apr_size_t length;
    apr_status_t status;
    static const char *const nobody[] = {NULL};
    *sts = (zm_sts_t){ZM_STS_NONE, 0, nobody};
    if (domain.length > 1 && domain.data[domain.length - 1] == '.')
        domain.length--;
    if (!is_name(domain))
        return APR_SUCCESS;
    path = apr_psprintf(pool, "%s/%s", directory, zm_str_c(pool, zm_str_lower(pool, domain)));
    status = zm_path_info(&info, NULL, path);
    if (status == APR_SUCCESS)
        status = zm_file_slurp(&data, &length, path, LARGEST, pool);
    if (APR_STATUS_IS_ENOENT(status))
        return APR_SUCCESS;
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "MTA-STS policy %s", path);
    status = zm_sts_parse(sts, zm_str_of(data, length), pool, error);
    if (status == APR_SUCCESS && info.mtime_s + sts->max_age < now)
        sts->mode = ZM_STS_NONE;
    if (status != APR_SUCCESS)
        sts->mode = ZM_STS_NONE;
    return status;
}
