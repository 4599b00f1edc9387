#include "mta/admin/check_spf.h"

#include <string.h>

#define MOST_LOOKUPS 10

typedef struct spf_t {
    lookup_t *lookup;
    const zm_ip_t *ip;
    int lookups;
    apr_pool_t *pool;
} spf_t;

static spf_result_t evaluate(spf_t *spf, const char *domain);

/* -- mechanisms ---------------------------------------------------------------------------- */

static bool covers(const zm_ip_t *network, uint64_t width, const zm_ip_t *ip)
{
    uint64_t bit, most = network->family == 4 ? 32 : 128;
    if (network->family != ip->family)
        return false;
    for (bit = 0; bit < width && bit < most; bit++)
        if (((network->bytes[bit / 8] ^ ip->bytes[bit / 8]) >> (7 - bit % 8) & 1) != 0)
            return false;
    return true;
}

/* "/24", "/24//64", "//64" behind a domain, or nothing: the width for our family. */
static bool take_widths(zm_str_t text, const zm_ip_t *ip, uint64_t *width)
{
    zm_str_t four, six;
    *width = ip->family == 4 ? 32 : 128;
    while (text.length > 0 && text.data[0] != '/')
        text = zm_str_from(text, 1);
    if (text.length == 0)
        return true;
    text = zm_str_from(text, 1);
    if (text.length > 0 && text.data[0] == '/') {
        four = ZM_S("");
        six = zm_str_from(text, 1);
    } else if (zm_str_cut(text, '/', &four, &six)) {
        if (six.length == 0 || six.data[0] != '/')
            return false;
        six = zm_str_from(six, 1);
    } else {
        six = ZM_S("");
    }
    text = ip->family == 4 ? four : six;
    return text.length == 0 || (zm_str_u64(text, width) == APR_SUCCESS && *width <= 128);
}

/* ip4:192.0.2.0/24, ip6:2001:db8::/32 */
static int match_network(const spf_t *spf, zm_str_t value)
{
    zm_str_t address, bits = ZM_S("");
    uint64_t width = 128;
    zm_ip_t network;
    if (zm_str_cut(value, '/', &address, &bits) && zm_str_u64(bits, &width) != APR_SUCCESS)
        return -1;
    if (zm_ip_parse(&network, address) != APR_SUCCESS)
        return -1;
    return covers(&network, width, spf->ip);
}

static int match_host(spf_t *spf, const char *host, uint64_t width)
{
    const zm_dns_answer_t *answer =
        lookup_ask(spf->lookup, spf->ip->family == 4 ? ZM_DNS_A : ZM_DNS_AAAA, host);
    int i;
    if (answer->outcome == ZM_DNS_TEMPORARY)
        return -1;
    for (i = 0; answer->outcome == ZM_DNS_FOUND && i < answer->count; i++)
        if (covers(&answer->records[i].ip, width, spf->ip))
            return 1;
    return 0;
}

static int match_mx(spf_t *spf, const char *domain, uint64_t width)
{
    const zm_dns_answer_t *answer = lookup_ask(spf->lookup, ZM_DNS_MX, domain);
    int i, matches = 0;
    if (answer->outcome == ZM_DNS_TEMPORARY)
        return -1;
    for (i = 0; matches == 0 && answer->outcome == ZM_DNS_FOUND && i < answer->count && i < 10; i++)
        matches = match_host(spf, answer->records[i].host, width);
    return matches;
}

/* 1: it matches, 0: it does not, -1: it cannot be used, -2: it is not decided here. */
static int match_include(spf_t *spf, const char *domain)
{
    switch (evaluate(spf, domain)) {
    case SPF_PASS:
        return 1;
    case SPF_UNKNOWN:
        return -2;
    case SPF_NONE:
    case SPF_ERROR:
        return -1;
    default:
        return 0;
    }
}

