/* Simple commands: assignments, words, redirections, and finding what to run. */

#include <string.h>

#include "mta/script/interp.h"
#include "mta/script/scope.h"

/* -- results ------------------------------------------------------------------------- */

void zm_print_result(zm_script_t *script)
{
    zm_buf_t text = ZM_BUF_INIT;
    const zm_value_t *items = zm_result_items(&script->result);
    uint32_t i;
    if (script->want_value || !script->result.set)
        return;
    for (i = 0; i < script->result.count; i++) {
        if (i > 0)
            zm_buf_add_byte(&text, ' ');
        zm_value_print(items[i], &text);
    }
    zm_buf_add_byte(&text, '\n');
    zm_write(script, 1, zm_buf_str(&text));
    zm_buf_free(&text);
    zm_result_clear(script);
}

static void print_trace(zm_script_t *script, const zm_value_t *words, uint32_t count)
{
    zm_buf_t text = ZM_BUF_INIT;
    uint32_t i;
    zm_buf_add_byte(&text, '+');
    for (i = 0; i < count; i++) {
        zm_buf_add_byte(&text, ' ');
        zm_value_print(words[i], &text);
    }
    zm_buf_add_byte(&text, '\n');
    zm_write(script, 2, zm_buf_str(&text));
    zm_buf_free(&text);
}

/* -- running ---------------------------------------------------------------------------- */

/* The arguments without lists, for programs and built-ins of the argv kind; pushed when any was a
 * list. */
static const zm_value_t *strings_only(zm_script_t *script, const zm_value_t *args, uint32_t *count)
{
    uint32_t base = script->stack_top, i;
    for (i = 0; i < *count && !args[i].is_list;)
        i++;
    if (i == *count)
        return args;
    for (i = 0; i < *count; i++)
        if (!args[i].is_list && !zm_push(script, args[i]))
            break;
    *count = script->stack_top - base;
    return script->stack + base;
}

zm_flow_t zm_call_builtin(zm_script_t *script, const zm_builtin_t *builtin, const char *name,
                          const zm_value_t *args, uint32_t count)
{
    uint32_t base = script->stack_top;
    zm_call_t call = {script, name, args, count, builtin->baton};
    if (!zm_stack_ok(script))
        return ZM_FLOW_ABORT;
    zm_result_clear(script);
    if (builtin->kind == ZM_BUILTIN_ARGV) {
        uint32_t left = count;
        call.args = strings_only(script, args, &left);
        call.count = left;
        script->status = builtin->fn(&call);
        zm_result_clear(script);
    } else {
        builtin->fn(&call);
        script->status = script->result.set ? 0 : 1;
    }
    script->stack_top = base;
    return script->reason[0] == '\0' ? ZM_FLOW_NORMAL : ZM_FLOW_ABORT;
}

static zm_flow_t run_program(zm_script_t *script, zm_symbol_t *symbol, const zm_value_t *words,
                             uint32_t count, zm_external_t *program, bool *started)
{
    uint32_t base = script->stack_top;
    zm_external_t own;
    words = strings_only(script, words, &count);
    if (program == NULL) {
        if (zm_external_start(script, &own, symbol, words, count))
            zm_external_finish(script, &own);
    } else {
        *started = zm_external_start(script, program, symbol, words, count);
    }
    script->stack_top = base;
    return ZM_FLOW_NORMAL;
}

zm_flow_t zm_run_command(zm_script_t *script, zm_symbol_t *symbol, const zm_value_t *words,
                         uint32_t count, zm_external_t *program, bool *started)
{
    if (symbol == NULL && !words[0].is_list)
        symbol = zm_symbol_find(&script->symbols, zm_value_str(words[0]));
    if (symbol != NULL && symbol->function != NULL)
        return zm_call_function(script, symbol->function, words[0], words + 1, count - 1);
    if (symbol != NULL && symbol->builtin != NULL) {
        if (symbol->builtin->special != ZM_SPECIAL_NONE)
            return zm_run_special(script, symbol->builtin, words, count);
        return zm_call_builtin(script, symbol->builtin, symbol->name.data, words + 1, count - 1);
    }
    if (words[0].is_list) {
        zm_complain(script, "a list is not a command");
        script->status = 1;
        return ZM_FLOW_NORMAL;
    }
    return run_program(script, symbol, words, count, program, started);
}

/* -- assignments --------------------------------------------------------------------------- */

typedef struct zm_temporary_t {
    zm_prefix_t prefix;
    zm_cell_t cell;
} zm_temporary_t;

static zm_flow_t assign(zm_script_t *script, const zm_simple_t *simple)
{
    uint32_t i;
    for (i = 0; i < simple->assignment_count; i++) {
        const zm_assignment_t *assignment = &simple->assignments[i];
        zm_value_t value;
        zm_flow_t flow = zm_expand_value(script, assignment->word, &value);
        if (flow != ZM_FLOW_NORMAL)
            return flow;
        if (script->flags & ZM_FLAG_XTRACE) {
            zm_value_t shown[2] = {zm_value_of(assignment->symbol->name), value};
            print_trace(script, shown, 2);
        }
        zm_variable_set(script, assignment->symbol, value);
    }
    return ZM_FLOW_NORMAL;
}

