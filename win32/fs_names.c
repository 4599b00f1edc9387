/*
 * Names: rename, link, remove, directories.
 *
 * First the operations with the meaning they have on Unix are tried, which NTFS
 * has since Windows 10 1709: a file that is open elsewhere can be replaced and
 * deleted, and its name is free at once.  Where a filesystem or an older system
 * does not have them, the classic calls of fs_classic.c follow.
 *
 * Renames are written through: when the call returns, the new name is durable.
 * A crash before that leaves the old name.
 */
#include "win32/classic.h"

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

static bool lacks_operation(DWORD error)
{
    return error == ERROR_INVALID_PARAMETER || error == ERROR_NOT_SUPPORTED ||
           error == ERROR_INVALID_FUNCTION || error == ERROR_INVALID_LEVEL ||
           error == ERROR_CALL_NOT_IMPLEMENTED;
}

/* -- removing ---------------------------------------------------------------------- */

static apr_status_t delete_at(const zm_wide_path_t *path, DWORD how, bool *lacking)
{
    HANDLE handle;
    DWORD flags = DISPOSITION_DELETE | DISPOSITION_POSIX | DISPOSITION_IGNORE_READONLY, error = 0;
    apr_status_t status = zm_open_path(&handle, path, DELETE | SYNCHRONIZE, how);
    *lacking = false;
    if (status != APR_SUCCESS)
        return status;
    if (!SetFileInformationByHandle(handle, DISPOSITION_INFO_EX, &flags, sizeof flags))
        error = GetLastError();
    CloseHandle(handle);
    *lacking = lacks_operation(error);
    return zm_os_status(error);
}

/* Without FILE_FLAG_BACKUP_SEMANTICS a directory cannot be opened, and so is not deleted here. */
apr_status_t zm_file_unlink(zm_file_t *at, const char *path)
{
    zm_wide_path_t wide;
    bool lacking;
    apr_status_t status = zm_wide_path(&wide, at, path);
    if (status != APR_SUCCESS)
        return status;
    status = delete_at(&wide, 0, &lacking);
    return lacking ? zm_classic_unlink(&wide) : status;
}

/* -- renaming and linking ------------------------------------------------------------- */

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
    if (!zm_rename_handle(handle, RENAME_INFO_EX, RENAME_POSIX | (replace ? RENAME_REPLACE : 0),
                          target.text))
        error = GetLastError();
    CloseHandle(handle);
    return lacks_operation(error) ? zm_classic_move(&source, &target, replace)
                                  : zm_os_status(error);
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

void zm_dir_spread(zm_file_t *at, const char *path) /* NTFS keeps all records in one table */
{
    (void)at;
    (void)path;
}

void zm_dir_in_place(zm_file_t *at, const char *path) /* NTFS and FAT do nothing else */
{
    (void)at;
    (void)path;
}

/* A link to a directory is none unless its path ends in "/.". */
static apr_status_t check_is_directory(const zm_wide_path_t *path)
{
    zm_file_kind_t kind;
    apr_status_t status = zm_kind_of_path(&kind, path);
    return status == APR_SUCCESS && kind != ZM_FILE_DIRECTORY ? APR_ENOTDIR : status;
}

apr_status_t zm_dir_remove(zm_file_t *at, const char *path)
{
    zm_wide_path_t wide;
    bool lacking;
    apr_status_t status = zm_wide_path(&wide, at, path);
    if (status != APR_SUCCESS)
        return status;
    status = check_is_directory(&wide);
    if (status != APR_SUCCESS)
        return status;
    status = delete_at(&wide, FILE_FLAG_BACKUP_SEMANTICS, &lacking);
    return lacking ? zm_classic_remove_directory(&wide) : status;
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
