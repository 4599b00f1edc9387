#include "mta/admin/upkeep.h"

#include <apr_strings.h>
#include <apr_time.h>
#include <stdio.h>
#include <string.h>

#include "mta/conf/leftovers.h"
#include "mta/conf/site.h"
#include "mta/admin/daemons.h"
#include "platform/fs.h"
#include "platform/log.h"
#include "platform/service.h"
#include "spool/layout.h"

typedef void each_fn(zm_spool_t *spool, const char *name, void *baton);

void upkeep_note(const zm_zenv_t *zenv, const char *text)
{
    if (strcmp(zm_zenv_get_or(zenv, "SYSLOGFLG", ""), "-") != 0)
        zm_log_syslog(ZM_LOG_NOTICE, "zmailer", "%s (uid %lld)", text,
                      (long long)zm_identity_real().uid);
}

/* Calls fn for every name in a directory of the spool. */
static apr_status_t for_each(const zm_zenv_t *zenv, const char *directory, bool hidden, each_fn *fn,
                             void *baton, apr_pool_t *pool, zm_error_t *error)
{
    zm_listing_t *listing;
    zm_spool_t *spool;
    const char *name;
    apr_status_t status = zm_site_spool(&spool, zenv, NULL, pool, error);
    if (status != APR_SUCCESS)
        return status;
    status = zm_spool_list(&listing, spool, directory, hidden, pool);
    if (status == APR_SUCCESS) {
        while ((status = zm_listing_next(listing, &name)) == APR_SUCCESS)
            fn(spool, name, baton);
        zm_listing_close(listing);
    }
    zm_spool_close(spool);
    if (APR_STATUS_IS_ENOENT(status))
        return APR_SUCCESS;
    return zm_error_system(error, status, "cannot list %s/%s", zm_zenv_postoffice(zenv), directory);
}

apr_status_t upkeep_make_spool(const zm_zenv_t *zenv, apr_pool_t *pool, zm_error_t *error)
{
    zm_spool_options_t options = {0};
    zm_spool_t *spool;
    apr_status_t status;
    options.location = zm_zenv_spool(zenv);
    options.create = true;
    status = zm_spool_open(&spool, &options, pool, error);
    if (status == APR_SUCCESS)
        zm_spool_close(spool);
    return status;
}

/* -- deferred mail ------------------------------------------------------------------ */

typedef struct resubmit_t {
    int count, failures;
    apr_pool_t *pool;
} resubmit_t;

static void resubmit(zm_spool_t *spool, const char *name, void *baton)
{
    resubmit_t *work = baton;
    char reason[200];
    char *target = apr_pstrcat(work->pool, ZM_DIR_ROUTER "/", strrchr(name, '/') + 1, NULL), *colon;
    apr_status_t status;
    while ((colon = strchr(target, ':')) != NULL) /* postman/ alone has such names */
        *colon = '.';
    status = zm_spool_rename(spool, name, target);
    if (status == APR_SUCCESS) {
        work->count++;
        return;
    }
    work->failures++;
    fprintf(stderr, "zmailer: cannot resubmit %s: %s\n", name,
            zm_status_text(status, reason, sizeof reason));
}

/* "_looped" was returned to its sender, so this is what is left of it. */
static bool is_copy(zm_str_t leaf)
{
    return zm_leftover_is_copy(leaf) && !zm_str_ends_nocase(leaf, ZM_S("._looped"));
}

apr_status_t upkeep_resubmit_one(const zm_zenv_t *zenv, const char *name, apr_pool_t *pool,
                                 zm_error_t *error)
{
    resubmit_t work = {0, 0, pool};
    zm_spool_t *spool;
    zm_name_t parts;
    apr_status_t status;
    if (!zm_spool_name_valid(zm_str(name)) ||
        zm_layout_parse(&parts, zm_str(name)) != APR_SUCCESS ||
        (!zm_str_equal_c(parts.directory, ZM_DIR_DEFERRED) &&
         !zm_str_equal_c(parts.directory, ZM_DIR_POSTMAN) &&
         !zm_str_equal_c(parts.directory, ZM_DIR_FREEZER)))
        return zm_error_set(error, ZM_E_SYNTAX,
                            "%s: say which message of deferred/, postman/ or freezer/", name);
    if (!parts.numeric)
        return zm_error_set(error, ZM_E_SYNTAX, "%s: not the name of a message", name);
    if (zm_str_equal_c(parts.directory, ZM_DIR_POSTMAN) && is_copy(parts.leaf))
        return zm_error_set(error, APR_EEXIST, "%s is a copy: its message went on", name);
    if ((status = zm_site_spool(&spool, zenv, NULL, pool, error)) != APR_SUCCESS)
        return status;
    resubmit(spool, name, &work);
    zm_spool_close(spool);
    return work.failures > 0 ? zm_error_set(error, APR_EGENERAL, "%s stays where it is", name)
                             : APR_SUCCESS;
}

