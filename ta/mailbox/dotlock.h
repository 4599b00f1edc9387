/**
 * The lock file MAILBOX.lock, as mail programs have always made it.
 *
 * A file of a unique name is made and linked to the lock's name, which is
 * atomic on network file systems too.  It holds the process number and the host
 * of its maker: a lock of ours whose process is dead, and any lock older than
 * 300 seconds, is left over and removed.  Another is waited for, one second at
 * a time, five times.  Should two processes remove and take it at the same time,
 * the kernel's lock on the mailbox itself still keeps them apart.
 */
#ifndef ZM_TA_MAILBOX_DOTLOCK_H
#define ZM_TA_MAILBOX_DOTLOCK_H

#include <apr_pools.h>

typedef struct zm_dotlock_t zm_dotlock_t;

/** ZM_E_BUSY: somebody else holds it; else why it could not be made. */
apr_status_t zm_dotlock_take(zm_dotlock_t **lock, const char *mailbox, apr_pool_t *pool);
void zm_dotlock_release(zm_dotlock_t *lock); /**< null allowed */

#endif
