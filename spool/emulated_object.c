#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "spool/emulated.h"

#define SIDE_TRIES 1000 /* files that a crash may have left in a row */

/* -- handles ---------------------------------------------------------------------- */

static apr_status_t new_object(zm_emulated_object_t **result, zm_emulated_t *e)
{
    zm_emulated_object_t *object = calloc(1, sizeof *object);
    if (object == NULL)
        return APR_ENOMEM;
    object->engine = e;
    *result = object;
    return APR_SUCCESS;
}

static apr_status_t need_pool(zm_emulated_object_t *object)
{
    return object->pool != NULL ? APR_SUCCESS
                                : apr_pool_create_unmanaged_ex(&object->pool, NULL, NULL);
}

void zm_emulated_object_free(zm_emulated_object_t *object, bool remove)
{
    char side[ZM_SIDE_SIZE];
    zm_emulated_t *e = object->engine;
    memcpy(side, object->side, sizeof side);
    zm_emulated_drop_locks(object);
    zm_buf_free(&object->body);
    if (object->pool != NULL)
        apr_pool_destroy(object->pool); /* closes the files, and ends their leases */
    free(object);
    if (remove && side[0] != '\0')
        zm_side_remove(e, side);
}

/* -- making ------------------------------------------------------------------------- */

static apr_status_t number(zm_emulated_object_t *object)
{
    return object->info.id != 0 ? APR_SUCCESS
                                : zm_emulated_take_id(object->engine, &object->info.id);
}

static void touch(zm_emulated_object_t *object)
{
    apr_time_t now = zm_clock_wall();
    object->info.mtime_s = object->info.ctime_s = apr_time_sec(now);
    object->info.mtime_ns = (uint32_t)apr_time_usec(now) * 1000;
}

apr_status_t zm_emulated_make(zm_emulated_object_t **result, zm_emulated_t *e,
                              const zm_create_options_t *options)
{
    zm_emulated_object_t *object;
    zm_credentials_t own = zm_identity_own();
    apr_status_t status = new_object(&object, e);
    if (status != APR_SUCCESS)
        return status;
    object->being_made = true;
    object->info.mode = options->mode != 0 ? options->mode : 0600;
    object->info.uid = options->uid != ZM_UID_NONE ? options->uid : own.uid;
    object->info.gid = options->gid != ZM_UID_NONE ? options->gid : own.gid;
    touch(object);
    *result = object;
    return APR_SUCCESS;
}

/* The first byte waits until all others are there (emulated_body.c). */
static apr_status_t write_side(zm_emulated_object_t *object, uint64_t offset, const char *data,
                               apr_size_t length)
{
    if (length == 0)
        return APR_SUCCESS;
    if (offset > 0)
        return zm_file_write_at(object->file, offset, data, length);
    object->first = data[0];
    return length == 1 ? zm_file_write_at(object->file, 0, "", 1)
                       : zm_file_write_at(object->file, 1, data + 1, length - 1);
}

apr_status_t zm_emulated_complete(zm_emulated_object_t *object, bool durable)
{
    apr_status_t status = APR_SUCCESS;
    if (object->info.size > 0)
        status = zm_file_write_at(object->file, 0, &object->first, 1);
    if (status == APR_SUCCESS && durable)
        status = zm_side_sync(object->engine, object->file, object->side, object->failures);
    return status;
}

/* A crash may have left a file whose number is given again: the file then has another's. */
static apr_status_t make_side(zm_emulated_object_t *object)
{
    uint64_t id = object->info.id;
    int tries;
    apr_status_t status = zm_side_create(&object->file, object->engine, object->side, id,
                                         &object->failures, object->pool);
    for (tries = 0; APR_STATUS_IS_EEXIST(status) && tries < SIDE_TRIES; tries++) {
        status = zm_emulated_take_id(object->engine, &id);
        if (status == APR_SUCCESS)
            status = zm_side_create(&object->file, object->engine, object->side, id,
                                    &object->failures, object->pool);
    }
    return status;
}

/* What has become too large for a row goes into a file. */
static apr_status_t spill(zm_emulated_object_t *object)
{
    apr_status_t status = number(object);
    if (status == APR_SUCCESS)
        status = need_pool(object);
    if (status == APR_SUCCESS)
        status = make_side(object);
    if (status != APR_SUCCESS) {
        object->file = NULL;
        object->side[0] = '\0';
        return status;
    }
    status = write_side(object, 0, object->body.data, object->body.length);
    zm_buf_free(&object->body);
    return status;
}

