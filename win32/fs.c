/*
 * Files: open, read, write, sync.
 *
 * Every handle shares reading, writing and deleting with everybody: what keeps
 * programs apart are the locks of fs_lock.c, as on Unix, not the open modes.
 *
 * Durability.  FlushFileBuffers makes contents and metadata durable, also the
 * entries of a directory when it is given a handle of that directory.  Renames
 * and links are written through besides, see fs_names.c.
 */
#include "win32/file.h"

#include <aclapi.h>
#include <string.h>
#include <wchar.h>

#include "win32/sid.h"

/* Seconds from 1601, where FILETIME starts, to 1970. */
#define EPOCH_SECONDS 11644473600LL
#define TICKS_PER_SECOND 10000000LL

/* -- opening ------------------------------------------------------------------ */

zm_file_kind_t zm_kind_of(DWORD attributes, DWORD reparse_tag)
{
    if ((attributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0 && IsReparseTagNameSurrogate(reparse_tag))
        return ZM_FILE_SYMLINK;
    if ((attributes & FILE_ATTRIBUTE_DIRECTORY) != 0)
        return ZM_FILE_DIRECTORY;
    return (attributes & FILE_ATTRIBUTE_DEVICE) != 0 ? ZM_FILE_OTHER : ZM_FILE_REGULAR;
}

apr_status_t zm_kind_of_handle(zm_file_kind_t *kind, HANDLE handle)
{
    FILE_ATTRIBUTE_TAG_INFO tag;
    if (!GetFileInformationByHandleEx(handle, FileAttributeTagInfo, &tag, sizeof tag))
        return zm_last_status();
    *kind = zm_kind_of(tag.FileAttributes, tag.ReparseTag);
    return APR_SUCCESS;
}

apr_status_t zm_open_path(HANDLE *handle, const zm_wide_path_t *path, DWORD access, DWORD flags)
{
    if (!path->follow)
        flags |= FILE_FLAG_OPEN_REPARSE_POINT;
    *handle = CreateFileW(path->text, access, ZM_SHARE_ALL, NULL, OPEN_EXISTING, flags, NULL);
    return *handle == INVALID_HANDLE_VALUE ? zm_last_status() : APR_SUCCESS;
}

apr_status_t zm_kind_of_path(zm_file_kind_t *kind, const zm_wide_path_t *path)
{
    HANDLE handle;
    apr_status_t status =
        zm_open_path(&handle, path, FILE_READ_ATTRIBUTES, FILE_FLAG_BACKUP_SEMANTICS);
    if (status == APR_SUCCESS) {
        status = zm_kind_of_handle(kind, handle);
        CloseHandle(handle);
    }
    return status;
}

static apr_status_t close_file(void *data)
{
    zm_file_t *file = data;
    HANDLE handle = file->handle;
    file->handle = INVALID_HANDLE_VALUE;
    return handle == INVALID_HANDLE_VALUE || CloseHandle(handle) ? APR_SUCCESS : zm_last_status();
}

void zm_make_file(zm_file_t **file, HANDLE handle, bool append, const wchar_t *full,
                  apr_pool_t *pool)
{
    *file = apr_palloc(pool, sizeof **file);
    (*file)->handle = handle;
    (*file)->append = append;
    (*file)->full = full;
    (*file)->pool = pool;
    apr_pool_cleanup_register(pool, *file, close_file, apr_pool_cleanup_null);
}

/* Appending handles have no right to write elsewhere: the system then appends each write whole. */
static DWORD access_of(int flags)
{
    DWORD access = READ_CONTROL | SYNCHRONIZE | FILE_READ_ATTRIBUTES;
    if ((flags & ZM_OPEN_READ) != 0)
        access |= GENERIC_READ;
    if ((flags & ZM_OPEN_WRITE) != 0 && (flags & ZM_OPEN_APPEND) != 0)
        access |= FILE_APPEND_DATA | FILE_WRITE_ATTRIBUTES;
    else if ((flags & ZM_OPEN_WRITE) != 0)
        access |= GENERIC_WRITE;
    return access;
}

static DWORD disposition_of(int flags)
{
    if ((flags & ZM_OPEN_CREATE) == 0)
        return OPEN_EXISTING;
    return (flags & ZM_OPEN_EXCLUSIVE) != 0 ? CREATE_NEW : OPEN_ALWAYS;
}

/* A directory cannot be opened like this (the system refuses it); a link can, and is refused here.
 */
static apr_status_t check_opened(HANDLE handle, int flags)
{
    zm_file_kind_t kind;
    apr_status_t status;
    if (GetFileType(handle) != FILE_TYPE_DISK)
        return ZM_E_UNSAFE;
    status = zm_kind_of_handle(&kind, handle);
    if (status == APR_SUCCESS && kind == ZM_FILE_SYMLINK)
        return ZM_E_UNSAFE;
    if (status == APR_SUCCESS && (flags & ZM_OPEN_TRUNCATE) != 0) {
        FILE_END_OF_FILE_INFO end = {{{0}}};
        if (!SetFileInformationByHandle(handle, FileEndOfFileInfo, &end, sizeof end))
            return zm_last_status();
    }
    return status;
}

apr_status_t zm_file_open(zm_file_t **file, zm_file_t *at, const char *path, int flags,
                          uint32_t mode, apr_pool_t *pool)
{
    zm_wide_path_t wide;
    HANDLE handle;
    DWORD attributes = FILE_ATTRIBUTE_NORMAL;
    apr_status_t status;

    if ((flags & ZM_OPEN_CREATE) != 0 && (mode & 0200) == 0)
        attributes = FILE_ATTRIBUTE_READONLY;
    if ((flags & ZM_OPEN_FOLLOW) == 0)
        attributes |= FILE_FLAG_OPEN_REPARSE_POINT;
    status = zm_wide_path(&wide, at, path);
    if (status != APR_SUCCESS)
        return status;
    handle = CreateFileW(wide.text, access_of(flags), ZM_SHARE_ALL, NULL, disposition_of(flags),
                         attributes, NULL);
    if (handle == INVALID_HANDLE_VALUE)
        return zm_last_status();
    status = check_opened(handle, flags);
    if (status == APR_SUCCESS)
        zm_make_file(file, handle, (flags & ZM_OPEN_APPEND) != 0, NULL, pool);
    else
        CloseHandle(handle);
    return status;
}

/* The right to write is for zm_dir_sync; a directory that is not ours may be read all the same. */
apr_status_t zm_dir_handle(zm_file_t **directory, zm_file_t *at, const char *path, apr_pool_t *pool)
{
    zm_wide_path_t wide;
    HANDLE handle;
    zm_file_kind_t kind;
    apr_status_t status = zm_wide_path(&wide, at, path);
    if (status == APR_SUCCESS) {
        status =
            zm_open_path(&handle, &wide, GENERIC_READ | GENERIC_WRITE, FILE_FLAG_BACKUP_SEMANTICS);
        if (status == APR_EACCES)
            status = zm_open_path(&handle, &wide, GENERIC_READ, FILE_FLAG_BACKUP_SEMANTICS);
    }
    if (status != APR_SUCCESS)
        return status;
    status = zm_kind_of_handle(&kind, handle);
    if (status == APR_SUCCESS && kind != ZM_FILE_DIRECTORY)
        status = APR_ENOTDIR;
    if (status == APR_SUCCESS)
        zm_make_file(directory, handle, false, zm_wide_path_keep(&wide, pool), pool);
    else
        CloseHandle(handle);
    return status;
}

apr_status_t zm_file_adopt(zm_file_t **file, int descriptor, apr_pool_t *pool)
{
    (void)file, (void)descriptor, (void)pool;
    return ZM_E_UNSUPPORTED;
}

int zm_file_descriptor(const zm_file_t *file)
{
    (void)file;
    return -1;
}

apr_status_t zm_file_close(zm_file_t *file)
{
    return apr_pool_cleanup_run(file->pool, file, close_file);
}

/* -- information ---------------------------------------------------------------- */

/* A 128-bit id occurs on ReFS only, where its upper half is the directory: folded, it stays unique.
 */
static void fill_identity(zm_file_info_t *info, HANDLE handle,
                          const BY_HANDLE_FILE_INFORMATION *basic)
{
    FILE_ID_INFO id;
    uint64_t half[2];
    info->device = basic->dwVolumeSerialNumber;
    info->id = (uint64_t)basic->nFileIndexHigh << 32 | basic->nFileIndexLow;
    if (!GetFileInformationByHandleEx(handle, FileIdInfo, &id, sizeof id))
        return;
    memcpy(half, &id.FileId, sizeof half);
    info->device = id.VolumeSerialNumber;
    info->id = half[0] ^ (half[1] << 32 | half[1] >> 32);
}

static void fill_owner(zm_file_info_t *info, HANDLE handle)
{
    PSID owner = NULL, group = NULL;
    PSECURITY_DESCRIPTOR descriptor = NULL;
    info->uid = info->gid = ZM_UID_NONE;
    if (GetSecurityInfo(handle, SE_FILE_OBJECT,
                        OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION, &owner, &group,
                        NULL, NULL, &descriptor) != ERROR_SUCCESS)
        return;
    if (owner != NULL)
        info->uid = zm_uid_of_sid(owner);
    if (group != NULL)
        info->gid = zm_uid_of_sid(group);
    LocalFree(descriptor);
}

static apr_status_t handle_info(zm_file_info_t *info, HANDLE handle)
{
    BY_HANDLE_FILE_INFORMATION basic;
    FILE_ATTRIBUTE_TAG_INFO tag;
    FILE_BASIC_INFO times;
    LONGLONG written, changed;

    if (!GetFileInformationByHandle(handle, &basic) ||
        !GetFileInformationByHandleEx(handle, FileAttributeTagInfo, &tag, sizeof tag) ||
        !GetFileInformationByHandleEx(handle, FileBasicInfo, &times, sizeof times))
        return zm_last_status();
    written = times.LastWriteTime.QuadPart;
    changed = times.ChangeTime.QuadPart != 0 ? times.ChangeTime.QuadPart : written;
    info->size = (uint64_t)basic.nFileSizeHigh << 32 | basic.nFileSizeLow;
    info->mtime_s = written / TICKS_PER_SECOND - EPOCH_SECONDS;
    info->mtime_ns = (uint32_t)(written % TICKS_PER_SECOND) * 100;
    info->ctime_s = changed / TICKS_PER_SECOND - EPOCH_SECONDS;
    info->atime_s = times.LastAccessTime.QuadPart / TICKS_PER_SECOND - EPOCH_SECONDS;
    info->atime_ns = (uint32_t)(times.LastAccessTime.QuadPart % TICKS_PER_SECOND) * 100;
    info->links = basic.nNumberOfLinks;
    info->kind = zm_kind_of(tag.FileAttributes, tag.ReparseTag);
    info->mode = info->kind == ZM_FILE_DIRECTORY                       ? 0700
                 : (tag.FileAttributes & FILE_ATTRIBUTE_READONLY) != 0 ? 0400
                                                                       : 0600;
    fill_identity(info, handle, &basic);
    fill_owner(info, handle);
    return APR_SUCCESS;
}

apr_status_t zm_file_info(zm_file_info_t *info, zm_file_t *file)
{
    return handle_info(info, file->handle);
}

apr_status_t zm_path_link_target(const char **target, const char *path, apr_pool_t *pool)
{
    (void)path;
    (void)pool;
    *target = NULL;
    return ZM_E_UNSUPPORTED;
}

apr_status_t zm_path_info(zm_file_info_t *info, zm_file_t *at, const char *path)
{
    zm_wide_path_t wide;
    HANDLE handle;
    apr_status_t status = zm_wide_path(&wide, at, path);
    if (status == APR_SUCCESS) {
        status = zm_open_path(&handle, &wide, FILE_READ_ATTRIBUTES | READ_CONTROL,
                              FILE_FLAG_BACKUP_SEMANTICS);
        if (status == APR_EACCES) /* its owner may be a secret, its size is not */
            status = zm_open_path(&handle, &wide, FILE_READ_ATTRIBUTES, FILE_FLAG_BACKUP_SEMANTICS);
    }
    if (status != APR_SUCCESS)
        return status;
    status = handle_info(info, handle);
    CloseHandle(handle);
    return status;
}

/* -- reading and writing ---------------------------------------------------------- */

static DWORD chunk_of(apr_size_t length)
{
    return length > 1U << 30 ? 1U << 30 : (DWORD)length;
}

static OVERLAPPED at_offset(uint64_t offset)
{
    OVERLAPPED where = {0};
    where.Offset = (DWORD)offset;
    where.OffsetHigh = (DWORD)(offset >> 32);
    return where;
}

apr_status_t zm_file_read_at(zm_file_t *file, uint64_t offset, void *buffer, apr_size_t *length)
{
    apr_size_t done = 0, wanted = *length;
    while (done < wanted) {
        OVERLAPPED where = at_offset(offset + done);
        DWORD got = 0;
        if (!ReadFile(file->handle, (char *)buffer + done, chunk_of(wanted - done), &got, &where) &&
            GetLastError() != ERROR_HANDLE_EOF) {
            *length = done;
            return zm_last_status();
        }
        if (got == 0)
            break;
        done += got;
    }
    *length = done;
    return done == 0 && wanted > 0 ? APR_EOF : APR_SUCCESS;
}

apr_status_t zm_file_write_at(zm_file_t *file, uint64_t offset, const void *data, apr_size_t length)
{
    apr_size_t done = 0;
    if (file->append)
        return APR_EINVAL;
    while (done < length) {
        OVERLAPPED where = at_offset(offset + done);
        DWORD put = 0;
        if (!WriteFile(file->handle, (const char *)data + done, chunk_of(length - done), &put,
                       &where))
            return zm_last_status();
        if (put == 0)
            return APR_ENOSPC;
        done += put;
    }
    return APR_SUCCESS;
}

/* Takes back the torn end of a file, unless another writer has appended since. */
static void cut_back(HANDLE appender, DWORD put)
{
    LARGE_INTEGER none = {{0}}, end, size;
    HANDLE writer;
    if (!SetFilePointerEx(appender, none, &end, FILE_CURRENT) || !GetFileSizeEx(appender, &size) ||
        size.QuadPart != end.QuadPart || end.QuadPart < put)
        return;
    writer = ReOpenFile(appender, GENERIC_WRITE, ZM_SHARE_ALL, 0);
    if (writer != INVALID_HANDLE_VALUE) {
        FILE_END_OF_FILE_INFO before;
        before.EndOfFile.QuadPart = end.QuadPart - put;
        SetFileInformationByHandle(writer, FileEndOfFileInfo, &before, sizeof before);
        CloseHandle(writer);
    }
}

apr_status_t zm_file_append(zm_file_t *file, const void *data, apr_size_t length)
{
    DWORD put = 0;
    if (!file->append || length > 1U << 30)
        return APR_EINVAL;
    if (!WriteFile(file->handle, data, (DWORD)length, &put, NULL))
        return zm_last_status();
    if (put == length)
        return APR_SUCCESS;
    cut_back(file->handle, put);
    return APR_ENOSPC;
}

apr_status_t zm_file_truncate(zm_file_t *file, uint64_t length)
{
    FILE_END_OF_FILE_INFO end;
    end.EndOfFile.QuadPart = (LONGLONG)length;
    return SetFileInformationByHandle(file->handle, FileEndOfFileInfo, &end, sizeof end)
               ? APR_SUCCESS
               : zm_last_status();
}

/* -- durability ---------------------------------------------------------------------- */

apr_status_t zm_file_sync(zm_file_t *file)
{
    return FlushFileBuffers(file->handle) ? APR_SUCCESS : zm_last_status();
}

apr_status_t zm_dir_sync(zm_file_t *directory)
{
    return FlushFileBuffers(directory->handle) ? APR_SUCCESS : zm_last_status();
}

/* A whole volume can be flushed by administrators only, and then holds up every program on it. */
apr_status_t zm_file_sync_all(zm_file_t *any)
{
    (void)any;
    return ZM_E_UNSUPPORTED;
}

/* -- attributes ------------------------------------------------------------------------ */

/* Becoming an owner is the right of that user and of restorers; to anybody else the system says no.
 */
apr_status_t zm_file_set_owner(zm_file_t *file, zm_uid_t uid, zm_uid_t gid)
{
    zm_sid_t owner, group;
    SECURITY_INFORMATION what = 0;
    zm_file_info_t now;
    fill_owner(&now, file->handle);
    if (uid != ZM_UID_NONE && uid != now.uid) {
        if (zm_sid_of_uid(&owner, uid) != APR_SUCCESS)
            return APR_EINVAL;
        what |= OWNER_SECURITY_INFORMATION;
    }
    if (gid != ZM_UID_NONE && gid != now.gid) {
        if (zm_sid_of_uid(&group, gid) != APR_SUCCESS)
            return APR_EINVAL;
        what |= GROUP_SECURITY_INFORMATION;
    }
    if (what == 0)
        return APR_SUCCESS;
    return zm_os_status(
        SetSecurityInfo(file->handle, SE_FILE_OBJECT, what, owner.bytes, group.bytes, NULL, NULL));
}

/* Who may do what is inherited from the directory; of the mode there remains whether it may be
 * written. */
apr_status_t zm_file_set_mode(zm_file_t *file, uint32_t mode)
{
    FILE_BASIC_INFO info;
    if (!GetFileInformationByHandleEx(file->handle, FileBasicInfo, &info, sizeof info))
        return zm_last_status();
    info.FileAttributes &= ~(DWORD)FILE_ATTRIBUTE_READONLY;
    if ((mode & 0200) == 0 && (info.FileAttributes & FILE_ATTRIBUTE_DIRECTORY) == 0)
        info.FileAttributes |= FILE_ATTRIBUTE_READONLY;
    if (info.FileAttributes == 0)
        info.FileAttributes = FILE_ATTRIBUTE_NORMAL;
    return SetFileInformationByHandle(file->handle, FileBasicInfo, &info, sizeof info)
               ? APR_SUCCESS
               : zm_last_status();
}

apr_status_t zm_file_set_mtime(zm_file_t *file, int64_t seconds, uint32_t nanoseconds)
{
    LONGLONG ticks = (seconds + EPOCH_SECONDS) * TICKS_PER_SECOND + nanoseconds / 100;
    FILETIME time = {(DWORD)ticks, (DWORD)(ticks >> 32)};
    return SetFileTime(file->handle, NULL, NULL, &time) ? APR_SUCCESS : zm_last_status();
}

apr_status_t zm_file_set_atime(zm_file_t *file, int64_t seconds, uint32_t nanoseconds)
{
    LONGLONG ticks = (seconds + EPOCH_SECONDS) * TICKS_PER_SECOND + nanoseconds / 100;
    FILETIME read = {(DWORD)ticks, (DWORD)(ticks >> 32)}, now;
    GetSystemTimeAsFileTime(&now);
    return SetFileTime(file->handle, NULL, &read, &now) ? APR_SUCCESS : zm_last_status();
}

apr_status_t zm_fs_free_space(uint64_t *bytes, uint64_t *inodes, const char *path)
{
    zm_wide_path_t wide;
    ULARGE_INTEGER available;
    apr_status_t status = zm_wide_path(&wide, NULL, path);
    if (status != APR_SUCCESS)
        return status;
    wcscat(wide.text, L"\\");
    if (!GetDiskFreeSpaceExW(wide.text, &available, NULL, NULL))
        return zm_last_status();
    *bytes = available.QuadPart;
    *inodes = UINT64_MAX;
    return APR_SUCCESS;
}
