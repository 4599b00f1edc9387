/**
 * How many sessions there are, in all and from each address, over all worker
 * processes: a small file that they map.  Sessions of each class of listener are counted on their
 * own, so that those who send mail in do not keep those out who submit it.
 *
 * Each worker has a place of its own to count in, and reads those of the others,
 * so nothing is locked and nothing waits; the place of a worker that died is
 * cleared.  Addresses are counted by a hash with a secret seed: two that fall together
 * count as one, which matters only when there are very many.  An IPv6 /64 is one
 * address.
 */
#ifndef ZM_SMTPSERVER_TALLY_H
#define ZM_SMTPSERVER_TALLY_H

#include "mta/conf/counters.h"
#include "mta/net/ip.h"
#include "mta/smtpserver/rates.h"

#define TALLY_SLOTS 128 /**< workers, those included that only finish their sessions */

typedef struct tally_t tally_t;

/** Of listeners: for mail, for mail that begins with TLS, for submission. */
typedef enum tally_class_t { TALLY_SMTP, TALLY_SMTPS, TALLY_SUBMIT, TALLY_CLASSES } tally_class_t;

/** Makes the file anew, for the master. */
apr_status_t tally_create(tally_t **tally, const char *path, apr_pool_t *pool, zm_error_t *error);
/** Maps it, for the worker with that number. */
apr_status_t tally_attach(tally_t **tally, const char *path, unsigned slot, apr_pool_t *pool,
                          zm_error_t *error);

/** Counts a session in; *same and *all, of that class, include it. */
void tally_enter(tally_t *tally, tally_class_t what, const zm_ip_t *ip, int64_t *same,
                 int64_t *all);
/** How many of a class there are. */
int64_t tally_total(const tally_t *tally, tally_class_t what);
void tally_leave(tally_t *tally, tally_class_t what, const zm_ip_t *ip);
/** Tells the system's counters how many there are. */
void tally_tell(const tally_t *tally, zm_counters_t *counters);
/** What the addresses have sent, in the same memory. */
rates_t *tally_rates(tally_t *tally);
/** How often clients, and users, have failed to say who they are. */
rates_t *tally_failures(tally_t *tally);
/** A worker has ended: its sessions have too. */
void tally_clear(tally_t *tally, unsigned slot);

#endif
