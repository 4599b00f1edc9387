#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "spool/emulated.h"

/*
 * Directories are rows, of which there are few, so a process keeps them all and
 * reads them again when it meets a name that it does not know, or a second has
 * passed: a watch that another process has begun is obeyed by then.  Hash
 * directories are parts of names; nothing has to be made for them.
 */

#define READ_AGAIN apr_time_from_sec(1)

/* -- the list; under e->lock --------------------------------------------------------- */

static zm_emulated_directory_t *find(zm_emulated_t *e, zm_str_t name)
{
    zm_emulated_directory_t *directory = e->directories;
    while (directory != NULL && !zm_str_equal_c(name, directory->name))
        directory = directory->next;
    return directory;
}

static apr_status_t remember(zm_emulated_t *e, zm_str_t name, bool watched)
{
    zm_emulated_directory_t *directory = find(e, name);
    if (directory == NULL) {
        if (name.length >= sizeof directory->name)
            return ZM_E_CORRUPT;
        directory = calloc(1, sizeof *directory);
        if (directory == NULL)
            return APR_ENOMEM;
        memcpy(directory->name, name.data, name.length);
        directory->next = e->directories;
        e->directories = directory;
    }
    directory->watched = watched;
    return APR_SUCCESS;
}

static apr_status_t read_all(zm_emulated_t *e)
{
    sqlite3_stmt *statement;
    apr_status_t status;
    apr_thread_mutex_lock(e->reader.lock);
    statement = zm_connection_statement(&e->reader, ZM_SQL_DIRECTORIES);
    while ((status = zm_connection_row(&e->reader, statement)) == APR_SUCCESS) {
        zm_str_t name = zm_str_of((const char *)sqlite3_column_text(statement, 0),
                                  (apr_size_t)sqlite3_column_bytes(statement, 0));
        status = remember(e, name, sqlite3_column_int(statement, 1) != 0);
        if (status != APR_SUCCESS) {
            sqlite3_reset(statement);
            break;
        }
    }
    apr_thread_mutex_unlock(e->reader.lock);
    e->directories_read = zm_clock_monotonic();
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

/* -- what others ask -------------------------------------------------------------------- */

apr_status_t zm_emulated_find_directory(zm_emulated_t *e, zm_str_t path, bool *watched)
{
    zm_emulated_directory_t *directory;
    zm_str_t top, rest;
    apr_status_t status = APR_SUCCESS;
    zm_str_cut(path, '/', &top, &rest);
    apr_thread_mutex_lock(e->lock);
    directory = find(e, top);
    if (directory == NULL || zm_clock_monotonic() - e->directories_read > READ_AGAIN) {
        status = read_all(e);
        directory = find(e, top);
    }
    if (status == APR_SUCCESS && directory == NULL)
        status = APR_ENOENT;
    *watched = directory != NULL && directory->watched;
    apr_thread_mutex_unlock(e->lock);
    return status;
}

/* Runs a statement on one name in a transaction of its own, and forgets what was read. */
static apr_status_t change(zm_emulated_t *e, zm_statement_t which, zm_str_t name)
{
    sqlite3_stmt *statement;
    apr_status_t status = zm_emulated_begin(e);
    if (status != APR_SUCCESS)
        return status;
    statement = zm_connection_statement(&e->writer, which);
    if (statement != NULL)
        sqlite3_bind_text(statement, 1, name.data, (int)name.length, SQLITE_TRANSIENT);
    status = zm_emulated_finish(e, zm_connection_run(&e->writer, statement));
    if (status == APR_SUCCESS) {
        apr_thread_mutex_lock(e->lock);
        status = read_all(e);
        apr_thread_mutex_unlock(e->lock);
    }
    return status;
}

apr_status_t zm_emulated_make_directory(zm_engine_t *engine, const char *directory, uint32_t mode)
{
    zm_emulated_t *e = zm_emulated(engine);
    bool watched;
    apr_status_t status = zm_emulated_find_directory(e, zm_str(directory), &watched);
    (void)mode;
    if (status == APR_SUCCESS || strchr(directory, '/') != NULL)
        return status == APR_SUCCESS ? APR_EEXIST : status;
    status = change(e, ZM_SQL_ADD_DIRECTORY, zm_str(directory));
    return status != APR_SUCCESS ? status : zm_emulated_sync(e);
}

apr_status_t zm_emulated_watch_directory(zm_emulated_t *e, zm_str_t directory)
{
    bool watched;
    apr_status_t status = zm_emulated_find_directory(e, directory, &watched);
    return status != APR_SUCCESS || watched ? status : change(e, ZM_SQL_WATCH_DIRECTORY, directory);
}

apr_status_t zm_emulated_make_layout(zm_emulated_t *e)
{
    const zm_layout_directory_t *entry;
    bool watched;
    apr_status_t status = APR_SUCCESS;
    for (entry = zm_layout_directories; status == APR_SUCCESS && entry->name != NULL; entry++)
        if (APR_STATUS_IS_ENOENT(zm_emulated_find_directory(e, zm_str(entry->name), &watched)))
            status = change(e, ZM_SQL_ADD_DIRECTORY, zm_str(entry->name));
    return status != APR_SUCCESS ? status : zm_emulated_sync(e);
}
