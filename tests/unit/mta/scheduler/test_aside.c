#include "mta/scheduler/aside.h"
#include "mta/scheduler/visit.h"
#include "platform/clock.h"
#include "tests/unit/harness.h"
#include "tests/unit/mta/scheduler/world.h"

#define CONF                                                                                       \
    "*/* interval=1m retries=\"1 2 3\" skew=1 expiry=3d idlemax=4m ageorder overfeed=0\n"          \
    "smtp/* maxring=20 command=smtp\n"

static zm_job_t *job(world_t *world, uint64_t id)
{
    return zm_queue_find(world->scheduler, id);
}

static zm_thread_t *aside(world_t *world, const char *host, zm_aside_t kind)
{
    return zm_aside_find(world->scheduler, zm_str("smtp"), zm_str(host), kind);
}

/* An agent of the world takes what there is at a host and answers each job with this. */
static void answer_all(world_t *world, int agent, const char *host, const char *result)
{
    const char *sent;
    world_say(world, agent, "#hungry");
    for (;;) {
        char line[200];
        sent = world_sent(world, agent);
        if (strchr(sent, '\t') == NULL)
            return;
        CU_ASSERT_PTR_NOT_NULL(strstr(sent, host));
        snprintf(line, sizeof line, "%.*s/100\t\t%s", (int)(strchr(sent, '\t') - sent), sent,
                 result);
        world_say(world, agent, line);
        world_say(world, agent, "#hungry");
    }
}

static void destination_on_hold_is_not_served_until_released(void)
{
    world_t *world = world_open(CONF);
    CU_ASSERT_FALSE(zm_aside_hold_thread(world->scheduler, zm_str("smtp"), zm_str("a")));
    world_add(world, 1, 0, "s@x", "smtp/a");
    world_pass(world, 600);
    CU_ASSERT_EQUAL(world->agent_count, 0);
    CU_ASSERT_EQUAL(zm_scheduler_etrn(world->scheduler, zm_str("a")), 0);
    CU_ASSERT(zm_aside_release_thread(world->scheduler, zm_str("smtp"), zm_str("a")));
    zm_scheduler_settle(world->scheduler);
    CU_ASSERT_EQUAL(world->agent_count, 1);
    answer_all(world, 0, "a", "ok3");
    CU_ASSERT_EQUAL(world_logged(world, "complete 1"), 1);
    world_close(world);
}

static void mail_on_hold_does_not_expire(void)
{
    world_t *world = world_open(CONF);
    world_add(world, 1, 0, "s@x", "smtp/a");
    zm_aside_hold_job(world->scheduler, job(world, 1));
    world_pass(world, 30 * 86400);
    CU_ASSERT_EQUAL(world_logged(world, "expire"), 0);
    zm_aside_release_job(world->scheduler, job(world, 1));
    world_pass(world, 600);
    CU_ASSERT_EQUAL(world_logged(world, "expire 1/"), 1);
    world_close(world);
}

static void message_on_hold_lets_others_pass(void)
{
    world_t *world = world_open(CONF);
    world_add(world, 1, 0, "s@x", "smtp/a smtp/b");
    world_add(world, 2, 1, "s@x", "smtp/a");
    CU_ASSERT_EQUAL(zm_aside_hold_job(world->scheduler, job(world, 1)), 0);
    CU_ASSERT_PTR_NOT_NULL(aside(world, "a", ZM_ASIDE_HELD));
    CU_ASSERT_PTR_NULL(world_thread(world, "smtp", "b"));
    answer_all(world, 0, "a", "ok3");
    CU_ASSERT_EQUAL(world_logged(world, "complete 2"), 1);
    zm_aside_release_job(world->scheduler, job(world, 1));
    zm_scheduler_settle(world->scheduler);
    CU_ASSERT_PTR_NULL(aside(world, "a", ZM_ASIDE_HELD));
    CU_ASSERT_PTR_NOT_NULL(world_thread(world, "smtp", "b"));
    CU_ASSERT_EQUAL(world->scheduler->holds.job_count, 0);
    world_close(world);
}

