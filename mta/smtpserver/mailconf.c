#include "mta/smtpserver/mailconf.h"

#include <apr_strings.h>
#include <apr_tables.h>
#include <string.h>

#include "mta/conf/lines.h"
#include "mta/conf/site.h"
#include "mta/net/idn.h"

static const char *lookup(void *baton, zm_str_t name)
{
    const apr_table_t *seen = baton;
    char key[64];
    if (name.length >= sizeof key)
        return NULL;
    memcpy(key, name.data, name.length);
    key[name.length] = '\0';
    return apr_table_get(seen, key);
}

/* What stands behind "=": up to a comment or a blank, or within the quotes. */
static zm_str_t value_of(zm_str_t text, const zm_zenv_t *zenv, apr_table_t *seen, apr_pool_t *pool)
{
    char quote = text.length > 0 ? text.data[0] : '\0';
    apr_size_t end = 0;
    if (quote == '"' || quote == '\'') {
        text = zm_str_from(text, 1);
        while (end < text.length && text.data[end] != quote)
            end++;
    } else {
        while (end < text.length && !zm_is_space((unsigned char)text.data[end]) &&
               text.data[end] != ';')
            end++;
    }
    text = zm_str_of(text.data, end);
    if (quote == '\'')
        return text;
    return zm_zenv_expand(zenv, text, ZM_EXPAND_BRACES | ZM_EXPAND_NAMES | ZM_EXPAND_EMPTY, lookup,
                          seen, pool);
}

static bool is_name(zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++)
        if (!zm_is_alpha((unsigned char)text.data[i]) && text.data[i] != '_' &&
            (i == 0 || !zm_is_digit((unsigned char)text.data[i])))
            return false;
    return text.length > 0;
}

static const char *answer(const apr_table_t *seen, const char *name, apr_pool_t *pool)
{
    const char *value = apr_table_get(seen, name);
    return value != NULL && *value != '\0' ? zm_str_c(pool, zm_idn_ascii(zm_str(value), pool))
                                           : NULL;
}

apr_status_t mailconf_read(mailconf_t *conf, const zm_zenv_t *zenv, apr_pool_t *pool,
                           zm_error_t *error)
{
    const char *file = zm_zenv_get_or(zenv, "MAILCONF", NULL);
    apr_table_t *seen = apr_table_make(pool, 8);
    zm_conf_lines_t *lines;
    zm_str_t line, name, value;
    apr_status_t status;
    memset(conf, 0, sizeof *conf);
    if (file == NULL)
        file = apr_pstrcat(pool, zm_zenv_mailvar(zenv), "/mail.conf", NULL);
    status = zm_conf_lines_open(&lines, file, pool, error);
    if (APR_STATUS_IS_ENOENT(status))
        return APR_SUCCESS;
    if (status != APR_SUCCESS)
        return status;
    while (zm_conf_lines_next(lines, &line)) {
        line = zm_str_trim(line);
        if (zm_str_cut(line, '=', &name, &value) && is_name(name))
            apr_table_set(seen, zm_str_c(pool, name),
                          zm_str_c(pool, value_of(value, zenv, seen, pool)));
    }
    conf->hostname = answer(seen, "hostname", pool);
    conf->mydomain = answer(seen, "mydomain", pool);
    conf->orgdomain = answer(seen, "orgdomain", pool);
    return APR_SUCCESS;
}

const char *mailconf_hostname(const mailconf_t *conf, const zm_zenv_t *zenv, apr_pool_t *pool)
{
    if (zm_zenv_get_or(zenv, "MYHOSTNAME", NULL) == NULL && conf->hostname != NULL)
        return conf->hostname;
    return zm_site_hostname(zenv, pool);
}
