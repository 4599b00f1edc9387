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
    arena->whole = arena->pool;
    arena->base = apr_palloc(parent, CHUNK);
    arena->next = arena->base;
    arena->end = arena->base + CHUNK;
}

static void free_until(zm_chunk_t **list, const zm_chunk_t *last)
{
    while (*list != last) {
        zm_chunk_t *chunk = *list;
        *list = chunk->before;
        free(chunk);
    }
}

void zm_arena_destroy(zm_arena_t *arena)
{
    free_until(&arena->chunks, NULL);
    free_until(&arena->large, NULL);
    free(arena->spare);
    arena->spare = NULL;
}

void zm_arena_reset(zm_arena_t *arena)
{
    zm_arena_mark_t start = {NULL, NULL, arena->base, arena->base + CHUNK, 0};
    zm_arena_release(arena, &start);
    arena->pool = arena->whole;
    apr_pool_clear(arena->pool);
}

static zm_chunk_t *new_chunk(zm_chunk_t **list, apr_size_t size)
{
    zm_chunk_t *chunk = malloc(sizeof *chunk + size);
    if (chunk == NULL)
        abort();
    chunk->before = *list;
    *list = chunk;
    return chunk;
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
        return new_chunk(&arena->large, size) + 1;
    if (arena->spare != NULL) {
        arena->spare->before = arena->chunks;
        arena->chunks = arena->spare;
        arena->spare = NULL;
    } else {
        new_chunk(&arena->chunks, CHUNK);
    }
    memory = (char *)(arena->chunks + 1);
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

zm_arena_mark_t zm_arena_mark(const zm_arena_t *arena)
{
    return (zm_arena_mark_t){arena->chunks, arena->large, arena->next, arena->end, arena->used};
}

void zm_arena_release(zm_arena_t *arena, const zm_arena_mark_t *mark)
{
    if (arena->chunks != mark->chunks && arena->spare == NULL) {
        arena->spare = arena->chunks;
        arena->chunks = arena->chunks->before;
    }
    free_until(&arena->chunks, mark->chunks);
    free_until(&arena->large, mark->large);
    arena->next = mark->next;
    arena->end = mark->end;
    arena->used = mark->used;
    arena->exhausted = false;
}