static void message_with_an_agent_is_held_when_it_comes_back(void)
{
    world_t *world = world_open(CONF);
    world_add(world, 1, 0, "s@x", "smtp/a");
    world_say(world, 0, "#hungry");
    CU_ASSERT_EQUAL(zm_aside_hold_job(world->scheduler, job(world, 1)), 1);
    world_say(world, 0, "1/100\t\tdeferred busy");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "#hungry");
    world_sent(world, 0);
    world_pass(world, 60);
    ZM_ASSERT_STR(world_sent(world, 0), "");
    CU_ASSERT_PTR_NOT_NULL(aside(world, "a", ZM_ASIDE_HELD));
    world_close(world);
}

static void killed_thread_is_emptied_and_new_mail_is_served(void)
{
    world_t *world = world_open(CONF "hold/* command=hold\n");
    uint64_t id;
    for (id = 1; id <= 500; id++)
        world_add(world, id, 0, "s@x", "smtp/a");
    world_add(world, 600, 0, "s@x", "smtp/a smtp/b");
    zm_aside_thread(world->scheduler, world_thread(world, "smtp", "a"), ZM_ASIDE_KILL);
    world_gone(world, 0, false);
    world_add(world, 601, 0, "s@x", "smtp/a");
    world_pass(world, 0);
    CU_ASSERT(world->scheduler->condemned != NULL); /* in steps */
    while (world->scheduler->condemned != NULL)
        world_pass(world, 0);
    CU_ASSERT_EQUAL(world_logged(world, "discard"), 501);
    CU_ASSERT_EQUAL(world_logged(world, "complete"), 500);
    CU_ASSERT_EQUAL(job(world, 600)->pending, 1);
    CU_ASSERT_EQUAL(world_thread(world, "smtp", "a")->vertices, 1);
    CU_ASSERT_EQUAL(world->scheduler->recipient_count, 2);
    world_close(world);
}

static void what_is_locked_is_not_killed(void)
{
    world_t *world = world_open(CONF);
    world_add(world, 1, 0, "s@x", "smtp/a");
    world_gone(world, 0, false);
    world->refuse_expire = true;
    zm_aside_thread(world->scheduler, world_thread(world, "smtp", "a"), ZM_ASIDE_KILL);
    world_pass(world, 0);
    CU_ASSERT_PTR_NULL(world->scheduler->condemned);
    CU_ASSERT_EQUAL(world_thread(world, "smtp", "a")->vertices, 1);
    world_close(world);
}

static void returned_mail_names_the_last_problem(void)
{
    world_t *world = world_open(CONF);
    world_add(world, 1, 0, "s@x", "smtp/a");
    answer_all(world, 0, "a", "deferred 450 busy");
    CU_ASSERT_EQUAL(zm_aside_job(world->scheduler, job(world, 1), ZM_ASIDE_RETURN), 1);
    world_pass(world, 0);
    CU_ASSERT_EQUAL(world_logged(world, "5.7.0 (returned by the administrator)"), 1);
    CU_ASSERT_EQUAL(
        world_logged(world, "returned by the administrator, last problem was:\r450 busy"), 1);
    CU_ASSERT_EQUAL(world_logged(world, "complete 1"), 1);
    world_close(world);
}

