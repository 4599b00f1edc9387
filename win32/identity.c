/*
 * Accounts of Windows in the terms of platform/identity.h: see sid.h for what
 * the numbers mean.
 *
 * A process cannot become another account here: that takes a token, which only
 * that account's password or the system can give.  What can be done is to give
 * rights up, and child.c does that for a child that shall run as nobody.
 */
#include "platform/identity.h"

#include <apr_portable.h>
#include <apr_strings.h>
#include <iphlpapi.h>
#include <lm.h>
#include <sddl.h>
#include <stdlib.h>
#include <string.h>
#include <userenv.h>
#include <wchar.h>

#include "platform/str.h"
#include "win32/file.h"
#include "win32/sid.h"

#define NAME_MAX_UNITS 300

/* -- lookups ---------------------------------------------------------------------- */

static apr_status_t lookup_status(DWORD error)
{
    switch (error) {
    case ERROR_NONE_MAPPED:
    case ERROR_INVALID_NAME:
    case ERROR_NO_SUCH_DOMAIN:
    case NERR_UserNotFound:
    case NERR_GroupNotFound:
    case ERROR_NO_SUCH_ALIAS:
    case ERROR_NO_SUCH_MEMBER:
        return APR_ENOENT;
    default:
        return ZM_E_TEMPORARY;
    }
}

static apr_status_t sid_of_name(zm_sid_t *sid, SID_NAME_USE *use, const char *name,
                                apr_pool_t *pool)
{
    wchar_t *wide, domain[NAME_MAX_UNITS];
    DWORD size = sizeof sid->bytes, domain_size = NAME_MAX_UNITS;
    if (name[0] == '\0' || strlen(name) >= NAME_MAX_UNITS ||
        zm_to_wide(&wide, name, pool) != APR_SUCCESS)
        return APR_ENOENT;
    return LookupAccountNameW(NULL, wide, sid->bytes, &size, domain, &domain_size, use)
               ? APR_SUCCESS
               : lookup_status(GetLastError());
}

/*
 * The home directory as the system keeps it for an account that has logged on
 * here once; for others the place where it would come to be.
 */
static const char *home_of(PSID sid, const char *name, apr_pool_t *pool)
{
    wchar_t key[400], value[MAX_PATH], profiles[MAX_PATH], *text;
    DWORD size = sizeof value;
    char *home, *slash;
    ConvertSidToStringSidW(sid, &text);
    swprintf(key, 400, L"SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList\\%ls", text);
    LocalFree(text);
    if (RegGetValueW(HKEY_LOCAL_MACHINE, key, L"ProfileImagePath",
                     RRF_RT_REG_SZ | RRF_RT_REG_EXPAND_SZ, NULL, value, &size) == ERROR_SUCCESS)
        home = zm_from_wide(value, pool);
    else {
        size = MAX_PATH;
        if (!GetProfilesDirectoryW(profiles, &size))
            wcscpy(profiles, L"C:\\Users");
        home = apr_pstrcat(pool, zm_from_wide(profiles, pool), "/", name, NULL);
    }
    for (slash = home; *slash != '\0'; slash++)
        if (*slash == '\\')
            *slash = '/';
    return home;
}

static const char *full_name_of(const wchar_t *name, apr_pool_t *pool)
{
    USER_INFO_2 *info;
    const char *full = "";
    if (NetUserGetInfo(NULL, name, 2, (BYTE **)&info) != NERR_Success)
        return full;
    if (info->usri2_full_name != NULL)
        full = zm_from_wide(info->usri2_full_name, pool);
    NetApiBufferFree(info);
    return full;
}

/* The primary group of an account matters to no access check of Windows; its own number stands in.
 */
static apr_status_t user_of_sid(zm_user_t **user, PSID sid, apr_pool_t *pool)
{
    wchar_t name[NAME_MAX_UNITS], domain[NAME_MAX_UNITS];
    DWORD size = NAME_MAX_UNITS, domain_size = NAME_MAX_UNITS;
    SID_NAME_USE use;
    zm_user_t *found;
    if (!LookupAccountSidW(NULL, sid, name, &size, domain, &domain_size, &use))
        return lookup_status(GetLastError());
    found = apr_pcalloc(pool, sizeof *found);
    found->uid = found->gid = zm_uid_of_sid(sid);
    found->name = zm_from_wide(name, pool);
    found->full_name = full_name_of(name, pool);
    found->home = home_of(sid, found->name, pool);
    found->shell = "";
    *user = found;
    return APR_SUCCESS;
}

