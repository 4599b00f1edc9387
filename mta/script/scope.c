#include "mta/script/scope.h"

#include <stdlib.h>
#include <string.h>

static void *grown(void *array, uint32_t count, uint32_t *size, apr_size_t item)
{
    if (count < *size)
        return array;
    *size = *size == 0 ? 64 : *size * 2;
    array = realloc(array, *size * item);
    if (array == NULL)
        abort();
    return array;
}

/* -- watched variables ------------------------------------------------------------- */

static void forget_path(zm_symbol_t *symbol, void *baton)
{
    (void)baton;
    free(symbol->path);
    symbol->path = NULL;
}

static void changed(zm_script_t *script, zm_symbol_t *symbol)
{
    apr_size_t i;
    zm_str_t value = symbol->cell.set ? zm_value_str(symbol->cell.value) : ZM_S(" \t\n");
    if (symbol->watch == ZM_WATCH_PATH) {
        zm_symbols_each(&script->symbols, forget_path, NULL);
    } else if (symbol->watch == ZM_WATCH_IFS) {
        memset(script->ifs, 0, sizeof script->ifs);
        for (i = 0; i < value.length; i++)
            script->ifs[(unsigned char)value.data[i]] = true;
    }
}

/* -- scopes -------------------------------------------------------------------------- */

uint32_t zm_scope_enter(zm_script_t *script)
{
    script->depth++;
    return script->undo_count;
}

void zm_scope_leave(zm_script_t *script, uint32_t mark)
{
    while (script->undo_count > mark) {
        zm_undo_t *undo = &script->undo[--script->undo_count];
        zm_block_retire(script, undo->symbol->cell.owned);
        undo->symbol->cell = undo->cell;
        if (undo->symbol->watch != ZM_WATCH_NONE)
            changed(script, undo->symbol);
    }
    script->depth--;
}

static void mark_dirty(zm_script_t *script, zm_symbol_t *symbol)
{
    symbol->cell.dirty = true;
    script->dirty =
        grown(script->dirty, script->dirty_count, &script->dirty_size, sizeof *script->dirty);
    script->dirty[script->dirty_count++] = symbol;
}

void zm_scope_local(zm_script_t *script, zm_symbol_t *symbol, zm_value_t value)
{
    if (script->depth == 0) {
        zm_variable_set(script, symbol, value);
        return;
    }
    if (symbol->cell.depth != script->depth) {
        script->undo =
            grown(script->undo, script->undo_count, &script->undo_size, sizeof *script->undo);
        script->undo[script->undo_count++] = (zm_undo_t){symbol, symbol->cell};
        symbol->cell = (zm_cell_t){.depth = script->depth};
    }
    symbol->cell.value = value;
    symbol->cell.set = true;
    symbol->cell.spare = 0;
    symbol->cell.touched = symbol->cell.version = ++script->version;
    if (symbol->watch != ZM_WATCH_NONE)
        changed(script, symbol);
}

/* -- variables ------------------------------------------------------------------------ */

bool zm_variable_get(zm_script_t *script, zm_symbol_t *symbol, zm_value_t *value)
{
    if (script->tracking > 0) {
        script->reads =
            grown(script->reads, script->read_count, &script->read_size, sizeof *script->reads);
        script->reads[script->read_count++] = (zm_read_t){symbol, symbol->cell.version};
    }
    if (symbol->cell.set) {
        *value = symbol->cell.value;
        return true;
    }
    if (symbol->is_exported) {
        *value = zm_value_of(symbol->exported);
        return true;
    }
    return false;
}

