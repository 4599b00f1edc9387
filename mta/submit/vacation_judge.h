/**
 * Whether a message may be answered by a program (RFC 3834).
 */
#ifndef ZM_MTA_SUBMIT_VACATION_JUDGE_H
#define ZM_MTA_SUBMIT_VACATION_JUDGE_H

#include <apr_tables.h>
#include <stdbool.h>

#include "mta/mail/header.h"

/** Why nobody who sends from this address is answered; null: he is.  "" and "<>" are the null
 * path. */
const char *vacation_sender_forbids(const char *sender);

/** Why a message with this header is not answered; null: it is. */
const char *vacation_header_forbids(const zm_headers_t *headers, apr_pool_t *pool);

/**
 * Whether one of the names (const char *) is among the addresses in To, Cc, Bcc and their
 * Resent- forms: a name with '@' as the whole address, another as its local part, with or without
 * "+detail".  Case does not count.
 */
bool vacation_is_addressed(const zm_headers_t *headers, const apr_array_header_t *names);

/** Whether an address is one of the names. */
bool vacation_is_one_of(zm_str_t address, const apr_array_header_t *names);

#endif
