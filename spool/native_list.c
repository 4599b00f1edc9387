#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "spool/native.h"

/* -- listing -------------------------------------------------------------------- */

/*
 * A stack of open directories, one for each letter on the way down: memory does
 * not depend on how many objects there are.
 */
typedef struct level_t {
    zm_dir_t *entries;
    apr_pool_t *pool;
    apr_size_t length; /* of the path up to and with the '/' after this directory */
} level_t;

typedef struct listing_t {
    zm_native_t *native;
    apr_pool_t *pool;
    bool hidden;
    int depth; /* of the innermost level; -1: at the end */
    level_t levels[ZM_HASH_DEPTH_LIMIT + 1];
    char name[ZM_ENGINE_NAME_SIZE];
} listing_t;

static listing_t *listing_of(zm_engine_listing_t *listing)
{
    return (listing_t *)listing;
}

/* Goes into the directory whose path, with a '/' at its end, is the first length bytes of the name.
 */
static apr_status_t descend(listing_t *listing, apr_size_t length)
{
    level_t *level = &listing->levels[listing->depth + 1];
    zm_native_dir_t *dir;
    apr_status_t status = apr_pool_create(&level->pool, listing->pool);
    if (status != APR_SUCCESS)
        return status;
    status =
        zm_native_dir_get(&dir, listing->native->dirs, zm_str_of(listing->name, length - 1), false);
    if (status == APR_SUCCESS) {
        status = zm_dir_open(&level->entries, dir->handle, ".", level->pool);
        zm_native_dir_put(listing->native->dirs, dir);
    }
    if (status != APR_SUCCESS) {
        apr_pool_destroy(level->pool);
        return status;
    }
    level->length = length;
    listing->depth++;
    return APR_SUCCESS;
}

static void ascend(listing_t *listing)
{
    apr_pool_destroy(listing->levels[listing->depth].pool); /* closes it */
    listing->depth--;
}

apr_status_t zm_native_list(zm_engine_t *engine, zm_engine_listing_t **result,
                            const char *directory, bool hidden, apr_pool_t *parent)
{
    listing_t *listing;
    apr_pool_t *pool;
    apr_size_t length = strlen(directory);
    apr_status_t status;
    if (length + 1 >= sizeof listing->name)
        return APR_ENAMETOOLONG;
    status = apr_pool_create(&pool, parent);
    if (status != APR_SUCCESS)
        return status;
    listing = apr_pcalloc(pool, sizeof *listing);
    listing->native = zm_native(engine);
    listing->pool = pool;
    listing->hidden = hidden;
    listing->depth = -1;
    memcpy(listing->name, directory, length);
    listing->name[length] = '/';
    status = descend(listing, length + 1);
    if (status != APR_SUCCESS)
        apr_pool_destroy(pool);
    else
        *result = (zm_engine_listing_t *)listing;
    return status;
}

/* Puts an entry into the name; whether it is one that the caller wants. */
static bool take_entry(listing_t *listing, const char *leaf, zm_file_kind_t kind)
{
    const level_t *level = &listing->levels[listing->depth];
    apr_size_t length = strlen(leaf);
    zm_name_t parts;
    if (kind != ZM_FILE_REGULAR || (leaf[0] == '.' && !listing->hidden) ||
        level->length + length >= sizeof listing->name)
        return false;
    memcpy(listing->name + level->length, leaf, length + 1);
    zm_native_leaf_in(listing->native, listing->name + level->length);
    return zm_layout_parse(&parts, zm_str(listing->name)) == APR_SUCCESS;
}

static bool is_hash_directory(const listing_t *listing, const char *leaf, zm_file_kind_t kind)
{
    return kind == ZM_FILE_DIRECTORY && zm_is_upper((unsigned char)leaf[0]) && leaf[1] == '\0' &&
           listing->depth < ZM_HASH_DEPTH_LIMIT;
}

apr_status_t zm_native_list_next(zm_engine_listing_t *handle, const char **name)
{
    listing_t *listing = listing_of(handle);
    while (listing->depth >= 0) {
        level_t *level = &listing->levels[listing->depth];
        const char *leaf;
        zm_file_kind_t kind;
        apr_status_t status = zm_dir_next(level->entries, &leaf, &kind);
        if (APR_STATUS_IS_ENOENT(status)) {
            ascend(listing);
        } else if (status != APR_SUCCESS) {
            return status;
        } else if (is_hash_directory(listing, leaf, kind)) {
            listing->name[level->length] = leaf[0];
            listing->name[level->length + 1] = '/';
            status = descend(listing, level->length + 2);
            /* Gone meanwhile, or somebody's own in a directory open to all: none of ours. */
            if (status != APR_SUCCESS && !APR_STATUS_IS_ENOENT(status) && status != ZM_E_UNSAFE)
                return status;
        } else if (take_entry(listing, leaf, kind)) {
            *name = listing->name;
            return APR_SUCCESS;
        }
    }
    return APR_ENOENT;
}

void zm_native_list_close(zm_engine_listing_t *listing)
{
    apr_pool_destroy(listing_of(listing)->pool);
}

/* -- watching --------------------------------------------------------------------- */

/*
 * One watch for the directory and one for each hash directory in it, those of
 * the second level included.  What cannot be watched is looked at by timer: the
 * caller is told to list then, at a bounded rate.
 */
#define RESCAN_INTERVAL apr_time_from_sec(2)

typedef struct watched_t {
    struct watch_t *watch;
    struct watched_t *next;
    zm_dirwatch_t *dirwatch;
    apr_size_t length; /* of path */
    char path[ZM_ENGINE_NAME_SIZE];
} watched_t;

