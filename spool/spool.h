/**
 * The spool: what programs may do with mail on disk, whatever lies underneath.
 *
 * A spool holds objects (message files, control files) under names.  A name is
 * "DIRECTORY/LEAF" or, in hashed directories, "DIRECTORY/X/LEAF" or
 * "DIRECTORY/X/Y/LEAF" (X, Y: A to Z).  No call takes or gives a path of the
 * filesystem, except zm_spool_native_path for foreign programs.
 *
 * Guarantees, on every engine and every platform:
 *
 *   publish       an object becomes visible under its final name complete and
 *                 durable, or not at all
 *   rename        moving a name between directories is atomic, also across a
 *                 crash; an existing name is never overwritten
 *   link          an object may have several names in different directories
 *   identity      the 64-bit id is unchanged by rename and link, and unique
 *                 among live objects; it names the message
 *   in place      overwriting bytes at a fixed offset is atomic per byte and
 *                 seen at once by other processes
 *   open survives an open object stays readable after its last name is gone
 *   watch         a directory can be listed in bounded steps, and watched
 *
 * An engine supplies them (engine.h).  zm_spool_open finds out which engine a
 * spool has.
 */
#ifndef ZM_SPOOL_SPOOL_H
#define ZM_SPOOL_SPOOL_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>
#include <stdint.h>

#include "platform/identity.h"
#include "platform/loop.h"
#include "platform/status.h"
#include "platform/str.h"

typedef struct zm_spool_t zm_spool_t;
typedef struct zm_object_t zm_object_t;

typedef struct zm_object_info_t {
    uint64_t id;
    uint64_t size;
    int64_t mtime_s; /**< of a message: its arrival time, which nothing may change */
    uint32_t mtime_ns;
    int64_t ctime_s;
    uint32_t links;
    uint32_t mode;
    zm_uid_t uid, gid; /**< the owner of a message is its authenticated submitter */
} zm_object_info_t;

/* -- the spool ---------------------------------------------------------------- */

typedef struct zm_spool_options_t {
    const char *location; /**< $POSTOFFICE: a directory, or "native:DIR", "emulated:DIR" */
    zm_loop_t *loop;      /**< completions of asynchronous publishes arrive here; null: only _wait calls */
    int sync_threads;     /**< how many syncs may run at once; 0: a sensible number */
    bool create;          /**< make the directories that are missing (layout.h) */
    bool unsynced;        /**< SUBMIT_FSYNC=no: publishes do not wait for the disk */
    int directory_handles; /**< how many hash directories the native engine keeps open; 0: 64 */
} zm_spool_options_t;

/**
 * Opens a spool and checks that its directories are there, are directories, and
 * have permissions that keep others out.  ZM_E_UNSAFE, ZM_E_UNSUPPORTED (with
 * the failing guarantee named), ZM_E_CONFIG.
 */
apr_status_t zm_spool_open(zm_spool_t **spool, const zm_spool_options_t *options, apr_pool_t *pool,
                           zm_error_t *error);
/** Waits for publishes under way and closes. */
void zm_spool_close(zm_spool_t *spool);
const char *zm_spool_location(const zm_spool_t *spool);
const char *zm_spool_engine_name(const zm_spool_t *spool); /**< "native", ... */

/** Whether a name is well formed: known shape, no "..", NUL, ':', '\\', control byte or device name; leaf up to 255 bytes. */
bool zm_spool_name_valid(zm_str_t name);

/** Space for an unprivileged writer. */
apr_status_t zm_spool_free_space(zm_spool_t *spool, uint64_t *bytes, uint64_t *objects);

/** The path of a named object, for programs that are not ours; ZM_E_UNSUPPORTED where the engine has none. */
apr_status_t zm_spool_native_path(const char **path, zm_spool_t *spool, const char *name, apr_pool_t *pool);

/* -- making an object ------------------------------------------------------------ */

typedef struct zm_create_options_t {
    const char *directory; /**< where the scratch name stands: "public"; for control files "transport/A/B" */
    const char *scratch;   /**< scratch leaf, e.g. ".4711"; null: HOST:PID with a random tail */
    zm_uid_t uid, gid;     /**< owner; ZM_UID_NONE: the process's */
    uint32_t mode;         /**< permission bits, exactly; 0 means 0600 */
} zm_create_options_t;

/**
 * Makes an empty object that nobody but its maker uses.  The handle is freed by
 * publish or discard.  A small object does not reach the disk before it is
 * flushed, asked for its identity or published; strings of options are copied.
 */
apr_status_t zm_object_create(zm_object_t **object, zm_spool_t *spool, const zm_create_options_t *options);

