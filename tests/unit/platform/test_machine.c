#include "platform/machine.h"

#include <stdlib.h>
#include <string.h>

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

static void advice_leaves_the_contents(void)
{
    const apr_size_t size = (apr_size_t)5 << 20;
    char *memory = malloc(size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(memory);
    memset(memory, 'm', size);
    zm_machine_large_pages(memory, size);
    zm_machine_large_pages(memory, 10); /* too small for one */
    CU_ASSERT_EQUAL(memory[0], 'm');
    CU_ASSERT_EQUAL(memcmp(memory, memory + 1, size - 1), 0);
    free(memory);
}

static void an_address_is_its_own_name(void)
{
    CU_ASSERT_STRING_EQUAL(zm_machine_canonical_name("127.0.0.1", zm_test_pool()), "127.0.0.1");
    CU_ASSERT_STRING_EQUAL(zm_machine_canonical_name("no host", zm_test_pool()), "no host");
}

ZM_TESTS("machine", ZM_TEST(there_is_a_processor), ZM_TEST(the_load_is_told_or_refused),
         ZM_TEST(advice_leaves_the_contents), ZM_TEST(an_address_is_its_own_name))
