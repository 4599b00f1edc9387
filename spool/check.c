#include "spool/check.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <string.h>

#include "platform/child.h"
#include "platform/clock.h"
#include "spool/internal.h"
#include "spool/layout.h"

#define SECOND_LOOK apr_time_from_sec(10)
#define LEFTOVER_SECONDS (2 * 86400) /* nobody writes a message for so long */
#define PROGRESS_EVERY 1000
#define SUSPECT_LIMIT 100000

void zm_check_tell(const zm_check_options_t *options, zm_check_report_t *report,
                   zm_finding_t *finding, zm_remedy_fn *do_it, void *baton)
{
    report->findings++;
    if (finding->remedy != NULL)
        report->repairable++;
    if (options->repair && finding->remedy != NULL && do_it != NULL) {
        finding->tried = true;
        finding->status = do_it(baton);
        if (finding->status == APR_SUCCESS)
            report->repaired++;
        else
            report->failed++;
    }
    options->fn(finding, options->baton);
}

/* -- single objects ----------------------------------------------------------------------- */

typedef struct object_t {
    zm_checking_t *checking;
    const char *name, *target;
} object_t;

static apr_status_t move(void *baton)
{
    object_t *object = baton;
    return zm_spool_rename(object->checking->spool, object->name, object->target);
}

static void tell(object_t *object, const char *kind, const char *detail, const char *remedy)
{
    zm_finding_t finding = {.kind = kind, .name = object->name, .detail = detail, .remedy = remedy};
    zm_check_tell(object->checking->options, object->checking->report, &finding, move, object);
}

/* HOST:PID of the name: this host, and a process that is dead. */
static bool writer_is_dead(zm_str_t leaf)
{
    char own[256];
    zm_str_t host, rest;
    uint64_t pid;
    apr_size_t digits = 0;
    if (!zm_str_cut(leaf, ':', &host, &rest) || host.length == 0 ||
        zm_identity_hostname(own, sizeof own) != APR_SUCCESS ||
        !zm_str_starts_nocase(zm_str(own), host))
        return false;
    while (digits < rest.length && zm_is_digit((unsigned char)rest.data[digits]))
        digits++;
    return zm_str_u64(zm_str_of(rest.data, digits), &pid) == APR_SUCCESS && pid != 0 &&
           !zm_process_alive((apr_int64_t)pid);
}

/* Nobody was told that it was accepted, but it may be all there: a person shall see it. */
static void check_scratch(zm_checking_t *checking, const char *name, apr_pool_t *pool)
{
    object_t object = {.checking = checking, .name = name};
    zm_object_info_t info;
    zm_name_t parts;
    bool dead;
    if (zm_layout_parse(&parts, zm_str(name)) != APR_SUCCESS ||
        zm_str_starts(parts.leaf, ZM_S("v_")) || /* the trace of a submission */
        zm_spool_info(&info, checking->spool, name) != APR_SUCCESS)
        return;
    dead = writer_is_dead(parts.leaf);
    if (!dead && apr_time_sec(zm_clock_wall()) - info.mtime_s < LEFTOVER_SECONDS)
        return;
    object.target = apr_psprintf(pool, ZM_DIR_POSTMAN "/%" APR_UINT64_T_FMT ":leftover", info.id);
    tell(&object, ZM_FINDING_LEFTOVER,
         dead ? "was being written by a process that is dead; its sender was not told success"
              : "has not been written to for two days; its sender was not told success",
         "park it in " ZM_DIR_POSTMAN);
}

/* The router looks at names with digits in front, and calls a message by its own number. */
static void check_input(zm_checking_t *checking, const char *name, apr_pool_t *pool)
{
    object_t object = {.checking = checking, .name = name};
    zm_object_info_t info;
    zm_name_t parts;
    apr_size_t cut;
    if (zm_layout_parse(&parts, zm_str(name)) != APR_SUCCESS || parts.leaf.data[0] == '.' ||
        zm_spool_info(&info, checking->spool, name) != APR_SUCCESS || info.links > 1 ||
        (parts.numeric && parts.id == info.id))
        return;
    cut = (apr_size_t)(parts.leaf.data - name);
    object.target = apr_psprintf(pool, "%.*s%" APR_UINT64_T_FMT, (int)cut, name, info.id);
    tell(&object, ZM_FINDING_WRONG_NAME,
         parts.numeric ? "is not named by its own number"
                       : "does not begin with a number: the router passes it over",
         apr_psprintf(pool, "call it %" APR_UINT64_T_FMT, info.id));
}

/* Whether it can be read to its end; of the directories where nothing else is asked. */
static void check_readable(zm_checking_t *checking, const char *name, apr_pool_t *pool)
{
    object_t object = {.checking = checking, .name = name};
    zm_object_t *opened;
    char reason[200];
    apr_status_t status = zm_object_open(&opened, checking->spool, name, ZM_OBJECT_READ);
    if (status == APR_SUCCESS)
        zm_object_close(opened);
    else if (!APR_STATUS_IS_ENOENT(status) && status != ZM_E_UNSAFE && status != ZM_E_CORRUPT)
        tell(&object, ZM_FINDING_UNREADABLE,
             apr_pstrcat(pool, "cannot be opened: ", zm_status_text(status, reason, sizeof reason),
                         NULL),
             NULL);
}

/* -- all of them ------------------------------------------------------------------------------ */

typedef void each_fn(zm_checking_t *checking, const char *name, apr_pool_t *pool);

