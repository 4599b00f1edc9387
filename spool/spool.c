#include "spool/spool.h"

#include <apr_strings.h>
#include <string.h>

#include "platform/fs.h"
#include "spool/internal.h"
#include "spool/layout.h"
#include "spool/mark.h"
#include "spool/probe.h"

static const zm_engine_ops_t *const engines[] = {&zm_engine_native, &zm_engine_emulated,
                                                 &zm_engine_memory};

/* -- opening ------------------------------------------------------------------- */

static const zm_engine_ops_t *engine_named(zm_str_t name)
{
    apr_size_t i;
    for (i = 0; i < sizeof engines / sizeof engines[0]; i++)
        if (zm_str_equal_c(name, engines[i]->name))
            return engines[i];
    return NULL;
}

/* "native:DIR": a word before ':' that is not the drive letter of a Windows path. */
static const zm_engine_ops_t *split_location(const char *location, const char **rest,
                                             zm_str_t *asked)
{
    zm_str_t head, tail;
    *rest = location;
    *asked = zm_str("");
    if (!zm_str_cut(zm_str(location), ':', &head, &tail) || head.length < 2 ||
        zm_str_find(head, '/') >= 0 || zm_str_find(head, '\\') >= 0)
        return NULL;
    *asked = head;
    *rest = location + head.length + 1;
    return engine_named(head);
}

/* What the mark says wins; a different wish is a mistake that would make two spools of one. */
static apr_status_t read_mark(zm_spool_t *spool, zm_str_t asked, zm_error_t *error)
{
    const char *marked = NULL;
    apr_status_t status = zm_mark_read(&marked, spool->location, spool->pool, error);
    if (status != APR_SUCCESS || marked == NULL)
        return status;
    if (strcmp(marked, ZM_MARK_CONVERTING) == 0)
        return zm_error_set(
            error, ZM_E_CONFIG,
            "the spool %s was not converted to its end; remove it and convert again",
            spool->location);
    if (asked.length != 0 && !zm_str_equal_c(asked, marked))
        return zm_error_set(error, ZM_E_CONFIG, "the spool %s has the engine %s, not %.*s",
                            spool->location, marked, (int)asked.length, asked.data);
    spool->ops = engine_named(zm_str(marked));
    spool->marked = true;
    if (spool->ops == NULL)
        return zm_error_set(error, ZM_E_UNSUPPORTED,
                            "the spool %s has an engine that this version does not know: %s",
                            spool->location, marked);
    return APR_SUCCESS;
}

