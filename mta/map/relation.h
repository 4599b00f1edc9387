/**
 * Relations: maps as configurations define them.
 *
 * A relation is a map with case mapping, a cache with a lifetime, a search
 * driver that tries a sequence of keys, post-processing of the result, and
 * percent substitution.
 *
 * Where keys are domains (there is a driver) or addresses (the key has an "@"), a
 * key that is not there is also looked up in its other form, "bücher.example" and
 * "xn--bcher-kva.example", before the next one is tried.
 */
#ifndef ZM_MAP_RELATION_H
#define ZM_MAP_RELATION_H

#include "mta/map/map.h"

typedef struct zm_relation_t zm_relation_t;

typedef enum zm_relation_driver_t {
    ZM_DRIVER_NONE,
    ZM_DRIVER_PATHALIAS,       /**< key, .key, .suffixes, then the defaults or "." */
    ZM_DRIVER_PATHALIAS_NODOT, /**< suffixes without their dot, neither key nor defaults */
    ZM_DRIVER_PATHALIAS_AT, /**< user@domain, then the domain as pathalias; user@, then @local@ */
    ZM_DRIVER_LONGESTMATCH /**< IPv4 prefixes from /32 to /0; names: key, .suffixes, defaults or "."
                            */
} zm_relation_driver_t;

typedef enum zm_relation_post_t {
    ZM_POST_NONE,
    ZM_POST_BOOLEAN, /**< -b: the value is the key */
    ZM_POST_NONNULL, /**< -n: without a value the value is the key */
    ZM_POST_INDIRECT /**< -i: the value is an offset into the file named by the subtype */
} zm_relation_post_t;

typedef struct zm_relation_options_t {
    const char *type;
    zm_map_options_t map;
    int fold; /**< 'l', 'u' or 0: case mapping of keys (ASCII) */
    zm_relation_driver_t driver;
    zm_relation_post_t post;
    bool percent;  /**< -%: substitute %0 to %9 in string values */
    bool check;    /**< -m: before each lookup look whether the file changed */
    bool negative; /**< -N: cache absences too */
    int cache;     /**< cache entries; -1: the default of the type */
    unsigned ttl;  /**< seconds a cached answer lives; 0: until replaced */
} zm_relation_options_t;

/** The driver of that name ("pathalias.at"); false when there is none. */
bool zm_relation_driver(const char *name, zm_relation_driver_t *driver);

/** Errors: ZM_E_UNSUPPORTED unknown type; ZM_E_CONFIG unsuitable options. */
apr_status_t zm_relation_create(zm_relation_t **relation, const zm_relation_options_t *options,
                                apr_pool_t *pool, zm_error_t *error);

typedef struct zm_relation_query_t {
    zm_str_t key;
    const zm_str_t *defaults; /**< keys tried last by a driver, instead of "." */
    apr_size_t default_count;
    const zm_str_t *args; /**< %1, %2, ... */
    apr_size_t arg_count;
} zm_relation_query_t;

/** The answer lives in the pool.  An empty key is absent. */
zm_map_outcome_t zm_relation_lookup(zm_relation_t *relation, const zm_relation_query_t *query,
                                    zm_map_answer_t *answer, apr_pool_t *pool);

/** The key with the relation's case mapping, for db add and remove. */
zm_str_t zm_relation_fold(const zm_relation_t *relation, zm_str_t key, apr_pool_t *pool);
zm_map_t *zm_relation_map(zm_relation_t *relation);
const zm_relation_options_t *zm_relation_options(const zm_relation_t *relation);
apr_size_t zm_relation_cached(const zm_relation_t *relation); /**< entries in the cache */
/** Drops the cache and flushes the map.  ZM_E_UNSUPPORTED where there is no map to flush. */
apr_status_t zm_relation_flush(zm_relation_t *relation);

#endif
