#include "spool/native.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <string.h>

#include "platform/child.h"

#define COLON_STANDIN '!'
#define SCRATCH_HOST_LIMIT 19

/* -- names --------------------------------------------------------------------- */

void zm_native_leaf_out(const zm_native_t *native, char *system_leaf, zm_str_t leaf)
{
    apr_size_t i;
    memcpy(system_leaf, leaf.data, leaf.length);
    system_leaf[leaf.length] = '\0';
    if (native->no_colon)
        for (i = 0; i < leaf.length; i++)
            if (system_leaf[i] == ':')
                system_leaf[i] = COLON_STANDIN;
}

void zm_native_leaf_in(const zm_native_t *native, char *leaf)
{
    if (native->no_colon)
        for (; *leaf != '\0'; leaf++)
            if (*leaf == COLON_STANDIN)
                *leaf = ':';
}

apr_status_t zm_native_place(zm_native_place_t *place, zm_native_t *native, const char *name,
                             bool make)
{
    zm_name_t parts;
    zm_str_t path;
    apr_status_t status = zm_layout_parse(&parts, zm_str(name));
    place->dir = NULL;
    if (status != APR_SUCCESS)
        return status;
    path = zm_str_of(name, (apr_size_t)(parts.leaf.data - name) - 1);
    zm_native_leaf_out(native, place->leaf, parts.leaf);
    return zm_native_dir_get(&place->dir, native->dirs, path, make);
}

apr_status_t zm_native_place_of_name(zm_native_place_t *place, zm_native_t *native,
                                     const char *name, bool make)
{
    zm_file_info_t hash;
    zm_name_t parts;
    apr_status_t status = zm_layout_parse(&parts, zm_str(name));
    if (status != APR_SUCCESS || parts.prefix.length == 0 ||
        parts.prefix.length >= ZM_HASH_PREFIX_SIZE)
        return zm_native_place(place, native, name, make);
    status = zm_native_dir_get(&place->dir, native->dirs, parts.directory, make);
    if (status != APR_SUCCESS)
        return status;
    memcpy(place->leaf, parts.prefix.data, parts.prefix.length);
    place->leaf[parts.prefix.length] = '\0';
    if ((place->dir->info.mode & 0022) != 0 ||
        (make && zm_path_info(&hash, place->dir->handle, place->leaf) != APR_SUCCESS)) {
        zm_native_leave(place, native);
        return zm_native_place(place, native, name, make);
    }
    zm_native_leaf_out(native, place->leaf + parts.prefix.length, parts.leaf);
    return APR_SUCCESS;
}

void zm_native_leave(zm_native_place_t *place, zm_native_t *native)
{
    zm_native_dir_put(native->dirs, place->dir);
    place->dir = NULL;
}

bool zm_native_leave_again(zm_native_place_t *place, zm_native_t *native, apr_status_t status)
{
    bool again = APR_STATUS_IS_ENOENT(status) && zm_native_dir_stale(native->dirs, place->dir);
    zm_native_leave(place, native);
    return again;
}

void zm_native_info_of(zm_object_info_t *info, const zm_file_info_t *from)
{
    *info = (zm_object_info_t){.id = from->id,
                               .size = from->size,
                               .mtime_s = from->mtime_s,
                               .mtime_ns = from->mtime_ns,
                               .ctime_s = from->ctime_s,
                               .links = from->links,
                               .mode = from->mode,
                               .uid = from->uid,
                               .gid = from->gid};
}

static apr_status_t name_info(zm_engine_t *engine, zm_object_info_t *info, const char *name)
{
    zm_native_t *native = zm_native(engine);
    zm_native_place_t place;
    zm_file_info_t found;
    apr_status_t status;
    do {
        status = zm_native_place_of_name(&place, native, name, false);
        if (status != APR_SUCCESS)
            return status;
        status = zm_path_info(&found, place.dir->handle, place.leaf);
    } while (zm_native_leave_again(&place, native, status));
    if (status == APR_SUCCESS && found.kind != ZM_FILE_REGULAR)
        return ZM_E_UNSAFE;
    if (status == APR_SUCCESS)
        zm_native_info_of(info, &found);
    return status;
}

