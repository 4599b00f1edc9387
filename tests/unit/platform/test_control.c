#include "platform/control.h"

#include "platform/child.h"
#include "tests/unit/harness.h"

static int seen[ZM_CONTROL_COUNT], calls;

static void on_control(zm_control_t event, void *baton)
{
    CU_ASSERT_PTR_EQUAL(baton, &calls);
    seen[event]++;
    calls++;
}

static void events_of_this_process_arrive_on_the_loop(void)
{
    zm_loop_t *loop;
    int event;
    memset(seen, 0, sizeof seen);
    calls = 0;
    ZM_ASSERT_OK(zm_loop_create(&loop, zm_test_pool()));
    ZM_ASSERT_OK(zm_control_listen(loop, on_control, &calls));
    CU_ASSERT_EQUAL(zm_control_listen(loop, on_control, &calls), ZM_E_BUSY);
    for (event = 0; event < ZM_CONTROL_COUNT; event++)
        ZM_ASSERT_OK(zm_control_send(zm_process_own(), false, (zm_control_t)event));
    while (calls < ZM_CONTROL_COUNT)
        ZM_ASSERT_OK(zm_loop_once(loop, apr_time_from_sec(10)));
    for (event = 0; event < ZM_CONTROL_COUNT; event++)
        CU_ASSERT_EQUAL(seen[event], 1);
}

static void another_loop_may_listen_when_the_first_has_gone(void)
{
    apr_pool_t *pool;
    zm_loop_t *loop;
    apr_pool_create(&pool, zm_test_pool());
    ZM_ASSERT_OK(zm_loop_create(&loop, pool));
    ZM_ASSERT_OK(zm_control_listen(loop, on_control, &calls));
    apr_pool_destroy(pool);
    events_of_this_process_arrive_on_the_loop();
}

static void strange_process_numbers_are_refused(void)
{
    CU_ASSERT_TRUE(zm_control_send(0, false, ZM_CONTROL_DUMP) != APR_SUCCESS);
    CU_ASSERT_TRUE(zm_control_send(-1, false, ZM_CONTROL_DUMP) != APR_SUCCESS);
    CU_ASSERT_TRUE(zm_control_send(1, true, ZM_CONTROL_DUMP) != APR_SUCCESS);
    CU_ASSERT_TRUE(zm_control_kill(((apr_int64_t)1 << 32) + 1, false) != APR_SUCCESS);
    CU_ASSERT_FALSE(zm_process_alive(0));
    CU_ASSERT_FALSE(zm_process_alive(-1));
    CU_ASSERT_TRUE(zm_process_alive(zm_process_own()));
}

static void names_are_those_of_the_commands(void)
{
    ZM_ASSERT_STR(zm_control_name(ZM_CONTROL_SLOW_STOP), "slow-stop");
    ZM_ASSERT_STR(zm_control_name(ZM_CONTROL_DUMP), "dump");
}

ZM_TESTS("control", ZM_TEST(events_of_this_process_arrive_on_the_loop),
         ZM_TEST(another_loop_may_listen_when_the_first_has_gone),
         ZM_TEST(strange_process_numbers_are_refused), ZM_TEST(names_are_those_of_the_commands))