/** Adds bytes at the end.  Buffered: errors (ENOSPC, EIO) may come with a later call, at the latest with publish. */
apr_status_t zm_object_write(zm_object_t *object, const void *data, apr_size_t length);
/**
 * Hands all that was written to the system (which does not make it durable), so
 * that publishing has only a name left to fail at.  For a control file, before
 * its message moves to queue/.
 */
apr_status_t zm_object_flush(zm_object_t *object);
/** Bytes written so far. */
uint64_t zm_object_written(const zm_object_t *object);
/** Takes back what was written beyond length (for a preamble that another replaces). */
apr_status_t zm_object_rewind(zm_object_t *object, uint64_t length);
/** Identity, owner and times of an object, being made or published. */
apr_status_t zm_object_info(zm_object_info_t *info, zm_object_t *object);
/** The path of an object that is being made, for programs that are not ours: they see all that was written, and may
 * not change it.  It holds until publish or discard.  ZM_E_UNSUPPORTED where the engine has none. */
apr_status_t zm_object_native_path(const char **path, zm_object_t *object, apr_pool_t *pool);
/** Removes an object that was not published. */
void zm_object_discard(zm_object_t *object);

typedef struct zm_target_t {
    const char *directory; /**< "router", "transport", ... */
    int hash_levels;       /**< 0, 1, 2: hash directories by id (layout.h) */
    bool make_hash;        /**< make a missing hash directory, like its parent */
    uint64_t id;           /**< name and hash by this id; 0: the object's own */
    const char *suffix;    /**< after the digits, e.g. "policy-1"; null: none */
    bool unsynced;         /**< visible complete, but not durable (control files: recovery makes a lost one again) */
    /**
     * A name that moves with the publish: a message, from router/ to queue/, with its
     * control file.  It is renamed when all that can go wrong before is past, and just
     * before the object becomes visible, or at the same moment; when the object's own
     * name then fails, it is renamed back.  Null: none.
     */
    const char *companion, *companion_target;
} zm_target_t;

typedef struct zm_published_t {
    const char *name; /**< "router/4711"; valid during the call */
    zm_object_info_t info;
} zm_published_t;

typedef void zm_publish_fn(apr_status_t status, const zm_published_t *published, void *baton);

/**
 * Gives the object its final name.  The handle is consumed at once, whatever
 * comes.  fn is called once on the spool's loop, never before this returns:
 * after the object and its name are durable, or with the reason why it is not
 * visible (it is removed then).  Publishes under way at the same time share
 * their syncs.  An error of a sync is final for that object.
 */
void zm_object_publish(zm_object_t *object, const zm_target_t *target, zm_publish_fn *fn, void *baton);

/** The same, waiting.  result->name is allocated in pool.  result may be null. */
apr_status_t zm_object_publish_wait(zm_object_t *object, const zm_target_t *target, zm_published_t *result,
                                    apr_pool_t *pool);

/* -- using an object -------------------------------------------------------------- */

#define ZM_OBJECT_READ 1
#define ZM_OBJECT_UPDATE 2 /**< read, overwrite in place, append */
/** Of a message, which nobody changes: what was seen when it was opened is not looked for again. */
#define ZM_OBJECT_STEADY 4

/** Opens a published object: regular ones only, and nothing through a link (ZM_E_UNSAFE). APR_ENOENT when there is none. */
apr_status_t zm_object_open(zm_object_t **object, zm_spool_t *spool, const char *name, int how);
/** Makes a handle of an open file that a privileged helper handed over (native engine; owned from now on).  It is
 * appended to only if it was opened for that. */
apr_status_t zm_object_adopt(zm_object_t **object, zm_spool_t *spool, int descriptor);
void zm_object_close(zm_object_t *object); /**< null allowed */
/** Whether the name by which it was opened still is a name of this object. */
apr_status_t zm_object_has_name(bool *has, zm_object_t *object, const char *name);

/** Reads at an offset; *length in/out; APR_EOF when nothing is left there. */
apr_status_t zm_object_read(zm_object_t *object, uint64_t offset, void *buffer, apr_size_t *length);
/** Reads the whole object; ZM_E_LIMIT when it has more than limit bytes. *data is in pool, NUL terminated. */
apr_status_t zm_object_read_all(zm_object_t *object, char **data, apr_size_t *length, apr_size_t limit,
                                apr_pool_t *pool);
