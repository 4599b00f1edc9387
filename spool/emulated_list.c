#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "spool/emulated.h"

/* -- listing ------------------------------------------------------------------------ */

/*
 * Names are fetched in batches, each a short look at the database that starts
 * after the last name of the one before, so that no listing keeps an old state
 * of it alive.
 */
#define BATCH 200

typedef struct listing_t {
    zm_emulated_t *engine;
    apr_pool_t *pool;  /* of the listing */
    apr_pool_t *batch; /* of the names */
    bool hidden, ended;
    const char *after, *before; /* what is left lies between */
    const char *names[BATCH];
    int count, next;
} listing_t;

apr_status_t zm_emulated_list(zm_engine_t *engine, zm_engine_listing_t **result,
                              const char *directory, bool hidden, apr_pool_t *parent)
{
    zm_emulated_t *e = zm_emulated(engine);
    listing_t *listing;
    apr_pool_t *pool;
    bool watched;
    apr_status_t status = zm_emulated_find_directory(e, zm_str(directory), &watched);
    if (status == APR_SUCCESS)
        status = apr_pool_create(&pool, parent);
    if (status != APR_SUCCESS)
        return status;
    listing = apr_pcalloc(pool, sizeof *listing);
    listing->engine = e;
    listing->pool = pool;
    listing->hidden = hidden;
    listing->after = apr_pstrcat(pool, directory, "/", NULL);
    listing->before = apr_pstrcat(pool, directory, "0", NULL); /* '0' follows '/' */
    status = apr_pool_create(&listing->batch, pool);
    if (status != APR_SUCCESS)
        apr_pool_destroy(pool);
    else
        *result = (zm_engine_listing_t *)listing;
    return status;
}