typedef struct watch_t {
    zm_engine_watch_t head;
    zm_native_t *native;
    zm_loop_t *loop;
    zm_spool_watch_fn *fn;
    void *baton;
    watched_t *first;
    zm_timer_t rescan;
} watch_t;

static apr_status_t watch_below(watch_t *watch, const char *path, int depth);

static void start_rescans(watch_t *watch)
{
    if (!zm_timer_is_set(&watch->rescan))
        zm_timer_set(&watch->rescan, RESCAN_INTERVAL);
}

static void on_rescan(zm_timer_t *timer, void *baton)
{
    watch_t *watch = baton;
    zm_timer_set(timer, RESCAN_INTERVAL);
    watch->fn(NULL, watch->baton);
}

static int depth_of(const char *path)
{
    int depth = 0;
    for (; *path != '\0'; path++)
        depth += *path == '/';
    return depth;
}

static void on_name(const char *leaf, void *baton)
{
    watched_t *watched = baton;
    watch_t *watch = watched->watch;
    zm_name_t parts;
    apr_size_t length;
    if (leaf == NULL) {
        watch->fn(NULL, watch->baton);
        return;
    }
    length = strlen(leaf);
    if (watched->length + 1 + length >= sizeof watched->path)
        return;
    watched->path[watched->length] = '/';
    memcpy(watched->path + watched->length + 1, leaf, length + 1);
    if (length == 1 && zm_is_upper((unsigned char)leaf[0])) {
        /* A new hash directory may have got names before it was watched. */
        char path[ZM_ENGINE_NAME_SIZE];
        apr_cpystrn(path, watched->path, sizeof path);
        watched->path[watched->length] = '\0';
        if (watch_below(watch, path, depth_of(path)) != APR_SUCCESS)
            start_rescans(watch);
        watch->fn(NULL, watch->baton);
        return;
    }
    zm_native_leaf_in(watch->native, watched->path + watched->length + 1);
    if (leaf[0] != '.' && zm_layout_parse(&parts, zm_str(watched->path)) == APR_SUCCESS) {
        char name[ZM_ENGINE_NAME_SIZE];
        apr_cpystrn(name, watched->path, sizeof name);
        watched->path[watched->length] = '\0';
        watch->fn(name, watch->baton); /* may close the watch */
        return;
    }
    watched->path[watched->length] = '\0';
}

static apr_status_t watch_one(watch_t *watch, const char *path)
{
    watched_t *watched;
    zm_file_info_t info;
    bool linked;
    char full[4096];
    apr_status_t status;
    for (watched = watch->first; watched != NULL; watched = watched->next)
        if (strcmp(watched->path, path) == 0)
            return APR_SUCCESS;
    watched = malloc(sizeof *watched);
    if (watched == NULL)
        return APR_ENOMEM;
    watched->watch = watch;
    watched->length = strlen(path);
    apr_cpystrn(watched->path, path, sizeof watched->path);
    linked = strchr(path, '/') == NULL &&
             zm_path_info(&info, watch->native->root, path) == APR_SUCCESS &&
             info.kind == ZM_FILE_SYMLINK; /* native_dirs.c */
    apr_snprintf(full, sizeof full, "%s/%s%s", watch->native->location, path, linked ? "/." : "");
    status = zm_dirwatch_open(&watched->dirwatch, watch->loop, full, on_name, watched);
    if (status != APR_SUCCESS) {
        free(watched);
        return status;
    }
    watched->next = watch->first;
    watch->first = watched;
    return APR_SUCCESS;
}

static apr_status_t watch_below(watch_t *watch, const char *path, int depth)
{
    char below[ZM_ENGINE_NAME_SIZE];
    apr_size_t length = strlen(path);
    apr_status_t status = watch_one(watch, path);
    zm_native_dir_t *dir;
    int letter;
    if (status != APR_SUCCESS || depth >= 2 || length + 3 > sizeof below)
        return status;
    memcpy(below, path, length);
    memcpy(below + length, "/?", 3);
    for (letter = 'A'; letter <= 'Z'; letter++) {
        below[length + 1] = (char)letter;
        if (zm_native_dir_get(&dir, watch->native->dirs, zm_str(below), false) != APR_SUCCESS)
            continue; /* not there, or none of ours */
        zm_native_dir_put(watch->native->dirs, dir);
        status = watch_below(watch, below, depth + 1);
        if (status != APR_SUCCESS)
            return status;
    }
    return APR_SUCCESS;
}

apr_status_t zm_native_watch(zm_engine_t *engine, zm_engine_watch_t **result, const char *directory,
                             zm_loop_t *loop, zm_spool_watch_fn *fn, void *baton)
{
    zm_native_dir_t *dir;
    watch_t *watch;
    apr_status_t status =
        zm_native_dir_get(&dir, zm_native(engine)->dirs, zm_str(directory), false);
    if (status != APR_SUCCESS)
        return status;
    zm_native_dir_put(zm_native(engine)->dirs, dir);
    watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return APR_ENOMEM;
    watch->head.ops = &zm_engine_native;
    watch->native = zm_native(engine);
    watch->loop = loop;
    watch->fn = fn;
    watch->baton = baton;
    zm_timer_init(&watch->rescan, loop, on_rescan, watch);
    if (watch_below(watch, directory, 0) != APR_SUCCESS)
        start_rescans(watch);
    *result = &watch->head;
    return APR_SUCCESS;
}

void zm_native_watch_close(zm_engine_watch_t *handle)
{
    watch_t *watch = (watch_t *)handle;
    zm_timer_cancel(&watch->rescan);
    while (watch->first != NULL) {
        watched_t *watched = watch->first;
        watch->first = watched->next;
        zm_dirwatch_close(watched->dirwatch);
        free(watched);
    }
    free(watch);
}
