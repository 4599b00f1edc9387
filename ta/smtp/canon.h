/**
 * Canonical names of recipients' domains (-O canon-rcpt): where a domain is an alias (CNAME), RCPT
 * names what it stands for.  Old servers did not know themselves by other names; nobody has to do
 * so any more (RFC 5321, 2.3.5 does not even allow aliases there).
 */
#ifndef ZM_TA_SMTP_CANON_H
#define ZM_TA_SMTP_CANON_H

#include "mta/net/dns.h"
#include "ta/smtp/transaction.h"

typedef void zm_canon_fn(void *baton);

/**
 * Sets the address of each recipient.  True: fn will be called, once, when that is done; destroying
 * pool cancels.  False: it is done.  A name that cannot be asked about now stays as it is.
 */
bool zm_canon_begin(zm_transaction_t *transaction, zm_dns_t *dns, zm_canon_fn *fn, void *baton,
                    apr_pool_t *pool);

#endif
