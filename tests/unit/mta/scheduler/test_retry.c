/* When a destination is tried again, and when a recipient is given up. */
#include <stdio.h>

#include "mta/scheduler/dispatch.h"
#include "mta/scheduler/retry.h"
#include "tests/unit/harness.h"
#include "tests/unit/mta/scheduler/world.h"

#define BASE "*/* interval=1m retries=\"1 2 3\" skew=1 expiry=3d idlemax=4m ageorder overfeed=0\n"
static const char plain[] = BASE "smtp/* maxring=20 command=smtp\n";

/* -- retries ------------------------------------------------------------------------------- */

static void retry_sequence_follows_the_factors(void)
{
    static const uint16_t factors[] = {1, 2, 3};
    zm_params_t params;
    uint16_t index = 0;
    int64_t now = 6000;

    zm_params_defaults(&params, 10);
    params.interval = 60;
    params.retries = factors;
    params.retry_count = 3;
    params.skew = 1;
    CU_ASSERT_EQUAL(zm_retry_next(&params, &index, now, 0), 6060);
    CU_ASSERT_EQUAL(zm_retry_next(&params, &index, now + 10, 0), 6120);
    CU_ASSERT_EQUAL(zm_retry_next(&params, &index, now + 40, 0), 6240);
    CU_ASSERT_EQUAL(index, 3);
    CU_ASSERT_EQUAL(zm_retry_next(&params, &index, now, 4), 6120);
    CU_ASSERT_EQUAL(index, 2);
    params.skew = 5;
    index = 0;
    CU_ASSERT_EQUAL(zm_retry_next(&params, &index, now + 10, 0), 6068);
    params.retry_count = 0;
    CU_ASSERT_EQUAL(zm_retry_next(&params, &index, now, 0), 0);
}

static void one_run_moves_the_sequence_once_and_success_resets_it(void)
{
    world_t *world = world_open(plain);
    zm_thread_t *thread;
    world_add(world, 1, 0, "", "smtp/a");
    world_add(world, 2, 1, "", "smtp/a");
    thread = world_thread(world, "smtp", "a");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "1/100\t\tdeferred x");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "2/100\t\tdeferred x");
    world_say(world, 0, "#hungry");
    CU_ASSERT_EQUAL(thread->retry, 1);
    world_pass(world, 300);
    world_say(world, 0, "#hungry");
    world_say(world, 0, "1/100\t\tdeferred x");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "2/100\t\tok3");
    world_say(world, 0, "#hungry");
    CU_ASSERT_EQUAL(thread->retry, 1);
    world_close(world);
}

static void deferall_counts_for_all_that_wait(void)
{
    world_t *world = world_open(plain);
    zm_vertex_t *vertex;
    uint64_t i;
    for (i = 1; i <= 5; i++)
        world_add(world, i, (int64_t)i, "", "smtp/a");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "1/100\tx\1failed\1\1smtp; 500\tdeferall no route");
    world_say(world, 0, "#hungry");
    vertex = zm_queue_find(world->scheduler, 5)->vertices;
    zm_vertex_sync(world->scheduler, vertex);
    CU_ASSERT_EQUAL(vertex->attempts, 1);
    CU_ASSERT(zm_str_equal_c(zm_vertex_text(vertex), "no route"));
    CU_ASSERT_EQUAL(world_thread(world, "smtp", "a")->fresh, 0);
    CU_ASSERT_EQUAL(world_thread(world, "smtp", "a")->attempts, 5);
    vertex = zm_queue_find(world->scheduler, 1)->vertices;
    zm_vertex_sync(world->scheduler, vertex);
    CU_ASSERT_EQUAL(vertex->attempts, 1);
    CU_ASSERT(zm_due_is_set(&world_thread(world, "smtp", "a")->due));
    world_close(world);
}

static void arrival_restarts_a_thread_in_back_off_unless_forbidden(void)
{
    world_t *world = world_open(BASE "x/* wakeuprestartonly command=x\nsmtp/* command=x\n");
    const char *const places[] = {"smtp/a", "x/a"};
    uint64_t i;
    for (i = 0; i < 2; i++) {
        char line[40];
        world_add(world, 10 + i, 0, "", places[i]);
        world_say(world, (int)i, "#hungry");
        snprintf(line, sizeof line, "%d/100\t\tdeferred x", (int)(10 + i));
        world_say(world, (int)i, line);
        world_say(world, (int)i, "#hungry");
        world_say(world, (int)i, "#hungry");
        world_sent(world, (int)i);
        world_add(world, 20 + i, 1, "", places[i]);
    }
    ZM_ASSERT_STR(world_sent(world, 0), "10\ta\n");
    ZM_ASSERT_STR(world_sent(world, 1), "");
    world_close(world);
}

