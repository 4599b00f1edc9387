/**
 * From a destination to the addresses to connect to.
 *
 *     [192.0.2.1]  [192.0.2.1]:2525  [IPv6:2001:db8::1]:25   that address
 *     UNIX:/path                                             a local socket (-F only)
 *     name                                                   its MX records, or its addresses
 *     name,[192.0.2.1],...                                   the first, then the next, ...
 *
 * Every address of every exchanger is a hop of its own.  Exchangers that are
 * not better than ourselves are left out (RFC 5321, 5.1): a loop is an error
 * here, not a message that comes back.
 */
#ifndef ZM_TA_SMTP_ROUTE_H
#define ZM_TA_SMTP_ROUTE_H

#include "mta/net/dns.h"
#include "mta/net/ip.h"
#include "ta/agent/outcome.h"
#include "ta/smtp/options.h"

typedef struct zm_hop_t {
    const char *name;      /**< of the exchanger, or the literal */
    const char *domain;    /**< the destination that it is an exchanger of */
    const char *unix_path; /**< null: an internet address */
    zm_endpoint_t to;
    unsigned preference;
    bool literal; /**< the destination named this address */
    bool relaxed; /**< for letters that do not want what the domain demands of TLS (demand.h) */

    /* What DNSSEC proves of it (dane.h). */
    const char *canonical; /**< where aliases of the name led to; null: nothing was looked up */
    bool proved_name;      /**< the MX records that name it, or it is the destination itself */
    bool proved_address;   /**< the address, and the aliases before it */
    const struct zm_dane_t *dane; /**< of its server; null: nobody has asked */
} zm_hop_t;

typedef struct zm_route_t {
    zm_hop_t *hops;  /**< in the order to try them */
    int count;       /**< 0: there is no way, see below */
    bool exchangers; /**< the hops come from MX records */

    /* Why there is none. */
    zm_result_t result;
    const char *status;
    const char *reason;
} zm_route_t;

typedef void zm_route_fn(const zm_route_t *route, void *baton);

/**
 * Finds the hops.  fn is called once, perhaps before this returns, with a route in pool.
 * Destroying the pool cancels.
 */
void zm_route_find(zm_str_t destination, bool may_be_unix, const zm_smtp_options_t *options,
                   zm_dns_t *dns, zm_route_fn *fn, void *baton, apr_pool_t *pool);

/** The same for a destination that is no list (route_list.c has the other). */
void zm_route_find_one(zm_str_t destination, bool may_be_unix, const zm_smtp_options_t *options,
                       zm_dns_t *dns, zm_route_fn *fn, void *baton, apr_pool_t *pool);

/** Whether an address is one of this machine's. */
bool zm_route_is_own(const zm_ip_t *ip, const zm_smtp_options_t *options, apr_pool_t *pool);

#endif
