#include "mta/scheduler/intake.h"

#include <apr_strings.h>
#include <stddef.h>
#include <string.h>

#include "mta/scheduler/memory.h"
#include "mta/scheduler/take.h"
#include "platform/clock.h"
#include "spool/layout.h"
#include "spool/notify.h"

/* A step takes at most so many files, and no longer than this, microseconds. */
#define STEP_FILES 200
#define STEP_TIME (100 * 1000)
/* Seconds until a locked file is looked at again: 1, doubled each time up to this.  Mostly an agent
 * of the scheduler before us has to finish. */
#define LOCKED_PAUSE 32
/* Pause between scans: the least, the most, and how many times the length of a scan. */
#define SCAN_LEAST (10 * APR_USEC_PER_SEC)
#define SCAN_MOST (120 * APR_USEC_PER_SEC)
#define SCAN_SHARE 20

typedef struct entry_t {
    zm_due_t due; /* by age of the file; or when to look again */
    bool delayed;
    uint32_t pause; /* the last one, seconds */
    uint64_t id;
    char name[]; /* "A/B/4711" */
} entry_t;

typedef struct parked_t {
    uint64_t id;
    int64_t mtime;
    uint64_t size;
} parked_t;

struct zm_intake_t {
    zm_intake_options_t options;
    apr_pool_t *pool;
    zm_take_t take;
    zm_table_t known; /* entries, by id */
    zm_due_heap_t waiting, delayed;
    zm_table_t parked;
    zm_notify_t *notify;
    zm_spool_watch_t *watch;
    zm_listing_t *listing; /* the scan under way; null: none */
    apr_pool_t *listing_pool;
    apr_time_t scan_began;
    apr_interval_time_t scan_pause;
    zm_timer_t work, scan;
    bool first_scan_done, opened, scan_again;
};

/* -- names that wait ----------------------------------------------------------------------- */

static uint32_t hash_id(uint64_t id)
{
    return (uint32_t)zm_mix(id);
}

static uint32_t entry_hash(const void *item)
{
    return hash_id(((const entry_t *)item)->id);
}

static bool entry_equal(const void *item, const void *key)
{
    return ((const entry_t *)item)->id == *(const uint64_t *)key;
}

static uint32_t parked_hash(const void *item)
{
    return hash_id(((const parked_t *)item)->id);
}

static bool parked_equal(const void *item, const void *key)
{
    return ((const parked_t *)item)->id == *(const uint64_t *)key;
}

static entry_t *entry_of(zm_due_t *due)
{
    return (entry_t *)(void *)((char *)due - offsetof(entry_t, due));
}

static void entry_free(zm_intake_t *intake, entry_t *entry)
{
    zm_due_clear(entry->delayed ? &intake->delayed : &intake->waiting, &entry->due);
    zm_table_remove(&intake->known, entry);
    zm_scheduler_free(entry);
}

/* Whether it is parked and has not changed since. */
static bool still_parked(zm_intake_t *intake, uint64_t id, const zm_object_info_t *info)
{
    parked_t *parked = zm_table_find(&intake->parked, hash_id(id), &id);
    if (parked == NULL)
        return false;
    if (parked->mtime == info->mtime_s && parked->size == info->size)
        return true;
    zm_table_remove(&intake->parked, parked);
    zm_scheduler_free(parked);
    return false;
}

static void wake_up(zm_intake_t *intake)
{
    if (!zm_timer_is_set(&intake->work))
        zm_timer_set(&intake->work, 0);
}

/* Puts a name in the line; found by a scan it goes by the age of the file, else it is new. */
static void add_name(zm_intake_t *intake, zm_str_t prefixed_leaf, bool scanned)
{
    char full[ZM_JOB_PATH_SIZE + sizeof ZM_DIR_TRANSPORT + 1];
    zm_name_t parts;
    zm_object_info_t info = {.ctime_s = intake->options.scheduler->wall};
    entry_t *entry;
    apr_size_t size = prefixed_leaf.length;

    if (size >= ZM_JOB_PATH_SIZE)
        return;
    memcpy(full, ZM_DIR_TRANSPORT "/", sizeof ZM_DIR_TRANSPORT);
    memcpy(full + sizeof ZM_DIR_TRANSPORT, prefixed_leaf.data, size);
    full[sizeof ZM_DIR_TRANSPORT + size] = '\0';
    if (zm_layout_parse(&parts, zm_str(full)) != APR_SUCCESS || !parts.numeric || parts.id == 0 ||
        zm_queue_find(intake->options.scheduler, parts.id) != NULL ||
        zm_table_find(&intake->known, hash_id(parts.id), &parts.id) != NULL)
        return;
    if ((scanned || intake->parked.count > 0) &&
        (zm_spool_info(&info, intake->options.files->spool, full) != APR_SUCCESS ||
         still_parked(intake, parts.id, &info)))
        return;
    entry = zm_scheduler_alloc(offsetof(entry_t, name) + size + 1);
    entry->id = parts.id;
    entry->pause = 0;
    memcpy(entry->name, prefixed_leaf.data, size);
    zm_table_add(&intake->known, entry);
    zm_due_set(&intake->waiting, &entry->due, (uint32_t)info.ctime_s);
    wake_up(intake);
}

