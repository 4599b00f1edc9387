#include "tests/unit/harness.h"

#include <apr_file_io.h>
#include <apr_strings.h>

#include "platform/clock.h"
#include "platform/fs.h"
#include "ta/hold/condition.h"
#include "ta/hold/hold.h"
#include "tests/unit/mta/net/fake_dns.h"
#include "tests/unit/ta/agent/fixture.h"

static zm_fixture_t *fixture;
static zm_agent_t *agent;
static zm_hold_t hold;
static unsigned asked; /* the last odds that were asked for */
static bool luck;

static bool chance(unsigned of)
{
    asked = of;
    return luck;
}

/* Makes a directory below the test's own and returns its path. */
static const char *directory(const char *name)
{
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
    ZM_ASSERT_OK(zm_dir_make_all(path, 0755, zm_test_pool()));
    return path;
}

static const char *put_file(const char *name, const char *text, uint32_t mode)
{
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
    zm_file_t *file;
    ZM_ASSERT_OK(
        zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE, mode, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, text, strlen(text)));
    zm_file_close(file);
    return path;
}

static void begin(void)
{
    zm_agent_options_t options;
    zm_error_t error = {0};
    const char *users = put_file("users", "carol\n", 0644);
    fixture = zm_fixture(apr_pstrcat(zm_test_pool(), "MYHOSTNAME=mx.example\nMAILUSERS=", users,
                                     "\nMAILBIN=", directory("libexec"), "\n", NULL));
    directory("libexec/bin");
    options = zm_fixture_agent(fixture, "hold", "hold");
    options.sticky = true;
    ZM_ASSERT_OK(zm_agent_open(&agent, &options, fixture->pool, &error));
    memset(&hold, 0, sizeof hold);
    ZM_ASSERT_OK(zm_hold_open(&hold, agent, &error));
    hold.chance = chance;
    luck = false;
    asked = 0;
}

static void end(void)
{
    zm_job_line_t line;
    zm_job_t *job;
    zm_fixture_end(fixture);
    while (zm_agent_next(agent, &line) == APR_SUCCESS)
        if (zm_job_open(&job, agent, &line) == ZM_JOB_READY) {
            zm_hold_job(&hold, job);
            zm_job_close(job);
        }
    zm_hold_close(&hold);
    CU_ASSERT_EQUAL(zm_agent_end(agent), 0);
}

/* Runs the agent over a letter and returns its control path. */
static const char *run(zm_fixture_letter_t letter)
{
    const char *path = zm_fixture_letter(fixture, &letter);
    zm_fixture_feed(fixture, "%s\n", path);
    end();
    return path;
}

/* The messages in router/, one after the other with a line "==" after each. */
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

static const char *why; /* the last condition was not met */

static zm_condition_state_t try_at(const char *condition, int64_t arrived)
{
    return zm_condition_try(&hold, zm_str(condition), arrived, &why, fixture->pool);
}

static zm_condition_state_t try(const char *condition)
{
    return try_at(condition, 0);
}

#define HAS(text, part) CU_ASSERT_PTR_NOT_NULL(strstr(text, part))
#define LACKS(text, part) CU_ASSERT_PTR_NULL(strstr(text, part))

/* -- conditions ---------------------------------------------------------------------------- */

static void only_classes_that_we_know_are_conditions(void)
{
    begin();
    CU_ASSERT_EQUAL(try("no colon"), ZM_CONDITION_NONE);
    CU_ASSERT_EQUAL(try("moon:full"), ZM_CONDITION_UNKNOWN);
    CU_ASSERT_EQUAL(try(":"), ZM_CONDITION_UNKNOWN);
    CU_ASSERT_EQUAL(try("TimeOut:1"), ZM_CONDITION_MET);
    end();
}

static void times_come(void)
{
    int64_t now = 1800000000;
    begin();
    zm_clock_freeze(apr_time_from_sec(now), zm_clock_monotonic());
    CU_ASSERT_EQUAL(try("timeout:1800000000"), ZM_CONDITION_MET);
    CU_ASSERT_EQUAL(try("timeout:1800000001"), ZM_CONDITION_WAITS);
    CU_ASSERT_EQUAL(try("timeout:soon"), ZM_CONDITION_UNKNOWN);
    CU_ASSERT_EQUAL(try_at("age:1h30m", now - 5400), ZM_CONDITION_MET);
    CU_ASSERT_EQUAL(try_at("age:1h30m", now - 5399), ZM_CONDITION_WAITS);
    CU_ASSERT_EQUAL(try_at("age:old", now), ZM_CONDITION_UNKNOWN);
    zm_clock_thaw();
    end();
}

static void errors_are_tried_again_now_and_then(void)
{
    begin();
    CU_ASSERT_EQUAL(try("IO:/db/a:b"), ZM_CONDITION_WAITS);
    CU_ASSERT_EQUAL(asked, 10);
    ZM_ASSERT_STR(why, "waits after an error with /db/a:b");
    luck = true;
    CU_ASSERT_EQUAL(try("IO:/db/a:b"), ZM_CONDITION_MET);
    end();
}

