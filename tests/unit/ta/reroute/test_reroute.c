#include "ta/reroute/reroute.h"

#include <apr_strings.h>

#include "tests/unit/harness.h"
#include "tests/unit/ta/agent/fixture.h"

#define HAS(text, part) CU_ASSERT_PTR_NOT_NULL(strstr(text, part))
#define LACKS(text, part) CU_ASSERT_PTR_NULL(strstr(text, part))

static zm_fixture_t *fixture;

static const char *run(zm_fixture_letter_t letter, const char *host)
{
    zm_agent_options_t options;
    zm_resubmitter_t resubmitter = {0};
    zm_agent_t *agent;
    zm_error_t error = {0};
    zm_job_line_t line;
    zm_job_t *job;
    const char *path;

    fixture = zm_fixture("MYHOSTNAME=mx.example\n");
    options = zm_fixture_agent(fixture, "reroute", "smtp");
    options.host = host;
    ZM_ASSERT_OK(zm_agent_open(&agent, &options, fixture->pool, &error));
    zm_resubmitter_open(&resubmitter, agent, "reroute");
    resubmitter.trace_clause = true;
    path = zm_fixture_letter(fixture, &letter);
    zm_fixture_feed(fixture, "%s\n", path);
    zm_fixture_end(fixture);
    while (zm_agent_next(agent, &line) == APR_SUCCESS)
        if (zm_job_open(&job, agent, &line) == ZM_JOB_READY) {
            zm_reroute_job(&resubmitter, job);
            zm_job_close(job);
        }
    CU_ASSERT_EQUAL(zm_agent_end(agent), 0);
    return path;
}

static const char *submitted(void)
{
    zm_listing_t *listing;
    const char *name, *all = "";
    ZM_ASSERT_OK(zm_spool_list(&listing, fixture->spool, "router", false, fixture->pool));
    while (zm_listing_next(listing, &name) == APR_SUCCESS) {
        char *data = NULL;
        apr_size_t length;
        zm_object_t *object;
        ZM_ASSERT_OK(zm_object_open(&object, fixture->spool, name, ZM_OBJECT_READ));
        ZM_ASSERT_OK(zm_object_read_all(object, &data, &length, 1 << 20, fixture->pool));
        zm_object_close(object);
        all = apr_pstrcat(fixture->pool, all, data, "==\n", NULL);
    }
    zm_listing_close(listing);
    return all;
}

static void recipients_go_back_to_the_router(void)
{
    const char *text,
        *path = run((zm_fixture_letter_t){.sender = "s@x",
                                          .envid = "E1",
                                          .ret = "HDRS",
                                          .recipients = {{"smtp", "a.org", "bob@a.org", -2,
                                                          "NOTIFY=SUCCESS ORCPT=rfc822;b@c"},
                                                         {"smtp", "b.org", "eve@b.org", -2, NULL},
                                                         {"local", "eve", "eve", 0, NULL}}},
                    NULL);
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "++ ");
    text = submitted();
    HAS(text, "via reroute\nfrom <s@x>\nenvid E1\nnotaryret HDRS\n"
              "todsn ORCPT=rfc822;b@c NOTIFY=SUCCESS\nto <bob@a.org>\nto <eve@b.org>\nenv-end\n");
    LACKS(text, "<eve>");
    HAS(text, "\nHello\n==\n");
    CU_ASSERT_EQUAL(zm_fixture_parsed(fixture, path)->diagnostic_count, 0); /* no report of ours */
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\tok3 routed again as S"), 2);
}

static void only_one_host_can_be_chosen(void)
{
    const char *path =
        run((zm_fixture_letter_t){.sender = "s@x",
                                  .recipients = {{"smtp", "a.org", "bob@a.org", -2, NULL},
                                                 {"smtp", "b.org", "eve@b.org", -2, NULL}}},
            "b.org");
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), " +");
    HAS(submitted(), "to <eve@b.org>\nenv-end\nReceived: by here\n\tfor <eve@b.org>; Mon\n");
}

static void files_and_programs_stay(void)
{
    const char *path =
        run((zm_fixture_letter_t){.sender = "s@x",
                                  .recipients = {{"smtp", "a.org", "\"|cat\"", -2, NULL},
                                                 {"smtp", "a.org", "/tmp/x", -2, NULL},
                                                 {"smtp", "a.org", "\\|cat", -2, NULL},
                                                 {"smtp", "a.org", "bob@a.org", -2, NULL}}},
            NULL);
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "   +");
    CU_ASSERT_EQUAL(
        zm_fixture_count(fixture, "\tdeferred a file or program cannot be routed again"), 3);
}

ZM_TESTS("reroute", ZM_TEST(recipients_go_back_to_the_router), ZM_TEST(only_one_host_can_be_chosen),
         ZM_TEST(files_and_programs_stay))
