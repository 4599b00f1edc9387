/**
 * A heap of points in time.  The members stand inside the things that wait, so
 * that setting, moving and removing one is logarithmic and allocates nothing.
 */
#ifndef ZM_SCHEDULER_DUE_H
#define ZM_SCHEDULER_DUE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct zm_due_t {
    uint32_t when; /**< Unix seconds */
    uint32_t slot; /**< place in the heap + 1; 0: not in it */
} zm_due_t;

typedef struct zm_due_heap_t {
    zm_due_t **items;
    uint32_t count, capacity;
} zm_due_heap_t;

void zm_due_set(zm_due_heap_t *heap, zm_due_t *due, uint32_t when); /**< adds or moves */
void zm_due_clear(zm_due_heap_t *heap, zm_due_t *due);
/** The earliest, or null. */
zm_due_t *zm_due_first(const zm_due_heap_t *heap);
void zm_due_heap_free(zm_due_heap_t *heap);

static inline bool zm_due_is_set(const zm_due_t *due)
{
    return due->slot != 0;
}

#endif
