/**
 * Values of the script language: strings and lists.
 *
 * A value is two words, passed and stored by value.  What it points to never
 * changes, so copying the two words is a copy in every sense a script can see:
 * lists share structure in memory and never in meaning.
 *
 * Lifetime: the bytes and items of a value belong to the interpreter's current
 * scope (script.h) and are gone when the scope ends.  Strings are counted and
 * not NUL terminated.
 */
#ifndef ZM_SCRIPT_VALUE_H
#define ZM_SCRIPT_VALUE_H

#include "platform/str.h"

typedef struct zm_value_t zm_value_t;

struct zm_value_t {
    uint32_t is_list; /**< 0: a string; else how deeply lists nest in it, 1 for a flat list */
    uint32_t length;  /**< bytes of the string, or items of the list */
    union {
        const char *data;
        const zm_value_t *items;
    } u;
};

/** nil, the empty list */
#define ZM_VALUE_NIL ((zm_value_t){1, 0, {NULL}})
/** the null string */
#define ZM_VALUE_NULL ((zm_value_t){0, 0, {""}})
/** a string literal as a value */
#define ZM_VALUE(literal) ((zm_value_t){0, sizeof(literal) - 1, {(literal)}})

/** A string value that points to the caller's bytes; they must live as long as the scope. */
static inline zm_value_t zm_value_of(zm_str_t string)
{
    return (zm_value_t){0, (uint32_t)string.length, {string.data}};
}

static inline bool zm_value_is_list(zm_value_t value)
{
    return value.is_list != 0;
}

static inline bool zm_value_is_nil(zm_value_t value)
{
    return value.is_list != 0 && value.length == 0;
}

/** The string, or "" for a list. */
static inline zm_str_t zm_value_str(zm_value_t value)
{
    return value.is_list ? ZM_S("") : (zm_str_t){value.u.data, value.length};
}

/** Number of items; 0 for a string. */
static inline apr_size_t zm_value_count(zm_value_t value)
{
    return value.is_list ? value.length : 0;
}

/** Item number index, or nil when there is no such item or the value is a string. */
static inline zm_value_t zm_value_item(zm_value_t value, apr_size_t index)
{
    return value.is_list && index < value.length ? value.u.items[index] : ZM_VALUE_NIL;
}

/** Item number index as a string, or "" when it is missing or a list. */
static inline zm_str_t zm_value_item_str(zm_value_t value, apr_size_t index)
{
    return zm_value_str(zm_value_item(value, index));
}

/** Structural equality: same kind, same bytes, same items in the same order. */
bool zm_value_equal(zm_value_t a, zm_value_t b);

/**
 * Looks a key up in a property list: items 0, 2, 4, ... are keys, compared
 * exactly, and the item after a key is its value.  False when absent.
 */
bool zm_value_property(zm_value_t list, zm_str_t key, zm_value_t *value);

/** Appends the printed ("grind") form: "(a (b c) 'x y' '' nil)". */
void zm_value_print(zm_value_t value, zm_buf_t *out);

#endif
