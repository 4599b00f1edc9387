#include <apr_strings.h>
#include <stddef.h>
#include <string.h>

#include "spool/native.h"

#define SPARE_LIMIT 64
#define SCRATCH_TRIES 20

/* -- handles --------------------------------------------------------------------- */

/*
 * Each handle has a pool, and lies in it.  Pools are made once and used again,
 * so an object costs no allocation in the long run.
 */
static apr_status_t take(zm_native_object_t **result, zm_native_t *native)
{
    zm_native_object_t *object;
    apr_pool_t *pool;
    apr_thread_mutex_lock(native->lock);
    object = native->spare;
    if (object != NULL) {
        native->spare = object->next;
        native->spare_count--;
    }
    apr_thread_mutex_unlock(native->lock);
    if (object != NULL) {
        pool = object->pool;
    } else {
        apr_status_t status = apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
        if (status != APR_SUCCESS)
            return status;
    }
    apr_pool_clear(pool);
    object = apr_palloc(pool, sizeof *object);
    memset(object, 0, offsetof(zm_native_object_t, name) + 1);
    object->pool = pool;
    object->native = native;
    *result = object;
    return APR_SUCCESS;
}

/* Closes the file.  The object itself stays in its pool until it is taken again. */
void zm_native_give_back(zm_native_object_t *object)
{
    zm_native_t *native = object->native;
    bool kept;
    if (object->appending != NULL)
        zm_file_close(object->appending);
    if (object->file != NULL)
        zm_file_close(object->file);
    apr_thread_mutex_lock(native->lock);
    kept = native->spare_count < SPARE_LIMIT;
    if (kept) {
        object->next = native->spare;
        native->spare = object;
        native->spare_count++;
    }
    apr_thread_mutex_unlock(native->lock);
    if (!kept)
        apr_pool_destroy(object->pool);
}

static void set_name(zm_native_object_t *object, const char *name)
{
    apr_cpystrn(object->name, name, sizeof object->name);
}

/* -- making ----------------------------------------------------------------------- */

/* The names are in a world-writable directory: nobody shall guess and occupy the next one. */
static uint64_t next_scratch_number(zm_native_t *native)
{
    uint64_t mixed;
    apr_thread_mutex_lock(native->lock);
    mixed = native->scratch_seed + ++native->scratch_count * 0x9e3779b97f4a7c15u;
    apr_thread_mutex_unlock(native->lock);
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return mixed ^ mixed >> 31;
}

/* In public/ the classic form; elsewhere scanners look around, and a dot hides the name from them.
 * A dot and a digit would be a router's control file, which recovery removes.
 */
static void name_scratch(zm_native_object_t *object, const zm_create_options_t *options,
                         bool spread)
{
    const char *head = object->native->scratch_head;
    const char *colon = strchr(head, ':');
    uint64_t number = next_scratch_number(object->native);
    if (options->scratch != NULL)
        apr_snprintf(object->name, sizeof object->name, "%s/%s", options->directory,
                     options->scratch);
    else if (strcmp(options->directory, ZM_DIR_PUBLIC) == 0)
        apr_snprintf(object->name, sizeof object->name, "%s/%.*s%s%" APR_UINT64_T_HEX_FMT,
                     options->directory, spread ? 2 : 0,
                     (const char[]){(char)('A' + number % 26), '/', '\0'}, head, number);
    else
        apr_snprintf(object->name, sizeof object->name, "%s/.%s%.*s-%s%" APR_UINT64_T_HEX_FMT,
                     options->directory, zm_is_digit((unsigned char)head[0]) ? "_" : "",
                     (int)(colon - head), head, colon + 1, number);
}

static apr_status_t open_scratch(zm_native_object_t *object, const zm_create_options_t *options,
                                 bool make)
{
    zm_native_place_t place;
    uint32_t mode = options->mode != 0 ? options->mode : 0600;
    apr_status_t status;
    do {
        status = zm_native_place_of_name(&place, object->native, object->name, make);
        if (status != APR_SUCCESS)
            return status;
        status = zm_file_open(&object->file, place.dir->handle, place.leaf,
                              ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE,
                              mode, object->pool);
        if (APR_STATUS_IS_EEXIST(status) && options->scratch != NULL) {
            /* A name that the caller chose is his alone: what stands there is left from a crash. */
            status = zm_file_unlink(place.dir->handle, place.leaf);
            zm_native_leave(&place, object->native);
            if (status == APR_SUCCESS || APR_STATUS_IS_ENOENT(status))
                return APR_EEXIST;
            return status;
        }
    } while (zm_native_leave_again(&place, object->native, status));
    return status;
}

