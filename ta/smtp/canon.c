#include "ta/smtp/canon.h"

#include <string.h>

typedef struct canon_t {
    zm_transaction_t *transaction;
    zm_dns_t *dns;
    zm_canon_fn *fn;
    void *baton;
    apr_pool_t *pool;
    int next;        /* recipient */
    zm_str_t domain; /* that is asked about */
} canon_t;

/* Of an address that has one which can be an alias; else empty. */
static zm_str_t domain_of(zm_str_t address)
{
    apr_size_t at = address.length;
    while (at > 0 && address.data[at - 1] != '@')
        at--;
    return at == 0 || at == address.length || address.data[at] == '[' ? ZM_S("")
                                                                      : zm_str_from(address, at);
}

static bool is_host(const char *name)
{
    const char *at;
    for (at = name; *at != '\0'; at++)
        if (!zm_is_alpha(*at) && !zm_is_digit(*at) && strchr("-._", *at) == NULL)
            return false;
    return at != name;
}

/* What is known now counts for all recipients there. */
static void set_addresses(const canon_t *canon, const char *name)
{
    zm_transaction_t *transaction = canon->transaction;
    int i;
    for (i = canon->next; i < transaction->count; i++) {
        zm_addressee_t *addressee = &transaction->to[i];
        zm_str_t user = addressee->recipient->user;
        zm_buf_t made = ZM_BUF_INIT;
        if (!zm_str_equal_nocase(domain_of(user), canon->domain))
            continue;
        addressee->address = user;
        if (name == NULL)
            continue;
        zm_buf_add(&made, user.data, user.length - canon->domain.length);
        zm_buf_add_c(&made, name);
        addressee->address = zm_str_copy(transaction->job->pool, zm_buf_str(&made));
        zm_buf_free(&made);
    }
}

static bool ask_next(canon_t *canon);

static void on_name(const zm_dns_answer_t *answer, void *baton)
{
    canon_t *canon = baton;
    bool alias = (answer->outcome == ZM_DNS_FOUND || answer->outcome == ZM_DNS_NO_DATA) &&
                 is_host(answer->canonical) &&
                 !zm_str_equal_nocase(zm_str(answer->canonical), canon->domain);
    set_addresses(canon, alias ? answer->canonical : NULL);
    if (!ask_next(canon))
        canon->fn(canon->baton);
}

static bool ask_next(canon_t *canon)
{
    zm_transaction_t *transaction = canon->transaction;
    for (; canon->next < transaction->count; canon->next++) {
        zm_addressee_t *addressee = &transaction->to[canon->next];
        if (addressee->address.length > 0)
            continue;
        canon->domain = domain_of(addressee->recipient->user);
        if (canon->domain.length > 0) {
            zm_dns_ask(NULL, canon->dns, ZM_DNS_MX, canon->domain, on_name, canon, canon->pool);
            return true;
        }
    }
    return false;
}

bool zm_canon_begin(zm_transaction_t *transaction, zm_dns_t *dns, zm_canon_fn *fn, void *baton,
                    apr_pool_t *pool)
{
    canon_t *canon = apr_pcalloc(pool, sizeof *canon);
    canon->transaction = transaction;
    canon->dns = dns;
    canon->fn = fn;
    canon->baton = baton;
    canon->pool = pool;
    return ask_next(canon);
}
