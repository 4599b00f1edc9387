/*
 * The farm with workers that misbehave: this program plays them.
 */
#include "mta/router/farm.h"

#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>

#include "platform/fs.h"
#include "platform/log.h"
#include "platform/service.h"
#include "tests/unit/harness.h"
#include "tests/unit/platform/roles.h"

#define DEADLY 13
#define STUCK 14
#define GARBAGE 15
#define UNTOLD 30 /* done, but the answer is kept for later */

/* -- the worker's side ------------------------------------------------------------------------ */

static const char *in(apr_pool_t *pool, const char *directory, const char *name)
{
    return apr_pstrcat(pool, directory, "/", name, NULL);
}

/* Notes what was done, with the version of the configuration: "1 router/5". */
static void note(apr_pool_t *pool, const char *directory, const char *version, const char *name)
{
    zm_file_t *file;
    const char *line = apr_pstrcat(pool, version, " ", name, "\n", NULL);
    if (zm_file_open(&file, NULL, in(pool, directory, "journal"),
                     ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_APPEND, 0600, pool) != APR_SUCCESS)
        exit(97);
    if (zm_file_lock(file, (uint64_t)1 << 40, 1, true) !=
        APR_SUCCESS) /* Wine appends at an end that has moved on */
        exit(96);
    (void)zm_file_append(file, line, strlen(line));
    zm_file_close(file);
}

static bool hear(apr_socket_t *channel, char *line, apr_size_t size)
{
    apr_size_t used = 0, length;
    while (used + 1 < size) {
        length = 1;
        if (apr_socket_recv(channel, line + used, &length) != APR_SUCCESS || length == 0)
            return false;
        if (line[used] == '\n')
            break;
        used++;
    }
    line[used] = '\0';
    return true;
}

static void misbehave(apr_socket_t *channel, int number)
{
    int i;
    if (number == DEADLY)
        _Exit(3);
    if (number == STUCK)
        for (;;)
            apr_sleep(apr_time_from_sec(1000));
    if (number == GARBAGE)
        for (i = 0; i < 3000; i++)
            zm_role_say(channel,
                        i % 100 == 99 ? "#hungry not\n\n" : "garbage without an end \x01\xff");
}

static int play_worker(const char *directory, apr_pool_t *pool)
{
    apr_socket_t *channel = zm_role_channel(pool);
    char *version, line[200];
    apr_size_t length;
    if (zm_file_slurp(&version, &length, in(pool, directory, "config"), 100, pool) != APR_SUCCESS ||
        strcmp(version, "bad") == 0)
        return 78;
    zm_role_say(channel, "#hungry\n");
    while (hear(channel, line, sizeof line)) {
        misbehave(channel, atoi(line + strlen("router/")));
        note(pool, directory, version, line);
        if (atoi(line + strlen("router/")) != UNTOLD)
            zm_role_say(channel, "#hungry\n");
    }
    note(pool, directory, version, "end");
    return 0;
}

static const zm_role_t roles[] = {{"worker", play_worker}};

/* -- the farm's side --------------------------------------------------------------------------- */

typedef struct farm_world_t {
    zm_loop_t *loop;
    router_queue_t *queue;
    router_farm_t *farm;
    zm_child_spec_t spec;
    const char *argv[5];
    int started, failed, stopped;
    uint64_t poisoned;
} farm_world_t;

static void on_started(bool ready, void *baton)
{
    farm_world_t *world = baton;
    if (ready)
        world->started++;
    else
        world->failed++;
}

static void on_poison(const router_job_t *job, void *baton)
{
    ((farm_world_t *)baton)->poisoned = job->id;
}

static bool exists(const router_job_t *job, void *baton)
{
    (void)baton;
    return job->id == 7 || job->id == DEADLY || job->id == STUCK;
}

static void on_stopped(void *baton)
{
    ((farm_world_t *)baton)->stopped++;
}

static void configure(const char *version)
{
    const char *path = in(zm_test_pool(), zm_test_directory(), "config");
    const char *fresh = in(zm_test_pool(), zm_test_directory(), "fresh");
    zm_file_t *file;
    ZM_ASSERT_OK(
        zm_file_open(&file, NULL, fresh, ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0600, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, version, strlen(version)));
    zm_file_close(file);
    ZM_ASSERT_OK(zm_file_replace(NULL, fresh, NULL, path));
}

static farm_world_t *begin(int workers, apr_interval_time_t patience)
{
    farm_world_t *world = apr_pcalloc(zm_test_pool(), sizeof *world);
    zm_log_options_t log = {.program = "router",
                            .level = ZM_LOG_DEBUG,
                            .file = in(zm_test_pool(), zm_test_directory(), "log")};
    router_farm_options_t options = {0};
    ZM_ASSERT_OK(zm_log_open(&log, NULL));
    ZM_ASSERT_OK(zm_loop_create(&world->loop, zm_test_pool()));
    ZM_ASSERT_OK(zm_service_program(&world->argv[0], zm_test_pool()));
    world->argv[1] = "role";
    world->argv[2] = "worker";
    world->argv[3] = zm_test_directory();
    world->spec.argv = world->argv;
    world->spec.io = ZM_CHILD_CHANNEL_01;
    world->queue = router_queue_create();
    options.loop = world->loop;
    options.queue = world->queue;
    options.spec = &world->spec;
    options.workers = workers;
    options.patience = patience;
    options.started = on_started;
    options.poison = on_poison;
    options.exists = exists;
    options.stopped = on_stopped;
    options.baton = world;
    world->farm = router_farm_create(&options, zm_test_pool());
    return world;
}

