/*
 * The protocol with the scheduler, and what it leaves in the control file.
 */
#include "tests/unit/harness.h"

#include <apr_strings.h>

#include "ta/agent/report.h"
#include "tests/unit/ta/agent/fixture.h"

/* Runs a one-job agent over what was fed, giving every recipient the same outcome. */
static int run(zm_fixture_t *fixture, const zm_agent_options_t *options,
               const zm_outcome_t *outcome)
{
    zm_job_line_t line;
    zm_agent_t *agent;
    zm_job_t *job;
    zm_error_t error;
    zm_fixture_end(fixture);
    ZM_ASSERT_OK(zm_agent_open(&agent, options, fixture->pool, &error));
    while (zm_agent_next(agent, &line) == APR_SUCCESS) {
        if (zm_job_open(&job, agent, &line) != ZM_JOB_READY)
            continue;
        if (outcome != NULL)
            zm_job_report_all(job, outcome);
        zm_job_close(job);
    }
    return zm_agent_end(agent);
}

static zm_outcome_t outcome_of(int result, const char *status, const char *text)
{
    zm_outcome_t outcome = {0};
    outcome.result = result;
    outcome.status = zm_str(status);
    outcome.text = zm_str(text);
    return outcome;
}

static const zm_fixture_letter_t two = {
    .sender = "a@b",
    .recipients = {{"local", "h", "bob@x", 1, NULL}, {"local", "i", "eve@x", 2, NULL}}};

static void every_line_is_answered_with_one_hungry(void)
{
    zm_fixture_t *fixture = zm_fixture("");
    zm_agent_options_t options = zm_fixture_agent(fixture, "test", "local");
    int i;
    for (i = 0; i < 150; i++)
        zm_fixture_feed(fixture, "A/B/%d-1\th\n", i + 1);
    zm_fixture_feed(fixture, "#idle\n\ntruncated");
    CU_ASSERT_EQUAL(run(fixture, &options, NULL), 0);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "#hungry\n"), 152);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "#resync A/B/"), 150);
    CU_ASSERT_EQUAL(strncmp(zm_fixture_heard(fixture), "#hungry\n#resync A/B/1-1\n#hungry\n", 32),
                    0);
}

static void truncated_line_is_dropped(void)
{
    zm_fixture_t *fixture = zm_fixture("");
    zm_agent_options_t options = zm_fixture_agent(fixture, "test", "local");
    zm_fixture_feed(fixture, "A/B/1\th");
    CU_ASSERT_EQUAL(run(fixture, &options, NULL), 0);
    ZM_ASSERT_STR(zm_fixture_heard(fixture), "#hungry\n");
}

static void names_that_are_no_control_files_are_refused(void)
{
    zm_fixture_t *fixture = zm_fixture("");
    zm_agent_options_t options = zm_fixture_agent(fixture, "test", "local");
    zm_fixture_feed(fixture, "../queue/1\nA/../../1\nabc\n/etc/passwd\n");
    CU_ASSERT_EQUAL(run(fixture, &options, NULL), 0);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "#resync "), 4);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "#hungry\n"), 5);
}

static void only_the_host_asked_for_is_delivered(void)
{
    zm_fixture_t *fixture = zm_fixture("");
    zm_agent_options_t options = zm_fixture_agent(fixture, "test", "local");
    const char *path = zm_fixture_letter(fixture, &two);
    zm_outcome_t outcome = outcome_of(ZM_RESULT_OK, "2.2.0", "done");
    zm_fixture_feed(fixture, "%s\tI\n", path);
    CU_ASSERT_EQUAL(run(fixture, &options, &outcome), 0);
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), " +");
}

static void without_a_host_all_are_delivered_in_file_order(void)
{
    zm_fixture_t *fixture = zm_fixture("");
    zm_agent_options_t options = zm_fixture_agent(fixture, "test", "local");
    const char *path = zm_fixture_letter(fixture, &two);
    zm_control_file_t *file = zm_fixture_parsed(fixture, path);
    zm_outcome_t outcome = outcome_of(ZM_RESULT_OK, "2.2.0", "done");
    zm_str_t before = zm_fixture_control(fixture, path), after;
    const char *id = strrchr(path, '/') + 1;
    zm_fixture_feed(fixture, "%s\n", path);
    CU_ASSERT_EQUAL(run(fixture, &options, &outcome), 0);
    ZM_ASSERT_STR(
        zm_fixture_heard(fixture),
        apr_psprintf(fixture->pool, "#hungry\n%s/%d\t\tok3 done\n%s/%d\t\tok3 done\n#hungry\n", id,
                     (int)file->recipients[0].offset, id, (int)file->recipients[1].offset));
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "++");
    after = zm_fixture_control(fixture, path);
    CU_ASSERT_EQUAL(after.length, before.length); /* success unasked for leaves no record */
    CU_ASSERT_EQUAL(
        memcmp(after.data + file->recipients[0].offset, "r+          local h bob@x 1\n", 28), 0);
}

