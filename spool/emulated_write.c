#include <stdlib.h>
#include <string.h>

#include "spool/emulated.h"

/*
 * Writing.
 *
 * Processes take turns by a lock that queues them, so none starves: one that
 * has the turn never meets another in the database.  A transaction only appends
 * to the write-ahead log; then the turn passes on, and who needs durability
 * syncs the log, while others write already.  One sync makes durable all that
 * was committed before it, by whom ever.  A crash of the system takes
 * transactions away from the end of the log only: what is lost with an earlier
 * transaction is everything after it.
 *
 * A sync that failed is never repeated.  The system may have dropped parts of
 * the log, so nothing committed after them could survive a crash either.  Before
 * anything counts as durable again the whole log is written anew, as it is seen,
 * and synced.  Who had it open when the sync failed is told so by his own next
 * sync; for those who open it later a file says so, FAILED_MARK.  A crash makes
 * the file meaningless: what is read then is what the disk has.
 *
 * A checkpoint moves the log's pages into the database.  A thread does it in two
 * steps: the bulk beside the writers, then the small rest in their turn, so that
 * the log starts again from its beginning.
 */

#define TURN_BYTE 0
#define CHECKPOINT_BYTE 1
#define LOG_LIMIT                                                                                  \
    16384 /* pages in the log that make a checkpoint due: seldom, for writers wait for its end */
#define LOG_STEP                                                                                   \
    4096 /* and more that make the next one due, when readers kept the log from its start */
#define REST_LIMIT 256 /* pages for which writers may wait */
#define BULK_ROUNDS 4
#define ARRIVALS_KEPT 20000
#define ARRIVALS_TRIM 1024
#define STACK_SIZE (256 * 1024)
#define FAILED_MARK "log-failed"
#define REWRITE_STEP 65536

/* -- transactions --------------------------------------------------------------------- */

static void pass_turn(zm_emulated_t *e)
{
    zm_file_unlock(e->turn, TURN_BYTE, 1);
    apr_thread_mutex_unlock(e->writer.lock);
}

apr_status_t zm_emulated_begin(zm_emulated_t *e)
{
    apr_status_t status;
    apr_thread_mutex_lock(e->writer.lock);
    status = zm_file_lock(e->turn, TURN_BYTE, 1, true);
    if (status != APR_SUCCESS) {
        apr_thread_mutex_unlock(e->writer.lock);
        return status;
    }
    status = zm_connection_run(&e->writer, zm_connection_statement(&e->writer, ZM_SQL_BEGIN));
    if (status != APR_SUCCESS)
        pass_turn(e);
    return status;
}

void zm_emulated_abandon(zm_emulated_t *e)
{
    /* After some failures SQLite has rolled back by itself. */
    if (!sqlite3_get_autocommit(e->writer.db))
        zm_connection_run(&e->writer, zm_connection_statement(&e->writer, ZM_SQL_ROLLBACK));
    pass_turn(e);
}

apr_status_t zm_emulated_end(zm_emulated_t *e)
{
    apr_status_t status =
        zm_connection_run(&e->writer, zm_connection_statement(&e->writer, ZM_SQL_COMMIT));
    if (status != APR_SUCCESS)
        zm_emulated_abandon(e);
    else
        pass_turn(e);
    return status;
}

apr_status_t zm_emulated_finish(zm_emulated_t *e, apr_status_t status)
{
    if (status == APR_SUCCESS)
        return zm_emulated_end(e);
    zm_emulated_abandon(e);
    return status;
}

/* -- durability -------------------------------------------------------------------------- */

/* SQLite made the log with the first transaction and would sync its name with the first sync, which
 * is ours. */
static apr_status_t open_log(zm_emulated_t *e, bool *broken)
{
    zm_file_info_t mark;
    apr_status_t status = APR_SUCCESS;
    apr_thread_mutex_lock(e->lock);
    if (e->log == NULL) {
        status = zm_file_open(&e->log, e->root, "spool.db-wal", ZM_OPEN_READ | ZM_OPEN_WRITE, 0,
                              e->pool);
        if (status != APR_SUCCESS)
            e->log = NULL;
        else if ((status = zm_dir_sync(e->root)) == ZM_E_UNSUPPORTED)
            status = APR_SUCCESS;
        if (status == APR_SUCCESS && zm_path_info(&mark, e->root, FAILED_MARK) == APR_SUCCESS)
            e->broken = APR_EGENERAL; /* for somebody else */
    }
    *broken = e->broken != APR_SUCCESS;
    apr_thread_mutex_unlock(e->lock);
    return status;
}

