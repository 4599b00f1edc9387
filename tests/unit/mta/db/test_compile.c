#include "mta/db/compile.h"

#include <apr_strings.h>

#include "mta/map/policy.h"
#include "tests/unit/harness.h"

static zm_buf_t notes;

static void on_note(void *baton, zm_compile_note_t what, unsigned line, const char *text)
{
    (void)baton;
    (void)text;
    zm_buf_printf(&notes, "%s%u ",
                  what == ZM_COMPILE_ERROR    ? "e"
                  : what == ZM_COMPILE_REMARK ? "r"
                                              : "d",
                  line);
}

static bool print_entry(void *baton, zm_str_t key, zm_str_t value)
{
    zm_buf_t line = ZM_BUF_INIT;
    apr_size_t i;
    if (zm_policy_key_class(key) != 0 && zm_policy_print(&line, key, value)) {
        for (i = 0; i < line.length; i++)
            zm_buf_add_byte(baton, line.data[i] == '\n'   ? ';'
                                   : line.data[i] == '\t' ? ' '
                                                          : line.data[i]);
        zm_buf_free(&line);
        return true;
    }
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

/* The same of a policy source, printed as one. */
static const char *policy(zm_compile_t *how, zm_str_t text)
{
    how->form = ZM_COMPILE_POLICY;
    return compile(how, text);
}

static void policy_rules_become_records(void)
{
    zm_compile_t how = {0};
    ZM_ASSERT_STR(policy(&how, ZM_S("# c\n\n   indented x\n"
                                    "[10.1.2.3]/8 rejectnet - maxinsize 1000\n"
                                    "A.Test\tmessage \"no, not you\" relaytarget -\r\n"
                                    "_tag # nothing\n_tag2\n"
                                    ". = _tag relaytarget - # why\n0.0.0.0/0 spf +\n")),
                  ". = \"_tag\" relaytarget \"-\";[0.0.0.0]/0 spf \"+\";"
                  "[10.0.0.0]/8 rejectnet \"-\" maxinsize \"1000\";"
                  "a.test message \"no, not you\" relaytarget \"-\";r8 ");
    CU_ASSERT_EQUAL(how.entries, 4);
    CU_ASSERT_EQUAL(how.errors, 0);
}

static void policy_rules_with_mistakes_are_left_out(void)
{
    zm_compile_t how = {0};
    ZM_ASSERT_STR(
        policy(&how, ZM_S("a.test relaytarget\nb.test nosuch +\n[1.2.3/4 spf +\n"
                          "c.test message \"x\nd.test warn-rcpt-dns-rbl +\ne\0.test spf +\n"
                          ". spf -\n0.0.0.0/0 spf -\n")),
        ". spf \"-\";[0.0.0.0]/0 spf \"-\";e1 e2 e3 e4 e5 e6 ");
    CU_ASSERT_EQUAL(how.errors, 6);
    how = (zm_compile_t){0};
    ZM_ASSERT_STR(policy(&how, zm_str(apr_psprintf(zm_test_pool(), ". message %0251d spf +\n", 1))),
                  "e1 r1 ");
}

static void policy_rules_that_look_wrong_are_remarked_upon(void)
{
    zm_compile_t how = {0};
    (void)policy(&how, ZM_S("a.test = _none spf yes\nb.test maxinsize x\nc.test test-dns-rbl +\n"
                            "d.test relaycustnet +\n.e.test acceptifdns +\nf.test = none\n"
                            "g.test ratelimitmsgs 10,x\nh.test ratelimitmsgs 10,20\n"));
    CU_ASSERT_EQUAL(how.errors, 0);
    CU_ASSERT_EQUAL(how.entries, 8);
    CU_ASSERT_EQUAL(how.remarks, 10); /* two for a.test, one each for b to g, and what is missing */
}

static void records_of_equal_keys_can_be_joined(void)
{
    zm_compile_t first = {0}, all = {.append = true};
    static const char text[] = "a.test spf +\nA.test = _t\n_t spf -\n. spf -\n0.0.0.0/0 spf -\n";
    ZM_ASSERT_STR(policy(&first, zm_str(text)),
                  ". spf \"-\";_t spf \"-\";[0.0.0.0]/0 spf \"-\";a.test spf \"+\";d2 ");
    ZM_ASSERT_STR(policy(&all, zm_str(text)), ". spf \"-\";_t spf \"-\";"
                                              "[0.0.0.0]/0 spf \"-\";a.test spf \"+\" = \"_t\";");
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
         ZM_TEST(policy_rules_become_records), ZM_TEST(policy_rules_with_mistakes_are_left_out),
         ZM_TEST(policy_rules_that_look_wrong_are_remarked_upon),
         ZM_TEST(records_of_equal_keys_can_be_joined),
         ZM_TEST(keys_of_equal_hash_are_different_keys))
