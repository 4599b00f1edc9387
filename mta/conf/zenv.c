#include "mta/conf/zenv.h"

#include <apr_file_info.h>
#include <apr_strings.h>
#include <string.h>

#include "mta/conf/zenv_internal.h"

zm_zenv_entry_t *zm_zenv_find(const zm_zenv_t *zenv, zm_str_t name)
{
    zm_zenv_entry_t *entry;
    for (entry = zenv->first; entry != NULL; entry = entry->next)
        if (zm_str_equal_c(name, entry->name))
            return entry;
    return NULL;
}

void zm_zenv_put(zm_zenv_t *zenv, const char *name, const char *value, unsigned line)
{
    zm_zenv_entry_t *entry = zm_zenv_find(zenv, zm_str(name));
    if (entry == NULL) {
        entry = apr_pcalloc(zenv->pool, sizeof *entry);
        entry->name = name;
        *zenv->last = entry;
        zenv->last = &entry->next;
    }
    entry->value = value;
    entry->line = line;
}

bool zm_zenv_is_there(const char *path, apr_pool_t *pool)
{
    apr_finfo_t info;
    apr_status_t status = apr_stat(&info, path, APR_FINFO_TYPE, pool);
    return status == APR_SUCCESS || status == APR_INCOMPLETE;
}

static const char *default_postoffice(const zm_zenv_t *zenv)
{
    return zm_zenv_is_there("/usr/spool/postoffice", zenv->pool) ? "/usr/spool/postoffice"
                                                                 : "/var/spool/postoffice";
}

const char *zm_zenv_default(const zm_zenv_t *zenv, zm_str_t name)
{
    if (zm_str_equal_c(name, "POSTOFFICE"))
        return default_postoffice(zenv);
    if (zm_str_equal_c(name, "LOGDIR"))
        return "/var/log/mail";
    if (zm_str_equal_c(name, "MAILSHARE"))
        return apr_pstrcat(zenv->pool, zenv->prefix, "/" ZM_SHARE_REL, NULL);
    if (zm_str_equal_c(name, "MAILBIN"))
        return apr_pstrcat(zenv->pool, zenv->prefix, "/" ZM_LIBEXEC_REL, NULL);
    if (zm_str_equal_c(name, "MAILVAR"))
        return apr_pstrcat(zenv->pool, zenv->prefix, "/var/zmailer", NULL);
    return NULL;
}

/** The path behind "native:" or "emulated:".  One letter and a colon is a drive. */
static const char *skip_engine(const char *location)
{
    apr_size_t length = strspn(location, "abcdefghijklmnopqrstuvwxyz");
    return length > 1 && location[length] == ':' ? location + length + 1 : location;
}

/* On Windows a path from the root of the current drive will do, as it does for the system. */
static bool is_absolute(const char *path, apr_pool_t *pool)
{
    const char *root, *rest = path;
    apr_status_t status = apr_filepath_root(&root, &rest, 0, pool);
    return status == APR_SUCCESS || (status == APR_EINCOMPLETE && path[0] == '/');
}

/** Makes sure of a value for each directory: asked for later, it must not allocate. */
static apr_status_t fill_directories(zm_zenv_t *zenv, zm_error_t *error)
{
    static const char *const names[] = {"POSTOFFICE", "MAILVAR", "LOGDIR", "MAILSHARE", "MAILBIN"};
    unsigned i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = zm_zenv_get(zenv, names[i]);
        apr_size_t length;
        char *copy;
        if (value == NULL || value[0] == '\0') {
            if (zenv->options.root != NULL && i < 3)
                return zm_error_set(error, ZM_E_CONFIG,
                                    "%s: %s is not set; the configuration of a private directory "
                                    "must set POSTOFFICE, MAILVAR and LOGDIR",
                                    zenv->file, names[i]);
            zm_zenv_put(zenv, names[i], zm_zenv_default(zenv, zm_str(names[i])), 0);
            continue;
        }
        if (!is_absolute(skip_engine(value), zenv->pool))
            return zm_error_set(error, ZM_E_CONFIG, "%s: %s is '%.200s'; expected an absolute path",
                                zenv->file, names[i], value);
        length = strlen(value);
        copy = apr_pstrdup(zenv->pool, value);
        while (length > 1 && copy[length - 1] == '/')
            copy[--length] = '\0';
        zm_zenv_find(zenv, zm_str(names[i]))->value = copy;
    }
    return APR_SUCCESS;
}

