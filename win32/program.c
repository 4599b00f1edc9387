#include "platform/service.h"

#include <apr_strings.h>
#include <string.h>
#include <wchar.h>

#include "win32/file.h"

apr_status_t zm_service_program(const char **path, apr_pool_t *pool)
{
    wchar_t wide[ZM_WIDE_MAX];
    char *text, *byte;
    DWORD length = GetModuleFileNameW(NULL, wide, ZM_WIDE_MAX);
    if (length == 0)
        return zm_last_status();
    if (length >= ZM_WIDE_MAX)
        return APR_ENAMETOOLONG;
    text = zm_from_wide(wcsncmp(wide, L"\\\\?\\", 4) == 0 ? wide + 4 : wide, pool);
    for (byte = text; *byte != '\0'; byte++)
        if (*byte == '\\')
            *byte = '/';
    *path = text;
    return APR_SUCCESS;
}
