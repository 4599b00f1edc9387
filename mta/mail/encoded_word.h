/**
 * Writing 8-bit header text as encoded words (RFC 2047), for receivers that
 * take ASCII only.
 *
 * What is encoded depends on the field.  In address fields (From, To, Cc,
 * Sender, Reply-To, Bcc and their Resent- forms) display names and comments
 * are; in other structured fields (Message-Id, References, In-Reply-To,
 * Received, Date, Content-*, MIME-Version) comments alone; in all others the
 * text.  An address itself is never encoded.  The character set is UTF-8 when
 * the text is valid UTF-8, else the one given.  No encoded word is longer than
 * 75 bytes, none splits a UTF-8 character, and lines are folded between them.
 */
#ifndef ZM_MTA_MAIL_ENCODED_WORD_H
#define ZM_MTA_MAIL_ENCODED_WORD_H

#include <apr_pools.h>
#include <stdbool.h>

#include "platform/str.h"

/** Whether text has bytes that may not stand in a header: other than TAB, LF, CR and ' ' to '~'. */
bool zm_needs_encoding(zm_str_t text);

/** Whether text is valid UTF-8 (RFC 3629: shortest forms, no surrogates). */
bool zm_is_utf8(zm_str_t text);

/**
 * Appends the value of a field (all after the colon, LF at folds) encoded as the
 * field's name demands.  A value that needs no encoding is appended as it is.
 * charset names what bytes are that are not UTF-8, such as "ISO-8859-1".
 */
void zm_encode_header(zm_buf_t *buffer, zm_str_t name, zm_str_t value, const char *charset,
                      apr_pool_t *pool);

#endif
