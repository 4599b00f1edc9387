/*
 * Commands of a mailq client that may do all, while agents work.  A line of one
 * byte moves things on: 'a' adds a job, 't' lets a minute pass, 'h' is an agent
 * that asks for work, 'g' one that ends.
 *
 * Counts agree at every step, however the queue is held, killed and listed; each
 * listing comes to its end.
 */
#include "mta/scheduler/account.h"
#include "mta/scheduler/mailqd_session.h"
#include "platform/localsock.h"
#include "platform/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scheduler_life.h"

typedef struct talk_t {
    life_t life;
    zm_loop_t *loop;
    apr_socket_t *pair[2];
    zm_mailq_session_t session;
} talk_t;

static void on_event(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    talk_t *talk = baton;
    (void)stream;
    if (event != ZM_STREAM_DRAINED || talk->session.show == NULL)
        return;
    zm_mailq_show_over(&talk->session);
}

/* Reads what was written until all is. */
static void drain(talk_t *talk)
{
    char text[8192];
    int rounds = 0;
    do {
        apr_size_t length = sizeof text;
        FUZZ_EXPECT(zm_loop_once(talk->loop, 0) == APR_SUCCESS);
        (void)apr_socket_recv(talk->pair[1], text, &length);
        FUZZ_EXPECT(++rounds < 10000);
    } while (talk->session.show != NULL);
}

static void step(talk_t *talk, zm_str_t line)
{
    life_t *life = &talk->life;

    zm_scheduler_tick(life->scheduler);
    if (zm_str_equal_c(line, "a"))
        life_add_job(life);
    else if (zm_str_equal_c(line, "t"))
        life_pass(life);
    else if (zm_str_equal_c(line, "h") && life->agent_count > 0)
        zm_ta_line(life->scheduler, life->agents[0], zm_str("#hungry"));
    else if (zm_str_equal_c(line, "g") && life->agent_count > 0)
        life_agent_gone(life, 0);
    else if (line.length > 0)
        (void)zm_mailq_command(&talk->session, line);
    zm_scheduler_settle(life->scheduler);
    drain(talk);
    life_check(life);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    zm_str_t rest = zm_str_of((const char *)data, size), line;
    zm_log_options_t quiet = {.program = "fuzz", .level = ZM_LOG_ERROR};
    talk_t talk = {.session.rights = ZM_MAY_ALL, .session.known = true};

    (void)zm_log_open(&quiet, NULL);
    life_open(&talk.life, pool);
    FUZZ_EXPECT(zm_loop_create(&talk.loop, pool) == APR_SUCCESS);
    FUZZ_EXPECT(zm_localsock_pair(talk.pair, pool) == APR_SUCCESS);
    apr_socket_opt_set(talk.pair[1], APR_SO_NONBLOCK, 1);
    talk.session.pool = pool;
    talk.session.scheduler = talk.life.scheduler;
    FUZZ_EXPECT(zm_stream_open(&talk.session.stream, talk.loop, talk.pair[0], on_event, &talk) ==
                APR_SUCCESS);
    while (rest.length > 0) {
        zm_str_t after = ZM_S("");
        zm_str_cut(rest, '\n', &line, &after);
        step(&talk, zm_str_trim(line));
        rest = after;
    }
    zm_stream_close(talk.session.stream);
    zm_mailq_end_shows(&talk.session);
    life_close(&talk.life);
    apr_socket_close(talk.pair[1]);
    return 0;
}
