#include "mta/mail/illegal.h"
#include "tests/unit/mta/mail/fields.h"

#define ASSERT_PRINTED(text, expected) ZM_ASSERT_STR(text_of(headers_of(text)), expected)

static void values_begin_at_column_eight_at_least(void)
{
    ASSERT_PRINTED("X-Foo:bar\n", "X-Foo:\tbar\n");
    ASSERT_PRINTED("To: x\n", "To:\tx\n");
    ASSERT_PRINTED("To:\tx\n", "To:\tx\n");
    ASSERT_PRINTED("Subject: x\n", "Subject: x\n");
    ASSERT_PRINTED("Subject:x\n", "Subject: x\n");
    ASSERT_PRINTED("Comments:x\n", "Comments: x\n");
    ASSERT_PRINTED("Subject:        x\n", "Subject:\tx\n");
    ASSERT_PRINTED("Subject:    x\n", "Subject:    x\n");
    ASSERT_PRINTED("Subject:\n", "Subject: \n");
}

static void unstructured_fields_keep_their_lines(void)
{
    ASSERT_PRINTED("Subject: one\n  two\n\tthree  \n", "Subject: one\n  two\n\tthree  \n");
    ASSERT_PRINTED("Subject:\n two\n", "Subject: \n two\n");
}

static void values_cannot_end_the_header(void)
{
    zm_headers_t *headers = headers_of("A: b\n");
    zm_headers_append(headers, ZM_S("X"), ZM_S(" 1\n\nbody\n"));
    ZM_ASSERT_STR(text_of(headers), "A:\tb\nX:\t1\n\t\n\tbody\n\t\n");
}

static void addresses_are_written_anew(void)
{
    ASSERT_PRINTED("To: a ,b,\n\tJoe  <c @d> (x)\n", "To:\ta, b, Joe <c@d> (x)\n");
    ASSERT_PRINTED("Cc: list: a, b;, c\n", "Cc:\tlist: a, b;, c\n");
    ASSERT_PRINTED("Cc: list:;, m:;\n", "Cc:\tlist:;, m:;\n");
    ASSERT_PRINTED("From: <>\n", "From:\t<>\n");
    ASSERT_PRINTED("Message-ID:  <a@b>\n", "Message-ID:  <a@b>\n");
}

static void bad_fields_are_written_as_they_came(void)
{
    ASSERT_PRINTED("To: a@@b ,c,\n  d\n", "To:\ta@@b ,c,\n  d\n");
}

static void unchanged_fields_can_be_kept(void)
{
    zm_headers_t *headers = headers_of("To: a ,b\nDKIM-Signature: v=1\n");
    zm_buf_t buffer = ZM_BUF_INIT;
    CU_ASSERT_TRUE(zm_headers_signed(headers));
    zm_headers_print(&buffer, headers, ZM_PRINT_KEEP);
    ZM_ASSERT_STR(zm_buf_c(&buffer), "To: a ,b\nDKIM-Signature: v=1\n");
    zm_buf_free(&buffer);
}

static void lines_are_broken_before_an_address_that_passes_the_margin(void)
{
    ASSERT_PRINTED(
        "To: aaaaaaaaaaaaaaaaaaaaaaaa@example.org, bbbbbbbbbbbbbbbbbbb@example.org, c@d\n",
        "To:\taaaaaaaaaaaaaaaaaaaaaaaa@example.org, bbbbbbbbbbbbbbbbbbb@example.org,\n"
        "\tc@d\n");
    /* one byte more, and the comma would stand in column 79 */
    ASSERT_PRINTED(
        "To: aaaaaaaaaaaaaaaaaaaaaaaa@example.org, bbbbbbbbbbbbbbbbbbbb@example.org, c@d\n",
        "To:\taaaaaaaaaaaaaaaaaaaaaaaa@example.org,\n"
        "\tbbbbbbbbbbbbbbbbbbbb@example.org, c@d\n");
    ASSERT_PRINTED(
        "Reply-To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.org, b\n",
        "Reply-To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.org,\n"
        "\t  b\n");
}

