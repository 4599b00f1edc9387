#include "mta/scheduler/dispatch.h"
#include "mta/scheduler/rate.h"
#include "mta/scheduler/shape.h"
#include <stdio.h>

#include "tests/unit/harness.h"
#include "tests/unit/mta/scheduler/world.h"

#define BASE                                                                                       \
    "*/* interval=10s retries=\"1\" skew=1 expiry=3d idlemax=1h ageorder overfeed=9 maxring=5 "
#define CLAUSE "\nsmtp/* command=smtp\n"

static void say(world_t *world, int agent, uint64_t id, const char *result)
{
    char line[200];
    snprintf(line, sizeof line, "%llu/100\t\t%s", (unsigned long long)id, result);
    world_say(world, agent, line);
}

/* Agent 0 has just been fed id: all is well with it. */
static void done(world_t *world, uint64_t id)
{
    say(world, 0, id, "ok3");
    world_say(world, 0, "#hungry");
}

static const char *pending(world_t *world, const char *host)
{
    return zm_pending_name(zm_thread_pending(world->scheduler, world_thread(world, "smtp", host)));
}

static void rates_and_replies_are_parsed(void)
{
    zm_rate_t rate;
    const zm_suspend_t *list;
    zm_error_t error;
    zm_buf_t text = ZM_BUF_INIT;
    int count;
    ZM_ASSERT_OK(zm_rate_parse(&rate, zm_str("60/1h30m")));
    CU_ASSERT_EQUAL(rate.count, 60);
    CU_ASSERT_EQUAL(rate.period, 5400);
    ZM_ASSERT_OK(zm_rate_parse(&rate, zm_str("0")));
    CU_ASSERT_EQUAL(rate.count, 0);
    CU_ASSERT_EQUAL(zm_rate_parse(&rate, zm_str("60")), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_rate_parse(&rate, zm_str("0/1m")), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_rate_parse(&rate, zm_str("5/0")), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_rate_parse(&rate, zm_str("x/1m")), ZM_E_SYNTAX);
    ZM_ASSERT_OK(
        zm_suspend_parse(&list, &count, zm_str("*a=b*=15m; *4.7.0*=1h;"), zm_test_pool(), &error));
    CU_ASSERT_EQUAL(count, 2);
    zm_suspend_print(&text, list, count);
    ZM_ASSERT_STR(zm_buf_c(&text), "*a=b*=15m; *4.7.0*=1h");
    zm_buf_free(&text);
    CU_ASSERT_EQUAL(zm_suspend_parse(&list, &count, zm_str("*x*"), zm_test_pool(), &error),
                    ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_suspend_parse(&list, &count, zm_str("=5m"), zm_test_pool(), &error),
                    ZM_E_SYNTAX);
}

static void messages_to_a_destination_keep_to_its_rate(void)
{
    world_t *world = world_open(BASE "ratethr=2/1m" CLAUSE);
    uint64_t i;
    for (i = 1; i <= 5; i++)
        world_add(world, i, (int64_t)i, "", "smtp/a");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "1\ta\n");
    done(world, 1);
    ZM_ASSERT_STR(world_sent(world, 0), "2\ta\n");
    done(world, 2);
    ZM_ASSERT_STR(world_sent(world, 0), "#idle\n");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(pending(world, "a"), ">RateThread");
    world_add(world, 6, 6, "", "smtp/a"); /* does not break it */
    world_add(world, 7, 7, "", "smtp/b"); /* is not held up */
    ZM_ASSERT_STR(world_sent(world, 0), "7\tb\n");
    done(world, 7);
    world_sent(world, 0);
    world_say(world, 0, "#hungry");
    world_pass(world, 59);
    ZM_ASSERT_STR(world_sent(world, 0), "");
    world_pass(world, 1);
    ZM_ASSERT_STR(world_sent(world, 0), "3\ta\n");
    world_close(world);
}

static void rate_outlives_the_thread(void)
{
    world_t *world = world_open(BASE "ratethr=1/1m" CLAUSE);
    world_add(world, 1, 0, "", "smtp/a");
    world_say(world, 0, "#hungry");
    world_sent(world, 0);
    done(world, 1);
    CU_ASSERT_PTR_NULL(world_thread(world, "smtp", "a"));
    world_sent(world, 0);
    world_say(world, 0, "#hungry");
    world_pass(world, 20);
    world_add(world, 2, 0, "", "smtp/a");
    ZM_ASSERT_STR(world_sent(world, 0), "");
    world_pass(world, 40);
    ZM_ASSERT_STR(world_sent(world, 0), "2\ta\n");
    done(world, 2);
    world_pass(world, 70);
    CU_ASSERT_EQUAL(world->scheduler->shapes.count, 0);
    world_close(world);
}

