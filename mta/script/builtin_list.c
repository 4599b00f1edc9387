/* Built-ins on lists. */

#include <apr_strings.h>
#include <string.h>

#include "mta/script/interp.h"
#include "mta/script/scope.h"

static zm_value_t slice(zm_value_t list, uint32_t from, uint32_t count)
{
    return count == 0 ? ZM_VALUE_NIL
                      : (zm_value_t){list.is_list, count, {.items = list.u.items + from}};
}

static int do_first(zm_call_t *call)
{
    if (call->count == 0)
        return 1;
    if (!call->args[0].is_list || call->args[0].length == 0)
        zm_call_return(call, call->args[0]);
    else
        zm_call_return(call, call->args[0].u.items[0]);
    return 0;
}

static int do_rest(zm_call_t *call)
{
    if (call->count == 0 || zm_value_count(call->args[0]) == 0)
        return 1;
    zm_call_return(call, slice(call->args[0], 1, call->args[0].length - 1));
    return 0;
}

static int do_last(zm_call_t *call)
{
    if (call->count == 0 || zm_value_count(call->args[0]) == 0)
        return 1;
    zm_call_return(call, slice(call->args[0], call->args[0].length - 1, 1));
    return 0;
}

static int do_list(zm_call_t *call)
{
    zm_call_return(call, zm_make_list(call->script, call->args, call->count));
    return 0;
}

static int do_length(zm_call_t *call)
{
    uint32_t length = call->count == 0 ? 0 : (uint32_t)zm_value_count(call->args[0]);
    zm_call_return(call, zm_make_number(call->script, length));
    return 0;
}

static int do_elements(zm_call_t *call)
{
    uint32_t i;
    if (call->count == 0)
        return 1;
    if (!call->args[0].is_list)
        zm_call_return(call, call->args[0]);
    for (i = 0; i < zm_value_count(call->args[0]); i++)
        zm_call_return(call, call->args[0].u.items[i]);
    return 0;
}

static int do_grind(zm_call_t *call)
{
    apr_size_t i;
    for (i = 0; i < call->count; i++)
        zm_call_return(call, call->args[i]);
    return 0;
}

/* The list that the first argument is or names. */
static zm_value_t list_of(zm_call_t *call)
{
    zm_value_t list = ZM_VALUE_NIL;
    if (call->args[0].is_list)
        return call->args[0];
    if (!zm_script_get(call->script, zm_value_str(call->args[0]), &list) || !list.is_list)
        return ZM_VALUE_NIL;
    return list;
}

static int do_get(zm_call_t *call)
{
    zm_value_t value = ZM_VALUE_NIL;
    if (call->count < 2) {
        zm_call_complain(call, "usage: get name|list key");
        return 1;
    }
    if (!zm_value_property(list_of(call), zm_call_arg(call, 1), &value))
        value = ZM_VALUE_NIL;
    zm_call_return(call, value);
    return 0;
}

/* The variable that the first argument names, if it holds a list. */
static zm_symbol_t *list_variable(zm_call_t *call, zm_value_t *list)
{
    zm_symbol_t *symbol = zm_symbol_find(&call->script->symbols, zm_call_arg(call, 0));
    if (symbol == NULL || !symbol->cell.set)
        return NULL;
    *list = symbol->cell.value;
    if (!list->is_list) {
        zm_call_complain(call, "%s: not a list", symbol->name.data);
        return NULL;
    }
    return symbol;
}

/* Appends to a variable's list.  Room behind the items belongs to the variable alone, so it is
 * filled in place. */
static void append(zm_script_t *script, zm_symbol_t *symbol, const zm_value_t *items,
                   uint32_t count)
{
    zm_value_t list = symbol->cell.value;
    uint32_t spare = symbol->cell.spare, depth = zm_list_depth(script, items, count);
    if (count == 0 || depth > ZM_LIST_DEPTH)
        return;
    if (spare < count) {
        apr_size_t room = (apr_size_t)list.length * 2 + count + 4;
        zm_value_t *copy;
        if (room > UINT32_MAX / 2 || !zm_arena_room(&script->arena, room * sizeof *copy))
            return;
        copy = zm_arena_alloc(&script->arena, room * sizeof *copy);
        if (list.length > 0)
            memcpy(copy, list.u.items, list.length * sizeof *copy);
        list.u.items = copy;
        spare = (uint32_t)room - list.length;
    }
    memcpy((zm_value_t *)(uintptr_t)list.u.items + list.length, items, count * sizeof *items);
    list.length += count;
    if (depth > list.is_list)
        list.is_list = depth;
    zm_variable_modify(script, symbol, list, spare - count);
}

