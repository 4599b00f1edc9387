/*
 * Files that scripts read on somebody's behalf.  The account in force is root,
 * or what the innermost runas said; every open happens with its rights, through
 * the pickup helper where this process has none (pickup.h).
 */
#include <apr_strings.h>
#include <string.h>

#include "mta/router/commands.h"

#define READ_LIMIT (64u << 20)

/* -- opening ----------------------------------------------------------------------- */

/* Not there, or not for us: that is so until somebody changes it. */
static bool is_final(apr_status_t status)
{
    return APR_STATUS_IS_ENOENT(status) || APR_STATUS_IS_ENOTDIR(status) ||
           APR_STATUS_IS_EACCES(status) || APR_STATUS_IS_ENAMETOOLONG(status) ||
           APR_STATUS_IS_EINVAL(status) || status == ZM_E_UNSAFE;
}

/* A file that cannot be had now must not pass for one that is not there: a .forward would be
 * overlooked, a list would lose its members. */
static void note_failure(router_worker_t *worker, apr_status_t status)
{
    char reason[100];
    if (!is_final(status))
        zm_script_defer(worker->script,
                        apr_pstrcat(zm_script_pool(worker->script),
                                    "IO:", zm_status_text(status, reason, sizeof reason), NULL));
}

/*
 * What filepriv judged and what cat reads next must be the same file, though
 * another may stand under that name by then: the open file is kept in between.
 */
static void drop_judged(router_worker_t *worker)
{
    if (worker->judged != NULL)
        zm_file_close(worker->judged);
    worker->judged = NULL;
    apr_pool_clear(worker->judged_pool); /* that of the scope may end with the turn of a loop */
}

void router_commands_forget(router_worker_t *worker)
{
    drop_judged(worker);
}

static apr_status_t open_judged(router_worker_t *worker, zm_file_t **file, const char *path,
                                apr_pool_t *pool)
{
    if (worker->judged != NULL && strcmp(worker->judged_path, path) == 0) {
        *file = worker->judged;
        worker->judged = NULL;
        return APR_SUCCESS;
    }
    drop_judged(worker);
    return router_open_file(worker->opener, file, NULL, worker->runas, path, pool);
}

static apr_status_t copy_file(zm_call_t *call, const char *path, apr_pool_t *pool)
{
    zm_file_t *file;
    uint64_t offset = 0;
    char block[8192];
    apr_size_t length = sizeof block;
    apr_status_t status = open_judged(call->baton, &file, path, pool);
    if (status != APR_SUCCESS)
        return status;
    while ((status = zm_file_read_at(file, offset, block, &length)) == APR_SUCCESS) {
        zm_call_write(call, zm_str_of(block, length));
        offset += length;
        length = sizeof block;
        if (offset >= READ_LIMIT) {
            status = ZM_E_LIMIT;
            break;
        }
    }
    zm_file_close(file);
    return APR_STATUS_IS_EOF(status) ? APR_SUCCESS : status;
}

/* cat FILE...: regular files only, others are skipped in silence; `defer` is set when one cannot be
 * read now, or is too large to be read whole */
static int cat(zm_call_t *call)
{
    router_worker_t *worker = call->baton;
    apr_pool_t *pool;
    apr_size_t i;
    apr_pool_create(&pool, zm_script_pool(worker->script));
    for (i = 0; i < call->count; i++) {
        apr_status_t status = copy_file(call, zm_call_arg_c(call, i), pool);
        if (status != APR_SUCCESS)
            note_failure(worker, status);
    }
    apr_pool_destroy(pool);
    return 0;
}

/* -- filepriv ---------------------------------------------------------------------- */

typedef struct filepriv_t {
    uint32_t most; /* permission bits that are allowed */
    const char *path;
    bool assumed; /* uid given: the file itself is not looked at */
    int64_t uid;
} filepriv_t;

static bool read_octal(zm_str_t text, uint32_t *value)
{
    apr_size_t i;
    *value = 0;
    for (i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '7')
            return false;
        *value = *value * 8 + (uint32_t)(text.data[i] - '0');
    }
    return text.length > 0 && text.length <= 4;
}

static bool filepriv_arguments(filepriv_t *what, zm_call_t *call)
{
    apr_size_t next = 0;
    memset(what, 0, sizeof *what);
    what->most = 0644;
    if (next < call->count && zm_str_starts(zm_call_arg(call, next), ZM_S("-M"))) {
        zm_str_t option = zm_call_arg(call, next++);
        zm_str_t value = option.length > 2 ? zm_str_from(option, 2) : zm_call_arg(call, next++);
        if (!read_octal(value, &what->most) || what->most > 0664)
            return false;
    }
    if (next >= call->count)
        return false;
    what->path = zm_call_arg_c(call, next++);
    if (next < call->count) {
        what->assumed = true;
        return zm_str_i64(zm_call_arg(call, next++), &what->uid) == APR_SUCCESS &&
               next == call->count;
    }
    return true;
}

