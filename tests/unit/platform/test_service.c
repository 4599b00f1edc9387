/* Pid files, locks between processes, and where the program is. */
#include "platform/service.h"

#include <apr_strings.h>

#include "platform/fs.h"
#include "tests/unit/harness.h"
#include "tests/unit/platform/roles.h"

static const char *below(const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
}

static void start(zm_actor_t *actor, const char *role, const char *argument)
{
    zm_loop_t *loop;
    ZM_ASSERT_OK(zm_loop_create(&loop, zm_test_pool()));
    zm_actor_start(actor, loop, role, argument, NULL);
    ZM_ASSERT_STR(zm_actor_hear(actor), "ready\n");
}

static void end(zm_actor_t *actor)
{
    zm_actor_await_end(actor);
    zm_child_close(actor->child);
}

/* -- roles ------------------------------------------------------------------------ */

static int play_lock(const char *argument, apr_pool_t *pool)
{
    apr_socket_t *channel = zm_role_channel(pool);
    zm_file_t *file;
    if (zm_file_open(&file, NULL, argument, ZM_OPEN_READ | ZM_OPEN_WRITE, 0, pool) != APR_SUCCESS ||
        zm_file_lock(file, 3, 1, true) != APR_SUCCESS)
        return 1;
    zm_role_say(channel, "ready\n");
    zm_role_await_eof(channel);
    return 0;
}

static int play_hold(const char *argument, apr_pool_t *pool)
{
    apr_socket_t *channel = zm_role_channel(pool);
    zm_pidfile_t *pidfile;
    if (zm_pidfile_take(&pidfile, argument, pool, NULL) != APR_SUCCESS)
        return 1;
    zm_role_say(channel, "ready\n");
    zm_role_await_eof(channel);
    zm_pidfile_release(pidfile);
    return 0;
}

static const zm_role_t roles[] = {{"lock", play_lock}, {"hold", play_hold}};

/* -- locks ---------------------------------------------------------------------------- */

static void lock_of_another_process_is_seen_and_ends_with_it(void)
{
    zm_file_t *file;
    zm_actor_t actor;
    bool held = false;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, below("a"),
                              ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0644, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, "0123456789", 10));
    start(&actor, "lock", below("a"));
    CU_ASSERT_EQUAL(zm_file_lock(file, 0, 10, false), ZM_E_BUSY);
    ZM_ASSERT_OK(zm_file_locked(&held, file, 3, 1));
    CU_ASSERT_TRUE(held);
    ZM_ASSERT_OK(zm_file_locked(&held, file, 4, 1));
    CU_ASSERT_FALSE(held);
    ZM_ASSERT_OK(zm_child_kill(actor.child));
    end(&actor);
    ZM_ASSERT_OK(zm_file_lock(file, 0, 10, false));
}

/* -- pid files -------------------------------------------------------------------------- */

static void pid_file_holds_the_number_of_its_holder(void)
{
    zm_pidfile_t *pidfile;
    zm_file_info_t info;
    apr_int64_t pid = 0;
    char *text;
    apr_size_t length;
    ZM_ASSERT_OK(zm_pidfile_take(&pidfile, below("pid"), zm_test_pool(), NULL));
    ZM_ASSERT_OK(zm_file_slurp(&text, &length, below("pid"), 100, zm_test_pool()));
    ZM_ASSERT_STR(text, apr_psprintf(zm_test_pool(), "%" APR_INT64_T_FMT "\n", zm_process_own()));
    ZM_ASSERT_OK(zm_pidfile_holder(&pid, below("pid"), zm_test_pool()));
    CU_ASSERT_EQUAL(pid, zm_process_own());
    zm_pidfile_release(pidfile);
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(zm_path_info(&info, NULL, below("pid"))));
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(zm_pidfile_holder(&pid, below("pid"), zm_test_pool())));
}

static void pid_file_of_a_live_process_is_not_taken(void)
{
    zm_actor_t actor;
    zm_pidfile_t *pidfile;
    zm_error_t error;
    apr_int64_t pid = 0;
    start(&actor, "hold", below("pid"));
    ZM_ASSERT_OK(zm_pidfile_holder(&pid, below("pid"), zm_test_pool()));
    CU_ASSERT_EQUAL(pid, zm_child_pid(actor.child));
    CU_ASSERT_EQUAL(zm_pidfile_take(&pidfile, below("pid"), zm_test_pool(), &error), ZM_E_BUSY);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(error.text, apr_psprintf(zm_test_pool(), "%" APR_INT64_T_FMT, pid)));
    ZM_ASSERT_OK(zm_child_half_close(actor.child));
    end(&actor);
    CU_ASSERT_EQUAL(actor.end.code, 0);
    ZM_ASSERT_OK(zm_pidfile_take(&pidfile, below("pid"), zm_test_pool(), &error));
    zm_pidfile_release(pidfile);
}

