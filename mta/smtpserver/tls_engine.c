#include "mta/smtpserver/tls_engine.h"

#include <apr_strings.h>

#include "platform/fs.h"

struct tls_engine_t {
    zm_tls_t **groups; /* by number; null: no TLS */
    int count;
};

/* -- key files ---------------------------------------------------------------------------- */

/* A key is a secret; one that the whole machine may read has to be taken for lost. */
static apr_status_t check_key(config_t *config, const char *path, apr_pool_t *pool,
                              zm_error_t *error)
{
    zm_file_t *file;
    zm_file_info_t info;
    char reason[100];
    apr_status_t status = zm_file_open(&file, NULL, path, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool);
    if (status == APR_SUCCESS) {
        status = zm_file_info(&info, file);
        (void)zm_file_close(file);
    }
    if (status != APR_SUCCESS)
        return zm_error_set(error, ZM_E_CONFIG, "TLS key file %s: %s", path,
                            apr_strerror(status, reason, sizeof reason));
    if ((info.mode & 06) != 0)
        return zm_error_set(error, ZM_E_CONFIG,
                            "TLS key file %s: every user may %s it; chmod 600, and make a new key",
                            path, (info.mode & 04) != 0 ? "read" : "write");
    if ((info.mode & 060) != 0)
        APR_ARRAY_PUSH(config->warnings, const char *) =
            apr_psprintf(config->warnings->pool, "%s: TLS key file %s: its group may %s it",
                         config->file, path, (info.mode & 020) != 0 ? "write" : "read");
    return APR_SUCCESS;
}

static apr_status_t check_keys(config_t *config, const config_tls_t *tls, apr_pool_t *pool,
                               zm_error_t *error)
{
    apr_status_t status = check_key(config, tls->key, pool, error);
    return status == APR_SUCCESS && tls->key2 != NULL ? check_key(config, tls->key2, pool, error)
                                                      : status;
}

/* -- contexts ------------------------------------------------------------------------------ */

static apr_status_t open_group(tls_engine_t *engine, config_t *config, const config_group_t *group,
                               apr_pool_t *pool, zm_error_t *error)
{
    const config_tls_t *tls = &group->tls;
    zm_tls_options_t options = {.server = true,
                                .certificate = tls->certificate,
                                .key = tls->key,
                                .second_certificate = tls->certificate2,
                                .second_key = tls->key2,
                                .authorities = tls->authorities,
                                .authority_directory = tls->authority_dir,
                                .ask = tls->ask,
                                .verify = tls->require,
                                .depth = (int)tls->depth,
                                .least = tls->least,
                                .ciphers = tls->ciphers,
                                .ciphersuites = tls->suites};
    zm_tls_t **made = &engine->groups[group->number];
    apr_status_t status = check_keys(config, tls, pool, error);
    if (status == APR_SUCCESS)
        status = zm_tls_create(made, &options, error);
    if (status == APR_SUCCESS && zm_tls_expired(*made)) /* still better than none */
        APR_ARRAY_PUSH(config->warnings, const char *) = apr_psprintf(
            config->warnings->pool, "%s: TLS certificate file %s%s%s: it is not valid now",
            config->file, tls->certificate, tls->certificate2 != NULL ? " or " : "",
            tls->certificate2 != NULL ? tls->certificate2 : "");
    if (status == APR_SUCCESS && tls->resume)
        status = zm_tls_resume(*made, apr_psprintf(pool, "smtpserver group %d", group->number),
                               (int)tls->seconds, error);
    return status;
}

static apr_status_t close_groups(void *data)
{
    tls_engine_t *engine = data;
    int i;
    for (i = 0; i < engine->count; i++)
        if (engine->groups[i] != NULL)
            zm_tls_destroy(engine->groups[i]);
    engine->count = 0;
    return APR_SUCCESS;
}

apr_status_t tls_engine_open(tls_engine_t **engine, config_t *config, apr_pool_t *pool,
                             zm_error_t *error)
{
    tls_engine_t *made = apr_pcalloc(pool, sizeof *made);
    apr_status_t status = APR_SUCCESS;
    int i;
    made->count = config->groups->nelts;
    made->groups = apr_pcalloc(pool, (apr_size_t)made->count * sizeof(zm_tls_t *));
    apr_pool_cleanup_register(pool, made, close_groups, apr_pool_cleanup_null);
    for (i = 0; i < made->count && status == APR_SUCCESS; i++) {
        const config_group_t *group = APR_ARRAY_IDX(config->groups, i, config_group_t *);
        if (group->tls.use)
            status = open_group(made, config, group, pool, error);
    }
    *engine = status == APR_SUCCESS ? made : NULL;
    return status;
}

apr_status_t tls_engine_check(config_t *config, zm_error_t *error)
{
    tls_engine_t *engine;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, NULL);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "no memory");
    status = tls_engine_open(&engine, config, pool, error);
    apr_pool_destroy(pool);
    return status;
}

zm_tls_t *tls_engine_of(const tls_engine_t *engine, const config_group_t *group)
{
    return engine != NULL && group->number < engine->count ? engine->groups[group->number] : NULL;
}

void tls_engine_ticket_key(tls_engine_t *engine, const zm_tls_ticket_key_t *key)
{
    int i;
    for (i = 0; engine != NULL && i < engine->count; i++)
        if (engine->groups[i] != NULL)
            zm_tls_ticket_key(engine->groups[i], key);
}
