#include "mta/router/answers.h"

#include <apr_strings.h>

#include "platform/clock.h"
#include "tests/unit/harness.h"

static router_answers_t *answers;

static void begin(void)
{
    zm_clock_freeze(apr_time_from_sec(1), apr_time_from_sec(1));
    answers = router_answers_create(zm_test_pool());
}

static const char *kept(const char *question)
{
    zm_str_t answer;
    return router_answers_find(answers, zm_str(question), &answer)
               ? zm_str_c(zm_test_pool(), answer)
               : "-";
}

static void keep(const char *question, const char *answer)
{
    router_answers_keep(answers, zm_str(question), zm_str(answer));
}

static void an_answer_is_given_again_for_a_moment(void)
{
    begin();
    keep("to\ta", "250 2.1.5 a\n");
    keep("to\tb", "554 5.1.1 b\n");
    keep("expand\tc", "250 x\n250 y\n");
    ZM_ASSERT_STR(kept("to\ta"), "250 2.1.5 a\n");
    ZM_ASSERT_STR(kept("to\tb"), "554 5.1.1 b\n");
    ZM_ASSERT_STR(kept("expand\tc"), "250 x\n250 y\n");
    ZM_ASSERT_STR(kept("to\td"), "-");
    zm_clock_advance(ROUTER_ANSWER_LIFE - 1);
    ZM_ASSERT_STR(kept("to\ta"), "250 2.1.5 a\n");
    zm_clock_advance(2);
    ZM_ASSERT_STR(kept("to\ta"), "-");
    zm_clock_thaw();
}

static void what_may_change_soon_is_asked_again(void)
{
    begin();
    keep("to\ta", "450 4.4.0 later\n");
    keep("to\tb", "250 ok\n451 later\n");
    keep("to\tc", "without a code\n");
    keep("to\td", "");
    ZM_ASSERT_STR(kept("to\ta"), "-");
    ZM_ASSERT_STR(kept("to\tb"), "-");
    ZM_ASSERT_STR(kept("to\tc"), "-");
    ZM_ASSERT_STR(kept("to\td"), "-");
    zm_clock_thaw();
}

static void memory_is_bounded(void)
{
    int i;
    char *huge = apr_palloc(zm_test_pool(), ROUTER_ANSWER_SIZE + 1);
    memset(huge, '2', ROUTER_ANSWER_SIZE);
    huge[ROUTER_ANSWER_SIZE] = '\0';
    begin();
    keep("huge", huge);
    ZM_ASSERT_STR(kept("huge"), "-");
    for (i = 0; i < 3 * ROUTER_ANSWERS; i++)
        keep(apr_psprintf(zm_test_pool(), "to\t%d", i), "250 ok\n");
    ZM_ASSERT_STR(kept("to\t0"), "-");
    ZM_ASSERT_STR(kept(apr_psprintf(zm_test_pool(), "to\t%d", i - 1)), "250 ok\n");
    router_answers_forget(answers);
    ZM_ASSERT_STR(kept(apr_psprintf(zm_test_pool(), "to\t%d", i - 1)), "-");
    zm_clock_thaw();
}

ZM_TESTS("router answers", ZM_TEST(an_answer_is_given_again_for_a_moment),
         ZM_TEST(what_may_change_soon_is_asked_again), ZM_TEST(memory_is_bounded))
