#include "mta/router/queue.h"

#include <apr_strings.h>

#include "tests/unit/harness.h"

static void the_oldest_message_is_taken_first(void)
{
    router_queue_t *queue = router_queue_create();
    router_job_t *job;
    CU_ASSERT_TRUE(router_queue_add(queue, "router/3", 3, 300));
    CU_ASSERT_TRUE(router_queue_add(queue, "router/1", 1, 100));
    CU_ASSERT_TRUE(router_queue_add(queue, "router/5", 5, 100));
    CU_ASSERT_TRUE(router_queue_add(queue, "router/2", 2, 200));
    CU_ASSERT_EQUAL(router_queue_waiting(queue), 4);
    job = router_queue_take(queue);
    ZM_ASSERT_STR(job->name, "router/1");
    router_queue_done(queue, job);
    job = router_queue_take(queue); /* of the same age: by number */
    ZM_ASSERT_STR(job->name, "router/5");
    router_queue_done(queue, job);
    router_queue_destroy(queue);
}

static void a_message_stands_in_the_queue_once_until_it_is_done(void)
{
    router_queue_t *queue = router_queue_create();
    router_job_t *job;
    CU_ASSERT_TRUE(router_queue_add(queue, "router/1", 1, 1));
    CU_ASSERT_FALSE(router_queue_add(queue, "router/A/1", 1, 1));
    job = router_queue_take(queue);
    CU_ASSERT_FALSE(job->again);
    CU_ASSERT_FALSE(router_queue_add(queue, "router/1", 1, 1)); /* being worked on */
    CU_ASSERT_TRUE(job->again); /* and perhaps a new message that took the number */
    CU_ASSERT_PTR_NULL(router_queue_take(queue));
    router_queue_return(queue, job);
    CU_ASSERT_PTR_EQUAL(router_queue_take(queue), job);
    router_queue_done(queue, job);
    CU_ASSERT_FALSE(router_queue_knows(queue, 1));
    CU_ASSERT_TRUE(router_queue_add(queue, "router/1", 1, 1));
    router_queue_destroy(queue);
}

static void many_messages_keep_their_order(void)
{
    router_queue_t *queue = router_queue_create();
    apr_time_t last = 0;
    uint64_t id;
    char name[40];
    int taken = 0;
    for (id = 0; id < 5000; id++) {
        apr_snprintf(name, sizeof name, "router/%d", (int)id);
        CU_ASSERT_TRUE_FATAL(router_queue_add(queue, name, id, (apr_time_t)(id * 7919 % 5000)));
    }
    for (;;) {
        router_job_t *job = router_queue_take(queue);
        if (job == NULL)
            break;
        CU_ASSERT_TRUE_FATAL(job->arrived >= last);
        last = job->arrived;
        router_queue_done(queue, job);
        taken++;
    }
    CU_ASSERT_EQUAL(taken, 5000);
    router_queue_destroy(queue);
}

static uint64_t measured(const char *name, void *baton)
{
    ++*(int *)baton;
    return strcmp(name, "router/1") == 0 ? 1000 : 24;
}

static void what_waits_is_measured_once_and_within_bounds(void)
{
    router_queue_t *queue = router_queue_create();
    int asked = 0;
    router_queue_add(queue, "router/1", 1, 1);
    router_queue_add(queue, "router/2", 2, 2);
    CU_ASSERT_EQUAL(router_queue_volume(queue, measured, &asked, 1), 1000);
    CU_ASSERT_EQUAL(router_queue_volume(queue, measured, &asked, 1), 1024);
    CU_ASSERT_EQUAL(router_queue_volume(queue, measured, &asked, 1), 1024);
    CU_ASSERT_EQUAL(asked, 2);
    router_queue_done(queue, router_queue_take(queue)); /* who has a worker does not wait */
    CU_ASSERT_EQUAL(router_queue_volume(queue, measured, &asked, 1), 24);
    router_queue_destroy(queue);
}

ZM_TESTS("router queue", ZM_TEST(the_oldest_message_is_taken_first),
         ZM_TEST(a_message_stands_in_the_queue_once_until_it_is_done),
         ZM_TEST(many_messages_keep_their_order),
         ZM_TEST(what_waits_is_measured_once_and_within_bounds))
