#include "tests/unit/harness.h"

#include <apr_file_io.h>
#include <apr_strings.h>

#include "platform/fs.h"
#include "ta/errormail/compose.h"
#include "ta/errormail/report.h"
#include "tests/unit/ta/agent/fixture.h"

static zm_fixture_t *fixture;

static void begin(void)
{
    const char *share = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/share", NULL);
    fixture = zm_fixture(
        apr_pstrcat(zm_test_pool(), "MAILSHARE=", share, "\nMYHOSTNAME=mx.example\n", NULL));
    apr_dir_make_recursive(apr_pstrcat(zm_test_pool(), share, "/forms", NULL), APR_OS_DEFAULT,
                           zm_test_pool());
}

static void put_form(const char *name, const char *text)
{
    const char *path =
        apr_pstrcat(zm_test_pool(), zm_test_directory(), "/share/forms/", name, NULL);
    zm_file_t *file;
    ZM_ASSERT_OK(
        zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0644, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, text, strlen(text)));
    zm_file_close(file);
}

/* Runs the agent over a letter and returns its control path. */
static const char *run(zm_fixture_letter_t letter)
{
    zm_agent_options_t options = zm_fixture_agent(fixture, "errormail", "error");
    const char *path = zm_fixture_letter(fixture, &letter);
    zm_errormail_t errormail;
    zm_job_line_t line;
    zm_agent_t *agent;
    zm_error_t error;
    zm_job_t *job;
    options.sticky = true;
    zm_fixture_feed(fixture, "%s\n", path);
    zm_fixture_end(fixture);
    ZM_ASSERT_OK(zm_agent_open(&agent, &options, fixture->pool, &error));
    zm_errormail_open(&errormail, agent);
    while (zm_agent_next(agent, &line) == APR_SUCCESS)
        if (zm_job_open(&job, agent, &line) == ZM_JOB_READY) {
            zm_errormail_job(&errormail, job);
            zm_job_close(job);
        }
    CU_ASSERT_EQUAL(zm_agent_end(agent), 0);
    return path;
}

/* The only message in router/, null when there is none. */
static const char *submitted(void)
{
    zm_listing_t *listing;
    const char *name;
    char *data = NULL;
    apr_size_t length;
    zm_object_t *object;
    ZM_ASSERT_OK(zm_spool_list(&listing, fixture->spool, "router", false, fixture->pool));
    if (zm_listing_next(listing, &name) == APR_SUCCESS) {
        ZM_ASSERT_OK(zm_object_open(&object, fixture->spool, name, ZM_OBJECT_READ));
        ZM_ASSERT_OK(zm_object_read_all(object, &data, &length, 1 << 20, fixture->pool));
        zm_object_close(object);
        CU_ASSERT_NOT_EQUAL(zm_listing_next(listing, &name), APR_SUCCESS);
    }
    zm_listing_close(listing);
    return data;
}

#define HAS(text, part) CU_ASSERT_PTR_NOT_NULL(text != NULL ? strstr(text, part) : NULL)
#define LACKS(text, part) CU_ASSERT_PTR_NULL(text != NULL ? strstr(text, part) : "")

