/**
 * The memory of one scope: a bump allocator that is reset whole, or back to a mark.
 *
 * Allocation never fails to the caller: when the limit is passed the arena is
 * marked exhausted, and the evaluator stops at its next step.  Whoever makes
 * something large whose size a script controls asks zm_arena_room first.
 */
#ifndef ZM_SCRIPT_ARENA_H
#define ZM_SCRIPT_ARENA_H

#include "platform/str.h"

typedef struct zm_chunk_t {
    struct zm_chunk_t *before;
    uint64_t align;
} zm_chunk_t;

typedef struct zm_arena_t {
    apr_pool_t *pool;   /**< for what needs a pool; ends with the scope, or with a loop's turn */
    apr_pool_t *whole;  /**< the pool of the scope, cleared by reset */
    zm_chunk_t *chunks; /**< the current one first */
    zm_chunk_t *large;  /**< allocations with a block of their own, latest first */
    zm_chunk_t *spare;  /**< a chunk kept for the next need */
    char *base;         /**< first chunk, kept over resets */
    char *next, *end;
    apr_size_t used, limit;
    bool exhausted;
} zm_arena_t;

typedef struct zm_arena_mark_t {
    zm_chunk_t *chunks, *large;
    char *next, *end;
    apr_size_t used;
} zm_arena_mark_t;

void zm_arena_init(zm_arena_t *arena, apr_size_t limit, apr_pool_t *parent);
void zm_arena_destroy(zm_arena_t *arena);
void zm_arena_reset(zm_arena_t *arena);
/** Memory aligned for pointers and 64-bit integers, not cleared. */
void *zm_arena_alloc(zm_arena_t *arena, apr_size_t size);
/** Whether that much may still be allocated; if not the arena is exhausted. */
bool zm_arena_room(zm_arena_t *arena, apr_size_t size);
/** Counts memory that a script holds elsewhere (buffers) against the limit. */
void zm_arena_charge(zm_arena_t *arena, apr_size_t size);

zm_arena_mark_t zm_arena_mark(const zm_arena_t *arena);
/** Gives back everything allocated since the mark. */
void zm_arena_release(zm_arena_t *arena, const zm_arena_mark_t *mark);

#endif
