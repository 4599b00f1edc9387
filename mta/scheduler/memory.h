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

/**
 * Objects of one size, without an allocator's overhead for each.  Freed ones are
 * used again; the memory is given back with the whole slab.  Blocks grow with
 * the slab, and large ones lie on large pages.
 */
typedef struct zm_slab_t {
    apr_size_t size;  /**< of an object */
    void *freed;      /**< chain of objects to use again */
    void *blocks;     /**< chain of all memory */
    char *next;       /**< unused rest of the latest block */
    apr_size_t left;  /**< objects in that rest */
    apr_size_t total; /**< objects in all blocks */
} zm_slab_t;

void zm_slab_init(zm_slab_t *slab, apr_size_t size);
void *zm_slab_get(zm_slab_t *slab); /**< zeroed */
void zm_slab_put(zm_slab_t *slab, void *object);
void zm_slab_end(zm_slab_t *slab);

#endif
