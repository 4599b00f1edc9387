/**
 * Base64 (RFC 4648, 4) as SASL exchanges use it: in one piece, without line ends.
 */
#ifndef ZM_NET_BASE64_H
#define ZM_NET_BASE64_H

#include "platform/str.h"

/** Appends the encoded bytes. */
void zm_sasl_encode(zm_buf_t *buffer, const void *data, apr_size_t length);
/**
 * Appends the decoded bytes.  ZM_E_SYNTAX, and nothing is appended: a byte that does not belong
 * there, a length or padding that no encoder makes.
 */
apr_status_t zm_sasl_decode(zm_buf_t *buffer, zm_str_t text);

#endif
