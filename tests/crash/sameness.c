/*
 * What would make a run differ from the next one, or slow it down: random bytes,
 * threads, pools.  The linker sends the calls of all libraries here (--wrap).
 */
#include <apr_general.h>
#include <apr_thread_proc.h>

#include "tests/crash/disk.h"
static uint64_t random_state;

void disk_seed(uint64_t seed)
{
    random_state = disk_mix(seed + 77);
}

apr_status_t __wrap_apr_generate_random_bytes(unsigned char *buffer, apr_size_t length);
apr_status_t __wrap_apr_generate_random_bytes(unsigned char *buffer, apr_size_t length)
{
    while (length-- > 0) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        *buffer++ = (unsigned char)(random_state >> 33);
    }
    return APR_SUCCESS;
}

/* A pool without parent has an allocator of its own, which costs system calls: here all share one.
 */
apr_status_t __real_apr_pool_create_unmanaged_ex(apr_pool_t **pool, apr_abortfunc_t abort_fn,
                                                 apr_allocator_t *allocator);
apr_status_t __wrap_apr_pool_create_unmanaged_ex(apr_pool_t **pool, apr_abortfunc_t abort_fn,
                                                 apr_allocator_t *allocator);
apr_status_t __wrap_apr_pool_create_unmanaged_ex(apr_pool_t **pool, apr_abortfunc_t abort_fn,
                                                 apr_allocator_t *allocator)
{
    static apr_allocator_t *shared;
    if (allocator == NULL) {
        if (shared == NULL && apr_allocator_create(&shared) != APR_SUCCESS)
            return APR_ENOMEM;
        allocator = shared;
    }
    return __real_apr_pool_create_unmanaged_ex(pool, abort_fn, allocator);
}

/*
 * Everything that has threads does without when there are none to be had.  For a
 * moment they may seem to start: then what they should do waits for somebody who
 * does it himself, and publishes gather into a group.
 */
static bool threads_seem_to_start;

void disk_threads(bool seem_to_start)
{
    threads_seem_to_start = seem_to_start;
}

apr_status_t __wrap_apr_thread_create(apr_thread_t **thread, apr_threadattr_t *attributes,
                                      apr_thread_start_t fn, void *baton, apr_pool_t *pool);
apr_status_t __wrap_apr_thread_create(apr_thread_t **thread, apr_threadattr_t *attributes,
                                      apr_thread_start_t fn, void *baton, apr_pool_t *pool)
{
    (void)attributes;
    (void)fn;
    (void)baton;
    (void)pool;
    *thread = NULL;
    return threads_seem_to_start ? APR_SUCCESS : APR_ENOTIMPL;
}

apr_status_t __wrap_apr_thread_join(apr_status_t *result, apr_thread_t *thread);
apr_status_t __wrap_apr_thread_join(apr_status_t *result, apr_thread_t *thread)
{
    (void)thread;
    *result = APR_SUCCESS;
    return APR_SUCCESS;
}
