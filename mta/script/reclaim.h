/**
 * Giving back memory while a long loop runs.
 *
 * What a turn of a loop allocates is garbage when the turn is over, except for
 * what it put into variables and arguments.  When enough has gathered, those
 * values are copied out of the scope's memory, which is then released back to
 * where it stood when the loop began.  Nothing older can refer to newer memory,
 * because values never change.
 */
#ifndef ZM_SCRIPT_RECLAIM_H
#define ZM_SCRIPT_RECLAIM_H

#include "mta/script/interp.h"

typedef struct zm_reclaim_t {
    zm_arena_mark_t mark;
    uint64_t since; /**< the count of assignments when the loop began */
    const zm_value_t *args;
    uint32_t arg_count;
    uint32_t turns;
    apr_size_t threshold;   /**< bytes that gather before memory is given back */
    apr_pool_t *outer_pool; /**< of the arena before the loop */
    apr_pool_t *pool;       /**< the loop's own, made when it takes many turns */
} zm_reclaim_t;

void zm_reclaim_begin(zm_script_t *script, zm_reclaim_t *reclaim);
/** Between two turns. */
void zm_reclaim_turn(zm_script_t *script, zm_reclaim_t *reclaim);
void zm_reclaim_end(zm_script_t *script, zm_reclaim_t *reclaim);

#endif
