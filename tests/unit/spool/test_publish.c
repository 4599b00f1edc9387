/* What is published is whole, and nothing else is there: alone, in groups, beside others. */
#include <apr_thread_proc.h>
#include <stdlib.h>

#include "spool/layout.h"
#include "tests/unit/harness.h"
#include "tests/unit/spool/engines.h"

static void published_object_is_whole_and_named_by_its_identity(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_create_options_t options = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = "router"};
    zm_published_t published;
    zm_object_info_t info;
    zm_object_t *object;
    zm_name_t parts;
    ZM_ASSERT_OK(zm_object_create(&object, test.spool, &options));
    ZM_ASSERT_OK(zm_object_write(object, "to bob\n", 7));
    ZM_ASSERT_OK(zm_object_write(object, "\nbody\n", 6));
    CU_ASSERT_EQUAL(zm_object_written(object), 13);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "router", true), 0);
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    ZM_ASSERT_OK(zm_layout_parse(&parts, zm_str(published.name)));
    CU_ASSERT_EQUAL(parts.id, published.info.id);
    CU_ASSERT_EQUAL(published.info.size, 13);
    CU_ASSERT(published.info.mtime_s > 1700000000);
    ZM_ASSERT_STR(zm_test_contents(test.spool, published.name), "to bob\n\nbody\n");
    ZM_ASSERT_OK(zm_spool_info(&info, test.spool, published.name));
    CU_ASSERT_EQUAL(info.id, published.info.id);
    CU_ASSERT_EQUAL(info.links, 1);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "router", true), 1);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "public", true), 0);
    zm_test_spool_end(&test);
}

static void identity_is_known_before_publishing_and_stays(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_object_t *object = zm_test_create(test.spool, "public", NULL);
    zm_target_t target = {.directory = "router"};
    zm_object_info_t info;
    zm_published_t published;
    ZM_ASSERT_OK(zm_object_write(object, "abc", 3));
    ZM_ASSERT_OK(zm_object_info(&info, object));
    CU_ASSERT_EQUAL(info.size, 3);
    ZM_ASSERT_OK(zm_object_write(object, "def", 3));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    CU_ASSERT_EQUAL(published.info.id, info.id);
    ZM_ASSERT_STR(zm_test_contents(test.spool, published.name), "abcdef");
    zm_test_spool_end(&test);
}

typedef struct results_t {
    int good, bad, early;
    bool returned;
    apr_status_t last;
} results_t;

static void note_result(apr_status_t status, const zm_published_t *published, void *baton)
{
    results_t *results = baton;
    results->early += !results->returned;
    results->last = status;
    if (status == APR_SUCCESS && published->info.id != 0)
        results->good++;
    else
        results->bad++;
}

static void asynchronous_publishes_answer_on_the_loop(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_target_t target = {.directory = "router", .hash_levels = 1, .make_hash = true};
    results_t results = {0};
    zm_spool_figures_t figures;
    static char text[20000]; /* so that a group is more than the system takes in one piece */
    int i;
    for (i = 0; i < 100; i++) {
        zm_object_t *object = zm_test_create(test.spool, "public", NULL);
        ZM_ASSERT_OK(zm_object_write(object, text, sizeof text));
        zm_object_publish(object, &target, note_result, &results);
    }
    CU_ASSERT_EQUAL(results.good + results.bad, 0);
    results.returned = true;
    while (results.good + results.bad < 100)
        ZM_ASSERT_OK(zm_loop_once(test.loop, -1));
    CU_ASSERT_EQUAL(results.good, 100);
    CU_ASSERT_EQUAL(results.early, 0);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "router", false), 100);
    zm_spool_figures(&figures, test.spool);
    CU_ASSERT_EQUAL(figures.publishes, 100);
    CU_ASSERT_EQUAL(figures.publish_failures, 0);
    zm_test_spool_end(&test);
}

static void closing_waits_for_publishes_under_way(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_target_t target = {.directory = "router"};
    results_t results = {.returned = true};
    int i;
    for (i = 0; i < 20; i++)
        zm_object_publish(zm_test_create(test.spool, "public", NULL), &target, note_result,
                          &results);
    zm_test_spool_end(&test);
    CU_ASSERT_EQUAL(results.good, 20);
    ZM_ASSERT_OK(zm_loop_once(test.loop, 0)); /* a post may be left: it must find nothing */
}

