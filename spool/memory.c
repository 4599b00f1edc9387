#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "spool/engine.h"
#include "spool/layout.h"

/*
 * The memory engine, for tests: names and bodies behind one lock.  "memory:NAME"
 * is the same store for everybody in the process who opens it while it is open;
 * "memory:NAME,router1" has the directory router1 beside those of the layout.
 */

typedef struct body_t {
    zm_object_info_t info; /* links counts the names */
    int handles;
    zm_buf_t data;
} body_t;

typedef struct lock_t {
    struct object_t *holder;
    uint64_t from, to; /* to: first byte after it */
    struct lock_t *next;
} lock_t;

typedef struct watch_t {
    zm_engine_watch_t head;
    struct store_t *store;
    zm_str_t directory;
    zm_loop_t *loop;
    zm_spool_watch_fn *fn;
    void *baton;
    int pending; /* hints on their way */
    bool closed;
    struct watch_t *next;
    char text[]; /* of directory */
} watch_t;

typedef struct store_t {
    struct store_t *next;
    apr_pool_t *pool;
    const char *name;
    int users;
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *unlocked;
    apr_hash_t *names; /* malloc'd name -> body */
    const char *extra; /* ",router1,router2" */
    uint64_t last_id;
    lock_t *locks;
    watch_t *watches;
} store_t;

typedef struct object_t {
    store_t *store;
    body_t *body;
} object_t;

static store_t *stores; /* guarded by the fact that spools are opened and closed in one thread */

static store_t *store_of(zm_engine_t *engine)
{
    return (store_t *)engine;
}

static object_t *object_of(zm_engine_object_t *object)
{
    return (object_t *)object;
}

static void enter(store_t *store)
{
    apr_thread_mutex_lock(store->lock);
}

static apr_status_t leave(store_t *store, apr_status_t status)
{
    apr_thread_mutex_unlock(store->lock);
    return status;
}

/* -- bodies ---------------------------------------------------------------------- */

static void touch(body_t *body)
{
    apr_time_t now = zm_clock_wall();
    body->info.mtime_s = body->info.ctime_s = apr_time_sec(now);
    body->info.mtime_ns = (uint32_t)apr_time_usec(now) * 1000;
    body->info.size = body->data.length;
}

static body_t *new_body(store_t *store, const zm_create_options_t *options)
{
    body_t *body = calloc(1, sizeof *body);
    zm_credentials_t own = zm_identity_own();
    if (body == NULL)
        return NULL;
    body->info.id = ++store->last_id;
    body->info.mode = options->mode != 0 ? options->mode : 0600;
    body->info.uid = options->uid != ZM_UID_NONE ? options->uid : own.uid;
    body->info.gid = options->gid != ZM_UID_NONE ? options->gid : own.gid;
    touch(body);
    return body;
}

static void drop_if_unused(body_t *body)
{
    if (body->handles > 0 || body->info.links > 0)
        return;
    zm_buf_free(&body->data);
    free(body);
}

static body_t *find(store_t *store, const char *name)
{
    return apr_hash_get(store->names, name, APR_HASH_KEY_STRING);
}

/* -- watching ---------------------------------------------------------------------- */

typedef struct hint_t {
    watch_t *watch;
    char name[];
} hint_t;

static void free_if_done(watch_t *watch)
{
    if (watch->closed && watch->pending == 0)
        free(watch);
}

static void on_hint(void *baton)
{
    hint_t *hint = baton;
    watch_t *watch = hint->watch;
    if (!watch->closed)
        watch->fn(hint->name, watch->baton);
    watch->pending--;
    free_if_done(watch);
    free(hint);
}

static void tell_watches(store_t *store, const char *name)
{
    watch_t *watch;
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
    store_t *store = store_of(engine);
    apr_size_t length = strlen(directory);
    watch_t *watch = calloc(1, sizeof *watch + length);
    if (watch == NULL)
        return APR_ENOMEM;
    watch->head.ops = &zm_engine_memory;
    watch->store = store;
    memcpy(watch->text, directory, length);
    watch->directory = zm_str_of(watch->text, length);
    watch->loop = loop;
    watch->fn = fn;
    watch->baton = baton;
    enter(store);
    watch->next = store->watches;
    store->watches = watch;
    *result = &watch->head;
    return leave(store, APR_SUCCESS);
}

static void watch_close(zm_engine_watch_t *handle)
{
    watch_t *watch = (watch_t *)handle, **at;
    enter(watch->store);
    for (at = &watch->store->watches; *at != watch; at = &(*at)->next)
        ;
    *at = watch->next;
    leave(watch->store, APR_SUCCESS);
    watch->closed = true;
    free_if_done(watch);
}

/* -- names --------------------------------------------------------------------------- */

