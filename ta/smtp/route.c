#include "ta/smtp/route.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "mta/net/idn.h"
#include "mta/net/socket.h"

#define EXCHANGERS 127
#define HOPS 128
#define DISCARD_PORT 9

typedef struct search_t {
    const zm_smtp_options_t *options;
    zm_dns_t *dns;
    zm_route_fn *fn;
    void *baton;
    apr_pool_t *pool;
    const char *name;
    zm_route_t route;
    int pending;    /* queries under way */
    unsigned ours;  /* the best preference of an exchanger with our name; ~0u: none has it */
    bool temporary; /* one of them had no answer */
    bool proved;    /* DNSSEC proves the exchangers */
    bool no_name;   /* without exchangers: the name does not exist */
    const char *trouble;
} search_t;

typedef struct question_t {
    search_t *search;
    const char *exchanger;
    unsigned preference;
} question_t;

/* -- ourselves ------------------------------------------------------------- */

/* What would be sent to our own address would come from that address: asks the system so, without
 * listing interfaces.  Connecting a datagram socket sends nothing. */
static bool would_come_from(const zm_ip_t *ip, apr_pool_t *parent)
{
    zm_endpoint_t endpoint = {*ip, DISCARD_PORT}, local;
    apr_sockaddr_t *address;
    apr_socket_t *socket;
    apr_pool_t *pool;
    bool own = false;
    apr_pool_create(&pool, parent);
    address = zm_endpoint_sockaddr(&endpoint, ip->family == 6, pool);
    if (address != NULL &&
        apr_socket_create(&socket, address->family, SOCK_DGRAM, APR_PROTO_UDP, pool) ==
            APR_SUCCESS &&
        apr_socket_connect(socket, address) == APR_SUCCESS) {
        local = zm_socket_local_end(socket);
        own = zm_ip_equal(&local.ip, ip);
    }
    apr_pool_destroy(pool);
    return own;
}

bool zm_route_is_own(const zm_ip_t *ip, const zm_smtp_options_t *options, apr_pool_t *pool)
{
    int i;
    for (i = 0; i < options->self_ip_count; i++)
        if (zm_ip_equal(ip, &options->self_ips[i]))
            return true;
    return zm_ip_is_loopback(ip) || zm_ip_is_unspecified(ip) || would_come_from(ip, pool);
}

static bool is_own_name(const char *name, const zm_smtp_options_t *options)
{
    const char *const *own;
    zm_str_t wanted = zm_str(name);
    if (zm_str_equal_nocase(wanted, zm_str(options->hostname)) ||
        zm_str_equal_nocase(wanted, zm_str(options->helo)))
        return true;
    for (own = options->self_names; own != NULL && *own != NULL; own++)
        if (zm_str_equal_nocase(wanted, zm_str(*own)))
            return true;
    return false;
}

/* -- the end --------------------------------------------------------------- */

static void no_way(search_t *search, zm_result_t result, const char *status, const char *reason)
{
    search->route.count = 0;
    search->route.result = result;
    search->route.status = status;
    search->route.reason = reason;
    search->fn(&search->route, search->baton);
}

static int by_preference(const void *left, const void *right)
{
    const zm_hop_t *a = left, *b = right;
    if (a->preference != b->preference)
        return a->preference < b->preference ? -1 : 1;
    return a < b ? -1 : 1;
}

/* Moves one family ahead within each preference, keeping the rest of the order. */
static void put_family_first(zm_hop_t *hops, int count, int family, apr_pool_t *pool)
{
    zm_hop_t *sorted = apr_palloc(pool, sizeof *sorted * (apr_size_t)(count + 1));
    int start = 0, out = 0, i, end;
    while (start < count) {
        for (end = start; end < count && hops[end].preference == hops[start].preference; end++)
            ;
        for (i = start; i < end; i++)
            if (hops[i].to.ip.family == family)
                sorted[out++] = hops[i];
        for (i = start; i < end; i++)
            if (hops[i].to.ip.family != family)
                sorted[out++] = hops[i];
        start = end;
    }
    memcpy(hops, sorted, sizeof *hops * (apr_size_t)count);
}