static void sticky_agents_take_the_first_host(void)
{
    zm_fixture_t *fixture = zm_fixture("");
    zm_agent_options_t options = zm_fixture_agent(fixture, "test", "local");
    const char *path = zm_fixture_letter(fixture, &two);
    zm_outcome_t outcome = outcome_of(ZM_RESULT_OK, "2.2.0", "done");
    options.sticky = true;
    zm_fixture_feed(fixture, "%s\n", path);
    CU_ASSERT_EQUAL(run(fixture, &options, &outcome), 0);
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "+ ");
}

static void no_host_is_a_host_to_sticky_agents(void)
{
    zm_fixture_letter_t letter = {
        .sender = "a@b",
        .recipients = {{"local", "-", "bob@x", 1, NULL}, {"local", "h", "eve@x", 2, NULL}}};
    zm_fixture_t *fixture = zm_fixture("");
    zm_agent_options_t options = zm_fixture_agent(fixture, "test", "local");
    const char *path = zm_fixture_letter(fixture, &letter);
    zm_outcome_t outcome = outcome_of(ZM_RESULT_OK, "2.2.0", "done");
    options.sticky = true;
    zm_fixture_feed(fixture, "%s\n", path);
    CU_ASSERT_EQUAL(run(fixture, &options, &outcome), 0);
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "+ ");
}

static void failures_are_recorded_before_the_result(void)
{
    zm_fixture_letter_t letter = {.sender = "a@b",
                                  .recipients = {{"local", "h", "bob@x", 1, "NOTIFY=FAILURE"}}};
    zm_fixture_t *fixture = zm_fixture("");
    zm_agent_options_t options = zm_fixture_agent(fixture, "test", "local");
    const char *path = zm_fixture_letter(fixture, &letter);
    zm_outcome_t outcome = outcome_of(ZM_RESULT_NOUSER, "5.1.1", "no\nsuch user");
    zm_control_file_t *file;
    zm_fixture_feed(fixture, "%s\th\n", path);
    CU_ASSERT_EQUAL(run(fixture, &options, &outcome), 0);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\t\terror2 no\rsuch user\n"), 1);
    file = zm_fixture_parsed(fixture, path);
    CU_ASSERT_EQUAL(file->recipients[0].tag, '-');
    CU_ASSERT_EQUAL(file->diagnostic_count, 1);
    CU_ASSERT_EQUAL(file->diagnostics[0].recipient_offset, file->recipients[0].offset);
    CU_ASSERT_EQUAL(file->diagnostics[0].dsn_offset, file->recipients[0].dsn_offset);
    CU_ASSERT_EQUAL(file->diagnostics[0].header_offset, (int64_t)file->headers[0].offset);
    CU_ASSERT_TRUE(zm_str_equal_c(file->diagnostics[0].notary, "bob@x\1"
                                                               "failed\1"
                                                               "5.1.1\1\1"));
    CU_ASSERT_TRUE(zm_str_equal_c(file->diagnostics[0].text, "no\rsuch user"));
}

static void asked_for_success_is_recorded(void)
{
    zm_fixture_letter_t letter = {
        .sender = "a@b", .recipients = {{"local", "h", "bob@x", 1, "NOTIFY=SUCCESS,FAILURE"}}};
    zm_fixture_t *fixture = zm_fixture("");
    zm_agent_options_t options = zm_fixture_agent(fixture, "test", "local");
    const char *path = zm_fixture_letter(fixture, &letter);
    zm_outcome_t outcome = outcome_of(ZM_RESULT_OK, "2.2.0", "done");
    zm_fixture_feed(fixture, "%s\th\n", path);
    CU_ASSERT_EQUAL(run(fixture, &options, &outcome), 0);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\t\tok2 done\n"), 1);
    CU_ASSERT_EQUAL(zm_fixture_parsed(fixture, path)->diagnostic_count, 1);
}

static void deferred_recipients_are_as_before(void)
{
    zm_fixture_t *fixture = zm_fixture("");
    zm_agent_options_t options = zm_fixture_agent(fixture, "test", "local");
    const char *path = zm_fixture_letter(fixture, &two);
    zm_str_t before = zm_fixture_control(fixture, path);
    zm_outcome_t outcome = outcome_of(ZM_RESULT_TEMPFAIL, "4.2.0", "later");
    zm_fixture_feed(fixture, "%s\th\n", path);
    CU_ASSERT_EQUAL(run(fixture, &options, &outcome), 0);
    CU_ASSERT_TRUE(zm_str_equal(zm_fixture_control(fixture, path), before));
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\tbob@x\1"
                                              "failed\1"
                                              "4.2.0\1\1\tdeferred later\n"),
                    1);
}

static void forgotten_recipients_are_deferred(void)
{
    zm_fixture_t *fixture = zm_fixture("");
    zm_agent_options_t options = zm_fixture_agent(fixture, "test", "local");
    const char *path = zm_fixture_letter(fixture, &two);
    zm_fixture_feed(fixture, "%s\n", path);
    CU_ASSERT_EQUAL(run(fixture, &options, NULL), 0);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "deferred the address was left locked\n"), 2);
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "  ");
}

