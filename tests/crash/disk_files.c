/*
 * platform/fs.h over the mounted disk.  The linker sends the calls of all
 * libraries here (--wrap); what is not below DISK_ROOT goes on to the real
 * functions.
 */
#include <apr_general.h>
#include <apr_strings.h>
#include <string.h>

#include "platform/fs.h"
#include "tests/crash/disk.h"

#define HANDLES 1024

typedef struct handle_t {
    disk_t *disk; /* null: free */
    int inode;
    bool append;
    apr_pool_t *pool;
    uint32_t told; /* errors of syncs */
} handle_t;

static handle_t handles[HANDLES];

static handle_t *simulated(zm_file_t *file)
{
    handle_t *handle = (handle_t *)(void *)file;
    return handle >= handles && handle < handles + HANDLES ? handle : NULL;
}

static const char *below_root(const zm_file_t *at, const char *path)
{
    size_t length = sizeof DISK_ROOT - 1;
    if (at == NULL && strncmp(path, DISK_ROOT, length) == 0 &&
        (path[length] == '/' || path[length] == '\0'))
        return path + length;
    return NULL;
}

/* Whether a path is ours: where to begin, and what is left to walk. */
static bool ours(zm_file_t *at, const char *path, int *begin, const char **rest)
{
    handle_t *handle = at != NULL ? simulated(at) : NULL;
    *begin = handle != NULL ? handle->inode : 0;
    *rest = handle != NULL ? path : below_root(at, path);
    return *rest != NULL;
}

/* A handle that a crash outlived works on the disk it was opened on, which is gone. */
static disk_t *disk_of(const handle_t *handle)
{
    return handle->disk;
}

/* -- handles -------------------------------------------------------------------------------- */

static apr_status_t close_handle(void *data)
{
    handle_t *handle = data;
    disk_t *disk = handle->disk;
    if (disk == NULL)
        return APR_SUCCESS;
    disk_unlock(disk, handle->inode, handle, 0, 0);
    disk->inodes[handle->inode]->opens--;
    handle->disk = NULL;
    return APR_SUCCESS;
}

static apr_status_t make_handle(zm_file_t **file, disk_t *disk, int inode, bool append,
                                apr_pool_t *pool)
{
    static int next;
    int tries;
    for (tries = 0; tries < HANDLES; tries++, next++) {
        handle_t *handle = &handles[next % HANDLES];
        if (handle->disk != NULL)
            continue;
        *handle = (handle_t){disk, inode, append, pool, disk->inodes[inode]->errors};
        disk->inodes[inode]->opens++;
        apr_pool_cleanup_register(pool, handle, close_handle, apr_pool_cleanup_null);
        *file = (zm_file_t *)(void *)handle;
        next++;
        return APR_SUCCESS;
    }
    return APR_EMFILE;
}

#define REAL(type, name, ...)                                                                      \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

REAL(apr_status_t, zm_file_open, zm_file_t **file, zm_file_t *at, const char *path, int flags,
     uint32_t mode, apr_pool_t *pool)
{
    disk_t *disk = disk_mounted();
    const char *rest, *leaf;
    int begin, parent, inode;
    apr_status_t status;
    if (!ours(at, path, &begin, &rest))
        return __real_zm_file_open(file, at, path, flags, mode, pool);
    status = disk_find(disk, begin, rest, &parent, &leaf, &inode);
    if (status == APR_SUCCESS && disk_fails(disk, DISK_FAULT_OPEN))
        status = APR_EMFILE;
    if (status != APR_SUCCESS)
        return status;
    if (inode >= 0 && (flags & ZM_OPEN_EXCLUSIVE) != 0)
        return APR_EEXIST;
    if (inode < 0 && (flags & ZM_OPEN_CREATE) == 0)
        return APR_ENOENT;
    if (inode < 0)
        status = disk_create(disk, &inode, parent, leaf, mode, false);
    else if (disk->inodes[inode]->directory)
        status = APR_EACCES;
    else if ((flags & ZM_OPEN_TRUNCATE) != 0)
        status = disk_truncate(disk, inode, 0);
    return status != APR_SUCCESS
               ? status
               : make_handle(file, disk, inode, (flags & ZM_OPEN_APPEND) != 0, pool);
}