apr_status_t upkeep_resubmit(const zm_zenv_t *zenv, int *count, int *failures, apr_pool_t *pool,
                             zm_error_t *error)
{
    resubmit_t work = {0, 0, pool};
    apr_status_t status = for_each(zenv, ZM_DIR_DEFERRED, false, resubmit, &work, pool, error);
    *count = work.count;
    *failures = work.failures;
    return status;
}

/* -- leftovers ------------------------------------------------------------------------ */

typedef struct cleanup_t {
    const zm_zenv_t *zenv;
    int count;
    apr_pool_t *pool;
} cleanup_t;

/* What was nowhere else does not go unnoticed. */
static void on_removed(const char *name, int days, bool only_copy, void *baton)
{
    cleanup_t *work = baton;
    const char *text;
    work->count++;
    if (!only_copy)
        return;
    text = apr_psprintf(work->pool, "removed %s, the only copy, after %d days", name, days);
    upkeep_note(work->zenv, text);
    puts(text);
}

apr_status_t upkeep_cleanup(const zm_zenv_t *zenv, int *count, apr_pool_t *pool, zm_error_t *error)
{
    cleanup_t work = {zenv, 0, pool};
    zm_leftovers_t *pass;
    zm_spool_t *spool;
    apr_status_t status = zm_site_spool(&spool, zenv, NULL, pool, error);
    if (status != APR_SUCCESS)
        return status;
    status = zm_leftovers_begin(&pass, spool, zenv, on_removed, &work, pool, error);
    if (status == APR_SUCCESS) {
        while ((status = zm_leftovers_step(pass, 1000)) == APR_SUCCESS)
            ;
        zm_leftovers_end(pass);
        if (APR_STATUS_IS_ENOENT(status))
            status = APR_SUCCESS;
        else
            (void)zm_error_system(error, status, "cannot list %s", zm_zenv_postoffice(zenv));
    }
    zm_spool_close(spool);
    *count = work.count;
    return status;
}

apr_status_t upkeep_bootclean(const zm_zenv_t *zenv, apr_pool_t *pool, zm_error_t *error)
{
    const daemon_t *daemon;
    for (daemon = daemons_of(zenv, pool); daemon->name != NULL; daemon++) {
        const char *path = apr_pstrcat(pool, zm_zenv_postoffice(zenv), "/", daemon->pid_file, NULL);
        apr_status_t status;
        zm_file_info_t info;
        if (daemon_pid(daemon, zenv, pool) != 0 ||
            (zm_path_info(&info, NULL, path) == APR_SUCCESS && info.kind == ZM_FILE_DIRECTORY))
            continue;
        status = zm_file_unlink(NULL, path);
        if (status != APR_SUCCESS && !APR_STATUS_IS_ENOENT(status))
            return zm_error_system(error, status, "cannot remove %s", path);
    }
    return APR_SUCCESS;
}

/* -- freezing -------------------------------------------------------------------------- */

static const char *freeze_path(const zm_zenv_t *zenv, apr_pool_t *pool)
{
    return apr_pstrcat(pool, zm_zenv_postoffice(zenv), "/.freeze", NULL);
}

bool upkeep_frozen(const zm_zenv_t *zenv, apr_pool_t *pool)
{
    zm_file_info_t info;
    return zm_path_info(&info, NULL, freeze_path(zenv, pool)) == APR_SUCCESS;
}

apr_status_t upkeep_freeze(const zm_zenv_t *zenv, bool freeze, apr_pool_t *pool, zm_error_t *error)
{
    const char *path = freeze_path(zenv, pool);
    apr_status_t status;
    zm_file_t *file;
    if (freeze) {
        status = zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0644, pool);
        if (status == APR_SUCCESS)
            status = zm_file_close(file);
    } else {
        status = zm_file_unlink(NULL, path);
        if (APR_STATUS_IS_ENOENT(status))
            status = APR_SUCCESS;
    }
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot %s %s", freeze ? "make" : "remove", path);
    return APR_SUCCESS;
}
