/**
 * What is kept of a user's password, as text in one line, and files of such lines.
 *
 *     SCRAM-SHA-256$20000:SALT$STOREDKEY:SERVERKEY     keys of SCRAM (base64), as PostgreSQL has
 * them $6$salt$hash                                     anything else: for crypt(3), where there is
 * one
 *
 * The keys serve SCRAM and passwords in the clear alike, and are the same everywhere.
 *
 *     # a file for users                               comments, blank lines
 *     joe:SCRAM-SHA-256$20000:...                      NAME:SECRET; the first line of a name counts
 *
 * Not for more than one thread.
 */
#ifndef ZM_NET_SECRET_H
#define ZM_NET_SECRET_H

#include "mta/net/scram.h"

#define ZM_SECRET_ITERATIONS 20000 /**< of new ones */
#define ZM_SECRET_PASSWORD 1000    /**< octets of a password at most */
#define ZM_SECRET_USER 255         /**< octets of a name at most */

/** Makes the text for a password, with a new salt.  ZM_E_CONFIG: there are no random numbers. */
apr_status_t zm_secret_make(zm_buf_t *secret, zm_str_t password);
/** The keys, if it has those of SCRAM. */
bool zm_secret_keys(zm_scram_keys_t *keys, zm_str_t secret);
/** Whether it was made from that password. */
bool zm_secret_match(zm_str_t secret, zm_str_t password);

/** Whether a name may be one of a user: not empty, without control characters, colons, and '-' or
 * '#' in front. */
bool zm_secret_user(zm_str_t user);
/** Finds the secret of a user in the text of a file.  False: the user is not in it. */
bool zm_secret_find(zm_str_t file, zm_str_t user, zm_str_t *secret);
/** The first secret in a file, what those whom it does not know are measured by; false: none. */
bool zm_secret_any(zm_str_t file, zm_str_t *secret);

#endif
