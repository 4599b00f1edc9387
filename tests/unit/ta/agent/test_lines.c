#include "tests/unit/harness.h"

#include "ta/agent/lines.h"

/* Converts in pieces of every size; all must give the same. */
static void check(int flags, const char *from, apr_size_t length, const char *expected,
                  apr_size_t expected_length)
{
    apr_size_t step;
    for (step = 1; step <= length; step++) {
        zm_buf_t out = ZM_BUF_INIT;
        zm_lines_t lines;
        apr_size_t at;
        zm_lines_init(&lines, flags);
        for (at = 0; at < length; at += step)
            zm_lines_put(&lines, from + at, length - at < step ? length - at : step, &out);
        zm_lines_end(&lines, &out);
        CU_ASSERT_EQUAL(out.length, expected_length);
        if (out.length == expected_length)
            CU_ASSERT_EQUAL(memcmp(out.data, expected, expected_length), 0);
        zm_buf_free(&out);
    }
}
#define CHECK(flags, from, expected)                                                               \
    check(flags, from, sizeof from - 1, expected, sizeof expected - 1)

static void missing_line_end_is_supplied(void)
{
    CHECK(0, "a\nb", "a\nb\n");
    CHECK(0, "a\nb\n", "a\nb\n");
    CHECK(ZM_LINES_CRLF, "a\nb", "a\r\nb\r\n");
}

static void leading_dots_are_doubled(void)
{
    CHECK(ZM_LINES_CRLF | ZM_LINES_DOTS, ".\na.b\n..c", "..\r\na.b\r\n...c\r\n");
}

static void bare_cr_and_nul_do_not_reach_the_wire(void)
{
    CHECK(ZM_LINES_CRLF | ZM_LINES_DOTS, "a\r.\rb\n", "a . b\r\n");
    CHECK(ZM_LINES_CRLF | ZM_LINES_DOTS, "a\r\n.\r\n", "a\r\n..\r\n");
    CHECK(ZM_LINES_CRLF | ZM_LINES_DOTS, "\r\r\nx\0y\r", " \r\nxy\r\n");
}

/* A line may not come to start with a dot because of what was left out before it. */
static void dots_behind_dropped_bytes_are_doubled(void)
{
    CHECK(ZM_LINES_CRLF | ZM_LINES_DOTS, "a\n\0.\nb\n", "a\r\n..\r\nb\r\n");
    CHECK(ZM_LINES_CRLF | ZM_LINES_DOTS, "\0\0.\r\0\n.\n", "..\r\n..\r\n");
    CHECK(ZM_LINES_CRLF | ZM_LINES_DOTS, "\r.\n\0\n", " .\r\n\r\n");
}

static void raw_mode_passes_cr_and_nul(void)
{
    CHECK(ZM_LINES_CRLF | ZM_LINES_RAW_CR, "a\rb\0c\n", "a\rb\0c\r\n");
}

static void from_lines_are_escaped(void)
{
    CHECK(ZM_LINES_FROM, "From a\nFrom\nFromage\nx From y\nFrom b",
          ">From a\nFrom\nFromage\nx From "
          "y\n>From b\n");
    CHECK(ZM_LINES_FROM, "Fro", "Fro\n");
    CHECK(ZM_LINES_FROM, "\n\nFrom \n", "\n\n>From \n");
}

ZM_TESTS("agent lines", ZM_TEST(missing_line_end_is_supplied), ZM_TEST(leading_dots_are_doubled),
         ZM_TEST(bare_cr_and_nul_do_not_reach_the_wire),
         ZM_TEST(dots_behind_dropped_bytes_are_doubled), ZM_TEST(raw_mode_passes_cr_and_nul),
         ZM_TEST(from_lines_are_escaped))