static void report_follows_the_form(void)
{
    const char *path, *text;
    begin();
    put_form("nosuchuser", "HDR From: Office <postmaster>\nADR Cc: <copies@here>\nSUB Subject: No "
                           "such user\n\nSorry.\n");
    path =
        run((zm_fixture_letter_t){.sender = "sender@example.org",
                                  .envid = "e+2B1",
                                  .recipients = {{"error", "nosuchuser", "bob@here", 0,
                                                  "NOTIFY=FAILURE ORCPT=rfc822;b+2Bb@x"},
                                                 {"error", "nosuchuser", "eve", 0, NULL},
                                                 {"error", "nosuchuser", "mute", 0, "NOTIFY=NEVER"},
                                                 {"error", "other", "later", 0, NULL}}});
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "+++ ");
    text = submitted();
    HAS(text, "channel error\nerrormsg\ntodsn NOTIFY=NEVER ORCPT=rfc822;sender@example.org\nto "
              "sender@example.org\ntodsn NOTIFY=NEVER ORCPT=rfc822;copies@here\nto "
              "copies@here\nenv-end\nTo: <sender@example.org>\nFrom: Office <postmaster>\nCc: "
              "<copies@here>\nSubject: No such user\nDate: ");
    HAS(text, "\nAuto-Submitted: auto-replied\n");
    HAS(text, "\nSorry.\n\nerror: nosuchuser: bob@here\nerror: nosuchuser: eve\n\n");
    HAS(text, "\nReporting-MTA: dns; mx.example\nOriginal-Envelope-Id: e+1\nArrival-Date: ");
    HAS(text, "\nReturn-Path: <sender@example.org>\n\nOriginal-Recipient: "
              "rfc822;b+b@x\nFinal-Recipient: RFC822; bob@here\nAction: failed\nStatus: "
              "5.1.1\nDiagnostic-Code: X-LOCAL; 500 (nosuchuser)\n\nFinal-Recipient: X-LOCAL; "
              "eve\nAction: failed\nStatus: 5.1.1\n");
    LACKS(text, "mute");
    LACKS(text, "later");
    HAS(text, "Content-Type: message/rfc822\n\nReceived: by here; Mon\nTo: x\n\nHello\n\n--=_");
}

static void missing_form_goes_to_the_postmaster_too(void)
{
    const char *text;
    begin();
    run((zm_fixture_letter_t){.sender = "s@x",
                              .ret = "HDRS",
                              .recipients = {{"error", "nonesuch", "bob", 0, "NOTIFY=FAILURE"}}});
    text = submitted();
    HAS(text, "to s@x\ntodsn NOTIFY=NEVER ORCPT=rfc822;postmaster\nto postmaster\nenv-end\n");
    HAS(text, "\nFrom: The Post Office <postmaster>\n");
    HAS(text, "Content-Type: text/rfc822-headers\n\nReceived: by here");
    LACKS(text, "Hello");
}

static void form_names_cannot_leave_the_directory(void)
{
    const char *text;
    begin();
    put_form("../secret", "SUB Subject: leaked\n\nleaked\n");
    run((zm_fixture_letter_t){.sender = "s@x",
                              .recipients = {{"error", "../secret", "bob", 0, NULL}}});
    text = submitted();
    HAS(text, "to postmaster\n");
    LACKS(text, "leaked");
}

static void null_path_gets_no_report(void)
{
    const char *path;
    begin();
    path = run((zm_fixture_letter_t){.recipients = {{"error", "nosuchuser", "bob", 0, NULL}}});
    ZM_ASSERT_STR(zm_fixture_tags(fixture, path), "+");
    CU_ASSERT_PTR_NULL(submitted());
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\tok3 error bounce dropped\n"), 1);
}

static void nobody_to_tell_means_no_report(void)
{
    begin();
    run((zm_fixture_letter_t){.sender = "s@x",
                              .recipients = {{"error", "nosuchuser", "bob", 0, "NOTIFY=NEVER"},
                                             {"error", "nosuchuser", "eve", 0, "NOTIFY=DELAY"}}});
    CU_ASSERT_PTR_NULL(submitted());
}

static void long_bodies_are_cut(void)
{
    char *body;
    begin();
    body = apr_palloc(fixture->pool, 300001);
    memset(body, 'x', 300000);
    body[300000] = '\0';
    run((zm_fixture_letter_t){
        .sender = "s@x", .body = body, .recipients = {{"error", "nosuchuser", "bob", 0, NULL}}});
    CU_ASSERT_TRUE(strlen(submitted()) < 70000);
}

static void forms_have_status_codes(void)
{
    ZM_ASSERT_STR(zm_errata_status("loopexceeded"), "5.4.6");
    ZM_ASSERT_STR(zm_errata_status("bounce"), "5.7.1");
    ZM_ASSERT_STR(zm_errata_status("anything"), "5.0.0");
}

/* -- beyond ASCII (RFC 6533) --------------------------------------------------------------- */

