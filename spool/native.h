/**
 * The native engine: a spool is a directory tree, an object a file, its
 * identity the inode number (NTFS: the file id).
 *
 * Private to native*.c.  The parts:
 *
 *   native.c         the engine table, opening, names
 *   native_dirs.c    directories of the tree, kept open
 *   native_object.c  one object: made, read, changed in place
 *   native_commit.c  publishing
 *   native_release.c threads that close what has no names any more
 *   native_list.c    listing and watching
 *   native_check.c   what does not belong there; taking in another spool
 */
#ifndef ZM_SPOOL_NATIVE_H
#define ZM_SPOOL_NATIVE_H

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>

#include "platform/fs.h"
#include "spool/engine.h"
#include "spool/layout.h"

/* -- directories -------------------------------------------------------------- */

/** An open directory of the tree; its name is relative to the spool: "transport/A/B". */
typedef struct zm_native_dir_t {
    zm_file_t *handle;
    zm_file_info_t info;
    uint32_t key; /* hash of path */
    int users;
    bool cached, dead;
    int syncing;
    apr_time_t sync_begun;            /* the latest */
    struct zm_native_sync_t *waiting; /* for the next sync */
    volatile apr_uint32_t failures;   /* syncs that failed */
    apr_status_t failure;             /* the latest of these */
    uint64_t last_use;
    apr_pool_t *pool;
    char path[ZM_ENGINE_NAME_SIZE];
} zm_native_dir_t;

typedef struct zm_native_dirs_t zm_native_dirs_t;

/** One who waits for a directory's sync: with `done`, or in zm_native_dir_sync. */
typedef struct zm_native_sync_t {
    struct zm_native_sync_t *next;
    /** By the thread that did the sync.  served: told to one of them, how many they are; else 0. */
    void (*done)(void *baton, apr_status_t status, int served);
    void *baton;
    apr_uint32_t failures; /**< zm_native_dir_failures before the name was made */
    apr_thread_cond_t *end; /**< without done: shared by those who wait for the same sync */
    bool ended;
    apr_status_t status;
} zm_native_sync_t;

apr_status_t zm_native_dirs_create(zm_native_dirs_t **dirs, zm_file_t *root, int limit, apr_pool_t *pool);
void zm_native_dirs_destroy(zm_native_dirs_t *dirs);

/**
 * Opens a directory part by part, so that no symbolic link is followed.  make:
 * a hash directory that is missing is made with mode and owner of its parent,
 * durably.  In a world-writable input directory a hash directory that belongs to
 * somebody else than its parent is refused (ZM_E_UNSAFE).
 */
apr_status_t zm_native_dir_get(zm_native_dir_t **dir, zm_native_dirs_t *dirs, zm_str_t path, bool make);
void zm_native_dir_put(zm_native_dirs_t *dirs, zm_native_dir_t *dir); /**< null allowed */
/**
 * To be asked before a name is made in it, and told to the sync of that name: the system reports a
 * failure once only, so when a sync has failed since, the name may be lost though the next succeeds.
 */
apr_uint32_t zm_native_dir_failures(zm_native_dir_t *dir);
/** A sync of it failed. */
void zm_native_dir_failed(zm_native_dirs_t *dirs, zm_native_dir_t *dir, apr_status_t status);
/** Makes the names that are in it durable, sharing the sync with others that want the same. *ours: we did it. */
apr_status_t zm_native_dir_sync(zm_native_dirs_t *dirs, zm_native_dir_t *dir, apr_uint32_t failures, bool *ours);
/** The same without waiting: sync->done is called, perhaps by this thread before this returns. */
void zm_native_dir_sync_later(zm_native_dirs_t *dirs, zm_native_dir_t *dir, zm_native_sync_t *sync);
/** After an ENOENT: whether the name now belongs to another directory, or to none; it is forgotten then. */
bool zm_native_dir_stale(zm_native_dirs_t *dirs, zm_native_dir_t *dir);
/** Closes what nobody uses. */
void zm_native_dirs_shrink(zm_native_dirs_t *dirs);

/* -- the engine ------------------------------------------------------------------ */

typedef struct zm_native_object_t zm_native_object_t;
typedef struct zm_native_release_t zm_native_release_t;

typedef struct zm_native_t {
    const char *location;
    apr_pool_t *pool;
    zm_file_t *root;
    zm_native_dirs_t *dirs;
    zm_native_release_t *release;
    bool no_colon; /**< the system forbids ':' in names: COLON_STANDIN takes its place */
    apr_thread_mutex_t *lock; /**< of what follows */
    zm_native_object_t *spare; /**< objects to use again */
    int spare_count;
    char scratch_head[64]; /**< HOST:PID */
    uint64_t scratch_seed, scratch_count;
    struct { /* whether one sync of the whole filesystem can serve a conversion */
        bool asked, impossible;
    } whole;
} zm_native_t;

static inline zm_native_t *zm_native(zm_engine_t *engine)
{
    return (zm_native_t *)engine;
}

/** A name found in the tree: its directory, and the leaf as the system has it. */
typedef struct zm_native_place_t {
    zm_native_dir_t *dir;
    char leaf[ZM_HASH_PREFIX_SIZE + ZM_LEAF_LIMIT + 1];
} zm_native_place_t;