static void note_failure(zm_emulated_t *e, apr_status_t status)
{
    zm_file_t *mark;
    apr_pool_t *pool;
    if (apr_pool_create_unmanaged_ex(&pool, NULL, NULL) == APR_SUCCESS) {
        (void)zm_file_open(&mark, e->root, FAILED_MARK, ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0660, pool);
        apr_pool_destroy(pool); /* closes it */
    }
    apr_thread_mutex_lock(e->lock);
    e->broken = status;
    apr_thread_mutex_unlock(e->lock);
}

/* In our turn nobody else writes to it; for readers nothing changes. */
static apr_status_t rewrite_log(zm_emulated_t *e)
{
    uint64_t at = 0;
    char *piece = malloc(REWRITE_STEP);
    apr_status_t status = piece != NULL ? APR_SUCCESS : APR_ENOMEM;
    while (status == APR_SUCCESS) {
        apr_size_t length = REWRITE_STEP;
        status = zm_file_read_at(e->log, at, piece, &length);
        if (status == APR_SUCCESS)
            status = zm_file_write_at(e->log, at, piece, length);
        at += length;
    }
    free(piece);
    if (!APR_STATUS_IS_EOF(status))
        return status;
    return zm_file_sync(e->log);
}

static apr_status_t mend_log(zm_emulated_t *e)
{
    apr_status_t status;
    apr_thread_mutex_lock(e->writer.lock);
    status = zm_file_lock(e->turn, TURN_BYTE, 1, true);
    if (status == APR_SUCCESS) {
        status = rewrite_log(e);
        if (status == APR_SUCCESS) {
            (void)zm_file_unlink(e->root, FAILED_MARK);
            apr_thread_mutex_lock(e->lock);
            e->broken = APR_SUCCESS;
            apr_thread_mutex_unlock(e->lock);
        }
        zm_file_unlock(e->turn, TURN_BYTE, 1);
    }
    apr_thread_mutex_unlock(e->writer.lock);
    return status;
}

apr_status_t zm_emulated_sync(zm_emulated_t *e)
{
    bool broken;
    apr_status_t status;
    if (!e->wal)
        return APR_SUCCESS;
    status = open_log(e, &broken);
    if (status == APR_SUCCESS && broken)
        status = mend_log(e);
    else if (status == APR_SUCCESS)
        status = zm_file_sync(e->log);
    if (status != APR_SUCCESS)
        note_failure(e, status);
    return status;
}

/* -- within a transaction ------------------------------------------------------------------- */

/* Within a transaction that does nothing else, so that no number of the block is used if it fails.
 */
static apr_status_t take_block(zm_emulated_t *e, uint64_t *first)
{
    sqlite3_stmt *next = zm_connection_statement(&e->writer, ZM_SQL_NEXT_ID);
    sqlite3_stmt *take = zm_connection_statement(&e->writer, ZM_SQL_TAKE_IDS);
    apr_status_t status = zm_connection_row(&e->writer, next);
    if (status != APR_SUCCESS)
        return APR_STATUS_IS_ENOENT(status) ? ZM_E_CORRUPT : status;
    *first = (uint64_t)sqlite3_column_int64(next, 0);
    sqlite3_reset(next);
    if (take != NULL)
        sqlite3_bind_int64(take, 1, ZM_EMULATED_ID_BLOCK);
    return zm_connection_run(&e->writer, take);
}

apr_status_t zm_emulated_take_id(zm_emulated_t *e, uint64_t *id)
{
    uint64_t first = 0;
    bool left;
    apr_status_t status;
    apr_thread_mutex_lock(e->lock);
    left = e->ids_left > 0;
    if (left) {
        *id = e->next_id++;
        e->ids_left--;
    }
    apr_thread_mutex_unlock(e->lock);
    if (left)
        return APR_SUCCESS;
    status = zm_emulated_begin(e);
    if (status == APR_SUCCESS)
        status = zm_emulated_finish(e, take_block(e, &first));
    if (status != APR_SUCCESS)
        return status;
    apr_thread_mutex_lock(
        e->lock); /* another thread may have been as quick: its block is lost, no harm */
    e->next_id = first + 1;
    e->ids_left = ZM_EMULATED_ID_BLOCK - 1;
    apr_thread_mutex_unlock(e->lock);
    *id = first;
    return APR_SUCCESS;
}

