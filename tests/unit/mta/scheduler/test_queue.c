#include "mta/scheduler/dispatch.h"
#include "mta/scheduler/lane.h"
#include "mta/scheduler/retry.h"
#include "platform/clock.h"
#include "tests/unit/harness.h"
#include "tests/unit/mta/scheduler/world.h"

#define BASE "*/* interval=1m retries=\"1 2 3\" skew=1 expiry=3d idlemax=4m ageorder overfeed=0\n"
static const char plain[] = BASE "smtp/* maxring=20 command=smtp\n";

/* -- the minimal dialogue ------------------------------------------------------------------ */

static void arrival_starts_an_agent_and_feeds_it(void)
{
    world_t *world = world_open(plain);
    world_add(world, 123, 0, "s@x", "smtp/example.org");
    CU_ASSERT_EQUAL(world->agent_count, 1);
    ZM_ASSERT_STR(world_sent(world, 0), "");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "123\texample.org\n");
    world_say(world, 0, "123/100\t\tok3 250 accepted");
    CU_ASSERT_EQUAL(world_logged(world, "complete 123"), 1);
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "#idle\n");
    world_say(world, 0, "#hungry");
    CU_ASSERT_EQUAL(world->scheduler->idle_count, 1);
    world_add(world, 131, 0, "s@x", "smtp/example.net");
    CU_ASSERT_EQUAL(world->agent_count, 1);
    ZM_ASSERT_STR(world_sent(world, 0), "131\texample.net\n");
    world_say(
        world, 0,
        "131/100\tbob@example.net\1failed\1"
        "4.4.1 (refused)\1smtp; 500 (connect refused)\1dns; mx.example.net\1smtp[77]\tretryat "
        "+60 connect refused");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "#idle\n");
    world_say(world, 0, "#hungry");
    CU_ASSERT_EQUAL(world_thread(world, "smtp", "example.net")->due.when, WORLD_START + 60);
    world_pass(world, 60);
    ZM_ASSERT_STR(world_sent(world, 0), "131\texample.net\n");
    world_close(world);
}

static void idle_agent_is_told_to_end_after_idlemax(void)
{
    world_t *world = world_open(plain);
    world_add(world, 5, 0, "", "smtp/a");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "5/100\t\tok3");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "#hungry");
    world_sent(world, 0);
    world_pass(world, 100);
    CU_ASSERT_FALSE(world->agents[0].half_closed);
    world_pass(world, 200);
    CU_ASSERT(world->agents[0].half_closed);
    ZM_ASSERT_STR(world_sent(world, 0), "\n");
    world_close(world);
}

static void two_recipients_at_one_host_are_one_feed(void)
{
    world_t *world = world_open(plain);
    world_add(world, 7, 0, "", "smtp/a smtp/b smtp/a");
    CU_ASSERT_EQUAL(world_thread(world, "smtp", "a")->recipients, 2);
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "7\ta\n");
    world_say(world, 0, "7/100\t\tok3");
    world_say(world, 0, "7/120\t\tok3");
    world_close(world);
}

static void without_overfeed_feeding_is_lock_step(void)
{
    world_t *world = world_open(plain);
    world_add(world, 1, 0, "", "smtp/a");
    world_add(world, 2, 1, "", "smtp/a");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "1\ta\n");
    world_say(world, 0, "1/100\t\tok3");
    ZM_ASSERT_STR(world_sent(world, 0), "");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "2\ta\n");
    world_close(world);
}

static void answer(world_t *world, int first, int last)
{
    char line[40];
    for (; first <= last; first++) {
        ZM_ASSERT_STR(world_sent(world, 0), "");
        snprintf(line, sizeof line, "%d/100\t\tok3", first);
        world_say(world, 0, line);
        world_say(world, 0, "#hungry");
    }
}

static void overfeed_feeds_in_batches(void)
{
    world_t *world = world_open(BASE "smtp/* overfeed=3 command=smtp\n");
    int i;
    for (i = 1; i <= 20; i++)
        world_add(world, (uint64_t)i, i, "", "smtp/a");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "1\ta\n");
    answer(world, 1, 1);
    ZM_ASSERT_STR(world_sent(world, 0), "2\ta\n3\ta\n");
    answer(world, 2, 3);
    ZM_ASSERT_STR(world_sent(world, 0), "4\ta\n5\ta\n6\ta\n7\ta\n");
    answer(world, 4, 7);
    ZM_ASSERT_STR(world_sent(world, 0), "8\ta\n9\ta\n10\ta\n11\ta\n");
    world_close(world);
}

