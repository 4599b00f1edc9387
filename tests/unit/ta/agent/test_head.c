#include "tests/unit/harness.h"

#include "ta/agent/fields.h"
#include "ta/agent/head.h"

static const char *written(const zm_fields_t *fields, zm_head_style_t style)
{
    static zm_buf_t text;
    zm_buf_clear(&text);
    zm_head_write(fields, &style, &text);
    return zm_buf_c(&text);
}

static zm_fields_t parse(const char *text)
{
    zm_fields_t fields;
    zm_fields_parse(&fields, zm_str(text), zm_test_pool());
    return fields;
}

static void fields_keep_their_folds(void)
{
    zm_fields_t fields = parse("A: 1\nB: 2\n more\n\tyet more\nC:\n");
    CU_ASSERT_EQUAL(fields.count, 3);
    CU_ASSERT_EQUAL(zm_fields_find(&fields, "b", 0), 1);
    CU_ASSERT_TRUE(zm_str_equal_c(fields.items[1].text, "B: 2\n more\n\tyet more"));
    CU_ASSERT_TRUE(zm_str_equal_c(zm_field_value(&fields.items[1]), "2\n more\n\tyet more"));
    CU_ASSERT_EQUAL(zm_field_value(&fields.items[2]).length, 0);
    ZM_ASSERT_STR(written(&fields, (zm_head_style_t){0}),
                  "A: 1\nB: 2\n more\n        yet more\nC:\n");
}

static void lines_that_are_no_fields_are_kept(void)
{
    zm_fields_t fields = parse("no colon here\nA: 1");
    CU_ASSERT_EQUAL(fields.count, 2);
    CU_ASSERT_EQUAL(fields.items[0].name.length, 0);
    ZM_ASSERT_STR(written(&fields, (zm_head_style_t){0}), "no colon here\nA: 1\n");
}

static void fields_are_removed_inserted_and_replaced(void)
{
    zm_fields_t fields = parse("A: 1\nX: gone\nB: 2\nx : gone too\n"), copy;
    zm_fields_copy(&copy, &fields, zm_test_pool());
    zm_fields_remove(&fields, "X");
    zm_fields_insert(&fields, 1, ZM_S("N: new"));
    zm_fields_append(&fields, "E: %d", 3);
    zm_fields_replace(&fields, 0, ZM_S("A: one"));
    ZM_ASSERT_STR(written(&fields, (zm_head_style_t){0}), "A: one\nN: new\nB: 2\nE: 3\n");
    CU_ASSERT_EQUAL(copy.count, 4);
}

static void tabs_become_columns_of_eight(void)
{
    zm_fields_t fields = parse("Ab:\tc\td");
    ZM_ASSERT_STR(written(&fields, (zm_head_style_t){0}), "Ab:     c       d\n");
    ZM_ASSERT_STR(written(&fields, (zm_head_style_t){.keep_tabs = true}), "Ab:\tc\td\n");
}

static void wire_form_has_crlf_and_doubled_dots(void)
{
    zm_fields_t fields = parse(".A: 1\nB: 2\n .x");
    ZM_ASSERT_STR(written(&fields, (zm_head_style_t){.crlf = true, .dots = true}),
                  "..A: 1\r\nB: 2\r\n .x\r\n");
}

static void bare_cr_and_nul_leave_the_header(void)
{
    zm_fields_t fields;
    zm_fields_parse(&fields, ZM_S("A: 1\r\nB\0: 2\rX"), zm_test_pool());
    ZM_ASSERT_STR(written(&fields, (zm_head_style_t){0}), "A: 1\nB: 2X\n");
}

static void dots_behind_dropped_bytes_are_doubled(void)
{
    zm_fields_t fields;
    zm_fields_parse(&fields, ZM_S("A: 1\n\r.\n\0.x\n"), zm_test_pool());
    ZM_ASSERT_STR(written(&fields, (zm_head_style_t){.crlf = true, .dots = true}),
                  "A: 1\r\n..\r\n..x\r\n");
}

static void for_clause_stands_before_the_last_semicolon(void)
{
    zm_fields_t fields = parse("Received: from a (b; c) by d\n\tid X ; Mon, 1 Jan\nTo: x");
    zm_head_style_t style = {.keep_tabs = true, .for_address = ZM_S("u@h")};
    ZM_ASSERT_STR(written(&fields, style), "Received: from a (b; c) by d\n\tid X\n\tfor <u@h> ; "
                                           "Mon, 1 Jan\nTo: x\n");
}

static void for_clause_is_added_once_and_to_received_only(void)
{
    zm_head_style_t style = {.keep_tabs = true, .for_address = ZM_S("u@h")};
    zm_fields_t with = parse("Received: by d for <x@y>; Mon");
    zm_fields_t without = parse("X: 1;\nReceived: by d; Mon");
    ZM_ASSERT_STR(written(&with, style), "Received: by d for <x@y>; Mon\n");
    ZM_ASSERT_STR(written(&without, style), "X: 1;\nReceived: by d; Mon\n");
}

static void for_clause_cannot_end_the_line(void)
{
    zm_head_style_t style = {.keep_tabs = true, .for_address = ZM_S("u\nBcc: v")};
    zm_fields_t fields = parse("Received: by d");
    ZM_ASSERT_STR(written(&fields, style), "Received: by d\n\tfor <u?Bcc: v>\n");
}

ZM_TESTS("agent header", ZM_TEST(fields_keep_their_folds),
         ZM_TEST(lines_that_are_no_fields_are_kept),
         ZM_TEST(fields_are_removed_inserted_and_replaced), ZM_TEST(tabs_become_columns_of_eight),
         ZM_TEST(wire_form_has_crlf_and_doubled_dots), ZM_TEST(bare_cr_and_nul_leave_the_header),
         ZM_TEST(dots_behind_dropped_bytes_are_doubled),
         ZM_TEST(for_clause_stands_before_the_last_semicolon),
         ZM_TEST(for_clause_is_added_once_and_to_received_only),
         ZM_TEST(for_clause_cannot_end_the_line))