apr_status_t zm_emulated_object_add(zm_emulated_object_t *object, const void *data,
                                    apr_size_t length)
{
    apr_status_t status = APR_SUCCESS;
    touch(object);
    if (object->file == NULL && object->info.size + length > ZM_EMULATED_INLINE_LIMIT)
        status = spill(object);
    if (status == APR_SUCCESS) {
        if (object->file != NULL)
            status = write_side(object, object->info.size, data, length);
        else
            zm_buf_add(&object->body, data, length);
    }
    if (status == APR_SUCCESS)
        object->info.size += length;
    return status;
}

apr_status_t zm_emulated_create(zm_engine_t *engine, zm_engine_object_t **object,
                                const zm_create_options_t *options)
{
    return zm_emulated_make((zm_emulated_object_t **)object, zm_emulated(engine), options);
}

apr_status_t zm_emulated_object_write(zm_engine_object_t *object, const void *data,
                                      apr_size_t length)
{
    return zm_emulated_object_add(zm_emulated_object(object), data, length);
}

apr_status_t zm_emulated_truncate(zm_engine_object_t *handle, uint64_t length)
{
    zm_emulated_object_t *object = zm_emulated_object(handle);
    apr_status_t status = APR_SUCCESS;
    if (object->file != NULL)
        status = zm_file_truncate(object->file, length);
    else
        object->body.length = (apr_size_t)length;
    if (status == APR_SUCCESS)
        object->info.size = length;
    return status;
}

void zm_emulated_discard(zm_engine_object_t *object)
{
    zm_emulated_object_free(zm_emulated_object(object), true);
}

/* -- opening --------------------------------------------------------------------------- */

static void keep_body(zm_emulated_object_t *object, sqlite3_stmt *statement, int column)
{
    apr_size_t length = (apr_size_t)sqlite3_column_bytes(statement, column);
    zm_buf_clear(&object->body);
    zm_buf_add(&object->body, sqlite3_column_blob(statement, column), length);
    object->info.size = length;
}

/*
 * What was read is current as long as nothing was committed since, by any process, which the log's
 * index says without a lock: who opens, asks and reads pays for one look.  Under the reader's lock.
 */
static void remember(zm_emulated_object_t *object, const zm_emulated_stamp_t *before)
{
    object->stamped = before->valid;
    object->stamp = *before;
}

static bool is_latest(zm_emulated_object_t *object)
{
    zm_emulated_stamp_t now;
    if (!object->stamped)
        return false;
    zm_emulated_vfs_stamp(object->engine->reader.db, &now);
    object->stamped = now.valid && memcmp(now.header, object->stamp.header, sizeof now.header) == 0;
    return object->stamped;
}

static bool is_current(zm_emulated_object_t *object)
{
    return object->steady || is_latest(object);
}

bool zm_emulated_names_unchanged(zm_engine_object_t *handle)
{
    zm_emulated_object_t *object = zm_emulated_object(handle);
    bool unchanged;
    if (!object->steady) /* its stamp may be younger */
        return false;
    apr_thread_mutex_lock(object->engine->reader.lock);
    unchanged = is_latest(object);
    apr_thread_mutex_unlock(object->engine->reader.lock);
    return unchanged;
}

static apr_status_t find(zm_emulated_object_t *object, const char *name)
{
    zm_connection_t *reader = &object->engine->reader;
    zm_emulated_stamp_t stamp;
    sqlite3_stmt *statement;
    apr_status_t status;
    apr_thread_mutex_lock(reader->lock);
    zm_emulated_vfs_stamp(reader->db, &stamp);
    statement = zm_connection_statement(reader, ZM_SQL_FIND);
    if (statement != NULL)
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    status = zm_connection_row(reader, statement);
    if (status == APR_SUCCESS) {
        const char *side = (const char *)sqlite3_column_text(statement, ZM_COLUMN_SIDE);
        zm_connection_columns(&object->info, statement);
        apr_cpystrn(object->side, side != NULL ? side : "", sizeof object->side);
        if (side == NULL)
            keep_body(object, statement, ZM_COLUMN_BODY);
        else /* of a row that an earlier version wrote: 0 */
            object->info.size = (uint64_t)sqlite3_column_int64(statement, ZM_COLUMN_BODY);
        sqlite3_reset(statement);
        remember(object, &stamp);
    }
    apr_thread_mutex_unlock(reader->lock);
    return status;
}

