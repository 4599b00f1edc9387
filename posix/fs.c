/*
 * Files: open, read, write, sync.
 *
 * Durability.  zm_file_sync is fdatasync: it makes the contents durable and
 * every piece of metadata that is needed to get at them again, which for a new
 * or grown file includes its size and block map.  What it leaves out are the
 * times, and saving the journal commit for those is its purpose.  The name of a
 * new file is an entry of its directory and needs zm_dir_sync.
 */
#include "posix/file.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* -- opening ------------------------------------------------------------------ */

/*
 * O_NONBLOCK: a FIFO that somebody put where a file should be must not hang us;
 * for regular files it means nothing.
 */
apr_status_t zm_open_descriptor(int *descriptor, const zm_file_t *at, const char *path,
                                int os_flags, mode_t mode)
{
    do
        *descriptor = openat(zm_at(at), path, os_flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode);
    while (*descriptor < 0 && errno == EINTR);
    if (*descriptor >= 0)
        return APR_SUCCESS;
    /* Linux and Solaris say ELOOP for a link that O_NOFOLLOW met, FreeBSD EMLINK. */
    if ((os_flags & O_NOFOLLOW) != 0 && (errno == ELOOP || errno == EMLINK))
        return ZM_E_UNSAFE;
    return errno;
}

static apr_status_t close_file(void *data)
{
    zm_file_t *file = data;
    int descriptor = file->descriptor;
    file->descriptor = -1;
    /* After EINTR the descriptor's state is unspecified; on Linux it is closed, and closing twice
     * could hit another's. */
    return descriptor < 0 || close(descriptor) == 0 || errno == EINTR ? APR_SUCCESS : errno;
}

static void make_file(zm_file_t **file, int descriptor, bool append, apr_pool_t *pool)
{
    *file = apr_palloc(pool, sizeof **file);
    (*file)->descriptor = descriptor;
    (*file)->append = append;
    (*file)->pool = pool;
    apr_pool_cleanup_register(pool, *file, close_file, apr_pool_cleanup_null);
}

static int os_flags_of(int flags)
{
    int os = 0;
    if ((flags & ZM_OPEN_WRITE) != 0)
        os = (flags & ZM_OPEN_READ) != 0 ? O_RDWR : O_WRONLY;
    else
        os = O_RDONLY;
    if ((flags & ZM_OPEN_APPEND) != 0)
        os |= O_APPEND;
    if ((flags & ZM_OPEN_TRUNCATE) != 0)
        os |= O_TRUNC;
    if ((flags & ZM_OPEN_FOLLOW) == 0)
        os |= O_NOFOLLOW;
    return os;
}

/*
 * Creates with exactly the mode asked for.  The umask may have taken bits away;
 * it never takes the owner's own from any program of ours, so for 0600 and less
 * the extra call is saved.
 */
static apr_status_t create_exclusive(int *descriptor, const zm_file_t *at, const char *path,
                                     int os_flags, mode_t mode)
{
    apr_status_t status =
        zm_open_descriptor(descriptor, at, path, os_flags | O_CREAT | O_EXCL, mode & 07777);
    if (status == APR_SUCCESS && (mode & 07177) != 0 && fchmod(*descriptor, mode & 07777) < 0) {
        status = errno;
        close(*descriptor);
    }
    return status;
}

apr_status_t zm_file_open(zm_file_t **file, zm_file_t *at, const char *path, int flags,
                          uint32_t mode, apr_pool_t *pool)
{
    int descriptor = -1, os_flags = os_flags_of(flags), attempt;
    apr_status_t status = APR_ENOENT;

    if ((flags & ZM_OPEN_CREATE) == 0)
        status = zm_open_descriptor(&descriptor, at, path, os_flags, 0);
    else if ((flags & ZM_OPEN_EXCLUSIVE) != 0)
        status = create_exclusive(&descriptor, at, path, os_flags, mode);
    else
        /* Only who creates may set the mode, so it must be known who did; others may create and
         * remove meanwhile. */
        for (attempt = 0; attempt < 10 && status == APR_ENOENT; attempt++) {
            status = zm_open_descriptor(&descriptor, at, path, os_flags, 0);
            if (status != APR_ENOENT)
                break;
            status = create_exclusive(&descriptor, at, path, os_flags, mode);
            if (status == APR_EEXIST)
                status = APR_ENOENT;
            else
                break;
        }
    if (status == APR_SUCCESS)
        make_file(file, descriptor, (flags & ZM_OPEN_APPEND) != 0, pool);
    return status;
}

