/*
 * zm-nolinkfs BACKING MOUNTPOINT [FUSE OPTION...]: a filesystem that keeps its
 * files in the directory BACKING and has not what a native spool needs.  link(2)
 * fails, and a file's inode number is made of its path, so a rename changes it.
 *
 * NOLINKFS_INO=real in the environment keeps the inode numbers,
 * NOLINKFS_ERRNO=95 refuses links with that error in place of EPERM.
 *
 * libfuse's own way of removing open files (renaming them to .fuse_hidden...) is
 * kept: fstat of a removed file works.
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int base = -1; /* the directory BACKING */
static int path_numbers = 1, link_error = EPERM;

static const char *below(const char *path)
{
    return path[1] != '\0' ? path + 1 : ".";
}

static int answer(long result)
{
    return result < 0 ? -errno : (int)result;
}

static int descriptor(const struct fuse_file_info *info)
{
    return (int)info->fh;
}

/* FNV-1a */
static ino_t number_of(const char *path)
{
    ino_t value = 1469598103934665603u;
    for (; *path != '\0'; path++)
        value = (value ^ (unsigned char)*path) * 1099511628211u;
    return value | 1;
}

static int do_getattr(const char *path, struct stat *found, struct fuse_file_info *info)
{
    int result = info != NULL ? fstat(descriptor(info), found)
                              : fstatat(base, below(path), found, AT_SYMLINK_NOFOLLOW);
    if (result < 0)
        return -errno;
    if (path_numbers && path != NULL)
        found->st_ino = number_of(path);
    if (path_numbers && S_ISREG(found->st_mode) && found->st_nlink > 0)
        found->st_nlink = 1;
    return 0;
}

static int do_mkdir(const char *path, mode_t mode)
{
    return answer(mkdirat(base, below(path), mode));
}

static int do_unlink(const char *path)
{
    return answer(unlinkat(base, below(path), 0));
}

static int do_rmdir(const char *path)
{
    return answer(unlinkat(base, below(path), AT_REMOVEDIR));
}

static int do_rename(const char *from, const char *to, unsigned flags)
{
    return answer(renameat2(base, below(from), base, below(to), flags));
}

static int do_link(const char *from, const char *to)
{
    (void)from;
    (void)to;
    return -link_error;
}

static int do_chmod(const char *path, mode_t mode, struct fuse_file_info *info)
{
    (void)info;
    return answer(fchmodat(base, below(path), mode, 0));
}

static int do_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *info)
{
    (void)info;
    return answer(fchownat(base, below(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}

static int do_truncate(const char *path, off_t length, struct fuse_file_info *info)
{
    int file, result;
    if (info != NULL)
        return answer(ftruncate(descriptor(info), length));
    file = openat(base, below(path), O_WRONLY);
    if (file < 0)
        return -errno;
    result = answer(ftruncate(file, length));
    close(file);
    return result;
}

static int do_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *info)
{
    (void)info;
    return answer(utimensat(base, below(path), times, AT_SYMLINK_NOFOLLOW));
}

static int keep(struct fuse_file_info *info, int file)
{
    if (file < 0)
        return -errno;
    info->fh = (uint64_t)file;
    return 0;
}

static int do_open(const char *path, struct fuse_file_info *info)
{
    return keep(info, openat(base, below(path), info->flags & ~O_CREAT));
}

static int do_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
    return keep(info, openat(base, below(path), info->flags | O_CREAT, mode));
}

static int do_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *info)
{
    (void)path;
    return answer(pread(descriptor(info), buffer, size, offset));
}

static int do_write(const char *path, const char *data, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
    (void)path;
    return answer(pwrite(descriptor(info), data, size, offset));
}

static int do_release(const char *path, struct fuse_file_info *info)
{
    (void)path;
    close(descriptor(info));
    return 0;
}

static int do_fsync(const char *path, int data_only, struct fuse_file_info *info)
{
    (void)path;
    return answer(data_only ? fdatasync(descriptor(info)) : fsync(descriptor(info)));
}

static int do_statfs(const char *path, struct statvfs *space)
{
    (void)path;
    return answer(fstatvfs(base, space));
}

static int do_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
                      struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
    int file = openat(base, below(path), O_RDONLY | O_DIRECTORY);
    DIR *directory = file < 0 ? NULL : fdopendir(file);
    struct dirent *entry;
    (void)offset;
    (void)info;
    (void)flags;
    if (directory == NULL)
        return -errno;
    while ((entry = readdir(directory)) != NULL)
        if (fill(buffer, entry->d_name, NULL, 0, 0) != 0)
            break;
    closedir(directory);
    return 0;
}

/* Nothing is remembered: a rename elsewhere shall be seen at once. */
static void *do_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    config->use_ino = 1;
    config->attr_timeout = config->entry_timeout = config->negative_timeout = 0;
    return NULL;
}

static const struct fuse_operations operations = {
    .init = do_init,
    .getattr = do_getattr,
    .mkdir = do_mkdir,
    .unlink = do_unlink,
    .rmdir = do_rmdir,
    .rename = do_rename,
    .link = do_link,
    .symlink = do_link,
    .chmod = do_chmod,
    .chown = do_chown,
    .truncate = do_truncate,
    .utimens = do_utimens,
    .open = do_open,
    .create = do_create,
    .read = do_read,
    .write = do_write,
    .release = do_release,
    .fsync = do_fsync,
    .statfs = do_statfs,
    .readdir = do_readdir,
};

int main(int argc, char **argv)
{
    const char *numbers = getenv("NOLINKFS_INO"), *error = getenv("NOLINKFS_ERRNO");
    if (argc < 3) {
        fprintf(stderr, "usage: zm-nolinkfs BACKING MOUNTPOINT [FUSE OPTION...]\n");
        return 2;
    }
    base = open(argv[1], O_RDONLY | O_DIRECTORY);
    if (base < 0) {
        perror(argv[1]);
        return 1;
    }
    path_numbers = numbers == NULL || strcmp(numbers, "real") != 0;
    if (error != NULL)
        link_error = atoi(error);
    argv[1] = argv[0];
    return fuse_main(argc - 1, argv + 1, &operations, NULL);
}
