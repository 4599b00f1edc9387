/* Values, variables and attributes as C programs see them, and the calls of built-ins. */

#include <apr_strings.h>
#include <stdarg.h>
#include <string.h>

#include "mta/script/interp.h"
#include "mta/script/scope.h"

/* -- values ------------------------------------------------------------------------------ */

zm_value_t zm_script_string(zm_script_t *script, zm_str_t string)
{
    return zm_make_string(script, string.data, string.length);
}

zm_value_t zm_script_string_c(zm_script_t *script, const char *text)
{
    return zm_make_string(script, text, strlen(text));
}

zm_value_t zm_script_printf(zm_script_t *script, const char *format, ...)
{
    va_list arguments;
    char *text;
    va_start(arguments, format);
    text = apr_pvsprintf(script->arena.pool, format, arguments);
    va_end(arguments);
    return zm_value_of(zm_str(text));
}

zm_value_t zm_script_list(zm_script_t *script, const zm_value_t *items, apr_size_t count)
{
    return zm_make_list(script, items, count);
}

zm_value_t zm_script_append(zm_script_t *script, zm_value_t list, zm_value_t item)
{
    return zm_script_concat(script, list, (zm_value_t){1, 1, {.items = &item}});
}

zm_value_t zm_script_concat(zm_script_t *script, zm_value_t a, zm_value_t b)
{
    apr_size_t first = zm_value_count(a), second = zm_value_count(b);
    uint32_t depth = zm_list_depth(script, a.u.items, first);
    zm_value_t *items;
    if (zm_list_depth(script, b.u.items, second) > depth)
        depth = zm_list_depth(script, b.u.items, second);
    if (first + second == 0 || depth > ZM_LIST_DEPTH ||
        first + second > UINT32_MAX / sizeof *items ||
        !zm_arena_room(&script->arena, (first + second) * sizeof *items))
        return ZM_VALUE_NIL;
    items = zm_arena_alloc(&script->arena, (first + second) * sizeof *items);
    if (first > 0)
        memcpy(items, a.u.items, first * sizeof *items);
    if (second > 0)
        memcpy(items + first, b.u.items, second * sizeof *items);
    return (zm_value_t){depth, (uint32_t)(first + second), {.items = items}};
}

zm_value_t zm_script_with_property(zm_script_t *script, zm_value_t list, zm_str_t key,
                                   zm_value_t value)
{
    zm_value_t pair[2], copy, *items;
    uint32_t i;
    for (i = 0; list.is_list && i + 1 < list.length; i += 2) {
        if (list.u.items[i].is_list || !zm_str_equal(zm_value_str(list.u.items[i]), key))
            continue;
        copy = zm_make_list(script, list.u.items, list.length);
        if (copy.length == 0)
            return copy;
        items = (zm_value_t *)(uintptr_t)copy.u.items;
        items[i + 1] = value;
        copy.is_list = zm_list_depth(script, items, copy.length);
        return copy;
    }
    pair[0] = zm_make_string(script, key.data, key.length);
    pair[1] = value;
    return zm_script_concat(script, list, (zm_value_t){1, 2, {.items = pair}});
}

/* -- variables ----------------------------------------------------------------------------- */

bool zm_script_get(zm_script_t *script, zm_str_t name, zm_value_t *value)
{
    zm_symbol_t *symbol = zm_symbol_find(&script->symbols, name);
    return symbol != NULL && zm_variable_get(script, symbol, value);
}

zm_str_t zm_script_get_str(zm_script_t *script, const char *name)
{
    zm_value_t value;
    return zm_script_get(script, zm_str(name), &value) ? zm_value_str(value) : ZM_S("");
}

void zm_script_set(zm_script_t *script, zm_str_t name, zm_value_t value)
{
    zm_variable_set(script, zm_symbol_intern(&script->symbols, name), value);
}

void zm_script_set_str(zm_script_t *script, const char *name, zm_str_t value)
{
    zm_script_set(script, zm_str(name), zm_make_string(script, value.data, value.length));
}

void zm_script_unset(zm_script_t *script, zm_str_t name)
{
    zm_symbol_t *symbol = zm_symbol_find(&script->symbols, name);
    if (symbol != NULL)
        zm_variable_unset(script, symbol);
}

/* -- attributes ------------------------------------------------------------------------------- */

/* A global of that name even if a function has a local one: symbols outlive the function that
 * asked. */
zm_value_t zm_script_gensym(zm_script_t *script, zm_value_t property_list)
{
    char text[24];
    zm_symbol_t *symbol;
    if (!script->in_scope && script->gensym >= ZM_GENSYMS)
        script->gensym = 1;
    if (script->in_scope && script->gensym >= script->gensym_limit) {
        zm_abort(script, "the evaluation made more than %u symbols",
                 script->gensym_limit - script->gensym_kept);
        return ZM_VALUE("g0");
    }
    apr_snprintf(text, sizeof text, "g%u", script->gensym++);
    symbol = zm_symbol_intern(&script->symbols, zm_str(text));
    zm_variable_set(script, symbol, property_list);
    symbol->gensym = script->in_scope;
    return zm_value_of(symbol->name);
}

