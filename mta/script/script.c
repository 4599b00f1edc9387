/* Life of an interpreter, and the entries from C. */

#include "mta/script/script.h"

#include <apr_env.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "mta/script/interp.h"
#include "mta/script/regex.h"
#include "mta/script/scope.h"
#include "platform/child.h"

#define DEFAULT_STEPS 20000000u
#define DEFAULT_MEMORY ((apr_size_t)256 * 1024 * 1024)
#define DEFAULT_DEPTH 200

/* -- creation and end -------------------------------------------------------------------- */

static void free_symbol(zm_symbol_t *symbol, void *baton)
{
    (void)baton;
    free(symbol->cell.owned);
    free(symbol->path);
    if (symbol->is_exported)
        free((char *)(uintptr_t)symbol->exported.data);
}

static apr_status_t destroy(void *data)
{
    zm_script_t *script = data;
    int i;
    zm_symbols_each(&script->symbols, free_symbol, NULL);
    free(script->symbols.buckets);
    for (i = 0; i < ZM_DESCRIPTORS; i++)
        zm_descriptor_set(script, i, NULL);
    for (i = 0; i < ZM_SIGNALS; i++)
        free(script->traps[i]);
    free(script->top_owned);
    free(script->undo);
    free(script->dirty);
    free(script->reads);
    for (i = 0; i < (int)script->retired_count; i++)
        free(script->retired[i]);
    free(script->retired);
    zm_arena_destroy(&script->arena);
    free(script->stack);
    return APR_SUCCESS;
}

void zm_script_set_limits(zm_script_t *script, const zm_script_limits_t *limits)
{
    script->limits = *limits;
    if (script->limits.steps == 0)
        script->limits.steps = DEFAULT_STEPS;
    if (script->limits.memory == 0)
        script->limits.memory = DEFAULT_MEMORY;
    if (script->limits.depth == 0)
        script->limits.depth = DEFAULT_DEPTH;
    script->arena.limit = script->limits.memory;
}

static zm_symbol_t *special_symbol(zm_script_t *script, const char *name, zm_symbol_watch_t watch)
{
    zm_symbol_t *symbol = zm_symbol_intern(&script->symbols, zm_str(name));
    symbol->watch = watch;
    return symbol;
}

static void import(zm_script_t *script, const char *const *environment)
{
    zm_value_t value;
    for (; environment != NULL && *environment != NULL; environment++) {
        zm_str_t name, text;
        zm_symbol_t *symbol;
        if (!zm_str_cut(zm_str(*environment), '=', &name, &text) || name.length == 0 ||
            zm_str_equal_c(name, "IFS"))
            continue;
        symbol = zm_symbol_intern(&script->symbols, name);
        zm_variable_set(script, symbol, zm_make_string(script, text.data, text.length));
        zm_variable_export(script, symbol);
    }
    zm_variable_set(script, script->symbol_ifs, ZM_VALUE(" \t\n"));
    if (!zm_variable_get(script, script->symbol_path, &value))
        zm_variable_set(script, script->symbol_path, ZM_VALUE("/usr/local/bin:/usr/bin:/bin"));
}

static void open_standard(zm_script_t *script)
{
    apr_status_t (*const openers[])(apr_file_t **, apr_pool_t *) = {
        apr_file_open_stdin, apr_file_open_stdout, apr_file_open_stderr};
    int i;
    for (i = 0; i < 3; i++) {
        zm_stream_t *stream = zm_stream_new(script, ZM_STREAM_FILE);
        if (openers[i](&stream->file, script->pool) != APR_SUCCESS)
            stream->kind = ZM_STREAM_NULL;
        script->fds[i] = stream;
    }
}

