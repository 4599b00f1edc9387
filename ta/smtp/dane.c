#include "ta/smtp/dane.h"

#include <apr_strings.h>
#include <string.h>

/*
 * An exchanger that is an alias has two names at which records may be: where the alias leads to,
 * when DNSSEC proves all of that, and else its own (RFC 7672, 2.2.2).
 *
 *     alias proved to its end    ask at its end; nothing there: ask at its own name
 *     proved only at its start   ask at its own name
 */
typedef struct quest_t {
    const zm_hop_t *hop;
    zm_dns_t *dns;
    zm_dane_fn *fn;
    void *baton;
    apr_pool_t *pool;
    bool at_end; /* asked where the alias leads to */
    zm_dane_t dane;
} quest_t;

static void end(quest_t *quest, zm_dane_state_t state, const char *reason)
{
    quest->dane.state = state;
    quest->dane.reason = reason;
    quest->fn(&quest->dane, quest->baton);
}

static void take_records(quest_t *quest, const zm_dns_answer_t *answer, const char *base)
{
    zm_str_t *records = apr_palloc(quest->pool, sizeof *records * (apr_size_t)answer->count);
    const char **names = apr_pcalloc(quest->pool, sizeof *names * 4);
    int i;
    for (i = 0; i < answer->count; i++)
        records[i] = answer->records[i].text;
    names[0] = quest->hop->domain; /* RFC 7672, 3.2.2 */
    names[1] = quest->hop->name;
    names[2] = base;
    quest->dane.records = (zm_tls_dane_t){base, names, records, answer->count};
}

static void ask_at(quest_t *quest, const char *base);

static void on_records(const zm_dns_answer_t *answer, void *baton)
{
    quest_t *quest = baton;
    const char *base = quest->at_end ? quest->hop->canonical : quest->hop->name;
    if (answer->outcome == ZM_DNS_TEMPORARY)
        end(quest, ZM_DANE_FAILED, answer->reason != NULL ? answer->reason : "no answer");
    else if (answer->outcome == ZM_DNS_FOUND && answer->secure) {
        take_records(quest, answer, base);
        end(quest, ZM_DANE_FOUND, NULL);
    } else if (quest->at_end && strcmp(base, quest->hop->name) != 0) {
        quest->at_end = false;
        ask_at(quest, quest->hop->name);
    } else
        end(quest, ZM_DANE_NONE, NULL);
}

static void ask_at(quest_t *quest, const char *base)
{
    quest->dane.owner = apr_psprintf(quest->pool, "_%u._tcp.%s", quest->hop->to.port, base);
    zm_dns_ask(NULL, quest->dns, ZM_DNS_TLSA, zm_str(quest->dane.owner), on_records, quest,
               quest->pool);
}

/* The end of the alias is not proved; the alias itself may be. */
static void on_alias(const zm_dns_answer_t *answer, void *baton)
{
    quest_t *quest = baton;
    if (answer->outcome == ZM_DNS_TEMPORARY)
        end(quest, ZM_DANE_FAILED, answer->reason != NULL ? answer->reason : "no answer");
    else if (answer->outcome == ZM_DNS_FOUND && answer->secure)
        ask_at(quest, quest->hop->name);
    else
        end(quest, ZM_DANE_NONE, NULL);
}

void zm_dane_find(const zm_hop_t *hop, zm_dns_t *dns, zm_dane_fn *fn, void *baton, apr_pool_t *pool)
{
    quest_t *quest = apr_pcalloc(pool, sizeof *quest);
    quest->hop = hop;
    quest->dns = dns;
    quest->fn = fn;
    quest->baton = baton;
    quest->pool = pool;
    quest->dane.owner = apr_psprintf(pool, "_%u._tcp.%s", hop->to.port, hop->name);
    if (hop->literal || hop->unix_path != NULL || !hop->proved_name || hop->canonical == NULL)
        end(quest, ZM_DANE_NONE, NULL);
    else if (hop->proved_address) {
        quest->at_end = true;
        ask_at(quest, hop->canonical);
    } else if (!zm_str_equal_nocase(zm_str(hop->canonical), zm_str(hop->name)))
        zm_dns_ask(NULL, dns, ZM_DNS_CNAME, zm_str(hop->name), on_alias, quest, pool);
    else
        end(quest, ZM_DANE_NONE, NULL);
}
