#include "posix/become.h"

#include <errno.h>
#include <grp.h>
#include <unistd.h>

static int is_already(uid_t uid, gid_t gid)
{
    return getuid() == uid && geteuid() == uid && getgid() == gid && getegid() == gid;
}

int zm_become(uid_t uid, gid_t gid)
{
    return zm_become_with(uid, gid, NULL, 0);
}

/* With privilege, setgid and setuid set the real, the effective and the saved id. */
int zm_become_with(uid_t uid, gid_t gid, const gid_t *groups, int count)
{
    if (geteuid() != 0 && is_already(uid, gid))
        return 0;
    if (setgroups((size_t)count, groups) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
        return errno;
    if (!is_already(uid, gid))
        return EPERM;
    if (uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
        return EPERM; /* there was a way back */
    return 0;
}