void zm_variable_set(zm_script_t *script, zm_symbol_t *symbol, zm_value_t value)
{
    zm_cell_t *cell = &symbol->cell;
    cell->value = value;
    cell->set = true;
    cell->spare = 0;
    cell->touched = cell->version = ++script->version;
    if (cell->depth == 0 && !cell->dirty)
        mark_dirty(script, symbol);
    if (symbol->watch != ZM_WATCH_NONE)
        changed(script, symbol);
    if (script->flags & ZM_FLAG_ALLEXPORT)
        zm_variable_export(script, symbol);
    if (script->trace_mask & ZM_TRACE_ASSIGN)
        script->trace(script->trace_baton, ZM_TRACE_ASSIGN, script->activations, symbol->name,
                      value);
}

void zm_variable_modify(zm_script_t *script, zm_symbol_t *symbol, zm_value_t value, uint32_t spare)
{
    symbol->cell.value = value;
    symbol->cell.spare = spare;
    symbol->cell.touched = ++script->version;
    if (symbol->cell.depth == 0 && !symbol->cell.dirty)
        mark_dirty(script, symbol);
}

void zm_variable_unset(zm_script_t *script, zm_symbol_t *symbol)
{
    uint32_t i;
    for (i = 0; i < script->undo_count; i++) {
        zm_undo_t *undo = &script->undo[i];
        if (undo->symbol == symbol) {
            undo->cell.set = false;
            undo->cell.version = ++script->version;
            if (undo->cell.depth == 0 && !undo->cell.dirty) {
                undo->cell.dirty = true;
                script->dirty = grown(script->dirty, script->dirty_count, &script->dirty_size,
                                      sizeof *script->dirty);
                script->dirty[script->dirty_count++] = symbol;
            }
        }
    }
    symbol->cell.set = false;
    symbol->cell.touched = symbol->cell.version = ++script->version;
    if (symbol->cell.depth == 0 && !symbol->cell.dirty)
        mark_dirty(script, symbol);
    if (symbol->is_exported) {
        free((char *)(uintptr_t)symbol->exported.data);
        symbol->is_exported = false;
        symbol->exported = ZM_S("");
    }
    if (symbol->watch != ZM_WATCH_NONE)
        changed(script, symbol);
}

static char *keep(zm_str_t string)
{
    char *copy = malloc(string.length + 1);
    if (copy == NULL)
        abort();
    if (string.length > 0)
        memcpy(copy, string.data, string.length);
    copy[string.length] = '\0';
    return copy;
}

void zm_variable_export(zm_script_t *script, zm_symbol_t *symbol)
{
    zm_str_t value = symbol->cell.set ? zm_value_str(symbol->cell.value) : ZM_S("");
    (void)script;
    if (symbol->is_exported) {
        if (!symbol->cell.set)
            return;
        free((char *)(uintptr_t)symbol->exported.data);
    }
    symbol->exported = (zm_str_t){keep(value), value.length};
    symbol->is_exported = true;
}

void zm_variable_restore(zm_script_t *script, zm_symbol_t *symbol, const zm_cell_t *cell)
{
    bool dirty = symbol->cell.dirty;
    void *owned = symbol->cell.owned;
    symbol->cell = *cell;
    if (owned != cell->owned) { /* a loop moved the value: the saved block is retired already */
        zm_block_retire(script, owned);
        symbol->cell.owned = NULL;
        if (cell->depth == 0 && !dirty)
            mark_dirty(script, symbol);
        dirty = dirty || cell->depth == 0;
    }
    if (cell->depth == 0 && dirty)
        symbol->cell.dirty = true;
    if (symbol->watch != ZM_WATCH_NONE)
        changed(script, symbol);
}

/* -- tracking --------------------------------------------------------------------------- */

uint32_t zm_track_begin(zm_script_t *script)
{
    script->tracking++;
    return script->read_count;
}

