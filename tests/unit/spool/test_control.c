#include "spool/control.h"

#include <apr_strings.h>

#include "tests/unit/harness.h"

static zm_quad_t quad(const char *channel, const char *host, const char *user, int64_t privilege)
{
    return (zm_quad_t){zm_str(channel), zm_str(host), zm_str(user), privilege};
}

static zm_control_writer_t *small_file(void)
{
    zm_control_writer_t *writer = zm_control_writer(zm_test_pool());
    zm_quad_t sender = quad("local", "alice@other.net", "alice@other.net", 0);
    zm_quad_t bob = quad("local", "bob@example.org", "bob@example.org", 65534);
    zm_quad_t carol = quad("smtp", "far.example", "carol smith", -2);
    zm_control_message(writer, 4711, 120);
    zm_control_log_id(writer, ZM_S("<S4711AbmAEAAA/20260105000000Z+1@mx.example.org>"));
    zm_control_error_address(writer, ZM_S("alice@other.net"));
    zm_control_verbose(writer, ZM_S("../public/v_abcdef"));
    zm_control_sender(writer, &sender);
    zm_control_recipient(writer, &bob, ZM_S("NOTIFY=FAILURE ORCPT=rfc822;bob@example.org"),
                         ZM_S("HDRS"), ZM_S("env+2B1"));
    zm_control_recipient(writer, &carol, ZM_S(""), ZM_S("FULL"), ZM_S("lost"));
    zm_control_header(writer, ZM_S("Received: from x\n\tby y\nrandom: thing\n"));
    return writer;
}

static zm_control_file_t *parsed(zm_str_t text)
{
    zm_control_file_t *file = NULL;
    zm_error_t error;
    apr_status_t status = zm_control_parse(&file, text.data, text.length, zm_test_pool(), &error);
    if (status != APR_SUCCESS)
        CU_FAIL(error.text);
    return file;
}

static const char expected_small[] = "@ 0x00000007\n"
                                     "z 0000000385 ????????\n"
                                     "v ../public/v_abcdef\n"
                                     "i 4711\n"
                                     "o 120\n"
                                     "l <S4711AbmAEAAA/20260105000000Z+1@mx.example.org>\n"
                                     "e alice@other.net\n"
                                     "s local alice@other.net alice@other.net 0\n"
                                     "r           local bob@example.org bob@example.org 65534\n"
                                     "N NOTIFY=FAILURE ORCPT=rfc822;bob@example.org\n"
                                     "R HDRS\n"
                                     "n env+2B1\n"
                                     "r           smtp far.example \"carol smith\" -2\n"
                                     "m\n"
                                     "Received: from x\n\tby y\nrandom: thing\n"
                                     "\n";

static void written_file_has_the_classic_shape(void)
{
    zm_str_t text;
    char *shown;
    ZM_ASSERT_OK(zm_control_finish(small_file(), &text));
    CU_ASSERT_EQUAL(text.length, sizeof expected_small - 1);
    shown = zm_str_c(zm_test_pool(), text);
    memcpy(shown + 13 + 13, "????????", 8);
    ZM_ASSERT_STR(shown, expected_small);
}

static void written_file_is_read_back(void)
{
    zm_str_t text;
    zm_control_file_t *file;
    ZM_ASSERT_OK(zm_control_finish(small_file(), &text));
    file = parsed(text);
    CU_ASSERT_EQUAL_FATAL(file->recipient_count, 2);
    CU_ASSERT(file->complete);
    CU_ASSERT_EQUAL(file->format, ZM_CONTROL_FORMAT);
    CU_ASSERT(zm_str_equal_c(file->message, "4711"));
    CU_ASSERT_EQUAL(file->body_offset, 120);
    CU_ASSERT(zm_str_equal_c(file->verbose, "../public/v_abcdef"));
    CU_ASSERT(zm_str_equal_c(file->ret, "HDRS"));
    CU_ASSERT(zm_str_equal_c(file->envid, "env+2B1"));
    CU_ASSERT_EQUAL(file->recipients[0].tag, ' ');
    CU_ASSERT_EQUAL(file->recipients[0].pid_slot, -1);
    CU_ASSERT_EQUAL(file->recipients[0].quad.privilege, 65534);
    CU_ASSERT_EQUAL(text.data[file->recipients[0].offset], 'r');
    CU_ASSERT_EQUAL(text.data[file->recipients[0].dsn_offset], 'N');
    CU_ASSERT_EQUAL(file->recipients[1].dsn_offset, -1);
    CU_ASSERT(zm_str_equal_c(file->recipients[1].quad.user, "\"carol smith\""));
    CU_ASSERT_EQUAL(file->recipients[0].header, 0);
    CU_ASSERT_EQUAL(file->recipients[1].header, 0);
    CU_ASSERT(zm_str_equal_c(file->headers[0].text, "Received: from x\n\tby y\nrandom: thing\n"));
    CU_ASSERT_EQUAL(text.data + file->headers[0].offset, file->headers[0].text.data);
    CU_ASSERT(zm_str_equal_c(file->senders[0].error_address, "alice@other.net"));
}

