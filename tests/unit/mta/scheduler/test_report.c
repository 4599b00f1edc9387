#include <apr_strings.h>

#include "platform/clock.h"
#include "tests/unit/harness.h"
#include "tests/unit/mta/scheduler/place.h"

static const char conf[] = "*/* interval=1m retries=\"1\" expiry=3d\nsmtp/* command=smtp\n";
#define FROM "e alice@x\ns local alice@x alice@x 0\n"
#define SLOT "          "
#define FAILED                                                                                     \
    "d %OFF%:-1:-1::1700000123\tbob@y\1"                                                           \
    "failed\1"                                                                                     \
    "5.1.1 (unknown user)\1smtp; 550 (No bob)\1dns; mx.y (192.0.2.9)\1smtp[811]"                   \
    "\t<RCPT To:<bob@y>>:\r550 No bob\n"

static const char *after_completion(place_t *place, const char *lines, const char *tail,
                                    uint64_t *id)
{
    zm_error_t reason;
    *id = place_job(place, lines, tail);
    CU_ASSERT_EQUAL(place_take(place, *id, &reason), ZM_TAKEN);
    place_run(place);
    return place_submitted(place);
}

static void has(const char *text, const char *piece)
{
    if (strstr(text, piece) == NULL)
        ZM_ASSERT_STR(text, piece);
}

static void has_not(const char *text, const char *piece)
{
    CU_ASSERT_PTR_NULL(strstr(text, piece));
}

static void finished_job_with_a_failure_is_reported_and_removed(void)
{
    place_t *place = place_open(conf);
    uint64_t id;
    const char *text = after_completion(
        place,
        FROM "r-" SLOT "smtp y bob@y 0\n"
             "N NOTIFY=FAILURE ORCPT=rfc822;B+2Bob@y INRCPT=rfc822;bob@y\nn env+20id\nR FULL\n"
             "r+" SLOT "smtp y carl@y 0\n",
        FAILED, &id);
    has(text, "channel error\nerrormsg\ntodsn NOTIFY=NEVER ORCPT=rfc822;alice@x\nto alice@x\n"
              "todsn NOTIFY=NEVER ORCPT=rfc822;watch@z\nto watch@z\nenv-end\nTo: alice@x\n");
    has(text, "\nCc: Watcher <watch@z>\n");
    has(text, "\nSubject: Report [FAILED(1)]\n");
    has(text, "Content-Type: multipart/report; report-type=delivery-status;");
    has(text, "Form text.\n");
    has(text, "Original-Envelope-Id: env id\n");
    has(text, "\n\nOriginal-Recipient: rfc822;B+ob@y\nFinal-Recipient: rfc822;bob@y\n"
              "Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx.y (192.0.2.9)\n"
              "Last-Attempt-Date: Tue, 14 Nov 2023 22:15:23 +0000\nX-ZTAID: smtp[811]\n"
              "Diagnostic-Code: smtp; 550 (No bob)\n");
    has(text, "      Status: 5.1.1 (unknown user)\n");
    has(text, "        550 No bob\n");
    has(text, "Content-Type: message/rfc822\n");
    has(text, "\nSubject: the test\nFrom: alice@x\n\nfirst line\nlast line\n\n--");
    has_not(text, "carl@y");
    CU_ASSERT_FALSE(place_exists(place, "queue", id));
    CU_ASSERT_FALSE(place_exists(place, "transport", id));
    CU_ASSERT_PTR_NULL(zm_queue_find(place->scheduler, id));
    place_close(place);
}

static void header_only_when_the_sender_asked_for_it(void)
{
    place_t *place = place_open(conf);
    uint64_t id;
    const char *text = after_completion(
        place, FROM "r-" SLOT "smtp y bob@y 0\nN NOTIFY=FAILURE\nR HDRS\n", FAILED, &id);
    has(text, "Content-Type: text/rfc822-headers\n");
    has_not(text, "first line");
    place_close(place);
}

static void unwanted_outcomes_are_not_told(void)
{
    place_t *place = place_open(conf);
    uint64_t id;
    const char *text =
        after_completion(place, FROM "r-" SLOT "smtp y bob@y 0\nN NOTIFY=NEVER\n", FAILED, &id);
    ZM_ASSERT_STR(text, "");
    CU_ASSERT_FALSE(place_exists(place, "queue", id));
    place_close(place);
}

