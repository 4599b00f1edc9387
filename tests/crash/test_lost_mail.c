/*
 * How the original could lose mail, or leave it lying for ever, one test each:
 * on a disk in memory, with a loss of power where it hurts most.  README.md has
 * the table.
 */
#include <string.h>

#include "platform/log.h"
#include "tests/crash/explore.h"
#include "tests/unit/harness.h"

#define FOR_ALL_TIME 1000000

typedef struct fixture_t {
    site_t site;
    system_t *system;
    disk_t *disk;
} fixture_t;

static fixture_t *begin(void)
{
    static fixture_t fixture; /* systems point into it */
    static bool registered;
    zm_log_options_t log = {.program = "test", .file = "/dev/null", .level = ZM_LOG_ERROR};
    fixture_t *f = &fixture;
    zm_error_t error = {0};
    memset(f, 0, sizeof *f);
    f->site.directory = zm_test_directory();
    if (!registered)
        CU_ASSERT_EQUAL_FATAL(disk_vfs_register(), 0);
    registered = true;
    ZM_ASSERT_OK(zm_log_open(&log, NULL));
    CU_ASSERT_FATAL(site_open(&f->site, ZM_TEST_ENGINE, ZM_TEST_SHARE, zm_test_pool()));
    world_reset();
    play_clock(0);
    f->disk = disk_make(DISK_ORDERED);
    disk_mount(f->disk);
    CU_ASSERT_FATAL(system_open(&f->system, &f->site, true, false, &error));
    disk_record(f->disk);
    return f;
}

static void end(fixture_t *f)
{
    disk_mount(f->disk);
    if (f->system != NULL)
        system_close(f->system);
    disk_free(f->disk);
    disk_free_spare();
    world_end();
    site_close(&f->site);
    zm_log_close();
}

/* A letter to bob, or to several: see world_letter. */
static letter_t *submit(fixture_t *f, uint64_t kind, apr_status_t expected)
{
    letter_t *letter = world_letter(kind);
    apr_status_t status = system_submit(f->system, letter);
    CU_ASSERT_EQUAL(status == APR_SUCCESS, expected == APR_SUCCESS);
    return letter;
}

#define TO_BOB (1 + (2 << 8) + (1 << 16))
#define TO_FAILING (3 + (2 << 8) + (1 << 16))

static void fine(bool right)
{
    if (!right)
        CU_FAIL(world.trouble);
}

/* Judges what a crash after so many operations leaves when the named share of it survives. */
static void crash_at(fixture_t *f, int now, bool names, uint64_t data)
{
    disk_past_t *past = disk_past(f->disk);
    disk_choice_t choice = {0, data};
    crash_t crash = {.layers = {{world.event_count, now}}, .layer_count = 1};
    int events = world.event_count;
    disk_t *disk;
    while (past->now < now)
        disk_past_step(past);
    disk = disk_image(past, &(disk_choice_t){0, 0});
    judge_done(&f->site, disk, &crash);
    disk_free(disk);
    choice.names = names ? past->pending_count : 0;
    disk = disk_image(past, &choice);
    fine(judge(&f->site, disk, &crash, false));
    world_cut(events);
    disk_free(disk);
    disk_past_free(past);
}

static void stop(fixture_t *f)
{
    system_close(f->system);
    f->system = NULL;
}

/* At each step of what was done since; everything that was not synced is gone, torn, or there. */
static void crash_anywhere(fixture_t *f, int since)
{
    int now, end = f->disk->op_count;
    stop(f);
    for (now = since; now <= end; now++) {
        crash_at(f, now, false, 0);
        crash_at(f, now, true, 0);
        crash_at(f, now, true, 1);
        crash_at(f, now, true, 77 + (uint64_t)now);
    }
    disk_mount(f->disk);
}

static void must_arrive(fixture_t *f, const letter_t *letter)
{
    int r;
    play_out(f->system);
    fine(world.trouble[0] == '\0');
    for (r = 0; r < letter->count; r++)
        CU_ASSERT(world_served(letter->token, r, 0, FOR_ALL_TIME) > 0);
}

/* -- submission ----------------------------------------------------------------------------- */

static void an_accepted_letter_survives_the_loss_of_all_that_was_not_synced(void)
{
    fixture_t *f = begin();
    submit(f, TO_BOB, APR_SUCCESS);
    stop(f);
    crash_at(f, f->disk->op_count, false, 0);
    end(f);
}

static void a_letter_appears_whole_or_not_at_all(void)
{
    fixture_t *f = begin();
    submit(f, TO_BOB, APR_SUCCESS);
    crash_anywhere(f, 0);
    end(f);
}

static void a_letter_whose_sync_failed_is_not_accepted(void)
{
    fixture_t *f = begin();
    f->disk->fault = DISK_FAULT_SYNC;
    f->disk->fault_for = 1;
    submit(f, TO_BOB, APR_EGENERAL);
    crash_anywhere(f, 0);
    end(f);
}

static void a_letter_that_fits_no_more_is_not_accepted(void)
{
    fixture_t *f = begin();
    f->disk->fault = DISK_FAULT_SPACE;
    f->disk->fault_for = FOR_ALL_TIME;
    submit(f, TO_BOB, APR_ENOSPC);
    f->disk->fault = DISK_FAULT_NONE;
    must_arrive(f, submit(f, TO_BOB, APR_SUCCESS));
    end(f);
}

/* -- routing -------------------------------------------------------------------------------- */