bool zm_script_attribute(zm_script_t *script, zm_str_t variable, zm_str_t key, zm_value_t *value)
{
    zm_value_t list;
    return zm_script_get(script, variable, &list) && zm_value_property(list, key, value);
}

void zm_script_set_attribute(zm_script_t *script, zm_str_t variable, zm_str_t key, zm_value_t value)
{
    zm_symbol_t *symbol = zm_symbol_intern(&script->symbols, variable);
    zm_value_t list = ZM_VALUE_NIL;
    zm_variable_get(script, symbol, &list);
    zm_variable_set(script, symbol, zm_script_with_property(script, list, key, value));
}

/* -- temporary failures ------------------------------------------------------------------------ */

void zm_script_defer(zm_script_t *script, const char *reason)
{
    zm_variable_set(script, script->symbol_defer, zm_make_string(script, reason, strlen(reason)));
}

void zm_script_defer_clear(zm_script_t *script)
{
    zm_variable_set(script, script->symbol_defer, ZM_VALUE_NULL);
}

zm_str_t zm_script_deferred(zm_script_t *script)
{
    zm_value_t value;
    return zm_variable_get(script, script->symbol_defer, &value) ? zm_value_str(value) : ZM_S("");
}

/* -- built-ins --------------------------------------------------------------------------------- */

void zm_script_define(zm_script_t *script, const char *name, zm_builtin_kind_t kind,
                      zm_builtin_fn *fn, void *baton)
{
    zm_builtin_t *builtin = apr_pcalloc(script->pool, sizeof *builtin);
    builtin->name = name;
    builtin->kind = kind;
    builtin->fn = fn;
    builtin->baton = baton;
    zm_symbol_intern(&script->symbols, zm_str(name))->builtin = builtin;
}

void zm_define_special(zm_script_t *script, const char *name, zm_builtin_special_t special)
{
    zm_builtin_t *builtin = apr_pcalloc(script->pool, sizeof *builtin);
    builtin->name = name;
    builtin->special = special;
    zm_symbol_intern(&script->symbols, zm_str(name))->builtin = builtin;
}

zm_str_t zm_call_arg(const zm_call_t *call, apr_size_t index)
{
    return index < call->count ? zm_value_str(call->args[index]) : ZM_S("");
}

const char *zm_call_arg_c(const zm_call_t *call, apr_size_t index)
{
    return zm_str_c(call->script->arena.pool, zm_call_arg(call, index));
}

void zm_call_write(zm_call_t *call, zm_str_t text)
{
    zm_write(call->script, 1, text);
}

void zm_call_print(zm_call_t *call, const char *format, ...)
{
    zm_buf_t text = ZM_BUF_INIT;
    va_list arguments;
    va_start(arguments, format);
    zm_buf_vprintf(&text, format, arguments);
    va_end(arguments);
    zm_write(call->script, 1, zm_buf_str(&text));
    zm_buf_free(&text);
}

void zm_call_complain(zm_call_t *call, const char *format, ...)
{
    zm_buf_t text = ZM_BUF_INIT;
    va_list arguments;
    zm_buf_printf(&text, "%s: ", call->name);
    va_start(arguments, format);
    zm_buf_vprintf(&text, format, arguments);
    va_end(arguments);
    zm_buf_add_byte(&text, '\n');
    zm_write(call->script, 2, zm_buf_str(&text));
    zm_buf_free(&text);
}

void zm_call_return(zm_call_t *call, zm_value_t value)
{
    zm_result_t *result = &call->script->result;
    zm_value_t *many;
    if (result->count == 0) {
        zm_result_one(call->script, value);
        return;
    }
    /* room doubles whenever the count reaches a power of two */
    many = (zm_value_t *)(uintptr_t)result->many;
    if ((result->count & (result->count - 1)) == 0) {
        many = zm_arena_alloc(&call->script->arena, 2 * (apr_size_t)result->count * sizeof *many);
        memcpy(many, zm_result_items(result), result->count * sizeof *many);
    }
    many[result->count++] = value;
    result->many = many;
}

zm_str_t zm_call_read_all(zm_call_t *call)
{
    zm_script_t *script = call->script;
    zm_buf_t text = ZM_BUF_INIT;
    zm_value_t value;
    if (script->fds[0] != NULL)
        zm_stream_drain(script->fds[0], &text, script->limits.memory);
    value = zm_make_string(script, text.data, text.length);
    zm_buf_free(&text);
    return zm_value_str(value);
}
