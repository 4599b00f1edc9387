/*
 * The resolver.  A query (one call of zm_dns_ask) looks a name up; when nothing is remembered it
 * joins the flight for that question: the one exchange with the servers that all queries for it
 * share.  What an alias leads to is looked up in turn.
 *
 *     ask --> answered here (cache, localhost, no name) --> told in the next round
 *         \-> flight --> reply --> read for each query --> told, or an alias: look up again
 *
 * A query lives in its caller's pool and is always on one list: that of its flight, or that of
 * the queries to be told; so it can be taken away at any time.
 */
#include "mta/net/dns.h"

#include <apr_env.h>
#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "mta/net/dns_cache.h"
#include "mta/net/dns_channel.h"
#include "mta/net/dns_message.h"
#include "mta/net/dns_trust.h"

#define MOST_ALIAS_QUESTIONS 3
#define LONGEST_NEGATIVE 3600 /* seconds */
#define FLIGHT_BUCKETS 256

typedef struct flight_t flight_t;

struct zm_dns_query_t {
    zm_dns_t *dns;
    apr_pool_t *pool;
    zm_dns_fn *fn;
    void *baton;
    zm_dns_query_t **list, *next, *previous; /* the list that it is on; null: none */
    zm_dns_answer_t answer;
    const char *asking; /* the name that is looked up now: an alias led to it from answer.name */
    int alias_questions;
    uint32_t ttl; /* what the aliases so far allow */
    bool doubt;   /* one of the replies that led here was not proved */
};

struct flight_t {
    zm_dns_t *dns;
    flight_t *chain;
    zm_dns_query_t *queries;
    zm_timer_t timer; /* tells a failure that came before zm_dns_ask returned */
    bool starting;
    const char *reason;
    zm_dns_outcome_t outcome;
    zm_dns_type_t type;
    char name[];
};

struct zm_dns_t {
    zm_loop_t *loop;
    zm_dns_channel_t *channel;
    zm_dns_cache_t *cache;
    uint32_t cache_max; /* seconds */
    zm_dns_query_t *to_tell;
    zm_timer_t tell;
    bool trusted; /* what the servers say of DNSSEC is believed */
    flight_t *flights[FLIGHT_BUCKETS];
};

static void look_up(zm_dns_query_t *query);

/* -- lists -------------------------------------------------------------------- */

static void leave_list(zm_dns_query_t *query)
{
    if (query->list == NULL)
        return;
    if (query->previous != NULL)
        query->previous->next = query->next;
    else
        *query->list = query->next;
    if (query->next != NULL)
        query->next->previous = query->previous;
    query->list = NULL;
}

static void join_list(zm_dns_query_t *query, zm_dns_query_t **list)
{
    leave_list(query);
    query->list = list;
    query->previous = NULL;
    query->next = *list;
    if (query->next != NULL)
        query->next->previous = query;
    *list = query;
}

static apr_status_t drop_query(void *data)
{
    leave_list(data);
    return APR_SUCCESS;
}

void zm_dns_cancel(zm_dns_query_t *query)
{
    apr_pool_cleanup_run(query->pool, query, drop_query);
}

/* -- telling ------------------------------------------------------------------ */

static void tell(zm_dns_query_t *query)
{
    apr_pool_cleanup_run(query->pool, query, drop_query);
    query->fn(&query->answer, query->baton); /* the pool, and the query with it, may be gone now */
}

static void tell_next_round(zm_dns_query_t *query)
{
    join_list(query, &query->dns->to_tell);
    zm_timer_set(&query->dns->tell, 0);
}

/* Only those that are on the list now: one added meanwhile waits for its own round. */
static void on_tell(zm_timer_t *timer, void *baton)
{
    zm_dns_t *dns = baton;
    zm_dns_query_t *query, *batch = NULL;
    (void)timer;
    while ((query = dns->to_tell) != NULL)
        join_list(query, &batch);
    while ((query = batch) != NULL)
        tell(query);
}

static void conclude(zm_dns_query_t *query, zm_dns_outcome_t outcome, const char *reason)
{
    query->answer.outcome = outcome;
    query->answer.reason = reason;
    query->answer.count = 0;
    query->answer.ttl = 0;
    query->answer.secure = false;
}

