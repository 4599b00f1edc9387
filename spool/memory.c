#include "spool/memory.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "spool/layout.h"

static zm_memory_t
    *stores; /* guarded by the fact that spools are opened and closed in one thread */

/* What the table of names holds; the key is the name in it. */
typedef struct entry_t {
    zm_memory_body_t *body;
    char name[];
} entry_t;

void zm_memory_enter(zm_memory_t *store)
{
    apr_thread_mutex_lock(store->lock);
}

apr_status_t zm_memory_leave(zm_memory_t *store, apr_status_t status)
{
    apr_thread_mutex_unlock(store->lock);
    return status;
}

void zm_memory_drop(zm_memory_body_t *body)
{
    if (body->handles > 0 || body->info.links > 0)
        return;
    zm_buf_free(&body->data);
    free(body);
}

zm_memory_body_t *zm_memory_find(zm_memory_t *store, const char *name)
{
    entry_t *entry = apr_hash_get(store->names, name, APR_HASH_KEY_STRING);
    return entry != NULL ? entry->body : NULL;
}

/* -- watching ---------------------------------------------------------------------- */

typedef struct hint_t {
    zm_memory_watch_t *watch;
    char name[];
} hint_t;

static void free_if_done(zm_memory_watch_t *watch)
{
    if (watch->closed && watch->pending == 0)
        free(watch);
}

static void on_hint(void *baton)
{
    hint_t *hint = baton;
    zm_memory_watch_t *watch = hint->watch;
    if (!watch->closed)
        watch->fn(hint->name, watch->baton);
    watch->pending--;
    free_if_done(watch);
    free(hint);
}

static void tell_watches(zm_memory_t *store, const char *name)
{
    zm_memory_watch_t *watch;
    for (watch = store->watches; watch != NULL; watch = watch->next) {
        hint_t *hint;
        zm_name_t parts;
        if (zm_layout_parse(&parts, zm_str(name)) != APR_SUCCESS ||
            !zm_str_equal(parts.directory, watch->directory) || parts.leaf.data[0] == '.')
            continue;
        hint = malloc(sizeof *hint + strlen(name) + 1);
        if (hint == NULL)
            continue;
        hint->watch = watch;
        memcpy(hint->name, name, strlen(name) + 1);
        watch->pending++;
        if (zm_loop_post(watch->loop, on_hint, hint) != APR_SUCCESS) {
            watch->pending--;
            free(hint);
        }
    }
}

static apr_status_t watch_directory(zm_engine_t *engine, zm_engine_watch_t **result,
                                    const char *directory, zm_loop_t *loop, zm_spool_watch_fn *fn,
                                    void *baton)
{
    zm_memory_t *store = zm_memory(engine);
    apr_size_t length = strlen(directory);
    zm_memory_watch_t *watch = calloc(1, sizeof *watch + length);
    if (watch == NULL)
        return APR_ENOMEM;
    watch->head.ops = &zm_engine_memory;
    watch->store = store;
    memcpy(watch->text, directory, length);
    watch->directory = zm_str_of(watch->text, length);
    watch->loop = loop;
    watch->fn = fn;
    watch->baton = baton;
    zm_memory_enter(store);
    watch->next = store->watches;
    store->watches = watch;
    *result = &watch->head;
    return zm_memory_leave(store, APR_SUCCESS);
}

static void watch_close(zm_engine_watch_t *handle)
{
    zm_memory_watch_t *watch = (zm_memory_watch_t *)handle, **at;
    zm_memory_enter(watch->store);
    for (at = &watch->store->watches; *at != watch; at = &(*at)->next)
        ;
    *at = watch->next;
    zm_memory_leave(watch->store, APR_SUCCESS);
    watch->closed = true;
    free_if_done(watch);
}

/* -- names --------------------------------------------------------------------------- */

/* Those of the layout, those that were made, and all of their hash directories. */
static bool has_directory(zm_memory_t *store, zm_str_t directory)
{
    const zm_layout_directory_t *entry;
    zm_memory_directory_t *made;
    zm_str_t top, rest;
    zm_str_cut(directory, '/', &top, &rest);
    for (entry = zm_layout_directories; entry->name != NULL; entry++)
        if (zm_str_equal_c(top, entry->name))
            return true;
    for (made = store->directories; made != NULL; made = made->next)
        if (zm_str_equal_c(top, made->name))
            return true;
    return false;
}

