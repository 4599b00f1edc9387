#include "platform/loop.h"

#include <apr_thread_proc.h>

#include "platform/clock.h"
#include "platform/localsock.h"
#include "platform/status.h"
#include "tests/unit/harness.h"

static zm_loop_t *new_loop(void)
{
    zm_loop_t *loop = NULL;
    ZM_ASSERT_OK(zm_loop_create(&loop, zm_test_pool()));
    return loop;
}

static void send_bytes(apr_socket_t *socket, apr_size_t length)
{
    static const char bytes[100];
    ZM_ASSERT_OK(apr_socket_send(socket, bytes, &length));
}

/* -- sockets ----------------------------------------------------------------------- */

typedef struct seen_t {
    int calls, events;
    zm_watch_t *close_this; /* by the callback */
    apr_socket_t *drain;
    zm_loop_t *stop;
} seen_t;

static void on_socket(zm_watch_t *watch, int events, void *baton)
{
    seen_t *seen = baton;
    (void)watch;
    seen->calls++;
    seen->events |= events;
    if (seen->drain != NULL) {
        char bytes[100];
        apr_size_t length = sizeof bytes;
        apr_socket_recv(seen->drain, bytes, &length);
    }
    if (seen->close_this != NULL) {
        zm_watch_close(seen->close_this);
        seen->close_this = NULL;
    }
    if (seen->stop != NULL)
        zm_loop_stop(seen->stop);
}

static void readable_socket_is_reported_until_read(void)
{
    zm_loop_t *loop = new_loop();
    apr_socket_t *pair[2];
    zm_watch_t *watch;
    seen_t seen = {0};
    ZM_ASSERT_OK(zm_localsock_pair(pair, zm_test_pool()));
    ZM_ASSERT_OK(zm_watch_open(&watch, loop, pair[0], ZM_READ, on_socket, &seen));
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    CU_ASSERT_EQUAL(seen.calls, 0);
    send_bytes(pair[1], 1);
    ZM_ASSERT_OK(zm_loop_once(loop, -1));
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    CU_ASSERT_EQUAL(seen.calls, 2);
    CU_ASSERT_EQUAL(seen.events, ZM_READ);
    seen.drain = pair[0];
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    CU_ASSERT_EQUAL(seen.calls, 3);
    zm_watch_close(watch);
}

static void interest_can_be_changed_and_suspended(void)
{
    zm_loop_t *loop = new_loop();
    apr_socket_t *pair[2];
    zm_watch_t *watch;
    seen_t seen = {0};
    ZM_ASSERT_OK(zm_localsock_pair(pair, zm_test_pool()));
    ZM_ASSERT_OK(zm_watch_open(&watch, loop, pair[0], 0, on_socket, &seen));
    send_bytes(pair[1], 1);
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    CU_ASSERT_EQUAL(seen.calls, 0);
    ZM_ASSERT_OK(zm_watch_set(watch, ZM_WRITE));
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    CU_ASSERT_EQUAL(seen.events, ZM_WRITE);
    ZM_ASSERT_OK(zm_watch_set(watch, ZM_READ | ZM_WRITE));
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    CU_ASSERT_EQUAL(seen.events, ZM_READ | ZM_WRITE);
    seen.calls = 0;
    ZM_ASSERT_OK(zm_watch_set(watch, 0));
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    CU_ASSERT_EQUAL(seen.calls, 0);
    ZM_ASSERT_OK(zm_watch_set(watch, ZM_READ));
    ZM_ASSERT_OK(zm_watch_set(watch, 0));
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    CU_ASSERT_EQUAL(seen.calls, 0);
    ZM_ASSERT_OK(zm_watch_set(watch, ZM_READ));
    zm_watch_close(watch); /* with a change pending */
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    CU_ASSERT_EQUAL(seen.calls, 0);
}

