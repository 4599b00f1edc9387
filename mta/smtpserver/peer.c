#include "mta/smtpserver/peer.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/mail/smtp_path.h"
#include "platform/clock.h"

struct peer_t {
    zm_dns_t *dns;
    zm_ip_t ip;
    apr_pool_t *pool;
    apr_pool_t *name_pool, *greeting_pool; /* of questions under way; null: none */
    peer_facts_t facts;
    const char *greeting; /* the name that was asked about last */
    int greetings;
    apr_time_t until; /* monotonic: nobody waits longer */
    zm_timer_t timer;
    peer_fn *fn; /* null: nobody waits */
    void *baton;
};

/* -- the end of waiting ------------------------------------------------------------------ */

static void end_question(apr_pool_t **pool)
{
    if (*pool != NULL)
        apr_pool_destroy(*pool);
    *pool = NULL;
}

static void tell(peer_t *peer)
{
    peer_fn *fn = peer->fn;
    if (fn == NULL || !peer_is_known(peer))
        return;
    peer->fn = NULL;
    zm_timer_cancel(&peer->timer);
    fn(peer->baton);
}

static void on_time(zm_timer_t *timer, void *baton)
{
    peer_t *peer = baton;
    (void)timer;
    end_question(&peer->name_pool);
    end_question(&peer->greeting_pool);
    tell(peer);
}

/* -- questions --------------------------------------------------------------------------- */

static zm_dns_type_t address_type(const peer_t *peer)
{
    return peer->ip.family == 4 ? ZM_DNS_A : ZM_DNS_AAAA;
}

static peer_fact_t leads_here(const peer_t *peer, const zm_dns_answer_t *answer)
{
    int i;
    for (i = 0; i < answer->count; i++)
        if (zm_ip_equal(&answer->records[i].ip, &peer->ip))
            return PEER_OK;
    return PEER_FAIL;
}

static void on_forward(const zm_dns_answer_t *answer, void *baton)
{
    peer_t *peer = baton;
    peer->facts.verified = leads_here(peer, answer);
    end_question(&peer->name_pool);
    tell(peer);
}

static void on_reverse(const zm_dns_answer_t *answer, void *baton)
{
    peer_t *peer = baton;
    zm_smtp_problem_t problem;
    zm_str_t name;
    apr_size_t end;
    if (answer->count > 0) {
        name = zm_str(answer->records[0].host);
        if (zm_smtp_domain(name, &end, &problem) && end == name.length && name.data[0] != '[') {
            peer->facts.reversed = PEER_OK;
            peer->facts.name = zm_str_lower(peer->pool, name).data;
            zm_dns_ask(NULL, peer->dns, address_type(peer), zm_str(peer->facts.name), on_forward,
                       peer, peer->name_pool);
            return;
        }
    }
    end_question(&peer->name_pool);
    tell(peer);
}

static void on_greeting(const zm_dns_answer_t *answer, void *baton)
{
    peer_t *peer = baton;
    peer->facts.greeting = leads_here(peer, answer);
    end_question(&peer->greeting_pool);
    tell(peer);
}

/* -- for the session ---------------------------------------------------------------------- */

peer_t *peer_begin(zm_dns_t *dns, zm_loop_t *loop, const zm_ip_t *ip, apr_pool_t *pool)
{
    peer_t *peer = apr_pcalloc(pool, sizeof *peer);
    peer->dns = dns;
    peer->ip = *ip;
    peer->pool = pool;
    peer->facts.reversed = peer->facts.verified = peer->facts.greeting = PEER_FAIL;
    peer->until = zm_clock_monotonic() + PEER_PATIENCE;
    zm_timer_init(&peer->timer, loop, on_time, peer);
    if (apr_pool_create(&peer->name_pool, pool) != APR_SUCCESS) {
        peer->name_pool = NULL;
        return peer;
    }
    zm_dns_ask(NULL, dns, ZM_DNS_PTR, zm_str(zm_ip_reverse_name(ip, NULL, peer->name_pool)),
               on_reverse, peer, peer->name_pool);
    return peer;
}

void peer_end(peer_t *peer)
{
    if (peer == NULL)
        return;
    peer->fn = NULL;
    zm_timer_cancel(&peer->timer);
    end_question(&peer->name_pool);
    end_question(&peer->greeting_pool);
}

void peer_greeted(peer_t *peer, zm_str_t name)
{
    zm_ip_t literal;
    if (peer->greeting != NULL && zm_str_equal_nocase(name, zm_str(peer->greeting)))
        return;
    end_question(&peer->greeting_pool);
    peer->facts.greeting = PEER_FAIL;
    peer->greeting = NULL;
    if (name.length > 0 && name.data[0] == '[') {
        if (zm_ip_parse_literal(&literal, name) == APR_SUCCESS && zm_ip_equal(&literal, &peer->ip))
            peer->facts.greeting = PEER_OK;
        return;
    }
    if (name.length > 255 || zm_str_find(name, '.') < 0 || ++peer->greetings > PEER_GREETINGS ||
        apr_pool_create(&peer->greeting_pool, peer->pool) != APR_SUCCESS)
        return;
    peer->greeting = zm_str_c(peer->pool, name);
    peer->until = zm_clock_monotonic() + PEER_PATIENCE;
    zm_dns_ask(NULL, peer->dns, address_type(peer), zm_str(peer->greeting), on_greeting, peer,
               peer->greeting_pool);
}

bool peer_is_known(const peer_t *peer)
{
    return peer->name_pool == NULL && peer->greeting_pool == NULL;
}

void peer_wait(peer_t *peer, peer_fn *fn, void *baton)
{
    apr_time_t now = zm_clock_monotonic();
    peer->fn = fn;
    peer->baton = baton;
    zm_timer_set(&peer->timer, !peer_is_known(peer) && peer->until > now ? peer->until - now : 0);
}

peer_facts_t peer_facts(const peer_t *peer)
{
    return peer->facts;
}
