/**
 * The resolver for maps: questions to the name service with an answer at once.
 *
 * A lookup of a map waits for its answer, but not for long: a question ends as
 * temporary failure after ZM_MAP_QUESTION_TIME, a name that failed is not asked
 * again in the same unit of work (zm_map_look_again), and zm_map_lookup bounds
 * what all questions of a unit take together.  Other processes go on meanwhile.
 */
#ifndef ZM_MAP_RESOLVER_H
#define ZM_MAP_RESOLVER_H

#include "mta/net/dns.h"

#define ZM_MAP_QUESTION_TIME apr_time_from_sec(10)

typedef struct zm_map_resolver_t zm_map_resolver_t;

/** Lives as long as the pool.  Nothing is asked and no socket opened before the first question. */
apr_status_t zm_map_resolver_create(zm_map_resolver_t **resolver, apr_pool_t *pool,
                                    zm_error_t *error);

/** Asks, and waits.  The answer lives in pool; never null. */
const zm_dns_answer_t *zm_map_resolver_ask(zm_map_resolver_t *resolver, zm_dns_type_t type,
                                           zm_str_t name, apr_pool_t *pool);

/**
 * The names that a name may stand for: itself, and for one without a dot first
 * those made with the search list of the system.  At most 8, NUL terminated.
 */
int zm_map_resolver_names(zm_map_resolver_t *resolver, zm_str_t name, const char *names[8],
                          apr_pool_t *pool);

/** The canonical name that the hosts file of the system has; null: it does not know the name. */
const char *zm_map_resolver_host(zm_map_resolver_t *resolver, const char *name, apr_pool_t *pool);

#endif
