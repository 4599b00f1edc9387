#include <stdio.h>

#include "mta/scheduler/dispatch.h"
#include "tests/unit/harness.h"
#include "tests/unit/mta/scheduler/world.h"

#define BASE "*/* interval=1m retries=\"1 2 3\" skew=1 expiry=3d idlemax=4m ageorder overfeed=0\n"
static const char plain[] = BASE "smtp/* maxring=20 command=smtp\n";

/* -- agents that misbehave ----------------------------------------------------------------- */

static void garbage_is_logged_and_changes_nothing(void)
{
    world_t *world = world_open(plain);
    world_add(world, 1, 0, "", "smtp/a");
    world_say(world, 0, "Segmentation fault");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "99/100\t\tok3 not mine");
    world_say(world, 0, "1/101\t\tok3 no such recipient");
    world_say(world, 0, "1/100\t\tgreat");
    world_say(world, 0, "1/100");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "#hungry");
    CU_ASSERT_EQUAL(world_logged(world, "malformed"), 6);
    CU_ASSERT_PTR_NOT_NULL(zm_queue_find(world->scheduler, 1));
    world_close(world);
}

static void job_without_result_counts_as_an_attempt(void)
{
    world_t *world = world_open(plain);
    world_add(world, 1, 0, "", "smtp/a");
    world_say(world, 0, "#hungry");
    world_sent(world, 0);
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "#idle\n");
    CU_ASSERT_EQUAL(zm_queue_find(world->scheduler, 1)->vertices->attempts, 1);
    CU_ASSERT(zm_due_is_set(&world_thread(world, "smtp", "a")->due));
    world_close(world);
}

static void death_at_work_rereads_and_schedules_a_retry(void)
{
    world_t *world = world_open(plain);
    world_add(world, 1, 0, "", "smtp/a");
    world_say(world, 0, "#hungry");
    world_gone(world, 0, true);
    CU_ASSERT_EQUAL(world_logged(world, "reread 1"), 1);
    CU_ASSERT_EQUAL(world->scheduler->ta_count, 0);
    world_pass(world, 200);
    CU_ASSERT_EQUAL(world->agent_count, 2);
    world_say(world, 1, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 1), "1\ta\n");
    world_close(world);
}

static void program_that_does_not_start_holds_back_its_ring(void)
{
    world_t *world = world_open("*/* interval=1s retries=\"1\" skew=1\nsmtp/* command=x\n");
    int i, before;
    world_add(world, 1, 0, "", "smtp/a");
    world_add(world, 2, 0, "", "smtp/b");
    for (i = 0; i < 7; i++) {
        int last = world->agent_count - 1;
        if (world->agents[last].ta != NULL)
            world_gone(world, last, true);
        world_pass(world, 1 << (i < 8 ? i + 1 : 8));
    }
    before = world->agent_count;
    CU_ASSERT(before >= 5 && before <= 9);
    if (world->agents[before - 1].ta != NULL)
        world_gone(world, before - 1, true);
    world_pass(world, 20);
    CU_ASSERT_EQUAL(world->agent_count, before);
    CU_ASSERT_EQUAL(zm_thread_pending(world->scheduler, world_thread(world, "smtp", "b")),
                    ZM_PENDING_AGENT_BROKEN);
    world_close(world);
}

static void resync_drops_what_is_done_on_disk(void)
{
    world_t *world = world_open(plain);
    const uint32_t left[] = {110};
    zm_job_t *job;
    world_add(world, 1, 0, "", "smtp/a smtp/a smtp/b");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "#resync 1");
    world_say(world, 0, "#resync 77");
    CU_ASSERT_EQUAL(world_logged(world, "reread 1"), 1);
    CU_ASSERT_EQUAL(world_logged(world, "reread"), 1);
    job = zm_queue_find(world->scheduler, 1);
    zm_resync(world->scheduler, job, left, 1, false);
    CU_ASSERT_EQUAL(job->pending, 1);
    CU_ASSERT_EQUAL(world_thread(world, "smtp", "b")->vertices, 0);
    world_say(world, 0, "#hungry");
    zm_resync(world->scheduler, job, NULL, 0, true);
    CU_ASSERT_EQUAL(world_logged(world, "complete 1"), 1);
    world_close(world);
}

static void too_many_resyncs_forget_the_job(void)
{
    world_t *world = world_open(plain);
    int i;
    world_add(world, 1, 0, "", "smtp/a");
    world_say(world, 0, "#hungry");
    for (i = 0; i < 31; i++)
        world_say(world, 0, "#resync 1");
    CU_ASSERT_PTR_NULL(zm_queue_find(world->scheduler, 1));
    world_say(world, 0, "#hungry");
    world_close(world);
}

/* -- several threads at once ------------------------------------------------------------------- */

