#include "mta/submit/sendmail_recipients.h"

#include <apr_strings.h>

#include "mta/submit/preamble.h"
#include "tests/unit/harness.h"

/* The recipients of a header, joined by '|'; "!" when it is refused. */
static const char *of_header(const char *header)
{
    apr_array_header_t *list = apr_array_make(zm_test_pool(), 4, sizeof(const char *));
    zm_error_t error;
    if (sendmail_header_recipients(list, zm_str(header), &error) != APR_SUCCESS)
        return "!";
    return apr_array_pstrcat(zm_test_pool(), list, '|');
}

static const char *with_words(const char *first, const char *word, bool add)
{
    apr_array_header_t *list = apr_array_make(zm_test_pool(), 4, sizeof(const char *));
    apr_array_header_t *words = apr_array_make(zm_test_pool(), 4, sizeof(const char *));
    APR_ARRAY_PUSH(list, const char *) = first;
    APR_ARRAY_PUSH(list, const char *) = "z@z";
    APR_ARRAY_PUSH(words, const char *) = word;
    sendmail_apply_words(list, words, add);
    return apr_array_pstrcat(zm_test_pool(), list, '|');
}

static void a_header_ends_at_its_first_empty_line(void)
{
    CU_ASSERT_EQUAL(sendmail_header_length(zm_str("To: a\nCc: b\n\nTo: c\n")), 12);
    CU_ASSERT_EQUAL(sendmail_header_length(zm_str("\nTo: c\n")), 0);
    CU_ASSERT_EQUAL(sendmail_header_length(zm_str("To: a\n")), -1);
    CU_ASSERT_EQUAL(sendmail_header_length(zm_str("")), -1);
}

static void recipients_stand_in_the_header(void)
{
    ZM_ASSERT_STR(of_header("To: A <a@x>,\n b (c)\nSubject: s\n"), "a@x|b");
    ZM_ASSERT_STR(of_header("To: friends: a, b;\n"), "a|b");
    ZM_ASSERT_STR(of_header("To: a\nResent-To: b\n"), "b");
    ZM_ASSERT_STR(of_header("To: \"a b\"@x"), "\"a b\"@x");
    ZM_ASSERT_STR(of_header("Subject: x\n"), "");
    ZM_ASSERT_STR(of_header("To: <a\n"), "!");
}

static void words_are_added_or_taken_away(void)
{
    ZM_ASSERT_STR(with_words("a@x", "b@x", true), "a@x|z@z|b@x");
    ZM_ASSERT_STR(with_words("a@x", "a@X", true), "a@x|z@z");
    ZM_ASSERT_STR(with_words("a@x", "A@x", true), "a@x|z@z|A@x");
    ZM_ASSERT_STR(with_words("a@x", "a@X", false), "z@z");
    ZM_ASSERT_STR(with_words("a@x", "a", false), "a@x|z@z");
}

static const char *phrase(const char *name)
{
    const char *result = preamble_phrase(name, zm_test_pool());
    return result != NULL ? result : "-";
}

static void a_name_is_quoted_where_it_must_be(void)
{
    ZM_ASSERT_STR(phrase("Jane Doe"), "Jane Doe");
    ZM_ASSERT_STR(phrase("Doe, J."), "\"Doe, J.\"");
    ZM_ASSERT_STR(phrase("J \"x\" \\ D"), "\"J \\\"x\\\" \\\\ D\"");
    ZM_ASSERT_STR(phrase("a\nto b"), "a to b");
    ZM_ASSERT_STR(phrase(" \t\r\n\177"), "-");
}

ZM_TESTS("sendmail recipients", ZM_TEST(a_header_ends_at_its_first_empty_line),
         ZM_TEST(recipients_stand_in_the_header), ZM_TEST(words_are_added_or_taken_away),
         ZM_TEST(a_name_is_quoted_where_it_must_be))