/* -- what a reply means --------------------------------------------------------- */

static void grow_old(zm_dns_answer_t *answer, uint32_t age)
{
    int i;
    answer->ttl -= answer->ttl < age ? answer->ttl : age;
    for (i = 0; i < answer->count; i++) {
        uint32_t *ttl = &answer->records[i].ttl;
        *ttl -= *ttl < age ? *ttl : age;
    }
}

/*
 * Reads a reply for a query.  False: the query goes on with the name that an alias leads to.
 * *keep is how long the reply may be remembered.
 */
static bool understand(zm_dns_query_t *query, zm_str_t message, uint32_t age, uint32_t *keep)
{
    zm_dns_answer_t *answer = &query->answer;
    bool more_alias;
    zm_dns_message_read(answer, &more_alias, query->asking, message, query->pool);
    query->doubt |= !answer->secure || !query->dns->trusted;
    answer->secure = !query->doubt;
    *keep = answer->ttl;
    grow_old(answer, age);
    if (answer->ttl > query->ttl)
        answer->ttl = query->ttl;
    query->ttl = answer->ttl;
    if (!more_alias)
        return true;
    if (++query->alias_questions > MOST_ALIAS_QUESTIONS) {
        conclude(query, ZM_DNS_NO_NAME, NULL);
        answer->alias_loop = true;
        return true;
    }
    query->asking = answer->canonical;
    return false;
}

/* -- flights ------------------------------------------------------------------ */

static uint32_t bucket_of(zm_dns_type_t type, const char *name)
{
    return (zm_hash(name, strlen(name)) + (uint32_t)type) % FLIGHT_BUCKETS;
}

static flight_t *find_flight(zm_dns_t *dns, zm_dns_type_t type, const char *name)
{
    flight_t *flight = dns->flights[bucket_of(type, name)];
    while (flight != NULL && (flight->type != type || strcmp(flight->name, name) != 0))
        flight = flight->chain;
    return flight;
}

static void remove_flight(flight_t *flight)
{
    flight_t **link = &flight->dns->flights[bucket_of(flight->type, flight->name)];
    while (*link != flight)
        link = &(*link)->chain;
    *link = flight->chain;
}

static void remember(flight_t *flight, zm_dns_outcome_t outcome, zm_str_t message, uint32_t keep)
{
    zm_dns_t *dns = flight->dns;
    uint32_t most = outcome == ZM_DNS_FOUND ? dns->cache_max : LONGEST_NEGATIVE;
    if (most > dns->cache_max)
        most = dns->cache_max;
    zm_dns_cache_keep(dns->cache, flight->type, flight->name, message, keep < most ? keep : most);
}

/* Serves all queries of a flight that has its reply, and ends it. */
static void land(flight_t *flight, zm_dns_outcome_t outcome, const char *reason, zm_str_t message)
{
    zm_dns_query_t *query;
    bool readable = outcome != ZM_DNS_TEMPORARY && message.length != 0;
    bool first = true;
    remove_flight(flight); /* a question asked by a callback below takes off anew */
    while ((query = flight->queries) != NULL) {
        uint32_t keep = 0;
        bool done = true;
        if (readable)
            done = understand(query, message, 0, &keep);
        else
            conclude(query, outcome, reason);
        if (first && readable && query->answer.outcome != ZM_DNS_TEMPORARY)
            remember(flight, query->answer.outcome, message, keep);
        first = false;
        leave_list(query);
        if (done)
            tell(query);
        else
            look_up(query);
    }
    free(flight);
}

static void on_flight_timer(zm_timer_t *timer, void *baton)
{
    flight_t *flight = baton;
    (void)timer;
    land(flight, flight->outcome, flight->reason, zm_str_of("", 0));
}

/* A reply before the ask returned can only be a failure: nothing was exchanged yet. */
static void on_reply(void *baton, zm_dns_outcome_t outcome, const char *reason, zm_str_t message)
{
    flight_t *flight = baton;
    if (!flight->starting) {
        land(flight, outcome, reason, message);
        return;
    }
    flight->outcome = outcome;
    flight->reason = reason;
    zm_timer_set(&flight->timer, 0);
}

