/* The desk with routers that do as they are told: this program, in the role "router". */
#include <apr_strings.h>
#include <stdlib.h>

#include "mta/smtpserver/desk.h"
#include "platform/clock.h"
#include "platform/localsock.h"
#include "platform/log.h"
#include "platform/service.h"
#include "tests/unit/mta/net/net_help.h"
#include "tests/unit/platform/roles.h"

/* -- the role ---------------------------------------------------------------------------- */

static void obey(apr_socket_t *channel, const char *question)
{
    int i;
    if (strcmp(question, "to\tdie") == 0)
        exit(7);
    if (strcmp(question, "to\thang") == 0)
        zm_role_await_eof(channel);
    if (strcmp(question, "to\tchatter") == 0)
        zm_role_say(channel, "#hungry\n250 too much\n#hungry\n");
    if (strcmp(question, "to\tmany") == 0)
        for (i = 0; i < 3000; i++)
            zm_role_say(channel, "250 2.1.5 <somebody@somewhere.in.a.long.list.test>\n");
    if (strcmp(question, "to\todd") == 0)
        zm_role_say(channel, "250-2.0.0 a\tb\x7f\r\n\n");
    if (strcmp(question, "/spool/x") == 0)
        zm_role_say(channel, "warm words\n-1 550 one\rtwo\tthree\r\n");
    else if (strcmp(question, "to\tnothing") != 0) {
        zm_role_say(channel, "250 2.0.0 ");
        zm_role_say(channel, question + strcspn(question, "\t") + 1);
        zm_role_say(channel, "\n");
    }
    zm_role_say(channel, "#hungry\n");
}

static int play_router(const char *argument, apr_pool_t *pool)
{
    apr_socket_t *channel = zm_role_channel(pool);
    char line[512], byte;
    apr_size_t length = 0, one = 1;
    if (strcmp(argument, "broken") == 0)
        return 78;
    zm_role_say(channel, "some words before\n#hungry\n");
    while (apr_socket_recv(channel, &byte, &one) == APR_SUCCESS && one == 1) {
        if (byte != '\n' && length < sizeof line - 1) {
            line[length++] = byte;
        } else {
            line[length] = '\0';
            length = 0;
            obey(channel, line);
        }
        one = 1;
    }
    return 0;
}

static const zm_role_t roles[] = {{"router", play_router}};

/* -- the desk ------------------------------------------------------------------------------ */

typedef struct fixture_t {
    zm_loop_t *loop;
    desk_t *desk;
    apr_socket_t *worker;
    const char *argv[5];
    zm_buf_t heard;
    int left;
} fixture_t;

static void on_left(void *baton)
{
    fixture_t *fixture = baton;
    fixture->left++;
}

static apr_socket_t *admit(fixture_t *fixture)
{
    apr_pool_t *pool;
    apr_socket_t *pair[2];
    apr_pool_create(&pool, zm_test_pool());
    ZM_ASSERT_OK(zm_localsock_pair(pair, pool));
    ZM_ASSERT_OK(desk_admit(fixture->desk, pair[0], pool));
    return pair[1];
}

static clerk_kind_t kind_of_desk = CLERK_ROUTER;

static fixture_t *open_desk(const char *kind, int clerks)
{
    apr_pool_t *pool = zm_test_pool();
    fixture_t *fixture = apr_pcalloc(pool, sizeof *fixture);
    desk_options_t options = {.clerks = clerks, .left = on_left, .baton = fixture};
    zm_error_t error = {0};
    zm_log_options_t log = {.program = "test",
                            .level = ZM_LOG_ERROR,
                            .file = apr_pstrcat(pool, zm_test_directory(), "/log", NULL)};
    ZM_ASSERT_OK(zm_log_open(&log, &error));
    fixture->loop = net_loop();
    ZM_ASSERT_OK(zm_service_program(&fixture->argv[0], pool));
    fixture->argv[1] = "role";
    fixture->argv[2] = "router";
    fixture->argv[3] = kind;
    options.argv = fixture->argv;
    options.kind = kind_of_desk;
    kind_of_desk = CLERK_ROUTER;
    ZM_ASSERT_OK(desk_create(&fixture->desk, fixture->loop, &options, pool));
    fixture->worker = admit(fixture);
    return fixture;
}

