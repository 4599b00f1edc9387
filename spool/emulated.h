/**
 * The emulated engine: names, identities and small bodies are rows of one
 * SQLite database, so rename, link and publish are transactions, on filesystems
 * that have none of the guarantees.
 *
 * Private to emulated*.c.  The parts:
 *
 *   emulated.c         the engine table, opening, names
 *   emulated_db.c      connections, statements, errors
 *   emulated_write.c   write transactions, durability
 *   emulated_marks.c   which sync has failed
 *   emulated_checkpoint.c  the log's pages go into the database
 *   emulated_commit.c  publishing a group
 *   emulated_object.c  one object: made, read, changed in place
 *   emulated_body.c    large bodies in files beside the database
 *   emulated_lock.c    locks on parts of objects
 *   emulated_dirs.c    which directories there are, and are watched
 *   emulated_list.c    listing, watching
 *   emulated_check.c   what contradicts itself; taking in another spool
 *
 * Files in the spool's directory:
 *
 *   spool.db, -wal, -shm   the database
 *   turn                   byte 0: whose turn it is to write; byte 1: who checkpoints; bytes 64 to
 *                          91: syncs of the log, of the database, of bodies/A to Z failed
 *                          (emulated_marks.c)
 *   locks                  locked ranges stand for locked ranges of objects
 *   bodies/A/4711          bodies of more than INLINE_LIMIT bytes; only ever appended to, or
 *                          overwritten in place
 */
#ifndef ZM_SPOOL_EMULATED_H
#define ZM_SPOOL_EMULATED_H

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>
#include <sqlite3.h>

#include "platform/fs.h"
#include "spool/emulated_vfs.h"
#include "spool/engine.h"
#include "spool/layout.h"

#define ZM_EMULATED_INLINE_LIMIT 65536
#define ZM_EMULATED_TURN_BYTE 0 /**< of `turn`: who has it locked may write */
#define ZM_EMULATED_ID_BLOCK 4096 /**< numbers that a process takes at a time */

/* -- connections ------------------------------------------------------------------ */

typedef enum zm_statement_t {
    ZM_SQL_BEGIN,
    ZM_SQL_COMMIT,
    ZM_SQL_ROLLBACK,
    ZM_SQL_TAKE_IDS,       /* +count */
    ZM_SQL_NEXT_ID,        /* -> next free id */
    ZM_SQL_ADD_OBJECT,     /* id mtime mtime_ns mode uid gid side body */
    ZM_SQL_ADD_NAME,       /* name id */
    ZM_SQL_ADD_ARRIVAL,    /* name */
    ZM_SQL_TRIM_ARRIVALS,  /* keep */
    ZM_SQL_FIND,           /* name -> id and its columns, body */
    ZM_SQL_FIND_INFO,      /* the same without body */
    ZM_SQL_INFO,           /* id -> columns */
    ZM_SQL_NAME_ID,        /* name -> id links side */
    ZM_SQL_DROP_NAME,      /* name */
    ZM_SQL_ADD_LINK,       /* id difference */
    ZM_SQL_DROP_OBJECT,    /* id */
    ZM_SQL_READ_BODY,      /* id -> columns, body */
    ZM_SQL_APPEND,         /* id bytes */
    ZM_SQL_OVERWRITE,      /* id offset bytes length */
    ZM_SQL_SET_OWNER,      /* id uid gid ctime */
    ZM_SQL_SET_MODE,       /* id mode ctime */
    ZM_SQL_LIST,           /* after before */
    ZM_SQL_LAST_ARRIVAL,   /* -> seq */
    ZM_SQL_ARRIVALS,       /* after -> seq name */
    ZM_SQL_DATA_VERSION,
    ZM_SQL_ADD_DEAD,       /* side */
    ZM_SQL_DROP_DEAD,      /* side */
    ZM_SQL_DEAD,           /* after -> side */
    ZM_SQL_SIDE_USED,      /* side -> 1 */
    ZM_SQL_SIDE_DEAD,      /* side -> 1 */
    ZM_SQL_ADD_DIRECTORY,  /* name */
    ZM_SQL_WATCH_DIRECTORY, /* name */
    ZM_SQL_DIRECTORIES,    /* -> name watched */
    ZM_SQL_RESERVE_ID,     /* id: the next is higher */
    ZM_SQL_INTEGRITY,      /* -> text */
    ZM_SQL_LOST_NAMES,     /* after -> name of no object */
    ZM_SQL_LOST_OBJECTS,   /* after -> id of no name */
    ZM_SQL_MISCOUNTED,     /* after -> id links names name */
    ZM_SQL_LARGE,          /* after -> id side length name */
    ZM_SQL_COUNT
} zm_statement_t;

