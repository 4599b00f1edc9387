/* Names: renamed, linked, refused; the identity of what they stand for. */
#include "tests/unit/harness.h"
#include "tests/unit/spool/engines.h"

static void rename_and_link_keep_identity(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *name = zm_test_publish(test.spool, "router", 0, "text");
    zm_object_info_t before, after;
    ZM_ASSERT_OK(zm_spool_info(&before, test.spool, name));
    ZM_ASSERT_OK(zm_spool_rename(test.spool, name, "queue/Q/R/77"));
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_spool_info(&after, test.spool, name)));
    ZM_ASSERT_OK(zm_spool_info(&after, test.spool, "queue/Q/R/77"));
    CU_ASSERT_EQUAL(after.id, before.id);
    CU_ASSERT_EQUAL(after.mtime_s, before.mtime_s);
    CU_ASSERT_EQUAL(after.mtime_ns, before.mtime_ns);
    ZM_ASSERT_OK(zm_spool_link(test.spool, "queue/Q/R/77", "postman/77:copy"));
    ZM_ASSERT_OK(zm_spool_info(&after, test.spool, "postman/77:copy"));
    CU_ASSERT_EQUAL(after.id, before.id);
    CU_ASSERT_EQUAL(after.links, 2);
    ZM_ASSERT_OK(zm_spool_unlink(test.spool, "queue/Q/R/77"));
    ZM_ASSERT_STR(zm_test_contents(test.spool, "postman/77:copy"), "text");
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "postman", false), 1);
    zm_test_spool_end(&test);
}

static void rename_and_link_never_overwrite(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *one = zm_test_publish(test.spool, "router", 0, "one");
    const char *two = zm_test_publish(test.spool, "queue", 2, "two");
    CU_ASSERT(APR_STATUS_IS_EEXIST(zm_spool_rename(test.spool, one, two)));
    CU_ASSERT(APR_STATUS_IS_EEXIST(zm_spool_link(test.spool, one, two)));
    ZM_ASSERT_STR(zm_test_contents(test.spool, one), "one");
    ZM_ASSERT_STR(zm_test_contents(test.spool, two), "two");
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_spool_rename(test.spool, "router/1", "router/2")));
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_spool_unlink(test.spool, "router/1")));
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_spool_link(test.spool, "router/1", "router/2")));
    zm_test_spool_end(&test);
}

static void live_objects_have_different_identities(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_object_info_t a, b;
    ZM_ASSERT_OK(zm_spool_info(&a, test.spool, zm_test_publish(test.spool, "router", 0, "a")));
    ZM_ASSERT_OK(zm_spool_info(&b, test.spool, zm_test_publish(test.spool, "router", 0, "b")));
    CU_ASSERT_NOT_EQUAL(a.id, b.id);
    zm_test_spool_end(&test);
}

static void hostile_names_are_refused(void)
{
    static const char *const names[] = {"../x",     "router/../queue/1", "/etc/passwd",
                                        "router",   "router/nul",        "router/a:b",
                                        "router/A", "router/1\\2",       ""};
    zm_test_spool_t test = zm_test_spool_begin();
    const char *good = zm_test_publish(test.spool, "router", 0, "x");
    zm_object_info_t info;
    zm_object_t *object;
    zm_listing_t *listing;
    apr_size_t i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        CU_ASSERT_EQUAL(zm_spool_info(&info, test.spool, names[i]), ZM_E_SYNTAX);
        CU_ASSERT_EQUAL(zm_spool_rename(test.spool, good, names[i]), ZM_E_SYNTAX);
        CU_ASSERT_EQUAL(zm_spool_link(test.spool, good, names[i]), ZM_E_SYNTAX);
        CU_ASSERT_EQUAL(zm_spool_unlink(test.spool, names[i]), ZM_E_SYNTAX);
        CU_ASSERT_EQUAL(zm_object_open(&object, test.spool, names[i], ZM_OBJECT_READ), ZM_E_SYNTAX);
    }
    CU_ASSERT_EQUAL(zm_spool_list(&listing, test.spool, "..", false, zm_test_pool()), ZM_E_SYNTAX);
    zm_test_spool_end(&test);
}

ZM_TESTS("spool names " ZM_TEST_ENGINE, ZM_TEST(rename_and_link_keep_identity),
         ZM_TEST(rename_and_link_never_overwrite), ZM_TEST(live_objects_have_different_identities),
         ZM_TEST(hostile_names_are_refused))
