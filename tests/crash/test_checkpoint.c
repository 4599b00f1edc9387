/*
 * The emulated engine's log and database when the disk refuses a sync: two
 * processes with one spool, and a loss of power afterwards.  The second opens
 * the spool when the failure is over, so the system tells it nothing.
 */
#include <sqlite3.h>
#include <string.h>

#include "platform/log.h"
#include "spool/emulated.h"
#include "spool/internal.h"
#include "tests/crash/disk.h"
#include "tests/unit/harness.h"

#define SPOOL DISK_ROOT "/spool"
#define LETTERS_LIMIT 100

typedef struct fixture_t {
    disk_t *disk;
    zm_spool_t *first, *second; /* as two processes have them */
    sqlite3 *reader;            /* keeps an old state alive */
    const char *names[LETTERS_LIMIT];
    int count;
    bool may_refuse; /* the system still tells old failures */
} fixture_t;

static zm_spool_t *open_spool(bool create)
{
    zm_spool_options_t options = {
        .location = create ? "emulated:" SPOOL : SPOOL, .create = create, .sync_threads = 1};
    zm_spool_t *spool = NULL;
    zm_error_t error = {0};
    if (zm_spool_open(&spool, &options, zm_test_pool(), &error) != APR_SUCCESS)
        CU_FAIL_FATAL(error.text);
    return spool;
}

static fixture_t *begin(void)
{
    static fixture_t fixture;
    static bool registered;
    zm_log_options_t log = {.program = "test", .file = "/dev/null", .level = ZM_LOG_ERROR};
    fixture_t *f = &fixture;
    memset(f, 0, sizeof *f);
    if (!registered)
        CU_ASSERT_EQUAL_FATAL(disk_vfs_register(), 0);
    registered = true;
    ZM_ASSERT_OK(zm_log_open(&log, NULL));
    disk_seed(1);
    f->disk = disk_make(DISK_LOOSE);
    disk_mount(f->disk);
    f->first = open_spool(true);
    disk_record(f->disk);
    return f;
}

static void end(fixture_t *f)
{
    disk_mount(f->disk);
    zm_spool_close(f->first);
    zm_spool_close(f->second);
    disk_free(f->disk);
    disk_free_spare();
    disk_mount(NULL);
    zm_log_close();
}

/* Publishes letters of one page each; each is accepted, unless some may be refused. */
static void take_letters(fixture_t *f, zm_spool_t *spool, int count)
{
    static char text[4000];
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = "router"};
    zm_published_t published;
    zm_object_t *object;
    apr_status_t status;
    memset(text, 'x', sizeof text);
    for (; count > 0 && f->count < LETTERS_LIMIT; count--) {
        ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
        ZM_ASSERT_OK(zm_object_write(object, text, sizeof text));
        status = zm_object_publish_wait(object, &target, &published, zm_test_pool());
        if (status == APR_SUCCESS)
            f->names[f->count++] = published.name;
        else
            CU_ASSERT(f->may_refuse);
    }
}

static void begin_reading(fixture_t *f)
{
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(SPOOL "/spool.db", &f->reader), SQLITE_OK);
    sqlite3_db_config(f->reader, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    CU_ASSERT_EQUAL(sqlite3_exec(f->reader, "BEGIN; SELECT count(*) FROM names", NULL, NULL, NULL),
                    SQLITE_OK);
}

static void end_reading(fixture_t *f)
{
    sqlite3_close(f->reader);
    f->reader = NULL;
}

static void fail(fixture_t *f, disk_fault_t fault, int in, int times)
{
    f->disk->fault = fault;
    f->disk->fault_in = in;
    f->disk->fault_for = times;
}

static apr_status_t checkpoint(zm_spool_t *spool)
{
    return zm_emulated_checkpoint(zm_emulated(spool->engine));
}

static zm_emulated_state_t mark(zm_spool_t *spool, zm_emulated_mark_t which)
{
    zm_emulated_state_t state = ZM_STATE_SOUND;
    ZM_ASSERT_OK(zm_emulated_marked(zm_emulated(spool->engine), which, &state));
    return state;
}

static void note_damage(const zm_finding_t *finding, void *baton)
{
    *(int *)baton += strcmp(finding->kind, ZM_FINDING_DAMAGED) == 0;
}

static int damages(zm_spool_t *spool)
{
    int damaged = 0;
    zm_check_options_t options = {.fn = note_damage, .baton = &damaged};
    zm_check_report_t report;
    ZM_ASSERT_OK(zm_spool_check(spool, &options, &report, zm_test_pool(), NULL));
    return damaged;
}

/* As a loss of power leaves it with a share of what was not synced: see disk_choice_t. */
static void survive(fixture_t *f, const disk_past_t *past, uint64_t data)
{
    disk_t *image = disk_image(past, &(disk_choice_t){0, data});
    zm_spool_t *spool;
    zm_object_info_t info;
    int i;
    disk_mount(image);
    spool = open_spool(false);
    for (i = 0; i < f->count; i++)
        ZM_ASSERT_OK(zm_spool_info(&info, spool, f->names[i]));
    CU_ASSERT_EQUAL(damages(spool), 0);
    zm_spool_close(spool);
    disk_mount(f->disk);
    disk_free(image);
}

