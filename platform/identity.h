/**
 * Users, groups, peers, and the permanent drop of privilege.
 *
 * A user is a number (uid; on Windows the relative id of the SID).  -1 means
 * nobody in particular.  Lookups tell "no such user" (APR_ENOENT) from "cannot
 * tell now" (ZM_E_TEMPORARY).
 */
#ifndef ZM_PLATFORM_IDENTITY_H
#define ZM_PLATFORM_IDENTITY_H

#include <apr_network_io.h>
#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "platform/status.h"

typedef int64_t zm_uid_t;
#define ZM_UID_NONE ((zm_uid_t)-1)

typedef struct zm_credentials_t {
    zm_uid_t uid;
    zm_uid_t gid;
} zm_credentials_t;

typedef struct zm_user_t {
    zm_uid_t uid;
    zm_uid_t gid;
    const char *name;
    const char *full_name; /**< GECOS up to the first comma, & replaced by the capitalised name */
    const char *home;
    const char *shell;
} zm_user_t;

apr_status_t zm_user_by_name(zm_user_t **user, const char *name, apr_pool_t *pool);
apr_status_t zm_user_by_uid(zm_user_t **user, zm_uid_t uid, apr_pool_t *pool);
/** Calls each for all accounts that the system can enumerate; what it gets lives during the call. */
void zm_user_each(void (*each)(void *baton, const zm_user_t *user), void *baton, apr_pool_t *pool);
apr_status_t zm_group_by_name(zm_uid_t *gid, const char *name, apr_pool_t *pool);
/** The explicit member names of a group, null ended. */
apr_status_t zm_group_members(const char *const **names, const char *group, apr_pool_t *pool);
bool zm_user_in_group(const char *user, zm_uid_t gid, apr_pool_t *pool);

zm_credentials_t zm_identity_own(void);       /**< effective */
zm_credentials_t zm_identity_real(void);
bool zm_identity_privileged(void);            /**< root: may become others and act for them; never on Windows */

/** The unprivileged account: given name or number, else "nobody", else 65534.  Never fails. */
zm_credentials_t zm_identity_nobody(const char *configured, apr_pool_t *pool);

/** Becomes another account for good: groups emptied, gid, uid; verified that there is no way back. */
apr_status_t zm_identity_become(const zm_credentials_t *who, zm_error_t *error);

/**
 * Gives up for good what a set-user-id or set-group-id bit of the program's file gave: from now on
 * the process is the account that started it.  Nothing to do for others.
 */
apr_status_t zm_identity_give_back(zm_error_t *error);

/** The login name of the terminal session, who may be another than the account since su(1);
 * APR_ENOENT when there is none. */
apr_status_t zm_identity_session(const char **name, apr_pool_t *pool);

/** Who is at the other end of a local socket (SO_PEERCRED, getpeereid, named pipe impersonation). */
apr_status_t zm_identity_peer(zm_credentials_t *who, apr_int64_t *pid, apr_socket_t *socket);

/** The canonical host name of this machine as the system knows it (no DNS query), NUL terminated. */
apr_status_t zm_identity_hostname(char *buffer, apr_size_t size);

#endif