/** Columns that FIND, FIND_INFO and INFO start with. */
enum {
    ZM_COLUMN_ID,
    ZM_COLUMN_SIZE,
    ZM_COLUMN_MTIME,
    ZM_COLUMN_MTIME_NS,
    ZM_COLUMN_CTIME,
    ZM_COLUMN_LINKS,
    ZM_COLUMN_MODE,
    ZM_COLUMN_UID,
    ZM_COLUMN_GID,
    ZM_COLUMN_SIDE,
    ZM_COLUMN_BODY
};

/** A connection is used by one thread at a time, under its lock. */
typedef struct zm_connection_t {
    sqlite3 *db;
    apr_thread_mutex_t *lock;
    sqlite3_stmt *statements[ZM_SQL_COUNT]; /* prepared when first used */
} zm_connection_t;

apr_status_t zm_connection_open(zm_connection_t *connection, const char *path, apr_pool_t *pool, zm_error_t *error);
void zm_connection_close(zm_connection_t *connection);
/** Makes the tables of a new database; checks those of an older one. */
apr_status_t zm_connection_set_up(zm_connection_t *connection, const char *path, bool create, bool *wal,
                                  zm_error_t *error);
/** A statement ready to be bound.  Null when it cannot be had; zm_connection_failure says why. */
sqlite3_stmt *zm_connection_statement(zm_connection_t *connection, zm_statement_t which);
/** Runs a statement that gives no rows and resets it. */
apr_status_t zm_connection_run(zm_connection_t *connection, sqlite3_stmt *statement);
/** Steps to the next row: APR_SUCCESS, APR_ENOENT at the end (the statement is reset then, and on failure). */
apr_status_t zm_connection_row(zm_connection_t *connection, sqlite3_stmt *statement);
apr_status_t zm_connection_failure(zm_connection_t *connection, int code);
void zm_connection_columns(zm_object_info_t *info, sqlite3_stmt *statement);

/* -- the engine ------------------------------------------------------------------------ */

typedef struct zm_emulated_claim_t zm_emulated_claim_t;

typedef struct zm_emulated_directory_t {
    struct zm_emulated_directory_t *next;
    bool watched;
    char name[ZM_LEAF_LIMIT + 1];
} zm_emulated_directory_t;

typedef struct zm_emulated_t {
    const char *location;
    apr_pool_t *pool;
    zm_connection_t reader, writer;
    bool wal;        /* the log is synced by us; else SQLite syncs each transaction */
    zm_file_t *root; /* the spool's directory */
    zm_file_t *log;  /* spool.db-wal, opened when first synced */
    bool log_named;  /* its name is durable; under lock */
    zm_file_t *turn, *locks;
    apr_status_t broken; /* a sync of the log failed: it is written anew before anything is durable */
    uint32_t arrivals;          /* since the last trim; under writer.lock */
    int log_pages, log_due;     /* under writer.lock */
    apr_thread_mutex_t *lock;   /* of what follows */
    apr_thread_cond_t *unlocked;
    uint64_t next_id, ids_left;
    zm_emulated_claim_t *claims; /* locked ranges of this process */
    zm_emulated_directory_t *directories; /* as they were when last read */
    apr_time_t directories_read;
    struct {
        apr_thread_t *thread;
        apr_thread_cond_t *wake;
        apr_thread_mutex_t *one; /* at a time */
        bool wanted, sweep, stopping, started;
    } checkpoint;
} zm_emulated_t;

