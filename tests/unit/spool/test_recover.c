#include "spool/recover.h"

#include <apr_file_io.h>
#include <apr_strings.h>

#include "spool/control.h"
#include "spool/layout.h"
#include "tests/unit/harness.h"
#include "tests/unit/spool/engines.h"

static zm_str_t control_file(uint64_t id)
{
    zm_control_writer_t *writer = zm_control_writer(zm_test_pool());
    zm_quad_t quad = {ZM_S("local"), ZM_S("-"), ZM_S("bob"), 0};
    zm_str_t text = {0};
    zm_control_message(writer, id, 3);
    zm_control_log_id(writer, ZM_S("<a@b>"));
    zm_control_sender(writer, &quad);
    zm_control_recipient(writer, &quad, ZM_S(""), ZM_S(""), ZM_S(""));
    zm_control_header(writer, ZM_S("Subject: x"));
    ZM_ASSERT_OK(zm_control_finish(writer, &text));
    return text;
}

/* A message in queue/ and the first length bytes of its control file; returns its id. */
static uint64_t routed(zm_spool_t *spool, int levels, apr_size_t length,
                       const char *control_directory)
{
    const char *name = zm_test_publish(spool, "queue", levels, "to bob\n\nx\n");
    zm_create_options_t create = {.directory = "transport", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {
        .directory = "transport", .hash_levels = levels, .make_hash = true, .unsynced = true};
    zm_object_t *object;
    zm_name_t parts;
    zm_str_t text;
    ZM_ASSERT_OK(zm_layout_parse(&parts, zm_str(name)));
    if (control_directory == NULL)
        return parts.id;
    text = control_file(parts.id);
    ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
    ZM_ASSERT_OK(zm_object_write(object, text.data, length < text.length ? length : text.length));
    target.id = parts.id;
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, NULL, zm_test_pool()));
    if (control_directory[0] == '.')
        ZM_ASSERT_OK(zm_spool_rename(
            spool, zm_layout_name(zm_test_pool(), "transport", levels, parts.id),
            apr_psprintf(zm_test_pool(), "transport/.%" APR_UINT64_T_FMT, parts.id)));
    return parts.id;
}

static zm_recover_report_t recover(zm_spool_t *spool)
{
    zm_recover_options_t options = {0};
    zm_recover_report_t report;
    zm_error_t error = {0};
    ZM_ASSERT_OK(zm_spool_recover(spool, &options, &report, zm_test_pool(), &error));
    return report;
}

static bool there(zm_spool_t *spool, const char *directory, int levels, uint64_t id)
{
    zm_object_info_t info;
    return zm_spool_info(&info, spool, zm_layout_name(zm_test_pool(), directory, levels, id)) ==
           APR_SUCCESS;
}

static void complete_pairs_are_left_alone(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    uint64_t one = routed(test.spool, 0, 99999, ""), two = routed(test.spool, 2, 99999, "");
    zm_recover_report_t report = recover(test.spool);
    CU_ASSERT_EQUAL(report.examined, 2);
    CU_ASSERT_EQUAL(report.rerouted + report.orphans + report.leftovers, 0);
    CU_ASSERT(there(test.spool, "queue", 0, one) && there(test.spool, "transport", 0, one));
    CU_ASSERT(there(test.spool, "queue", 2, two) && there(test.spool, "transport", 2, two));
    zm_test_spool_end(&test);
}

static void message_between_the_two_renames_is_routed_again(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    uint64_t id = routed(test.spool, 0, 99999, ".");
    zm_recover_report_t report = recover(test.spool);
    CU_ASSERT_EQUAL(report.rerouted, 1);
    CU_ASSERT_EQUAL(report.leftovers, 1);
    CU_ASSERT(there(test.spool, "router", 0, id));
    CU_ASSERT_FALSE(there(test.spool, "queue", 0, id));
    ZM_ASSERT_STR(zm_test_contents(test.spool, zm_layout_name(zm_test_pool(), "router", 0, id)),
                  "to bob\n\nx\n");
    zm_test_spool_end(&test);
}