/* A new spool is native where the filesystem has the guarantees, else emulated. */
static apr_status_t choose_for_new(zm_spool_t *spool, zm_error_t *error)
{
    apr_status_t status = zm_mark_check_outside(spool->location, spool->pool, error);
    if (status != APR_SUCCESS)
        return status;
    status = zm_dir_make_all(spool->location, 02755, spool->pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot make the spool %s", spool->location);
    if (spool->ops == &zm_engine_emulated)
        return APR_SUCCESS;
    status = zm_probe_native(spool->location, spool->pool, error);
    if (status == ZM_E_UNSUPPORTED && spool->ops == NULL) {
        spool->ops = &zm_engine_emulated;
        return APR_SUCCESS;
    }
    spool->ops = &zm_engine_native;
    return status;
}

static bool has(const zm_spool_t *spool, const char *leaf)
{
    zm_file_info_t info;
    return !APR_STATUS_IS_ENOENT(
        zm_path_info(&info, NULL, apr_pstrcat(spool->pool, spool->location, "/", leaf, NULL)));
}

/* A tree without a mark is one that an original made: native, and not yet ours. */
static apr_status_t choose_engine(zm_spool_t *spool, const zm_spool_options_t *options, bool *fresh,
                                  zm_error_t *error)
{
    zm_str_t asked;
    bool tree;
    apr_status_t status;
    spool->ops = split_location(options->location, &spool->location, &asked);
    spool->location = apr_pstrdup(spool->pool, spool->location);
    if (asked.length != 0 && spool->ops == NULL)
        return zm_error_set(error, ZM_E_CONFIG, "no spool engine is named \"%.*s\" (in %s)",
                            (int)asked.length, asked.data, options->location);
    if (spool->ops == &zm_engine_memory) {
        spool->marked = true;
        return APR_SUCCESS;
    }
    status = read_mark(spool, asked, error);
    if (status != APR_SUCCESS || spool->marked)
        return status;
    tree = has(spool, ZM_DIR_QUEUE);
    if (!tree && has(spool, "spool.db") &&
        !(options->create && spool->ops == &zm_engine_emulated)) /* its maker may have died */
        return zm_error_set(error, ZM_E_CONFIG,
                            "the spool %s has a database, but the file .engine that says so is "
                            "missing; \"zmailer spool init emulated:%s\" writes it",
                            spool->location, spool->location);
    *fresh = options->create && !tree;
    if (*fresh)
        return choose_for_new(spool, error);
    if (spool->ops == &zm_engine_emulated)
        return zm_error_set(error, ZM_E_CONFIG, "there is no emulated spool at %s",
                            spool->location);
    spool->ops = &zm_engine_native;
    return APR_SUCCESS;
}

static apr_status_t check_directories(const zm_spool_t *spool, zm_error_t *error)
{
    if (spool->ops == &zm_engine_native)
        return zm_mark_check_directories(spool->location, spool->pool, error);
    if (spool->ops == &zm_engine_emulated)
        return zm_mark_check_root(spool->location, spool->pool, error);
    return APR_SUCCESS;
}

static apr_status_t open_parts(zm_spool_t *spool, const zm_spool_options_t *options,
                               zm_error_t *error)
{
    bool fresh = false;
    apr_status_t status = choose_engine(spool, options, &fresh, error);
    if (status == APR_SUCCESS && !options->create)
        status = check_directories(spool, error);
    if (status == APR_SUCCESS)
        status = spool->ops->open(&spool->engine, spool->location, options, spool->pool, error);
    if (status != APR_SUCCESS)
        return status;
    if (options->create)
        status = check_directories(spool, error);
    if (status == APR_SUCCESS && fresh)
        status = zm_spool_set_marked(spool, error);
    if (status == APR_SUCCESS) {
        status = zm_publisher_create(&spool->publisher, spool->ops, spool->engine,
                                     spool->ops->group_limit == 1 ? options->sync_threads : 0,
                                     options->loop);
        if (status != APR_SUCCESS)
            zm_error_system(error, status, "cannot open the spool %s", spool->location);
    }
    if (status != APR_SUCCESS)
        spool->ops->close(spool->engine);
    return status;
}

apr_status_t zm_spool_open(zm_spool_t **result, const zm_spool_options_t *options,
                           apr_pool_t *parent, zm_error_t *error)
{
    zm_spool_t *spool;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, parent);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot open the spool %s", options->location);
    spool = apr_pcalloc(pool, sizeof *spool);
    spool->pool = pool;
    spool->unsynced = options->unsynced;
    status = open_parts(spool, options, error);
    if (status == APR_SUCCESS)
        *result = spool;
    else
        apr_pool_destroy(pool);
    return status;
}

apr_status_t zm_spool_set_marked(zm_spool_t *spool, zm_error_t *error)
{
    apr_status_t status = APR_SUCCESS;
    if (spool->ops != &zm_engine_memory)
        status = zm_mark_write(spool->location, spool->ops->name, spool->pool, error);
    if (status == APR_SUCCESS)
        spool->marked = true;
    return status;
}

void zm_spool_close(zm_spool_t *spool)
{
    if (spool == NULL)
        return;
    zm_publisher_destroy(spool->publisher);
    spool->ops->close(spool->engine);
    apr_pool_destroy(spool->pool);
}

const char *zm_spool_location(const zm_spool_t *spool)
{
    return spool->location;
}

const char *zm_spool_engine_name(const zm_spool_t *spool)
{
    return spool->ops->name;
}

apr_status_t zm_spool_free_space(zm_spool_t *spool, uint64_t *bytes, uint64_t *objects)
{
    return spool->ops->free_space(spool->engine, bytes, objects);
}

void zm_spool_figures(zm_spool_figures_t *figures, zm_spool_t *spool)
{
    zm_publisher_figures(spool->publisher, figures);
}

/* -- names ----------------------------------------------------------------------- */

bool zm_spool_name_valid(zm_str_t name)
{
    zm_name_t parts;
    return zm_layout_parse(&parts, name) == APR_SUCCESS;
}

static bool valid(const char *name)
{
    return zm_spool_name_valid(zm_str(name));
}

apr_status_t zm_spool_native_path(const char **path, zm_spool_t *spool, const char *name,
                                  apr_pool_t *pool)
{
    if (!valid(name))
        return ZM_E_SYNTAX;
    return spool->ops->native_path(spool->engine, path, name, pool);
}

apr_status_t zm_spool_info(zm_object_info_t *info, zm_spool_t *spool, const char *name)
{
    return valid(name) ? spool->ops->name_info(spool->engine, info, name) : ZM_E_SYNTAX;
}

apr_status_t zm_spool_rename(zm_spool_t *spool, const char *from, const char *to)
{
    return valid(from) && valid(to) ? spool->ops->rename(spool->engine, from, to) : ZM_E_SYNTAX;
}

apr_status_t zm_spool_link(zm_spool_t *spool, const char *from, const char *to)
{
    return valid(from) && valid(to) ? spool->ops->link(spool->engine, from, to) : ZM_E_SYNTAX;
}