static void claimed_recipients_are_left_alone(void)
{
    zm_fixture_t *fixture = zm_fixture("");
    zm_agent_options_t options = zm_fixture_agent(fixture, "test", "local");
    const char *path = zm_fixture_letter(fixture, &two);
    zm_control_file_t *file = zm_fixture_parsed(fixture, path);
    zm_outcome_t outcome = outcome_of(ZM_RESULT_OK, "2.2.0", "done");
    zm_object_t *object;
    ZM_ASSERT_OK(zm_object_open(&object, fixture->spool,
                                apr_pstrcat(fixture->pool, "transport/", path, NULL),
                                ZM_OBJECT_UPDATE));
    ZM_ASSERT_OK(zm_control_claim(object, file->recipients[0].offset));
    zm_fixture_feed(fixture, "%s\th\n%s\ti\n", path, path);
    CU_ASSERT_EQUAL(run(fixture, &options, &outcome), 0);
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "~+");
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "#resync "), 1);
    zm_object_close(object);
}

static void missing_message_fails_for_good(void)
{
    zm_fixture_t *fixture = zm_fixture("");
    zm_agent_options_t options = zm_fixture_agent(fixture, "test", "local");
    const char *path = zm_fixture_letter(fixture, &two);
    ZM_ASSERT_OK(zm_spool_unlink(fixture->spool, apr_pstrcat(fixture->pool, "queue/", path, NULL)));
    zm_fixture_feed(fixture, "%s\n", path);
    CU_ASSERT_EQUAL(run(fixture, &options, NULL), 0);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\terror2 message file"), 2);
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "--");
}

static void recipients_are_grouped_by_header(void)
{
    zm_fixture_letter_t letter = {.sender = "a@b",
                                  .recipients = {{"local", "h", "one", 1, NULL},
                                                 {"local", "h", "two", 1, NULL},
                                                 {"local", "h", "three", 1, NULL}},
                                  .second_header = "To: other\n",
                                  .second = 2};
    zm_fixture_t *fixture = zm_fixture("");
    zm_agent_options_t options = zm_fixture_agent(fixture, "test", "local");
    const char *path = zm_fixture_letter(fixture, &letter);
    zm_job_line_t line = {zm_str(path), ZM_S("h"), true};
    zm_error_t error;
    zm_agent_t *agent;
    zm_job_t *job;
    ZM_ASSERT_OK(zm_agent_open(&agent, &options, fixture->pool, &error));
    CU_ASSERT_EQUAL_FATAL(zm_job_open(&job, agent, &line), ZM_JOB_READY);
    CU_ASSERT_EQUAL(job->group_count, 2);
    CU_ASSERT_EQUAL(job->groups[0].count, 2);
    CU_ASSERT_TRUE(zm_str_equal_c(job->groups[0].recipients[1]->user, "two"));
    CU_ASSERT_TRUE(zm_str_equal_c(job->groups[1].recipients[0]->user, "three"));
    CU_ASSERT_TRUE(zm_str_equal_c(job->groups[1].fields.items[0].text, "To: other"));
    CU_ASSERT_TRUE(zm_str_equal_c(job->groups[0].sender, "a@b"));
    zm_job_close(job);
    zm_agent_end(agent);
}

static void null_path_has_an_empty_sender(void)
{
    zm_fixture_letter_t letter = {.recipients = {{"local", "h", "\"a b\"@x", 1, NULL}}};
    zm_fixture_t *fixture = zm_fixture("");
    zm_agent_options_t options = zm_fixture_agent(fixture, "test", "local");
    const char *path = zm_fixture_letter(fixture, &letter);
    zm_job_line_t line = {zm_str(path), ZM_S("h"), true};
    zm_error_t error;
    zm_agent_t *agent;
    zm_job_t *job;
    ZM_ASSERT_OK(zm_agent_open(&agent, &options, fixture->pool, &error));
    CU_ASSERT_EQUAL_FATAL(zm_job_open(&job, agent, &line), ZM_JOB_READY);
    CU_ASSERT_EQUAL(job->groups[0].sender.length, 0);
    CU_ASSERT_TRUE(zm_str_equal_c(job->recipients[0].user, "\"a b\"@x"));
    zm_job_close(job);
    zm_agent_end(agent);
}

ZM_TESTS("agent jobs", ZM_TEST(every_line_is_answered_with_one_hungry),
         ZM_TEST(truncated_line_is_dropped), ZM_TEST(names_that_are_no_control_files_are_refused),
         ZM_TEST(only_the_host_asked_for_is_delivered),
         ZM_TEST(without_a_host_all_are_delivered_in_file_order),
         ZM_TEST(sticky_agents_take_the_first_host),
         ZM_TEST(failures_are_recorded_before_the_result), ZM_TEST(asked_for_success_is_recorded),
         ZM_TEST(deferred_recipients_are_as_before), ZM_TEST(forgotten_recipients_are_deferred),
         ZM_TEST(claimed_recipients_are_left_alone), ZM_TEST(missing_message_fails_for_good),
         ZM_TEST(recipients_are_grouped_by_header), ZM_TEST(null_path_has_an_empty_sender),
         ZM_TEST(no_host_is_a_host_to_sticky_agents))
