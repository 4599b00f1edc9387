#include <stdlib.h>
#include <string.h>

#include "platform/log.h"
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
 * sync; all others by a mark (emulated_marks.c), which is looked at before and
 * after each sync.
 */

#define ARRIVALS_KEPT 20000
#define ARRIVALS_TRIM 1024
#define REWRITE_STEP 65536
#define MENDING_TRIES 3

/* -- transactions --------------------------------------------------------------------- */

static void pass_turn(zm_emulated_t *e)
{
    zm_file_unlock(e->turn, ZM_EMULATED_TURN_BYTE, 1);
    apr_thread_mutex_unlock(e->writer.lock);
}

apr_status_t zm_emulated_begin(zm_emulated_t *e)
{
    apr_status_t status;
    apr_thread_mutex_lock(e->writer.lock);
    status = zm_file_lock(e->turn, ZM_EMULATED_TURN_BYTE, 1, true);
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
    bool unsynced;
    apr_status_t status =
        zm_connection_run(&e->writer, zm_connection_statement(&e->writer, ZM_SQL_COMMIT));
    if (status == APR_SUCCESS) {
        pass_turn(e);
        return APR_SUCCESS;
    }
    /* SQLite syncs a log that begins anew, and may be the only one who is told. */
    unsynced = sqlite3_extended_errcode(e->writer.db) == SQLITE_IOERR_FSYNC;
    if (unsynced)
        (void)zm_emulated_mark(e, ZM_MARK_LOG, ZM_STATE_FAILED);
    zm_emulated_abandon(e);
    if (unsynced)
        zm_emulated_note_failure(e, status);
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
static apr_status_t open_log(zm_emulated_t *e, bool *opened)
{
    apr_status_t status = APR_SUCCESS;
    apr_thread_mutex_lock(e->lock);
    if (e->log == NULL) {
        status = zm_file_open(&e->log, e->root, "spool.db-wal", ZM_OPEN_READ | ZM_OPEN_WRITE, 0,
                              e->pool);
        if (status != APR_SUCCESS)
            e->log = NULL;
    }
    if (e->log != NULL && !e->log_named) { /* and as long as that fails nothing is durable */
        status = zm_dir_sync(e->root);
        if (status == ZM_E_UNSUPPORTED)
            status = APR_SUCCESS;
        e->log_named = status == APR_SUCCESS;
    }
    *opened = e->log != NULL;
    apr_thread_mutex_unlock(e->lock);
    return status;
}

/* For us, or for somebody else. */
static apr_status_t ask_whether_broken(zm_emulated_t *e, bool *broken)
{
    zm_emulated_state_t state;
    apr_status_t status = zm_emulated_marked(e, ZM_MARK_LOG, &state);
    apr_thread_mutex_lock(e->lock);
    *broken = e->broken != APR_SUCCESS || state != ZM_STATE_SOUND;
    apr_thread_mutex_unlock(e->lock);
    return status;
}

/*
 * At once, for others may be told success until they see it; and again in our turn,
 * in case that who mends the log at this moment has just taken it back.
 */
void zm_emulated_note_failure(zm_emulated_t *e, apr_status_t status)
{
    bool known;
    (void)zm_emulated_mark(e, ZM_MARK_LOG, ZM_STATE_FAILED);
    apr_thread_mutex_lock(e->writer.lock);
    (void)zm_file_lock(e->turn, ZM_EMULATED_TURN_BYTE, 1, true);
    (void)zm_emulated_mark(e, ZM_MARK_LOG, ZM_STATE_FAILED);
    apr_thread_mutex_lock(e->lock);
    known = e->broken != APR_SUCCESS;
    e->broken = status;
    apr_thread_mutex_unlock(e->lock);
    zm_file_unlock(e->turn, ZM_EMULATED_TURN_BYTE, 1);
    apr_thread_mutex_unlock(e->writer.lock);
    if (!known)
        zm_log(ZM_LOG_ERROR, NULL,
               "a sync of the spool's log failed: what waited for it is refused, and all of it "
               "is written anew before it counts as durable again; look after the disk",
               ZM_F_S("spool", e->location), ZM_F_E("reason", status));
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

/*
 * A sync of another may fail while we write, and what it dropped be ours: then he
 * sets the mark, and all is to be written once more.
 */
static apr_status_t write_until_sound(zm_emulated_t *e)
{
    zm_emulated_state_t state = ZM_STATE_FAILED;
    int tries;
    apr_status_t status = APR_SUCCESS;
    for (tries = 0; tries < MENDING_TRIES && status == APR_SUCCESS && state == ZM_STATE_FAILED;
         tries++) {
        bool begun = zm_emulated_mark(e, ZM_MARK_LOG, ZM_STATE_BEGUN) == APR_SUCCESS;
        status = rewrite_log(e);
        if (status == APR_SUCCESS)
            status = zm_emulated_marked(e, ZM_MARK_LOG, &state);
        if (!begun) /* the mark cannot be written: it says nothing */
            state = ZM_STATE_BEGUN;
    }
    if (status == APR_SUCCESS && state == ZM_STATE_FAILED)
        status = APR_EGENERAL;
    if (status == APR_SUCCESS)
        (void)zm_emulated_mark(e, ZM_MARK_LOG, ZM_STATE_SOUND);
    return status;
}

static apr_status_t mend_log(zm_emulated_t *e)
{
    apr_status_t status;
    apr_thread_mutex_lock(e->writer.lock);
    status = zm_file_lock(e->turn, ZM_EMULATED_TURN_BYTE, 1, true);
    if (status == APR_SUCCESS) {
        (void)zm_file_sync(e->log); /* an old failure that we were not told of yet is known */
        status = write_until_sound(e);
        if (status == APR_SUCCESS) {
            apr_thread_mutex_lock(e->lock);
            e->broken = APR_SUCCESS;
            apr_thread_mutex_unlock(e->lock);
        }
        zm_file_unlock(e->turn, ZM_EMULATED_TURN_BYTE, 1);
    }
    apr_thread_mutex_unlock(e->writer.lock);
    return status;
}

/* Our sync may have come after another's that failed, and know nothing of it. */
static apr_status_t sync_log(zm_emulated_t *e)
{
    bool broken;
    apr_status_t status = zm_file_sync(e->log);
    if (status == APR_SUCCESS)
        status = ask_whether_broken(e, &broken);
    return status == APR_SUCCESS && broken ? mend_log(e) : status;
}

apr_status_t zm_emulated_sync(zm_emulated_t *e)
{
    bool opened, broken;
    apr_status_t status;
    if (!e->wal)
        return APR_SUCCESS;
    status = open_log(e, &opened);
    if (status == APR_SUCCESS)
        status = ask_whether_broken(e, &broken);
    if (status == APR_SUCCESS)
        status = broken ? mend_log(e) : sync_log(e);
    if (status != APR_SUCCESS && opened) /* else nothing was synced */
        zm_emulated_note_failure(e, status);
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