apr_status_t zm_native_place(zm_native_place_t *place, zm_native_t *native, const char *name, bool make);
/**
 * The same for a call that needs the name only, and not the directory that holds it: below a
 * directory where nobody else can write, the leaf is the rest of the path ("A/B/4711"), and no
 * hash directory is opened.  There are more of them than can be kept open.
 */
apr_status_t zm_native_place_of_name(zm_native_place_t *place, zm_native_t *native,
                                     const char *name, bool make);
void zm_native_leave(zm_native_place_t *place, zm_native_t *native);
/** Leaves; true when status is ENOENT because the directory was replaced meanwhile: try once more. */
bool zm_native_leave_again(zm_native_place_t *place, zm_native_t *native, apr_status_t status);
apr_status_t zm_native_rename(zm_engine_t *engine, const char *from, const char *to);
/** Between names of the spool and of the system. */
void zm_native_leaf_out(const zm_native_t *native, char *system_leaf, zm_str_t leaf);
void zm_native_leaf_in(const zm_native_t *native, char *leaf);

/* -- objects ------------------------------------------------------------------------ */

struct zm_native_object_t {
    zm_native_t *native;
    zm_native_object_t *next;
    apr_pool_t *pool; /* of its own, cleared when the object is given back */
    zm_file_t *file;
    zm_file_t *appending; /* a second open, made with the first append */
    uint64_t length;      /* of an object being made */
    bool being_made;
    bool steady;             /* stays as it was */
    zm_object_info_t opened; /* when it was opened */
    char name[ZM_ENGINE_NAME_SIZE]; /* scratch name, or the one it was opened by; "" when adopted */
};

static inline zm_native_object_t *zm_native_object(zm_engine_object_t *object)
{
    return (zm_native_object_t *)object;
}

/** Makes the scratch file of an object. */
apr_status_t zm_native_make(zm_native_object_t **object, zm_native_t *native, const zm_create_options_t *options);
apr_status_t zm_native_write(zm_native_object_t *object, const void *data, apr_size_t length);
void zm_native_give_back(zm_native_object_t *object);
void zm_native_discard(zm_native_object_t *object);
void zm_native_info_of(zm_object_info_t *info, const zm_file_info_t *from);

apr_status_t zm_native_create(zm_engine_t *, zm_engine_object_t **, const zm_create_options_t *);
apr_status_t zm_native_object_write(zm_engine_object_t *, const void *, apr_size_t);
apr_status_t zm_native_truncate(zm_engine_object_t *, uint64_t);
void zm_native_object_discard(zm_engine_object_t *);
apr_status_t zm_native_open_object(zm_engine_t *, zm_engine_object_t **, const char *, int);
apr_status_t zm_native_adopt(zm_engine_t *, zm_engine_object_t **, int);
void zm_native_close_object(zm_engine_object_t *);
apr_status_t zm_native_info(zm_engine_object_t *, zm_object_info_t *);
apr_status_t zm_native_read(zm_engine_object_t *, uint64_t, void *, apr_size_t *);
apr_status_t zm_native_overwrite(zm_engine_object_t *, uint64_t, const void *, apr_size_t);
apr_status_t zm_native_append(zm_engine_object_t *, const void *, apr_size_t, bool);
apr_status_t zm_native_lock(zm_engine_object_t *, uint64_t, uint64_t);
apr_status_t zm_native_unlock(zm_engine_object_t *, uint64_t, uint64_t);
apr_status_t zm_native_locked(zm_engine_object_t *, bool *, uint64_t, uint64_t);
apr_status_t zm_native_lock_whole(zm_engine_object_t *, bool);
apr_status_t zm_native_set_owner(zm_engine_object_t *, zm_uid_t, zm_uid_t);
apr_status_t zm_native_set_mode(zm_engine_object_t *, uint32_t);

/* -- publishing ------------------------------------------------------------------------ */

bool zm_native_commit_group(zm_engine_t *engine, zm_commit_t *const *commits, int count,
                            zm_engine_figures_t *figures);

/* -- letting go ------------------------------------------------------------------------ */

apr_status_t zm_native_release_create(zm_native_release_t **release);
/** Waits for what is under way. */
void zm_native_release_destroy(zm_native_release_t *release);
/** A pool to open files in; null when there is no memory.  Each is given back by zm_native_release. */
apr_pool_t *zm_native_release_pool(zm_native_release_t *release, void **bundle);
/** Closes the files of the pool, so many pairs, in a thread, or at once when many wait. */
void zm_native_release(zm_native_release_t *release, void *bundle, int pairs);

/* -- listing and watching ------------------------------------------------------------------ */

apr_status_t zm_native_list(zm_engine_t *, zm_engine_listing_t **, const char *, bool, apr_pool_t *);
apr_status_t zm_native_list_next(zm_engine_listing_t *, const char **);
void zm_native_list_close(zm_engine_listing_t *);
apr_status_t zm_native_watch(zm_engine_t *, zm_engine_watch_t **, const char *, zm_loop_t *, zm_spool_watch_fn *,
                             void *);
void zm_native_watch_close(zm_engine_watch_t *);

/* -- checking and converting ----------------------------------------------------------------- */

apr_status_t zm_native_directories(zm_engine_t *, apr_array_header_t *);
apr_status_t zm_native_check(zm_engine_t *, const zm_check_options_t *, zm_check_report_t *, apr_pool_t *);
apr_status_t zm_native_import(zm_engine_object_t *, const char *, const zm_object_info_t *);
apr_status_t zm_native_settle(zm_engine_t *);

#endif
