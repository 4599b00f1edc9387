/**
 * Internet addresses as values.
 *
 * A zm_ip_t holds an IPv4 or IPv6 address in network byte order and is compared and copied like
 * any structure; nothing here allocates or asks the network.  An IPv4 address mapped into IPv6
 * (::ffff:1.2.3.4, as dual-stack sockets report it) always becomes the IPv4 address it means.
 * Scoped addresses (fe80::1%eth0) are a syntax error.
 */
#ifndef ZM_NET_IP_H
#define ZM_NET_IP_H

#include <apr_network_io.h>

#include "platform/status.h"
#include "platform/str.h"

typedef struct zm_ip_t {
    uint8_t family;    /**< 4, 6, or 0 for no address */
    uint8_t bytes[16]; /**< 4 or 16 of them; the rest is zero */
} zm_ip_t;

/** An address and a port; family 0 means any address. */
typedef struct zm_endpoint_t {
    zm_ip_t ip;
    uint16_t port;
} zm_endpoint_t;

typedef struct zm_network_t {
    zm_ip_t ip;
    uint8_t width; /**< leading bits that count: 0..32 or 0..128 */
} zm_network_t;

/** Size of a buffer for any of the printed forms, the NUL included. */
#define ZM_IP_TEXT 64

/** "192.0.2.1" (four decimal octets, nothing else) or "2001:db8::1"; else ZM_E_SYNTAX. */
apr_status_t zm_ip_parse(zm_ip_t *ip, zm_str_t text);
/** The domain literal of mail (RFC 5321, 4.1.3): "[192.0.2.1]", "[IPv6:2001:db8::1]". */
apr_status_t zm_ip_parse_literal(zm_ip_t *ip, zm_str_t text);
/**
 * "ADDRESS", "ADDRESS:PORT", "[ADDRESS]", "[ADDRESS]:PORT", the address also with the "IPv6:" tag
 * in brackets, or "*:PORT" for any address.  An IPv6 address with a port needs brackets.  The
 * port may also follow a comma or a blank.  default_port fills in a port that is not there.
 */
apr_status_t zm_endpoint_parse(zm_endpoint_t *endpoint, zm_str_t text, uint16_t default_port);
/** "192.0.2.0/24", "2001:db8::/32", or a single address.  Bits beyond the width must be zero. */
apr_status_t zm_network_parse(zm_network_t *network, zm_str_t text);

/** Each prints into buffer (at least ZM_IP_TEXT bytes) and returns it.  IPv6 as RFC 5952. */
const char *zm_ip_print(const zm_ip_t *ip, char *buffer);
const char *zm_ip_print_literal(const zm_ip_t *ip, char *buffer); /**< [..] with the IPv6: tag */
const char *zm_endpoint_print(const zm_endpoint_t *endpoint,
                              char *buffer); /**< 192.0.2.1:25, [::1]:25 */

bool zm_ip_equal(const zm_ip_t *a, const zm_ip_t *b);
bool zm_network_contains(const zm_network_t *network, const zm_ip_t *ip);
bool zm_ip_is_loopback(const zm_ip_t *ip);    /**< 127/8, ::1 */
bool zm_ip_is_unspecified(const zm_ip_t *ip); /**< family 0, 0/8, :: */
bool zm_ip_is_multicast(const zm_ip_t *ip);   /**< 224/4 and above, ff00::/8 */

/**
 * The name under which the domain name service knows an address: octets or nibbles reversed, and
 * the suffix: "in-addr.arpa"/"ip6.arpa" when it is null, else that of a DNS list.
 */
const char *zm_ip_reverse_name(const zm_ip_t *ip, const char *suffix, apr_pool_t *pool);

/** From APR's form; family 0 when it is neither IPv4 nor IPv6. */
zm_endpoint_t zm_endpoint_of(const apr_sockaddr_t *address);
/** To APR's form, allocated in the pool.  Any address: ipv6 chooses :: or 0.0.0.0. */
apr_sockaddr_t *zm_endpoint_sockaddr(const zm_endpoint_t *endpoint, bool ipv6, apr_pool_t *pool);

#endif