/* Leaves out what is not better than ourselves.  True: we were among the exchangers. */
static bool drop_ourselves(search_t *search)
{
    zm_route_t *route = &search->route;
    unsigned best = search->ours; /* whether or not its address can be found now */
    int i, kept = 0;
    for (i = 0; i < route->count; i++) {
        zm_hop_t *hop = &route->hops[i];
        if (hop->preference < best && (is_own_name(hop->name, search->options) ||
                                       zm_route_is_own(&hop->to.ip, search->options, search->pool)))
            best = hop->preference;
    }
    for (i = 0; i < route->count; i++)
        if (route->hops[i].preference < best)
            route->hops[kept++] = route->hops[i];
    route->count = kept;
    return best != ~0u;
}

static void no_address(search_t *search)
{
    const char *name = search->name;
    if (search->temporary)
        no_way(search, ZM_RESULT_DEFERALL, "4.4.3",
               apr_psprintf(search->pool, "%s: name service: %s", name,
                            search->trouble != NULL ? search->trouble : "no answer"));
    else if (search->route.exchangers)
        no_way(search, ZM_RESULT_UNAVAILABLE, "5.4.4",
               apr_psprintf(search->pool, "%s: its mail exchangers have no addresses", name));
    else if (search->no_name && strchr(name, '_') == NULL && !search->options->no_mx)
        no_way(search, ZM_RESULT_DEFERALL, "4.4.3",
               apr_psprintf(search->pool, "%s: the name has no address now", name));
    else
        no_way(search, ZM_RESULT_UNAVAILABLE, "5.4.4",
               apr_psprintf(search->pool, "%s has no mail exchanger and no address", name));
}

static void ask_name(search_t *search);

static void finish(search_t *search)
{
    zm_route_t *route = &search->route;
    if (route->count == 0) {
        no_address(search);
        return;
    }
    if (route->exchangers && !search->options->no_mx && drop_ourselves(search) &&
        route->count == 0 && search->options->strict) {
        route->exchangers = false; /* as if there were none */
        ask_name(search);
        return;
    }
    if (route->count == 0) {
        no_way(search, ZM_RESULT_NOHOST, "5.4.6",
               apr_psprintf(search->pool,
                            "%s: we are its best mail exchanger, but not its destination",
                            search->name));
        return;
    }
    qsort(route->hops, (size_t)route->count, sizeof *route->hops, by_preference);
    put_family_first(route->hops, route->count,
                     search->options->prefer_ipv6 && route->exchangers ? 6 : 4, search->pool);
    search->fn(route, search->baton);
}

/* -- addresses ------------------------------------------------------------- */

static zm_hop_t *add_hop(search_t *search, const char *name, unsigned preference, const zm_ip_t *ip)
{
    zm_route_t *route = &search->route;
    if (route->count == HOPS)
        return NULL;
    if (route->hops == NULL)
        route->hops = apr_pcalloc(search->pool, sizeof *route->hops * HOPS);
    route->hops[route->count] = (zm_hop_t){.name = name,
                                           .domain = search->name,
                                           .to = {*ip, search->options->port},
                                           .preference = preference};
    return &route->hops[route->count++];
}

/* One query less; the caller of ask_addresses holds one while it asks. */
static void answered(search_t *search)
{
    if (--search->pending == 0)
        finish(search);
}

/* An exchanger is as sure as what names it; a name without exchangers stands for itself. */
static void prove(zm_hop_t *hop, const search_t *search, const zm_dns_answer_t *answer)
{
    if (hop == NULL)
        return;
    hop->canonical = answer->canonical;
    hop->proved_name = !search->route.exchangers || search->proved;
    hop->proved_address = answer->secure;
}

static void on_address(const zm_dns_answer_t *answer, void *baton)
{
    question_t *question = baton;
    search_t *search = question->search;
    int i;
    for (i = 0; i < answer->count; i++)
        prove(add_hop(search, question->exchanger, question->preference, &answer->records[i].ip),
              search, answer);
    if (answer->outcome == ZM_DNS_TEMPORARY) {
        search->temporary = true;
        search->trouble = answer->reason;
    }
    if (answer->outcome == ZM_DNS_NO_NAME)
        search->no_name = true;
    answered(search);
}

static bool ipv6_works(apr_pool_t *parent)
{
    static int known; /* 1 yes, -1 no: the machine does not change its mind */
    apr_socket_t *socket;
    apr_pool_t *pool;
    if (known != 0)
        return known > 0;
    apr_pool_create(&pool, parent);
    known = -1;
#if APR_HAVE_IPV6
    if (apr_socket_create(&socket, APR_INET6, SOCK_STREAM, APR_PROTO_TCP, pool) == APR_SUCCESS)
        known = 1;
#endif
    apr_pool_destroy(pool);
    return known > 0;
}

