#include "mta/map/resolver.h"

#include <apr_hash.h>
#include <apr_portable.h> /* before ares.h, which leaves fd_set to others */
#include <apr_strings.h>
#include <ares.h>
#include <string.h>

#include "mta/map/types.h"
#include "platform/clock.h"

#define MOST_NAMES 8
#define LONGEST_NAME 255
#define TELLING_INTERVAL apr_time_from_msec(250)

struct zm_map_resolver_t {
    zm_loop_t *loop;
    zm_dns_t *dns;
    ares_channel hosts; /* for the hosts file and the search list; null: not made yet */
    apr_hash_t *failed; /* questions that failed in this unit of work */
    apr_pool_t *pool, *unit_pool;
    uint64_t unit;
};

static apr_status_t clean_up(void *baton)
{
    zm_map_resolver_t *resolver = baton;
    if (resolver->dns != NULL)
        zm_dns_destroy(resolver->dns);
    if (resolver->hosts != NULL)
        ares_destroy(resolver->hosts);
    return APR_SUCCESS;
}

apr_status_t zm_map_resolver_create(zm_map_resolver_t **resolver, apr_pool_t *pool,
                                    zm_error_t *error)
{
    zm_map_resolver_t *made = apr_pcalloc(pool, sizeof *made);
    apr_status_t status = zm_loop_create(&made->loop, pool);
    made->pool = pool;
    if (status == APR_SUCCESS)
        status = apr_pool_create(&made->unit_pool, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot make a resolver");
    made->failed = apr_hash_make(made->unit_pool);
    apr_pool_pre_cleanup_register(pool, made, clean_up);
    *resolver = made;
    return APR_SUCCESS;
}

/* -- the name service ---------------------------------------------------------------------- */

typedef struct question_t {
    zm_dns_answer_t answer;
    bool answered;
} question_t;

static void on_answer(const zm_dns_answer_t *answer, void *baton)
{
    question_t *question = baton;
    question->answer = *answer;
    question->answered = true;
}

static void wake(zm_timer_t *timer, void *baton)
{
    (void)timer;
    (void)baton;
}

static void give_up(question_t *question, const char *reason)
{
    question->answer = (zm_dns_answer_t){.outcome = ZM_DNS_TEMPORARY, .reason = reason};
    question->answered = true;
}

/* Runs the loop until there is an answer, or the time is up. */
static void wait_for(zm_map_resolver_t *resolver, question_t *question, zm_dns_query_t *query)
{
    apr_time_t begin = zm_clock_monotonic(), until = begin + ZM_MAP_QUESTION_TIME;
    zm_timer_t timer;
    zm_timer_init(&timer, resolver->loop, wake, NULL);
    while (!question->answered) {
        apr_interval_time_t left = until - zm_clock_monotonic();
        const char *reason = left <= 0 ? "timeout" : NULL;
        if (reason == NULL) {
            bool slow = zm_clock_monotonic() - begin >= TELLING_INTERVAL;
            if (slow)
                zm_map_tell_waiting();
            zm_timer_set(&timer, left < TELLING_INTERVAL ? left : TELLING_INTERVAL);
            if (zm_loop_once(resolver->loop, -1) != APR_SUCCESS)
                reason = "the name service cannot be asked";
        }
        if (reason != NULL && !question->answered) {
            zm_dns_cancel(query);
            give_up(question, reason);
        }
    }
    zm_timer_cancel(&timer);
}

static const char *failed_key(zm_dns_type_t type, zm_str_t name, apr_pool_t *pool)
{
    return apr_psprintf(pool, "%d %s", (int)type, zm_str_c(pool, zm_str_lower(pool, name)));
}

const zm_dns_answer_t *zm_map_resolver_ask(zm_map_resolver_t *resolver, zm_dns_type_t type,
                                           zm_str_t name, apr_pool_t *pool)
{
    zm_dns_options_t options = {.tries = 2};
    question_t *question = apr_pcalloc(pool, sizeof *question);
    zm_dns_query_t *query;
    zm_error_t error;
    const char *key, *reason;
    if (resolver->unit != zm_map_unit()) {
        resolver->unit = zm_map_unit();
        apr_pool_clear(resolver->unit_pool);
        resolver->failed = apr_hash_make(resolver->unit_pool);
    }
    key = failed_key(type, name, pool);
    if ((reason = apr_hash_get(resolver->failed, key, APR_HASH_KEY_STRING)) != NULL) {
        give_up(question, reason);
        return &question->answer;
    }
    if (resolver->dns == NULL &&
        zm_dns_create(&resolver->dns, resolver->loop, &options, &error) != APR_SUCCESS) {
        resolver->dns = NULL;
        give_up(question, apr_pstrdup(pool, error.text));
        return &question->answer;
    }
    zm_dns_ask(&query, resolver->dns, type, name, on_answer, question, pool);
    wait_for(resolver, question, query);
    if (question->answer.outcome == ZM_DNS_TEMPORARY && resolver->unit != 0) {
        reason = question->answer.reason != NULL ? question->answer.reason : "no answer";
        apr_hash_set(resolver->failed, apr_pstrdup(resolver->unit_pool, key), APR_HASH_KEY_STRING,
                     apr_pstrdup(resolver->unit_pool, reason));
    }
    return &question->answer;
}

/* -- what the system knows itself -------------------------------------------------------------- */

static bool open_hosts(zm_map_resolver_t *resolver)
{
    struct ares_options options;
    if (resolver->hosts != NULL)
        return true;
    memset(&options, 0, sizeof options);
    options.lookups = (char[]){"f"};
    if (ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS &&
        ares_init_options(&resolver->hosts, &options, ARES_OPT_LOOKUPS) == ARES_SUCCESS)
        return true;
    resolver->hosts = NULL;
    return false;
}

int zm_map_resolver_names(zm_map_resolver_t *resolver, zm_str_t name, const char *names[8],
                          apr_pool_t *pool)
{
    struct ares_options options;
    const char *text = zm_str_c(pool, name);
    int count = 0, mask, i;
    if (zm_str_find(name, '.') < 0 && open_hosts(resolver) &&
        ares_save_options(resolver->hosts, &options, &mask) == ARES_SUCCESS) {
        for (i = 0; i < options.ndomains && count + 1 < MOST_NAMES; i++)
            names[count++] = apr_pstrcat(pool, text, ".", options.domains[i], NULL);
        ares_destroy_options(&options);
    }
    names[count++] = text;
    return count;
}

typedef struct host_t {
    const char *canonical;
    apr_pool_t *pool;
} host_t;

static void on_host(void *baton, int status, int timeouts, struct ares_addrinfo *result)
{
    host_t *host = baton;
    const struct ares_addrinfo_cname *alias;
    (void)timeouts;
    if (status == ARES_SUCCESS) {
        for (alias = result->cnames; alias != NULL; alias = alias->next)
            if (alias->name != NULL)
                host->canonical = apr_pstrdup(host->pool, alias->name);
        if (host->canonical == NULL)
            host->canonical = result->name != NULL ? apr_pstrdup(host->pool, result->name) : "";
    }
    ares_freeaddrinfo(result);
}

const char *zm_map_resolver_host(zm_map_resolver_t *resolver, const char *name, apr_pool_t *pool)
{
    static const struct ares_addrinfo_hints hints = {ARES_AI_CANONNAME, APR_UNSPEC, 0, 0};
    host_t host = {NULL, pool};
    if (strlen(name) > LONGEST_NAME || !open_hosts(resolver))
        return NULL;
    ares_getaddrinfo(resolver->hosts, name, NULL, &hints, on_host, &host); /* reads it at once */
    return host.canonical != NULL && host.canonical[0] == '\0' ? name : host.canonical;
}
