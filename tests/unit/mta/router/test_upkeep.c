#include "mta/router/upkeep.h"

#include <apr_strings.h>

#include "platform/clock.h"
#include "tests/unit/harness.h"

#define SECOND apr_time_from_sec(1)
#define DAY apr_time_from_sec(86400)

static zm_loop_t *loop;
static zm_spool_t *spool;
static zm_zenv_t *zenv;
static zm_counters_t *counters;
static router_upkeep_t *upkeep;

static void begin(const char *variables)
{
    apr_pool_t *pool = zm_test_pool();
    zm_spool_options_t options = {.location = "memory:upkeep", .create = true};
    zm_error_t error = {0};
    zm_clock_freeze(apr_time_from_sec(1800000000), SECOND);
    ZM_ASSERT_OK(zm_loop_create(&loop, pool));
    options.loop = loop;
    ZM_ASSERT_OK(zm_spool_open(&spool, &options, pool, &error));
    ZM_ASSERT_OK(
        zm_zenv_parse(&zenv, zm_str(variables), "test.conf", "/nowhere", NULL, pool, &error));
    zm_zenv_set(zenv, "SNMPSHAREDFILE", apr_pstrcat(pool, zm_test_directory(), "/counters", NULL));
    counters = zm_counters_open(zenv, true, pool);
    upkeep = NULL;
}

static apr_status_t start(void)
{
    zm_error_t error = {0};
    return router_upkeep_start(&upkeep, spool, loop, zenv, counters, zm_test_pool(), &error);
}

static void end(void)
{
    router_upkeep_stop(upkeep);
    zm_spool_close(spool);
    zm_clock_thaw();
}

static uint64_t plant(const char *directory, const char *suffix)
{
    zm_create_options_t options = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = directory, .suffix = suffix};
    zm_published_t published;
    zm_object_t *object;
    ZM_ASSERT_OK(zm_object_create(&object, spool, &options));
    ZM_ASSERT_OK(zm_object_write(object, "x", 1));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    return published.info.id;
}

static const char *name_of(const char *directory, uint64_t id, const char *suffix)
{
    return apr_psprintf(zm_test_pool(), "%s/%" APR_UINT64_T_FMT "%s", directory, id, suffix);
}

static bool there(const char *name)
{
    zm_object_info_t info;
    return zm_spool_info(&info, spool, name) == APR_SUCCESS;
}

/* Some time passes, and what is due by then is done. */
static void pass(apr_interval_time_t time)
{
    int i;
    zm_clock_advance(time);
    for (i = 0; i < 20; i++)
        (void)zm_loop_once(loop, 0);
}

static void deferred_mail_is_routed_again_ever_less_often(void)
{
    const char *deferred, *routed;
    uint64_t id;
    begin("RESUBMIT_INTERVAL=60\n");
    id = plant("deferred", ".deferred");
    deferred = name_of("deferred", id, ".deferred");
    routed = name_of("router", id, ".deferred");
    ZM_ASSERT_OK(start());
    pass(0);
    CU_ASSERT_TRUE(there(deferred));
    CU_ASSERT_EQUAL(zm_counter_get(counters, ZM_COUNT_RT_DeferredMessages_G), 1);
    pass(61 * SECOND);
    CU_ASSERT_TRUE(there(routed));
    ZM_ASSERT_OK(zm_spool_rename(spool, routed, deferred)); /* in vain */
    pass(61 * SECOND);
    CU_ASSERT_TRUE(there(deferred));
    pass(61 * SECOND);
    CU_ASSERT_TRUE(there(routed));
    CU_ASSERT_EQUAL(zm_counter_get(counters, ZM_COUNT_RT_ResubmittedMessages), 2);
    pass(61 * SECOND);
    CU_ASSERT_EQUAL(zm_counter_get(counters, ZM_COUNT_RT_DeferredMessages_G), 0);
    ZM_ASSERT_OK(zm_spool_unlink(spool, routed));
    end();
}

static void an_interval_of_nothing_turns_it_off(void)
{
    const char *deferred;
    begin("RESUBMIT_INTERVAL=0\nCLEANUP_INTERVAL=0\n");
    deferred = name_of("deferred", plant("deferred", ".deferred"), ".deferred");
    ZM_ASSERT_OK(start());
    pass(100 * DAY);
    CU_ASSERT_TRUE(there(deferred));
    ZM_ASSERT_OK(zm_spool_unlink(spool, deferred));
    end();
}

static void leftovers_go_when_they_are_old_enough(void)
{
    const char *copy, *only, *scratch;
    begin("ONLY_COPY_LIFETIME=20d\n");
    copy = name_of("postman", plant("postman", "._badheader"), "._badheader");
    only = name_of("postman", plant("postman", ".noerraddr"), ".noerraddr");
    scratch = name_of("public", plant("public", ".x"), ".x");
    ZM_ASSERT_OK(start());
    pass(601 * SECOND);
    CU_ASSERT_TRUE(there(copy) && there(only) && there(scratch));
    pass(3 * DAY);
    CU_ASSERT_TRUE(there(copy) && there(only) && !there(scratch));
    pass(7 * DAY);
    CU_ASSERT_TRUE(!there(copy) && there(only));
    pass(12 * DAY);
    CU_ASSERT_FALSE(there(only));
    end();
}

static void an_interval_that_is_none_is_told(void)
{
    begin("ONLY_COPY_LIFETIME=soon\n");
    CU_ASSERT_NOT_EQUAL(start(), APR_SUCCESS);
    end();
    begin("RESUBMIT_INTERVAL=often\n");
    CU_ASSERT_NOT_EQUAL(start(), APR_SUCCESS);
    end();
}

ZM_TESTS("router_upkeep", ZM_TEST(deferred_mail_is_routed_again_ever_less_often),
         ZM_TEST(an_interval_of_nothing_turns_it_off),
         ZM_TEST(leftovers_go_when_they_are_old_enough), ZM_TEST(an_interval_that_is_none_is_told))