static void truncation_at_every_byte_is_noticed(void)
{
    zm_str_t text;
    apr_size_t cut;
    ZM_ASSERT_OK(zm_control_finish(small_file(), &text));
    for (cut = 0; cut < text.length; cut++) {
        zm_control_file_t *file =
            parsed(zm_str_of(zm_str_c(zm_test_pool(), zm_str_of(text.data, cut)), cut));
        CU_ASSERT_FALSE(file->complete);
    }
}

static void a_changed_byte_is_noticed_except_in_the_slots(void)
{
    zm_str_t text;
    zm_control_file_t *file, *changed;
    zm_error_t error;
    apr_size_t i;
    ZM_ASSERT_OK(zm_control_finish(small_file(), &text));
    file = parsed(text);
    for (i = 35; i < text.length; i++) {
        char *copy = zm_str_c(zm_test_pool(), text);
        int r, in_slot = 0;
        for (r = 0; r < file->recipient_count; r++)
            in_slot |= i > file->recipients[r].offset && i <= file->recipients[r].offset + 11;
        copy[i] ^= 1;
        if (zm_control_parse(&changed, copy, text.length, zm_test_pool(), &error) == APR_SUCCESS)
            CU_ASSERT_EQUAL(changed->complete, in_slot);
    }
}

static void tags_slots_and_diagnostics_keep_a_file_complete(void)
{
    zm_str_t text;
    zm_control_file_t *file;
    char *copy;
    ZM_ASSERT_OK(zm_control_finish(small_file(), &text));
    file = parsed(text);
    copy = apr_pstrcat(zm_test_pool(), text.data,
                       "d 268:300:330::1700000000\tbob\001failed\tno\rsuch\n", "d 1:2", NULL);
    memcpy(copy + file->recipients[0].offset + 1, "~ 12345", 7);
    memcpy(copy + file->recipients[1].offset + 1, "+      1234", 11);
    file = parsed(zm_str(copy));
    CU_ASSERT(file->complete);
    CU_ASSERT_EQUAL(file->recipients[0].tag, '~');
    CU_ASSERT_EQUAL(file->recipients[0].pid_slot, 12345);
    CU_ASSERT_EQUAL(file->recipients[1].tag, '+');
    CU_ASSERT_EQUAL_FATAL(file->diagnostic_count, 1);
    CU_ASSERT_EQUAL(file->diagnostics[0].recipient_offset, 268);
    CU_ASSERT_EQUAL(file->diagnostics[0].header_offset, 300);
    CU_ASSERT_EQUAL(file->diagnostics[0].dsn_offset, 330);
    CU_ASSERT_EQUAL(file->diagnostics[0].time, 1700000000);
    CU_ASSERT(zm_str_equal_c(file->diagnostics[0].notary, "bob\001failed"));
    CU_ASSERT(zm_str_equal_c(file->diagnostics[0].text, "no\rsuch"));
}

static void writer_refuses_values_that_forge_lines(void)
{
    zm_str_t text;
    zm_quad_t evil = quad("local", "-", "x\nr           local - root 0", 0);
    zm_control_writer_t *writer = small_file();
    zm_control_recipient(writer, &evil, ZM_S(""), ZM_S(""), ZM_S(""));
    zm_control_header(writer, ZM_S(""));
    CU_ASSERT_EQUAL(zm_control_finish(writer, &text), ZM_E_SYNTAX);
    writer = small_file();
    zm_control_log_id(writer, ZM_S("<a\0b>"));
    CU_ASSERT_EQUAL(zm_control_finish(writer, &text), ZM_E_SYNTAX);
    writer = small_file();
    evil = quad("local", "-", "x", 0);
    zm_control_recipient(writer, &evil, ZM_S(""), ZM_S(""), ZM_S(""));
    zm_control_header(writer, ZM_S("Subject: x\n\nr           local - root 0\n"));
    CU_ASSERT_EQUAL(zm_control_finish(writer, &text), ZM_E_SYNTAX);
}

