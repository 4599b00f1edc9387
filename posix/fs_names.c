/*
 * Names: rename, link, remove, directories.
 */
#include "posix/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif
#endif

/*
 * Where the system has no such rename: both names exist for a moment, and a
 * crash in between leaves the object with two names, never with none.
 */
static apr_status_t link_and_unlink(int from_at, const char *from, int to_at, const char *to)
{
    if (linkat(from_at, from, to_at, to, 0) < 0)
        return errno;
    return unlinkat(from_at, from, 0) < 0 ? errno : APR_SUCCESS;
}

apr_status_t zm_file_rename(zm_file_t *from_at, const char *from, zm_file_t *to_at, const char *to)
{
#if defined(__linux__) && defined(SYS_renameat2)
    if (syscall(SYS_renameat2, zm_at(from_at), from, zm_at(to_at), to, RENAME_NOREPLACE) == 0)
        return APR_SUCCESS;
    if (errno != ENOSYS && errno != EINVAL) /* EINVAL: this filesystem does not know the flag */
        return errno;
#elif defined(RENAME_EXCL) /* macOS */
    if (renameatx_np(zm_at(from_at), from, zm_at(to_at), to, RENAME_EXCL) == 0)
        return APR_SUCCESS;
    if (errno != ENOTSUP)
        return errno;
#endif
    return link_and_unlink(zm_at(from_at), from, zm_at(to_at), to);
}

apr_status_t zm_file_replace(zm_file_t *from_at, const char *from, zm_file_t *to_at, const char *to)
{
    return renameat(zm_at(from_at), from, zm_at(to_at), to) < 0 ? errno : APR_SUCCESS;
}

apr_status_t zm_file_link(zm_file_t *from_at, const char *from, zm_file_t *to_at, const char *to)
{
    return linkat(zm_at(from_at), from, zm_at(to_at), to, 0) < 0 ? errno : APR_SUCCESS;
}

apr_status_t zm_file_unlink(zm_file_t *at, const char *path)
{
    return unlinkat(zm_at(at), path, 0) < 0 ? errno : APR_SUCCESS;
}

/* -- directories -------------------------------------------------------------------- */

/* The umask may have taken bits; a set-group-id bit that came from the parent stays. */
static apr_status_t correct_directory_mode(const zm_file_t *at, const char *path, mode_t mode)
{
    struct stat made;
    int descriptor;
    apr_status_t status =
        zm_open_descriptor(&descriptor, at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (status != APR_SUCCESS)
        return status;
    if (fstat(descriptor, &made) < 0)
        status = errno;
    else {
        mode |= made.st_mode & S_ISGID;
        if ((made.st_mode & 07777) != mode && fchmod(descriptor, mode) < 0)
            status = errno;
    }
    close(descriptor);
    return status;
}

apr_status_t zm_dir_make(zm_file_t *at, const char *path, uint32_t mode)
{
    mode &= 07777;
    if (mkdirat(zm_at(at), path, mode | 0700) < 0)
        return errno;
    return correct_directory_mode(at, path, mode);
}

/* A wish: who does not know it lets it be. */
#ifdef FS_IOC_SETFLAGS
static void set_flag(zm_file_t *at, const char *path, int flag)
{
    int descriptor, flags;
    if (zm_open_descriptor(&descriptor, at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0) !=
        APR_SUCCESS)
        return;
    if (ioctl(descriptor, FS_IOC_GETFLAGS, &flags) == 0 && (flags & flag) == 0) {
        flags |= flag;
        (void)ioctl(descriptor, FS_IOC_SETFLAGS, &flags);
    }
    close(descriptor);
}
#endif

void zm_dir_spread(zm_file_t *at, const char *path)
{
#ifdef FS_TOPDIR_FL
    set_flag(at, path, FS_TOPDIR_FL);
#else
    (void)at;
    (void)path;
#endif
}

void zm_dir_in_place(zm_file_t *at, const char *path)
{
#ifdef FS_NOCOW_FL
    set_flag(at, path, FS_NOCOW_FL);
#else
    (void)at;
    (void)path;
#endif
}

apr_status_t zm_dir_remove(zm_file_t *at, const char *path)
{
    return unlinkat(zm_at(at), path, AT_REMOVEDIR) < 0 ? errno : APR_SUCCESS;
}

struct zm_dir_t {
    DIR *stream;
    apr_pool_t *pool;
};

static apr_status_t close_stream(void *data)
{
    zm_dir_t *directory = data;
    if (directory->stream != NULL)
        closedir(directory->stream);
    directory->stream = NULL;
    return APR_SUCCESS;
}

apr_status_t zm_dir_open(zm_dir_t **directory, zm_file_t *at, const char *path, apr_pool_t *pool)
{
    int descriptor;
    DIR *stream;
    apr_status_t status =
        zm_open_descriptor(&descriptor, at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (status != APR_SUCCESS)
        return status;
    stream = fdopendir(descriptor);
    if (stream == NULL) {
        status = errno;
        close(descriptor);
        return status;
    }
    *directory = apr_palloc(pool, sizeof **directory);
    (*directory)->stream = stream;
    (*directory)->pool = pool;
    apr_pool_cleanup_register(pool, *directory, close_stream, apr_pool_cleanup_null);
    return APR_SUCCESS;
}

static zm_file_kind_t kind_of_entry(const zm_dir_t *directory, const struct dirent *entry)
{
    struct stat found;
#ifdef DT_UNKNOWN
    switch (entry->d_type) {
    case DT_REG:
        return ZM_FILE_REGULAR;
    case DT_DIR:
        return ZM_FILE_DIRECTORY;
    case DT_LNK:
        return ZM_FILE_SYMLINK;
    case DT_UNKNOWN:
        break;
    default:
        return ZM_FILE_OTHER;
    }
#endif
    if (fstatat(dirfd(directory->stream), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) < 0)
        return ZM_FILE_OTHER; /* it has gone meanwhile */
    return zm_kind_of_mode(found.st_mode);
}

apr_status_t zm_dir_next(zm_dir_t *directory, const char **name, zm_file_kind_t *kind)
{
    struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(directory->stream);
        if (entry == NULL)
            return errno != 0 ? errno : APR_ENOENT;
    } while (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    *name = entry->d_name;
    if (kind != NULL)
        *kind = kind_of_entry(directory, entry);
    return APR_SUCCESS;
}

void zm_dir_close(zm_dir_t *directory)
{
    apr_pool_cleanup_run(directory->pool, directory, close_stream);
}
