/* What a crash may leave of a control file, at any byte: taken in again, nothing is lost, nothing
 * is done twice, and reading it once more changes nothing. */
#include <apr_strings.h>

#include "tests/unit/harness.h"
#include "tests/unit/mta/scheduler/place.h"

static const char conf[] = "*/* interval=1m retries=\"1\" expiry=3d\nsmtp/* command=smtp\n";
#define SENDER "e alice@x\ns local x alice@x 0\n"
#define SLOT "          "

static const char *name_of(uint64_t id)
{
    return apr_psprintf(zm_test_pool(), "transport/%" APR_UINT64_T_FMT, id);
}

/* A file as the router makes it, with two groups. */
static zm_str_t whole(uint64_t id)
{
    zm_control_writer_t *writer = zm_control_writer(zm_test_pool());
    zm_quad_t alice = {ZM_S("local"), ZM_S("x"), ZM_S("alice@x"), 0};
    zm_quad_t bob = {ZM_S("smtp"), ZM_S("y"), ZM_S("bob@y"), 0};
    zm_quad_t carl = {ZM_S("smtp"), ZM_S("z"), ZM_S("carl@z"), 0};
    zm_str_t text;
    zm_control_message(writer, id, 30);
    zm_control_log_id(writer, ZM_S("<1@x>"));
    zm_control_error_address(writer, ZM_S("alice@x"));
    zm_control_sender(writer, &alice);
    zm_control_recipient(writer, &bob, ZM_S("NOTIFY=FAILURE"), ZM_S("FULL"), ZM_S("id"));
    zm_control_header(writer, ZM_S("Subject: one\n"));
    zm_control_sender(writer, &alice);
    zm_control_recipient(writer, &carl, ZM_S(""), ZM_S(""), ZM_S(""));
    zm_control_header(writer, ZM_S("Subject: two\n"));
    ZM_ASSERT_OK(zm_control_finish(writer, &text));
    return text;
}

static uint32_t taken_recipients(place_t *place, uint64_t id)
{
    zm_job_t *job = zm_queue_find(place->scheduler, id);
    uint32_t pending = job != NULL ? job->pending : 0;
    if (job != NULL)
        zm_job_forget(place->scheduler, job);
    return pending;
}

static void file_cut_at_any_byte_loses_no_recipient(void)
{
    place_t *place = place_open(conf);
    uint64_t id = place_job(place, NULL, NULL);
    zm_str_t text = whole(id);
    apr_size_t length;
    for (length = 0; length <= text.length; length++) {
        zm_error_t reason = {0};
        zm_taken_t taken;
        place_control(place, id, NULL, apr_pstrmemdup(zm_test_pool(), text.data, length));
        taken = place_take(place, id, &reason);
        CU_ASSERT(taken == ZM_TAKEN || taken == ZM_TAKEN_PARKED);
        CU_ASSERT_EQUAL(taken_recipients(place, id), taken == ZM_TAKEN ? 2 : 0);
        CU_ASSERT_EQUAL(taken == ZM_TAKEN, length == text.length);
        ZM_ASSERT_STR(place_control_text(place, id),
                      apr_pstrmemdup(zm_test_pool(), text.data, length));
        CU_ASSERT(place_exists(place, "queue", id));
        ZM_ASSERT_OK(zm_spool_unlink(place->spool, name_of(id)));
    }
    place_close(place);
}

/* -- writes that got no further than some byte ---------------------------------------------- */

typedef struct crash_t {
    place_t *place;
    uint64_t id, offset; /* of the first recipient */
} crash_t;

static crash_t crash_open(const char *tail)
{
    crash_t crash = {.place = place_open(conf)};
    const char *text;
    crash.id = place_job(crash.place,
                         SENDER "r " SLOT "smtp y bob@y 0\nr " SLOT "smtp z carl@z 0\n", tail);
    text = place_control_text(crash.place, crash.id);
    crash.offset = (uint64_t)(strstr(text, "\nr ") - text) + 1;
    return crash;
}

static void write_at(crash_t *crash, uint64_t at, const char *bytes, apr_size_t length)
{
    zm_object_t *object;
    ZM_ASSERT_OK(
        zm_object_open(&object, crash->place->spool, name_of(crash->id), ZM_OBJECT_UPDATE));
    if (length > 0)
        ZM_ASSERT_OK(zm_object_overwrite(object, at, bytes, length));
    zm_object_close(object);
}