static void once(farm_world_t *world)
{
    ZM_ASSERT_OK(zm_loop_once(world->loop, apr_time_from_msec(100)));
}

#define UNTIL(world, condition)                                                                    \
    do {                                                                                           \
        apr_time_t end_ = apr_time_now() + apr_time_from_sec(60);                                  \
        while (!(condition) && apr_time_now() < end_)                                              \
            once(world);                                                                           \
        CU_ASSERT_TRUE_FATAL(condition);                                                           \
    } while (0)

static void add(farm_world_t *world, uint64_t id)
{
    router_queue_add(world->queue,
                     apr_psprintf(zm_test_pool(), "router/%" APR_UINT64_T_FMT, (apr_uint64_t)id),
                     id, (apr_time_t)id);
    router_farm_feed(world->farm);
}

static const char *text_of(const char *name)
{
    char *text;
    apr_size_t length;
    if (zm_file_slurp(&text, &length, in(zm_test_pool(), zm_test_directory(), name), 1 << 24,
                      zm_test_pool()) != APR_SUCCESS)
        return "";
    return text;
}

static bool done(const char *line)
{
    return strstr(text_of("journal"), line) != NULL;
}

static int times(const char *line)
{
    const char *at = text_of("journal");
    int count = 0;
    for (; (at = strstr(at, line)) != NULL; at++)
        count++;
    return count;
}

static void end(farm_world_t *world)
{
    router_farm_stop(world->farm);
    UNTIL(world, world->stopped > 0);
    CU_ASSERT_EQUAL(world->stopped, 1);
    router_queue_destroy(world->queue);
    zm_log_close();
}

static router_figures_t figures_of(const farm_world_t *world)
{
    router_figures_t figures;
    router_farm_figures(world->farm, &figures);
    return figures;
}

/* -- tests ------------------------------------------------------------------------------------- */

static void every_message_is_handed_out_once(void)
{
    farm_world_t *world;
    uint64_t id;
    configure("1");
    world = begin(2, apr_time_from_sec(60));
    for (id = 100; id < 200; id++)
        add(world, id);
    UNTIL(world, times("\n") >= 100);
    CU_ASSERT_EQUAL(world->started, 1);
    for (id = 100; id < 200; id++)
        CU_ASSERT_EQUAL(times(apr_psprintf(zm_test_pool(), "1 router/%d\n", (int)id)), 1);
    CU_ASSERT_EQUAL(router_queue_waiting(world->queue), 0);
    UNTIL(world, figures_of(world).routed == 100);
    CU_ASSERT_EQUAL(figures_of(world).deaths, 0);
    end(world);
}

static void a_message_over_which_two_workers_die_is_set_aside(void)
{
    farm_world_t *world;
    configure("1");
    world = begin(1, apr_time_from_sec(60));
    UNTIL(world, world->started);
    add(world, DEADLY);
    add(world, 20);
    add(world, 21);
    UNTIL(world, world->poisoned != 0 && done("1 router/20\n") && done("1 router/21\n"));
    CU_ASSERT_EQUAL(world->poisoned, DEADLY);
    CU_ASSERT_EQUAL(figures_of(world).parked, 1);
    CU_ASSERT_EQUAL(figures_of(world).deaths, 2);
    CU_ASSERT_EQUAL(times("router/20\n"), 1);
    CU_ASSERT_FALSE(router_queue_knows(world->queue, DEADLY));
    end(world);
}

static void what_a_dead_worker_had_done_and_not_told_is_not_suspected(void)
{
    farm_world_t *world;
    configure("1");
    world = begin(1, apr_time_from_sec(60));
    UNTIL(world, world->started);
    add(world, UNTOLD);
    add(world, DEADLY);
    add(world, 20);
    UNTIL(world, world->poisoned != 0 && done("1 router/20\n"));
    CU_ASSERT_EQUAL(world->poisoned, DEADLY);
    CU_ASSERT_EQUAL(figures_of(world).deaths, 2);
    end(world);
}

static void a_worker_that_does_not_come_back_is_killed(void)
{
    farm_world_t *world;
    configure("1");
    world = begin(1, apr_time_from_msec(zm_test_on_windows() ? 3000 : 500)); /* enough to start */
    UNTIL(world, world->started);
    add(world, STUCK);
    add(world, 20);
    UNTIL(world, world->poisoned != 0 && done("1 router/20\n"));
    CU_ASSERT_EQUAL(world->poisoned, STUCK);
    CU_ASSERT_PTR_NOT_NULL(strstr(text_of("log"), "worker is stuck and is killed"));
    end(world);
}

