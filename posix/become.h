/** The change of account, usable between fork and exec. */
#ifndef ZM_POSIX_BECOME_H
#define ZM_POSIX_BECOME_H

#include <sys/types.h>

/**
 * Becomes that account for good: supplementary groups emptied, group, user;
 * checks that there is no way back.  Returns 0 or an error number; after an
 * error the process may be half changed and must end.  A process without
 * privilege may only become what it is.
 */
int zm_become(uid_t uid, gid_t gid);
/** The same, keeping supplementary groups. */
int zm_become_with(uid_t uid, gid_t gid, const gid_t *groups, int count);

#endif