static void reported_lines_are_not_told_again(void)
{
    place_t *place = place_open(conf);
    uint64_t id;
    const char *text = after_completion(place, FROM "r-" SLOT "smtp y bob@y 0\n",
                                        "d+%OFF%:-1:-1::1\tb\1"
                                        "failed\t\n",
                                        &id);
    ZM_ASSERT_STR(text, "");
    place_close(place);
}

static void success_is_told_when_asked_for(void)
{
    place_t *place = place_open(conf);
    uint64_t id;
    const char *text =
        after_completion(place, FROM "r+" SLOT "smtp y bob@y 0\nN NOTIFY=SUCCESS,FAILURE\n",
                         "d %OFF%:-1:-1::1700000123\tbob@y\1"
                         "delivered\1"
                         "2.1.5\1smtp; 250 (ok)\1\tok\n",
                         &id);
    has(text, "[DELIVERED-OK(1)]");
    has(text, "Action: delivered\nStatus: 2.1.5\n");
    has(text, "Content-Type: text/rfc822-headers\n");
    place_close(place);
}

static void error_message_is_not_answered_to_its_sender(void)
{
    place_t *place = place_open(conf);
    uint64_t id;
    const char *text =
        after_completion(place, "s error <> <> 0\nr-" SLOT "smtp y bob@y 0\n", FAILED, &id);
    has(text, "errormsg\ntodsn NOTIFY=NEVER ORCPT=rfc822;watch@z\nto watch@z\nenv-end\n");
    has(text, "\nSubject: Double-fault: Report [FAILED(1)]\n");
    place_close(place);
}

static void each_sender_group_gets_its_own_report(void)
{
    place_t *place = place_open(conf);
    uint64_t id;
    const char *text =
        after_completion(place,
                         FROM "r-" SLOT "smtp y bob@y 0\nm\nSubject: one\n\ns local eve@x eve@x 0\n"
                              "r-" SLOT "smtp y carl@y 0\n",
                         FAILED, &id);
    has(text, "to alice@x\n");
    has_not(text, "eve@x");
    place_close(place);
}

static void hostile_text_forges_no_field(void)
{
    place_t *place = place_open(conf);
    uint64_t id;
    const char *text = after_completion(place, FROM "r-" SLOT "smtp y bob@y 0\n",
                                        "d %OFF%:-1:-1::1700000123\tbob@y\rX-Forged: yes\1"
                                        "failed\1"
                                        "5.0.0\1smtp; "
                                        "550\rX-Forged: 2\1\tt\n",
                                        &id);
    has_not(text, "\nX-Forged");
    place_close(place);
}

static void expiry_marks_the_file_and_reports(void)
{
    place_t *place = place_open("*/* interval=1m retries=\"1\" expiry=1d expiry2=0\nsmtp/* "
                                "command=smtp\n");
    zm_error_t reason;
    const char *text;
    uint64_t id = place_job(place, FROM "r " SLOT "smtp y \"b b\"@y 0\n", NULL);
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN);
    place->scheduler->wall += 2 * 86400;
    zm_scheduler_due(place->scheduler);
    has(place_control_text(place, id), "\nr-" SLOT "smtp y");
    has(place_control_text(place, id), "\3\1"
                                       "failed\1"
                                       "5.4.7");
    place_run(place);
    text = place_submitted(place);
    has(text, "Final-Recipient: rfc822;\"b b\"@y\nAction: failed\nStatus: 5.4.7\n");
    has(text, "expired after 1 day");
    CU_ASSERT_FALSE(place_exists(place, "transport", id));
    place_close(place);
}