static bool has_directory(store_t *store, const char *directory)
{
    const zm_layout_directory_t *entry;
    const char *at = store->extra;
    apr_size_t length = strlen(directory);
    for (entry = zm_layout_directories; entry->name != NULL; entry++)
        if (strcmp(entry->name, directory) == 0)
            return true;
    while (at != NULL && (at = strstr(at, directory)) != NULL) {
        if (at[-1] == ',' && (at[length] == ',' || at[length] == '\0'))
            return true;
        at++;
    }
    return false;
}

static bool directory_known(store_t *store, const char *name)
{
    char directory[ZM_LEAF_LIMIT + 1];
    zm_name_t parts;
    if (zm_layout_parse(&parts, zm_str(name)) != APR_SUCCESS)
        return false;
    memcpy(directory, parts.directory.data, parts.directory.length);
    directory[parts.directory.length] = '\0';
    return has_directory(store, directory);
}

static apr_status_t add_name(store_t *store, const char *name, body_t *body)
{
    char *key;
    if (!directory_known(store, name))
        return APR_ENOENT;
    if (find(store, name) != NULL)
        return APR_EEXIST;
    key = malloc(strlen(name) + 1);
    if (key == NULL)
        return APR_ENOMEM;
    memcpy(key, name, strlen(name) + 1);
    apr_hash_set(store->names, key, APR_HASH_KEY_STRING, body);
    body->info.links++;
    tell_watches(store, name);
    return APR_SUCCESS;
}

static void remove_name(store_t *store, const char *name, body_t *body)
{
    apr_hash_index_t *index;
    char *key = NULL;
    for (index = apr_hash_first(NULL, store->names); index != NULL && key == NULL;
         index = apr_hash_next(index)) {
        const void *found;
        apr_hash_this(index, &found, NULL, NULL);
        if (strcmp(found, name) == 0)
            key = (char *)(uintptr_t)found;
    }
    apr_hash_set(store->names, name, APR_HASH_KEY_STRING, NULL);
    free(key);
    body->info.links--;
    drop_if_unused(body);
}

static apr_status_t name_info(zm_engine_t *engine, zm_object_info_t *info, const char *name)
{
    store_t *store = store_of(engine);
    body_t *body;
    enter(store);
    body = find(store, name);
    if (body != NULL)
        *info = body->info;
    return leave(store, body != NULL ? APR_SUCCESS : APR_ENOENT);
}

static apr_status_t link_name(zm_engine_t *engine, const char *from, const char *to)
{
    store_t *store = store_of(engine);
    body_t *body;
    enter(store);
    body = find(store, from);
    return leave(store, body == NULL ? APR_ENOENT : add_name(store, to, body));
}

static apr_status_t rename_name(zm_engine_t *engine, const char *from, const char *to)
{
    store_t *store = store_of(engine);
    body_t *body;
    apr_status_t status = APR_ENOENT;
    enter(store);
    body = find(store, from);
    if (body != NULL)
        status = add_name(store, to, body);
    if (status == APR_SUCCESS)
        remove_name(store, from, body);
    return leave(store, status);
}

static apr_status_t unlink_name(zm_engine_t *engine, const char *name)
{
    store_t *store = store_of(engine);
    body_t *body;
    enter(store);
    body = find(store, name);
    if (body != NULL)
        remove_name(store, name, body);
    return leave(store, body != NULL ? APR_SUCCESS : APR_ENOENT);
}

static apr_status_t sync_names(zm_engine_t *engine, const char *directory)
{
    return has_directory(store_of(engine), directory) ? APR_SUCCESS : APR_ENOENT;
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
    store_t *store = store_of(engine);
    listing_t *listing;
    apr_hash_index_t *index;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, parent);
    if (status != APR_SUCCESS)
        return status;
    listing = apr_pcalloc(pool, sizeof *listing);
    listing->pool = pool;
    enter(store);
    listing->names = apr_pcalloc(pool, (apr_hash_count(store->names) + 1) * sizeof *listing->names);
    for (index = apr_hash_first(pool, store->names); index != NULL; index = apr_hash_next(index)) {
        const void *name;
        zm_name_t parts;
        apr_hash_this(index, &name, NULL, NULL);
        if (zm_layout_parse(&parts, zm_str(name)) == APR_SUCCESS &&
            zm_str_equal_c(parts.directory, directory) && (hidden || parts.leaf.data[0] != '.'))
            listing->names[listing->count++] = apr_pstrdup(pool, name);
    }
    status = leave(store, has_directory(store, directory) ? APR_SUCCESS : APR_ENOENT);
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

/* -- objects --------------------------------------------------------------------------- */

