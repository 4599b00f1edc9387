#include "platform/clock.h"
#include "platform/log.h"
#include "spool/emulated.h"
#include "spool/emulated_vfs.h"

/*
 * A checkpoint moves the log's pages into the database.  A thread does it in two
 * steps: the bulk beside the writers, in rounds, for they go on; then the small
 * rest in their turn, after which the next of them begins the log anew.
 *
 * SQLite syncs the database only when a round ends with nothing left in the log,
 * which would be the last one, while writers wait.  So each round syncs, and the
 * shim under SQLite does every few pages (emulated_vfs.c), or the disk would be
 * busy with all of a round while publishers wait for their syncs of the log: so
 * few that such a sync is not much longer than one of theirs.
 *
 * A failed sync of the database may have dropped pages that the log would not
 * bring back, because SQLite counts them as moved; and a process that opens the
 * spool afterwards is not told by the system.  So a mark says that a checkpoint
 * has begun, before anything is moved, and is taken back only when all went well:
 * without the mark nothing is moved.  Who finds it has the whole log count as not
 * moved, and begins with its first page.  What was dropped is all in the log, for
 * the log is never begun anew before all of it is in the database.
 *
 * Nothing is moved from a log that is not durable itself, or a crash would leave
 * some pages of a transaction and no log to bring the others.  SQLite syncs it in
 * each round; but that says nothing of a sync that failed before SQLite opened it,
 * so it is synced by us first, which mends it if need be.
 */

#define CHECKPOINT_BYTE 1
#define LOG_STEP                                                                                   \
    4096 /* and more that make the next one due, when readers kept the log from its start */
#define REST_LIMIT 128 /* pages for which writers may wait */
#define LOG_SYNCS 2    /* a sync of the database may take as long as so many of the log */
#define BULK_ROUNDS 8
#define REST_TRIES 3
#define STACK_SIZE (256 * 1024)

/*
 * One round, which stops nobody.  It looks at the log as it is when it begins, so
 * what it leaves is seen by the next round only, as what that one moves.
 */
static int move(sqlite3 *db, int *moved, int *left)
{
    int in_log = 0;
    int code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, moved);
    *left = in_log - *moved;
    return code;
}

/* Through SQLite: closing a descriptor of our own would drop the process's locks on the file. */
static int sync_database(sqlite3 *db)
{
    sqlite3_file *file = NULL;
    int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (code != SQLITE_OK || file == NULL || file->pMethods == NULL)
        return SQLITE_MISUSE;
    return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
}

static int move_bulk(sqlite3 *db)
{
    int round, left, moved = 0, before = -REST_LIMIT - 1, code = SQLITE_OK;
    for (round = 0; round < BULK_ROUNDS && code == SQLITE_OK && moved - before > REST_LIMIT;
         round++) {
        before = round == 0 ? before : moved;
        code = move(db, &moved, &left);
        if (code == SQLITE_OK)
            code = sync_database(db);
    }
    return code;
}

/* In the writers' turn.  Those who read older states at this moment may keep something in the log;
 * the next checkpoint goes on. */
static int move_rest(zm_emulated_t *e, sqlite3 *db)
{
    int tries, moved, left = 1, code = SQLITE_OK;
    if (zm_file_lock(e->turn, ZM_EMULATED_TURN_BYTE, 1, true) != APR_SUCCESS)
        return code;
    for (tries = 0; tries < REST_TRIES && left > 0 && code == SQLITE_OK; tries++)
        code = move(db, &moved, &left);
    zm_file_unlock(e->turn, ZM_EMULATED_TURN_BYTE, 1);
    return code;
}

static apr_status_t status_of(sqlite3 *db, int code)
{
    zm_connection_t connection = {.db = db};
    return zm_connection_failure(&connection, code);
}

static int move_all(zm_emulated_t *e, sqlite3 *db)
{
    int code = move_bulk(db);
    if (code == SQLITE_OK) {
        /* The turn's lock is the process's, so our own writers are kept out by theirs. */
        apr_thread_mutex_lock(e->writer.lock);
        code = move_rest(e, db);
        apr_thread_mutex_unlock(e->writer.lock);
    }
    if (code == SQLITE_IOERR_FSYNC) /* which may have been one of the log */
        zm_emulated_note_failure(e, status_of(db, code));
    return code;
}

static int forget_moved(zm_emulated_t *e, sqlite3 *db)
{
    int code;
    apr_thread_mutex_lock(e->writer.lock);
    if (zm_file_lock(e->turn, ZM_EMULATED_TURN_BYTE, 1, true) == APR_SUCCESS) {
        code = zm_emulated_vfs_forget_moved(db);
        zm_file_unlock(e->turn, ZM_EMULATED_TURN_BYTE, 1);
    } else {
        code = SQLITE_BUSY;
    }
    apr_thread_mutex_unlock(e->writer.lock);
    return code;
}

/* From now on readers take from the log what may have been dropped. */
static void tell_failure(zm_emulated_t *e, sqlite3 *db, apr_status_t status)
{
    (void)zm_emulated_mark(e, ZM_MARK_DATABASE, ZM_STATE_FAILED);
    (void)forget_moved(e, db);
    zm_log(ZM_LOG_ERROR, NULL,
           "the spool's database cannot be made durable; nothing is lost, but its log grows until "
           "a later checkpoint succeeds: look after the disk",
           ZM_F_S("spool", e->location), ZM_F_E("reason", status));
}

