/* The rules of smtp-contentfilter. */
#include <apr_strings.h>

#include "mta/smtpserver/sift_message.h"
#include "platform/fs.h"
#include "tests/unit/harness.h"

#define ENVELOPE "external\nfrom a@far.test\ntodsn NOTIFY=NEVER\nto bob@local.test\nenv-end\n"

static const char *write_file(const char *name, const char *text)
{
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_TRUNCATE,
                              0600, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, text, strlen(text)));
    ZM_ASSERT_OK(zm_file_close(file));
    return path;
}

static apr_status_t load(sift_rules_t **rules, const char *text)
{
    zm_error_t error = {0};
    return sift_load(rules, write_file("rules", text), zm_test_pool(), &error);
}

/* What the rules say of a message. */
static const char *judged(const char *rules_text, const char *message)
{
    sift_rules_t *rules;
    zm_buf_t verdict = ZM_BUF_INIT;
    zm_error_t error = {0};
    const char *said;
    ZM_ASSERT_OK(load(&rules, rules_text));
    if (sift_judge(&verdict, rules, write_file("message", message), zm_test_pool(), &error) !=
        APR_SUCCESS)
        said = "failure";
    else
        said = apr_pstrdup(zm_test_pool(), zm_buf_c(&verdict));
    zm_buf_free(&verdict);
    return said;
}

static void fields_that_stand_once_may_not_stand_twice(void)
{
    ZM_ASSERT_STR(judged("unique\n", ENVELOPE "Subject: a\nsubject : b\n\n"),
                  "-1 550 5.6.0 a header field stands twice: subject");
    ZM_ASSERT_STR(judged("unique\n", ENVELOPE "Subject: a\nFrom: b\nReceived: x\nReceived: y\n\n"
                                              "Subject: b\n"),
                  "0");
    ZM_ASSERT_STR(judged("", ENVELOPE "Subject: a\nSubject: b\n\n"), "0");
    ZM_ASSERT_STR(judged("unique\n", ENVELOPE "Date: x\nDate: y"),
                  "-1 550 5.6.0 a header field stands twice: date");
}

static void values_of_fields_are_compared_with_patterns(void)
{
    static const char rules[] = "# comment\n\n"
                                "header Subject \"*make money fast*\" -1 550 5.7.1 no\n"
                                "header x-mailer *bulk?mailer* 2 held\n";
    ZM_ASSERT_STR(judged(rules, ENVELOPE "Subject: Now MAKE money\n FAST!\n\n"), "-1 550 5.7.1 no");
    ZM_ASSERT_STR(judged(rules, ENVELOPE "X-Mailer: the Bulk-Mailer\n\n"), "2 held");
    ZM_ASSERT_STR(judged(rules, ENVELOPE "X-Other: make money fast\n\nSubject: make money fast\n"),
                  "0");
}

static void phrases_are_looked_for_in_the_body(void)
{
    static const char rules[] = "body \"no Spam at all\" -1 spam\nexempt *@club.test\n"
                                "exempt abuse@*\n";
    ZM_ASSERT_STR(judged(rules, ENVELOPE "a: b\n\nThis is NO SPAM at ALL.\n"), "-1 spam");
    ZM_ASSERT_STR(judged(rules, ENVELOPE "a: no spam at all\n\nx\n"), "0");
    ZM_ASSERT_STR(judged(rules, "to abuse@x.test\nto a@CLUB.test\nenv-end\n\nno spam at all\n"),
                  "0");
    ZM_ASSERT_STR(judged(rules, "to abuse@x.test\nto a@x.test\nenv-end\n\nno spam at all\n"),
                  "-1 spam");
}

static void what_is_no_message_cannot_be_judged(void)
{
    sift_rules_t *rules;
    zm_buf_t verdict = ZM_BUF_INIT;
    zm_error_t error = {0};
    ZM_ASSERT_STR(judged("unique\n", "Subject: x\n\nbody\n"), "failure");
    ZM_ASSERT_OK(load(&rules, ""));
    CU_ASSERT_NOT_EQUAL(sift_judge(&verdict, rules, "/nonexistent/x", zm_test_pool(), &error),
                        APR_SUCCESS);
    zm_buf_free(&verdict);
}

static void rules_that_cannot_be_read_are_told(void)
{
    static const char *const bad[] = {
        "uniqe\n",         "unique all\n", "header Subject\n", "header a b\n",
        "header a b no\n", "body \"x\n",   "body \"\" -1\n",   "body x\n",
        "exempt\n",        "exempt a b\n", "scanner\n",        "scanner a\nscanner b\n"};
    sift_rules_t *rules;
    apr_size_t i;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CU_ASSERT_EQUAL(load(&rules, bad[i]), ZM_E_CONFIG);
}

ZM_TESTS("sift", ZM_TEST(fields_that_stand_once_may_not_stand_twice),
         ZM_TEST(values_of_fields_are_compared_with_patterns),
         ZM_TEST(phrases_are_looked_for_in_the_body), ZM_TEST(what_is_no_message_cannot_be_judged),
         ZM_TEST(rules_that_cannot_be_read_are_told))
