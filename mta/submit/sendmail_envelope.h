/**
 * The envelope that sendmail(8) writes, and the addresses in it.
 */
#ifndef ZM_MTA_SUBMIT_SENDMAIL_ENVELOPE_H
#define ZM_MTA_SUBMIT_SENDMAIL_ENVELOPE_H

#include "mta/conf/zenv.h"
#include "mta/submit/preamble.h"
#include "mta/submit/sendmail_options.h"
#include "spool/submit.h"

/**
 * One command line word as envelope addresses: split at top-level commas, display
 * names, comments and angle brackets dropped, a local part with a backslash quoted.
 * Adds const char * to list.  ZM_E_SYNTAX for brackets, quotes or comments left open, and when
 * there is no address in it.
 */
apr_status_t sendmail_addresses(apr_array_header_t *list, const char *word, zm_error_t *error);

/** Who submits, as far as the environment and the system know. */
typedef struct sendmail_person_t {
    preamble_t preamble;
    const char *sender; /**< from line for a root submitter without -f; may be null */
} sendmail_person_t;

/** Finds out who submits a message that will belong to `owner` (uid ZM_UID_NONE: to the process);
 * given: the sender that was asked for, or null. */
void sendmail_person(sendmail_person_t *person, const zm_zenv_t *zenv, zm_credentials_t owner,
                     const char *given, apr_pool_t *pool);

/** Writes the envelope lines up to env-end, in the order that readers of the spool know. trace: v_
 * file name or null. */
apr_status_t sendmail_envelope(zm_submission_t *submission, const sendmail_options_t *options,
                               const apr_array_header_t *recipients,
                               const sendmail_person_t *person, const char *trace,
                               apr_pool_t *pool);

/** Tells the system log who submitted what, where SYSLOGFLG asks for it. */
void sendmail_note(const zm_zenv_t *zenv, const char *program, const zm_published_t *published);

#endif