static inline zm_emulated_t *zm_emulated(zm_engine_t *engine)
{
    return (zm_emulated_t *)engine;
}

const char *zm_emulated_path(const zm_emulated_t *e, const char *leaf, apr_pool_t *pool);

/* -- marks ------------------------------------------------------------------------------- */

typedef enum zm_emulated_mark_t { ZM_MARK_LOG, ZM_MARK_DATABASE } zm_emulated_mark_t;

typedef enum zm_emulated_state_t {
    ZM_STATE_SOUND,
    ZM_STATE_BEGUN,  /* a checkpoint was, or mending the log, and nobody said how it ended */
    ZM_STATE_FAILED, /* a sync; what it was for may be gone, and be read nevertheless */
    ZM_STATE_COUNT
} zm_emulated_state_t;

/** Gives them a block of the disk. */
apr_status_t zm_emulated_make_marks(zm_emulated_t *e);
/** Who sets one to anything but failed holds the turn, or, for the database, does a checkpoint. */
apr_status_t zm_emulated_mark(zm_emulated_t *e, zm_emulated_mark_t which, zm_emulated_state_t state);
apr_status_t zm_emulated_marked(zm_emulated_t *e, zm_emulated_mark_t which, zm_emulated_state_t *state);
/** How often a sync of bodies/LETTER failed, of all processes; it counts round. */
apr_status_t zm_emulated_body_failures(zm_emulated_t *e, char letter, unsigned char *count);
void zm_emulated_note_body_failure(zm_emulated_t *e, char letter);

/* -- writing ----------------------------------------------------------------------------- */

/** Waits for our turn among all processes and begins a transaction; the writer is locked until end or abandon. */
apr_status_t zm_emulated_begin(zm_emulated_t *e);
/** Commits; on failure nothing has happened. */
apr_status_t zm_emulated_end(zm_emulated_t *e);
void zm_emulated_abandon(zm_emulated_t *e);
/** Ends with success or abandons, as status says; returns what came of it. */
apr_status_t zm_emulated_finish(zm_emulated_t *e, apr_status_t status);
/** Makes everything committed so far durable. */
apr_status_t zm_emulated_sync(zm_emulated_t *e);
/** A sync of the log failed: all who have the spool open, or will, write it anew before they rely on it. */
void zm_emulated_note_failure(zm_emulated_t *e, apr_status_t status);
/** A number never used before.  Not within a transaction: it may need one of its own. */
apr_status_t zm_emulated_take_id(zm_emulated_t *e, uint64_t *id);
/** Adds a name within a transaction, and tells watchers. APR_EEXIST; APR_ENOENT: its directory is not known. */
apr_status_t zm_emulated_add_name(zm_emulated_t *e, const char *name, uint64_t id);
/** A rename within a transaction. APR_ENOENT and APR_EEXIST leave it as it was. */
apr_status_t zm_emulated_move(zm_emulated_t *e, const char *from, const char *to);

/* -- checkpoints --------------------------------------------------------------------------- */

/** Watches the log's length; a thread is started when the first one is due. */
apr_status_t zm_emulated_start_checkpoints(zm_emulated_t *e);
void zm_emulated_stop_checkpoints(zm_emulated_t *e);
void zm_emulated_want_checkpoint(zm_emulated_t *e);
/** One now, by the caller.  ZM_E_BUSY: another process is at it. */
apr_status_t zm_emulated_checkpoint(zm_emulated_t *e);
/** Likewise, for the files that `dead` names. */
void zm_emulated_want_sweep(zm_emulated_t *e);

/* -- directories ----------------------------------------------------------------------------- */