apr_status_t zm_user_by_name(zm_user_t **user, const char *name, apr_pool_t *pool)
{
    zm_sid_t sid;
    SID_NAME_USE use;
    apr_status_t status = sid_of_name(&sid, &use, name, pool);
    if (status != APR_SUCCESS)
        return status;
    if (use != SidTypeUser && !IsWellKnownSid(sid.bytes, WinLocalSystemSid) &&
        !IsWellKnownSid(sid.bytes, WinLocalServiceSid) &&
        !IsWellKnownSid(sid.bytes, WinNetworkServiceSid))
        return APR_ENOENT;
    return user_of_sid(user, sid.bytes, pool);
}

apr_status_t zm_user_by_uid(zm_user_t **user, zm_uid_t uid, apr_pool_t *pool)
{
    zm_sid_t sid;
    apr_status_t status = zm_sid_of_uid(&sid, uid);
    return status == APR_SUCCESS ? user_of_sid(user, sid.bytes, pool) : status;
}

apr_status_t zm_group_by_name(zm_uid_t *gid, const char *name, apr_pool_t *pool)
{
    zm_sid_t sid;
    SID_NAME_USE use;
    apr_status_t status = sid_of_name(&sid, &use, name, pool);
    if (status != APR_SUCCESS)
        return status;
    if (use != SidTypeGroup && use != SidTypeAlias && use != SidTypeWellKnownGroup)
        return APR_ENOENT;
    *gid = zm_uid_of_sid(sid.bytes);
    return APR_SUCCESS;
}

apr_status_t zm_group_members(const char *const **names, const char *group, apr_pool_t *pool)
{
    LOCALGROUP_MEMBERS_INFO_1 *members;
    DWORD count, total, i, kept = 0;
    wchar_t *wide;
    const char **list;
    NET_API_STATUS result;
    zm_uid_t gid;
    apr_status_t status = zm_group_by_name(&gid, group, pool);
    if (status != APR_SUCCESS)
        return status;
    if (zm_to_wide(&wide, group, pool) != APR_SUCCESS)
        return APR_ENOENT;
    result = NetLocalGroupGetMembers(NULL, wide, 1, (BYTE **)&members, MAX_PREFERRED_LENGTH, &count,
                                     &total, NULL);
    if (result != NERR_Success)
        return lookup_status(result);
    list = apr_pcalloc(pool, (count + 1) * sizeof *list);
    for (i = 0; i < count; i++)
        if (members[i].lgrmi1_sidusage == SidTypeUser)
            list[kept++] = zm_from_wide(members[i].lgrmi1_name, pool);
    NetApiBufferFree(members);
    *names = list;
    return APR_SUCCESS;
}

bool zm_user_in_group(const char *user, zm_uid_t gid, apr_pool_t *pool)
{
    LOCALGROUP_USERS_INFO_0 *groups;
    DWORD count, total, i;
    wchar_t *wide;
    zm_user_t *account;
    bool found = false;
    if (zm_user_by_name(&account, user, pool) != APR_SUCCESS)
        return false;
    if (account->gid == gid)
        return true;
    if (zm_to_wide(&wide, user, pool) != APR_SUCCESS ||
        NetUserGetLocalGroups(NULL, wide, 0, LG_INCLUDE_INDIRECT, (BYTE **)&groups,
                              MAX_PREFERRED_LENGTH, &count, &total) != NERR_Success)
        return false;
    for (i = 0; i < count && !found; i++) {
        zm_uid_t number;
        found = zm_group_by_name(&number, zm_from_wide(groups[i].lgrui0_name, pool), pool) ==
                    APR_SUCCESS &&
                number == gid;
    }
    NetApiBufferFree(groups);
    return found;
}

/* -- ourselves ----------------------------------------------------------------------- */

/*
 * Who a process is, is who owns what it makes: the Administrators group, which
 * counts as 0, for an elevated administrator, else the user.
 */
static zm_credentials_t credentials_of(HANDLE token)
{
    zm_credentials_t who = {ZM_UID_NONE, ZM_UID_NONE};
    BYTE sid[sizeof(TOKEN_USER) + sizeof(TOKEN_OWNER) + SECURITY_MAX_SID_SIZE];
    DWORD size;
    if (GetTokenInformation(token, TokenUser, sid, sizeof sid, &size))
        who.uid = zm_uid_of_sid(((TOKEN_USER *)sid)->User.Sid);
    if (GetTokenInformation(token, TokenOwner, sid, sizeof sid, &size) &&
        zm_uid_of_sid(((TOKEN_OWNER *)sid)->Owner) == 0)
        who.uid = 0;
    who.gid = who.uid;
    return who;
}

/* Not even LocalSystem becomes another account without more ado. */
bool zm_identity_privileged(void)
{
    return false;
}

zm_credentials_t zm_identity_own(void)
{
    zm_credentials_t own = {ZM_UID_NONE, ZM_UID_NONE};
    HANDLE token;
    if (OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) {
        own = credentials_of(token);
        CloseHandle(token);
    }
    return own;
}