/* The file of a large body, which must be at least as long as it was published. */
static apr_status_t open_side(zm_emulated_object_t *object, bool update)
{
    zm_file_info_t found;
    apr_status_t status = need_pool(object);
    if (status == APR_SUCCESS)
        status = zm_side_open(&object->file, object->engine, object->side, update, object->pool);
    if (status != APR_SUCCESS) {
        object->file = NULL;
        return status;
    }
    status = zm_file_info(&found, object->file);
    if (status == APR_SUCCESS && found.size < object->info.size)
        status = ZM_E_CORRUPT;
    if (status == APR_SUCCESS)
        object->info.size = found.size;
    return status;
}

apr_status_t zm_emulated_open_object(zm_engine_t *engine, zm_engine_object_t **result,
                                     const char *name, int how)
{
    zm_emulated_object_t *object;
    int tries = 0;
    apr_status_t status = new_object(&object, zm_emulated(engine));
    if (status != APR_SUCCESS)
        return status;
    do {
        status = find(object, name);
        if (status == APR_SUCCESS && object->side[0] != '\0') {
            status = open_side(object, (how & ZM_OBJECT_UPDATE) != 0);
            if (!APR_STATUS_IS_ENOENT(status))
                break;
            status = ZM_E_CORRUPT; /* unless it was removed between the two looks */
        }
    } while (status == ZM_E_CORRUPT && ++tries < 3);
    object->steady = (how & ZM_OBJECT_STEADY) != 0;
    if (status == APR_SUCCESS)
        *result = (zm_engine_object_t *)object;
    else
        zm_emulated_object_free(object, false);
    return status;
}

apr_status_t zm_emulated_adopt(zm_engine_t *engine, zm_engine_object_t **object, int descriptor)
{
    (void)engine;
    (void)object;
    (void)descriptor;
    return ZM_E_UNSUPPORTED;
}

void zm_emulated_close_object(zm_engine_object_t *object)
{
    zm_emulated_object_free(zm_emulated_object(object), false);
}

/* -- using ------------------------------------------------------------------------------- */

/* Columns as they are now; as they were, once the object has no name any more. */
static apr_status_t refresh(zm_emulated_object_t *object)
{
    zm_connection_t *reader = &object->engine->reader;
    uint64_t size = object->info.size;
    sqlite3_stmt *statement;
    apr_status_t status;
    apr_thread_mutex_lock(reader->lock);
    if (is_current(object)) {
        apr_thread_mutex_unlock(reader->lock);
        return APR_SUCCESS;
    }
    statement = zm_connection_statement(reader, ZM_SQL_INFO);
    if (statement != NULL)
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)object->info.id);
    status = zm_connection_row(reader, statement);
    if (status == APR_SUCCESS) {
        zm_connection_columns(&object->info, statement);
        sqlite3_reset(statement);
    } else if (APR_STATUS_IS_ENOENT(status)) {
        object->info.links = 0;
        status = APR_SUCCESS;
    }
    apr_thread_mutex_unlock(reader->lock);
    if (object->file != NULL || object->info.links == 0)
        object->info.size = size;
    return status;
}

apr_status_t zm_emulated_info(zm_engine_object_t *handle, zm_object_info_t *info)
{
    zm_emulated_object_t *object = zm_emulated_object(handle);
    apr_status_t status = object->being_made ? number(object) : refresh(object);
    if (status == APR_SUCCESS && object->file != NULL && !object->being_made) {
        zm_file_info_t found;
        status = zm_file_info(&found, object->file);
        object->info.size = found.size;
    }
    *info = object->info;
    if (object->being_made)
        info->links = 1; /* as a scratch name would count */
    return status;
}