static void pid_file_of_a_killed_process_is_stale(void)
{
    zm_actor_t actor;
    zm_pidfile_t *pidfile;
    apr_int64_t pid = 0;
    start(&actor, "hold", below("pid"));
    ZM_ASSERT_OK(zm_child_kill(actor.child));
    end(&actor);
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(zm_pidfile_holder(&pid, below("pid"), zm_test_pool())));
    ZM_ASSERT_OK(zm_pidfile_take(&pidfile, below("pid"), zm_test_pool(), NULL));
    ZM_ASSERT_OK(zm_pidfile_holder(&pid, below("pid"), zm_test_pool()));
    CU_ASSERT_EQUAL(pid, zm_process_own());
    zm_pidfile_release(pidfile);
}

static void a_lock_of_a_reader_neither_stands_for_a_daemon_nor_keeps_one_out(void)
{
    zm_file_t *file, *reader;
    zm_pidfile_t *pidfile;
    apr_int64_t pid = 0;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, below("pid"), ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0644,
                              zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, "1\n", 2));
    zm_file_close(file);
    ZM_ASSERT_OK(zm_file_open(&reader, NULL, below("pid"), ZM_OPEN_READ, 0, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_lock_whole(reader, false, false));
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(zm_pidfile_holder(&pid, below("pid"), zm_test_pool())));
    ZM_ASSERT_OK(zm_pidfile_take(&pidfile, below("pid"), zm_test_pool(), NULL));
    ZM_ASSERT_OK(zm_pidfile_holder(&pid, below("pid"), zm_test_pool()));
    CU_ASSERT_EQUAL(pid, zm_process_own());
    zm_pidfile_release(pidfile);
    zm_file_close(reader);
}

static void what_a_start_that_was_killed_left_is_cleared_away(void)
{
    zm_pidfile_t *pidfile;
    zm_file_info_t info;
    zm_file_t *turn;
    ZM_ASSERT_OK(zm_file_open(&turn, NULL, below("pid.turn"), ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0600,
                              zm_test_pool()));
    zm_file_close(turn);
    ZM_ASSERT_OK(zm_pidfile_take(&pidfile, below("pid"), zm_test_pool(), NULL));
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(zm_path_info(&info, NULL, below("pid.turn"))));
    zm_pidfile_release(pidfile);
}

/* -- places -------------------------------------------------------------------------------- */

static void program_is_an_absolute_path_of_a_file(void)
{
    const char *path, *prefix;
    zm_file_info_t info;
    ZM_ASSERT_OK(zm_service_program(&path, zm_test_pool()));
    ZM_ASSERT_OK(zm_path_info(&info, NULL, path));
    CU_ASSERT_EQUAL(info.kind, ZM_FILE_REGULAR);
    CU_ASSERT_PTR_NULL(strchr(path, '\\'));
    ZM_ASSERT_OK(zm_service_prefix(&prefix, zm_test_pool()));
    CU_ASSERT_EQUAL(strncmp(path, prefix, strlen(prefix)), 0);
    CU_ASSERT_TRUE(strlen(prefix) < strlen(path));
}

int main(int argc, char **argv)
{
    const zm_test_t tests[] = {
        ZM_TEST(lock_of_another_process_is_seen_and_ends_with_it),
        ZM_TEST(pid_file_holds_the_number_of_its_holder),
        ZM_TEST(pid_file_of_a_live_process_is_not_taken),
        ZM_TEST(pid_file_of_a_killed_process_is_stale),
        ZM_TEST(a_lock_of_a_reader_neither_stands_for_a_daemon_nor_keeps_one_out),
        ZM_TEST(what_a_start_that_was_killed_left_is_cleared_away),
        ZM_TEST(program_is_an_absolute_path_of_a_file)};
    int code;
    if (zm_role_play(roles, (int)(sizeof roles / sizeof roles[0]), argc, argv, &code))
        return code;
    return zm_tests_run("service", tests, (int)(sizeof tests / sizeof tests[0]), argc, argv);
}