static void homes_of_nobody_are_not_waited_for(void)
{
    begin();
    CU_ASSERT_EQUAL(try("home:no-such-user-here"), ZM_CONDITION_MET);
    CU_ASSERT_EQUAL(try("home:carol"), ZM_CONDITION_MET);
    CU_ASSERT_EQUAL(try("home:uid#x"), ZM_CONDITION_UNKNOWN);
    CU_ASSERT_EQUAL(try("home:uid#987654321"), ZM_CONDITION_WAITS);
    if (!zm_test_on_windows())
        CU_ASSERT_EQUAL(try("home:uid#0"), ZM_CONDITION_MET);
    end();
}

static void name_servers_must_answer(void)
{
    static const fake_record_t records[] = {{"there.test", ZM_DNS_MX, 60, "10 mx.there.test"},
                                            {NULL, ZM_DNS_A, 0, NULL}};
    fake_dns_t *server;
    begin();
    server = fake_dns_start(fixture->loop, records, fixture->pool);
    hold.name_servers = fake_dns_address(server);
    CU_ASSERT_EQUAL(try("ns:There.test./MX"), ZM_CONDITION_MET);
    CU_ASSERT_EQUAL(try("ns:there.test/any"), ZM_CONDITION_MET);
    CU_ASSERT_EQUAL(try("ns:missing.test/a"), ZM_CONDITION_MET);
    CU_ASSERT_EQUAL(try("ns:there.test"), ZM_CONDITION_MET);
    CU_ASSERT_EQUAL(try("ns:there.test/colour"), ZM_CONDITION_MET);
    fake_dns_stop(server);
    zm_hold_close(&hold);
    end();
}

static void silent_name_servers_are_waited_for(void)
{
    apr_socket_t *silent;
    apr_sockaddr_t *address;
    begin();
    ZM_ASSERT_OK(apr_sockaddr_info_get(&address, "127.0.0.1", APR_INET, 0, 0, fixture->pool));
    ZM_ASSERT_OK(apr_socket_create(&silent, APR_INET, SOCK_STREAM, 0, fixture->pool));
    ZM_ASSERT_OK(apr_socket_bind(silent, address)); /* nobody reads UDP at that port */
    ZM_ASSERT_OK(apr_socket_addr_get(&address, APR_LOCAL, silent));
    hold.name_servers = apr_psprintf(fixture->pool, "127.0.0.1:%d", address->port);
    CU_ASSERT_EQUAL(try("ns:there.test/mx"), ZM_CONDITION_WAITS);
    HAS(why, "name service: ");
    end();
}

/* -- scripts ------------------------------------------------------------------------------- */

static void scripts_decide(void)
{
    if (zm_test_on_windows()) /* no /bin/sh */
        return;
    begin();
    put_file("libexec/bin/yes", "test \"$1$USER$HOME\" = 'a b/canonymous/tmp'\n", 0644);
    put_file("libexec/bin/no", "echo 'not yet'; echo more; exit 1\n", 0644);
    put_file("libexec/bin/dead", "kill -9 $$\n", 0644);
    put_file("libexec/bin/mute", "cat; exit 3\n", 0644);
    CU_ASSERT_EQUAL(try("script:yes/a b/c"), ZM_CONDITION_MET);
    CU_ASSERT_EQUAL(try("script:yes/x"), ZM_CONDITION_WAITS);
    CU_ASSERT_EQUAL(try("script:no"), ZM_CONDITION_WAITS);
    ZM_ASSERT_STR(why, "not yet");
    CU_ASSERT_EQUAL(try("script:dead"), ZM_CONDITION_WAITS);
    ZM_ASSERT_STR(why, "script dead ended by signal 9");
    CU_ASSERT_EQUAL(try("script:mute"), ZM_CONDITION_WAITS);
    ZM_ASSERT_STR(why, "script mute ended with status 3");
    end();
}

static void scripts_have_a_time_limit(void)
{
    if (zm_test_on_windows())
        return;
    begin();
    put_file("libexec/bin/slow", "read forever < /dev/zero & exec sleep 1000\n", 0644);
    hold.script_limit = apr_time_from_msec(20);
    CU_ASSERT_EQUAL(try("script:slow"), ZM_CONDITION_WAITS);
    ZM_ASSERT_STR(why, "script slow took too long");
    end();
}

static void only_safe_scripts_run(void)
{
    begin();
    put_file("libexec/outside", "exit 0\n", 0644);
    put_file("libexec/bin/open", "exit 0\n", 0666);
    CU_ASSERT_EQUAL(try("script:../outside"), ZM_CONDITION_UNKNOWN);
    CU_ASSERT_EQUAL(try("script:"), ZM_CONDITION_UNKNOWN);
    CU_ASSERT_EQUAL(try("script:absent"), ZM_CONDITION_WAITS);
    HAS(why, "is not there");
    if (!zm_test_on_windows()) { /* modes say nothing there */
        CU_ASSERT_EQUAL(try("script:open"), ZM_CONDITION_WAITS);
        HAS(why, "can be written by others");
    }
    end();
}

