#include "tests/unit/harness.h"

#include "ta/agent/outcome.h"

static const char *line_of(const zm_outcome_t *outcome, bool success)
{
    static zm_buf_t text;
    zm_verdict_t verdict = zm_outcome_verdict(outcome, success);
    zm_buf_clear(&text);
    zm_outcome_words(outcome, &verdict, &text);
    return zm_buf_c(&text);
}

static const char *notary_of(const zm_outcome_t *outcome)
{
    static zm_buf_t text;
    zm_buf_clear(&text);
    zm_outcome_notary(outcome, ZM_S("bob@example.org"), &text);
    return zm_buf_c(&text);
}

static zm_outcome_t outcome_of(int result, const char *text)
{
    zm_outcome_t outcome = {0};
    outcome.result = result;
    outcome.text = zm_str(text);
    return outcome;
}

static void success_is_recorded_only_when_asked_for(void)
{
    zm_outcome_t outcome = outcome_of(ZM_RESULT_OK, "done");
    CU_ASSERT_TRUE(zm_outcome_verdict(&outcome, true).recorded);
    CU_ASSERT_FALSE(zm_outcome_verdict(&outcome, false).recorded);
    ZM_ASSERT_STR(line_of(&outcome, true), "ok2 done");
    ZM_ASSERT_STR(line_of(&outcome, false), "ok3 done");
    CU_ASSERT_EQUAL(zm_outcome_verdict(&outcome, false).tag, '+');
}

static void temporary_results_keep_the_recipient_pending(void)
{
    const int results[] = {70, 71, 73, 74, 75};
    int i;
    for (i = 0; i < 5; i++) {
        zm_outcome_t outcome = outcome_of(results[i], "later");
        zm_verdict_t verdict = zm_outcome_verdict(&outcome, true);
        CU_ASSERT_EQUAL(verdict.tag, ' ');
        CU_ASSERT_FALSE(verdict.recorded);
        CU_ASSERT_TRUE(verdict.with_notary);
        ZM_ASSERT_STR(line_of(&outcome, false), "deferred later");
        outcome.retry = 60;
        ZM_ASSERT_STR(line_of(&outcome, false), "retryat +60 later");
    }
}

static void whole_thread_results_have_their_own_words(void)
{
    zm_outcome_t all = outcome_of(ZM_RESULT_DEFERALL, "dead host");
    zm_outcome_t back = outcome_of(ZM_RESULT_DEFERBACK, "lost");
    all.retry = 60;
    ZM_ASSERT_STR(line_of(&all, false), "deferall dead host");
    ZM_ASSERT_STR(line_of(&back, false), "deferback lost");
}

static void permanent_results_are_recorded(void)
{
    const int results[] = {67, 68, 69};
    int i;
    for (i = 0; i < 3; i++) {
        zm_outcome_t outcome = outcome_of(results[i], "no");
        zm_verdict_t verdict = zm_outcome_verdict(&outcome, false);
        CU_ASSERT_EQUAL(verdict.tag, '-');
        CU_ASSERT_TRUE(verdict.recorded);
        CU_ASSERT_FALSE(verdict.with_notary);
        ZM_ASSERT_STR(line_of(&outcome, false), "error2 no");
    }
}

static void abnormal_results_say_so(void)
{
    zm_outcome_t outcome = outcome_of(ZM_RESULT_PROTOCOL, "what");
    ZM_ASSERT_STR(line_of(&outcome, false), "error2 what (result 76 is abnormal)");
}

static void unknown_results_are_left_to_the_scheduler(void)
{
    zm_outcome_t outcome = outcome_of(254, "ignored");
    zm_verdict_t verdict = zm_outcome_verdict(&outcome, false);
    ZM_ASSERT_STR(line_of(&outcome, false), "error Unknown sysexits error code 254!");
    CU_ASSERT_FALSE(verdict.recorded);
    CU_ASSERT_TRUE(verdict.with_notary);
    CU_ASSERT_EQUAL(verdict.tag, '-');
}

static void notary_has_five_or_six_parts(void)
{
    zm_outcome_t outcome = outcome_of(ZM_RESULT_NOUSER, "no");
    outcome.status = ZM_S("5.1.1 (bad mailbox)");
    outcome.diagnostic = ZM_S("smtp; 550 (No bob)");
    outcome.remote = ZM_S("dns; mx.example.org");
    ZM_ASSERT_STR(notary_of(&outcome), "bob@example.org\1failed\1"
                                       "5.1.1 (bad mailbox)\1smtp; 550 (No bob)\1"
                                       "dns; mx.example.org");
    outcome.remote_ip = ZM_S("192.0.2.9|25|192.0.2.1|4711");
    outcome.agent = ZM_S("smtp[811]");
    ZM_ASSERT_STR(notary_of(&outcome),
                  "bob@example.org\1failed\1"
                  "5.1.1 (bad mailbox)\1smtp; 550 (No bob)\1"
                  "dns; mx.example.org (192.0.2.9|25|192.0.2.1|4711)\1smtp[811]");
}

static void status_class_follows_the_result(void)
{
    zm_outcome_t outcome = outcome_of(ZM_RESULT_TEMPFAIL, "later");
    outcome.status = ZM_S("5.4.1");
    ZM_ASSERT_STR(notary_of(&outcome), "bob@example.org\1failed\1"
                                       "4.4.1\1\1");
    outcome.result = ZM_RESULT_UNAVAILABLE;
    outcome.status = ZM_S("4.2.2");
    ZM_ASSERT_STR(notary_of(&outcome), "bob@example.org\1failed\1"
                                       "5.2.2\1\1");
}

static void hostile_text_cannot_break_the_line(void)
{
    zm_outcome_t outcome = outcome_of(ZM_RESULT_NOUSER, "a\nb\r\nc");
    ZM_ASSERT_STR(line_of(&outcome, false), "error2 a\rb\r\rc");
    outcome.diagnostic = ZM_S("x\ty\1z\nq");
    ZM_ASSERT_STR(notary_of(&outcome), "bob@example.org\1failed\1\1x y?z\rq\1");
}

static void text_is_bounded(void)
{
    static char big[20000];
    zm_outcome_t outcome;
    memset(big, 'x', sizeof big - 1);
    outcome = outcome_of(ZM_RESULT_NOUSER, big);
    CU_ASSERT_EQUAL(strlen(line_of(&outcome, false)), 7 + 8192);
}

ZM_TESTS("agent outcome", ZM_TEST(success_is_recorded_only_when_asked_for),
         ZM_TEST(temporary_results_keep_the_recipient_pending),
         ZM_TEST(whole_thread_results_have_their_own_words),
         ZM_TEST(permanent_results_are_recorded), ZM_TEST(abnormal_results_say_so),
         ZM_TEST(unknown_results_are_left_to_the_scheduler), ZM_TEST(notary_has_five_or_six_parts),
         ZM_TEST(status_class_follows_the_result), ZM_TEST(hostile_text_cannot_break_the_line),
         ZM_TEST(text_is_bounded))