static void control_file_cut_at_any_byte_is_made_again(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    apr_size_t whole = control_file(4711).length, cut;
    for (cut = 0; cut < whole; cut += 7) {
        uint64_t id = routed(test.spool, 2, cut, "");
        zm_recover_report_t report = recover(test.spool);
        CU_ASSERT_EQUAL(report.rerouted, 1);
        CU_ASSERT_EQUAL(report.leftovers, 1);
        CU_ASSERT(there(test.spool, "router", 0, id));
        CU_ASSERT_FALSE(there(test.spool, "transport", 2, id));
    }
    zm_test_spool_end(&test);
}

static void message_without_control_file_is_routed_again(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    uint64_t id = routed(test.spool, 1, 0, NULL);
    CU_ASSERT_EQUAL(recover(test.spool).rerouted, 1);
    CU_ASSERT(there(test.spool, "router", 0, id));
    CU_ASSERT_EQUAL(recover(test.spool).examined, 0);
    zm_test_spool_end(&test);
}

static void routing_again_never_overwrites(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    uint64_t id = routed(test.spool, 0, 0, NULL);
    const char *taken = zm_layout_name(zm_test_pool(), "router", 0, id);
    ZM_ASSERT_OK(
        zm_spool_rename(test.spool, zm_test_publish(test.spool, "router", 0, "other"), taken));
    CU_ASSERT_EQUAL(recover(test.spool).rerouted, 1);
    ZM_ASSERT_STR(zm_test_contents(test.spool, taken), "other");
    ZM_ASSERT_STR(zm_test_contents(test.spool, apr_pstrcat(zm_test_pool(), taken, ".again1", NULL)),
                  "to bob\n\nx\n");
    zm_test_spool_end(&test);
}

static void pair_that_a_scheduler_was_moving_is_rejoined(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    uint64_t id = routed(test.spool, 2, 99999, "");
    ZM_ASSERT_OK(zm_spool_rename(test.spool, zm_layout_name(zm_test_pool(), "queue", 2, id),
                                 zm_layout_name(zm_test_pool(), "queue", 0, id)));
    CU_ASSERT_EQUAL(recover(test.spool).rerouted, 0);
    CU_ASSERT(there(test.spool, "queue", 2, id));
    CU_ASSERT(there(test.spool, "transport", 2, id));
    zm_test_spool_end(&test);
}

static void temporary_control_files_are_removed(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *name = zm_test_publish(test.spool, "transport", 2, "half");
    ZM_ASSERT_OK(zm_spool_rename(test.spool, name, "transport/A/B/.99"));
    name = zm_test_publish(test.spool, "transport", 2, "not ours");
    ZM_ASSERT_OK(zm_spool_rename(test.spool, name, "transport/A/B/.note"));
    CU_ASSERT_EQUAL(recover(test.spool).leftovers, 1);
    ZM_ASSERT_STR(zm_test_contents(test.spool, "transport/A/B/.note"), "not ours");
    zm_test_spool_end(&test);
}

/* A new message may get its id. */
static void control_file_without_message_is_removed(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    uint64_t whole = routed(test.spool, 0, 99999, ""), cut = routed(test.spool, 2, 100, "");
    ZM_ASSERT_OK(zm_spool_unlink(test.spool, zm_layout_name(zm_test_pool(), "queue", 0, whole)));
    ZM_ASSERT_OK(zm_spool_unlink(test.spool, zm_layout_name(zm_test_pool(), "queue", 2, cut)));
    CU_ASSERT_EQUAL(recover(test.spool).leftovers, 2);
    CU_ASSERT_FALSE(there(test.spool, "transport", 0, whole));
    CU_ASSERT_FALSE(there(test.spool, "transport", 2, cut));
    zm_test_spool_end(&test);
}

static void commands_to_the_scheduler_are_left_alone(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *name = zm_test_publish(test.spool, "transport", 0, "T example.org\n");
    CU_ASSERT_EQUAL(recover(test.spool).leftovers, 0);
    ZM_ASSERT_STR(zm_test_contents(test.spool, name), "T example.org\n");
    zm_test_spool_end(&test);
}