static apr_status_t make_directory(zm_engine_t *engine, const char *directory, uint32_t mode)
{
    zm_memory_t *store = zm_memory(engine);
    zm_memory_directory_t *made = malloc(sizeof *made + strlen(directory) + 1);
    apr_status_t status = made != NULL ? APR_SUCCESS : APR_ENOMEM;
    (void)mode;
    zm_memory_enter(store);
    if (status == APR_SUCCESS && has_directory(store, zm_str(directory)))
        status = APR_EEXIST;
    if (status == APR_SUCCESS) {
        memcpy(made->name, directory, strlen(directory) + 1);
        made->next = store->directories;
        store->directories = made;
    } else {
        free(made);
    }
    return zm_memory_leave(store, status);
}

apr_status_t zm_memory_add_name(zm_memory_t *store, const char *name, zm_memory_body_t *body)
{
    entry_t *entry;
    if (!has_directory(store, zm_str(name)))
        return APR_ENOENT;
    if (zm_memory_find(store, name) != NULL)
        return APR_EEXIST;
    entry = malloc(sizeof *entry + strlen(name) + 1);
    if (entry == NULL)
        return APR_ENOMEM;
    entry->body = body;
    memcpy(entry->name, name, strlen(name) + 1);
    apr_hash_set(store->names, entry->name, APR_HASH_KEY_STRING, entry);
    body->info.links++;
    tell_watches(store, name);
    return APR_SUCCESS;
}

static void remove_name(zm_memory_t *store, const char *name, zm_memory_body_t *body)
{
    entry_t *entry = apr_hash_get(store->names, name, APR_HASH_KEY_STRING);
    apr_hash_set(store->names, name, APR_HASH_KEY_STRING, NULL);
    free(entry);
    body->info.links--;
    zm_memory_drop(body);
}

static apr_status_t name_info(zm_engine_t *engine, zm_object_info_t *info, const char *name)
{
    zm_memory_t *store = zm_memory(engine);
    zm_memory_body_t *body;
    zm_memory_enter(store);
    body = zm_memory_find(store, name);
    if (body != NULL)
        *info = body->info;
    return zm_memory_leave(store, body != NULL ? APR_SUCCESS : APR_ENOENT);
}

static apr_status_t link_name(zm_engine_t *engine, const char *from, const char *to)
{
    zm_memory_t *store = zm_memory(engine);
    zm_memory_body_t *body;
    zm_memory_enter(store);
    body = zm_memory_find(store, from);
    return zm_memory_leave(store, body == NULL ? APR_ENOENT : zm_memory_add_name(store, to, body));
}

apr_status_t zm_memory_rename(zm_engine_t *engine, const char *from, const char *to)
{
    zm_memory_t *store = zm_memory(engine);
    zm_memory_body_t *body;
    apr_status_t status = APR_ENOENT;
    zm_memory_enter(store);
    body = zm_memory_find(store, from);
    if (body != NULL)
        status = zm_memory_add_name(store, to, body);
    if (status == APR_SUCCESS)
        remove_name(store, from, body);
    return zm_memory_leave(store, status);
}

static apr_status_t unlink_name(zm_engine_t *engine, const char *name)
{
    zm_memory_t *store = zm_memory(engine);
    zm_memory_body_t *body;
    zm_memory_enter(store);
    body = zm_memory_find(store, name);
    if (body != NULL)
        remove_name(store, name, body);
    return zm_memory_leave(store, body != NULL ? APR_SUCCESS : APR_ENOENT);
}

static apr_status_t sync_names(zm_engine_t *engine, const char *directory)
{
    return has_directory(zm_memory(engine), zm_str(directory)) ? APR_SUCCESS : APR_ENOENT;
}

typedef struct listing_t {
    apr_pool_t *pool;
    char **names;
    int count, next;
} listing_t;

/* A snapshot. */
static apr_status_t list(zm_engine_t *engine, zm_engine_listing_t **result, const char *directory,
                         bool hidden, apr_pool_t *parent)
{
    zm_memory_t *store = zm_memory(engine);
    listing_t *listing;
    apr_hash_index_t *index;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, parent);
    if (status != APR_SUCCESS)
        return status;
    listing = apr_pcalloc(pool, sizeof *listing);
    listing->pool = pool;
    zm_memory_enter(store);
    listing->names = apr_pcalloc(pool, (apr_hash_count(store->names) + 1) * sizeof *listing->names);
    for (index = apr_hash_first(pool, store->names); index != NULL; index = apr_hash_next(index)) {
        const void *name;
        zm_name_t parts;
        apr_hash_this(index, &name, NULL, NULL);
        if (zm_layout_parse(&parts, zm_str(name)) == APR_SUCCESS &&
            zm_str_equal_c(parts.directory, directory) && (hidden || parts.leaf.data[0] != '.'))
            listing->names[listing->count++] = apr_pstrdup(pool, name);
    }
    status =
        zm_memory_leave(store, has_directory(store, zm_str(directory)) ? APR_SUCCESS : APR_ENOENT);
    if (status != APR_SUCCESS)
        apr_pool_destroy(pool);
    else
        *result = (zm_engine_listing_t *)listing;
    return status;
}

