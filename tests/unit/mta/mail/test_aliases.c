#include "mta/mail/aliases.h"

#include <apr_strings.h>

#include "tests/unit/harness.h"

typedef struct seen_t {
    zm_buf_t text;
    int complaints;
} seen_t;

static apr_status_t entry(void *baton, zm_str_t key, zm_str_t value, unsigned line)
{
    seen_t *seen = baton;
    zm_buf_printf(&seen->text, "%u %.*s=%.*s\n", line, (int)key.length, key.data, (int)value.length,
                  value.data);
    return APR_SUCCESS;
}

static void complain(void *baton, unsigned line, const char *what)
{
    seen_t *seen = baton;
    (void)what;
    seen->complaints++;
    zm_buf_printf(&seen->text, "%u!\n", line);
}

static void remark(void *baton, unsigned line, const char *what)
{
    seen_t *seen = baton;
    (void)what;
    zm_buf_printf(&seen->text, "%u?\n", line);
}

static const char *read(const char *text, seen_t *seen)
{
    zm_aliases_reader_t reader = {entry, complain, remark, seen};
    const char *result;
    zm_buf_clear(&seen->text);
    seen->complaints = 0;
    ZM_ASSERT_OK(zm_aliases_read(zm_str(text), &reader, zm_test_pool()));
    result = apr_pstrdup(zm_test_pool(), zm_buf_c(&seen->text));
    zm_buf_free(&seen->text);
    return result;
}

static void entries_have_lower_case_keys_and_lists(void)
{
    seen_t seen = {ZM_BUF_INIT, 0};
    ZM_ASSERT_STR(read("# c\nPostmaster: root\n\nann : bob, carol@x.test\n", &seen),
                  "2 postmaster=root\n4 ann=bob, carol@x.test\n");
}

static void parts_of_the_key_may_stand_in_a_value(void)
{
    seen_t seen = {ZM_BUF_INIT, 0};
    ZM_ASSERT_STR(read("@old.test: %1@new.test\n@x.test: |run %1 %2, \"%0\"@y.test\n", &seen),
                  "1 @old.test=%1@new.test\n2?\n2 @x.test=\"|run %1 %2\", \"%0\"@y.test\n");
    ZM_ASSERT_STR(read("a: %@new.test\n", &seen), "1!\n");
}

static void a_comma_lets_an_entry_go_on(void)
{
    seen_t seen = {ZM_BUF_INIT, 0};
    ZM_ASSERT_STR(read("team: a,\n\tb,\n  c\nx: y\n", &seen), "1 team=a, b, c\n4 x=y\n");
    ZM_ASSERT_STR(read("team: a\n\tb\n", &seen), "2!\n1 team=a\n");
    ZM_ASSERT_STR(read(" a\n", &seen), "1!\n");
}

static void quoted_keys_and_programs_are_kept(void)
{
    seen_t seen = {ZM_BUF_INIT, 0};
    ZM_ASSERT_STR(read("\"a b\": \"|/bin/x y\"\nc: |/bin/x y\n", &seen),
                  "1 \"a b\"=\"|/bin/x y\"\n2?\n2 c=\"|/bin/x y\"\n");
}

static void bare_programs_files_and_includes_get_their_quotes(void)
{
    seen_t seen = {ZM_BUF_INIT, 0};
    ZM_ASSERT_STR(read("a: b, /var/x y, :include:/l , c\n", &seen),
                  "1?\n1 a=b, \"/var/x y\", \":include:/l\" , c\n");
    ZM_ASSERT_STR(read("a: |x \"y\" z\n", &seen), "1?\n1 a=\"|x \\\"y\\\" z\"\n");
    ZM_ASSERT_STR(read("a: \":include:/l\", \\b\n", &seen), "1 a=\":include:/l\", \\b\n");
}

static void what_is_an_address_without_quotes_gets_none(void)
{
    seen_t seen = {ZM_BUF_INIT, 0};
    ZM_ASSERT_STR(read("a: b, /var/mail/x.y , |/bin/prog\n", &seen),
                  "1 a=b, /var/mail/x.y , |/bin/prog\n");
    ZM_ASSERT_STR(read("a: /S=smith/ADMD=x/@gateway.test\n", &seen),
                  "1 a=/S=smith/ADMD=x/@gateway.test\n");
    ZM_ASSERT_STR(read("a: /var/mail/x (y)\n", &seen), "1?\n1 a=\"/var/mail/x (y)\"\n");
}

static void bad_lines_cost_only_themselves(void)
{
    seen_t seen = {ZM_BUF_INIT, 0};
    ZM_ASSERT_STR(read("nothing here\na: <b\nc: d\n", &seen), "1!\n2!\n3 c=d\n");
}

static void a_nul_byte_costs_its_line(void)
{
    static const char text[] = "a: x,\n y\0,\n z\nb\0: c\n d\ne: f\n";
    seen_t seen = {ZM_BUF_INIT, 0};
    zm_aliases_reader_t reader = {entry, complain, remark, &seen};
    ZM_ASSERT_OK(zm_aliases_read(zm_str_of(text, sizeof text - 1), &reader, zm_test_pool()));
    ZM_ASSERT_STR(zm_buf_c(&seen.text), "2!\n1 a=x, z\n4!\n5!\n6 e=f\n");
    zm_buf_free(&seen.text);
}

ZM_TESTS("aliases", ZM_TEST(entries_have_lower_case_keys_and_lists),
         ZM_TEST(parts_of_the_key_may_stand_in_a_value), ZM_TEST(a_comma_lets_an_entry_go_on),
         ZM_TEST(quoted_keys_and_programs_are_kept),
         ZM_TEST(bare_programs_files_and_includes_get_their_quotes),
         ZM_TEST(what_is_an_address_without_quotes_gets_none), ZM_TEST(a_nul_byte_costs_its_line),
         ZM_TEST(bad_lines_cost_only_themselves))
