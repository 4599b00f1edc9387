/**
 * Addresses and headers beyond ASCII (RFC 6531, 6532): which letters need SMTPUTF8, and what
 * becomes of them where the server does not have it.
 *
 * Domains never need it: they are sent with their A-labels.  A header field that can be written in
 * ASCII is, as for any server, unless the envelope needs SMTPUTF8 anyhow.
 */
#ifndef ZM_TA_SMTP_BEYOND_H
#define ZM_TA_SMTP_BEYOND_H

#include "ta/smtp/transaction.h"

/** Gives the domains of sender and recipients their A-labels. */
void zm_beyond_normalise(zm_transaction_t *transaction);
/** Whether the server takes what is beyond ASCII. */
bool zm_beyond_taken(const zm_peer_t *peer);
/** Why an address cannot be sent to that server (status 5.6.7); null: it can. */
const char *zm_beyond_fault(zm_str_t address, const zm_peer_t *peer);
/** Whether the sender or a recipient who has no outcome yet is beyond ASCII. */
bool zm_beyond_envelope(const zm_transaction_t *transaction);
/** Whether a header has UTF-8 beyond ASCII. */
bool zm_beyond_header(const zm_fields_t *fields);

#endif