/* Its sectors reach the disk in any order. */
static void control_file_without_its_first_sector_is_made_again(void)
{
    static const char rest[] = "ome.example>\nMIME-Version: 1.0\nSubject: x\n\n";
    zm_test_spool_t test = zm_test_spool_begin();
    uint64_t id = routed(test.spool, 0, 0, NULL);
    zm_create_options_t create = {.directory = "transport", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = "transport", .id = id, .unsynced = true};
    zm_object_t *object;
    char sector[512] = "";
    ZM_ASSERT_OK(zm_object_create(&object, test.spool, &create));
    ZM_ASSERT_OK(zm_object_write(object, sector, sizeof sector));
    ZM_ASSERT_OK(zm_object_write(object, rest, sizeof rest - 1));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, NULL, zm_test_pool()));
    CU_ASSERT_EQUAL(recover(test.spool).rerouted, 1);
    CU_ASSERT(there(test.spool, "router", 0, id));
    zm_test_spool_end(&test);
}

typedef struct race_t {
    zm_spool_t *spool;
    int told;
} race_t;

static void note_step(const char *what, const char *name, void *baton)
{
    (void)what;
    (void)name;
    ((race_t *)baton)->told++;
}

static void running_scheduler_gets_a_second_look(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    race_t race = {test.spool, 0};
    zm_recover_options_t options = {
        .scheduler_running = true, .second_look = 1, .fn = note_step, .baton = &race};
    zm_recover_report_t report;
    zm_error_t error;
    routed(test.spool, 0, 0, NULL);
    ZM_ASSERT_OK(zm_spool_recover(test.spool, &options, &report, zm_test_pool(), &error));
    CU_ASSERT_EQUAL(report.rerouted, 1);
    CU_ASSERT_EQUAL(race.told, 1);
    zm_test_spool_end(&test);
}

static void orphans_of_a_foreign_spool_are_parked(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *name, *mark;
    uint64_t orphan, interrupted, later;
    zm_recover_report_t report;
    if (zm_spool_native_path(&mark, test.spool, "queue/1", zm_test_pool()) != APR_SUCCESS) {
        zm_test_spool_end(&test); /* only a directory tree can have been an original's */
        return;
    }
    orphan = routed(test.spool, 0, 0, NULL);
    interrupted = routed(test.spool, 0, 99999, ".");
    mark = apr_pstrcat(zm_test_pool(), zm_spool_location(test.spool), "/.engine", NULL);
    ZM_ASSERT_OK(apr_file_remove(mark, zm_test_pool()));
    zm_spool_close(test.spool);
    test.spool = zm_test_spool_again(&test);
    report = recover(test.spool);
    CU_ASSERT_EQUAL(report.orphans, 1);
    CU_ASSERT_EQUAL(report.rerouted, 1);
    CU_ASSERT(there(test.spool, "router", 0, interrupted));
    name = apr_psprintf(zm_test_pool(), "postman/%" APR_UINT64_T_FMT ":orphan", orphan);
    ZM_ASSERT_STR(zm_test_contents(test.spool, name), "to bob\n\nx\n");
    later = routed(test.spool, 0, 0, NULL); /* from now on it is ours */
    CU_ASSERT_EQUAL(recover(test.spool).rerouted, 1);
    CU_ASSERT(there(test.spool, "router", 0, later));
    zm_test_spool_end(&test);
}

ZM_TESTS("spool recovery " ZM_TEST_ENGINE, ZM_TEST(complete_pairs_are_left_alone),
         ZM_TEST(message_between_the_two_renames_is_routed_again),
         ZM_TEST(control_file_cut_at_any_byte_is_made_again),
         ZM_TEST(message_without_control_file_is_routed_again),
         ZM_TEST(routing_again_never_overwrites),
         ZM_TEST(pair_that_a_scheduler_was_moving_is_rejoined),
         ZM_TEST(temporary_control_files_are_removed),
         ZM_TEST(control_file_without_message_is_removed),
         ZM_TEST(commands_to_the_scheduler_are_left_alone),
         ZM_TEST(control_file_without_its_first_sector_is_made_again),
         ZM_TEST(running_scheduler_gets_a_second_look),
         ZM_TEST(orphans_of_a_foreign_spool_are_parked))