/* A classic spool has no directories below public/, and nobody but its owner may make them. */
static apr_status_t try_scratch(zm_native_object_t *object, const zm_create_options_t *options)
{
    if (options->scratch == NULL && strcmp(options->directory, ZM_DIR_PUBLIC) == 0) {
        name_scratch(object, options, true);
        if (open_scratch(object, options, false) == APR_SUCCESS)
            return APR_SUCCESS;
    }
    name_scratch(object, options, false);
    return open_scratch(object, options, true);
}

apr_status_t zm_native_make(zm_native_object_t **result, zm_native_t *native,
                            const zm_create_options_t *options)
{
    zm_native_object_t *object;
    int tries;
    apr_status_t status = take(&object, native);
    if (status != APR_SUCCESS)
        return status;
    status = APR_EEXIST;
    for (tries = 0; tries < SCRATCH_TRIES && APR_STATUS_IS_EEXIST(status); tries++)
        status = try_scratch(object, options);
    if (APR_STATUS_IS_EMFILE(status)) {
        zm_native_dirs_shrink(native->dirs);
        status = open_scratch(object, options, true);
    }
    if (status != APR_SUCCESS) {
        object->file = NULL;
        zm_native_give_back(object);
        return status;
    }
    object->being_made = true;
    if (options->uid != ZM_UID_NONE || options->gid != ZM_UID_NONE)
        status = zm_file_set_owner(object->file, options->uid, options->gid);
    if (status != APR_SUCCESS)
        zm_native_discard(object);
    else
        *result = object;
    return status;
}

apr_status_t zm_native_write(zm_native_object_t *object, const void *data, apr_size_t length)
{
    apr_status_t status = zm_file_write_at(object->file, object->length, data, length);
    if (status == APR_SUCCESS)
        object->length += length;
    return status;
}

static apr_status_t unlink_scratch(zm_native_object_t *object)
{
    zm_native_place_t place;
    apr_status_t status = zm_native_place_of_name(&place, object->native, object->name, false);
    if (status == APR_SUCCESS) {
        status = zm_file_unlink(place.dir->handle, place.leaf);
        zm_native_leave(&place, object->native);
    }
    return status;
}

void zm_native_discard(zm_native_object_t *object)
{
    unlink_scratch(object); /* what cannot be removed is swept from public/ later */
    zm_native_give_back(object);
}

apr_status_t zm_native_create(zm_engine_t *engine, zm_engine_object_t **object,
                              const zm_create_options_t *options)
{
    return zm_native_make((zm_native_object_t **)object, zm_native(engine), options);
}

apr_status_t zm_native_object_write(zm_engine_object_t *object, const void *data, apr_size_t length)
{
    return zm_native_write(zm_native_object(object), data, length);
}

apr_status_t zm_native_truncate(zm_engine_object_t *handle, uint64_t length)
{
    zm_native_object_t *object = zm_native_object(handle);
    apr_status_t status = zm_file_truncate(object->file, length);
    if (status == APR_SUCCESS)
        object->length = length;
    return status;
}

void zm_native_object_discard(zm_engine_object_t *object)
{
    zm_native_discard(zm_native_object(object));
}

/* -- opening ------------------------------------------------------------------------ */

/* The names of a file that stand in postman/ and start with its number, as copies for the
 * postmaster do. */
