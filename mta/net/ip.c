#include "mta/net/ip.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

static int ip_width(const zm_ip_t *ip)
{
    return ip->family == 4 ? 32 : ip->family == 6 ? 128 : 0;
}

/* -- reading ------------------------------------------------------------------ */

/* Four decimal octets; leading zeros are refused, because some take them for octal. */
static bool parse_v4(uint8_t *bytes, zm_str_t text)
{
    apr_size_t at = 0;
    int octet;
    for (octet = 0; octet < 4; octet++) {
        unsigned value = 0;
        apr_size_t start;
        if (octet > 0 && (at >= text.length || text.data[at++] != '.'))
            return false;
        start = at;
        while (at < text.length && zm_is_digit(text.data[at]) && at - start < 3)
            value = value * 10 + (unsigned)(text.data[at++] - '0');
        if (at == start || value > 255 || (at - start > 1 && text.data[start] == '0'))
            return false;
        bytes[octet] = (uint8_t)value;
    }
    return at == text.length;
}

static int hex_digit(char c)
{
    if (zm_is_digit(c))
        return c - '0';
    c = (char)zm_to_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One group of up to four hex digits at *at; false when there is none. */
static bool parse_group(zm_str_t text, apr_size_t *at, unsigned *value)
{
    apr_size_t start = *at;
    *value = 0;
    while (*at < text.length && *at - start < 4 && hex_digit(text.data[*at]) >= 0)
        *value = *value << 4 | (unsigned)hex_digit(text.data[(*at)++]);
    return *at > start;
}

/* Fills bytes up to *used; *gap is where "::" stood, or -1. */
static bool parse_groups(uint8_t *bytes, zm_str_t text, int *used, int *gap)
{
    apr_size_t at = 0;
    *used = 0;
    *gap = -1;
    if (text.length >= 2 && text.data[0] == ':' && text.data[1] == ':') {
        *gap = 0;
        at = 2;
    }
    while (at < text.length) {
        apr_size_t group = at;
        unsigned value;
        if (*used > 14 || !parse_group(text, &at, &value))
            return false;
        if (at < text.length && text.data[at] == '.') {
            bool tail = *used <= 12 && parse_v4(bytes + *used, zm_str_from(text, group));
            *used += 4;
            return tail;
        }
        bytes[(*used)++] = (uint8_t)(value >> 8);
        bytes[(*used)++] = (uint8_t)value;
        if (at == text.length)
            return true;
        if (text.data[at++] != ':' || at == text.length)
            return false;
        if (text.data[at] == ':') {
            if (*gap >= 0)
                return false;
            *gap = *used;
            at++;
        }
    }
    return true;
}

static bool parse_v6(uint8_t *bytes, zm_str_t text)
{
    int used, gap;
    if (!parse_groups(bytes, text, &used, &gap))
        return false;
    if (gap < 0)
        return used == 16;
    if (used > 14)
        return false;
    memmove(bytes + 16 - (used - gap), bytes + gap, (apr_size_t)(used - gap));
    memset(bytes + gap, 0, (apr_size_t)(16 - used));
    return true;
}

/* ::ffff:a.b.c.d is the IPv4 address a.b.c.d. */
static void unmap(zm_ip_t *ip)
{
    static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (ip->family != 6 || memcmp(ip->bytes, prefix, sizeof prefix) != 0)
        return;
    ip->family = 4;
    memcpy(ip->bytes, ip->bytes + 12, 4);
    memset(ip->bytes + 4, 0, 12);
}

apr_status_t zm_ip_parse(zm_ip_t *ip, zm_str_t text)
{
    zm_ip_t result = {0, {0}};
    if (parse_v4(result.bytes, text)) {
        result.family = 4;
    } else {
        memset(result.bytes, 0, sizeof result.bytes);
        if (!parse_v6(result.bytes, text))
            return ZM_E_SYNTAX;
        result.family = 6;
        unmap(&result);
    }
    *ip = result;
    return APR_SUCCESS;
}

/* What stands between the brackets: with the tag only IPv6, and IPv6 only with it if so asked. */
static apr_status_t parse_tagged(zm_ip_t *ip, zm_str_t text, bool strict)
{
    bool tagged = zm_str_starts_nocase(text, ZM_S("IPv6:"));
    if (tagged)
        text = zm_str_from(text, 5);
    if (strict || tagged) {
        bool colon = zm_str_find(text, ':') >= 0;
        if (colon != tagged)
            return ZM_E_SYNTAX;
    }
    return zm_ip_parse(ip, text);
}

apr_status_t zm_ip_parse_literal(zm_ip_t *ip, zm_str_t text)
{
    if (text.length < 2 || text.data[0] != '[' || text.data[text.length - 1] != ']')
        return ZM_E_SYNTAX;
    return parse_tagged(ip, zm_str_of(text.data + 1, text.length - 2), true);
}

static apr_status_t parse_port(uint16_t *port, zm_str_t text)
{
    uint64_t value;
    if (zm_str_u64(text, &value) != APR_SUCCESS || value > 65535)
        return ZM_E_SYNTAX;
    *port = (uint16_t)value;
    return APR_SUCCESS;
}

/* Splits "[ADDRESS]", "ADDRESS" or "*" from what follows, which is empty or begins at its
 * separator. */
static apr_status_t split_endpoint(zm_str_t text, zm_str_t *address, zm_str_t *rest)
{
    apr_size_t end = 0;
    if (text.length != 0 && text.data[0] == '[') {
        apr_ssize_t close = zm_str_find(text, ']');
        if (close < 0)
            return ZM_E_SYNTAX;
        *address = zm_str_of(text.data + 1, (apr_size_t)close - 1);
        end = (apr_size_t)close + 1;
    } else {
        apr_ssize_t first = zm_str_find(text, ':');
        bool one_colon = first >= 0 && zm_str_find(zm_str_of(text.data + first + 1,
                                                             text.length - (apr_size_t)first - 1),
                                                   ':') < 0;
        while (end < text.length && text.data[end] != ',' && !zm_is_blank(text.data[end]) &&
               !(one_colon && text.data[end] == ':'))
            end++;
        *address = zm_str_of(text.data, end);
    }
    *rest = zm_str_from(text, end);
    return APR_SUCCESS;
}

apr_status_t zm_endpoint_parse(zm_endpoint_t *endpoint, zm_str_t text, uint16_t default_port)
{
    zm_endpoint_t result = {{0, {0}}, default_port};
    zm_str_t address, rest;
    apr_status_t status = split_endpoint(zm_str_trim(text), &address, &rest);
    if (status != APR_SUCCESS)
        return status;
    if (!zm_str_equal_c(address, "*"))
        status = parse_tagged(&result.ip, address, false);
    if (status == APR_SUCCESS && rest.length != 0) {
        if (rest.data[0] != ':' && rest.data[0] != ',' && !zm_is_blank(rest.data[0]))
            return ZM_E_SYNTAX;
        status = parse_port(&result.port, zm_str_trim(zm_str_from(rest, 1)));
    }
    if (status == APR_SUCCESS)
        *endpoint = result;
    return status;
}

/* The first `width` bits of both are the same. */
static bool same_bits(const uint8_t *a, const uint8_t *b, int width)
{
    int whole = width / 8, rest = width % 8;
    return memcmp(a, b, (apr_size_t)whole) == 0 &&
           (rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0);
}

apr_status_t zm_network_parse(zm_network_t *network, zm_str_t text)
{
    zm_network_t result;
    zm_str_t address, width;
    zm_ip_t base;
    uint64_t bits;
    bool slash = zm_str_cut(text, '/', &address, &width);
    int i;
    if (zm_ip_parse(&result.ip, address) != APR_SUCCESS)
        return ZM_E_SYNTAX;
    bits = (uint64_t)ip_width(&result.ip);
    if (slash && (zm_str_u64(width, &bits) != APR_SUCCESS || bits > (uint64_t)ip_width(&result.ip)))
        return ZM_E_SYNTAX;
    result.width = (uint8_t)bits;
    base = result.ip;
    for (i = result.width; i < ip_width(&base); i++)
        base.bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
    if (!zm_ip_equal(&base, &result.ip))
        return ZM_E_SYNTAX;
    *network = result;
    return APR_SUCCESS;
}

/* -- printing ----------------------------------------------------------------- */

/* The longest run of at least two zero groups, the first of equals (RFC 5952, 4.2). */
static int longest_gap(const unsigned *groups, int *length)
{
    int i, best = -1, run = 0;
    *length = 1;
    for (i = 0; i < 8; i++) {
        run = groups[i] == 0 ? run + 1 : 0;
        if (run > *length) {
            *length = run;
            best = i - run + 1;
        }
    }
    return best;
}

static void print_v6(const uint8_t *bytes, char *buffer)
{
    unsigned groups[8];
    int i, gap, gap_length;
    char *at = buffer;
    for (i = 0; i < 8; i++)
        groups[i] = (unsigned)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
    gap = longest_gap(groups, &gap_length);
    for (i = 0; i < 8; i++) {
        if (i == gap) {
            at += snprintf(at, 3, "::");
            i += gap_length - 1;
            continue;
        }
        at += snprintf(at, 6, i == 0 || i == gap + gap_length ? "%x" : ":%x", groups[i]);
    }
}

const char *zm_ip_print(const zm_ip_t *ip, char *buffer)
{
    const uint8_t *b = ip->bytes;
    if (ip->family == 4)
        snprintf(buffer, ZM_IP_TEXT, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
    else if (ip->family == 6)
        print_v6(b, buffer);
    else
        memcpy(buffer, "*", 2);
    return buffer;
}

const char *zm_ip_print_literal(const zm_ip_t *ip, char *buffer)
{
    char plain[ZM_IP_TEXT];
    snprintf(buffer, ZM_IP_TEXT, ip->family == 6 ? "[IPv6:%.48s]" : "[%.48s]",
             zm_ip_print(ip, plain));
    return buffer;
}

const char *zm_endpoint_print(const zm_endpoint_t *endpoint, char *buffer)
{
    char plain[ZM_IP_TEXT];
    snprintf(buffer, ZM_IP_TEXT, endpoint->ip.family == 6 ? "[%.48s]:%u" : "%.48s:%u",
             zm_ip_print(&endpoint->ip, plain), (unsigned)endpoint->port);
    return buffer;
}

/* -- judging ------------------------------------------------------------------ */

bool zm_ip_equal(const zm_ip_t *a, const zm_ip_t *b)
{
    return a->family == b->family && same_bits(a->bytes, b->bytes, ip_width(a));
}

bool zm_network_contains(const zm_network_t *network, const zm_ip_t *ip)
{
    return network->ip.family == ip->family &&
           same_bits(network->ip.bytes, ip->bytes, network->width);
}

bool zm_ip_is_loopback(const zm_ip_t *ip)
{
    static const uint8_t one[16] = {[15] = 1};
    return ip->family == 4 ? ip->bytes[0] == 127
                           : ip->family == 6 && memcmp(ip->bytes, one, sizeof one) == 0;
}

bool zm_ip_is_unspecified(const zm_ip_t *ip)
{
    static const uint8_t none[16] = {0};
    return ip->family == 4 ? ip->bytes[0] == 0 : memcmp(ip->bytes, none, sizeof none) == 0;
}

bool zm_ip_is_multicast(const zm_ip_t *ip)
{
    return ip->family == 4 ? ip->bytes[0] >= 224 : ip->family == 6 && ip->bytes[0] == 0xff;
}

const char *zm_ip_reverse_name(const zm_ip_t *ip, const char *suffix, apr_pool_t *pool)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = ip->bytes;
    char nibbles[64 + 1];
    int i;
    if (ip->family == 4)
        return apr_psprintf(pool, "%u.%u.%u.%u.%s", b[3], b[2], b[1], b[0],
                            suffix != NULL ? suffix : "in-addr.arpa");
    for (i = 0; i < 16; i++) {
        nibbles[4 * i] = digits[b[15 - i] & 15];
        nibbles[4 * i + 2] = digits[b[15 - i] >> 4];
        nibbles[4 * i + 1] = nibbles[4 * i + 3] = '.';
    }
    nibbles[64] = '\0';
    return apr_pstrcat(pool, nibbles, suffix != NULL ? suffix : "ip6.arpa", NULL);
}

/* -- APR's form --------------------------------------------------------------- */

zm_endpoint_t zm_endpoint_of(const apr_sockaddr_t *address)
{
    zm_endpoint_t endpoint = {{0, {0}}, 0};
    if (address == NULL || (address->family != APR_INET && address->family != APR_INET6))
        return endpoint;
    endpoint.port = address->port;
    if (address->family == APR_INET) {
        endpoint.ip.family = 4;
        memcpy(endpoint.ip.bytes, &address->sa.sin.sin_addr, 4);
        return endpoint;
    }
#if APR_HAVE_IPV6
    endpoint.ip.family = 6;
    memcpy(endpoint.ip.bytes, &address->sa.sin6.sin6_addr, 16);
    unmap(&endpoint.ip);
#endif
    return endpoint;
}

/*
 * Filled in here: apr_sockaddr_info_get would take even a numeric address through the resolver of
 * the system, on a path that is taken for each connection.
 */
apr_sockaddr_t *zm_endpoint_sockaddr(const zm_endpoint_t *endpoint, bool ipv6, apr_pool_t *pool)
{
    apr_sockaddr_t *made = apr_pcalloc(pool, sizeof *made);
    made->pool = pool;
    made->port = endpoint->port;
#if APR_HAVE_IPV6
    if (endpoint->ip.family == 6 || (endpoint->ip.family == 0 && ipv6)) {
        made->family = APR_INET6;
        made->salen = sizeof made->sa.sin6;
        made->ipaddr_len = 16;
        made->addr_str_len = 46;
        made->ipaddr_ptr = &made->sa.sin6.sin6_addr;
        made->sa.sin6.sin6_family = APR_INET6;
        made->sa.sin6.sin6_port = htons(endpoint->port);
        memcpy(made->ipaddr_ptr, endpoint->ip.bytes, 16);
        return made;
    }
#endif
    made->family = APR_INET;
    made->salen = sizeof made->sa.sin;
    made->ipaddr_len = 4;
    made->addr_str_len = 16;
    made->ipaddr_ptr = &made->sa.sin.sin_addr;
    made->sa.sin.sin_family = APR_INET;
    made->sa.sin.sin_port = htons(endpoint->port);
    memcpy(made->ipaddr_ptr, endpoint->ip.bytes, 4);
    return made;
}