static void failing_publish_leaves_nothing(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_target_t nowhere = {.directory = "nowhere"}, evil = {.directory = "../router"};
    zm_target_t bad_suffix = {.directory = "router", .suffix = "/x"};
    zm_object_t *object = zm_test_create(test.spool, "public", NULL);
    results_t results = {0};
    ZM_ASSERT_OK(zm_object_write(object, "abc", 3));
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_object_publish_wait(object, &nowhere, NULL, zm_test_pool())));
    object = zm_test_create(test.spool, "public", NULL);
    ZM_ASSERT_OK(zm_object_flush(object));
    CU_ASSERT_EQUAL(zm_object_publish_wait(object, &evil, NULL, zm_test_pool()), ZM_E_SYNTAX);
    zm_object_publish(zm_test_create(test.spool, "public", NULL), &bad_suffix, note_result,
                      &results);
    results.returned = true;
    while (results.bad == 0)
        ZM_ASSERT_OK(zm_loop_once(test.loop, -1));
    CU_ASSERT_EQUAL(results.early, 0);
    CU_ASSERT_EQUAL(results.last, ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "public", true), 0);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "router", true), 0);
    zm_test_spool_end(&test);
}

static void discarded_object_leaves_nothing(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_object_t *object = zm_test_create(test.spool, "public", NULL);
    zm_object_discard(object);
    object = zm_test_create(test.spool, "public", NULL);
    ZM_ASSERT_OK(zm_object_flush(object));
    zm_object_discard(object);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "public", true), 0);
    zm_test_spool_end(&test);
}

static void taken_name_is_never_overwritten(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *first = zm_test_publish(test.spool, "router", 0, "first");
    zm_object_t *object = zm_test_create(test.spool, "public", NULL);
    zm_target_t target = {.directory = "router"};
    zm_object_info_t info;
    zm_published_t published;
    const char *taken;
    ZM_ASSERT_OK(zm_object_write(object, "second", 6));
    ZM_ASSERT_OK(zm_object_info(&info, object));
    taken = zm_layout_name(zm_test_pool(), "router", 0, info.id);
    ZM_ASSERT_OK(zm_spool_rename(test.spool, first, taken));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    CU_ASSERT_NOT_EQUAL(published.info.id, info.id);
    CU_ASSERT_EQUAL(published.info.mtime_s, info.mtime_s);
    CU_ASSERT_EQUAL(published.info.mtime_ns, info.mtime_ns);
    ZM_ASSERT_STR(zm_test_contents(test.spool, taken), "first");
    ZM_ASSERT_STR(zm_test_contents(test.spool, published.name), "second");
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "public", true), 0);
    zm_test_spool_end(&test);
}

static void control_file_takes_the_name_of_its_message(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_object_t *object = zm_test_create(test.spool, "transport/Z/F", ".4711");
    zm_target_t target = {.directory = "transport", .hash_levels = 2, .id = 4711, .unsynced = true};
    zm_published_t published;
    ZM_ASSERT_OK(zm_object_write(object, "control", 7));
    ZM_ASSERT_OK(zm_object_flush(object));
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "transport", false), 0);
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    ZM_ASSERT_STR(published.name, "transport/Z/F/4711");
    object = zm_test_create(test.spool, "transport/Z/F", ".4711");
    CU_ASSERT(APR_STATUS_IS_EEXIST(zm_object_publish_wait(object, &target, NULL, zm_test_pool())));
    ZM_ASSERT_STR(zm_test_contents(test.spool, "transport/Z/F/4711"), "control");
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "transport", true), 1);
    zm_test_spool_end(&test);
}

