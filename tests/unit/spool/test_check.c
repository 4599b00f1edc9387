/* What check finds and repair does, on each engine. */
#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "platform/fs.h"
#include "spool/control.h"
#include "spool/convert.h"
#include "spool/layout.h"
#include "tests/unit/harness.h"
#include "tests/unit/spool/engines.h"

static const char letter[] =
    "external\nfrom <a@b.test>\nto <c@d.test>\nenv-end\nSubject: x\n\nhi\n";

typedef struct found_t {
    const char *kinds; /* "orphan=queue/1 ...", in order */
    bool remedy;
} found_t;

static void note(const zm_finding_t *finding, void *baton)
{
    found_t *found = baton;
    found->kinds =
        apr_pstrcat(zm_test_pool(), found->kinds, finding->kind, "=", finding->name, " ", NULL);
    CU_ASSERT(finding->detail[0] != '\0');
    if (finding->tried)
        ZM_ASSERT_OK(finding->status);
}

static const char *check(zm_spool_t *spool, bool repair, zm_check_report_t *report)
{
    found_t found = {.kinds = ""};
    zm_check_options_t options = {.repair = repair, .fn = note, .baton = &found};
    zm_error_t error = {0};
    ZM_ASSERT_OK(zm_spool_check(spool, &options, report, zm_test_pool(), &error));
    return found.kinds;
}

static bool finds(zm_spool_t *spool, const char *kind, const char *name)
{
    zm_check_report_t report;
    return strstr(check(spool, false, &report),
                  apr_pstrcat(zm_test_pool(), kind, "=", name, " ", NULL)) != NULL;
}

static bool exists(zm_spool_t *spool, const char *name)
{
    zm_object_info_t info;
    return zm_spool_info(&info, spool, name) == APR_SUCCESS;
}

static uint64_t id_of(zm_spool_t *spool, const char *name)
{
    zm_object_info_t info = {0};
    ZM_ASSERT_OK(zm_spool_info(&info, spool, name));
    return info.id;
}

/* Nothing that a repair can mend is left, and no message is gone. */
static void repair(zm_spool_t *spool)
{
    zm_check_report_t report;
    check(spool, true, &report);
    CU_ASSERT_EQUAL(report.failed, 0);
    CU_ASSERT_STRING_EQUAL(check(spool, false, &report), "");
}

static zm_str_t control_text(uint64_t id)
{
    zm_control_writer_t *writer = zm_control_writer(zm_test_pool());
    zm_quad_t sender = {ZM_S("smtp"), ZM_S("a@b.test"), ZM_S("a@b.test"), 0};
    zm_quad_t recipient = {ZM_S("smtp"), ZM_S("d.test"), ZM_S("c@d.test"), 65534};
    zm_str_t text = ZM_S("");
    zm_control_message(writer, id, 40);
    zm_control_log_id(writer, ZM_S("<x@b.test>"));
    zm_control_sender(writer, &sender);
    zm_control_recipient(writer, &recipient, ZM_S(""), ZM_S(""), ZM_S(""));
    zm_control_header(writer, ZM_S("Subject: x\n"));
    ZM_ASSERT_OK(zm_control_finish(writer, &text));
    return text;
}

/* Gives a message, just published below queue/, a control file with the first `length` bytes of
 * one. */
static const char *add_control(zm_spool_t *spool, const char *message, int levels,
                               apr_size_t length)
{
    uint64_t id = id_of(spool, message);
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {
        .directory = "transport", .hash_levels = levels, .make_hash = true, .id = id};
    zm_published_t published = {0};
    zm_str_t text = control_text(id);
    zm_object_t *object;
    ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
    ZM_ASSERT_OK(zm_object_write(object, text.data, length < text.length ? length : text.length));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    return published.name;
}

static void a_healthy_spool_has_no_findings(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_check_report_t report;
    add_control(test.spool, zm_test_publish(test.spool, "queue", 2, letter), 2, 100000);
    add_control(test.spool, zm_test_publish(test.spool, "queue", 0, letter), 0, 100000);
    zm_test_publish(test.spool, "router", 0, letter);
    CU_ASSERT_STRING_EQUAL(check(test.spool, false, &report), "");
    CU_ASSERT_EQUAL(report.examined, 5);
    zm_test_spool_end(&test);
}

typedef struct progress_t {
    int calls, of_the_engine;
    uint64_t last;
} progress_t;

