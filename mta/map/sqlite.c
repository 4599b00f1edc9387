/* sqlite: a table of keys and values in an SQLite file. Readers never write to it; it is replaced
 * by a rename. */
#include <apr_strings.h>
#include <sqlite3.h>
#include <string.h>

#include "mta/map/types.h"

typedef struct sqlite_t {
    const char *path;
    sqlite3 *database;
    sqlite3_stmt *find, *put, *drop;
    bool writable;
    zm_file_info_t seen;
} sqlite_t;

static apr_status_t fail(const sqlite_t *sqlite, zm_error_t *error)
{
    int code = sqlite3_errcode(sqlite->database);
    apr_status_t status =
        code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? ZM_E_CORRUPT : ZM_E_TEMPORARY;
    return zm_error_set(error, status, "%s: %s", sqlite->path, sqlite3_errmsg(sqlite->database));
}

static void sqlite_close(void *state)
{
    sqlite_t *sqlite = state;
    sqlite3_finalize(sqlite->find);
    sqlite3_finalize(sqlite->put);
    sqlite3_finalize(sqlite->drop);
    sqlite3_close(sqlite->database);
}

static apr_status_t open_database(sqlite_t *sqlite, int flags, zm_error_t *error)
{
    if (sqlite3_open_v2(sqlite->path, &sqlite->database, flags | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK) {
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

/* Opened for reading; an empty or absent file, which only a compiler of ours asks for, for writing
 * when something is added. */
static apr_status_t sqlite_open(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                                zm_error_t *error)
{
    sqlite_t *sqlite = apr_pcalloc(pool, sizeof *sqlite);
    apr_status_t status;
    sqlite->path = successor(options->file, pool);
    *state = sqlite;
    status = zm_map_file_look(sqlite->path, &sqlite->seen);
    if (APR_STATUS_IS_ENOENT(status) || (status == APR_SUCCESS && sqlite->seen.size == 0))
        return APR_SUCCESS;
    if ((status = open_database(sqlite, SQLITE_OPEN_READONLY, error)) != APR_SUCCESS)
        return status;
    if (sqlite3_prepare_v2(sqlite->database, "SELECT value FROM map WHERE key = ?1", -1,
                           &sqlite->find, NULL) != SQLITE_OK) {
        status = fail(sqlite, error);
        sqlite_close(sqlite);
    }
    return status;
}

static apr_status_t make_writable(sqlite_t *sqlite, zm_error_t *error)
{
    static const char schema[] =
        "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; PRAGMA cache_size = -65536;"
        "CREATE TABLE IF NOT EXISTS map (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID";
    apr_status_t status;
    if (sqlite->writable)
        return APR_SUCCESS;
    sqlite3_finalize(sqlite->find);
    sqlite->find = NULL;
    sqlite3_close(sqlite->database);
    sqlite->database = NULL;
    if ((status = open_database(sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error)) !=
        APR_SUCCESS)
        return status;
    if (sqlite3_exec(sqlite->database, schema, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(sqlite->database, "SELECT value FROM map WHERE key = ?1", -1,
                           &sqlite->find, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(sqlite->database, "INSERT OR REPLACE INTO map VALUES (?1, ?2)", -1,
                           &sqlite->put, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(sqlite->database, "DELETE FROM map WHERE key = ?1", -1, &sqlite->drop,
                           NULL) != SQLITE_OK)
        return fail(sqlite, error);
    sqlite->writable = true;
    (void)zm_map_file_look(sqlite->path, &sqlite->seen);
    return APR_SUCCESS;
}

static void bind_blob(sqlite3_stmt *statement, int column, zm_str_t value)
{
    sqlite3_bind_blob64(statement, column, value.length > 0 ? value.data : "", value.length,
                        SQLITE_STATIC);
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
    if (step == SQLITE_ROW) {
        answer->value =
            zm_str_copy(pool, zm_str_of(sqlite3_column_blob(sqlite->find, 0),
                                        (apr_size_t)sqlite3_column_bytes(sqlite->find, 0)));
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

static apr_status_t sqlite_add(void *state, zm_str_t key, zm_str_t value, zm_error_t *error)
{
    sqlite_t *sqlite = state;
    apr_status_t status = make_writable(sqlite, error);
    if (status != APR_SUCCESS)
        return status;
    bind_blob(sqlite->put, 1, key);
    bind_blob(sqlite->put, 2, value);
    return run(sqlite, sqlite->put, error);
}

static apr_status_t sqlite_remove(void *state, zm_str_t key, zm_error_t *error)
{
    sqlite_t *sqlite = state;
    apr_status_t status = make_writable(sqlite, error);
    if (status != APR_SUCCESS)
        return status;
    bind_blob(sqlite->drop, 1, key);
    status = run(sqlite, sqlite->drop, error);
    return status == APR_SUCCESS && sqlite3_changes(sqlite->database) == 0 ? APR_ENOENT : status;
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

/* An empty one, too, has a place: text files tell lines by values without. */
static zm_str_t column(sqlite3_stmt *statement, int number)
{
    const char *data = sqlite3_column_blob(statement, number);
    return zm_str_of(data != NULL ? data : "", (apr_size_t)sqlite3_column_bytes(statement, number));
}

static apr_status_t sqlite_each(void *state, zm_map_each_fn *fn, void *baton, zm_error_t *error)
{
    sqlite_t *sqlite = state;
    sqlite3_stmt *statement;
    int step;
    if (sqlite->database == NULL)
        return zm_error_set(error, APR_ENOENT, "there is no %s", sqlite->path);
    if (sqlite3_prepare_v2(sqlite->database, "SELECT key, value FROM map ORDER BY key", -1,
                           &statement, NULL) != SQLITE_OK)
        return fail(sqlite, error);
    while ((step = sqlite3_step(statement)) == SQLITE_ROW)
        if (!fn(baton, column(statement, 0), column(statement, 1)))
            break;
    sqlite3_finalize(statement);
    return step == SQLITE_ROW || step == SQLITE_DONE ? APR_SUCCESS : fail(sqlite, error);
}

static apr_status_t execute(sqlite_t *sqlite, const char *command, zm_error_t *error)
{
    apr_status_t status = make_writable(sqlite, error);
    if (status == APR_SUCCESS &&
        sqlite3_exec(sqlite->database, command, NULL, NULL, NULL) != SQLITE_OK)
        status = fail(sqlite, error);
    return status;
}

static apr_status_t sqlite_begin(void *state, zm_error_t *error)
{
    return execute(state, "BEGIN", error);
}

static apr_status_t sqlite_commit(void *state, zm_error_t *error)
{
    return execute(state, "COMMIT", error);
}

const zm_map_type_t zm_map_sqlite = {
    .name = "sqlite",
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
