/* What only Unix children have: descriptors by number, accounts, priorities, groups. */
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/child.h"
#include "platform/identity.h"
#include "tests/unit/harness.h"
#include "tests/unit/platform/roles.h"

static zm_loop_t *new_loop(void)
{
    zm_loop_t *loop = NULL;
    ZM_ASSERT_OK(zm_loop_create(&loop, zm_test_pool()));
    return loop;
}

static bool is_root(const char *what)
{
    if (geteuid() == 0)
        return true;
    printf("\n    %s: skipped: needs root\n", what);
    return false;
}

/* -- roles: each answers one line -------------------------------------------------------- */

/* The open descriptors above 2, and the standard streams that are sockets. */
static int play_descriptors(const char *argument, apr_pool_t *pool)
{
    apr_socket_t *channel;
    const char *list = "";
    struct stat found;
    int i;
    (void)argument;
    for (i = 0; i < 1000; i++)
        if (fstat(i, &found) == 0 && (i > 2 || S_ISSOCK(found.st_mode)))
            list = apr_psprintf(pool, "%s%d ", list, i);
    channel = zm_role_channel(pool);
    zm_role_say(channel, apr_pstrcat(pool, list, "\n", NULL));
    return 0;
}

static int play_account(const char *argument, apr_pool_t *pool)
{
    (void)argument;
    zm_role_say(zm_role_channel(pool),
                apr_psprintf(pool, "%d %d %d %d %d\n", (int)getuid(), (int)geteuid(), (int)getgid(),
                             (int)getegid(), getgroups(0, NULL)));
    return setuid(0) == 0 && geteuid() == 0 && atoi(argument) != 0 ? 1 : 0;
}

static int play_limits(const char *argument, apr_pool_t *pool)
{
    struct rlimit limit;
    (void)argument;
    getrlimit(RLIMIT_NOFILE, &limit);
    zm_role_say(zm_role_channel(pool),
                apr_psprintf(pool, "%d files, priority %d, %s group\n", (int)limit.rlim_cur,
                             getpriority(PRIO_PROCESS, 0),
                             getpgrp() == getpid() ? "own" : "inherited"));
    return 0;
}

/* Which signals are blocked or ignored. */
static int play_signals(const char *argument, apr_pool_t *pool)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGCHLD, SIGUSR1, SIGQUIT};
    sigset_t blocked;
    struct sigaction action;
    int odd = 0;
    apr_size_t i;
    (void)argument;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaction(numbers[i], NULL, &action);
        odd += sigismember(&blocked, numbers[i]) || action.sa_handler != SIG_DFL;
    }
    zm_role_say(zm_role_channel(pool), odd == 0 ? "default\n" : "odd\n");
    return 0;
}

static void note(int number)
{
    (void)number;
}

/* Declines signals, and starts a program that sends itself the one of that number. */
static int play_declined(const char *argument, apr_pool_t *pool)
{
    const char *argv[] = {"/bin/sh", "-c", "kill -$0 $$; exit 5", argument, NULL};
    apr_socket_t *channel = zm_role_channel(pool);
    apr_procattr_t *attributes;
    apr_exit_why_e why = APR_PROC_EXIT;
    apr_proc_t process;
    int code = -1;
    if (zm_control_decline() != APR_SUCCESS || zm_control_catch(SIGTERM, note) != APR_SUCCESS ||
        apr_procattr_create(&attributes, pool) != APR_SUCCESS ||
        apr_procattr_cmdtype_set(attributes, APR_PROGRAM) != APR_SUCCESS ||
        apr_proc_create(&process, argv[0], argv, NULL, attributes, pool) != APR_SUCCESS)
        return 1;
    (void)apr_proc_wait(&process, &code, &why, APR_WAIT);
    kill(getpid(), atoi(argument));
    zm_role_say(channel, apr_psprintf(pool, "%s %d\n",
                                      APR_PROC_CHECK_SIGNALED(why) ? "signal" : "exit", code));
    return 0;
}

static const zm_role_t roles[] = {{"descriptors", play_descriptors},
                                  {"account", play_account},
                                  {"limits", play_limits},
                                  {"signals", play_signals},
                                  {"declined", play_declined}};

static const char *answer(const char *role, const char *argument, zm_child_spec_t *spec, int *code)
{
    zm_actor_t actor;
    const char *heard;
    zm_actor_start(&actor, new_loop(), role, argument, spec);
    heard = zm_actor_hear(&actor);
    zm_actor_await_end(&actor);
    if (code != NULL)
        *code = actor.end.code;
    zm_child_close(actor.child);
    return heard;
}

/* -- tests --------------------------------------------------------------------------------- */

static void no_other_descriptor_reaches_the_child(void)
{
    int leaked = open("/dev/null", O_RDONLY); /* as a careless library would: without O_CLOEXEC */
    int high = fcntl(leaked, F_DUPFD, 500);
    ZM_ASSERT_STR(answer("descriptors", "", NULL, NULL), "0 1 2 \n");
    close(leaked);
    if (high >= 0)
        close(high);
}

