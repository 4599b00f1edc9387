#include "mta/router/routing.h"

#include <apr_hash.h>
#include <string.h>

#include "platform/log.h"

bool router_quad_parse(router_quad_t *quad, zm_value_t value)
{
    apr_size_t i;
    if (zm_value_count(value) != 4)
        return false;
    for (i = 0; i < 4; i++)
        if (zm_value_is_list(zm_value_item(value, i)))
            return false;
    quad->value = value;
    quad->channel = zm_value_item_str(value, 0);
    quad->host = zm_value_item_str(value, 1);
    quad->user = zm_value_item_str(value, 2);
    quad->attributes = zm_value_item_str(value, 3);
    return quad->channel.length > 0 && quad->user.length > 0;
}

zm_str_t router_attribute(router_worker_t *worker, const router_quad_t *quad, const char *name)
{
    zm_value_t value;
    if (!zm_script_attribute(worker->script, quad->attributes, zm_str(name), &value))
        return ZM_S("");
    return zm_value_str(value);
}

bool router_privilege(router_worker_t *worker, const router_quad_t *quad, int64_t *privilege)
{
    zm_str_t text = router_attribute(worker, quad, "privilege");
    return text.length > 0 && zm_str_i64(text, privilege) == APR_SUCCESS;
}

/* -- routing an address --------------------------------------------------------------- */

/* No host in particular. */
static bool is_here(const router_quad_t *quad)
{
    return quad->host.length == 0 || zm_str_equal_c(quad->host, "-");
}

/* Of the alternatives one is taken: the first that is here, else the first. */
static bool add_group(apr_array_header_t *quads, zm_value_t group)
{
    router_quad_t quad, best;
    bool found = false;
    apr_size_t i;
    for (i = 0; i < zm_value_count(group); i++) {
        if (!router_quad_parse(&quad, zm_value_item(group, i)))
            return false;
        if (!found || (is_here(&quad) && !is_here(&best)))
            best = quad;
        found = true;
    }
    if (found)
        APR_ARRAY_PUSH(quads, router_quad_t) = best;
    return true;
}

/* A bare quad, or a list of groups of quads. */
static bool add_result(apr_array_header_t *quads, zm_value_t result)
{
    int before = quads->nelts;
    router_quad_t quad;
    apr_size_t i;
    if (router_quad_parse(&quad, result)) {
        APR_ARRAY_PUSH(quads, router_quad_t) = quad;
        return true;
    }
    for (i = 0; i < zm_value_count(result); i++)
        if (!add_group(quads, zm_value_item(result, i))) {
            quads->nelts = before;
            return false;
        }
    return quads->nelts > before;
}

void router_route(router_worker_t *worker, apr_array_header_t *quads, zm_str_t address,
                  zm_value_t attributes)
{
    zm_value_t arguments[2] = {zm_value_of(address), attributes}, items[4];
    zm_script_result_t result = {0};
    zm_error_t error = {0};
    const char *reason = "IO:router";
    zm_str_t deferred;
    apr_status_t status;

    zm_script_defer_clear(worker->script);
    status = zm_script_call(worker->script, "router", arguments, 2, &result, &error);
    if (status == APR_SUCCESS && result.status == 0 && result.has_value &&
        add_result(quads, result.value))
        return;
    if (status == ZM_E_LIMIT)
        reason = "IO:limit";
    deferred = zm_script_deferred(worker->script);
    zm_log(ZM_LOG_WARNING, NULL, "address is held: the configuration does not route it",
           ZM_F_N("address", address), ZM_F_S("error", error.text), ZM_F_I("status", result.status),
           ZM_F_N("defer", deferred));
    items[0] = ZM_VALUE("hold");
    items[1] =
        deferred.length > 0 ? zm_value_of(deferred) : zm_script_string_c(worker->script, reason);
    items[2] = zm_value_of(address);
    items[3] = attributes;
    add_result(quads, zm_script_list(worker->script, items, 4));
}

/* -- the plan ---------------------------------------------------------------------------- */

static router_rewrite_group_t *rewrite_group(router_plan_t *plan, zm_value_t rewrite,
                                             apr_pool_t *pool)
{
    router_rewrite_group_t *group;
    int i;
    for (i = 0; i < plan->rewrites->nelts; i++) {
        group = APR_ARRAY_IDX(plan->rewrites, i, router_rewrite_group_t *);
        if (zm_value_equal(group->rewrite, rewrite))
            return group;
    }
    group = apr_pcalloc(pool, sizeof *group);
    group->rewrite = rewrite;
    group->senders = apr_array_make(pool, 1, sizeof(router_sender_group_t *));
    APR_ARRAY_PUSH(plan->rewrites, router_rewrite_group_t *) = group;
    return group;
}

