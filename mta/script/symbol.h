/**
 * Names, interned: one symbol a name, for as long as the interpreter lives.
 *
 * A symbol holds the visible variable of that name, its function, its built-in
 * (or relation) and the remembered place of the program.  The tree refers to
 * symbols by pointer, so running it compares no names.
 *
 * Variables are bound shallowly: the cell is the innermost instance, and
 * scope.h keeps the instances that it hides.
 */
#ifndef ZM_SCRIPT_SYMBOL_H
#define ZM_SCRIPT_SYMBOL_H

#include "mta/script/script.h"

typedef struct zm_symbol_t zm_symbol_t;
typedef struct zm_function_t zm_function_t;

/** One instance of a variable. */
typedef struct zm_cell_t {
    zm_value_t value;
    uint64_t version; /**< of the last assignment; unique over all assignments ever made */
    uint64_t touched; /**< when the value was put there, on the same count; 0: it lies in owned */
    void *owned;      /**< malloc block that outlives the scope's memory, or null */
    uint64_t owned_since; /**< when that block was made */
    uint32_t spare;       /**< free item slots after the list, which only this instance may fill */
    uint32_t depth;       /**< scope it belongs to; 0: global */
    bool set;
    bool dirty; /**< global assigned since the scope began: listed for settling */
} zm_cell_t;

typedef enum zm_builtin_special_t {
    ZM_SPECIAL_NONE,
    ZM_SPECIAL_BREAK,
    ZM_SPECIAL_CONTINUE,
    ZM_SPECIAL_RETURN,
    ZM_SPECIAL_RETURNS,
    ZM_SPECIAL_BUILTIN,
    ZM_SPECIAL_EXEC,
    ZM_SPECIAL_EXIT,
    ZM_SPECIAL_EVAL,
    ZM_SPECIAL_DOT
} zm_builtin_special_t;

typedef struct zm_builtin_t {
    const char *name;
    zm_builtin_kind_t kind;
    zm_builtin_fn *fn;
    void *baton;
    zm_builtin_special_t special; /**< handled by the evaluator itself; fn is null */
    bool relation;
} zm_builtin_t;

typedef enum zm_symbol_watch_t {
    ZM_WATCH_NONE,
    ZM_WATCH_IFS,
    ZM_WATCH_PATH,
    ZM_WATCH_OTHER
} zm_symbol_watch_t;

struct zm_symbol_t {
    zm_symbol_t *next; /**< in the hash chain */
    uint32_t hash;
    zm_symbol_watch_t watch; /**< cannot be unset, and changes of it matter to the interpreter */
    zm_cell_t cell;
    zm_function_t *function;
    const zm_builtin_t *builtin;
    char *path;        /**< where the program was found, malloc; null: not looked up */
    zm_str_t exported; /**< value in the environment of programs, malloc */
    bool is_exported;
    bool gensym;
    zm_str_t name; /**< NUL terminated */
};

typedef struct zm_symbols_t {
    zm_symbol_t **buckets;
    uint32_t size; /**< power of two */
    uint32_t count;
    apr_pool_t *pool;
} zm_symbols_t;

void zm_symbols_init(zm_symbols_t *symbols, apr_pool_t *pool);
zm_symbol_t *zm_symbol_intern(zm_symbols_t *symbols, zm_str_t name);
zm_symbol_t *zm_symbol_find(const zm_symbols_t *symbols,
                            zm_str_t name); /**< null when there is none */

/** Calls fn for every symbol. */
typedef void zm_symbol_each_fn(zm_symbol_t *symbol, void *baton);
void zm_symbols_each(const zm_symbols_t *symbols, zm_symbol_each_fn *fn, void *baton);

#endif
