#include "mta/smtpserver/desk_keeper.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/smtpserver/said.h"
#include "platform/child.h"
#include "platform/clock.h"
#include "platform/log.h"

#define FIRST_PAUSE apr_time_from_msec(200)
#define LAST_PAUSE apr_time_from_sec(60)

struct desk_keeper_t {
    program_t *program;
    clerk_kind_t kind;
    zm_loop_t *loop;
    zm_counters_t *counters;
    zm_child_t *child; /* null: none runs */
    zm_watch_t *watch;
    zm_buf_t said;
    int clerks; /* 0: no desk is wanted */
    zm_timer_t again;
    apr_interval_time_t pause;
    apr_time_t started;
};

/* -- what it says ------------------------------------------------------------------------------ */

static void heard(zm_str_t line, void *baton)
{
    const zm_str_t failure = ZM_STR("fail ");
    (void)baton;
    if (zm_str_starts(line, failure))
        zm_log(ZM_LOG_ERROR, NULL, "desk cannot start",
               ZM_F_N("reason", zm_str_from(line, failure.length)));
}

static void listen_to(desk_keeper_t *keeper)
{
    if (said_take(&keeper->said, keeper->child, heard, keeper))
        return;
    zm_watch_close(keeper->watch);
    keeper->watch = NULL;
}

static void on_channel(zm_watch_t *watch, int events, void *baton)
{
    (void)watch;
    (void)events;
    listen_to(baton);
}

/* -- the process ------------------------------------------------------------------------------- */

static void note_pid(const desk_keeper_t *keeper, int64_t pid)
{
    zm_counter_set(keeper->counters,
                   keeper->kind == CLERK_FILTER ? ZM_COUNT_SS_SubsysContentfilterMasterPID
                                                : ZM_COUNT_SS_SubsysRouterMasterPID,
                   pid);
}

/* The end of the channel tells it to finish. */
static void leave(desk_keeper_t *keeper)
{
    if (keeper->child == NULL)
        return;
    zm_watch_close(keeper->watch);
    keeper->watch = NULL;
    zm_child_close(keeper->child);
    keeper->child = NULL;
    zm_buf_free(&keeper->said);
    note_pid(keeper, 0);
}

static void on_end(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    desk_keeper_t *keeper = baton;
    (void)child;
    listen_to(keeper);
    leave(keeper);
    zm_log(ZM_LOG_ERROR, NULL, "desk ended", ZM_F_S("how", end->signalled ? "signal" : "exit"),
           ZM_F_I("code", end->code));
    if (zm_clock_monotonic() - keeper->started > LAST_PAUSE)
        keeper->pause = FIRST_PAUSE;
    zm_timer_set(&keeper->again, keeper->pause);
    keeper->pause = keeper->pause * 2 > LAST_PAUSE ? LAST_PAUSE : keeper->pause * 2;
}

static apr_status_t start(desk_keeper_t *keeper, zm_error_t *error)
{
    static const char *const words[] = {"--desk", "--filters", "--verifiers"};
    zm_child_spec_t spec = {.io = ZM_CHILD_CHANNEL_01};
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, keeper->program->pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "out of memory");
    spec.argv =
        program_command(keeper->program, words[keeper->kind], apr_itoa(pool, keeper->clerks), pool);
    keeper->started = zm_clock_monotonic();
    status = zm_child_start(&keeper->child, &spec, keeper->loop, on_end, keeper, error);
    apr_pool_destroy(pool);
    if (status != APR_SUCCESS) {
        keeper->child = NULL;
        return status;
    }
    note_pid(keeper, zm_child_pid(keeper->child));
    status = zm_watch_open(&keeper->watch, keeper->loop, zm_child_channel(keeper->child), ZM_READ,
                           on_channel, keeper);
    if (status != APR_SUCCESS)
        keeper->watch = NULL; /* its end is told all the same */
    return APR_SUCCESS;
}

static void on_again(zm_timer_t *timer, void *baton)
{
    desk_keeper_t *keeper = baton;
    zm_error_t error = {0};
    if (keeper->clerks == 0 || keeper->child != NULL || start(keeper, &error) == APR_SUCCESS)
        return;
    zm_log(ZM_LOG_ERROR, NULL, "desk cannot start", ZM_F_S("reason", error.text));
    zm_timer_set(timer, LAST_PAUSE);
}

/* -- the keeper -------------------------------------------------------------------------------- */

desk_keeper_t *desk_keeper_create(program_t *program, clerk_kind_t kind, zm_loop_t *loop,
                                  zm_counters_t *counters)
{
    desk_keeper_t *made = apr_pcalloc(program->pool, sizeof *made);
    made->program = program;
    made->kind = kind;
    made->loop = loop;
    made->counters = counters;
    made->pause = FIRST_PAUSE;
    zm_timer_init(&made->again, loop, on_again, made);
    return made;
}

void desk_keeper_set(desk_keeper_t *keeper, int clerks)
{
    leave(keeper);
    keeper->clerks = clerks;
    keeper->pause = FIRST_PAUSE;
    if (clerks > 0)
        zm_timer_set(&keeper->again, 0);
    else
        zm_timer_cancel(&keeper->again);
}

void desk_keeper_close(desk_keeper_t *keeper)
{
    zm_timer_cancel(&keeper->again);
    leave(keeper);
}