/* The bits that count: who cannot search the directory cannot use the file's bits either. */
static uint32_t counting_bits(uint32_t directory_mode)
{
    if (directory_mode & 01)
        return 07777;
    return directory_mode & 010 ? 07770 : 07700;
}

static bool trustworthy(const zm_file_info_t *file, const router_folder_t *folder, uint32_t most)
{
    if (file->kind != ZM_FILE_REGULAR || (file->mode & counting_bits(folder->mode) & ~most) != 0)
        return false;
    if ((folder->mode & 022) != 0 && (folder->mode & 01000) == 0)
        return false;
    return folder->uid == 0 || folder->uid == file->uid;
}

/* Opens the file that is judged, and keeps it for the cat that follows. */
static apr_status_t look_at_file(router_worker_t *worker, const char *path, zm_file_info_t *info,
                                 router_folder_t *folder)
{
    apr_pool_t *pool = worker->judged_pool;
    apr_status_t status;
    drop_judged(worker);
    status = router_open_file(worker->opener, &worker->judged, folder, worker->runas, path, pool);
    if (status != APR_SUCCESS) {
        worker->judged = NULL;
        return status;
    }
    worker->judged_path = apr_pstrdup(pool, path);
    return zm_file_info(info, worker->judged);
}

static bool look_at_folder(const char *path, router_folder_t *folder, apr_pool_t *pool)
{
    zm_file_info_t info;
    const char *slash = strrchr(path, '/');
    if (zm_path_info(&info, NULL,
                     apr_pstrcat(pool, apr_pstrmemdup(pool, path, (apr_size_t)(slash - path)), "/.",
                                 NULL)) != APR_SUCCESS ||
        info.kind != ZM_FILE_DIRECTORY)
        return false;
    folder->mode = 040000 | info.mode;
    folder->uid = info.uid;
    return true;
}

/* filepriv [-M OCTAL] PATH [UID]: on whose authority the file speaks */
static int filepriv(zm_call_t *call)
{
    router_worker_t *worker = call->baton;
    apr_pool_t *pool = zm_script_pool(worker->script);
    zm_file_info_t info = {0};
    router_folder_t folder = {0};
    filepriv_t what;
    if (!filepriv_arguments(&what, call)) {
        zm_call_complain(call, "usage: filepriv [-M OCTAL] PATH [UID]; OCTAL at most 664");
        return 64;
    }
    if (what.assumed) {
        info.uid = what.uid;
        info.mode = 0400;
        info.kind = ZM_FILE_REGULAR;
    } else {
        apr_status_t status = look_at_file(worker, what.path, &info, &folder);
        char reason[200];
        if (status != APR_SUCCESS) {
            note_failure(worker, status);
            zm_call_complain(call, "%s: %s", what.path,
                             zm_status_text(status, reason, sizeof reason));
            return 2;
        }
    }
    if (strchr(what.path, '/') != NULL) {
        if (folder.mode == 0 && !look_at_folder(what.path, &folder, pool)) {
            zm_call_complain(call, "%s: its directory cannot be looked at", what.path);
            return 4;
        }
        if (!trustworthy(&info, &folder, what.most))
            info.uid = worker->nobody;
    }
    zm_call_print(call, "%" APR_INT64_T_FMT "\n", (apr_int64_t)info.uid);
    return 0;
}

/* runas USER COMMAND ARGUMENT...: a function or built-in, with the rights of that account on files
 */
static int runas(zm_call_t *call)
{
    router_worker_t *worker = call->baton;
    apr_pool_t *pool = zm_script_pool(worker->script);
    zm_uid_t before = worker->runas;
    zm_script_result_t result = {0};
    zm_account_t *account;
    int64_t uid;
    apr_status_t status;
    if (call->count < 2) {
        zm_call_complain(call, "usage: runas USER COMMAND [ARGUMENT...]");
        return 64;
    }
    if (zm_str_i64(zm_call_arg(call, 0), &uid) != APR_SUCCESS) {
        status = zm_accounts_find(&account, worker->accounts, zm_call_arg_c(call, 0), pool);
        if (status != APR_SUCCESS) {
            note_failure(worker, status);
            return 1;
        }
        uid = account->uid;
    }
    if (before != 0 && uid != before) { /* rights only ever shrink */
        zm_call_complain(call, "cannot become another account from within runas");
        return 1;
    }
    worker->runas = uid;
    status = zm_call_call(call, zm_call_arg_c(call, 1), call->args + 2, call->count - 2, &result);
    worker->runas = before;
    return status == APR_SUCCESS ? result.status : 1;
}

void router_commands_files(router_worker_t *worker)
{
    apr_pool_create(&worker->judged_pool, worker->pool);
    zm_script_define(worker->script, "cat", ZM_BUILTIN_ARGV, cat, worker);
    zm_script_define(worker->script, "filepriv", ZM_BUILTIN_ARGV, filepriv, worker);
    zm_script_define(worker->script, "runas", ZM_BUILTIN_ARGV, runas, worker);
}
