/* incore: a table in memory, private to the map. */
#include <apr_hash.h>
#include <stdlib.h>
#include <string.h>

#include "mta/map/types.h"

/* Entries are malloc'ed: they come and go with every message. */
typedef struct entry_t {
    zm_str_t key, value;
    char bytes[];
} entry_t;

#define MOST_BYTES ((apr_size_t)256 * 1024 * 1024)
#define OVERHEAD 100 /* of an entry, about */

typedef struct incore_t {
    apr_hash_t *table;
    apr_size_t bytes;
    apr_pool_t *pool;
} incore_t;

static apr_status_t incore_open(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                                zm_error_t *error)
{
    incore_t *incore = apr_pcalloc(pool, sizeof *incore);
    (void)options;
    (void)error;
    incore->pool = pool;
    incore->table = apr_hash_make(pool);
    *state = incore;
    return APR_SUCCESS;
}

static apr_size_t size_of(zm_str_t key, zm_str_t value)
{
    return key.length + value.length + OVERHEAD;
}

static apr_status_t incore_remove(void *state, zm_str_t key, zm_error_t *error)
{
    incore_t *incore = state;
    entry_t *entry = apr_hash_get(incore->table, key.data, (apr_ssize_t)key.length);
    (void)error;
    if (entry == NULL)
        return APR_ENOENT;
    apr_hash_set(incore->table, key.data, (apr_ssize_t)key.length, NULL);
    incore->bytes -= size_of(entry->key, entry->value);
    free(entry);
    return APR_SUCCESS;
}

static apr_status_t incore_flush(void *state)
{
    incore_t *incore = state;
    apr_hash_index_t *at;
    for (at = apr_hash_first(NULL, incore->table); at != NULL; at = apr_hash_next(at)) {
        entry_t *entry = apr_hash_this_val(at);
        apr_hash_set(incore->table, entry->key.data, (apr_ssize_t)entry->key.length, NULL);
        free(entry); /* only now: its key lies in it */
    }
    incore->bytes = 0;
    return APR_SUCCESS;
}

static void incore_close(void *state)
{
    (void)incore_flush(state);
}

static zm_map_outcome_t incore_lookup(void *state, zm_str_t key, zm_map_answer_t *answer,
                                      apr_pool_t *pool)
{
    incore_t *incore = state;
    const entry_t *entry = apr_hash_get(incore->table, key.data, (apr_ssize_t)key.length);
    if (entry == NULL)
        return ZM_MAP_ABSENT;
    answer->value = zm_str_copy(pool, entry->value);
    return ZM_MAP_FOUND;
}

static apr_status_t incore_add(void *state, zm_str_t key, zm_str_t value, zm_error_t *error)
{
    incore_t *incore = state;
    entry_t *entry;
    (void)incore_remove(state, key, NULL);
    if (incore->bytes + size_of(key, value) > MOST_BYTES)
        return zm_error_set(error, ZM_E_LIMIT, "holds more than %d MiB",
                            (int)(MOST_BYTES / 1024 / 1024));
    entry = malloc(sizeof *entry + key.length + value.length + 1);
    if (entry == NULL)
        return zm_error_set(error, APR_ENOMEM, "out of memory");
    incore->bytes += size_of(key, value);
    if (key.length > 0)
        memcpy(entry->bytes, key.data, key.length);
    if (value.length > 0)
        memcpy(entry->bytes + key.length, value.data, value.length);
    entry->key = zm_str_of(entry->bytes, key.length);
    entry->value = zm_str_of(entry->bytes + key.length, value.length);
    apr_hash_set(incore->table, entry->key.data, (apr_ssize_t)entry->key.length, entry);
    return APR_SUCCESS;
}

static apr_status_t incore_count(void *state, uint64_t *count, zm_error_t *error)
{
    incore_t *incore = state;
    (void)error;
    *count = apr_hash_count(incore->table);
    return APR_SUCCESS;
}

static apr_status_t incore_owner(void *state, zm_uid_t *owner, zm_error_t *error)
{
    (void)state;
    (void)error;
    *owner = zm_identity_own().uid;
    return APR_SUCCESS;
}

static apr_status_t incore_each(void *state, zm_map_each_fn *fn, void *baton, zm_error_t *error)
{
    incore_t *incore = state;
    apr_hash_index_t *at;
    (void)error;
    for (at = apr_hash_first(NULL, incore->table); at != NULL; at = apr_hash_next(at)) {
        void *value;
        const entry_t *entry;
        apr_hash_this(at, NULL, NULL, &value);
        entry = value;
        if (!fn(baton, entry->key, entry->value))
            break;
    }
    return APR_SUCCESS;
}

const zm_map_type_t zm_map_incore = {
    .name = "incore",
    .open = incore_open,
    .close = incore_close,
    .lookup = incore_lookup,
    .add = incore_add,
    .remove = incore_remove,
    .flush = incore_flush,
    .count = incore_count,
    .owner = incore_owner,
    .each = incore_each,
};