static void rerouted_thread_is_given_to_reroute_once(void)
{
    world_t *world = world_open(CONF);
    zm_thread_t *thread;
    world_add(world, 1, 0, "s@x", "smtp/a");
    world_add(world, 2, 1, "s@x", "smtp/a");
    world_gone(world, 0, false);
    zm_aside_thread(world->scheduler, world_thread(world, "smtp", "a"), ZM_ASIDE_REROUTE);
    world_add(world, 3, 0, "s@x", "smtp/a"); /* not with them */
    thread = aside(world, "a", ZM_ASIDE_REROUTE);
    CU_ASSERT_EQUAL(thread->vertices, 2);
    ZM_ASSERT_STR(thread->ring->selection->params.command, "reroute -c $channel");
    zm_scheduler_settle(world->scheduler);
    world_say(world, 1, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 1), "1\ta\n");
    world_say(world, 1, "1/100\t\tok3 routed again");
    world_say(world, 1, "#hungry");
    ZM_ASSERT_STR(world_sent(world, 1), "2\ta\n");
    world_say(world, 1, "2/100\t\tdeferred cannot be routed again");
    world_say(world, 1, "#hungry");
    CU_ASSERT_EQUAL(world_logged(world, "complete 1"), 1);
    CU_ASSERT_PTR_NULL(aside(world, "a", ZM_ASIDE_REROUTE));
    CU_ASSERT_EQUAL(world_thread(world, "smtp", "a")->vertices, 2);
    world_close(world);
}

static void thread_under_way_is_taken_over_when_its_run_ends(void)
{
    world_t *world = world_open(CONF);
    world_add(world, 1, 0, "s@x", "smtp/a");
    world_add(world, 2, 1, "s@x", "smtp/a");
    world_say(world, 0, "#hungry");
    zm_aside_thread(world->scheduler, world_thread(world, "smtp", "a"), ZM_ASIDE_KILL);
    world_pass(world, 10);
    CU_ASSERT_EQUAL(world_logged(world, "discard"), 0);
    world_say(world, 0, "1/100\t\tok3");
    world_say(world, 0, "#hungry");
    world_pass(world, 0);
    CU_ASSERT_EQUAL(world_logged(world, "discard"), 1);
    CU_ASSERT_EQUAL(world->scheduler->job_count, 0);
    world_close(world);
}

static void reload_keeps_what_is_set_aside(void)
{
    world_t *world = world_open(CONF);
    world_add(world, 1, 0, "s@x", "smtp/a");
    world_gone(world, 0, false);
    zm_aside_hold_job(world->scheduler, job(world, 1));
    zm_scheduler_reload(world->scheduler, world->config);
    world_pass(world, 600);
    CU_ASSERT_EQUAL(world->agent_count, 1);
    CU_ASSERT_EQUAL(aside(world, "a", ZM_ASIDE_HELD)->vertices, 1);
    world_close(world);
}

static void holds_are_read_again(void)
{
    world_t *world = world_open(CONF);
    zm_texts_t *texts = &world->scheduler->texts;
    zm_holds_t holds = {0};
    zm_buf_t text = ZM_BUF_INIT;
    zm_holds_parse(&holds, texts,
                   zm_str("MSG 9\nTHREAD smtp a\nnonsense\nMSG 3\nMSG x\nMSG 9\nTHREAD smtp a\n"));
    CU_ASSERT(zm_holds_job(&holds, 3) && zm_holds_job(&holds, 9) && !zm_holds_job(&holds, 4));
    zm_holds_print(&holds, &text);
    ZM_ASSERT_STR(zm_buf_c(&text), "THREAD smtp a\nMSG 3\nMSG 9\n");
    zm_buf_free(&text);
    zm_holds_free(&holds, texts);
    world_close(world);
}

static void job_on_hold_is_held_after_a_restart(void)
{
    world_t *world = world_open(CONF);
    zm_holds_add_job(&world->scheduler->holds, 5);
    world_add(world, 5, 0, "s@x", "smtp/a");
    CU_ASSERT_EQUAL(world->agent_count, 0);
    CU_ASSERT_EQUAL(aside(world, "a", ZM_ASIDE_HELD)->vertices, 1);
    zm_scheduler_kill(world->scheduler, job(world, 5));
    CU_ASSERT_EQUAL(world->scheduler->holds.job_count, 0);
    world_close(world);
}