/* Somebody may have changed the body in place; without a row it is what it was last. */
static apr_status_t read_again(zm_emulated_object_t *object)
{
    zm_connection_t *reader = &object->engine->reader;
    zm_emulated_stamp_t stamp;
    sqlite3_stmt *statement;
    apr_status_t status;
    apr_thread_mutex_lock(reader->lock);
    if (is_current(object)) {
        apr_thread_mutex_unlock(reader->lock);
        return APR_SUCCESS;
    }
    zm_emulated_vfs_stamp(reader->db, &stamp);
    statement = zm_connection_statement(reader, ZM_SQL_READ_BODY);
    if (statement != NULL)
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)object->info.id);
    status = zm_connection_row(reader, statement);
    if (status == APR_SUCCESS) {
        zm_connection_columns(&object->info, statement);
        keep_body(object, statement, ZM_COLUMN_BODY);
        sqlite3_reset(statement);
        remember(object, &stamp);
    }
    apr_thread_mutex_unlock(reader->lock);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

apr_status_t zm_emulated_read(zm_engine_object_t *handle, uint64_t offset, void *buffer,
                              apr_size_t *length)
{
    zm_emulated_object_t *object = zm_emulated_object(handle);
    apr_size_t left;
    apr_status_t status;
    if (object->file != NULL) {
        status = zm_file_read_at(object->file, offset, buffer, length);
        if (status == APR_SUCCESS && object->being_made && offset == 0 && *length > 0)
            *(char *)buffer = object->first;
        return status;
    }
    status = object->being_made ? APR_SUCCESS : read_again(object);
    if (status != APR_SUCCESS)
        return status;
    left = offset < object->body.length ? object->body.length - (apr_size_t)offset : 0;
    if (*length > left)
        *length = left;
    if (*length > 0)
        memcpy(buffer, object->body.data + offset, *length);
    return left > 0 ? APR_SUCCESS : APR_EOF;
}

#define BLOB_FROM 8192 /* from this size on it pays to write only the pages that change */

static apr_status_t overwrite_part(zm_emulated_object_t *object, uint64_t offset, const void *data,
                                   apr_size_t length)
{
    zm_connection_t *writer = &object->engine->writer;
    sqlite3_blob *blob = NULL;
    bool within = true;
    int closed, code = sqlite3_blob_open(writer->db, "main", "objects", "body",
                                         (sqlite3_int64)object->info.id, 1, &blob);
    if (code == SQLITE_OK) {
        within = zm_engine_within((uint64_t)sqlite3_blob_bytes(blob), offset, length);
        if (within)
            code = sqlite3_blob_write(blob, data, (int)length, (int)offset);
    }
    closed = sqlite3_blob_close(blob);
    if (code == SQLITE_OK)
        code = closed;
    if (code == SQLITE_ERROR)
        return ZM_E_GONE; /* no such row any more */
    return within ? zm_connection_failure(writer, code) : APR_EINVAL;
}

static apr_status_t overwrite_row(zm_emulated_object_t *object, uint64_t offset, const void *data,
                                  apr_size_t length)
{
    zm_connection_t *writer = &object->engine->writer;
    sqlite3_stmt *statement = zm_connection_statement(writer, ZM_SQL_OVERWRITE);
    apr_status_t status;
    if (statement != NULL) {
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)object->info.id);
        sqlite3_bind_int64(statement, 2, (sqlite3_int64)offset);
        sqlite3_bind_blob64(statement, 3, data, length, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 4, (sqlite3_int64)length);
    }
    status = zm_connection_run(writer, statement);
    if (status != APR_SUCCESS || sqlite3_changes(writer->db) > 0)
        return status;
    statement = zm_connection_statement(writer, ZM_SQL_INFO);
    if (statement != NULL)
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)object->info.id);
    status = zm_connection_row(writer, statement);
    if (status != APR_SUCCESS)
        return APR_STATUS_IS_ENOENT(status) ? ZM_E_GONE : status;
    sqlite3_reset(statement);
    return APR_EINVAL;
}

static apr_status_t overwrite_file(zm_emulated_object_t *object, uint64_t offset, const void *data,
                                   apr_size_t length)
{
    zm_file_info_t info;
    apr_status_t status = zm_file_info(&info, object->file);
    if (status != APR_SUCCESS)
        return status;
    if (!zm_engine_within(info.size, offset, length))
        return APR_EINVAL;
    return object->being_made ? write_side(object, offset, data, length)
                              : zm_file_write_at(object->file, offset, data, length);
}