static apr_status_t list_next(zm_engine_listing_t *handle, const char **name)
{
    listing_t *listing = (listing_t *)handle;
    if (listing->next == listing->count)
        return APR_ENOENT;
    *name = listing->names[listing->next++];
    return APR_SUCCESS;
}

static void list_close(zm_engine_listing_t *listing)
{
    apr_pool_destroy(((listing_t *)listing)->pool);
}

/* -- the engine ---------------------------------------------------------------------------- */

static apr_status_t free_space(zm_engine_t *engine, uint64_t *bytes, uint64_t *objects)
{
    (void)engine;
    *bytes = *objects = UINT64_MAX / 2;
    return APR_SUCCESS;
}

static apr_status_t native_path(zm_engine_t *engine, const char **path, const char *name,
                                apr_pool_t *pool)
{
    (void)engine;
    (void)path;
    (void)name;
    (void)pool;
    return ZM_E_UNSUPPORTED;
}

static apr_status_t make_store(zm_memory_t **result, const char *location)
{
    zm_memory_t *store;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, NULL);
    if (status != APR_SUCCESS)
        return status;
    store = apr_pcalloc(pool, sizeof *store);
    store->pool = pool;
    store->name = apr_pstrdup(pool, location);
    store->names = apr_hash_make(pool);
    store->last_id = 1000;
    status = apr_thread_mutex_create(&store->lock, APR_THREAD_MUTEX_DEFAULT, pool);
    if (status == APR_SUCCESS)
        status = apr_thread_cond_create(&store->unlocked, pool);
    if (status != APR_SUCCESS) {
        apr_pool_destroy(pool);
        return status;
    }
    store->next = stores;
    stores = store;
    *result = store;
    return APR_SUCCESS;
}

static apr_status_t open_store(zm_engine_t **engine, const char *location,
                               const zm_spool_options_t *options, apr_pool_t *pool,
                               zm_error_t *error)
{
    zm_memory_t *store;
    apr_status_t status = APR_SUCCESS;
    (void)options;
    (void)pool;
    for (store = stores; store != NULL && strcmp(store->name, location) != 0; store = store->next)
        ;
    if (store == NULL)
        status = make_store(&store, location);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot make a spool in memory");
    store->users++;
    *engine = (zm_engine_t *)store;
    return APR_SUCCESS;
}

static void close_store(zm_engine_t *engine)
{
    zm_memory_t *store = zm_memory(engine), **at;
    apr_hash_index_t *index;
    if (--store->users > 0)
        return;
    for (at = &stores; *at != store; at = &(*at)->next)
        ;
    *at = store->next;
    for (index = apr_hash_first(store->pool, store->names); index != NULL;
         index = apr_hash_next(index)) {
        void *entry;
        zm_memory_body_t *body;
        apr_hash_this(index, NULL, NULL, &entry);
        body = ((entry_t *)entry)->body;
        free(entry);
        body->info.links--;
        zm_memory_drop(body);
    }
    while (store->directories != NULL) {
        zm_memory_directory_t *made = store->directories;
        store->directories = made->next;
        free(made);
    }
    apr_pool_destroy(store->pool);
}

const zm_engine_ops_t zm_engine_memory = {
    .name = "memory",
    .groups_at_once = 2,
    .open = open_store,
    .close = close_store,
    .free_space = free_space,
    .native_path = native_path,
    .create = zm_memory_create,
    .write = zm_memory_write_object,
    .truncate = zm_memory_truncate_object,
    .discard = zm_memory_close_object,
    .commit_group = zm_memory_commit_group,
    .open_object = zm_memory_open_object,
    .adopt = zm_memory_adopt,
    .close_object = zm_memory_close_object,
    .info = zm_memory_info,
    .read = zm_memory_read_object,
    .overwrite = zm_memory_overwrite,
    .append = zm_memory_append,
    .lock = zm_memory_lock_range,
    .unlock = zm_memory_unlock_range,
    .locked = zm_memory_locked,
    .lock_whole = zm_memory_lock_whole,
    .set_owner = zm_memory_set_owner,
    .set_mode = zm_memory_set_mode,
    .make_directory = make_directory,
    .name_info = name_info,
    .rename = zm_memory_rename,
    .link = link_name,
    .unlink = unlink_name,
    .sync_names = sync_names,
    .list = list,
    .list_next = list_next,
    .list_close = list_close,
    .watch = watch_directory,
    .watch_close = watch_close,
};