static void message_moves_with_its_control_file(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *message = zm_test_publish(test.spool, "router", 0, "message");
    zm_target_t target = {.directory = "transport",
                          .hash_levels = 2,
                          .make_hash = true,
                          .id = 4711,
                          .unsynced = true,
                          .companion = message,
                          .companion_target = "queue/Z/F/4711"};
    ZM_ASSERT_OK(zm_object_publish_wait(zm_test_create(test.spool, "transport", ".4711"), &target,
                                        NULL, zm_test_pool()));
    ZM_ASSERT_STR(zm_test_contents(test.spool, "queue/Z/F/4711"), "message");
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "router", true), 0);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "transport", true), 1);
    /* The control file's name is taken: the message stays. */
    message = zm_test_publish(test.spool, "router", 0, "second");
    target.companion = message;
    target.companion_target = "queue/A/A/1";
    CU_ASSERT(APR_STATUS_IS_EEXIST(zm_object_publish_wait(
        zm_test_create(test.spool, "transport", ".4711"), &target, NULL, zm_test_pool())));
    ZM_ASSERT_STR(zm_test_contents(test.spool, message), "second");
    /* The message's name is taken, or it has gone: no control file. */
    target.id = 4712;
    target.companion_target = "queue/Z/F/4711";
    CU_ASSERT(APR_STATUS_IS_EEXIST(zm_object_publish_wait(
        zm_test_create(test.spool, "transport", ".4712"), &target, NULL, zm_test_pool())));
    target.companion = "router/1";
    target.companion_target = "queue/A/A/1";
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_object_publish_wait(
        zm_test_create(test.spool, "transport", ".4712"), &target, NULL, zm_test_pool())));
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "transport", true), 1);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "queue", true), 1);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "router", true), 1);
    zm_test_spool_end(&test);
}

static void pair_is_removed(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *one = zm_test_publish(test.spool, "queue", 2, "one");
    const char *two = zm_test_publish(test.spool, "transport", 2, "two");
    ZM_ASSERT_OK(zm_spool_unlink_pair(test.spool, one, two));
    ZM_ASSERT_OK(zm_spool_unlink_pair(test.spool, one, two));
    two = zm_test_publish(test.spool, "transport", 2, "two");
    ZM_ASSERT_OK(zm_spool_unlink_pair(test.spool, one, two));
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "queue", true), 0);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "transport", true), 0);
    CU_ASSERT_EQUAL(zm_spool_unlink_pair(test.spool, "../x", two), ZM_E_SYNTAX);
    zm_test_spool_end(&test);
}

static void many_pairs_are_removed_at_once(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *names[2 * 21];
    int i, pairs = 21;
    for (i = 0; i < pairs; i++) {
        names[2 * i] = zm_test_publish(test.spool, "queue", 2, "message");
        names[2 * i + 1] = zm_test_publish(test.spool, "transport", 2, "control file");
    }
    ZM_ASSERT_OK(zm_spool_unlink(test.spool, names[6]));
    ZM_ASSERT_OK(zm_spool_unlink(test.spool, names[9]));
    ZM_ASSERT_OK(zm_spool_unlink_pairs(test.spool, names, pairs - 1));
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "queue", true), 1);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "transport", true), 1);
    names[3] = "../x";
    CU_ASSERT_EQUAL(zm_spool_unlink_pairs(test.spool, names, pairs), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "queue", true), 1);
    zm_test_spool_end(&test);
}

static void rewinding_replaces_a_preamble(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_object_t *object = zm_test_create(test.spool, "public", NULL);
    zm_target_t target = {.directory = "router"};
    zm_published_t published;
    ZM_ASSERT_OK(zm_object_write(object, "preamble", 8));
    ZM_ASSERT_OK(zm_object_rewind(object, 3));
    ZM_ASSERT_OK(zm_object_write(object, "XY", 2));
    ZM_ASSERT_OK(zm_object_flush(object));
    ZM_ASSERT_OK(zm_object_write(object, "tail", 4));
    ZM_ASSERT_OK(zm_object_rewind(object, 4));
    CU_ASSERT_EQUAL(zm_object_written(object), 4);
    CU_ASSERT_EQUAL(zm_object_rewind(object, 5), APR_EINVAL);
    ZM_ASSERT_OK(zm_object_write(object, "Z", 1));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    ZM_ASSERT_STR(zm_test_contents(test.spool, published.name), "preXZ");
    zm_test_spool_end(&test);
}

static void large_object_passes_through(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_object_t *object = zm_test_create(test.spool, "public", NULL);
    zm_target_t target = {.directory = "router"};
    zm_published_t published;
    apr_size_t size = 3000001, at, piece, length;
    char *data = malloc(size), *back;
    for (at = 0; at < size; at++)
        data[at] = (char)(at * 7 / 5);
    for (at = 0, piece = 1; at < size; at += piece, piece = piece * 3 % 200003) {
        if (piece > size - at)
            piece = size - at;
        ZM_ASSERT_OK(zm_object_write(object, data + at, piece));
    }
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    CU_ASSERT_EQUAL(published.info.size, size);
    ZM_ASSERT_OK(zm_object_open(&object, test.spool, published.name, ZM_OBJECT_READ));
    CU_ASSERT_EQUAL(zm_object_read_all(object, &back, &length, size - 1, zm_test_pool()),
                    ZM_E_LIMIT);
    ZM_ASSERT_OK(zm_object_read_all(object, &back, &length, size, zm_test_pool()));
    CU_ASSERT(length == size && memcmp(back, data, size) == 0);
    zm_object_close(object);
    free(data);
    zm_test_spool_end(&test);
}