apr_status_t zm_emulated_overwrite(zm_engine_object_t *handle, uint64_t offset, const void *data,
                                   apr_size_t length)
{
    zm_emulated_object_t *object = zm_emulated_object(handle);
    apr_status_t status;
    if (object->file != NULL)
        return overwrite_file(object, offset, data, length);
    if (object->being_made) {
        if (!zm_engine_within(object->body.length, offset, length))
            return APR_EINVAL;
        memcpy(object->body.data + offset, data, length);
        return APR_SUCCESS;
    }
    if (offset > INT32_MAX || length > INT32_MAX) /* no row has so much */
        return APR_EINVAL;
    status = zm_emulated_begin(object->engine);
    if (status != APR_SUCCESS)
        return status;
    return zm_emulated_finish(object->engine, object->info.size >= BLOB_FROM
                                                  ? overwrite_part(object, offset, data, length)
                                                  : overwrite_row(object, offset, data, length));
}

static apr_status_t append_to_side(zm_emulated_object_t *object, const void *data,
                                   apr_size_t length, bool durable)
{
    char path[ZM_SIDE_SIZE + 8];
    apr_status_t status = APR_SUCCESS;
    if (object->appending == NULL) {
        apr_snprintf(path, sizeof path, "bodies/%s", object->side);
        status = zm_file_open(&object->appending, object->engine->root, path,
                              ZM_OPEN_WRITE | ZM_OPEN_APPEND, 0, object->pool);
    }
    if (status != APR_SUCCESS) {
        object->appending = NULL;
        return APR_STATUS_IS_ENOENT(status) ? ZM_E_GONE : status;
    }
    status = zm_file_append(object->appending, data, length);
    if (status == APR_SUCCESS && durable)
        status = zm_file_sync(object->appending);
    return status;
}

apr_status_t zm_emulated_append(zm_engine_object_t *handle, const void *data, apr_size_t length,
                                bool durable)
{
    zm_emulated_object_t *object = zm_emulated_object(handle);
    zm_emulated_t *e = object->engine;
    sqlite3_stmt *statement;
    apr_status_t status;
    if (object->file != NULL)
        return append_to_side(object, data, length, durable);
    status = zm_emulated_begin(e);
    if (status != APR_SUCCESS)
        return status;
    statement = zm_connection_statement(&e->writer, ZM_SQL_APPEND);
    if (statement != NULL) {
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)object->info.id);
        sqlite3_bind_blob64(statement, 2, data, length, SQLITE_STATIC);
    }
    status = zm_connection_run(&e->writer, statement);
    if (status == APR_SUCCESS && sqlite3_changes(e->writer.db) == 0)
        status = ZM_E_GONE;
    status = zm_emulated_finish(e, status);
    return status == APR_SUCCESS && durable ? zm_emulated_sync(e) : status;
}

static apr_status_t set_columns(zm_emulated_object_t *object, zm_statement_t which, int64_t one,
                                int64_t two)
{
    zm_emulated_t *e = object->engine;
    sqlite3_stmt *statement;
    int column = 2;
    apr_status_t status = zm_emulated_begin(e);
    if (status != APR_SUCCESS)
        return status;
    statement = zm_connection_statement(&e->writer, which);
    if (statement != NULL) {
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)object->info.id);
        sqlite3_bind_int64(statement, column++, one);
        if (which == ZM_SQL_SET_OWNER)
            sqlite3_bind_int64(statement, column++, two);
        sqlite3_bind_int64(statement, column, apr_time_sec(zm_clock_wall()));
    }
    return zm_emulated_finish(e, zm_connection_run(&e->writer, statement));
}

apr_status_t zm_emulated_set_owner(zm_engine_object_t *handle, zm_uid_t uid, zm_uid_t gid)
{
    zm_emulated_object_t *object = zm_emulated_object(handle);
    if (uid != ZM_UID_NONE)
        object->info.uid = uid;
    if (gid != ZM_UID_NONE)
        object->info.gid = gid;
    return object->being_made
               ? APR_SUCCESS
               : set_columns(object, ZM_SQL_SET_OWNER, object->info.uid, object->info.gid);
}

apr_status_t zm_emulated_set_mode(zm_engine_object_t *handle, uint32_t mode)
{
    zm_emulated_object_t *object = zm_emulated_object(handle);
    object->info.mode = mode;
    return object->being_made ? APR_SUCCESS : set_columns(object, ZM_SQL_SET_MODE, mode, 0);
}
