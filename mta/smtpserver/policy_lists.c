/*
 * Lists in the domain name service of addresses that are not welcome (RFC 5782).  All zones are
 * asked at once.  The first that knows the address wins, and tells why.  Those that have not
 * answered when the time is over list nobody: a zone that is gone must not keep clients waiting.
 */
#include "mta/smtpserver/policy_parts.h"

#include <apr_strings.h>
#include <string.h>

#define PATIENCE apr_time_from_sec(5) /* in all */

struct policy_zone_t {
    policy_lists_t *lists;
    const char *name;
    const char *listed; /* what its text is asked by; null: the address is not on it */
    bool remember;      /* it is one of remember_zones */
    policy_zone_t *next;
};

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

/* -- what comes of it ------------------------------------------------------------------------ */

static void choose(policy_lists_t *lists);

/* One of the two rows of zones is done: a refusal leaves nothing more to ask. */
static void end_row(policy_lists_t *lists)
{
    if (!lists->remembering && !lists->refused) {
        lists->remembering = true;
        choose(lists);
        return;
    }
    zm_timer_cancel(&lists->timer);
    lists->fn(lists, lists->baton); /* the pool may be gone now */
}

/* text: of the zone that was chosen; "" when it has none, or has it too late. */
static void take_text(policy_lists_t *lists, zm_str_t text)
{
    char *to = lists->remembering ? lists->remembered : lists->reason;
    apr_cpystrn(to, zm_str_c(lists->pool, text), POLICY_REASON);
    if (*to == '\0' && (lists->remembering || lists->message.length == 0))
        apr_snprintf(to, POLICY_REASON, "your address is on the list %s", lists->chosen->name);
    end_row(lists);
}

static void on_text(const zm_dns_answer_t *answer, void *baton)
{
    take_text(baton, answer->count > 0 ? answer->records[0].text : ZM_S(""));
}

/* The first zone of the row on which the address is. */
static void choose(policy_lists_t *lists)
{
    policy_zone_t *zone = lists->first;
    while (zone != NULL && (zone->listed == NULL || zone->remember != lists->remembering))
        zone = zone->next;
    lists->chosen = zone;
    if (zone == NULL) {
        end_row(lists);
        return;
    }
    lists->refused |= !zone->remember;
    if (lists->late)
        take_text(lists, ZM_S(""));
    else
        zm_dns_ask(NULL, lists->dns, ZM_DNS_TXT, zm_str(zone->listed), on_text, lists,
                   lists->asking);
}

/* -- asking ------------------------------------------------------------------------------------ */

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
    policy_zone_t *zone = baton;
    policy_lists_t *lists = zone->lists;
    lists->waiting--;
    if (lists->refused)
        return;
    if (is_listed(answer))
        zone->listed = apr_pstrdup(lists->pool, answer->name);
    if (lists->waiting == 0 || (zone->listed != NULL && !zone->remember))
        choose(lists);
}

static void on_late(zm_timer_t *timer, void *baton)
{
    policy_lists_t *lists = baton;
    (void)timer;
    lists->late = true;
    apr_pool_destroy(lists->asking);
    if (lists->chosen != NULL)
        take_text(lists, ZM_S(""));
    else
        choose(lists);
}

static apr_status_t forget_timer(void *data)
{
    zm_timer_cancel(&((policy_lists_t *)data)->timer);
    return APR_SUCCESS;
}

static void ask(policy_lists_t *lists, zm_str_t zones, bool remember)
{
    zm_str_t word;
    while (zones.length > 0) {
        policy_zone_t *zone;
        (void)zm_str_cut(zones, ':', &word, &zones);
        if (!is_zone(word))
            continue;
        zone = apr_pcalloc(lists->pool, sizeof *zone);
        zone->lists = lists;
        zone->name = zm_str_c(lists->pool, word);
        zone->remember = remember;
        *lists->end = zone;
        lists->end = &zone->next;
        lists->waiting++;
        zm_dns_ask(NULL, lists->dns, ZM_DNS_A,
                   zm_str(zm_ip_reverse_name(lists->ip, zone->name, lists->pool)), on_address, zone,
                   lists->asking);
    }
}

void policy_lists_ask(policy_lists_t *lists)
{
    lists->remembering = lists->refused = lists->late = false;
    lists->reason[0] = lists->remembered[0] = '\0';
    lists->waiting = 0;
    lists->first = lists->chosen = NULL;
    lists->end = &lists->first;
    apr_pool_create(&lists->asking, lists->pool);
    zm_timer_init(&lists->timer, lists->loop, on_late, lists);
    zm_timer_set(&lists->timer, PATIENCE);
    apr_pool_cleanup_register(lists->pool, lists, forget_timer, apr_pool_cleanup_null);
    ask(lists, lists->reject_zones, false);
    ask(lists, lists->remember_zones, true);
}
