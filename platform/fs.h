/**
 * Durable files.
 *
 * Paths are UTF-8 with '/'.  Every open refuses to follow a symbolic link in
 * the last component (ZM_E_UNSAFE, or APR_ENOTDIR for a directory) and keeps
 * the descriptor from children; where an administrator may have put a link in
 * the place of a directory, say "PATH/.".  A FIFO never makes an open wait.  Nothing here
 * retries a failed sync: after an error the data's fate is unknown and the
 * caller must treat the file as lost.
 */
#ifndef ZM_PLATFORM_FS_H
#define ZM_PLATFORM_FS_H

#include <apr_pools.h>
#include <apr_time.h>
#include <stdbool.h>
#include <stdint.h>

#include "platform/identity.h"
#include "platform/loop.h"
#include "platform/status.h"

typedef struct zm_file_t zm_file_t;

typedef enum zm_file_kind_t { ZM_FILE_REGULAR, ZM_FILE_DIRECTORY, ZM_FILE_SYMLINK, ZM_FILE_OTHER } zm_file_kind_t;

typedef struct zm_file_info_t {
    uint64_t device;
    uint64_t id; /**< inode number or NTFS file id: stable over rename and link on a native spool */
    uint64_t size;
    int64_t mtime_s;
    uint32_t mtime_ns;
    int64_t ctime_s;
    int64_t atime_s; /**< when it was last read, as far as the filesystem keeps count */
    uint32_t atime_ns;
    uint32_t links;
    uint32_t mode; /**< permission bits 07777; 0600/0666 by writability on Windows */
    zm_uid_t uid, gid;
    zm_file_kind_t kind;
} zm_file_info_t;

#define ZM_OPEN_READ 1
#define ZM_OPEN_WRITE 2
#define ZM_OPEN_CREATE 4     /**< create if absent */
#define ZM_OPEN_EXCLUSIVE 8  /**< with CREATE: fail with APR_EEXIST if there is one */
#define ZM_OPEN_APPEND 16
#define ZM_OPEN_TRUNCATE 32
#define ZM_OPEN_SHARED_DELETE 64 /**< implied: others may rename and delete it meanwhile (needs saying on Windows) */
#define ZM_OPEN_FOLLOW 128       /**< a link in the last component is followed: for an administrator's own files */

/**
 * Opens path, relative to the directory handle `at` or to the working directory
 * when `at` is null.  flags need ZM_OPEN_READ, ZM_OPEN_WRITE or both.  mode: for
 * a created file, umask not applied.
 */
apr_status_t zm_file_open(zm_file_t **file, zm_file_t *at, const char *path, int flags, uint32_t mode,
                          apr_pool_t *pool);
/** A directory handle for the `at` arguments. */
apr_status_t zm_dir_handle(zm_file_t **directory, zm_file_t *at, const char *path, apr_pool_t *pool);
/** Makes a file of a descriptor that was handed over (Unix only; owned from now on). */
apr_status_t zm_file_adopt(zm_file_t **file, int descriptor, apr_pool_t *pool);
int zm_file_descriptor(const zm_file_t *file); /**< Unix; -1 elsewhere */
apr_status_t zm_file_close(zm_file_t *file);   /**< reports write errors that only close can see */

apr_status_t zm_file_info(zm_file_info_t *info, zm_file_t *file);
apr_status_t zm_path_info(zm_file_info_t *info, zm_file_t *at, const char *path); /**< never follows a link */
/** What a symbolic link says.  APR_EINVAL: it is none; ZM_E_UNSUPPORTED: not on this system. */
apr_status_t zm_path_link_target(const char **target, const char *path, apr_pool_t *pool);

/** Reads at an offset until *length (in/out) bytes or the end; APR_EOF when nothing is left.  Does not move the append position. */
apr_status_t zm_file_read_at(zm_file_t *file, uint64_t offset, void *buffer, apr_size_t *length);
/** Writes all of it at an offset, or fails.  APR_EINVAL for a file opened with ZM_OPEN_APPEND. */
apr_status_t zm_file_write_at(zm_file_t *file, uint64_t offset, const void *data, apr_size_t length);
/** Writes all of it at the end in one system call; needs ZM_OPEN_APPEND.  A short write is cut back and fails with APR_ENOSPC. */
apr_status_t zm_file_append(zm_file_t *file, const void *data, apr_size_t length);
apr_status_t zm_file_truncate(zm_file_t *file, uint64_t length);

apr_status_t zm_file_sync(zm_file_t *file); /**< contents and size are durable, not the times */
apr_status_t zm_dir_sync(zm_file_t *directory); /**< its names are durable; ZM_E_UNSUPPORTED where it cannot be said */
/** Makes everything written to the filesystem of this file durable where the system can (syncfs); else ZM_E_UNSUPPORTED. */
apr_status_t zm_file_sync_all(zm_file_t *any);

