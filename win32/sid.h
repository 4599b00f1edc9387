/**
 * Security identifiers as the small numbers that platform/identity.h calls users.
 *
 * - 0: LocalSystem, and the Administrators group, which owns what an elevated administrator makes
 * - below 100: the well-known accounts S-1-5-N (18 would be LocalSystem; 19 LocalService, 20
 * NetworkService)
 * - accounts of this machine: their relative id (500 and up)
 * - accounts of domains: 0x100000 + relative id, so that they never look like one of this machine
 * - everything else (service accounts, groups of S-1-5-32): 0x40000000 and more, one way only
 */
#ifndef ZM_WIN32_SID_H
#define ZM_WIN32_SID_H

#include "platform/identity.h"

#include <windows.h>

/** Nobody in particular, where no account has that name. */
#define ZM_UID_NOBODY 65534

typedef struct zm_sid_t {
    BYTE bytes[SECURITY_MAX_SID_SIZE];
} zm_sid_t;

zm_uid_t zm_uid_of_sid(PSID sid);
/** APR_ENOENT where the number stands for no account that can be found. */
apr_status_t zm_sid_of_uid(zm_sid_t *sid, zm_uid_t uid);

/** For CreateFile and CreateDirectory: only the owner, LocalSystem and administrators, inherited
 * below. */
SECURITY_ATTRIBUTES *zm_private_security(void);

#endif