static int match_term(spf_t *spf, const char *domain, zm_str_t name, zm_str_t value, zm_str_t term)
{
    zm_str_t host, rest;
    const char *target;
    uint64_t width;
    if (zm_str_equal_nocase(name, ZM_S("all")))
        return 1;
    if (zm_str_equal_nocase(name, ZM_S("ip4")) || zm_str_equal_nocase(name, ZM_S("ip6")))
        return match_network(spf, value);
    if (zm_str_find(term, '%') >= 0 || zm_str_equal_nocase(name, ZM_S("ptr")) ||
        zm_str_equal_nocase(name, ZM_S("exists")))
        return -2;
    if (++spf->lookups > MOST_LOOKUPS)
        return -1;
    zm_str_cut(value, '/', &host, &rest);
    target = host.length > 0 ? zm_str_c(spf->pool, host) : domain;
    if (zm_str_equal_nocase(name, ZM_S("include")))
        return host.length > 0 ? match_include(spf, target) : -1;
    if (!take_widths(term, spf->ip, &width))
        return -1;
    if (zm_str_equal_nocase(name, ZM_S("a")))
        return match_host(spf, target, width);
    return zm_str_equal_nocase(name, ZM_S("mx")) ? match_mx(spf, target, width) : -1;
}

/* -- records ----------------------------------------------------------------------------------- */

static bool is_record(zm_str_t text)
{
    return zm_str_starts_nocase(text, ZM_S("v=spf1")) && (text.length == 6 || text.data[6] == ' ');
}

/* Takes "-all", "a:host/24", "mx" apart; false: a modifier, "redirect=domain". */
static bool take_apart(zm_str_t term, char *qualifier, zm_str_t *name, zm_str_t *value)
{
    apr_size_t i = 0;
    *qualifier = '+';
    *value = ZM_S("");
    if (term.length > 0 && memchr("+-~?", term.data[0], 4) != NULL) {
        *qualifier = term.data[0];
        term = zm_str_from(term, 1);
    }
    while (i < term.length && memchr(":/=", term.data[i], 3) == NULL)
        i++;
    *name = zm_str_of(term.data, i);
    if (i < term.length && term.data[i] != '/')
        *value = zm_str_from(term, i + 1);
    return i == term.length || term.data[i] != '=';
}

static spf_result_t by_qualifier(char qualifier)
{
    return qualifier == '-'   ? SPF_FAIL
           : qualifier == '~' ? SPF_SOFTFAIL
           : qualifier == '?' ? SPF_NEUTRAL
                              : SPF_PASS;
}

static spf_result_t follow(spf_t *spf, zm_str_t record, const char *domain)
{
    zm_str_t term, name, value, redirect = ZM_S("");
    char qualifier;
    spf_result_t result;
    while (zm_str_word(&record, &term)) {
        int matches;
        if (!take_apart(term, &qualifier, &name, &value)) {
            if (zm_str_equal_nocase(name, ZM_S("redirect")))
                redirect = value;
            continue;
        }
        matches = match_term(spf, domain, name, value, term);
        if (matches < 0)
            return matches == -2 ? SPF_UNKNOWN : SPF_ERROR;
        if (matches > 0)
            return by_qualifier(qualifier);
    }
    if (redirect.length == 0)
        return SPF_NEUTRAL;
    if (zm_str_find(redirect, '%') >= 0)
        return SPF_UNKNOWN;
    if (++spf->lookups > MOST_LOOKUPS)
        return SPF_ERROR;
    result = evaluate(spf, zm_str_c(spf->pool, redirect));
    return result == SPF_NONE ? SPF_ERROR : result;
}

static spf_result_t evaluate(spf_t *spf, const char *domain)
{
    const zm_dns_answer_t *answer = lookup_ask(spf->lookup, ZM_DNS_TXT, domain);
    zm_str_t record = ZM_S("");
    int i, records = 0;
    if (answer->outcome == ZM_DNS_TEMPORARY)
        return SPF_ERROR;
    for (i = 0; answer->outcome == ZM_DNS_FOUND && i < answer->count; i++)
        if (is_record(answer->records[i].text)) {
            record = zm_str_from(answer->records[i].text, 6);
            records++;
        }
    if (records != 1)
        return records == 0 ? SPF_NONE : SPF_ERROR;
    return follow(spf, record, domain);
}

spf_result_t check_spf(lookup_t *lookup, const char *domain, const zm_ip_t *ip, apr_pool_t *pool)
{
    spf_t spf = {lookup, ip, 0, pool};
    return evaluate(&spf, domain);
}