void zm_intake_name(zm_intake_t *intake, zm_str_t prefixed_leaf)
{
    add_name(intake, prefixed_leaf, false);
}

bool zm_intake_waits(const zm_intake_t *intake, uint64_t id)
{
    return zm_table_find(&intake->known, hash_id(id), &id) != NULL;
}

uint32_t zm_intake_pending(const zm_intake_t *intake)
{
    return intake->known.count;
}

/* -- taking them ------------------------------------------------------------------------------- */

static void park(zm_intake_t *intake, const entry_t *entry, const char *reason)
{
    char full[ZM_JOB_PATH_SIZE + sizeof ZM_DIR_TRANSPORT + 1];
    zm_object_info_t info;
    parked_t *parked;

    apr_snprintf(full, sizeof full, ZM_DIR_TRANSPORT "/%s", entry->name);
    zm_log(ZM_LOG_ERROR, NULL, "control file left alone", ZM_F_S("name", full),
           ZM_F_S("reason", reason));
    if (zm_spool_info(&info, intake->options.files->spool, full) != APR_SUCCESS)
        return;
    parked = zm_scheduler_alloc(sizeof *parked);
    parked->id = entry->id;
    parked->mtime = info.mtime_s;
    parked->size = info.size;
    zm_table_add(&intake->parked, parked);
}

static void take_one(zm_intake_t *intake, entry_t *entry, apr_pool_t *pool)
{
    zm_error_t reason = {0};
    zm_scheduler_t *scheduler = intake->options.scheduler;
    uint64_t id = entry->id;
    zm_taken_t taken;
    zm_job_t *job;

    taken = zm_take_file(&intake->take, entry->name, pool, &reason);
    if (taken == ZM_TAKEN_LATER) {
        zm_due_clear(entry->delayed ? &intake->delayed : &intake->waiting, &entry->due);
        entry->delayed = true;
        entry->pause = entry->pause == 0                 ? 1
                       : entry->pause < LOCKED_PAUSE / 2 ? 2 * entry->pause
                                                         : LOCKED_PAUSE;
        zm_due_set(&intake->delayed, &entry->due, scheduler->now + entry->pause);
        return;
    }
    if (taken == ZM_TAKEN_PARKED)
        park(intake, entry, reason.text);
    entry_free(intake, entry);
    job = zm_queue_find(scheduler, id);
    if (taken == ZM_TAKEN && job != NULL && intake->options.taken != NULL)
        intake->options.taken(intake->options.baton, job);
}

static entry_t *next_entry(zm_intake_t *intake)
{
    zm_due_t *due = zm_due_first(&intake->waiting);
    if (due != NULL)
        return entry_of(due);
    due = zm_due_first(&intake->delayed);
    return due != NULL && due->when <= intake->options.scheduler->now ? entry_of(due) : NULL;
}

/* True when more could be taken now. */
static bool take_some(zm_intake_t *intake, int files, apr_interval_time_t time)
{
    apr_time_t until = zm_clock_monotonic() + time;
    apr_pool_t *pool;
    entry_t *entry;

    zm_scheduler_tick(intake->options.scheduler);
    apr_pool_create(&pool, intake->pool);
    while ((entry = next_entry(intake)) != NULL && files-- > 0) {
        take_one(intake, entry, pool);
        apr_pool_clear(pool);
        if (zm_clock_monotonic() > until)
            break;
    }
    apr_pool_destroy(pool);
    return next_entry(intake) != NULL;
}

static void check_opened(zm_intake_t *intake)
{
    if (intake->opened || !intake->first_scan_done || intake->waiting.count > 0)
        return;
    intake->opened = true;
    intake->options.opened(intake->options.baton);
}

static void work(zm_timer_t *timer, void *baton)
{
    zm_intake_t *intake = baton;
    zm_due_t *delayed;

    intake->take.early = !intake->opened;
    if (take_some(intake, STEP_FILES, STEP_TIME)) {
        zm_timer_set(timer, 0);
    } else if ((delayed = zm_due_first(&intake->delayed)) != NULL) {
        uint32_t now = intake->options.scheduler->now;
        zm_timer_set(timer, apr_time_from_sec(delayed->when > now ? delayed->when - now + 1 : 1));
    }
    check_opened(intake);
    intake->options.settle(intake->options.baton);
}

void zm_intake_drain(zm_intake_t *intake)
{
    intake->take.early = false;
    while (take_some(intake, STEP_FILES, STEP_TIME))
        continue;
}

/* -- scanning ------------------------------------------------------------------------------ */

