/**
 * Acting as another account for a moment.
 *
 * For small single-threaded helper programs of root only: the effective ids
 * belong to the whole process.  Everything else drops privilege for good
 * (identity.h) or asks such a helper.
 */
#ifndef ZM_PLATFORM_BORROW_H
#define ZM_PLATFORM_BORROW_H

#include "platform/identity.h"

/** From now on files are opened with these rights, and no supplementary groups.  A process that is
 * not root stays what it is. */
apr_status_t zm_identity_borrow(const zm_credentials_t *who);

/** Root again.  A failure cannot be survived: the program ends. */
void zm_identity_return(void);

#endif