zm_credentials_t zm_identity_real(void)
{
    return zm_identity_own();
}

void zm_user_each(void (*each)(void *baton, const zm_user_t *user), void *baton, apr_pool_t *pool)
{
    (void)each; /* accounts have no files here that give rights */
    (void)baton;
    (void)pool;
}

apr_status_t zm_identity_give_back(zm_error_t *error)
{
    (void)error;
    return APR_SUCCESS;
}

apr_status_t zm_identity_session(const char **name, apr_pool_t *pool)
{
    (void)name;
    (void)pool;
    return APR_ENOENT; /* the account is who logged in */
}

zm_credentials_t zm_identity_nobody(const char *configured, apr_pool_t *pool)
{
    zm_user_t *user;
    uint64_t number;
    if (configured != NULL && zm_str_u64(zm_str(configured), &number) == APR_SUCCESS &&
        number <= INT32_MAX)
        return (zm_credentials_t){(zm_uid_t)number, (zm_uid_t)number};
    if (configured != NULL && zm_user_by_name(&user, configured, pool) == APR_SUCCESS)
        return (zm_credentials_t){user->uid, user->gid};
    if (zm_user_by_name(&user, "nobody", pool) == APR_SUCCESS)
        return (zm_credentials_t){user->uid, user->gid};
    return (zm_credentials_t){ZM_UID_NOBODY, ZM_UID_NOBODY};
}

apr_status_t zm_identity_become(const zm_credentials_t *who, zm_error_t *error)
{
    zm_credentials_t own = zm_identity_own();
    if (who->uid == own.uid)
        return APR_SUCCESS;
    return zm_error_set(error, ZM_E_UNSUPPORTED,
                        "a Windows process cannot become account %lld; start it under that account",
                        (long long)who->uid);
}

apr_status_t zm_identity_hostname(char *buffer, apr_size_t size)
{
    wchar_t name[256];
    DWORD length = 256;
    if (size == 0)
        return APR_EINVAL;
    if (!GetComputerNameExW(ComputerNameDnsFullyQualified, name, &length))
        return zm_last_status();
    if (WideCharToMultiByte(CP_UTF8, 0, name, -1, buffer, (int)size, NULL, NULL) == 0)
        return APR_ENOSPC;
    return APR_SUCCESS;
}

/* -- peers --------------------------------------------------------------------------------- */

/* The process that has the other end of a loopback connection, by the system's table of
 * connections. */
static apr_status_t peer_process(DWORD *pid, SOCKET socket)
{
    struct sockaddr_in ours, theirs;
    int size = sizeof ours;
    MIB_TCPTABLE_OWNER_PID *table = NULL;
    DWORD octets = 0, i;
    apr_status_t status = ZM_E_UNSUPPORTED;
    if (getsockname(socket, (struct sockaddr *)&ours, &size) != 0 ||
        getpeername(socket, (struct sockaddr *)&theirs, &size) != 0 ||
        theirs.sin_family != AF_INET || theirs.sin_addr.s_addr != htonl(INADDR_LOOPBACK))
        return ZM_E_UNSUPPORTED;
    GetExtendedTcpTable(NULL, &octets, FALSE, AF_INET, TCP_TABLE_OWNER_PID_CONNECTIONS, 0);
    octets += 64 * sizeof table->table[0]; /* connections that come meanwhile */
    table = malloc(octets);
    if (table == NULL || GetExtendedTcpTable(table, &octets, FALSE, AF_INET,
                                             TCP_TABLE_OWNER_PID_CONNECTIONS, 0) != NO_ERROR) {
        free(table);
        return ZM_E_UNSUPPORTED;
    }
    for (i = 0; i < table->dwNumEntries; i++) {
        const MIB_TCPROW_OWNER_PID *row = &table->table[i];
        if ((u_short)row->dwLocalPort == theirs.sin_port &&
            (u_short)row->dwRemotePort == ours.sin_port && row->dwOwningPid != 0) {
            *pid = row->dwOwningPid;
            status = APR_SUCCESS;
        }
    }
    free(table);
    return status;
}

apr_status_t zm_identity_peer(zm_credentials_t *who, apr_int64_t *pid, apr_socket_t *socket)
{
    apr_os_sock_t handle;
    DWORD number = 0;
    HANDLE process, token;
    apr_status_t status = apr_os_sock_get(&handle, socket);
    if (status == APR_SUCCESS)
        status = peer_process(&number, handle);
    if (status != APR_SUCCESS)
        return status;
    process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, number);
    if (process == NULL)
        return zm_last_status();
    if (OpenProcessToken(process, TOKEN_QUERY, &token)) {
        *who = credentials_of(token);
        CloseHandle(token);
    } else {
        status = zm_last_status();
    }
    CloseHandle(process);
    if (pid != NULL)
        *pid = number;
    return status;
}
