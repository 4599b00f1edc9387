/*
 * What an installation leaves in the registry and in access control lists:
 *
 *     HKLM\SOFTWARE\ZMailer                                          ZConfig
 *     HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\ZMailer
 */
#include "win32/manager.h"

#include <aclapi.h>
#include <apr_strings.h>
#include <sddl.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "platform/service.h"
#include "win32/file.h"
#include "win32/sid.h"

#define OWN_KEY L"SOFTWARE\\ZMailer"
#define OWN_VALUE L"ZConfig"
#define SOURCE_KEY L"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\" ZM_EVENT_SOURCE
#define CATEGORIES 5

/* -- the registry ------------------------------------------------------------------------- */

static apr_status_t set_text(HKEY key, const wchar_t *name, const wchar_t *text)
{
    return zm_os_status((DWORD)RegSetValueExW(key, name, 0, REG_SZ, (const BYTE *)text,
                                              (DWORD)((wcslen(text) + 1) * sizeof *text)));
}

static apr_status_t set_number(HKEY key, const wchar_t *name, DWORD number)
{
    return zm_os_status(
        (DWORD)RegSetValueExW(key, name, 0, REG_DWORD, (const BYTE *)&number, sizeof number));
}

static apr_status_t open_key(HKEY *key, const wchar_t *path)
{
    return zm_os_status((DWORD)RegCreateKeyExW(HKEY_LOCAL_MACHINE, path, 0, NULL, 0,
                                               KEY_SET_VALUE | KEY_WOW64_64KEY, NULL, key, NULL));
}

/* Null: there is none. */
static const char *get_text(const wchar_t *path, const wchar_t *name, apr_pool_t *pool)
{
    wchar_t text[ZM_WIDE_MAX];
    DWORD size = sizeof text;
    if (RegGetValueW(HKEY_LOCAL_MACHINE, path, name, RRF_RT_REG_SZ, NULL, text, &size) !=
        ERROR_SUCCESS)
        return NULL;
    return zm_from_wide(text, pool);
}

/* As users write paths. */
static wchar_t *backslashed(const char *path, apr_pool_t *pool)
{
    wchar_t *wide, *at;
    if (zm_to_wide(&wide, path, pool) != APR_SUCCESS)
        return NULL;
    for (at = wide; *at != L'\0'; at++)
        if (*at == L'/')
            *at = L'\\';
    return wide;
}

static const char *slashed(const char *path, apr_pool_t *pool)
{
    char *copy = apr_pstrdup(pool, path), *at;
    for (at = copy; *at != '\0'; at++)
        if (*at == '\\')
            *at = '/';
    return copy;
}

/* -- the event log --------------------------------------------------------------------------- */

apr_status_t zm_manager_add_source(const char *program, apr_pool_t *pool)
{
    wchar_t *file = backslashed(program, pool);
    HKEY key;
    apr_status_t status = file != NULL ? open_key(&key, SOURCE_KEY) : APR_EINVAL;
    if (status != APR_SUCCESS)
        return status;
    status = set_text(key, L"EventMessageFile", file);
    if (status == APR_SUCCESS)
        status = set_text(key, L"CategoryMessageFile", file);
    if (status == APR_SUCCESS)
        status = set_number(key, L"CategoryCount", CATEGORIES);
    if (status == APR_SUCCESS)
        status =
            set_number(key, L"TypesSupported",
                       EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE | EVENTLOG_INFORMATION_TYPE);
    RegCloseKey(key);
    return status;
}

void zm_manager_remove_source(apr_pool_t *pool)
{
    const char *explains = get_text(SOURCE_KEY, L"EventMessageFile", pool), *own;
    if (explains != NULL && zm_service_program(&own, pool) == APR_SUCCESS &&
        strcmp(slashed(explains, pool), own) == 0)
        RegDeleteKeyExW(HKEY_LOCAL_MACHINE, SOURCE_KEY, KEY_WOW64_64KEY, 0);
}

/* -- the configuration ------------------------------------------------------------------------ */

/* Every user may make directories in %ProgramData%: only what administrators, the system or we
 * ourselves put there is believed. */
