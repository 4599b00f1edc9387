#include "mta/scheduler/duration.h"
#include "mta/scheduler/pattern.h"
#include "tests/unit/harness.h"

static bool match(const char *pattern, const char *text)
{
    return zm_pattern_match(zm_str(pattern), zm_str(text));
}

static void star_and_question_mark_match_as_always(void)
{
    CU_ASSERT(match("*", ""));
    CU_ASSERT(match("*-gw.x", "foo-gw.x"));
    CU_ASSERT(match("file*", "file./tmp/x"));
    CU_ASSERT(match("*funet.fi", "funet.fi"));
    CU_ASSERT(match("*funet.fi", "xfunet.fi"));
    CU_ASSERT(match("a?c", "abc"));
    CU_ASSERT_FALSE(match("a?c", "ac"));
    CU_ASSERT_FALSE(match("abc", "abcd"));
}

static void alternatives_stand_anywhere(void)
{
    CU_ASSERT(match("*.{se,dk}", "a.se"));
    CU_ASSERT_FALSE(match("*.{se,dk}", "a.sed"));
    CU_ASSERT(match("{ab,a}", "a"));
    CU_ASSERT_FALSE(match("*.{se,dk}x", "a.se"));
    CU_ASSERT(match("*.{se,dk}x", "a.dkx"));
    CU_ASSERT(match("a{b,c}d", "abd"));
    CU_ASSERT(match("{a{b,c},d*}e", "ace"));
    CU_ASSERT(match("{a{b,c},d*}e", "dxxe"));
    CU_ASSERT_FALSE(match("{a{b,c},d*}e", "ade"));
}

static void lists_know_ranges_and_inversion(void)
{
    CU_ASSERT(match("a[^x]b", "ayb"));
    CU_ASSERT_FALSE(match("a[^x]b", "axb"));
    CU_ASSERT(match("a[xy]b", "ayb"));
    CU_ASSERT(match("a[a-c]b", "abb"));
    CU_ASSERT_FALSE(match("a[a-c]b", "adb"));
    CU_ASSERT_FALSE(match("a[a-c]", "a"));
}

static void backslash_makes_literal(void)
{
    CU_ASSERT(match("a\\.b", "a.b"));
    CU_ASSERT(match("a\\*b", "a*b"));
    CU_ASSERT_FALSE(match("a\\*b", "axb"));
}

static void case_does_not_count(void)
{
    CU_ASSERT(match("SMTP*.COM", "smtp.example.com"));
    CU_ASSERT(match("[A-C]", "b"));
}

static void unclosed_brackets_are_literal(void)
{
    CU_ASSERT(match("a[b", "a[b"));
    CU_ASSERT(match("a{b", "a{b"));
}

static void hostile_patterns_end(void)
{
    char pattern[201], text[101];
    int i;
    for (i = 0; i < 100; i++)
        memcpy(pattern + 2 * i, "*a", 2);
    pattern[200] = '\0';
    memset(text, 'a', 99);
    text[99] = 'b';
    text[100] = '\0';
    CU_ASSERT_FALSE(match(pattern, text));
    CU_ASSERT_FALSE(
        match("{a,a}{a,a}{a,a}{a,a}{a,a}{a,a}{a,a}{a,a}{a,a}{a,a}{a,a}{a,a}{a,a}{a,a}{a,a}",
              "aaaaaaaaaaaaaab"));
}

static void durations_print_as_specified(void)
{
    static const struct {
        int64_t seconds;
        const char *words, *letters;
    } vectors[] = {
        {0, "0 sec", "0s"},
        {59, "59 secs", "59s"},
        {60, "1 min", "1m"},
        {3661, "1 hour 1 min 1 sec", "1h1m1s"},
        {90061, "1 day 1 hour", "1d1h"},
        {172894, "2 days 1 min 34 secs", "2d1m34s"},
        {432000, "5 days", "5d"},
        {-75, "-1 min 15 secs", "-1m15s"},
    };
    char buffer[ZM_DURATION_SIZE];
    apr_size_t i;
    for (i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        ZM_ASSERT_STR(zm_duration_long(buffer, vectors[i].seconds), vectors[i].words);
        ZM_ASSERT_STR(zm_duration_short(buffer, vectors[i].seconds), vectors[i].letters);
    }
}

ZM_TESTS("scheduler_pattern", ZM_TEST(star_and_question_mark_match_as_always),
         ZM_TEST(alternatives_stand_anywhere), ZM_TEST(lists_know_ranges_and_inversion),
         ZM_TEST(backslash_makes_literal), ZM_TEST(case_does_not_count),
         ZM_TEST(unclosed_brackets_are_literal), ZM_TEST(hostile_patterns_end),
         ZM_TEST(durations_print_as_specified))
