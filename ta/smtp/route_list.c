/*
 * Destinations behind one another: "relay1.example,[192.0.2.1]:587".  Each is
 * found as if it stood alone, one after the other, and its hops follow those of
 * the destinations before it.  One without a hop is left out; where none has
 * any, the message waits if it may find one later.
 */
#include <apr_strings.h>
#include <string.h>

#include "ta/smtp/route.h"

#define DESTINATIONS 10
#define HOPS 128

typedef struct list_t {
    const zm_smtp_options_t *options;
    zm_dns_t *dns;
    zm_route_fn *fn;
    void *baton;
    apr_pool_t *pool;
    zm_str_t rest;
    int number; /* of destinations begun */
    bool more;
    bool asking;   /* in the call that asks: an answer at once is taken up there */
    bool answered; /* by it */
    zm_route_t route;
    const zm_route_t *failure; /* the one to tell: better one that may pass than one for good */
} list_t;

static void add_hops(list_t *list, const zm_route_t *found)
{
    zm_route_t *route = &list->route;
    int i;
    if (route->hops == NULL)
        route->hops = apr_pcalloc(list->pool, sizeof *route->hops * HOPS);
    for (i = 0; i < found->count && route->count < HOPS; i++)
        route->hops[route->count++] = found->hops[i];
    route->exchangers |= found->exchangers;
}

static void on_found(const zm_route_t *found, void *baton);

static void finish(list_t *list)
{
    if (list->route.count > 0 || list->failure == NULL)
        list->fn(&list->route, list->baton);
    else
        list->fn(list->failure, list->baton);
}

/* Asks for one after the other; no deeper into the stack for answers that come at once. */
static void ask_next(list_t *list)
{
    zm_str_t word;
    do {
        if (!list->more || list->number == DESTINATIONS) {
            finish(list);
            return;
        }
        list->more = zm_str_cut(list->rest, ',', &word, &list->rest);
        list->number++;
        list->asking = true;
        list->answered = false;
        zm_route_find_one(zm_str_trim(word), false, list->options, list->dns, on_found, list,
                          list->pool);
        list->asking = false;
    } while (list->answered);
}

static void on_found(const zm_route_t *found, void *baton)
{
    list_t *list = baton;
    if (found->count > 0)
        add_hops(list, found);
    else if (list->failure == NULL || found->result == ZM_RESULT_DEFERALL)
        list->failure = found;
    list->answered = true;
    if (!list->asking)
        ask_next(list);
}

void zm_route_find(zm_str_t destination, bool may_be_unix, const zm_smtp_options_t *options,
                   zm_dns_t *dns, zm_route_fn *fn, void *baton, apr_pool_t *pool)
{
    list_t *list;
    if (zm_str_find(destination, ',') < 0 ||
        (may_be_unix && zm_str_starts(destination, ZM_S("UNIX:")))) {
        zm_route_find_one(destination, may_be_unix, options, dns, fn, baton, pool);
        return;
    }
    list = apr_pcalloc(pool, sizeof *list);
    list->options = options;
    list->dns = dns;
    list->fn = fn;
    list->baton = baton;
    list->pool = pool;
    list->rest = zm_str_copy(pool, destination);
    list->more = true;
    ask_next(list);
}