static void a_letter_that_cannot_be_opened_now_stays(void)
{
    fixture_t *f = begin();
    const letter_t *letter = submit(f, TO_BOB, APR_SUCCESS);
    f->disk->fault = DISK_FAULT_OPEN;
    f->disk->fault_for = FOR_ALL_TIME;
    system_route(f->system, 1);
    f->disk->fault = DISK_FAULT_NONE;
    must_arrive(f, letter);
    end(f);
}

static void a_full_disk_while_routing_loses_nothing(void)
{
    fixture_t *f = begin();
    const letter_t *letter = submit(f, TO_BOB, APR_SUCCESS);
    f->disk->fault = DISK_FAULT_SPACE;
    f->disk->fault_for = FOR_ALL_TIME;
    system_route(f->system, 1);
    f->disk->fault = DISK_FAULT_NONE;
    must_arrive(f, letter);
    end(f);
}

static void a_crash_at_any_step_of_routing_loses_nothing(void)
{
    fixture_t *f = begin();
    int since;
    submit(f, TO_BOB, APR_SUCCESS);
    since = f->disk->op_count;
    system_route(f->system, 1);
    crash_anywhere(f, since);
    end(f);
}

/* -- delivery ---------------------------------------------------------------------------------- */

static void a_crash_at_any_step_of_delivery_loses_nothing(void)
{
    fixture_t *f = begin();
    int since;
    submit(f, TO_BOB, APR_SUCCESS);
    system_route(f->system, 1);
    since = f->disk->op_count;
    system_deliver(f->system);
    crash_anywhere(f, since);
    end(f);
}

static void a_crash_at_any_step_of_reporting_loses_no_report(void)
{
    fixture_t *f = begin();
    int since;
    submit(f, TO_FAILING, APR_SUCCESS);
    system_route(f->system, 1);
    since = f->disk->op_count;
    system_deliver(f->system);
    crash_anywhere(f, since);
    end(f);
}

static int names_left(fixture_t *f)
{
    zm_object_info_t info;
    return (zm_spool_info(&info, f->system->route, "queue/4711") == APR_SUCCESS) +
           (zm_spool_info(&info, f->system->route, "transport/4711") == APR_SUCCESS);
}

static void put(fixture_t *f, const char *directory)
{
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = directory, .id = 4711};
    zm_object_t *object;
    ZM_ASSERT_OK(zm_object_create(&object, f->system->route, &create));
    ZM_ASSERT_OK(zm_object_write(object, "x", 1));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, NULL, zm_test_pool()));
}

/* Were its name to go first, its number could go to a new letter that the old control file is
 * then taken for. */
static void a_finished_letter_that_cannot_be_held_open_keeps_both_names(void)
{
    fixture_t *f = begin();
    bool native = strcmp(ZM_TEST_ENGINE, "native") == 0;
    apr_status_t status;
    put(f, "queue");
    put(f, "transport");
    f->disk->fault = DISK_FAULT_OPEN;
    f->disk->fault_for = 2; /* descriptors come free again, but for the message it was too late */
    status = zm_spool_unlink_pair(f->system->route, "queue/4711", "transport/4711");
    f->disk->fault = DISK_FAULT_NONE;
    CU_ASSERT_EQUAL(APR_STATUS_IS_EMFILE(status), native);
    CU_ASSERT_EQUAL(names_left(f), native ? 2 : 0);
    ZM_ASSERT_OK(zm_spool_unlink_pair(f->system->route, "queue/4711", "transport/4711"));
    CU_ASSERT_EQUAL(names_left(f), 0);
    put(f, "queue");
    put(f, "transport");
    f->disk->fault = DISK_FAULT_OPEN;
    f->disk->fault_for = 1; /* handles kept open are given up for it */
    ZM_ASSERT_OK(zm_spool_unlink_pair(f->system->route, "queue/4711", "transport/4711"));
    f->disk->fault = DISK_FAULT_NONE;
    end(f);
}

static void a_full_disk_while_recording_a_failure_loses_no_report(void)
{
    fixture_t *f = begin();
    const letter_t *letter = submit(f, TO_FAILING, APR_SUCCESS);
    zm_error_t error = {0};
    system_route(f->system, 1);
    f->disk->fault = DISK_FAULT_SPACE;
    f->disk->fault_in = 1; /* after the claim */
    f->disk->fault_for = 3;
    system_deliver(f->system);
    f->disk->fault = DISK_FAULT_NONE;
    system_close(f->system);
    CU_ASSERT_FATAL(system_open(&f->system, &f->site, false, false, &error));
    must_arrive(f, letter);
    end(f);
}

ZM_TESTS("lost mail " ZM_TEST_ENGINE,
         ZM_TEST(an_accepted_letter_survives_the_loss_of_all_that_was_not_synced),
         ZM_TEST(a_letter_appears_whole_or_not_at_all),
         ZM_TEST(a_letter_whose_sync_failed_is_not_accepted),
         ZM_TEST(a_letter_that_fits_no_more_is_not_accepted),
         ZM_TEST(a_letter_that_cannot_be_opened_now_stays),
         ZM_TEST(a_full_disk_while_routing_loses_nothing),
         ZM_TEST(a_crash_at_any_step_of_routing_loses_nothing),
         ZM_TEST(a_crash_at_any_step_of_delivery_loses_nothing),
         ZM_TEST(a_crash_at_any_step_of_reporting_loses_no_report),
         ZM_TEST(a_finished_letter_that_cannot_be_held_open_keeps_both_names),
         ZM_TEST(a_full_disk_while_recording_a_failure_loses_no_report))
