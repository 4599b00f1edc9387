/**
 * Replies of the domain name service, remembered for a time: a bounded table of raw messages, the
 * longest unused of which makes room for a new one.
 */
#ifndef ZM_NET_DNS_CACHE_H
#define ZM_NET_DNS_CACHE_H

#include "mta/net/dns.h"

typedef struct zm_dns_cache_t zm_dns_cache_t;

/** Null when entries is 0 or memory is short: a cache that keeps nothing. */
zm_dns_cache_t *zm_dns_cache_create(int entries);
void zm_dns_cache_destroy(zm_dns_cache_t *cache); /**< null allowed, here and below */
void zm_dns_cache_clear(zm_dns_cache_t *cache);

/** The reply to that question and its age in seconds; false when none is known or its time is over.
 */
bool zm_dns_cache_find(zm_dns_cache_t *cache, zm_dns_type_t type, const char *name,
                       zm_str_t *message, uint32_t *age);
/** Remembers a reply for that many seconds.  Very long ones are not kept. */
void zm_dns_cache_keep(zm_dns_cache_t *cache, zm_dns_type_t type, const char *name,
                       zm_str_t message, uint32_t seconds);

#endif
