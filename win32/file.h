/**
 * What the files of win32/ that deal with names and files share.
 */
#ifndef ZM_WIN32_FILE_H
#define ZM_WIN32_FILE_H

#include "platform/fs.h"

#include <windows.h>

/** Longest path in UTF-16 units, end included; the same order as PATH_MAX elsewhere. */
#define ZM_WIDE_MAX 4096

struct zm_file_t {
    HANDLE handle;
    bool append;
    const wchar_t *full; /**< directories: the full path without "\\?\"; else null */
    apr_pool_t *pool;
};

/** A path for the system's calls: absolute, "\\?\C:\..." or "\\?\UNC\...". */
typedef struct zm_wide_path_t {
    bool follow; /**< it ended in "/.": a link to a directory is as good as the directory */
    wchar_t text[ZM_WIDE_MAX + 16];
} zm_wide_path_t;

/**
 * Makes a path for the system's calls of a UTF-8 path below a directory handle
 * (or null).  Refuses names that Windows would take for something else:
 * devices (NUL, COM1), alternate streams (a colon), trailing dots and blanks,
 * wild cards.  APR_EBADPATH or APR_ENAMETOOLONG.
 */
apr_status_t zm_wide_path(zm_wide_path_t *wide, const zm_file_t *at, const char *path);
/** The same path without its "\\?\" prefix, to be kept: see zm_file_t.full. */
wchar_t *zm_wide_path_keep(const zm_wide_path_t *wide, apr_pool_t *pool);

/** UTF-8 to UTF-16 and back, into a pool; invalid sequences become U+FFFD on the way back only. */
apr_status_t zm_to_wide(wchar_t **wide, const char *text, apr_pool_t *pool);
char *zm_from_wide(const wchar_t *wide, apr_pool_t *pool);

/** An error of the system as the code that portable callers compare with (APR_ENOENT, APR_EEXIST,
 * ...). */
apr_status_t zm_os_status(DWORD error);
static inline apr_status_t zm_last_status(void)
{
    return zm_os_status(GetLastError());
}

#define ZM_SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

/** Prefix of the names of files that were deleted while open, where the system keeps their name
 * until they are closed. */
#define ZM_DELETED_PREFIX L".zm-deleted-"

/** Opens what is there, shared with everybody; flags as for CreateFile.  Links are followed only
 * where path->follow says so. */
apr_status_t zm_open_path(HANDLE *handle, const zm_wide_path_t *path, DWORD access, DWORD flags);
/** The kind of what an open handle stands for. */
apr_status_t zm_kind_of_handle(zm_file_kind_t *kind, HANDLE handle);
apr_status_t zm_kind_of_path(zm_file_kind_t *kind, const zm_wide_path_t *path);
/** Makes a zm_file_t of a handle, closed with the pool. */
void zm_make_file(zm_file_t **file, HANDLE handle, bool append, const wchar_t *full,
                  apr_pool_t *pool);
/** What an open handle shows; kind follows the reparse tag. */
zm_file_kind_t zm_kind_of(DWORD attributes, DWORD reparse_tag);

#endif
