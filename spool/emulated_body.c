#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spool/emulated.h"

#define SWEEP_STEP 32 /* dead files that share a sync of the log */

/*
 * A large body is a file of its own, bodies/A/4711.  Its row names it, so a
 * crash before the commit leaves a file that no row names; one after the row's
 * removal leaves a file that `dead` names.
 *
 * A file that no row names may also be mail: when the administrator put an older
 * spool.db in the place of a lost one.  Numbers do not tell these two apart: a
 * process takes them in blocks that last for days, and a crash may take the block
 * back.  So the first byte of a body is written last, before the sync that its row
 * waits for.  Where it is NUL, nobody was told success (and what begins with NUL
 * has no recipients): such a file is removed at the next start.  All others that no
 * row names are kept, for a person to look at; what a crash leaves of these was
 * complete, and its row not yet durable.
 *
 * Who has the file open holds a shared lock on it, from the moment of its
 * making: such a lock ends with its process.  Only who gets the exclusive lock
 * may remove the file, so that it stays for its readers on filesystems that
 * would tear it out of their hands.
 */

const char *zm_emulated_path(const zm_emulated_t *e, const char *leaf, apr_pool_t *pool)
{
    return apr_pstrcat(pool, e->location, "/", leaf, NULL);
}

apr_status_t zm_side_make_directories(zm_emulated_t *e, apr_pool_t *pool)
{
    char path[] = "bodies/A";
    zm_file_t *bodies;
    apr_status_t status = zm_dir_make(e->root, "bodies", 0770);
    if (status != APR_SUCCESS && !APR_STATUS_IS_EEXIST(status))
        return status;
    for (; path[7] <= 'Z'; path[7]++) {
        status = zm_dir_make(e->root, path, 0770);
        if (status != APR_SUCCESS && !APR_STATUS_IS_EEXIST(status))
            return status;
    }
    status = zm_dir_handle(&bodies, e->root, "bodies", pool);
    if (status == APR_SUCCESS) {
        status = zm_dir_sync(bodies);
        zm_file_close(bodies);
    }
    if (status == APR_SUCCESS)
        status = zm_dir_sync(e->root);
    return status == ZM_E_UNSUPPORTED ? APR_SUCCESS : status;
}

static void path_of(char path[ZM_SIDE_SIZE + 8], const char *side)
{
    snprintf(path, ZM_SIDE_SIZE + 8, "bodies/%s", side);
}

/* -- making and opening ---------------------------------------------------------------- */

/*
 * Who sweeps may be quicker, and have removed the file when the lock comes: then it is
 * somebody's memory only.  A file that was just made is without a lease, too.
 */
static apr_status_t lease(zm_emulated_t *e, zm_file_t *file, const char *path)
{
    zm_file_info_t now;
    apr_status_t status = zm_file_lock_whole(file, false, true);
    return status != APR_SUCCESS ? status : zm_path_info(&now, e->root, path);
}

apr_status_t zm_side_create(zm_file_t **file, zm_emulated_t *e, char side[ZM_SIDE_SIZE],
                            uint64_t id, unsigned char *failures, apr_pool_t *pool)
{
    char path[ZM_SIDE_SIZE + 8], prefix[ZM_HASH_PREFIX_SIZE];
    apr_status_t status;
    zm_layout_hash(prefix, id, 1);
    snprintf(side, ZM_SIDE_SIZE, "%s%llu", prefix, (unsigned long long)id);
    path_of(path, side);
    status = zm_emulated_body_failures(e, side[0], failures);
    if (status != APR_SUCCESS)
        return status;
    status =
        zm_file_open(file, e->root, path,
                     ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0660, pool);
    if (status != APR_SUCCESS)
        return status;
    status = lease(e, *file, path);
    if (status != APR_SUCCESS) {
        zm_file_unlink(e->root, path);
        zm_file_close(*file);
    }
    /* Swept, or about to be: another number is tried. */
    return APR_STATUS_IS_ENOENT(status) || status == ZM_E_BUSY ? APR_EEXIST : status;
}

