#include "mta/router/routing.h"

#include <string.h>

#include "mta/net/idn.h"
#include "mta/router/message.h"
#include "platform/log.h"

#define ADDRESS_LIMIT                                                                              \
    4000 /* bytes; no mail system has longer ones, and rules take time for each                    \
          */

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

static void add_quad(router_worker_t *worker, apr_array_header_t *quads, zm_value_t channel,
                     zm_value_t host, zm_str_t address, zm_value_t attributes)
{
    zm_value_t items[4] = {channel, host, zm_value_of(address), attributes};
    add_result(quads, zm_script_list(worker->script, items, 4));
}

/* The configuration has failed: the address waits, with the reason as its host. */
static void hold(router_worker_t *worker, apr_array_header_t *quads, zm_str_t address,
                 zm_value_t attributes, const char *reason)
{
    zm_str_t deferred = zm_script_deferred(worker->script);
    add_quad(worker, quads, ZM_VALUE("hold"),
             zm_value_of(deferred.length > 0 ? deferred : zm_str(reason)), address, attributes);
}

void router_route(router_worker_t *worker, apr_array_header_t *quads, zm_str_t address,
                  zm_value_t attributes)
{
    zm_value_t arguments[2] = {ZM_VALUE_NIL, attributes};
    zm_script_result_t result = {0};
    zm_error_t error = {0};
    apr_status_t status;

    if (address.length > ADDRESS_LIMIT) {
        add_quad(worker, quads, ZM_VALUE("error"), ZM_VALUE("unresolvable"), address, attributes);
        return;
    }
    address = zm_idn_address(address, zm_script_pool(worker->script));
    arguments[0] = zm_value_of(address);
    zm_script_defer_clear(worker->script);
    status = zm_script_call(worker->script, "router", arguments, 2, &result, &error);
    zm_script_trace_value(worker->script, "router", address, result.value);
    if (status == APR_SUCCESS && result.status == 0 && result.has_value &&
        add_result(quads, result.value))
        return;
    zm_log(ZM_LOG_WARNING, worker->message != NULL ? worker->message->spool_id : NULL,
           "address is held: the configuration does not route it",
           ZM_F_N("address", zm_str_of(address.data, address.length > 200 ? 200 : address.length)),
           ZM_F_S("error", error.text), ZM_F_I("status", result.status),
           ZM_F_N("defer", zm_script_deferred(worker->script)));
    hold(worker, quads, address, attributes, status == ZM_E_LIMIT ? "IO:limit" : "IO:router");
}
