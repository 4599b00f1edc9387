/*
 * sqlite: a table of keys and values in an SQLite file.
 *
 * A file with a name never changes: it is read without locks (sqlite_vfs.h), and
 * replaced by a rename.  Adding or removing a single entry therefore makes a
 * changed copy and puts it into place; who does so holds a lock on the file that
 * is replaced, so that two do not forget each other's change.  Only between
 * begin and commit a file is written in place: a new one that nobody else reads.
 *
 * Long values stand in a table of their own, by number: among the keys each search that comes
 * by would have to read them.
 */
#include <apr_strings.h>
#include <sqlite3.h>
#include <string.h>

#include "mta/map/sqlite_vfs.h"
#include "mta/map/types.h"
#include "platform/child.h"

#define LONG_ENTRY 900 /* bytes; those of more than a quarter of a page are split */

typedef struct sqlite_t {
    const char *path;
    sqlite3 *database;
    sqlite3_stmt *find, *put, *drop;
    sqlite3_stmt *find_long, *put_long, *drop_long;
    bool writable;
    bool any_long; /* being written, and there may be long values */
    zm_file_info_t seen;
    apr_pool_t *pool;
} sqlite_t;

static apr_status_t fail(const sqlite_t *sqlite, zm_error_t *error)
{
    int code = sqlite3_errcode(sqlite->database);
    apr_status_t status =
        code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? ZM_E_CORRUPT : ZM_E_TEMPORARY;
    return zm_error_set(error, status, "%s: %s", sqlite->path, sqlite3_errmsg(sqlite->database));
}

static void close_database(sqlite_t *sqlite)
{
    sqlite3_finalize(sqlite->find);
    sqlite3_finalize(sqlite->put);
    sqlite3_finalize(sqlite->drop);
    sqlite3_finalize(sqlite->find_long);
    sqlite3_finalize(sqlite->put_long);
    sqlite3_finalize(sqlite->drop_long);
    sqlite3_close(sqlite->database);
    sqlite->find = sqlite->put = sqlite->drop = NULL;
    sqlite->find_long = sqlite->put_long = sqlite->drop_long = NULL;
    sqlite->database = NULL;
    sqlite->writable = false;
}

static void sqlite_close(void *state)
{
    close_database(state);
}

static apr_status_t open_database(sqlite_t *sqlite, const char *path, int flags, zm_error_t *error)
{
    const char *vfs = flags == SQLITE_OPEN_READONLY ? zm_map_sqlite_vfs() : NULL;
    if (sqlite3_open_v2(path, &sqlite->database, flags | SQLITE_OPEN_NOMUTEX, vfs) != SQLITE_OK) {
        apr_status_t status =
            zm_error_set(error, ZM_E_TEMPORARY, "cannot open %s: %s", sqlite->path,
                         sqlite->database ? sqlite3_errmsg(sqlite->database) : "out of memory");
        sqlite3_close(sqlite->database);
        sqlite->database = NULL;
        return status;
    }
    sqlite3_busy_timeout(sqlite->database, 2000);
    return APR_SUCCESS;
}

/*
 * A configuration of old may name the file of another library (aliases.db, or
 * aliases alone): where its SQLite successor stands beside it, that is meant.
 */
static const char *successor(const char *path, apr_pool_t *pool)
{
    static const char *const suffixes[] = {".gdbm", ".dbh", ".db", ".pag", ".dir", ".dat"};
    apr_size_t length = strlen(path), i;
    zm_file_info_t info;
    const char *found;
    for (i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        apr_size_t suffix = strlen(suffixes[i]);
        if (length > suffix && strcmp(path + length - suffix, suffixes[i]) == 0)
            length -= suffix;
    }
    found = apr_pstrcat(pool, apr_pstrndup(pool, path, length), ".sqlite", NULL);
    return zm_map_file_look(found, &info) == APR_SUCCESS ? found : path;
}

static apr_status_t open_for_reading(sqlite_t *sqlite, zm_error_t *error)
{
    apr_status_t status = zm_map_file_look(sqlite->path, &sqlite->seen);
    if (APR_STATUS_IS_ENOENT(status) || (status == APR_SUCCESS && sqlite->seen.size == 0))
        return APR_SUCCESS; /* nothing can be found in it */
    status = open_database(sqlite, sqlite->path, SQLITE_OPEN_READONLY, error);
    if (status == APR_SUCCESS &&
        sqlite3_prepare_v2(sqlite->database, "SELECT value FROM map WHERE key = ?1", -1,
                           &sqlite->find, NULL) != SQLITE_OK) {
        status = fail(sqlite, error);
        close_database(sqlite);
    }
    if (status == APR_SUCCESS) /* older files have none; then this fails */
        sqlite3_prepare_v2(sqlite->database, "SELECT value FROM long WHERE id = ?1", -1,
                           &sqlite->find_long, NULL);
    return status;
}