static void standard_error_is_inherited_when_asked(void)
{
    zm_child_spec_t spec = {.io = ZM_CHILD_CHANNEL_01};
    ZM_ASSERT_STR(answer("descriptors", "", &spec, NULL), "0 1 \n");
}

static void child_starts_with_default_signals(void)
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, &before);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    ZM_ASSERT_STR(answer("signals", "", NULL, NULL), "default\n");
    sigprocmask(SIG_SETMASK, &before, NULL);
    signal(SIGHUP, SIG_DFL);
}

static void limits_priority_and_group_are_set(void)
{
    zm_child_spec_t spec = {
        .descriptors = 77, .nice = 5, .priority_absolute = 1, .new_group = true};
    ZM_ASSERT_STR(answer("limits", "", &spec, NULL), "77 files, priority 5, own group\n");
}

static void own_account_may_be_become_without_root(void)
{
    zm_credentials_t own = zm_identity_own();
    zm_child_spec_t spec = {.as = &own};
    int code = -1;
    (void)answer("account", "0", &spec, &code);
    CU_ASSERT_EQUAL(code, 0);
}

static void another_account_is_become_for_good(void)
{
    zm_credentials_t who = {41234, 41235};
    zm_child_spec_t spec = {.as = &who, .directory = "/"};
    int code = -1;
    if (!is_root("another_account_is_become_for_good"))
        return;
    ZM_ASSERT_STR(answer("account", "1", &spec, &code), "41234 41234 41235 41235 0\n");
    CU_ASSERT_EQUAL(code, 0);
}

static void never(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    (void)child;
    (void)end;
    (void)baton;
    CU_FAIL("a child that was never started ended");
}

static void account_that_may_not_be_become_is_a_failed_start(void)
{
    const char *argv[] = {"/bin/sh", "-c", "exit 0", NULL};
    zm_credentials_t who = {ZM_UID_NONE, ZM_UID_NONE};
    zm_child_spec_t spec = {.argv = argv, .as = &who};
    zm_child_t *child;
    zm_error_t error;
    CU_ASSERT_TRUE(zm_child_start(&child, &spec, new_loop(), never, NULL, &error) != APR_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "/bin/sh"));
    if (geteuid() != 0) {
        who = (zm_credentials_t){0, 0};
        CU_ASSERT_TRUE(zm_child_start(&child, &spec, new_loop(), never, NULL, &error) !=
                       APR_SUCCESS);
    }
}

static void file_without_execute_permission_is_a_failed_start(void)
{
    const char *argv[] = {"/etc/passwd", NULL};
    zm_child_spec_t spec = {.argv = argv};
    zm_child_t *child;
    zm_error_t error;
    CU_ASSERT_TRUE(
        APR_STATUS_IS_EACCES(zm_child_start(&child, &spec, new_loop(), never, NULL, &error)));
}

static void groups_list_their_members(void)
{
    const struct group *entry;
    const char *const *names;
    setgrent();
    while ((entry = getgrent()) != NULL && entry->gr_mem[0] == NULL)
        ;
    if (entry != NULL) {
        ZM_ASSERT_OK(zm_group_members(&names, entry->gr_name, zm_test_pool()));
        ZM_ASSERT_STR(names[0], entry->gr_mem[0]);
        CU_ASSERT_TRUE(zm_user_in_group(entry->gr_mem[0], (zm_uid_t)entry->gr_gid, zm_test_pool()));
    }
    endgrent();
}

static void declined_signals_still_end_programs_that_are_started(void)
{
    int code = -1;
    ZM_ASSERT_STR(answer("declined", "15", NULL, &code),
                  apr_psprintf(zm_test_pool(), "signal %d\n", SIGTERM));
    CU_ASSERT_EQUAL(code, 0);
    ZM_ASSERT_STR(answer("declined", "2", NULL, &code),
                  apr_psprintf(zm_test_pool(), "signal %d\n", SIGINT));
    CU_ASSERT_EQUAL(code, 0);
    ZM_ASSERT_STR(answer("declined", "13", NULL, &code),
                  apr_psprintf(zm_test_pool(), "signal %d\n", SIGPIPE));
    CU_ASSERT_EQUAL(code, 0);
}

int main(int argc, char **argv)
{
    const zm_test_t tests[] = {ZM_TEST(declined_signals_still_end_programs_that_are_started),
                               ZM_TEST(no_other_descriptor_reaches_the_child),
                               ZM_TEST(standard_error_is_inherited_when_asked),
                               ZM_TEST(child_starts_with_default_signals),
                               ZM_TEST(limits_priority_and_group_are_set),
                               ZM_TEST(own_account_may_be_become_without_root),
                               ZM_TEST(another_account_is_become_for_good),
                               ZM_TEST(account_that_may_not_be_become_is_a_failed_start),
                               ZM_TEST(file_without_execute_permission_is_a_failed_start),
                               ZM_TEST(groups_list_their_members)};
    int code;
    if (zm_role_play(roles, (int)(sizeof roles / sizeof roles[0]), argc, argv, &code))
        return code;
    return zm_tests_run("child_posix", tests, (int)(sizeof tests / sizeof tests[0]), argc, argv);
}