static void queue_only_threads_wait_for_etrn(void)
{
    world_t *world = world_open(BASE "smtp/* queueonly command=x\n");
    world_add(world, 1, 0, "", "smtp/h.org");
    world_pass(world, 7200);
    CU_ASSERT_EQUAL(world->agent_count, 0);
    CU_ASSERT_EQUAL(zm_scheduler_etrn(world->scheduler, zm_str("H.ORG")), 1);
    zm_scheduler_settle(world->scheduler);
    CU_ASSERT_EQUAL(world->agent_count, 1);
    world_say(world, 0, "#hungry");
    world_say(world, 0, "1/100\t\tdeferred x");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "#hungry");
    world_sent(world, 0);
    world_pass(world, 200);
    ZM_ASSERT_STR(world_sent(world, 0), "");
    world_close(world);
}

/* -- expiry -------------------------------------------------------------------------------- */

static void expired_recipient_says_failed_whatever_the_agent_said(void)
{
    world_t *world = world_open(BASE "smtp/* expiry=10m idlemax=1h command=x\n");
    world_add(world, 1, 0, "", "smtp/a");
    world_say(world, 0, "#hungry");
    world_say(world, 0,
              "1/100\ta@b\1"
              "delayed\1"
              "4.4.1\1smtp; 450 (busy)\1dns; mx\tdeferred busy");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "#hungry");
    world_pass(world, 9 * 60);
    world_say(world, 0,
              "1/100\ta@b\1delayed\1"
              "4.4.1\1smtp; 450 (busy)\1dns; mx\tdeferred busy");
    CU_ASSERT_EQUAL(world_logged(world, "expire 1/100 [\3\1failed\1"
                                        "5.4.7 (unspecified timeout failure)\1smtp; 450 "
                                        "(busy)\1dns; mx] \rexpired after 10 mins, problem "
                                        "was:\rbusy\n"),
                    1);
    CU_ASSERT_EQUAL(world_logged(world, "complete 1"), 1);
    world_close(world);
}

static void unattempted_recipient_expires_by_the_second_limit(void)
{
    world_t *world = world_open(BASE "smtp/* expiry=1d expiry2=1d queueonly command=x\n");
    world_add(world, 1, 0, "", "smtp/a");
    world_pass(world, 86400 + 10);
    CU_ASSERT_EQUAL(world_logged(world, "expire"), 0);
    world_pass(world, 86400);
    CU_ASSERT_EQUAL(world_logged(world, "expire 1/100"), 1);
    world_close(world);
}

static void over_age_mail_expires_once_it_was_refused(void)
{
    world_t *world = world_open(BASE "smtp/* expiry=1d expiry2=2d command=x\n");
    uint64_t i;
    for (i = 1; i <= 3; i++)
        world_add(world, i, -90000 + (int64_t)i, "", "smtp/a");
    world_pass(world, 1000);
    CU_ASSERT_EQUAL(world_logged(world, "expire"), 0);
    world_say(world, 0, "#hungry");
    world_say(world, 0, "1/100\tx\1failed\1\1smtp; 500\tdeferall no route");
    CU_ASSERT_EQUAL(world_logged(world, "expire 1/100"), 1);
    world_gone(world, 0, false);
    world_pass(world, 1000);
    CU_ASSERT_EQUAL(world_logged(world, "expire 2/100"), 1);
    CU_ASSERT_EQUAL(world_logged(world, "expire 3/100"), 1);
    world_close(world);
}

static void recipient_that_cannot_be_expired_stays(void)
{
    world_t *world = world_open(BASE "smtp/* expiry=1d expiry2=0 queueonly command=x\n");
    world_add(world, 1, 0, "", "smtp/a smtp/a");
    world->refuse_expire = true;
    world_pass(world, 86400 + 10);
    CU_ASSERT_EQUAL(world_logged(world, "expire"), 0);
    world->refuse_expire = false;
    world_pass(world, 600);
    CU_ASSERT_EQUAL(world_logged(world, "expire 1/"), 2);
    CU_ASSERT_EQUAL(world_logged(world, "complete 1"), 1);
    world_close(world);
}

static void delays_are_reported_at_their_times(void)
{
    world_t *world = world_open(BASE "smtp/* queueonly reporttimes=\"1h 4h\" command=x\n");
    world_add(world, 1, 0, "", "smtp/a");
    world_pass(world, 3000);
    CU_ASSERT_EQUAL(world_logged(world, "delayed"), 0);
    world_pass(world, 700);
    CU_ASSERT_EQUAL(world_logged(world, "delayed 1/100 1 "), 1);
    world_pass(world, 4 * 3600);
    CU_ASSERT_EQUAL(world_logged(world, "delayed 1/100 2 "), 1);
    world_close(world);
}

/* -- behind the others --------------------------------------------------------------------- */

