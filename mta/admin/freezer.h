/**
 * "zmailer freezer COMMAND ...": messages that content policy has set aside.
 */
#ifndef ZM_MTA_ADMIN_FREEZER_H
#define ZM_MTA_ADMIN_FREEZER_H

#include "mta/conf/zenv.h"

/**
 * list, show, release, delete, expire; words[0] is the command.  What is released or
 * removed is told in the system's log.  Returns the exit code: 1 when something failed,
 * 64 for a wrong word, 66 when there is no such message.
 */
int freezer_command(const char *const *words, int count, const zm_zenv_t *zenv, bool json,
                    bool quiet, apr_pool_t *pool);

#endif