static void note_progress(uint64_t examined, void *baton)
{
    progress_t *progress = baton;
    progress->calls++;
    progress->of_the_engine += examined == 0;
    progress->last = examined;
}

static void ignore(const zm_finding_t *finding, void *baton)
{
    (void)finding;
    (void)baton;
}

static void long_work_tells_its_progress(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    zm_target_t target = {.directory = "deferred", .unsynced = true};
    progress_t progress = {0};
    zm_check_options_t options = {.fn = ignore, .progress = note_progress, .baton = &progress};
    zm_check_report_t report;
    int i;
    for (i = 0; i < 1100; i++)
        ZM_ASSERT_OK(zm_object_publish_wait(zm_test_create(test.spool, "public", NULL), &target,
                                            NULL, zm_test_pool()));
    ZM_ASSERT_OK(zm_spool_check(test.spool, &options, &report, zm_test_pool(), NULL));
    CU_ASSERT_EQUAL(progress.last, 1000);
    CU_ASSERT(progress.of_the_engine > 0 || strcmp(zm_test_engine, "memory") == 0);
    zm_test_spool_end(&test);
}

static void orphans_and_half_written_control_files_are_routed_again(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *orphan = zm_test_publish(test.spool, "queue", 2, letter);
    const char *half = zm_test_publish(test.spool, "queue", 2, letter), *control;
    control = add_control(test.spool, half, 2, 120);
    CU_ASSERT(finds(test.spool, ZM_FINDING_ORPHAN, orphan));
    CU_ASSERT(finds(test.spool, ZM_FINDING_HALF_WRITTEN, half));
    CU_ASSERT(exists(test.spool, orphan)); /* looking changes nothing */
    repair(test.spool);
    CU_ASSERT(!exists(test.spool, control));
    CU_ASSERT(
        exists(test.spool, apr_pstrcat(zm_test_pool(), "router", strrchr(orphan, '/'), NULL)));
    CU_ASSERT(exists(test.spool, apr_pstrcat(zm_test_pool(), "router", strrchr(half, '/'), NULL)));
    zm_test_spool_end(&test);
}

static void a_pair_under_another_number_is_called_by_its_own(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *message = zm_test_publish(test.spool, "queue", 0, letter);
    const char *control = add_control(test.spool, message, 0, 100000);
    const char *other = zm_test_publish(test.spool, "queue", 0, letter);
    add_control(test.spool, other, 0, 100000);
    ZM_ASSERT_OK(zm_spool_rename(test.spool, message, "queue/4711"));
    ZM_ASSERT_OK(zm_spool_rename(test.spool, control, "transport/4711"));
    CU_ASSERT(finds(test.spool, ZM_FINDING_WRONG_NAME, "transport/4711"));
    repair(test.spool);
    CU_ASSERT(exists(test.spool, message) && exists(test.spool, control));
    CU_ASSERT(exists(test.spool, other));
    zm_test_spool_end(&test);
}

static void finished_and_temporary_control_files_are_removed(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *message = zm_test_publish(test.spool, "queue", 1, letter);
    const char *control = add_control(test.spool, message, 1, 100000);
    ZM_ASSERT_OK(zm_spool_unlink(test.spool, message));
    ZM_ASSERT_OK(zm_spool_rename(test.spool, zm_test_publish(test.spool, "router", 0, "z"),
                                 "transport/.4711"));
    CU_ASSERT(finds(test.spool, ZM_FINDING_FINISHED, control));
    CU_ASSERT(finds(test.spool, ZM_FINDING_TEMPORARY, "transport/.4711"));
    repair(test.spool);
    CU_ASSERT(!exists(test.spool, control));
    zm_test_spool_end(&test);
}

static void a_pair_in_wrong_hash_directories_is_moved(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *message = zm_test_publish(test.spool, "queue", 2, letter);
    const char *control = add_control(test.spool, message, 2, 100000);
    const char *leaf = strrchr(message, '/') + 1;
    char prefix[ZM_HASH_PREFIX_SIZE] = "A/A/";
    const char *wrong, *wrong_control;
    if (strncmp(message + 6, prefix, 4) == 0)
        prefix[0] = 'B';
    wrong = apr_pstrcat(zm_test_pool(), "queue/", prefix, leaf, NULL);
    wrong_control = apr_pstrcat(zm_test_pool(), "transport/", prefix, leaf, NULL);
    ZM_ASSERT_OK(zm_spool_rename(test.spool, control, wrong_control));
    CU_ASSERT(finds(test.spool, ZM_FINDING_ORPHAN, message)); /* that far it is not searched for */
    ZM_ASSERT_OK(zm_spool_rename(test.spool, message, wrong));
    CU_ASSERT(finds(test.spool, ZM_FINDING_WRONG_HASH, wrong));
    repair(test.spool);
    CU_ASSERT(exists(test.spool, message));
    CU_ASSERT(exists(test.spool, control));
    zm_test_spool_end(&test);
}

