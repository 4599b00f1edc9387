/* Function calls, source units, and the built-ins that change the flow of control. */

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "mta/script/interp.h"
#include "mta/script/scope.h"

/* -- activations ------------------------------------------------------------------------ */

/* What a function call or unit keeps of its caller. */
typedef struct zm_activation_t {
    uint32_t loops;
    zm_match_t *match;
} zm_activation_t;

static bool enter(zm_script_t *script, zm_activation_t *activation)
{
    if (script->activations >= script->limits.depth) {
        zm_abort(script, "calls are nested more than %u deep", script->limits.depth);
        return false;
    }
    if (!zm_stack_ok(script))
        return false;
    script->activations++;
    *activation = (zm_activation_t){script->loops, script->match};
    script->loops = 0;
    script->match = NULL;
    return true;
}

static void leave(zm_script_t *script, const zm_activation_t *activation)
{
    script->activations--;
    script->loops = activation->loops;
    script->match = activation->match;
}

static void trace_call(zm_script_t *script, zm_trace_t what, zm_str_t name, zm_value_t value)
{
    if (script->trace_mask & what)
        script->trace(script->trace_baton, what, script->activations, name, value);
}

zm_flow_t zm_call_function(zm_script_t *script, zm_function_t *function, zm_value_t name,
                           const zm_value_t *args, uint32_t count)
{
    zm_activation_t activation;
    uint32_t bound = count < function->parameter_count ? count : function->parameter_count;
    zm_frame_t frame = {name, args + bound, count - bound}, *outer = script->frame;
    bool outer_want = script->want_value;
    uint32_t mark, i;
    zm_flow_t flow;
    if (!enter(script, &activation))
        return ZM_FLOW_ABORT;
    if (script->trace_mask & ZM_TRACE_CALL)
        trace_call(script, ZM_TRACE_CALL, function->name->name, zm_make_list(script, args, count));
    zm_unit_hold(function->unit);
    mark = zm_scope_enter(script);
    for (i = 0; i < function->parameter_count; i++)
        zm_scope_local(script, function->parameters[i], i < count ? args[i] : ZM_VALUE_NULL);
    script->frame = &frame;
    script->want_value = false;
    script->status = 0;
    zm_result_clear(script);
    flow = zm_eval(script, function->body);
    if (flow == ZM_FLOW_NORMAL)
        zm_result_clear(script);
    else if (flow == ZM_FLOW_RETURN)
        flow = ZM_FLOW_NORMAL;
    script->want_value = outer_want;
    script->frame = outer;
    zm_scope_leave(script, mark);
    zm_unit_release(script, function->unit);
    leave(script, &activation);
    if (script->trace_mask & ZM_TRACE_RETURN)
        trace_call(script, ZM_TRACE_RETURN, zm_value_str(name),
                   script->result.set ? zm_result_items(&script->result)[0] : ZM_VALUE_NIL);
    return flow;
}

zm_flow_t zm_run_unit(zm_script_t *script, zm_unit_t *unit)
{
    zm_activation_t activation;
    zm_flow_t flow;
    if (!enter(script, &activation))
        return ZM_FLOW_ABORT;
    zm_result_clear(script);
    flow = zm_eval(script, unit->body);
    leave(script, &activation);
    return flow == ZM_FLOW_RETURN ? ZM_FLOW_NORMAL : flow;
}

/* -- return ---------------------------------------------------------------------------------- */

static bool all_digits(zm_str_t string)
{
    apr_size_t i;
    for (i = 0; i < string.length && zm_is_digit(string.data[i]);)
        i++;
    return string.length > 0 && i == string.length;
}

static int number_of(zm_str_t string)
{
    uint64_t number = 0;
    if (zm_str_u64(string, &number) != APR_SUCCESS || number > INT32_MAX)
        return 255;
    return (int)number;
}

