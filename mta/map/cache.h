/**
 * The cache of a relation: keys and what was found for them, the least recently
 * used going first.
 */
#ifndef ZM_MAP_CACHE_H
#define ZM_MAP_CACHE_H

#include "mta/map/map.h"

typedef struct zm_map_cache_t zm_map_cache_t;

/** What a lookup found, with the part of the key that a suffix match covered (for %0). */
typedef struct zm_map_found_t {
    bool absent;
    zm_str_t value;
    zm_str_t covered;
    const zm_str_t *values; /**< of answers that are lists */
    apr_size_t count;
} zm_map_found_t;

/** size: entries at most, at least 1.  ttl: seconds, 0: no limit. */
zm_map_cache_t *zm_map_cache_create(apr_size_t size, unsigned ttl, apr_pool_t *pool);
/** False: not there or too old.  Strings are copied into pool. */
bool zm_map_cache_get(zm_map_cache_t *cache, zm_str_t key, zm_map_found_t *found, apr_pool_t *pool);
/** ttl: of this answer, 0: that of the cache. */
void zm_map_cache_put(zm_map_cache_t *cache, zm_str_t key, const zm_map_found_t *found,
                      unsigned ttl);
void zm_map_cache_clear(zm_map_cache_t *cache);
apr_size_t zm_map_cache_count(const zm_map_cache_t *cache);

#endif
