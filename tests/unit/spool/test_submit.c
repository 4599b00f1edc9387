#include "spool/submit.h"

#include <apr_strings.h>

#include "spool/layout.h"
#include "spool/notify.h"
#include "tests/unit/harness.h"
#include "tests/unit/spool/engines.h"

static const zm_submit_options_t as_ourselves = {.uid = ZM_UID_NONE, .gid = ZM_UID_NONE};

static zm_submission_t *begin(zm_submitter_t *submitter, int priority)
{
    zm_submit_options_t options = as_ourselves;
    zm_submission_t *submission = NULL;
    options.priority = priority;
    ZM_ASSERT_OK(zm_submit_begin(&submission, submitter, &options));
    return submission;
}

static const char *directory_chosen(zm_submitter_t *submitter, int priority)
{
    zm_submission_t *submission = begin(submitter, priority);
    zm_published_t published;
    zm_name_t parts;
    ZM_ASSERT_OK(zm_submit_commit_wait(submission, &published, zm_test_pool()));
    ZM_ASSERT_OK(zm_layout_parse(&parts, zm_str(published.name)));
    return apr_psprintf(zm_test_pool(), "%s%s", zm_str_c(zm_test_pool(), parts.directory),
                        parts.prefix.length > 0 ? "/X" : "");
}

static void message_is_written_as_envelope_header_and_body(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_submitter_t submitter = {.spool = test.spool};
    zm_submission_t *submission = begin(&submitter, 0);
    zm_published_t published;
    ZM_ASSERT_OK(zm_submit_line(submission, "external", ZM_S("")));
    ZM_ASSERT_OK(zm_submit_line(submission, "from", ZM_S("a@b")));
    ZM_ASSERT_OK(zm_submit_env_end(submission));
    ZM_ASSERT_OK(zm_submit_write(submission, "Subject: x\n\nbody\n", 17));
    CU_ASSERT_EQUAL(zm_submit_written(submission), 43);
    ZM_ASSERT_OK(zm_submit_commit_wait(submission, &published, zm_test_pool()));
    ZM_ASSERT_STR(zm_test_contents(test.spool, published.name),
                  "external\nfrom a@b\nenv-end\nSubject: x\n\nbody\n");
    zm_test_spool_end(&test);
}

static void forged_envelope_lines_are_refused(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_submitter_t submitter = {.spool = test.spool};
    zm_submission_t *submission = begin(&submitter, 0);
    CU_ASSERT_EQUAL(zm_submit_line(submission, "to", ZM_S("a\nfrom root")), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_submit_line(submission, "to", ZM_S("a\rb")), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_submit_line(submission, "to", ZM_S("a\0b")), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_submit_line(submission, "to\nfrom", ZM_S("a")), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_submit_line(submission, "", ZM_S("a")), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_submit_written(submission), 0);
    zm_submit_abort(submission);
    zm_test_spool_end(&test);
}

static void priority_chooses_the_router_directory(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_submitter_t submitter = {.spool = test.spool, .router_hash = true};
    char hash[] = "router/A";
    ZM_ASSERT_OK(zm_spool_make_directory(test.spool, "router1", 0));
    for (; hash[7] <= 'Z'; hash[7]++)
        if (!zm_spool_has_directory(test.spool, hash))
            ZM_ASSERT_OK(zm_spool_make_directory(test.spool, hash, 0));
    ZM_ASSERT_STR(directory_chosen(&submitter, 0), "router/X");
    submitter.router_hash = false;
    ZM_ASSERT_STR(directory_chosen(&submitter, 9), "router");
    submitter.router_dirs = "router1:router2:deferred";
    ZM_ASSERT_STR(directory_chosen(&submitter, -3), "router");
    ZM_ASSERT_STR(directory_chosen(&submitter, 0), "router");
    ZM_ASSERT_STR(directory_chosen(&submitter, 1), "router1");
    ZM_ASSERT_STR(directory_chosen(&submitter, 2), "router1");
    ZM_ASSERT_STR(directory_chosen(&submitter, 3), "deferred");
    ZM_ASSERT_STR(directory_chosen(&submitter, 9), "deferred");
    submitter.router_dirs = "nowhere:../etc::";
    ZM_ASSERT_STR(directory_chosen(&submitter, 9), "router");
    zm_test_spool_end(&test);
}

