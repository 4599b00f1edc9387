#include "mta/scheduler/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/machine.h"

/* From here on, large pages are worth their rounding. */
#define LARGE ((apr_size_t)4 << 20)

static void exhausted(apr_size_t size)
{
    fprintf(stderr, "scheduler: out of memory (%lu bytes)\n", (unsigned long)size);
    abort();
}

void *zm_scheduler_alloc(apr_size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL)
        exhausted(size);
    if (size >= LARGE)
        zm_machine_large_pages(memory, size);
    return memory;
}

void *zm_scheduler_grow(void *array, apr_uint32_t *capacity, apr_uint32_t wanted, apr_size_t item)
{
    apr_uint32_t size = *capacity;
    if (wanted <= size)
        return array;
    while (size < wanted)
        size = size < 8 ? 8 : size * 2;
    array = realloc(array, size * item);
    if (array == NULL)
        exhausted(size * item);
    if (size * item >= LARGE)
        zm_machine_large_pages(array, size * item);
    *capacity = size;
    return array;
}

void zm_scheduler_free(void *memory)
{
    free(memory);
}

/* -- slabs --------------------------------------------------------------------------------- */

#define FIRST_OBJECTS 500 /* in the first block */
#define GROWTH 4          /* a later one is that part of what there is */

void zm_slab_init(zm_slab_t *slab, apr_size_t size)
{
    memset(slab, 0, sizeof *slab);
    slab->size = (size + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
}

void *zm_slab_get(zm_slab_t *slab)
{
    void *object = slab->freed;

    if (object != NULL) {
        memcpy(&slab->freed, object, sizeof(void *));
    } else {
        if (slab->left == 0) {
            apr_size_t more =
                slab->total > GROWTH * FIRST_OBJECTS ? slab->total / GROWTH : FIRST_OBJECTS;
            char *block = zm_scheduler_alloc(sizeof slab->blocks + more * slab->size);
            memcpy(block, &slab->blocks, sizeof slab->blocks);
            slab->blocks = block;
            slab->next = block + sizeof slab->blocks;
            slab->left = more;
            slab->total += more;
        }
        object = slab->next;
        slab->next += slab->size;
        slab->left--;
    }
    return memset(object, 0, slab->size);
}

void zm_slab_put(zm_slab_t *slab, void *object)
{
    memcpy(object, &slab->freed, sizeof(void *));
    slab->freed = object;
}

void zm_slab_end(zm_slab_t *slab)
{
    void *block = slab->blocks, *next;
    for (; block != NULL; block = next) {
        memcpy(&next, block, sizeof(void *));
        free(block);
    }
    zm_slab_init(slab, slab->size);
}
