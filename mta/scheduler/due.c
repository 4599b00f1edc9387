#include "mta/scheduler/due.h"

#include <stddef.h>

#include "mta/scheduler/memory.h"

static void put(zm_due_heap_t *heap, uint32_t i, zm_due_t *due)
{
    heap->items[i] = due;
    due->slot = i + 1;
}

static void sift_up(zm_due_heap_t *heap, uint32_t i, zm_due_t *due)
{
    while (i > 0 && heap->items[(i - 1) / 2]->when > due->when) {
        put(heap, i, heap->items[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(heap, i, due);
}

static void sift_down(zm_due_heap_t *heap, uint32_t i, zm_due_t *due)
{
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && heap->items[child + 1]->when < heap->items[child]->when)
            child++;
        if (heap->items[child]->when >= due->when)
            break;
        put(heap, i, heap->items[child]);
        i = child;
    }
    put(heap, i, due);
}

static void settle(zm_due_heap_t *heap, uint32_t i, zm_due_t *due)
{
    if (i > 0 && heap->items[(i - 1) / 2]->when > due->when)
        sift_up(heap, i, due);
    else
        sift_down(heap, i, due);
}

void zm_due_set(zm_due_heap_t *heap, zm_due_t *due, uint32_t when)
{
    due->when = when;
    if (due->slot == 0) {
        heap->items =
            zm_scheduler_grow(heap->items, &heap->capacity, heap->count + 1, sizeof heap->items[0]);
        sift_up(heap, heap->count++, due);
    } else {
        settle(heap, due->slot - 1, due);
    }
}

void zm_due_clear(zm_due_heap_t *heap, zm_due_t *due)
{
    uint32_t i = due->slot;
    zm_due_t *last;
    if (i-- == 0)
        return;
    due->slot = 0;
    last = heap->items[--heap->count];
    if (last != due)
        settle(heap, i, last);
}

zm_due_t *zm_due_first(const zm_due_heap_t *heap)
{
    return heap->count > 0 ? heap->items[0] : NULL;
}

void zm_due_heap_free(zm_due_heap_t *heap)
{
    zm_scheduler_free(heap->items);
    heap->items = NULL;
    heap->count = heap->capacity = 0;
}