static void *APR_THREAD_FUNC publish_many(apr_thread_t *thread, void *baton)
{
    zm_spool_t *spool = baton;
    zm_create_options_t options = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = "router", .hash_levels = 1, .make_hash = true};
    apr_status_t status = APR_SUCCESS;
    int i;
    for (i = 0; i < 25 && status == APR_SUCCESS; i++) {
        zm_object_t *object;
        status = zm_object_create(&object, spool, &options);
        if (status == APR_SUCCESS)
            status = zm_object_write(object, "concurrent", 10);
        if (status == APR_SUCCESS)
            status = zm_object_publish_wait(object, &target, NULL, NULL);
    }
    apr_thread_exit(thread, status);
    return NULL;
}

static void concurrent_publishers_share_one_spool(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    apr_thread_t *threads[8];
    int i;
    for (i = 0; i < 8; i++)
        ZM_ASSERT_OK(
            apr_thread_create(&threads[i], NULL, publish_many, test.spool, zm_test_pool()));
    for (i = 0; i < 8; i++) {
        apr_status_t status;
        ZM_ASSERT_OK(apr_thread_join(&status, threads[i]));
        ZM_ASSERT_OK(status);
    }
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "router", false), 200);
    zm_test_spool_end(&test);
}

static void *APR_THREAD_FUNC wait_for_many(apr_thread_t *thread, void *baton)
{
    zm_create_options_t options = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = "router"};
    apr_status_t status = APR_SUCCESS;
    int i;
    for (i = 0; i < 25 && status == APR_SUCCESS; i++) {
        zm_object_t *object;
        status = zm_object_create(&object, baton, &options);
        if (status == APR_SUCCESS)
            status = zm_object_publish_wait(object, &target, NULL, NULL);
    }
    apr_thread_exit(thread, status);
    return NULL;
}

/* One sync of the directory may serve both kinds, done by a thread of either. */
static void publishers_that_wait_and_that_do_not_share_a_directory(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_target_t target = {.directory = "router"};
    results_t results = {.returned = true};
    apr_thread_t *threads[4];
    apr_status_t status;
    int i;
    for (i = 0; i < 4; i++)
        ZM_ASSERT_OK(
            apr_thread_create(&threads[i], NULL, wait_for_many, test.spool, zm_test_pool()));
    for (i = 0; i < 200; i++)
        zm_object_publish(zm_test_create(test.spool, "public", NULL), &target, note_result,
                          &results);
    while (results.good + results.bad < 200)
        ZM_ASSERT_OK(zm_loop_once(test.loop, -1));
    for (i = 0; i < 4; i++) {
        ZM_ASSERT_OK(apr_thread_join(&status, threads[i]));
        ZM_ASSERT_OK(status);
    }
    CU_ASSERT_EQUAL(results.good, 200);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "router", false), 300);
    zm_test_spool_end(&test);
}

ZM_TESTS("spool publish " ZM_TEST_ENGINE,
         ZM_TEST(published_object_is_whole_and_named_by_its_identity),
         ZM_TEST(identity_is_known_before_publishing_and_stays),
         ZM_TEST(asynchronous_publishes_answer_on_the_loop),
         ZM_TEST(closing_waits_for_publishes_under_way), ZM_TEST(failing_publish_leaves_nothing),
         ZM_TEST(discarded_object_leaves_nothing), ZM_TEST(taken_name_is_never_overwritten),
         ZM_TEST(control_file_takes_the_name_of_its_message),
         ZM_TEST(message_moves_with_its_control_file), ZM_TEST(pair_is_removed),
         ZM_TEST(many_pairs_are_removed_at_once), ZM_TEST(rewinding_replaces_a_preamble),
         ZM_TEST(large_object_passes_through), ZM_TEST(concurrent_publishers_share_one_spool),
         ZM_TEST(publishers_that_wait_and_that_do_not_share_a_directory))
