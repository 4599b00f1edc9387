/* Lists in the domain name service of addresses that are not welcome (RFC 5782).  Zones are asked
 * one after the other; the first that knows the address wins, and tells why. */
#include "mta/smtpserver/policy_parts.h"

#include <apr_strings.h>
#include <string.h>

static void next_zone(policy_lists_t *lists);

/* "+" was a zone that is long gone; "_" begins a text in place of a zone. */
static bool is_zone(zm_str_t word)
{
    return word.length > 0 && !zm_str_equal_c(word, "+") && !zm_str_equal_c(word, "-") &&
           word.data[0] != '_';
}

bool policy_lists_has_zone(zm_str_t zones)
{
    zm_str_t zone;
    while (zones.length > 0) {
        (void)zm_str_cut(zones, ':', &zone, &zones);
        if (is_zone(zone))
            return true;
    }
    return false;
}

static void tell(policy_lists_t *lists)
{
    lists->fn(lists, lists->baton); /* the pool may be gone now */
}

/* One of the two rows of zones is done: a refusal leaves nothing more to ask. */
static void end_row(policy_lists_t *lists)
{
    if (lists->remembering || lists->refused) {
        tell(lists);
        return;
    }
    lists->remembering = true;
    lists->zones = lists->remember_zones;
    next_zone(lists);
}

static void on_text(const zm_dns_answer_t *answer, void *baton)
{
    policy_lists_t *lists = baton;
    char *to = lists->remembering ? lists->remembered : lists->reason;
    if (answer->count > 0)
        apr_cpystrn(to, zm_str_c(lists->pool, answer->records[0].text), POLICY_REASON);
    if (*to == '\0' && (lists->remembering || lists->message.length == 0))
        apr_snprintf(to, POLICY_REASON, "your address is on the list %s", lists->zone);
    end_row(lists);
}

/* 127.0.0.0/24 means that it is listed; other answers are those of zones that are gone. */
static bool is_listed(const zm_dns_answer_t *answer)
{
    int i;
    for (i = 0; i < answer->count; i++)
        if (answer->records[i].ip.family == 4 &&
            memcmp(answer->records[i].ip.bytes, "\x7f\0\0", 3) == 0)
            return true;
    return false;
}

static void on_address(const zm_dns_answer_t *answer, void *baton)
{
    policy_lists_t *lists = baton;
    if (!is_listed(answer)) {
        next_zone(lists);
        return;
    }
    if (!lists->remembering)
        lists->refused = true;
    zm_dns_ask(NULL, lists->dns, ZM_DNS_TXT, zm_str(answer->name), on_text, lists, lists->pool);
}

static void next_zone(policy_lists_t *lists)
{
    zm_str_t zone;
    while (lists->zones.length > 0) {
        (void)zm_str_cut(lists->zones, ':', &zone, &lists->zones);
        if (!is_zone(zone))
            continue;
        lists->zone = zm_str_c(lists->pool, zone);
        zm_dns_ask(NULL, lists->dns, ZM_DNS_A,
                   zm_str(zm_ip_reverse_name(lists->ip, lists->zone, lists->pool)), on_address,
                   lists, lists->pool);
        return;
    }
    end_row(lists);
}

void policy_lists_ask(policy_lists_t *lists)
{
    lists->zones = lists->reject_zones;
    lists->remembering = lists->refused = false;
    lists->reason[0] = lists->remembered[0] = '\0';
    next_zone(lists);
}