static void listing_leaves_out_what_has_gone(void)
{
    world_t *world = world_open(CONF);
    zm_visit_t listing;
    zm_vertex_t *vertex;
    int seen = 0;
    uint64_t id;
    for (id = 1; id <= 100; id++)
        world_add(world, id, (int64_t)id, "s@x", "smtp/a");
    zm_visit_begin(&listing, world->scheduler);
    zm_visit_thread(&listing, world_thread(world, "smtp", "a"));
    CU_ASSERT_EQUAL(zm_visit_next(&listing)->job->id, 1);
    for (id = 1; id <= 100; id += 2)
        zm_scheduler_kill(world->scheduler, job(world, id));
    for (id = 201; id <= 250; id++) /* in the same memory */
        world_add(world, id, (int64_t)id, "s@x", "smtp/a");
    while ((vertex = zm_visit_next(&listing)) != NULL) {
        CU_ASSERT(vertex->job->id % 2 == 0 && vertex->job->id <= 100);
        seen++;
    }
    CU_ASSERT_EQUAL(seen, 50);
    zm_visit_end(&listing);
    world_close(world);
}

static void visit_follows_no_vertex_that_moves_away(void)
{
    world_t *world = world_open(CONF);
    zm_visit_t visit, of_job;
    uint64_t id;
    for (id = 1; id <= 4; id++)
        world_add(world, id, (int64_t)id, "s@x", "smtp/a smtp/b");
    zm_visit_begin(&visit, world->scheduler);
    zm_visit_begin(&of_job, world->scheduler);
    zm_visit_thread(&visit, world_thread(world, "smtp", "a"));
    zm_visit_job(&of_job, job(world, 4));
    CU_ASSERT_EQUAL(zm_visit_next(&visit)->job->id, 1);
    zm_aside_hold_job(world->scheduler, job(world, 2)); /* the next one */
    zm_aside_hold_job(world->scheduler, job(world, 4)); /* the last one */
    CU_ASSERT_EQUAL(zm_visit_next(&visit)->job->id, 3);
    CU_ASSERT_PTR_NULL(zm_visit_next(&visit));
    CU_ASSERT_PTR_NOT_NULL(zm_visit_next(&of_job)); /* of the job they still are */
    CU_ASSERT_PTR_NOT_NULL(zm_visit_next(&of_job));
    CU_ASSERT_PTR_NULL(zm_visit_next(&of_job));
    zm_visit_end(&of_job);
    zm_visit_end(&visit);
    world_close(world);
}

/* -- at random ----------------------------------------------------------------------------- */

static uint32_t dice(uint64_t *state, uint32_t sides)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(zm_mix(*state) >> 33) % sides;
}

/* Every agent that has work answers its first job, or asks for more. */
static void agents_work(world_t *world, uint64_t *state)
{
    static const char *const results[] = {"ok3 done", "error2 no", "deferred later",
                                          "retryat +60 busy", "deferall down"};
    int i;
    for (i = 0; i < world->agent_count; i++) {
        zm_str_t text, line, path, rest;
        char answer[100];
        if (world->agents[i].ta == NULL)
            continue;
        if (world->agents[i].half_closed) {
            world_gone(world, i, false);
            continue;
        }
        if (!world->agents[i].ta->hungry)
            world_say(world, i, "#hungry");
        text = zm_str(world_sent(world, i));
        while (zm_str_cut(text, '\n', &line, &rest)) {
            text = rest;
            if (zm_str_cut(line, '\t', &path, &rest)) {
                snprintf(answer, sizeof answer, "%.*s/100\t\t%s", (int)path.length, path.data,
                         results[dice(state, 5)]);
                world_say(world, i, answer);
            }
            world_say(world, i, "#hungry");
        }
    }
}

