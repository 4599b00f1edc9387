#include "spool/message.h"

#include "tests/unit/harness.h"

static zm_message_t *read_text(zm_str_t text)
{
    return zm_message_parse(text, zm_test_pool());
}

static void minimal_message_is_read(void)
{
    zm_message_t *m = read_text(ZM_S("to bob\n\nbody\n"));
    CU_ASSERT_EQUAL_FATAL(m->envelope_count, 1);
    CU_ASSERT_EQUAL(m->envelope[0].keyword, ZM_ENV_TO);
    CU_ASSERT(zm_str_equal_c(m->envelope[0].value, "bob"));
    CU_ASSERT_EQUAL(m->field_count, 0);
    CU_ASSERT_EQUAL(m->body_offset, 8);
    CU_ASSERT_EQUAL(m->header_offset, 7);
}

static void envelope_and_header_are_told_apart(void)
{
    zm_message_t *m =
        read_text(ZM_S("external\nFROM  a@b\ncomment\ntodsn NOTIFY=NEVER\nto c\nenv-end\n"
                       "Subject: x\n y\n\tz\nto: d\n\nto e\n"));
    CU_ASSERT_EQUAL_FATAL(m->envelope_count, 6);
    CU_ASSERT_EQUAL(m->envelope[1].keyword, ZM_ENV_FROM);
    CU_ASSERT(zm_str_equal_c(m->envelope[1].name, "FROM"));
    CU_ASSERT(zm_str_equal_c(m->envelope[1].value, " a@b"));
    CU_ASSERT_EQUAL(m->envelope[2].value.length, 0);
    CU_ASSERT_EQUAL(m->envelope[5].keyword, ZM_ENV_END);
    CU_ASSERT_EQUAL_FATAL(m->field_count, 2);
    CU_ASSERT(zm_str_equal_c(m->fields[0].name, "Subject"));
    CU_ASSERT(zm_str_equal_c(m->fields[0].value, " x\n y\n\tz"));
    CU_ASSERT(zm_str_equal_c(m->fields[1].value, " d"));
    CU_ASSERT_EQUAL(m->header_offset, 59);
    CU_ASSERT_EQUAL(m->body_offset, 59 + 11 + 3 + 3 + 6 + 1);
}

static void header_may_start_without_end_of_envelope(void)
{
    zm_message_t *m = read_text(ZM_S("to c\nSubject: x\nto d\n"));
    CU_ASSERT_EQUAL(m->envelope_count, 1);
    CU_ASSERT_EQUAL(m->field_count, 1);
    CU_ASSERT_EQUAL(m->header_offset, 5);
    CU_ASSERT_EQUAL(m->body_offset, 16); /* "to d" is no header line: the body starts */
}

static void carriage_returns_are_dropped_from_header_lines(void)
{
    zm_message_t *m = read_text(ZM_S("to c\r\nSubject: x\r\n\tfold\ry\r\n\r\nbody\r\n"));
    CU_ASSERT(zm_str_equal_c(m->envelope[0].value, "c"));
    CU_ASSERT(zm_str_equal_c(m->fields[0].value, " x\n\tfold\ry"));
    CU_ASSERT_EQUAL(m->body_offset, 6 + 12 + 9 + 2);
}

static void last_line_without_end_is_whole(void)
{
    zm_message_t *m = read_text(ZM_S("to c\nSubject: last"));
    CU_ASSERT(zm_str_equal_c(m->fields[0].value, " last"));
    CU_ASSERT_EQUAL(m->body_offset, 18);
    m = read_text(ZM_S("to c"));
    CU_ASSERT(zm_str_equal_c(m->envelope[0].value, "c"));
    CU_ASSERT_EQUAL(m->body_offset, 4);
    m = read_text(ZM_S(""));
    CU_ASSERT(m->envelope_count == 0 && m->body_offset == 0 && m->header_offset == 0);
}

static void nul_is_data(void)
{
    zm_message_t *m = read_text(ZM_S("to c\nSubject: a\0b\n\n"));
    CU_ASSERT_EQUAL(m->fields[0].value.length, 4);
    CU_ASSERT_EQUAL(m->body_offset, 5 + 13 + 1);
}

static void blank_line_with_spaces_continues(void)
{
    zm_message_t *m = read_text(ZM_S("to c\nSubject: a\n   \nX: b\n\n"));
    CU_ASSERT_EQUAL(m->field_count, 2);
    CU_ASSERT(zm_str_equal_c(m->fields[0].value, " a\n   "));
    m = read_text(ZM_S("to c\nenv-end\n body\nmore\n"));
    CU_ASSERT_EQUAL(m->field_count, 0);
    CU_ASSERT_EQUAL(m->body_offset, 13);
    CU_ASSERT_EQUAL(m->fault, ZM_MESSAGE_OK);
}

