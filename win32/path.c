/*
 * UTF-8 paths with '/' become "\\?\" paths, which reach every file that can
 * exist and nothing but files: no device, no alternate stream, and no length
 * limit of 260.
 */
#include "win32/file.h"

#include <apr_strings.h>
#include <string.h>
#include <wchar.h>

apr_status_t zm_os_status(DWORD error)
{
    switch (error) {
    case ERROR_SUCCESS:
        return APR_SUCCESS;
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_DRIVE:
    case ERROR_BAD_NETPATH:
        return APR_ENOENT;
    case ERROR_FILE_EXISTS:
    case ERROR_ALREADY_EXISTS:
        return APR_EEXIST;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION:
    case ERROR_DELETE_PENDING:
    case ERROR_WRITE_PROTECT:
        return APR_EACCES;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
    case 1295 /* ERROR_DISK_QUOTA_EXCEEDED, which this SDK lacks */:
        return APR_ENOSPC;
    case ERROR_DIRECTORY:
        return APR_ENOTDIR;
    case ERROR_DIR_NOT_EMPTY:
        return APR_ENOTEMPTY;
    case ERROR_NOT_SAME_DEVICE:
        return APR_EXDEV;
    case ERROR_FILENAME_EXCED_RANGE:
        return APR_ENAMETOOLONG;
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME:
        return APR_EBADPATH;
    case ERROR_TOO_MANY_OPEN_FILES:
        return APR_EMFILE;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
        return APR_ENOMEM;
    case ERROR_INVALID_HANDLE:
        return APR_EBADF;
    case ERROR_INVALID_PARAMETER:
        return APR_EINVAL;
    case ERROR_HANDLE_EOF:
        return APR_EOF;
    case ERROR_INVALID_FUNCTION:
    case ERROR_NOT_SUPPORTED:
    case ERROR_CALL_NOT_IMPLEMENTED:
        return ZM_E_UNSUPPORTED;
    case ERROR_LOCK_VIOLATION:
        return ZM_E_BUSY;
    default:
        return APR_FROM_OS_ERROR(error);
    }
}

/* -- UTF-16 ------------------------------------------------------------------- */

apr_status_t zm_to_wide(wchar_t **wide, const char *text, apr_pool_t *pool)
{
    int size = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    if (size == 0)
        return APR_EBADPATH;
    *wide = apr_palloc(pool, (apr_size_t)size * sizeof **wide);
    MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, *wide, size);
    return APR_SUCCESS;
}

char *zm_from_wide(const wchar_t *wide, apr_pool_t *pool)
{
    int size = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
    char *text = apr_palloc(pool, (apr_size_t)size + 1);
    text[0] = '\0';
    WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, size, NULL, NULL);
    return text;
}

/* -- names --------------------------------------------------------------------- */

static bool word_is(const wchar_t *name, apr_size_t length, const wchar_t *word)
{
    return wcslen(word) == length && _wcsnicmp(name, word, length) == 0;
}

/* The part before the first dot decides: NUL.txt is the null device, too. */
static bool names_device(const wchar_t *name, apr_size_t length)
{
    apr_size_t stem = 0;
    while (stem < length && name[stem] != L'.')
        stem++;
    while (stem > 0 && name[stem - 1] == L' ')
        stem--;
    if (stem == 4 && (_wcsnicmp(name, L"COM", 3) == 0 || _wcsnicmp(name, L"LPT", 3) == 0))
        return (name[3] >= L'0' && name[3] <= L'9') || name[3] == 0xb9 || name[3] == 0xb2 ||
               name[3] == 0xb3;
    return word_is(name, stem, L"CON") || word_is(name, stem, L"PRN") ||
           word_is(name, stem, L"AUX") || word_is(name, stem, L"NUL") ||
           word_is(name, stem, L"CONIN$") || word_is(name, stem, L"CONOUT$");
}