static void clause_keeps_to_its_rate_over_all_hosts(void)
{
    world_t *world = world_open(BASE "ratering=2/1m maxring=1" CLAUSE);
    world_add(world, 1, 1, "", "smtp/a");
    world_add(world, 2, 2, "", "smtp/b");
    world_add(world, 3, 3, "", "smtp/c");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "1\ta\n");
    done(world, 1);
    ZM_ASSERT_STR(world_sent(world, 0), "2\tb\n");
    done(world, 2);
    ZM_ASSERT_STR(world_sent(world, 0), "#idle\n");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(pending(world, "c"), ">RateRing");
    world_pass(world, 60);
    ZM_ASSERT_STR(world_sent(world, 0), "3\tc\n");
    world_close(world);
}

static void channel_keeps_to_its_rate_over_all_clauses(void)
{
    world_t *world = world_open(
        BASE "ratechannel=1/1m\nsmtp/a command=one\nsmtp/b command=two\nx/* command=z\n");
    world_add(world, 1, 1, "", "smtp/a");
    world_say(world, 0, "#hungry");
    world_add(world, 2, 2, "", "smtp/b");
    CU_ASSERT_EQUAL(world->agent_count, 1);
    ZM_ASSERT_STR(pending(world, "b"), ">RateChannel");
    world_add(world, 3, 3, "", "x/b");
    CU_ASSERT_EQUAL(world->agent_count, 2);
    world_pass(world, 60);
    CU_ASSERT_EQUAL(world->agent_count, 3);
    world_close(world);
}

static void connections_keep_to_their_rate(void)
{
    world_t *world = world_open(BASE "connthr=1/5m" CLAUSE);
    world_add(world, 1, 1, "", "smtp/a");
    world_add(world, 2, 2, "", "smtp/a");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "1\ta\n");
    say(world, 0, 1, "deferall no route");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "#idle\n");
    world_say(world, 0, "#hungry");
    world_pass(world, 60);
    ZM_ASSERT_STR(world_sent(world, 0), "");
    ZM_ASSERT_STR(pending(world, "a"), ">RateThread");
    world_pass(world, 240);
    ZM_ASSERT_STR(world_sent(world, 0), "1\ta\n");
    world_close(world);
}

static world_t *suspended(void)
{
    world_t *world = world_open(BASE "suspend=\"*too many*=15m; *4.7.0*=1h\"" CLAUSE);
    world_add(world, 1, 1, "", "smtp/a");
    world_add(world, 2, 2, "", "smtp/a");
    world_say(world, 0, "#hungry");
    world_sent(world, 0);
    say(world, 0, 1, "deferred 450 Too Many connections");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "#idle\n");
    world_say(world, 0, "#hungry");
    return world;
}

static void reply_suspends_its_destination(void)
{
    world_t *world = suspended();
    zm_buf_t text = ZM_BUF_INIT;
    ZM_ASSERT_STR(pending(world, "a"), "Suspended");
    zm_shape_print(&text, world->scheduler, world_thread(world, "smtp", "a"), "");
    ZM_ASSERT_STR(zm_buf_c(&text), "suspended for 15m: it answered \"*too many*\"\n");
    zm_buf_free(&text);
    world_add(world, 3, 3, "", "smtp/a");
    world_add(world, 4, 4, "", "smtp/b");
    ZM_ASSERT_STR(world_sent(world, 0), "4\tb\n");
    done(world, 4);
    world_sent(world, 0);
    world_say(world, 0, "#hungry");
    world_pass(world, 899);
    ZM_ASSERT_STR(world_sent(world, 0), "");
    world_pass(world, 1);
    ZM_ASSERT_STR(world_sent(world, 0), "1\ta\n");
    world_close(world);
}

static void command_ends_a_suspension(void)
{
    world_t *world = suspended();
    CU_ASSERT_EQUAL(zm_scheduler_retry(world->scheduler, world_thread(world, "smtp", "a")), 1);
    zm_scheduler_settle(world->scheduler);
    ZM_ASSERT_STR(world_sent(world, 0), "1\ta\n");
    world_close(world);
}

static void success_suspends_nothing(void)
{
    world_t *world = world_open(BASE "suspend=\"*=15m\"" CLAUSE);
    world_add(world, 1, 1, "", "smtp/a");
    world_add(world, 2, 2, "", "smtp/a");
    world_say(world, 0, "#hungry");
    world_sent(world, 0);
    say(world, 0, 1, "ok3 too many");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "2\ta\n");
    world_close(world);
}

ZM_TESTS("scheduler_shape", ZM_TEST(rates_and_replies_are_parsed),
         ZM_TEST(messages_to_a_destination_keep_to_its_rate), ZM_TEST(rate_outlives_the_thread),
         ZM_TEST(clause_keeps_to_its_rate_over_all_hosts),
         ZM_TEST(channel_keeps_to_its_rate_over_all_clauses),
         ZM_TEST(connections_keep_to_their_rate), ZM_TEST(reply_suspends_its_destination),
         ZM_TEST(command_ends_a_suspension), ZM_TEST(success_suspends_nothing))
