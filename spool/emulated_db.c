#include <apr_strings.h>
#include <string.h>

#include "spool/emulated.h"
#include "spool/emulated_vfs.h"

#define APPLICATION_ID 0x5a4d5350 /* "ZMSP" */
#define FORMAT 1
#define FIRST_ID 100000
#define BUSY_PATIENCE 10000 /* milliseconds; only checkpoints and openings meet */

/* -- the tables -------------------------------------------------------------------- */

/*
 * The body is the last column, so that the others are read without it; a row of
 * a large body names its file in `side`.  Numbers come from `next`, in blocks,
 * and are never used twice.  `arrivals` tells watchers of new names in the
 * directories that are watched; only the latest are kept.
 */
static const char schema[] =
    "CREATE TABLE next(id INTEGER NOT NULL);"
    "CREATE TABLE objects(id INTEGER PRIMARY KEY, mtime INTEGER NOT NULL, mtime_ns INTEGER NOT "
    "NULL,"
    " ctime INTEGER NOT NULL, links INTEGER NOT NULL, mode INTEGER NOT NULL, uid INTEGER NOT NULL,"
    " gid INTEGER NOT NULL, side TEXT, body BLOB);"
    "CREATE UNIQUE INDEX objects_side ON objects(side) WHERE side IS NOT NULL;"
    "CREATE TABLE directories(name TEXT PRIMARY KEY, watched INTEGER NOT NULL DEFAULT 0) WITHOUT "
    "ROWID;"
    "CREATE TABLE names(name TEXT PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE arrivals(seq INTEGER PRIMARY KEY, name TEXT NOT NULL);"
    "CREATE TABLE dead(side TEXT PRIMARY KEY) WITHOUT ROWID;";

#define COLUMNS                                                                                    \
    "o.id, length(o.body), o.mtime, o.mtime_ns, o.ctime, o.links, o.mode, o.uid, o.gid, o.side"

