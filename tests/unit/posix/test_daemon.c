/*
 * Detaching.  A test starts itself in a role, which detaches; the role's first
 * process is the one that the shell would wait for.  The daemon reports over a
 * datagram socket, for it has lost its standard streams.
 */
#include <apr_env.h>
#include <apr_strings.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/localsock.h"
#include "platform/loop.h"
#include "platform/service.h"
#include "tests/unit/harness.h"
#include "tests/unit/platform/roles.h"

/* -- roles ---------------------------------------------------------------------------- */

static int play_ready(const char *argument, apr_pool_t *pool)
{
    struct stat out, null;
    const char *report;
    mode_t mask;
    if (zm_service_detach(NULL) != APR_SUCCESS)
        return 1;
    mask = umask(0);
    fstat(1, &out);
    stat("/dev/null", &null);
    report = apr_psprintf(pool, "%s, %s, %s, umask %03o, user %s",
                          getpgrp() == getpid() ? "own group" : "no group",
                          getsid(0) != getpid() ? "not leading" : "leading",
                          out.st_rdev == null.st_rdev ? "silent" : "loud", (unsigned)mask,
                          getenv("USER") != NULL ? "known" : "forgotten");
    zm_localsock_datagram_send(argument, report, strlen(report));
    zm_service_ready();
    return 0;
}

static int play_fail(const char *argument, apr_pool_t *pool)
{
    (void)argument;
    (void)pool;
    if (zm_service_detach(NULL) != APR_SUCCESS)
        return 1;
    zm_service_fail(42, "no spool at /none");
}

static int play_die(const char *argument, apr_pool_t *pool)
{
    (void)pool;
    if (zm_service_detach(NULL) != APR_SUCCESS)
        return 1;
    if (*argument == 'k')
        raise(SIGKILL);
    return 43;
}

static int play_foreground(const char *argument, apr_pool_t *pool)
{
    (void)pool;
    if (*argument == 'f')
        zm_service_fail(44, "no luck");
    zm_service_ready();
    return 0;
}

static const zm_role_t roles[] = {
    {"ready", play_ready}, {"fail", play_fail}, {"die", play_die}, {"foreground", play_foreground}};

/* -- tests ------------------------------------------------------------------------------- */

static void start(zm_actor_t *actor, const char *role, const char *argument)
{
    zm_loop_t *loop;
    ZM_ASSERT_OK(zm_loop_create(&loop, zm_test_pool()));
    zm_actor_start(actor, loop, role, argument, NULL);
}

static apr_socket_t *bind_report(const char **path)
{
    apr_socket_t *socket;
    *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/n", NULL);
    ZM_ASSERT_OK(zm_localsock_datagram_bind(&socket, *path, 0600, zm_test_pool(), NULL));
    return socket;
}

static const char *received(apr_socket_t *socket)
{
    char text[500];
    apr_size_t length = sizeof text;
    ZM_ASSERT_OK(zm_localsock_datagram_receive(socket, text, &length));
    return apr_pstrmemdup(zm_test_pool(), text, length);
}

static void original_exits_0_when_the_daemon_is_ready(void)
{
    const char *path;
    apr_socket_t *socket = bind_report(&path);
    zm_actor_t actor;
    apr_env_set("USER", "somebody", zm_test_pool());
    start(&actor, "ready", path);
    zm_actor_await_end(&actor);
    CU_ASSERT_EQUAL(actor.end.code, 0);
    ZM_ASSERT_STR(received(socket), "own group, not leading, silent, umask 022, user forgotten");
    zm_child_close(actor.child);
}

static void original_prints_why_the_daemon_failed(void)
{
    zm_actor_t actor;
    start(&actor, "fail", "");
    ZM_ASSERT_STR(zm_actor_hear(&actor), "no spool at /none\n");
    zm_actor_await_end(&actor);
    CU_ASSERT_EQUAL(actor.end.code, 42);
    zm_child_close(actor.child);
}

static void daemon_that_dies_silently_is_noticed(void)
{
    zm_actor_t actor;
    start(&actor, "die", "x");
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_actor_hear(&actor), "43"));
    zm_actor_await_end(&actor);
    CU_ASSERT_EQUAL(actor.end.code, 43);
    zm_child_close(actor.child);
    start(&actor, "die", "k");
    zm_actor_await_end(&actor);
    CU_ASSERT_EQUAL(actor.end.code, 128 + SIGKILL);
    zm_child_close(actor.child);
}

static void failure_in_the_foreground_is_printed(void)
{
    zm_actor_t actor;
    start(&actor, "foreground", "f");
    ZM_ASSERT_STR(zm_actor_hear(&actor), "no luck\n");
    zm_actor_await_end(&actor);
    CU_ASSERT_EQUAL(actor.end.code, 44);
    zm_child_close(actor.child);
}

static void supervisor_is_told_of_readiness(void)
{
    const char *path;
    apr_socket_t *socket = bind_report(&path);
    zm_actor_t actor;
    apr_env_set("NOTIFY_SOCKET", path, zm_test_pool());
    start(&actor, "foreground", "");
    apr_env_delete("NOTIFY_SOCKET", zm_test_pool());
    zm_actor_await_end(&actor);
    CU_ASSERT_EQUAL(strncmp(received(socket), "READY=1\n", 8), 0);
    zm_child_close(actor.child);
}

int main(int argc, char **argv)
{
    const zm_test_t tests[] = {ZM_TEST(original_exits_0_when_the_daemon_is_ready),
                               ZM_TEST(original_prints_why_the_daemon_failed),
                               ZM_TEST(daemon_that_dies_silently_is_noticed),
                               ZM_TEST(failure_in_the_foreground_is_printed),
                               ZM_TEST(supervisor_is_told_of_readiness)};
    int code;
    if (zm_role_play(roles, (int)(sizeof roles / sizeof roles[0]), argc, argv, &code))
        return code;
    return zm_tests_run("daemon", tests, (int)(sizeof tests / sizeof tests[0]), argc, argv);
}
