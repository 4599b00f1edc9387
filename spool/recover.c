#include "spool/recover.h"

#include <apr_strings.h>
#include <string.h>

#include "spool/control.h"
#include "spool/internal.h"
#include "spool/layout.h"

/*
 * Routing ends with two renames: the message to queue/, then its control file
 * from ".4711" to "4711"; the control file is not synced.  So a crash may leave
 *
 *     queue/4711, transport/.4711     between the renames, or
 *     queue/4711, a control file that is missing, empty or cut
 *
 * and both are undone by routing the message again.  A crash between the
 * scheduler's unlink of queue/4711 and that of transport/4711 leaves a control
 * file without message.  It is removed, whatever it holds: a new message may get
 * its number, and would be taken for the finished one.
 *
 * While a scheduler is running it may be between two renames of its own, so
 * what looks incomplete is looked at once more after a while.
 */

#define BATCH 10000                       /* suspects looked at together */
#define CONTROL_LIMIT (256 * 1024 * 1024) /* no router of ours writes more */
#define SECOND_LOOK apr_time_from_sec(10)
#define NAME_TRIES 100

typedef struct recovery_t {
    zm_spool_t *spool;
    const zm_recover_options_t *options;
    zm_recover_report_t *report;
    zm_error_t *error;
    apr_status_t status; /* the first trouble; the rest of the spool is still seen to */
} recovery_t;

static void tell(recovery_t *r, const char *what, const char *name)
{
    if (r->options->fn != NULL)
        r->options->fn(what, name, r->options->baton);
}

static void note_trouble(recovery_t *r, apr_status_t status, const char *what, const char *name)
{
    if (r->status == APR_SUCCESS)
        r->status = zm_error_system(r->error, status, "cannot %s %s", what, name);
}

static bool exists(recovery_t *r, const char *name)
{
    zm_object_info_t info;
    return zm_spool_info(&info, r->spool, name) == APR_SUCCESS;
}

/* -- judging a message ------------------------------------------------------------ */

typedef zm_verdict_t verdict_t;
#define COMPLETE ZM_VERDICT_COMPLETE
#define INCOMPLETE ZM_VERDICT_INCOMPLETE
#define GONE ZM_VERDICT_GONE
#define UNKNOWN ZM_VERDICT_UNKNOWN

/* One of a future format is not ours to judge. */
zm_verdict_t zm_recover_judge(zm_spool_t *spool, const char *name, apr_status_t *trouble,
                              apr_pool_t *pool)
{
    zm_object_t *object;
    zm_control_file_t *file;
    char *data;
    apr_size_t length;
    apr_status_t status = zm_object_open(&object, spool, name, ZM_OBJECT_READ);
    if (APR_STATUS_IS_ENOENT(status))
        return GONE;
    if (status == APR_SUCCESS) {
        status = zm_object_read_all(object, &data, &length, CONTROL_LIMIT, pool);
        zm_object_close(object);
    }
    if (status == ZM_E_CORRUPT) /* a large one, of which only the name reached the disk */
        return INCOMPLETE;
    *trouble = status;
    if (status != APR_SUCCESS)
        return UNKNOWN;
    status = zm_control_parse(&file, data, length, pool, NULL);
    if (status == ZM_E_UNSUPPORTED)
        return COMPLETE;
    return status == APR_SUCCESS && file->complete ? COMPLETE : INCOMPLETE;
}

static verdict_t judge_control(recovery_t *r, const char *name, apr_pool_t *pool)
{
    apr_status_t trouble = APR_SUCCESS;
    verdict_t verdict = zm_recover_judge(r->spool, name, &trouble, pool);
    if (verdict == UNKNOWN)
        note_trouble(r, trouble, "read the control file", name);
    return verdict;
}

static const char *beside(const zm_name_t *message, const char *prefix, const char *dot,
                          apr_pool_t *pool)
{
    return apr_psprintf(pool, ZM_DIR_TRANSPORT "/%s%s%.*s", prefix, dot, (int)message->leaf.length,
                        message->leaf.data);
}

/* A scheduler that moves a pair into hash directories may have died between its two renames. */
static bool rejoin_elsewhere(recovery_t *r, const char *name, const zm_name_t *message,
                             apr_pool_t *pool)
{
    int levels;
    for (levels = 0; levels <= 2; levels++) {
        char prefix[ZM_HASH_PREFIX_SIZE];
        const char *target;
        zm_layout_hash(prefix, message->id, levels);
        if (zm_str_equal_c(message->prefix, prefix) ||
            judge_control(r, beside(message, prefix, "", pool), pool) != COMPLETE)
            continue;
        target = apr_psprintf(pool, ZM_DIR_QUEUE "/%s%.*s", prefix, (int)message->leaf.length,
                              message->leaf.data);
        if (zm_spool_rename(r->spool, name, target) == APR_SUCCESS) {
            tell(r, "moved beside its control file", target);
            return true;
        }
    }
    return false;
}