static const char *const sql[ZM_SQL_COUNT] = {
    [ZM_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [ZM_SQL_COMMIT] = "COMMIT",
    [ZM_SQL_ROLLBACK] = "ROLLBACK",
    [ZM_SQL_TAKE_IDS] = "UPDATE next SET id = id + ?1",
    [ZM_SQL_NEXT_ID] = "SELECT id FROM next",
    [ZM_SQL_ADD_OBJECT] =
        "INSERT INTO objects(id, mtime, mtime_ns, ctime, links, mode, uid, gid, side, body)"
        " VALUES(?1, ?2, ?3, ?2, 1, ?4, ?5, ?6, ?7, ?8)",
    [ZM_SQL_ADD_NAME] = "INSERT INTO names(name, id) VALUES(?1, ?2)",
    [ZM_SQL_ADD_ARRIVAL] = "INSERT INTO arrivals(name) VALUES(?1)",
    [ZM_SQL_TRIM_ARRIVALS] =
        "DELETE FROM arrivals WHERE seq < (SELECT max(seq) FROM arrivals) - ?1",
    [ZM_SQL_FIND] =
        "SELECT " COLUMNS ", o.body FROM names n JOIN objects o ON o.id = n.id WHERE n.name = ?1",
    [ZM_SQL_FIND_INFO] =
        "SELECT " COLUMNS " FROM names n JOIN objects o ON o.id = n.id WHERE n.name = ?1",
    [ZM_SQL_INFO] = "SELECT " COLUMNS " FROM objects o WHERE o.id = ?1",
    [ZM_SQL_NAME_ID] =
        "SELECT o.id, o.links, o.side FROM names n JOIN objects o ON o.id = n.id WHERE n.name = ?1",
    [ZM_SQL_DROP_NAME] = "DELETE FROM names WHERE name = ?1",
    [ZM_SQL_ADD_LINK] = "UPDATE objects SET links = links + ?2 WHERE id = ?1",
    [ZM_SQL_DROP_OBJECT] = "DELETE FROM objects WHERE id = ?1",
    [ZM_SQL_READ_BODY] = "SELECT " COLUMNS ", o.body FROM objects o WHERE o.id = ?1",
    [ZM_SQL_APPEND] = "UPDATE objects SET body = CAST(body || ?2 AS BLOB) WHERE id = ?1",
    [ZM_SQL_OVERWRITE] = "UPDATE objects SET body = CAST(substr(body, 1, ?2) || ?3 ||"
                         " substr(body, ?2 + ?4 + 1) AS BLOB)"
                         " WHERE id = ?1 AND ?2 + ?4 <= length(body)",
    [ZM_SQL_SET_OWNER] = "UPDATE objects SET uid = ?2, gid = ?3, ctime = ?4 WHERE id = ?1",
    [ZM_SQL_SET_MODE] = "UPDATE objects SET mode = ?2, ctime = ?3 WHERE id = ?1",
    [ZM_SQL_LIST] = "SELECT name FROM names WHERE name > ?1 AND name < ?2 ORDER BY name LIMIT ?3",
    [ZM_SQL_LAST_ARRIVAL] = "SELECT max(seq) FROM arrivals",
    [ZM_SQL_ARRIVALS] = "SELECT seq, name FROM arrivals WHERE seq > ?1 ORDER BY seq LIMIT 500",
    [ZM_SQL_DATA_VERSION] = "PRAGMA data_version",
    [ZM_SQL_ADD_DEAD] = "INSERT OR IGNORE INTO dead(side) VALUES(?1)",
    [ZM_SQL_DROP_DEAD] = "DELETE FROM dead WHERE side = ?1",
    [ZM_SQL_DEAD] = "SELECT side FROM dead WHERE side > ?1 ORDER BY side LIMIT 1",
    [ZM_SQL_SIDE_USED] = "SELECT 1 FROM objects WHERE side = ?1",
    [ZM_SQL_SIDE_DEAD] = "SELECT 1 FROM dead WHERE side = ?1",
    [ZM_SQL_ADD_DIRECTORY] = "INSERT OR IGNORE INTO directories(name) VALUES(?1)",
    [ZM_SQL_WATCH_DIRECTORY] = "UPDATE directories SET watched = 1 WHERE name = ?1",
    [ZM_SQL_DIRECTORIES] = "SELECT name, watched FROM directories",
    [ZM_SQL_RESERVE_ID] = "UPDATE next SET id = max(id, ?1 + 1)",
    [ZM_SQL_INTEGRITY] = "PRAGMA integrity_check(100)",
    [ZM_SQL_LOST_NAMES] = "SELECT name FROM names WHERE name > ?1 AND"
                          " id NOT IN (SELECT id FROM objects) ORDER BY name LIMIT 1",
    [ZM_SQL_LOST_OBJECTS] = "SELECT id FROM objects WHERE id > ?1 AND"
                            " id NOT IN (SELECT id FROM names) ORDER BY id LIMIT 1",
    [ZM_SQL_MISCOUNTED] = "SELECT o.id, o.links, count(*), min(n.name) FROM names n JOIN objects o"
                          " ON o.id = n.id WHERE o.id > ?1 GROUP BY o.id"
                          " HAVING o.links <> count(*) ORDER BY o.id LIMIT 1",
    [ZM_SQL_LARGE] = "SELECT o.id, o.side, o.body, (SELECT min(name) FROM names WHERE id = o.id)"
                     " FROM objects o WHERE o.side > ?1 ORDER BY o.side LIMIT 1",
};

/* -- errors ------------------------------------------------------------------------- */

/* SQLite notes it for most failures, but not for that of a commit. */
static int system_error(zm_connection_t *connection, int code)
{
    int system = sqlite3_system_errno(connection->db);
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    if (system == 0 && (code & 0xff) == SQLITE_IOERR && vfs != NULL && vfs->xGetLastError != NULL)
        system = vfs->xGetLastError(vfs, 0, NULL);
    return system;
}

apr_status_t zm_connection_failure(zm_connection_t *connection, int code)
{
    int system = system_error(connection, code);
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return APR_SUCCESS;
    case SQLITE_FULL:
        return APR_ENOSPC;
    case SQLITE_NOMEM:
        return APR_ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ZM_E_BUSY;
    case SQLITE_CONSTRAINT:
        return APR_EEXIST;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ZM_E_CORRUPT;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return APR_EACCES;
    default:
        return system != 0 ? APR_FROM_OS_ERROR(system) : APR_EGENERAL;
    }
}

