/* Objects that are open: what they keep, what changes under them, and locks. */
#include "tests/unit/harness.h"
#include "tests/unit/spool/engines.h"

static void open_object_survives_its_last_name(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *name = zm_test_publish(test.spool, "router", 0, "still here");
    zm_object_t *object;
    char *data;
    apr_size_t length;
    ZM_ASSERT_OK(zm_object_open(&object, test.spool, name, ZM_OBJECT_READ));
    ZM_ASSERT_OK(zm_spool_unlink(test.spool, name));
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "router", true), 0);
    ZM_ASSERT_OK(zm_object_read_all(object, &data, &length, 100, zm_test_pool()));
    ZM_ASSERT_STR(data, "still here");
    zm_object_close(object);
    zm_test_spool_end(&test);
}

static void overwrite_is_seen_by_another_handle_and_keeps_the_length(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *name = zm_test_publish(test.spool, "transport", 2, "r           local");
    zm_spool_t *other = zm_test_spool_again(&test);
    zm_object_t *writer, *reader;
    char buffer[8];
    apr_size_t length = 7;
    ZM_ASSERT_OK(zm_object_open(&writer, test.spool, name, ZM_OBJECT_UPDATE));
    ZM_ASSERT_OK(zm_object_open(&reader, other, name, ZM_OBJECT_READ));
    ZM_ASSERT_OK(zm_object_overwrite(writer, 1, "~ 12345", 7));
    ZM_ASSERT_OK(zm_object_read(reader, 1, buffer, &length));
    CU_ASSERT(length == 7 && memcmp(buffer, "~ 12345", 7) == 0);
    CU_ASSERT_EQUAL(zm_object_overwrite(writer, 16, "xy", 2), APR_EINVAL);
    CU_ASSERT_EQUAL(zm_object_overwrite(writer, UINT64_MAX, "xy", 2), APR_EINVAL);
    length = 1;
    CU_ASSERT(APR_STATUS_IS_EOF(zm_object_read(reader, 17, buffer, &length)));
    zm_object_close(writer);
    zm_object_close(reader);
    zm_spool_close(other);
    zm_test_spool_end(&test);
}

static void appended_text_follows_what_is_there(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *name = zm_test_publish(test.spool, "transport", 2, "m\n\n");
    zm_object_t *object;
    ZM_ASSERT_OK(zm_object_open(&object, test.spool, name, ZM_OBJECT_UPDATE));
    ZM_ASSERT_OK(zm_object_append(object, "d one\n", 6, false));
    ZM_ASSERT_OK(zm_object_append(object, "d two\n", 6, true));
    ZM_ASSERT_OK(zm_object_overwrite(object, 4, "+", 1));
    zm_object_close(object);
    ZM_ASSERT_STR(zm_test_contents(test.spool, name), "m\n\nd+one\nd two\n");
    zm_test_spool_end(&test);
}

static void byte_range_locks_exclude_other_handles_and_end_with_theirs(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *name = zm_test_publish(test.spool, "transport", 2, "0123456789");
    zm_object_t *one, *two;
    bool held = true;
    ZM_ASSERT_OK(zm_object_open(&one, test.spool, name, ZM_OBJECT_UPDATE));
    ZM_ASSERT_OK(zm_object_open(&two, test.spool, name, ZM_OBJECT_UPDATE));
    ZM_ASSERT_OK(zm_object_locked(&held, two, 1, 7));
    CU_ASSERT_FALSE(held);
    ZM_ASSERT_OK(zm_object_lock(one, 1, 7));
    CU_ASSERT_EQUAL(zm_object_lock(two, 7, 2), ZM_E_BUSY);
    ZM_ASSERT_OK(zm_object_lock(two, 8, 2));
    ZM_ASSERT_OK(zm_object_locked(&held, two, 1, 7));
    CU_ASSERT_TRUE(held);
    ZM_ASSERT_OK(zm_object_unlock(one, 1, 7));
    ZM_ASSERT_OK(zm_object_lock(two, 1, 7));
    zm_object_close(two);
    ZM_ASSERT_OK(zm_object_lock_whole(one, false));
    ZM_ASSERT_OK(zm_object_open(&two, test.spool, name, ZM_OBJECT_UPDATE));
    CU_ASSERT_EQUAL(zm_object_lock_whole(two, false), ZM_E_BUSY);
    zm_object_close(one);
    ZM_ASSERT_OK(zm_object_lock_whole(two, true));
    zm_object_close(two);
    zm_test_spool_end(&test);
}

/* Two places: one that the engine may have got by now, one that it has not. */
static void an_object_that_is_being_made_can_be_overwritten(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_create_options_t options = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = "router"};
    static char filling[100000];
    zm_published_t published;
    zm_object_t *object;
    char *data;
    apr_size_t length;
    memset(filling, 'x', sizeof filling);
    ZM_ASSERT_OK(zm_object_create(&object, test.spool, &options));
    ZM_ASSERT_OK(zm_object_write(object, "0123456789", 10));
    ZM_ASSERT_OK(zm_object_overwrite(object, 3, "abc", 3));
    ZM_ASSERT_OK(zm_object_write(object, filling, sizeof filling));
    ZM_ASSERT_OK(zm_object_write(object, "tail", 4));
    ZM_ASSERT_OK(zm_object_overwrite(object, 7, "def", 3));
    ZM_ASSERT_OK(zm_object_overwrite(object, 10 + sizeof filling, "T", 1));
    CU_ASSERT_EQUAL(zm_object_overwrite(object, 13 + sizeof filling, "xy", 2), APR_EINVAL);
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    ZM_ASSERT_OK(zm_object_open(&object, test.spool, published.name, ZM_OBJECT_READ));
    ZM_ASSERT_OK(zm_object_read_all(object, &data, &length, 200000, zm_test_pool()));
    CU_ASSERT_EQUAL(length, sizeof filling + 14);
    CU_ASSERT(memcmp(data, "012abc6def", 10) == 0);
    ZM_ASSERT_STR(data + 10 + sizeof filling, "Tail");
    zm_object_close(object);
    zm_test_spool_end(&test);
}

ZM_TESTS("spool handles " ZM_TEST_ENGINE, ZM_TEST(open_object_survives_its_last_name),
         ZM_TEST(overwrite_is_seen_by_another_handle_and_keeps_the_length),
         ZM_TEST(appended_text_follows_what_is_there),
         ZM_TEST(an_object_that_is_being_made_can_be_overwritten),
         ZM_TEST(byte_range_locks_exclude_other_handles_and_end_with_theirs))
