#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>

#include "mta/scheduler/process.h"
#include "mta/scheduler/ta.h"
#include "platform/service.h"
#include "tests/unit/harness.h"

/* -- the agent: this program once more ----------------------------------------------------- */

static void answer(const char *job)
{
    printf("%lu/100\t\tok3 done\n", strtoul(job, NULL, 10));
}

static int run_agent(const char *manner)
{
    static char line[1000];
    int jobs = 0, i;

    if (strcmp(manner, "fail") == 0) {
        fprintf(stderr, "# agent: no table\033[2J\n\n# agent: it is \"gone\"");
        return 72;
    }
    for (;;) {
        printf("#hungry\n");
        fflush(stdout);
        if (fgets(line, sizeof line, stdin) == NULL || line[0] == '\n')
            return 0;
        if (line[0] == '#')
            continue;
        jobs++;
        if (strcmp(manner, "die") == 0)
            return 70;
        if (strcmp(manner, "babble") == 0) {
            fprintf(stderr, "warning on standard error\n");
            for (i = 0; i < 100000; i++)
                putchar('x');
            putchar('\n');
        }
        if (strcmp(manner, "slowly") == 0) {
            printf("%lu/1", strtoul(line, NULL, 10));
            fflush(stdout);
            printf("00\t\tok3 in two pieces\n");
        } else {
            answer(line);
        }
    }
}

/* -- a scheduler with real processes --------------------------------------------------------- */

typedef struct office_t {
    zm_loop_t *loop;
    zm_scheduler_t *scheduler;
    zm_processes_t processes;
    int completed, finished, malformed, comments;
} office_t;

static apr_status_t start(void *baton, zm_ta_t *ta, zm_thread_t *thread, void **process,
                          zm_error_t *error)
{
    office_t *office = baton;
    zm_process_t *started = NULL;
    apr_status_t status = zm_process_start(&office->processes, ta, thread, &started, error);
    *process = started;
    return status;
}

static bool send_lines(void *baton, zm_ta_t *ta, const char *data, apr_size_t length)
{
    (void)baton;
    return zm_process_send(ta->process, data, length);
}

static void half_close(void *baton, zm_ta_t *ta, bool quit)
{
    (void)baton;
    zm_process_half_close(ta->process, quit);
}

static void end(void *baton, zm_ta_t *ta)
{
    (void)baton;
    zm_process_kill(ta->process);
}

static void complete(void *baton, zm_job_t *job)
{
    office_t *office = baton;
    office->completed++;
    zm_job_free(office->scheduler, job);
}

static void reread(void *baton, zm_job_t *job)
{
    (void)baton;
    (void)job;
}

static void finished(void *baton, const zm_job_t *job, const zm_thread_t *thread, zm_state_t state)
{
    office_t *office = baton;
    (void)job;
    (void)thread;
    (void)state;
    office->finished++;
}

static void comment(void *baton, zm_ta_t *ta, zm_str_t line, bool malformed)
{
    office_t *office = baton;
    zm_process_said(ta->process, line);
    office->malformed += malformed;
    office->comments += !malformed;
}

static void fed(void *baton, zm_ta_t *ta, zm_vertex_t *vertex, zm_str_t line)
{
    (void)baton;
    (void)ta;
    (void)vertex;
    (void)line;
}

static void event(void *baton, zm_log_level_t level, const zm_job_t *job, const char *text)
{
    (void)baton;
    (void)level;
    (void)job;
    (void)text;
}

static const zm_outside_t outside = {
    .start = start,
    .send = send_lines,
    .half_close = half_close,
    .kill = end,
    .complete = complete,
    .reread = reread,
    .finished = finished,
    .comment = comment,
    .fed = fed,
    .event = event,
};

static void settle(void *baton)
{
    office_t *office = baton;
    zm_scheduler_settle(office->scheduler);
}

static office_t *office_open(const char *command)
{
    apr_pool_t *pool = zm_test_pool();
    office_t *office = apr_pcalloc(pool, sizeof *office);
    zm_config_options_t options = {"s.conf", NULL, false, 100};
    zm_scheduler_options_t core = {0};
    zm_buf_t problems = ZM_BUF_INIT;
    zm_config_t *config = NULL;
    zm_zenv_t *zenv;
    zm_error_t error;

    ZM_ASSERT_OK(zm_zenv_parse(&zenv, zm_str("POSTOFFICE=/\nMAILSHARE=/\nMAILBIN=/\nLOGDIR=/\n"),
                               "z", "/", NULL, pool, &error));
    options.zenv = zenv;
    ZM_ASSERT_OK(zm_config_parse(&config,
                                 zm_str(apr_psprintf(pool,
                                                     "*/* interval=1s retries=\"1\" skew=1 "
                                                     "overfeed=5\nsmtp/* command=\"%s\"\n",
                                                     command)),
                                 &options, &problems, pool));
    zm_buf_free(&problems);
    ZM_ASSERT_OK(zm_loop_create(&office->loop, pool));
    zm_scheduler_create(&office->scheduler, config, &core, &outside, office, pool);
    office->processes.loop = office->loop;
    office->processes.scheduler = office->scheduler;
    office->processes.zenv = zenv;
    office->processes.directory = zm_test_directory();
    office->processes.settle = settle;
    office->processes.baton = office;
    return office;
}

static const char *agent(const char *manner)
{
    const char *program;
    ZM_ASSERT_OK(zm_service_program(&program, zm_test_pool()));
    return apr_pstrcat(zm_test_pool(), program, " --agent ", manner, NULL);
}