/** Whether the directory of a name (or path) is known, and somebody watches it. APR_ENOENT. */
apr_status_t zm_emulated_find_directory(zm_emulated_t *e, zm_str_t path, bool *watched);
apr_status_t zm_emulated_make_directory(zm_engine_t *engine, const char *directory, uint32_t mode);
/** From now on new names in it are told. */
apr_status_t zm_emulated_watch_directory(zm_emulated_t *e, zm_str_t directory);
/** Fills a new spool with those of the layout. */
apr_status_t zm_emulated_make_layout(zm_emulated_t *e);

/* -- large bodies --------------------------------------------------------------------------- */

#define ZM_SIDE_SIZE 32 /**< "A/18446744073709551615" */

/** *failures: of its directory, before it was made. */
apr_status_t zm_side_create(zm_file_t **file, zm_emulated_t *e, char side[ZM_SIDE_SIZE], uint64_t id,
                            unsigned char *failures, apr_pool_t *pool);
/** Contents and name durable.  Fails also when a sync of its directory has failed since there were so many. */
apr_status_t zm_side_sync(zm_emulated_t *e, zm_file_t *file, const char *side, unsigned char failures);
/** Opens and leases it: it stays until the file is closed.  APR_ENOENT when it is gone. */
apr_status_t zm_side_open(zm_file_t **file, zm_emulated_t *e, const char *side, bool update, apr_pool_t *pool);
/** Removes it unless somebody has it open or an object has it as its body: ZM_E_BUSY then. */
apr_status_t zm_side_remove(zm_emulated_t *e, const char *side);
/** The files of objects that are gone (`dead` names them) are to be removed; a thread does it. */
void zm_side_bury(zm_emulated_t *e);
/** Removes what dead rows name and nobody has open any more. */
apr_status_t zm_side_sweep_dead(zm_emulated_t *e);
/** Removes what no row names and was never published; *kept: how many no row names that may have been. */
apr_status_t zm_side_sweep_strays(zm_emulated_t *e, uint64_t *kept, apr_pool_t *pool);
/** Calls fn for each file of a large body there is. */
typedef void zm_side_fn(const char *side, void *baton);
apr_status_t zm_side_each(zm_emulated_t *e, zm_side_fn *fn, void *baton, apr_pool_t *pool);
/** Whether an object has it as its body; whether it was the body of one that was removed. */
bool zm_side_used(zm_emulated_t *e, const char *side);
bool zm_side_dead(zm_emulated_t *e, const char *side);
/** Whether it was never complete, so that nobody can have been told that it was published.  When in doubt, it was. */
bool zm_side_unfinished(zm_emulated_t *e, const char *side);
/** Makes an object of one that no object has, by that name. ZM_E_BUSY: somebody has it open. */
apr_status_t zm_side_adopt(zm_emulated_t *e, const char *side, const char *name);
apr_status_t zm_side_make_directories(zm_emulated_t *e, apr_pool_t *pool);

/* -- objects ---------------------------------------------------------------------------------- */

typedef struct zm_emulated_object_t {
    zm_emulated_t *engine;
    zm_object_info_t info;
    bool being_made;
    zm_buf_t body;   /* of a small object: while it is made; what it was when last read, later */
    bool steady;     /* body and columns stay as they were read */
    bool stamped;    /* and were read at this state of the database */
    zm_emulated_stamp_t stamp;
    zm_file_t *file; /* of a large object */
    char first;      /* the first byte of one that is being made: the last to reach its file */
    zm_file_t *appending;
    char side[ZM_SIDE_SIZE]; /* "" for a small object */
    unsigned char failures;  /* of the directory of one that is being made (emulated_body.c) */
    apr_pool_t *pool;        /* of the files; null: none */
} zm_emulated_object_t;

static inline zm_emulated_object_t *zm_emulated_object(zm_engine_object_t *object)
{
    return (zm_emulated_object_t *)object;
}

