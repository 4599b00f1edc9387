/**
 * What a letter itself demands of TLS (RFC 8689): REQUIRETLS, that it proves itself at every server
 * or the letter comes back; "TLS-Required: No" in its header, that what the recipient's domain
 * demands does not count.  What the administrator demands does, in any case.
 */
#ifndef ZM_TA_SMTP_DEMAND_H
#define ZM_TA_SMTP_DEMAND_H

#include "ta/smtp/transaction.h"

/** Whether a transaction's recipients are reached with REQUIRETLS. */
bool zm_demand_tls(const zm_transaction_t *transaction, const zm_peer_t *peer);
/** Why the letter must not go there (4.2.1); *later: not now, but perhaps another time.  Null: it
 * may. */
const char *zm_demand_unmet(const zm_transaction_t *transaction, const zm_peer_t *peer,
                            bool *later);
/** Whether a whole job asks for less than the recipient's domain demands (5). */
bool zm_demand_relaxed(const zm_job_t *job);

#endif
