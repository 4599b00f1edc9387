#include "mta/submit/sendmail_options.h"

#include <apr_strings.h>

#include "tests/unit/harness.h"

static sendmail_options_t *parsed;
static zm_error_t error;

/* Parses a command line given as one string of blank-separated words. */
static apr_status_t parse(const char *line)
{
    apr_array_header_t *argv = apr_array_make(zm_test_pool(), 8, sizeof(const char *));
    char *rest = apr_pstrdup(zm_test_pool(), line), *last, *word;
    for (word = apr_strtok(rest, " ", &last); word != NULL; word = apr_strtok(NULL, " ", &last))
        APR_ARRAY_PUSH(argv, const char *) = word;
    return sendmail_options_parse(&parsed, argv->nelts, (const char *const *)argv->elts,
                                  zm_test_pool(), &error);
}

static const char *recipient(int index)
{
    return index < parsed->recipients->nelts
               ? APR_ARRAY_IDX(parsed->recipients, index, const char *)
               : NULL;
}

/* What well-known programs run; each must be taken for the submission that it is. */
static void callers_in_the_wild_are_understood(void)
{
    static const char *const lines[] = {
        "sendmail -FCronDaemon -odi -oem -oi -t",
        "sendmail -FCronDaemon -i -odi -oem -oi -t -f root",
        "sendmail -i -FCronDaemon -B8BITMIME -oem user",
        "sendmail -oem -oi -f a@b -B8BITMIME -N success,failure,delay -R full -- rcpt@x",
        "sendmail -t -i -fuser@dom",
        "sendmail -oi -f a@b user",
        "sendmail -oi -oee -fowner rcpt",
        "sendmail -oi -t -Ac -odd",
        "sendmail -ODeliveryMode=deferred -i -t",
        "sendmail -O DeliveryMode=deferred -i -t",
        "sendmail -ti",
        "sendmail user -f x",
    };
    apr_size_t i;
    for (i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        ZM_ASSERT_OK(parse(lines[i]));
        CU_ASSERT_EQUAL(parsed->mode, SENDMAIL_SUBMIT);
        CU_ASSERT(parsed->from_header || parsed->recipients->nelts == 1);
    }
}

static void options_may_follow_recipients_until_two_dashes(void)
{
    ZM_ASSERT_OK(parse("sendmail bob -f ann carol -- -v"));
    ZM_ASSERT_STR(parsed->sender, "ann");
    CU_ASSERT_EQUAL(parsed->recipients->nelts, 3);
    ZM_ASSERT_STR(recipient(2), "-v");
    CU_ASSERT_FALSE(parsed->verbose);
}

static void both_spellings_of_the_null_sender(void)
{
    const char *empty[] = {"sendmail", "-f", "", "bob"};
    ZM_ASSERT_OK(parse("sendmail -f <> bob"));
    ZM_ASSERT_STR(parsed->sender, "");
    ZM_ASSERT_OK(sendmail_options_parse(&parsed, 4, empty, zm_test_pool(), &error));
    ZM_ASSERT_STR(parsed->sender, "");
    empty[2] = " <> ";
    ZM_ASSERT_OK(sendmail_options_parse(&parsed, 4, empty, zm_test_pool(), &error));
    ZM_ASSERT_STR(parsed->sender, "");
    ZM_ASSERT_OK(parse("sendmail bob"));
    CU_ASSERT_PTR_NULL(parsed->sender);
}

static void dsn_words_are_checked_and_written_large(void)
{
    ZM_ASSERT_OK(parse("sendmail -N success,Delay -R hdrs -V q+2B1 bob"));
    ZM_ASSERT_STR(parsed->notify, "SUCCESS,DELAY");
    ZM_ASSERT_STR(parsed->ret, "HDRS");
    CU_ASSERT_NOT_EQUAL(parse("sendmail -N never,success bob"), APR_SUCCESS);
    CU_ASSERT_NOT_EQUAL(parse("sendmail -N sometimes bob"), APR_SUCCESS);
    CU_ASSERT_NOT_EQUAL(parse("sendmail -R half bob"), APR_SUCCESS);
    CU_ASSERT_NOT_EQUAL(parse("sendmail -V a=b bob"), APR_SUCCESS);
}