static void add(office_t *office, uint64_t id)
{
    zm_recipient_facts_t recipient = {zm_str("smtp"), zm_str("host"), zm_str("s"), 100, 0};
    zm_job_facts_t facts = {.id = id, .prefix = "", .recipients = &recipient, .recipient_count = 1};
    facts.leaf = apr_psprintf(zm_test_pool(), "%" APR_UINT64_T_FMT, id);
    facts.total = 1;
    zm_scheduler_tick(office->scheduler);
    ZM_ASSERT_OK(zm_queue_add(office->scheduler, &facts));
    zm_scheduler_settle(office->scheduler);
}

/* Lets the loop run until the counter reaches the value, within reason. */
static void run_until(office_t *office, const int *counter, int value)
{
    int rounds;
    for (rounds = 0; rounds < 1000 && *counter < value; rounds++)
        ZM_ASSERT_OK(zm_loop_once(office->loop, apr_time_from_msec(100)));
    CU_ASSERT_EQUAL(*counter, value);
}

static void office_close(office_t *office)
{
    int rounds;
    zm_scheduler_tick(office->scheduler);
    zm_scheduler_slow_stop(office->scheduler);
    for (rounds = 0; rounds < 1000 && office->scheduler->tas != NULL; rounds++)
        ZM_ASSERT_OK(zm_loop_once(office->loop, apr_time_from_msec(100)));
    CU_ASSERT_PTR_NULL(office->scheduler->tas);
    zm_scheduler_destroy(office->scheduler);
}

/* -- tests ------------------------------------------------------------------------------------ */

static void agent_process_is_fed_and_answers(void)
{
    office_t *office = office_open(agent("plain"));
    uint64_t id;
    for (id = 1; id <= 20; id++)
        add(office, id);
    run_until(office, &office->completed, 20);
    CU_ASSERT_EQUAL(office->scheduler->counters.ta_starts, 1);
    CU_ASSERT_EQUAL(office->malformed, 0);
    office_close(office);
}

static void long_lines_and_standard_error_disturb_nothing(void)
{
    office_t *office = office_open(agent("babble"));
    uint64_t id;
    for (id = 1; id <= 5; id++)
        add(office, id);
    run_until(office, &office->completed, 5);
    CU_ASSERT_EQUAL(office->malformed, 10);
    office_close(office);
}

static void line_in_pieces_is_one_line(void)
{
    office_t *office = office_open(agent("slowly"));
    add(office, 1);
    run_until(office, &office->completed, 1);
    CU_ASSERT_EQUAL(office->malformed, 0);
    office_close(office);
}

static void dead_agent_leaves_its_job_in_the_queue(void)
{
    office_t *office = office_open(agent("die"));
    int rounds;
    add(office, 1);
    for (rounds = 0; rounds < 1000 && office->scheduler->tas != NULL; rounds++)
        ZM_ASSERT_OK(zm_loop_once(office->loop, apr_time_from_msec(100)));
    CU_ASSERT_PTR_NULL(office->scheduler->tas);
    CU_ASSERT_PTR_NOT_NULL(zm_queue_find(office->scheduler, 1));
    CU_ASSERT_EQUAL(office->finished, 0);
    office_close(office);
}

static void last_words_tell_why_an_agent_ended(void)
{
    office_t *office = office_open(agent("fail"));
    zm_ring_t *ring;
    int rounds;
    add(office, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(office->scheduler->tas);
    ring = office->scheduler->tas->ring;
    for (rounds = 0; rounds < 1000 && office->scheduler->tas != NULL; rounds++)
        ZM_ASSERT_OK(zm_loop_once(office->loop, apr_time_from_msec(100)));
    CU_ASSERT_PTR_NOT_NULL_FATAL(ring->trouble);
    ZM_ASSERT_STR(ring->trouble->data, "the agent ended with status 72 before it asked for work: "
                                       "# agent: it is \"gone\"");
    CU_ASSERT_EQUAL(office->processes.told, 1);
    office_close(office);
}

static void bad_ends_do_not_fill_the_log(void)
{
    office_t *office = office_open(agent("fail"));
    int rounds;
    office->processes.told = 20;
    office->processes.told_since = office->scheduler->now;
    zm_scheduler_tick(office->scheduler);
    office->processes.told_since = office->scheduler->now;
    add(office, 1);
    for (rounds = 0; rounds < 1000 && office->processes.untold == 0; rounds++)
        ZM_ASSERT_OK(zm_loop_once(office->loop, apr_time_from_msec(100)));
    CU_ASSERT_EQUAL(office->processes.told, 20);
    office_close(office);
}

static void missing_program_leaves_the_job_in_the_queue(void)
{
    office_t *office = office_open("/nonexistent/agent");
    add(office, 1);
    CU_ASSERT_PTR_NULL(office->scheduler->tas);
    CU_ASSERT_PTR_NOT_NULL(zm_queue_find(office->scheduler, 1));
    office_close(office);
}

int main(int argc, char **argv)
{
    const zm_test_t tests[] = {ZM_TEST(agent_process_is_fed_and_answers),
                               ZM_TEST(long_lines_and_standard_error_disturb_nothing),
                               ZM_TEST(line_in_pieces_is_one_line),
                               ZM_TEST(dead_agent_leaves_its_job_in_the_queue),
                               ZM_TEST(last_words_tell_why_an_agent_ended),
                               ZM_TEST(bad_ends_do_not_fill_the_log),
                               ZM_TEST(missing_program_leaves_the_job_in_the_queue)};
    if (argc == 3 && strcmp(argv[1], "--agent") == 0)
        return run_agent(argv[2]);
    return zm_tests_run("scheduler_process", tests, (int)(sizeof tests / sizeof tests[0]), argc,
                        argv);
}