static apr_status_t new_object(store_t *store, body_t *body, zm_engine_object_t **result)
{
    object_t *object = malloc(sizeof *object);
    if (object == NULL || body == NULL) {
        free(object);
        return APR_ENOMEM;
    }
    *object = (object_t){store, body};
    body->handles++;
    *result = (zm_engine_object_t *)object;
    return APR_SUCCESS;
}

static apr_status_t create(zm_engine_t *engine, zm_engine_object_t **object,
                           const zm_create_options_t *options)
{
    store_t *store = store_of(engine);
    enter(store);
    return leave(store, new_object(store, new_body(store, options), object));
}

static apr_status_t write_object(zm_engine_object_t *handle, const void *data, apr_size_t length)
{
    object_t *object = object_of(handle);
    enter(object->store);
    zm_buf_add(&object->body->data, data, length);
    touch(object->body);
    return leave(object->store, APR_SUCCESS);
}

static apr_status_t truncate_object(zm_engine_object_t *handle, uint64_t length)
{
    object_t *object = object_of(handle);
    enter(object->store);
    if (length < object->body->data.length)
        object->body->data.length = (apr_size_t)length;
    touch(object->body);
    return leave(object->store, APR_SUCCESS);
}

static void drop_locks(object_t *object, uint64_t from, uint64_t to)
{
    lock_t **at = &object->store->locks;
    while (*at != NULL) {
        lock_t *lock = *at;
        if (lock->holder == object && lock->from >= from && lock->to <= to) {
            *at = lock->next;
            free(lock);
        } else {
            at = &lock->next;
        }
    }
    apr_thread_cond_broadcast(object->store->unlocked);
}

static void close_object(zm_engine_object_t *handle)
{
    object_t *object = object_of(handle);
    store_t *store = object->store;
    enter(store);
    drop_locks(object, 0, UINT64_MAX);
    object->body->handles--;
    drop_if_unused(object->body);
    leave(store, APR_SUCCESS);
    free(object);
}

static apr_status_t commit_one(store_t *store, zm_commit_t *commit)
{
    const zm_target_t *target = &commit->target;
    apr_status_t status = APR_SUCCESS;
    body_t *body;
    int tries;
    if (commit->object == NULL)
        status = create((zm_engine_t *)store, &commit->object, &commit->create);
    if (status == APR_SUCCESS && commit->length != 0)
        status = write_object(commit->object, commit->data, commit->length);
    if (status != APR_SUCCESS)
        return status;
    body = object_of(commit->object)->body;
    enter(store);
    for (tries = 0; tries < 8; tries++) {
        char prefix[ZM_HASH_PREFIX_SIZE];
        uint64_t id = target->id != 0 ? target->id : body->info.id;
        zm_layout_hash(prefix, id, target->hash_levels);
        snprintf(commit->name, sizeof commit->name, "%s/%s%llu%s", target->directory, prefix,
                 (unsigned long long)id, target->suffix != NULL ? target->suffix : "");
        status = add_name(store, commit->name, body);
        if (!APR_STATUS_IS_EEXIST(status) || target->id != 0)
            break;
        body->info.id =
            ++store->last_id; /* the name is taken by one that was brought from elsewhere */
    }
    commit->info = body->info;
    return leave(store, status);
}

static void commit_group(zm_engine_t *engine, zm_commit_t *const *commits, int count,
                         zm_engine_figures_t *figures)
{
    int i;
    (void)figures;
    for (i = 0; i < count; i++) {
        commits[i]->status = commit_one(store_of(engine), commits[i]);
        if (commits[i]->object != NULL)
            close_object(commits[i]->object);
    }
}

static apr_status_t open_object(zm_engine_t *engine, zm_engine_object_t **object, const char *name,
                                int how)
{
    store_t *store = store_of(engine);
    body_t *body;
    (void)how;
    enter(store);
    body = find(store, name);
    return leave(store, body == NULL ? APR_ENOENT : new_object(store, body, object));
}

static apr_status_t adopt(zm_engine_t *engine, zm_engine_object_t **object, int descriptor)
{
    (void)engine;
    (void)object;
    (void)descriptor;
    return ZM_E_UNSUPPORTED;
}

static apr_status_t info(zm_engine_object_t *handle, zm_object_info_t *result)
{
    object_t *object = object_of(handle);
    enter(object->store);
    *result = object->body->info;
    return leave(object->store, APR_SUCCESS);
}

static apr_status_t read_object(zm_engine_object_t *handle, uint64_t offset, void *buffer,
                                apr_size_t *length)
{
    object_t *object = object_of(handle);
    apr_size_t left;
    enter(object->store);
    left = offset < object->body->data.length ? object->body->data.length - (apr_size_t)offset : 0;
    if (*length > left)
        *length = left;
    if (*length > 0)
        memcpy(buffer, object->body->data.data + offset, *length);
    return leave(object->store, left > 0 ? APR_SUCCESS : APR_EOF);
}