apr_status_t zm_dir_handle(zm_file_t **directory, zm_file_t *at, const char *path, apr_pool_t *pool)
{
    int descriptor;
    apr_status_t status =
        zm_open_descriptor(&descriptor, at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (status == APR_SUCCESS)
        make_file(directory, descriptor, false, pool);
    return status;
}

apr_status_t zm_file_adopt(zm_file_t **file, int descriptor, apr_pool_t *pool)
{
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || fcntl(descriptor, F_SETFD, FD_CLOEXEC) < 0)
        return errno;
    make_file(file, descriptor, (flags & O_APPEND) != 0, pool);
    return APR_SUCCESS;
}

int zm_file_descriptor(const zm_file_t *file)
{
    return file->descriptor;
}

apr_status_t zm_file_close(zm_file_t *file)
{
    return apr_pool_cleanup_run(file->pool, file, close_file);
}

/* -- information ---------------------------------------------------------------- */

static void fill_info(zm_file_info_t *info, const struct stat *from)
{
    info->device = (uint64_t)from->st_dev;
    info->id = (uint64_t)from->st_ino;
    info->size = (uint64_t)from->st_size;
    info->mtime_s = from->st_mtim.tv_sec;
    info->mtime_ns = (uint32_t)from->st_mtim.tv_nsec;
    info->ctime_s = from->st_ctim.tv_sec;
    info->atime_s = from->st_atim.tv_sec;
    info->atime_ns = (uint32_t)from->st_atim.tv_nsec;
    info->links = (uint32_t)from->st_nlink;
    info->mode = from->st_mode & 07777;
    info->uid = (zm_uid_t)from->st_uid;
    info->gid = (zm_uid_t)from->st_gid;
    info->kind = zm_kind_of_mode(from->st_mode);
}

apr_status_t zm_file_info(zm_file_info_t *info, zm_file_t *file)
{
    struct stat found;
    if (fstat(file->descriptor, &found) < 0)
        return errno;
    fill_info(info, &found);
    return APR_SUCCESS;
}

apr_status_t zm_path_info(zm_file_info_t *info, zm_file_t *at, const char *path)
{
    struct stat found;
    if (fstatat(zm_at(at), path, &found, AT_SYMLINK_NOFOLLOW) < 0)
        return errno;
    fill_info(info, &found);
    return APR_SUCCESS;
}

apr_status_t zm_path_link_target(const char **target, const char *path, apr_pool_t *pool)
{
    char text[PATH_MAX];
    ssize_t length = readlink(path, text, sizeof text);
    if (length < 0)
        return errno;
    if (length == (ssize_t)sizeof text)
        return ENAMETOOLONG;
    *target = apr_pstrmemdup(pool, text, (apr_size_t)length);
    return APR_SUCCESS;
}

/* -- reading and writing ---------------------------------------------------------- */

apr_status_t zm_file_read_at(zm_file_t *file, uint64_t offset, void *buffer, apr_size_t *length)
{
    apr_size_t done = 0, wanted = *length;
    while (done < wanted) {
        ssize_t got =
            pread(file->descriptor, (char *)buffer + done, wanted - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            *length = done;
            return errno;
        }
        if (got == 0)
            break;
        done += (apr_size_t)got;
    }
    *length = done;
    return done == 0 && wanted > 0 ? APR_EOF : APR_SUCCESS;
}