static verdict_t judge(recovery_t *r, const zm_name_t *message, apr_pool_t *pool)
{
    return judge_control(r, beside(message, zm_str_c(pool, message->prefix), "", pool), pool);
}

/* -- putting it right ---------------------------------------------------------------- */

/* Never onto another name: any name that starts with digits is input for the router. */
static apr_status_t move_aside(recovery_t *r, const char *name, const char *first,
                               const char *separator, apr_pool_t *pool, const char **target)
{
    int i;
    apr_status_t status = zm_spool_rename(r->spool, name, first);
    *target = first;
    for (i = 1; i < NAME_TRIES && APR_STATUS_IS_EEXIST(status); i++) {
        *target = apr_psprintf(pool, "%s%s%d", first, separator, i);
        status = zm_spool_rename(r->spool, name, *target);
    }
    return status;
}

static void remove_leftover(recovery_t *r, const char *name)
{
    apr_status_t status = zm_spool_unlink(r->spool, name);
    if (status == APR_SUCCESS) {
        r->report->leftovers++;
        tell(r, "removed", name);
    } else if (!APR_STATUS_IS_ENOENT(status)) {
        note_trouble(r, status, "remove", name);
    }
}

static void route_again(recovery_t *r, const char *name, const zm_name_t *message, apr_pool_t *pool)
{
    const char *prefix = zm_str_c(pool, message->prefix), *target;
    const char *leaf = zm_str_c(pool, message->leaf);
    apr_status_t status = move_aside(r, name, apr_pstrcat(pool, ZM_DIR_ROUTER "/", leaf, NULL),
                                     ".again", pool, &target);
    if (APR_STATUS_IS_ENOENT(status))
        return; /* finished or moved meanwhile */
    if (status != APR_SUCCESS) {
        note_trouble(r, status, "re-route", name);
        return;
    }
    r->report->rerouted++;
    tell(r, "re-routed", target);
    /* What a crash here leaves is a control file without message: harmless. */
    remove_leftover(r, beside(message, prefix, "", pool));
    remove_leftover(r, beside(message, prefix, ".", pool));
}

/* On a spool of an original a message without any control file is most likely a finished one. */
static void park_orphan(recovery_t *r, const char *name, const zm_name_t *message, apr_pool_t *pool)
{
    const char *target;
    apr_status_t status = move_aside(
        r, name,
        apr_pstrcat(pool, ZM_DIR_POSTMAN "/", zm_str_c(pool, message->leaf), ":orphan", NULL), "",
        pool, &target);
    if (status == APR_SUCCESS) {
        r->report->orphans++;
        tell(r, "parked as orphan", target);
    } else if (!APR_STATUS_IS_ENOENT(status)) {
        note_trouble(r, status, "park", name);
    }
}

static void put_right(recovery_t *r, const char *name, apr_pool_t *pool)
{
    zm_name_t message;
    verdict_t verdict;
    if (zm_layout_parse(&message, zm_str(name)) != APR_SUCCESS)
        return;
    verdict = judge(r, &message, pool);
    if (verdict == COMPLETE || verdict == UNKNOWN || rejoin_elsewhere(r, name, &message, pool))
        return;
    if (verdict == GONE && !r->spool->marked &&
        !exists(r, beside(&message, zm_str_c(pool, message.prefix), ".", pool)))
        park_orphan(r, name, &message, pool);
    else
        route_again(r, name, &message, pool);
}

apr_status_t zm_recover_message(zm_spool_t *spool, const char *name, apr_pool_t *pool)
{
    static const zm_recover_options_t options;
    zm_recover_report_t report = {0};
    recovery_t r = {.spool = spool, .options = &options, .report = &report};
    put_right(&r, name, pool);
    return r.status;
}

/* -- going through the spool ------------------------------------------------------------ */

static void work_off(recovery_t *r, const char *const *suspects, int count, apr_pool_t *pool)
{
    apr_pool_t *each;
    int i;
    if (count == 0 || apr_pool_create(&each, pool) != APR_SUCCESS)
        return;
    if (r->options->scheduler_running)
        apr_sleep(r->options->second_look > 0 ? r->options->second_look : SECOND_LOOK);
    for (i = 0; i < count; i++) {
        put_right(r, suspects[i], each);
        apr_pool_clear(each);
    }
    apr_pool_destroy(each);
}

static bool is_suspect(recovery_t *r, const char *name, apr_pool_t *pool)
{
    zm_name_t message;
    verdict_t verdict;
    if (zm_layout_parse(&message, zm_str(name)) != APR_SUCCESS || !message.numeric)
        return false;
    r->report->examined++;
    verdict = judge(r, &message, pool);
    return verdict == INCOMPLETE || verdict == GONE;
}

