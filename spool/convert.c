#include "spool/convert.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <string.h>

#include "platform/fs.h"
#include "spool/internal.h"
#include "spool/layout.h"
#include "spool/mark.h"

#define PIECE 65536
#define PROGRESS_EVERY 1000

typedef struct copy_t {
    zm_spool_t *from, *to;
    const zm_convert_options_t *options;
    zm_convert_report_t *report;
    zm_error_t *error;
    apr_hash_t *linked; /* id of an object with several names -> its first name in the new spool */
    apr_pool_t *pool;
    char *piece;
} copy_t;

static void tell_damaged(copy_t *copy, const char *name, apr_status_t status, apr_pool_t *pool)
{
    char reason[200];
    zm_finding_t finding = {.kind = ZM_FINDING_UNREADABLE, .name = name};
    finding.detail = apr_pstrcat(
        pool, "is not taken over: ", zm_status_text(status, reason, sizeof reason), NULL);
    copy->report->damaged++;
    copy->options->fn(&finding, copy->options->baton);
}

/* -- one object --------------------------------------------------------------------------- */

/* *reading tells a failure of the old spool, which is survived, from one of the new. */
static apr_status_t copy_contents(copy_t *copy, zm_object_t *from, zm_object_t *to, uint64_t size,
                                  bool *reading)
{
    uint64_t offset = 0;
    apr_status_t status = APR_SUCCESS;
    while (offset < size && status == APR_SUCCESS) {
        apr_size_t length = PIECE;
        *reading = true;
        status = zm_object_read(from, offset, copy->piece, &length);
        if (APR_STATUS_IS_EOF(status))
            return ZM_E_CORRUPT; /* it is shorter than it says */
        if (status == APR_SUCCESS) {
            *reading = false;
            status = zm_object_write(to, copy->piece, length);
            offset += length;
        }
    }
    return status;
}

