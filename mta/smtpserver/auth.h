/**
 * AUTH (RFC 4954): clients say who they are.
 *
 *     AUTH PLAIN [RESPONSE]              RFC 4616: NUL user NUL password
 *     AUTH LOGIN [USER]                  two questions: user, password
 *     AUTH SCRAM-SHA-256 [RESPONSE]      RFC 7677; with -PLUS it is bound to the TLS connection
 *
 * Passwords are taken over TLS only, unless the configuration says otherwise.  Who is right is
 * asked of the verifiers (verifier.c), processes of their own, and not known here.  Failures are
 * counted by address and by user, over all workers; who has too many is put off until the hour is
 * over.
 *
 * No log tells what a client says between AUTH and the reply that ends it, but for the name.
 */
#ifndef ZM_SMTPSERVER_AUTH_H
#define ZM_SMTPSERVER_AUTH_H

#include "mta/smtpserver/session_parts.h"

/** Whether the command exists for this listener. */
bool auth_is_here(const session_t *session);
/** Whether it would be of use to the client as things are. */
bool auth_is_offered(const session_t *session);
/** Lines of the reply to EHLO. */
void auth_list(session_t *session);
/** A line of an exchange.  False: there is none (yet). */
bool auth_input(session_t *session);
/** Nobody has said who he is. */
void auth_forget(session_t *session);
/** What a log, or a reply, may tell of a command line, whose verb is one or is not. */
zm_str_t auth_hide(const session_t *session, zm_str_t line, bool is_verb);

#endif
