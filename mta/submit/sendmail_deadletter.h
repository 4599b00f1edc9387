/**
 * dead.letter: where a message goes that the spool cannot take.
 */
#ifndef ZM_MTA_SUBMIT_SENDMAIL_DEADLETTER_H
#define ZM_MTA_SUBMIT_SENDMAIL_DEADLETTER_H

#include "mta/submit/sendmail.h"

/** A larger message is not saved. */
#define SENDMAIL_SAVED_LIMIT (16u << 20)

/** Whether that is wanted: not for root, not with DEADLETTER=no, and only with -oem, -oep, or for
 * somebody at a terminal. */
bool sendmail_saves(const sendmail_t *sendmail);

/**
 * Appends a message to dead.letter in the home of the real user, as mailbox text, and says so.
 * Returns code; 67 when the user has no account, 73 when the file cannot be written.
 */
int sendmail_save(const sendmail_t *sendmail, zm_str_t text, int code);

#endif