apr_status_t zm_spool_unlink(zm_spool_t *spool, const char *name)
{
    return valid(name) ? spool->ops->unlink(spool->engine, name) : ZM_E_SYNTAX;
}

apr_status_t zm_spool_unlink_pair(zm_spool_t *spool, const char *first, const char *second)
{
    const char *names[2];
    names[0] = first;
    names[1] = second;
    return zm_spool_unlink_pairs(spool, names, 1);
}

apr_status_t zm_spool_unlink_pairs(zm_spool_t *spool, const char *const *names, int pairs)
{
    apr_status_t status = APR_SUCCESS;
    int i;
    for (i = 0; i < 2 * pairs; i++)
        if (!valid(names[i]))
            return ZM_E_SYNTAX;
    if (spool->ops->unlink_pairs != NULL)
        return spool->ops->unlink_pairs(spool->engine, names, pairs);
    for (i = 0; i < 2 * pairs && status == APR_SUCCESS; i++) {
        status = spool->ops->unlink(spool->engine, names[i]);
        if (APR_STATUS_IS_ENOENT(status))
            status = APR_SUCCESS;
    }
    return status;
}

/* "router1", "router/A", "queue/A/B" */
static bool valid_directory(const char *directory)
{
    char name[ZM_ENGINE_NAME_SIZE];
    if (strlen(directory) + 3 > sizeof name)
        return false;
    apr_snprintf(name, sizeof name, "%s/x", directory);
    return valid(name);
}

apr_status_t zm_spool_make_directory(zm_spool_t *spool, const char *directory, uint32_t mode)
{
    if (!valid_directory(directory))
        return ZM_E_SYNTAX;
    return spool->ops->make_directory(spool->engine, directory, mode);
}

apr_status_t zm_spool_own_directory(zm_spool_t *spool, const char *directory, zm_uid_t uid)
{
    if (!valid_directory(directory))
        return ZM_E_SYNTAX;
    return spool->ops->own_directory == NULL
               ? APR_SUCCESS
               : spool->ops->own_directory(spool->engine, directory, uid);
}

bool zm_spool_has_directory(zm_spool_t *spool, const char *directory)
{
    zm_engine_listing_t *listing;
    apr_pool_t *pool;
    apr_status_t status;
    if (!valid_directory(directory) ||
        apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS)
        return false;
    status = spool->ops->list(spool->engine, &listing, directory, false, pool);
    if (status == APR_SUCCESS)
        spool->ops->list_close(listing);
    apr_pool_destroy(pool);
    return status == APR_SUCCESS;
}

apr_status_t zm_spool_directories(apr_array_header_t **names, zm_spool_t *spool, apr_pool_t *pool)
{
    const zm_layout_directory_t *entry;
    *names = apr_array_make(pool, 16, sizeof(const char *));
    if (spool->ops->directories != NULL)
        return spool->ops->directories(spool->engine, *names);
    for (entry = zm_layout_directories; entry->name != NULL; entry++)
        APR_ARRAY_PUSH(*names, const char *) = entry->name;
    return APR_SUCCESS;
}

apr_status_t zm_spool_sync_names(zm_spool_t *spool, const char *directory)
{
    if (!zm_layout_directory_valid(zm_str(directory)))
        return ZM_E_SYNTAX;
    return spool->ops->sync_names(spool->engine, directory);
}

/* -- listing and watching ----------------------------------------------------------- */

struct zm_listing_t {
    const zm_engine_ops_t *ops;
    zm_engine_listing_t *listing;
};

apr_status_t zm_spool_list(zm_listing_t **result, zm_spool_t *spool, const char *directory,
                           bool hidden, apr_pool_t *pool)
{
    zm_listing_t *listing = apr_palloc(pool, sizeof *listing);
    if (!zm_layout_directory_valid(zm_str(directory)))
        return ZM_E_SYNTAX;
    listing->ops = spool->ops;
    *result = listing;
    return spool->ops->list(spool->engine, &listing->listing, directory, hidden, pool);
}

apr_status_t zm_listing_next(zm_listing_t *listing, const char **name)
{
    return listing->ops->list_next(listing->listing, name);
}

void zm_listing_close(zm_listing_t *listing)
{
    listing->ops->list_close(listing->listing);
}

apr_status_t zm_spool_watch(zm_spool_watch_t **watch, zm_spool_t *spool, const char *directory,
                            zm_loop_t *loop, zm_spool_watch_fn *fn, void *baton)
{
    if (!zm_layout_directory_valid(zm_str(directory)))
        return ZM_E_SYNTAX;
    *watch = NULL;
    return spool->ops->watch(spool->engine, (zm_engine_watch_t **)watch, directory, loop, fn,
                             baton);
}

void zm_spool_watch_close(zm_spool_watch_t *watch)
{
    if (watch != NULL)
        ((zm_engine_watch_t *)watch)->ops->watch_close((zm_engine_watch_t *)watch);
}