/** Overwrites existing bytes, also of an object that is being made; never changes the length. */
apr_status_t zm_object_overwrite(zm_object_t *object, uint64_t offset, const void *data, apr_size_t length);
/** Appends in one piece; durable: synced before it returns. A partial append is cut back and fails. */
apr_status_t zm_object_append(zm_object_t *object, const void *data, apr_size_t length, bool durable);
/** Byte-range locks between open handles, ended by close or death; ZM_E_BUSY when held. */
apr_status_t zm_object_lock(zm_object_t *object, uint64_t offset, uint64_t length);
apr_status_t zm_object_unlock(zm_object_t *object, uint64_t offset, uint64_t length);
apr_status_t zm_object_locked(bool *held, zm_object_t *object, uint64_t offset, uint64_t length);
/** Exclusive lock over the whole object, as originals take it on router input. */
apr_status_t zm_object_lock_whole(zm_object_t *object, bool wait);
/** Whether every program that uses this spool takes locks, so that nothing else need tell who works on something. */
bool zm_object_locks_suffice(const zm_object_t *object);
/** Whether this handle has all of the range locked; only where locks suffice. */
bool zm_object_holds(const zm_object_t *object, uint64_t offset, uint64_t length);
apr_status_t zm_object_set_owner(zm_object_t *object, zm_uid_t uid, zm_uid_t gid);
apr_status_t zm_object_set_mode(zm_object_t *object, uint32_t mode);

/* -- names ------------------------------------------------------------------------ */

apr_status_t zm_spool_info(zm_object_info_t *info, zm_spool_t *spool, const char *name);
/** APR_EEXIST when `to` exists.  Hash directories of `to` that are missing are made like their parent. */
apr_status_t zm_spool_rename(zm_spool_t *spool, const char *from, const char *to);
apr_status_t zm_spool_link(zm_spool_t *spool, const char *from, const char *to);
apr_status_t zm_spool_unlink(zm_spool_t *spool, const char *name); /**< APR_ENOENT when absent */
/** Removes a message and its control file, in this order; one that is absent is no error.  The message's id is not
 * given to a new object before both names are gone. */
apr_status_t zm_spool_unlink_pair(zm_spool_t *spool, const char *first, const char *second);
/**
 * The same for many at once, which costs less: names[0] and names[1] are a pair, names[2] and names[3]
 * the next.  When it fails some may be gone and some not.
 */
apr_status_t zm_spool_unlink_pairs(zm_spool_t *spool, const char *const *names, int pairs);
/**
 * Makes a directory beside those of the layout ("router1"), or a hash directory
 * ("router/A"), durably.  mode as for chmod, 0: like its parent.  APR_EEXIST.
 */
apr_status_t zm_spool_make_directory(zm_spool_t *spool, const char *directory, uint32_t mode);
/**
 * Gives a directory to another account, which may then make and remove names in it.  By root, for
 * a program that gives up its rights.  No error where rights do not go by accounts.
 */
apr_status_t zm_spool_own_directory(zm_spool_t *spool, const char *directory, zm_uid_t uid);
/** Whether a directory of that name is there. */
bool zm_spool_has_directory(zm_spool_t *spool, const char *directory);
/** The top directories, those of the layout and further ones (const char *), in no order. */
apr_status_t zm_spool_directories(apr_array_header_t **names, zm_spool_t *spool, apr_pool_t *pool);
/** Makes renames, links and unlinks in a directory durable (most callers need not: recovery covers them). */
apr_status_t zm_spool_sync_names(zm_spool_t *spool, const char *directory);

/** Lists a directory and its hash directories in no order.  Names starting with a dot are given only with `hidden`. */
typedef struct zm_listing_t zm_listing_t;
apr_status_t zm_spool_list(zm_listing_t **listing, zm_spool_t *spool, const char *directory, bool hidden,
                           apr_pool_t *pool);
/** The next name ("transport/A/B/4711"), valid until the next call; APR_ENOENT at the end.  Bounded work a call. */
apr_status_t zm_listing_next(zm_listing_t *listing, const char **name);
void zm_listing_close(zm_listing_t *listing);

/** Hints that a name may have appeared in a directory; name null: list again.  Losing one costs latency only. */
typedef struct zm_spool_watch_t zm_spool_watch_t;
typedef void zm_spool_watch_fn(const char *name, void *baton);
apr_status_t zm_spool_watch(zm_spool_watch_t **watch, zm_spool_t *spool, const char *directory, zm_loop_t *loop,
                            zm_spool_watch_fn *fn, void *baton);
void zm_spool_watch_close(zm_spool_watch_t *watch);

/* -- figures ------------------------------------------------------------------------ */

typedef struct zm_spool_figures_t {
    uint64_t publishes, publish_failures, syncs, directory_syncs;
    uint64_t largest_group; /**< most publishes that shared one directory sync */
} zm_spool_figures_t;
void zm_spool_figures(zm_spool_figures_t *figures, zm_spool_t *spool);

#endif