static bool component_allowed(const wchar_t *name, apr_size_t length)
{
    apr_size_t i;
    if (length == 0 || word_is(name, length, L".") || word_is(name, length, L".."))
        return true;
    for (i = 0; i < length; i++)
        if (name[i] < L' ' || wcschr(L"<>:\"|?*", name[i]) != NULL)
            return false;
    return name[length - 1] != L'.' && name[length - 1] != L' ' && !names_device(name, length);
}

static bool components_allowed(const wchar_t *path)
{
    for (;;) {
        apr_size_t length = wcscspn(path, L"\\");
        if (!component_allowed(path, length))
            return false;
        if (path[length] == L'\0')
            return true;
        path += length + 1;
    }
}

static bool has_drive(const wchar_t *path)
{
    return ((path[0] >= L'a' && path[0] <= L'z') || (path[0] >= L'A' && path[0] <= L'Z')) &&
           path[1] == L':';
}

/* "C:x" would mean x below the current directory of that drive: nobody wants that. */
static bool path_allowed(const wchar_t *path)
{
    if (!has_drive(path))
        return components_allowed(path);
    return path[2] == L'\\' && components_allowed(path + 3);
}

static void set_extended(zm_wide_path_t *wide, const wchar_t *full)
{
    if (full[0] == L'\\' && full[1] == L'\\') {
        wcscpy(wide->text, L"\\\\?\\UNC\\");
        wcscpy(wide->text + 8, full + 2);
    } else {
        wcscpy(wide->text, L"\\\\?\\");
        wcscpy(wide->text + 4, full);
    }
}

static bool ends_in_dot(const char *path)
{
    apr_size_t length = strlen(path);
    return length >= 2 && path[length - 1] == '.' &&
           (path[length - 2] == '/' || path[length - 2] == '\\');
}

/* Every copy below is into ZM_WIDE_MAX units, and was measured before. */
apr_status_t zm_wide_path(zm_wide_path_t *wide, const zm_file_t *at, const char *path)
{
    wchar_t given[ZM_WIDE_MAX], full[ZM_WIDE_MAX];
    apr_size_t base = 0;
    int units;
    DWORD length;
    wchar_t *unit;

    if (at != NULL && path[0] != '/' && path[0] != '\\' && !(path[0] != '\0' && path[1] == ':')) {
        base = wcslen(at->full);
        if (base + 2 > ZM_WIDE_MAX)
            return APR_ENAMETOOLONG;
        wmemcpy(given, at->full, base);
        given[base++] = L'\\';
    }
    units = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, given + base,
                                (int)(ZM_WIDE_MAX - base));
    if (units == 0)
        return GetLastError() == ERROR_INSUFFICIENT_BUFFER ? APR_ENAMETOOLONG : APR_EBADPATH;
    if (path[0] == '\0')
        return APR_ENOENT;
    for (unit = given + base; *unit != L'\0'; unit++)
        if (*unit == L'/')
            *unit = L'\\';
    if (base > 0 ? !components_allowed(given + base) : !path_allowed(given))
        return APR_EBADPATH;
    length = GetFullPathNameW(given, ZM_WIDE_MAX, full, NULL);
    if (length == 0)
        return zm_last_status();
    if (length >= ZM_WIDE_MAX)
        return APR_ENAMETOOLONG;
    if (length > 3 && full[length - 1] == L'\\')
        full[length - 1] = L'\0';
    wide->follow = ends_in_dot(path);
    set_extended(wide, full);
    return APR_SUCCESS;
}

wchar_t *zm_wide_path_keep(const zm_wide_path_t *wide, apr_pool_t *pool)
{
    bool network = wcsncmp(wide->text, L"\\\\?\\UNC\\", 8) == 0;
    const wchar_t *rest = wide->text + (network ? 6 : 4);
    apr_size_t size = (wcslen(rest) + 1) * sizeof *rest;
    wchar_t *kept = apr_pmemdup(pool, rest, size);
    if (network)
        kept[0] = L'\\'; /* "C\server\share" of "\\?\UNC\server\share" */
    return kept;
}
