#include "spool/memory.h"

#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "spool/layout.h"

static zm_memory_object_t *object_of(zm_engine_object_t *object)
{
    return (zm_memory_object_t *)object;
}

/* -- bodies ---------------------------------------------------------------------- */

static void touch(zm_memory_body_t *body)
{
    apr_time_t now = zm_clock_wall();
    body->info.mtime_s = body->info.ctime_s = apr_time_sec(now);
    body->info.mtime_ns = (uint32_t)apr_time_usec(now) * 1000;
    body->info.size = body->data.length;
}

static zm_memory_body_t *new_body(zm_memory_t *store, const zm_create_options_t *options)
{
    zm_memory_body_t *body = calloc(1, sizeof *body);
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

/* -- objects --------------------------------------------------------------------------- */

static apr_status_t new_object(zm_memory_t *store, zm_memory_body_t *body,
                               zm_engine_object_t **result)
{
    zm_memory_object_t *object = malloc(sizeof *object);
    if (object == NULL || body == NULL) {
        free(object);
        return APR_ENOMEM;
    }
    *object = (zm_memory_object_t){store, body};
    body->handles++;
    *result = (zm_engine_object_t *)object;
    return APR_SUCCESS;
}

apr_status_t zm_memory_create(zm_engine_t *engine, zm_engine_object_t **object,
                              const zm_create_options_t *options)
{
    zm_memory_t *store = zm_memory(engine);
    zm_memory_enter(store);
    return zm_memory_leave(store, new_object(store, new_body(store, options), object));
}

apr_status_t zm_memory_write_object(zm_engine_object_t *handle, const void *data, apr_size_t length)
{
    zm_memory_object_t *object = object_of(handle);
    zm_memory_enter(object->store);
    zm_buf_add(&object->body->data, data, length);
    touch(object->body);
    return zm_memory_leave(object->store, APR_SUCCESS);
}

apr_status_t zm_memory_truncate_object(zm_engine_object_t *handle, uint64_t length)
{
    zm_memory_object_t *object = object_of(handle);
    zm_memory_enter(object->store);
    if (length < object->body->data.length)
        object->body->data.length = (apr_size_t)length;
    touch(object->body);
    return zm_memory_leave(object->store, APR_SUCCESS);
}

static void drop_locks(zm_memory_object_t *object, uint64_t from, uint64_t to)
{
    zm_memory_lock_t **at = &object->store->locks;
    while (*at != NULL) {
        zm_memory_lock_t *lock = *at;
        if (lock->holder == object && lock->from >= from && lock->to <= to) {
            *at = lock->next;
            free(lock);
        } else {
            at = &lock->next;
        }
    }
    apr_thread_cond_broadcast(object->store->unlocked);
}

void zm_memory_close_object(zm_engine_object_t *handle)
{
    zm_memory_object_t *object = object_of(handle);
    zm_memory_t *store = object->store;
    zm_memory_enter(store);
    drop_locks(object, 0, UINT64_MAX);
    object->body->handles--;
    zm_memory_drop(object->body);
    zm_memory_leave(store, APR_SUCCESS);
    free(object);
}

static apr_status_t commit_one(zm_memory_t *store, zm_commit_t *commit)
{
    const zm_target_t *target = &commit->target;
    apr_status_t status = APR_SUCCESS;
    zm_memory_body_t *body;
    int tries;
    if (commit->object == NULL)
        status = zm_memory_create((zm_engine_t *)store, &commit->object, &commit->create);
    if (status == APR_SUCCESS && commit->length != 0)
        status = zm_memory_write_object(commit->object, commit->data, commit->length);
    if (status != APR_SUCCESS)
        return status;
    body = object_of(commit->object)->body;
    if (target->companion != NULL)
        status =
            zm_memory_rename((zm_engine_t *)store, target->companion, target->companion_target);
    if (status != APR_SUCCESS)
        return status;
    zm_memory_enter(store);
    for (tries = 0; tries < 8; tries++) {
        char prefix[ZM_HASH_PREFIX_SIZE];
        uint64_t id = target->id != 0 ? target->id : body->info.id;
        zm_layout_hash(prefix, id, target->hash_levels);
        snprintf(commit->name, sizeof commit->name, "%s/%s%llu%s", target->directory, prefix,
                 (unsigned long long)id, target->suffix != NULL ? target->suffix : "");
        status = zm_memory_add_name(store, commit->name, body);
        if (!APR_STATUS_IS_EEXIST(status) || target->id != 0)
            break;
        body->info.id =
            ++store->last_id; /* the name is taken by one that was brought from elsewhere */
    }
    commit->info = body->info;
    zm_memory_leave(store, status);
    if (status != APR_SUCCESS && target->companion != NULL)
        zm_memory_rename((zm_engine_t *)store, target->companion_target, target->companion);
    return status;
}

bool zm_memory_commit_group(zm_engine_t *engine, zm_commit_t *const *commits, int count,
                            zm_engine_figures_t *figures)
{
    int i;
    (void)figures;
    for (i = 0; i < count; i++) {
        commits[i]->status = commit_one(zm_memory(engine), commits[i]);
        if (commits[i]->object != NULL)
            zm_memory_close_object(commits[i]->object);
    }
    return true;
}

apr_status_t zm_memory_open_object(zm_engine_t *engine, zm_engine_object_t **object,
                                   const char *name, int how)
{
    zm_memory_t *store = zm_memory(engine);
    zm_memory_body_t *body;
    (void)how;
    zm_memory_enter(store);
    body = zm_memory_find(store, name);
    return zm_memory_leave(store, body == NULL ? APR_ENOENT : new_object(store, body, object));
}

apr_status_t zm_memory_adopt(zm_engine_t *engine, zm_engine_object_t **object, int descriptor)
{
    (void)engine;
    (void)object;
    (void)descriptor;
    return ZM_E_UNSUPPORTED;
}

apr_status_t zm_memory_info(zm_engine_object_t *handle, zm_object_info_t *result)
{
    zm_memory_object_t *object = object_of(handle);
    zm_memory_enter(object->store);
    *result = object->body->info;
    return zm_memory_leave(object->store, APR_SUCCESS);
}

apr_status_t zm_memory_read_object(zm_engine_object_t *handle, uint64_t offset, void *buffer,
                                   apr_size_t *length)
{
    zm_memory_object_t *object = object_of(handle);
    apr_size_t left;
    zm_memory_enter(object->store);
    left = offset < object->body->data.length ? object->body->data.length - (apr_size_t)offset : 0;
    if (*length > left)
        *length = left;
    if (*length > 0)
        memcpy(buffer, object->body->data.data + offset, *length);
    return zm_memory_leave(object->store, left > 0 ? APR_SUCCESS : APR_EOF);
}

apr_status_t zm_memory_overwrite(zm_engine_object_t *handle, uint64_t offset, const void *data,
                                 apr_size_t length)
{
    zm_memory_object_t *object = object_of(handle);
    apr_status_t status = APR_EINVAL;
    zm_memory_enter(object->store);
    if (zm_engine_within(object->body->data.length, offset, length)) {
        memcpy(object->body->data.data + offset, data, length);
        touch(object->body);
        status = APR_SUCCESS;
    }
    return zm_memory_leave(object->store, status);
}

apr_status_t zm_memory_append(zm_engine_object_t *object, const void *data, apr_size_t length,
                              bool durable)
{
    (void)durable;
    return zm_memory_write_object(object, data, length);
}

static bool conflicts(const zm_memory_object_t *object, uint64_t from, uint64_t to)
{
    const zm_memory_lock_t *lock;
    for (lock = object->store->locks; lock != NULL; lock = lock->next)
        if (lock->holder != object && lock->holder->body == object->body && lock->from < to &&
            from < lock->to)
            return true;
    return false;
}

static apr_status_t take_lock(zm_memory_object_t *object, uint64_t from, uint64_t to, bool wait)
{
    zm_memory_lock_t *lock = malloc(sizeof *lock);
    if (lock == NULL)
        return APR_ENOMEM;
    zm_memory_enter(object->store);
    while (conflicts(object, from, to)) {
        if (!wait) {
            free(lock);
            return zm_memory_leave(object->store, ZM_E_BUSY);
        }
        apr_thread_cond_wait(object->store->unlocked, object->store->lock);
    }
    *lock = (zm_memory_lock_t){object, from, to, object->store->locks};
    object->store->locks = lock;
    return zm_memory_leave(object->store, APR_SUCCESS);
}

apr_status_t zm_memory_lock_range(zm_engine_object_t *object, uint64_t offset, uint64_t length)
{
    return take_lock(object_of(object), offset, offset + length, false);
}

apr_status_t zm_memory_lock_whole(zm_engine_object_t *object, bool wait)
{
    return take_lock(object_of(object), 0, UINT64_MAX, wait);
}

apr_status_t zm_memory_unlock_range(zm_engine_object_t *handle, uint64_t offset, uint64_t length)
{
    zm_memory_object_t *object = object_of(handle);
    zm_memory_enter(object->store);
    drop_locks(object, offset, offset + length);
    return zm_memory_leave(object->store, APR_SUCCESS);
}

apr_status_t zm_memory_locked(zm_engine_object_t *handle, bool *held, uint64_t offset,
                              uint64_t length)
{
    zm_memory_object_t *object = object_of(handle);
    zm_memory_enter(object->store);
    *held = conflicts(object, offset, offset + length);
    return zm_memory_leave(object->store, APR_SUCCESS);
}

apr_status_t zm_memory_set_owner(zm_engine_object_t *handle, zm_uid_t uid, zm_uid_t gid)
{
    zm_memory_object_t *object = object_of(handle);
    zm_memory_enter(object->store);
    if (uid != ZM_UID_NONE)
        object->body->info.uid = uid;
    if (gid != ZM_UID_NONE)
        object->body->info.gid = gid;
    return zm_memory_leave(object->store, APR_SUCCESS);
}

apr_status_t zm_memory_set_mode(zm_engine_object_t *handle, uint32_t mode)
{
    zm_memory_object_t *object = object_of(handle);
    zm_memory_enter(object->store);
    object->body->info.mode = mode;
    return zm_memory_leave(object->store, APR_SUCCESS);
}