static void garbage_of_a_worker_goes_to_the_log(void)
{
    farm_world_t *world;
    configure("1");
    world = begin(1, apr_time_from_sec(60));
    add(world, GARBAGE);
    add(world, 20);
    UNTIL(world, done("1 router/15\n") && done("1 router/20\n"));
    CU_ASSERT_EQUAL(world->poisoned, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text_of("log"), "garbage without an end"));
    end(world);
}

static void a_configuration_that_does_not_load_is_told(void)
{
    farm_world_t *world;
    configure("bad");
    world = begin(1, apr_time_from_sec(60));
    UNTIL(world, world->failed);
    CU_ASSERT_EQUAL(world->started, 0);
    end(world);
}

static void a_farm_whose_first_worker_fails_tries_again(void)
{
    farm_world_t *world;
    configure("bad");
    world = begin(1, apr_time_from_sec(60));
    add(world, 20);
    UNTIL(world, world->failed);
    configure("1");
    UNTIL(world, done("1 router/20\n"));
    CU_ASSERT_EQUAL(world->started, 1);
    end(world);
}

static void a_reload_replaces_the_workers(void)
{
    farm_world_t *world;
    configure("1");
    world = begin(1, apr_time_from_sec(60));
    add(world, 20);
    UNTIL(world, done("1 router/20\n"));
    configure("2");
    router_farm_reload(world->farm);
    UNTIL(world, done("1 end\n"));
    add(world, 21);
    UNTIL(world, done("2 router/21\n"));
    end(world);
}

static void a_reload_that_fails_leaves_the_workers(void)
{
    farm_world_t *world;
    configure("1");
    world = begin(1, apr_time_from_sec(60));
    add(world, 20);
    UNTIL(world, done("1 router/20\n"));
    configure("bad");
    router_farm_reload(world->farm);
    UNTIL(world, strstr(text_of("log"), "the old configuration stays in force") != NULL);
    add(world, 21);
    UNTIL(world, done("1 router/21\n"));
    configure("3");
    router_farm_reload(world->farm);
    UNTIL(world, done("1 end\n"));
    add(world, 22);
    UNTIL(world, done("3 router/22\n"));
    end(world);
}

static void a_reload_during_a_reload_is_not_forgotten(void)
{
    farm_world_t *world;
    configure("1");
    world = begin(1, apr_time_from_sec(60));
    UNTIL(world, world->started);
    configure("2");
    router_farm_reload(world->farm);
    configure("3");
    router_farm_reload(world->farm);
    UNTIL(world, done("1 end\n") && (done("2 end\n") || done("3 end\n")));
    add(world, 20);
    UNTIL(world, done("3 router/20\n"));
    end(world);
}

static void workers_finish_what_they_have_when_the_farm_stops(void)
{
    farm_world_t *world;
    int given;
    configure("1");
    world = begin(1, apr_time_from_sec(60));
    UNTIL(world, world->started);
    for (given = 20; given < 24; given++)
        add(world, (uint64_t)given);
    end(world);
    CU_ASSERT_EQUAL(times("router/"), 4);
    CU_ASSERT_EQUAL(times("1 end\n"), 1);
}

static void a_new_message_of_a_number_in_hand_is_handed_out_too(void)
{
    farm_world_t *world;
    configure("1");
    world = begin(1, apr_time_from_sec(60));
    UNTIL(world, world->started);
    add(world, 7);
    add(world, 7);
    UNTIL(world, times("router/7\n") == 2);
    end(world);
}

int main(int argc, char **argv)
{
    const zm_test_t tests[] = {ZM_TEST(every_message_is_handed_out_once),
                               ZM_TEST(a_message_over_which_two_workers_die_is_set_aside),
                               ZM_TEST(what_a_dead_worker_had_done_and_not_told_is_not_suspected),
                               ZM_TEST(a_worker_that_does_not_come_back_is_killed),
                               ZM_TEST(garbage_of_a_worker_goes_to_the_log),
                               ZM_TEST(a_configuration_that_does_not_load_is_told),
                               ZM_TEST(a_farm_whose_first_worker_fails_tries_again),
                               ZM_TEST(a_reload_replaces_the_workers),
                               ZM_TEST(a_reload_that_fails_leaves_the_workers),
                               ZM_TEST(a_reload_during_a_reload_is_not_forgotten),
                               ZM_TEST(workers_finish_what_they_have_when_the_farm_stops),
                               ZM_TEST(a_new_message_of_a_number_in_hand_is_handed_out_too)};
    int code;
    if (zm_role_play(roles, (int)(sizeof roles / sizeof roles[0]), argc, argv, &code))
        return code;
    return zm_tests_run("router farm", tests, (int)(sizeof tests / sizeof tests[0]), argc, argv);
}
