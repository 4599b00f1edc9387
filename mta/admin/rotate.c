#include "mta/admin/rotate.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/admin/daemons.h"
#include "platform/fs.h"

#define OLDEST 9

static bool exists(zm_file_t *directory, const char *name)
{
    zm_file_info_t info;
    return zm_path_info(&info, directory, name) == APR_SUCCESS;
}

/* The logs that have no ".log" at their end have the names of programs. */
static bool is_log(zm_str_t name)
{
    static const char *const names[] = {"router", "scheduler", "smtpserver",
                                        "smtp",   "mailbox",   "autoanswer"};
    apr_size_t i;
    if (zm_str_ends_nocase(name, ZM_S(".log")) || zm_str_ends_nocase(name, ZM_S(".perflog")))
        return name.data[0] != '.';
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (zm_str_equal_c(name, names[i]))
            return true;
    return false;
}

/* NAME.N and NAME.N.gz take the place of the next number's, the oldest goes. */
static apr_status_t shift(zm_file_t *directory, const char *name, apr_pool_t *pool)
{
    static const char *const ends[] = {"", ".gz"};
    int number, i;
    for (number = OLDEST - 1; number >= 0; number--) {
        for (i = 0; i < 2; i++) {
            const char *from = apr_psprintf(pool, "%s.%d%s", name, number, ends[i]);
            apr_status_t status;
            if (!exists(directory, from))
                continue;
            (void)zm_file_unlink(directory,
                                 apr_psprintf(pool, "%s.%d%s", name, number + 1, ends[1 - i]));
            status = zm_file_replace(directory, from, directory,
                                     apr_psprintf(pool, "%s.%d%s", name, number + 1, ends[i]));
            if (status != APR_SUCCESS)
                return status;
        }
    }
    return APR_SUCCESS;
}

/* The program that writes it may not be allowed to make a file in this directory. */
static apr_status_t begin(zm_file_t *directory, const char *name, const zm_file_info_t *old,
                          apr_pool_t *pool)
{
    zm_file_t *file;
    apr_status_t status =
        zm_file_open(&file, directory, name, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE,
                     old->mode & 0660, pool);
    if (APR_STATUS_IS_EEXIST(status)) /* its program was faster */
        return APR_SUCCESS;
    if (status != APR_SUCCESS)
        return status;
    if (zm_identity_privileged())
        status = zm_file_set_owner(file, old->uid, old->gid);
    zm_file_close(file);
    return status;
}

static void compress(const char *logs, const char *name, apr_pool_t *pool)
{
    static const char *const programs[] = {"/usr/bin/gzip", "/bin/gzip", "/usr/local/bin/gzip"};
    const char *argv[] = {NULL, "--", apr_psprintf(pool, "%s/%s.1", logs, name), NULL};
    zm_file_info_t info;
    zm_error_t error;
    apr_size_t i;
    if (zm_path_info(&info, NULL, argv[2]) != APR_SUCCESS || info.kind != ZM_FILE_REGULAR)
        return;
    for (i = 0; i < sizeof programs / sizeof programs[0] && argv[0] == NULL; i++)
        if (exists(NULL, programs[i]))
            argv[0] = programs[i];
    if (argv[0] != NULL)
        (void)daemon_run("gzip", argv, pool, &error); /* it stays as it is, and is told */
}

/* APR_EOF: there is nothing in it. */
static apr_status_t rotate(zm_file_t *directory, const char *name, apr_pool_t *pool)
{
    zm_file_info_t info;
    apr_status_t status = zm_path_info(&info, directory, name);
    if (status == APR_SUCCESS && (info.kind != ZM_FILE_REGULAR || info.size == 0))
        return APR_EOF;
    if (status == APR_SUCCESS)
        status = shift(directory, name, pool);
    if (status == APR_SUCCESS)
        status = zm_file_replace(directory, name, directory, apr_pstrcat(pool, name, ".0", NULL));
    return status == APR_SUCCESS ? begin(directory, name, &info, pool) : status;
}

/* The names first: what is renamed meanwhile would come again. */
static apr_status_t find_logs(apr_array_header_t *names, const char *logs, apr_pool_t *pool)
{
    zm_dir_t *listing;
    const char *name;
    zm_file_kind_t kind;
    apr_status_t status = zm_dir_open(&listing, NULL, logs, pool);
    if (status != APR_SUCCESS)
        return status;
    while ((status = zm_dir_next(listing, &name, &kind)) == APR_SUCCESS)
        if (kind == ZM_FILE_REGULAR && is_log(zm_str(name)))
            APR_ARRAY_PUSH(names, const char *) = apr_pstrdup(pool, name);
    zm_dir_close(listing);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

apr_status_t rotate_logs(const zm_zenv_t *zenv, int *count, int *failures, apr_pool_t *pool,
                         zm_error_t *error)
{
    const char *logs = apr_pstrcat(pool, zm_zenv_logdir(zenv), "/.", NULL);
    apr_array_header_t *names = apr_array_make(pool, 16, sizeof(const char *));
    zm_file_t *directory;
    apr_status_t status = find_logs(names, logs, pool);
    int i;
    *count = *failures = 0;
    if (status == APR_SUCCESS)
        status = zm_dir_handle(&directory, NULL, logs, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot look into %s", zm_zenv_logdir(zenv));
    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        char reason[200];
        status = rotate(directory, name, pool);
        if (status == APR_SUCCESS) {
            compress(zm_zenv_logdir(zenv), name, pool);
            ++*count;
        }
        if (status == APR_SUCCESS || APR_STATUS_IS_EOF(status))
            continue;
        ++*failures;
        fprintf(stderr, "zmailer: cannot rotate %s/%s: %s\n", zm_zenv_logdir(zenv), name,
                zm_status_text(status, reason, sizeof reason));
    }
    zm_file_close(directory);
    return APR_SUCCESS;
}
