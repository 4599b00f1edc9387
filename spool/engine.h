/**
 * What an engine supplies: one table of functions, in the manner of SQLite's
 * VFS.  Only spool/ includes this header.
 *
 * spool.c checks arguments and names, buffers writes, runs the publish queue
 * and calls the table; engines decide nothing about mail.  A function may be
 * called from any thread, but only one at a time for one object.
 *
 * An engine need not be made of files, nor be on this machine.  Names, objects,
 * listings and watches are its own; a location is text that only it understands.
 * native_path and adopt alone speak of the filesystem, for programs that are not
 * ours and for files that a privileged helper opened: an engine without files
 * answers ZM_E_UNSUPPORTED, and who calls them must do without.
 *
 * An open object is a lease.  What it held stays readable until close_object, or
 * until the process that opened it is dead, whoever removes its names meanwhile;
 * its locks end then too.  list_next does a bounded amount of work a call, and
 * holds nothing that keeps others from writing between two.
 *
 * Publishing lets an engine commit many objects at once: the committer takes
 * the waiting publishes of the process as one group and calls commit_group.  A
 * failing member fails alone.
 */
#ifndef ZM_SPOOL_ENGINE_H
#define ZM_SPOOL_ENGINE_H

#include "spool/check.h"

typedef struct zm_engine_t zm_engine_t;
typedef struct zm_engine_object_t zm_engine_object_t;
typedef struct zm_engine_listing_t zm_engine_listing_t;
/** An engine's watch starts with this. */
typedef struct zm_engine_watch_t {
    const struct zm_engine_ops_t *ops;
} zm_engine_watch_t;

#define ZM_ENGINE_NAME_SIZE 600 /**< holds any valid name */

/** Whether bytes from offset on are within an object of this size. */
static inline bool zm_engine_within(uint64_t size, uint64_t offset, apr_size_t length)
{
    return offset <= size && length <= size - offset;
}

/** What commit_group adds to the figures. */
typedef struct zm_engine_figures_t {
    uint64_t syncs, directory_syncs;
    uint64_t largest_group; /**< most members that one directory sync was for */
} zm_engine_figures_t;

/**
 * One member of a group of publishes.  A small object reaches the engine here
 * for the first time, whole: object is null then.
 */
typedef struct zm_commit_t zm_commit_t;
struct zm_commit_t {
    apr_time_t stamp;
    zm_engine_object_t *object;     /**< what was written before; consumed by the call; null: nothing */
    zm_create_options_t create;     /**< how to make it when object is null */
    const char *data;               /**< bytes that belong at its end */
    apr_size_t length;
    zm_target_t target;             /**< all strings are owned by the committer */
    char name[ZM_ENGINE_NAME_SIZE]; /**< out: final name */
    zm_object_info_t info;          /**< out */
    apr_status_t status;            /**< out */
    /**
     * Called by any thread, perhaps before commit_group returns, when the engine is done with
     * a member that it answers later.  Null: it must not; the committer waits.
     */
    void (*done)(zm_commit_t *commit, const zm_engine_figures_t *figures);
};