static each_fn *what_to_ask(const char *directory)
{
    static const struct {
        const char *directory;
        each_fn *fn;
    } special[] = {{ZM_DIR_QUEUE, zm_check_message},  {ZM_DIR_TRANSPORT, zm_check_control},
                   {ZM_DIR_PUBLIC, check_scratch},    {ZM_DIR_POSTMAN, check_readable},
                   {ZM_DIR_DEFERRED, check_readable}, {ZM_DIR_FREEZER, check_readable}};
    apr_size_t i;
    for (i = 0; i < sizeof special / sizeof special[0]; i++)
        if (strcmp(directory, special[i].directory) == 0)
            return special[i].fn;
    return check_input;
}

static apr_status_t check_directory(zm_checking_t *checking, const char *directory,
                                    apr_pool_t *parent)
{
    each_fn *fn = what_to_ask(directory);
    zm_listing_t *listing;
    const char *name;
    apr_pool_t *pool, *each;
    apr_status_t status = apr_pool_create(&pool, parent);
    if (status == APR_SUCCESS)
        status = apr_pool_create(&each, pool);
    if (status == APR_SUCCESS)
        status = zm_spool_list(&listing, checking->spool, directory, true, pool);
    if (status != APR_SUCCESS)
        return status;
    while ((status = zm_listing_next(listing, &name)) == APR_SUCCESS) {
        fn(checking, apr_pstrdup(each, name), each);
        apr_pool_clear(each);
        if (++checking->report->examined % PROGRESS_EVERY == 0 &&
            checking->options->progress != NULL)
            checking->options->progress(checking->report->examined, checking->options->baton);
    }
    zm_listing_close(listing);
    apr_pool_destroy(pool);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

/* Engine first: a remedy there may bring forth objects that the rest then sees. */
static apr_status_t check_once(zm_spool_t *spool, const zm_check_options_t *options,
                               zm_check_report_t *report, apr_pool_t *pool)
{
    zm_checking_t checking = {.spool = spool, .options = options, .report = report};
    apr_array_header_t *names;
    int i;
    apr_status_t status = APR_SUCCESS;
    if (spool->ops->check != NULL)
        status = spool->ops->check(spool->engine, options, report, pool);
    if (status == APR_SUCCESS)
        status = zm_spool_directories(&names, spool, pool);
    for (i = 0; status == APR_SUCCESS && i < names->nelts; i++) {
        object_t object = {.checking = &checking, .name = APR_ARRAY_IDX(names, i, const char *)};
        status = check_directory(&checking, object.name, pool);
        if (status == ZM_E_CORRUPT) {
            tell(&object, ZM_FINDING_DAMAGED, "cannot be listed to its end", NULL);
            status = APR_SUCCESS;
        }
    }
    return status;
}

/* -- a spool in use --------------------------------------------------------------------------- */

/*
 * A router or scheduler may be between two of its steps, so only what is still
 * wrong at a second look is told.
 */
typedef struct suspects_t {
    const zm_check_options_t *options;
    zm_check_report_t *report;
    apr_hash_t *seen;
    apr_pool_t *pool;
} suspects_t;

static const char *key_of(const zm_finding_t *finding, apr_pool_t *pool)
{
    return apr_pstrcat(pool, finding->kind, " ", finding->name, NULL);
}

static void note_suspect(const zm_finding_t *finding, void *baton)
{
    suspects_t *suspects = baton;
    if (apr_hash_count(suspects->seen) < SUSPECT_LIMIT)
        apr_hash_set(suspects->seen, key_of(finding, suspects->pool), APR_HASH_KEY_STRING,
                     finding->kind);
}

static void tell_again(const zm_finding_t *finding, void *baton)
{
    suspects_t *suspects = baton;
    if (apr_hash_get(suspects->seen, key_of(finding, suspects->pool), APR_HASH_KEY_STRING) == NULL)
        return;
    suspects->report->findings++;
    suspects->report->repairable += finding->remedy != NULL;
    suspects->options->fn(finding, suspects->options->baton);
}

static void pass_progress(uint64_t examined, void *baton)
{
    suspects_t *suspects = baton;
    if (suspects->options->progress != NULL)
        suspects->options->progress(examined, suspects->options->baton);
}

static apr_status_t check_twice(zm_spool_t *spool, const zm_check_options_t *options,
                                zm_check_report_t *report, apr_pool_t *pool)
{
    suspects_t suspects = {.options = options, .report = report, .pool = pool};
    zm_check_report_t looks = {0};
    zm_check_options_t look = {
        .running = true, .fn = note_suspect, .progress = pass_progress, .baton = &suspects};
    apr_status_t status;
    suspects.seen = apr_hash_make(pool);
    status = check_once(spool, &look, &looks, pool);
    report->examined = looks.examined;
    if (status != APR_SUCCESS || apr_hash_count(suspects.seen) == 0)
        return status;
    apr_sleep(options->second_look > 0 ? options->second_look : SECOND_LOOK);
    look.fn = tell_again;
    return check_once(spool, &look, &looks, pool);
}

apr_status_t zm_spool_check(zm_spool_t *spool, const zm_check_options_t *options,
                            zm_check_report_t *report, apr_pool_t *parent, zm_error_t *error)
{
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, parent);
    memset(report, 0, sizeof *report);
    if (status == APR_SUCCESS) {
        status = options->running && !options->repair ? check_twice(spool, options, report, pool)
                                                      : check_once(spool, options, report, pool);
        apr_pool_destroy(pool);
    }
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot examine the spool %s",
                               zm_spool_location(spool));
    return APR_SUCCESS;
}
