/**
 * Making a header complete: what is missing is added, what must not go on is
 * removed.  Each function is one step of the router's sequence and works on the
 * header alone.
 */
#ifndef ZM_MTA_MAIL_COMPLETE_H
#define ZM_MTA_MAIL_COMPLETE_H

#include <apr_time.h>

#include "mta/mail/header.h"

/** Whether some field makes this a resent message. */
bool zm_headers_resent(const zm_headers_t *headers);

/** Puts a Received field with that value first. */
zm_header_t *zm_headers_add_received(zm_headers_t *headers, zm_str_t value);

/** Drops the fields Authentication-Results that pretend to be ours: whose first word is hostname
 * (RFC 8601, 5). */
void zm_headers_drop_authentication_results(zm_headers_t *headers, const char *hostname);

/** The same, and puts "Authentication-Results: text" directly behind the first field. */
void zm_headers_add_authentication_results(zm_headers_t *headers, zm_str_t text,
                                           const char *hostname);

/** Appends [Resent-]Message-Id when neither form is there.  True: it was added. */
bool zm_headers_complete_message_id(zm_headers_t *headers, bool resent, zm_str_t id);

/** Removes the fields of class Kill, Bcc and Resent-Bcc. */
void zm_headers_kill(zm_headers_t *headers);

/**
 * Adds [Resent-]From when it is missing: the sender, or "<>" when sender is
 * null (a message with the null return path).  It goes before [Resent-]To, else
 * before Subject, else to the end.
 */
void zm_headers_complete_from(zm_headers_t *headers, bool resent, const zm_address_list_t *sender);

/** Appends an empty group with a comment as [Resent-]To when there is neither To nor Resent-To. */
void zm_headers_complete_to(zm_headers_t *headers, bool resent);

/** Appends [Resent-]Date, the arrival time of the message, when it is missing. */
void zm_headers_complete_date(zm_headers_t *headers, bool resent, apr_time_t arrived);

#endif
