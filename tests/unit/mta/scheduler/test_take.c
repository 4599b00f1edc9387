#include <apr_strings.h>

#include "mta/scheduler/intake.h"
#include "platform/clock.h"
#include "spool/layout.h"
#include "tests/unit/harness.h"
#include "tests/unit/mta/scheduler/place.h"

static const char conf[] = "*/* interval=1m retries=\"1\" expiry=3d\nsmtp/* command=smtp\n"
                           "smtp-etrn/* queueonly command=smtp\n";
#define SENDER "e alice@x\ns local alice@x alice@x 0\n"
#define SLOT "          "

static void job_is_taken_with_its_threads(void)
{
    place_t *place = place_open(conf);
    zm_error_t reason;
    uint64_t id = place_job(place,
                            SENDER "r " SLOT "SMTP Host.ORG bob@Host.ORG 0\n"
                                   "r+" SLOT "smtp host.org done@host.org 0\n"
                                   "r " SLOT "smtp ((mx1)(mx2 mx3)) carl@y 0\n",
                            NULL);
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN);
    CU_ASSERT_EQUAL(place->scheduler->recipient_count, 2);
    CU_ASSERT_PTR_NOT_NULL(zm_queue_thread(place->scheduler, zm_str("smtp"), zm_str("host.org")));
    CU_ASSERT_PTR_NOT_NULL(zm_queue_thread(place->scheduler, zm_str("smtp"), zm_str("mx1")));
    CU_ASSERT_EQUAL(zm_queue_find(place->scheduler, id)->total, 3);
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN_NOTHING);
    place_close(place);
}

static void pair_moves_into_hash_directories(void)
{
    place_t *place = place_open(conf);
    char prefix[ZM_HASH_PREFIX_SIZE], path[ZM_JOB_PATH_SIZE];
    zm_error_t reason;
    uint64_t id = place_job(place, SENDER "r " SLOT "smtp a b@a 0\n", NULL);
    place->take.hash_levels = 2;
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN);
    zm_layout_hash(prefix, id, 2);
    zm_job_path(path, zm_queue_find(place->scheduler, id));
    CU_ASSERT_EQUAL(strncmp(path, prefix, 4), 0);
    CU_ASSERT_FALSE(place_exists(place, "transport", id));
    CU_ASSERT_FALSE(place_exists(place, "queue", id));
    place_close(place);
}

static void unknown_format_is_parked(void)
{
    place_t *place = place_open(conf);
    zm_error_t reason = {0};
    uint64_t id = place_job(place, NULL, NULL);
    place_control(place, id, NULL, "@ 0x00000108\ni 1\no 1\nl x\nr a b c 0\nm\n\n");
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN_PARKED);
    CU_ASSERT(strlen(reason.text) > 0);
    CU_ASSERT(place_exists(place, "transport", id));
    place_close(place);
}

static void incomplete_file_is_parked(void)
{
    place_t *place = place_open(conf);
    zm_error_t reason = {0};
    uint64_t id = place_job(place, NULL, NULL);
    place_control(place, id, NULL, "@ 0x00000007\ni 1\no 1\nl x\ns a b c 0\nr " SLOT "a b c 0\n");
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN_PARKED);
    CU_ASSERT(place_exists(place, "transport", id));
    place_close(place);
}

/* Nobody writes such lines; a message that has no others is not thrown away for it. */
static void alternative_recipients_lose_no_message(void)
{
    place_t *place = place_open(conf);
    zm_error_t reason = {0};
    uint64_t id = place_job(place, SENDER "X " SLOT "1 smtp a b@a 0\n", NULL);
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN_PARKED);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason.text, "alternative"));
    CU_ASSERT(place_exists(place, "queue", id));
    id = place_job(place, SENDER "r " SLOT "smtp a b@a 0\nX " SLOT "1 smtp a c@a 0\n", NULL);
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN);
    CU_ASSERT_EQUAL(zm_queue_find(place->scheduler, id)->total, 1);
    place_close(place);
}

/* Both were renamed by a careless hand: its agents would look for a message that is not there. */
static void file_of_another_message_is_parked(void)
{
    place_t *place = place_open(conf);
    zm_error_t reason = {0};
    uint64_t id = place_job(place, NULL, NULL);
    place_control(place, id, NULL,
                  "@ 0x00000007\ni 1\no 1\nl x\ns a b c 0\nr " SLOT "a b c 0\nm\nTo: b\n\n");
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN_PARKED);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason.text, "another message"));
    CU_ASSERT(place_exists(place, "transport", id));
    ZM_ASSERT_OK(zm_spool_unlink(place->spool, /* it tells nothing of a message of its own */
                                 apr_psprintf(zm_test_pool(), "queue/%" APR_UINT64_T_FMT, id)));
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN_PARKED);
    CU_ASSERT(place_exists(place, "transport", id));
    place_close(place);
}

