/* Large bodies, in files beside the database: open ones, lost ones, strays. */
#include <apr_atomic.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <stdlib.h>

#include "platform/fs.h"
#include "spool/layout.h"
#include "spool/recover.h"
#include "tests/unit/harness.h"
#include "tests/unit/spool/emulated_spool.h"

static void large_body_stays_for_its_readers(void)
{
    zm_spool_t *spool = emulated_make();
    const char *name = emulated_publish(spool, "router", 200000);
    zm_object_t *reader, *second;
    zm_object_info_t info;
    char byte;
    apr_size_t length = 1;
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 1);
    ZM_ASSERT_OK(zm_object_open(&reader, spool, name, ZM_OBJECT_READ));
    ZM_ASSERT_OK(zm_object_open(&second, spool, name, ZM_OBJECT_READ));
    ZM_ASSERT_OK(zm_spool_unlink(spool, name));
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_spool_info(&info, spool, name)));
    ZM_ASSERT_OK(zm_object_read(reader, 199999, &byte, &length));
    ZM_ASSERT_OK(zm_object_info(&info, reader));
    CU_ASSERT_EQUAL(info.size, 200000);
    CU_ASSERT_EQUAL(info.links, 0);
    emulated_recover(spool);
    ZM_ASSERT_OK(zm_object_read(second, 199999, &byte, &length));
    zm_object_close(reader);
    zm_object_close(second);
    emulated_recover(spool);
    zm_spool_close(spool); /* the sweeping thread may have been first, and be at it still */
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 0);
}

static void large_body_goes_with_its_last_name(void)
{
    zm_spool_t *spool = emulated_make();
    const char *name = emulated_publish(spool, "router", 200000);
    ZM_ASSERT_OK(zm_spool_link(spool, name, "postman/1_copy"));
    ZM_ASSERT_OK(zm_spool_unlink(spool, name));
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 1);
    ZM_ASSERT_OK(zm_spool_unlink(spool, "postman/1_copy"));
    zm_spool_close(spool); /* a thread removes it */
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 0);
}

static void large_object_is_changed_in_place(void)
{
    zm_spool_t *spool = emulated_make();
    const char *name = emulated_publish(spool, "transport", 100000);
    zm_object_t *one, *two;
    zm_object_info_t info;
    char bytes[4];
    apr_size_t length = 4;
    ZM_ASSERT_OK(zm_object_open(&one, spool, name, ZM_OBJECT_UPDATE));
    ZM_ASSERT_OK(zm_object_open(&two, spool, name, ZM_OBJECT_READ));
    ZM_ASSERT_OK(zm_object_overwrite(one, 90000, "abcd", 4));
    ZM_ASSERT_OK(zm_object_append(one, "efgh", 4, true));
    ZM_ASSERT_OK(zm_object_read(two, 90000, bytes, &length));
    CU_ASSERT_EQUAL(memcmp(bytes, "abcd", 4), 0);
    ZM_ASSERT_OK(zm_object_read(two, 100000, bytes, &length));
    CU_ASSERT_EQUAL(memcmp(bytes, "efgh", 4), 0);
    ZM_ASSERT_OK(zm_spool_info(&info, spool, name));
    CU_ASSERT_EQUAL(info.size, 100004);
    zm_object_close(one);
    zm_object_close(two);
    zm_spool_close(spool);
}

static void discarded_large_object_leaves_no_file(void)
{
    zm_spool_t *spool = emulated_make();
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t nowhere = {.directory = "nowhere"};
    zm_object_t *object;
    char *text = calloc(1, 200000);
    ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
    ZM_ASSERT_OK(zm_object_write(object, text, 200000));
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 1);
    emulated_recover(spool); /* its maker is alive */
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 1);
    zm_object_discard(object);
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 0);
    ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
    ZM_ASSERT_OK(zm_object_write(object, text, 200000));
    CU_ASSERT_NOT_EQUAL(zm_object_publish_wait(object, &nowhere, NULL, zm_test_pool()),
                        APR_SUCCESS);
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 0);
    free(text);
    zm_spool_close(spool);
}