static apr_status_t count_our_links(zm_native_t *native, const zm_file_info_t *info,
                                    uint32_t *found)
{
    zm_native_dir_t *dir;
    zm_dir_t *entries = NULL;
    apr_pool_t *pool;
    const char *name;
    char digits[24];
    apr_size_t length =
        (apr_size_t)apr_snprintf(digits, sizeof digits, "%" APR_UINT64_T_FMT, info->id);
    apr_status_t status = zm_native_dir_get(&dir, native->dirs, ZM_S(ZM_DIR_POSTMAN), false);
    *found = 0;
    if (status != APR_SUCCESS)
        return status;
    status = apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    if (status == APR_SUCCESS) {
        status = zm_dir_open(&entries, dir->handle, ".", pool);
        while (status == APR_SUCCESS &&
               (status = zm_dir_next(entries, &name, NULL)) == APR_SUCCESS) {
            zm_file_info_t other;
            if (strncmp(name, digits, length) == 0 && !zm_is_digit((unsigned char)name[length]) &&
                zm_path_info(&other, dir->handle, name) == APR_SUCCESS && other.id == info->id &&
                other.device == info->device)
                (*found)++;
        }
        apr_pool_destroy(pool);
    }
    zm_native_dir_put(native->dirs, dir);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

/*
 * What stands in a directory where everybody may make names is believed to be
 * its owner's only if nobody else can have linked it there.
 */
static apr_status_t check_links(zm_native_t *native, const zm_file_info_t *info)
{
    uint32_t ours;
    apr_status_t status;
    if (info->links <= 1)
        return APR_SUCCESS;
    status = count_our_links(native, info, &ours);
    if (status != APR_SUCCESS)
        return status;
    return ours + 1 == info->links ? APR_SUCCESS : ZM_E_UNSAFE;
}

static apr_status_t open_file(zm_native_object_t *object, int flags, zm_file_t **file)
{
    zm_native_t *native = object->native;
    zm_native_place_t place;
    zm_file_info_t info;
    bool open_to_all;
    apr_status_t status;
    do {
        status = zm_native_place_of_name(&place, native, object->name, false);
        if (status != APR_SUCCESS)
            return status;
        status = zm_file_open(file, place.dir->handle, place.leaf, flags, 0, object->pool);
        open_to_all = (place.dir->info.mode & 0002) != 0;
    } while (zm_native_leave_again(&place, native, status));
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_info(&info, *file);
    if (status == APR_SUCCESS && info.kind != ZM_FILE_REGULAR)
        status = ZM_E_UNSAFE;
    if (status == APR_SUCCESS)
        zm_native_info_of(&object->opened, &info);
    if (status == APR_SUCCESS && open_to_all)
        status = check_links(native, &info);
    if (status != APR_SUCCESS) {
        zm_file_close(*file);
        *file = NULL;
    }
    return status;
}

apr_status_t zm_native_open_object(zm_engine_t *engine, zm_engine_object_t **result,
                                   const char *name, int how)
{
    zm_native_t *native = zm_native(engine);
    zm_native_object_t *object;
    int flags = (how & ZM_OBJECT_UPDATE) != 0 ? ZM_OPEN_READ | ZM_OPEN_WRITE : ZM_OPEN_READ;
    apr_status_t status = take(&object, native);
    if (status != APR_SUCCESS)
        return status;
    set_name(object, name);
    status = open_file(object, flags, &object->file);
    if (APR_STATUS_IS_EMFILE(status)) {
        zm_native_dirs_shrink(native->dirs);
        status = open_file(object, flags, &object->file);
    }
    if (status != APR_SUCCESS) {
        object->file = NULL;
        zm_native_give_back(object);
        return status;
    }
    object->steady = (how & ZM_OBJECT_STEADY) != 0;
    *result = (zm_engine_object_t *)object;
    return APR_SUCCESS;
}

apr_status_t zm_native_adopt(zm_engine_t *engine, zm_engine_object_t **result, int descriptor)
{
    zm_native_object_t *object;
    zm_file_info_t info;
    apr_status_t status = take(&object, zm_native(engine));
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_adopt(&object->file, descriptor, object->pool);
    if (status != APR_SUCCESS)
        object->file = NULL;
    else
        status = zm_file_info(&info, object->file);
    if (status == APR_SUCCESS && info.kind != ZM_FILE_REGULAR)
        status = ZM_E_UNSAFE;
    if (status == APR_SUCCESS)
        *result = (zm_engine_object_t *)object;
    else
        zm_native_give_back(object);
    return status;
}

void zm_native_close_object(zm_engine_object_t *object)
{
    zm_native_give_back(zm_native_object(object));
}

/* -- using -------------------------------------------------------------------------- */

apr_status_t zm_native_info(zm_engine_object_t *handle, zm_object_info_t *info)
{
    const zm_native_object_t *object = zm_native_object(handle);
    zm_file_info_t found;
    apr_status_t status;
    if (object->steady) {
        *info = object->opened;
        return APR_SUCCESS;
    }
    status = zm_file_info(&found, object->file);
    if (status == APR_SUCCESS)
        zm_native_info_of(info, &found);
    return status;
}

apr_status_t zm_native_read(zm_engine_object_t *object, uint64_t offset, void *buffer,
                            apr_size_t *length)
{
    return zm_file_read_at(zm_native_object(object)->file, offset, buffer, length);
}

apr_status_t zm_native_overwrite(zm_engine_object_t *object, uint64_t offset, const void *data,
                                 apr_size_t length)
{
    zm_file_t *file = zm_native_object(object)->file;
    zm_file_info_t info;
    apr_status_t status;
    if (zm_engine_within(zm_native_object(object)->opened.size, offset, length))
        return zm_file_write_at(file, offset, data, length); /* none gets shorter than it was */
    status = zm_file_info(&info, file);
    if (status != APR_SUCCESS)
        return status;
    return zm_engine_within(info.size, offset, length)
               ? zm_file_write_at(file, offset, data, length)
               : APR_EINVAL;
}

/*
 * Appending needs a second open of the same file.  It stays until the object is
 * closed: where locks belong to the process, closing it would drop them.
 */
static apr_status_t open_appending(zm_native_object_t *object)
{
    zm_file_info_t mine, other;
    apr_status_t status = open_file(object, ZM_OPEN_WRITE | ZM_OPEN_APPEND, &object->appending);
    if (status != APR_SUCCESS) {
        object->appending = NULL;
        return APR_STATUS_IS_ENOENT(status) ? ZM_E_GONE : status;
    }
    status = zm_file_info(&mine, object->file);
    if (status == APR_SUCCESS)
        status = zm_file_info(&other, object->appending);
    if (status == APR_SUCCESS && (mine.id != other.id || mine.device != other.device))
        status = ZM_E_GONE;
    if (status != APR_SUCCESS) {
        zm_file_close(object->appending);
        object->appending = NULL;
    }
    return status;
}

apr_status_t zm_native_append(zm_engine_object_t *handle, const void *data, apr_size_t length,
                              bool durable)
{
    zm_native_object_t *object = zm_native_object(handle);
    bool adopted =
        object->name[0] == '\0'; /* and to be appended to only if it was opened for that */
    apr_status_t status =
        adopted || object->appending != NULL ? APR_SUCCESS : open_appending(object);
    if (status == APR_SUCCESS)
        status = zm_file_append(adopted ? object->file : object->appending, data, length);
    if (status == APR_SUCCESS && durable)
        status = zm_file_sync(adopted ? object->file : object->appending);
    return status;
}

apr_status_t zm_native_lock(zm_engine_object_t *object, uint64_t offset, uint64_t length)
{
    return zm_file_lock(zm_native_object(object)->file, offset, length, false);
}

apr_status_t zm_native_unlock(zm_engine_object_t *object, uint64_t offset, uint64_t length)
{
    return zm_file_unlock(zm_native_object(object)->file, offset, length);
}

apr_status_t zm_native_locked(zm_engine_object_t *object, bool *held, uint64_t offset,
                              uint64_t length)
{
    return zm_file_locked(held, zm_native_object(object)->file, offset, length);
}

apr_status_t zm_native_lock_whole(zm_engine_object_t *object, bool wait)
{
    return zm_file_lock_whole(zm_native_object(object)->file, true, wait);
}

apr_status_t zm_native_set_owner(zm_engine_object_t *object, zm_uid_t uid, zm_uid_t gid)
{
    return zm_file_set_owner(zm_native_object(object)->file, uid, gid);
}

apr_status_t zm_native_set_mode(zm_engine_object_t *object, uint32_t mode)
{
    return zm_file_set_mode(zm_native_object(object)->file, mode);
}