static apr_status_t sync_directory(zm_emulated_t *e, char letter)
{
    char path[] = "bodies/A";
    zm_file_t *directory;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    if (status != APR_SUCCESS)
        return status;
    path[7] = letter;
    status = zm_dir_handle(&directory, e->root, path, pool);
    if (status == APR_SUCCESS) {
        status = zm_dir_sync(directory);
        if (status != APR_SUCCESS && status != ZM_E_UNSUPPORTED)
            zm_emulated_note_body_failure(e, letter);
    }
    apr_pool_destroy(pool);
    return status == ZM_E_UNSUPPORTED ? APR_SUCCESS : status;
}

/* A sync of the directory that failed, for whom ever, may have been the one that had our name; ours
 * would know nothing of it. */
apr_status_t zm_side_sync(zm_emulated_t *e, zm_file_t *file, const char *side,
                          unsigned char failures)
{
    unsigned char now = failures;
    apr_status_t status = zm_file_sync(file);
    if (status == APR_SUCCESS)
        status = sync_directory(e, side[0]);
    if (status == APR_SUCCESS)
        status = zm_emulated_body_failures(e, side[0], &now);
    return status == APR_SUCCESS && now != failures ? APR_EGENERAL : status;
}

apr_status_t zm_side_open(zm_file_t **file, zm_emulated_t *e, const char *side, bool update,
                          apr_pool_t *pool)
{
    char path[ZM_SIDE_SIZE + 8];
    int flags = update ? ZM_OPEN_READ | ZM_OPEN_WRITE : ZM_OPEN_READ;
    apr_status_t status;
    path_of(path, side);
    status = zm_file_open(file, e->root, path, flags, 0, pool);
    if (status != APR_SUCCESS)
        return status;
    status = lease(e, *file, path);
    if (status != APR_SUCCESS)
        zm_file_close(*file);
    return status;
}

/* -- removing ---------------------------------------------------------------------------- */

static apr_status_t ask(zm_emulated_t *e, zm_statement_t which, const char *side)
{
    sqlite3_stmt *statement;
    apr_status_t status;
    apr_thread_mutex_lock(e->reader.lock);
    statement = zm_connection_statement(&e->reader, which);
    if (statement != NULL)
        sqlite3_bind_text(statement, 1, side, -1, SQLITE_STATIC);
    status = zm_connection_row(&e->reader, statement);
    if (status == APR_SUCCESS)
        sqlite3_reset(statement);
    apr_thread_mutex_unlock(e->reader.lock);
    return status;
}

/* When in doubt, it has. */
bool zm_side_used(zm_emulated_t *e, const char *side)
{
    apr_status_t status = ask(e, ZM_SQL_SIDE_USED, side);
    return !APR_STATUS_IS_ENOENT(status);
}

bool zm_side_dead(zm_emulated_t *e, const char *side)
{
    return ask(e, ZM_SQL_SIDE_DEAD, side) == APR_SUCCESS;
}

