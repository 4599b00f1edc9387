#include "mta/scheduler/memory.h"

#include <stdio.h>
#include <stdlib.h>

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
    *capacity = size;
    return array;
}

void zm_scheduler_free(void *memory)
{
    free(memory);
}
