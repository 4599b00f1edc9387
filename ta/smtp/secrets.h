/**
 * The file of -A: who we are at other servers.
 *
 *     # channel  host               user64    secret64
 *     smtp       mail.example.org   am9l      czNjcjN0
 *
 * Words with blanks between them; user and secret are base64.  The first line counts whose channel
 * is "*" or ours and whose host is the name of the server (not that of the domain), in any case; of
 * an address with a port, the address will do. Shorter lines are left out.
 *
 * The file is its owner's alone: what others could read is not a secret.  It is read for each
 * connection, so that a change counts at once.
 */
#ifndef ZM_TA_SMTP_SECRETS_H
#define ZM_TA_SMTP_SECRETS_H

#include <stdbool.h>

#include "platform/str.h"

typedef struct zm_secrets_t {
    zm_buf_t user, password; /**< zero at first; ended by zm_secrets_end */
} zm_secrets_t;

/**
 * *found: there is a line, and secrets has it.  ZM_E_CONFIG with a reason: the file cannot be read
 * or used, or what stands in that line is no base64.
 */
apr_status_t zm_secrets_find(zm_secrets_t *secrets, bool *found, const char *path,
                             const char *channel, const char *host, apr_pool_t *pool,
                             zm_error_t *error);
/** Forgets them. */
void zm_secrets_end(zm_secrets_t *secrets);

#endif
