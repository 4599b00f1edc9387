/* Control files changed in place, and files read through objects. */
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>

#include "platform/child.h"
#include "spool/control.h"
#include "spool/message.h"
#include "tests/unit/harness.h"
#include "tests/unit/spool/engines.h"

static const char text[] =
    "@ 0x00000007\ni 77\no 30\nl <x@y>\ns local - a 0\n"
    "r           local - bob 12\nr           local - eve 13\nm\nSubject: r\n\n";
#define BOB 45
#define EVE 72

typedef struct fixture_t {
    zm_test_spool_t test;
    const char *name;
    zm_object_t *one, *two;
} fixture_t;

static fixture_t begin(void)
{
    fixture_t f = {.test = zm_test_spool_begin()};
    f.name = zm_test_publish(f.test.spool, "transport", 2, text);
    ZM_ASSERT_OK(zm_object_open(&f.one, f.test.spool, f.name, ZM_OBJECT_UPDATE));
    ZM_ASSERT_OK(zm_object_open(&f.two, f.test.spool, f.name, ZM_OBJECT_UPDATE));
    return f;
}

static void end(fixture_t *f)
{
    zm_object_close(f->one);
    zm_object_close(f->two);
    zm_test_spool_end(&f->test);
}

static zm_control_file_t *parsed(fixture_t *f)
{
    const char *data = zm_test_contents(f->test.spool, f->name);
    zm_control_file_t *file = NULL;
    zm_error_t error;
    ZM_ASSERT_OK(zm_control_parse(&file, data, strlen(data), zm_test_pool(), &error));
    return file;
}

static void claim_excludes_others_and_names_the_process(void)
{
    fixture_t f = begin();
    zm_control_file_t *file;
    ZM_ASSERT_OK(zm_control_claim(f.one, BOB));
    CU_ASSERT_EQUAL(zm_control_claim(f.two, BOB), ZM_E_BUSY);
    CU_ASSERT_EQUAL(zm_control_claim(f.one, BOB), ZM_E_BUSY);
    ZM_ASSERT_OK(zm_control_claim(f.two, EVE));
    file = parsed(&f);
    if (zm_object_locks_suffice(f.one)) {
        CU_ASSERT_EQUAL(file->recipients[0].tag, ' ');
    } else {
        CU_ASSERT_EQUAL(file->recipients[0].tag, '~');
        CU_ASSERT_EQUAL(file->recipients[0].pid_slot, zm_process_own() % 1000000);
    }
    CU_ASSERT(file->complete);
    ZM_ASSERT_OK(zm_control_release(f.one, BOB, '+'));
    CU_ASSERT_EQUAL(zm_control_release(f.one, BOB, '+'), ZM_E_BUSY);
    file = parsed(&f);
    CU_ASSERT_EQUAL(file->recipients[0].tag, '+');
    CU_ASSERT_EQUAL(file->recipients[0].pid_slot, -1);
    CU_ASSERT_EQUAL(zm_control_claim(f.two, BOB), ZM_E_BUSY);
    end(&f);
}

static void released_recipient_can_be_claimed_again(void)
{
    fixture_t f = begin();
    ZM_ASSERT_OK(zm_control_claim(f.one, BOB));
    ZM_ASSERT_OK(zm_control_release(f.one, BOB, ' '));
    ZM_ASSERT_OK(zm_control_claim(f.two, BOB));
    end(&f);
}

static void offsets_that_are_no_recipients_are_refused(void)
{
    fixture_t f = begin();
    CU_ASSERT_EQUAL(zm_control_claim(f.one, BOB + 1), ZM_E_CORRUPT);
    CU_ASSERT_EQUAL(zm_control_claim(f.one, 0), ZM_E_CORRUPT);
    CU_ASSERT_EQUAL(zm_control_claim(f.one, sizeof text - 3), ZM_E_CORRUPT);
    CU_ASSERT_EQUAL(zm_control_claim(f.one, 1 << 30), ZM_E_CORRUPT);
    ZM_ASSERT_STR(zm_test_contents(f.test.spool, f.name), text);
    end(&f);
}

static void mark_needs_the_expected_tag(void)
{
    fixture_t f = begin();
    CU_ASSERT_EQUAL(zm_control_mark(f.one, BOB, '~', ' '), ZM_E_BUSY);
    ZM_ASSERT_OK(zm_control_claim(f.two, BOB));
    CU_ASSERT_EQUAL(zm_control_mark(f.one, BOB, '~', ' '), ZM_E_BUSY);
    ZM_ASSERT_OK(zm_control_mark(f.one, EVE, ' ', '-'));
    CU_ASSERT_EQUAL(parsed(&f)->recipients[1].tag, '-');
    end(&f);
}

static void lock_of_a_dead_process_is_stale(void)
{
    fixture_t f = begin();
    bool stale = true;
    ZM_ASSERT_OK(zm_control_claim(f.two, BOB));
    if (zm_object_locks_suffice(f.two)) /* as an agent that marks what it has would leave it */
        ZM_ASSERT_OK(zm_object_overwrite(f.two, BOB + 1, "~ 12345", 7));
    ZM_ASSERT_OK(zm_control_lock_stale(&stale, f.one, BOB, zm_process_own() % 1000000));
    CU_ASSERT_FALSE(stale);
    zm_object_close(f.two); /* as if its process had died */
    f.two = NULL;
    CU_ASSERT_EQUAL(parsed(&f)->recipients[0].tag, '~');
    ZM_ASSERT_OK(zm_control_lock_stale(&stale, f.one, BOB, zm_process_own() % 1000000));
    CU_ASSERT_TRUE(stale);
    ZM_ASSERT_OK(zm_control_mark(f.one, BOB, '~', ' '));
    ZM_ASSERT_STR(zm_test_contents(f.test.spool, f.name), text);
    end(&f);
}

