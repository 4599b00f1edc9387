#include "mta/map/map.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/map/module.h"
#include "mta/map/types.h"
#include "platform/clock.h"

#define FILE_PAUSE apr_time_from_msec(250) /* between tries to read a file */

struct zm_map_t {
    const zm_map_type_t *type;
    const char *name; /* as it was asked for */
    zm_map_options_t options;
    void *state; /* null: not open */
    apr_pool_t *pool, *state_pool;
    uint64_t looked; /* the value of looks when the file was looked at */
    bool given_up;   /* waiting for the file was in vain */
    bool lost;       /* the file was closed because it could not be read */
};

/* Counts units of work; 0: the program does not tell. */
static uint64_t looks;
static apr_interval_time_t waited; /* by lookups in this unit of work */

static void (*waiting_fn)(void *baton);
static void *waiting_baton;

void zm_map_set_waiting(void (*fn)(void *baton), void *baton)
{
    waiting_fn = fn;
    waiting_baton = baton;
}

void zm_map_tell_waiting(void)
{
    if (waiting_fn != NULL)
        waiting_fn(waiting_baton);
}

static void close_state(void *baton)
{
    zm_map_t *map = baton;
    if (map->state != NULL && map->type->close != NULL)
        map->type->close(map->state);
    map->state = NULL;
    apr_pool_clear(map->state_pool);
}

static apr_status_t clean_up(void *baton)
{
    zm_map_t *map = baton;
    if (map->state != NULL && map->type->close != NULL)
        map->type->close(map->state);
    map->state = NULL;
    return APR_SUCCESS;
}

static const char *copy(apr_pool_t *pool, const char *text)
{
    return text != NULL ? apr_pstrdup(pool, text) : NULL;
}