/* Under the lock of who checkpoints. */
static apr_status_t checkpoint(zm_emulated_t *e, sqlite3 *db)
{
    zm_emulated_state_t state;
    int code = SQLITE_OK;
    apr_time_t began = zm_clock_monotonic();
    apr_status_t status = zm_emulated_sync(e);
    zm_emulated_vfs_set_patience(db, LOG_SYNCS * (zm_clock_monotonic() - began));
    if (status == APR_SUCCESS)
        status = zm_emulated_marked(e, ZM_MARK_DATABASE, &state);
    if (status != APR_SUCCESS)
        return status;
    if (state != ZM_STATE_SOUND)
        code = forget_moved(e, db);
    else
        status = zm_emulated_mark(e, ZM_MARK_DATABASE, ZM_STATE_BEGUN);
    if (status == APR_SUCCESS && code == SQLITE_OK)
        code = move_all(e, db);
    if (status == APR_SUCCESS)
        status = status_of(db, code);
    if (status == APR_SUCCESS)
        return zm_emulated_mark(e, ZM_MARK_DATABASE, ZM_STATE_SOUND);
    if (status != ZM_E_BUSY)
        tell_failure(e, db, status);
    return status;
}

static apr_status_t checkpoint_alone(zm_emulated_t *e, sqlite3 *db)
{
    apr_status_t status;
    apr_thread_mutex_lock(e->checkpoint.one);
    status = zm_file_lock(e->turn, CHECKPOINT_BYTE, 1, false);
    if (status == APR_SUCCESS) {
        status = checkpoint(e, db);
        zm_file_unlock(e->turn, CHECKPOINT_BYTE, 1);
    }
    apr_thread_mutex_unlock(e->checkpoint.one);
    return status;
}

/* Reading opens the log and maps its index. */
static int open_database(zm_emulated_t *e, sqlite3 **db)
{
    char path[4096];
    int code;
    sqlite3_snprintf(sizeof path, path, "%s/spool.db", e->location);
    code =
        sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, zm_emulated_vfs());
    if (code != SQLITE_OK)
        return code;
    sqlite3_extended_result_codes(*db, 1);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return sqlite3_exec(
        *db, "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; SELECT id FROM next", NULL,
        NULL, NULL);
}

apr_status_t zm_emulated_checkpoint(zm_emulated_t *e)
{
    sqlite3 *db = NULL;
    int code = open_database(e, &db);
    apr_status_t status = code == SQLITE_OK ? checkpoint_alone(e, db) : status_of(db, code);
    sqlite3_close(db);
    return status;
}

static void *APR_THREAD_FUNC checkpointer(apr_thread_t *thread, void *data)
{
    zm_emulated_t *e = data;
    sqlite3 *db = NULL;
    bool usable = open_database(e, &db) == SQLITE_OK;
    (void)thread;
    apr_thread_mutex_lock(e->lock);
    while (!e->checkpoint.stopping || e->checkpoint.sweep) {
        bool wanted = e->checkpoint.wanted && !e->checkpoint.stopping;
        if (!wanted && !e->checkpoint.sweep) {
            apr_thread_cond_wait(e->checkpoint.wake, e->lock);
            continue;
        }
        e->checkpoint.wanted = e->checkpoint.sweep = false;
        apr_thread_mutex_unlock(e->lock);
        if (wanted && usable)
            (void)checkpoint_alone(e, db);
        zm_side_sweep_dead(e);
        apr_thread_mutex_lock(e->lock);
    }
    apr_thread_mutex_unlock(e->lock);
    sqlite3_close(db);
    return NULL;
}

/* Started when first needed: many programs never see a log that is long enough. */
static void want(zm_emulated_t *e, bool *what)
{
    apr_thread_mutex_lock(e->lock);
    *what = true;
    if (!e->checkpoint.started) {
        apr_threadattr_t *attributes;
        if (apr_threadattr_create(&attributes, e->pool) == APR_SUCCESS &&
            apr_threadattr_stacksize_set(attributes, STACK_SIZE) == APR_SUCCESS &&
            apr_thread_create(&e->checkpoint.thread, attributes, checkpointer, e, e->pool) ==
                APR_SUCCESS)
            e->checkpoint.started = true;
    }
    apr_thread_cond_signal(e->checkpoint.wake);
    apr_thread_mutex_unlock(e->lock);
}

void zm_emulated_want_checkpoint(zm_emulated_t *e)
{
    want(e, &e->checkpoint.wanted);
}

void zm_emulated_want_sweep(zm_emulated_t *e)
{
    want(e, &e->checkpoint.sweep);
}

/* Called with every commit, under the writer's lock. */
static int on_commit(void *data, sqlite3 *db, const char *name, int pages)
{
    zm_emulated_t *e = data;
    (void)db;
    (void)name;
    if (pages < e->log_pages)
        e->log_due = ZM_EMULATED_LOG_LIMIT; /* the log has begun anew */
    e->log_pages = pages;
    if (pages >= e->log_due) {
        e->log_due = pages + LOG_STEP;
        zm_emulated_want_checkpoint(e);
    }
    return SQLITE_OK;
}

apr_status_t zm_emulated_start_checkpoints(zm_emulated_t *e)
{
    apr_status_t status =
        apr_thread_mutex_create(&e->checkpoint.one, APR_THREAD_MUTEX_DEFAULT, e->pool);
    if (status != APR_SUCCESS)
        return status;
    e->log_due = ZM_EMULATED_LOG_LIMIT;
    if (e->wal)
        sqlite3_wal_hook(e->writer.db, on_commit, e);
    return apr_thread_cond_create(&e->checkpoint.wake, e->pool);
}

void zm_emulated_stop_checkpoints(zm_emulated_t *e)
{
    apr_status_t ignored;
    if (!e->checkpoint.started)
        return;
    apr_thread_mutex_lock(e->lock);
    e->checkpoint.stopping = true;
    apr_thread_cond_signal(e->checkpoint.wake);
    apr_thread_mutex_unlock(e->lock);
    apr_thread_join(&ignored, e->checkpoint.thread);
    e->checkpoint.started = false;
}
