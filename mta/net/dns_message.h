/**
 * Reading a reply of the domain name service (RFC 1035, 4).
 *
 * The whole reply is hostile: every length and pointer in it is checked, and a reply that breaks
 * any rule is refused whole.
 */
#ifndef ZM_NET_DNS_MESSAGE_H
#define ZM_NET_DNS_MESSAGE_H

#include "mta/net/dns.h"

/**
 * Fills outcome, secure (as the server says), canonical, null_mx, ttl, reason, count and records of
 * the answer to the question for answer->type at name, in pool.  *more_alias: an alias leads to
 * canonical, and the reply does not say what is there; ask for that.  A reply that cannot be read
 * is TEMPORARY.
 */
void zm_dns_message_read(zm_dns_answer_t *answer, bool *more_alias, const char *name,
                         zm_str_t message, apr_pool_t *pool);

#endif
