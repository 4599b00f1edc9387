/**
 * The asynchronous resolver: c-ares driven by the loop.
 *
 * Names are asked as they are: no search list, no hosts file; the caller has made them ASCII
 * (IDNA).  "localhost" and names below it are answered here (RFC 6761).  Equal questions that are
 * under way share one query, and answers are remembered for their time to live in a small cache.
 * An alias (CNAME) is followed, over more than one reply if need be, at most three times.
 */
#ifndef ZM_NET_DNS_H
#define ZM_NET_DNS_H

#include "mta/net/ip.h"
#include "platform/loop.h"

typedef struct zm_dns_t zm_dns_t;

/** The record types, by their numbers on the wire. */
typedef enum zm_dns_type_t {
    ZM_DNS_A = 1,
    ZM_DNS_CNAME = 5, /**< asks for the alias itself: it is not followed */
    ZM_DNS_PTR = 12,
    ZM_DNS_MX = 15,
    ZM_DNS_TXT = 16,
    ZM_DNS_AAAA = 28,
    ZM_DNS_TLSA = 52 /**< RFC 6698 */
} zm_dns_type_t;

typedef enum zm_dns_outcome_t {
    ZM_DNS_FOUND,    /**< there is at least one record */
    ZM_DNS_NO_NAME,  /**< the name does not exist, or cannot (it is no name) */
    ZM_DNS_NO_DATA,  /**< it exists and has no record of the type */
    ZM_DNS_TEMPORARY /**< no answer, or a refusal, a server failure, an unreadable reply: ask again
                        later */
} zm_dns_outcome_t;

typedef struct zm_dns_record_t {
    uint32_t ttl;        /**< seconds left */
    zm_ip_t ip;          /**< A, AAAA */
    uint16_t preference; /**< MX */
    const char
        *host; /**< MX, PTR, CNAME: without the final dot; may be hostile, but is printable ASCII */
    zm_str_t text; /**< TXT: its strings joined (RFC 7208, 3.3); TLSA: usage, selector, matching
                      type (one octet each) and data (RFC 6698, 2.1) */
} zm_dns_record_t;

typedef struct zm_dns_answer_t {
    zm_dns_outcome_t outcome;
    zm_dns_type_t type;
    const char *name;      /**< as asked, in lower case */
    const char *canonical; /**< where aliases led; equal to name when there were none */
    bool alias_loop;       /**< NO_NAME because aliases went on and on */
    bool null_mx; /**< MX NO_DATA because the domain says that it takes no mail (RFC 7505) */
    bool secure;  /**< DNSSEC proves it, aliases and denials too; never without options.dnssec */
    uint32_t ttl; /**< seconds that this stays true, for a negative answer too; 0: do not keep */
    const char
        *reason; /**< TEMPORARY: a short text ("timeout", "server failure", ...), else null */
    int count;
    zm_dns_record_t *records; /**< MX: ascending preference, equals in random order */
} zm_dns_answer_t;

typedef struct zm_dns_query_t zm_dns_query_t;
typedef void zm_dns_fn(const zm_dns_answer_t *answer, void *baton);

typedef struct zm_dns_options_t {
    /** "192.0.2.1,192.0.2.2:5353,[::1]:53"; null: environment variable RESOLVER, else what the
     * system uses. */
    const char *servers;
    apr_interval_time_t timeout; /**< for the first try of a server; later ones double.  0: 3 s */
    int tries;                   /**< for each server.  0: 3 */
    int cache_entries;           /**< answers kept.  0: 1000; -1: none */
    apr_interval_time_t
        cache_max; /**< longest time to keep an answer.  0: 1 day (negative ones: 1 hour) */
    bool dnssec;   /**< ask the servers whether DNSSEC proves what they say (see zm_dns_trusted) */
} zm_dns_options_t;

/** Makes a resolver, one a loop.  options may be null.  A bad server list is ZM_E_CONFIG. */
apr_status_t zm_dns_create(zm_dns_t **dns, zm_loop_t *loop, const zm_dns_options_t *options,
                           zm_error_t *error);
/** Ends it: outstanding queries are dropped without a call.  Not from within a zm_dns_fn. */
void zm_dns_destroy(zm_dns_t *dns);

/**
 * Whether the servers' word on DNSSEC is believed: they have been asked for it (options.dnssec),
 * and no stranger can speak for them.  Those that were named on purpose (options.servers, RESOLVER)
 * are believed, those of this machine, and those of the system where it says trust-ad
 * (dns_trust.h).
 */
bool zm_dns_trusted(const zm_dns_t *dns);

/**
 * Asks.  fn is called once, on the loop, never before this returns, with an answer allocated in
 * pool.  Clearing or destroying the pool cancels.  query may be null when the pool is the only
 * means of cancelling that is needed.
 */
void zm_dns_ask(zm_dns_query_t **query, zm_dns_t *dns, zm_dns_type_t type, zm_str_t name,
                zm_dns_fn *fn, void *baton, apr_pool_t *pool);
/** fn will not be called.  Not after it was. */
void zm_dns_cancel(zm_dns_query_t *query);

/** The type for "mx", "A", ... in any case; 0 when unknown. */
zm_dns_type_t zm_dns_type(zm_str_t word);
const char *zm_dns_outcome_name(
    zm_dns_outcome_t outcome); /**< "found", "no such name", "no data", "temporary failure" */
/** Forgets all remembered answers. */
void zm_dns_flush(zm_dns_t *dns);

#endif
