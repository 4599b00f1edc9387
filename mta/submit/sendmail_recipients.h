/**
 * The recipients that sendmail -t finds in the header, when the addresses on its
 * command line count too.
 */
#ifndef ZM_MTA_SUBMIT_SENDMAIL_RECIPIENTS_H
#define ZM_MTA_SUBMIT_SENDMAIL_RECIPIENTS_H

#include <apr_tables.h>
#include <stdbool.h>

#include "platform/status.h"
#include "platform/str.h"

/** What SENDMAIL_T_ARGS says about addresses on the command line of sendmail -t. */
typedef enum sendmail_words_t {
    SENDMAIL_WORDS_IGNORED,
    SENDMAIL_WORDS_ADDED,  /**< they are further recipients */
    SENDMAIL_WORDS_REMOVED /**< they do not get what the header addresses to them */
} sendmail_words_t;

/** ZM_E_CONFIG, and what was expected, for another text. */
apr_status_t sendmail_words_by_name(sendmail_words_t *words, const char *name, zm_error_t *error);

/** Where the empty line begins that ends the header; -1: not in this text. */
apr_ssize_t sendmail_header_length(zm_str_t text);

/**
 * Adds the addresses of a header's recipient fields to list (const char *), of the
 * Resent- fields alone in a resent message, as the router would do it.  ZM_E_SYNTAX for a
 * field that does not follow its grammar.
 */
apr_status_t sendmail_header_recipients(apr_array_header_t *list, zm_str_t header,
                                        zm_error_t *error);

/**
 * Adds words to the list, those that are in it left out; or removes them from it.  Domains are
 * compared without regard to case.
 */
void sendmail_apply_words(apr_array_header_t *list, const apr_array_header_t *words, bool add);

#endif
