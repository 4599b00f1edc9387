/**
 * "zmailer auth-user": the file of users who may authenticate to the SMTP server
 * (mta/net/secret.h), and lines for it.
 *
 *     auth-user add NAME [FILE]       a new user, or a new password
 *     auth-user remove NAME [FILE]
 *     auth-user list [FILE]           names
 *     auth-user line NAME             the line alone, on standard output
 *
 * FILE is $MAILVAR/db/smtp-users when it is not given.  The password is asked for twice at a
 * terminal, and is else the first line of standard input.
 */
#ifndef ZM_MTA_ADMIN_AUTH_USER_H
#define ZM_MTA_ADMIN_AUTH_USER_H

#include "mta/conf/zenv.h"

/** words: what follows "auth-user".  The exit code. */
int auth_user_command(const char *const *words, int count, const zm_zenv_t *zenv, bool quiet,
                      apr_pool_t *pool);

#endif
