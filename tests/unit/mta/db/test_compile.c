#include "mta/db/compile.h"

#include <apr_strings.h>

#include "tests/unit/harness.h"

static zm_buf_t notes;

static void on_note(void *baton, zm_compile_note_t what, unsigned line, const char *text)
{
    (void)baton;
    (void)text;
    zm_buf_printf(&notes, "%s%u ", what == ZM_COMPILE_ERROR ? "e" : "d", line);
}

static bool print_entry(void *baton, zm_str_t key, zm_str_t value)
{
    zm_buf_printf(baton, "%.*s=%.*s;", (int)key.length, key.data, (int)value.length, value.data);
    return true;
}

/* The entries of a source, in order of keys, and then what was told. */
static const char *compile(zm_compile_t *how, zm_str_t text)
{
    static int number;
    zm_map_options_t options = {
        .file = apr_psprintf(zm_test_pool(), "%s/%d.sqlite", zm_test_directory(), ++number)};
    zm_buf_t out = ZM_BUF_INIT;
    const char *result;
    zm_error_t error;
    zm_map_t *map;
    zm_buf_clear(&notes);
    how->note = on_note;
    ZM_ASSERT_OK(zm_map_create(&map, "sqlite", &options, zm_test_pool(), &error));
    ZM_ASSERT_OK(zm_compile(how, text, map, zm_test_pool(), &error));
    ZM_ASSERT_OK(zm_map_each(map, print_entry, &out, &error));
    zm_buf_add_str(&out, zm_buf_str(&notes));
    result = apr_pstrdup(zm_test_pool(), zm_buf_c(&out));
    zm_buf_free(&out);
    zm_buf_free(&notes);
    return result;
}

static void plain_lines_have_a_word_and_the_rest(void)
{
    zm_compile_t how = {0};
    ZM_ASSERT_STR(compile(&how, ZM_S("# c\n\n  a\t one two \nb\r\n   #x y\nc x#y")),
                  "a=one two ;b=;c=x#y;");
    CU_ASSERT_EQUAL(how.entries, 3);
    CU_ASSERT_EQUAL(how.longest, 8);
    CU_ASSERT_EQUAL(how.total, 14);
}

static void keys_are_folded_as_asked(void)
{
    zm_compile_t lower = {.fold = 'l'}, upper = {.fold = 'u'}, none = {0};
    ZM_ASSERT_STR(compile(&lower, ZM_S("Ab C\n")), "ab=C;");
    ZM_ASSERT_STR(compile(&upper, ZM_S("Ab C\n")), "AB=C;");
    ZM_ASSERT_STR(compile(&none, ZM_S("Ab C\n")), "Ab=C;");
}

static void the_first_of_equal_keys_counts_and_others_are_told(void)
{
    zm_compile_t how = {.fold = 'l'};
    ZM_ASSERT_STR(compile(&how, ZM_S("a 1\nb 2\nA 3\na 4\n")), "a=1;b=2;d3 d4 ");
    CU_ASSERT_EQUAL(how.duplicates, 2);
    CU_ASSERT_EQUAL(how.errors, 0);
}

static void values_of_equal_keys_can_be_joined(void)
{
    zm_compile_t how = {.append = true};
    ZM_ASSERT_STR(compile(&how, ZM_S("a 1\na 2\na 3\n")), "a=1,\n\t2,\n\t3;");
    CU_ASSERT_EQUAL(how.entries, 1);
    CU_ASSERT_EQUAL(how.total, 10);
}

static void faulty_lines_are_told_by_number(void)
{
    zm_compile_t plain = {0}, aliases = {.form = ZM_COMPILE_ALIASES};
    ZM_ASSERT_STR(compile(&plain, ZM_S("a 1\nb\0c 2\nd 3\n")), "a=1;d=3;e2 ");
    ZM_ASSERT_STR(compile(&aliases, ZM_S("a: x\nb\n  c\nd: x,\n  y\nd: z\nE: (\n")),
                  "a=x;d=x, y;e2 e3 d6 e7 ");
    CU_ASSERT_EQUAL(aliases.errors, 3);
}

static void keys_of_equal_hash_are_different_keys(void)
{
    zm_compile_t how = {0};
    zm_buf_t text = ZM_BUF_INIT;
    int i;
    for (i = 0; i < 120000; i++) /* enough for collisions of 32 bits */
        zm_buf_printf(&text, "key%d v\n", i);
    (void)compile(&how, zm_buf_str(&text));
    CU_ASSERT_EQUAL(how.entries, 120000);
    CU_ASSERT_EQUAL(how.duplicates, 0);
    zm_buf_free(&text);
}

ZM_TESTS("compile", ZM_TEST(plain_lines_have_a_word_and_the_rest),
         ZM_TEST(keys_are_folded_as_asked),
         ZM_TEST(the_first_of_equal_keys_counts_and_others_are_told),
         ZM_TEST(values_of_equal_keys_can_be_joined), ZM_TEST(faulty_lines_are_told_by_number),
         ZM_TEST(keys_of_equal_hash_are_different_keys))