apr_status_t zm_script_create(zm_script_t **result, const zm_script_options_t *options,
                              apr_pool_t *parent)
{
    static const zm_script_options_t none;
    apr_pool_t *pool;
    zm_script_t *script;
    const char *letter;
    apr_status_t status = apr_pool_create(&pool, parent);
    if (status != APR_SUCCESS)
        return status;
    if (options == NULL)
        options = &none;
    script = apr_pcalloc(pool, sizeof *script);
    script->pool = pool;
    script->program = options->name == NULL ? "zmsh" : apr_pstrdup(pool, options->name);
    script->no_programs = options->no_programs;
    script->no_files = options->no_files;
    script->old_sift = options->old_sift;
    script->pid = zm_process_own();
    zm_arena_init(&script->arena, DEFAULT_MEMORY, pool);
    zm_script_set_limits(script, &options->limits);
    zm_symbols_init(&script->symbols, pool);
    script->stack = malloc((ZM_STACK_VALUES + 1) * sizeof *script->stack);
    if (script->stack == NULL)
        return APR_ENOMEM;
    script->regex_scratch = zm_regex_scratch(pool);
    apr_pool_cleanup_register(pool, script, destroy, apr_pool_cleanup_null);
    script->symbol_ifs = special_symbol(script, "IFS", ZM_WATCH_IFS);
    script->symbol_path = special_symbol(script, "PATH", ZM_WATCH_PATH);
    script->symbol_home = special_symbol(script, "HOME", ZM_WATCH_NONE);
    script->symbol_defer = special_symbol(script, "defer", ZM_WATCH_NONE);
    special_symbol(script, "PS1", ZM_WATCH_OTHER);
    special_symbol(script, "PS2", ZM_WATCH_OTHER);
    special_symbol(script, "MAILCHECK", ZM_WATCH_OTHER);
    script->top.name = zm_value_of(zm_str(script->program));
    script->frame = &script->top;
    for (letter = options->flags == NULL ? "" : options->flags; *letter != '\0'; letter++)
        script->flags |= zm_flag_of(*letter);
    open_standard(script);
    import(script, options->environment);
    zm_builtin_list_define(script);
    zm_builtin_core_define(script);
    zm_builtin_shell_define(script);
    zm_builtin_test_define(script);
    zm_builtin_text_define(script);
    zm_builtin_user_define(script);
    zm_builtin_relation_define(script);
    zm_builtin_db_define(script);
    zm_builtin_trace_define(script);
    zm_scope_settle(script);
    *result = script;
    return APR_SUCCESS;
}

void zm_script_set_output(zm_script_t *script, int stream, zm_script_sink_fn *sink, void *baton)
{
    zm_stream_t *target = zm_stream_new(script, sink == NULL ? ZM_STREAM_NULL : ZM_STREAM_SINK);
    target->sink = sink;
    target->sink_baton = baton;
    target->sink_stream = stream;
    zm_descriptor_set(script, stream, target);
}

void zm_script_set_input(zm_script_t *script, const char *data, apr_size_t length)
{
    zm_descriptor_set(script, 0,
                      data == NULL ? zm_stream_new(script, ZM_STREAM_NULL)
                                   : zm_stream_text(script, zm_str_of(data, length)));
}

/* -- scopes ------------------------------------------------------------------------------------ */

void zm_script_begin(zm_script_t *script)
{
    zm_scope_settle(script);
    if (!script->in_scope)
        script->gensym_kept = script->gensym > 0 ? script->gensym : 1;
    script->gensym = script->gensym_kept;
    script->gensym_limit = script->gensym_kept + ZM_SCOPE_GENSYMS;
    script->in_scope = true;
}

void zm_script_end(zm_script_t *script)
{
    zm_script_trace_text(script, "memory", "%" APR_SIZE_T_FMT " bytes, %u symbols",
                         script->arena.used, script->gensym - script->gensym_kept);
    script->in_scope = false;
    script->gensym = script->gensym_kept;
    zm_scope_settle(script);
}

apr_pool_t *zm_script_pool(zm_script_t *script)
{
    return script->arena.pool;
}

/* -- entries ----------------------------------------------------------------------------------- */

/*
 * Everything an entry from C may find changed afterwards.
 *
 * An entry made by a built-in of the program while a script runs (routing one
 * address of a message, say) gets a share of what the running entry has left:
 * when it is used up the inner entry alone has failed, and however many there
 * are, together they stay within the limits of the outer one.
 */
typedef struct zm_entry_t {
    bool want_value;
    const char *stack_base;
    uint64_t steps_kept; /* of the outer entry */
    uint32_t gensym_limit;
    apr_size_t memory_limit;
    bool exhausted;
} zm_entry_t;

#define STEP_SHARE 8
#define MEMORY_SHARE 2

static void inner_begin(zm_script_t *script, zm_entry_t *entry)
{
    zm_arena_t *arena = &script->arena;
    uint64_t share = script->steps_left / STEP_SHARE;
    entry->steps_kept = script->steps_left - share;
    entry->memory_limit = arena->limit;
    entry->gensym_limit = script->gensym_limit;
    if (script->gensym < script->gensym_limit)
        script->gensym_limit =
            script->gensym + (script->gensym_limit - script->gensym) / MEMORY_SHARE;
    entry->exhausted = arena->exhausted;
    script->steps_left = share;
    if (arena->used < arena->limit)
        arena->limit = arena->used + (arena->limit - arena->used) / MEMORY_SHARE;
}

