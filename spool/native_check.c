#include <apr_strings.h>
#include <string.h>

#include "spool/internal.h"
#include "spool/native.h"

/*
 * What the tree may hold beside objects.  Listings pass over it, so it is looked
 * for here, file by file; none of it is followed, opened or removed.
 */

#define PROGRESS_EVERY 1000

/* -- directories ----------------------------------------------------------------------- */

apr_status_t zm_native_directories(zm_engine_t *engine, apr_array_header_t *names)
{
    zm_dir_t *entries;
    zm_file_kind_t kind;
    const char *leaf;
    apr_status_t status = zm_dir_open(&entries, zm_native(engine)->root, ".", names->pool);
    if (status != APR_SUCCESS)
        return status;
    while ((status = zm_dir_next(entries, &leaf, &kind)) == APR_SUCCESS) {
        zm_native_dir_t *dir;
        if (kind == ZM_FILE_REGULAR || !zm_layout_directory_valid(zm_str(leaf)) ||
            zm_native_dir_get(&dir, zm_native(engine)->dirs, zm_str(leaf), false) != APR_SUCCESS)
            continue;
        zm_native_dir_put(zm_native(engine)->dirs, dir);
        APR_ARRAY_PUSH(names, const char *) = apr_pstrdup(names->pool, leaf);
    }
    zm_dir_close(entries);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

/* -- the walk --------------------------------------------------------------------------- */

typedef struct walk_t {
    zm_native_t *native;
    const zm_check_options_t *options;
    zm_check_report_t *report;
    uint64_t entries;
    char path[ZM_ENGINE_NAME_SIZE]; /* of the entry looked at */
} walk_t;

static void tell(walk_t *walk, const char *kind, const char *detail)
{
    zm_finding_t finding = {.kind = kind, .name = walk->path, .detail = detail};
    zm_check_tell(walk->options, walk->report, &finding, NULL, NULL);
}

static const char *what_it_is(zm_file_kind_t kind)
{
    return kind == ZM_FILE_SYMLINK ? "is a symbolic link; no program of ours follows it"
           : kind == ZM_FILE_DIRECTORY
               ? "is a directory that is no hash directory; nobody looks into it"
               : "is neither a file nor a directory; nobody opens it";
}

/* An object that all refuse to open: somebody else may own the file behind that name. */
static void check_links(walk_t *walk)
{
    zm_engine_object_t *object;
    apr_status_t status =
        zm_native_open_object((zm_engine_t *)walk->native, &object, walk->path, ZM_OBJECT_READ);
    if (status == APR_SUCCESS)
        zm_native_close_object(object);
    else if (status == ZM_E_UNSAFE)
        tell(walk, ZM_FINDING_PLANTED,
             "has further names outside the spool; every program refuses to open it");
}

static void check_entry(walk_t *walk, const zm_native_dir_t *dir, zm_file_kind_t kind)
{
    zm_name_t parts;
    zm_file_info_t info;
    const char *leaf = strrchr(walk->path, '/') + 1;
    if (kind != ZM_FILE_REGULAR) {
        tell(walk, ZM_FINDING_FOREIGN, what_it_is(kind));
        return;
    }
    zm_native_leaf_in(walk->native, walk->path + (leaf - walk->path));
    if (zm_layout_parse(&parts, zm_str(walk->path)) != APR_SUCCESS)
        tell(walk, ZM_FINDING_FOREIGN, "has a name that no object can have; nobody looks at it");
    else if ((dir->info.mode & 0002) != 0 &&
             zm_path_info(&info, dir->handle, leaf) == APR_SUCCESS && info.links > 1)
        check_links(walk);
}

static apr_status_t walk_below(walk_t *walk, apr_size_t length, int depth, apr_pool_t *parent);

static apr_status_t walk_entries(walk_t *walk, zm_native_dir_t *dir, apr_size_t length, int depth,
                                 apr_pool_t *pool)
{
    zm_dir_t *entries;
    zm_file_kind_t kind;
    const char *leaf;
    apr_status_t status = zm_dir_open(&entries, dir->handle, ".", pool);
    if (status != APR_SUCCESS)
        return status;
    while ((status = zm_dir_next(entries, &leaf, &kind)) == APR_SUCCESS) {
        apr_size_t added = strlen(leaf);
        if (++walk->entries % PROGRESS_EVERY == 0 && walk->options->progress != NULL)
            walk->options->progress(0, walk->options->baton);
        if (length + 1 + added >= sizeof walk->path)
            continue;
        walk->path[length] = '/';
        memcpy(walk->path + length + 1, leaf, added + 1);
        if (kind == ZM_FILE_DIRECTORY && added == 1 && zm_is_upper((unsigned char)leaf[0]) &&
            depth < ZM_HASH_DEPTH_LIMIT)
            status = walk_below(walk, length + 2, depth + 1, pool);
        else
            check_entry(walk, dir, kind);
        if (status != APR_SUCCESS)
            break;
    }
    zm_dir_close(entries);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

/* The directory's path is the first `length` bytes of walk->path. */
static apr_status_t walk_below(walk_t *walk, apr_size_t length, int depth, apr_pool_t *parent)
{
    zm_native_dir_t *dir;
    apr_pool_t *pool;
    apr_status_t status =
        zm_native_dir_get(&dir, walk->native->dirs, zm_str_of(walk->path, length), false);
    if (status == ZM_E_UNSAFE) {
        tell(walk, ZM_FINDING_FOREIGN,
             "is a hash directory that belongs to somebody else; nobody looks into it");
        return APR_SUCCESS;
    }
    if (status != APR_SUCCESS)
        return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
    status = apr_pool_create(&pool, parent);
    if (status == APR_SUCCESS) {
        status = walk_entries(walk, dir, length, depth, pool);
        apr_pool_destroy(pool);
    }
    zm_native_dir_put(walk->native->dirs, dir);
    return status;
}

/* Dot files of the root are the daemons'; of the others there should be none. */
static apr_status_t check_root(walk_t *walk, apr_pool_t *pool)
{
    zm_dir_t *entries;
    zm_file_kind_t kind;
    const char *leaf;
    apr_status_t status = zm_dir_open(&entries, walk->native->root, ".", pool);
    if (status != APR_SUCCESS)
        return status;
    while ((status = zm_dir_next(entries, &leaf, &kind)) == APR_SUCCESS) {
        if (leaf[0] == '.' || strlen(leaf) >= sizeof walk->path || kind == ZM_FILE_DIRECTORY ||
            (kind == ZM_FILE_SYMLINK && zm_layout_directory_valid(zm_str(leaf))))
            continue;
        apr_cpystrn(walk->path, leaf, sizeof walk->path);
        if (strcmp(leaf, "spool.db") == 0)
            tell(walk, ZM_FINDING_DAMAGED,
                 "is an emulated spool's database, but the spool is native: two spools in one "
                 "place");
        else
            tell(walk, ZM_FINDING_FOREIGN,
                 "stands beside the spool's directories; nobody looks at it");
    }
    zm_dir_close(entries);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

apr_status_t zm_native_check(zm_engine_t *engine, const zm_check_options_t *options,
                             zm_check_report_t *report, apr_pool_t *pool)
{
    walk_t walk = {.native = zm_native(engine), .options = options, .report = report};
    apr_array_header_t *names = apr_array_make(pool, 16, sizeof(const char *));
    apr_status_t status = zm_native_directories(engine, names);
    int i;
    if (status == APR_SUCCESS)
        status = check_root(&walk, pool);
    for (i = 0; i < names->nelts && status == APR_SUCCESS; i++) {
        apr_cpystrn(walk.path, APR_ARRAY_IDX(names, i, const char *), sizeof walk.path);
        status = walk_below(&walk, strlen(walk.path), 0, pool);
    }
    return status;
}

/* -- from another spool ------------------------------------------------------------------ */

/* Whether one sync at the end will do for all files. */
static bool settles_whole(zm_native_t *native)
{
    if (!native->whole.asked) {
        native->whole.asked = true;
        native->whole.impossible = zm_file_sync_all(native->root) == ZM_E_UNSUPPORTED;
    }
    return !native->whole.impossible;
}

static apr_status_t take_over(zm_native_object_t *object, const zm_object_info_t *info)
{
    zm_native_t *native = object->native;
    apr_status_t status = APR_SUCCESS;
    if (zm_identity_privileged())
        status = zm_file_set_owner(object->file, info->uid, info->gid);
    if (status == APR_SUCCESS)
        status = zm_file_set_mode(object->file, info->mode);
    if (status == APR_SUCCESS) /* the arrival time of a message */
        status = zm_file_set_mtime(object->file, info->mtime_s, info->mtime_ns);
    if (status == APR_SUCCESS && !settles_whole(native))
        status = zm_file_sync(object->file);
    return status;
}

apr_status_t zm_native_import(zm_engine_object_t *handle, const char *name,
                              const zm_object_info_t *info)
{
    zm_native_object_t *object = zm_native_object(handle);
    apr_status_t status = take_over(object, info);
    if (status == APR_SUCCESS)
        status = zm_native_rename((zm_engine_t *)object->native, object->name, name);
    if (status == APR_SUCCESS)
        zm_native_give_back(object);
    else
        zm_native_discard(object);
    return status;
}

/* The root's handle was opened before anything was written, so it reports every write error since.
 */
apr_status_t zm_native_settle(zm_engine_t *engine)
{
    apr_array_header_t *names;
    apr_pool_t *pool;
    int i;
    apr_status_t status = zm_file_sync_all(zm_native(engine)->root);
    if (status != ZM_E_UNSUPPORTED)
        return status;
    status = apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    if (status != APR_SUCCESS)
        return status;
    names = apr_array_make(pool, 16, sizeof(const char *));
    status = zm_native_directories(engine, names);
    for (i = 0; i < names->nelts && status == APR_SUCCESS; i++)
        status = zm_engine_native.sync_names(engine, APR_ARRAY_IDX(names, i, const char *));
    apr_pool_destroy(pool);
    return status;
}
