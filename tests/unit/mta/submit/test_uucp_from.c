#include "mta/submit/uucp_from.h"

#include <apr_strings.h>

#include "tests/unit/harness.h"

static apr_array_header_t *lines;

/* Takes a line; "ADDRESS|DATE|HOST", or "!" when it is refused. */
static const char *parsed(const char *line)
{
    uucp_from_t from;
    if (lines == NULL || uucp_parse(&from, zm_str(line), zm_test_pool()) != APR_SUCCESS)
        return "!";
    APR_ARRAY_PUSH(lines, uucp_from_t) = from;
    return apr_psprintf(zm_test_pool(), "%s|%s|%s", from.address, from.date,
                        from.host != NULL ? from.host : "-");
}

static void begin(void)
{
    lines = apr_array_make(zm_test_pool(), 4, sizeof(uucp_from_t));
}

static const char *received(void)
{
    zm_buf_t out = ZM_BUF_INIT;
    const char *text;
    uucp_received(&out, lines);
    text = apr_pstrdup(zm_test_pool(), zm_buf_c(&out));
    zm_buf_free(&out);
    return text;
}

static void a_line_has_an_address_a_date_and_a_host(void)
{
    begin();
    ZM_ASSERT_STR(parsed("From ann Fri Nov 20 10:00:00 1987 remote from seismo\n"),
                  "ann|Fri Nov 20 10:00:00 1987|seismo");
    ZM_ASSERT_STR(parsed(">From b!c  Sat Nov 21 \n"), "b!c|Sat Nov 21|-");
    ZM_ASSERT_STR(parsed("From \"a b\"@c d"), "\"a b\"@c|d|-");
    ZM_ASSERT_STR(parsed("From a\\ b d\n"), "a\\ b|d|-");
    ZM_ASSERT_STR(parsed("From ann remote from a.b-c_d"), "ann||a.b-c_d");
}

static void what_could_forge_lines_is_refused(void)
{
    begin();
    ZM_ASSERT_STR(parsed("From \n"), "!");
    ZM_ASSERT_STR(parsed(">From    \t\n"), "!");
    ZM_ASSERT_STR(parsed("From ann d remote from a(b\n"), "!");
    ZM_ASSERT_STR(parsed("From ann d remote from ( \n"), "!");
    ZM_ASSERT_STR(parsed("From an\rn d\n"), "!");
    CU_ASSERT_FALSE(uucp_is_host(""));
    CU_ASSERT_FALSE(uucp_is_host("a b"));
}

static void the_sender_is_the_way_back(void)
{
    begin();
    ZM_ASSERT_STR(uucp_sender(lines, "uunet", zm_test_pool()), "uucp");
    parsed("From b!c d1 remote from last");
    parsed(">From c d2 remote from mid.example");
    parsed(">From c d3");
    ZM_ASSERT_STR(uucp_sender(lines, "uunet", zm_test_pool()), "last!mid.example!uunet!c");
    ZM_ASSERT_STR(received(), "Received: by last.uucp ; d1\nReceived: by mid.example ; d2\n");
}

static void an_address_of_the_internet_stands_alone(void)
{
    begin();
    parsed("From x d1 remote from last");
    parsed(">From ann@example.org d2 remote from first");
    ZM_ASSERT_STR(uucp_sender(lines, "uunet", zm_test_pool()), "ann@example.org");
    begin();
    parsed("From <> d1 remote from last");
    ZM_ASSERT_STR(uucp_sender(lines, "uunet", zm_test_pool()), "");
    ZM_ASSERT_STR(received(), "");
}

ZM_TESTS("uucp from lines", ZM_TEST(a_line_has_an_address_a_date_and_a_host),
         ZM_TEST(what_could_forge_lines_is_refused), ZM_TEST(the_sender_is_the_way_back),
         ZM_TEST(an_address_of_the_internet_stands_alone))