static void take_off(zm_dns_query_t *query)
{
    zm_dns_t *dns = query->dns;
    apr_size_t size = strlen(query->asking) + 1;
    flight_t *flight = calloc(1, sizeof *flight + size);
    flight_t **bucket = &dns->flights[bucket_of(query->answer.type, query->asking)];
    if (flight == NULL) {
        conclude(query, ZM_DNS_TEMPORARY, "out of memory");
        tell_next_round(query);
        return;
    }
    flight->dns = dns;
    flight->type = query->answer.type;
    memcpy(flight->name, query->asking, size);
    zm_timer_init(&flight->timer, dns->loop, on_flight_timer, flight);
    flight->chain = *bucket;
    *bucket = flight;
    join_list(query, &flight->queries);
    flight->starting = true;
    zm_dns_channel_ask(dns->channel, flight->type, flight->name, on_reply, flight);
    flight->starting = false;
}

/* -- asking ------------------------------------------------------------------- */

/* A name that can be asked for: labels of 1 to 63 printable bytes, no more than 253 in all. */
static bool is_name(zm_str_t name)
{
    apr_size_t i, label = 0;
    if (name.length == 0 || name.length > 253)
        return false;
    for (i = 0; i < name.length; i++) {
        unsigned char c = (unsigned char)name.data[i];
        if (c <= ' ' || c > '~' || c == '\\')
            return false;
        if (c != '.' && ++label > 63)
            return false;
        if (c == '.' && label == 0)
            return false;
        if (c == '.')
            label = 0;
    }
    return label > 0;
}

static bool is_localhost(zm_str_t name)
{
    return zm_str_equal_nocase(name, ZM_S("localhost")) ||
           zm_str_ends_nocase(name, ZM_S(".localhost"));
}

static void answer_localhost(zm_dns_query_t *query)
{
    zm_dns_answer_t *answer = &query->answer;
    conclude(query, ZM_DNS_NO_DATA, NULL);
    answer->ttl = query->dns->cache_max;
    if (answer->type != ZM_DNS_A && answer->type != ZM_DNS_AAAA)
        return;
    answer->outcome = ZM_DNS_FOUND;
    answer->count = 1;
    answer->records = apr_pcalloc(query->pool, sizeof *answer->records);
    answer->records->ttl = answer->ttl;
    (void)zm_ip_parse(&answer->records->ip, zm_str(answer->type == ZM_DNS_A ? "127.0.0.1" : "::1"));
}

/* Looks up query->asking: from what is known here, or from the servers. */
static void look_up(zm_dns_query_t *query)
{
    zm_dns_t *dns = query->dns;
    zm_str_t message;
    uint32_t age, keep;
    query->asking = zm_str_lower(query->pool, zm_str(query->asking)).data;
    while (zm_dns_cache_find(dns->cache, query->answer.type, query->asking, &message, &age)) {
        if (understand(query, message, age, &keep)) {
            tell_next_round(query);
            return;
        }
        query->asking = zm_str_lower(query->pool, zm_str(query->asking)).data;
    }
    {
        flight_t *flight = find_flight(dns, query->answer.type, query->asking);
        if (flight != NULL)
            join_list(query, &flight->queries);
        else
            take_off(query);
    }
}

void zm_dns_ask(zm_dns_query_t **query, zm_dns_t *dns, zm_dns_type_t type, zm_str_t name,
                zm_dns_fn *fn, void *baton, apr_pool_t *pool)
{
    zm_dns_query_t *made = apr_pcalloc(pool, sizeof *made);
    if (name.length != 0 && name.data[name.length - 1] == '.')
        name.length--;
    made->dns = dns;
    made->pool = pool;
    made->fn = fn;
    made->baton = baton;
    made->ttl = UINT32_MAX;
    made->answer.type = type;
    made->answer.name = made->asking = zm_str_lower(pool, name).data;
    made->answer.canonical = made->asking;
    apr_pool_cleanup_register(pool, made, drop_query, apr_pool_cleanup_null);
    if (query != NULL)
        *query = made;
    if (!is_name(name)) {
        conclude(made, ZM_DNS_NO_NAME, NULL);
        tell_next_round(made);
    } else if (is_localhost(name)) {
        answer_localhost(made);
        tell_next_round(made);
    } else {
        look_up(made);
    }
}