static bool is_ours(const char *file)
{
    zm_file_info_t info;
    return zm_path_info(&info, NULL, file) == APR_SUCCESS &&
           (info.uid == 0 || info.uid == zm_identity_own().uid);
}

const char *zm_manager_configuration(const char *usual, apr_pool_t *pool)
{
    const char *set = get_text(OWN_KEY, OWN_VALUE, pool), *data = getenv("ProgramData"), *file;
    if (set != NULL && set[0] != '\0')
        return slashed(set, pool);
    if (data == NULL)
        return usual;
    file = apr_pstrcat(pool, slashed(data, pool), "/ZMailer/zmailer.conf", NULL);
    return is_ours(file) ? file : usual;
}

apr_status_t zm_manager_remember(const char *file, const char *was, apr_pool_t *pool,
                                 zm_error_t *error)
{
    const char *set = get_text(OWN_KEY, OWN_VALUE, pool);
    wchar_t *text;
    HKEY key;
    apr_status_t status;
    if (file == NULL && (set == NULL || strcmp(slashed(set, pool), was) != 0))
        return APR_SUCCESS;
    status = open_key(&key, OWN_KEY);
    if (status == APR_SUCCESS) {
        if (file == NULL)
            status = zm_os_status((DWORD)RegDeleteValueW(key, OWN_VALUE));
        else if ((text = backslashed(file, pool)) != NULL)
            status = set_text(key, OWN_VALUE, text);
        else
            status = APR_EINVAL;
        RegCloseKey(key);
    }
    return status == APR_SUCCESS
               ? status
               : zm_error_system(error, status, "cannot note the configuration in the registry");
}

/* -- access -------------------------------------------------------------------------------------
 */

/* "S-1-5-80-..." of an account; null: the system does not know it. */
static const wchar_t *sid_text(const char *account, apr_pool_t *pool)
{
    zm_sid_t sid;
    wchar_t *name, *text, *copy, domain[256];
    DWORD size = sizeof sid.bytes, domain_size = 256;
    SID_NAME_USE use;
    if (zm_to_wide(&name, account, pool) != APR_SUCCESS ||
        !LookupAccountNameW(NULL, name, sid.bytes, &size, domain, &domain_size, &use) ||
        !ConvertSidToStringSidW(sid.bytes, &text))
        return NULL;
    copy = apr_pmemdup(pool, text, (wcslen(text) + 1) * sizeof *text);
    LocalFree(text);
    return copy;
}

/* SY: the system; BA: administrators; BU: users. */
static apr_status_t apply(wchar_t *path, const wchar_t *rules)
{
    PSECURITY_DESCRIPTOR descriptor;
    PACL list = NULL;
    BOOL present, defaulted;
    DWORD code;
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(rules, SDDL_REVISION_1, &descriptor,
                                                              NULL))
        return zm_last_status();
    if (!GetSecurityDescriptorDacl(descriptor, &present, &list, &defaulted)) {
        LocalFree(descriptor);
        return zm_last_status();
    }
    code = SetNamedSecurityInfoW(path, SE_FILE_OBJECT,
                                 DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
                                 NULL, NULL, list, NULL);
    LocalFree(descriptor);
    return zm_os_status(code);
}

apr_status_t zm_manager_protect(const char *path, const char *account, bool users_read,
                                apr_pool_t *pool, zm_error_t *error)
{
    const wchar_t *sid = account != NULL ? sid_text(account, pool) : NULL;
    wchar_t rules[600], *wide = backslashed(path, pool);
    apr_status_t status;
    if (account != NULL && sid == NULL)
        return zm_error_set(error, ZM_E_UNSUPPORTED,
                            "the system does not know the account %s: the permissions of %s stay",
                            account, path);
    swprintf(rules, sizeof rules / sizeof *rules,
             L"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)%ls%ls%ls%ls",
             sid != NULL ? L"(A;OICI;FA;;;" : L"", sid != NULL ? sid : L"",
             sid != NULL ? L")" : L"", users_read ? L"(A;OICI;FRFX;;;BU)" : L"");
    status = wide != NULL ? apply(wide, rules) : APR_EINVAL;
    return status == APR_SUCCESS ? status
                                 : zm_error_system(error, status, "cannot protect %s", path);
}
