/**
 * Renaming and deleting where the system or the filesystem has no operations
 * with the meaning of Unix (Windows before 10 1709, FAT, many network shares,
 * Wine).  What the classic calls cannot do, free the name of something that is
 * open, is done by a rename out of the way first.
 */
#ifndef ZM_WIN32_CLASSIC_H
#define ZM_WIN32_CLASSIC_H

#include "win32/file.h"

BOOL zm_rename_handle(HANDLE handle, FILE_INFO_BY_HANDLE_CLASS how, DWORD flags, const wchar_t *to);
apr_status_t zm_classic_unlink(const zm_wide_path_t *path);
apr_status_t zm_classic_remove_directory(const zm_wide_path_t *path);
apr_status_t zm_classic_move(const zm_wide_path_t *from, const zm_wide_path_t *to, bool replace);

#endif
