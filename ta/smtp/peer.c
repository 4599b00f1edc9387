#include "ta/smtp/peer.h"

#include <stdio.h>
#include <string.h>

#define RCPTS 100
#define RCPTS_LEAST 10
#define RCPTS_MOST 100000

void zm_peer_reset(zm_peer_t *peer)
{
    peer->esmtp = peer->eight_bit_mime = peer->dsn = peer->enhanced = false;
    peer->pipelining = peer->size = peer->smtputf8 = peer->starttls = peer->deliver_by = false;
    peer->auth = peer->chunking = false;
    peer->require_tls = false;
    peer->mechanisms = 0;
    peer->by_minimum = 0;
    peer->size_limit = 0;
    peer->rcpt_limit = RCPTS;
}

static void set_rcpt_limit(zm_peer_t *peer, zm_str_t number, int least)
{
    uint64_t value;
    if (zm_str_u64(number, &value) != APR_SUCCESS || value == 0)
        return;
    peer->rcpt_limit = value < (uint64_t)least ? least
                       : value > RCPTS_MOST    ? RCPTS_MOST
                                               : (int)value;
}

/* "AUTH PLAIN LOGIN", and "AUTH=PLAIN LOGIN" of another time. */
static void add_mechanisms(zm_peer_t *peer, zm_str_t word, zm_str_t rest)
{
    static const char *const names[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"};
    zm_str_t name = word.length > 5 ? zm_str_from(word, 5) : ZM_S("");
    int i;
    peer->auth = true;
    do {
        for (i = 0; i < ZM_PEER_MECHANISMS; i++)
            if (zm_str_equal_nocase(name, zm_str(names[i])))
                peer->mechanisms |= 1u << i;
    } while (zm_str_word(&rest, &name));
}

void zm_peer_keyword(zm_peer_t *peer, zm_str_t line)
{
    zm_str_t word, parameter = {"", 0}, name, value;
    if (!zm_str_word(&line, &word))
        return;
    if (zm_str_equal_nocase(word, ZM_S("8BITMIME")))
        peer->eight_bit_mime = true;
    else if (zm_str_equal_nocase(word, ZM_S("DSN")))
        peer->dsn = true;
    else if (zm_str_equal_nocase(word, ZM_S("ENHANCEDSTATUSCODES")))
        peer->enhanced = true;
    else if (zm_str_equal_nocase(word, ZM_S("PIPELINING")))
        peer->pipelining = true;
    else if (zm_str_equal_nocase(word, ZM_S("SMTPUTF8")))
        peer->smtputf8 = true;
    else if (zm_str_equal_nocase(word, ZM_S("CHUNKING")))
        peer->chunking = true;
    else if (zm_str_equal_nocase(word, ZM_S("AUTH")) || zm_str_starts_nocase(word, ZM_S("AUTH=")))
        add_mechanisms(peer, word, line);
    else if (zm_str_equal_nocase(word, ZM_S("REQUIRETLS")))
        peer->require_tls = true;
    else if (zm_str_equal_nocase(word, ZM_S("STARTTLS")))
        peer->starttls = true;
    else if (zm_str_equal_nocase(word, ZM_S("SIZE"))) {
        peer->size = true;
        if (zm_str_word(&line, &parameter) &&
            zm_str_u64(parameter, &peer->size_limit) != APR_SUCCESS)
            peer->size_limit = 0;
    } else if (zm_str_equal_nocase(word, ZM_S("DELIVERBY"))) {
        peer->deliver_by = true;
        if (zm_str_word(&line, &parameter) &&
            (zm_str_i64(parameter, &peer->by_minimum) != APR_SUCCESS || peer->by_minimum < 0))
            peer->by_minimum = 0;
    } else if (zm_str_equal_nocase(word, ZM_S("X-RCPTLIMIT"))) {
        if (zm_str_word(&line, &parameter))
            set_rcpt_limit(peer, parameter, RCPTS_LEAST);
    } else if (zm_str_equal_nocase(word, ZM_S("LIMITS"))) /* RFC 9422 */
        while (zm_str_word(&line, &parameter))
            if (zm_str_cut(parameter, '=', &name, &value) &&
                zm_str_equal_nocase(name, ZM_S("RCPTMAX")))
                set_rcpt_limit(peer, value, 1);
}

static void print_end(char *out, apr_size_t size, const zm_endpoint_t *end)
{
    char text[ZM_IP_TEXT];
    snprintf(out, size, "%s%s|%u", end->ip.family == 6 ? "ipv6 " : "", zm_ip_print(&end->ip, text),
             end->port);
}

void zm_peer_name(zm_peer_t *peer, const char *name, bool literal, const zm_endpoint_t *remote,
                  const zm_endpoint_t *local)
{
    char there[2 * ZM_IP_TEXT] = "", here[2 * ZM_IP_TEXT] = "|";
    if (remote->ip.family != 0)
        print_end(there, sizeof there, remote);
    if (local->ip.family != 0)
        print_end(here, sizeof here, local);
    snprintf(peer->remote, sizeof peer->remote, "%s; %.250s", literal ? "X-IP-addr" : "dns", name);
    if (remote->ip.family == 0)
        peer->address[0] = '\0';
    else
        snprintf(peer->address, sizeof peer->address, "%s|%s", there, here);
}
