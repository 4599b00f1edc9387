#include "mta/script/arena.h"

#include <apr_allocator.h>
#include <stdlib.h>

#define CHUNK ((apr_size_t)64 * 1024)
#define KEPT ((apr_size_t)1024 * 1024) /* freed pool memory held for the next scope */

void zm_arena_init(zm_arena_t *arena, apr_size_t limit, apr_pool_t *parent)
{
    apr_allocator_t *allocator;
    *arena = (zm_arena_t){.limit = limit};
    if (apr_allocator_create(&allocator) != APR_SUCCESS)
        abort();
    apr_allocator_max_free_set(allocator, KEPT);
    if (apr_pool_create_ex(&arena->pool, parent, NULL, allocator) != APR_SUCCESS)
        abort();
    apr_allocator_owner_set(allocator, arena->pool);
    arena->base = apr_palloc(parent, CHUNK);
    arena->next = arena->base;
    arena->end = arena->base + CHUNK;
}

void zm_arena_reset(zm_arena_t *arena)
{
    apr_pool_clear(arena->pool);
    arena->next = arena->base;
    arena->end = arena->base + CHUNK;
    arena->used = 0;
    arena->exhausted = false;
}

void *zm_arena_alloc(zm_arena_t *arena, apr_size_t size)
{
    char *memory;
    size = (size + 7) & ~(apr_size_t)7;
    arena->used += size;
    if (arena->used > arena->limit)
        arena->exhausted = true;
    if (size <= (apr_size_t)(arena->end - arena->next)) {
        memory = arena->next;
        arena->next += size;
        return memory;
    }
    if (size > CHUNK / 4)
        return apr_palloc(arena->pool, size);
    memory = apr_palloc(arena->pool, CHUNK);
    arena->next = memory + size;
    arena->end = memory + CHUNK;
    return memory;
}

bool zm_arena_room(zm_arena_t *arena, apr_size_t size)
{
    if (size <= arena->limit && arena->used <= arena->limit - size)
        return true;
    arena->exhausted = true;
    return false;
}

void zm_arena_charge(zm_arena_t *arena, apr_size_t size)
{
    arena->used += size;
    if (arena->used > arena->limit)
        arena->exhausted = true;
}
