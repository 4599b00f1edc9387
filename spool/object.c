#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "spool/internal.h"
#include "spool/layout.h"

/*
 * An object being made gathers what is written in a buffer.  It reaches the
 * engine when the buffer is full, when somebody asks for its identity, or with
 * the publish: a small message is one piece of work for the publish queue and
 * none for the thread that received it.
 */

#define BUFFER_LIMIT 65536
#define BUFFER_START 4096

struct zm_object_t {
    zm_publishing_t
        publishing; /* first: finish() gets back to us; create options live in it from the start */
    zm_spool_t *spool;
    zm_engine_object_t *object; /* null: nothing has reached the engine */
    bool being_made;
    zm_buf_t buffer;
    uint64_t flushed;    /* bytes the engine has */
    apr_status_t failed; /* a write that did not reach the engine: nothing may follow */
    char *target_strings;
    char create_strings[]; /* directory and scratch leaf */
};

static char *put_string(char **at, const char *text)
{
    char *start = *at;
    apr_size_t size = strlen(text) + 1;
    memcpy(start, text, size);
    *at += size;
    return start;
}

static apr_size_t size_of(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

static zm_object_t *new_object(zm_spool_t *spool, apr_size_t strings)
{
    zm_object_t *object = malloc(sizeof *object + strings);
    if (object != NULL) {
        memset(object, 0, sizeof *object);
        object->spool = spool;
    }
    return object;
}

static void free_object(zm_object_t *object)
{
    zm_buf_free(&object->buffer);
    free(object->target_strings);
    free(object);
}

/* -- making ---------------------------------------------------------------------- */

/* "public", "transport" or "transport/A/B", and a leaf that makes a name with it. */
static bool valid_create(const zm_create_options_t *options)
{
    char name[ZM_ENGINE_NAME_SIZE];
    const char *leaf = options->scratch != NULL ? options->scratch : "x";
    if (strlen(options->directory) + strlen(leaf) + 2 > sizeof name)
        return false;
    apr_snprintf(name, sizeof name, "%s/%s", options->directory, leaf);
    return zm_spool_name_valid(zm_str(name));
}

apr_status_t zm_object_create(zm_object_t **result, zm_spool_t *spool,
                              const zm_create_options_t *options)
{
    zm_object_t *object;
    zm_create_options_t *create;
    char *at;
    if (!valid_create(options))
        return ZM_E_SYNTAX;
    object = new_object(spool, size_of(options->directory) + size_of(options->scratch));
    if (object == NULL)
        return APR_ENOMEM;
    create = &object->publishing.commit.create;
    *create = *options;
    at = object->create_strings;
    create->directory = put_string(&at, options->directory);
    if (options->scratch != NULL)
        create->scratch = put_string(&at, options->scratch);
    object->being_made = true;
    *result = object;
    return APR_SUCCESS;
}

static apr_status_t make(zm_object_t *object)
{
    if (object->object != NULL)
        return APR_SUCCESS;
    return object->spool->ops->create(object->spool->engine, &object->object,
                                      &object->publishing.commit.create);
}

static apr_status_t pass_on(zm_object_t *object, const void *data, apr_size_t length)
{
    apr_status_t status = object->failed;
    if (status == APR_SUCCESS)
        status = make(object);
    if (status == APR_SUCCESS && length != 0)
        status = object->spool->ops->write(object->object, data, length);
    if (status == APR_SUCCESS)
        object->flushed += length;
    else
        object->failed = status;
    return status;
}

apr_status_t zm_object_flush(zm_object_t *object)
{
    apr_status_t status = APR_SUCCESS;
    if (!object->being_made)
        return APR_SUCCESS;
    status = pass_on(object, object->buffer.data, object->buffer.length);
    zm_buf_clear(&object->buffer);
    return status;
}

apr_status_t zm_object_write(zm_object_t *object, const void *data, apr_size_t length)
{
    apr_status_t status = object->failed;
    if (status != APR_SUCCESS || length == 0)
        return status;
    if (object->buffer.length + length > BUFFER_LIMIT) {
        status = zm_object_flush(object);
        if (status != APR_SUCCESS)
            return status;
        if (length >= BUFFER_LIMIT)
            return pass_on(object, data, length);
    }
    if (object->buffer.capacity == 0)
        zm_buf_reserve(&object->buffer, BUFFER_START);
    zm_buf_add(&object->buffer, data, length);
    return APR_SUCCESS;
}

uint64_t zm_object_written(const zm_object_t *object)
{
    return object->flushed + object->buffer.length;
}

apr_status_t zm_object_rewind(zm_object_t *object, uint64_t length)
{
    apr_status_t status;
    if (object->failed != APR_SUCCESS)
        return object->failed;
    if (length > zm_object_written(object))
        return APR_EINVAL;
    if (length >= object->flushed) {
        object->buffer.length = (apr_size_t)(length - object->flushed);
        return APR_SUCCESS;
    }
    zm_buf_clear(&object->buffer);
    status = object->spool->ops->truncate(object->object, length);
    if (status == APR_SUCCESS)
        object->flushed = length;
    else
        object->failed = status;
    return status;
}

void zm_object_discard(zm_object_t *object)
{
    if (object->object != NULL)
        object->spool->ops->discard(object->object);
    free_object(object);
}

/* -- publishing ---------------------------------------------------------------------- */

static bool valid_target(const zm_target_t *target)
{
    char name[ZM_ENGINE_NAME_SIZE];
    const char *suffix = target->suffix != NULL ? target->suffix : "";
    if (!zm_layout_directory_valid(zm_str(target->directory)) || strlen(suffix) > ZM_LEAF_LIMIT)
        return false;
    apr_snprintf(name, sizeof name, "%s/18446744073709551615%s", target->directory, suffix);
    return zm_spool_name_valid(zm_str(name)) &&
           (target->companion == NULL || (zm_spool_name_valid(zm_str(target->companion)) &&
                                          zm_spool_name_valid(zm_str(target->companion_target))));
}

/* Fills in what the committer needs. */
static apr_status_t prepare(zm_object_t *object, const zm_target_t *target)
{
    zm_commit_t *commit = &object->publishing.commit;
    char *at;
    if (object->failed != APR_SUCCESS)
        return object->failed;
    if (!valid_target(target))
        return ZM_E_SYNTAX;
    at = object->target_strings =
        malloc(1 + size_of(target->directory) + size_of(target->suffix) +
               size_of(target->companion) + size_of(target->companion_target));
    if (at == NULL)
        return APR_ENOMEM;
    commit->target = *target;
    commit->target.directory = put_string(&at, target->directory);
    if (target->suffix != NULL)
        commit->target.suffix = put_string(&at, target->suffix);
    if (target->companion != NULL) {
        commit->target.companion = put_string(&at, target->companion);
        commit->target.companion_target = put_string(&at, target->companion_target);
    }
    commit->target.unsynced = target->unsynced || object->spool->unsynced;
    commit->object = object->object;
    commit->data = object->buffer.data;
    commit->length = object->buffer.length;
    return APR_SUCCESS;
}

static void finish(zm_publishing_t *publishing)
{
    free_object((zm_object_t *)publishing);
}

/* An object that cannot even be queued still answers on the loop: as a member that failed before.
 */
void zm_object_publish(zm_object_t *object, const zm_target_t *target, zm_publish_fn *fn,
                       void *baton)
{
    zm_publishing_t *publishing = &object->publishing;
    apr_status_t status = prepare(object, target);
    publishing->fn = fn;
    publishing->baton = baton;
    publishing->finish = finish;
    if (status == APR_SUCCESS) {
        zm_publisher_submit(object->spool->publisher, publishing);
        return;
    }
    if (object->object != NULL)
        object->spool->ops->discard(object->object);
    object->object = NULL;
    publishing->commit.status = status;
    zm_publisher_answer(object->spool->publisher, publishing);
}

apr_status_t zm_object_publish_wait(zm_object_t *object, const zm_target_t *target,
                                    zm_published_t *result, apr_pool_t *pool)
{
    zm_commit_t *commit = &object->publishing.commit;
    apr_status_t status = prepare(object, target);
    if (status != APR_SUCCESS) {
        zm_object_discard(object);
        return status;
    }
    zm_publisher_wait(object->spool->publisher, &object->publishing);
    status = commit->status;
    if (status == APR_SUCCESS && result != NULL) {
        result->name = zm_str_c(pool, zm_str(commit->name));
        result->info = commit->info;
    }
    free_object(object);
    return status;
}

apr_status_t zm_object_import(zm_object_t *object, const char *name, const zm_object_info_t *info)
{
    const zm_engine_ops_t *ops = object->spool->ops;
    apr_status_t status = ops->import == NULL ? ZM_E_UNSUPPORTED : zm_object_flush(object);
    if (status == APR_SUCCESS) {
        status = ops->import(object->object, name, info);
        object->object = NULL;
    }
    zm_object_discard(object);
    return status;
}

/* -- using ----------------------------------------------------------------------------- */

apr_status_t zm_object_open(zm_object_t **result, zm_spool_t *spool, const char *name, int how)
{
    zm_object_t *object;
    apr_status_t status;
    if (!zm_spool_name_valid(zm_str(name)))
        return ZM_E_SYNTAX;
    object = new_object(spool, 0);
    if (object == NULL)
        return APR_ENOMEM;
    status = spool->ops->open_object(spool->engine, &object->object, name, how);
    if (status == APR_SUCCESS)
        *result = object;
    else
        free_object(object);
    return status;
}

apr_status_t zm_object_adopt(zm_object_t **result, zm_spool_t *spool, int descriptor)
{
    zm_object_t *object = new_object(spool, 0);
    apr_status_t status;
    if (object == NULL)
        return APR_ENOMEM;
    status = spool->ops->adopt(spool->engine, &object->object, descriptor);
    if (status == APR_SUCCESS)
        *result = object;
    else
        free_object(object);
    return status;
}

void zm_object_close(zm_object_t *object)
{
    if (object == NULL)
        return;
    if (object->being_made) {
        zm_object_discard(object);
        return;
    }
    object->spool->ops->close_object(object->object);
    free_object(object);
}

apr_status_t zm_object_has_name(bool *has, zm_object_t *object, const char *name)
{
    const zm_engine_ops_t *ops = object->spool->ops;
    zm_object_info_t own, named;
    apr_status_t status;
    *has = ops->names_unchanged != NULL && ops->names_unchanged(object->object);
    if (*has)
        return APR_SUCCESS;
    status = ops->info(object->object, &own);
    if (status == APR_SUCCESS)
        status = zm_spool_info(&named, object->spool, name);
    *has = status == APR_SUCCESS && named.id == own.id;
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

/* Makes sure that the engine has the object, all of it. */
static apr_status_t reach(zm_object_t *object)
{
    return object->being_made ? zm_object_flush(object) : APR_SUCCESS;
}

apr_status_t zm_object_info(zm_object_info_t *info, zm_object_t *object)
{
    apr_status_t status = reach(object);
    return status != APR_SUCCESS ? status : object->spool->ops->info(object->object, info);
}

apr_status_t zm_object_read(zm_object_t *object, uint64_t offset, void *buffer, apr_size_t *length)
{
    apr_status_t status = reach(object);
    return status != APR_SUCCESS ? status
                                 : object->spool->ops->read(object->object, offset, buffer, length);
}

apr_status_t zm_object_native_path(const char **path, zm_object_t *object, apr_pool_t *pool)
{
    const zm_engine_ops_t *ops = object->spool->ops;
    apr_status_t status = ops->object_path == NULL ? ZM_E_UNSUPPORTED : reach(object);
    return status != APR_SUCCESS ? status : ops->object_path(object->object, path, pool);
}

/* The object may be growing (diagnostics are appended): what was there at the start is read. */
apr_status_t zm_object_read_all(zm_object_t *object, char **data, apr_size_t *length,
                                apr_size_t limit, apr_pool_t *pool)
{
    zm_object_info_t info;
    apr_status_t status = zm_object_info(&info, object);
    apr_size_t got;
    if (status != APR_SUCCESS)
        return status;
    if (info.size > limit)
        return ZM_E_LIMIT;
    *data = apr_palloc(pool, (apr_size_t)info.size + 1);
    got = (apr_size_t)info.size;
    if (got > 0)
        status = object->spool->ops->read(object->object, 0, *data, &got);
    if (status != APR_SUCCESS && !APR_STATUS_IS_EOF(status))
        return status;
    (*data)[got] = '\0';
    *length = got;
    return APR_SUCCESS;
}

/* What the engine has not got yet is changed in the buffer: a small object stays one piece of work. */
static bool overwrite_buffer(zm_object_t *object, uint64_t offset, const void *data,
                             apr_size_t length)
{
    if (!object->being_made || offset < object->flushed ||
        offset - object->flushed > object->buffer.length ||
        length > object->buffer.length - (apr_size_t)(offset - object->flushed))
        return false;
    if (length > 0)
        memcpy(object->buffer.data + (offset - object->flushed), data, length);
    return true;
}

apr_status_t zm_object_overwrite(zm_object_t *object, uint64_t offset, const void *data,
                                 apr_size_t length)
{
    apr_status_t status;
    if (overwrite_buffer(object, offset, data, length))
        return APR_SUCCESS;
    status = reach(object);
    return status != APR_SUCCESS
               ? status
               : object->spool->ops->overwrite(object->object, offset, data, length);
}

apr_status_t zm_object_append(zm_object_t *object, const void *data, apr_size_t length,
                              bool durable)
{
    return object->spool->ops->append(object->object, data, length, durable);
}

apr_status_t zm_object_lock(zm_object_t *object, uint64_t offset, uint64_t length)
{
    return object->spool->ops->lock(object->object, offset, length);
}

apr_status_t zm_object_unlock(zm_object_t *object, uint64_t offset, uint64_t length)
{
    return object->spool->ops->unlock(object->object, offset, length);
}

apr_status_t zm_object_locked(bool *held, zm_object_t *object, uint64_t offset, uint64_t length)
{
    return object->spool->ops->locked(object->object, held, offset, length);
}

apr_status_t zm_object_lock_whole(zm_object_t *object, bool wait)
{
    return object->spool->ops->lock_whole(object->object, wait);
}

bool zm_object_locks_suffice(const zm_object_t *object)
{
    return object->spool->ops->holds != NULL;
}

bool zm_object_holds(const zm_object_t *object, uint64_t offset, uint64_t length)
{
    return object->spool->ops->holds != NULL &&
           object->spool->ops->holds(object->object, offset, length);
}

apr_status_t zm_object_set_owner(zm_object_t *object, zm_uid_t uid, zm_uid_t gid)
{
    apr_status_t status = reach(object);
    return status != APR_SUCCESS ? status : object->spool->ops->set_owner(object->object, uid, gid);
}

apr_status_t zm_object_set_mode(zm_object_t *object, uint32_t mode)
{
    apr_status_t status = reach(object);
    return status != APR_SUCCESS ? status : object->spool->ops->set_mode(object->object, mode);
}
