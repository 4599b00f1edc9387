/**
 * SQLite's own access to files, with one difference: what a transaction adds to
 * the log goes to the system in one write.  Private to emulated*.c.
 */
#ifndef ZM_SPOOL_EMULATED_VFS_H
#define ZM_SPOOL_EMULATED_VFS_H

#include <sqlite3.h>
#include <stdbool.h>

#define ZM_EMULATED_VFS "zmailer"

/** The name to open databases with; null: SQLite's default. */
const char *zm_emulated_vfs(void);

#endif
