#include "win32/sid.h"

#include <sddl.h>
#include <string.h>
#include <wchar.h>

#include "platform/str.h"
#include "win32/file.h"

#define DOMAIN_BASE 0x100000
#define OTHER_BASE 0x40000000
#define WELL_KNOWN_LIMIT 100

/* The identifiers of this machine's own accounts and of its domain, found once. */
static INIT_ONCE bases_once = INIT_ONCE_STATIC_INIT;
static zm_sid_t machine_base, domain_base;
static bool has_machine_base, has_domain_base;

/* -- bases ------------------------------------------------------------------------ */

static bool base_of_name(zm_sid_t *base, const wchar_t *name)
{
    wchar_t domain[256];
    DWORD size = sizeof base->bytes, domain_size = 256;
    SID_NAME_USE use;
    return LookupAccountNameW(NULL, name, base->bytes, &size, domain, &domain_size, &use) &&
           use == SidTypeDomain;
}

/* The machine's own name stands for the domain of its local accounts. */
static BOOL CALLBACK find_bases(PINIT_ONCE once, PVOID parameter, PVOID *context)
{
    wchar_t name[256];
    DWORD size = 256;
    BYTE token_user[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
    HANDLE token;
    (void)once, (void)parameter, (void)context;
    if (GetComputerNameW(name, &size))
        has_machine_base = base_of_name(&machine_base, name);
    size = GetEnvironmentVariableW(L"USERDOMAIN", name, 256);
    if (size > 0 && size < 256 && base_of_name(&domain_base, name))
        has_domain_base = !has_machine_base || !EqualSid(domain_base.bytes, machine_base.bytes);
    if (has_machine_base || !OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return TRUE;
    /* No lookup of the machine's name (Wine): then our own account is taken for a local one. */
    if (GetTokenInformation(token, TokenUser, token_user, sizeof token_user, &size)) {
        PSID own = ((TOKEN_USER *)token_user)->User.Sid;
        DWORD base_size = sizeof machine_base.bytes;
        has_machine_base = GetWindowsAccountDomainSid(own, machine_base.bytes, &base_size);
    }
    CloseHandle(token);
    return TRUE;
}

static void need_bases(void)
{
    InitOnceExecuteOnce(&bases_once, find_bases, NULL, NULL);
}

/* -- to a number ---------------------------------------------------------------------- */

static DWORD last_part(PSID sid)
{
    return *GetSidSubAuthority(sid, (DWORD)(*GetSidSubAuthorityCount(sid) - 1));
}

static bool is_account_below(PSID sid, const zm_sid_t *base)
{
    BOOL equal = FALSE;
    return EqualDomainSid(sid, (PSID)base->bytes, &equal) && equal &&
           *GetSidSubAuthorityCount(sid) == *GetSidSubAuthorityCount((PSID)base->bytes) + 1;
}

zm_uid_t zm_uid_of_sid(PSID sid)
{
    static const SID_IDENTIFIER_AUTHORITY nt = {SECURITY_NT_AUTHORITY};
    zm_sid_t base;
    DWORD size = sizeof base.bytes;
    if (!IsValidSid(sid) || *GetSidSubAuthorityCount(sid) == 0)
        return ZM_UID_NONE;
    if (IsWellKnownSid(sid, WinLocalSystemSid) || IsWellKnownSid(sid, WinBuiltinAdministratorsSid))
        return 0;
    if (*GetSidSubAuthorityCount(sid) == 1 && last_part(sid) < WELL_KNOWN_LIMIT &&
        memcmp(GetSidIdentifierAuthority(sid), &nt, sizeof nt) == 0)
        return last_part(sid);
    need_bases();
    if (has_machine_base && is_account_below(sid, &machine_base) && last_part(sid) < DOMAIN_BASE)
        return last_part(sid);
    if (GetWindowsAccountDomainSid(sid, base.bytes, &size) && last_part(sid) < OTHER_BASE / 2)
        return DOMAIN_BASE + (zm_uid_t)last_part(sid);
    return OTHER_BASE | (zm_crc32c(0, sid, GetLengthSid(sid)) & (OTHER_BASE - 1));
}

/* -- and back ----------------------------------------------------------------------------- */

static apr_status_t well_known(zm_sid_t *sid, WELL_KNOWN_SID_TYPE type)
{
    DWORD size = sizeof sid->bytes;
    return CreateWellKnownSid(type, NULL, sid->bytes, &size) ? APR_SUCCESS : zm_last_status();
}

static apr_status_t below(zm_sid_t *sid, const zm_sid_t *base, DWORD part)
{
    BYTE count = *GetSidSubAuthorityCount((PSID)base->bytes);
    if (count >= SID_MAX_SUB_AUTHORITIES)
        return APR_ENOENT;
    memcpy(sid->bytes, base->bytes, GetLengthSid((PSID)base->bytes));
    *GetSidSubAuthorityCount(sid->bytes) = (BYTE)(count + 1);
    *GetSidSubAuthority(sid->bytes, count) = part;
    return APR_SUCCESS;
}

apr_status_t zm_sid_of_uid(zm_sid_t *sid, zm_uid_t uid)
{
    if (uid == 0)
        return well_known(sid, WinLocalSystemSid);
    if (uid < 0 || uid >= OTHER_BASE)
        return APR_ENOENT;
    if (uid < WELL_KNOWN_LIMIT) {
        SID_IDENTIFIER_AUTHORITY nt = {SECURITY_NT_AUTHORITY};
        InitializeSid(sid->bytes, &nt, 1);
        *GetSidSubAuthority(sid->bytes, 0) = (DWORD)uid;
        return APR_SUCCESS;
    }
    need_bases();
    if (uid < DOMAIN_BASE)
        return has_machine_base ? below(sid, &machine_base, (DWORD)uid) : APR_ENOENT;
    return has_domain_base ? below(sid, &domain_base, (DWORD)(uid - DOMAIN_BASE)) : APR_ENOENT;
}

/* -- access for the owner only ---------------------------------------------------------------- */

static INIT_ONCE private_once = INIT_ONCE_STATIC_INIT;
static SECURITY_ATTRIBUTES private_security = {sizeof private_security, NULL, FALSE};

/* OW: the rights of whoever owns the object; SY: LocalSystem; BA: administrators. */
static BOOL CALLBACK make_private(PINIT_ONCE once, PVOID parameter, PVOID *context)
{
    (void)once, (void)parameter, (void)context;
    return ConvertStringSecurityDescriptorToSecurityDescriptorW(
        L"D:P(A;OICI;FA;;;OW)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)", SDDL_REVISION_1,
        &private_security.lpSecurityDescriptor, NULL);
}

SECURITY_ATTRIBUTES *zm_private_security(void)
{
    InitOnceExecuteOnce(&private_once, make_private, NULL, NULL);
    return &private_security;
}