/* As its maker leaves a file that it has not finished: the first byte is written last. */
static void leave_unfinished(const char *side)
{
    emulated_write_file(emulated_path("spool", apr_pstrcat(zm_test_pool(), "bodies/", side, NULL)),
                        "\0eft by a crash", 15);
}

static void unfinished_files_are_swept_and_foreign_ones_left(void)
{
    zm_spool_t *spool = emulated_make();
    emulated_publish(spool, "router", 200000);
    leave_unfinished("A/26");
    emulated_write_file(emulated_path("spool", "bodies/A/52"), "", 0);
    emulated_write_file(emulated_path("spool", "bodies/A/note"), "not ours", 8);
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 4);
    emulated_recover(spool);
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 2);
    zm_spool_close(spool);
}

static void lost_large_body_is_named_corrupt(void)
{
    zm_spool_t *spool = emulated_make();
    const char *name = emulated_publish(spool, "router", 200000);
    zm_object_t *object;
    zm_object_info_t info;
    char letter[] = "bodies/A";
    for (; letter[7] <= 'Z'; letter[7]++) {
        zm_dir_t *entries;
        const char *leaf;
        ZM_ASSERT_OK(zm_dir_open(&entries, NULL, emulated_path("spool", letter), zm_test_pool()));
        while (zm_dir_next(entries, &leaf, NULL) == APR_SUCCESS)
            zm_file_unlink(
                NULL, apr_pstrcat(zm_test_pool(), emulated_path("spool", letter), "/", leaf, NULL));
        zm_dir_close(entries);
    }
    CU_ASSERT_EQUAL(zm_object_open(&object, spool, name, ZM_OBJECT_READ), ZM_E_CORRUPT);
    CU_ASSERT_EQUAL(zm_spool_info(&info, spool, name), ZM_E_CORRUPT);
    ZM_ASSERT_OK(zm_spool_unlink(spool, name));
    zm_spool_close(spool);
}

/* The path of the only file of a large body. */
static const char *side_file(void)
{
    char letter[] = "bodies/A";
    const char *found = NULL;
    for (; letter[7] <= 'Z'; letter[7]++) {
        zm_dir_t *entries;
        const char *leaf;
        ZM_ASSERT_OK(zm_dir_open(&entries, NULL, emulated_path("spool", letter), zm_test_pool()));
        while (zm_dir_next(entries, &leaf, NULL) == APR_SUCCESS)
            found = apr_pstrcat(zm_test_pool(), emulated_path("spool", letter), "/", leaf, NULL);
        zm_dir_close(entries);
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(found);
    return found;
}

static void cut_large_body_is_named_corrupt(void)
{
    zm_spool_t *spool = emulated_make();
    const char *name = emulated_publish(spool, "deferred", 200000);
    zm_object_t *object;
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, side_file(), ZM_OPEN_WRITE, 0, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_truncate(file, 199999));
    zm_file_close(file);
    CU_ASSERT_EQUAL(zm_object_open(&object, spool, name, ZM_OBJECT_READ), ZM_E_CORRUPT);
    ZM_ASSERT_STR(emulated_check(spool, true),
                  apr_pstrcat(zm_test_pool(), "lost-body=", name, " ", NULL));
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 1); /* what is left of it stays */
    zm_spool_close(spool);
}

/* Control files are not synced, so a large one may have a row and nothing else. */
static void large_control_file_without_body_is_made_again(void)
{
    zm_spool_t *spool = emulated_make();
    const char *message = emulated_publish(spool, "queue", 100),
               *control = emulated_publish(spool, "transport", 70000);
    const char *digits = strchr(message, '/');
    zm_object_info_t info;
    ZM_ASSERT_OK(
        zm_spool_rename(spool, control, apr_pstrcat(zm_test_pool(), "transport", digits, NULL)));
    ZM_ASSERT_OK(zm_file_unlink(NULL, side_file()));
    emulated_recover(spool);
    ZM_ASSERT_OK(zm_spool_info(&info, spool, apr_pstrcat(zm_test_pool(), "router", digits, NULL)));
    CU_ASSERT(APR_STATUS_IS_ENOENT(
        zm_spool_info(&info, spool, apr_pstrcat(zm_test_pool(), "transport", digits, NULL))));
    zm_spool_close(spool);
}

