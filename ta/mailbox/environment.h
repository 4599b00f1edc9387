/**
 * The environment of a program that gets a letter: exactly the variables made
 * here, nothing of our own.
 */
#ifndef ZM_TA_MAILBOX_ENVIRONMENT_H
#define ZM_TA_MAILBOX_ENVIRONMENT_H

#include "ta/agent/job.h"
#include "ta/mailbox/destination.h"

/** Null-ended NAME=value list in pool.  Values with a NUL are left out; line ends become blanks. */
const char *const *zm_program_environment(const zm_job_t *job, const zm_group_t *group,
                                          const zm_recipient_t *recipient,
                                          const zm_destination_t *destination,
                                          const zm_user_t *account, apr_pool_t *pool);

#endif
