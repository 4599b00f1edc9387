#include "mta/mail/form.h"

#include "tests/unit/harness.h"

static void a_form_has_headers_copies_subject_and_text(void)
{
    zm_form_t *form = zm_form_parse(
        ZM_S("HDR From: Post <p>\nHDR Sender: q\nSUB Subject: Bad news\nADR Cc: postmaster\n"
             "\nDear sender,\n\nsorry.\n"),
        zm_test_pool());
    CU_ASSERT_EQUAL(form->header_count, 2);
    CU_ASSERT(zm_str_equal_c(form->headers[1], "Sender: q"));
    CU_ASSERT(zm_str_equal_c(form->subject, "Bad news"));
    CU_ASSERT_EQUAL(form->copy_count, 1);
    CU_ASSERT(zm_str_equal_c(zm_form_field_value(form->copies[0]), "postmaster"));
    CU_ASSERT(zm_str_equal_c(form->text, "Dear sender,\n\nsorry.\n"));
}

static void a_form_without_text_or_tags_is_empty(void)
{
    zm_form_t *form = zm_form_parse(ZM_S(""), zm_test_pool());
    CU_ASSERT_EQUAL(form->header_count + form->copy_count, 0);
    CU_ASSERT_EQUAL(form->text.length, 0);
}

static void the_first_other_line_ends_the_header(void)
{
    zm_form_t *form =
        zm_form_parse(ZM_S("SUB Subject: x\r\nDear sender,\nHDR X: y\n\nsorry.\n"), zm_test_pool());
    CU_ASSERT(zm_str_equal_c(form->subject, "x"));
    CU_ASSERT_EQUAL(form->header_count, 0);
    CU_ASSERT(zm_str_equal_c(form->text, "Dear sender,\nHDR X: y\n\nsorry.\n"));
}

static void a_form_name_cannot_leave_its_directory(void)
{
    zm_form_t *form;
    CU_ASSERT_EQUAL(zm_form_read(&form, zm_test_directory(), ZM_S("../etc/passwd"), zm_test_pool()),
                    ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(zm_form_read(&form, zm_test_directory(), ZM_S(""), zm_test_pool()),
                    ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(zm_form_read(&form, zm_test_directory(), ZM_S(".hidden"), zm_test_pool()),
                    ZM_E_UNSAFE);
    CU_ASSERT(APR_STATUS_IS_ENOENT(
        zm_form_read(&form, zm_test_directory(), ZM_S("absent.form-2_x"), zm_test_pool())));
}

ZM_TESTS("form", ZM_TEST(a_form_has_headers_copies_subject_and_text),
         ZM_TEST(a_form_without_text_or_tags_is_empty),
         ZM_TEST(the_first_other_line_ends_the_header),
         ZM_TEST(a_form_name_cannot_leave_its_directory))