static apr_status_t sqlite_open(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                                zm_error_t *error)
{
    sqlite_t *sqlite = apr_pcalloc(pool, sizeof *sqlite);
    sqlite->path = successor(options->file, pool);
    sqlite->pool = pool;
    *state = sqlite;
    return open_for_reading(sqlite, error);
}

static bool has_long(sqlite_t *sqlite)
{
    sqlite3_stmt *statement = NULL;
    bool found;
    sqlite3_prepare_v2(sqlite->database, "SELECT 1 FROM long LIMIT 1", -1, &statement, NULL);
    found = statement != NULL && sqlite3_step(statement) == SQLITE_ROW;
    sqlite3_finalize(statement);
    return found;
}

static apr_status_t open_for_writing(sqlite_t *sqlite, const char *path, zm_error_t *error)
{
    static const char schema[] =
        "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; PRAGMA cache_size = -65536;"
        "CREATE TABLE IF NOT EXISTS map (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS long (id INTEGER PRIMARY KEY, value BLOB NOT NULL)";
    const struct {
        sqlite3_stmt **statement;
        const char *text;
    } statements[] = {
        {&sqlite->find, "SELECT value FROM map WHERE key = ?1"},
        {&sqlite->put, "INSERT OR REPLACE INTO map VALUES (?1, ?2)"},
        {&sqlite->drop, "DELETE FROM map WHERE key = ?1"},
        {&sqlite->find_long, "SELECT value FROM long WHERE id = ?1"},
        {&sqlite->put_long, "INSERT INTO long (value) VALUES (?1)"},
        {&sqlite->drop_long, "DELETE FROM long WHERE id IN (SELECT value FROM map "
                             "WHERE key = ?1 AND typeof(value) = 'integer')"},
    };
    apr_status_t status;
    apr_size_t i;
    if (sqlite->writable)
        return APR_SUCCESS;
    close_database(sqlite);
    status = open_database(sqlite, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error);
    if (status != APR_SUCCESS)
        return status;
    if (sqlite3_exec(sqlite->database, schema, NULL, NULL, NULL) != SQLITE_OK)
        return fail(sqlite, error);
    for (i = 0; i < sizeof statements / sizeof statements[0]; i++)
        if (sqlite3_prepare_v2(sqlite->database, statements[i].text, -1, statements[i].statement,
                               NULL) != SQLITE_OK)
            return fail(sqlite, error);
    sqlite->writable = true;
    sqlite->any_long = has_long(sqlite);
    return APR_SUCCESS;
}

static void bind_blob(sqlite3_stmt *statement, int column, zm_str_t value)
{
    sqlite3_bind_blob64(statement, column, value.length > 0 ? value.data : "", value.length,
                        SQLITE_STATIC);
}

/* An empty one, too, has a place: text files tell lines by values without. */
static zm_str_t column(sqlite3_stmt *statement, int number)
{
    const char *data = sqlite3_column_blob(statement, number);
    return zm_str_of(data != NULL ? data : "", (apr_size_t)sqlite3_column_bytes(statement, number));
}

/* The value that a search has found, or where it refers to. */
static bool take_value(sqlite_t *sqlite, zm_str_t *value, apr_pool_t *pool)
{
    bool found;
    if (sqlite3_column_type(sqlite->find, 0) != SQLITE_INTEGER) {
        *value = zm_str_copy(pool, column(sqlite->find, 0));
        return true;
    }
    if (sqlite->find_long == NULL)
        return false;
    sqlite3_bind_int64(sqlite->find_long, 1, sqlite3_column_int64(sqlite->find, 0));
    found = sqlite3_step(sqlite->find_long) == SQLITE_ROW;
    if (found)
        *value = zm_str_copy(pool, column(sqlite->find_long, 0));
    sqlite3_reset(sqlite->find_long);
    return found;
}

static zm_map_outcome_t sqlite_lookup(void *state, zm_str_t key, zm_map_answer_t *answer,
                                      apr_pool_t *pool)
{
    sqlite_t *sqlite = state;
    zm_map_outcome_t outcome = ZM_MAP_FAILED;
    int step;
    if (sqlite->find == NULL) {
        answer->reason = apr_pstrcat(pool, "IO:", sqlite->path, NULL);
        return ZM_MAP_FAILED;
    }
    bind_blob(sqlite->find, 1, key);
    step = sqlite3_step(sqlite->find);
    if (step == SQLITE_ROW && take_value(sqlite, &answer->value, pool)) {
        outcome = ZM_MAP_FOUND;
    } else if (step == SQLITE_DONE) {
        outcome = ZM_MAP_ABSENT;
    } else {
        answer->reason = apr_pstrcat(pool, "IO:", sqlite->path, NULL);
    }
    sqlite3_reset(sqlite->find);
    sqlite3_clear_bindings(sqlite->find);
    return outcome;
}