static void writer_refuses_incomplete_files(void)
{
    zm_str_t text;
    zm_quad_t bob = quad("local", "-", "bob", 0);
    zm_control_writer_t *writer = zm_control_writer(zm_test_pool());
    CU_ASSERT_EQUAL(zm_control_finish(writer, &text), ZM_E_SYNTAX);
    writer = small_file();
    zm_control_recipient(writer, &bob, ZM_S(""), ZM_S(""), ZM_S(""));
    CU_ASSERT_EQUAL(zm_control_finish(writer, &text), ZM_E_SYNTAX);
    writer = zm_control_writer(zm_test_pool());
    zm_control_message(writer, 1, 1);
    zm_control_log_id(writer, ZM_S("<a@b>"));
    zm_control_recipient(writer, &bob, ZM_S(""), ZM_S(""), ZM_S(""));
    zm_control_header(writer, ZM_S(""));
    CU_ASSERT_EQUAL(zm_control_finish(writer, &text), ZM_E_SYNTAX);
}

static void foreign_file_without_check_line_is_judged_by_its_end(void)
{
    static const char text[] = "@ 0x00000007\ni 77\no 30\nl <x@y>\ns error <> <> 0\n"
                               "r           local - bob 12\nm\nSubject: r\n\n";
    zm_control_file_t *file = parsed(ZM_S("@ 0x00000007\ni 77\no 1\nm\n\n"));
    apr_size_t cut;
    CU_ASSERT(file->complete);
    CU_ASSERT_EQUAL(file->unit_count, 4);
    file = parsed(zm_str(text));
    CU_ASSERT(file->complete);
    CU_ASSERT_EQUAL(file->senders[0].error_address.length, 0);
    for (cut = 0; cut < sizeof text - 1; cut++)
        CU_ASSERT_FALSE(parsed(zm_str_of(text, cut))->complete);
    CU_ASSERT_FALSE(parsed(ZM_S("i 77\no 1\nm\n\n"))->complete);
    file = parsed(zm_str(apr_pstrcat(zm_test_pool(), text, "d 40:60:-1::12\tx\ty\nd 40:6", NULL)));
    CU_ASSERT(file->complete);
}

static void files_without_format_line_have_guessed_slots(void)
{
    zm_control_file_t *file = parsed(ZM_S("s local - a 0\nr local - b 1\nr~ 12345local - c 2\n"
                                          "r           local - d 3\nm\n\n"));
    CU_ASSERT_EQUAL_FATAL(file->recipient_count, 3);
    CU_ASSERT_EQUAL(file->recipients[0].quad.privilege, 1);
    CU_ASSERT_EQUAL(file->recipients[0].pid_slot, -1);
    CU_ASSERT_EQUAL(file->recipients[1].pid_slot, 12345);
    CU_ASSERT(zm_str_equal_c(file->recipients[1].quad.channel, "local"));
    CU_ASSERT_EQUAL(file->recipients[2].quad.privilege, 3);
}

/* "~ 12345" of which the end never reached the disk must not name process 12, which may live. */
static void a_cut_process_number_names_nobody(void)
{
    zm_control_file_t *file = parsed(ZM_S(
        "@ 0x7\ni 7\nl x\ns local - a 0\nr~ 12       local - b 1\nr~ 12345    local - c 2\nm\n\n"));
    CU_ASSERT_EQUAL_FATAL(file->recipient_count, 2);
    CU_ASSERT_EQUAL(file->recipients[0].tag, '~');
    CU_ASSERT_EQUAL(file->recipients[0].pid_slot, -1);
    CU_ASSERT_EQUAL(file->recipients[1].pid_slot, 12345);
}

static void error_address_belongs_to_its_group(void)
{
    zm_control_file_t *file = parsed(ZM_S(
        "@ 0x7\ni 7\nl x\ne pre@x\ne before@x\ns smtp h \"a b\" 0\nr           c h u 1\n"
        "e next@x\ns smtp h two@x 0\ne owner@x\nr           c h v 1\nr           c h w 1\nm\n\n"
        "s error <> <> 0\ne never@x\nr           c h u 1\nm\n\n"));
    CU_ASSERT_EQUAL_FATAL(file->sender_count, 3);
    CU_ASSERT(zm_str_equal_c(file->senders[0].error_address, "a b"));
    CU_ASSERT(zm_str_equal_c(file->senders[1].error_address, "owner@x"));
    CU_ASSERT_EQUAL(file->senders[2].error_address.length, 0);
    CU_ASSERT_EQUAL(file->recipients[2].sender, 1);
    CU_ASSERT_EQUAL(file->recipients[2].header, 0);
    CU_ASSERT_EQUAL(file->recipients[3].header, 1);
}

