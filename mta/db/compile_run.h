/** One run of the compiler, for the files compile*.c. */
#ifndef ZM_MTA_DB_COMPILE_RUN_H
#define ZM_MTA_DB_COMPILE_RUN_H

#include "mta/db/compile.h"

/* Where keys stand, by hash.  A million keys need 16 MB here; the keys themselves are in the map.
 */
typedef struct zm_place_t {
    uint32_t hash, line; /* line 0: free */
} zm_place_t;

typedef struct zm_run_t {
    zm_compile_t *compile;
    zm_map_t *map;
    zm_place_t *places;
    apr_size_t slots, used;
    apr_pool_t *pool; /* of one entry */
    zm_error_t *error;
} zm_run_t;

/** Adds an entry, or joins it with the one of that key, or tells that it is there already.  shown
 * is what the key is called. */
apr_status_t zm_compile_add(zm_run_t *run, zm_str_t key, zm_str_t shown, zm_str_t value,
                            unsigned line);
void zm_compile_note(zm_run_t *run, zm_compile_note_t what, unsigned line, const char *text);

/** Reads a policy source. */
apr_status_t zm_compile_policy(zm_run_t *run, zm_str_t text, apr_pool_t *pool);

#endif