static bool sqlite_changed(void *state)
{
    const sqlite_t *sqlite = state;
    return !sqlite->writable && zm_map_file_changed(sqlite->path, &sqlite->seen);
}

static apr_status_t run(sqlite_t *sqlite, sqlite3_stmt *statement, zm_error_t *error)
{
    int step = sqlite3_step(statement);
    apr_status_t status = step == SQLITE_DONE ? APR_SUCCESS : fail(sqlite, error);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return status;
}

/* value.data null: removes. */
static apr_status_t put(sqlite_t *sqlite, zm_str_t key, zm_str_t value, zm_error_t *error)
{
    sqlite3_stmt *statement = value.data != NULL ? sqlite->put : sqlite->drop;
    apr_status_t status = APR_SUCCESS;
    if (sqlite->any_long) {
        bind_blob(sqlite->drop_long, 1, key);
        status = run(sqlite, sqlite->drop_long, error);
    }
    if (status == APR_SUCCESS && value.length > 0 && key.length + value.length > LONG_ENTRY) {
        sqlite->any_long = true;
        bind_blob(sqlite->put_long, 1, value);
        status = run(sqlite, sqlite->put_long, error);
        sqlite3_bind_int64(statement, 2, sqlite3_last_insert_rowid(sqlite->database));
    } else if (value.data != NULL) {
        bind_blob(statement, 2, value);
    }
    if (status != APR_SUCCESS)
        return status;
    bind_blob(statement, 1, key);
    status = run(sqlite, statement, error);
    return status == APR_SUCCESS && value.data == NULL && sqlite3_changes(sqlite->database) == 0
               ? APR_ENOENT
               : status;
}

/* -- changes of a file that others may read ------------------------------------------------- */

/* The file, locked, if it is there and still has its name; null: there is none. */
static apr_status_t lock_file(zm_file_t **file, const char *path, apr_pool_t *pool)
{
    zm_file_info_t named, opened;
    apr_status_t status;
    for (;;) {
        *file = NULL;
        status =
            zm_file_open(file, NULL, path, ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_FOLLOW, 0, pool);
        if (APR_STATUS_IS_ENOENT(status))
            return APR_SUCCESS;
        if (status != APR_SUCCESS)
            return status;
        status = zm_file_lock_whole(*file, true, true);
        if (status == APR_SUCCESS)
            status = zm_file_info(&opened, *file);
        if (status == APR_SUCCESS && zm_map_file_look(path, &named) == APR_SUCCESS &&
            named.id == opened.id && named.device == opened.device)
            return APR_SUCCESS;
        zm_file_close(*file); /* another has replaced it meanwhile */
        if (status != APR_SUCCESS)
            return status;
    }
}

/* old null: the copy is an empty file. */
static apr_status_t copy_file(zm_file_t *old, const char *path, apr_pool_t *pool)
{
    zm_file_info_t info = {.mode = 0644};
    char block[65536];
    zm_file_t *made;
    uint64_t offset = 0;
    apr_status_t status = old != NULL ? zm_file_info(&info, old) : APR_SUCCESS;
    (void)zm_file_unlink(NULL, path);
    if (status == APR_SUCCESS)
        status = zm_file_open(&made, NULL, path,
                              ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE,
                              0600, pool);
    if (status != APR_SUCCESS)
        return status;
    if (old != NULL && zm_identity_privileged())
        status = zm_file_set_owner(made, info.uid, info.gid);
    if (status == APR_SUCCESS)
        status = zm_file_set_mode(made, info.mode & 0777);
    while (status == APR_SUCCESS && old != NULL) {
        apr_size_t length = sizeof block;
        apr_status_t end = zm_file_read_at(old, offset, block, &length);
        if (APR_STATUS_IS_EOF(end))
            break;
        status = end == APR_SUCCESS ? zm_file_write_at(made, offset, block, length) : end;
        offset += length;
    }
    zm_file_close(made);
    return status;
}

