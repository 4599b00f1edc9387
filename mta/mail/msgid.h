/**
 * Message-Id: making one, and the raw text for the control file's `l` line.
 */
#ifndef ZM_MTA_MAIL_MSGID_H
#define ZM_MTA_MAIL_MSGID_H

#include <apr_time.h>

#include "mta/mail/header.h"

/** A new message-id, <SPOOLID/YYYYMMDDhhmmssZ+N@HOST>: now in UTC, number counts per process, the
 * host is cut at 90 bytes. */
zm_str_t zm_message_id_make(zm_str_t spool_id, apr_time_t now, unsigned number, const char *host,
                            apr_pool_t *pool);

/** The field that identifies the message: of the resent form when resent, else the other; null:
 * none. */
zm_header_t *zm_message_id_find(const zm_headers_t *headers, bool resent);

/** The value of that field as it came, on one line, whether it is well formed or not; "" when there
 * is none. */
zm_str_t zm_message_id_raw(const zm_headers_t *headers, bool resent, apr_pool_t *pool);

#endif
