/*
 * The plan of a control file: every recipient crossed with the sender, and the
 * results grouped, first by how headers are rewritten, then by sender.
 */
#include <apr_hash.h>
#include <apr_strings.h>

#include "mta/router/routing.h"
#include "spool/control.h"

/* -- groups ----------------------------------------------------------------------------------- */

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
                                           const router_quad_t *sender, int64_t privilege,
                                           zm_str_t error_address, apr_pool_t *pool)
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
    group->privilege = privilege;
    group->error_address = error_address;
    group->recipients = apr_array_make(pool, 4, sizeof(router_final_t *));
    APR_ARRAY_PUSH(rewrite->senders, router_sender_group_t *) = group;
    return group;
}

/* The bounces of this pair: where the sender's attributes say, else to the sender; null path:
 * nowhere. */
static zm_str_t error_address(router_worker_t *worker, const router_quad_t *sender)
{
    zm_str_t address;
    if (zm_str_equal_c(sender->channel, "error"))
        return ZM_S("");
    address = router_attribute(worker, sender, "ERR");
    return address.length > 0 ? address : sender->user;
}

/* -- duplicates ------------------------------------------------------------------------------- */

/* The host of a mailbox only tells how it was addressed; a program may want to know. */
static bool host_counts(const router_quad_t *recipient)
{
    zm_str_t user = recipient->user;
    return !zm_str_equal_c(recipient->channel, "local") || zm_str_starts(user, ZM_S("|")) ||
           zm_str_starts(user, ZM_S("\"|"));
}