/* Takes the file in, twice: the second time finds what the first left. */
static zm_taken_t take_twice(crash_t *crash, uint32_t *recipients)
{
    zm_error_t reason = {0};
    const char *text;
    zm_taken_t taken = place_take(crash->place, crash->id, &reason);
    *recipients = taken_recipients(crash->place, crash->id);
    if (taken != ZM_TAKEN)
        return taken;
    text = place_control_text(crash->place, crash->id);
    CU_ASSERT_EQUAL(place_take(crash->place, crash->id, &reason), ZM_TAKEN);
    CU_ASSERT_EQUAL(taken_recipients(crash->place, crash->id), *recipients);
    ZM_ASSERT_STR(place_control_text(crash->place, crash->id), text);
    return taken;
}

static void claim_cut_at_any_byte_is_taken_off(void)
{
    static const char claim[] = "~987654";
    apr_size_t length;
    for (length = 0; length < sizeof claim; length++) {
        crash_t crash = crash_open(NULL);
        uint32_t recipients;
        zm_taken_t taken;
        write_at(&crash, crash.offset + 1, claim, length);
        taken = take_twice(&crash, &recipients);
        /* A shortened number may be a process that lives; then its end is awaited. */
        if (taken != ZM_TAKEN_LATER || length == 0 || length == sizeof claim - 1) {
            CU_ASSERT_EQUAL(taken, ZM_TAKEN);
            CU_ASSERT_EQUAL(recipients, 2);
            CU_ASSERT_PTR_NOT_NULL(
                strstr(place_control_text(crash.place, crash.id), "\nr " SLOT "smtp y"));
        }
        place_close(crash.place);
    }
}

static void outcome_cut_at_any_byte_is_final_from_its_first(void)
{
    static const char done[] = "+      ";
    apr_size_t length;
    for (length = 0; length < sizeof done; length++) {
        crash_t crash = crash_open(NULL);
        uint32_t recipients;
        write_at(&crash, crash.offset + 1, "~987654", 7);
        write_at(&crash, crash.offset + 1, done, length);
        CU_ASSERT_EQUAL(take_twice(&crash, &recipients), ZM_TAKEN);
        CU_ASSERT_EQUAL(recipients, length == 0 ? 2 : 1);
        place_close(crash.place);
    }
}

static const char diagnostic[] =
    "d %OFF%:-1:-1::1700000123\tbob@y\1failed\0015.1.1\1smtp; 550\1\tno\n";

/* The tag is written before the line: a torn line is a failure that is not told, unless the agent
 * that comes next finds the recipient to do; it never hides the line that is appended next. */
static void torn_diagnostic_spoils_no_other(void)
{
    apr_size_t length;
    for (length = 1; length < sizeof diagnostic - 1; length++) {
        crash_t crash = crash_open(apr_pstrmemdup(zm_test_pool(), diagnostic, length));
        zm_error_t reason = {0};
        zm_opened_t opened;
        uint32_t recipients;
        CU_ASSERT_EQUAL(take_twice(&crash, &recipients), ZM_TAKEN);
        CU_ASSERT_EQUAL(recipients, 2);
        ZM_ASSERT_OK(zm_opened_open(&opened, crash.place->spool, name_of(crash.id), zm_test_pool(),
                                    &reason));
        ZM_ASSERT_OK(zm_control_diagnose(opened.object, crash.offset, -1, -1, 0,
                                         zm_str("c\1failed"), zm_str("next")));
        zm_opened_close(&opened);
        ZM_ASSERT_OK(zm_opened_open(&opened, crash.place->spool, name_of(crash.id), zm_test_pool(),
                                    &reason));
        CU_ASSERT(opened.file->diagnostic_count >= 1);
        CU_ASSERT(zm_str_equal_c(opened.file->diagnostics[opened.file->diagnostic_count - 1].text,
                                 "next"));
        zm_opened_close(&opened);
        place_close(crash.place);
    }
}

static void finished_file_is_reported_once_and_removed(void)
{
    crash_t crash = crash_open(diagnostic);
    zm_error_t reason = {0};
    write_at(&crash, crash.offset + 1, "-      ", 7);
    write_at(&crash, crash.offset + strlen("r " SLOT "smtp y bob@y 0\n") + 1, "+      ", 7);
    CU_ASSERT_EQUAL(place_take(crash.place, crash.id, &reason), ZM_TAKEN);
    place_run(crash.place);
    CU_ASSERT_PTR_NOT_NULL(strstr(place_submitted(crash.place), "Action: failed"));
    CU_ASSERT_FALSE(place_exists(crash.place, "transport", crash.id));
    CU_ASSERT_FALSE(place_exists(crash.place, "queue", crash.id));
    place_close(crash.place);
}

ZM_TESTS("scheduler_recovery", ZM_TEST(file_cut_at_any_byte_loses_no_recipient),
         ZM_TEST(claim_cut_at_any_byte_is_taken_off),
         ZM_TEST(outcome_cut_at_any_byte_is_final_from_its_first),
         ZM_TEST(torn_diagnostic_spoils_no_other),
         ZM_TEST(finished_file_is_reported_once_and_removed))