static void all_survive(fixture_t *f)
{
    disk_past_t *past = disk_past(f->disk);
    uint64_t data;
    while (past->now < f->disk->op_count)
        disk_past_step(past);
    for (data = 0; data < 8; data++)
        survive(f, past, data);
    disk_past_free(past);
}

/* -- the database ------------------------------------------------------------------------------ */

/* A checkpoint that moves a part, for somebody reads, and whose sync of the database fails. */
static void fail_checkpoint(fixture_t *f)
{
    take_letters(f, f->first, 20);
    begin_reading(f);
    take_letters(f, f->first, 20);
    fail(f, DISK_FAULT_SYNC, 1, 1); /* after that of the log */
    CU_ASSERT_NOT_EQUAL(checkpoint(f->first), APR_SUCCESS);
    fail(f, DISK_FAULT_NONE, 0, 0);
    end_reading(f);
}

static void pages_that_one_process_failed_to_sync_are_moved_again_by_another(void)
{
    fixture_t *f = begin();
    fail_checkpoint(f);
    f->second = open_spool(false);
    CU_ASSERT_EQUAL(mark(f->second, ZM_MARK_DATABASE), ZM_STATE_FAILED);
    ZM_ASSERT_OK(checkpoint(f->second));
    CU_ASSERT_EQUAL(mark(f->first, ZM_MARK_DATABASE), ZM_STATE_SOUND);
    take_letters(f, f->second, 20); /* the log begins anew */
    all_survive(f);
    end(f);
}

/* It knows nothing of a failure, only that somebody began and did not end. */
static void pages_that_a_killed_process_moved_are_moved_again(void)
{
    fixture_t *f = begin();
    fail_checkpoint(f);
    ZM_ASSERT_OK(zm_emulated_mark(zm_emulated(f->first->engine), ZM_MARK_DATABASE, ZM_STATE_BEGUN));
    f->second = open_spool(false);
    ZM_ASSERT_OK(checkpoint(f->second));
    take_letters(f, f->second, 20);
    all_survive(f);
    end(f);
}

static void who_failed_tries_again_and_loses_nothing(void)
{
    fixture_t *f = begin();
    int i;
    fail_checkpoint(f);
    f->may_refuse = true;
    for (i = 0; i < 3; i++) {
        fail(f, DISK_FAULT_SYNC, i, 1);
        CU_ASSERT_NOT_EQUAL(checkpoint(f->first), APR_SUCCESS);
        fail(f, DISK_FAULT_NONE, 0, 0);
        take_letters(f, f->first, 5);
        all_survive(f);
    }
    ZM_ASSERT_OK(checkpoint(f->first));
    take_letters(f, f->first, 5);
    CU_ASSERT(f->count >= 40 + 3 * 4 + 4);
    all_survive(f);
    end(f);
}

/* Else nobody could know afterwards that something was moved. */
static void nothing_is_moved_when_the_mark_cannot_be_set(void)
{
    fixture_t *f = begin();
    zm_file_info_t before = {0}, after = {0};
    take_letters(f, f->first, 20);
    ZM_ASSERT_OK(zm_path_info(&before, NULL, SPOOL "/spool.db"));
    fail(f, DISK_FAULT_WRITE, 0, 1);
    CU_ASSERT_NOT_EQUAL(checkpoint(f->first), APR_SUCCESS);
    fail(f, DISK_FAULT_NONE, 0, 0);
    ZM_ASSERT_OK(zm_path_info(&after, NULL, SPOOL "/spool.db"));
    CU_ASSERT_EQUAL(before.size, after.size);
    all_survive(f);
    end(f);
}

/* Else a crash would leave some pages of a transaction, and no log to bring the others. */
static void nothing_is_moved_from_a_log_that_cannot_be_made_durable(void)
{
    fixture_t *f = begin();
    zm_file_info_t before = {0}, after = {0};
    f->may_refuse = true;
    take_letters(f, f->first, 20);
    fail(f, DISK_FAULT_SYNC, 0, 1);
    take_letters(f, f->first, 1);
    f->second = open_spool(false);
    ZM_ASSERT_OK(zm_path_info(&before, NULL, SPOOL "/spool.db"));
    fail(f, DISK_FAULT_SYNC, 1, 1); /* the log's, when it was written anew */
    CU_ASSERT_NOT_EQUAL(checkpoint(f->second), APR_SUCCESS);
    fail(f, DISK_FAULT_NONE, 0, 0);
    ZM_ASSERT_OK(zm_path_info(&after, NULL, SPOOL "/spool.db"));
    CU_ASSERT_EQUAL(before.size, after.size);
    all_survive(f);
    end(f);
}

/* -- the log ----------------------------------------------------------------------------------- */

