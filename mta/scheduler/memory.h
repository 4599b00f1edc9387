/**
 * Memory of queue objects: many small ones with lives of their own, which no
 * pool could give back one by one.
 */
#ifndef ZM_SCHEDULER_MEMORY_H
#define ZM_SCHEDULER_MEMORY_H

#include <apr_pools.h>

/** Zeroed.  Exhaustion aborts the program with a message: the queue is on disk, a restart rebuilds
 * it. */
void *zm_scheduler_alloc(apr_size_t size);
/** Grows an array to hold at least `wanted` items, doubling; *capacity is updated. */
void *zm_scheduler_grow(void *array, apr_uint32_t *capacity, apr_uint32_t wanted, apr_size_t item);
void zm_scheduler_free(void *memory); /**< null allowed */

#endif