static void input_directories_win_for_every_priority(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_submitter_t submitter = {.spool = test.spool, .input_dirs = "router1:deferred"};
    ZM_ASSERT_OK(zm_spool_make_directory(test.spool, "router1", 0));
    ZM_ASSERT_STR(directory_chosen(&submitter, 0), "router1");
    ZM_ASSERT_STR(directory_chosen(&submitter, 1), "router1");
    ZM_ASSERT_STR(directory_chosen(&submitter, 2), "deferred");
    submitter.input_dirs = "nowhere";
    ZM_ASSERT_STR(directory_chosen(&submitter, 0), "router");
    zm_test_spool_end(&test);
}

typedef struct hints_t {
    int count;
    char last[200];
} hints_t;

static void note_hint(zm_str_t directory, zm_str_t leaf, void *baton)
{
    hints_t *hints = baton;
    hints->count++;
    apr_snprintf(hints->last, sizeof hints->last, "%.*s|%.*s", (int)directory.length,
                 directory.data, (int)leaf.length, leaf.data);
}

static void note_published(apr_status_t status, const zm_published_t *published, void *baton)
{
    (void)published;
    *(apr_status_t *)baton = status;
}

static void router_is_told_of_the_message(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *socket = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/notify", NULL);
    zm_submitter_t submitter = {.spool = test.spool, .router_notify = socket};
    zm_submission_t *submission = begin(&submitter, 0);
    zm_object_info_t info;
    zm_notify_t *notify;
    zm_error_t error;
    hints_t hints = {0};
    apr_status_t status = APR_EINCOMPLETE;
    ZM_ASSERT_OK(zm_notify_listen(&notify, socket, 0222, test.loop, note_hint, &hints, &error));
    ZM_ASSERT_OK(zm_object_info(&info, zm_submit_object(submission)));
    zm_submit_commit(submission, note_published, &status);
    while (hints.count == 0)
        ZM_ASSERT_OK(zm_loop_once(test.loop, -1));
    ZM_ASSERT_OK(status);
    ZM_ASSERT_STR(hints.last, apr_psprintf(zm_test_pool(), "router|%" APR_UINT64_T_FMT, info.id));
    zm_notify_close(notify);
    zm_test_spool_end(&test);
}

static void hints_of_unknown_shape_are_dropped(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *socket = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/notify", NULL);
    zm_notify_t *notify;
    zm_error_t error;
    hints_t hints = {0};
    ZM_ASSERT_OK(zm_notify_listen(&notify, socket, 0222, test.loop, note_hint, &hints, &error));
    zm_notify_send(socket, "..", "1");
    zm_notify_send(socket, "router", "../1");
    zm_notify_send(socket, "router", "0");
    zm_notify_send(socket, "router", "x1");
    zm_notify_send(socket, "router x", "1");
    zm_notify_send(socket, NULL, "A/B/12-etrn");
    while (hints.count == 0)
        ZM_ASSERT_OK(zm_loop_once(test.loop, -1));
    ZM_ASSERT_STR(hints.last, "|A/B/12-etrn");
    CU_ASSERT_EQUAL(hints.count, 1);
    zm_notify_send(socket, "router1", "B/4711");
    while (hints.count == 1)
        ZM_ASSERT_OK(zm_loop_once(test.loop, -1));
    ZM_ASSERT_STR(hints.last, "router1|B/4711");
    zm_notify_close(notify);
    zm_notify_send(socket, "router", "1"); /* nobody listens: nothing happens */
    zm_test_spool_end(&test);
}

static void message_can_be_parked_elsewhere(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_submitter_t submitter = {.spool = test.spool};
    zm_published_t published;
    zm_name_t parts;
    ZM_ASSERT_OK(zm_submit_commit_to(begin(&submitter, 0), "freezer", "policy-1", &published,
                                     zm_test_pool()));
    ZM_ASSERT_OK(zm_layout_parse(&parts, zm_str(published.name)));
    CU_ASSERT(zm_str_equal_c(parts.directory, "freezer"));
    CU_ASSERT(zm_str_ends_nocase(parts.leaf, ZM_S("policy-1")));
    CU_ASSERT_EQUAL(parts.id, published.info.id);
    zm_test_spool_end(&test);
}

ZM_TESTS("spool submission " ZM_TEST_ENGINE,
         ZM_TEST(message_is_written_as_envelope_header_and_body),
         ZM_TEST(forged_envelope_lines_are_refused), ZM_TEST(priority_chooses_the_router_directory),
         ZM_TEST(input_directories_win_for_every_priority), ZM_TEST(router_is_told_of_the_message),
         ZM_TEST(hints_of_unknown_shape_are_dropped), ZM_TEST(message_can_be_parked_elsewhere))
