/**
 * A header that is still text, for programs that do not read whole messages.
 */
#ifndef ZM_MAIL_HEADER_TEXT_H
#define ZM_MAIL_HEADER_TEXT_H

#include "mta/mail/header.h"

/** The fields of a text up to its end, or an empty line.  A line "From ..." and what has no colon
 * are passed over. */
zm_headers_t *zm_headers_of_text(zm_str_t text, apr_pool_t *pool);

#endif
