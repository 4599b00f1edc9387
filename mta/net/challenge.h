/**
 * The answer to the challenge of a MAILQ-V2 server: the MD5, in lower case
 * hexadecimal, of the line with the challenge and the password.
 */
#ifndef ZM_NET_CHALLENGE_H
#define ZM_NET_CHALLENGE_H

#include "platform/str.h"

/** 32 digits and a NUL; "" when the library cannot compute MD5. */
void zm_challenge_answer(char answer[33], zm_str_t challenge, zm_str_t password);

#endif