/* Assignments before a command: performed now, to be undone by undo_temporaries. */
static zm_flow_t assign_temporaries(zm_script_t *script, const zm_simple_t *simple,
                                    zm_temporary_t *temporaries, uint32_t *done)
{
    zm_flow_t flow = ZM_FLOW_NORMAL;
    for (*done = 0; *done < simple->assignment_count; (*done)++) {
        const zm_assignment_t *assignment = &simple->assignments[*done];
        zm_value_t value;
        flow = zm_expand_value(script, assignment->word, &value);
        if (flow != ZM_FLOW_NORMAL)
            break;
        temporaries[*done].prefix.symbol = assignment->symbol;
        temporaries[*done].prefix.outer = script->prefix;
        temporaries[*done].cell = assignment->symbol->cell;
        script->prefix = &temporaries[*done].prefix;
        zm_variable_set(script, assignment->symbol, value);
    }
    return flow;
}

static void undo_temporaries(zm_script_t *script, zm_temporary_t *temporaries, uint32_t done)
{
    while (done > 0) {
        zm_temporary_t *temporary = &temporaries[--done];
        script->prefix = temporary->prefix.outer;
        zm_variable_restore(script, temporary->prefix.symbol, &temporary->cell);
    }
}

/* -- simple commands ------------------------------------------------------------------------- */

/* `exec` without a command makes its redirections permanent. */
static bool keeps_redirects(const zm_script_t *script, const zm_symbol_t *symbol,
                            const zm_value_t *words, uint32_t count)
{
    if (count != 1 || words[0].is_list)
        return false;
    if (symbol == NULL)
        symbol = zm_symbol_find(&script->symbols, zm_value_str(words[0]));
    return symbol != NULL && symbol->function == NULL && symbol->builtin != NULL &&
           symbol->builtin->special == ZM_SPECIAL_EXEC;
}

/* Words are on the stack from base: redirect, run, undo. */
static zm_flow_t run_words(zm_script_t *script, const zm_simple_t *simple, uint32_t base,
                           zm_external_t *program, bool *started)
{
    const zm_value_t *words = script->stack + base;
    uint32_t count = script->stack_top - base;
    zm_saved_t *saved = NULL;
    zm_flow_t flow = ZM_FLOW_NORMAL;
    if (script->flags & ZM_FLAG_XTRACE && count > 0)
        print_trace(script, words, count);
    if (simple->redirects != NULL && !zm_redirect(script, simple->redirects, &saved, &flow)) {
        zm_redirect_undo(script, saved);
        return flow;
    }
    if (simple->redirects != NULL && keeps_redirects(script, simple->command, words, count)) {
        zm_redirect_keep(script, saved);
        script->status = 0;
        return ZM_FLOW_NORMAL;
    }
    if (count > 0) {
        zm_symbol_t *symbol = simple->command;
        flow = zm_run_command(script, symbol, words, count, program, started);
        if (flow == ZM_FLOW_NORMAL && script->result.set && !script->want_value)
            zm_print_result(script);
    }
    if (saved != NULL)
        zm_redirect_undo(script, saved);
    return flow;
}

/* What follows every command: option -e, traps. */
static zm_flow_t after(zm_script_t *script, zm_flow_t flow, bool ran)
{
    if (flow == ZM_FLOW_SKIP)
        flow = ZM_FLOW_NORMAL;
    if (flow == ZM_FLOW_NORMAL && script->flags & ZM_FLAG_ERREXIT && script->status != 0 && ran &&
        !(script->flags & ZM_FLAG_INTERACTIVE)) {
        script->exit_status = script->status;
        return ZM_FLOW_EXIT;
    }
    if (flow == ZM_FLOW_NORMAL && zm_traps_wait(script))
        return zm_traps_run(script, false);
    return flow;
}

static zm_flow_t eval_with_temporaries(zm_script_t *script, const zm_simple_t *simple,
                                       uint32_t base, zm_external_t *program, bool *started)
{
    zm_temporary_t *temporaries =
        zm_arena_alloc(&script->arena, simple->assignment_count * sizeof *temporaries);
    uint32_t done;
    zm_flow_t flow = assign_temporaries(script, simple, temporaries, &done);
    if (flow == ZM_FLOW_NORMAL)
        flow = zm_expand_words(script, &simple->words);
    if (flow == ZM_FLOW_NORMAL && script->stack_top == base && simple->redirects == NULL) {
        if (done > 0)
            script->prefix = temporaries[0].prefix.outer; /* no command after all: they stay */
        return ZM_FLOW_NORMAL;
    }
    if (flow == ZM_FLOW_NORMAL)
        flow = run_words(script, simple, base, program, started);
    undo_temporaries(script, temporaries, done);
    return flow;
}

zm_flow_t zm_eval_simple(zm_script_t *script, const zm_node_t *node, zm_external_t *program,
                         bool *started)
{
    const zm_simple_t *simple = &node->u.simple;
    uint32_t base = script->stack_top;
    zm_flow_t flow;
    bool ran = false;
    if (!zm_step(script) || !zm_stack_ok(script))
        return ZM_FLOW_ABORT;
    zm_result_clear(script);
    if (simple->words.count == 0) {
        flow = assign(script, simple);
        if (flow == ZM_FLOW_NORMAL && simple->redirects != NULL)
            flow = run_words(script, simple, base, NULL, NULL);
    } else if (simple->assignment_count > 0) {
        ran = true;
        flow = eval_with_temporaries(script, simple, base, program, started);
    } else {
        ran = true;
        flow = zm_expand_words(script, &simple->words);
        if (flow == ZM_FLOW_NORMAL)
            flow = run_words(script, simple, base, program, started);
    }
    script->stack_top = base;
    return after(script, flow, ran);
}