static zm_zenv_t *make(const char *file, const char *prefix, const zm_zenv_options_t *options,
                       apr_pool_t *pool)
{
    zm_zenv_t *made = apr_pcalloc(pool, sizeof *made);
    char *absolute;
    made->pool = pool;
    made->last = &made->first;
    if (options != NULL)
        made->options = *options;
    made->prefix = apr_pstrdup(pool, prefix);
    if (apr_filepath_merge(&absolute, NULL, file, APR_FILEPATH_NOTRELATIVE, pool) != APR_SUCCESS)
        absolute = apr_pstrdup(pool, file);
    made->file = absolute;
    zm_zenv_put(made, "ZCONFIG", absolute, 0);
    return made;
}

apr_status_t zm_zenv_of_lines(zm_zenv_t **zenv, zm_conf_lines_t *lines, const char *prefix,
                              const zm_zenv_options_t *options, apr_pool_t *pool, zm_error_t *error)
{
    apr_status_t status;
    *zenv = make(lines->file, prefix, options, pool);
    status = zm_zenv_read(*zenv, lines, error);
    if (status == APR_SUCCESS)
        status = fill_directories(*zenv, error);
    zm_zenv_put(*zenv, "ZCONFIG", (*zenv)->file, 0);
    return status;
}

apr_status_t zm_zenv_parse(zm_zenv_t **zenv, zm_str_t text, const char *file, const char *prefix,
                           const zm_zenv_options_t *options, apr_pool_t *pool, zm_error_t *error)
{
    zm_conf_lines_t *lines;
    apr_status_t status = zm_conf_lines_of(&lines, text, file, pool, error);
    return status == APR_SUCCESS ? zm_zenv_of_lines(zenv, lines, prefix, options, pool, error)
                                 : status;
}

const char *zm_zenv_file(const zm_zenv_t *zenv)
{
    return zenv->file;
}

const char *zm_zenv_get(const zm_zenv_t *zenv, const char *name)
{
    const zm_zenv_entry_t *entry = zm_zenv_find(zenv, zm_str(name));
    return entry != NULL ? entry->value : NULL;
}

const char *zm_zenv_get_or(const zm_zenv_t *zenv, const char *name, const char *otherwise)
{
    const char *value = zm_zenv_get(zenv, name);
    return value != NULL && value[0] != '\0' ? value : otherwise;
}

void zm_zenv_set(zm_zenv_t *zenv, const char *name, const char *value)
{
    zm_zenv_put(zenv, apr_pstrdup(zenv->pool, name),
                value != NULL ? apr_pstrdup(zenv->pool, value) : NULL, 0);
}

void zm_zenv_each(const zm_zenv_t *zenv,
                  void (*each)(void *baton, const char *name, const char *value), void *baton)
{
    const zm_zenv_entry_t *entry;
    for (entry = zenv->first; entry != NULL; entry = entry->next)
        if (entry->value != NULL)
            each(baton, entry->name, entry->value);
}

static const char *directory(const zm_zenv_t *zenv, const char *name)
{
    const char *value = zm_zenv_get_or(zenv, name, NULL);
    return value != NULL ? value : zm_zenv_default(zenv, zm_str(name));
}

const char *zm_zenv_spool(const zm_zenv_t *zenv)
{
    return directory(zenv, "POSTOFFICE");
}

const char *zm_zenv_postoffice(const zm_zenv_t *zenv)
{
    return skip_engine(directory(zenv, "POSTOFFICE"));
}

const char *zm_zenv_mailbin(const zm_zenv_t *zenv)
{
    return directory(zenv, "MAILBIN");
}

const char *zm_zenv_mailshare(const zm_zenv_t *zenv)
{
    return directory(zenv, "MAILSHARE");
}

const char *zm_zenv_mailvar(const zm_zenv_t *zenv)
{
    return directory(zenv, "MAILVAR");
}

const char *zm_zenv_logdir(const zm_zenv_t *zenv)
{
    return directory(zenv, "LOGDIR");
}

const char *zm_zenv_prefix(const zm_zenv_t *zenv)
{
    return zenv->prefix;
}