static void a_command_file_is_read(void)
{
    zm_control_file_t *file = parsed(ZM_S("T Example.ORG [192.0.2.1]\n"));
    CU_ASSERT_EQUAL_FATAL(file->turn_count, 1);
    CU_ASSERT(zm_str_equal_c(file->turns[0], "Example.ORG [192.0.2.1]"));
    CU_ASSERT_EQUAL(file->message.length, 0);
}

static void malformed_files_are_named_corrupt(void)
{
    static const char *const texts[] = {"@ 0x00000007\nr           local - bob 12\n",
                                        "s local x\n",
                                        "s local a b c\n",
                                        "s a b c 1\n@ 7\nr           local - \n",
                                        "i ../../etc/passwd\n",
                                        "i\n",
                                        "i x1\n",
                                        "o x\n",
                                        "@ 0x\n",
                                        "@\n",
                                        "@ 12q\n",
                                        "s a b c 1\n@ 7\nr\n"};
    zm_control_file_t *file;
    zm_error_t error;
    apr_size_t i;
    for (i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        apr_status_t status =
            zm_control_parse(&file, texts[i], strlen(texts[i]), zm_test_pool(), &error);
        if (status != ZM_E_CORRUPT)
            CU_FAIL(texts[i]);
    }
    CU_ASSERT_EQUAL(zm_control_parse(&file, "@ 0x17\n", 7, zm_test_pool(), &error),
                    ZM_E_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "0x17"));
}

static void dsn_parameters_are_read(void)
{
    zm_dsn_t dsn;
    zm_dsn_parse(&dsn, ZM_S(""));
    CU_ASSERT(dsn.failure && !dsn.never && !dsn.success && !dsn.delay);
    zm_dsn_parse(&dsn,
                 ZM_S("notify=Success,DELAY ORCPT=rfc822;a+2Bb@c INRCPT=rfc822;x INFROM=rfc822;y "
                      "BY=-12;NT EZMLM=q FOO=bar"));
    CU_ASSERT(dsn.success && dsn.delay && !dsn.failure && !dsn.never && !dsn.trace);
    CU_ASSERT(zm_str_equal_c(dsn.orcpt, "rfc822;a+2Bb@c"));
    CU_ASSERT(zm_str_equal_c(dsn.inrcpt, "rfc822;x"));
    CU_ASSERT(zm_str_equal_c(dsn.infrom, "rfc822;y"));
    CU_ASSERT(zm_str_equal_c(dsn.ezmlm, "q"));
    CU_ASSERT(dsn.has_by && dsn.by == -12 && dsn.by_mode == 'N' && dsn.by_trace);
    zm_dsn_parse(&dsn, ZM_S("NOTIFY=NEVER BY=x;R"));
    CU_ASSERT(dsn.never && !dsn.failure && !dsn.has_by && !dsn.require_tls);
    zm_dsn_parse(&dsn, ZM_S("ORCPT=rfc822;a REQUIRETLS=YES"));
    CU_ASSERT(dsn.require_tls && dsn.failure);
}

ZM_TESTS("spool control file", ZM_TEST(written_file_has_the_classic_shape),
         ZM_TEST(written_file_is_read_back), ZM_TEST(truncation_at_every_byte_is_noticed),
         ZM_TEST(a_changed_byte_is_noticed_except_in_the_slots),
         ZM_TEST(tags_slots_and_diagnostics_keep_a_file_complete),
         ZM_TEST(writer_refuses_values_that_forge_lines), ZM_TEST(writer_refuses_incomplete_files),
         ZM_TEST(foreign_file_without_check_line_is_judged_by_its_end),
         ZM_TEST(files_without_format_line_have_guessed_slots),
         ZM_TEST(a_cut_process_number_names_nobody), ZM_TEST(error_address_belongs_to_its_group),
         ZM_TEST(a_command_file_is_read), ZM_TEST(malformed_files_are_named_corrupt),
         ZM_TEST(dsn_parameters_are_read))
