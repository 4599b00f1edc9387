/**
 * SQLite's own access to files, with one difference: what a transaction adds to
 * the log goes to the system in one write.  Private to emulated*.c.
 */
#ifndef ZM_SPOOL_EMULATED_VFS_H
#define ZM_SPOOL_EMULATED_VFS_H

#include <apr_time.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#define ZM_EMULATED_VFS "zmailer"
#define ZM_EMULATED_LOG_LIMIT 16384 /**< pages in the log that make a checkpoint due */

/** The name to open databases with; null: SQLite's default. */
const char *zm_emulated_vfs(void);
/** A state of the database: another one has another header. */
typedef struct zm_emulated_stamp_t {
    bool valid;
    uint32_t header[12];
} zm_emulated_stamp_t;

/**
 * The latest state that any process committed, by a look into shared memory.  Not valid before the
 * connection has read something, or without a write-ahead log.
 */
void zm_emulated_vfs_stamp(sqlite3 *db, zm_emulated_stamp_t *stamp);
/**
 * While the database is written it is synced every few pages.  So many that this takes about as long
 * as given (microseconds), within limits: others wait for the disk meanwhile.
 */
void zm_emulated_vfs_set_patience(sqlite3 *db, apr_interval_time_t patience);
/**
 * No page of the log counts as moved into the database any more: readers take them from the log, and
 * the next checkpoint moves all.  For a connection that has read something.  SQLITE_BUSY: somebody
 * writes or checkpoints.
 */
int zm_emulated_vfs_forget_moved(sqlite3 *db);

#endif