/* -- making ------------------------------------------------------------------- */

static void fill_in_defaults(zm_dns_options_t *options, apr_pool_t *pool)
{
    char *value;
    if (options->servers == NULL && apr_env_get(&value, "RESOLVER", pool) == APR_SUCCESS &&
        *value != '\0')
        options->servers = value;
    if (options->timeout == 0)
        options->timeout = apr_time_from_sec(3);
    if (options->tries == 0)
        options->tries = 3;
    if (options->cache_entries == 0)
        options->cache_entries = 1000;
    if (options->cache_max == 0)
        options->cache_max = apr_time_from_sec(86400);
}

apr_status_t zm_dns_create(zm_dns_t **dns, zm_loop_t *loop, const zm_dns_options_t *options,
                           zm_error_t *error)
{
    zm_dns_options_t chosen = {0};
    apr_pool_t *scratch;
    apr_status_t status;
    bool trusted = false;
    zm_dns_t *made = calloc(1, sizeof *made);
    if (made == NULL)
        return APR_ENOMEM;
    if (options != NULL)
        chosen = *options;
    status = apr_pool_create(&scratch, zm_loop_pool(loop));
    if (status == APR_SUCCESS) {
        fill_in_defaults(&chosen, scratch);
        status = zm_dns_channel_create(&made->channel, loop, &chosen, error);
        trusted = status == APR_SUCCESS && chosen.dnssec &&
                  (chosen.servers != NULL || zm_dns_channel_local(made->channel) ||
                   zm_dns_system_trusts(scratch));
        apr_pool_destroy(scratch);
    }
    if (status != APR_SUCCESS) {
        free(made);
        return status;
    }
    made->loop = loop;
    made->cache = zm_dns_cache_create(chosen.cache_entries);
    made->trusted = trusted;
    made->cache_max = (uint32_t)apr_time_sec(chosen.cache_max);
    zm_timer_init(&made->tell, loop, on_tell, made);
    *dns = made;
    return APR_SUCCESS;
}

bool zm_dns_trusted(const zm_dns_t *dns)
{
    return dns->trusted;
}

static void drop_all(zm_dns_query_t **list)
{
    while (*list != NULL)
        zm_dns_cancel(*list);
}

void zm_dns_destroy(zm_dns_t *dns)
{
    int i;
    flight_t *flight;
    for (i = 0; i < FLIGHT_BUCKETS; i++)
        for (flight = dns->flights[i]; flight != NULL; flight = flight->chain)
            drop_all(&flight->queries);
    drop_all(&dns->to_tell);
    zm_timer_cancel(&dns->tell);
    zm_dns_channel_destroy(dns->channel); /* its calls end the flights that c-ares still knows */
    for (i = 0; i < FLIGHT_BUCKETS; i++)
        while ((flight = dns->flights[i]) != NULL) {
            zm_timer_cancel(&flight->timer);
            dns->flights[i] = flight->chain;
            free(flight);
        }
    zm_dns_cache_destroy(dns->cache);
    free(dns);
}

void zm_dns_flush(zm_dns_t *dns)
{
    zm_dns_cache_clear(dns->cache);
}

/* -- words -------------------------------------------------------------------- */

zm_dns_type_t zm_dns_type(zm_str_t word)
{
    static const struct {
        const char *word;
        zm_dns_type_t type;
    } known[] = {{"a", ZM_DNS_A},      {"aaaa", ZM_DNS_AAAA}, {"mx", ZM_DNS_MX},
                 {"txt", ZM_DNS_TXT},  {"ptr", ZM_DNS_PTR},   {"cname", ZM_DNS_CNAME},
                 {"tlsa", ZM_DNS_TLSA}};
    apr_size_t i;
    for (i = 0; i < sizeof known / sizeof known[0]; i++)
        if (zm_str_equal_nocase(word, zm_str(known[i].word)))
            return known[i].type;
    return (zm_dns_type_t)0;
}

const char *zm_dns_outcome_name(zm_dns_outcome_t outcome)
{
    static const char *const names[] = {"found", "no such name", "no data", "temporary failure"};
    return names[outcome];
}