static void hangup_comes_with_read(void)
{
    zm_loop_t *loop = new_loop();
    apr_socket_t *pair[2];
    zm_watch_t *watch;
    seen_t seen = {0};
    ZM_ASSERT_OK(zm_localsock_pair(pair, zm_test_pool()));
    ZM_ASSERT_OK(zm_watch_open(&watch, loop, pair[0], ZM_READ, on_socket, &seen));
    apr_socket_close(pair[1]);
    ZM_ASSERT_OK(zm_loop_once(loop, -1));
    CU_ASSERT_TRUE((seen.events & ZM_READ) != 0);
    zm_watch_close(watch);
    zm_watch_close(NULL);
}

/* Both are ready in one round; whichever runs first closes the other, which then must not run. */
static void watch_closed_in_a_round_is_not_called_in_it(void)
{
    zm_loop_t *loop = new_loop();
    apr_socket_t *one[2], *two[2];
    seen_t first = {0}, second = {0};
    zm_watch_t *watch_one, *watch_two;
    ZM_ASSERT_OK(zm_localsock_pair(one, zm_test_pool()));
    ZM_ASSERT_OK(zm_localsock_pair(two, zm_test_pool()));
    ZM_ASSERT_OK(zm_watch_open(&watch_one, loop, one[0], ZM_READ, on_socket, &first));
    ZM_ASSERT_OK(zm_watch_open(&watch_two, loop, two[0], ZM_READ, on_socket, &second));
    first.close_this = watch_two;
    second.close_this = watch_one;
    send_bytes(one[1], 1);
    send_bytes(two[1], 1);
    ZM_ASSERT_OK(zm_loop_once(loop, -1));
    CU_ASSERT_EQUAL(first.calls + second.calls, 1);
    zm_watch_close(first.calls != 0 ? watch_one : watch_two);
}

static void callback_may_close_its_own_watch(void)
{
    zm_loop_t *loop = new_loop();
    apr_socket_t *pair[2];
    seen_t seen = {0};
    zm_watch_t *watch;
    ZM_ASSERT_OK(zm_localsock_pair(pair, zm_test_pool()));
    ZM_ASSERT_OK(zm_watch_open(&watch, loop, pair[0], ZM_READ, on_socket, &seen));
    seen.close_this = watch;
    send_bytes(pair[1], 1);
    ZM_ASSERT_OK(zm_loop_once(loop, -1));
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    CU_ASSERT_EQUAL(seen.calls, 1);
}

typedef struct reopen_t {
    zm_loop_t *loop;
    zm_watch_t *other, *fresh;
    apr_socket_t *other_socket;
    seen_t fresh_seen;
    int calls;
} reopen_t;

static void close_other_and_watch_anew(zm_watch_t *watch, int events, void *baton)
{
    reopen_t *reopen = baton;
    (void)watch;
    (void)events;
    if (reopen->calls++ == 0) {
        zm_watch_close(reopen->other);
        ZM_ASSERT_OK(zm_watch_open(&reopen->fresh, reopen->loop, reopen->other_socket, ZM_READ,
                                   on_socket, &reopen->fresh_seen));
    }
}

static void fresh_watch_of_the_same_socket_is_not_mistaken(void)
{
    reopen_t reopen = {.loop = new_loop()};
    apr_socket_t *one[2], *two[2];
    zm_watch_t *watch;
    ZM_ASSERT_OK(zm_localsock_pair(one, zm_test_pool()));
    ZM_ASSERT_OK(zm_localsock_pair(two, zm_test_pool()));
    reopen.other_socket = two[0];
    ZM_ASSERT_OK(
        zm_watch_open(&watch, reopen.loop, one[0], ZM_READ, close_other_and_watch_anew, &reopen));
    ZM_ASSERT_OK(
        zm_watch_open(&reopen.other, reopen.loop, two[0], ZM_READ, on_socket, &reopen.fresh_seen));
    send_bytes(one[1], 1);
    ZM_ASSERT_OK(zm_loop_once(reopen.loop, -1));
    CU_ASSERT_EQUAL(reopen.fresh_seen.calls, 0);
    send_bytes(two[1], 1);
    ZM_ASSERT_OK(zm_loop_once(reopen.loop, -1));
    CU_ASSERT_EQUAL(reopen.fresh_seen.calls, 1);
}

