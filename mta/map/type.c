#include <apr_strings.h>
#include <string.h>

#include "mta/map/module.h"
#include "mta/map/types.h"

#define MOST_ADDED 16

/* Names under which configurations know the types.  A file database whose library is history is
 * kept in SQLite. */
static const struct {
    const char *name;
    const zm_map_type_t *type;
} known[] = {
    {"incore", &zm_map_incore},       {"unordered", &zm_map_unordered},
    {"ordered", &zm_map_ordered},     {"sqlite", &zm_map_sqlite},
    {"dbm", &zm_map_sqlite},          {"ndbm", &zm_map_sqlite},
    {"gdbm", &zm_map_sqlite},         {"btree", &zm_map_sqlite},
    {"bhash", &zm_map_sqlite},        {"regex", &zm_map_regex},
    {"bind", &zm_map_bind},           {"hostsfile", &zm_map_hostsfile},
    {"selfmatch", &zm_map_selfmatch},
};

static const zm_map_type_t *added[MOST_ADDED];
static int added_count;

const zm_map_type_t *zm_map_type_find(const char *name)
{
    apr_size_t i;
    int k;
    for (k = 0; k < added_count; k++)
        if (strcmp(added[k]->name, name) == 0)
            return added[k];
    for (i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].type;
    return zm_map_module_find(name, NULL);
}

bool zm_map_type_exists(const char *type)
{
    return zm_map_type_find(type) != NULL;
}

void zm_map_type_add(const zm_map_type_t *type)
{
    int k;
    for (k = 0; k < added_count; k++) {
        if (strcmp(added[k]->name, type->name) == 0) {
            added[k] = type;
            return;
        }
    }
    if (added_count < MOST_ADDED)
        added[added_count++] = type;
}

/* -- files behind maps -------------------------------------------------------------------- */

apr_status_t zm_map_file_look(const char *path, zm_file_info_t *info)
{
    apr_pool_t *pool;
    zm_file_t *file;
    apr_status_t status = zm_path_info(info, NULL, path);
    if (status != APR_SUCCESS || info->kind != ZM_FILE_SYMLINK)
        return status;
    status = apr_pool_create(&pool, NULL);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_open(&file, NULL, path, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool);
    if (status == APR_SUCCESS) {
        status = zm_file_info(info, file);
        zm_file_close(file);
    }
    apr_pool_destroy(pool);
    return status;
}

bool zm_map_file_changed(const char *path, const zm_file_info_t *seen)
{
    zm_file_info_t now;
    if (zm_map_file_look(path, &now) != APR_SUCCESS)
        return true;
    return now.id != seen->id || now.device != seen->device || now.size != seen->size ||
           now.mtime_s != seen->mtime_s || now.mtime_ns != seen->mtime_ns ||
           now.links != seen->links;
}

apr_status_t zm_map_file_owner(const char *path, zm_uid_t *owner, zm_error_t *error)
{
    zm_file_info_t info;
    apr_status_t status = zm_map_file_look(path, &info);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot look at %s", path);
    *owner = info.uid;
    return APR_SUCCESS;
}

apr_status_t zm_map_needs_file(const zm_map_options_t *options, zm_error_t *error)
{
    if (options->file == NULL || options->file[0] == '\0')
        return zm_error_set(error, ZM_E_CONFIG, "a map of this type needs a file");
    return APR_SUCCESS;
}