static void slow_agent_gets_smaller_batches(void)
{
    world_t *world = world_open(BASE "smtp/* overfeed=3 command=smtp\n");
    int i;
    for (i = 1; i <= 20; i++)
        world_add(world, (uint64_t)i, i, "", "smtp/a");
    world_say(world, 0, "#hungry");
    world_sent(world, 0);
    answer(world, 1, 1);
    world_sent(world, 0);
    answer(world, 2, 3);
    ZM_ASSERT_STR(world_sent(world, 0), "4\ta\n5\ta\n6\ta\n7\ta\n");
    world_pass(world, 4);
    answer(world, 4, 7);
    ZM_ASSERT_STR(world_sent(world, 0), "8\ta\n9\ta\n");
    world_pass(world, 4);
    answer(world, 8, 9);
    ZM_ASSERT_STR(world_sent(world, 0), "10\ta\n");
    world_close(world);
}

/* -- order --------------------------------------------------------------------------------- */

static void age_order_gives_out_the_oldest_first(void)
{
    world_t *world = world_open(BASE "smtp/* overfeed=9 command=smtp\n");
    world_add(world, 3, 30, "s", "smtp/a");
    world_add(world, 1, 10, "s", "smtp/a");
    world_add(world, 2, 20, "s", "smtp/a");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "1/100\t\tok3");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "1\ta\n2\ta\n3\ta\n");
    CU_ASSERT_EQUAL(zm_lanes_oldest(world_thread(world, "smtp", "a")), WORLD_START + 20);
    world_close(world);
}

static void senders_take_turns_within_a_thread(void)
{
    world_t *world = world_open(BASE "smtp/* overfeed=5 command=smtp\n");
    uint64_t i;
    for (i = 1; i <= 50; i++)
        world_add(world, i, (int64_t)i, "bulk", "smtp/a");
    world_add(world, 99, 90, "single", "smtp/a");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "1/100\t\tok3");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "1\ta\n99\ta\n2\ta\n");
    world_close(world);
}

static void random_order_gives_out_each_once_a_run(void)
{
    world_t *world =
        world_open("*/* interval=1m retries=\"1\" skew=1\nsmtp/* overfeed=99 command=x\n");
    uint64_t i;
    int seen[31] = {0}, run;
    char line[40];
    for (i = 1; i <= 30; i++)
        world_add(world, i, 0, "s", "smtp/a");
    world_say(world, 0, "#hungry");
    for (run = 1; run <= 3; run++) {
        int fed = 0;
        while (fed < 30) {
            zm_str_t rest = zm_str(world_sent(world, 0)), one;
            while (rest.length > 0) {
                uint64_t id = 0;
                zm_str_t number;
                zm_str_cut(rest, '\n', &one, &rest);
                zm_str_cut(one, '\t', &number, &one);
                CU_ASSERT_FATAL(zm_str_u64(number, &id) == APR_SUCCESS && id <= 30);
                seen[id]++;
                fed++;
                snprintf(line, sizeof line, "%d/100\t\tdeferred later", (int)id);
                world_say(world, 0, line);
                world_say(world, 0, "#hungry");
            }
            CU_ASSERT_FATAL(one.length < 100);
        }
        for (i = 1; i <= 30; i++)
            CU_ASSERT_EQUAL(seen[i], run);
        world_say(world, 0, "#hungry");
        world_sent(world, 0);
        world_pass(world, 100);
    }
    world_close(world);
}

/* -- limits -------------------------------------------------------------------------------- */

static void one_agent_of_a_ring_serves_its_threads_in_turn(void)
{
    world_t *world = world_open(BASE "smtp/* maxring=1 command=smtp\n");
    world_add(world, 1, 0, "", "smtp/a");
    world_add(world, 2, 0, "", "smtp/b");
    world_add(world, 3, 0, "", "smtp/c");
    CU_ASSERT_EQUAL(world->agent_count, 1);
    world_say(world, 0, "#hungry");
    CU_ASSERT_EQUAL(world->agent_count, 1);
    CU_ASSERT_EQUAL(zm_thread_pending(world->scheduler, world_thread(world, "smtp", "b")),
                    ZM_PENDING_MAXRING);
    world_say(world, 0, "1/100\t\tok3");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "2/100\t\tok3");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "3/100\t\tok3");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "1\ta\n2\tb\n3\tc\n#idle\n");
    CU_ASSERT_EQUAL(world->agent_count, 1);
    world_close(world);
}

static void full_channel_evicts_an_idle_agent_of_another_ring(void)
{
    world_t *world =
        world_open(BASE "smtp/*.a maxchannel=1 command=x\nsmtp/* maxchannel=1 command=y\n");
    world_add(world, 1, 0, "", "smtp/h.a");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "1/100\t\tok3");
    world_say(world, 0, "#hungry");
    world_add(world, 2, 0, "", "smtp/h.b");
    CU_ASSERT_EQUAL(world->agent_count, 1);
    CU_ASSERT_EQUAL(zm_thread_pending(world->scheduler, world_thread(world, "smtp", "h.b")),
                    ZM_PENDING_MAXCHANNEL);
    world_say(world, 0, "#hungry");
    CU_ASSERT(world->agents[0].half_closed);
    world_gone(world, 0, false);
    CU_ASSERT_EQUAL(world->agent_count, 2);
    ZM_ASSERT_STR(world->agents[1].command, "smtp/h.b");
    world_close(world);
}