static void inner_end(zm_script_t *script, const zm_entry_t *entry, bool failed)
{
    script->steps_left += entry->steps_kept;
    script->arena.limit = entry->memory_limit;
    script->gensym_limit = entry->gensym_limit;
    script->arena.exhausted = entry->exhausted || script->arena.used > script->arena.limit;
    if (failed && !script->arena.exhausted && entry->steps_kept > 0)
        script->reason[0] = '\0';
}

static void entry_begin(zm_script_t *script, zm_entry_t *entry, const char *here)
{
    if (script->running++ == 0) {
        if (!script->in_scope)
            zm_scope_settle(script);
        script->steps_left = script->limits.steps;
        script->reason[0] = '\0';
        entry->stack_base = script->stack_base;
        script->stack_base = here;
    } else {
        inner_begin(script, entry);
    }
    entry->want_value = script->want_value;
}

static apr_status_t entry_end(zm_script_t *script, const zm_entry_t *entry, zm_flow_t flow,
                              zm_error_t *error)
{
    script->want_value = entry->want_value;
    if (--script->running == 0)
        script->stack_base = NULL;
    if (flow == ZM_FLOW_ABORT) {
        script->status = 1;
        zm_error_set(error, ZM_E_LIMIT, "%s", script->reason);
        if (script->running == 0)
            script->reason[0] = '\0';
        else
            inner_end(script, entry, true);
        return ZM_E_LIMIT;
    }
    if (script->running > 0)
        inner_end(script, entry, false);
    if (flow == ZM_FLOW_EXIT)
        return zm_error_set(error, ZM_E_STOPPED, "the script ended with exit %d",
                            script->exit_status);
    return APR_SUCCESS;
}

/* Option -v. */
static void echo_text(zm_script_t *script, zm_str_t text)
{
    zm_write(script, 2, text);
    if (text.length > 0 && text.data[text.length - 1] != '\n')
        zm_write(script, 2, ZM_S("\n"));
}

static apr_status_t run_text(zm_script_t *script, zm_str_t text, const char *name, int *status,
                             zm_error_t *error)
{
    zm_entry_t entry = {0};
    zm_unit_t *unit;
    zm_flow_t flow;
    apr_status_t result;
    entry_begin(script, &entry, __builtin_frame_address(0));
    if (script->flags & ZM_FLAG_VERBOSE)
        echo_text(script, text);
    result = zm_unit_parse(&unit, script, text, name, false, error);
    if (result != APR_SUCCESS) {
        entry_end(script, &entry, ZM_FLOW_NORMAL, NULL);
        return result;
    }
    script->want_value = false;
    flow = zm_run_unit(script, unit);
    if (flow == ZM_FLOW_NORMAL && script->result.set)
        zm_print_result(script);
    zm_unit_release(script, unit);
    if (status != NULL)
        *status = script->status;
    return entry_end(script, &entry, flow, error);
}

apr_status_t zm_script_run(zm_script_t *script, zm_str_t text, const char *name, int *status,
                           zm_error_t *error)
{
    return run_text(script, text, name, status, error);
}

apr_status_t zm_script_source(zm_script_t *script, const char *path, int *status, zm_error_t *error)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_stream_t *stream;
    zm_str_t source;
    apr_status_t result = zm_stream_open(&stream, script, path, APR_FOPEN_READ);
    if (result != APR_SUCCESS)
        return zm_error_system(error, result, "cannot read %s", path);
    source = zm_stream_source(stream, &text);
    zm_stream_release(script, stream);
    script->status = 0;
    result = run_text(script, source, path, status, error);
    zm_buf_free(&text);
    return result;
}

bool zm_script_read_line(zm_script_t *script, zm_buf_t *text)
{
    int byte = -1;
    while (script->fds[0] != NULL && (byte = zm_stream_byte(script->fds[0])) >= 0) {
        zm_buf_add_byte(text, (char)byte);
        if (byte == '\n')
            return true;
    }
    return false;
}

void zm_script_set_arguments(zm_script_t *script, const char *name0, const char *const *arguments,
                             apr_size_t count)
{
    zm_value_t *values = zm_arena_alloc(&script->arena, (count + 1) * sizeof *values);
    apr_size_t i;
    for (i = 0; i < count; i++)
        values[i] = zm_make_string(script, arguments[i], strlen(arguments[i]));
    script->top.args = values;
    script->top.count = (uint32_t)count;
    if (name0 != NULL)
        script->top.name = zm_value_of(zm_str(apr_pstrdup(script->pool, name0)));
}

