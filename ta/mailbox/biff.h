/**
 * Telling a user who is logged in of new mail: a datagram "USER@OFFSET" for
 * comsat(8) on this machine.  Whether anybody listens makes no difference.
 */
#ifndef ZM_TA_MAILBOX_BIFF_H
#define ZM_TA_MAILBOX_BIFF_H

#include <apr_pools.h>
#include <stdint.h>

/** offset: in octets, of the letter in the mailbox.  port: of comsat. */
void zm_biff_tell(const char *user, uint64_t offset, uint16_t port, apr_pool_t *pool);

#endif
