/**
 * A disk in memory, for crash tests: what programs see of it, a record of every
 * operation, and every image of it that a loss of power may leave.
 *
 * One disk at a time is mounted (disk_mount).  The file layer (disk_files.c) and
 * SQLite (disk_vfs.c) of the explorer work on the mounted disk for paths below
 * DISK_ROOT.  What the disk may do with operations that were not synced is told
 * in README.md; disk_image.c implements it.
 *
 * Nothing here is thread-safe: the explorer lets no thread start.
 */
#ifndef ZM_TESTS_CRASH_DISK_H
#define ZM_TESTS_CRASH_DISK_H

#include <apr_errno.h>
#include <apr_time.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_ROOT "/simulated-disk"
#define DISK_SECTOR 512 /**< bytes that are written whole or not at all */
#define DISK_NAME_LIMIT 256

typedef struct disk_t disk_t;

typedef enum disk_kind_t {
    DISK_CREATE, /**< a file gets its first name */
    DISK_MKDIR,
    DISK_RENAME,  /**< never onto a name that is taken */
    DISK_REPLACE, /**< a rename over what stands there */
    DISK_LINK,
    DISK_UNLINK,
    DISK_RMDIR,
    DISK_WRITE,
    DISK_TRUNCATE,
    DISK_SYNC,       /**< of a file's contents */
    DISK_SYNC_NAMES, /**< of a directory */
    DISK_SYNC_ALL    /**< of the whole disk */
} disk_kind_t;

/** An operation of the record.  Files and directories go by their index, which is never used again.
 */
typedef struct disk_op_t {
    disk_kind_t kind;
    bool failed; /**< a sync that reported an error */
    int inode;
    int from, to; /**< directories */
    const char *name, *new_name;
    uint64_t offset;
    uint32_t length;
    const char *data;
    int64_t mtime;  /**< nanoseconds */
    int depends[4]; /**< earlier operations on the same names and file; -1: none */
} disk_op_t;

typedef struct disk_lock_t {
    int inode;
    const void *owner;
    uint64_t start, end;
    bool exclusive;
} disk_lock_t;

typedef struct disk_entry_t {
    const char *name;
    int inode;
    int last_op; /**< that touched the name; of the record */
} disk_entry_t;

typedef struct disk_inode_t {
    uint64_t number; /**< what programs see; used again when the file is gone */
    bool directory;
    uint32_t links, opens;
    uint32_t errors; /**< syncs that failed; who had it open is told once */
    uint32_t mode;
    int64_t uid, gid, mtime, ctime;
    int created, last_name_op; /**< operations of the record; -1: before it */
    unsigned char *data;
    uint64_t size, room;
    disk_entry_t *entries; /**< an entry without name is free */
    int entry_count, entry_room;
    void *shared; /**< of disk_vfs.c: locks and the log's index */
} disk_inode_t;

/** Which calls fail, and how. */
typedef enum disk_fault_t {
    DISK_FAULT_NONE,
    DISK_FAULT_SPACE,      /**< ENOSPC, after some of a write was done */
    DISK_FAULT_SYNC,       /**< EIO of a file's sync */
    DISK_FAULT_SYNC_NAMES, /**< EIO of a directory's sync */
    DISK_FAULT_OPEN,       /**< EMFILE */
    DISK_FAULT_WRITE,      /**< EIO, after some of a write was done */
    DISK_FAULT_NAMES,      /**< ENOSPC of a new name: its directory would have to grow */
    DISK_FAULT_COUNT
} disk_fault_t;

/** Mistakes that are put in deliberately, to see that they are found. */
typedef enum disk_plant_t {
    DISK_PLANT_NONE,
    DISK_PLANT_NO_DIR_SYNC,        /**< directories are not synced */
    DISK_PLANT_RENAME_BEFORE_SYNC, /**< contents are synced after the name instead of before it */
    DISK_PLANT_IGNORE_EIO          /**< a failed sync passes for a success */
} disk_plant_t;

/**
 * How the names of a disk survive, and what numbers files get.  ORDERED: in the order of their
 * operations, and any sync makes all earlier ones durable (one journal for all); the lowest free
 * number is given out again.  LOOSE: in that order too, except that a sync makes durable only what
 * belongs to what is synced, ahead of all else; a number is never used again.
 */
typedef enum disk_model_t { DISK_ORDERED, DISK_LOOSE } disk_model_t;

struct disk_t {
    disk_model_t model;
    struct disk_arena_t *arena;
    disk_inode_t **inodes;
    int inode_count, inode_room;
    disk_lock_t *locks;
    int lock_count, lock_room;