static void log_that_one_process_failed_to_sync_is_written_anew_by_another(void)
{
    fixture_t *f = begin();
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = "router"};
    zm_object_t *object;
    take_letters(f, f->first, 5);
    fail(f, DISK_FAULT_SYNC, 0, 1);
    ZM_ASSERT_OK(zm_object_create(&object, f->first, &create));
    ZM_ASSERT_OK(zm_object_write(object, "x", 1));
    CU_ASSERT_NOT_EQUAL(zm_object_publish_wait(object, &target, NULL, zm_test_pool()), APR_SUCCESS);
    fail(f, DISK_FAULT_NONE, 0, 0);
    f->second = open_spool(false);
    take_letters(f, f->second, 5);
    CU_ASSERT_EQUAL(mark(f->first, ZM_MARK_LOG), ZM_STATE_SOUND);
    all_survive(f);
    end(f);
}

/* The system told SQLite, and nobody else will hear of it. */
static void log_that_a_checkpoint_failed_to_sync_is_written_anew(void)
{
    fixture_t *f = begin();
    take_letters(f, f->first, 5);
    ZM_ASSERT_OK(zm_spool_rename(f->first, f->names[0], "postman/1")); /* is not synced */
    f->names[0] = "postman/1";
    fail(f, DISK_FAULT_SYNC, 0, 1);
    CU_ASSERT_NOT_EQUAL(checkpoint(f->first), APR_SUCCESS);
    fail(f, DISK_FAULT_NONE, 0, 0);
    f->second = open_spool(false);
    take_letters(f, f->second, 5);
    all_survive(f);
    end(f);
}

/* The first sync of a process also makes the log's name durable; the second must not forget it. */
static void nothing_is_accepted_before_the_name_of_the_log_is_durable(void)
{
    fixture_t *f = begin();
    take_letters(f, f->first, 5);
    f->second = open_spool(false);
    f->may_refuse = true;
    fail(f, DISK_FAULT_SYNC_NAMES, 0, 2);
    take_letters(f, f->second, 2);
    CU_ASSERT_EQUAL(f->count, 5);
    fail(f, DISK_FAULT_NONE, 0, 0);
    f->may_refuse = false;
    take_letters(f, f->second, 5);
    all_survive(f);
    end(f);
}

/* -- large bodies ------------------------------------------------------------------------------ */

static zm_object_t *begin_large(zm_spool_t *spool)
{
    static char text[70000];
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_object_t *object;
    memset(text, 'x', sizeof text);
    ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
    ZM_ASSERT_OK(zm_object_write(object, text, sizeof text));
    return object;
}

static uint64_t number_of(zm_object_t *object)
{
    zm_object_info_t info = {0};
    ZM_ASSERT_OK(zm_object_info(&info, object));
    return info.id;
}

/* Takes letters until the next body gets into the directory of that number. */
static void reach_directory(fixture_t *f, zm_spool_t *spool, uint64_t number)
{
    zm_object_info_t info = {0};
    do {
        take_letters(f, spool, 1);
        ZM_ASSERT_OK(zm_spool_info(&info, spool, f->names[f->count - 1]));
    } while ((info.id + 1) % 26 != number % 26);
}

/* Both names were there when the sync of one process failed; that of the other says nothing of it.
 */
static void body_whose_name_was_in_anothers_failed_sync_is_not_accepted(void)
{
    fixture_t *f = begin();
    zm_target_t target = {.directory = "router"};
    zm_published_t published;
    zm_object_t *slow, *other;
    f->second = open_spool(false);
    slow = begin_large(f->first);
    reach_directory(f, f->second, number_of(slow));
    other = begin_large(f->second);
    CU_ASSERT_EQUAL(number_of(other) % 26, number_of(slow) % 26);
    fail(f, DISK_FAULT_SYNC_NAMES, 0, 1);
    CU_ASSERT_NOT_EQUAL(zm_object_publish_wait(other, &target, NULL, zm_test_pool()), APR_SUCCESS);
    fail(f, DISK_FAULT_NONE, 0, 0);
    CU_ASSERT_NOT_EQUAL(zm_object_publish_wait(slow, &target, NULL, zm_test_pool()), APR_SUCCESS);
    slow = begin_large(f->first);
    ZM_ASSERT_OK(zm_object_publish_wait(slow, &target, &published, zm_test_pool()));
    f->names[f->count++] = published.name;
    all_survive(f);
    end(f);
}

ZM_TESTS("failed checkpoints",
         ZM_TEST(pages_that_one_process_failed_to_sync_are_moved_again_by_another),
         ZM_TEST(pages_that_a_killed_process_moved_are_moved_again),
         ZM_TEST(who_failed_tries_again_and_loses_nothing),
         ZM_TEST(nothing_is_moved_when_the_mark_cannot_be_set),
         ZM_TEST(nothing_is_moved_from_a_log_that_cannot_be_made_durable),
         ZM_TEST(log_that_one_process_failed_to_sync_is_written_anew_by_another),
         ZM_TEST(log_that_a_checkpoint_failed_to_sync_is_written_anew),
         ZM_TEST(nothing_is_accepted_before_the_name_of_the_log_is_durable),
         ZM_TEST(body_whose_name_was_in_anothers_failed_sync_is_not_accepted))
