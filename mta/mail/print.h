/**
 * Writing headers.
 *
 * "NAME:" is followed by white space to the column where the value stood, but
 * at least to column 8, with TABs as far as they go, at least one space.
 *
 * Unstructured and bad fields are written as they came, folds included.
 * Structured ones are written anew: items separated by ", ", a new line,
 * indented to the column of the value, before an item that would pass column
 * 78; an item longer than a line is folded at spaces between its words and
 * inside its comments.  Lines end with LF.
 */
#ifndef ZM_MTA_MAIL_PRINT_H
#define ZM_MTA_MAIL_PRINT_H

#include "mta/mail/header.h"

#define ZM_PRINT_KEEP 1 /**< fields that nobody changed are written byte for byte as they came */

/** Appends one field with its final LF. */
void zm_header_print(zm_buf_t *buffer, const zm_header_t *header, int flags);

/** Appends all fields, without the empty line that ends a header. */
void zm_headers_print(zm_buf_t *buffer, const zm_headers_t *headers, int flags);

/** Whether the header carries a signature (DKIM, DomainKeys, ARC): reason enough for ZM_PRINT_KEEP.
 */
bool zm_headers_signed(const zm_headers_t *headers);

#endif
