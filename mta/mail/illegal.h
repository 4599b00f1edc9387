/**
 * Showing what is wrong with a value, and the field Illegal-Object.
 */
#ifndef ZM_MTA_MAIL_ILLEGAL_H
#define ZM_MTA_MAIL_ILLEGAL_H

#include "mta/mail/header.h"

/**
 * Appends, for each bad item, a line with its text and lines below that point
 * at each problem, every line beginning with indent:
 *
 *     J. Random <a@b>
 *               ^-expected a comma
 *
 * Of long texts only the surroundings of the first problem are shown.
 */
void zm_add_problems(zm_buf_t *buffer, const zm_address_list_t *list, const char *indent);

/**
 * Puts an Illegal-Object field, which names the field and our host and shows
 * the problems, behind each bad field that still has good addresses and in the
 * place of each that has none.  Returns how many fields were bad.
 */
unsigned zm_headers_mark_illegal(zm_headers_t *headers, const char *hostname);

#endif
