/**
 * Delivery into a Maildir: written in tmp/, made durable, then named in new/.
 * The letter has no From line and nothing in it is escaped.
 *
 * The three directories are made, mode 0700, when they are missing.  A crash
 * leaves at most a file in tmp/, which mail programs remove after 36 hours.
 */
#ifndef ZM_TA_MAILBOX_MAILDIR_H
#define ZM_TA_MAILBOX_MAILDIR_H

#include "ta/mailbox/delivery.h"

void zm_maildir_deliver(zm_delivered_t *result, const zm_delivery_t *delivery, apr_pool_t *pool);

#endif
