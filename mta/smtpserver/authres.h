/**
 * Who stands behind a message: SPF (RFC 7208), DKIM (RFC 6376), ARC (RFC 8617)
 * and DMARC (RFC 7489).
 *
 *     MAIL, RCPT   the envelope gets a line "comment authres: " with blanks behind it
 *     data         the text passes the verifier on its way to the spool
 *     end of data  the domain name service is asked, and the line is filled in
 *
 * The router makes an Authentication-Results field of the line (RFC 8601); one
 * that does not know the line passes over it.  What cannot be found out within a
 * minute is a temporary error, which refuses nothing.
 */
#ifndef ZM_SMTPSERVER_AUTHRES_H
#define ZM_SMTPSERVER_AUTHRES_H

#include "spool/submit.h"

#define AUTHRES_LINE 1000 /**< octets of the line */

struct session_t;
typedef struct authres_t authres_t;

/** Whether the message of a session is to be examined. */
bool authres_wanted(const struct session_t *session);
/** Writes the line; *at is where its text goes. */
apr_status_t authres_line(zm_submission_t *submission, uint64_t *at);

/** Data begins.  It lives in the transaction's pool. */
authres_t *authres_begin(struct session_t *session);
/** A piece of the message.  Null: nothing is done. */
void authres_see(authres_t *authres, const void *data, apr_size_t length);
/** The message has come in whole, and may be examined.  Leads to inspection_begin, or to the reply
 * that refuses it, at once or later; the session waits meanwhile. */
void authres_check(struct session_t *session);
/** The transaction ends.  Null: nothing is done. */
void authres_cancel(authres_t *authres);

#endif