static void multi_agent_serves_threads_side_by_side(void)
{
    world_t *world = world_open(plain);
    world_add(world, 1, 0, "", "smtp/a");
    world_add(world, 2, 0, "", "smtp/b");
    world_add(world, 3, 0, "", "smtp/b");
    CU_ASSERT_EQUAL(world->agent_count, 1);
    world_say(world, 0, "#multi 10");
    world_say(world, 0, "#hungry");
    CU_ASSERT_EQUAL(world->agent_count, 1);
    ZM_ASSERT_STR(world_sent(world, 0), "1\ta\n2\tb\n");
    CU_ASSERT_EQUAL(world->scheduler->channels->used, 2);
    world_say(world, 0, "2/100\t\tok3");
    world_say(world, 0, "#hungry 2\tb");
    ZM_ASSERT_STR(world_sent(world, 0), "3\tb\n");
    world_say(world, 0, "3/100\t\tok3");
    world_say(world, 0, "#hungry 3\tb");
    CU_ASSERT_EQUAL(world->scheduler->channels->used, 1);
    ZM_ASSERT_STR(world_sent(world, 0), "");
    world_say(world, 0, "1/100\t\tok3");
    world_say(world, 0, "#hungry 1\ta");
    ZM_ASSERT_STR(world_sent(world, 0), "#idle\n");
    world_add(world, 4, 0, "", "smtp/c");
    ZM_ASSERT_STR(world_sent(world, 0), "4\tc\n");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "#hungry 9\tc");
    CU_ASSERT_EQUAL(world_logged(world, "malformed"), 1);
    world_close(world);
}

static void multi_agent_keeps_ring_and_channel_limits(void)
{
    world_t *world = world_open(BASE "smtp/* maxring=3 command=x\n");
    char place[20];
    int i;
    for (i = 1; i <= 9; i++) {
        snprintf(place, sizeof place, "smtp/h%d", i);
        world_add(world, (uint64_t)i, 0, "", place);
    }
    world_say(world, 0, "#multi 5");
    world_say(world, 0, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 0), "1\th1\n2\th2\n3\th3\n");
    world_say(world, 0, "2/100\t\tok3");
    world_say(world, 0, "#hungry 2\th2");
    ZM_ASSERT_STR(world_sent(world, 0), "4\th4\n");
    CU_ASSERT_EQUAL(world->agent_count, 1);
    world_close(world);
}

static void full_multi_agent_is_joined_by_another(void)
{
    world_t *world = world_open(plain);
    char place[20];
    int i;
    for (i = 1; i <= 5; i++) {
        snprintf(place, sizeof place, "smtp/h%d", i);
        world_add(world, (uint64_t)i, 0, "", place);
    }
    world_say(world, 0, "#multi 2");
    world_say(world, 0, "#hungry");
    CU_ASSERT_EQUAL(world->agent_count, 2);
    world_say(world, 1, "#multi 2");
    world_say(world, 1, "#hungry");
    CU_ASSERT_EQUAL(world->agent_count, 3);
    world_gone(world, 0, true);
    CU_ASSERT_EQUAL(world_logged(world, "reread"), 2);
    world_close(world);
}

/* -- who comes next ------------------------------------------------------------------------ */

static void further_agent_comes_after_those_that_have_none(void)
{
    world_t *world = world_open(BASE "smtp/* maxthr=3 maxring=2 command=smtp\n");
    int i;
    for (i = 1; i <= 20; i++)
        world_add(world, (uint64_t)i, i, "", "smtp/a");
    CU_ASSERT_EQUAL(world->agent_count, 1);
    world->scheduler->frozen = true; /* both wait for the second slot */
    world_add(world, 21, 21, "", "smtp/a");
    world_add(world, 22, 22, "", "smtp/b");
    world->scheduler->frozen = false;
    world_say(world, 0, "#hungry");
    world_pass(world, 2);
    CU_ASSERT_EQUAL(world->agent_count, 2);
    CU_ASSERT_EQUAL(world_thread(world, "smtp", "a")->lease_count, 1);
    CU_ASSERT_EQUAL(world_thread(world, "smtp", "b")->lease_count, 1);
    world_close(world);
}

static void slot_given_up_for_a_starving_ring_is_that_rings(void)
{
    world_t *world = world_open(BASE "one/* maxta=1 command=one\ntwo/* maxta=1 command=two\n");
    char line[40];
    int i;
    for (i = 1; i <= 20; i++)
        world_add(world, (uint64_t)i, i, "", "one/a");
    world_say(world, 0, "#hungry");
    world_add(world, 99, 99, "", "two/b");
    for (i = 1; i <= 20 && !world->agents[0].half_closed; i++) {
        snprintf(line, sizeof line, "%d/100\t\tok3", i);
        world_pass(world, 1);
        world_say(world, 0, line);
        world_say(world, 0, "#hungry");
    }
    CU_ASSERT(i < 8); /* it gave way */
    world_gone(world, 0, false);
    CU_ASSERT_EQUAL(world->agent_count, 2);
    ZM_ASSERT_STR(world->agents[1].command, "two/b");
    world_close(world);
}

ZM_TESTS("scheduler_agents", ZM_TEST(garbage_is_logged_and_changes_nothing),
         ZM_TEST(job_without_result_counts_as_an_attempt),
         ZM_TEST(death_at_work_rereads_and_schedules_a_retry),
         ZM_TEST(program_that_does_not_start_holds_back_its_ring),
         ZM_TEST(resync_drops_what_is_done_on_disk), ZM_TEST(too_many_resyncs_forget_the_job),
         ZM_TEST(multi_agent_serves_threads_side_by_side),
         ZM_TEST(multi_agent_keeps_ring_and_channel_limits),
         ZM_TEST(full_multi_agent_is_joined_by_another),
         ZM_TEST(further_agent_comes_after_those_that_have_none),
         ZM_TEST(slot_given_up_for_a_starving_ring_is_that_rings))
