/*
 * SQLite's view of the mounted disk: what its own VFS for Unix does, over
 * disk.h.  The log's index is memory that ends with the last connection, as it
 * is rebuilt after a crash anyway.  Paths elsewhere go on to the system's VFS.
 */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "tests/crash/disk.h"

#define LOCKS SQLITE_SHM_NLOCK

typedef struct shared_t {
    int readers, connections;
    const void *reserved, *pending, *exclusive; /* who has it */
    void **regions;
    int region_count, region_size, maps;
    int shared_locks[LOCKS];
    const void *exclusive_locks[LOCKS];
} shared_t;

typedef struct file_t {
    sqlite3_file base;
    disk_t *disk;
    int inode, parent;
    bool sync_parent; /* with the first sync: the file is new, and belongs to a transaction */
    bool delete_on_close, mapped;
    int level;
    unsigned shm_shared;
    uint32_t told; /* errors of syncs */
    shared_t *shared;
    char leaf[DISK_NAME_LIMIT];
} file_t;

static file_t *file_of(sqlite3_file *file)
{
    return (file_t *)file;
}

/* -- contents ------------------------------------------------------------------------------- */

static int file_close(sqlite3_file *base)
{
    file_t *file = file_of(base);
    shared_t *shared = file->shared;
    if (--shared->connections == 0) {
        int i;
        for (i = 0; i < shared->region_count; i++)
            free(shared->regions[i]);
        free(shared->regions);
        free(shared);
        file->disk->inodes[file->inode]->shared = NULL;
    }
    file->disk->inodes[file->inode]->opens--;
    if (file->delete_on_close)
        disk_unlink(file->disk, file->parent, file->leaf, false);
    return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *data, int length, sqlite3_int64 offset)
{
    const file_t *file = file_of(base);
    const disk_inode_t *inode = file->disk->inodes[file->inode];
    uint64_t left = (uint64_t)offset < inode->size ? inode->size - (uint64_t)offset : 0;
    size_t got = left < (uint64_t)length ? (size_t)left : (size_t)length;
    if (got > 0)
        memcpy(data, inode->data + offset, got);
    if (got == (size_t)length)
        return SQLITE_OK;
    memset((char *)data + got, 0, (size_t)length - got);
    return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *data, int length, sqlite3_int64 offset)
{
    file_t *file = file_of(base);
    apr_status_t status =
        disk_write(file->disk, file->inode, (uint64_t)offset, data, (size_t)length);
    return status == APR_SUCCESS          ? SQLITE_OK
           : APR_STATUS_IS_ENOSPC(status) ? SQLITE_FULL
                                          : SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    file_t *file = file_of(base);
    disk_truncate(file->disk, file->inode, (uint64_t)size);
    return SQLITE_OK;
}

static int file_sync(sqlite3_file *base, int flags)
{
    file_t *file = file_of(base);
    (void)flags;
    if (disk_sync(file->disk, file->inode, &file->told) != APR_SUCCESS)
        return SQLITE_IOERR_FSYNC;
    if (file->sync_parent) {
        disk_sync_names(file->disk, file->parent); /* SQLite for Unix ignores a failure of it too */
        file->sync_parent = false;
    }
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
    *size = (sqlite3_int64)file_of(base)->disk->inodes[file_of(base)->inode]->size;
    return SQLITE_OK;
}

/* -- locks of the database ------------------------------------------------------------------ */

static int file_lock(sqlite3_file *base, int level)
{
    file_t *file = file_of(base);
    shared_t *shared = file->shared;
    if (level <= file->level)
        return SQLITE_OK;
    if (level == SQLITE_LOCK_SHARED) {
        if (shared->pending != NULL || shared->exclusive != NULL)
            return SQLITE_BUSY;
        shared->readers++;
    } else if (level == SQLITE_LOCK_RESERVED) {
        if (shared->reserved != NULL)
            return SQLITE_BUSY;
        shared->reserved = file;
    } else {
        if (shared->pending != NULL && shared->pending != file)
            return SQLITE_BUSY;
        shared->pending = file;
        if (level == SQLITE_LOCK_EXCLUSIVE) {
            if (shared->readers > 1) {
                file->level = SQLITE_LOCK_PENDING;
                return SQLITE_BUSY;
            }
            shared->exclusive = file;
        }
    }
    file->level = level;
    return SQLITE_OK;
}