apr_status_t zm_file_write_at(zm_file_t *file, uint64_t offset, const void *data, apr_size_t length)
{
    apr_size_t done = 0;
    if (file->append) /* Linux would append it, whatever the offset says */
        return APR_EINVAL;
    while (done < length) {
        ssize_t put = pwrite(file->descriptor, (const char *)data + done, length - done,
                             (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno;
        if (put == 0)
            return APR_ENOSPC;
        done += (apr_size_t)put;
    }
    return APR_SUCCESS;
}

/* Takes back the torn end of a file, unless another writer has appended since. */
static void cut_back(int descriptor, ssize_t put)
{
    struct stat now;
    off_t end = lseek(descriptor, 0, SEEK_CUR); /* O_APPEND leaves it behind what was written */
    if (end >= put && fstat(descriptor, &now) == 0 && S_ISREG(now.st_mode) && now.st_size == end)
        while (ftruncate(descriptor, end - put) < 0 && errno == EINTR)
            ;
}

apr_status_t zm_file_append(zm_file_t *file, const void *data, apr_size_t length)
{
    ssize_t put;
    if (!file->append)
        return APR_EINVAL;
    do
        put = write(file->descriptor, data, length);
    while (put < 0 && errno == EINTR);
    if (put < 0)
        return errno;
    if ((apr_size_t)put == length)
        return APR_SUCCESS;
    cut_back(file->descriptor, put);
    return APR_ENOSPC;
}

apr_status_t zm_file_truncate(zm_file_t *file, uint64_t length)
{
    int result;
    do
        result = ftruncate(file->descriptor, (off_t)length);
    while (result < 0 && errno == EINTR);
    return result < 0 ? errno : APR_SUCCESS;
}

/* -- durability ---------------------------------------------------------------------- */

/* An interrupted sync has neither succeeded nor failed, and is the only one that is repeated. */
apr_status_t zm_file_sync(zm_file_t *file)
{
    int result;
    do
#ifdef F_FULLFSYNC /* macOS: fsync stops at the drive's own cache */
        result = fcntl(file->descriptor, F_FULLFSYNC);
#else
        result = fdatasync(file->descriptor);
#endif
    while (result < 0 && errno == EINTR);
    return result < 0 ? errno : APR_SUCCESS;
}

apr_status_t zm_dir_sync(zm_file_t *directory)
{
    int result;
    do
        result = fsync(directory->descriptor);
    while (result < 0 && errno == EINTR);
    if (result == 0)
        return APR_SUCCESS;
    return errno == EINVAL || errno == EBADF ? ZM_E_UNSUPPORTED : errno;
}

apr_status_t zm_file_sync_all(zm_file_t *any)
{
#ifdef __linux__
    /* Since Linux 5.8 it also reports the write errors of the whole filesystem. */
    return syncfs(any->descriptor) < 0 ? errno : APR_SUCCESS;
#else
    (void)any;
    return ZM_E_UNSUPPORTED;
#endif
}

/* -- attributes ------------------------------------------------------------------------ */

apr_status_t zm_file_set_owner(zm_file_t *file, zm_uid_t uid, zm_uid_t gid)
{
    return fchown(file->descriptor, (uid_t)uid, (gid_t)gid) < 0 ? errno : APR_SUCCESS;
}

apr_status_t zm_file_set_mode(zm_file_t *file, uint32_t mode)
{
    return fchmod(file->descriptor, mode & 07777) < 0 ? errno : APR_SUCCESS;
}

apr_status_t zm_file_set_mtime(zm_file_t *file, int64_t seconds, uint32_t nanoseconds)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {seconds, (long)nanoseconds}};
    return futimens(file->descriptor, times) < 0 ? errno : APR_SUCCESS;
}

apr_status_t zm_file_set_atime(zm_file_t *file, int64_t seconds, uint32_t nanoseconds)
{
    struct timespec times[2] = {{seconds, (long)nanoseconds}, {.tv_nsec = UTIME_NOW}};
    return futimens(file->descriptor, times) < 0 ? errno : APR_SUCCESS;
}

apr_status_t zm_fs_free_space(uint64_t *bytes, uint64_t *inodes, const char *path)
{
    struct statvfs space;
    int result;
    do
        result = statvfs(path, &space);
    while (result < 0 && errno == EINTR);
    if (result < 0)
        return errno;
    *bytes = (uint64_t)space.f_bavail * (space.f_frsize != 0 ? space.f_frsize : space.f_bsize);
    /* Filesystems without a table of inodes say that there are none in all. */
    *inodes = space.f_files == 0 ? UINT64_MAX : (uint64_t)space.f_favail;
    return APR_SUCCESS;
}
