/**
 * Maps: keyed lookups in memory, text files, databases and services.
 *
 * A map answers one question: which value belongs to this key?  The answer is
 * found, absent, or failed for now; a caller must never take a failure for an
 * absence.  A map maps no case, keeps no cache and tries no other keys; that is
 * what a relation (relation.h) adds on top.
 *
 * Types: incore, unordered, ordered, regex, sqlite (and, as other names of it,
 * dbm, ndbm, gdbm, btree, bhash), bind, hostsfile, selfmatch; ldap, pgsql,
 * mysql and yp where their modules are (module.h).  Programs may add their own with
 * zm_map_type_add.
 *
 * One map belongs to one thread.
 */
#ifndef ZM_MAP_MAP_H
#define ZM_MAP_MAP_H

#include "platform/identity.h"
#include "platform/str.h"

typedef struct zm_map_t zm_map_t;

typedef enum zm_map_outcome_t {
    ZM_MAP_FOUND,
    ZM_MAP_ABSENT, /**< there is definitely no such key */
    ZM_MAP_FAILED  /**< cannot tell now: treat as temporary */
} zm_map_outcome_t;

typedef struct zm_map_answer_t {
    zm_str_t value;         /**< the value, or the first of several */
    const zm_str_t *values; /**< of a map whose answers are lists; else null */
    apr_size_t count;       /**< number of values; 0 when the answer is one string */
    unsigned ttl;           /**< seconds the answer may be kept; 0: unknown */
    const char *reason; /**< ZM_MAP_FAILED: short reason in the form "IO:..." or "NS:name/type" */
} zm_map_answer_t;

/** The value of a variable of the site when a lookup is made ("hostname"); "" when it has none. */
typedef zm_str_t zm_map_variable_fn(void *baton, const char *name);

typedef struct zm_map_options_t {
    const char *subtype;          /**< type specific, or null */
    const char *file;             /**< path or type-specific parameter, or null */
    const char *config;           /**< further configuration file, or null */
    zm_map_variable_fn *variable; /**< null: there are no variables */
    void *variable_baton;
    /** A lookup in a file that cannot be read tries again for ZM_MAP_FILE_PATIENCE before it fails:
     * the file may be away for a moment while another takes its place.  Once; then lookups fail
     * at once until one could read the file. */
    bool patient;
} zm_map_options_t;

#define ZM_MAP_FILE_PATIENCE apr_time_from_sec(3)

/**
 * What the original does differently, for sites whose data live on it:
 * ZM_MAP_OLD_KEYS      a line of a text file that is a key alone, with nothing behind it, is not
 * found ZM_MAP_OLD_COVERED   %0 is the whole key when an answer comes from the cache of a relation
 * Process wide; set before anything is looked up.
 */
typedef enum zm_map_old_t { ZM_MAP_OLD_KEYS = 1, ZM_MAP_OLD_COVERED = 2 } zm_map_old_t;
void zm_map_set_old(unsigned ways);
unsigned zm_map_old(void);

/** Whether maps of that type can be opened. */
bool zm_map_type_exists(const char *type);

/**
 * Makes a map.  Files are opened at the first lookup, so that a missing file is
 * a failed lookup and not a failed start.  Lives as long as the pool.
 * Errors: ZM_E_UNSUPPORTED unknown type, ZM_E_CONFIG unsuitable options.
 */
apr_status_t zm_map_create(zm_map_t **map, const char *type, const zm_map_options_t *options,
                           apr_pool_t *pool, zm_error_t *error);

/** What lookups that ask others (the name service) may take together between two calls of
 * zm_map_look_again; then they fail at once. */
#define ZM_MAP_WAITING_LIMIT apr_time_from_sec(30)

/** Looks a key up.  The answer lives in the pool given. */
zm_map_outcome_t zm_map_lookup(zm_map_t *map, zm_str_t key, zm_map_answer_t *answer,
                               apr_pool_t *pool);

/**
 * Looks whether the file was changed or replaced since it was opened, or could not be read
 * meanwhile; if so closes it (the next lookup reopens) and returns true.  A program that has said
 * zm_map_look_again once has each file looked at once until it says so again.
 */
bool zm_map_changed(zm_map_t *map);
/** A unit of work begins: changes of files are to be seen again, time for waiting is there anew. */
void zm_map_look_again(void);

/** Each returns ZM_E_UNSUPPORTED where the type has no such operation. */
apr_status_t zm_map_add(zm_map_t *map, zm_str_t key, zm_str_t value, zm_error_t *error);
apr_status_t zm_map_remove(zm_map_t *map, zm_str_t key,
                           zm_error_t *error); /**< APR_ENOENT: no such key */
apr_status_t
zm_map_flush(zm_map_t *map); /**< close the file or connection; in-core maps lose all entries */
apr_status_t zm_map_count(zm_map_t *map, uint64_t *count, zm_error_t *error);
apr_status_t zm_map_owner(zm_map_t *map, zm_uid_t *owner, zm_error_t *error);

/**
 * Many additions at once: between begin and commit nothing is durable and nobody
 * else should read.  Types to which that makes no difference accept both.
 */
apr_status_t zm_map_begin(zm_map_t *map, zm_error_t *error);
apr_status_t zm_map_commit(zm_map_t *map, zm_error_t *error);

/** Called for each entry; text files give each line whole in key, with value.data null.  False
 * stops. */
typedef bool zm_map_each_fn(void *baton, zm_str_t key, zm_str_t value);
apr_status_t zm_map_each(zm_map_t *map, zm_map_each_fn *fn, void *baton, zm_error_t *error);

const char *zm_map_type(const zm_map_t *map);
const zm_map_options_t *zm_map_options(const zm_map_t *map);

/**
 * Has fn called while a lookup waits for somebody else: before a lookup that blocks, else every
 * quarter of a second of waiting.  For programs that have others waiting, whom they can send away.
 */
void zm_map_set_waiting(void (*fn)(void *baton), void *baton);

/* -- types added by programs ---------------------------------------------------- */

/** The operations of a type.  open is called before the first other call and after close; null
 * means unsupported. */
typedef struct zm_map_type_t {
    const char *name;
    bool answers_lists;
    bool add_reopens;   /**< what is open does not show additions: open anew after each */
    bool reads_file;    /**< lookups fail because a file cannot be read */
    bool waits;         /**< lookups wait for others: their time is bounded */
    bool blocks;        /**< and do not tell that they wait */
    bool holds_nothing; /**< there is nothing to flush */
    apr_status_t (*check)(const zm_map_options_t *options, zm_error_t *error);
    apr_status_t (*open)(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                         zm_error_t *error);
    void (*close)(void *state);
    zm_map_outcome_t (*lookup)(void *state, zm_str_t key, zm_map_answer_t *answer,
                               apr_pool_t *pool);
    bool (*changed)(void *state);
    apr_status_t (*add)(void *state, zm_str_t key, zm_str_t value, zm_error_t *error);
    apr_status_t (*remove)(void *state, zm_str_t key, zm_error_t *error);
    apr_status_t (*flush)(void *state);
    apr_status_t (*count)(void *state, uint64_t *count, zm_error_t *error);
    apr_status_t (*owner)(void *state, zm_uid_t *owner, zm_error_t *error);
    apr_status_t (*each)(void *state, zm_map_each_fn *fn, void *baton, zm_error_t *error);
    apr_status_t (*begin)(void *state, zm_error_t *error);
    apr_status_t (*commit)(void *state, zm_error_t *error);
} zm_map_type_t;

/** Adds or replaces a type, process wide; the table must be static.  Before threads start. */
void zm_map_type_add(const zm_map_type_t *type);

#endif
