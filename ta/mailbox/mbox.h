/**
 * Appending to a mailbox file or to a file that the recipient named.
 *
 *     look at the path, dotlock, open, compare, kernel lock, note the end,
 *     append, make durable, unlock
 *
 * A crash or error on the way leaves the file as it was, or (a crash between
 * write and truncation) with a partial letter at the end that a new From line
 * follows on a line of its own.
 */
#ifndef ZM_TA_MAILBOX_MBOX_H
#define ZM_TA_MAILBOX_MBOX_H

#include "ta/mailbox/delivery.h"

void zm_mbox_deliver(zm_delivered_t *result, const zm_delivery_t *delivery, apr_pool_t *pool);

#endif