static apr_status_t tell_failure(zm_connection_t *connection, int code, const char *path,
                                 zm_error_t *error)
{
    int system = system_error(connection, code);
    apr_status_t status = zm_connection_failure(connection, code);
    char reason[120];
    if (status == APR_SUCCESS)
        return APR_SUCCESS;
    if (((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN) &&
        system != 0) /* a full disk has no code of its own here */
        return zm_error_set(error, APR_FROM_OS_ERROR(system),
                            "the spool database %s cannot be used: %s (%s)", path,
                            sqlite3_errmsg(connection->db),
                            zm_status_text(APR_FROM_OS_ERROR(system), reason, sizeof reason));
    return zm_error_set(error, status, "the spool database %s cannot be used: %s%s", path,
                        sqlite3_errmsg(connection->db),
                        (code & 0xff) == SQLITE_NOTADB ? "; restore it from a backup"
                        : status == ZM_E_CORRUPT
                            ? "; save what is left with \"zmailer spool convert\""
                            : "");
}

/* -- statements ----------------------------------------------------------------------- */

sqlite3_stmt *zm_connection_statement(zm_connection_t *connection, zm_statement_t which)
{
    sqlite3_stmt **statement = &connection->statements[which];
    if (*statement == NULL &&
        sqlite3_prepare_v3(connection->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, statement,
                           NULL) != SQLITE_OK)
        *statement = NULL;
    return *statement;
}

apr_status_t zm_connection_row(zm_connection_t *connection, sqlite3_stmt *statement)
{
    int code;
    apr_status_t status;
    if (statement == NULL)
        return zm_connection_failure(connection, sqlite3_errcode(connection->db));
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        return APR_SUCCESS;
    status = code == SQLITE_DONE ? APR_ENOENT : zm_connection_failure(connection, code);
    sqlite3_reset(statement);
    return status;
}

apr_status_t zm_connection_run(zm_connection_t *connection, sqlite3_stmt *statement)
{
    apr_status_t status = zm_connection_row(connection, statement);
    if (status == APR_SUCCESS)
        sqlite3_reset(statement);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

void zm_connection_columns(zm_object_info_t *info, sqlite3_stmt *statement)
{
    *info =
        (zm_object_info_t){.id = (uint64_t)sqlite3_column_int64(statement, ZM_COLUMN_ID),
                           .size = (uint64_t)sqlite3_column_int64(statement, ZM_COLUMN_SIZE),
                           .mtime_s = sqlite3_column_int64(statement, ZM_COLUMN_MTIME),
                           .mtime_ns = (uint32_t)sqlite3_column_int(statement, ZM_COLUMN_MTIME_NS),
                           .ctime_s = sqlite3_column_int64(statement, ZM_COLUMN_CTIME),
                           .links = (uint32_t)sqlite3_column_int64(statement, ZM_COLUMN_LINKS),
                           .mode = (uint32_t)sqlite3_column_int64(statement, ZM_COLUMN_MODE),
                           .uid = sqlite3_column_int64(statement, ZM_COLUMN_UID),
                           .gid = sqlite3_column_int64(statement, ZM_COLUMN_GID)};
}

/* -- connections ------------------------------------------------------------------------ */

apr_status_t zm_connection_open(zm_connection_t *connection, const char *path, apr_pool_t *pool,
                                zm_error_t *error)
{
    apr_status_t status =
        apr_thread_mutex_create(&connection->lock, APR_THREAD_MUTEX_DEFAULT, pool);
    int code;
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot open the spool database %s", path);
    code = sqlite3_open_v2(path, &connection->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                           zm_emulated_vfs());
    if (code == SQLITE_OK) {
        sqlite3_extended_result_codes(connection->db, 1);
        sqlite3_busy_timeout(connection->db, BUSY_PATIENCE);
        /* A program that opens the spool for a moment shall not pay for everybody's log. */
        sqlite3_db_config(connection->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        code = sqlite3_exec(
            connection->db,
            "PRAGMA cache_size=-2048; PRAGMA temp_store=MEMORY; PRAGMA secure_delete=OFF;", NULL,
            NULL, NULL);
    }
    return tell_failure(connection, code, path, error);
}

void zm_connection_close(zm_connection_t *connection)
{
    int i;
    for (i = 0; i < ZM_SQL_COUNT; i++)
        sqlite3_finalize(connection->statements[i]);
    if (connection->db != NULL)
        sqlite3_close(connection->db);
    connection->db = NULL;
}

static int number_of(sqlite3 *db, const char *pragma, int64_t *number)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, pragma, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *number = sqlite3_column_int64(statement, 0);
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return code;
}

static int set_journal(sqlite3 *db, bool *wal)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, "PRAGMA journal_mode=WAL", -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    *wal = code == SQLITE_ROW &&
           sqlite3_stricmp((const char *)sqlite3_column_text(statement, 0), "wal") == 0;
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW)
        return code;
    /*
     * With the write-ahead log a commit is not synced by SQLite: we do that
     * outside of the transaction (emulated_write.c).  Its order in the log is safe.
     */
    return sqlite3_exec(db,
                        *wal ? "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0"
                             : "PRAGMA synchronous=FULL",
                        NULL, NULL, NULL);
}