void zm_track_end(zm_script_t *script, uint32_t mark, zm_dependencies_t *dependencies)
{
    uint32_t i, j, count = script->read_count - mark;
    const zm_read_t *reads = count > 0 ? script->reads + mark : NULL;
    script->tracking--;
    dependencies->count = 0;
    if (count > 0)
        dependencies->reads = zm_arena_alloc(&script->arena, count * sizeof *reads);
    for (i = 0; i < count; i++) {
        if (reads[i].symbol->cell.version != reads[i].version)
            continue; /* an instance that is gone, or assigned while the subject was evaluated */
        for (j = 0; j < dependencies->count && dependencies->reads[j].symbol != reads[i].symbol;)
            j++;
        if (j == dependencies->count)
            dependencies->reads[dependencies->count++] = reads[i];
    }
    if (script->tracking == 0)
        script->read_count = 0;
}

bool zm_track_changed(const zm_dependencies_t *dependencies, uint64_t forgotten)
{
    uint32_t i;
    for (i = 0; i < dependencies->count; i++) {
        uint64_t version = dependencies->reads[i].symbol->cell.version;
        if (version != dependencies->reads[i].version && version > forgotten)
            return true;
    }
    return false;
}

/* -- settling ------------------------------------------------------------------------------ */

/* Bytes that a copy needs, which shares nothing; counting stops when they exceed the limit. */
static apr_size_t size_of(zm_value_t value, apr_size_t limit)
{
    apr_size_t size;
    uint32_t i;
    if (!value.is_list)
        return value.length;
    size = value.length * sizeof value;
    for (i = 0; i < value.length && size <= limit; i++)
        size += size_of(value.u.items[i], limit - size);
    return size;
}

/* Copies bytes behind *text and items behind *items, which lie in one block. */
static zm_value_t copy_into(zm_value_t value, zm_value_t **items, char **text)
{
    if (value.length == 0) {
        return value.is_list ? ZM_VALUE_NIL : ZM_VALUE_NULL;
    } else if (!value.is_list) {
        memcpy(*text, value.u.data, value.length);
        value.u.data = *text;
        *text += value.length;
    } else {
        zm_value_t *copy = *items;
        uint32_t i;
        *items += value.length;
        for (i = 0; i < value.length; i++)
            copy[i] = copy_into(value.u.items[i], items, text);
        value.u.items = copy;
    }
    return value;
}

static apr_size_t items_of(zm_value_t value)
{
    apr_size_t count = 0;
    uint32_t i;
    if (!value.is_list)
        return 0;
    for (i = 0; i < value.length; i++)
        count += 1 + items_of(value.u.items[i]);
    return count;
}

void zm_block_retire(zm_script_t *script, void *block)
{
    if (block == NULL)
        return;
    script->retired = grown(script->retired, script->retired_count, &script->retired_size,
                            sizeof *script->retired);
    script->retired[script->retired_count++] = block;
}

/* A value becomes too large when it shared its parts. */
void *zm_block_make(zm_script_t *script, zm_value_t *value, apr_size_t *needed)
{
    apr_size_t limit = script->limits.memory, size = size_of(*value, limit);
    zm_value_t *items;
    char *block, *text;
    if (size > limit) {
        zm_complain(script, "a value too large to be kept is dropped");
        *value = ZM_VALUE_NIL;
        return NULL;
    }
    *needed = size;
    if (size == 0) {
        *value = value->is_list ? ZM_VALUE_NIL : ZM_VALUE_NULL;
        return NULL;
    }
    block = malloc(size);
    if (block == NULL)
        abort();
    items = (zm_value_t *)(void *)block;
    text = block + items_of(*value) * sizeof *items;
    *value = copy_into(*value, &items, &text);
    return block;
}

static void settle_top(zm_script_t *script)
{
    zm_value_t args = {1, script->top.count, {.items = script->top.args}};
    void *old = script->top_owned;
    apr_size_t size;
    script->top_owned = zm_block_make(script, &args, &size);
    script->top.args = args.u.items;
    free(old);
}