static void end_scan(zm_intake_t *intake)
{
    apr_interval_time_t took = zm_clock_monotonic() - intake->scan_began;

    zm_listing_close(intake->listing);
    intake->listing = NULL;
    apr_pool_clear(intake->listing_pool);
    intake->first_scan_done = true;
    intake->scan_pause = took * SCAN_SHARE;
    if (intake->scan_pause < SCAN_LEAST)
        intake->scan_pause = SCAN_LEAST;
    if (intake->scan_pause > SCAN_MOST)
        intake->scan_pause = SCAN_MOST;
    zm_timer_set(&intake->scan, intake->scan_again ? 0 : intake->scan_pause);
    intake->scan_again = false;
    wake_up(intake);
}

static void scan_step(zm_timer_t *timer, void *baton)
{
    zm_intake_t *intake = baton;
    int left = intake->options.scan_entries;
    const char *name;

    if (intake->listing == NULL) {
        intake->scan_began = zm_clock_monotonic();
        if (zm_spool_list(&intake->listing, intake->options.files->spool, ZM_DIR_TRANSPORT, false,
                          intake->listing_pool) != APR_SUCCESS) {
            zm_log(ZM_LOG_ERROR, NULL, "the transport directory cannot be listed");
            intake->listing = NULL;
            zm_timer_set(timer, SCAN_LEAST);
            return;
        }
    }
    while (left-- > 0) {
        if (zm_listing_next(intake->listing, &name) != APR_SUCCESS) {
            end_scan(intake);
            return;
        }
        add_name(intake, zm_str(name + sizeof ZM_DIR_TRANSPORT), true);
    }
    zm_timer_set(timer, 0);
}

void zm_intake_scan(zm_intake_t *intake)
{
    if (intake->listing != NULL)
        intake->scan_again = true;
    else
        zm_timer_set(&intake->scan, 0);
}

/* -- hints --------------------------------------------------------------------------------- */

static void hinted(zm_str_t directory, zm_str_t prefixed_leaf, void *baton)
{
    if (directory.length == 0)
        zm_intake_name(baton, prefixed_leaf);
}

static void watched(const char *name, void *baton)
{
    if (name == NULL)
        zm_intake_scan(baton);
    else if (strncmp(name, ZM_DIR_TRANSPORT "/", sizeof ZM_DIR_TRANSPORT) == 0)
        zm_intake_name(baton, zm_str(name + sizeof ZM_DIR_TRANSPORT));
}

apr_status_t zm_intake_listen(zm_intake_t *intake, const char *path, zm_error_t *error)
{
    if (intake->notify != NULL)
        zm_notify_close(intake->notify);
    intake->notify = NULL;
    if (path == NULL)
        return APR_SUCCESS;
    return zm_notify_listen(&intake->notify, path, 0200, intake->options.loop, hinted, intake,
                            error);
}

apr_status_t zm_intake_open(zm_intake_t **opened, const zm_intake_options_t *options,
                            apr_pool_t *pool, zm_error_t *error)
{
    zm_intake_t *intake = apr_pcalloc(pool, sizeof *intake);
    zm_error_t unheard = {0};

    (void)error;
    intake->options = *options;
    apr_pool_create(&intake->pool, pool);
    apr_pool_create(&intake->listing_pool, intake->pool);
    intake->take.scheduler = options->scheduler;
    intake->take.files = options->files;
    intake->take.hash_levels = options->hash_levels;
    intake->take.syslog = options->syslog;
    zm_table_init(&intake->known, entry_hash, entry_equal);
    zm_table_init(&intake->parked, parked_hash, parked_equal);
    zm_timer_init(&intake->work, options->loop, work, intake);
    zm_timer_init(&intake->scan, options->loop, scan_step, intake);
    if (zm_intake_listen(intake, options->notify_path, &unheard) != APR_SUCCESS) {
        zm_log(ZM_LOG_WARNING, NULL, "no hints: the spool is watched instead",
               ZM_F_S("reason", unheard.text));
        intake->options.watch = true;
    }
    if (intake->options.watch &&
        zm_spool_watch(&intake->watch, options->files->spool, ZM_DIR_TRANSPORT, options->loop,
                       watched, intake) != APR_SUCCESS)
        intake->watch = NULL; /* the scan finds them */
    zm_timer_set(&intake->scan, 0);
    *opened = intake;
    return APR_SUCCESS;
}

static void free_items(zm_table_t *table)
{
    uint32_t i;
    for (i = 0; i < table->size; i++)
        zm_scheduler_free(table->slots[i]);
    zm_table_free(table);
}

void zm_intake_close(zm_intake_t *intake)
{
    zm_timer_cancel(&intake->work);
    zm_timer_cancel(&intake->scan);
    if (intake->listing != NULL)
        zm_listing_close(intake->listing);
    if (intake->watch != NULL)
        zm_spool_watch_close(intake->watch);
    if (intake->notify != NULL)
        zm_notify_close(intake->notify);
    free_items(&intake->known);
    free_items(&intake->parked);
    zm_due_heap_free(&intake->waiting);
    zm_due_heap_free(&intake->delayed);
    apr_pool_destroy(intake->pool);
}
