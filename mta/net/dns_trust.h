/**
 * Whether a name server's word on DNSSEC is to be believed.  It says "these data are proved" with a
 * bit (AD, RFC 4035, 3.2.3) that anyone between it and us could set.
 */
#ifndef ZM_NET_DNS_TRUST_H
#define ZM_NET_DNS_TRUST_H

#include "platform/str.h"

/** Whether "options trust-ad" stands in a text like that of /etc/resolv.conf; later lines undo
 * nothing. */
bool zm_dns_text_trusts(zm_str_t text);

/** Whether the administrator vouches for the system's name servers: trust-ad in /etc/resolv.conf or
 * in the environment variable RES_OPTIONS, as the C library has it. */
bool zm_dns_system_trusts(apr_pool_t *pool);

#endif