void zm_scope_settle(zm_script_t *script)
{
    uint32_t i, kept = script->dirty_count;
    apr_size_t size;
    void **old = kept == 0 ? NULL : calloc(kept, sizeof *old);
    if (kept > 0 && old == NULL)
        abort();
    for (i = 0; i < kept; i++) {
        zm_symbol_t *symbol = script->dirty[i];
        zm_cell_t *cell = &symbol->cell;
        if (!cell->dirty)
            continue;
        old[i] = cell->owned;
        cell->owned = NULL;
        cell->dirty = false;
        cell->spare = 0;
        cell->touched = 0;
        if (symbol->gensym) {
            cell->set = false;
            symbol->gensym = false;
        } else if (cell->set) {
            cell->owned = zm_block_make(script, &cell->value, &size);
        }
    }
    settle_top(script);
    for (i = 0; i < kept; i++)
        free(old[i]);
    free(old);
    script->dirty_count = 0;
    for (i = 0; i < script->retired_count; i++)
        free(script->retired[i]);
    script->retired_count = 0;
    zm_units_sweep(script, 0);
    zm_arena_reset(&script->arena);
}

/* -- snapshots --------------------------------------------------------------------------------- */

typedef struct zm_kept_symbol_t {
    zm_symbol_t *symbol;
    zm_cell_t cell;
    zm_function_t *function;
    bool is_exported;
    zm_str_t exported;
} zm_kept_symbol_t;

struct zm_snapshot_t {
    zm_kept_symbol_t *symbols;
    uint32_t count;
    char *traps[ZM_SIGNALS];
};

static char *copied(const char *text)
{
    return text == NULL ? NULL : keep(zm_str(text));
}

static void take_symbol(zm_symbol_t *symbol, void *baton)
{
    zm_snapshot_t *snapshot = baton;
    zm_kept_symbol_t *kept = &snapshot->symbols[snapshot->count++];
    *kept =
        (zm_kept_symbol_t){symbol, symbol->cell, symbol->function, symbol->is_exported, {"", 0}};
    if (symbol->is_exported)
        kept->exported = (zm_str_t){keep(symbol->exported), symbol->exported.length};
    if (symbol->function != NULL)
        zm_unit_hold(symbol->function->unit);
}

zm_snapshot_t *zm_snapshot_take(zm_script_t *script)
{
    zm_snapshot_t *snapshot = calloc(1, sizeof *snapshot);
    int i;
    if (snapshot != NULL)
        snapshot->symbols = calloc(script->symbols.count, sizeof *snapshot->symbols);
    if (snapshot == NULL || snapshot->symbols == NULL)
        abort();
    zm_symbols_each(&script->symbols, take_symbol, snapshot);
    for (i = 0; i < ZM_SIGNALS; i++)
        snapshot->traps[i] = copied(script->traps[i]);
    return snapshot;
}

static void clear_symbol(zm_symbol_t *symbol, void *baton)
{
    zm_script_t *script = baton;
    if (symbol->function != NULL)
        zm_unit_release(script, symbol->function->unit);
    symbol->function = NULL;
    if (symbol->is_exported)
        free((char *)(uintptr_t)symbol->exported.data);
    symbol->is_exported = false;
    symbol->cell.set = false;
}

void zm_snapshot_restore(zm_script_t *script, zm_snapshot_t *snapshot)
{
    uint32_t i;
    int number;
    zm_symbols_each(&script->symbols, clear_symbol, script);
    for (i = 0; i < snapshot->count; i++) {
        zm_kept_symbol_t *kept = &snapshot->symbols[i];
        zm_symbol_t *symbol = kept->symbol;
        zm_variable_restore(script, symbol, &kept->cell);
        symbol->function = kept->function;
        symbol->is_exported = kept->is_exported;
        symbol->exported = kept->exported;
    }
    for (number = 0; number < ZM_SIGNALS; number++)
        if (script->traps[number] != NULL || snapshot->traps[number] != NULL) {
            zm_trap_set(script, number, snapshot->traps[number]);
            free(snapshot->traps[number]);
        }
    free(snapshot->symbols);
    free(snapshot);
}
