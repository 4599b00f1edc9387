#include "mta/admin/upkeep.h"

#include <apr_strings.h>
#include <apr_time.h>
#include <stdio.h>
#include <string.h>

#include "mta/conf/site.h"
#include "mta/admin/daemons.h"
#include "platform/fs.h"
#include "platform/service.h"
#include "spool/layout.h"

#define DAY 86400
#define PUBLIC_DAYS 2
#define COPY_DAYS 7
#define ONLY_COPY_DAYS 30

typedef void each_fn(zm_spool_t *spool, const char *name, void *baton);

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

/* Of a copy in postman/ the message itself went on; "_looped" was returned to its sender. */
static bool is_copy(zm_str_t leaf)
{
    return zm_str_find(leaf, '_') >= 0 && !zm_str_ends_nocase(leaf, ZM_S("_looped"));
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
    int count;
    int64_t now;
} cleanup_t;

static void remove_older(zm_spool_t *spool, const char *name, int days, cleanup_t *work)
{
    zm_object_info_t info;
    if (zm_spool_info(&info, spool, name) == APR_SUCCESS &&
        work->now - info.mtime_s > (int64_t)days * DAY &&
        zm_spool_unlink(spool, name) == APR_SUCCESS)
        work->count++;
}

static void clean_public(zm_spool_t *spool, const char *name, void *baton)
{
    remove_older(spool, name, PUBLIC_DAYS, baton);
}

/* A name with '_' is a copy of mail that went on; one without is the only copy left. */
static void clean_postman(zm_spool_t *spool, const char *name, void *baton)
{
    const char *leaf = strrchr(name, '/') + 1;
    if (zm_is_digit((unsigned char)leaf[0]))
        remove_older(spool, name, strchr(leaf, '_') ? COPY_DAYS : ONLY_COPY_DAYS, baton);
}

apr_status_t upkeep_cleanup(const zm_zenv_t *zenv, int *count, apr_pool_t *pool, zm_error_t *error)
{
    cleanup_t work = {0, apr_time_sec(apr_time_now())};
    apr_status_t status = for_each(zenv, ZM_DIR_PUBLIC, true, clean_public, &work, pool, error);
    if (status == APR_SUCCESS)
        status = for_each(zenv, ZM_DIR_POSTMAN, false, clean_postman, &work, pool, error);
    *count = work.count;
    return status;
}

apr_status_t upkeep_bootclean(const zm_zenv_t *zenv, apr_pool_t *pool, zm_error_t *error)
{
    const daemon_t *daemon;
    for (daemon = daemons; daemon->name != NULL; daemon++) {
        const char *path = apr_pstrcat(pool, zm_zenv_postoffice(zenv), "/", daemon->pid_file, NULL);
        apr_status_t status;
        if (daemon_pid(daemon, zenv, pool) != 0)
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

/* -- checking ---------------------------------------------------------------------------- */

static int told(const char *what, bool good, const char *detail)
{
    printf("%-8s %s%s%s\n", good ? "ok" : "WRONG", what, *detail ? ": " : "", detail);
    return good ? 0 : 1;
}

static int check_path(const char *what, const char *path, zm_file_kind_t kind)
{
    zm_file_info_t info;
    char reason[200] = "";
    apr_status_t status = zm_path_info(&info, NULL, path);
    if (status != APR_SUCCESS)
        zm_status_text(status, reason, sizeof reason);
    else if (info.kind != kind)
        apr_cpystrn(reason, kind == ZM_FILE_DIRECTORY ? "is not a directory" : "is not a file",
                    sizeof reason);
    return told(what, reason[0] == '\0', reason[0] ? reason : path);
}

int upkeep_check(const zm_zenv_t *zenv, apr_pool_t *pool)
{
    static const char *const files[] = {"router.cf", "scheduler.conf", "smtpserver.conf"};
    const daemon_t *daemon;
    zm_error_t error = {0};
    zm_spool_t *spool;
    int wrong = 0;
    apr_size_t i;
    wrong += told("zmailer.conf", true, zm_zenv_file(zenv));
    for (i = 0; i < sizeof files / sizeof files[0]; i++)
        wrong +=
            check_path(files[i], apr_pstrcat(pool, zm_zenv_mailshare(zenv), "/", files[i], NULL),
                       ZM_FILE_REGULAR);
    for (daemon = daemons; daemon->name != NULL; daemon++)
        wrong += check_path(daemon->name,
                            apr_pstrcat(pool, zm_zenv_mailbin(zenv), "/", daemon->name, NULL),
                            ZM_FILE_REGULAR);
    wrong += check_path("MAILVAR", zm_zenv_mailvar(zenv), ZM_FILE_DIRECTORY);
    wrong += check_path("LOGDIR", zm_zenv_logdir(zenv), ZM_FILE_DIRECTORY);
    if (zm_site_spool(&spool, zenv, NULL, pool, &error) == APR_SUCCESS) {
        wrong += told("spool", true, zm_spool_location(spool));
        zm_spool_close(spool);
    } else {
        wrong += told("spool", false, error.text);
    }
    return wrong;
}