REAL(apr_status_t, zm_dir_handle, zm_file_t **directory, zm_file_t *at, const char *path,
     apr_pool_t *pool)
{
    disk_t *disk = disk_mounted();
    const char *rest, *leaf;
    int begin, parent, inode;
    apr_status_t status;
    if (!ours(at, path, &begin, &rest))
        return __real_zm_dir_handle(directory, at, path, pool);
    status = disk_find(disk, begin, rest, &parent, &leaf, &inode);
    if (status == APR_SUCCESS && disk_fails(disk, DISK_FAULT_OPEN))
        status = APR_EMFILE;
    if (status == APR_SUCCESS && inode < 0)
        status = APR_ENOENT;
    if (status == APR_SUCCESS && !disk->inodes[inode]->directory)
        status = APR_ENOTDIR;
    return status != APR_SUCCESS ? status : make_handle(directory, disk, inode, false, pool);
}

REAL(apr_status_t, zm_file_close, zm_file_t *file)
{
    handle_t *handle = simulated(file);
    if (handle == NULL)
        return __real_zm_file_close(file);
    return apr_pool_cleanup_run(handle->pool, handle, close_handle);
}

REAL(int, zm_file_descriptor, const zm_file_t *file)
{
    return simulated((zm_file_t *)(uintptr_t)file) != NULL ? -1 : __real_zm_file_descriptor(file);
}

/* -- information ---------------------------------------------------------------------------- */

static void fill_info(zm_file_info_t *info, const disk_inode_t *inode)
{
    *info = (zm_file_info_t){.device = 1,
                             .id = inode->number,
                             .size = inode->size,
                             .mtime_s = inode->mtime / 1000000000,
                             .mtime_ns = (uint32_t)(inode->mtime % 1000000000),
                             .ctime_s = inode->ctime / 1000000000,
                             .links = inode->links,
                             .mode = inode->mode,
                             .uid = inode->uid,
                             .gid = inode->gid,
                             .kind = inode->directory ? ZM_FILE_DIRECTORY : ZM_FILE_REGULAR};
}

REAL(apr_status_t, zm_file_info, zm_file_info_t *info, zm_file_t *file)
{
    handle_t *handle = simulated(file);
    if (handle == NULL)
        return __real_zm_file_info(info, file);
    fill_info(info, disk_of(handle)->inodes[handle->inode]);
    return APR_SUCCESS;
}

REAL(apr_status_t, zm_path_info, zm_file_info_t *info, zm_file_t *at, const char *path)
{
    disk_t *disk = disk_mounted();
    const char *rest, *leaf;
    int begin, parent, inode;
    apr_status_t status;
    if (!ours(at, path, &begin, &rest))
        return __real_zm_path_info(info, at, path);
    status = disk_find(disk, begin, rest, &parent, &leaf, &inode);
    if (status == APR_SUCCESS && inode < 0)
        status = APR_ENOENT;
    if (status == APR_SUCCESS)
        fill_info(info, disk->inodes[inode]);
    return status;
}

/* -- reading and writing -------------------------------------------------------------------- */

REAL(apr_status_t, zm_file_read_at, zm_file_t *file, uint64_t offset, void *buffer,
     apr_size_t *length)
{
    handle_t *handle = simulated(file);
    const disk_inode_t *inode;
    apr_size_t wanted = *length;
    if (handle == NULL)
        return __real_zm_file_read_at(file, offset, buffer, length);
    inode = disk_of(handle)->inodes[handle->inode];
    *length = offset >= inode->size           ? 0
              : wanted < inode->size - offset ? wanted
                                              : (apr_size_t)(inode->size - offset);
    if (*length > 0)
        memcpy(buffer, inode->data + offset, *length);
    return *length == 0 && wanted > 0 ? APR_EOF : APR_SUCCESS;
}