static void busy_ring_yields_to_one_without_agents(void)
{
    world_t *world = world_open(BASE "smtp/*.a maxta=1 command=x\nsmtp/* maxta=1 command=y\n");
    int i;
    for (i = 1; i <= 5; i++)
        world_add(world, (uint64_t)i, 0, "",
                  i == 1   ? "smtp/1.a"
                  : i == 2 ? "smtp/2.a"
                           : "smtp/3.a");
    world_say(world, 0, "#hungry");
    world_add(world, 9, 0, "", "smtp/h.b");
    world_pass(world, 5);
    world_say(world, 0, "1/100\t\tok3");
    world_say(world, 0, "#hungry");
    CU_ASSERT(world->agents[0].half_closed);
    world_gone(world, 0, false);
    ZM_ASSERT_STR(world->agents[1].command, "smtp/h.b");
    world_close(world);
}

static void maxthr_gives_a_thread_several_agents(void)
{
    world_t *world = world_open(BASE "smtp/* maxthr=3 command=x\n");
    uint64_t i;
    for (i = 1; i <= 9; i++)
        world_add(world, i, 0, "", "smtp/a");
    world_say(world, 0, "#hungry"); /* a classic agent: now more may start */
    CU_ASSERT_EQUAL(world->agent_count, 3);
    world_say(world, 1, "#hungry");
    world_say(world, 2, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 2), "3\ta\n");
    CU_ASSERT_EQUAL(world_thread(world, "smtp", "a")->lease_count, 3);
    world_close(world);
}

static void long_thread_gives_way_and_goes_on_later(void)
{
    world_t *world = world_open(BASE "smtp/* maxring=1 command=x\n");
    char line[40];
    int i;
    for (i = 1; i <= 300; i++)
        world_add(world, (uint64_t)i, i, "", "smtp/long");
    world_add(world, 999, 0, "", "smtp/short");
    world_say(world, 0, "#hungry");
    for (i = 1; i <= 200; i++) {
        snprintf(line, sizeof line, "%d/100\t\tok3", i);
        world_say(world, 0, line);
        world_sent(world, 0);
        world_say(world, 0, "#hungry");
    }
    ZM_ASSERT_STR(world_sent(world, 0), "999\tshort\n");
    world_say(world, 0, "999/100\t\tok3");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "201\tlong\n");
    world_close(world);
}

static void fork_rate_is_kept(void)
{
    world_t *world = world_open(plain);
    char place[20];
    int i;
    world->scheduler->fork_rate = 3;
    world->scheduler->now++;
    for (i = 1; i <= 9; i++) {
        snprintf(place, sizeof place, "smtp/h%d", i);
        world_add(world, (uint64_t)i, 0, "", place);
        if (i == 1)
            world_say(world, 0, "#hungry");
    }
    CU_ASSERT_EQUAL(world->agent_count, 3);
    world_pass(world, 2);
    CU_ASSERT_EQUAL(world->agent_count, 6);
    world_close(world);
}

/* -- the administrator ------------------------------------------------------------------------- */

static void killed_job_is_completed_without_results(void)
{
    world_t *world = world_open(plain);
    world_add(world, 1, 0, "", "smtp/a smtp/b");
    world_say(world, 0, "#hungry");
    zm_scheduler_kill(world->scheduler, zm_queue_find(world->scheduler, 1));
    CU_ASSERT_EQUAL(world_logged(world, "complete 1"), 1);
    CU_ASSERT_EQUAL(world_logged(world, "finished"), 0);
    world_say(world, 0, "1/100\t\tok3");
    world_say(world, 0, "#hungry");
    CU_ASSERT_EQUAL(world->scheduler->vertex_count, 0);
    world_say(world, 1, "#hungry");
    CU_ASSERT_EQUAL(world->scheduler->thread_count, 0);
    world_close(world);
}