    bool recording;
    disk_t *base; /**< as it was when the record began */
    disk_op_t *ops;
    int op_count, op_room;

    disk_fault_t fault;
    int fault_in, fault_for; /**< calls until the first that fails; how many fail */
    disk_plant_t plant;
    uint64_t fresh; /**< next number of a file; 0: the lowest that is free */
    int postponed;  /**< with RENAME_BEFORE_SYNC: file to be synced after the next sync; -1: none */
    uint64_t space; /**< bytes free, as programs are told */
};

/** An empty disk: a root directory, number 2. */
disk_t *disk_make(disk_model_t model);
void disk_free(disk_t *disk);
/** Frees the memory that is kept for further disks. */
void disk_free_spare(void);
void disk_mount(disk_t *disk);
disk_t *disk_mounted(void);
/** Everything so far is durable; the record begins here. */
void disk_record(disk_t *disk);
/** Memory that lives as long as the disk. */
void *disk_alloc(disk_t *disk, size_t size);

/* -- what programs do; all return APR status codes ------------------------------------------ */

/** Walks to a file or directory.  parent, leaf: where its name stands; inode is -1 when only that
 * is missing. */
apr_status_t disk_find(disk_t *disk, int at, const char *path, int *parent, const char **leaf,
                       int *inode);
apr_status_t disk_create(disk_t *disk, int *inode, int directory, const char *name, uint32_t mode,
                         bool is_directory);
apr_status_t disk_rename(disk_t *disk, int from, const char *name, int to, const char *new_name,
                         bool replace);
apr_status_t disk_link(disk_t *disk, int inode, int to, const char *new_name);
apr_status_t disk_unlink(disk_t *disk, int directory, const char *name, bool is_directory);
apr_status_t disk_write(disk_t *disk, int inode, uint64_t offset, const void *data, size_t length);
apr_status_t disk_truncate(disk_t *disk, int inode, uint64_t size);
/** told: how many errors of the file the caller has been told of, or were before it opened it. */
apr_status_t disk_sync(disk_t *disk, int inode, uint32_t *told);
apr_status_t disk_sync_names(disk_t *disk, int directory);
apr_status_t disk_sync_all(disk_t *disk);
/** Whether a call of that kind is to fail now. */
bool disk_fails(disk_t *disk, disk_fault_t kind);
/** Sets the time of last change, nanoseconds. */
void disk_set_mtime(disk_t *disk, int inode, int64_t mtime);
/** Lock conflicts: owner is the open file. */
bool disk_lock(disk_t *disk, int inode, const void *owner, uint64_t start, uint64_t length,
               bool exclusive);
void disk_unlock(disk_t *disk, int inode, const void *owner, uint64_t start, uint64_t length);
bool disk_locked(const disk_t *disk, int inode, const void *owner, uint64_t start, uint64_t length);

/* -- what a loss of power leaves (disk_image.c) --------------------------------------------- */

/** What is durable after the first `now` operations of a record. */
typedef struct disk_past_t {
    const disk_t *disk;
    int now;
    bool *forced; /* by operation: durable */
    bool *lost;   /* by operation: its sync failed, so no later sync makes it durable */
    int *synced;  /* by inode: number of the operation after its last sync */
    int *pending; /* name operations that are not durable, in order */
    int pending_count;
} disk_past_t;

disk_past_t *disk_past(const disk_t *disk);
void disk_past_free(disk_past_t *past);
/** Takes in the next operation. */
void disk_past_step(disk_past_t *past);

/** One outcome: the first `names` pending name operations survived; contents by `data`. */
typedef struct disk_choice_t {
    int names;
    uint64_t
        data; /**< 0: no unsynced contents survived; 1: all; else a seed for each sector's fate */
} disk_choice_t;

/** A copy of a disk, without its record. */
disk_t *disk_copy(const disk_t *disk);
disk_t *disk_image(const disk_past_t *past, const disk_choice_t *choice);
/** A fingerprint of names and contents. */
uint64_t disk_fingerprint(const disk_t *disk);
/** "rename public/x -> router/4711" into buffer. */
const char *disk_op_text(const disk_t *disk, int op, char *buffer, size_t size);
uint64_t disk_mix(uint64_t value);

/* -- for the programs under test ------------------------------------------------------------ */

/** sameness.c: what random bytes they get from now on. */
void disk_seed(uint64_t seed);
/** sameness.c: threads never run, but may seem to start. */
void disk_threads(bool seem_to_start);
/** disk_vfs.c: makes SQLite work on the mounted disk, and on it alone for paths below DISK_ROOT. */
int disk_vfs_register(void);

#endif