static void done(fixture_t *fixture)
{
    desk_close(fixture->desk);
    zm_buf_free(&fixture->heard);
    zm_clock_thaw();
    zm_log_close();
}

/* Says it, and waits for so many lines on that socket. */
static const char *ask(fixture_t *fixture, apr_socket_t *socket, const char *text, int lines)
{
    apr_time_t until = apr_time_now() + apr_time_from_sec(20);
    int seen = 0;
    apr_size_t i;
    if (*text != '\0')
        net_put(socket, text);
    zm_buf_clear(&fixture->heard);
    while (seen < lines && apr_time_now() < until) {
        ZM_ASSERT_OK(zm_loop_once(fixture->loop, apr_time_from_msec(100)));
        zm_buf_add_c(&fixture->heard, net_get(socket));
        for (i = 0, seen = 0; i < fixture->heard.length; i++)
            seen += fixture->heard.data[i] == '\n';
    }
    CU_ASSERT_EQUAL(seen, lines);
    return apr_pstrdup(zm_test_pool(), zm_buf_c(&fixture->heard));
}

static void questions_are_answered_in_their_order(void)
{
    fixture_t *fixture = open_desk("good", 1);
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "1 to\ta\n2 to\tb\n", 2),
                  "1 250 2.0.0 a\n2 250 2.0.0 b\n");
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "3 from\tc\n", 1), "3 250 2.0.0 c\n");
    done(fixture);
}

static void lines_before_the_last_are_marked_and_cleaned(void)
{
    fixture_t *fixture = open_desk("good", 2);
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "1 to\todd\n", 2),
                  "1-250-2.0.0 a b \n1 250 2.0.0 odd\n");
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "2 to\tnothing\n", 1), "2 \n");
    done(fixture);
}

static void a_long_answer_keeps_its_last_line(void)
{
    fixture_t *fixture = open_desk("good", 1);
    apr_time_t until = apr_time_now() + apr_time_from_sec(20);
    net_put(fixture->worker, "1 to\tmany\n");
    while (apr_time_now() < until) {
        ZM_ASSERT_OK(zm_loop_once(fixture->loop, apr_time_from_msec(100)));
        zm_buf_add_c(&fixture->heard, net_get(fixture->worker));
        if (strstr(zm_buf_c(&fixture->heard), "1 250 2.0.0 many\n") != NULL)
            break;
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&fixture->heard), "\n1 250 2.0.0 many\n"));
    CU_ASSERT_TRUE(fixture->heard.length < 2 * 65536);
    done(fixture);
}

static void a_router_that_dies_fails_its_question_only(void)
{
    fixture_t *fixture = open_desk("good", 1);
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "1 to\ta\n", 1), "1 250 2.0.0 a\n");
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "2 to\tdie\n3 to\tb\n", 2), "2\n3 250 2.0.0 b\n");
    done(fixture);
}

static void a_router_that_hangs_is_replaced(void)
{
    fixture_t *fixture = open_desk("good", 1);
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "1 to\ta\n", 1), "1 250 2.0.0 a\n");
    zm_clock_freeze(apr_time_now(), zm_clock_monotonic());
    net_put(fixture->worker, "2 to\thang\n3 to\tb\n");
    net_run_idle(fixture->loop);
    zm_clock_advance(apr_time_from_sec(61));
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "", 2), "2\n3 250 2.0.0 b\n");
    done(fixture);
}

static void a_slow_router_does_not_stop_another(void)
{
    fixture_t *fixture = open_desk("good", 2);
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "1 to\thang\n2 to\tb\n", 1), "2 250 2.0.0 b\n");
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "3 to\tc\n", 1), "3 250 2.0.0 c\n");
    done(fixture);
}

static void answers_out_of_turn_end_a_router(void)
{
    fixture_t *fixture = open_desk("good", 1);
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "1 to\tchatter\n", 1), "1 \n");
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "2 to\tb\n", 1), "2 250 2.0.0 b\n");
    done(fixture);
}

