#include "spool/emulated.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "platform/log.h"

#define LOOKS 3 /* at a name whose body's file is missing */

/* -- names ------------------------------------------------------------------------- */

static apr_status_t find_info(zm_emulated_t *e, zm_object_info_t *info, char side[ZM_SIDE_SIZE],
                              const char *name)
{
    sqlite3_stmt *statement;
    apr_status_t status;
    side[0] = '\0';
    apr_thread_mutex_lock(e->reader.lock);
    statement = zm_connection_statement(&e->reader, ZM_SQL_FIND_INFO);
    if (statement != NULL)
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    status = zm_connection_row(&e->reader, statement);
    if (status == APR_SUCCESS) {
        const char *text = (const char *)sqlite3_column_text(statement, ZM_COLUMN_SIDE);
        apr_cpystrn(side, text != NULL ? text : "", ZM_SIDE_SIZE);
        zm_connection_columns(info, statement);
        sqlite3_reset(statement);
    }
    apr_thread_mutex_unlock(e->reader.lock);
    return status;
}

/* A file that is missing may have been removed between the two looks; then its row is gone, too. */
static apr_status_t name_info(zm_engine_t *engine, zm_object_info_t *info, const char *name)
{
    zm_emulated_t *e = zm_emulated(engine);
    char side[ZM_SIDE_SIZE], path[ZM_SIDE_SIZE + 8];
    zm_file_info_t found;
    apr_status_t status;
    int tries;
    for (tries = 0; tries < LOOKS; tries++) {
        status = find_info(e, info, side, name);
        if (status != APR_SUCCESS || side[0] == '\0')
            return status;
        apr_snprintf(path, sizeof path, "bodies/%s", side);
        status = zm_path_info(&found, e->root, path);
        if (status == APR_SUCCESS)
            info->size = found.size;
        if (!APR_STATUS_IS_ENOENT(status))
            return status;
    }
    return ZM_E_CORRUPT;
}

/* What a name stands for; within a transaction. */
static apr_status_t look_up(zm_emulated_t *e, const char *name, uint64_t *id, int64_t *links,
                            char side[ZM_SIDE_SIZE])
{
    sqlite3_stmt *statement = zm_connection_statement(&e->writer, ZM_SQL_NAME_ID);
    apr_status_t status;
    if (statement != NULL)
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    status = zm_connection_row(&e->writer, statement);
    if (status == APR_SUCCESS) {
        const char *text = (const char *)sqlite3_column_text(statement, 2);
        *id = (uint64_t)sqlite3_column_int64(statement, 0);
        *links = sqlite3_column_int64(statement, 1);
        apr_cpystrn(side, text != NULL ? text : "", ZM_SIDE_SIZE);
        sqlite3_reset(statement);
    }
    return status;
}

static apr_status_t run_on_id(zm_emulated_t *e, zm_statement_t which, uint64_t id,
                              int64_t difference)
{
    sqlite3_stmt *statement = zm_connection_statement(&e->writer, which);
    if (statement != NULL) {
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
        if (which == ZM_SQL_ADD_LINK)
            sqlite3_bind_int64(statement, 2, difference);
    }
    return zm_connection_run(&e->writer, statement);
}

static apr_status_t run_on_text(zm_emulated_t *e, zm_statement_t which, const char *text)
{
    sqlite3_stmt *statement = zm_connection_statement(&e->writer, which);
    if (statement != NULL)
        sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
    return zm_connection_run(&e->writer, statement);
}

apr_status_t zm_emulated_move(zm_emulated_t *e, const char *from, const char *to)
{
    uint64_t id;
    int64_t links;
    char side[ZM_SIDE_SIZE];
    apr_status_t status = look_up(e, from, &id, &links, side);
    if (status == APR_SUCCESS)
        status = zm_emulated_add_name(e, to, id);
    return status != APR_SUCCESS ? status : run_on_text(e, ZM_SQL_DROP_NAME, from);
}

static apr_status_t rename_name(zm_engine_t *engine, const char *from, const char *to)
{
    zm_emulated_t *e = zm_emulated(engine);
    apr_status_t status = zm_emulated_begin(e);
    return status != APR_SUCCESS ? status : zm_emulated_finish(e, zm_emulated_move(e, from, to));
}

static apr_status_t link_name(zm_engine_t *engine, const char *from, const char *to)
{
    zm_emulated_t *e = zm_emulated(engine);
    uint64_t id;
    int64_t links;
    char side[ZM_SIDE_SIZE];
    apr_status_t status = zm_emulated_begin(e);
    if (status != APR_SUCCESS)
        return status;
    status = look_up(e, from, &id, &links, side);
    if (status == APR_SUCCESS)
        status = zm_emulated_add_name(e, to, id);
    if (status == APR_SUCCESS)
        status = run_on_id(e, ZM_SQL_ADD_LINK, id, 1);
    return zm_emulated_finish(e, status);
}