static int file_unlock(sqlite3_file *base, int level)
{
    file_t *file = file_of(base);
    shared_t *shared = file->shared;
    if (level >= file->level)
        return SQLITE_OK;
    if (shared->exclusive == file)
        shared->exclusive = NULL;
    if (shared->pending == file)
        shared->pending = NULL;
    if (shared->reserved == file)
        shared->reserved = NULL;
    if (level == SQLITE_LOCK_NONE && file->level >= SQLITE_LOCK_SHARED)
        shared->readers--;
    file->level = level;
    return SQLITE_OK;
}

static int file_check_reserved(sqlite3_file *base, int *held)
{
    *held = file_of(base)->shared->reserved != NULL;
    return SQLITE_OK;
}

/* -- the log's index --------------------------------------------------------------------------- */

static int file_map(sqlite3_file *base, int region, int size, int extend, void volatile **memory)
{
    file_t *file = file_of(base);
    shared_t *shared = file->shared;
    *memory = NULL;
    if (!file->mapped) {
        file->mapped = true;
        shared->maps++;
    }
    if (region >= shared->region_count) {
        void **regions;
        if (!extend)
            return SQLITE_OK;
        regions = realloc(shared->regions, (size_t)(region + 1) * sizeof *regions);
        if (regions == NULL)
            return SQLITE_NOMEM;
        shared->regions = regions;
        while (shared->region_count <= region)
            shared->regions[shared->region_count++] = calloc(1, (size_t)size);
    }
    *memory = shared->regions[region];
    return SQLITE_OK;
}

static int file_map_lock(sqlite3_file *base, int offset, int count, int flags)
{
    file_t *file = file_of(base);
    shared_t *shared = file->shared;
    int i;
    for (i = offset; i < offset + count; i++) {
        bool mine = (file->shm_shared & 1u << i) != 0;
        if ((flags & SQLITE_SHM_LOCK) == 0)
            continue;
        if (shared->exclusive_locks[i] != NULL && shared->exclusive_locks[i] != file)
            return SQLITE_BUSY;
        if ((flags & SQLITE_SHM_EXCLUSIVE) != 0 && shared->shared_locks[i] > (mine ? 1 : 0))
            return SQLITE_BUSY;
    }
    for (i = offset; i < offset + count; i++) {
        unsigned bit = 1u << i;
        if ((flags & SQLITE_SHM_EXCLUSIVE) != 0) {
            shared->exclusive_locks[i] = (flags & SQLITE_SHM_LOCK) != 0 ? file : NULL;
        } else if ((flags & SQLITE_SHM_LOCK) != 0 && (file->shm_shared & bit) == 0) {
            file->shm_shared |= bit;
            shared->shared_locks[i]++;
        } else if ((flags & SQLITE_SHM_UNLOCK) != 0 && (file->shm_shared & bit) != 0) {
            file->shm_shared &= ~bit;
            shared->shared_locks[i]--;
        }
    }
    return SQLITE_OK;
}

static void file_barrier(sqlite3_file *base)
{
    (void)base;
}

static int file_unmap(sqlite3_file *base, int remove)
{
    file_t *file = file_of(base);
    shared_t *shared = file->shared;
    (void)remove;
    if (file->mapped && --shared->maps == 0) {
        while (shared->region_count > 0)
            free(shared->regions[--shared->region_count]);
    }
    file->mapped = false;
    return SQLITE_OK;
}

/* -- what it is like --------------------------------------------------------------------------- */

static int file_control(sqlite3_file *base, int operation, void *argument)
{
    (void)base;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *base)
{
    (void)base;
    return 4096;
}

static int file_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_map,
    .xShmLock = file_map_lock,
    .xShmBarrier = file_barrier,
    .xShmUnmap = file_unmap,
};

/* -- the table --------------------------------------------------------------------------------- */

static sqlite3_vfs *system_vfs;

static bool ours(const char *name, const char **rest)
{
    if (name == NULL || strncmp(name, DISK_ROOT "/", sizeof DISK_ROOT) != 0)
        return false;
    *rest = name + sizeof DISK_ROOT - 1;
    return true;
}