static void delay_is_told_once_and_noted_in_the_file(void)
{
    place_t *place = place_open("PARAMglobal-report-interval=1s\n*/* interval=1m retries=\"1\" "
                                "reporttimes=\"1h 2h\"\nsmtp/* command=smtp\n");
    zm_error_t reason;
    const char *text;
    zm_job_t *job;
    uint64_t id;
    zm_clock_freeze(apr_time_now(), apr_time_from_sec(1000));
    id = place_job(place,
                   FROM "r " SLOT "smtp y bob@y 0\nN NOTIFY=FAILURE,DELAY\n"
                        "r " SLOT "smtp y carl@y 0\nN NOTIFY=FAILURE\n",
                   NULL);
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN);
    job = zm_queue_find(place->scheduler, id);
    zm_clock_advance(apr_time_from_sec(3700));
    zm_scheduler_tick(place->scheduler);
    zm_scheduler_due(place->scheduler);
    has(place_control_text(place, id), "\nr          1smtp y bob@y");
    has(place_control_text(place, id), "\nr           smtp y carl@y");
    CU_ASSERT_EQUAL(job->vertices->reports, 1);
    CU_ASSERT_EQUAL(zm_files_delayed(&place->files, job, job->vertices->offsets[0], 1,
                                     zm_str("\3\1"
                                            "delayed"),
                                     zm_str("x")),
                    ZM_E_GONE);
    zm_clock_advance(apr_time_from_sec(2));
    place_run_until_submitted(place);
    text = place_submitted(place);
    has(text, "Action: delayed\nStatus: 4.4.7\n");
    has_not(text, "carl@y");
    CU_ASSERT(place_exists(place, "transport", id));
    place_close(place);
    zm_clock_thaw();
}

static void overwrite(place_t *place, const char *name, apr_uint64_t at, char byte)
{
    zm_object_t *object;
    ZM_ASSERT_OK(zm_object_open(&object, place->spool, name, ZM_OBJECT_UPDATE));
    ZM_ASSERT_OK(zm_object_overwrite(object, at, &byte, 1));
    zm_object_close(object);
}

/* Trouble with the disk must not become a loop that fills the log. */
static void job_that_cannot_be_reported_waits_before_the_next_attempt(void)
{
    place_t *place = place_open(conf);
    zm_error_t reason;
    const char *control;
    uint64_t id;
    zm_clock_freeze(apr_time_now(), apr_time_from_sec(1000));
    id = place_job(place, FROM "r-" SLOT "smtp y bob@y 0\n", FAILED);
    control = apr_psprintf(zm_test_pool(), "transport/%" APR_UINT64_T_FMT, id);
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN);
    overwrite(place, control, 4, '7'); /* "@ 0x7...": bits that nobody knows */
    place_run_a_little(place);
    CU_ASSERT_PTR_NOT_NULL(zm_queue_find(place->scheduler, id));
    ZM_ASSERT_STR(place_submitted(place), "");
    overwrite(place, control, 4, '0');
    zm_clock_advance(apr_time_from_sec(31));
    place_run(place);
    has(place_submitted(place), "Action: failed\n");
    CU_ASSERT_PTR_NULL(zm_queue_find(place->scheduler, id));
    place_close(place);
    zm_clock_thaw();
}

static void job_whose_control_file_vanished_is_forgotten(void)
{
    place_t *place = place_open(conf);
    zm_error_t reason;
    uint64_t id = place_job(place, FROM "r-" SLOT "smtp y bob@y 0\n", FAILED);
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN);
    ZM_ASSERT_OK(zm_spool_unlink(place->spool,
                                 apr_psprintf(zm_test_pool(), "transport/%" APR_UINT64_T_FMT, id)));
    place_run(place);
    CU_ASSERT_PTR_NULL(zm_queue_find(place->scheduler, id));
    ZM_ASSERT_STR(place_submitted(place), "");
    CU_ASSERT(place_exists(place, "queue", id));
    place_close(place);
}

ZM_TESTS("scheduler_report", ZM_TEST(finished_job_with_a_failure_is_reported_and_removed),
         ZM_TEST(header_only_when_the_sender_asked_for_it), ZM_TEST(unwanted_outcomes_are_not_told),
         ZM_TEST(reported_lines_are_not_told_again), ZM_TEST(success_is_told_when_asked_for),
         ZM_TEST(error_message_is_not_answered_to_its_sender),
         ZM_TEST(each_sender_group_gets_its_own_report), ZM_TEST(hostile_text_forges_no_field),
         ZM_TEST(expiry_marks_the_file_and_reports),
         ZM_TEST(delay_is_told_once_and_noted_in_the_file),
         ZM_TEST(job_that_cannot_be_reported_waits_before_the_next_attempt),
         ZM_TEST(job_whose_control_file_vanished_is_forgotten))
