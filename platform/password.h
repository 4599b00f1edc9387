/**
 * crypt(3): the hashes of passwords that a system keeps.  A library of its own, zm_password, so
 * that only programs that check such hashes load it.
 */
#ifndef ZM_PLATFORM_PASSWORD_H
#define ZM_PLATFORM_PASSWORD_H

#include "platform/str.h"

/**
 * Appends the hash of a password, made the way in which `like` (a hash, or its beginning with the
 * salt) was.  ZM_E_UNSUPPORTED: the system has no crypt(3), or does not know that way.  Takes as
 * long as it takes, and is not for more than one thread at a time.
 */
apr_status_t zm_password_hash(zm_buf_t *hash, const char *password, const char *like);

#endif
