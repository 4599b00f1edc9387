/**
 * Variables: dynamic scopes over shallowly bound cells.
 *
 * A scope is a stretch of the undo log.  `local` saves the visible instance
 * there and puts a new one in its place; leaving the scope puts the saved
 * instances back.  Reads can be recorded with their version, so that a sift
 * finds out whether anything that its subject depends on was assigned since.
 */
#ifndef ZM_SCRIPT_SCOPE_H
#define ZM_SCRIPT_SCOPE_H

#include "mta/script/interp.h"

/** Enters a scope; the result is for zm_scope_leave. */
uint32_t zm_scope_enter(zm_script_t *script);
void zm_scope_leave(zm_script_t *script, uint32_t mark);
/** A variable of the innermost scope with that value; global when there is none. */
void zm_scope_local(zm_script_t *script, zm_symbol_t *symbol, zm_value_t value);

/** The visible value; false when unset.  Recorded while a sift subject is evaluated. */
bool zm_variable_get(zm_script_t *script, zm_symbol_t *symbol, zm_value_t *value);
void zm_variable_set(zm_script_t *script, zm_symbol_t *symbol, zm_value_t value);
/** Changes the value without counting as an assignment (lappend, lreplace). */
void zm_variable_modify(zm_script_t *script, zm_symbol_t *symbol, zm_value_t value, uint32_t spare);
/** Removes all instances and the exported one. */
void zm_variable_unset(zm_script_t *script, zm_symbol_t *symbol);
void zm_variable_export(zm_script_t *script, zm_symbol_t *symbol);
/** Puts a saved cell back (temporary assignments). */
void zm_variable_restore(zm_script_t *script, zm_symbol_t *symbol, const zm_cell_t *cell);

/**
 * A copy of the value in one malloc block, which *value then points into; null
 * when the value needs none.  *size: its bytes.  A value that would need more
 * than a scope may use becomes nil.
 */
void *zm_block_make(zm_script_t *script, zm_value_t *value, apr_size_t *size);
/** Has a block freed when the scope ends; null allowed. */
void zm_block_retire(zm_script_t *script, void *block);

/** End of the C scope: survivors become permanent, the arena is reset. */
void zm_scope_settle(zm_script_t *script);

/* -- what a sift subject depends on -------------------------------------------------------- */

typedef struct zm_dependencies_t {
    zm_read_t *reads; /**< in the arena */
    uint32_t count;
} zm_dependencies_t;

uint32_t zm_track_begin(zm_script_t *script);
void zm_track_end(zm_script_t *script, uint32_t mark, zm_dependencies_t *dependencies);
/** Whether one was assigned since, not counting assignments up to version `forgotten`. */
bool zm_track_changed(const zm_dependencies_t *dependencies, uint64_t forgotten);

/** A copy of all variables and functions, to be put back after a subshell. */
typedef struct zm_snapshot_t zm_snapshot_t;
zm_snapshot_t *zm_snapshot_take(zm_script_t *script);
void zm_snapshot_restore(zm_script_t *script, zm_snapshot_t *snapshot);

#endif
