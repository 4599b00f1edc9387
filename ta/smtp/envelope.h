/**
 * The sender of MAIL commands; for all else of them see ta/agent/envelope.h.
 */
#ifndef ZM_TA_SMTP_ENVELOPE_H
#define ZM_TA_SMTP_ENVELOPE_H

#include "ta/agent/envelope.h"
#include "ta/smtp/transaction.h"

/** The sender; with EZMLM data its local part is made unique for the recipient. */
void zm_envelope_sender(const zm_transaction_t *transaction, zm_buf_t *out);

#endif