static void file_without_message_is_discarded(void)
{
    place_t *place = place_open(conf);
    zm_error_t reason;
    uint64_t id = place_job(place, SENDER "r " SLOT "smtp a b@a 0\n", NULL);
    ZM_ASSERT_OK(zm_spool_unlink(place->spool,
                                 apr_psprintf(zm_test_pool(), "queue/%" APR_UINT64_T_FMT, id)));
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN_NOTHING);
    CU_ASSERT_FALSE(place_exists(place, "transport", id));
    place_close(place);
}

static void command_file_starts_threads_and_goes(void)
{
    place_t *place = place_open(conf);
    zm_error_t reason;
    zm_thread_t *thread;
    uint64_t id = place_job(place, SENDER "r " SLOT "smtp-etrn host.org b@a 0\n", NULL);
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN);
    thread = zm_queue_thread(place->scheduler, zm_str("smtp-etrn"), zm_str("host.org"));
    CU_ASSERT_FALSE(thread->ready);
    place_control(place, 77, "-etrn", "T HOST.org [192.0.2.1]\n");
    place->take.early = true; /* the jobs that it is for may not be read yet */
    CU_ASSERT_EQUAL(zm_take_file(&place->take, "77-etrn", zm_test_pool(), &reason), ZM_TAKEN_LATER);
    CU_ASSERT_FALSE(thread->ready);
    place->take.early = false;
    CU_ASSERT_EQUAL(zm_take_file(&place->take, "77-etrn", zm_test_pool(), &reason),
                    ZM_TAKEN_NOTHING);
    CU_ASSERT(thread->ready);
    ZM_ASSERT_STR(place_read(place, "transport/77-etrn"), "");
    place_close(place);
}

static void live_lock_postpones_and_a_dead_one_is_taken_off(void)
{
    place_t *place = place_open(conf);
    zm_error_t reason;
    zm_object_t *object;
    uint64_t id = place_job(place, SENDER "r " SLOT "smtp a b@a 0\n", NULL);
    const char *name = apr_psprintf(zm_test_pool(), "transport/%" APR_UINT64_T_FMT, id);
    const char *text = place_read(place, name);
    uint64_t offset = (uint64_t)(strstr(text, "\nr ") - text) + 1;
    ZM_ASSERT_OK(zm_object_open(&object, place->spool, name, ZM_OBJECT_UPDATE));
    ZM_ASSERT_OK(zm_control_claim(object, offset));
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN_LATER);
    zm_object_close(object); /* as if its process had died */
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN);
    CU_ASSERT_PTR_NOT_NULL(strstr(place_read(place, name), "\nr " SLOT "smtp"));
    place_close(place);
}

static void nothing(void *baton)
{
    (void)baton;
}

static void pass_seconds(place_t *place, int seconds)
{
    int i;
    zm_clock_advance(apr_time_from_sec(seconds));
    for (i = 0; i < 6; i++)
        ZM_ASSERT_OK(zm_loop_once(place->loop, 0));
}

/* Mostly by an agent that outlived its scheduler and is about to finish. */
static void locked_file_is_looked_at_again_soon(void)
{
    place_t *place = place_open(conf);
    uint64_t id = place_job(place, SENDER "r " SLOT "smtp a b@a 0\n", NULL);
    const char *name = apr_psprintf(zm_test_pool(), "transport/%" APR_UINT64_T_FMT, id);
    const char *text = place_read(place, name);
    zm_intake_options_t options = {.loop = place->loop,
                                   .scheduler = place->scheduler,
                                   .files = &place->files,
                                   .scan_entries = 10,
                                   .opened = nothing,
                                   .settle = nothing};
    zm_intake_t *intake;
    zm_object_t *object;
    zm_error_t error;
    zm_clock_freeze(apr_time_now(), apr_time_from_sec(1000));
    ZM_ASSERT_OK(zm_object_open(&object, place->spool, name, ZM_OBJECT_UPDATE));
    ZM_ASSERT_OK(zm_control_claim(object, (uint64_t)(strstr(text, "\nr ") - text) + 1));
    ZM_ASSERT_OK(zm_intake_open(&intake, &options, zm_test_pool(), &error));
    pass_seconds(place, 0);
    CU_ASSERT_PTR_NULL(zm_queue_find(place->scheduler, id));
    zm_object_close(object);
    pass_seconds(place, 2);
    CU_ASSERT_PTR_NOT_NULL(zm_queue_find(place->scheduler, id));
    zm_intake_close(intake);
    zm_clock_thaw();
    place_close(place);
}