/** Atomic rename; never overwrites: APR_EEXIST when the target exists. */
apr_status_t zm_file_rename(zm_file_t *from_at, const char *from, zm_file_t *to_at, const char *to);
/** Atomic rename over whatever stands there. */
apr_status_t zm_file_replace(zm_file_t *from_at, const char *from, zm_file_t *to_at, const char *to);
apr_status_t zm_file_link(zm_file_t *from_at, const char *from, zm_file_t *to_at, const char *to);
apr_status_t zm_file_unlink(zm_file_t *at, const char *path); /**< also of an open file: its readers go on */
apr_status_t zm_file_set_owner(zm_file_t *file, zm_uid_t uid, zm_uid_t gid); /**< ZM_UID_NONE: leave */
apr_status_t zm_file_set_mode(zm_file_t *file, uint32_t mode);
apr_status_t zm_file_set_mtime(zm_file_t *file, int64_t seconds, uint32_t nanoseconds);
/** When it was last read; that of writing becomes now. */
apr_status_t zm_file_set_atime(zm_file_t *file, int64_t seconds, uint32_t nanoseconds);

/** umask not applied; a set-group-id bit inherited from the parent stays. */
apr_status_t zm_dir_make(zm_file_t *at, const char *path, uint32_t mode);
/** Asks the filesystem to keep what is made in the directories below this one far apart, which ext4
 * does by block groups; where it knows no such thing nothing happens. */
void zm_dir_spread(zm_file_t *at, const char *path);
/** Asks the filesystem to keep what is made in this directory from now on where it is when it is overwritten, so
 * that overwriting takes no space: for btrfs, which else copies and keeps sums. */
void zm_dir_in_place(zm_file_t *at, const char *path);
/** And its missing parents; success when it is there already. */
apr_status_t zm_dir_make_all(const char *path, uint32_t mode, apr_pool_t *pool);
apr_status_t zm_dir_remove(zm_file_t *at, const char *path);

typedef struct zm_dir_t zm_dir_t;
apr_status_t zm_dir_open(zm_dir_t **directory, zm_file_t *at, const char *path, apr_pool_t *pool);
/** The next name ("." and ".." left out), valid until the next call; APR_ENOENT at the end.  kind may be null. */
apr_status_t zm_dir_next(zm_dir_t *directory, const char **name, zm_file_kind_t *kind);
void zm_dir_close(zm_dir_t *directory);

/**
 * Byte-range locks that belong to the open file, not to the process, and end
 * when it is closed or its process dies.  They do not stop reading.  The file
 * must be open for writing; length 0 means up to the end, however far.  A Unix
 * without open file description locks has process locks instead: a second open
 * of the same process is not kept out there, and closing any file object of the
 * same file drops them.
 */
apr_status_t zm_file_lock(zm_file_t *file, uint64_t offset, uint64_t length, bool wait); /**< ZM_E_BUSY if held and !wait */
apr_status_t zm_file_unlock(zm_file_t *file, uint64_t offset, uint64_t length);
/** Whether another open file holds an exclusive lock in the range, for which it must have been opened for writing. */
apr_status_t zm_file_locked(bool *held, zm_file_t *file, uint64_t offset, uint64_t length);
/** Lock over the whole file, as mailbox programs and the classic router take it (fcntl/lockf kind). */
apr_status_t zm_file_lock_whole(zm_file_t *file, bool exclusive, bool wait);
/**
 * The other kind of whole-file lock, flock(2), exclusive: for mailboxes whose readers take that
 * one.  ZM_E_UNSUPPORTED where there is only one kind.
 */
apr_status_t zm_file_lock_bsd(zm_file_t *file, bool wait);

/** For an unprivileged writer; *inodes is UINT64_MAX where they are not counted. */
apr_status_t zm_fs_free_space(uint64_t *bytes, uint64_t *inodes, const char *path);

/** All of a small open file, NUL terminated; ZM_E_LIMIT when larger than limit bytes. */
apr_status_t zm_file_slurp_file(char **data, apr_size_t *length, zm_file_t *file, apr_size_t limit, apr_pool_t *pool);
/** The same by path, no link followed. */
apr_status_t zm_file_slurp(char **data, apr_size_t *length, const char *path, apr_size_t limit, apr_pool_t *pool);

/**
 * Watches a directory for new names.  fn gets the name, or null when names may
 * have been missed and the caller must list.  Where the system cannot watch,
 * ZM_E_UNSUPPORTED: callers rescan by timer then.
 */
typedef struct zm_dirwatch_t zm_dirwatch_t;
typedef void zm_dirwatch_fn(const char *name, void *baton);
apr_status_t zm_dirwatch_open(zm_dirwatch_t **watch, zm_loop_t *loop, const char *path, zm_dirwatch_fn *fn,
                              void *baton);
void zm_dirwatch_close(zm_dirwatch_t *watch); /**< null allowed */

#endif