static void while_no_router_starts_questions_are_turned_down(void)
{
    fixture_t *fixture = open_desk("broken", 2);
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "1 to\ta\n", 1), "1\n");
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "2 to\ta\n3 to\tb\n", 2), "2\n3\n");
    done(fixture);
}

static void withdrawn_questions_are_not_put(void)
{
    fixture_t *fixture = open_desk("good", 1);
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "1 to\ta\n2 to\tdie\n2\n3 to\tb\n1\n", 1),
                  "3 250 2.0.0 b\n");
    done(fixture);
}

static void a_worker_that_leaves_takes_its_questions_along(void)
{
    fixture_t *fixture = open_desk("good", 1);
    apr_socket_t *other = admit(fixture);
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "0 to\ta\n", 1), "0 250 2.0.0 a\n");
    zm_clock_freeze(apr_time_now(), zm_clock_monotonic());
    net_put(fixture->worker, "1 to\thang\n2 to\tdie\n");
    net_run_idle(fixture->loop);
    (void)apr_socket_close(fixture->worker);
    net_run_until(fixture->loop, &fixture->left);
    CU_ASSERT_EQUAL(desk_workers(fixture->desk), 1);
    net_put(other, "1 to\ta\n");
    net_run_idle(fixture->loop);
    zm_clock_advance(apr_time_from_sec(61));
    ZM_ASSERT_STR(ask(fixture, other, "", 1), "1 250 2.0.0 a\n");
    done(fixture);
}

static void who_speaks_nonsense_is_shown_out(void)
{
    static const char *const lines[] = {
        "hello\n",       "1 to\n",     "1 \tx\n",  "1 to\ta\tb\n",
        "1 to\ta\x01\n", "-1 to\ta\n", " to\ta\n", "99999999999999999999 to\ta\n"};
    apr_size_t i;
    for (i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        fixture_t *fixture = open_desk("good", 1);
        net_put(fixture->worker, lines[i]);
        net_run_until(fixture->loop, &fixture->left);
        CU_ASSERT_EQUAL(fixture->left, 1);
        done(fixture);
    }
}

static void an_idle_router_is_sent_home(void)
{
    fixture_t *fixture = open_desk("good", 1);
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "1 to\ta\n", 1), "1 250 2.0.0 a\n");
    zm_clock_freeze(apr_time_now(), zm_clock_monotonic());
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "2 to\tb\n", 1), "2 250 2.0.0 b\n");
    zm_clock_advance(apr_time_from_sec(601));
    net_run_idle(fixture->loop);
    zm_clock_thaw();
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "3 to\tc\n", 1), "3 250 2.0.0 c\n");
    done(fixture);
}

static void a_filter_is_asked_for_the_path_alone(void)
{
    fixture_t *fixture;
    kind_of_desk = CLERK_FILTER;
    fixture = open_desk("good", 1);
    ZM_ASSERT_STR(ask(fixture, fixture->worker, "1 file\t/spool/x\n", 2),
                  "1-warm words\n1 -1 550 one\rtwo three\n");
    done(fixture);
}

int main(int argc, char **argv)
{
    const zm_test_t tests[] = {ZM_TEST(questions_are_answered_in_their_order),
                               ZM_TEST(lines_before_the_last_are_marked_and_cleaned),
                               ZM_TEST(a_long_answer_keeps_its_last_line),
                               ZM_TEST(a_router_that_dies_fails_its_question_only),
                               ZM_TEST(a_router_that_hangs_is_replaced),
                               ZM_TEST(a_slow_router_does_not_stop_another),
                               ZM_TEST(answers_out_of_turn_end_a_router),
                               ZM_TEST(while_no_router_starts_questions_are_turned_down),
                               ZM_TEST(withdrawn_questions_are_not_put),
                               ZM_TEST(a_worker_that_leaves_takes_its_questions_along),
                               ZM_TEST(who_speaks_nonsense_is_shown_out),
                               ZM_TEST(an_idle_router_is_sent_home),
                               ZM_TEST(a_filter_is_asked_for_the_path_alone)};
    int code;
    if (zm_role_play(roles, (int)(sizeof roles / sizeof roles[0]), argc, argv, &code))
        return code;
    return zm_tests_run("desk", tests, (int)(sizeof tests / sizeof tests[0]), argc, argv);
}