typedef struct zm_engine_ops_t {
    const char *name;   /**< "native" */
    int groups_at_once; /**< how many calls of commit_group at a time serve it best, at most 64 */
    int groups_staggered; /**< so many, where each begins a while after the one before; 0: no more, at most 64 */
    int group_limit;    /**< the most members of one; 0: no limit */

    /** Opens the engine's store at a directory; options->create: make what is missing.  The pool outlives the engine. */
    apr_status_t (*open)(zm_engine_t **engine, const char *location, const zm_spool_options_t *options,
                         apr_pool_t *pool, zm_error_t *error);
    void (*close)(zm_engine_t *engine);
    apr_status_t (*free_space)(zm_engine_t *engine, uint64_t *bytes, uint64_t *objects);
    apr_status_t (*native_path)(zm_engine_t *engine, const char **path, const char *name, apr_pool_t *pool);

    apr_status_t (*create)(zm_engine_t *engine, zm_engine_object_t **object, const zm_create_options_t *options);
    apr_status_t (*write)(zm_engine_object_t *object, const void *data, apr_size_t length);
    apr_status_t (*truncate)(zm_engine_object_t *object, uint64_t length);
    void (*discard)(zm_engine_object_t *object);
    /** As zm_object_native_path; null: it has none. */
    apr_status_t (*object_path)(zm_engine_object_t *object, const char **path, apr_pool_t *pool);
    /**
     * Makes all members durable and visible, sharing syncs as well as it can, and
     * sets each status.  Several groups may be under way at once, each in a thread
     * of its own.  False: each member is answered through its `done`, and must not be
     * looked at again; such an engine takes one member at a time.
     */
    bool (*commit_group)(zm_engine_t *engine, zm_commit_t *const *commits, int count, zm_engine_figures_t *figures);

    apr_status_t (*open_object)(zm_engine_t *engine, zm_engine_object_t **object, const char *name, int how);
    apr_status_t (*adopt)(zm_engine_t *engine, zm_engine_object_t **object, int descriptor);
    void (*close_object)(zm_engine_object_t *object);
    apr_status_t (*info)(zm_engine_object_t *object, zm_object_info_t *info);
    /** Whether no name of any object changed since this one was opened; false when in doubt; null: there is always doubt. */
    bool (*names_unchanged)(zm_engine_object_t *object);
    apr_status_t (*read)(zm_engine_object_t *object, uint64_t offset, void *buffer, apr_size_t *length);
    /** APR_EINVAL: not all of that is there.  Then nothing has happened. */
    apr_status_t (*overwrite)(zm_engine_object_t *object, uint64_t offset, const void *data, apr_size_t length);
    apr_status_t (*append)(zm_engine_object_t *object, const void *data, apr_size_t length, bool durable);
    apr_status_t (*lock)(zm_engine_object_t *object, uint64_t offset, uint64_t length);
    apr_status_t (*unlock)(zm_engine_object_t *object, uint64_t offset, uint64_t length);
    apr_status_t (*locked)(zm_engine_object_t *object, bool *held, uint64_t offset, uint64_t length);
    apr_status_t (*lock_whole)(zm_engine_object_t *object, bool wait);
    /** Whether the handle has all of the range locked.  Null: there may be programs that take no locks. */
    bool (*holds)(zm_engine_object_t *object, uint64_t offset, uint64_t length);
    apr_status_t (*set_owner)(zm_engine_object_t *object, zm_uid_t uid, zm_uid_t gid);
    apr_status_t (*set_mode)(zm_engine_object_t *object, uint32_t mode);

    /** A top directory beside those of the layout, or one of its hash directories; APR_EEXIST. */
    apr_status_t (*make_directory)(zm_engine_t *engine, const char *directory, uint32_t mode);
    /** A top directory goes to another account; null: what may be done there does not go by accounts. */
    apr_status_t (*own_directory)(zm_engine_t *engine, const char *directory, zm_uid_t uid);
    apr_status_t (*name_info)(zm_engine_t *engine, zm_object_info_t *info, const char *name);
    apr_status_t (*rename)(zm_engine_t *engine, const char *from, const char *to);
    apr_status_t (*link)(zm_engine_t *engine, const char *from, const char *to);
    apr_status_t (*unlink)(zm_engine_t *engine, const char *name);
    /** Names two by two, as zm_spool_unlink_pairs; null: calls of unlink. */
    apr_status_t (*unlink_pairs)(zm_engine_t *engine, const char *const *names, int pairs);
    apr_status_t (*sync_names)(zm_engine_t *engine, const char *directory);
    apr_status_t (*list)(zm_engine_t *engine, zm_engine_listing_t **listing, const char *directory, bool hidden,
                         apr_pool_t *pool);
    apr_status_t (*list_next)(zm_engine_listing_t *listing, const char **name);
    void (*list_close)(zm_engine_listing_t *listing);
    apr_status_t (*watch)(zm_engine_t *engine, zm_engine_watch_t **watch, const char *directory, zm_loop_t *loop,
                          zm_spool_watch_fn *fn, void *baton);
    void (*watch_close)(zm_engine_watch_t *watch);
    /** Removes what processes that died left inside the engine; part of recovery; null: there is never anything. */
    apr_status_t (*tidy)(zm_engine_t *engine, apr_pool_t *pool);
    /** Adds the names of its top directories (const char *, in the array's pool); null: those of the layout. */
    apr_status_t (*directories)(zm_engine_t *engine, apr_array_header_t *names);
    /** Tells, and with options->repair puts right, what is wrong below the level of names; null: nothing can be. */
    apr_status_t (*check)(zm_engine_t *engine, const zm_check_options_t *options, zm_check_report_t *report,
                          apr_pool_t *pool);
    /**
     * Gives an object that was written a name, and the times, owner, mode and, if the engine can
     * choose it, the identity that it had in another spool.  Consumes the object.  Durable after
     * `settle`.  Null: the engine cannot be converted to.
     */
    apr_status_t (*import)(zm_engine_object_t *object, const char *name, const zm_object_info_t *info);
    apr_status_t (*settle)(zm_engine_t *engine);
} zm_engine_ops_t;

extern const zm_engine_ops_t zm_engine_native; /**< a directory tree with the classic layout */
extern const zm_engine_ops_t zm_engine_emulated; /**< rows of an SQLite database, where a tree has not the guarantees */
extern const zm_engine_ops_t zm_engine_memory; /**< tests: nothing outlives the process */

#endif