static void ask_addresses(search_t *search, const char *exchanger, unsigned preference)
{
    question_t *question = apr_palloc(search->pool, sizeof *question);
    *question = (question_t){search, exchanger, preference};
    if (zm_smtp_has_family(search->options, 4)) {
        search->pending++;
        zm_dns_ask(NULL, search->dns, ZM_DNS_A, zm_str(exchanger), on_address, question,
                   search->pool);
    }
    if (zm_smtp_has_family(search->options, 6) && ipv6_works(search->pool)) {
        search->pending++;
        zm_dns_ask(NULL, search->dns, ZM_DNS_AAAA, zm_str(exchanger), on_address, question,
                   search->pool);
    }
}

/* Without exchangers the name stands for itself. */
static void ask_name(search_t *search)
{
    search->pending++;
    ask_addresses(search, search->name, 0);
    answered(search);
}

/* -- exchangers ------------------------------------------------------------ */

static void on_exchangers(const zm_dns_answer_t *answer, void *baton)
{
    search_t *search = baton;
    int i;
    switch (answer->outcome) {
    case ZM_DNS_FOUND:
        search->route.exchangers = true;
        search->proved = answer->secure;
        search->pending++;
        for (i = 0; i < answer->count; i++)
            if (answer->records[i].preference < search->ours &&
                is_own_name(answer->records[i].host, search->options))
                search->ours = answer->records[i].preference;
        for (i = 0; i < answer->count && i < EXCHANGERS; i++)
            ask_addresses(search, answer->records[i].host, answer->records[i].preference);
        answered(search);
        return;
    case ZM_DNS_NO_DATA:
        if (answer->null_mx)
            no_way(search, ZM_RESULT_NOHOST, "5.1.10",
                   apr_psprintf(search->pool, "%s says that it takes no mail", search->name));
        else
            ask_name(search);
        return;
    case ZM_DNS_NO_NAME:
        no_way(search, ZM_RESULT_NOHOST, answer->alias_loop ? "5.4.3" : "5.4.4",
               apr_psprintf(search->pool, "%s: %s", search->name,
                            answer->alias_loop ? "its aliases go in a circle" : "no such domain"));
        return;
    case ZM_DNS_TEMPORARY:
        no_way(search, ZM_RESULT_DEFERALL, "4.4.3",
               apr_psprintf(search->pool, "%s: name service: %s", search->name,
                            answer->reason != NULL ? answer->reason : "no answer"));
        return;
    }
}

/* -- literals -------------------------------------------------------------- */

static void literal(search_t *search, zm_str_t text)
{
    zm_endpoint_t endpoint;
    if (zm_endpoint_parse(&endpoint, text, search->options->port) != APR_SUCCESS ||
        endpoint.ip.family == 0) {
        no_way(search, ZM_RESULT_NOHOST, "5.1.2",
               apr_psprintf(search->pool, "%s is not an address", search->name));
        return;
    }
    add_hop(search, search->name, 0, &endpoint.ip);
    search->route.hops[0].to.port = endpoint.port;
    search->route.hops[0].literal = true;
    search->fn(&search->route, search->baton);
}

static void local(search_t *search, const char *path)
{
    static const zm_ip_t none;
    add_hop(search, search->name, 0, &none);
    search->route.hops[0].literal = true;
    search->route.hops[0].unix_path = path;
    search->fn(&search->route, search->baton);
}

void zm_route_find_one(zm_str_t destination, bool may_be_unix, const zm_smtp_options_t *options,
                       zm_dns_t *dns, zm_route_fn *fn, void *baton, apr_pool_t *pool)
{
    search_t *search = apr_pcalloc(pool, sizeof *search);
    search->options = options;
    search->dns = dns;
    search->fn = fn;
    search->baton = baton;
    search->pool = pool;
    search->ours = ~0u;
    if (destination.length > 1 && destination.data[0] == '"' && destination.data[1] == '[')
        destination = zm_str_from(destination, 1);
    if (destination.length > 0 && destination.data[destination.length - 1] == '"')
        destination.length--;
    destination = zm_idn_ascii(destination, pool);
    search->name = zm_str_c(pool, destination);
    if (may_be_unix && zm_str_starts(destination, ZM_S("UNIX:")))
        local(search, search->name + 5);
    else if (destination.length > 0 && destination.data[0] == '[')
        literal(search, destination);
    else if (options->no_mx)
        ask_name(search);
    else
        zm_dns_ask(NULL, dns, ZM_DNS_MX, destination, on_exchangers, search, pool);
}