/* More than the pollset's first size, so that it has to grow where its method needs that. */
static void many_sockets_are_watched_at_once(void)
{
    enum { COUNT = 700 };
    static apr_socket_t *pairs[COUNT][2];
    static zm_watch_t *watches[COUNT];
    zm_loop_t *loop = new_loop();
    seen_t seen = {0};
    int i, opened, rounds;
    for (opened = 0; opened < COUNT; opened++) {
        if (zm_localsock_pair(pairs[opened], zm_test_pool()) != APR_SUCCESS)
            break; /* the limit of open files is low here */
        if (zm_watch_open(&watches[opened], loop, pairs[opened][0], ZM_READ, on_socket, &seen) !=
            APR_SUCCESS)
            break;
    }
    CU_ASSERT_TRUE(opened > 100);
    for (i = 0; i < opened; i++)
        send_bytes(pairs[i][1], 1);
    for (rounds = 0; rounds < 20 && seen.calls < opened; rounds++)
        ZM_ASSERT_OK(zm_loop_once(loop, 0));
    CU_ASSERT_TRUE(seen.calls >= opened);
    for (i = 0; i < opened; i++)
        zm_watch_close(watches[i]);
}

static void loop_that_ends_frees_open_watches(void)
{
    apr_pool_t *pool;
    zm_loop_t *loop;
    apr_socket_t *pair[2];
    zm_watch_t *watch;
    zm_timer_t timer;
    seen_t seen = {0};
    apr_pool_create(&pool, zm_test_pool());
    ZM_ASSERT_OK(zm_loop_create(&loop, pool));
    ZM_ASSERT_OK(zm_localsock_pair(pair, zm_test_pool()));
    ZM_ASSERT_OK(zm_watch_open(&watch, loop, pair[0], ZM_READ, on_socket, &seen));
    ZM_ASSERT_OK(zm_watch_set(watch, ZM_WRITE));
    zm_timer_init(&timer, loop, NULL, NULL);
    zm_timer_set(&timer, 5);
    apr_pool_destroy(pool); /* a leak checker sees the rest */
}

/* -- timers ------------------------------------------------------------------------------ */

typedef struct ticks_t {
    char order[32];
    int count;
} ticks_t;

typedef struct named_timer_t named_timer_t;
struct named_timer_t {
    zm_timer_t timer;
    char name;
    ticks_t *ticks;
    named_timer_t *cancel;
    apr_interval_time_t again; /* -1: not */
};

static void on_timer(zm_timer_t *timer, void *baton)
{
    named_timer_t *named = baton;
    ticks_t *ticks = named->ticks;
    CU_ASSERT_FALSE(zm_timer_is_set(timer));
    ticks->order[ticks->count++] = named->name;
    if (named->cancel != NULL)
        zm_timer_cancel(&named->cancel->timer);
    if (named->again >= 0)
        zm_timer_set(timer, named->again);
}

static void start(named_timer_t *named, char name, zm_loop_t *loop, ticks_t *ticks,
                  apr_interval_time_t after)
{
    *named = (named_timer_t){.name = name, .ticks = ticks, .again = -1};
    zm_timer_init(&named->timer, loop, on_timer, named);
    zm_timer_set(&named->timer, after);
}

static void timers_fire_by_due_time_then_in_order_of_setting(void)
{
    zm_loop_t *loop = new_loop();
    named_timer_t timers[4];
    ticks_t ticks = {{0}, 0};
    zm_clock_freeze(0, 1000);
    start(&timers[0], 'c', loop, &ticks, 30);
    start(&timers[1], 'a', loop, &ticks, 10);
    start(&timers[2], 'b', loop, &ticks, 10);
    start(&timers[3], 'd', loop, &ticks, 50);
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    ZM_ASSERT_STR(ticks.order, "");
    zm_clock_advance(30);
    ZM_ASSERT_OK(zm_loop_once(loop, -1));
    ZM_ASSERT_STR(ticks.order, "abc");
    CU_ASSERT_TRUE(zm_timer_is_set(&timers[3].timer));
    zm_clock_advance(20);
    ZM_ASSERT_OK(zm_loop_once(loop, -1));
    ZM_ASSERT_STR(ticks.order, "abcd");
    zm_clock_thaw();
}