static apr_status_t change_copy(sqlite_t *sqlite, const char *path, zm_str_t key, zm_str_t value,
                                zm_error_t *error)
{
    zm_file_t *old;
    apr_status_t status = lock_file(&old, sqlite->path, sqlite->pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot lock %s", sqlite->path);
    status = copy_file(old, path, sqlite->pool);
    if (status != APR_SUCCESS)
        zm_error_system(error, status, "cannot make %s", path);
    if (status == APR_SUCCESS)
        status = open_for_writing(sqlite, path, error);
    if (status == APR_SUCCESS)
        status = put(sqlite, key, value, error);
    close_database(sqlite);
    if (status == APR_SUCCESS) {
        status = zm_file_replace(NULL, path, NULL, sqlite->path);
        if (status != APR_SUCCESS)
            zm_error_system(error, status, "cannot replace %s", sqlite->path);
    }
    if (status != APR_SUCCESS)
        (void)zm_file_unlink(NULL, path);
    if (old != NULL)
        zm_file_close(old);
    return status;
}

static apr_status_t change(sqlite_t *sqlite, zm_str_t key, zm_str_t value, zm_error_t *error)
{
    apr_pool_t *pool;
    const char *path;
    apr_status_t status, reopened;
    if (sqlite->writable)
        return put(sqlite, key, value, error);
    if ((status = apr_pool_create(&pool, sqlite->pool)) != APR_SUCCESS)
        return status;
    path = apr_psprintf(pool, "%s.%" APR_INT64_T_FMT, sqlite->path, zm_process_own());
    status = change_copy(sqlite, path, key, value, error);
    apr_pool_destroy(pool);
    reopened = open_for_reading(sqlite, status == APR_SUCCESS ? error : NULL);
    return status != APR_SUCCESS ? status : reopened;
}

static apr_status_t sqlite_add(void *state, zm_str_t key, zm_str_t value, zm_error_t *error)
{
    if (value.data == NULL)
        value = ZM_S("");
    return change(state, key, value, error);
}

static apr_status_t sqlite_remove(void *state, zm_str_t key, zm_error_t *error)
{
    const zm_str_t none = {NULL, 0};
    return change(state, key, none, error);
}

static apr_status_t sqlite_count(void *state, uint64_t *count, zm_error_t *error)
{
    sqlite_t *sqlite = state;
    sqlite3_stmt *statement;
    *count = 0;
    if (sqlite->database == NULL)
        return zm_error_set(error, APR_ENOENT, "there is no %s", sqlite->path);
    if (sqlite3_prepare_v2(sqlite->database, "SELECT count(*) FROM map", -1, &statement, NULL) !=
        SQLITE_OK)
        return fail(sqlite, error);
    if (sqlite3_step(statement) == SQLITE_ROW)
        *count = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return APR_SUCCESS;
}

static apr_status_t sqlite_owner(void *state, zm_uid_t *owner, zm_error_t *error)
{
    return zm_map_file_owner(((const sqlite_t *)state)->path, owner, error);
}

static apr_status_t sqlite_each(void *state, zm_map_each_fn *fn, void *baton, zm_error_t *error)
{
    sqlite_t *sqlite = state;
    sqlite3_stmt *statement;
    int step;
    if (sqlite->database == NULL)
        return zm_error_set(error, APR_ENOENT, "there is no %s", sqlite->path);
    if (sqlite3_prepare_v2(sqlite->database,
                           sqlite->find_long == NULL
                               ? "SELECT key, value FROM map ORDER BY key"
                               : "SELECT key, CASE typeof(value) WHEN 'integer' "
                                 "THEN (SELECT long.value FROM long WHERE id = map.value) "
                                 "ELSE value END FROM map ORDER BY key",
                           -1, &statement, NULL) != SQLITE_OK)
        return fail(sqlite, error);
    while ((step = sqlite3_step(statement)) == SQLITE_ROW)
        if (!fn(baton, column(statement, 0), column(statement, 1)))
            break;
    sqlite3_finalize(statement);
    return step == SQLITE_ROW || step == SQLITE_DONE ? APR_SUCCESS : fail(sqlite, error);
}

static apr_status_t execute(sqlite_t *sqlite, const char *command, zm_error_t *error)
{
    if (sqlite3_exec(sqlite->database, command, NULL, NULL, NULL) != SQLITE_OK)
        return fail(sqlite, error);
    return APR_SUCCESS;
}

static apr_status_t sqlite_begin(void *state, zm_error_t *error)
{
    sqlite_t *sqlite = state;
    apr_status_t status = open_for_writing(sqlite, sqlite->path, error);
    return status == APR_SUCCESS ? execute(sqlite, "BEGIN", error) : status;
}

/* Afterwards it is a file like others. */
static apr_status_t sqlite_commit(void *state, zm_error_t *error)
{
    sqlite_t *sqlite = state;
    apr_status_t status = execute(sqlite, "COMMIT", error);
    if (status != APR_SUCCESS)
        return status;
    close_database(sqlite);
    return open_for_reading(sqlite, error);
}

const zm_map_type_t zm_map_sqlite = {
    .name = "sqlite",
    .reads_file = true,
    .check = zm_map_needs_file,
    .open = sqlite_open,
    .close = sqlite_close,
    .lookup = sqlite_lookup,
    .changed = sqlite_changed,
    .add = sqlite_add,
    .remove = sqlite_remove,
    .count = sqlite_count,
    .owner = sqlite_owner,
    .each = sqlite_each,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
};
