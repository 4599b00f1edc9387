#include "platform/borrow.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int borrowed;

apr_status_t zm_identity_borrow(const zm_credentials_t *who)
{
    if (geteuid() != 0 || borrowed)
        return APR_SUCCESS;
    borrowed = 1;
    if (setgroups(0, NULL) != 0 || setegid((gid_t)who->gid) != 0 || seteuid((uid_t)who->uid) != 0) {
        apr_status_t status = errno;
        zm_identity_return();
        return status;
    }
    return APR_SUCCESS;
}

void zm_identity_return(void)
{
    if (!borrowed)
        return;
    borrowed = 0;
    if (seteuid(0) != 0 || setegid(0) != 0) {
        fputs("cannot become root again after acting as a user\n", stderr);
        abort();
    }
}