static void timer_can_be_moved_and_cancelled(void)
{
    zm_loop_t *loop = new_loop();
    named_timer_t timers[3];
    ticks_t ticks = {{0}, 0};
    zm_clock_freeze(0, 1000);
    start(&timers[0], 'a', loop, &ticks, 10);
    start(&timers[1], 'b', loop, &ticks, 20);
    start(&timers[2], 'c', loop, &ticks, 30);
    zm_timer_set(&timers[0].timer, 25);
    zm_timer_cancel(&timers[1].timer);
    zm_timer_cancel(&timers[1].timer);
    zm_timer_set(&timers[2].timer, 5);
    zm_clock_advance(100);
    ZM_ASSERT_OK(zm_loop_once(loop, -1));
    ZM_ASSERT_STR(ticks.order, "ca");
    zm_clock_thaw();
}

static void callback_may_cancel_another_due_timer(void)
{
    zm_loop_t *loop = new_loop();
    named_timer_t timers[2];
    ticks_t ticks = {{0}, 0};
    zm_clock_freeze(0, 1000);
    start(&timers[0], 'a', loop, &ticks, 1);
    start(&timers[1], 'b', loop, &ticks, 2);
    timers[0].cancel = &timers[1];
    zm_clock_advance(10);
    ZM_ASSERT_OK(zm_loop_once(loop, -1));
    ZM_ASSERT_STR(ticks.order, "a");
    zm_clock_thaw();
}

static void timer_set_again_at_once_waits_for_the_next_round(void)
{
    zm_loop_t *loop = new_loop();
    named_timer_t timer;
    ticks_t ticks = {{0}, 0};
    zm_clock_freeze(0, 1000);
    start(&timer, 'a', loop, &ticks, 0);
    timer.again = 0;
    ZM_ASSERT_OK(zm_loop_once(loop, -1));
    ZM_ASSERT_STR(ticks.order, "a");
    ZM_ASSERT_OK(zm_loop_once(loop, -1));
    ZM_ASSERT_STR(ticks.order, "aa");
    zm_clock_thaw();
}

static apr_interval_time_t pseudo_random(unsigned *state)
{
    *state = *state * 1103515245u + 12345u;
    return (apr_interval_time_t)(*state >> 16 & 1023);
}

static void count_timer(zm_timer_t *timer, void *baton)
{
    CU_ASSERT_EQUAL(timer->due, zm_clock_monotonic()); /* the clock moves in single steps below */
    ++*(int *)baton;
}

static void heap_keeps_order_under_many_changes(void)
{
    enum { COUNT = 500 };
    static zm_timer_t timers[COUNT];
    zm_loop_t *loop = new_loop();
    unsigned state = 7;
    int i, fired = 0, cancelled = 0;
    zm_clock_freeze(0, 0);
    for (i = 0; i < COUNT; i++) {
        zm_timer_init(&timers[i], loop, count_timer, &fired);
        zm_timer_set(&timers[i], pseudo_random(&state));
    }
    for (i = 0; i < COUNT; i += 3, cancelled++)
        zm_timer_cancel(&timers[i]);
    for (i = 1; i < COUNT; i += 3)
        zm_timer_set(&timers[i], pseudo_random(&state));
    for (i = 0; i < 1024; i++) {
        ZM_ASSERT_OK(zm_loop_once(loop, 0));
        zm_clock_advance(1);
    }
    CU_ASSERT_EQUAL(fired, COUNT - cancelled);
    zm_clock_thaw();
}

/* -- posted work ------------------------------------------------------------------------------- */

