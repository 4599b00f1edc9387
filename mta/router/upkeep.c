#include "mta/router/upkeep.h"

#include <apr_strings.h>
#include <apr_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/leftovers.h"
#include "platform/clock.h"
#include "platform/log.h"
#include "spool/layout.h"

#define STEP 500                          /* names looked at before other events come */
#define MOST_PAUSE apr_time_from_sec(60)  /* between looks into deferred/ */
#define SHARE 20                          /* looking takes at most a twentieth of the time */
#define LONGEST 24                        /* times the first wait */
#define REMEMBERED apr_time_from_sec(600) /* after it left deferred/; routing takes less */
#define FIRST_CLEANUP apr_time_from_sec(600)
#define RESUBMIT_SECONDS 300
#define CLEANUP_SECONDS 86400

/* A message that is, or was a while ago, in deferred/. */
typedef struct waiting_t {
    uint64_t id;
    int64_t arrived; /* with the number it names the message; a number comes again */
    apr_interval_time_t wait;
    apr_time_t due, seen;
} waiting_t;

struct router_upkeep_t {
    zm_spool_t *spool;
    const zm_zenv_t *zenv;
    zm_counters_t *counters;
    /* deferred/: those known from the last look, ordered by id, and those of the look under way */
    zm_timer_t look;
    apr_interval_time_t interval; /* 0: never */
    zm_listing_t *listing;
    apr_time_t began;
    apr_array_header_t *known, *found;
    apr_pool_t *known_pool, *found_pool;
    /* leftovers */
    zm_timer_t clean;
    apr_interval_time_t clean_interval;
    zm_leftovers_t *pass;
    apr_pool_t *clean_pool;
};

/* -- deferred mail --------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    const waiting_t *one = a, *two = b;
    return one->id < two->id ? -1 : one->id > two->id;
}

static waiting_t *find(const apr_array_header_t *list, uint64_t id)
{
    waiting_t key = {.id = id};
    if (list->nelts == 0)
        return NULL;
    return bsearch(&key, list->elts, (apr_size_t)list->nelts, sizeof key, by_id);
}

static void resubmit(router_upkeep_t *upkeep, const char *name)
{
    char target[300];
    apr_status_t status;
    snprintf(target, sizeof target, ZM_DIR_ROUTER "/%s", strrchr(name, '/') + 1);
    status = zm_spool_rename(upkeep->spool, name, target);
    if (status != APR_SUCCESS) {
        zm_log(ZM_LOG_ERROR, NULL, "a deferred message cannot be routed again",
               ZM_F_S("name", name), ZM_F_E("reason", status));
        return;
    }
    zm_counter_add(upkeep->counters, ZM_COUNT_RT_ResubmittedMessages, 1);
    zm_log(ZM_LOG_INFO, NULL, "deferred message is routed again", ZM_F_S("name", name));
}

static void look_at(router_upkeep_t *upkeep, const char *name)
{
    apr_time_t now = zm_clock_monotonic();
    zm_object_info_t info;
    waiting_t *message, *before;
    zm_name_t parts;
    if (zm_layout_parse(&parts, zm_str(name)) != APR_SUCCESS || !parts.numeric ||
        zm_spool_info(&info, upkeep->spool, name) != APR_SUCCESS)
        return;
    message = apr_array_push(upkeep->found);
    before = find(upkeep->known, parts.id);
    if (before != NULL && before->arrived == info.mtime_s) {
        *message = *before;
    } else {
        message->id = parts.id;
        message->arrived = info.mtime_s;
        message->wait = upkeep->interval;
        message->due = now + message->wait;
    }
    message->seen = now;
    if (now < message->due)
        return;
    message->wait *= 2;
    if (message->wait > LONGEST * upkeep->interval)
        message->wait = LONGEST * upkeep->interval;
    message->due = now + message->wait;
    resubmit(upkeep, name);
}

/* What was resubmitted may come back, and is to wait longer then. */
static void remember_absent(router_upkeep_t *upkeep)
{
    apr_time_t now = zm_clock_monotonic();
    int i, present = upkeep->found->nelts;
    qsort(upkeep->found->elts, (apr_size_t)present, sizeof(waiting_t), by_id);
    for (i = 0; i < upkeep->known->nelts; i++) {
        const waiting_t *message = &APR_ARRAY_IDX(upkeep->known, i, waiting_t);
        waiting_t key = {.id = message->id};
        if (now - message->seen < REMEMBERED &&
            (present == 0 ||
             bsearch(&key, upkeep->found->elts, (apr_size_t)present, sizeof key, by_id) == NULL))
            APR_ARRAY_PUSH(upkeep->found, waiting_t) = *message;
    }
    qsort(upkeep->found->elts, (apr_size_t)upkeep->found->nelts, sizeof(waiting_t), by_id);
}

static void end_look(router_upkeep_t *upkeep)
{
    apr_interval_time_t pause = (zm_clock_monotonic() - upkeep->began) * SHARE;
    apr_interval_time_t least = upkeep->interval < MOST_PAUSE ? upkeep->interval : MOST_PAUSE;
    apr_array_header_t *list = upkeep->known;
    apr_pool_t *pool = upkeep->known_pool;
    zm_listing_close(upkeep->listing);
    upkeep->listing = NULL;
    zm_counter_set(upkeep->counters, ZM_COUNT_RT_DeferredMessages_G, upkeep->found->nelts);
    remember_absent(upkeep);
    upkeep->known = upkeep->found;
    upkeep->known_pool = upkeep->found_pool;
    upkeep->found = list;
    upkeep->found_pool = pool;
    zm_timer_set(&upkeep->look, pause > least ? pause : least);
}