static void null_field_names_are_kept(void)
{
    zm_message_t *m = read_text(ZM_S("to c\nenv-end\n:value\n\n"));
    CU_ASSERT_EQUAL_FATAL(m->field_count, 1);
    CU_ASSERT(zm_str_equal_c(m->fields[0].name, "X-Null-Field"));
    CU_ASSERT(zm_str_equal_c(m->fields[0].value, "value"));
}

static void envelope_faults_are_named(void)
{
    zm_message_t *m = read_text(ZM_S("to c\n folded\n\n"));
    CU_ASSERT_EQUAL(m->fault, ZM_MESSAGE_BAD_CONTINUATION);
    CU_ASSERT(zm_str_equal_c(m->fault_line, " folded"));
    CU_ASSERT_EQUAL(read_text(ZM_S(" x\n"))->fault, ZM_MESSAGE_BAD_CONTINUATION);
    CU_ASSERT_EQUAL(read_text(ZM_S("to c\n:x\n"))->fault, ZM_MESSAGE_BAD_CONTINUATION);
    m = read_text(ZM_S("to c\nnonsense value\n\n"));
    CU_ASSERT_EQUAL(m->fault, ZM_MESSAGE_BAD_KEYWORD);
    CU_ASSERT(zm_str_equal_c(m->fault_line, "nonsense value"));
    CU_ASSERT_EQUAL(read_text(ZM_S("nonsense"))->fault, ZM_MESSAGE_BAD_KEYWORD);
}

static void line_with_a_control_byte_starts_the_body(void)
{
    zm_message_t *m = read_text(ZM_S("to c\nbad\001key x\n\n"));
    CU_ASSERT_EQUAL(m->fault, ZM_MESSAGE_OK);
    CU_ASSERT_EQUAL(m->body_offset, 5);
    m = read_text(ZM_S("to c\nr\303\244: x\n\n"));
    CU_ASSERT_EQUAL(m->body_offset, 5);
}

static void todsn_must_stand_directly_before_its_recipient(void)
{
    zm_message_t *m = read_text(ZM_S("todsn a\nto b\nto c\ntodsn d\ncomment x\nto e\nto f\n\n"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(zm_message_todsn(m, 1));
    CU_ASSERT(zm_str_equal_c(zm_message_todsn(m, 1)->value, "a"));
    CU_ASSERT_PTR_NULL(zm_message_todsn(m, 2));
    CU_ASSERT_PTR_NULL(zm_message_todsn(m, 5));
    CU_ASSERT_PTR_NULL(zm_message_todsn(m, 6));
    CU_ASSERT_PTR_NULL(zm_message_todsn(m, 0));
    CU_ASSERT_PTR_NULL(zm_message_todsn(m, 99));
}

static void keywords_ignore_case(void)
{
    int i;
    for (i = 0; i < ZM_ENV_UNKNOWN; i++)
        CU_ASSERT_EQUAL(
            (int)zm_envelope_keyword(zm_str(zm_envelope_keyword_name((zm_envelope_keyword_t)i))),
            i);
    CU_ASSERT_EQUAL(zm_envelope_keyword(ZM_S("ENV-eof")), ZM_ENV_END);
    CU_ASSERT_EQUAL(zm_envelope_keyword(ZM_S("RcvdFrom")), ZM_ENV_RCVDFROM);
    CU_ASSERT_EQUAL(zm_envelope_keyword(ZM_S("")), ZM_ENV_UNKNOWN);
    CU_ASSERT_EQUAL(zm_envelope_keyword(ZM_S("unknown")), ZM_ENV_UNKNOWN);
}

ZM_TESTS("spool message file", ZM_TEST(minimal_message_is_read),
         ZM_TEST(envelope_and_header_are_told_apart),
         ZM_TEST(header_may_start_without_end_of_envelope),
         ZM_TEST(carriage_returns_are_dropped_from_header_lines),
         ZM_TEST(last_line_without_end_is_whole), ZM_TEST(nul_is_data),
         ZM_TEST(blank_line_with_spaces_continues), ZM_TEST(null_field_names_are_kept),
         ZM_TEST(envelope_faults_are_named), ZM_TEST(line_with_a_control_byte_starts_the_body),
         ZM_TEST(todsn_must_stand_directly_before_its_recipient), ZM_TEST(keywords_ignore_case))