/* Under the exclusive lock nobody is making it, so its row is there by now or will never be. */
static apr_status_t open_unused(zm_file_t **file, zm_emulated_t *e, const char *side,
                                apr_pool_t *pool)
{
    char path[ZM_SIDE_SIZE + 8];
    apr_status_t status;
    path_of(path, side);
    status = zm_file_open(file, e->root, path, ZM_OPEN_READ | ZM_OPEN_WRITE, 0, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_lock_whole(*file, true, false);
    if (status == APR_SUCCESS && zm_side_used(e, side))
        status = ZM_E_BUSY;
    if (status != APR_SUCCESS)
        zm_file_close(*file);
    return status;
}

static bool is_unfinished(zm_file_t *file)
{
    char first = '\0';
    apr_size_t length = 1;
    apr_status_t status = zm_file_read_at(file, 0, &first, &length);
    return APR_STATUS_IS_EOF(status) || (status == APR_SUCCESS && first == '\0');
}

bool zm_side_unfinished(zm_emulated_t *e, const char *side)
{
    char path[ZM_SIDE_SIZE + 8];
    zm_file_t *file;
    apr_pool_t *pool;
    bool unfinished = false;
    if (apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS)
        return false;
    path_of(path, side);
    if (zm_file_open(&file, e->root, path, ZM_OPEN_READ, 0, pool) == APR_SUCCESS) {
        unfinished = is_unfinished(file);
        zm_file_close(file);
    }
    apr_pool_destroy(pool);
    return unfinished;
}

/* APR_EEXIST: it may have been published. */
static apr_status_t remove_unused(zm_emulated_t *e, const char *side, bool unfinished_only)
{
    char path[ZM_SIDE_SIZE + 8];
    zm_file_t *file;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    if (status != APR_SUCCESS)
        return status;
    path_of(path, side);
    status = open_unused(&file, e, side, pool);
    if (status == APR_SUCCESS) {
        status =
            unfinished_only && !is_unfinished(file) ? APR_EEXIST : zm_file_unlink(e->root, path);
        zm_file_close(file);
    }
    apr_pool_destroy(pool);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

apr_status_t zm_side_remove(zm_emulated_t *e, const char *side)
{
    return remove_unused(e, side, false);
}

/* -- keeping ----------------------------------------------------------------------------- */

static apr_status_t add_adopted(zm_emulated_t *e, const zm_emulated_object_t *object,
                                const char *name)
{
    apr_status_t status = zm_emulated_begin(e);
    if (status != APR_SUCCESS)
        return status;
    status = zm_emulated_add_name(e, name, object->info.id);
    if (status == APR_SUCCESS)
        status = zm_emulated_add_row(e, &object->info, object, NULL, 0);
    status = zm_emulated_finish(e, status);
    return status == APR_SUCCESS ? zm_emulated_sync(e) : status;
}

static apr_status_t adopt(zm_emulated_t *e, zm_file_t *file, const char *side, const char *name)
{
    zm_emulated_object_t object = {.engine = e};
    zm_credentials_t own = zm_identity_own();
    zm_file_info_t found;
    apr_status_t status = zm_file_info(&found, file);
    if (status == APR_SUCCESS)
        status = zm_emulated_body_failures(e, side[0], &object.failures);
    if (status == APR_SUCCESS)
        status = zm_side_sync(e, file, side, object.failures);
    if (status != APR_SUCCESS)
        return status;
    object.info = (zm_object_info_t){.size = found.size,
                                     .mtime_s = found.mtime_s,
                                     .mtime_ns = found.mtime_ns,
                                     .ctime_s = found.ctime_s,
                                     .mode = 0600,
                                     .uid = own.uid,
                                     .gid = own.gid};
    apr_cpystrn(object.side, side, sizeof object.side);
    status = zm_emulated_take_id(e, &object.info.id);
    return status == APR_SUCCESS ? add_adopted(e, &object, name) : status;
}

apr_status_t zm_side_adopt(zm_emulated_t *e, const char *side, const char *name)
{
    zm_file_t *file;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    if (status != APR_SUCCESS)
        return status;
    status = open_unused(&file, e, side, pool);
    if (status == APR_SUCCESS) {
        status = adopt(e, file, side, name);
        zm_file_close(file);
    }
    apr_pool_destroy(pool);
    return status;
}

/* -- sweeping ---------------------------------------------------------------------------- */

static apr_status_t next_dead(zm_emulated_t *e, char side[ZM_SIDE_SIZE])
{
    sqlite3_stmt *statement;
    apr_status_t status;
    apr_thread_mutex_lock(e->reader.lock);
    statement = zm_connection_statement(&e->reader, ZM_SQL_DEAD);
    if (statement != NULL)
        sqlite3_bind_text(statement, 1, side, -1, SQLITE_TRANSIENT);
    status = zm_connection_row(&e->reader, statement);
    if (status == APR_SUCCESS) {
        apr_cpystrn(side, (const char *)sqlite3_column_text(statement, 0), ZM_SIDE_SIZE);
        sqlite3_reset(statement);
    }
    apr_thread_mutex_unlock(e->reader.lock);
    return status;
}

static apr_status_t forget_dead(zm_emulated_t *e, const char *side)
{
    sqlite3_stmt *statement;
    apr_status_t status = zm_emulated_begin(e);
    if (status != APR_SUCCESS)
        return status;
    statement = zm_connection_statement(&e->writer, ZM_SQL_DROP_DEAD);
    if (statement != NULL)
        sqlite3_bind_text(statement, 1, side, -1, SQLITE_STATIC);
    return zm_emulated_finish(e, zm_connection_run(&e->writer, statement));
}

void zm_side_bury(zm_emulated_t *e)
{
    zm_emulated_want_sweep(e);
}

static apr_status_t gather_dead(zm_emulated_t *e, char sides[SWEEP_STEP][ZM_SIDE_SIZE], int *count)
{
    char after[ZM_SIDE_SIZE];
    apr_status_t status = APR_SUCCESS;
    memcpy(after, sides[SWEEP_STEP - 1], sizeof after); /* the last of the step before */
    for (*count = 0; *count < SWEEP_STEP; (*count)++) {
        status = next_dead(e, after);
        if (status != APR_SUCCESS)
            break;
        memcpy(sides[*count], after, sizeof after);
    }
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

/*
 * The removal of a row is durable before its file is removed.  Otherwise a crash
 * could bring the row back, and with it a message without body.
 */
apr_status_t zm_side_sweep_dead(zm_emulated_t *e)
{
    char sides[SWEEP_STEP][ZM_SIDE_SIZE] = {{0}};
    int count, i;
    apr_status_t status;
    do {
        status = gather_dead(e, sides, &count);
        if (status == APR_SUCCESS && count > 0)
            status = zm_emulated_sync(e);
        for (i = 0; i < count && status == APR_SUCCESS; i++)
            if (zm_side_remove(e, sides[i]) == APR_SUCCESS)
                forget_dead(e, sides[i]);
    } while (status == APR_SUCCESS && count == SWEEP_STEP);
    return status;
}

static apr_status_t each_in(zm_emulated_t *e, char letter, zm_side_fn *fn, void *baton,
                            apr_pool_t *pool)
{
    char path[] = "bodies/A", side[ZM_SIDE_SIZE];
    zm_dir_t *entries;
    const char *leaf;
    apr_status_t status;
    path[7] = letter;
    status = zm_dir_open(&entries, e->root, path, pool);
    if (status != APR_SUCCESS)
        return status;
    while ((status = zm_dir_next(entries, &leaf, NULL)) == APR_SUCCESS) {
        uint64_t id;
        if (zm_str_u64(zm_str(leaf), &id) != APR_SUCCESS)
            continue;
        snprintf(side, sizeof side, "%c/%llu", letter, (unsigned long long)id);
        fn(side, baton);
    }
    zm_dir_close(entries);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

apr_status_t zm_side_each(zm_emulated_t *e, zm_side_fn *fn, void *baton, apr_pool_t *pool)
{
    apr_status_t status = APR_SUCCESS;
    char letter;
    for (letter = 'A'; letter <= 'Z' && status == APR_SUCCESS; letter++)
        status = each_in(e, letter, fn, baton, pool);
    return status;
}

typedef struct sweep_t {
    zm_emulated_t *e;
    uint64_t kept;
} sweep_t;

/* What is in use stays, and what is dead is swept by itself. */
static void sweep(const char *side, void *baton)
{
    sweep_t *work = baton;
    apr_status_t status;
    if (zm_side_used(work->e, side) || zm_side_dead(work->e, side))
        return;
    status = remove_unused(work->e, side, true);
    if (APR_STATUS_IS_EEXIST(status))
        work->kept++;
}

apr_status_t zm_side_sweep_strays(zm_emulated_t *e, uint64_t *kept, apr_pool_t *pool)
{
    sweep_t work = {.e = e};
    apr_status_t status = zm_side_each(e, sweep, &work, pool);
    *kept = work.kept;
    return status;
}