static void a_split_pair_is_joined(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *message = zm_test_publish(test.spool, "queue", 0, letter), *control;
    control = add_control(test.spool, message, 2, 100000);
    CU_ASSERT(finds(test.spool, ZM_FINDING_SPLIT, message));
    repair(test.spool);
    CU_ASSERT(exists(test.spool, apr_pstrcat(zm_test_pool(), "queue", control + 9, NULL)));
    zm_test_spool_end(&test);
}

static void wrong_names_are_put_right(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *input = zm_test_publish(test.spool, "router", 0, letter);
    const char *number = zm_test_publish(test.spool, "router", 0, letter);
    const char *queued = zm_test_publish(test.spool, "queue", 0, letter);
    ZM_ASSERT_OK(zm_spool_rename(test.spool, input, "router/backup-of-it"));
    ZM_ASSERT_OK(zm_spool_rename(test.spool, number, "router/12"));
    ZM_ASSERT_OK(zm_spool_rename(test.spool, queued, "queue/letter"));
    CU_ASSERT(finds(test.spool, ZM_FINDING_WRONG_NAME, "router/backup-of-it"));
    CU_ASSERT(finds(test.spool, ZM_FINDING_WRONG_NAME, "router/12"));
    CU_ASSERT(finds(test.spool, ZM_FINDING_WRONG_NAME, "queue/letter"));
    repair(test.spool);
    CU_ASSERT(exists(test.spool, input));
    CU_ASSERT(exists(test.spool, number));
    CU_ASSERT(exists(test.spool, "postman/letter"));
    zm_test_spool_end(&test);
}

static void stale_locks_are_taken_back(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *message = zm_test_publish(test.spool, "queue", 1, letter);
    const char *control = add_control(test.spool, message, 1, 100000), *text;
    zm_object_t *object;
    text = zm_test_contents(test.spool, control);
    ZM_ASSERT_OK(zm_object_open(&object, test.spool, control, ZM_OBJECT_UPDATE));
    ZM_ASSERT_OK(
        zm_object_overwrite(object, (uint64_t)(strstr(text, "\nr ") + 2 - text), "~999999", 7));
    zm_object_close(object);
    CU_ASSERT(finds(test.spool, ZM_FINDING_STALE_LOCK, control));
    repair(test.spool);
    CU_ASSERT_STRING_EQUAL(zm_test_contents(test.spool, control), text);
    zm_test_spool_end(&test);
}

static void leftovers_of_dead_writers_go_to_the_postmaster(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    char host[256] = "";
    const char *name = zm_test_publish(test.spool, "router", 0, letter), *scratch;
    uint64_t id = id_of(test.spool, name);
    ZM_ASSERT_OK(zm_identity_hostname(host, sizeof host));
    scratch = apr_psprintf(zm_test_pool(), "public/%.19s:999999-1f", host);
    ZM_ASSERT_OK(zm_spool_rename(test.spool, name, scratch));
    zm_test_publish(test.spool, "public", 0, letter); /* this one may still be at work */
    CU_ASSERT(finds(test.spool, ZM_FINDING_LEFTOVER, scratch));
    repair(test.spool);
    CU_ASSERT(exists(test.spool,
                     apr_psprintf(zm_test_pool(), "postman/%" APR_UINT64_T_FMT ":leftover", id)));
    zm_test_spool_end(&test);
}

static void what_is_right_at_the_second_look_is_not_told(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *message = zm_test_publish(test.spool, "queue", 1, letter);
    zm_check_report_t report;
    found_t found = {.kinds = ""};
    zm_error_t error = {0};
    zm_check_options_t options = {.running = true, .second_look = 1, .fn = note, .baton = &found};
    ZM_ASSERT_OK(zm_spool_check(test.spool, &options, &report, zm_test_pool(), &error));
    CU_ASSERT_STRING_EQUAL(found.kinds, apr_pstrcat(zm_test_pool(), "orphan=", message, " ", NULL));
    CU_ASSERT_EQUAL(report.findings, 1);
    zm_test_spool_end(&test);
}