static int do_lappend(zm_call_t *call)
{
    zm_value_t list;
    zm_symbol_t *symbol;
    if (call->count < 2)
        return 1;
    symbol = list_variable(call, &list);
    if (symbol == NULL)
        return 1;
    if (call->args[1].is_list)
        append(call->script, symbol, call->args[1].u.items, call->args[1].length);
    else
        append(call->script, symbol, call->args + 1, (uint32_t)call->count - 1);
    return 1;
}

/* 0-based position in C syntax, 0 to 99. */
static bool index_of(zm_str_t text, uint32_t *index)
{
    char buffer[16], *end;
    long number;
    if (text.length == 0 || text.length >= sizeof buffer || !zm_is_digit(text.data[0]))
        return false;
    memcpy(buffer, text.data, text.length);
    buffer[text.length] = '\0';
    number = (long)apr_strtoi64(buffer, &end, 0);
    if (number < 0 || number > 99)
        return false;
    *index = (uint32_t)number;
    return true;
}

static int do_lreplace(zm_call_t *call)
{
    zm_script_t *script = call->script;
    zm_value_t list, copy;
    zm_symbol_t *symbol;
    zm_str_t key;
    uint32_t index;
    if (call->count < 3)
        return 1;
    symbol = list_variable(call, &list);
    if (symbol == NULL)
        return 1;
    key = zm_call_arg(call, 1);
    if (key.length > 0 && zm_is_digit(key.data[0])) {
        if (!index_of(key, &index)) {
            zm_call_complain(call, "%.*s: positions are 0 to 99", (int)key.length, key.data);
            return 1;
        }
        if (index >= list.length) {
            append(script, symbol, call->args + 2, 1);
            return 1;
        }
        copy = zm_make_list(script, list.u.items, list.length);
        if (copy.length > index)
            ((zm_value_t *)(uintptr_t)copy.u.items)[index] = call->args[2];
        copy.is_list = zm_list_depth(script, copy.u.items, copy.length);
        zm_variable_modify(script, symbol, copy, 0);
        return 1;
    }
    zm_variable_modify(script, symbol, zm_script_with_property(script, list, key, call->args[2]),
                       0);
    return 1;
}

static int do_ifssplit(zm_call_t *call)
{
    zm_str_t text = zm_call_arg(call, 0);
    const bool *ifs = call->script->ifs;
    apr_size_t i = 0;
    while (i < text.length) {
        apr_size_t start;
        while (i < text.length && ifs[(unsigned char)text.data[i]])
            i++;
        start = i;
        while (i < text.length && !ifs[(unsigned char)text.data[i]])
            i++;
        if (i > start)
            zm_call_return(call, zm_value_of(zm_str_of(text.data + start, i - start)));
    }
    return 0;
}

static int do_glob(zm_call_t *call)
{
    if (call->count == 0)
        return 1;
    zm_glob(call, zm_call_arg(call, 0));
    return 0;
}

/* -- quads ------------------------------------------------------------------------------ */

/* (channel host user attributes): the element number index. */
static int quad_element(zm_call_t *call, uint32_t index)
{
    if (call->count == 0 || !call->args[0].is_list)
        return 1;
    zm_call_return(call, zm_value_item(call->args[0], index));
    return 0;
}

static int do_host(zm_call_t *call)
{
    return quad_element(call, 1);
}

static int do_user(zm_call_t *call)
{
    return quad_element(call, 2);
}

static int do_attributes(zm_call_t *call)
{
    return quad_element(call, 3);
}

static int do_gensym(zm_call_t *call)
{
    zm_value_t name = zm_script_gensym(call->script, ZM_VALUE_NIL);
    zm_call_print(call, "%.*s\n", (int)name.length, name.u.data);
    return 0;
}

void zm_builtin_list_define(zm_script_t *script)
{
    static const struct {
        const char *name;
        zm_builtin_fn *fn;
    } list[] = {
        {"car", do_first},         {"first", do_first},       {"channel", do_first},
        {"cdr", do_rest},          {"rest", do_rest},         {"last", do_last},
        {"list", do_list},         {"length", do_length},     {"elements", do_elements},
        {"grind", do_grind},       {"get", do_get},           {"lappend", do_lappend},
        {"lreplace", do_lreplace}, {"ifssplit", do_ifssplit}, {"glob", do_glob},
        {"host", do_host},         {"user", do_user},         {"attributes", do_attributes}};
    apr_size_t i;
    for (i = 0; i < sizeof list / sizeof list[0]; i++)
        zm_script_define(script, list[i].name, ZM_BUILTIN_LIST, list[i].fn, NULL);
    zm_script_define(script, "gensym", ZM_BUILTIN_ARGV, do_gensym, NULL);
    zm_define_special(script, "return", ZM_SPECIAL_RETURN);
    zm_define_special(script, "returns", ZM_SPECIAL_RETURNS);
}