static apr_status_t overwrite(zm_engine_object_t *handle, uint64_t offset, const void *data,
                              apr_size_t length)
{
    object_t *object = object_of(handle);
    enter(object->store);
    memcpy(object->body->data.data + offset, data, length);
    touch(object->body);
    return leave(object->store, APR_SUCCESS);
}

static apr_status_t append(zm_engine_object_t *object, const void *data, apr_size_t length,
                           bool durable)
{
    (void)durable;
    return write_object(object, data, length);
}

static bool conflicts(const object_t *object, uint64_t from, uint64_t to)
{
    const lock_t *lock;
    for (lock = object->store->locks; lock != NULL; lock = lock->next)
        if (lock->holder != object && lock->holder->body == object->body && lock->from < to &&
            from < lock->to)
            return true;
    return false;
}

static apr_status_t take_lock(object_t *object, uint64_t from, uint64_t to, bool wait)
{
    lock_t *lock = malloc(sizeof *lock);
    if (lock == NULL)
        return APR_ENOMEM;
    enter(object->store);
    while (conflicts(object, from, to)) {
        if (!wait) {
            free(lock);
            return leave(object->store, ZM_E_BUSY);
        }
        apr_thread_cond_wait(object->store->unlocked, object->store->lock);
    }
    *lock = (lock_t){object, from, to, object->store->locks};
    object->store->locks = lock;
    return leave(object->store, APR_SUCCESS);
}

static apr_status_t lock_range(zm_engine_object_t *object, uint64_t offset, uint64_t length)
{
    return take_lock(object_of(object), offset, offset + length, false);
}

static apr_status_t lock_whole(zm_engine_object_t *object, bool wait)
{
    return take_lock(object_of(object), 0, UINT64_MAX, wait);
}

static apr_status_t unlock_range(zm_engine_object_t *handle, uint64_t offset, uint64_t length)
{
    object_t *object = object_of(handle);
    enter(object->store);
    drop_locks(object, offset, offset + length);
    return leave(object->store, APR_SUCCESS);
}

static apr_status_t locked(zm_engine_object_t *handle, bool *held, uint64_t offset, uint64_t length)
{
    object_t *object = object_of(handle);
    enter(object->store);
    *held = conflicts(object, offset, offset + length);
    return leave(object->store, APR_SUCCESS);
}

static apr_status_t set_owner(zm_engine_object_t *handle, zm_uid_t uid, zm_uid_t gid)
{
    object_t *object = object_of(handle);
    enter(object->store);
    if (uid != ZM_UID_NONE)
        object->body->info.uid = uid;
    if (gid != ZM_UID_NONE)
        object->body->info.gid = gid;
    return leave(object->store, APR_SUCCESS);
}

static apr_status_t set_mode(zm_engine_object_t *handle, uint32_t mode)
{
    object_t *object = object_of(handle);
    enter(object->store);
    object->body->info.mode = mode;
    return leave(object->store, APR_SUCCESS);
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

static apr_status_t make_store(store_t **result, const char *location)
{
    store_t *store;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, NULL);
    if (status != APR_SUCCESS)
        return status;
    store = apr_pcalloc(pool, sizeof *store);
    store->pool = pool;
    store->name = apr_pstrdup(pool, location);
    store->extra = strchr(store->name, ',');
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
    store_t *store;
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
    store_t *store = store_of(engine), **at;
    apr_hash_index_t *index;
    if (--store->users > 0)
        return;
    for (at = &stores; *at != store; at = &(*at)->next)
        ;
    *at = store->next;
    for (index = apr_hash_first(store->pool, store->names); index != NULL;
         index = apr_hash_next(index)) {
        const void *name;
        void *body;
        apr_hash_this(index, &name, NULL, &body);
        ((body_t *)body)->info.links--;
        drop_if_unused(body);
        free((void *)(uintptr_t)name);
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
    .create = create,
    .write = write_object,
    .truncate = truncate_object,
    .discard = close_object,
    .commit_group = commit_group,
    .open_object = open_object,
    .adopt = adopt,
    .close_object = close_object,
    .info = info,
    .read = read_object,
    .overwrite = overwrite,
    .append = append,
    .lock = lock_range,
    .unlock = unlock_range,
    .locked = locked,
    .lock_whole = lock_whole,
    .set_owner = set_owner,
    .set_mode = set_mode,
    .name_info = name_info,
    .rename = rename_name,
    .link = link_name,
    .unlink = unlink_name,
    .sync_names = sync_names,
    .list = list,
    .list_next = list_next,
    .list_close = list_close,
    .watch = watch_directory,
    .watch_close = watch_close,
};
