/* Somebody sets the clock while mail waits. */
#include <stdio.h>
#include <string.h>

#include "mta/scheduler/show.h"
#include "platform/clock.h"
#include "tests/unit/harness.h"
#include "tests/unit/mta/scheduler/world.h"

#define DAY 86400
#define CONF                                                                                       \
    "*/* interval=100s retries=\"1\" skew=1 expiry=3d expiry2=0 idlemax=4m\nsmtp/* command=smtp\n"

static void set_clock(world_t *world, int64_t by)
{
    zm_clock_freeze(zm_clock_wall() + apr_time_from_sec(by), zm_clock_monotonic());
    world_pass(world, 0);
}

/* A world whose only message was tried once; its agent is idle. */
static world_t *tried_once(const char *conf, const char *result)
{
    world_t *world = world_open(conf);
    world_add(world, 1, 0, "", "smtp/a");
    world_say(world, 0, "#hungry");
    world_say(world, 0, result);
    world_say(world, 0, "#hungry");
    world_say(world, 0, "#hungry");
    world_sent(world, 0);
    return world;
}

static const char *shown(world_t *world, zm_show_kind_t kind)
{
    zm_show_t *show = zm_show_begin(world->scheduler, kind, ZM_S("smtp"), ZM_S("a"), false, false);
    zm_buf_t text = ZM_BUF_INIT;
    const char *copy;

    while (zm_show_more(show, &text, 1000) == APR_SUCCESS)
        continue;
    zm_show_end(show);
    copy = zm_str_c(zm_test_pool(), zm_buf_str(&text));
    zm_buf_free(&text);
    return copy;
}

static void has(const char *text, const char *piece)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(text, piece));
    if (strstr(text, piece) == NULL)
        printf("no \"%s\" in:\n%s\n", piece, text);
}

static void clock_set_back_delays_no_retry(void)
{
    world_t *world = tried_once(CONF, "1/100\t\tdeferred later");
    set_clock(world, -DAY);
    has(shown(world, ZM_SHOW_THREADS2), "\tW=100s\t");
    CU_ASSERT(zm_scheduler_next(world->scheduler) <= world->scheduler->now + 100);
    world_pass(world, 99);
    ZM_ASSERT_STR(world_sent(world, 0), "");
    world_pass(world, 1);
    ZM_ASSERT_STR(world_sent(world, 0), "1\ta\n");
    world_close(world);
}

static void clock_set_forward_hurries_no_retry(void)
{
    world_t *world = tried_once(CONF, "1/100\t\tdeferred later");
    set_clock(world, DAY);
    ZM_ASSERT_STR(world_sent(world, 0), "");
    CU_ASSERT_FALSE(world->agents[0].half_closed); /* nor has it been idle for a day */
    world_pass(world, 100);
    ZM_ASSERT_STR(world_sent(world, 0), "1\ta\n");
    world_close(world);
}

static void times_shown_are_those_of_the_clock(void)
{
    world_t *world = tried_once(CONF, "1/100\t\tdeferred later");
    set_clock(world, -DAY);
    has(shown(world, ZM_SHOW_THREAD),
        "1\t0\t\t100\t1700259200\t1699913700\t1699913600\t1\tretry in 1m40s\tlater\n");
    set_clock(world, 3 * DAY);
    has(shown(world, ZM_SHOW_THREAD), "\t1700259200\t1700172900\t1700172800\t1\tretry in 1m40s\t");
    has(shown(world, ZM_SHOW_THREADS2), "\tQA=2d\n");
    world_close(world);
}

static void hour_that_an_agent_named_is_one_of_the_clock(void)
{
    world_t *world = tried_once(CONF, "1/100\t\tdeferred later");
    set_clock(world, DAY);
    world_pass(world, 100);
    world_say(world, 0, "1/100\t\tretryat 1700087400 not before this"); /* in 900 s */
    world_say(world, 0, "#hungry");
    world_sent(world, 0);
    world_say(world, 0, "#hungry");
    has(shown(world, ZM_SHOW_THREADS2), "\tW=900s\t");
    world_close(world);
}

static void ages_follow_the_clock(void)
{
    world_t *world = tried_once(CONF, "1/100\t\tdeferred later");
    set_clock(world, -DAY);
    world_pass(world, 3 * DAY - 1000);
    world_sent(world, 0);
    CU_ASSERT_EQUAL(world_logged(world, "expire 1/100 "), 0);
    set_clock(world, DAY + 2000);
    CU_ASSERT_EQUAL(world_logged(world, "expire 1/100 "), 1);
    CU_ASSERT_EQUAL(world->scheduler->recipient_count, 0);
    world_close(world);
}

/* A failure of the disk puts an expiry off; the clock is put right meanwhile. */
static void what_was_put_off_does_not_wait_for_the_wrong_hour(void)
{
    world_t *world = tried_once(CONF, "1/100\t\tdeferred later");
    world->refuse_expire = true;
    set_clock(world, 30 * DAY);
    CU_ASSERT_EQUAL(world->scheduler->recipient_count, 1);
    world->refuse_expire = false;
    set_clock(world, -20 * DAY);
    CU_ASSERT_EQUAL(world->scheduler->recipient_count, 0);
    world_close(world);
}

static void small_steps_of_the_clock_are_not_told(void)
{
    world_t *world = tried_once(CONF, "1/100\t\tdeferred later");
    set_clock(world, -3);
    CU_ASSERT_EQUAL(world_logged(world, "the clock was set"), 0);
    set_clock(world, -7);
    CU_ASSERT_EQUAL(world_logged(world, "the clock was set back by 10 s"), 1);
    world_close(world);
}

ZM_TESTS("scheduler_clock", ZM_TEST(clock_set_back_delays_no_retry),
         ZM_TEST(clock_set_forward_hurries_no_retry), ZM_TEST(times_shown_are_those_of_the_clock),
         ZM_TEST(hour_that_an_agent_named_is_one_of_the_clock), ZM_TEST(ages_follow_the_clock),
         ZM_TEST(what_was_put_off_does_not_wait_for_the_wrong_hour),
         ZM_TEST(small_steps_of_the_clock_are_not_told))
