/**
 * What a fuzz target defines, and how it states what must hold.
 */
#ifndef ZM_TESTS_FUZZ_FUZZ_H
#define ZM_TESTS_FUZZ_FUZZ_H

#include <apr_general.h>
#include <apr_pools.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/** Takes one input.  The result is always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Ends the program, in every build, when an expectation does not hold. */
#define FUZZ_EXPECT(condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition);               \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/** An empty pool for one input; the same pool each time, cleared. */
static inline apr_pool_t *fuzz_pool(void)
{
    static apr_pool_t *pool;
    if (pool == NULL) {
        apr_initialize();
        atexit(apr_terminate); /* frees what a target keeps for all its inputs */
        apr_pool_create(&pool, NULL);
    }
    apr_pool_clear(pool);
    return pool;
}

#endif
