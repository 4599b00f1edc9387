/*
 * Names: rename, link, remove, directories.
 *
 * First the operations with the meaning they have on Unix are tried, which NTFS
 * has since Windows 10 1709: a file that is open elsewhere can be replaced and
 * deleted, and its name is free at once.  Where a filesystem or an older system
 * does not have them, the classic calls follow, and what they cannot do (free
 * the name of an open file) is done by a rename to a hidden name first.
 *
 * Renames are written through: when the call returns, the new name is durable.
 * A crash before that leaves the old name.
 */
#include "win32/file.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "win32/sid.h"

/* Information classes and flags newer than the headers of _WIN32_WINNT 0x0602. */
#define DISPOSITION_INFO_EX ((FILE_INFO_BY_HANDLE_CLASS)21)
#define RENAME_INFO_EX ((FILE_INFO_BY_HANDLE_CLASS)22)
#define DISPOSITION_DELETE 0x01
#define DISPOSITION_POSIX 0x02
#define DISPOSITION_IGNORE_READONLY 0x10
#define RENAME_REPLACE 0x01
#define RENAME_POSIX 0x02

/* FILE_RENAME_INFO with room for a name; Flags lies over ReplaceIfExists. */
typedef struct rename_request_t {
    DWORD flags;
    HANDLE root;
    DWORD name_bytes;
    WCHAR name[ZM_WIDE_MAX + 16];
} rename_request_t;

static bool lacks_operation(DWORD error)
{
    return error == ERROR_INVALID_PARAMETER || error == ERROR_NOT_SUPPORTED ||
           error == ERROR_INVALID_FUNCTION || error == ERROR_INVALID_LEVEL ||
           error == ERROR_CALL_NOT_IMPLEMENTED;
}

static BOOL rename_handle(HANDLE handle, FILE_INFO_BY_HANDLE_CLASS how, DWORD flags,
                          const wchar_t *to)
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

/* -- removing ---------------------------------------------------------------------- */

/*
 * The file vanishes when its last handle is closed, also when that happens
 * because this process is killed between the two steps: the handle that renames
 * is the one that deletes.
 */
static apr_status_t hide_and_delete(const zm_wide_path_t *path)
{
    static LONG counter;
    zm_wide_path_t hidden = *path;
    wchar_t *name = wcsrchr(hidden.text, L'\\') + 1;
    apr_size_t room = ZM_WIDE_MAX + 16 - (apr_size_t)(name - hidden.text);
    HANDLE handle;
    apr_status_t status =
        zm_open_path(&handle, path, DELETE | SYNCHRONIZE, FILE_FLAG_DELETE_ON_CLOSE);
    if (status != APR_SUCCESS)
        return status;
    if (room > 64) {
        swprintf(name, room, L"%ls%lx-%lx", ZM_DELETED_PREFIX, GetCurrentProcessId(),
                 InterlockedIncrement(&counter));
        rename_handle(handle, FileRenameInfo, 0, hidden.text);
    }
    return CloseHandle(handle) ? APR_SUCCESS : zm_last_status();
}

apr_status_t zm_file_unlink(zm_file_t *at, const char *path)
{
    zm_wide_path_t wide;
    HANDLE handle;
    DWORD flags = DISPOSITION_DELETE | DISPOSITION_POSIX | DISPOSITION_IGNORE_READONLY, error = 0;
    apr_status_t status = zm_wide_path(&wide, at, path);
    if (status == APR_SUCCESS)
        status = zm_open_path(&handle, &wide, DELETE | SYNCHRONIZE, 0);
    if (status != APR_SUCCESS)
        return status;
    if (!SetFileInformationByHandle(handle, DISPOSITION_INFO_EX, &flags, sizeof flags))
        error = GetLastError();
    CloseHandle(handle);
    return lacks_operation(error) ? hide_and_delete(&wide) : zm_os_status(error);
}

/* -- renaming and linking ------------------------------------------------------------- */

static apr_status_t move(const zm_wide_path_t *from, const zm_wide_path_t *to, bool replace)
{
    DWORD flags = MOVEFILE_WRITE_THROUGH | (replace ? MOVEFILE_REPLACE_EXISTING : 0);
    if (MoveFileExW(from->text, to->text, flags))
        return APR_SUCCESS;
    if (!replace || GetLastError() != ERROR_ACCESS_DENIED)
        return zm_last_status();
    /* The old file is open.  A crash between these two leaves the new one under its old name. */
    if (hide_and_delete(to) != APR_SUCCESS)
        return APR_EACCES;
    return MoveFileExW(from->text, to->text, flags) ? APR_SUCCESS : zm_last_status();
}

static apr_status_t rename_file(zm_file_t *from_at, const char *from, zm_file_t *to_at,
                                const char *to, bool replace)
{
    zm_wide_path_t source, target;
    HANDLE handle;
    DWORD error = 0;
    apr_status_t status = zm_wide_path(&source, from_at, from);
    if (status == APR_SUCCESS)
        status = zm_wide_path(&target, to_at, to);
    if (status == APR_SUCCESS)
        status = zm_open_path(&handle, &source, DELETE | SYNCHRONIZE | FILE_READ_ATTRIBUTES,
                              FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_WRITE_THROUGH);
    if (status != APR_SUCCESS)
        return status;
    if (!rename_handle(handle, RENAME_INFO_EX, RENAME_POSIX | (replace ? RENAME_REPLACE : 0),
                       target.text))
        error = GetLastError();
    CloseHandle(handle);
    return lacks_operation(error) ? move(&source, &target, replace) : zm_os_status(error);
}

