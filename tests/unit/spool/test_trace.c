/* Traces of submissions: made, appended to by whom the owner of the message lets, read, removed. */
#include <apr_strings.h>

#include "spool/trace.h"
#include "tests/unit/harness.h"
#include "tests/unit/spool/engines.h"

static const char *name_of(const char *leaf)
{
    return apr_pstrcat(zm_test_pool(), "public/", leaf, NULL);
}

static apr_status_t try_open(zm_spool_t *spool, const char *path, zm_uid_t owner)
{
    zm_object_t *trace;
    apr_status_t status = zm_spool_trace_open(&trace, spool, zm_str(path), owner);
    if (status == APR_SUCCESS)
        zm_object_close(trace);
    return status;
}

static void lines_of_others_reach_the_reader(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_spool_t *other = zm_test_spool_again(&test);
    char leaf[ZM_TRACE_LEAF_SIZE], buffer[100];
    apr_size_t length = sizeof buffer;
    zm_object_t *reader, *writer;
    ZM_ASSERT_OK(zm_spool_trace_make(leaf, test.spool, ZM_UID_NONE));
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "public", true), 1);
    ZM_ASSERT_OK(zm_spool_trace_read(&reader, test.spool, leaf));
    CU_ASSERT(APR_STATUS_IS_EOF(zm_object_read(reader, 0, buffer, &length)));
    ZM_ASSERT_OK(zm_spool_trace_open(&writer, other,
                                     zm_str(apr_pstrcat(zm_test_pool(), "../public/", leaf, NULL)),
                                     zm_identity_own().uid));
    zm_spool_trace_line(writer, ZM_S("on\te"));
    zm_spool_trace_line(writer, ZM_S("two\nscheduler done\r\x7f"));
    length = sizeof buffer;
    ZM_ASSERT_OK(zm_object_read(reader, 0, buffer, &length));
    ZM_ASSERT_STR(apr_pstrmemdup(zm_test_pool(), buffer, length), "on\te\ntwo?scheduler done??\n");
    zm_object_close(writer);
    zm_spool_trace_remove(test.spool, leaf);
    CU_ASSERT_EQUAL(zm_test_count(test.spool, "public", true), 0);
    CU_ASSERT(APR_STATUS_IS_ENOENT(try_open(other, leaf, zm_identity_own().uid)));
    zm_object_close(reader);
    zm_spool_close(other);
    zm_test_spool_end(&test);
}

static void only_a_trace_of_the_owner_is_written_to(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_uid_t own = zm_identity_own().uid;
    char leaf[ZM_TRACE_LEAF_SIZE];
    const char *message = zm_test_publish(test.spool, "public", 0, "no trace");
    ZM_ASSERT_OK(zm_spool_trace_make(leaf, test.spool, ZM_UID_NONE));
    ZM_ASSERT_OK(try_open(test.spool, leaf, own));
    CU_ASSERT_EQUAL(try_open(test.spool, leaf, own + 1), ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(try_open(test.spool, message, own), ZM_E_UNSAFE);
    ZM_ASSERT_OK(zm_spool_rename(test.spool, message, "public/v_ABCD-2"));
    CU_ASSERT_EQUAL(try_open(test.spool, "../public/v_ABCD-2", own), ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(try_open(test.spool, "", own), ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(try_open(test.spool, "../public/", own), ZM_E_UNSAFE);
    ZM_ASSERT_OK(zm_spool_link(test.spool, name_of(leaf), "public/v_ABCDEF"));
    CU_ASSERT_EQUAL(try_open(test.spool, leaf, own), ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(try_open(test.spool, "v_ABCDEF", own), ZM_E_UNSAFE);
    zm_test_spool_end(&test);
}

static void leaf_is_found_behind_the_last_slash(void)
{
    static const char *const none[] = {"",         "v_abc12",     "v_abc1234",  "v_abc12/",
                                       "x_abc123", "../v_abc12.", "a/v_ab\n23", "v_abc123/x"};
    apr_size_t i;
    for (i = 0; i < sizeof none / sizeof none[0]; i++)
        CU_ASSERT_EQUAL(zm_spool_trace_leaf(zm_str(none[i])).length, 0);
    CU_ASSERT(zm_str_equal_c(zm_spool_trace_leaf(ZM_S("../public/v_abc123")), "v_abc123"));
    CU_ASSERT(zm_str_equal_c(zm_spool_trace_leaf(ZM_S("v_ABC123")), "v_ABC123"));
    CU_ASSERT_EQUAL(zm_spool_trace_leaf(ZM_S("../public/v_abc\0d3")).length, 0);
}

ZM_TESTS("spool trace", ZM_TEST(lines_of_others_reach_the_reader),
         ZM_TEST(only_a_trace_of_the_owner_is_written_to),
         ZM_TEST(leaf_is_found_behind_the_last_slash))
