#include "ta/expirer/expirer.h"

#include "tests/unit/harness.h"
#include "tests/unit/ta/agent/fixture.h"

#define HAS(text, part) CU_ASSERT_PTR_NOT_NULL(strstr(text, part))

static zm_fixture_t *fixture;

static const zm_fixture_letter_t letter = {.sender = "s@x",
                                           .recipients = {
                                               {"smtp", "a.org", "Bob@a.org", 0, NULL},
                                               {"smtp", "b.org", "eve@b.org", 0, "NOTIFY=SUCCESS"},
                                               {"local", "eve", "eve", 0, NULL},
                                           }};

/* Runs the agent over the letter; returns its control path. */
static const char *run(zm_expirer_t *expirer, const char *channel, const char *host)
{
    zm_agent_options_t options;
    zm_agent_t *agent;
    zm_error_t error = {0};
    zm_job_line_t line;
    zm_job_t *job;
    const char *path;

    fixture = zm_fixture("MYHOSTNAME=mx.example\n");
    options = zm_fixture_agent(fixture, "expirer", channel);
    options.host = host;
    options.wanted = zm_expirer_wants;
    options.baton = expirer;
    options.look_only = expirer->dry;
    ZM_ASSERT_OK(zm_agent_open(&agent, &options, fixture->pool, &error));
    path = zm_fixture_letter(fixture, &letter);
    zm_fixture_feed(fixture, "%s\n", path);
    zm_fixture_end(fixture);
    while (zm_agent_next(agent, &line) == APR_SUCCESS)
        if (zm_job_open(&job, agent, &line) == ZM_JOB_READY) {
            zm_expirer_job(expirer, job);
            zm_job_close(job);
        }
    CU_ASSERT_EQUAL(zm_agent_end(agent), 0);
    return path;
}

static void without_options_everything_fails(void)
{
    zm_expirer_t expirer = {0};
    const char *path = run(&expirer, NULL, NULL);
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "---");
    CU_ASSERT_EQUAL(zm_fixture_parsed(fixture, path)->diagnostic_count, 3);
    HAS(zm_str_c(fixture->pool, zm_fixture_control(fixture, path)),
        "failed\0015.7.0\001x-local; 500 (Administrative deletion)");
}

static void channel_host_and_user_choose(void)
{
    zm_expirer_t expirer = {.text = "smtp; 550 (no longer wanted)"};
    const char *path = run(&expirer, "smtp", "A.org");
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "-  ");
    HAS(zm_str_c(fixture->pool, zm_fixture_control(fixture, path)), "smtp; 550 (no longer wanted)");
    expirer.user = "EVE@b.ORG";
    path = run(&expirer, NULL, NULL);
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), " - ");
    expirer.user = "nobody@b.org";
    path = run(&expirer, NULL, NULL);
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "   ");
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "#resync "), 1);
}

static void silence_reports_success_only_when_asked_for(void)
{
    zm_expirer_t expirer = {.silent = true};
    const char *path = run(&expirer, NULL, NULL);
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "+++");
    HAS(zm_str_c(fixture->pool, zm_fixture_control(fixture, path)),
        "delivered\0012.0.0\001x-local; 250 (Administrative deletion)");
    CU_ASSERT_EQUAL(zm_fixture_parsed(fixture, path)->diagnostic_count, 1);
}

static void dry_run_changes_nothing(void)
{
    zm_buf_t log = ZM_BUF_INIT;
    zm_expirer_t expirer = {.dry = true, .log = &log};
    const char *path = run(&expirer, "smtp", NULL);
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "   ");
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "# expirer: would end S"), 2);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\t"), 0);
    HAS(zm_buf_c(&log), " Bob@a.org dry run\n");
    zm_buf_free(&log);
}

ZM_TESTS("expirer", ZM_TEST(without_options_everything_fails),
         ZM_TEST(channel_host_and_user_choose),
         ZM_TEST(silence_reports_success_only_when_asked_for), ZM_TEST(dry_run_changes_nothing))