static void return_strings(zm_script_t *script, const zm_value_t *args, uint32_t count)
{
    zm_buf_t joined = ZM_BUF_INIT;
    uint32_t i;
    for (i = 0; i < count; i++)
        zm_buf_add_str(&joined, zm_value_str(args[i]));
    if (joined.length > 0)
        zm_result_one(script, zm_make_string(script, joined.data, joined.length));
    zm_buf_free(&joined);
}

static zm_flow_t run_return(zm_script_t *script, const zm_value_t *args, uint32_t count)
{
    script->status = 0;
    if (count == 0)
        script->status = 1;
    else if (args[0].is_list && count > 1)
        script->status = 1;
    else if (args[0].is_list)
        zm_result_one(script, args[0]);
    else if (all_digits(zm_value_str(args[0])))
        script->status = number_of(zm_value_str(args[0]));
    else if (count == 1 && args[0].length > 0)
        zm_result_one(script, args[0]);
    else
        return_strings(script, args, count);
    return ZM_FLOW_RETURN;
}

static zm_flow_t run_returns(zm_script_t *script, const zm_value_t *args, uint32_t count)
{
    script->status = count == 0 ? 1 : 0;
    if (count > 0)
        zm_result_one(script, args[0]);
    return ZM_FLOW_RETURN;
}

/* -- break, continue, exit --------------------------------------------------------------------- */

static zm_flow_t run_break(zm_script_t *script, zm_flow_t flow, const zm_value_t *args,
                           uint32_t count)
{
    int levels = count == 0 ? 1 : number_of(zm_value_str(args[0]));
    script->status = 0;
    if (script->loops == 0)
        return ZM_FLOW_RETURN;
    if (levels < 1)
        levels = 1;
    script->levels = (uint32_t)levels < script->loops ? (uint32_t)levels : script->loops;
    return flow;
}

static zm_flow_t run_exit(zm_script_t *script, const zm_value_t *args, uint32_t count)
{
    script->exit_status = script->status;
    if (count > 0)
        script->exit_status = number_of(zm_value_str(args[0])) & 255;
    script->status = script->exit_status;
    return ZM_FLOW_EXIT;
}

/* -- eval, dot, exec, builtin ------------------------------------------------------------------ */

static zm_flow_t run_eval(zm_script_t *script, const zm_value_t *args, uint32_t count)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_unit_t *unit;
    zm_flow_t flow;
    apr_status_t parsed;
    uint32_t i;
    bool any = false;
    for (i = 0; i < count; i++) {
        if (args[i].is_list)
            continue;
        if (any)
            zm_buf_add_byte(&text, ' ');
        zm_buf_add_str(&text, zm_value_str(args[i]));
        any = true;
    }
    if (text.length == 0) {
        zm_buf_free(&text);
        script->status = 0;
        return ZM_FLOW_NORMAL;
    }
    zm_arena_charge(&script->arena, text.length);
    parsed = zm_unit_parse(&unit, script, zm_buf_str(&text), "eval string", true, NULL);
    zm_buf_free(&text);
    if (parsed != APR_SUCCESS) {
        script->status = 7;
        return ZM_FLOW_NORMAL;
    }
    flow = zm_run_unit(script, unit);
    zm_unit_release(script, unit);
    return flow;
}

/* The file that `.` means: with a slash as it is, else along PATH.  Null: none is readable. */
static zm_stream_t *open_source(zm_script_t *script, zm_str_t name)
{
    zm_value_t path;
    zm_str_t rest, directory;
    zm_stream_t *stream;
    bool more = true;
    if (zm_str_find(name, '/') >= 0)
        return zm_stream_open(&stream, script, zm_str_c(script->arena.pool, name),
                              APR_FOPEN_READ) == APR_SUCCESS
                   ? stream
                   : NULL;
    if (!zm_variable_get(script, script->symbol_path, &path))
        path = ZM_VALUE_NULL;
    for (rest = zm_value_str(path); more;) {
        const char *full;
        more = zm_str_cut(rest, ':', &directory, &rest);
        full = apr_psprintf(script->arena.pool, "%.*s/%.*s", (int)directory.length, directory.data,
                            (int)name.length, name.data);
        if (directory.length == 0)
            full = zm_str_c(script->arena.pool, name);
        if (zm_stream_open(&stream, script, full, APR_FOPEN_READ) == APR_SUCCESS)
            return stream;
    }
    return NULL;
}