typedef apr_status_t two_names_fn(zm_file_t *, const char *, zm_file_t *, const char *);

/* Either directory may have been replaced behind our back; both are looked up again then. */
static apr_status_t with_two_names(zm_engine_t *engine, const char *from, const char *to,
                                   two_names_fn *fn)
{
    zm_native_t *native = zm_native(engine);
    zm_native_place_t source, target;
    apr_status_t status;
    bool again;
    do {
        status = zm_native_place_of_name(&source, native, from, false);
        if (status != APR_SUCCESS)
            return status;
        status = zm_native_place_of_name(&target, native, to, true);
        if (status != APR_SUCCESS) {
            zm_native_leave(&source, native);
            return status;
        }
        status = fn(source.dir->handle, source.leaf, target.dir->handle, target.leaf);
        again = zm_native_leave_again(&source, native, status);
        again = zm_native_leave_again(&target, native, status) || again;
    } while (again);
    return status;
}

apr_status_t zm_native_rename(zm_engine_t *engine, const char *from, const char *to)
{
    return with_two_names(engine, from, to, zm_file_rename);
}

static apr_status_t link_name(zm_engine_t *engine, const char *from, const char *to)
{
    return with_two_names(engine, from, to, zm_file_link);
}

static apr_status_t unlink_name(zm_engine_t *engine, const char *name)
{
    zm_native_t *native = zm_native(engine);
    zm_native_place_t place;
    apr_status_t status;
    do {
        status = zm_native_place_of_name(&place, native, name, false);
        if (status != APR_SUCCESS)
            return status;
        status = zm_file_unlink(place.dir->handle, place.leaf);
    } while (zm_native_leave_again(&place, native, status));
    return status;
}

static apr_status_t hold(zm_native_t *native, const char *name, bool must, apr_pool_t *pool)
{
    zm_native_place_t place;
    zm_file_t *held; /* closed with its pool */
    apr_status_t status = zm_native_place_of_name(&place, native, name, false);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_open(&held, place.dir->handle, place.leaf, ZM_OPEN_READ, 0, pool);
    if (must && APR_STATUS_IS_EMFILE(status)) {
        zm_native_dirs_shrink(native->dirs);
        status = zm_file_open(&held, place.dir->handle, place.leaf, ZM_OPEN_READ, 0, pool);
    }
    zm_native_leave(&place, native);
    return status;
}

/* The second name is the id of the first's object: held open, that object keeps its id from a new
 * one until both names are gone, and one that cannot be held stays.  What is held need not be freed
 * while the caller waits. */
