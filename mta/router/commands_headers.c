/*
 * The relation headers: the header table as scripts see it, which they may add
 * to.  It is a type of map of its own.
 */
#include <apr_strings.h>

#include "mta/map/map.h"
#include "mta/router/commands.h"

/* Maps are made by the name of their type alone, so this is how the table gets there:
 * the one of the worker that was opened last.  A process has one. */
static zm_header_table_t *table_of_process;

static apr_status_t open_table(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                               zm_error_t *error)
{
    (void)options;
    (void)pool;
    (void)error;
    *state = table_of_process;
    return APR_SUCCESS;
}

static zm_map_outcome_t look_up(void *state, zm_str_t key, zm_map_answer_t *answer,
                                apr_pool_t *pool)
{
    const zm_header_rule_t *rule = zm_header_table_find(state, key);
    if (rule->name == NULL)
        return ZM_MAP_ABSENT;
    answer->value = zm_header_rule_text(rule, pool);
    return ZM_MAP_FOUND;
}

static apr_status_t add(void *state, zm_str_t key, zm_str_t value, zm_error_t *error)
{
    return zm_header_table_set(state, key, value, error);
}

static apr_status_t remove_key(void *state, zm_str_t key, zm_error_t *error)
{
    apr_status_t status = zm_header_table_remove(state, key);
    return status == ZM_E_UNSUPPORTED
               ? zm_error_set(error, status, "%.*s cannot be removed", (int)key.length, key.data)
               : status;
}

static apr_status_t flush(void *state)
{
    zm_header_table_clear(state);
    return APR_SUCCESS;
}

static void count_one(void *baton, const zm_header_rule_t *rule)
{
    uint64_t *count = baton;
    (void)rule;
    ++*count;
}

static apr_status_t count_all(void *state, uint64_t *count, zm_error_t *error)
{
    (void)error;
    *count = 0;
    zm_header_table_each(state, count_one, count);
    return APR_SUCCESS;
}

static apr_status_t owner(void *state, zm_uid_t *uid, zm_error_t *error)
{
    (void)state;
    (void)error;
    *uid = zm_identity_own().uid;
    return APR_SUCCESS;
}

typedef struct each_t {
    zm_map_each_fn *fn;
    void *baton;
    apr_pool_t *pool;
    bool stopped;
} each_t;

static void pass_one(void *baton, const zm_header_rule_t *rule)
{
    each_t *each = baton;
    if (!each->stopped)
        each->stopped =
            !each->fn(each->baton, zm_str(rule->name), zm_header_rule_text(rule, each->pool));
}

static apr_status_t pass_all(void *state, zm_map_each_fn *fn, void *baton, zm_error_t *error)
{
    each_t each = {fn, baton, NULL, false};
    (void)error;
    apr_pool_create(&each.pool, NULL);
    zm_header_table_each(state, pass_one, &each);
    apr_pool_destroy(each.pool);
    return APR_SUCCESS;
}

static const zm_map_type_t header_type = {
    .name = "header",
    .open = open_table,
    .lookup = look_up,
    .add = add,
    .remove = remove_key,
    .flush = flush,
    .count = count_all,
    .owner = owner,
    .each = pass_all,
};

void router_commands_headers(router_worker_t *worker)
{
    table_of_process = worker->header_table;
    zm_map_type_add(&header_type);
}