/* -- conversion --------------------------------------------------------------------------- */

static void no_finding(const zm_finding_t *finding, void *baton)
{
    (void)baton;
    fprintf(stderr, "%s: %s\n", finding->name, finding->detail);
    CU_FAIL("something was not taken over");
}

/* To the other engine and back: contents, times, owners, links and pairs stay. */
static void conversion_keeps_everything(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *where = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", NULL);
    const char *there = apr_pstrcat(zm_test_pool(), "emulated:", where, "there", NULL);
    const char *back = apr_pstrcat(zm_test_pool(), "native:", where, "back", NULL);
    zm_convert_options_t options = {.fn = no_finding};
    zm_convert_report_t report;
    zm_spool_options_t open = {.location = back};
    zm_error_t error = {0};
    zm_object_info_t old, copy;
    zm_check_report_t checked;
    zm_spool_t *spool = NULL;
    char *large = apr_palloc(zm_test_pool(), 200001);
    const char *name, *large_name, *linked;
    if (strcmp(zm_test_engine, "memory") == 0) { /* lives in its process only */
        zm_test_spool_end(&test);
        return;
    }
    memset(large, 'x', 200000);
    large[200000] = '\0';
    name = zm_test_publish(test.spool, "queue", 2, letter);
    add_control(test.spool, name, 2, 100000);
    large_name = zm_test_publish(test.spool, "deferred", 0, large);
    linked = apr_pstrcat(zm_test_pool(), "postman", strrchr(name, '/'), "_looped", NULL);
    ZM_ASSERT_OK(zm_spool_link(test.spool, name, linked));
    zm_test_publish(test.spool, "router", 0, letter);
    ZM_ASSERT_OK(zm_spool_info(&old, test.spool, name));
    zm_test_spool_end(&test);

    ZM_ASSERT_OK(zm_spool_convert(test.location, there, &options, &report, zm_test_pool(), &error));
    CU_ASSERT_EQUAL(report.objects, 4);
    CU_ASSERT_EQUAL(report.names, 5);
    CU_ASSERT_EQUAL(
        zm_spool_convert(test.location, there, &options, &report, zm_test_pool(), &error),
        ZM_E_CONFIG); /* something is there already */
    if (zm_spool_convert(there, back, &options, &report, zm_test_pool(), &error) ==
        ZM_E_UNSUPPORTED) { /* no native spool can be here */
        open.location = back = apr_pstrcat(zm_test_pool(), "emulated:", where, "again", NULL);
        ZM_ASSERT_OK(zm_spool_convert(there, back, &options, &report, zm_test_pool(), &error));
    }
    ZM_ASSERT_OK(zm_spool_open(&spool, &open, zm_test_pool(), &error));
    ZM_ASSERT_OK(zm_spool_info(&copy, spool, name));
    CU_ASSERT_EQUAL(copy.mtime_s, old.mtime_s);
    CU_ASSERT_EQUAL(copy.mtime_ns / 1000, old.mtime_ns / 1000);
    CU_ASSERT_EQUAL(copy.uid, old.uid);
    CU_ASSERT_EQUAL(copy.mode, old.mode);
    CU_ASSERT_EQUAL(copy.links, 2);
    CU_ASSERT_EQUAL(id_of(spool, linked), copy.id);
    CU_ASSERT_STRING_EQUAL(zm_test_contents(spool, name), letter);
    CU_ASSERT_STRING_EQUAL(zm_test_contents(spool, large_name), large);
    CU_ASSERT_STRING_EQUAL(check(spool, false, &checked), "");
    zm_spool_close(spool);
}

ZM_TESTS("spool check", ZM_TEST(a_healthy_spool_has_no_findings),
         ZM_TEST(long_work_tells_its_progress),
         ZM_TEST(orphans_and_half_written_control_files_are_routed_again),
         ZM_TEST(finished_and_temporary_control_files_are_removed),
         ZM_TEST(a_pair_under_another_number_is_called_by_its_own),
         ZM_TEST(a_pair_in_wrong_hash_directories_is_moved), ZM_TEST(a_split_pair_is_joined),
         ZM_TEST(wrong_names_are_put_right), ZM_TEST(stale_locks_are_taken_back),
         ZM_TEST(leftovers_of_dead_writers_go_to_the_postmaster),
         ZM_TEST(what_is_right_at_the_second_look_is_not_told),
         ZM_TEST(conversion_keeps_everything))
