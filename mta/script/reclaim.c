#include "mta/script/reclaim.h"

#include <stdlib.h>

#include "mta/script/scope.h"

#define MANY_TURNS 16
#define LEAST ((apr_size_t)16 * 1024)
#define MOST ((apr_size_t)4 * 1024 * 1024)

void zm_reclaim_begin(zm_script_t *script, zm_reclaim_t *reclaim)
{
    apr_size_t threshold = script->limits.memory / 64;
    *reclaim = (zm_reclaim_t){.mark = zm_arena_mark(&script->arena),
                              .since = ++script->version,
                              .args = script->frame->args,
                              .arg_count = script->frame->count,
                              .threshold = threshold < LEAST  ? LEAST
                                           : threshold > MOST ? MOST
                                                              : threshold,
                              .outer_pool = script->arena.pool};
}

void zm_reclaim_end(zm_script_t *script, zm_reclaim_t *reclaim)
{
    script->arena.pool = reclaim->outer_pool;
}

typedef struct zm_moving_t {
    zm_script_t *script;
    const zm_reclaim_t *reclaim;
    apr_size_t copied;
    void **old; /* blocks to free when everything has been copied */
    apr_size_t old_count, old_size;
} zm_moving_t;

/* A block made in this loop is nobody else's once all values of the loop are copied; older ones
 * wait. */
static void retire(zm_moving_t *moving, zm_cell_t *cell)
{
    if (cell->owned == NULL)
        return;
    if (cell->owned_since <= moving->reclaim->since) {
        zm_block_retire(moving->script, cell->owned);
        return;
    }
    if (moving->old_count == moving->old_size) {
        moving->old_size = moving->old_size == 0 ? 64 : moving->old_size * 2;
        moving->old = realloc(moving->old, moving->old_size * sizeof *moving->old);
        if (moving->old == NULL)
            abort();
    }
    moving->old[moving->old_count++] = cell->owned;
}

static void move_cell(zm_moving_t *moving, zm_cell_t *cell)
{
    apr_size_t size = 0;
    if (cell->touched <= moving->reclaim->since)
        return;
    retire(moving, cell);
    cell->owned = cell->set ? zm_block_make(moving->script, &cell->value, &size) : NULL;
    cell->owned_since = ++moving->script->version;
    cell->touched = 0;
    cell->spare = 0;
    moving->copied += size;
}

static void move_symbol(zm_symbol_t *symbol, void *baton)
{
    move_cell(baton, &symbol->cell);
}

/* Positional arguments that `set` made in the loop. */
static void move_arguments(zm_moving_t *moving)
{
    zm_script_t *script = moving->script;
    const zm_reclaim_t *reclaim = moving->reclaim;
    zm_frame_t *frame = script->frame;
    zm_value_t list = {1, frame->count, {.items = frame->args}};
    apr_size_t size = 0;
    void *block;
    if (frame->count == 0 || (reclaim->arg_count > 0 && frame->args >= reclaim->args &&
                              frame->args < reclaim->args + reclaim->arg_count))
        return;
    block = zm_block_make(script, &list, &size);
    frame->args = list.u.items;
    frame->count = list.length;
    zm_block_retire(script, block); /* lives until the scope ends */
    moving->copied += size;
}

static void give_back(zm_script_t *script, zm_reclaim_t *reclaim)
{
    zm_moving_t moving = {script, reclaim, 0, NULL, 0, 0};
    apr_size_t i;
    uint32_t u;
    zm_symbols_each(&script->symbols, move_symbol, &moving);
    for (u = 0; u < script->undo_count; u++)
        move_cell(&moving, &script->undo[u].cell);
    move_arguments(&moving);
    for (i = 0; i < moving.old_count; i++)
        free(moving.old[i]);
    free(moving.old);
    zm_result_clear(script);
    zm_units_sweep(script, reclaim->since);
    zm_arena_release(&script->arena, &reclaim->mark);
    if (reclaim->pool != NULL)
        apr_pool_clear(reclaim->pool);
    zm_arena_charge(&script->arena, moving.copied);
    reclaim->mark.used = script->arena.used - moving.copied;
    if (reclaim->threshold < moving.copied * 4)
        reclaim->threshold = moving.copied * 4;
}

void zm_reclaim_turn(zm_script_t *script, zm_reclaim_t *reclaim)
{
    reclaim->turns++;
    if (reclaim->turns == MANY_TURNS &&
        apr_pool_create(&reclaim->pool, reclaim->outer_pool) == APR_SUCCESS)
        script->arena.pool = reclaim->pool;
    if (script->arena.used - reclaim->mark.used >= reclaim->threshold && !script->arena.exhausted)
        give_back(script, reclaim);
}