static void long_addresses_are_folded_inside_names_and_comments(void)
{
    zm_headers_t *headers = headers_of(
        "To: \"A very long display name that goes on and on beyond the margin of a line\" "
        "<someone@example.org> (and a comment which is also quite long so that it must be folded "
        "again and again until it ends)\n");
    zm_str_t once = zm_str(text_of(headers)), line, rest = once;
    while (zm_str_cut(rest, '\n', &line, &rest))
        CU_ASSERT_TRUE(line.length <= 78);
    ZM_ASSERT_STR(text_of(headers_of(once.data)), once.data);
    CU_ASSERT_EQUAL(headers_of(once.data)->first->parsed->mailboxes, 1);
}

static void printing_twice_is_the_same_as_once(void)
{
    static const char *const texts[] = {
        "From: \"x, y\" (c (d)) <@a,@b:c@d>\nTo: g: a, b (c); (d), e, \"h i\"@j\nCc: \\root\n",
        "Bcc: a\nMessage-Id: <a.b@[1.2.3.4]> (c)\nReply-To: \xc3\x96 <\xc3\xb6@x>\n",
    };
    unsigned i;
    for (i = 0; i < 2; i++) {
        const char *once = text_of(headers_of(texts[i]));
        ZM_ASSERT_STR(text_of(headers_of(once)), once);
    }
}

static void illegal_object_follows_a_field_with_good_addresses(void)
{
    zm_headers_t *headers = headers_of("To: a@b, J. Random <c@d>\nSubject: x\n");
    CU_ASSERT_EQUAL(zm_headers_mark_illegal(headers, "mx.org"), 1);
    ZM_ASSERT_STR(text_of(headers),
                  "To:\ta@b, J. Random <c@d>\n"
                  "Illegal-Object:\tsyntax error in To: address found on mx.org:\n"
                  "\tJ. Random <c@d>\n"
                  "\t          ^-expected a comma\n"
                  "Subject: x\n");
}

static void illegal_object_replaces_a_field_without_good_addresses(void)
{
    zm_headers_t *headers = headers_of("From: \"a <b@c>\nMessage-Id: none\n");
    CU_ASSERT_EQUAL(zm_headers_mark_illegal(headers, "mx.org"), 2);
    ZM_ASSERT_STR(text_of(headers),
                  "Illegal-Object:\tsyntax error in From: address found on mx.org:\n"
                  "\t\"a <b@c>\n"
                  "\t^-missing closing \"\n"
                  "Illegal-Object:\tsyntax error in Message-Id: value found on mx.org:\n"
                  "\tnone\n"
                  "\t^-expected <\n");
}

static void long_bad_values_are_shown_in_part(void)
{
    apr_size_t length = 100000;
    char *text = apr_palloc(zm_test_pool(), length);
    zm_address_list_t *list;
    zm_buf_t buffer = ZM_BUF_INIT;
    memset(text, 'a', length);
    text[length / 2] = '\1';
    list = zm_address_parse(ZM_RULE_ADDRESS_LIST, zm_str_of(text, length), zm_test_pool());
    zm_add_problems(&buffer, list, "");
    CU_ASSERT_TRUE(buffer.length < 500);
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&buffer), "a?\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&buffer), " ^-control character\n"));
    zm_buf_free(&buffer);
}

ZM_TESTS("mail.print", ZM_TEST(values_begin_at_column_eight_at_least),
         ZM_TEST(unstructured_fields_keep_their_lines), ZM_TEST(values_cannot_end_the_header),
         ZM_TEST(addresses_are_written_anew), ZM_TEST(bad_fields_are_written_as_they_came),
         ZM_TEST(unchanged_fields_can_be_kept),
         ZM_TEST(lines_are_broken_before_an_address_that_passes_the_margin),
         ZM_TEST(long_addresses_are_folded_inside_names_and_comments),
         ZM_TEST(printing_twice_is_the_same_as_once),
         ZM_TEST(illegal_object_follows_a_field_with_good_addresses),
         ZM_TEST(illegal_object_replaces_a_field_without_good_addresses),
         ZM_TEST(long_bad_values_are_shown_in_part))