static int make_tables(sqlite3 *db)
{
    char *text =
        sqlite3_mprintf("BEGIN EXCLUSIVE; %s INSERT INTO next VALUES(%d); PRAGMA application_id=%d;"
                        " PRAGMA user_version=%d; COMMIT",
                        schema, FIRST_ID, APPLICATION_ID, FORMAT);
    int code = text == NULL ? SQLITE_NOMEM : sqlite3_exec(db, text, NULL, NULL, NULL);
    sqlite3_free(text);
    if (code != SQLITE_OK)
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

apr_status_t zm_connection_set_up(zm_connection_t *connection, const char *path, bool create,
                                  bool *wal, zm_error_t *error)
{
    sqlite3 *db = connection->db;
    int64_t application = 0, format = 0;
    int code = set_journal(db, wal);
    if (code == SQLITE_OK)
        code = number_of(db, "PRAGMA application_id", &application);
    if (code == SQLITE_OK && application == 0 && create) {
        code = make_tables(db);
        if (code != SQLITE_OK &&
            number_of(db, "PRAGMA application_id", &application) == SQLITE_OK &&
            application == APPLICATION_ID)
            code = SQLITE_OK; /* another process made them at the same moment */
        application = APPLICATION_ID;
    }
    if (code == SQLITE_OK)
        code = number_of(db, "PRAGMA user_version", &format);
    if (code != SQLITE_OK)
        return tell_failure(connection, code, path, error);
    if (application != APPLICATION_ID)
        return zm_error_set(error, ZM_E_CORRUPT,
                            "%s is not a spool database; restore it from a backup", path);
    if (format > FORMAT)
        return zm_error_set(
            error, ZM_E_UNSUPPORTED,
            "the spool database %s was made by a newer version (format %d, known is %d); use "
            "that version, or a spool of its own for this one",
            path, (int)format, FORMAT);
    return APR_SUCCESS;
}