typedef struct posts_t {
    zm_loop_t *loop;
    int next, wrong;
} posts_t;

enum { POSTS = 2000 };
static posts_t posts;
static int numbers[POSTS];

static void on_post(void *baton)
{
    if (*(int *)baton != posts.next++)
        posts.wrong++;
    if (posts.next == POSTS)
        zm_loop_stop(posts.loop);
}

static void *APR_THREAD_FUNC post_all(apr_thread_t *thread, void *baton)
{
    int i;
    (void)baton;
    for (i = 0; i < POSTS; i++) {
        numbers[i] = i;
        zm_loop_post(posts.loop, on_post, &numbers[i]);
    }
    apr_thread_exit(thread, APR_SUCCESS); /* on Windows a mere return makes the join fail */
    return NULL;
}

static void posts_of_a_thread_arrive_in_order(void)
{
    apr_thread_t *thread;
    apr_status_t result;
    posts = (posts_t){.loop = new_loop()};
    ZM_ASSERT_OK(apr_thread_create(&thread, NULL, post_all, NULL, zm_test_pool()));
    ZM_ASSERT_OK(zm_loop_run(posts.loop));
    ZM_ASSERT_OK(apr_thread_join(&result, thread));
    CU_ASSERT_EQUAL(posts.next, POSTS);
    CU_ASSERT_EQUAL(posts.wrong, 0);
}

static void post_again(void *baton)
{
    posts_t *mine = baton;
    mine->next++;
    ZM_ASSERT_OK(zm_loop_post(mine->loop, post_again, mine));
    CU_ASSERT_EQUAL(zm_loop_once(mine->loop, 0), ZM_E_BUSY);
}

static void work_posted_by_work_runs_in_the_next_round(void)
{
    posts_t mine = {.loop = new_loop()};
    ZM_ASSERT_OK(zm_loop_post(mine.loop, post_again, &mine));
    ZM_ASSERT_OK(zm_loop_once(mine.loop, -1));
    CU_ASSERT_EQUAL(mine.next, 1);
    ZM_ASSERT_OK(zm_loop_once(mine.loop, -1));
    CU_ASSERT_EQUAL(mine.next, 2);
}

static void run_ends_when_stopped(void)
{
    zm_loop_t *loop = new_loop();
    apr_socket_t *pair[2];
    zm_watch_t *watch;
    seen_t seen = {.stop = loop};
    ZM_ASSERT_OK(zm_localsock_pair(pair, zm_test_pool()));
    ZM_ASSERT_OK(zm_watch_open(&watch, loop, pair[0], ZM_READ, on_socket, &seen));
    send_bytes(pair[1], 1);
    ZM_ASSERT_OK(zm_loop_run(loop));
    CU_ASSERT_EQUAL(seen.calls, 1);
    ZM_ASSERT_OK(zm_loop_run(loop));
    CU_ASSERT_EQUAL(seen.calls, 2);
}

ZM_TESTS("loop", ZM_TEST(readable_socket_is_reported_until_read),
         ZM_TEST(interest_can_be_changed_and_suspended), ZM_TEST(hangup_comes_with_read),
         ZM_TEST(watch_closed_in_a_round_is_not_called_in_it),
         ZM_TEST(callback_may_close_its_own_watch),
         ZM_TEST(fresh_watch_of_the_same_socket_is_not_mistaken),
         ZM_TEST(many_sockets_are_watched_at_once), ZM_TEST(loop_that_ends_frees_open_watches),
         ZM_TEST(timers_fire_by_due_time_then_in_order_of_setting),
         ZM_TEST(timer_can_be_moved_and_cancelled), ZM_TEST(callback_may_cancel_another_due_timer),
         ZM_TEST(timer_set_again_at_once_waits_for_the_next_round),
         ZM_TEST(heap_keeps_order_under_many_changes), ZM_TEST(posts_of_a_thread_arrive_in_order),
         ZM_TEST(work_posted_by_work_runs_in_the_next_round), ZM_TEST(run_ends_when_stopped))
