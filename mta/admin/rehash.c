#include "mta/admin/rehash.h"

#include <apr_strings.h>
#include <apr_tables.h>
#include <string.h>

#include "mta/admin/daemons.h"
#include "mta/conf/site.h"
#include "spool/layout.h"

typedef struct rehash_t {
    zm_spool_t *spool;
    int count;
    apr_pool_t *pool; /* cleared for each name */
    zm_error_t *error;
} rehash_t;

/* All names at once: what is moved is not to be found again. */
static apr_status_t names_in(apr_array_header_t **names, const rehash_t *work,
                             const char *directory, apr_pool_t *pool)
{
    zm_listing_t *listing;
    const char *name;
    apr_status_t status = zm_spool_list(&listing, work->spool, directory, false, pool);
    *names = apr_array_make(pool, 256, sizeof(const char *));
    if (APR_STATUS_IS_ENOENT(status))
        return APR_SUCCESS;
    if (status != APR_SUCCESS)
        return zm_error_system(work->error, status, "cannot list %s", directory);
    while ((status = zm_listing_next(listing, &name)) == APR_SUCCESS)
        APR_ARRAY_PUSH(*names, const char *) = apr_pstrdup(pool, name);
    zm_listing_close(listing);
    return APR_STATUS_IS_ENOENT(status)
               ? APR_SUCCESS
               : zm_error_system(work->error, status, "cannot list %s", directory);
}

static apr_status_t move(rehash_t *work, const char *from, const char *to)
{
    apr_status_t status = zm_spool_rename(work->spool, from, to);
    if (status == APR_SUCCESS || APR_STATUS_IS_ENOENT(status))
        return APR_SUCCESS;
    return zm_error_system(work->error, status, "cannot move %s to %s", from, to);
}

static bool only_digits(zm_str_t leaf)
{
    apr_size_t i;
    for (i = 0; i < leaf.length; i++)
        if (!zm_is_digit((unsigned char)leaf.data[i]))
            return false;
    return leaf.length > 0;
}

/* Moves an object of `directory`, and before it its namesake in `first` (null: it has none). */
static apr_status_t rehash_name(rehash_t *work, const char *name, const char *first, int levels)
{
    char prefix[ZM_HASH_PREFIX_SIZE];
    zm_name_t parts;
    const char *leaf, *old;
    apr_status_t status = APR_SUCCESS;
    if (zm_layout_parse(&parts, zm_str(name)) != APR_SUCCESS || !parts.numeric ||
        (first != NULL && !only_digits(parts.leaf)))
        return APR_SUCCESS;
    zm_layout_hash(prefix, parts.id, levels);
    if (zm_str_equal_c(parts.prefix, prefix))
        return APR_SUCCESS;
    leaf = zm_str_c(work->pool, parts.leaf);
    old = zm_str_c(work->pool, parts.prefix);
    if (first != NULL)
        status = move(work, apr_pstrcat(work->pool, first, "/", old, leaf, NULL),
                      apr_pstrcat(work->pool, first, "/", prefix, leaf, NULL));
    if (status == APR_SUCCESS)
        status = move(work, name,
                      apr_pstrcat(work->pool, zm_str_c(work->pool, parts.directory), "/", prefix,
                                  leaf, NULL));
    work->count += status == APR_SUCCESS;
    return status;
}

static apr_status_t rehash_directory(rehash_t *work, const char *directory, const char *first,
                                     int levels, apr_pool_t *pool)
{
    apr_array_header_t *names;
    apr_status_t status = names_in(&names, work, directory, pool);
    int i;
    for (i = 0; status == APR_SUCCESS && i < names->nelts; i++) {
        status = rehash_name(work, APR_ARRAY_IDX(names, i, const char *), first, levels);
        apr_pool_clear(work->pool);
    }
    return status;
}

static apr_status_t rehash_inputs(rehash_t *work, const zm_zenv_t *zenv, int levels,
                                  apr_pool_t *pool)
{
    zm_str_t rest = zm_str(zm_zenv_get_or(zenv, "ROUTERDIRS", "router1:router2:router3:router4"));
    apr_status_t status = rehash_directory(work, ZM_DIR_ROUTER, NULL, levels, pool);
    bool more = rest.length > 0;
    while (more && status == APR_SUCCESS) {
        zm_str_t word;
        more = zm_str_cut(rest, ':', &word, &rest);
        if (word.length > 0)
            status = rehash_directory(work, zm_str_c(pool, word), NULL, levels, pool);
    }
    return status;
}

apr_status_t rehash_spool(const zm_zenv_t *zenv, int *count, apr_pool_t *pool, zm_error_t *error)
{
    rehash_t work = {NULL, 0, NULL, error};
    const char *daemon = daemon_on(zm_zenv_postoffice(zenv), pool);
    int64_t scheduler, router;
    apr_status_t status;
    if (daemon != NULL)
        return zm_error_set(error, ZM_E_BUSY,
                            "%s is running on this spool; say \"zmailer stop\" first", daemon);
    if ((status = zm_zenv_number(zenv, "SCHEDULERDIRHASH", 2, 0, 2, &scheduler, error)) !=
            APR_SUCCESS ||
        (status = zm_zenv_number(zenv, "ROUTERDIRHASH", 0, 0, 1, &router, error)) != APR_SUCCESS ||
        (status = zm_site_spool(&work.spool, zenv, NULL, pool, error)) != APR_SUCCESS)
        return status;
    apr_pool_create(&work.pool, pool);
    status = rehash_directory(&work, ZM_DIR_QUEUE, ZM_DIR_TRANSPORT, (int)scheduler, pool);
    if (status == APR_SUCCESS)
        status = rehash_inputs(&work, zenv, (int)router, pool);
    zm_spool_close(work.spool);
    *count = work.count;
    return status;
}