static int find_or_make(disk_t *disk, const char *rest, int flags, file_t *file)
{
    const char *leaf;
    apr_status_t status = disk_find(disk, 0, rest, &file->parent, &leaf, &file->inode);
    if (status != APR_SUCCESS || strlen(leaf) >= sizeof file->leaf ||
        disk_fails(disk, DISK_FAULT_OPEN))
        return SQLITE_CANTOPEN;
    strcpy(file->leaf, leaf);
    if (file->inode >= 0)
        return SQLITE_OK;
    if ((flags & SQLITE_OPEN_CREATE) == 0)
        return SQLITE_CANTOPEN;
    file->sync_parent =
        (flags & (SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0;
    return disk_create(disk, &file->inode, file->parent, file->leaf, 0660, false) == APR_SUCCESS
               ? SQLITE_OK
               : SQLITE_CANTOPEN;
}

static int open_file(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *base, int flags,
                     int *out)
{
    disk_t *disk = disk_mounted();
    file_t *file = file_of(base);
    disk_inode_t *inode;
    const char *rest;
    int code;
    (void)vfs;
    if (!ours(name, &rest))
        return system_vfs->xOpen(system_vfs, name, base, flags, out);
    memset(file, 0, sizeof *file);
    code = find_or_make(disk, rest, flags, file);
    if (code != SQLITE_OK)
        return code;
    inode = disk->inodes[file->inode];
    if (inode->shared == NULL && (inode->shared = calloc(1, sizeof(shared_t))) == NULL)
        return SQLITE_NOMEM;
    file->disk = disk;
    file->told = inode->errors;
    file->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    file->shared = inode->shared;
    file->shared->connections++;
    inode->opens++;
    file->base.pMethods = &methods;
    if (out != NULL)
        *out = flags;
    return SQLITE_OK;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int sync)
{
    disk_t *disk = disk_mounted();
    const char *rest, *leaf;
    int parent, inode;
    (void)vfs;
    if (!ours(name, &rest))
        return system_vfs->xDelete(system_vfs, name, sync);
    if (disk_find(disk, 0, rest, &parent, &leaf, &inode) != APR_SUCCESS || inode < 0)
        return SQLITE_IOERR_DELETE_NOENT;
    if (disk_unlink(disk, parent, leaf, false) != APR_SUCCESS)
        return SQLITE_IOERR_DELETE;
    if (sync && disk_sync_names(disk, parent) != APR_SUCCESS)
        return SQLITE_IOERR_DIR_FSYNC;
    return SQLITE_OK;
}

static int access_file(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
    const char *rest, *leaf;
    int parent, inode = -1;
    (void)vfs;
    if (!ours(name, &rest))
        return system_vfs->xAccess(system_vfs, name, flags, result);
    *result = disk_find(disk_mounted(), 0, rest, &parent, &leaf, &inode) == APR_SUCCESS &&
              inode >= 0 &&
              (flags != SQLITE_ACCESS_EXISTS || disk_mounted()->inodes[inode]->size > 0);
    return SQLITE_OK;
}

static int full_path(sqlite3_vfs *vfs, const char *name, int size, char *path)
{
    const char *rest;
    (void)vfs;
    if (!ours(name, &rest))
        return system_vfs->xFullPathname(system_vfs, name, size, path);
    sqlite3_snprintf(size, path, "%s", name);
    return SQLITE_OK;
}

static int randomness(sqlite3_vfs *vfs, int length, char *bytes)
{
    static uint64_t state = 1;
    int i;
    (void)vfs;
    for (i = 0; i < length; i++)
        bytes[i] = (char)disk_mix(state++);
    return length;
}

/* Whoever waits for a lock here would wait for ever: there is one thread. */
static int wait_for(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return microseconds;
}

static int current_time(sqlite3_vfs *vfs, double *days)
{
    (void)vfs;
    *days = 2440587.5 + (double)zm_clock_wall() / 86400e6;
    return SQLITE_OK;
}

static int last_error(sqlite3_vfs *vfs, int size, char *text)
{
    (void)vfs;
    (void)size;
    (void)text;
    return 0;
}

static sqlite3_vfs simulated = {
    .iVersion = 1,
    .mxPathname = 512,
    .zName = "simulated-disk",
    .xOpen = open_file,
    .xDelete = delete_file,
    .xAccess = access_file,
    .xFullPathname = full_path,
    .xRandomness = randomness,
    .xSleep = wait_for,
    .xCurrentTime = current_time,
    .xGetLastError = last_error,
};

int disk_vfs_register(void)
{
    system_vfs = sqlite3_vfs_find(NULL);
    if (system_vfs == NULL)
        return SQLITE_ERROR;
    simulated.szOsFile =
        system_vfs->szOsFile > (int)sizeof(file_t) ? system_vfs->szOsFile : (int)sizeof(file_t);
    return sqlite3_vfs_register(&simulated, 1);
}