/* What makes two final recipients the same. */
static zm_str_t identity(const router_final_t *final, apr_pool_t *pool)
{
    const router_quad_t *quad = &final->quad;
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t key;
    zm_buf_add_str(&out, quad->channel);
    zm_buf_add_byte(&out, '\0');
    if (host_counts(quad))
        zm_buf_add_str(&out, quad->host);
    zm_buf_add_byte(&out, '\0');
    zm_buf_add_str(&out, quad->user);
    zm_buf_add_byte(&out, '\0');
    zm_buf_add(&out, &final->privilege, sizeof final->privilege);
    key = zm_str_copy(pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return key;
}

static void add_notify(zm_buf_t *out, bool wanted, const char *word)
{
    if (!wanted)
        return;
    zm_buf_add_c(out, out->length == 0 ? "NOTIFY=" : ",");
    zm_buf_add_c(out, word);
}

zm_str_t router_merge_dsn(zm_str_t kept, zm_str_t other, apr_pool_t *pool)
{
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t word, result;
    zm_dsn_t a, b;
    zm_dsn_parse(&a, kept);
    zm_dsn_parse(&b, other);
    if ((a.success || !b.success) && (a.failure || !b.failure) && (a.delay || !b.delay) &&
        (a.trace || !b.trace) && (a.require_tls || !b.require_tls))
        return kept; /* it tells all that the other wants told */
    add_notify(&out, a.success || b.success, "SUCCESS");
    add_notify(&out, a.failure || b.failure, "FAILURE");
    add_notify(&out, a.delay || b.delay, "DELAY");
    add_notify(&out, a.trace || b.trace, "TRACE");
    while (zm_str_word(&kept, &word)) {
        if (zm_str_starts_nocase(word, ZM_S("NOTIFY=")))
            continue;
        zm_buf_add_byte(&out, ' ');
        zm_buf_add_str(&out, word);
    }
    if (b.require_tls && !a.require_tls)
        zm_buf_add_c(&out, " REQUIRETLS=YES");
    result = zm_str_copy(pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

/* -- crossing --------------------------------------------------------------------------------- */

static apr_status_t malformed(const router_quad_t *recipient, const char *what, zm_error_t *error)
{
    return zm_error_set(error, ZM_E_CORRUPT, "the configuration's crossbar gives %s for %.*s", what,
                        (int)recipient->user.length, recipient->user.data);
}

static apr_status_t read_final(router_worker_t *worker, zm_value_t value,
                               const router_quad_t *recipient, router_final_t **result,
                               zm_error_t *error)
{
    router_final_t *final = apr_pcalloc(zm_script_pool(worker->script), sizeof *final);
    *result = final;
    if (!router_quad_parse(&final->quad, value))
        return malformed(recipient, "no recipient", error);
    if (!router_privilege(worker, &final->quad, &final->privilege))
        return malformed(recipient, "a recipient without privilege", error);
    final->dsn = router_attribute(worker, &final->quad, "DSN");
    if (final->dsn.length > 0) {
        final->ret = router_attribute(worker, &final->quad, "DSNr");
        final->envid = router_attribute(worker, &final->quad, "DSNe");
    }
    return APR_SUCCESS;
}

/* Whether the recipient stands in the plan already; notes it otherwise. */
static bool is_duplicate(router_plan_t *plan, apr_hash_t *seen, router_final_t *final,
                         apr_pool_t *pool)
{
    zm_str_t key = identity(final, pool);
    router_final_t *before = apr_hash_get(seen, key.data, (apr_ssize_t)key.length);
    if (before == NULL) {
        apr_hash_set(seen, key.data, (apr_ssize_t)key.length, final);
        return false;
    }
    if (before->dsn.length == 0) { /* what the other asks for goes with its notices */
        before->ret = final->ret;
        before->envid = final->envid;
    }
    before->dsn = router_merge_dsn(before->dsn, final->dsn, pool);
    plan->duplicates++;
    return true;
}

static apr_status_t cross(router_plan_t *plan, router_worker_t *worker, const router_quad_t *sender,
                          const router_quad_t *recipient, apr_hash_t *seen, zm_error_t *error)
{
    apr_pool_t *pool = zm_script_pool(worker->script);
    zm_value_t arguments[2] = {sender->value, recipient->value};
    zm_script_result_t result = {0};
    router_sender_group_t *group;
    router_final_t *final;
    router_quad_t from;
    int64_t privilege;
    apr_status_t status = zm_script_call(worker->script, "crossbar", arguments, 2, &result, error);
    if (status != APR_SUCCESS)
        return status;
    if (result.status != 0 || !result.has_value || zm_value_is_nil(result.value))
        return APR_SUCCESS;
    if (zm_value_count(result.value) != 3)
        return malformed(recipient, "something else than (REWRITE sender recipient)", error);
    if (!router_quad_parse(&from, zm_value_item(result.value, 1)) ||
        !router_privilege(worker, &from, &privilege))
        return malformed(recipient, "no sender", error);
    status = read_final(worker, zm_value_item(result.value, 2), recipient, &final, error);
    zm_script_trace_value(worker->script, "final", recipient->user, result.value);
    if (status != APR_SUCCESS || (seen != NULL && is_duplicate(plan, seen, final, pool)))
        return status;
    group = sender_group(rewrite_group(plan, zm_value_item(result.value, 0), pool), &from,
                         privilege, error_address(worker, &from), pool);
    APR_ARRAY_PUSH(group->recipients, router_final_t *) = final;
    plan->recipients++;
    return APR_SUCCESS;
}

apr_status_t router_plan(router_plan_t **plan, router_worker_t *worker, const router_quad_t *sender,
                         const apr_array_header_t *recipients, zm_error_t *error)
{
    apr_pool_t *pool = zm_script_pool(worker->script);
    apr_hash_t *seen = recipients->nelts > 1 ? apr_hash_make(pool) : NULL;
    apr_status_t status = APR_SUCCESS;
    int i;
    *plan = apr_pcalloc(pool, sizeof **plan);
    (*plan)->rewrites = apr_array_make(pool, 2, sizeof(router_rewrite_group_t *));
    for (i = 0; status == APR_SUCCESS && i < recipients->nelts; i++)
        status =
            cross(*plan, worker, sender, &APR_ARRAY_IDX(recipients, i, router_quad_t), seen, error);
    return status;
}
