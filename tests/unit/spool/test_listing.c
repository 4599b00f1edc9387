/* What there is, and what has come: listings, watches, space. */
#include "tests/unit/harness.h"
#include "tests/unit/spool/engines.h"

static void listing_goes_into_hash_directories_and_hides_dot_names(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *name;
    int i;
    for (i = 0; i < 60; i++)
        zm_test_publish(test.spool, "queue", i % 3, "x");
    name = zm_test_publish(test.spool, "queue", 2, "hidden");
    ZM_ASSERT_OK(zm_spool_rename(test.spool, name, "queue/B/.17"));
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "queue", false), 60);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "queue", true), 61);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "transport", true), 0);
    zm_test_spool_end(&test);
}

typedef struct seen_t {
    const char *wanted;
    bool found, rescan;
} seen_t;

static void note_name(const char *name, void *baton)
{
    seen_t *seen = baton;
    if (name == NULL)
        seen->rescan = true;
    else if (strcmp(name, seen->wanted) == 0)
        seen->found = true;
}

static void watch_tells_new_names(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_spool_watch_t *watch;
    seen_t seen = {.wanted = "router/Q/99"};
    const char *name = zm_test_publish(test.spool, "queue", 0, "x");
    ZM_ASSERT_OK(zm_spool_watch(&watch, test.spool, "router", test.loop, note_name, &seen));
    ZM_ASSERT_OK(zm_spool_rename(test.spool, name, "router/Q/99"));
    while (!seen.found && !seen.rescan)
        ZM_ASSERT_OK(zm_loop_once(test.loop, -1));
    seen = (seen_t){.wanted = "router/Q/100"};
    ZM_ASSERT_OK(zm_spool_rename(test.spool, "router/Q/99", "router/Q/100"));
    while (!seen.found && !seen.rescan)
        ZM_ASSERT_OK(zm_loop_once(test.loop, -1));
    zm_spool_watch_close(watch);
    ZM_ASSERT_OK(zm_spool_rename(test.spool, "router/Q/100", "router/Q/101"));
    ZM_ASSERT_OK(zm_loop_once(test.loop, 0));
    zm_test_spool_end(&test);
}

static void free_space_is_known(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    uint64_t bytes = 0, objects = 0;
    ZM_ASSERT_OK(zm_spool_free_space(test.spool, &bytes, &objects));
    CU_ASSERT(bytes > 0 && objects > 0);
    ZM_ASSERT_OK(zm_spool_sync_names(test.spool, "queue"));
    ZM_ASSERT_STR(zm_spool_engine_name(test.spool), zm_test_engine);
    zm_test_spool_end(&test);
}

ZM_TESTS("spool listing " ZM_TEST_ENGINE,
         ZM_TEST(listing_goes_into_hash_directories_and_hides_dot_names),
         ZM_TEST(watch_tells_new_names), ZM_TEST(free_space_is_known))