static zm_flow_t run_dot(zm_script_t *script, const zm_value_t *args, uint32_t count)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_stream_t *stream;
    zm_unit_t *unit;
    zm_flow_t flow;
    zm_str_t name = count > 0 ? zm_value_str(args[0]) : ZM_S(""), source;
    apr_status_t parsed;
    if (count != 1 || args[0].is_list) {
        zm_complain(script, "usage: . file");
        script->status = 64;
        return ZM_FLOW_NORMAL;
    }
    stream = open_source(script, name);
    if (stream == NULL) {
        zm_complain(script, "%.*s: not found", (int)name.length, name.data);
        script->status = 1;
        return ZM_FLOW_NORMAL;
    }
    source = zm_stream_source(stream, &text);
    zm_stream_release(script, stream);
    parsed = zm_unit_parse(&unit, script, source, zm_str_c(script->arena.pool, name), false, NULL);
    zm_buf_free(&text);
    script->status = 0;
    if (parsed != APR_SUCCESS)
        return ZM_FLOW_NORMAL;
    flow = zm_run_unit(script, unit);
    zm_unit_release(script, unit);
    return flow;
}

static zm_flow_t run_exec(zm_script_t *script, const zm_value_t *args, uint32_t count)
{
    zm_external_t program;
    if (count == 0) {
        script->status = 0;
        return ZM_FLOW_NORMAL;
    }
    if (!zm_external_start(script, &program, NULL, args, count))
        return ZM_FLOW_NORMAL;
    zm_external_finish(script, &program);
    script->exit_status = script->status;
    return ZM_FLOW_EXIT;
}

static zm_flow_t run_builtin(zm_script_t *script, const zm_value_t *args, uint32_t count)
{
    zm_symbol_t *symbol;
    if (count == 0 || args[0].is_list) {
        script->status = count == 0 ? 0 : 1;
        return ZM_FLOW_NORMAL;
    }
    symbol = zm_symbol_find(&script->symbols, zm_value_str(args[0]));
    if (symbol == NULL || symbol->builtin == NULL) {
        zm_complain(script, "%.*s: not a built-in", (int)args[0].length, args[0].u.data);
        script->status = 1;
        return ZM_FLOW_NORMAL;
    }
    if (symbol->builtin->special != ZM_SPECIAL_NONE)
        return zm_run_special(script, symbol->builtin, args, count);
    return zm_call_builtin(script, symbol->builtin, symbol->name.data, args + 1, count - 1);
}

zm_flow_t zm_run_special(zm_script_t *script, const zm_builtin_t *builtin, const zm_value_t *words,
                         uint32_t count)
{
    const zm_value_t *args = words + 1;
    count--;
    switch (builtin->special) {
    case ZM_SPECIAL_RETURN:
        return run_return(script, args, count);
    case ZM_SPECIAL_RETURNS:
        return run_returns(script, args, count);
    case ZM_SPECIAL_BREAK:
        return run_break(script, ZM_FLOW_BREAK, args, count);
    case ZM_SPECIAL_CONTINUE:
        return run_break(script, ZM_FLOW_CONTINUE, args, count);
    case ZM_SPECIAL_EXIT:
        return run_exit(script, args, count);
    case ZM_SPECIAL_EVAL:
        return run_eval(script, args, count);
    case ZM_SPECIAL_DOT:
        return run_dot(script, args, count);
    case ZM_SPECIAL_EXEC:
        return run_exec(script, args, count);
    case ZM_SPECIAL_BUILTIN:
        return run_builtin(script, args, count);
    case ZM_SPECIAL_NONE:
        break;
    }
    return ZM_FLOW_NORMAL;
}
