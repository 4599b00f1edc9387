/*
 * Things are moved out of the way into the directory for temporary files when
 * that is on the same volume, because there they keep no directory of ours from
 * being removed; else into their own directory, under a name that listings and
 * watches here leave out.
 */
#include "win32/classic.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

/* FILE_RENAME_INFO with room for a name; Flags lies over ReplaceIfExists. */
typedef struct rename_request_t {
    DWORD flags;
    HANDLE root;
    DWORD name_bytes;
    WCHAR name[ZM_WIDE_MAX + 16];
} rename_request_t;

BOOL zm_rename_handle(HANDLE handle, FILE_INFO_BY_HANDLE_CLASS how, DWORD flags, const wchar_t *to)
{
    rename_request_t request;
    request.flags = flags;
    request.root = NULL;
    request.name_bytes = (DWORD)(wcslen(to) * sizeof *to);
    wcscpy(request.name, to);
    return SetFileInformationByHandle(handle, how, &request,
                                      (DWORD)offsetof(rename_request_t, name) + request.name_bytes +
                                          (DWORD)sizeof *to);
}

/* -- out of the way ------------------------------------------------------------------ */

/* A name that nobody has: the process and a count. */
static void hidden_leaf(wchar_t *leaf, apr_size_t room)
{
    static LONG counter;
    swprintf(leaf, room, L"%ls%lx-%lx", ZM_DELETED_PREFIX, GetCurrentProcessId(),
             InterlockedIncrement(&counter));
}

static bool hidden_in_temporary(zm_wide_path_t *hidden)
{
    wchar_t directory[MAX_PATH + 1];
    DWORD length = GetTempPathW(MAX_PATH + 1, directory);
    if (length == 0 || length > MAX_PATH || directory[length - 1] != L'\\')
        return false;
    wcscpy(hidden->text, L"\\\\?\\");
    wcscat(hidden->text, directory);
    hidden_leaf(hidden->text + wcslen(hidden->text), 64);
    return directory[0] != L'\\';
}

static bool hidden_beside(zm_wide_path_t *hidden, const zm_wide_path_t *path)
{
    apr_size_t place = (apr_size_t)(wcsrchr(path->text, L'\\') + 1 - path->text);
    if (place + 64 > ZM_WIDE_MAX)
        return false;
    wmemcpy(hidden->text, path->text, place);
    hidden_leaf(hidden->text + place, 64);
    return true;
}

static bool move_away(HANDLE handle, zm_wide_path_t *hidden, const zm_wide_path_t *path)
{
    return (hidden_in_temporary(hidden) &&
            zm_rename_handle(handle, FileRenameInfo, 0, hidden->text)) ||
           (hidden_beside(hidden, path) &&
            zm_rename_handle(handle, FileRenameInfo, 0, hidden->text));
}

/* -- removing --------------------------------------------------------------------------- */

/*
 * The file vanishes when its last handle is closed, also when that happens
 * because this process is killed between the two steps: the handle that renames
 * is the one that deletes.  A file that cannot be moved away is deleted in place.
 */
apr_status_t zm_classic_unlink(const zm_wide_path_t *path)
{
    zm_wide_path_t hidden;
    HANDLE handle;
    apr_status_t status =
        zm_open_path(&handle, path, DELETE | SYNCHRONIZE, FILE_FLAG_DELETE_ON_CLOSE);
    if (status != APR_SUCCESS)
        return status;
    (void)move_away(handle, &hidden, path);
    return CloseHandle(handle) ? APR_SUCCESS : zm_last_status();
}

/* Moved away, it is removed or, when it turns out not to be empty, moved back. */
apr_status_t zm_classic_remove_directory(const zm_wide_path_t *path)
{
    zm_wide_path_t hidden;
    HANDLE handle;
    bool moved;
    apr_status_t status =
        zm_open_path(&handle, path, DELETE | SYNCHRONIZE, FILE_FLAG_BACKUP_SEMANTICS);
    if (status != APR_SUCCESS)
        return status;
    moved = move_away(handle, &hidden, path);
    if (!RemoveDirectoryW(moved ? hidden.text : path->text)) {
        status = zm_last_status();
        if (moved)
            zm_rename_handle(handle, FileRenameInfo, 0, path->text);
    }
    CloseHandle(handle);
    return status;
}

/* -- renaming ----------------------------------------------------------------------------- */

apr_status_t zm_classic_move(const zm_wide_path_t *from, const zm_wide_path_t *to, bool replace)
{
    DWORD flags = MOVEFILE_WRITE_THROUGH | (replace ? MOVEFILE_REPLACE_EXISTING : 0);
    if (MoveFileExW(from->text, to->text, flags))
        return APR_SUCCESS;
    if (!replace || GetLastError() != ERROR_ACCESS_DENIED)
        return zm_last_status();
    /* The old file is open.  A crash between these two leaves the new one under its old name. */
    if (zm_classic_unlink(to) != APR_SUCCESS)
        return APR_EACCES;
    return MoveFileExW(from->text, to->text, flags) ? APR_SUCCESS : zm_last_status();
}