REAL(apr_status_t, zm_file_write_at, zm_file_t *file, uint64_t offset, const void *data,
     apr_size_t length)
{
    handle_t *handle = simulated(file);
    if (handle == NULL)
        return __real_zm_file_write_at(file, offset, data, length);
    return handle->append ? APR_EINVAL
                          : disk_write(disk_of(handle), handle->inode, offset, data, length);
}

/* A short write is cut back, as the real function does. */
REAL(apr_status_t, zm_file_append, zm_file_t *file, const void *data, apr_size_t length)
{
    handle_t *handle = simulated(file);
    uint64_t end;
    apr_status_t status;
    if (handle == NULL)
        return __real_zm_file_append(file, data, length);
    if (!handle->append)
        return APR_EINVAL;
    end = disk_of(handle)->inodes[handle->inode]->size;
    status = disk_write(disk_of(handle), handle->inode, end, data, length);
    if (status != APR_SUCCESS && disk_of(handle)->inodes[handle->inode]->size > end)
        disk_truncate(disk_of(handle), handle->inode, end);
    return status;
}

REAL(apr_status_t, zm_file_truncate, zm_file_t *file, uint64_t length)
{
    handle_t *handle = simulated(file);
    return handle == NULL ? __real_zm_file_truncate(file, length)
                          : disk_truncate(disk_of(handle), handle->inode, length);
}

/* -- durability -------------------------------------------------------------------------------- */

REAL(apr_status_t, zm_file_sync, zm_file_t *file)
{
    handle_t *handle = simulated(file);
    return handle == NULL ? __real_zm_file_sync(file)
                          : disk_sync(disk_of(handle), handle->inode, &handle->told);
}

REAL(apr_status_t, zm_dir_sync, zm_file_t *directory)
{
    handle_t *handle = simulated(directory);
    return handle == NULL ? __real_zm_dir_sync(directory)
                          : disk_sync_names(disk_of(handle), handle->inode);
}

REAL(apr_status_t, zm_file_sync_all, zm_file_t *any)
{
    handle_t *handle = simulated(any);
    return handle == NULL ? __real_zm_file_sync_all(any) : disk_sync_all(disk_of(handle));
}

/* -- names ------------------------------------------------------------------------------------- */

static apr_status_t move(zm_file_t *from_at, const char *from, zm_file_t *to_at, const char *to,
                         bool replace)
{
    disk_t *disk = disk_mounted();
    const char *rest, *leaf;
    char old_leaf[DISK_NAME_LIMIT];
    int begin, parent, inode, target;
    apr_status_t status;
    ours(from_at, from, &begin, &rest);
    status = disk_find(disk, begin, rest, &parent, &leaf, &inode);
    if (status == APR_SUCCESS && inode < 0)
        status = APR_ENOENT;
    if (status != APR_SUCCESS)
        return status;
    apr_cpystrn(old_leaf, leaf, sizeof old_leaf);
    ours(to_at, to, &begin, &rest);
    status = disk_find(disk, begin, rest, &target, &leaf, &inode);
    return status != APR_SUCCESS ? status
                                 : disk_rename(disk, parent, old_leaf, target, leaf, replace);
}

static bool is_ours(zm_file_t *at, const char *path)
{
    const char *rest;
    int begin;
    return ours(at, path, &begin, &rest);
}

REAL(apr_status_t, zm_file_rename, zm_file_t *from_at, const char *from, zm_file_t *to_at,
     const char *to)
{
    return is_ours(from_at, from) ? move(from_at, from, to_at, to, false)
                                  : __real_zm_file_rename(from_at, from, to_at, to);
}

REAL(apr_status_t, zm_file_replace, zm_file_t *from_at, const char *from, zm_file_t *to_at,
     const char *to)
{
    return is_ours(from_at, from) ? move(from_at, from, to_at, to, true)
                                  : __real_zm_file_replace(from_at, from, to_at, to);
}

