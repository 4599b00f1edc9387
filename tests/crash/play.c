/* A run: letters are submitted, routed and delivered in an order that the seed decides. */
#include <apr_strings.h>
#include <string.h>

#include "platform/clock.h"
#include "spool/layout.h"
#include "tests/crash/explore.h"

#define FINISHING 16
#define GROUP_MOST 26
#define BEGIN APR_TIME_C(1795237187000000) /* Sat, 21 Nov 2026 04:59:47 GMT */

typedef struct run_t {
    uint64_t random;
    int most; /* letters, beside those of a group */
    bool grouped;
    system_t *system;
} run_t;

static uint64_t next(run_t *run)
{
    run->random = run->random * 6364136223846793005u + 1442695040888963407u;
    return disk_mix(run->random);
}

void play_clock(int hours)
{
    zm_clock_freeze(BEGIN + apr_time_from_sec(3600 * hours), apr_time_from_sec(3600 * (hours + 1)));
}

static void submit(run_t *run)
{
    if (world.letter_count < run->most)
        system_submit(run->system, world_letter(next(run)));
}

/* Now and then so many that one sync of the whole disk is thought best. */
static void submit_group(run_t *run)
{
    letter_t *letters[LETTERS];
    int count, i;
    if (run->grouped || world.letter_count + GROUP_MOST >= LETTERS)
        return;
    count = next(run) % 24 == 0 ? GROUP_MOST : 2 + (int)(next(run) % 3);
    for (i = 0; i < count; i++)
        letters[i] = world_letter(next(run) | 1u << 16); /* none of them large */
    system_submit_group(run->system, letters, count);
    run->grouped = true;
}

/* Other programs go on while an agent works. */
static void between(void *baton)
{
    run_t *run = baton;
    uint64_t what = next(run) % 10;
    zm_clock_advance(apr_time_from_msec(3));
    if (what < 2)
        submit(run);
    else if (what == 2)
        system_route(run->system, 1);
}

static bool restart(run_t *run)
{
    zm_error_t error = {0};
    site_t *site = run->system->site;
    system_close(run->system);
    if (!system_open(&run->system, site, false, false, &error)) {
        system_close(
            run->system); /* it may be what fails in this run; then it must do so no more */
        disk_mounted()->fault = DISK_FAULT_NONE;
    } else {
        run->system->between = between;
        run->system->baton = run;
        return true;
    }
    if (!system_open(&run->system, site, false, false, &error)) {
        world_trouble("the system does not start again: %s", error.text);
        return false;
    }
    run->system->between = between;
    run->system->baton = run;
    return true;
}

static bool step(run_t *run)
{
    uint64_t what = next(run) % 42;
    zm_clock_advance(apr_time_from_msec(137));
    if (what < 16)
        submit(run);
    else if (what < 26)
        system_route(run->system, 1 + (int)(next(run) % 3));
    else if (what < 35)
        system_deliver(run->system);
    else if (what == 35 || what == 36)
        system_checkpoint(run->system);
    else if (what == 37)
        return restart(run);
    else if (what >= 40)
        submit_group(run);
    else if (what == 38)
        zm_clock_advance(apr_time_from_sec(3600)); /* somebody sets the clock */
    else
        zm_clock_freeze(zm_clock_wall() - apr_time_from_sec(1800), zm_clock_monotonic());
    return true;
}

static bool is_empty(system_t *system, const char *directory)
{
    zm_listing_t *listing;
    const char *name;
    apr_pool_t *pool;
    bool empty = false;
    apr_pool_create(&pool, system->pool);
    if (zm_spool_list(&listing, system->route, directory, true, pool) == APR_SUCCESS) {
        empty = zm_listing_next(listing, &name) != APR_SUCCESS;
        zm_listing_close(listing);
    }
    apr_pool_destroy(pool);
    return empty;
}

static const char *const emptied[] = {ZM_DIR_ROUTER, ZM_DIR_QUEUE, ZM_DIR_TRANSPORT,
                                      ZM_DIR_DEFERRED, ZM_DIR_POSTMAN};

static const char *what_stays(system_t *system)
{
    apr_size_t i;
    for (i = 0; i < sizeof emptied / sizeof emptied[0]; i++)
        if (!is_empty(system, emptied[i]))
            return emptied[i];
    return NULL;
}

/* As "zmailer resubmit" does. */
static void resubmit(system_t *system)
{
    zm_listing_t *listing;
    const char *name;
    apr_pool_t *pool;
    apr_pool_create(&pool, system->pool);
    if (zm_spool_list(&listing, system->route, ZM_DIR_DEFERRED, false, pool) == APR_SUCCESS) {
        while (zm_listing_next(listing, &name) == APR_SUCCESS)
            zm_spool_rename(system->route, name,
                            apr_pstrcat(pool, ZM_DIR_ROUTER, strchr(name, '/'), NULL));
        zm_listing_close(listing);
    }
    apr_pool_destroy(pool);
}

void play_out(system_t *system)
{
    int round;
    for (round = 0; round < FINISHING && what_stays(system) != NULL; round++) {
        resubmit(system);
        system_route(system, LETTERS);
        system_deliver(system);
        zm_clock_advance(apr_time_from_sec(61) << round / 3); /* it may have been set back */
    }
    if (what_stays(system) != NULL)
        world_trouble("something stays in %s/ for ever", what_stays(system));
}

/* After the faults every program is started afresh, as an administrator would. */
disk_t *play(site_t *site, const play_t *play)
{
    run_t run = {.random = play->seed, .most = 6};
    disk_t *disk = disk_make(play->model);
    zm_error_t error = {0};
    int i;
    world_reset();
    disk_seed(play->seed);
    play_clock(0);
    disk_mount(disk);
    if (!system_open(&run.system, site, true, false, &error)) {
        world_trouble("the spool cannot be made: %s", error.text);
        return disk;
    }
    disk_record(disk);
    disk->plant = play->plant;
    disk->fault = play->fault;
    disk->fault_in =
        (int)(next(&run) %
              (play->fault == DISK_FAULT_SYNC || play->fault == DISK_FAULT_SYNC_NAMES ? 8 : 40));
    disk->fault_for = play->fault == DISK_FAULT_NONE ? 0 : 1 + (int)(next(&run) % 3);
    run.system->between = between;
    run.system->baton = &run;
    for (i = 0; i < play->steps && world.trouble[0] == '\0'; i++)
        if (!step(&run))
            return disk;
    disk->fault = DISK_FAULT_NONE;
    if (play->fault == DISK_FAULT_NONE || restart(&run)) {
        run.system->between = NULL;
        play_out(run.system);
        system_close(run.system);
    }
    return disk;
}