static apr_status_t copy_object(copy_t *copy, const char *name, zm_object_t *from,
                                const zm_object_info_t *info, bool *reading)
{
    zm_create_options_t create = {
        .directory = ZM_DIR_PUBLIC, .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_object_t *to;
    apr_status_t status = zm_object_create(&to, copy->to, &create);
    if (status != APR_SUCCESS)
        return status;
    status = copy_contents(copy, from, to, info->size, reading);
    if (status != APR_SUCCESS) {
        zm_object_discard(to);
        return status;
    }
    return zm_object_import(to, name, info);
}

/* A message that waits for the router is called by its number, which the new spool may have chosen.
 */
static apr_status_t settle_name(copy_t *copy, const char **name, const zm_object_info_t *old,
                                apr_pool_t *pool)
{
    zm_object_info_t info = {0};
    zm_name_t parts;
    const char *better;
    apr_status_t status = zm_layout_parse(&parts, zm_str(*name));
    if (status == APR_SUCCESS)
        status = zm_spool_info(&info, copy->to, *name);
    if (status != APR_SUCCESS || info.id == old->id || !parts.numeric || parts.id != old->id ||
        !zm_str_starts_nocase(parts.directory, ZM_S(ZM_DIR_ROUTER)))
        return status;
    better = apr_psprintf(pool, "%.*s%" APR_UINT64_T_FMT "%s", (int)(parts.leaf.data - *name),
                          *name, info.id, parts.leaf.data + strspn(parts.leaf.data, "0123456789"));
    if (zm_spool_rename(copy->to, *name, better) == APR_SUCCESS)
        *name = better;
    return APR_SUCCESS;
}

static apr_status_t take_over(copy_t *copy, const char *name, zm_object_t *from, apr_pool_t *pool)
{
    zm_object_info_t info;
    const char *first = NULL, *given = name;
    bool reading = true;
    apr_status_t status = zm_object_info(&info, from);
    if (status == APR_SUCCESS && info.links > 1)
        first = apr_hash_get(copy->linked, &info.id, sizeof info.id);
    if (status == APR_SUCCESS && first != NULL)
        status = (reading = false, zm_spool_link(copy->to, first, name));
    else if (status == APR_SUCCESS)
        status = copy_object(copy, name, from, &info, &reading);
    if (status != APR_SUCCESS && reading) {
        tell_damaged(copy, name, status, pool);
        return APR_SUCCESS;
    }
    if (status == APR_SUCCESS && first == NULL)
        status = settle_name(copy, &given, &info, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(copy->error, status, "cannot take over %s", name);
    copy->report->names++;
    if (first != NULL)
        return APR_SUCCESS;
    copy->report->objects++;
    copy->report->bytes += info.size;
    if (info.links > 1)
        apr_hash_set(copy->linked, apr_pmemdup(copy->pool, &info.id, sizeof info.id),
                     sizeof info.id, apr_pstrdup(copy->pool, given));
    return APR_SUCCESS;
}

static apr_status_t copy_name(copy_t *copy, const char *name, apr_pool_t *pool)
{
    zm_object_t *from;
    zm_name_t parts;
    apr_status_t status;
    if (zm_layout_parse(&parts, zm_str(name)) != APR_SUCCESS || parts.leaf.data[0] == '.' ||
        zm_str_equal_c(parts.directory, ZM_DIR_PUBLIC)) {
        copy->report->skipped++;
        return APR_SUCCESS;
    }
    status = zm_object_open(&from, copy->from, name, ZM_OBJECT_READ);
    if (status != APR_SUCCESS) {
        tell_damaged(copy, name, status, pool);
        return APR_SUCCESS;
    }
    status = take_over(copy, name, from, pool);
    zm_object_close(from);
    return status;
}

/* -- all of them ----------------------------------------------------------------------------- */

static apr_status_t copy_directory(copy_t *copy, const char *directory, apr_pool_t *parent)
{
    zm_listing_t *listing;
    const char *name;
    apr_pool_t *pool, *each;
    apr_status_t status = apr_pool_create(&pool, parent);
    if (status == APR_SUCCESS)
        status = apr_pool_create(&each, pool);
    if (status == APR_SUCCESS && !zm_spool_has_directory(copy->to, directory))
        status = zm_spool_make_directory(copy->to, directory, 03777);
    if (status == APR_SUCCESS)
        status = zm_spool_list(&listing, copy->from, directory, true, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(copy->error, status, "cannot take over the directory %s", directory);
    while ((status = zm_listing_next(listing, &name)) == APR_SUCCESS) {
        status = copy_name(copy, apr_pstrdup(each, name), each);
        if (status != APR_SUCCESS)
            break;
        apr_pool_clear(each);
        if (copy->report->names % PROGRESS_EVERY == 0 && copy->options->progress != NULL)
            copy->options->progress(copy->report->names, copy->options->baton);
    }
    zm_listing_close(listing);
    if (status == ZM_E_CORRUPT && copy->error->status != status) { /* what follows in it is lost */
        tell_damaged(copy, directory, status, pool);
        status = APR_SUCCESS;
    }
    apr_pool_destroy(pool);
    if (status == APR_SUCCESS || APR_STATUS_IS_ENOENT(status))
        return APR_SUCCESS;
    return copy->error->status == status
               ? status
               : zm_error_system(copy->error, status, "cannot list the directory %s", directory);
}

static apr_status_t copy_all(copy_t *copy, apr_pool_t *pool)
{
    apr_array_header_t *names;
    int i;
    apr_status_t status = zm_spool_directories(&names, copy->from, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(copy->error, status, "cannot list the spool %s",
                               zm_spool_location(copy->from));
    for (i = 0; i < names->nelts && status == APR_SUCCESS; i++)
        status = copy_directory(copy, APR_ARRAY_IDX(names, i, const char *), pool);
    if (status != APR_SUCCESS)
        return status;
    status = copy->to->ops->settle != NULL ? copy->to->ops->settle(copy->to->engine) : APR_SUCCESS;
    return status == APR_SUCCESS
               ? APR_SUCCESS
               : zm_error_system(copy->error, status, "cannot make the spool %s durable",
                                 zm_spool_location(copy->to));
}

/* -- the new spool ----------------------------------------------------------------------------- */

static apr_status_t check_empty(const char *location, apr_pool_t *pool, zm_error_t *error)
{
    const char *colon = strchr(location, ':'), *leaf;
    const char *path = colon != NULL && colon - location > 1 ? colon + 1 : location;
    zm_dir_t *entries;
    apr_status_t status = zm_dir_open(&entries, NULL, path, pool);
    if (APR_STATUS_IS_ENOENT(status))
        return APR_SUCCESS;
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot look into %s", path);
    status = zm_dir_next(entries, &leaf, NULL);
    zm_dir_close(entries);
    if (status == APR_SUCCESS)
        return zm_error_set(error, ZM_E_CONFIG,
                            "%s is not empty; name a new directory for the spool", path);
    return APR_SUCCESS;
}

static apr_status_t set_mark(copy_t *copy, const char *engine, apr_pool_t *pool, zm_error_t *error)
{
    return zm_mark_write(copy->to->location, engine, pool, error);
}

apr_status_t zm_spool_convert(const char *from, const char *to, const zm_convert_options_t *options,
                              zm_convert_report_t *report, apr_pool_t *parent, zm_error_t *error)
{
    zm_error_t unread;
    copy_t copy = {.options = options, .report = report, .error = error != NULL ? error : &unread};
    zm_spool_options_t open_from = {.location = from}, open_to = {.location = to, .create = true};
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, parent);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot convert the spool %s", from);
    memset(report, 0, sizeof *report);
    copy.error->status = APR_SUCCESS;
    copy.pool = pool;
    copy.linked = apr_hash_make(pool);
    copy.piece = apr_palloc(pool, PIECE);
    status = zm_spool_open(&copy.from, &open_from, pool, error);
    if (status == APR_SUCCESS)
        status = check_empty(to, pool, error);
    if (status == APR_SUCCESS)
        status = zm_spool_open(&copy.to, &open_to, pool, error);
    if (status == APR_SUCCESS && copy.to->ops->import == NULL)
        status =
            zm_error_set(error, ZM_E_UNSUPPORTED,
                         "a spool of the engine %s takes in no other spool", copy.to->ops->name);
    if (status == APR_SUCCESS)
        status = set_mark(&copy, ZM_MARK_CONVERTING, pool, error);
    if (status == APR_SUCCESS)
        status = copy_all(&copy, pool);
    if (status == APR_SUCCESS)
        status = set_mark(&copy, copy.to->ops->name, pool, error);
    zm_spool_close(copy.to);
    zm_spool_close(copy.from);
    apr_pool_destroy(pool);
    return status;
}