/* The file of a large body outlives its row until nobody has it open; `dead` remembers it. */
static apr_status_t drop_object(zm_emulated_t *e, uint64_t id, const char *side)
{
    apr_status_t status = run_on_id(e, ZM_SQL_DROP_OBJECT, id, 0);
    if (status != APR_SUCCESS)
        return status;
    return side[0] != '\0' ? run_on_text(e, ZM_SQL_ADD_DEAD, side) : APR_SUCCESS;
}

/* Within a transaction; *buried is the file that is to go after it, or "". */
static apr_status_t drop_name(zm_emulated_t *e, const char *name, char buried[ZM_SIDE_SIZE])
{
    uint64_t id;
    int64_t links;
    apr_status_t status = look_up(e, name, &id, &links, buried);
    if (status == APR_SUCCESS)
        status = run_on_text(e, ZM_SQL_DROP_NAME, name);
    if (status != APR_SUCCESS)
        return status;
    if (links <= 1)
        return drop_object(e, id, buried);
    buried[0] = '\0';
    return run_on_id(e, ZM_SQL_ADD_LINK, id, -1);
}

apr_status_t zm_emulated_unlink(zm_engine_t *engine, const char *name)
{
    zm_emulated_t *e = zm_emulated(engine);
    char buried[ZM_SIDE_SIZE] = "";
    apr_status_t status = zm_emulated_begin(e);
    if (status != APR_SUCCESS)
        return status;
    status = zm_emulated_finish(e, drop_name(e, name, buried));
    if (status == APR_SUCCESS && buried[0] != '\0')
        zm_side_bury(e);
    return status;
}

/* In one transaction. */
static apr_status_t unlink_pairs(zm_engine_t *engine, const char *const *names, int pairs)
{
    zm_emulated_t *e = zm_emulated(engine);
    bool bury = false;
    int i;
    apr_status_t status = zm_emulated_begin(e);
    if (status != APR_SUCCESS)
        return status;
    for (i = 0; i < 2 * pairs && status == APR_SUCCESS; i++) {
        char buried[ZM_SIDE_SIZE] = "";
        status = drop_name(e, names[i], buried);
        bury = bury || (status == APR_SUCCESS && buried[0] != '\0');
        if (APR_STATUS_IS_ENOENT(status))
            status = APR_SUCCESS;
    }
    status = zm_emulated_finish(e, status);
    if (status == APR_SUCCESS && bury)
        zm_side_bury(e);
    return status;
}

static apr_status_t sync_names(zm_engine_t *engine, const char *directory)
{
    zm_emulated_t *e = zm_emulated(engine);
    bool watched;
    apr_status_t status = zm_emulated_find_directory(e, zm_str(directory), &watched);
    return status != APR_SUCCESS ? status : zm_emulated_sync(e);
}

/* -- the engine --------------------------------------------------------------------------- */

static apr_status_t free_space(zm_engine_t *engine, uint64_t *bytes, uint64_t *objects)
{
    apr_status_t status = zm_fs_free_space(bytes, objects, zm_emulated(engine)->location);
    *objects = UINT64_MAX; /* objects are rows */
    return status;
}

static apr_status_t native_path(zm_engine_t *engine, const char **path, const char *name,
                                apr_pool_t *pool)
{
    (void)engine;
    (void)path;
    (void)name;
    (void)pool;
    return ZM_E_UNSUPPORTED;
}

static void close_emulated(zm_engine_t *engine)
{
    zm_emulated_t *e = zm_emulated(engine);
    if (e->lock != NULL)
        zm_emulated_stop_checkpoints(e);
    zm_connection_close(&e->reader);
    zm_connection_close(&e->writer);
    while (e->directories != NULL) {
        zm_emulated_directory_t *directory = e->directories;
        e->directories = directory->next;
        free(directory);
    }
    apr_pool_destroy(e->pool); /* closes the files */
}

/* Everybody who may use the spool must be able to write all of its files: the group's. */
static apr_status_t make_file(zm_emulated_t *e, zm_file_t **file, const char *leaf, bool create)
{
    return zm_file_open(file, e->root, leaf,
                        ZM_OPEN_READ | ZM_OPEN_WRITE | (create ? ZM_OPEN_CREATE : 0), 0660,
                        e->pool);
}

/*
 * Made by us for its mode.  An existing one is not opened: closing it again would
 * drop the locks of another handle of this process (that is how POSIX locks are).
 */
