#include "platform/child.h"

#include <apr_env.h>
#include <apr_file_info.h>
#include <apr_strings.h>
#include <stdlib.h>

#include "platform/localsock.h"
#include "platform/service.h"
#include "tests/unit/harness.h"
#include "tests/unit/platform/roles.h"

static zm_loop_t *new_loop(void)
{
    zm_loop_t *loop = NULL;
    ZM_ASSERT_OK(zm_loop_create(&loop, zm_test_pool()));
    return loop;
}

/* -- roles ------------------------------------------------------------------------------ */

static int play_exit(const char *argument, apr_pool_t *pool)
{
    (void)pool;
    return atoi(argument);
}

/* Reads to the end of file before it answers, so that only a half close gets an answer. */
static int play_answer(const char *argument, apr_pool_t *pool)
{
    apr_socket_t *channel = zm_role_channel(pool);
    char text[100];
    apr_size_t used = 0, length;
    for (;;) {
        length = sizeof text - 1 - used;
        if (apr_socket_recv(channel, text + used, &length) != APR_SUCCESS)
            break;
        used += length;
    }
    text[used] = '\0';
    zm_role_say(channel, apr_pstrcat(pool, argument, text, "\n", NULL));
    return 3;
}

static int play_wait(const char *argument, apr_pool_t *pool)
{
    apr_socket_t *channel = zm_role_channel(pool);
    (void)argument;
    zm_role_say(channel, "ready\n");
    zm_role_await_eof(channel);
    return 0;
}

static void stop_loop(zm_control_t event, void *baton)
{
    if (event == ZM_CONTROL_STOP)
        zm_loop_stop(baton);
}

static int play_obey(const char *argument, apr_pool_t *pool)
{
    zm_loop_t *loop;
    apr_socket_t *channel = zm_role_channel(pool);
    (void)argument;
    if (zm_loop_create(&loop, pool) != APR_SUCCESS ||
        zm_control_listen(loop, stop_loop, loop) != APR_SUCCESS)
        return 1;
    zm_role_say(channel, "ready\n");
    return zm_loop_run(loop) == APR_SUCCESS ? 7 : 2;
}

static int play_decline(const char *argument, apr_pool_t *pool)
{
    apr_socket_t *channel = zm_role_channel(pool);
    (void)argument;
    if (zm_control_decline() != APR_SUCCESS)
        return 1;
    zm_role_say(channel, "ready\n");
    zm_role_await_eof(channel);
    return 6;
}

static int play_tell(const char *argument, apr_pool_t *pool)
{
    apr_socket_t *channel = zm_role_channel(pool);
    char *directory = NULL, *value = NULL;
    apr_filepath_get(&directory, 0, pool);
    apr_env_get(&value, argument, pool);
    zm_role_say(channel,
                apr_psprintf(pool, "%s in %s\n", value != NULL ? value : "nothing", directory));
    return 0;
}

static int play_passed(const char *argument, apr_pool_t *pool)
{
    apr_socket_t *first, *second, *third;
    (void)argument;
    if (zm_child_own_passed(&first, 0, pool) != APR_SUCCESS ||
        zm_child_own_passed(&second, 1, pool) != APR_SUCCESS)
        return 1;
    zm_role_say(first, "one\n");
    zm_role_say(second, "two\n");
    return zm_child_own_passed(&third, 2, pool) == APR_EBADF ? 0 : 2;
}

static const zm_role_t roles[] = {
    {"exit", play_exit},       {"answer", play_answer}, {"wait", play_wait},    {"obey", play_obey},
    {"decline", play_decline}, {"tell", play_tell},     {"passed", play_passed}};

/* -- tests --------------------------------------------------------------------------------- */

static void exit_code_is_reported_once(void)
{
    zm_actor_t actor;
    zm_loop_t *loop = new_loop();
    zm_actor_start(&actor, loop, "exit", "42", NULL);
    CU_ASSERT_TRUE(zm_process_alive(zm_child_pid(actor.child)));
    zm_actor_await_end(&actor);
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    CU_ASSERT_EQUAL(actor.ended, 1);
    CU_ASSERT_FALSE(actor.end.signalled);
    CU_ASSERT_EQUAL(actor.end.code, 42);
    CU_ASSERT_EQUAL(zm_child_kill(actor.child), ZM_E_GONE);
    CU_ASSERT_EQUAL(zm_child_control(actor.child, ZM_CONTROL_STOP), ZM_E_GONE);
    zm_child_close(actor.child);
}

static void channel_carries_both_ways_and_half_closes(void)
{
    zm_actor_t actor;
    zm_actor_start(&actor, new_loop(), "answer", "got ", NULL);
    zm_actor_say(&actor, "hello");
    ZM_ASSERT_OK(zm_child_half_close(actor.child));
    ZM_ASSERT_STR(zm_actor_hear(&actor), "got hello\n");
    ZM_ASSERT_STR(zm_actor_hear(&actor), "");
    zm_actor_await_end(&actor);
    CU_ASSERT_EQUAL(actor.end.code, 3);
    zm_child_close(actor.child);
}

