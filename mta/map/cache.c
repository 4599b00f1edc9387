#include "mta/map/cache.h"

#include <apr_hash.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"

typedef struct entry_t {
    struct entry_t *newer, *older;
    apr_time_t until; /* monotonic; 0: no limit */
    zm_str_t key;
    zm_map_found_t found;
    char bytes[]; /* the array of values, then all strings */
} entry_t;

struct zm_map_cache_t {
    apr_hash_t *table;
    entry_t *newest, *oldest;
    apr_size_t size, count;
    unsigned ttl;
};

static apr_status_t clean_up(void *baton)
{
    zm_map_cache_clear(baton);
    return APR_SUCCESS;
}

zm_map_cache_t *zm_map_cache_create(apr_size_t size, unsigned ttl, apr_pool_t *pool)
{
    zm_map_cache_t *cache = apr_pcalloc(pool, sizeof *cache);
    cache->table = apr_hash_make(pool);
    cache->size = size;
    cache->ttl = ttl;
    apr_pool_pre_cleanup_register(pool, cache, clean_up);
    return cache;
}

static void unlink_entry(zm_map_cache_t *cache, entry_t *entry)
{
    if (entry->newer != NULL)
        entry->newer->older = entry->older;
    else
        cache->newest = entry->older;
    if (entry->older != NULL)
        entry->older->newer = entry->newer;
    else
        cache->oldest = entry->newer;
}

static void link_first(zm_map_cache_t *cache, entry_t *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    if (cache->newest != NULL)
        cache->newest->newer = entry;
    else
        cache->oldest = entry;
    cache->newest = entry;
}

static void drop(zm_map_cache_t *cache, entry_t *entry)
{
    unlink_entry(cache, entry);
    apr_hash_set(cache->table, entry->key.data, (apr_ssize_t)entry->key.length, NULL);
    cache->count--;
    free(entry);
}

void zm_map_cache_clear(zm_map_cache_t *cache)
{
    while (cache->oldest != NULL)
        drop(cache, cache->oldest);
}

apr_size_t zm_map_cache_count(const zm_map_cache_t *cache)
{
    return cache->count;
}

bool zm_map_cache_get(zm_map_cache_t *cache, zm_str_t key, zm_map_found_t *found, apr_pool_t *pool)
{
    entry_t *entry = apr_hash_get(cache->table, key.data, (apr_ssize_t)key.length);
    apr_size_t i;
    if (entry == NULL)
        return false;
    if (entry->until != 0 && zm_clock_monotonic() > entry->until) {
        drop(cache, entry);
        return false;
    }
    if (entry != cache->newest) {
        unlink_entry(cache, entry);
        link_first(cache, entry);
    }
    *found = entry->found;
    found->value = zm_str_copy(pool, entry->found.value);
    found->covered = zm_str_copy(pool, entry->found.covered);
    if (entry->found.count > 0) {
        zm_str_t *values = apr_palloc(pool, entry->found.count * sizeof *values);
        for (i = 0; i < entry->found.count; i++)
            values[i] = zm_str_copy(pool, entry->found.values[i]);
        found->values = values;
    }
    return true;
}

static zm_str_t keep(char **at, zm_str_t string)
{
    zm_str_t kept = zm_str_of(*at, string.length);
    if (string.length > 0)
        memcpy(*at, string.data, string.length);
    *at += string.length;
    return kept;
}

void zm_map_cache_put(zm_map_cache_t *cache, zm_str_t key, const zm_map_found_t *found,
                      unsigned ttl)
{
    apr_size_t size = found->count * sizeof(zm_str_t) + key.length + found->value.length +
                      found->covered.length,
               i;
    entry_t *entry = apr_hash_get(cache->table, key.data, (apr_ssize_t)key.length);
    zm_str_t *values;
    char *at;
    if (entry != NULL)
        drop(cache, entry);
    for (i = 0; i < found->count; i++)
        size += found->values[i].length;
    entry = malloc(sizeof *entry + size);
    if (entry == NULL)
        return; /* a cache may forget */
    while (cache->count >= cache->size)
        drop(cache, cache->oldest);
    if (ttl == 0 || (cache->ttl != 0 && cache->ttl < ttl))
        ttl = cache->ttl;
    entry->until = ttl != 0 ? zm_clock_monotonic() + apr_time_from_sec(ttl) : 0;
    entry->found = *found;
    values = (zm_str_t *)(void *)entry->bytes;
    at = entry->bytes + found->count * sizeof *values;
    for (i = 0; i < found->count; i++)
        values[i] = keep(&at, found->values[i]);
    entry->found.values = values;
    entry->key = keep(&at, key);
    entry->found.value = keep(&at, found->value);
    entry->found.covered = keep(&at, found->covered);
    link_first(cache, entry);
    apr_hash_set(cache->table, entry->key.data, (apr_ssize_t)entry->key.length, entry);
    cache->count++;
}
