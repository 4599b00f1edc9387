#include "platform/clock.h"
#include "tests/unit/harness.h"

static void frozen_clocks_move_only_when_told(void)
{
    zm_clock_freeze(1000, 50);
    CU_ASSERT_EQUAL(zm_clock_wall(), 1000);
    CU_ASSERT_EQUAL(zm_clock_monotonic(), 50);
    zm_clock_advance(25);
    CU_ASSERT_EQUAL(zm_clock_wall(), 1025);
    CU_ASSERT_EQUAL(zm_clock_monotonic(), 75);
    zm_clock_thaw();
    CU_ASSERT_TRUE(zm_clock_wall() > apr_time_from_sec(1500000000));
}

static void monotonic_never_goes_back(void)
{
    apr_time_t before = zm_clock_monotonic();
    int i;
    for (i = 0; i < 1000; i++) {
        apr_time_t now = zm_clock_monotonic();
        CU_ASSERT_TRUE(now >= before);
        before = now;
    }
}

static void dates_follow_rfc5322(void)
{
    char text[40];
    zm_clock_rfc5322(text, sizeof text, apr_time_from_sec(1795237187), 1);
    ZM_ASSERT_STR(text, "Sat, 21 Nov 2026 04:59:47 +0000");
    zm_clock_rfc5322(text, sizeof text, apr_time_from_sec(951782400), 1);
    ZM_ASSERT_STR(text, "Tue, 29 Feb 2000 00:00:00 +0000");
}

static void local_dates_carry_an_offset(void)
{
    char text[40];
    zm_clock_rfc5322(text, sizeof text, apr_time_from_sec(1795237187), 0);
    CU_ASSERT_TRUE(strlen(text) >= 30);
    CU_ASSERT_TRUE(text[strlen(text) - 5] == '+' || text[strlen(text) - 5] == '-');
}

ZM_TESTS("clock", ZM_TEST(frozen_clocks_move_only_when_told), ZM_TEST(monotonic_never_goes_back),
         ZM_TEST(dates_follow_rfc5322), ZM_TEST(local_dates_carry_an_offset))