static apr_status_t fetch(listing_t *listing)
{
    zm_connection_t *reader = &listing->engine->reader;
    sqlite3_stmt *statement;
    apr_status_t status;
    char after[ZM_ENGINE_NAME_SIZE];
    apr_cpystrn(after, listing->after, sizeof after);
    apr_pool_clear(listing->batch);
    listing->count = listing->next = 0;
    apr_thread_mutex_lock(reader->lock);
    statement = zm_connection_statement(reader, ZM_SQL_LIST);
    if (statement != NULL) {
        sqlite3_bind_text(statement, 1, after, -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(statement, 2, listing->before, -1, SQLITE_STATIC);
        sqlite3_bind_int(statement, 3, BATCH);
    }
    while ((status = zm_connection_row(reader, statement)) == APR_SUCCESS)
        listing->names[listing->count++] =
            apr_pstrdup(listing->batch, (const char *)sqlite3_column_text(statement, 0));
    apr_thread_mutex_unlock(reader->lock);
    listing->ended = listing->count < BATCH;
    if (listing->count > 0)
        listing->after = listing->names[listing->count - 1];
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

apr_status_t zm_emulated_list_next(zm_engine_listing_t *handle, const char **name)
{
    listing_t *listing = (listing_t *)handle;
    for (;;) {
        if (listing->next == listing->count) {
            apr_status_t status = listing->ended ? APR_ENOENT : fetch(listing);
            if (status != APR_SUCCESS)
                return status;
            if (listing->count == 0)
                return APR_ENOENT;
        }
        *name = listing->names[listing->next++];
        if (listing->hidden || strrchr(*name, '/')[1] != '.')
            return APR_SUCCESS;
    }
}

void zm_emulated_list_close(zm_engine_listing_t *listing)
{
    apr_pool_destroy(((listing_t *)listing)->pool);
}

/* -- watching ------------------------------------------------------------------------- */

/*
 * Every new name leaves a row in `arrivals`.  A watch looks, ten times a second,
 * whether anybody has committed anything, and reads on from the last row it saw.
 * When rows it has not seen are gone already, the caller must list; so it must
 * once when everybody has noticed that the directory is watched, which may take a
 * second (emulated_dirs.c).
 */
#define LOOK_INTERVAL apr_time_from_msec(100)
#define LOOKS_UNTIL_NOTICED 15

typedef struct watch_t {
    zm_engine_watch_t head;
    zm_emulated_t *engine;
    zm_spool_watch_fn *fn;
    void *baton;
    zm_timer_t timer;
    int64_t version, seen;
    int looks;    /* up to LOOKS_UNTIL_NOTICED */
    bool *closed; /* set by close while names are being told */
    zm_str_t directory;
    char text[]; /* of directory */
} watch_t;

static apr_status_t number_of(zm_emulated_t *e, zm_statement_t which, int64_t *number)
{
    sqlite3_stmt *statement;
    apr_status_t status;
    apr_thread_mutex_lock(e->reader.lock);
    statement = zm_connection_statement(&e->reader, which);
    status = zm_connection_row(&e->reader, statement);
    if (status == APR_SUCCESS) {
        *number = sqlite3_column_int64(statement, 0);
        sqlite3_reset(statement);
    }
    apr_thread_mutex_unlock(e->reader.lock);
    return status;
}

typedef struct arrivals_t {
    int count;
    bool gap, more;
    char *names[500];
} arrivals_t;

/* Copies what came since the last look: the callback may use the spool. */
static apr_status_t read_arrivals(watch_t *watch, arrivals_t *arrivals, apr_pool_t *pool)
{
    zm_connection_t *reader = &watch->engine->reader;
    sqlite3_stmt *statement;
    apr_status_t status;
    int rows = 0;
    apr_thread_mutex_lock(reader->lock);
    statement = zm_connection_statement(reader, ZM_SQL_ARRIVALS);
    if (statement != NULL)
        sqlite3_bind_int64(statement, 1, watch->seen);
    while ((status = zm_connection_row(reader, statement)) == APR_SUCCESS) {
        int64_t seq = sqlite3_column_int64(statement, 0);
        const char *name = (const char *)sqlite3_column_text(statement, 1);
        if (rows++ == 0 && seq != watch->seen + 1)
            arrivals->gap = true;
        watch->seen = seq;
        if (zm_str_starts(zm_str(name), watch->directory))
            arrivals->names[arrivals->count++] = apr_pstrdup(pool, name);
    }
    apr_thread_mutex_unlock(reader->lock);
    arrivals->more = rows == 500;
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

static void tell(watch_t *watch, const arrivals_t *arrivals)
{
    bool closed = false;
    int i;
    watch->closed = &closed;
    if (arrivals->gap)
        watch->fn(NULL, watch->baton);
    for (i = 0; i < arrivals->count && !closed; i++)
        watch->fn(arrivals->names[i], watch->baton);
    if (!closed)
        watch->closed = NULL;
}

static void on_look(zm_timer_t *timer, void *baton)
{
    watch_t *watch = baton;
    arrivals_t arrivals = {0};
    apr_pool_t *pool;
    int64_t version;
    zm_timer_set(timer, LOOK_INTERVAL);
    if (watch->looks < LOOKS_UNTIL_NOTICED && ++watch->looks == LOOKS_UNTIL_NOTICED)
        arrivals.gap = true;
    if (number_of(watch->engine, ZM_SQL_DATA_VERSION, &version) != APR_SUCCESS ||
        (version == watch->version && !arrivals.gap) ||
        apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS)
        return;
    if (read_arrivals(watch, &arrivals, pool) == APR_SUCCESS) {
        if (arrivals.more)
            zm_timer_set(timer, 0);
        else
            watch->version = version;
    }
    tell(watch, &arrivals);
    apr_pool_destroy(pool);
}

apr_status_t zm_emulated_watch(zm_engine_t *engine, zm_engine_watch_t **result,
                               const char *directory, zm_loop_t *loop, zm_spool_watch_fn *fn,
                               void *baton)
{
    zm_emulated_t *e = zm_emulated(engine);
    apr_size_t length = strlen(directory) + 1;
    watch_t *watch;
    apr_status_t status = zm_emulated_watch_directory(e, zm_str(directory));
    if (status != APR_SUCCESS)
        return status;
    watch = calloc(1, sizeof *watch + length);
    if (watch == NULL)
        return APR_ENOMEM;
    watch->head.ops = &zm_engine_emulated;
    watch->engine = e;
    watch->fn = fn;
    watch->baton = baton;
    watch->version = -1;
    memcpy(watch->text, directory, length - 1);
    watch->text[length - 1] = '/';
    watch->directory = zm_str_of(watch->text, length);
    status = number_of(e, ZM_SQL_LAST_ARRIVAL, &watch->seen);
    if (status != APR_SUCCESS) {
        free(watch);
        return status;
    }
    zm_timer_init(&watch->timer, loop, on_look, watch);
    zm_timer_set(&watch->timer, LOOK_INTERVAL);
    *result = &watch->head;
    return APR_SUCCESS;
}

void zm_emulated_watch_close(zm_engine_watch_t *handle)
{
    watch_t *watch = (watch_t *)handle;
    zm_timer_cancel(&watch->timer);
    if (watch->closed != NULL)
        *watch->closed = true;
    free(watch);
}