static bool is_hidden(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash != NULL && slash[1] == '.';
}

static apr_status_t tell_arrival(zm_emulated_t *e, const char *name)
{
    sqlite3_stmt *statement = zm_connection_statement(&e->writer, ZM_SQL_ADD_ARRIVAL);
    apr_status_t status;
    if (statement != NULL)
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    status = zm_connection_run(&e->writer, statement);
    if (status != APR_SUCCESS || ++e->arrivals < ARRIVALS_TRIM)
        return status;
    e->arrivals = 0;
    statement = zm_connection_statement(&e->writer, ZM_SQL_TRIM_ARRIVALS);
    if (statement != NULL)
        sqlite3_bind_int64(statement, 1, ARRIVALS_KEPT);
    return zm_connection_run(&e->writer, statement);
}

apr_status_t zm_emulated_add_name(zm_emulated_t *e, const char *name, uint64_t id)
{
    sqlite3_stmt *statement = zm_connection_statement(&e->writer, ZM_SQL_ADD_NAME);
    bool watched;
    apr_status_t status = zm_emulated_find_directory(e, zm_str(name), &watched);
    if (status != APR_SUCCESS)
        return status;
    if (statement != NULL) {
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 2, (sqlite3_int64)id);
    }
    status = zm_connection_run(&e->writer, statement);
    return status == APR_SUCCESS && watched && !is_hidden(name) ? tell_arrival(e, name) : status;
}

/* -- checkpoints --------------------------------------------------------------------------------
 */

/* Moves what it can without stopping anybody; says how much is left. */
static int move_bulk(sqlite3 *db, int *left)
{
    int round, in_log = 0, moved = 0, code = SQLITE_OK;
    for (round = 0; round < BULK_ROUNDS && code == SQLITE_OK; round++) {
        code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
        *left = in_log - moved;
        if (*left <= REST_LIMIT)
            break;
    }
    return code;
}

/* In the writers' turn: readers of older states may still make it end early; the next one goes on.
 */
static void move_rest(zm_emulated_t *e, sqlite3 *db)
{
    if (zm_file_lock(e->turn, TURN_BYTE, 1, true) != APR_SUCCESS)
        return;
    sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    zm_file_unlock(e->turn, TURN_BYTE, 1);
}

static void checkpoint(zm_emulated_t *e, sqlite3 *db)
{
    int left = 0;
    if (zm_file_lock(e->turn, CHECKPOINT_BYTE, 1, false) != APR_SUCCESS)
        return; /* another process is at it */
    if (move_bulk(db, &left) == SQLITE_OK) {
        /* The turn's lock is the process's, so our own writers are kept out by theirs. */
        apr_thread_mutex_lock(e->writer.lock);
        move_rest(e, db);
        apr_thread_mutex_unlock(e->writer.lock);
    }
    zm_file_unlock(e->turn, CHECKPOINT_BYTE, 1);
}

static void *APR_THREAD_FUNC checkpointer(apr_thread_t *thread, void *data)
{
    zm_emulated_t *e = data;
    sqlite3 *db = NULL;
    char path[4096];
    (void)thread;
    sqlite3_snprintf(sizeof path, path, "%s/spool.db", e->location);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
        SQLITE_OK) {
        sqlite3_busy_timeout(db, 100);
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_exec(db, "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0", NULL, NULL,
                     NULL);
    }
    apr_thread_mutex_lock(e->lock);
    while (!e->checkpoint.stopping || e->checkpoint.sweep) {
        bool wanted = e->checkpoint.wanted && !e->checkpoint.stopping;
        if (!wanted && !e->checkpoint.sweep) {
            apr_thread_cond_wait(e->checkpoint.wake, e->lock);
            continue;
        }
        e->checkpoint.wanted = e->checkpoint.sweep = false;
        apr_thread_mutex_unlock(e->lock);
        if (wanted)
            checkpoint(e, db);
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
        e->log_due = LOG_LIMIT; /* the log has begun anew */
    e->log_pages = pages;
    if (pages >= e->log_due) {
        e->log_due = pages + LOG_STEP;
        zm_emulated_want_checkpoint(e);
    }
    return SQLITE_OK;
}

apr_status_t zm_emulated_start_checkpoints(zm_emulated_t *e)
{
    e->log_due = LOG_LIMIT;
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