static void number_of_a_stray_body_is_passed_over(void)
{
    zm_spool_t *spool = emulated_make();
    zm_object_info_t info = {0};
    uint64_t id;
    ZM_ASSERT_OK(zm_spool_info(&info, spool, emulated_publish(spool, "deferred", 10)));
    for (id = info.id + 1; id < info.id + 5; id++) {
        char prefix[ZM_HASH_PREFIX_SIZE];
        zm_layout_hash(prefix, id, 1);
        leave_unfinished(apr_psprintf(zm_test_pool(), "%s%" APR_UINT64_T_FMT, prefix, id));
    }
    ZM_ASSERT_OK(zm_spool_info(&info, spool, emulated_publish(spool, "router", 200000)));
    CU_ASSERT_EQUAL(info.size, 200000);
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 5);
    emulated_recover(spool);
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 1);
    zm_spool_close(spool);
}

static void body_is_unfinished_until_it_is_published(void)
{
    zm_spool_t *spool = emulated_make();
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = "deferred"};
    zm_published_t published;
    zm_object_t *object;
    char *text = malloc(100000), *data;
    apr_size_t length = 1;
    memset(text, 'x', 100000);
    ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
    ZM_ASSERT_OK(zm_object_write(object, text, 100000));
    ZM_ASSERT_OK(zm_object_rewind(object, 0));
    ZM_ASSERT_OK(zm_object_write(object, text, 1));
    ZM_ASSERT_OK(zm_object_read(object, 0, text + 1, &length));
    CU_ASSERT(length == 1 && text[1] == 'x');
    ZM_ASSERT_OK(zm_object_write(object, text + 1, 99999));
    ZM_ASSERT_OK(zm_object_overwrite(object, 0, "yz", 2));
    ZM_ASSERT_OK(zm_object_flush(object));
    ZM_ASSERT_OK(zm_object_read(object, 0, text, &length));
    CU_ASSERT_EQUAL(text[0], 'y');
    ZM_ASSERT_OK(zm_file_slurp(&data, &length, side_file(), 200000, zm_test_pool()));
    CU_ASSERT_EQUAL(data[0], '\0');
    CU_ASSERT_EQUAL(data[1], 'z');
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    ZM_ASSERT_OK(zm_object_open(&object, spool, published.name, ZM_OBJECT_READ));
    ZM_ASSERT_OK(zm_object_read_all(object, &data, &length, 200000, zm_test_pool()));
    CU_ASSERT_EQUAL(length, 100000);
    CU_ASSERT_EQUAL(memcmp(data, "yzxxx", 5), 0);
    zm_object_close(object);
    free(text);
    zm_spool_close(spool);
}

/* As if spool.db had been put back from an older copy. */
static void body_that_an_older_database_does_not_know_is_kept(void)
{
    zm_spool_t *spool = emulated_make();
    zm_error_t error;
    emulated_publish(spool, "router", 200000);
    zm_spool_close(spool);
    emulated_run_sql(emulated_path("spool", "spool.db"), "DELETE FROM names; DELETE FROM objects");
    ZM_ASSERT_OK(emulated_open(&spool, "spool", false, &error));
    emulated_recover(spool);
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 1);
    emulated_check(spool, true);
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 1);
    ZM_ASSERT_STR(emulated_check(spool, false), "");
    zm_spool_close(spool);
}

typedef struct sweeper_t {
    zm_spool_t *spool;
    apr_pool_t *pool;
    apr_uint32_t stop;
} sweeper_t;

