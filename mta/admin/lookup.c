#include "mta/admin/lookup.h"

#include <stdio.h>

struct lookup_t {
    zm_loop_t *loop;
    zm_dns_t *dns;
    apr_pool_t *pool;
    const zm_dns_answer_t *answer;
};

static apr_status_t end(void *baton)
{
    lookup_t *lookup = baton;
    zm_dns_destroy(lookup->dns);
    return APR_SUCCESS;
}

lookup_t *lookup_create(const char *program, apr_pool_t *pool)
{
    lookup_t *lookup = apr_pcalloc(pool, sizeof *lookup);
    zm_error_t error = {0};
    apr_status_t status;
    apr_pool_create(&lookup->pool, pool);
    status = zm_loop_create(&lookup->loop, lookup->pool);
    if (status == APR_SUCCESS)
        status = zm_dns_create(&lookup->dns, lookup->loop, NULL, &error);
    else
        zm_error_system(&error, status, "cannot make an event loop");
    if (status != APR_SUCCESS) {
        fprintf(stderr, "%s: %s\n", program, error.text);
        return NULL;
    }
    apr_pool_pre_cleanup_register(pool, lookup, end);
    return lookup;
}

static void on_answer(const zm_dns_answer_t *answer, void *baton)
{
    lookup_t *lookup = baton;
    lookup->answer = answer;
}

const zm_dns_answer_t *lookup_ask(lookup_t *lookup, zm_dns_type_t type, const char *name)
{
    static const zm_dns_answer_t none = {.outcome = ZM_DNS_TEMPORARY, .reason = "the loop failed"};
    lookup->answer = NULL;
    zm_dns_ask(NULL, lookup->dns, type, zm_str(name), on_answer, lookup, lookup->pool);
    while (lookup->answer == NULL)
        if (zm_loop_once(lookup->loop, -1) != APR_SUCCESS)
            return &none;
    return lookup->answer;
}