REAL(apr_status_t, zm_file_link, zm_file_t *from_at, const char *from, zm_file_t *to_at,
     const char *to)
{
    disk_t *disk = disk_mounted();
    const char *rest, *leaf;
    int begin, parent, inode, taken;
    apr_status_t status;
    if (!ours(from_at, from, &begin, &rest))
        return __real_zm_file_link(from_at, from, to_at, to);
    status = disk_find(disk, begin, rest, &parent, &leaf, &inode);
    if (status == APR_SUCCESS && inode < 0)
        status = APR_ENOENT;
    if (status != APR_SUCCESS)
        return status;
    ours(to_at, to, &begin, &rest);
    status = disk_find(disk, begin, rest, &parent, &leaf, &taken);
    return status != APR_SUCCESS ? status : disk_link(disk, inode, parent, leaf);
}

static apr_status_t drop(zm_file_t *at, const char *path, bool is_directory)
{
    disk_t *disk = disk_mounted();
    const char *rest, *leaf;
    int begin, parent, inode;
    apr_status_t status;
    ours(at, path, &begin, &rest);
    status = disk_find(disk, begin, rest, &parent, &leaf, &inode);
    return status != APR_SUCCESS ? status : disk_unlink(disk, parent, leaf, is_directory);
}

REAL(apr_status_t, zm_file_unlink, zm_file_t *at, const char *path)
{
    return is_ours(at, path) ? drop(at, path, false) : __real_zm_file_unlink(at, path);
}

REAL(apr_status_t, zm_dir_remove, zm_file_t *at, const char *path)
{
    return is_ours(at, path) ? drop(at, path, true) : __real_zm_dir_remove(at, path);
}

REAL(apr_status_t, zm_dir_make, zm_file_t *at, const char *path, uint32_t mode)
{
    disk_t *disk = disk_mounted();
    const char *rest, *leaf;
    int begin, parent, inode;
    apr_status_t status;
    if (!ours(at, path, &begin, &rest))
        return __real_zm_dir_make(at, path, mode);
    status = disk_find(disk, begin, rest, &parent, &leaf, &inode);
    if (status == APR_SUCCESS && inode >= 0)
        status = APR_EEXIST;
    return status != APR_SUCCESS ? status : disk_create(disk, &inode, parent, leaf, mode, true);
}

REAL(void, zm_dir_spread, zm_file_t *at, const char *path)
{
    if (!is_ours(at, path))
        __real_zm_dir_spread(at, path);
}

/* -- attributes ----------------------------------------------------------------------------- */

REAL(apr_status_t, zm_file_set_owner, zm_file_t *file, zm_uid_t uid, zm_uid_t gid)
{
    handle_t *handle = simulated(file);
    disk_inode_t *inode;
    if (handle == NULL)
        return __real_zm_file_set_owner(file, uid, gid);
    inode = disk_of(handle)->inodes[handle->inode];
    inode->uid = uid != ZM_UID_NONE ? uid : inode->uid;
    inode->gid = gid != ZM_UID_NONE ? gid : inode->gid;
    return APR_SUCCESS;
}

REAL(apr_status_t, zm_file_set_mode, zm_file_t *file, uint32_t mode)
{
    handle_t *handle = simulated(file);
    if (handle == NULL)
        return __real_zm_file_set_mode(file, mode);
    disk_of(handle)->inodes[handle->inode]->mode = mode;
    return APR_SUCCESS;
}

REAL(apr_status_t, zm_file_set_mtime, zm_file_t *file, int64_t seconds, uint32_t nanoseconds)
{
    handle_t *handle = simulated(file);
    if (handle == NULL)
        return __real_zm_file_set_mtime(file, seconds, nanoseconds);
    disk_set_mtime(disk_of(handle), handle->inode, seconds * 1000000000 + nanoseconds);
    return APR_SUCCESS;
}

REAL(apr_status_t, zm_fs_free_space, uint64_t *bytes, uint64_t *inodes, const char *path)
{
    if (below_root(NULL, path) == NULL)
        return __real_zm_fs_free_space(bytes, inodes, path);
    *bytes = disk_mounted()->space;
    *inodes = 1000000;
    return APR_SUCCESS;
}

/* -- listing ----------------------------------------------------------------------------------- */

typedef struct listing_t {
    disk_t *disk; /* null: free */
    int inode, next;
    apr_pool_t *pool;
} listing_t;

static listing_t listings[64];

