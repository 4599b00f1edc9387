#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "mta/script/interp.h"

zm_flow_t zm_abort(zm_script_t *script, const char *format, ...)
{
    va_list arguments;
    if (script->reason[0] == '\0') {
        va_start(arguments, format);
        vsnprintf(script->reason, sizeof script->reason, format, arguments);
        va_end(arguments);
    }
    return ZM_FLOW_ABORT;
}

bool zm_step_slow(zm_script_t *script)
{
    if (script->arena.exhausted) {
        zm_abort(script, "the evaluation used more than %" APR_SIZE_T_FMT " bytes of memory",
                 script->arena.limit);
        return false;
    }
    script->steps_left = 0; /* stays used up while everything is unwound */
    zm_abort(script, "the evaluation took more than %" APR_UINT64_T_FMT " steps",
             script->limits.steps);
    return false;
}

bool zm_stack_full(zm_script_t *script)
{
    zm_abort(script, "the evaluation is nested too deeply");
    return false;
}

zm_value_t zm_make_string(zm_script_t *script, const char *data, apr_size_t length)
{
    char *copy;
    if (length == 0 || length > UINT32_MAX || !zm_arena_room(&script->arena, length))
        return ZM_VALUE_NULL;
    copy = zm_arena_alloc(&script->arena, length);
    memcpy(copy, data, length);
    return zm_value_of(zm_str_of(copy, length));
}

zm_value_t zm_make_number(zm_script_t *script, int64_t number)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%" APR_INT64_T_FMT, (apr_int64_t)number);
    return zm_make_string(script, text, (apr_size_t)length);
}

uint32_t zm_list_depth(zm_script_t *script, const zm_value_t *items, apr_size_t count)
{
    uint32_t depth = 1;
    apr_size_t i;
    for (i = 0; i < count; i++)
        if (items[i].is_list >= depth)
            depth = items[i].is_list + 1;
    if (depth > ZM_LIST_DEPTH)
        zm_abort(script, "lists are nested more than %d deep", ZM_LIST_DEPTH);
    return depth;
}

zm_value_t zm_make_list(zm_script_t *script, const zm_value_t *items, apr_size_t count)
{
    uint32_t depth = zm_list_depth(script, items, count);
    zm_value_t *copy;
    if (count == 0 || depth > ZM_LIST_DEPTH || count > UINT32_MAX / sizeof *copy ||
        !zm_arena_room(&script->arena, count * sizeof *copy))
        return ZM_VALUE_NIL;
    copy = zm_arena_alloc(&script->arena, count * sizeof *copy);
    memcpy(copy, items, count * sizeof *copy);
    return (zm_value_t){depth, (uint32_t)count, {.items = copy}};
}

void zm_complain(zm_script_t *script, const char *format, ...)
{
    zm_buf_t line = ZM_BUF_INIT;
    va_list arguments;
    zm_buf_printf(&line, "%s: ", script->program);
    va_start(arguments, format);
    zm_buf_vprintf(&line, format, arguments);
    va_end(arguments);
    zm_buf_add_byte(&line, '\n');
    zm_write(script, 2, zm_buf_str(&line));
    zm_buf_free(&line);
}