static apr_status_t unlink_pair(zm_native_t *native, const char *first, const char *second,
                                apr_pool_t *pool)
{
    zm_engine_t *engine = (zm_engine_t *)native;
    apr_status_t status = hold(native, first, true, pool);
    if (status == APR_SUCCESS) {
        (void)hold(native, second, false,
                   pool); /* only so that freeing it takes none of our time */
        status = unlink_name(engine, first);
    }
    if (status == APR_SUCCESS || APR_STATUS_IS_ENOENT(status))
        status = unlink_name(engine, second);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

/* One thread is called for some of them, not one for each. */
#define HELD_AT_ONCE 8 /* pairs */

static apr_status_t unlink_pairs(zm_engine_t *engine, const char *const *names, int pairs)
{
    zm_native_t *native = zm_native(engine);
    apr_status_t status = APR_SUCCESS;
    int i = 0;
    while (i < pairs && status == APR_SUCCESS) {
        int end = i + HELD_AT_ONCE < pairs ? i + HELD_AT_ONCE : pairs, first = i;
        void *bundle;
        apr_pool_t *pool = zm_native_release_pool(native->release, &bundle);
        if (pool == NULL)
            return APR_ENOMEM;
        for (; i < end && status == APR_SUCCESS; i++)
            status = unlink_pair(native, names[2 * i], names[2 * i + 1], pool);
        zm_native_release(native->release, bundle, i - first);
    }
    return status;
}

static apr_status_t sync_one(zm_native_t *native, zm_str_t path)
{
    zm_native_dir_t *dir;
    apr_status_t status = zm_native_dir_get(&dir, native->dirs, path, false);
    if (status != APR_SUCCESS)
        return status;
    status = zm_dir_sync(dir->handle);
    zm_native_dir_put(native->dirs, dir);
    return status == ZM_E_UNSUPPORTED ? APR_SUCCESS : status;
}

/* The names may be in any of its hash directories, so these are synced too. */
static apr_status_t sync_below(zm_native_t *native, const char *path, int depth, apr_pool_t *pool)
{
    apr_status_t status = sync_one(native, zm_str(path));
    zm_native_dir_t *dir = NULL;
    zm_dir_t *entries;
    const char *name;
    zm_file_kind_t kind;
    if (status == APR_SUCCESS)
        status = zm_native_dir_get(&dir, native->dirs, zm_str(path), false);
    if (status != APR_SUCCESS)
        return status;
    status = zm_dir_open(&entries, dir->handle, ".", pool);
    zm_native_dir_put(native->dirs, dir);
    while (status == APR_SUCCESS && (status = zm_dir_next(entries, &name, &kind)) == APR_SUCCESS)
        if (kind == ZM_FILE_DIRECTORY && zm_is_upper((unsigned char)name[0]) && name[1] == '\0' &&
            depth < ZM_HASH_DEPTH_LIMIT)
            status = sync_below(native, apr_pstrcat(pool, path, "/", name, NULL), depth + 1, pool);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

static apr_status_t sync_names(zm_engine_t *engine, const char *directory)
{
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    if (status != APR_SUCCESS)
        return status;
    status = sync_below(zm_native(engine), directory, 0, pool);
    apr_pool_destroy(pool);
    return status;
}

/* A hash directory belongs to whom its parent does, where we may give it away. */
static void give_directory(zm_file_t *parent, const char *leaf, const zm_file_info_t *like)
{
    zm_file_t *made;
    apr_pool_t *pool;
    if (!zm_identity_privileged() || apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS)
        return;
    if (zm_dir_handle(&made, parent, leaf, pool) == APR_SUCCESS)
        (void)zm_file_set_owner(made, like->uid, like->gid);
    apr_pool_destroy(pool);
}

static apr_status_t make_directory(zm_engine_t *engine, const char *directory, uint32_t mode)
{
    zm_native_t *native = zm_native(engine);
    const char *leaf = strrchr(directory, '/');
    zm_native_dir_t *parent = NULL;
    zm_file_t *at = native->root;
    zm_file_info_t like;
    apr_status_t status = APR_SUCCESS;
    if (leaf != NULL) {
        status = zm_native_dir_get(&parent, native->dirs,
                                   zm_str_of(directory, (apr_size_t)(leaf - directory)), false);
        if (status == APR_SUCCESS)
            at = parent->handle;
    }
    if (status == APR_SUCCESS)
        status = zm_file_info(&like, at);
    if (status == APR_SUCCESS)
        status = zm_dir_make(at, leaf != NULL ? leaf + 1 : directory, mode != 0 ? mode : like.mode);
    if (status == APR_SUCCESS && leaf != NULL)
        give_directory(at, leaf + 1, &like);
    if (status == APR_SUCCESS) {
        status = zm_dir_sync(at);
        if (status == ZM_E_UNSUPPORTED)
            status = APR_SUCCESS;
    }
    zm_native_dir_put(native->dirs, parent);
    return status;
}

static apr_status_t own_directory(zm_engine_t *engine, const char *directory, zm_uid_t uid)
{
    zm_native_t *native = zm_native(engine);
    zm_native_dir_t *dir;
    zm_file_info_t info;
    apr_status_t status = zm_native_dir_get(&dir, native->dirs, zm_str(directory), false);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_info(&info, dir->handle);
    if (status == APR_SUCCESS && info.uid != uid)
        status = zm_file_set_owner(dir->handle, uid, ZM_UID_NONE);
    zm_native_dir_put(native->dirs, dir);
    return status;
}

/* -- the engine ------------------------------------------------------------------- */

static apr_status_t free_space(zm_engine_t *engine, uint64_t *bytes, uint64_t *objects)
{
    return zm_fs_free_space(bytes, objects, zm_native(engine)->location);
}

static apr_status_t native_path(zm_engine_t *engine, const char **path, const char *name,
                                apr_pool_t *pool)
{
    zm_native_t *native = zm_native(engine);
    zm_name_t parts;
    char leaf[ZM_LEAF_LIMIT + 1];
    apr_status_t status = zm_layout_parse(&parts, zm_str(name));
    if (status != APR_SUCCESS)
        return status;
    zm_native_leaf_out(native, leaf, parts.leaf);
    *path = apr_psprintf(pool, "%s/%.*s%s", native->location, (int)(parts.leaf.data - name), name,
                         leaf);
    return APR_SUCCESS;
}

static apr_status_t object_path(zm_engine_object_t *handle, const char **path, apr_pool_t *pool)
{
    zm_native_object_t *object = zm_native_object(handle);
    return native_path((zm_engine_t *)(void *)object->native, path, object->name, pool);
}

/* HOST:PID-, what programs that look into public/ expect; what follows only has to be new. */
static void make_scratch_head(zm_native_t *native)
{
    char host[SCRATCH_HOST_LIMIT + 1] = "I", full[256], *p;
    if (zm_identity_hostname(full, sizeof full) == APR_SUCCESS && full[0] != '\0')
        apr_cpystrn(host, full, sizeof host);
    for (p = host; *p != '\0'; p++)
        if (!zm_is_alpha((unsigned char)*p) && !zm_is_digit((unsigned char)*p) && *p != '.' &&
            *p != '-')
            *p = '_';
    if (host[0] == '.')
        host[0] = '_';
    apr_snprintf(native->scratch_head, sizeof native->scratch_head, "%s:%" APR_INT64_T_FMT "-",
                 host, zm_process_own());
    if (apr_generate_random_bytes((unsigned char *)&native->scratch_seed,
                                  sizeof native->scratch_seed) != APR_SUCCESS)
        native->scratch_seed = (uint64_t)apr_time_now();
}

/* Scratch files stand in directories of their own, so that publishers do not wait for one
 * another's directory, nor a filesystem look for free inodes in one place only. */
static apr_status_t make_scratch_directories(zm_native_t *native, const char *location,
                                             zm_error_t *error)
{
    int letter;
    for (letter = 'A'; letter <= 'Z'; letter++) {
        const char *path = apr_psprintf(native->pool, "%s/" ZM_DIR_PUBLIC "/%c", location, letter);
        apr_status_t status = zm_dir_make(NULL, path, zm_layout_directories[0].mode);
        if (status != APR_SUCCESS && !APR_STATUS_IS_EEXIST(status))
            return zm_error_system(error, status, "cannot make the spool directory %s", path);
    }
    return APR_SUCCESS;
}

static apr_status_t make_directories(zm_native_t *native, const char *location, zm_error_t *error)
{
    const zm_layout_directory_t *entry;
    apr_status_t status = zm_dir_make_all(location, 02755, native->pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot make the spool %s", location);
    for (entry = zm_layout_directories; entry->name != NULL; entry++) {
        const char *path = apr_pstrcat(native->pool, location, "/", entry->name, NULL);
        status = zm_dir_make(NULL, path, entry->mode);
        if (status != APR_SUCCESS && !APR_STATUS_IS_EEXIST(status))
            return zm_error_system(error, status, "cannot make the spool directory %s", path);
        zm_dir_spread(NULL, path);
    }
    return make_scratch_directories(native, location, error);
}

static void close_native(zm_engine_t *engine)
{
    zm_native_t *native = zm_native(engine);
    if (native->release != NULL)
        zm_native_release_destroy(native->release);
    while (native->spare != NULL) {
        zm_native_object_t *object = native->spare;
        native->spare = object->next;
        apr_pool_destroy(object->pool); /* the object is in it */
    }
    if (native->dirs != NULL)
        zm_native_dirs_destroy(native->dirs);
    apr_pool_destroy(native->pool);
}

static apr_status_t open_parts(zm_native_t *native, const zm_spool_options_t *options)
{
    zm_file_info_t info;
    apr_status_t status = zm_native_dirs_create(&native->dirs, native->root,
                                                options->directory_handles, native->pool);
    if (status == APR_SUCCESS)
        status = apr_thread_mutex_create(&native->lock, APR_THREAD_MUTEX_DEFAULT, native->pool);
    if (status == APR_SUCCESS)
        status = zm_native_release_create(&native->release);
    make_scratch_head(native);
    native->no_colon = zm_path_info(&info, native->root, "a:b") == APR_EBADPATH;
    return status;
}

static apr_status_t open_native(zm_engine_t **engine, const char *location,
                                const zm_spool_options_t *options, apr_pool_t *parent,
                                zm_error_t *error)
{
    zm_native_t *native;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, parent);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot open the spool %s", location);
    native = apr_pcalloc(pool, sizeof *native);
    native->pool = pool;
    native->location = apr_pstrdup(pool, location);
    if (options->create)
        status = make_directories(native, location, error);
    if (status == APR_SUCCESS) {
        /* Where the spool stands may be a link: its administrator's choice. */
        status = zm_dir_handle(&native->root, NULL, apr_pstrcat(pool, location, "/.", NULL), pool);
        if (status == APR_SUCCESS)
            status = open_parts(native, options);
        if (status != APR_SUCCESS)
            zm_error_system(error, status, "cannot open the spool %s", location);
    }
    *engine = (zm_engine_t *)native;
    if (status != APR_SUCCESS)
        close_native(*engine);
    return status;
}

const zm_engine_ops_t zm_engine_native = {
    .name = "native",
    .groups_at_once = 64, /* syncs that run side by side are one for the disk */
    .group_limit = 1,
    .open = open_native,
    .close = close_native,
    .free_space = free_space,
    .native_path = native_path,
    .create = zm_native_create,
    .write = zm_native_object_write,
    .truncate = zm_native_truncate,
    .discard = zm_native_object_discard,
    .object_path = object_path,
    .commit_group = zm_native_commit_group,
    .open_object = zm_native_open_object,
    .adopt = zm_native_adopt,
    .close_object = zm_native_close_object,
    .info = zm_native_info,
    .read = zm_native_read,
    .overwrite = zm_native_overwrite,
    .append = zm_native_append,
    .lock = zm_native_lock,
    .unlock = zm_native_unlock,
    .locked = zm_native_locked,
    .lock_whole = zm_native_lock_whole,
    .set_owner = zm_native_set_owner,
    .set_mode = zm_native_set_mode,
    .make_directory = make_directory,
    .own_directory = own_directory,
    .name_info = name_info,
    .rename = zm_native_rename,
    .link = link_name,
    .unlink = unlink_name,
    .unlink_pairs = unlink_pairs,
    .sync_names = sync_names,
    .list = zm_native_list,
    .list_next = zm_native_list_next,
    .list_close = zm_native_list_close,
    .watch = zm_native_watch,
    .watch_close = zm_native_watch_close,
    .directories = zm_native_directories,
    .check = zm_native_check,
    .import = zm_native_import,
    .settle = zm_native_settle,
};
