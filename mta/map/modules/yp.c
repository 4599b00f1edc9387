/*
 * yp: a map of NIS, of the domain that the file names or of this host's own.
 *
 * Keys are tried as they are, then with the NUL that makedbm leaves behind them;
 * one behind the value is dropped.  Binding to a server and asking it is left to
 * the library, which knows how to wait and how to come back.  Anything but the
 * definite answer that there is no such key is a temporary failure.
 */
#include <rpc/rpc.h>
#include <rpcsvc/yp_prot.h>
#include <rpcsvc/ypclnt.h>

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "mta/map/module.h"

#define MOST_BYTES 1024 /* of a key, by the protocol */

typedef struct yp_map_t {
    const char *domain; /* null: this host's, asked for anew each time */
    const char *name;
} yp_map_t;

static apr_status_t yp_map_check(const zm_map_options_t *options, zm_error_t *error)
{
    if (options->subtype == NULL || options->subtype[0] == '\0')
        return zm_error_set(error, ZM_E_CONFIG, "the type yp needs a map: yp,MAP");
    return APR_SUCCESS;
}

static apr_status_t yp_map_open(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                                zm_error_t *error)
{
    yp_map_t *map = apr_pcalloc(pool, sizeof *map);
    (void)error;
    map->name = options->subtype;
    if (options->file != NULL && options->file[0] != '\0')
        map->domain = options->file;
    *state = map;
    return APR_SUCCESS;
}

static void yp_map_close(void *state)
{
    (void)state;
}

static int find_domain(const yp_map_t *map, const char **domain)
{
    char *own;
    int code = YPERR_SUCCESS;
    *domain = map->domain;
    if (*domain == NULL && (code = yp_get_default_domain(&own)) == YPERR_SUCCESS)
        *domain = own;
    return code;
}

/* Where this system has it, the name is never changed by the call. */
static int match(const yp_map_t *map, const char *key, int length, char **value, int *size)
{
    const char *domain;
    int code = find_domain(map, &domain);
    *value = NULL;
    *size = 0;
    return code == YPERR_SUCCESS ? yp_match(domain, map->name, key, length, value, size) : code;
}

static zm_map_outcome_t yp_map_lookup(void *state, zm_str_t key, zm_map_answer_t *answer,
                                      apr_pool_t *pool)
{
    const yp_map_t *map = state;
    const char *text = zm_str_c(pool, key);
    char *value;
    int size, code;
    if (key.length == 0 || key.length >= MOST_BYTES)
        return ZM_MAP_ABSENT;
    code = match(map, text, (int)key.length, &value, &size);
    if (code == YPERR_KEY)
        code = match(map, text, (int)key.length + 1, &value, &size);
    if (code == YPERR_KEY)
        return ZM_MAP_ABSENT;
    if (code != YPERR_SUCCESS) {
        answer->reason = apr_psprintf(pool, "IO:yp %s: %s", map->name, yperr_string(code));
        return ZM_MAP_FAILED;
    }
    while (size > 0 && value[size - 1] == '\0')
        size--;
    answer->value = zm_str_copy(pool, zm_str_of(value, (apr_size_t)size));
    free(value);
    return ZM_MAP_FOUND;
}

typedef struct walk_t {
    zm_map_each_fn *fn;
    void *baton;
} walk_t;

static zm_str_t without_nul(const char *data, int length)
{
    while (length > 0 && data[length - 1] == '\0')
        length--;
    return zm_str_of(data, length > 0 ? (apr_size_t)length : 0);
}

/* True ends the walk. */
static int step(int status, char *key, int key_length, char *value, int value_length, char *baton)
{
    const walk_t *walk = (const walk_t *)(void *)baton;
    if (status != YP_TRUE)
        return 1;
    return !walk->fn(walk->baton, without_nul(key, key_length), without_nul(value, value_length));
}

static apr_status_t yp_map_each(void *state, zm_map_each_fn *fn, void *baton, zm_error_t *error)
{
    const yp_map_t *map = state;
    walk_t walk = {fn, baton};
    struct ypall_callback callback = {step, (char *)(void *)&walk};
    const char *domain;
    int code = find_domain(map, &domain);
    if (code == YPERR_SUCCESS)
        code = yp_all(domain, map->name, &callback);
    if (code != YPERR_SUCCESS && code != YPERR_NOMORE)
        return zm_error_set(error, ZM_E_TEMPORARY, "yp %s: %s", map->name, yperr_string(code));
    return APR_SUCCESS;
}

/* Whoever keeps the server's files is nobody here. */
static apr_status_t yp_map_owner(void *state, zm_uid_t *owner, zm_error_t *error)
{
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, NULL);
    (void)state;
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot tell who nobody is");
    *owner = zm_identity_nobody(NULL, pool).uid;
    apr_pool_destroy(pool);
    return APR_SUCCESS;
}

static const zm_map_type_t type = {.name = "yp",
                                   .waits = true,
                                   .blocks = true,
                                   .holds_nothing = true,
                                   .check = yp_map_check,
                                   .open = yp_map_open,
                                   .close = yp_map_close,
                                   .lookup = yp_map_lookup,
                                   .owner = yp_map_owner,
                                   .each = yp_map_each};
extern const zm_map_module_t zm_map_module;
const zm_map_module_t zm_map_module = {ZM_MAP_MODULE_VERSION, sizeof type, &type};