/* The body of a call: runs by name, leaves the value in *result. */
static zm_flow_t call(zm_script_t *script, zm_symbol_t *symbol, const zm_value_t *arguments,
                      apr_size_t count, zm_script_result_t *result)
{
    uint32_t base = script->stack_top;
    zm_flow_t flow;
    apr_size_t i;
    bool pushed = zm_push(script, zm_value_of(symbol->name));
    for (i = 0; i < count && pushed; i++)
        pushed = zm_push(script, arguments[i]);
    if (!pushed) {
        script->stack_top = base;
        return zm_abort(script, "the evaluation holds more than %d words", ZM_STACK_VALUES);
    }
    script->want_value = true;
    zm_result_clear(script);
    flow = zm_run_command(script, symbol, script->stack + base, (uint32_t)count + 1, NULL, NULL);
    script->stack_top = base;
    if (flow == ZM_FLOW_RETURN)
        flow = ZM_FLOW_NORMAL;
    result->status = script->status;
    result->has_value = flow == ZM_FLOW_NORMAL && script->result.set;
    result->value = ZM_VALUE_NIL;
    if (result->has_value && script->result.count == 1)
        result->value = script->result.one;
    else if (result->has_value)
        result->value =
            zm_make_list(script, zm_result_items(&script->result), script->result.count);
    zm_result_clear(script);
    return flow;
}

static zm_symbol_t *command_symbol(zm_script_t *script, const char *name)
{
    zm_symbol_t *symbol = zm_symbol_find(&script->symbols, zm_str(name));
    if (symbol != NULL && symbol->function == NULL && symbol->builtin == NULL)
        return NULL;
    return symbol;
}

apr_status_t zm_script_call(zm_script_t *script, const char *name, const zm_value_t *arguments,
                            apr_size_t count, zm_script_result_t *result, zm_error_t *error)
{
    zm_symbol_t *symbol = command_symbol(script, name);
    zm_entry_t entry = {0};
    zm_flow_t flow;
    *result = (zm_script_result_t){1, false, ZM_VALUE_NIL};
    if (symbol == NULL)
        return zm_error_set(error, APR_ENOENT, "the configuration has no function \"%s\"", name);
    entry_begin(script, &entry, __builtin_frame_address(0));
    flow = call(script, symbol, arguments, count, result);
    return entry_end(script, &entry, flow, error);
}

apr_status_t zm_call_call(zm_call_t *builtin, const char *name, const zm_value_t *arguments,
                          apr_size_t count, zm_script_result_t *result)
{
    zm_script_t *script = builtin->script;
    zm_symbol_t *symbol = command_symbol(script, name);
    zm_result_t outer = script->result;
    bool outer_want = script->want_value;
    zm_flow_t flow;
    *result = (zm_script_result_t){1, false, ZM_VALUE_NIL};
    if (symbol == NULL)
        return APR_ENOENT;
    flow = call(script, symbol, arguments, count, result);
    script->want_value = outer_want;
    script->result = outer;
    if (flow == ZM_FLOW_EXIT)
        zm_abort(script, "exit was called inside of the built-in %s", builtin->name);
    return flow == ZM_FLOW_NORMAL ? APR_SUCCESS : ZM_E_LIMIT;
}

bool zm_script_has_function(zm_script_t *script, const char *name)
{
    zm_symbol_t *symbol = zm_symbol_find(&script->symbols, zm_str(name));
    return symbol != NULL && symbol->function != NULL;
}

bool zm_script_has_command(zm_script_t *script, const char *name)
{
    return command_symbol(script, name) != NULL;
}

int zm_script_exit_status(const zm_script_t *script)
{
    return script->exit_status;
}

const char *zm_script_syntax_error(const zm_script_t *script)
{
    return script->syntax_error;
}

void zm_script_run_exit_trap(zm_script_t *script)
{
    char *text = script->traps[0];
    int exit_status = script->exit_status;
    script->traps[0] = NULL;
    if (text != NULL && text[0] != '\0')
        zm_script_run(script, zm_str(text), "trap", NULL, NULL);
    free(text);
    script->exit_status = exit_status;
}

void zm_script_run_traps(zm_script_t *script)
{
    zm_entry_t entry = {0};
    entry_begin(script, &entry, __builtin_frame_address(0));
    entry_end(script, &entry, zm_traps_run(script, true), NULL);
}

void zm_script_set_trace(zm_script_t *script, unsigned mask, zm_script_trace_fn *fn, void *baton)
{
    script->trace_mask = fn == NULL ? 0 : mask;
    script->trace = fn;
    script->trace_baton = baton;
}