static void *APR_THREAD_FUNC recover_again(apr_thread_t *thread, void *data)
{
    sweeper_t *sweeper = data;
    zm_recover_options_t options = {0};
    zm_recover_report_t report;
    (void)thread;
    while (apr_atomic_read32(&sweeper->stop) == 0)
        if (zm_spool_recover(sweeper->spool, &options, &report, sweeper->pool, NULL) != APR_SUCCESS)
            break;
    return NULL;
}

/* A file is nobody's for a moment: between its making and its lease. */
static void body_that_is_being_made_is_not_swept(void)
{
    zm_spool_t *spool = emulated_make();
    sweeper_t sweeper = {0};
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = "deferred", .unsynced = true};
    zm_error_t error = {0};
    apr_thread_t *thread;
    apr_status_t ignored;
    char *text = calloc(1, 70000);
    int i;
    ZM_ASSERT_OK(emulated_open(&sweeper.spool, "spool", false, &error));
    ZM_ASSERT_OK(apr_pool_create(&sweeper.pool, NULL));
    ZM_ASSERT_OK(apr_thread_create(&thread, NULL, recover_again, &sweeper, zm_test_pool()));
    for (i = 0; i < 800; i++) {
        zm_published_t published;
        zm_object_t *object;
        zm_object_info_t info;
        ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
        ZM_ASSERT_OK(zm_object_write(object, text, 70000));
        ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
        ZM_ASSERT_OK(zm_spool_info(&info, spool, published.name));
        ZM_ASSERT_OK(zm_spool_unlink(spool, published.name));
    }
    apr_atomic_set32(&sweeper.stop, 1);
    apr_thread_join(&ignored, thread);
    free(text);
    zm_spool_close(sweeper.spool);
    apr_pool_destroy(sweeper.pool);
    zm_spool_close(spool);
}

static void unfinished_body_is_found_and_removed(void)
{
    zm_spool_t *spool = emulated_make();
    leave_unfinished("A/26");
    ZM_ASSERT_STR(emulated_check(spool, false), "stray-body=bodies/A/26 ");
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 1);
    emulated_check(spool, true);
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 0);
    zm_spool_close(spool);
}

/* It may be a message, if the database was taken from an older copy. */
static void stray_body_is_found_and_parked(void)
{
    zm_spool_t *spool = emulated_make();
    zm_object_t *object;
    char *data;
    apr_size_t length;
    emulated_publish(spool, "deferred", 200000);
    emulated_write_file(emulated_path("spool", "bodies/A/26"), "left by a crash", 15);
    ZM_ASSERT_STR(emulated_check(spool, false), "stray-body=bodies/A/26 ");
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 2);
    emulated_check(spool, true);
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 2);
    ZM_ASSERT_STR(emulated_check(spool, false), "");
    ZM_ASSERT_OK(zm_object_open(&object, spool, "postman/26:leftover", ZM_OBJECT_READ));
    ZM_ASSERT_OK(zm_object_read_all(object, &data, &length, 1000, zm_test_pool()));
    ZM_ASSERT_STR(data, "left by a crash");
    zm_object_close(object);
    emulated_recover(spool);
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 2);
    zm_spool_close(spool);
}

ZM_TESTS("spool emulated bodies", ZM_TEST(large_body_stays_for_its_readers),
         ZM_TEST(large_body_goes_with_its_last_name), ZM_TEST(large_object_is_changed_in_place),
         ZM_TEST(discarded_large_object_leaves_no_file),
         ZM_TEST(unfinished_files_are_swept_and_foreign_ones_left),
         ZM_TEST(lost_large_body_is_named_corrupt), ZM_TEST(cut_large_body_is_named_corrupt),
         ZM_TEST(large_control_file_without_body_is_made_again),
         ZM_TEST(number_of_a_stray_body_is_passed_over),
         ZM_TEST(body_is_unfinished_until_it_is_published),
         ZM_TEST(body_that_an_older_database_does_not_know_is_kept),
         ZM_TEST(body_that_is_being_made_is_not_swept),
         ZM_TEST(unfinished_body_is_found_and_removed), ZM_TEST(stray_body_is_found_and_parked))