apr_status_t zm_emulated_make(zm_emulated_object_t **object, zm_emulated_t *e, const zm_create_options_t *options);
apr_status_t zm_emulated_object_add(zm_emulated_object_t *object, const void *data, apr_size_t length);
/** All of a large body is in its file now, and durable if asked for; before its row is added. */
apr_status_t zm_emulated_complete(zm_emulated_object_t *object, bool durable);
/** Closes and frees; the side file of one that was not published is removed. */
void zm_emulated_object_free(zm_emulated_object_t *object, bool remove);

apr_status_t zm_emulated_create(zm_engine_t *, zm_engine_object_t **, const zm_create_options_t *);
apr_status_t zm_emulated_object_write(zm_engine_object_t *, const void *, apr_size_t);
apr_status_t zm_emulated_truncate(zm_engine_object_t *, uint64_t);
void zm_emulated_discard(zm_engine_object_t *);
apr_status_t zm_emulated_open_object(zm_engine_t *, zm_engine_object_t **, const char *, int);
apr_status_t zm_emulated_unlink(zm_engine_t *engine, const char *name);
apr_status_t zm_emulated_adopt(zm_engine_t *, zm_engine_object_t **, int);
void zm_emulated_close_object(zm_engine_object_t *);
bool zm_emulated_names_unchanged(zm_engine_object_t *);
apr_status_t zm_emulated_info(zm_engine_object_t *, zm_object_info_t *);
apr_status_t zm_emulated_read(zm_engine_object_t *, uint64_t, void *, apr_size_t *);
apr_status_t zm_emulated_overwrite(zm_engine_object_t *, uint64_t, const void *, apr_size_t);
apr_status_t zm_emulated_append(zm_engine_object_t *, const void *, apr_size_t, bool);
apr_status_t zm_emulated_set_owner(zm_engine_object_t *, zm_uid_t, zm_uid_t);
apr_status_t zm_emulated_set_mode(zm_engine_object_t *, uint32_t);

/** Adds the row of an object within a transaction.  object: made before, null: the body is data. */
apr_status_t zm_emulated_add_row(zm_emulated_t *e, const zm_object_info_t *info, const zm_emulated_object_t *object,
                                 const char *data, apr_size_t length);
bool zm_emulated_commit_group(zm_engine_t *engine, zm_commit_t *const *commits, int count,
                              zm_engine_figures_t *figures);

/* -- locks ---------------------------------------------------------------------------------------- */

apr_status_t zm_emulated_lock(zm_engine_object_t *, uint64_t, uint64_t);
apr_status_t zm_emulated_unlock(zm_engine_object_t *, uint64_t, uint64_t);
apr_status_t zm_emulated_locked(zm_engine_object_t *, bool *, uint64_t, uint64_t);
apr_status_t zm_emulated_lock_whole(zm_engine_object_t *, bool);
bool zm_emulated_holds(zm_engine_object_t *, uint64_t, uint64_t);
/** Ends all locks of a handle. */
void zm_emulated_drop_locks(zm_emulated_object_t *object);

/* -- listing and watching ---------------------------------------------------------------------------- */

apr_status_t zm_emulated_list(zm_engine_t *, zm_engine_listing_t **, const char *, bool, apr_pool_t *);
apr_status_t zm_emulated_list_next(zm_engine_listing_t *, const char **);
void zm_emulated_list_close(zm_engine_listing_t *);
apr_status_t zm_emulated_watch(zm_engine_t *, zm_engine_watch_t **, const char *, zm_loop_t *,
                               zm_spool_watch_fn *, void *);
void zm_emulated_watch_close(zm_engine_watch_t *);

/* -- checking and converting ---------------------------------------------------------------------------- */

apr_status_t zm_emulated_directories(zm_engine_t *, apr_array_header_t *);
apr_status_t zm_emulated_check(zm_engine_t *, const zm_check_options_t *, zm_check_report_t *, apr_pool_t *);
apr_status_t zm_emulated_import(zm_engine_object_t *, const char *, const zm_object_info_t *);
apr_status_t zm_emulated_settle(zm_engine_t *);

#endif
