/**
 * xtext, the encoding of DSN parameters (RFC 3461 section 4): bytes from '!' to
 * '~' except '+' and '=' stand for themselves, all others are "+HH" with upper
 * case hexadecimal digits.
 */
#ifndef ZM_MTA_MAIL_XTEXT_H
#define ZM_MTA_MAIL_XTEXT_H

#include <apr_pools.h>
#include <stdbool.h>

#include "platform/str.h"

/** Appends text encoded. */
void zm_xtext_add(zm_buf_t *buffer, zm_str_t text);
zm_str_t zm_xtext_encode(zm_str_t text, apr_pool_t *pool);

/** Whether text is not empty and well formed; if not, *position is the offending byte (its length:
 * something is missing). */
bool zm_xtext_valid(zm_str_t text, apr_size_t *position);

/** Decodes; what is not "+HH" stands for itself. */
zm_str_t zm_xtext_decode(zm_str_t text, apr_pool_t *pool);

/** Decodes for use in a header or report: control bytes become '?', so that no line can be forged.
 */
zm_str_t zm_xtext_decode_line(zm_str_t text, apr_pool_t *pool);

#endif
