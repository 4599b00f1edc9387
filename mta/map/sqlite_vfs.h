/** How SQLite reads the files of maps. */
#ifndef ZM_MAP_SQLITE_VFS_H
#define ZM_MAP_SQLITE_VFS_H

/** The name to open a database with, read-only; null: SQLite's own way. */
const char *zm_map_sqlite_vfs(void);

#endif
