/**
 * The addresses and DSN parameters of MAIL and RCPT commands.
 */
#ifndef ZM_TA_SMTP_ENVELOPE_H
#define ZM_TA_SMTP_ENVELOPE_H

#include "ta/smtp/transaction.h"

/**
 * What keeps an address from being sent inside angle brackets: control bytes,
 * blanks or '>' outside quotes, 8-bit bytes, an unusual length.  Null: nothing.
 */
const char *zm_envelope_fault(zm_str_t address, bool may_be_empty);

/** The sender; with EZMLM data its local part is made unique for the recipient. */
void zm_envelope_sender(const zm_transaction_t *transaction, zm_buf_t *out);

/** " RET=..." " ENVID=..." */
void zm_envelope_mail_dsn(const zm_job_t *job, zm_buf_t *out);
/** " NOTIFY=..." " ORCPT=..." */
void zm_envelope_rcpt_dsn(const zm_recipient_t *recipient, zm_buf_t *out);

#endif
