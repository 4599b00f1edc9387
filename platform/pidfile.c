/*
 * Pid files.
 *
 * What says that the daemon lives is the lock, not the number: the system drops
 * it when the process dies, however that happens, and a number may have become
 * another process's.  The locked octet lies far behind the text, because a lock
 * keeps readers out on some systems.
 *
 * A file that is removed while another process waits at its door must not be
 * taken by that one: after locking, the name is looked at again.
 *
 * Everybody may read a pid file, and so hold a shared lock on it, which keeps an
 * exclusive one out.  Such a lock says nothing about a daemon, and must not keep
 * one from starting: the file is replaced.  But it is another's from the moment
 * that the reader leaves it, so daemons that start at the same time do so one
 * after the other: each holds a lock on a file of its own for that, which nobody
 * else may read, and which is gone afterwards.
 */
#include "platform/service.h"

#include <apr_strings.h>
#include <string.h>

#include "platform/child.h"
#include "platform/fs.h"
#include "platform/str.h"

#define LOCKED_OCTET 0x40000000u
#define ATTEMPTS 20

struct zm_pidfile_t {
    zm_file_t *file;
    const char *path;
};

/* Locks the file and says whether its name still stands for it. */
static apr_status_t lock_and_check(zm_file_t *file, const char *path, bool wait)
{
    zm_file_info_t opened, named;
    apr_status_t status = zm_file_lock(file, LOCKED_OCTET, 1, wait);
    if (status == APR_SUCCESS)
        status = zm_file_info(&opened, file);
    if (status != APR_SUCCESS)
        return status;
    if (zm_path_info(&named, NULL, path) != APR_SUCCESS || named.id != opened.id ||
        named.device != opened.device)
        return ZM_E_GONE;
    return APR_SUCCESS;
}

/* Whether nobody but readers has locked it. */
static bool is_held_by_readers(zm_file_t *file)
{
    bool held = true;
    return zm_file_locked(&held, file, LOCKED_OCTET, 1) == APR_SUCCESS && !held;
}

/* Unlinks the file that is open, unless another has its name by now. */
static apr_status_t remove_ours(zm_file_t *file, const char *path)
{
    zm_file_info_t opened, named;
    apr_status_t status = zm_file_info(&opened, file);
    if (status == APR_SUCCESS && zm_path_info(&named, NULL, path) == APR_SUCCESS &&
        named.id == opened.id && named.device == opened.device)
        status = zm_file_unlink(NULL, path);
    return status;
}

/* The text is never absent in between: the new number overwrites, then the rest is cut off. */
static apr_status_t write_pid(zm_file_t *file)
{
    char text[32];
    apr_size_t length =
        (apr_size_t)apr_snprintf(text, sizeof text, "%" APR_INT64_T_FMT "\n", zm_process_own());
    apr_status_t status = zm_file_write_at(file, 0, text, length);
    return status == APR_SUCCESS ? zm_file_truncate(file, length) : status;
}

static apr_status_t open_and_lock(zm_file_t **file, const char *path, apr_pool_t *pool)
{
    apr_status_t status = ZM_E_GONE;
    int attempt;
    for (attempt = 0; attempt < ATTEMPTS && status == ZM_E_GONE; attempt++) {
        status = zm_file_open(file, NULL, path, ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0644,
                              pool);
        if (status != APR_SUCCESS)
            return status;
        status = lock_and_check(*file, path, false);
        if (status == ZM_E_BUSY && is_held_by_readers(*file) &&
            remove_ours(*file, path) == APR_SUCCESS)
            status = ZM_E_GONE;
        if (status != APR_SUCCESS)
            (void)zm_file_close(*file);
    }
    return status;
}

/* Waits until no other daemon is taking the file. */
static apr_status_t begin_turn(zm_file_t **turn, const char *name, apr_pool_t *pool)
{
    apr_status_t status = ZM_E_GONE;
    int attempt;
    for (attempt = 0; attempt < ATTEMPTS && status == ZM_E_GONE; attempt++) {
        status = zm_file_open(turn, NULL, name, ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0600,
                              pool);
        if (status != APR_SUCCESS)
            return status;
        status = lock_and_check(*turn, name, true);
        if (status != APR_SUCCESS)
            (void)zm_file_close(*turn);
    }
    return status;
}

static void end_turn(zm_file_t *turn, const char *name)
{
    (void)zm_file_unlink(NULL, name); /* those who wait for it see that, and make another */
    (void)zm_file_close(turn);
}

static apr_status_t take(zm_file_t **file, const char *path, apr_pool_t *pool)
{
    const char *name = apr_pstrcat(pool, path, ".turn", NULL);
    zm_file_t *turn;
    apr_status_t status = begin_turn(&turn, name, pool);
    if (status != APR_SUCCESS)
        return status;
    status = open_and_lock(file, path, pool);
    if (status == APR_SUCCESS) {
        status = write_pid(*file);
        if (status != APR_SUCCESS)
            (void)zm_file_close(*file);
    }
    end_turn(turn, name);
    return status;
}

apr_status_t zm_pidfile_take(zm_pidfile_t **pidfile, const char *path, apr_pool_t *pool,
                             zm_error_t *error)
{
    zm_file_t *file;
    apr_int64_t pid;
    apr_status_t status = take(&file, path, pool);
    if (status == ZM_E_BUSY && zm_pidfile_holder(&pid, path, pool) == APR_SUCCESS)
        return zm_error_set(error, ZM_E_BUSY, "process %lld is running already (it holds %s)",
                            (long long)pid, path);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot take the pid file %s", path);
    *pidfile = apr_palloc(pool, sizeof **pidfile);
    (*pidfile)->file = file;
    (*pidfile)->path = apr_pstrdup(pool, path);
    return APR_SUCCESS;
}

static apr_status_t read_holder(apr_int64_t *pid, zm_file_t *file, apr_pool_t *pool)
{
    char *text;
    apr_size_t length;
    bool held = false;
    apr_status_t status = zm_file_locked(&held, file, LOCKED_OCTET, 1);
    if (status == APR_SUCCESS && !held)
        status = APR_ENOENT;
    if (status == APR_SUCCESS)
        status = zm_file_slurp_file(&text, &length, file, 100, pool);
    if (status == APR_SUCCESS) {
        zm_str_t line, rest;
        zm_str_cut(zm_str_of(text, length), '\n', &line, &rest);
        status = zm_str_i64(line, pid);
        if (status == APR_SUCCESS && *pid <= 0)
            status = ZM_E_SYNTAX;
    }
    return status;
}

apr_status_t zm_pidfile_holder(apr_int64_t *pid, const char *path, apr_pool_t *pool)
{
    zm_file_t *file;
    apr_status_t status = zm_file_open(&file, NULL, path, ZM_OPEN_READ, 0, pool);
    if (status != APR_SUCCESS)
        return status;
    status = read_holder(pid, file, pool);
    (void)zm_file_close(file);
    return status;
}

void zm_pidfile_release(zm_pidfile_t *pidfile)
{
    (void)zm_file_unlink(NULL,
                         pidfile->path); /* first: nobody may lock a name that is about to go */
    (void)zm_file_close(pidfile->file);
}
