/**
 * Addresses in reports: their types, and addresses beyond ASCII (RFC 6533).
 */
#ifndef ZM_MTA_MAIL_DSN_ADDRESS_H
#define ZM_MTA_MAIL_DSN_ADDRESS_H

#include <apr_pools.h>

#include "platform/str.h"

/** Octets of 128 and more. */
bool zm_dsn_is_ascii(zm_str_t text);

/** "rfc822;bob@y", "utf-8;...", "x-local;/a/file" for an address. */
zm_str_t zm_dsn_typed(zm_str_t address, apr_pool_t *pool);

/** An ORCPT parameter in plain: xtext, and for the type utf-8 its \x{HEX}, decoded; on one line. */
zm_str_t zm_dsn_original(zm_str_t orcpt, apr_pool_t *pool);

/** Whether text is beyond ASCII and UTF-8: what RFC 6533 is about. */
bool zm_dsn_is_international(zm_str_t text);

/** Who gets the report on mail of that sender: the sender, or the postmaster when the address names
 * a program or a file of ours. */
zm_str_t zm_dsn_reader(zm_str_t sender);

/** Appends the value of an ORCPT parameter for an address. */
void zm_dsn_add_orcpt(zm_buf_t *out, zm_str_t address);

/** Appends the ORCPT value of a client that speaks SMTPUTF8, with what is beyond ASCII as \\x{HEX}:
 * so it passes everywhere (RFC 6533, 3). */
void zm_dsn_add_embedded(zm_buf_t *out, zm_str_t orcpt);

/** Appends text on one line: control bytes become '?', and so does what is beyond ASCII unless
 * `beyond` allows it and it is UTF-8. */
void zm_dsn_add_line(zm_buf_t *out, zm_str_t text, bool beyond);

#endif
