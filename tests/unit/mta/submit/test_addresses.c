#include "mta/submit/sendmail_envelope.h"

#include <apr_strings.h>

#include "tests/unit/harness.h"

/* The addresses of a command line word, joined by '|'; "!" when it is refused. */
static const char *addresses(const char *word)
{
    apr_array_header_t *list = apr_array_make(zm_test_pool(), 4, sizeof(const char *));
    zm_error_t error;
    if (sendmail_addresses(list, word, &error) != APR_SUCCESS)
        return "!";
    return apr_array_pstrcat(zm_test_pool(), list, '|');
}

static void a_word_may_be_a_list(void)
{
    ZM_ASSERT_STR(addresses("a,b@c, d"), "a|b@c|d");
    ZM_ASSERT_STR(addresses("\"x,y\"@z,w"), "\"x,y\"@z|w");
    ZM_ASSERT_STR(addresses("a,"), "a");
    ZM_ASSERT_STR(addresses(",,"), "!");
    ZM_ASSERT_STR(addresses(""), "!");
}

static void names_and_comments_go(void)
{
    ZM_ASSERT_STR(addresses("Ann B <ann@c>, (hi (there), you) bob"), "ann@c|bob");
    ZM_ASSERT_STR(addresses("\"B, Ann\" <ann@c>"), "ann@c");
}

static void a_backslash_puts_the_local_part_in_quotes(void)
{
    ZM_ASSERT_STR(addresses("\\bob"), "\"\\bob\"");
    ZM_ASSERT_STR(addresses("a\\@b@c"), "\"a\\@b\"@c");
}

static void what_is_left_open_is_refused(void)
{
    ZM_ASSERT_STR(addresses("\"abc"), "!");
    ZM_ASSERT_STR(addresses("(abc"), "!");
    ZM_ASSERT_STR(addresses("a <b"), "!");
}

ZM_TESTS("sendmail addresses", ZM_TEST(a_word_may_be_a_list), ZM_TEST(names_and_comments_go),
         ZM_TEST(a_backslash_puts_the_local_part_in_quotes), ZM_TEST(what_is_left_open_is_refused))