apr_status_t zm_map_create(zm_map_t **map, const char *type, const zm_map_options_t *options,
                           apr_pool_t *pool, zm_error_t *error)
{
    const zm_map_type_t *found = zm_map_type_find(type);
    zm_map_t *made;
    apr_status_t status;
    if (found == NULL) {
        zm_error_t why = {0};
        (void)zm_map_module_find(type, &why);
        return zm_error_set(error, ZM_E_UNSUPPORTED, "there is no map type \"%s\": %s", type,
                            why.text);
    }
    if (found->check != NULL && (status = found->check(options, error)) != APR_SUCCESS)
        return status;
    made = apr_pcalloc(pool, sizeof *made);
    made->type = found;
    made->name = apr_pstrdup(pool, type);
    made->options.subtype = copy(pool, options->subtype);
    made->options.file = copy(pool, options->file);
    made->options.config = copy(pool, options->config);
    made->options.variable = options->variable;
    made->options.variable_baton = options->variable_baton;
    made->options.patient = options->patient;
    made->pool = pool;
    status = apr_pool_create(&made->state_pool, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot make a map");
    apr_pool_pre_cleanup_register(pool, made, clean_up);
    *map = made;
    return APR_SUCCESS;
}

static apr_status_t open_state(zm_map_t *map, zm_error_t *error)
{
    apr_status_t status;
    if (map->state != NULL)
        return APR_SUCCESS;
    status = map->type->open(&map->state, &map->options, map->state_pool, error);
    if (status != APR_SUCCESS) {
        map->state = NULL;
        apr_pool_clear(map->state_pool);
    }
    return status;
}

static zm_map_outcome_t look_up(zm_map_t *map, zm_str_t key, zm_map_answer_t *answer,
                                apr_pool_t *pool)
{
    zm_error_t error = {0};
    if (open_state(map, &error) == APR_SUCCESS)
        return map->type->lookup(map->state, key, answer, pool);
    answer->reason = apr_pstrcat(pool, "IO:", error.text, NULL);
    return ZM_MAP_FAILED;
}

/* A file could not be read: it is opened anew, now if somebody has time, else at the next lookup.
 */
static zm_map_outcome_t try_again(zm_map_t *map, zm_str_t key, zm_map_answer_t *answer,
                                  apr_pool_t *pool)
{
    zm_map_outcome_t outcome = ZM_MAP_FAILED;
    apr_time_t end = zm_clock_monotonic() + ZM_MAP_FILE_PATIENCE;
    bool patient = map->options.patient && !map->given_up;
    close_state(map);
    map->lost = true;
    while (patient && outcome == ZM_MAP_FAILED && zm_clock_monotonic() < end) {
        zm_map_tell_waiting();
        apr_sleep(FILE_PAUSE);
        outcome = look_up(map, key, answer, pool);
        if (outcome == ZM_MAP_FAILED)
            close_state(map);
    }
    return outcome;
}

zm_map_outcome_t zm_map_lookup(zm_map_t *map, zm_str_t key, zm_map_answer_t *answer,
                               apr_pool_t *pool)
{
    zm_map_outcome_t outcome;
    apr_time_t start;
    memset(answer, 0, sizeof *answer);
    if (map->type->waits && looks != 0 && waited > ZM_MAP_WAITING_LIMIT) {
        answer->reason = apr_pstrcat(pool, "IO:", map->name, " took too long", NULL);
        return ZM_MAP_FAILED;
    }
    if (map->type->blocks)
        zm_map_tell_waiting();
    start = map->type->waits ? zm_clock_monotonic() : 0;
    outcome = look_up(map, key, answer, pool);
    if (map->type->reads_file) {
        if (outcome == ZM_MAP_FAILED)
            outcome = try_again(map, key, answer, pool);
        map->given_up = outcome == ZM_MAP_FAILED;
    }
    if (map->type->waits)
        waited += zm_clock_monotonic() - start;
    return outcome;
}

static unsigned old_ways;

void zm_map_set_old(unsigned ways)
{
    old_ways = ways;
}

unsigned zm_map_old(void)
{
    return old_ways;
}

void zm_map_look_again(void)
{
    looks++;
    waited = 0;
}

uint64_t zm_map_unit(void)
{
    return looks;
}

bool zm_map_changed(zm_map_t *map)
{
    if (looks != 0 && map->looked == looks)
        return false;
    map->looked = looks;
    if (map->lost) { /* another file may be there now */
        map->lost = false;
        return true;
    }
    if (map->type->changed == NULL || map->state == NULL || !map->type->changed(map->state))
        return false;
    close_state(map);
    return true;
}

static apr_status_t unsupported(const zm_map_t *map, const char *what, zm_error_t *error)
{
    return zm_error_set(error, ZM_E_UNSUPPORTED, "a map of type %s has no \"%s\"", map->name, what);
}

apr_status_t zm_map_add(zm_map_t *map, zm_str_t key, zm_str_t value, zm_error_t *error)
{
    apr_status_t status;
    if (map->type->add == NULL)
        return unsupported(map, "add", error);
    status = open_state(map, error);
    if (status == APR_SUCCESS)
        status = map->type->add(map->state, key, value, error);
    if (status == APR_SUCCESS && map->type->add_reopens)
        close_state(map);
    return status;
}

apr_status_t zm_map_remove(zm_map_t *map, zm_str_t key, zm_error_t *error)
{
    apr_status_t status;
    if (map->type->remove == NULL)
        return unsupported(map, "remove", error);
    status = open_state(map, error);
    return status != APR_SUCCESS ? status : map->type->remove(map->state, key, error);
}

apr_status_t zm_map_flush(zm_map_t *map)
{
    if (map->type->holds_nothing)
        return ZM_E_UNSUPPORTED;
    if (map->type->flush != NULL)
        return map->state != NULL ? map->type->flush(map->state) : APR_SUCCESS;
    close_state(map);
    return APR_SUCCESS;
}

apr_status_t zm_map_count(zm_map_t *map, uint64_t *count, zm_error_t *error)
{
    apr_status_t status;
    if (map->type->count == NULL)
        return unsupported(map, "count", error);
    status = open_state(map, error);
    return status != APR_SUCCESS ? status : map->type->count(map->state, count, error);
}

apr_status_t zm_map_owner(zm_map_t *map, zm_uid_t *owner, zm_error_t *error)
{
    apr_status_t status;
    if (map->type->owner == NULL)
        return unsupported(map, "owner", error);
    status = open_state(map, error);
    return status != APR_SUCCESS ? status : map->type->owner(map->state, owner, error);
}

apr_status_t zm_map_each(zm_map_t *map, zm_map_each_fn *fn, void *baton, zm_error_t *error)
{
    apr_status_t status;
    if (map->type->each == NULL)
        return unsupported(map, "print", error);
    status = open_state(map, error);
    return status != APR_SUCCESS ? status : map->type->each(map->state, fn, baton, error);
}

apr_status_t zm_map_begin(zm_map_t *map, zm_error_t *error)
{
    apr_status_t status = open_state(map, error);
    return status != APR_SUCCESS || map->type->begin == NULL ? status
                                                             : map->type->begin(map->state, error);
}

apr_status_t zm_map_commit(zm_map_t *map, zm_error_t *error)
{
    apr_status_t status = open_state(map, error);
    return status != APR_SUCCESS || map->type->commit == NULL
               ? status
               : map->type->commit(map->state, error);
}

const char *zm_map_type(const zm_map_t *map)
{
    return map->name;
}

const zm_map_options_t *zm_map_options(const zm_map_t *map)
{
    return &map->options;
}