static listing_t *listing_of(zm_dir_t *directory)
{
    listing_t *listing = (listing_t *)(void *)directory;
    return listing >= listings && listing < listings + 64 ? listing : NULL;
}

static apr_status_t close_listing(void *data)
{
    ((listing_t *)data)->disk = NULL;
    return APR_SUCCESS;
}

REAL(apr_status_t, zm_dir_open, zm_dir_t **directory, zm_file_t *at, const char *path,
     apr_pool_t *pool)
{
    disk_t *disk = disk_mounted();
    const char *rest, *leaf;
    int begin, parent, inode, i;
    apr_status_t status;
    if (!ours(at, path, &begin, &rest))
        return __real_zm_dir_open(directory, at, path, pool);
    status = disk_find(disk, begin, rest, &parent, &leaf, &inode);
    if (status != APR_SUCCESS || inode < 0)
        return status != APR_SUCCESS ? status : APR_ENOENT;
    for (i = 0; i < 64; i++)
        if (listings[i].disk == NULL) {
            listings[i] = (listing_t){disk, inode, 0, pool};
            apr_pool_cleanup_register(pool, &listings[i], close_listing, apr_pool_cleanup_null);
            *directory = (zm_dir_t *)(void *)&listings[i];
            return APR_SUCCESS;
        }
    return APR_EMFILE;
}

REAL(apr_status_t, zm_dir_next, zm_dir_t *directory, const char **name, zm_file_kind_t *kind)
{
    listing_t *listing = listing_of(directory);
    const disk_inode_t *inode;
    if (listing == NULL)
        return __real_zm_dir_next(directory, name, kind);
    inode = listing->disk->inodes[listing->inode];
    while (listing->next < inode->entry_count) {
        const disk_entry_t *entry = &inode->entries[listing->next++];
        if (entry->inode < 0)
            continue;
        *name = entry->name;
        if (kind != NULL)
            *kind = listing->disk->inodes[entry->inode]->directory ? ZM_FILE_DIRECTORY
                                                                   : ZM_FILE_REGULAR;
        return APR_SUCCESS;
    }
    return APR_ENOENT;
}

REAL(void, zm_dir_close, zm_dir_t *directory)
{
    listing_t *listing = listing_of(directory);
    if (listing == NULL)
        __real_zm_dir_close(directory);
    else
        apr_pool_cleanup_run(listing->pool, listing, close_listing);
}

/* -- locks ------------------------------------------------------------------------------------- */

/* Whoever would wait here waits for ever: there is one thread. */
REAL(apr_status_t, zm_file_lock, zm_file_t *file, uint64_t offset, uint64_t length, bool wait)
{
    handle_t *handle = simulated(file);
    if (handle == NULL)
        return __real_zm_file_lock(file, offset, length, wait);
    return disk_lock(disk_of(handle), handle->inode, handle, offset, length, true) ? APR_SUCCESS
                                                                                   : ZM_E_BUSY;
}

REAL(apr_status_t, zm_file_unlock, zm_file_t *file, uint64_t offset, uint64_t length)
{
    handle_t *handle = simulated(file);
    if (handle == NULL)
        return __real_zm_file_unlock(file, offset, length);
    disk_unlock(disk_of(handle), handle->inode, handle, offset, length);
    return APR_SUCCESS;
}

REAL(apr_status_t, zm_file_locked, bool *held, zm_file_t *file, uint64_t offset, uint64_t length)
{
    handle_t *handle = simulated(file);
    if (handle == NULL)
        return __real_zm_file_locked(held, file, offset, length);
    *held = disk_locked(disk_of(handle), handle->inode, handle, offset, length);
    return APR_SUCCESS;
}

REAL(apr_status_t, zm_file_lock_whole, zm_file_t *file, bool exclusive, bool wait)
{
    handle_t *handle = simulated(file);
    if (handle == NULL)
        return __real_zm_file_lock_whole(file, exclusive, wait);
    return disk_lock(disk_of(handle), handle->inode, handle, 0, 0, exclusive) ? APR_SUCCESS
                                                                              : ZM_E_BUSY;
}