static void command_at_random(world_t *world, uint64_t *state)
{
    static const zm_aside_t kinds[] = {ZM_ASIDE_KILL, ZM_ASIDE_RETURN, ZM_ASIDE_REROUTE};
    zm_scheduler_t *scheduler = world->scheduler;
    const char *host = dice(state, 2) ? "a" : "b";
    zm_job_t *one = job(world, 1 + dice(state, 60));
    zm_thread_t *thread = world_thread(world, "smtp", host);

    switch (dice(state, 7)) {
    case 0:
        zm_aside_hold_thread(scheduler, zm_str("smtp"), zm_str(host));
        break;
    case 1:
    case 2:
        zm_aside_release_thread(scheduler, zm_str("smtp"), zm_str(host));
        break;
    case 3:
        if (thread != NULL && dice(state, 4) == 0)
            zm_aside_thread(scheduler, thread, kinds[dice(state, 3)]);
        break;
    case 4:
        if (one != NULL)
            zm_aside_hold_job(scheduler, one);
        break;
    case 5:
        if (one != NULL)
            zm_aside_release_job(scheduler, one);
        break;
    default:
        if (one != NULL)
            zm_aside_job(scheduler, one, kinds[dice(state, 3)]);
    }
    zm_scheduler_settle(scheduler);
}

static void check_books(world_t *world)
{
    const zm_scheduler_t *scheduler = world->scheduler;
    uint64_t recipients = 0, vertices = 0, threads = 0;
    const zm_ring_t *ring;
    const zm_thread_t *thread;

    for (ring = scheduler->rings; ring != NULL; ring = ring->next)
        for (thread = ring->threads; thread != NULL; thread = thread->ring_next) {
            recipients += thread->recipients;
            vertices += thread->vertices;
            threads++;
            CU_ASSERT(thread->vertices > 0 || thread->leases != NULL);
            CU_ASSERT(thread->fresh <= thread->vertices);
        }
    CU_ASSERT_EQUAL(recipients, scheduler->recipient_count);
    CU_ASSERT_EQUAL(vertices, scheduler->vertex_count);
    CU_ASSERT_EQUAL(threads, scheduler->thread_count);
}

static void commands_at_random_keep_the_books(void)
{
    int killed = 0, returned = 0, done = 0;
    uint64_t seed;
    for (seed = 1; seed <= 200; seed++) {
        world_t *world = world_open(CONF);
        uint64_t state = seed, id;
        int step;
        for (id = 1; id <= 60; id++) {
            world_add(world, id, 0, id % 3 ? "s@x" : "t@x", id % 2 ? "smtp/a" : "smtp/b smtp/a");
            command_at_random(world, &state);
            agents_work(world, &state);
        }
        for (step = 0; step < 100; step++) {
            command_at_random(world, &state);
            agents_work(world, &state);
            world_pass(world, dice(&state, 90));
            check_books(world);
        }
        killed += world_logged(world, "discard ");
        returned += world_logged(world, "returned by the administrator");
        done += world_logged(world, " ok3 ");
        world_close(world);
    }
    CU_ASSERT(killed > 100 && returned > 100 && done > 100);
}

ZM_TESTS("scheduler_aside", ZM_TEST(destination_on_hold_is_not_served_until_released),
         ZM_TEST(mail_on_hold_does_not_expire), ZM_TEST(message_on_hold_lets_others_pass),
         ZM_TEST(message_with_an_agent_is_held_when_it_comes_back),
         ZM_TEST(killed_thread_is_emptied_and_new_mail_is_served),
         ZM_TEST(what_is_locked_is_not_killed), ZM_TEST(returned_mail_names_the_last_problem),
         ZM_TEST(rerouted_thread_is_given_to_reroute_once),
         ZM_TEST(thread_under_way_is_taken_over_when_its_run_ends),
         ZM_TEST(reload_keeps_what_is_set_aside), ZM_TEST(holds_are_read_again),
         ZM_TEST(job_on_hold_is_held_after_a_restart), ZM_TEST(listing_leaves_out_what_has_gone),
         ZM_TEST(visit_follows_no_vertex_that_moves_away),
         ZM_TEST(commands_at_random_keep_the_books))