static router_sender_group_t *sender_group(router_rewrite_group_t *rewrite,
                                           const router_quad_t *sender, zm_str_t error_address,
                                           apr_pool_t *pool)
{
    router_sender_group_t *group;
    int i;
    for (i = rewrite->senders->nelts - 1; i >= 0; i--) { /* neighbours mostly share theirs */
        group = APR_ARRAY_IDX(rewrite->senders, i, router_sender_group_t *);
        if (zm_value_equal(group->sender.value, sender->value) &&
            zm_str_equal(group->error_address, error_address))
            return group;
    }
    group = apr_pcalloc(pool, sizeof *group);
    group->sender = *sender;
    group->error_address = error_address;
    group->recipients = apr_array_make(pool, 4, sizeof(router_quad_t));
    APR_ARRAY_PUSH(rewrite->senders, router_sender_group_t *) = group;
    return group;
}

/* The bounces of this pair: where the sender's attributes say, else to the sender; null path:
 * nowhere. */
static zm_str_t error_address(router_worker_t *worker, const router_quad_t *sender)
{
    zm_str_t address = router_attribute(worker, sender, "ERR");
    if (zm_str_equal_c(sender->channel, "error"))
        return ZM_S("");
    return address.length > 0 ? address : sender->user;
}

/* What makes two final recipients the same. */
static zm_str_t identity(router_worker_t *worker, const router_quad_t *recipient, apr_pool_t *pool)
{
    zm_str_t privilege = router_attribute(worker, recipient, "privilege");
    const zm_str_t parts[] = {recipient->channel, recipient->host, recipient->user, privilege};
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t key;
    apr_size_t i;
    for (i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        bool how_addressed = i == 1 && zm_str_equal_c(recipient->channel, "local");
        if (!how_addressed) /* the host of a local recipient only tells how it was addressed */
            zm_buf_add_str(&out, parts[i]);
        zm_buf_add_byte(&out, '\0');
    }
    key = zm_str_copy(pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return key;
}

static apr_status_t cross(router_plan_t *plan, router_worker_t *worker, const router_quad_t *sender,
                          const router_quad_t *recipient, apr_hash_t *seen, zm_error_t *error)
{
    apr_pool_t *pool = zm_script_pool(worker->script);
    zm_value_t arguments[2] = {sender->value, recipient->value};
    router_quad_t from, to;
    zm_script_result_t result = {0};
    router_rewrite_group_t *group;
    zm_str_t key;
    apr_status_t status = zm_script_call(worker->script, "crossbar", arguments, 2, &result, error);
    if (status != APR_SUCCESS)
        return status;
    if (result.status != 0 || !result.has_value || zm_value_is_nil(result.value))
        return APR_SUCCESS;
    if (zm_value_count(result.value) != 3 ||
        !router_quad_parse(&from, zm_value_item(result.value, 1)) ||
        !router_quad_parse(&to, zm_value_item(result.value, 2)))
        return zm_error_set(error, ZM_E_CORRUPT,
                            "the configuration's crossbar gives something else than (REWRITE "
                            "sender recipient) for %.*s",
                            (int)recipient->user.length, recipient->user.data);
    key = identity(worker, &to, pool);
    if (apr_hash_get(seen, key.data, (apr_ssize_t)key.length) != NULL) {
        plan->duplicates++;
        return APR_SUCCESS;
    }
    apr_hash_set(seen, key.data, (apr_ssize_t)key.length, "");
    group = rewrite_group(plan, zm_value_item(result.value, 0), pool);
    APR_ARRAY_PUSH(sender_group(group, &from, error_address(worker, &from), pool)->recipients,
                   router_quad_t) = to;
    plan->recipients++;
    return APR_SUCCESS;
}

apr_status_t router_plan(router_plan_t **plan, router_worker_t *worker, const router_quad_t *sender,
                         const apr_array_header_t *recipients, zm_error_t *error)
{
    apr_pool_t *pool = zm_script_pool(worker->script);
    apr_hash_t *seen = apr_hash_make(pool);
    apr_status_t status = APR_SUCCESS;
    int i;
    *plan = apr_pcalloc(pool, sizeof **plan);
    (*plan)->rewrites = apr_array_make(pool, 2, sizeof(router_rewrite_group_t *));
    for (i = 0; status == APR_SUCCESS && i < recipients->nelts; i++)
        status =
            cross(*plan, worker, sender, &APR_ARRAY_IDX(recipients, i, router_quad_t), seen, error);
    return status;
}
