/**
 * Recipients that come from the header, when the envelope names none.
 */
#ifndef ZM_MTA_MAIL_RECIPIENTS_H
#define ZM_MTA_MAIL_RECIPIENTS_H

#include "mta/mail/header.h"

typedef struct zm_recipients_t {
    zm_address_t **items; /**< good mailboxes */
    apr_size_t count;
} zm_recipients_t;

/**
 * All good addresses of the fields of class recipient, of the resent ones alone
 * in a resent message.  Fields come in reverse order, the addresses of a field
 * in theirs.
 */
zm_recipients_t zm_recipients_of_header(const zm_headers_t *headers, bool resent, apr_pool_t *pool);

#endif
