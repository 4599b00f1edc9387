/*
 * How SQLite reads the files of maps: through platform/fs.h, as files that never
 * change.
 *
 * Databases are replaced by renames and not written to, so readers need no locks
 * and look for no journals, which saves several system calls a lookup; and the
 * file is open in a way that lets others rename and delete it, which SQLite's own
 * opening on Windows does not.
 */
#include "mta/map/sqlite_vfs.h"

#include <apr_pools.h>
#include <sqlite3.h>
#include <string.h>

#include "platform/fs.h"

#define NAME "zmailer-map"
#define LONGEST_PATH 4096

typedef struct reader_t {
    sqlite3_file base; /* first: SQLite knows no more of it */
    zm_file_t *file;
    apr_pool_t *pool;
} reader_t;

/* -- the file --------------------------------------------------------------------------------- */

static int reader_close(sqlite3_file *base)
{
    reader_t *reader = (reader_t *)(void *)base;
    zm_file_close(reader->file);
    apr_pool_destroy(reader->pool);
    return SQLITE_OK;
}

static int reader_read(sqlite3_file *base, void *buffer, int amount, sqlite3_int64 offset)
{
    reader_t *reader = (reader_t *)(void *)base;
    apr_size_t length = (apr_size_t)amount;
    apr_status_t status = zm_file_read_at(reader->file, (uint64_t)offset, buffer, &length);
    if (APR_STATUS_IS_EOF(status))
        length = 0;
    else if (status != APR_SUCCESS)
        return SQLITE_IOERR_READ;
    if (length == (apr_size_t)amount)
        return SQLITE_OK;
    memset((char *)buffer + length, 0, (apr_size_t)amount - length); /* it wants this */
    return SQLITE_IOERR_SHORT_READ;
}

static int reader_size(sqlite3_file *base, sqlite3_int64 *size)
{
    reader_t *reader = (reader_t *)(void *)base;
    zm_file_info_t info;
    if (zm_file_info(&info, reader->file) != APR_SUCCESS)
        return SQLITE_IOERR_FSTAT;
    *size = (sqlite3_int64)info.size;
    return SQLITE_OK;
}

static int no_write(sqlite3_file *base, const void *data, int amount, sqlite3_int64 offset)
{
    (void)base;
    (void)data;
    (void)amount;
    (void)offset;
    return SQLITE_READONLY;
}

static int no_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    (void)base;
    (void)size;
    return SQLITE_READONLY;
}

static int nothing(sqlite3_file *base, int what)
{
    (void)base;
    (void)what;
    return SQLITE_OK;
}

static int not_reserved(sqlite3_file *base, int *reserved)
{
    (void)base;
    *reserved = 0;
    return SQLITE_OK;
}

static int no_control(sqlite3_file *base, int operation, void *argument)
{
    (void)base;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int sector_size(sqlite3_file *base)
{
    (void)base;
    return 4096;
}

static int characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_IMMUTABLE;
}

static const sqlite3_io_methods reading = {.iVersion = 1,
                                           .xClose = reader_close,
                                           .xRead = reader_read,
                                           .xWrite = no_write,
                                           .xTruncate = no_truncate,
                                           .xSync = nothing,
                                           .xFileSize = reader_size,
                                           .xLock = nothing,
                                           .xUnlock = nothing,
                                           .xCheckReservedLock = not_reserved,
                                           .xFileControl = no_control,
                                           .xSectorSize = sector_size,
                                           .xDeviceCharacteristics = characteristics};

/* -- the files -------------------------------------------------------------------------------- */

static int open_file(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags,
                     int *out_flags)
{
    reader_t *reader = (reader_t *)(void *)base;
    (void)vfs;
    base->pMethods = NULL; /* not to be closed */
    if (path == NULL || !(flags & SQLITE_OPEN_MAIN_DB) ||
        apr_pool_create_unmanaged_ex(&reader->pool, NULL, NULL) != APR_SUCCESS) /* may end last */
        return SQLITE_CANTOPEN;
    if (zm_file_open(&reader->file, NULL, path, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, reader->pool) !=
        APR_SUCCESS) {
        apr_pool_destroy(reader->pool);
        return SQLITE_CANTOPEN;
    }
    base->pMethods = &reading;
    if (out_flags != NULL)
        *out_flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB;
    return SQLITE_OK;
}

static int no_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    (void)vfs;
    (void)path;
    (void)sync;
    return SQLITE_READONLY;
}

/* There are no journals beside these files. */
static int no_access(sqlite3_vfs *vfs, const char *path, int flags, int *result)
{
    (void)vfs;
    (void)path;
    (void)flags;
    *result = 0;
    return SQLITE_OK;
}

static int full_path(sqlite3_vfs *vfs, const char *path, int size, char *full)
{
    apr_size_t length = strlen(path);
    (void)vfs;
    if (length >= (apr_size_t)size)
        return SQLITE_CANTOPEN;
    memcpy(full, path, length + 1);
    return SQLITE_OK;
}

static sqlite3_vfs *system_vfs; /* what has nothing to do with files */

static int randomness(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    return system_vfs->xRandomness(system_vfs, size, out);
}

static int pause_for(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return system_vfs->xSleep(system_vfs, microseconds);
}

static int current_time(sqlite3_vfs *vfs, double *now)
{
    (void)vfs;
    return system_vfs->xCurrentTime(system_vfs, now);
}

static int last_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    (void)size;
    (void)out;
    return 0;
}

const char *zm_map_sqlite_vfs(void)
{
    static sqlite3_vfs vfs = {.iVersion = 1,
                              .szOsFile = sizeof(reader_t),
                              .mxPathname = LONGEST_PATH,
                              .zName = NAME,
                              .xOpen = open_file,
                              .xDelete = no_delete,
                              .xAccess = no_access,
                              .xFullPathname = full_path,
                              .xRandomness = randomness,
                              .xSleep = pause_for,
                              .xCurrentTime = current_time,
                              .xGetLastError = last_error};
    if (sqlite3_vfs_find(NAME) != NULL)
        return NAME;
    system_vfs = sqlite3_vfs_find(NULL);
    return system_vfs != NULL && sqlite3_vfs_register(&vfs, 0) == SQLITE_OK ? NAME : NULL;
}