static void reload_keeps_jobs_and_agents(void)
{
    world_t *world = world_open(plain);
    zm_config_options_t options = {"n.conf", world->config->zenv, false, 1000};
    zm_config_t *config = NULL;
    zm_buf_t problems = ZM_BUF_INIT;
    world_add(world, 1, 0, "", "smtp/a");
    world_add(world, 2, 0, "", "smtp/b.com");
    world_say(world, 0, "#hungry");
    world_say(world, 1, "#hungry");
    ZM_ASSERT_OK(zm_config_parse(&config,
                                 zm_str(BASE "smtp/*.com maxring=1 command=other\n"
                                             "smtp/* maxring=9 command=smtp\n"),
                                 &options, &problems, zm_test_pool()));
    zm_scheduler_reload(world->scheduler, config);
    zm_scheduler_settle(world->scheduler);
    zm_buf_free(&problems);
    CU_ASSERT_EQUAL(world->agent_count, 2);
    CU_ASSERT_EQUAL(world_thread(world, "smtp", "a")->ring->selection->params.maxring, 9);
    ZM_ASSERT_STR(world_thread(world, "smtp", "b.com")->ring->selection->label, "smtp/*.com");
    CU_ASSERT_FALSE(world->agents[0].half_closed);
    world_say(world, 0, "1/100\t\tok3");
    world_say(world, 1, "2/100\t\tok3");
    CU_ASSERT_EQUAL(world_logged(world, "complete"), 2);
    world_close(world);
}

static void slow_stop_lets_agents_finish(void)
{
    world_t *world = world_open(plain);
    world_add(world, 1, 0, "", "smtp/a");
    world_add(world, 2, 0, "", "smtp/a");
    world_say(world, 0, "#hungry");
    world_sent(world, 0);
    CU_ASSERT_FALSE(zm_scheduler_slow_stop(world->scheduler));
    ZM_ASSERT_STR(world_sent(world, 0), "\n\n");
    world_say(world, 0, "1/100\t\tok3");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "");
    world_gone(world, 0, false);
    CU_ASSERT(zm_scheduler_slow_stop(world->scheduler));
    CU_ASSERT_EQUAL(world->agent_count, 1);
    world_close(world);
}

static void unmatched_destination_waits_with_a_reason(void)
{
    world_t *world = world_open(plain);
    world_add(world, 1, 0, "", "uucp/a");
    CU_ASSERT_EQUAL(zm_thread_pending(world->scheduler, world_thread(world, "uucp", "a")),
                    ZM_PENDING_NO_CLAUSE);
    world_add(world, 2, 0, "", "uucp/a");
    CU_ASSERT_EQUAL(world_logged(world, "event no clause of scheduler.conf matches uucp/a: "), 1);
    world_pass(world, 3600);
    CU_ASSERT_EQUAL(world->agent_count, 0);
    world_close(world);
}

static void finished_results_reach_statistics_and_records(void)
{
    world_t *world = world_open(plain);
    world_add(world, 1, 0, "", "smtp/a smtp/a smtp/a");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "1/100\t\terror no such user");
    world_say(world, 0, "1/110\t\terror2 no such user");
    CU_ASSERT_EQUAL(zm_queue_find(world->scheduler, 1)->failed, 2);
    world_say(world, 0, "1/120\t\tok done");
    CU_ASSERT_EQUAL(world_logged(world, "record 1/100 failed no such user"), 1);
    CU_ASSERT_EQUAL(world_logged(world, "record 1/120 ok done"), 1);
    CU_ASSERT_EQUAL(world_logged(world, "finished 1 error smtp/a"), 1);
    CU_ASSERT_EQUAL(world_logged(world, "finished 1 error2 smtp/a"), 1);
    CU_ASSERT_EQUAL(world_logged(world, "finished 1 ok smtp/a"), 1);
    world_close(world);
}

ZM_TESTS("scheduler_queue", ZM_TEST(arrival_starts_an_agent_and_feeds_it),
         ZM_TEST(idle_agent_is_told_to_end_after_idlemax),
         ZM_TEST(two_recipients_at_one_host_are_one_feed),
         ZM_TEST(without_overfeed_feeding_is_lock_step), ZM_TEST(overfeed_feeds_in_batches),
         ZM_TEST(slow_agent_gets_smaller_batches), ZM_TEST(age_order_gives_out_the_oldest_first),
         ZM_TEST(senders_take_turns_within_a_thread),
         ZM_TEST(random_order_gives_out_each_once_a_run),
         ZM_TEST(one_agent_of_a_ring_serves_its_threads_in_turn),
         ZM_TEST(full_channel_evicts_an_idle_agent_of_another_ring),
         ZM_TEST(busy_ring_yields_to_one_without_agents),
         ZM_TEST(maxthr_gives_a_thread_several_agents),
         ZM_TEST(long_thread_gives_way_and_goes_on_later), ZM_TEST(fork_rate_is_kept),
         ZM_TEST(killed_job_is_completed_without_results), ZM_TEST(reload_keeps_jobs_and_agents),
         ZM_TEST(slow_stop_lets_agents_finish), ZM_TEST(unmatched_destination_waits_with_a_reason),
         ZM_TEST(finished_results_reach_statistics_and_records))
