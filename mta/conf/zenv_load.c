/* Where zmailer.conf is looked for. */
#include <apr_env.h>
#include <apr_strings.h>

#include "mta/conf/zenv_internal.h"
#include "platform/manager.h"
#include "platform/service.h"

#define SYSTEM_FILE "/etc/zmailer/zmailer.conf"

static apr_status_t installed_prefix(const char **prefix, apr_pool_t *pool, zm_error_t *error)
{
    apr_status_t status = zm_service_prefix(prefix, pool);
    if (status != APR_SUCCESS)
        zm_error_system(error, status, "cannot tell where this program is installed");
    return status;
}

static apr_status_t load_file(zm_zenv_t **zenv, const char *file, const zm_zenv_options_t *options,
                              apr_pool_t *pool, zm_error_t *error)
{
    zm_conf_lines_t *lines;
    const char *prefix;
    apr_status_t status = installed_prefix(&prefix, pool, error);
    if (status == APR_SUCCESS)
        status = zm_conf_lines_open(&lines, file, pool, error);
    return status == APR_SUCCESS ? zm_zenv_of_lines(zenv, lines, prefix, options, pool, error)
                                 : status;
}

static const char *environment(const zm_zenv_options_t *options, const char *name, apr_pool_t *pool)
{
    char *value;
    if (options->ignore_environment || apr_env_get(&value, name, pool) != APR_SUCCESS)
        return NULL;
    return value[0] != '\0' ? value : NULL;
}

/** Loads the file that somebody named; who did is part of the message when it cannot be read. */
static apr_status_t load_named(zm_zenv_t **zenv, const char *file, const char *who,
                               const zm_zenv_options_t *options, apr_pool_t *pool,
                               zm_error_t *error)
{
    if (!zm_zenv_is_there(file, pool))
        return zm_error_set(error, ZM_E_CONFIG, "there is no configuration file %s, named by %s",
                            file, who);
    return load_file(zenv, file, options, pool, error);
}

/** The places that depend on nobody's wish. */
static apr_status_t load_installed(zm_zenv_t **zenv, const zm_zenv_options_t *options,
                                   apr_pool_t *pool, zm_error_t *error)
{
    const char *prefix, *file, *system = zm_manager_configuration(SYSTEM_FILE, pool);
    apr_status_t status = installed_prefix(&prefix, pool, error);
    if (status != APR_SUCCESS)
        return status;
    file = apr_pstrcat(pool, prefix, SYSTEM_FILE, NULL);
    if (zm_zenv_is_there(file, pool))
        return load_file(zenv, file, options, pool, error);
    if (zm_zenv_is_there(system, pool))
        return load_file(zenv, system, options, pool, error);
    return zm_error_set(error, ZM_E_CONFIG,
                        "no zmailer.conf: option -Z is not given%s, and neither %s nor %s exists",
                        options->ignore_environment ? ""
                                                    : ", environment ZCONFIG and ZMAILER_ROOT are "
                                                      "not set",
                        file, system);
}

apr_status_t zm_zenv_load(zm_zenv_t **zenv, const zm_zenv_options_t *options, apr_pool_t *pool,
                          zm_error_t *error)
{
    zm_zenv_options_t how = {0};
    const char *file;
    if (options != NULL)
        how = *options;
    if (how.file != NULL) {
        how.root = NULL;
        return load_named(zenv, how.file, "option -Z", &how, pool, error);
    }
    if (how.root != NULL)
        return load_named(zenv, apr_pstrcat(pool, how.root, "/etc/zmailer.conf", NULL),
                          "option --root", &how, pool, error);
    file = environment(&how, "ZCONFIG", pool);
    if (file != NULL)
        return load_named(zenv, file, "environment ZCONFIG", &how, pool, error);
    how.root = environment(&how, "ZMAILER_ROOT", pool);
    if (how.root != NULL)
        return load_named(zenv, apr_pstrcat(pool, how.root, "/etc/zmailer.conf", NULL),
                          "environment ZMAILER_ROOT", &how, pool, error);
    return load_installed(zenv, &how, pool, error);
}