static void last_words_can_be_read_after_the_end(void)
{
    zm_actor_t actor;
    zm_actor_start(&actor, new_loop(), "answer", "bye", NULL);
    ZM_ASSERT_OK(zm_child_half_close(actor.child));
    zm_actor_await_end(&actor);
    ZM_ASSERT_STR(zm_actor_hear(&actor), "bye\n");
    zm_child_close(actor.child);
}

static void never(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    (void)child;
    (void)end;
    (void)baton;
    CU_FAIL("a child that was never started ended");
}

static void program_that_is_not_there_is_a_failed_start(void)
{
    const char *argv[] = {apr_pstrcat(zm_test_pool(), zm_test_directory(), "/none", NULL), NULL};
    zm_child_spec_t spec = {.argv = argv};
    zm_loop_t *loop = new_loop();
    zm_child_t *child;
    zm_error_t error;
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(zm_child_start(&child, &spec, loop, never, NULL, &error)));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, argv[0]));
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
}

static void directory_that_is_not_there_is_a_failed_start(void)
{
    const char *argv[] = {NULL, "role", "exit", "0", NULL};
    zm_child_spec_t spec = {.argv = argv};
    zm_child_t *child;
    zm_error_t error;
    spec.directory = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/none", NULL);
    ZM_ASSERT_OK(zm_service_program(&argv[0], zm_test_pool()));
    CU_ASSERT_TRUE(zm_child_start(&child, &spec, new_loop(), never, NULL, &error) != APR_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, spec.directory));
}

static void child_hears_control_events(void)
{
    zm_actor_t actor;
    zm_actor_start(&actor, new_loop(), "obey", "", NULL);
    ZM_ASSERT_STR(zm_actor_hear(&actor), "ready\n");
    ZM_ASSERT_OK(zm_child_control(actor.child, ZM_CONTROL_RELOAD));
    ZM_ASSERT_OK(zm_child_control(actor.child, ZM_CONTROL_STOP));
    zm_actor_await_end(&actor);
    CU_ASSERT_EQUAL(actor.end.code, 7);
    zm_child_close(actor.child);
}

static void child_that_declines_control_events_ends_with_its_channel(void)
{
    zm_actor_t actor;
    int event;
    zm_actor_start(&actor, new_loop(), "decline", "", NULL);
    ZM_ASSERT_STR(zm_actor_hear(&actor), "ready\n");
    for (event = 0; event < ZM_CONTROL_COUNT; event++)
        ZM_ASSERT_OK(zm_child_control(actor.child, (zm_control_t)event));
    ZM_ASSERT_OK(zm_child_half_close(actor.child));
    zm_actor_await_end(&actor);
    CU_ASSERT_FALSE(actor.end.signalled);
    CU_ASSERT_EQUAL(actor.end.code, 6);
    zm_child_close(actor.child);
}

static void killed_child_is_told_from_one_that_exits(void)
{
    zm_actor_t actor;
    zm_actor_start(&actor, new_loop(), "wait", "", NULL);
    ZM_ASSERT_STR(zm_actor_hear(&actor), "ready\n");
    ZM_ASSERT_OK(zm_child_kill(actor.child));
    zm_actor_await_end(&actor);
    CU_ASSERT_TRUE(actor.end.signalled);
    zm_child_close(actor.child);
}

static void closed_child_goes_on_and_is_collected_silently(void)
{
    zm_loop_t *loop = new_loop();
    zm_actor_t actor, other;
    apr_int64_t pid;
    zm_actor_start(&actor, loop, "wait", "", NULL);
    ZM_ASSERT_STR(zm_actor_hear(&actor), "ready\n");
    pid = zm_child_pid(actor.child);
    CU_ASSERT_TRUE(zm_process_alive(pid));
    zm_child_close(actor.child); /* which ends its channel, and with that this role */
    while (zm_process_alive(pid)) {
        zm_actor_start(&other, loop, "exit", "0", NULL); /* something to wait for */
        zm_actor_await_end(&other);
        zm_child_close(other.child);
    }
    CU_ASSERT_EQUAL(actor.ended, 0);
}

static void environment_and_directory_are_the_childs_own(void)
{
    const char *environment[] = {"ZM_COLOUR=green", NULL};
    zm_child_spec_t spec = {.environment = environment, .directory = zm_test_directory()};
    zm_actor_t actor;
    zm_actor_start(&actor, new_loop(), "tell", "ZM_COLOUR", &spec);
    ZM_ASSERT_STR(zm_actor_hear(&actor),
                  apr_pstrcat(zm_test_pool(), "green in ", zm_test_directory(), "\n", NULL));
    zm_actor_await_end(&actor);
    zm_child_close(actor.child);
}