static apr_status_t make_database(zm_emulated_t *e)
{
    zm_file_info_t info;
    zm_file_t *database;
    apr_status_t status = zm_path_info(&info, e->root, "spool.db");
    if (!APR_STATUS_IS_ENOENT(status))
        return status;
    status = zm_file_open(&database, e->root, "spool.db",
                          ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0660,
                          e->pool);
    if (APR_STATUS_IS_EEXIST(status))
        return APR_SUCCESS;
    return status != APR_SUCCESS ? status : zm_file_close(database);
}

static apr_status_t check_file(zm_emulated_t *e, const char *leaf, zm_error_t *error)
{
    zm_file_info_t info;
    apr_status_t status = zm_path_info(&info, e->root, leaf);
    if (APR_STATUS_IS_ENOENT(status))
        return APR_SUCCESS;
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot look at %s/%s", e->location, leaf);
    if (info.kind != ZM_FILE_REGULAR)
        return zm_error_set(error, ZM_E_UNSAFE,
                            "%s/%s is not a plain file, and nothing in a spool is followed: put "
                            "the file itself there",
                            e->location, leaf);
    if ((info.mode & 0002) != 0) /* mail, and who submitted it, could be forged */
        return zm_error_set(error, ZM_E_UNSAFE,
                            "%s/%s can be changed by everybody (mode %04o); chmod it to 0660",
                            e->location, leaf, info.mode);
    return APR_SUCCESS;
}

static void note_side(const char *side, void *baton)
{
    (void)side;
    *(bool *)baton = true;
}

/* A new database in the place of a lost one would give up the bodies that the lost one knew. */
static apr_status_t check_present(zm_emulated_t *e, bool create, zm_error_t *error)
{
    zm_file_info_t info = {0};
    bool used = false, tree;
    apr_status_t status = zm_path_info(&info, e->root, "spool.db");
    if (status == APR_SUCCESS && info.size > 0)
        return APR_SUCCESS;
    if (status != APR_SUCCESS && !APR_STATUS_IS_ENOENT(status))
        return zm_error_system(error, status, "cannot look at %s/spool.db", e->location);
    if (create && zm_path_info(&info, e->root, ".engine") != APR_SUCCESS) {
        (void)zm_side_each(e, note_side, &used, e->pool);
        if (!used)
            return APR_SUCCESS;
    }
    tree = zm_path_info(&info, e->root, ZM_DIR_QUEUE) == APR_SUCCESS;
    return zm_error_set(error, ZM_E_CORRUPT, "the spool database %s/spool.db is %s; %s",
                        e->location, status == APR_SUCCESS ? "empty" : "missing",
                        tree ? "the directories of a native spool stand there, so perhaps .engine "
                               "should say \"engine native\""
                             : "restore it from a backup, or make a new spool elsewhere");
}

static apr_status_t check_files(zm_emulated_t *e, bool create, zm_error_t *error)
{
    static const char *const files[] = {"spool.db",         "spool.db-wal", "spool.db-shm",
                                        "spool.db-journal", "turn",         "locks"};
    apr_size_t i;
    apr_status_t status = check_present(e, create, error);
    for (i = 0; i < sizeof files / sizeof files[0] && status == APR_SUCCESS; i++)
        status = check_file(e, files[i], error);
    return status;
}

/* SQLite maps a file of the database, and writes to it even for reading: a disk that is full must
 * have room for that.  Large bodies are written once, and may as well be copied. */
static apr_status_t make_files(zm_emulated_t *e)
{
    apr_status_t status = zm_side_make_directories(e, e->pool);
    if (status != APR_SUCCESS)
        return status;
    zm_dir_in_place(NULL, apr_pstrcat(e->pool, e->location, "/.", NULL));
    return make_database(e);
}

static apr_status_t open_files(zm_emulated_t *e, bool create)
{
    apr_status_t status = create ? make_files(e) : APR_SUCCESS;
    if (status == APR_SUCCESS)
        status = make_file(e, &e->turn, "turn", create);
    if (status == APR_SUCCESS)
        status = make_file(e, &e->locks, "locks", create);
    if (status == APR_SUCCESS && zm_emulated_make_marks(e) != APR_SUCCESS && create)
        status = zm_emulated_make_marks(e); /* an old spool may have none, and the disk be full */
    return status;
}

/* What no row names any more; what somebody has open stays until later. */
static apr_status_t tidy(zm_engine_t *engine, apr_pool_t *pool)
{
    zm_emulated_t *e = zm_emulated(engine);
    uint64_t kept = 0;
    apr_status_t status = zm_emulated_sync(e); /* of what is seen to be gone */
    if (status == APR_SUCCESS)
        status = zm_side_sweep_dead(e);
    if (status == APR_SUCCESS)
        status = zm_side_sweep_strays(e, &kept, pool);
    if (kept > 0)
        zm_log(ZM_LOG_WARNING, NULL,
               "files below bodies/ belong to no object; if spool.db is older than they are, they "
               "are mail: look with \"zmailer spool check\", park them with \"zmailer spool "
               "repair\"",
               ZM_F_S("spool", e->location), ZM_F_I("files", kept));
    return status;
}

