/**
 * Delivery to a program: the letter is its standard input, its exit status the
 * outcome, the first line that it prints the text.
 *
 * A command that starts with '/' and has neither '$' nor '>' is split at blanks
 * ('...' keeps blanks) and executed; any other is given to /bin/sh -c.  How it
 * is run: ta/agent/run.h.
 */
#ifndef ZM_TA_MAILBOX_PROGRAM_H
#define ZM_TA_MAILBOX_PROGRAM_H

#include "ta/mailbox/delivery.h"

void zm_program_deliver(zm_delivered_t *result, const zm_delivery_t *delivery, zm_loop_t *loop,
                        apr_pool_t *pool);

/** The words of a command, null ended, as it will be executed; null when it has too many or none.
 */
const char *const *zm_program_words(const char *command, apr_pool_t *pool);

#endif