static void on_look(zm_timer_t *timer, void *baton)
{
    router_upkeep_t *upkeep = baton;
    apr_status_t status = APR_SUCCESS;
    const char *name;
    int i;
    if (upkeep->listing == NULL) {
        apr_pool_clear(upkeep->found_pool);
        upkeep->found = apr_array_make(upkeep->found_pool, 16, sizeof(waiting_t));
        upkeep->began = zm_clock_monotonic();
        status = zm_spool_list(&upkeep->listing, upkeep->spool, ZM_DIR_DEFERRED, false,
                               upkeep->found_pool);
        if (status != APR_SUCCESS) {
            zm_log(ZM_LOG_ERROR, NULL, "cannot list", ZM_F_S("directory", ZM_DIR_DEFERRED),
                   ZM_F_E("reason", status));
            zm_timer_set(timer, MOST_PAUSE);
            return;
        }
    }
    for (i = 0; i < STEP && status == APR_SUCCESS; i++)
        if ((status = zm_listing_next(upkeep->listing, &name)) == APR_SUCCESS)
            look_at(upkeep, name);
    if (status == APR_SUCCESS)
        zm_timer_set(timer, 0);
    else
        end_look(upkeep);
}

/* -- leftovers ------------------------------------------------------------------------- */

static void on_removed(const char *name, int days, bool only_copy, void *baton)
{
    (void)baton;
    zm_log(only_copy ? ZM_LOG_WARNING : ZM_LOG_INFO, NULL,
           only_copy ? "removed the only copy of a message" : "removed a leftover",
           ZM_F_S("name", name), ZM_F_I("days", days));
}

static void on_clean(zm_timer_t *timer, void *baton)
{
    router_upkeep_t *upkeep = baton;
    apr_status_t status = APR_SUCCESS;
    zm_error_t error = {0};
    if (upkeep->pass == NULL) {
        apr_pool_clear(upkeep->clean_pool);
        status = zm_leftovers_begin(&upkeep->pass, upkeep->spool, upkeep->zenv, on_removed, upkeep,
                                    upkeep->clean_pool, &error);
    }
    if (status == APR_SUCCESS)
        status = zm_leftovers_step(upkeep->pass, STEP);
    if (status == APR_SUCCESS) {
        zm_timer_set(timer, 0);
        return;
    }
    if (!APR_STATUS_IS_ENOENT(status))
        zm_log(ZM_LOG_ERROR, NULL, "leftovers cannot be removed", ZM_F_E("reason", status));
    zm_leftovers_end(upkeep->pass);
    upkeep->pass = NULL;
    zm_timer_set(timer, upkeep->clean_interval);
}

/* -- start and stop -------------------------------------------------------------------- */

static apr_status_t read_intervals(router_upkeep_t *upkeep, zm_error_t *error)
{
    zm_leftovers_t *pass;
    int64_t resubmit_seconds, cleanup_seconds;
    apr_status_t status = zm_zenv_interval(upkeep->zenv, "RESUBMIT_INTERVAL", RESUBMIT_SECONDS,
                                           &resubmit_seconds, error);
    if (status == APR_SUCCESS)
        status = zm_zenv_interval(upkeep->zenv, "CLEANUP_INTERVAL", CLEANUP_SECONDS,
                                  &cleanup_seconds, error);
    if (status == APR_SUCCESS) /* tells what is wrong with its own interval */
        status = zm_leftovers_begin(&pass, upkeep->spool, upkeep->zenv, on_removed, upkeep,
                                    upkeep->clean_pool, error);
    if (status != APR_SUCCESS)
        return status;
    upkeep->interval = apr_time_from_sec(resubmit_seconds);
    upkeep->clean_interval = apr_time_from_sec(cleanup_seconds);
    return APR_SUCCESS;
}

apr_status_t router_upkeep_start(router_upkeep_t **upkeep, zm_spool_t *spool, zm_loop_t *loop,
                                 const zm_zenv_t *zenv, zm_counters_t *counters, apr_pool_t *pool,
                                 zm_error_t *error)
{
    router_upkeep_t *made = apr_pcalloc(pool, sizeof *made);
    apr_interval_time_t first;
    apr_status_t status;
    made->spool = spool;
    made->zenv = zenv;
    made->counters = counters;
    apr_pool_create(&made->known_pool, pool);
    apr_pool_create(&made->found_pool, pool);
    apr_pool_create(&made->clean_pool, pool);
    made->known = apr_array_make(made->known_pool, 1, sizeof(waiting_t));
    zm_timer_init(&made->look, loop, on_look, made);
    zm_timer_init(&made->clean, loop, on_clean, made);
    if ((status = read_intervals(made, error)) != APR_SUCCESS)
        return status;
    first = made->clean_interval < FIRST_CLEANUP ? made->clean_interval : FIRST_CLEANUP;
    if (made->interval > 0)
        zm_timer_set(&made->look, 0);
    if (made->clean_interval > 0)
        zm_timer_set(&made->clean, first);
    *upkeep = made;
    return APR_SUCCESS;
}

void router_upkeep_stop(router_upkeep_t *upkeep)
{
    if (upkeep == NULL)
        return;
    zm_timer_cancel(&upkeep->look);
    zm_timer_cancel(&upkeep->clean);
    if (upkeep->listing != NULL)
        zm_listing_close(upkeep->listing);
    zm_leftovers_end(upkeep->pass);
    upkeep->listing = NULL;
    upkeep->pass = NULL;
}