static void modes_are_told_by_option_and_by_name(void)
{
    ZM_ASSERT_OK(parse("sendmail -bs -odb -oem"));
    CU_ASSERT_EQUAL(parsed->mode, SENDMAIL_SMTP);
    ZM_ASSERT_OK(parse("/usr/bin/mailq -Ac"));
    CU_ASSERT_EQUAL(parsed->mode, SENDMAIL_QUEUE);
    ZM_ASSERT_OK(parse("newaliases"));
    CU_ASSERT_EQUAL(parsed->mode, SENDMAIL_ALIASES);
    ZM_ASSERT_OK(parse("sendmail -q30m"));
    CU_ASSERT_EQUAL(parsed->mode, SENDMAIL_NOTHING);
    ZM_ASSERT_OK(parse("sendmail -q"));
    CU_ASSERT_EQUAL(parsed->mode, SENDMAIL_FLUSH);
    CU_ASSERT_PTR_NULL(parsed->flush_option);
    ZM_ASSERT_OK(parse("sendmail -Ac -qf"));
    CU_ASSERT_EQUAL(parsed->mode, SENDMAIL_FLUSH);
    ZM_ASSERT_OK(parse("sendmail -qRexample.org"));
    CU_ASSERT_EQUAL(parsed->mode, SENDMAIL_FLUSH);
    ZM_ASSERT_STR(parsed->flush_option, "--to");
    ZM_ASSERT_STR(parsed->flush_value, "example.org");
    ZM_ASSERT_OK(parse("sendmail -q!Rexample.org"));
    CU_ASSERT_EQUAL(parsed->mode, SENDMAIL_NOTHING);
    ZM_ASSERT_OK(parse("sendmail -q bob"));
    CU_ASSERT_EQUAL(parsed->mode, SENDMAIL_SUBMIT);
    ZM_ASSERT_OK(parse("sendmail -L sm-mta -bd -q30m"));
    CU_ASSERT_EQUAL(parsed->mode, SENDMAIL_DAEMON);
    CU_ASSERT_NOT_EQUAL(parse("sendmail -bs -bp"), APR_SUCCESS);
}

static void the_version_idiom_goes_on_with_the_mode(void)
{
    ZM_ASSERT_OK(parse("sendmail -d0.1 -bv root"));
    CU_ASSERT_EQUAL(parsed->mode, SENDMAIL_VERIFY);
    CU_ASSERT(parsed->version);
    ZM_ASSERT_OK(parse("sendmail -d0 bob"));
    CU_ASSERT_EQUAL(parsed->mode, SENDMAIL_SUBMIT);
    ZM_ASSERT_OK(parse("sendmail -d0"));
    CU_ASSERT_EQUAL(parsed->mode, SENDMAIL_NOTHING);
    ZM_ASSERT_OK(parse("sendmail /?"));
    CU_ASSERT_EQUAL(parsed->mode, SENDMAIL_HELP);
    ZM_ASSERT_OK(parse("/usr/bin/purgestat -x"));
    CU_ASSERT_EQUAL(parsed->mode, SENDMAIL_UNSUPPORTED);
}

static void only_macros_of_exim_take_the_next_word(void)
{
    ZM_ASSERT_OK(parse("sendmail -oMrESMTP bob"));
    ZM_ASSERT_STR(recipient(0), "bob");
    ZM_ASSERT_OK(parse("sendmail -oMr ESMTP -oMai x -oMs host bob"));
    CU_ASSERT_EQUAL(parsed->recipients->nelts, 1);
    ZM_ASSERT_STR(recipient(0), "bob");
}

static void what_would_mislead_is_refused(void)
{
    const char *forged[] = {"sendmail", "-f", "a\nto mallory", "bob"};
    const char *hidden[] = {"sendmail", "bob\nto mallory"};
    CU_ASSERT_EQUAL(sendmail_options_parse(&parsed, 4, forged, zm_test_pool(), &error),
                    ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(sendmail_options_parse(&parsed, 2, hidden, zm_test_pool(), &error),
                    ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(parse("sendmail -Mrm 1abc"), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(parse("sendmail -bx bob"), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(parse("sendmail -Y bob"), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(parse("sendmail -p :host bob"), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(parse("sendmail bob -f"), ZM_E_SYNTAX);
    CU_ASSERT(strstr(error.text, "-f") != NULL);
}

ZM_TESTS("sendmail options", ZM_TEST(callers_in_the_wild_are_understood),
         ZM_TEST(options_may_follow_recipients_until_two_dashes),
         ZM_TEST(both_spellings_of_the_null_sender),
         ZM_TEST(dsn_words_are_checked_and_written_large),
         ZM_TEST(modes_are_told_by_option_and_by_name),
         ZM_TEST(the_version_idiom_goes_on_with_the_mode),
         ZM_TEST(only_macros_of_exim_take_the_next_word), ZM_TEST(what_would_mislead_is_refused))