/* Of a recipient that is being worked on: that others cannot see it by its tag is no reason to give
 * it away. */
static void claim_that_marks_nothing_is_seen_by_its_lock(void)
{
    fixture_t f = begin();
    bool claimed = true;
    ZM_ASSERT_OK(zm_control_claimed(&claimed, f.one));
    CU_ASSERT_FALSE(claimed);
    ZM_ASSERT_OK(zm_control_claim(f.two, EVE));
    ZM_ASSERT_OK(zm_control_claimed(&claimed, f.one));
    CU_ASSERT_EQUAL(claimed, parsed(&f)->recipients[1].tag == ' ');
    CU_ASSERT_EQUAL(zm_control_mark(f.one, EVE, ' ', '-'), ZM_E_BUSY);
    CU_ASSERT_EQUAL(zm_control_release(f.one, EVE, '+'), claimed ? ZM_E_BUSY : APR_SUCCESS);
    zm_object_close(f.two);
    f.two = NULL;
    ZM_ASSERT_OK(zm_control_claimed(&claimed, f.one));
    CU_ASSERT_FALSE(claimed);
    end(&f);
}

static void diagnostics_are_appended_and_marked(void)
{
    fixture_t f = begin();
    zm_control_file_t *file;
    ZM_ASSERT_OK(zm_control_diagnose(f.one, BOB, 100, -1, apr_time_from_sec(1700000000),
                                     ZM_S("bob\001failed\t\0x"), ZM_S("no\nsuch\nuser")));
    ZM_ASSERT_OK(zm_control_diagnose(f.two, EVE, -1, -1, apr_time_from_sec(1700000001), ZM_S("eve"),
                                     ZM_S("")));
    file = parsed(&f);
    CU_ASSERT(file->complete);
    CU_ASSERT_EQUAL_FATAL(file->diagnostic_count, 2);
    CU_ASSERT_EQUAL(file->diagnostics[0].recipient_offset, BOB);
    CU_ASSERT_EQUAL(file->diagnostics[0].header_offset, 100);
    CU_ASSERT_EQUAL(file->diagnostics[0].time, 1700000000);
    CU_ASSERT(zm_str_equal_c(file->diagnostics[0].notary, "bob\001failed  x"));
    CU_ASSERT(zm_str_equal_c(file->diagnostics[0].text, "no\rsuch\ruser"));
    CU_ASSERT_EQUAL(file->diagnostics[1].tag, ' ');
    ZM_ASSERT_OK(zm_control_reported(f.one, file->diagnostics[1].offset));
    CU_ASSERT_EQUAL(zm_control_reported(f.one, BOB), ZM_E_CORRUPT);
    CU_ASSERT_EQUAL(parsed(&f)->diagnostics[1].tag, '+');
    end(&f);
}

/* What a crash leaves of an append has no end; the next record must not be lost in its line. */
static void diagnostic_after_a_torn_one_is_read(void)
{
    static const char torn[] = "d 1";
    fixture_t f = begin();
    zm_control_file_t *file;
    ZM_ASSERT_OK(zm_object_append(f.one, torn, strlen(torn), false));
    ZM_ASSERT_OK(zm_control_diagnose(f.one, BOB, 100, -1, apr_time_from_sec(1700000000),
                                     ZM_S("bob"), ZM_S("no")));
    file = parsed(&f);
    CU_ASSERT(file->complete);
    CU_ASSERT_EQUAL_FATAL(file->diagnostic_count, 1);
    CU_ASSERT_EQUAL(file->diagnostics[0].recipient_offset, BOB);
    end(&f);
}

static void message_is_read_through_its_object(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    apr_size_t i;
    zm_buf_t letter = ZM_BUF_INIT;
    zm_message_t *message;
    zm_object_t *object;
    const char *name;
    zm_buf_add_c(&letter, "to bob\nenv-end\n");
    for (i = 0; i < 3000; i++)
        zm_buf_printf(&letter, "X-%u: value\r\n fold\n", (unsigned)i);
    zm_buf_add_c(&letter, "\nbody ");
    name = zm_test_publish(test.spool, "router", 0, zm_buf_c(&letter));
    ZM_ASSERT_OK(zm_object_open(&object, test.spool, name, ZM_OBJECT_READ));
    ZM_ASSERT_OK(zm_message_read(&message, object, 1 << 20, zm_test_pool()));
    CU_ASSERT_EQUAL_FATAL(message->field_count, 3000);
    CU_ASSERT(zm_str_equal_c(message->fields[2999].name, "X-2999"));
    CU_ASSERT(zm_str_equal_c(message->fields[2999].value, " value\n fold"));
    CU_ASSERT_EQUAL(message->body_offset, letter.length - 5);
    CU_ASSERT_EQUAL(message->info.size, letter.length);
    CU_ASSERT_EQUAL(zm_message_read(&message, object, 30000, zm_test_pool()), ZM_E_LIMIT);
    zm_object_close(object);
    zm_buf_free(&letter);
    zm_test_spool_end(&test);
}

ZM_TESTS("spool updates " ZM_TEST_ENGINE, ZM_TEST(claim_excludes_others_and_names_the_process),
         ZM_TEST(released_recipient_can_be_claimed_again),
         ZM_TEST(offsets_that_are_no_recipients_are_refused), ZM_TEST(mark_needs_the_expected_tag),
         ZM_TEST(lock_of_a_dead_process_is_stale),
         ZM_TEST(claim_that_marks_nothing_is_seen_by_its_lock),
         ZM_TEST(diagnostics_are_appended_and_marked), ZM_TEST(diagnostic_after_a_torn_one_is_read),
         ZM_TEST(message_is_read_through_its_object))
