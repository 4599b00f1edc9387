#include "mta/conf/leftovers.h"

#include <string.h>

#include "platform/clock.h"
#include "spool/layout.h"

#define DAY 86400
#define PUBLIC_DAYS 2
#define COPY_DAYS 7
#define ONLY_COPY_DAYS 30

struct zm_leftovers_t {
    zm_spool_t *spool;
    zm_leftover_fn *fn;
    void *baton;
    int64_t now;
    int only_copy_days;
    int directory; /* index of the one being listed */
    zm_listing_t *listing;
    apr_pool_t *pool;
};

static const char *const directories[] = {ZM_DIR_PUBLIC, ZM_DIR_POSTMAN, NULL};

bool zm_leftover_is_copy(zm_str_t leaf)
{
    apr_ssize_t dot = zm_str_find(leaf, '.');
    return dot >= 0 && zm_str_starts(zm_str_from(leaf, (apr_size_t)dot + 1), ZM_S("_"));
}

apr_status_t zm_leftovers_begin(zm_leftovers_t **pass, zm_spool_t *spool, const zm_zenv_t *zenv,
                                zm_leftover_fn *fn, void *baton, apr_pool_t *pool,
                                zm_error_t *error)
{
    zm_leftovers_t *made = apr_pcalloc(pool, sizeof *made);
    int64_t seconds;
    apr_status_t status = zm_zenv_interval(zenv, "ONLY_COPY_LIFETIME",
                                           (int64_t)ONLY_COPY_DAYS * DAY, &seconds, error);
    if (status != APR_SUCCESS)
        return status;
    made->spool = spool;
    made->fn = fn;
    made->baton = baton;
    made->now = apr_time_sec(zm_clock_wall());
    made->only_copy_days = (int)(seconds / DAY > 100000 ? 100000 : (seconds + DAY - 1) / DAY);
    made->pool = pool;
    *pass = made;
    return APR_SUCCESS;
}

/* Whether age allows it to go, and it went. */
static bool remove_older(zm_leftovers_t *pass, const char *name, int days)
{
    zm_object_info_t info;
    return zm_spool_info(&info, pass->spool, name) == APR_SUCCESS &&
           pass->now - info.mtime_s > (int64_t)days * DAY &&
           zm_spool_unlink(pass->spool, name) == APR_SUCCESS;
}

/* Names in postman/ that are no message's were put there by hand, and stay. */
static void look_at(zm_leftovers_t *pass, const char *name)
{
    const char *leaf = strrchr(name, '/') + 1;
    bool only_copy = false;
    int days = PUBLIC_DAYS;
    if (pass->directory > 0) {
        if (!zm_is_digit((unsigned char)leaf[0]))
            return;
        only_copy = !zm_leftover_is_copy(zm_str(leaf));
        days = only_copy ? pass->only_copy_days : COPY_DAYS;
    }
    if (remove_older(pass, name, days))
        pass->fn(name, days, only_copy, pass->baton);
}

apr_status_t zm_leftovers_step(zm_leftovers_t *pass, int names)
{
    apr_status_t status = APR_SUCCESS;
    while (directories[pass->directory] != NULL && names-- > 0) {
        const char *name;
        if (pass->listing == NULL)
            status = zm_spool_list(&pass->listing, pass->spool, directories[pass->directory],
                                   pass->directory == 0, pass->pool);
        if (status == APR_SUCCESS &&
            (status = zm_listing_next(pass->listing, &name)) == APR_SUCCESS) {
            look_at(pass, name);
            continue;
        }
        if (!APR_STATUS_IS_ENOENT(status))
            return status;
        zm_leftovers_end(pass);
        pass->directory++;
        status = APR_SUCCESS;
    }
    return directories[pass->directory] != NULL ? APR_SUCCESS : APR_ENOENT;
}

void zm_leftovers_end(zm_leftovers_t *pass)
{
    if (pass != NULL && pass->listing != NULL) {
        zm_listing_close(pass->listing);
        pass->listing = NULL;
    }
}
