#include "platform/machine.h"

#include "tests/unit/harness.h"

static void there_is_a_processor(void)
{
    CU_ASSERT_TRUE(zm_machine_processors() >= 1);
}

static void the_load_is_told_or_refused(void)
{
    double load = -1;
    apr_status_t status = zm_machine_load(&load);
    CU_ASSERT_TRUE(status == APR_SUCCESS ? load >= 0 : status == ZM_E_UNSUPPORTED);
}

ZM_TESTS("machine", ZM_TEST(there_is_a_processor), ZM_TEST(the_load_is_told_or_refused))