static apr_status_t open_database(zm_emulated_t *e, bool create, zm_error_t *error)
{
    const char *path = zm_emulated_path(e, "spool.db", e->pool);
    bool wal;
    apr_status_t status = zm_connection_open(&e->writer, path, e->pool, error);
    if (status == APR_SUCCESS)
        status = zm_connection_set_up(&e->writer, path, create, &e->wal, error);
    if (status == APR_SUCCESS)
        status = zm_connection_open(&e->reader, path, e->pool, error);
    if (status == APR_SUCCESS)
        status = zm_connection_set_up(&e->reader, path, false, &wal, error);
    if (status == APR_SUCCESS && create && zm_emulated_make_layout(e) != APR_SUCCESS)
        status = zm_error_set(error, APR_EGENERAL, "cannot fill the spool database %s", path);
    return status;
}

/* All but the database, with what keeps threads apart. */
static apr_status_t open_place(zm_emulated_t *e, bool create, zm_error_t *error)
{
    apr_status_t status = create ? zm_dir_make_all(e->location, 02750, e->pool) : APR_SUCCESS;
    bool told = false;
    if (status == APR_SUCCESS)
        status =
            zm_dir_handle(&e->root, NULL, apr_pstrcat(e->pool, e->location, "/.", NULL), e->pool);
    if (status == APR_SUCCESS)
        told = (status = check_files(e, create, error)) != APR_SUCCESS;
    if (status == APR_SUCCESS)
        status = open_files(e, create);
    if (status == APR_SUCCESS)
        status = apr_thread_mutex_create(&e->lock, APR_THREAD_MUTEX_DEFAULT, e->pool);
    if (status == APR_SUCCESS)
        status = apr_thread_cond_create(&e->unlocked, e->pool);
    if (status != APR_SUCCESS && !told)
        zm_error_system(error, status, "cannot open the spool %s", e->location);
    return status;
}

static apr_status_t open_emulated(zm_engine_t **engine, const char *location,
                                  const zm_spool_options_t *options, apr_pool_t *parent,
                                  zm_error_t *error)
{
    zm_emulated_t *e;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, parent);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot open the spool %s", location);
    e = apr_pcalloc(pool, sizeof *e);
    e->pool = pool;
    e->location = apr_pstrdup(pool, location);
    status = open_place(e, options->create, error);
    if (status == APR_SUCCESS)
        status = open_database(e, options->create, error);
    if (status == APR_SUCCESS)
        status = zm_emulated_start_checkpoints(e);
    *engine = (zm_engine_t *)e;
    if (status != APR_SUCCESS)
        close_emulated(*engine);
    return status;
}

const zm_engine_ops_t zm_engine_emulated = {
    .name = "emulated",
    .groups_at_once = 2, /* one adds rows while the log is synced for the other */
    .groups_staggered = 8,
    .open = open_emulated,
    .close = close_emulated,
    .free_space = free_space,
    .native_path = native_path,
    .create = zm_emulated_create,
    .write = zm_emulated_object_write,
    .truncate = zm_emulated_truncate,
    .discard = zm_emulated_discard,
    .commit_group = zm_emulated_commit_group,
    .open_object = zm_emulated_open_object,
    .adopt = zm_emulated_adopt,
    .close_object = zm_emulated_close_object,
    .info = zm_emulated_info,
    .names_unchanged = zm_emulated_names_unchanged,
    .read = zm_emulated_read,
    .overwrite = zm_emulated_overwrite,
    .append = zm_emulated_append,
    .lock = zm_emulated_lock,
    .unlock = zm_emulated_unlock,
    .locked = zm_emulated_locked,
    .lock_whole = zm_emulated_lock_whole,
    .holds = zm_emulated_holds,
    .set_owner = zm_emulated_set_owner,
    .set_mode = zm_emulated_set_mode,
    .make_directory = zm_emulated_make_directory,
    .name_info = name_info,
    .rename = rename_name,
    .link = link_name,
    .unlink = zm_emulated_unlink,
    .unlink_pairs = unlink_pairs,
    .sync_names = sync_names,
    .list = zm_emulated_list,
    .list_next = zm_emulated_list_next,
    .list_close = zm_emulated_list_close,
    .watch = zm_emulated_watch,
    .watch_close = zm_emulated_watch_close,
    .tidy = tidy,
    .directories = zm_emulated_directories,
    .check = zm_emulated_check,
    .import = zm_emulated_import,
    .settle = zm_emulated_settle,
};
