/**
 * Asking DNS and waiting for the answer, for programs that have nothing else to do.
 */
#ifndef ZM_MTA_ADMIN_LOOKUP_H
#define ZM_MTA_ADMIN_LOOKUP_H

#include "mta/net/dns.h"

typedef struct lookup_t lookup_t;

/** Lives as long as the pool.  Null after a complaint on standard error. */
lookup_t *lookup_create(const char *program, apr_pool_t *pool);
/** The answer, allocated in the pool; never null. */
const zm_dns_answer_t *lookup_ask(lookup_t *lookup, zm_dns_type_t type, const char *name);

#endif