apr_status_t zm_file_rename(zm_file_t *from_at, const char *from, zm_file_t *to_at, const char *to)
{
    return rename_file(from_at, from, to_at, to, false);
}

apr_status_t zm_file_replace(zm_file_t *from_at, const char *from, zm_file_t *to_at, const char *to)
{
    return rename_file(from_at, from, to_at, to, true);
}

apr_status_t zm_file_link(zm_file_t *from_at, const char *from, zm_file_t *to_at, const char *to)
{
    zm_wide_path_t source, target;
    apr_status_t status = zm_wide_path(&source, from_at, from);
    if (status == APR_SUCCESS)
        status = zm_wide_path(&target, to_at, to);
    if (status != APR_SUCCESS)
        return status;
    return CreateHardLinkW(target.text, source.text, NULL) ? APR_SUCCESS : zm_last_status();
}

/* -- directories -------------------------------------------------------------------- */

apr_status_t zm_dir_make(zm_file_t *at, const char *path, uint32_t mode)
{
    zm_wide_path_t wide;
    apr_status_t status = zm_wide_path(&wide, at, path);
    if (status != APR_SUCCESS)
        return status;
    return CreateDirectoryW(wide.text, (mode & 077) == 0 ? zm_private_security() : NULL)
               ? APR_SUCCESS
               : zm_last_status();
}

apr_status_t zm_dir_remove(zm_file_t *at, const char *path)
{
    zm_wide_path_t wide;
    apr_status_t status = zm_wide_path(&wide, at, path);
    if (status != APR_SUCCESS)
        return status;
    return RemoveDirectoryW(wide.text) ? APR_SUCCESS : zm_last_status();
}

struct zm_dir_t {
    HANDLE search;
    bool first; /* found holds an entry that was not given out yet */
    WIN32_FIND_DATAW found;
    char name[MAX_PATH * 3 + 1]; /* a name has at most 255 units, each at most 3 bytes */
    apr_pool_t *pool;
};

static apr_status_t close_search(void *data)
{
    zm_dir_t *directory = data;
    if (directory->search != INVALID_HANDLE_VALUE)
        FindClose(directory->search);
    directory->search = INVALID_HANDLE_VALUE;
    return APR_SUCCESS;
}

/* A link to a directory is not listed unless its path ends in "/.". */
static apr_status_t check_is_directory(const zm_wide_path_t *path)
{
    HANDLE handle;
    zm_file_kind_t kind;
    apr_status_t status =
        zm_open_path(&handle, path, FILE_READ_ATTRIBUTES, FILE_FLAG_BACKUP_SEMANTICS);
    if (status != APR_SUCCESS)
        return status;
    status = zm_kind_of_handle(&kind, handle);
    CloseHandle(handle);
    return status == APR_SUCCESS && kind != ZM_FILE_DIRECTORY ? APR_ENOTDIR : status;
}

apr_status_t zm_dir_open(zm_dir_t **directory, zm_file_t *at, const char *path, apr_pool_t *pool)
{
    zm_wide_path_t wide;
    zm_dir_t *opened;
    apr_status_t status = zm_wide_path(&wide, at, path);
    if (status == APR_SUCCESS)
        status = check_is_directory(&wide);
    if (status != APR_SUCCESS)
        return status;
    wcscat(wide.text, L"\\*");
    opened = apr_pcalloc(pool, sizeof *opened);
    opened->pool = pool;
    opened->first = true;
    opened->search = FindFirstFileExW(wide.text, FindExInfoBasic, &opened->found,
                                      FindExSearchNameMatch, NULL, FIND_FIRST_EX_LARGE_FETCH);
    if (opened->search == INVALID_HANDLE_VALUE)
        return zm_last_status();
    apr_pool_cleanup_register(pool, opened, close_search, apr_pool_cleanup_null);
    *directory = opened;
    return APR_SUCCESS;
}

static bool entry_counts(const wchar_t *name)
{
    return wcscmp(name, L".") != 0 && wcscmp(name, L"..") != 0 &&
           wcsncmp(name, ZM_DELETED_PREFIX, wcslen(ZM_DELETED_PREFIX)) != 0;
}

apr_status_t zm_dir_next(zm_dir_t *directory, const char **name, zm_file_kind_t *kind)
{
    do {
        if (!directory->first && !FindNextFileW(directory->search, &directory->found))
            return GetLastError() == ERROR_NO_MORE_FILES ? APR_ENOENT : zm_last_status();
        directory->first = false;
    } while (!entry_counts(directory->found.cFileName));
    if (WideCharToMultiByte(CP_UTF8, 0, directory->found.cFileName, -1, directory->name,
                            sizeof directory->name, NULL, NULL) == 0)
        return zm_last_status();
    *name = directory->name;
    if (kind != NULL) /* dwReserved0 holds the reparse tag */
        *kind = zm_kind_of(directory->found.dwFileAttributes, directory->found.dwReserved0);
    return APR_SUCCESS;
}

void zm_dir_close(zm_dir_t *directory)
{
    apr_pool_cleanup_run(directory->pool, directory, close_search);
}