/* One listing may give a batch of suspects at a time; renames behind its back do not disturb it. */
static apr_status_t examine_queue(recovery_t *r, apr_pool_t *pool)
{
    apr_pool_t *each, *batch;
    zm_listing_t *listing;
    const char *name, **suspects;
    int count = 0;
    apr_status_t status = apr_pool_create(&each, pool);
    if (status == APR_SUCCESS)
        status = apr_pool_create(&batch, pool);
    if (status == APR_SUCCESS)
        status = zm_spool_list(&listing, r->spool, ZM_DIR_QUEUE, false, pool);
    if (status != APR_SUCCESS)
        return status;
    suspects = apr_palloc(batch, BATCH * sizeof *suspects);
    while ((status = zm_listing_next(listing, &name)) == APR_SUCCESS) {
        if (is_suspect(r, name, each))
            suspects[count++] = apr_pstrdup(batch, name);
        apr_pool_clear(each);
        if (count == BATCH) {
            work_off(r, suspects, count, pool);
            apr_pool_clear(batch);
            suspects = apr_palloc(batch, BATCH * sizeof *suspects);
            count = 0;
        }
    }
    zm_listing_close(listing);
    work_off(r, suspects, count, pool);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

static bool has_message(recovery_t *r, const zm_name_t *control, apr_pool_t *pool)
{
    const char *leaf = zm_str_c(pool, control->leaf);
    int levels;
    for (levels = 0; levels <= 2; levels++) {
        char prefix[ZM_HASH_PREFIX_SIZE];
        zm_layout_hash(prefix, control->id, levels);
        if (exists(r, apr_pstrcat(pool, ZM_DIR_QUEUE "/", prefix, leaf, NULL)))
            return true;
    }
    return exists(r,
                  apr_pstrcat(pool, ZM_DIR_QUEUE "/", zm_str_c(pool, control->prefix), leaf, NULL));
}

/* A file of "T" lines alone is a command to the scheduler and belongs to no message. */
static bool is_command(recovery_t *r, const char *name, apr_pool_t *pool)
{
    zm_control_file_t *file;
    char *data;
    apr_size_t length;
    zm_object_t *object;
    apr_status_t status = zm_object_open(&object, r->spool, name, ZM_OBJECT_READ);
    if (status != APR_SUCCESS)
        return false;
    status = zm_object_read_all(object, &data, &length, CONTROL_LIMIT, pool);
    zm_object_close(object);
    return status == APR_SUCCESS &&
           zm_control_parse(&file, data, length, pool, NULL) == APR_SUCCESS &&
           file->turn_count > 0 && file->message.length == 0;
}

/* Nobody routes yet, so a temporary control file belongs to nobody. */
static bool is_leftover(recovery_t *r, const char *name, apr_pool_t *pool)
{
    zm_name_t parts;
    if (zm_layout_parse(&parts, zm_str(name)) != APR_SUCCESS)
        return false;
    if (parts.leaf.length > 1 && parts.leaf.data[0] == '.')
        return zm_is_digit((unsigned char)parts.leaf.data[1]);
    return parts.numeric && !has_message(r, &parts, pool) && !is_command(r, name, pool);
}

static apr_status_t remove_leftovers(recovery_t *r, apr_pool_t *pool)
{
    apr_pool_t *each;
    zm_listing_t *listing;
    const char *name;
    apr_status_t status = apr_pool_create(&each, pool);
    if (status == APR_SUCCESS)
        status = zm_spool_list(&listing, r->spool, ZM_DIR_TRANSPORT, true, pool);
    if (status != APR_SUCCESS)
        return status;
    while ((status = zm_listing_next(listing, &name)) == APR_SUCCESS) {
        if (is_leftover(r, name, each))
            remove_leftover(r, name);
        apr_pool_clear(each);
    }
    zm_listing_close(listing);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

apr_status_t zm_spool_recover(zm_spool_t *spool, const zm_recover_options_t *options,
                              zm_recover_report_t *report, apr_pool_t *parent, zm_error_t *error)
{
    recovery_t r = {.spool = spool, .options = options, .report = report, .error = error};
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, parent);
    memset(report, 0, sizeof *report);
    if (status == APR_SUCCESS) {
        status = examine_queue(&r, pool);
        if (status == APR_SUCCESS)
            status = remove_leftovers(&r, pool);
        if (status == APR_SUCCESS && spool->ops->tidy != NULL)
            status = spool->ops->tidy(spool->engine, pool);
        apr_pool_destroy(pool);
    }
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot examine the spool %s",
                               zm_spool_location(spool));
    if (r.status == APR_SUCCESS && !spool->marked)
        r.status = zm_spool_set_marked(spool, error);
    return r.status;
}