static void sender_withdraws_a_message_by_its_id(void)
{
    place_t *place = place_open(conf);
    zm_error_t reason;
    uint64_t old = place_job(place, SENDER "r " SLOT "smtp a b@a 0\n", NULL), other, third;
    CU_ASSERT_EQUAL(place_take(place, old, &reason), ZM_TAKEN);
    other = place_job(place,
                      apr_psprintf(zm_test_pool(),
                                   "x <m%" APR_UINT64_T_FMT "@x>\ns local eve@x eve@x 0\n"
                                   "r " SLOT "smtp a c@a 0\n",
                                   old),
                      NULL);
    CU_ASSERT_EQUAL(place_take(place, other, &reason), ZM_TAKEN);
    CU_ASSERT_PTR_NOT_NULL(zm_queue_find(place->scheduler, old)); /* not hers */
    third = place_job(
        place,
        apr_psprintf(zm_test_pool(),
                     "x <m%" APR_UINT64_T_FMT "@x>\n" SENDER "r " SLOT "smtp a c@a 0\n", old),
        NULL);
    CU_ASSERT_EQUAL(place_take(place, third, &reason), ZM_TAKEN);
    CU_ASSERT_EQUAL(place->scheduler->job_count, 3); /* files of several are removed at once */
    while (zm_queue_find(place->scheduler, old) != NULL)
        ZM_ASSERT_OK(zm_loop_once(place->loop, apr_time_from_sec(1)));
    CU_ASSERT_EQUAL(place->scheduler->job_count, 2);
    CU_ASSERT_FALSE(place_exists(place, "queue", old));
    CU_ASSERT_FALSE(place_exists(place, "transport", old));
    place_close(place);
}

static void reread_drops_what_is_done(void)
{
    place_t *place = place_open(conf);
    zm_error_t reason;
    zm_object_t *object;
    const char *text, *name;
    uint64_t id = place_job(place,
                            SENDER "r " SLOT "smtp a b@a 0\n"
                                   "r " SLOT "smtp a c@a 0\n",
                            NULL);
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN);
    name = apr_psprintf(zm_test_pool(), "transport/%" APR_UINT64_T_FMT, id);
    text = place_read(place, name);
    ZM_ASSERT_OK(zm_object_open(&object, place->spool, name, ZM_OBJECT_UPDATE));
    ZM_ASSERT_OK(zm_control_mark(object, (uint64_t)(strstr(text, "\nr ") - text) + 1, ' ', '+'));
    zm_object_close(object);
    zm_files_reread(&place->files, place->scheduler, zm_queue_find(place->scheduler, id));
    CU_ASSERT_EQUAL(zm_queue_find(place->scheduler, id)->pending, 1);
    place_close(place);
}

static void failures_of_others_count(void)
{
    place_t *place = place_open(conf);
    zm_error_t reason;
    zm_object_t *object;
    const char *text, *name;
    uint64_t id = place_job(place,
                            SENDER "r-" SLOT "smtp a b@a 0\n"
                                   "r " SLOT "smtp a c@a 0\n"
                                   "r " SLOT "smtp a d@a 0\n",
                            NULL);
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN);
    CU_ASSERT_EQUAL(zm_queue_find(place->scheduler, id)->failed, 1);
    name = apr_psprintf(zm_test_pool(), "transport/%" APR_UINT64_T_FMT, id);
    text = place_read(place, name);
    ZM_ASSERT_OK(zm_object_open(&object, place->spool, name, ZM_OBJECT_UPDATE));
    ZM_ASSERT_OK(zm_control_mark(object, (uint64_t)(strstr(text, "\nr ") - text) + 1, ' ', '-'));
    zm_object_close(object);
    zm_files_reread(&place->files, place->scheduler, zm_queue_find(place->scheduler, id));
    CU_ASSERT_EQUAL(zm_queue_find(place->scheduler, id)->failed, 2);
    place_close(place);
}

ZM_TESTS("scheduler_take", ZM_TEST(job_is_taken_with_its_threads),
         ZM_TEST(pair_moves_into_hash_directories), ZM_TEST(unknown_format_is_parked),
         ZM_TEST(incomplete_file_is_parked), ZM_TEST(alternative_recipients_lose_no_message),
         ZM_TEST(file_of_another_message_is_parked), ZM_TEST(file_without_message_is_discarded),
         ZM_TEST(command_file_starts_threads_and_goes),
         ZM_TEST(live_lock_postpones_and_a_dead_one_is_taken_off),
         ZM_TEST(locked_file_is_looked_at_again_soon),
         ZM_TEST(sender_withdraws_a_message_by_its_id), ZM_TEST(reread_drops_what_is_done),
         ZM_TEST(failures_of_others_count))