/* -- jobs ---------------------------------------------------------------------------------- */

static void ready_recipients_are_routed_again(void)
{
    const char *path, *text;
    begin();
    path = run((zm_fixture_letter_t){
        .sender = "sender@example.org",
        .envid = "e+2B1",
        .ret = "HDRS",
        .recipients = {{"hold", "timeout:1", "bob@far", 0,
                        "BY=1800000000;R NOTIFY=FAILURE,DELAY ORCPT=rfc822;b+2Bb@x REQUIRETLS=YES"},
                       {"hold", "timeout:1", "eve", 0, NULL},
                       {"hold", "timeout:1", "owned", 4711, NULL},
                       {"hold", "timeout:9999999999", "later", 0, NULL},
                       {"smtp", "timeout:1", "other", 0, NULL}}});
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "+++  ");
    text = submitted();
    HAS(text, "via suspension\nfrom <sender@example.org>\nenvid e+2B1\nnotaryret HDRS\n"
              "todsn ORCPT=rfc822;b+2Bb@x NOTIFY=FAILURE,DELAY BY=1800000000;R "
              "REQUIRETLS=YES\nto <bob@far>\n"
              "to <eve>\nenv-end\nReceived: by here; Mon\nTo: x\n\nHello\n==\n");
    HAS(text, "external\nvia suspension\nfrom <sender@example.org>\nenvid e+2B1\nnotaryret "
              "HDRS\nto <owned>\nenv-end\n");
    LACKS(text, "later");
    LACKS(text, "other");
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\tok3 routed again as "), 3);
}

static void null_path_stays_null(void)
{
    begin();
    run((zm_fixture_letter_t){.recipients = {{"hold", "timeout:1", "bob", 0, NULL}}});
    HAS(submitted(), "via suspension\nchannel error\nto <bob>\nenv-end\n");
}

static void each_header_goes_its_way(void)
{
    const char *text;
    begin();
    run((zm_fixture_letter_t){.sender = "s@x",
                              .recipients = {{"hold", "timeout:1", "bob", 0, NULL},
                                             {"hold", "timeout:1", "eve", 0, NULL}},
                              .second_header = "To: second\n",
                              .second = 1});
    text = submitted();
    HAS(text, "to <bob>\nenv-end\nReceived: by here; Mon\nTo: x\n\nHello\n==\n");
    HAS(text, "to <eve>\nenv-end\nTo: second\n\nHello\n==\n");
}

static void unmet_conditions_defer(void)
{
    const char *path;
    begin();
    path = run(
        (zm_fixture_letter_t){.sender = "s@x", .recipients = {{"hold", "io:db", "bob", 0, NULL}}});
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), " ");
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "failed\0014.4.3\001"), 1);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\tdeferred waits after an error with db"), 1);
    ZM_ASSERT_STR(submitted(), "");
}

static void nonsense_fails_and_the_unknown_waits(void)
{
    const char *path;
    begin();
    path = run((zm_fixture_letter_t){.sender = "s@x",
                                     .recipients = {{"hold", "nonsense", "bob", 0, NULL}}});
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "-");
    begin();
    path = run((zm_fixture_letter_t){.sender = "s@x",
                                     .recipients = {{"hold", "moon:full", "bob", 0, NULL}}});
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), " ");
}

static void large_bodies_arrive_whole(void)
{
    char *body;
    const char *text;
    begin();
    body = apr_palloc(fixture->pool, 300001);
    memset(body, 'x', 300000);
    body[300000] = '\0';
    run((zm_fixture_letter_t){
        .sender = "s@x", .body = body, .recipients = {{"hold", "timeout:1", "bob", 0, NULL}}});
    text = submitted();
    CU_ASSERT_TRUE(strlen(text) > 300000);
    HAS(text, apr_pstrcat(fixture->pool, "\n\n", body, "==\n", NULL));
}

ZM_TESTS("hold", ZM_TEST(only_classes_that_we_know_are_conditions), ZM_TEST(times_come),
         ZM_TEST(errors_are_tried_again_now_and_then), ZM_TEST(homes_of_nobody_are_not_waited_for),
         ZM_TEST(name_servers_must_answer), ZM_TEST(silent_name_servers_are_waited_for),
         ZM_TEST(scripts_decide), ZM_TEST(scripts_have_a_time_limit),
         ZM_TEST(only_safe_scripts_run), ZM_TEST(ready_recipients_are_routed_again),
         ZM_TEST(null_path_stays_null), ZM_TEST(each_header_goes_its_way),
         ZM_TEST(unmet_conditions_defer), ZM_TEST(nonsense_fails_and_the_unknown_waits),
         ZM_TEST(large_bodies_arrive_whole))
