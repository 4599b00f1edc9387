/* Years of retries, expiry and idleness, with a clock that the tests move. */
#include <stdio.h>

#include "mta/scheduler/dispatch.h"
#include "tests/unit/harness.h"
#include "tests/unit/mta/scheduler/world.h"

#define YEAR (365 * 86400)

/* Lets time pass to the next thing that is due, at most a day. */
static int64_t to_the_next(world_t *world)
{
    uint32_t next = zm_scheduler_next(world->scheduler), now = world->scheduler->now;
    int64_t pause = next > now ? next - now : 1;
    world_pass(world, pause < 86400 ? pause : 86400);
    return pause < 86400 ? pause : 86400;
}

/* The agent that was started last answers whatever it is given. */
static bool answer_all(world_t *world, const char *result)
{
    int agent = world->agent_count - 1;
    const char *sent = world_sent(world, agent);
    char line[120];
    unsigned long long id;

    if (world->agents[agent].ta == NULL || sent[0] == '\0')
        return false;
    if (sent[0] == '#') {
        world_say(world, agent, "#hungry");
        return false;
    }
    if (sscanf(sent, "%llu", &id) != 1)
        return false;
    snprintf(line, sizeof line, "%llu/100\t\t%s", id, result);
    world_say(world, agent, line);
    world_say(world, agent, "#hungry");
    return true;
}

/* No pause is shorter than the least factor or longer than the largest, and none is forgotten. */
static void two_years_of_failures_follow_the_sequence(void)
{
    world_t *world = world_open("*/* interval=1h retries=\"1 2 3 5 8\" skew=1 idlemax=100d\n"
                                "smtp/* command=smtp\n");
    uint32_t last = 0, attempts = 0, least = UINT32_MAX, most = 0, runs;
    world_add(world, 1, 0, "", "smtp/a");
    world_say(world, 0, "#hungry");
    for (runs = 0; world->scheduler->now < WORLD_START + 2 * (uint32_t)YEAR; runs++) {
        uint32_t now = world->scheduler->now;
        while (answer_all(world, "deferred not today")) {
            uint32_t pause = last != 0 ? now - last : 3600;
            least = pause < least ? pause : least;
            most = pause > most ? pause : most;
            last = now;
            attempts++;
        }
        to_the_next(world);
    }
    CU_ASSERT(least >= 1800); /* the first one is drawn to the hour */
    CU_ASSERT(most <= 8 * 3600);
    CU_ASSERT(attempts > 2 * 365 * 3 && attempts < 2 * 365 * 24);
    CU_ASSERT_EQUAL(world_thread(world, "smtp", "a")->vertices, 1);
    world_close(world);
}

static void hourly_mail_of_a_year_is_all_delivered(void)
{
    world_t *world = world_open("*/* interval=1m retries=\"1 2 3\" skew=1 expiry=3d idlemax=2h\n"
                                "smtp/* command=smtp maxring=1\n");
    uint64_t id;
    int64_t hour;
    for (hour = 0, id = 1; hour < 365 * 24; hour++, id++) {
        world_add(world, id, hour * 3600, "", id % 2 == 0 ? "smtp/a" : "smtp/b");
        if (world->agents[world->agent_count - 1].ta != NULL &&
            !world->agents[world->agent_count - 1].ta->hungry)
            world_say(world, world->agent_count - 1, "#hungry");
        while (answer_all(world, "ok3 fine"))
            continue;
        answer_all(world, "");
        world_pass(world, 3600);
    }
    CU_ASSERT_EQUAL(world->scheduler->recipient_count, 0);
    CU_ASSERT_EQUAL(world->scheduler->counters.recipients_out, id - 1);
    CU_ASSERT_EQUAL(world->scheduler->thread_count, 0);
    world_close(world);
}

static void clock_that_jumps_loses_nothing(void)
{
    world_t *world = world_open("*/* interval=1m retries=\"1\" skew=1 idlemax=900000000\n"
                                "smtp/* command=smtp\n");
    world_add(world, 1, 0, "", "smtp/a");
    world_say(world, 0, "#hungry");
    world_sent(world, 0);
    world_say(world, 0, "1/100\t\tdeferred later");
    world_say(world, 0, "#hungry");
    world_sent(world, 0);
    world_say(world, 0, "#hungry");
    world_pass(world, 20 * (int64_t)YEAR); /* the battery of the clock was empty */
    ZM_ASSERT_STR(world_sent(world, 0), "1\ta\n");
    world_say(world, 0, "1/100\t\tdeferred later");
    world_say(world, 0, "#hungry");
    world_sent(world, 0);
    world_say(world, 0, "#hungry");
    world_pass(world, 61);
    ZM_ASSERT_STR(world_sent(world, 0), "1\ta\n");
    world_close(world);
}

ZM_TESTS("scheduler_years", ZM_TEST(two_years_of_failures_follow_the_sequence),
         ZM_TEST(hourly_mail_of_a_year_is_all_delivered), ZM_TEST(clock_that_jumps_loses_nothing))