/* The jobs that the agent is given one by one, with a result for each. */
static void run(world_t *world, const char *const *results, const char *expected)
{
    zm_buf_t order = ZM_BUF_INIT;
    for (;;) {
        const char *sent = world_sent(world, 0);
        char line[80];
        if (sent[0] == '\0' || sent[0] == '#')
            break;
        zm_buf_add_byte(&order, sent[0]);
        snprintf(line, sizeof line, "%c/100\t\t%s", sent[0], results[sent[0] - '1']);
        world_say(world, 0, line);
        world_say(world, 0, "#hungry");
    }
    world_say(world, 0, "#hungry"); /* to "#idle" */
    ZM_ASSERT_STR(zm_str_c(zm_test_pool(), zm_buf_str(&order)), expected);
    zm_buf_free(&order);
}

static void deferback_goes_behind_the_others_from_the_next_run_on(void)
{
    static const char *const first[] = {"deferback later", "deferred x", "deferred x"},
                             *const then[] = {"deferred x", "deferred x", "deferback x"},
                             *const all[] = {"deferback x", "deferback x", "deferback x"};
    world_t *world = world_open("*/* interval=1m retries=\"1\" skew=1 idlemax=1h ageorder\n"
                                "smtp/* maxring=1 command=smtp\n");
    uint64_t id;
    for (id = 1; id <= 3; id++)
        world_add(world, id, (int64_t)id, "s@x", "smtp/a");
    world_say(world, 0, "#hungry");
    run(world, first, "123");
    world_pass(world, 61);
    run(world, then, "231"); /* 1 stands behind; it is back in its place now, and 3 is not */
    world_pass(world, 61);
    run(world, all, "123");
    world_pass(world, 61);
    run(world, all, "123"); /* all are behind: in the order of age again */
    world_add(world, 4, 9, "s@x", "smtp/a");
    CU_ASSERT_EQUAL(world_thread(world, "smtp", "a")->vertices, 4);
    world_close(world);
}

static void put_back_message_is_given_in_a_run_of_the_same_second(void)
{
    static const char *const all[] = {"deferback x"};
    world_t *world = world_open("*/* interval=1m retries=\"1\" skew=1 idlemax=1h ageorder\n"
                                "smtp/* maxring=1 command=smtp\n");
    world_add(world, 1, 1, "s@x", "smtp/a");
    world_say(world, 0, "#hungry");
    run(world, all, "1");
    CU_ASSERT_EQUAL(zm_scheduler_retry(world->scheduler, world_thread(world, "smtp", "a")), 1);
    world_pass(world, 0);
    run(world, all, "1");
    world_close(world);
}

static void many_recipients_of_one_message_expire_in_steps(void)
{
    world_t *world =
        world_open("*/* interval=1m retries=\"1\" expiry=1h expiry2=0\nsmtp/* command=smtp\n");
    zm_recipient_facts_t recipients[1000] = {0};
    zm_job_facts_t facts = {.id = 5, .leaf = "5", .prefix = "", .recipients = recipients};
    int calls;

    for (facts.recipient_count = 0; facts.recipient_count < 1000; facts.recipient_count++) {
        recipients[facts.recipient_count].channel = ZM_S("smtp");
        recipients[facts.recipient_count].host = ZM_S("a");
        recipients[facts.recipient_count].offset = 100 + 10 * facts.recipient_count;
    }
    facts.arrived = facts.routed_at = WORLD_START;
    facts.total = facts.recipient_count;
    zm_scheduler_tick(world->scheduler);
    ZM_ASSERT_OK(zm_queue_add(world->scheduler, &facts));
    world_pass(world, 7201);
    CU_ASSERT_EQUAL(world->scheduler->recipient_count, 800);
    CU_ASSERT_EQUAL(zm_scheduler_next(world->scheduler), world->scheduler->now);
    for (calls = 1; world->scheduler->recipient_count > 0 && calls < 20; calls++)
        world_pass(world, 0);
    CU_ASSERT_EQUAL(calls, 5);
    world_close(world);
}

ZM_TESTS("scheduler_retry", ZM_TEST(retry_sequence_follows_the_factors),
         ZM_TEST(one_run_moves_the_sequence_once_and_success_resets_it),
         ZM_TEST(deferall_counts_for_all_that_wait),
         ZM_TEST(arrival_restarts_a_thread_in_back_off_unless_forbidden),
         ZM_TEST(queue_only_threads_wait_for_etrn),
         ZM_TEST(expired_recipient_says_failed_whatever_the_agent_said),
         ZM_TEST(unattempted_recipient_expires_by_the_second_limit),
         ZM_TEST(over_age_mail_expires_once_it_was_refused),
         ZM_TEST(recipient_that_cannot_be_expired_stays),
         ZM_TEST(delays_are_reported_at_their_times),
         ZM_TEST(deferback_goes_behind_the_others_from_the_next_run_on),
         ZM_TEST(put_back_message_is_given_in_a_run_of_the_same_second),
         ZM_TEST(many_recipients_of_one_message_expire_in_steps))
