#include "spool/layout.h"
#include "tests/unit/harness.h"

static void spool_ids_match_known_vectors(void)
{
    char id[ZM_SPOOL_ID_SIZE];
    zm_layout_spool_id(id, 11068789, 1795237187, 0);
    ZM_ASSERT_STR(id, "S11068789AbmKUE7r");
    zm_layout_spool_id(id, 12345, 1199243045, 0);
    ZM_ASSERT_STR(id, "S12345AbYABDEF");
    zm_layout_spool_id(id, 12345, 1199243045, 123456789);
    ZM_ASSERT_STR(id, "S12345AbYABDEFHW8wV");
    zm_layout_spool_id(id, 123456, 1700000000, 0);
    ZM_ASSERT_STR(id, "S123456AbjKNWNU");
    zm_layout_spool_id(id, 123456, 1700000000, 123456789);
    ZM_ASSERT_STR(id, "S123456AbjKNWNUHW8wV");
}

static void spool_id_of_the_largest_numbers_fits(void)
{
    char id[ZM_SPOOL_ID_SIZE];
    zm_layout_spool_id(id, UINT64_MAX, INT64_MAX, 999999999);
    CU_ASSERT_EQUAL(strlen(id), 1 + 20 + 8 + 5);
    zm_layout_spool_id(id, UINT64_MAX, INT64_MIN, 999999999);
    CU_ASSERT_EQUAL(strlen(id), 1 + 20 + 8 + 5);
}

static void spool_id_handles_leap_days_and_times_before_1970(void)
{
    char id[ZM_SPOOL_ID_SIZE];
    zm_layout_spool_id(id, 1, 951782400, 0); /* 2000-02-29 00:00:00 */
    ZM_ASSERT_STR(id, "S1AbQB2AAA");
    zm_layout_spool_id(id, 1, -1, 0); /* 1969-12-31 23:59:59 */
    ZM_ASSERT_STR(id, "S1AatLaX77");
}

static void hash_letters_follow_the_id(void)
{
    char prefix[ZM_HASH_PREFIX_SIZE];
    zm_layout_hash(prefix, 4711, 0);
    ZM_ASSERT_STR(prefix, "");
    zm_layout_hash(prefix, 4711, 1);
    ZM_ASSERT_STR(prefix, "F/");
    zm_layout_hash(prefix, 4711, 2);
    ZM_ASSERT_STR(prefix, "Z/F/");
    zm_layout_hash(prefix, UINT64_MAX, 2);
    CU_ASSERT_EQUAL(strlen(prefix), 4);
    ZM_ASSERT_STR(zm_layout_name(zm_test_pool(), "transport", 2, 4711), "transport/Z/F/4711");
}

static void names_are_taken_apart(void)
{
    zm_name_t name;
    ZM_ASSERT_OK(zm_layout_parse(&name, ZM_S("transport/A/B/4711")));
    CU_ASSERT(zm_str_equal_c(name.directory, "transport"));
    CU_ASSERT(zm_str_equal_c(name.prefix, "A/B/"));
    CU_ASSERT(zm_str_equal_c(name.leaf, "4711"));
    CU_ASSERT(name.numeric && name.id == 4711);
    ZM_ASSERT_OK(zm_layout_parse(&name, ZM_S("freezer/12policy-1")));
    CU_ASSERT(name.prefix.length == 0 && name.numeric && name.id == 12);
    ZM_ASSERT_OK(zm_layout_parse(&name, ZM_S("transport/Q/.12")));
    CU_ASSERT(!name.numeric && zm_str_equal_c(name.leaf, ".12"));
    ZM_ASSERT_OK(zm_layout_parse(&name, ZM_S("queue/18446744073709551615")));
    CU_ASSERT(name.id == UINT64_MAX);
    ZM_ASSERT_OK(zm_layout_parse(&name, ZM_S("queue/99999999999999999999999")));
    CU_ASSERT(name.numeric && name.id == UINT64_MAX);
    ZM_ASSERT_OK(zm_layout_parse(&name, ZM_S("postman/4711:orphan")));
    ZM_ASSERT_OK(zm_layout_parse(&name, ZM_S("public/mx.example.org:123")));
}

static void hostile_names_are_refused(void)
{
    static const zm_str_t names[] = {
        ZM_STR(""),
        ZM_STR("4711"),
        ZM_STR("/etc/passwd"),
        ZM_STR("queue/"),
        ZM_STR("queue"),
        ZM_STR("queue//1"),
        ZM_STR("queue/../1"),
        ZM_STR("queue/.."),
        ZM_STR("queue/."),
        ZM_STR("../queue/1"),
        ZM_STR("./1"),
        ZM_STR("queue/a/1"),
        ZM_STR("queue/AB/1"),
        ZM_STR("queue/A/"),
        ZM_STR("queue/A"),
        ZM_STR("queue/A/B"),
        ZM_STR("queue/1\0"),
        ZM_STR("queue/1\n"),
        ZM_STR("queue/1\\2"),
        ZM_STR("queue/1:2"),
        ZM_STR("queue/nul"),
        ZM_STR("queue/COM1"),
        ZM_STR("queue/lpt9.txt"),
        ZM_STR("queue/Aux.h"),
        ZM_STR("queue/conin$"),
        ZM_STR("queue/1."),
        ZM_STR("queue/1 "),
        ZM_STR("queue/1*"),
        ZM_STR("queue/1?"),
        ZM_STR("queue/<1>"),
        ZM_STR("queue/\"1\""),
        ZM_STR("queue/1|2"),
        ZM_STR("con/1"),
        ZM_STR("que:ue/1"),
        ZM_STR(".hidden/1"),
        ZM_STR("A/1"),
        ZM_STR("queue/A/A/A/A/A/A/A/A/A/1"),
    };
    zm_name_t name;
    apr_size_t i;
    char longest[300];
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (zm_layout_parse(&name, names[i]) == APR_SUCCESS)
            CU_FAIL(names[i].data);
    memset(longest, '1', sizeof longest);
    memcpy(longest, "queue/", 6);
    CU_ASSERT_EQUAL(zm_layout_parse(&name, zm_str_of(longest, 6 + 255)), APR_SUCCESS);
    CU_ASSERT_NOT_EQUAL(zm_layout_parse(&name, zm_str_of(longest, 6 + 256)), APR_SUCCESS);
}

ZM_TESTS("spool layout", ZM_TEST(spool_ids_match_known_vectors),
         ZM_TEST(spool_id_of_the_largest_numbers_fits),
         ZM_TEST(spool_id_handles_leap_days_and_times_before_1970),
         ZM_TEST(hash_letters_follow_the_id), ZM_TEST(names_are_taken_apart),
         ZM_TEST(hostile_names_are_refused))