static void addresses_beyond_ascii_have_types_of_their_own(void)
{
    const char *text;
    begin();
    put_form("nosuchuser", "SUB Subject: No such user\n\nSorry.\n");
    run((zm_fixture_letter_t){.sender = "\xc3\xa4@x",
                              .ret = "HDRS",
                              .header = "Received: by here; Mon\nTo: b\xc3\xb6"
                                        "b@here\n",
                              .recipients = {{"error", "nosuchuser",
                                              "b\xc3\xb6"
                                              "b@here",
                                              0, "ORCPT=utf-8;b\\x{F6}b@here"},
                                             {"error", "nosuchuser", "\xc3\xb6", 0, NULL}}});
    text = submitted();
    HAS(text, "todsn NOTIFY=NEVER ORCPT=utf-8;\\x{E4}@x\nto \xc3\xa4@x\n");
    HAS(text, "\nMIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n"
              "Content-Type: multipart/report; report-type=global-delivery-status;\n");
    HAS(text, "\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n");
    HAS(text, "\nContent-Type: message/global-delivery-status\n"
              "Content-Transfer-Encoding: 8bit\n\nReporting-MTA: dns; mx.example\n");
    HAS(text, "\nReturn-Path: <\xc3\xa4@x>\n");
    HAS(text, "\nOriginal-Recipient: utf-8;b\xc3\xb6"
              "b@here\nFinal-Recipient: utf-8; b\xc3\xb6"
              "b@here\nAction: failed\n");
    HAS(text, "\nFinal-Recipient: X-LOCAL; \xc3\xb6\n");
    HAS(text, "\nContent-Type: message/global-headers\nContent-Transfer-Encoding: 8bit\n\n");
}

static void message_in_utf8_is_returned_as_global(void)
{
    const char *text;
    begin();
    run((zm_fixture_letter_t){.sender = "s@x",
                              .header = "Received: by here; Mon\nSubject: \xc3\xb6\n",
                              .recipients = {{"error", "nosuchuser", "bob@here", 0, NULL}}});
    text = submitted();
    HAS(text, "report-type=delivery-status;\n"); /* no address goes beyond ASCII */
    HAS(text, "\nContent-Type: message/delivery-status\n\n");
    HAS(text, "\nContent-Type: message/global\nContent-Transfer-Encoding: 8bit\n\n");
    HAS(text, "\nMIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n");
}

static void octets_of_no_known_set_stay_out_of_the_status(void)
{
    const char *text;
    begin();
    run((zm_fixture_letter_t){.sender = "s@x",
                              .recipients = {{"error", "nosuchuser", "b\xf6@here", 0, NULL}}});
    text = submitted();
    HAS(text, "\nContent-Type: text/plain; charset=unknown-8bit\n");
    HAS(text, "\nContent-Type: message/delivery-status\n\n");
    HAS(text, "\nFinal-Recipient: RFC822; b?@here\n");
    HAS(text, "\nMIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n");
}

static void senders_that_are_programs_are_answered_to_the_postmaster(void)
{
    const char *text;
    begin();
    put_form("nosuchuser", "SUB Subject: No such user\n\nSorry.\n");
    run((zm_fixture_letter_t){.sender = "|/bin/prog",
                              .recipients = {{"error", "nosuchuser", "bob@here", 0, NULL}}});
    text = submitted();
    HAS(text, "\nto postmaster\nenv-end\n");
    LACKS(text, "to |");
}

ZM_TESTS("errormail", ZM_TEST(report_follows_the_form),
         ZM_TEST(missing_form_goes_to_the_postmaster_too),
         ZM_TEST(form_names_cannot_leave_the_directory), ZM_TEST(null_path_gets_no_report),
         ZM_TEST(nobody_to_tell_means_no_report), ZM_TEST(long_bodies_are_cut),
         ZM_TEST(forms_have_status_codes), ZM_TEST(addresses_beyond_ascii_have_types_of_their_own),
         ZM_TEST(message_in_utf8_is_returned_as_global),
         ZM_TEST(octets_of_no_known_set_stay_out_of_the_status),
         ZM_TEST(senders_that_are_programs_are_answered_to_the_postmaster))