static void environment_is_inherited_unless_given(void)
{
    zm_child_spec_t spec = {.directory = zm_test_directory()};
    zm_actor_t actor;
    apr_env_set("ZM_COLOUR", "blue", zm_test_pool());
    zm_actor_start(&actor, new_loop(), "tell", "ZM_COLOUR", &spec);
    apr_env_delete("ZM_COLOUR", zm_test_pool());
    CU_ASSERT_EQUAL(strncmp(zm_actor_hear(&actor), "blue in ", 8), 0);
    zm_actor_await_end(&actor);
    zm_child_close(actor.child);
}

static void sockets_are_passed_in_order(void)
{
    apr_socket_t *one[2], *two[2], *passed[3] = {NULL};
    zm_child_spec_t spec = {.pass = passed};
    zm_actor_t actor;
    char text[10];
    apr_size_t length = sizeof text;
    ZM_ASSERT_OK(zm_localsock_pair(one, zm_test_pool()));
    ZM_ASSERT_OK(zm_localsock_pair(two, zm_test_pool()));
    passed[0] = two[1]; /* the higher descriptor first, so that the numbers must be exchanged */
    passed[1] = one[1];
    zm_actor_start(&actor, new_loop(), "passed", "", &spec);
    zm_actor_await_end(&actor);
    CU_ASSERT_EQUAL(actor.end.code, 0);
    ZM_ASSERT_OK(apr_socket_recv(two[0], text, &length));
    CU_ASSERT_EQUAL(memcmp(text, "one\n", 4), 0);
    length = sizeof text;
    ZM_ASSERT_OK(apr_socket_recv(one[0], text, &length));
    CU_ASSERT_EQUAL(memcmp(text, "two\n", 4), 0);
    zm_child_close(actor.child);
}

static void many_children_are_all_reported(void)
{
    enum { COUNT = 12 };
    zm_actor_t actors[COUNT];
    zm_loop_t *loop = new_loop();
    int i;
    for (i = 0; i < COUNT; i++)
        zm_actor_start(&actors[i], loop, "exit", apr_itoa(zm_test_pool(), i), NULL);
    for (i = 0; i < COUNT; i++) {
        zm_actor_await_end(&actors[i]);
        CU_ASSERT_EQUAL(actors[i].end.code, i);
        zm_child_close(actors[i].child);
    }
}

typedef struct chain_t {
    zm_loop_t *loop;
    zm_actor_t second;
    int ended;
} chain_t;

static void start_another(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    chain_t *chain = baton;
    (void)end;
    chain->ended++;
    zm_child_close(child);
    zm_actor_start(&chain->second, chain->loop, "exit", "5", NULL);
}

static void callback_may_close_its_child_and_start_another(void)
{
    const char *argv[] = {NULL, "role", "exit", "0", NULL};
    zm_child_spec_t spec = {.argv = argv};
    zm_child_t *child;
    chain_t chain = {.loop = new_loop()};
    ZM_ASSERT_OK(zm_service_program(&argv[0], zm_test_pool()));
    ZM_ASSERT_OK(zm_child_start(&child, &spec, chain.loop, start_another, &chain, NULL));
    while (chain.ended == 0)
        ZM_ASSERT_OK(zm_loop_once(chain.loop, apr_time_from_sec(20)));
    zm_actor_await_end(&chain.second);
    CU_ASSERT_EQUAL(chain.second.end.code, 5);
    CU_ASSERT_EQUAL(chain.ended, 1);
    zm_child_close(chain.second.child);
}

int main(int argc, char **argv)
{
    const zm_test_t tests[] = {ZM_TEST(exit_code_is_reported_once),
                               ZM_TEST(channel_carries_both_ways_and_half_closes),
                               ZM_TEST(last_words_can_be_read_after_the_end),
                               ZM_TEST(program_that_is_not_there_is_a_failed_start),
                               ZM_TEST(directory_that_is_not_there_is_a_failed_start),
                               ZM_TEST(child_hears_control_events),
                               ZM_TEST(child_that_declines_control_events_ends_with_its_channel),
                               ZM_TEST(killed_child_is_told_from_one_that_exits),
                               ZM_TEST(closed_child_goes_on_and_is_collected_silently),
                               ZM_TEST(environment_and_directory_are_the_childs_own),
                               ZM_TEST(environment_is_inherited_unless_given),
                               ZM_TEST(sockets_are_passed_in_order),
                               ZM_TEST(many_children_are_all_reported),
                               ZM_TEST(callback_may_close_its_child_and_start_another)};
    int code;
    if (zm_role_play(roles, (int)(sizeof roles / sizeof roles[0]), argc, argv, &code))
        return code;
    return zm_tests_run("child", tests, (int)(sizeof tests / sizeof tests[0]), argc, argv);
}
