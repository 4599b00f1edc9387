/* Built-ins of the shell core that work on variables, arguments and commands. */

#include <apr_strings.h>
#include <apr_tables.h>
#include <stdlib.h>
#include <string.h>

#include "mta/script/interp.h"
#include "mta/script/scope.h"

static int do_true(zm_call_t *call)
{
    (void)call;
    return 0;
}

static int do_false(zm_call_t *call)
{
    (void)call;
    return 1;
}

static int do_echo(zm_call_t *call)
{
    zm_buf_t text = ZM_BUF_INIT;
    bool newline = true, first = true;
    apr_size_t i = 0;
    if (i < call->count && zm_str_equal_c(zm_call_arg(call, i), "-n")) {
        newline = false;
        i++;
    }
    if (i < call->count && zm_str_equal_c(zm_call_arg(call, i), "--"))
        i++;
    for (; i < call->count; i++) {
        if (!first)
            zm_buf_add_byte(&text, ' ');
        first = false;
        zm_buf_add_str(&text, zm_call_arg(call, i));
    }
    if (newline)
        zm_buf_add_byte(&text, '\n');
    zm_call_write(call, zm_buf_str(&text));
    zm_buf_free(&text);
    return 0;
}

/* -- arguments ------------------------------------------------------------------------- */

static int do_shift(zm_call_t *call)
{
    zm_frame_t *frame = call->script->frame;
    uint64_t count = 1;
    if (call->count > 0 && zm_str_u64(zm_call_arg(call, 0), &count) != APR_SUCCESS)
        return 64;
    if (count > frame->count)
        count = frame->count;
    if (count > 0) {
        frame->args += count;
        frame->count -= (uint32_t)count;
    }
    return 0;
}

typedef struct zm_listing_t {
    apr_array_header_t *symbols;
    bool exported;
} zm_listing_t;

static void collect(zm_symbol_t *symbol, void *baton)
{
    zm_listing_t *listing = baton;
    if (listing->exported ? symbol->is_exported : symbol->cell.set || symbol->is_exported)
        *(zm_symbol_t **)apr_array_push(listing->symbols) = symbol;
}

static int by_name(const void *a, const void *b)
{
    const zm_symbol_t *const *x = a, *const *y = b;
    return zm_str_compare((*x)->name, (*y)->name);
}

static void print_variables(zm_call_t *call, bool exported)
{
    zm_listing_t listing = {apr_array_make(call->script->arena.pool, 100, sizeof(zm_symbol_t *)),
                            exported};
    zm_symbol_t **symbols;
    int i;
    zm_symbols_each(&call->script->symbols, collect, &listing);
    symbols = (zm_symbol_t **)(void *)listing.symbols->elts;
    qsort(symbols, (size_t)listing.symbols->nelts, sizeof *symbols, by_name);
    for (i = 0; i < listing.symbols->nelts; i++) {
        zm_buf_t line = ZM_BUF_INIT;
        zm_value_t value = symbols[i]->cell.value;
        if (exported || !symbols[i]->cell.set)
            value = zm_value_of(symbols[i]->exported);
        zm_buf_add_str(&line, symbols[i]->name);
        zm_buf_add_byte(&line, '=');
        zm_value_print(value, &line);
        zm_buf_add_byte(&line, '\n');
        zm_call_write(call, zm_buf_str(&line));
        zm_buf_free(&line);
    }
}

/* Applies the letters of one option word. */
static void set_flags(zm_call_t *call, zm_str_t word)
{
    apr_size_t i;
    for (i = 1; i < word.length; i++) {
        unsigned flag = zm_flag_of(word.data[i]);
        if (flag == 0 || flag == ZM_FLAG_STDIN || flag == ZM_FLAG_INTERACTIVE)
            zm_call_complain(call, "%c%c: unknown option", word.data[0], word.data[i]);
        else if (word.data[0] == '-')
            call->script->flags |= flag;
        else
            call->script->flags &= ~flag;
    }
}

static int do_set(zm_call_t *call)
{
    zm_frame_t *frame = call->script->frame;
    apr_size_t i = 0;
    bool marked = false;
    if (call->count == 0) {
        print_variables(call, false);
        return 0;
    }
    for (; i < call->count && !marked; i++) {
        zm_str_t word = zm_call_arg(call, i);
        if (word.length < 2 || (word.data[0] != '-' && word.data[0] != '+'))
            break;
        marked = zm_str_equal_c(word, "--");
        if (!marked)
            set_flags(call, word);
    }
    if (i < call->count || marked) {
        zm_value_t list = zm_make_list(call->script, call->args + i, call->count - i);
        frame->args = list.u.items;
        frame->count = list.length;
    }
    return 0;
}

static int do_export(zm_call_t *call)
{
    apr_size_t i;
    if (call->count == 0)
        print_variables(call, true);
    for (i = 0; i < call->count; i++) {
        zm_str_t name = zm_call_arg(call, i);
        if (name.length > 0 && zm_str_find(name, '=') < 0)
            zm_variable_export(call->script, zm_symbol_intern(&call->script->symbols, name));
    }
    return 0;
}

static int do_unset(zm_call_t *call)
{
    int status = 0;
    apr_size_t i;
    for (i = 0; i < call->count; i++) {
        zm_symbol_t *symbol = zm_symbol_find(&call->script->symbols, zm_call_arg(call, i));
        if (symbol != NULL && symbol->watch != ZM_WATCH_NONE) {
            zm_call_complain(call, "%s: cannot be unset", symbol->name.data);
            status = 1;
        } else if (symbol != NULL) {
            zm_variable_unset(call->script, symbol);
        }
    }
    return status;
}

/* -- getopts ------------------------------------------------------------------------------ */

static void set_number(zm_script_t *script, const char *name, int64_t number)
{
    zm_script_set(script, zm_str(name), zm_make_number(script, number));
}

/* Complains about an option, or in silence (the options begin with a colon) says by *option what
 * is wrong and gives the letter as the argument. */
static zm_value_t bad_option(zm_call_t *call, zm_str_t options, char *option, const char *problem,
                             char sign)
{
    zm_value_t letter = zm_make_string(call->script, option, 1);
    bool silent = options.length > 0 && options.data[0] == ':';
    if (!silent)
        zm_call_complain(call, "option -%c %s", *option, problem);
    *option = '?';
    if (!silent)
        return ZM_VALUE_NULL;
    *option = sign;
    return letter;
}

/* The option at word number index of words; leaves it in *option and moves on. */
static int next_option(zm_call_t *call, zm_str_t options, const zm_value_t *words, apr_size_t count,
                       apr_size_t index, char *option)
{
    zm_script_t *script = call->script;
    zm_str_t word = index < count ? zm_value_str(words[index]) : ZM_S("");
    apr_ssize_t place;
    unsigned at = script->getopts_at;
    if (at >= word.length || word.data[0] != '-')
        at = 0; /* not the word that the position belongs to */
    if (at == 0 && zm_str_equal_c(word, "--"))
        set_number(script, "OPTIND", (int64_t)index + 2);
    if (at == 0 && (word.length < 2 || word.data[0] != '-' || zm_str_equal_c(word, "--")))
        return 1;
    if (at == 0)
        at = 1;
    *option = word.data[at++];
    zm_script_unset(script, ZM_S("OPTARG"));
    place = *option == ':' ? -1 : zm_str_find(options, *option);
    if (place >= 0 && (apr_size_t)place + 1 < options.length && options.data[place + 1] == ':') {
        zm_value_t argument = ZM_VALUE_NULL;
        if (at < word.length)
            argument = zm_value_of(zm_str_from(word, at));
        else if (++index < count)
            argument = words[index];
        if (index >= count) {
            argument = bad_option(call, options, option, "needs an argument", ':');
            index = count - 1;
        }
        zm_script_set(script, ZM_S("OPTARG"), argument);
        at = 0;
        index++;
    } else {
        if (place < 0)
            zm_script_set(script, ZM_S("OPTARG"),
                          bad_option(call, options, option, "is unknown", '?'));
        if (at >= word.length) {
            at = 0;
            index++;
        }
    }
    script->getopts_at = at;
    set_number(script, "OPTIND", (int64_t)index + 1);
    return 0;
}

static int do_getopts(zm_call_t *call)
{
    zm_script_t *script = call->script;
    const zm_value_t *words = call->args + 2;
    apr_size_t count;
    int64_t index = 1;
    char option = '?';
    int status;
    if (call->count < 2) {
        zm_call_complain(call, "usage: getopts options name [word...]");
        return 64;
    }
    count = call->count - 2;
    if (count == 0) {
        words = script->frame->args;
        count = script->frame->count;
    }
    if (zm_str_i64(zm_script_get_str(script, "OPTIND"), &index) != APR_SUCCESS || index < 1)
        index = 1;
    status = next_option(call, zm_call_arg(call, 0), words, count, (apr_size_t)index - 1, &option);
    if (status != 0)
        script->getopts_at = 0;
    zm_script_set(script, zm_call_arg(call, 1), zm_make_string(script, &option, 1));
    return status;
}

/* -- commands ------------------------------------------------------------------------------- */

static int do_type(zm_call_t *call)
{
    int status = 0;
    apr_size_t i;
    for (i = 0; i < call->count; i++) {
        zm_str_t name = zm_call_arg(call, i);
        const zm_symbol_t *symbol = zm_symbol_find(&call->script->symbols, name);
        const char *path;
        if (symbol != NULL && symbol->function != NULL) {
            zm_call_print(call, "%s is a shell function\n", symbol->name.data);
        } else if (symbol != NULL && symbol->builtin != NULL) {
            zm_call_print(call, "%s is a shell builtin\n", symbol->name.data);
        } else if ((path = zm_external_find(call->script, name)) != NULL) {
            zm_call_print(call, "%.*s is %s\n", (int)name.length, name.data, path);
        } else {
            zm_call_print(call, "%.*s not found\n", (int)name.length, name.data);
            status = 1;
        }
    }
    return status;
}

static void forget(zm_symbol_t *symbol, void *baton)
{
    (void)baton;
    free(symbol->path);
    symbol->path = NULL;
}

static void print_path(zm_symbol_t *symbol, void *baton)
{
    if (symbol->path != NULL)
        zm_call_print(baton, "%s\n", symbol->path);
}

static int do_hash(zm_call_t *call)
{
    int status = 0;
    apr_size_t i = 0;
    if (call->count == 0)
        zm_symbols_each(&call->script->symbols, print_path, call);
    if (zm_str_equal_c(zm_call_arg(call, 0), "-r")) {
        zm_symbols_each(&call->script->symbols, forget, NULL);
        i++;
    }
    for (; i < call->count; i++) {
        zm_str_t name = zm_call_arg(call, i);
        if (zm_external_find(call->script, name) == NULL) {
            zm_call_complain(call, "%.*s: not found", (int)name.length, name.data);
            status = 1;
        }
    }
    return status;
}

/* -- traps ---------------------------------------------------------------------------------- */

static bool signal_number(zm_str_t text, int *number)
{
    uint64_t value;
    if (zm_str_u64(text, &value) != APR_SUCCESS || value >= ZM_SIGNALS)
        return false;
    *number = (int)value;
    return true;
}

static int do_trap(zm_call_t *call)
{
    zm_script_t *script = call->script;
    const char *text = NULL;
    int number;
    apr_size_t i = 0;
    if (call->count == 0) {
        for (number = 0; number < ZM_SIGNALS; number++)
            if (script->traps[number] != NULL)
                zm_call_print(call, "%d: %s\n", number, script->traps[number]);
        return 0;
    }
    if (!signal_number(zm_call_arg(call, 0), &number))
        text = zm_call_arg_c(call, i++);
    for (; i < call->count; i++) {
        zm_str_t word = zm_call_arg(call, i);
        if (!signal_number(word, &number)) {
            zm_call_complain(call, "%.*s: not a signal number from 0 to %d", (int)word.length,
                             word.data, ZM_SIGNALS - 1);
            return 1;
        }
        zm_trap_set(script, number, text);
    }
    return 0;
}

void zm_builtin_core_define(zm_script_t *script)
{
    static const struct {
        const char *name;
        zm_builtin_fn *fn;
    } list[] = {{":", do_true},        {"true", do_true},   {"false", do_false},
                {"echo", do_echo},     {"shift", do_shift}, {"set", do_set},
                {"export", do_export}, {"unset", do_unset}, {"getopts", do_getopts},
                {"type", do_type},     {"hash", do_hash},   {"trap", do_trap}};
    apr_size_t i;
    for (i = 0; i < sizeof list / sizeof list[0]; i++)
        zm_script_define(script, list[i].name, ZM_BUILTIN_ARGV, list[i].fn, NULL);
    zm_define_special(script, "break", ZM_SPECIAL_BREAK);
    zm_define_special(script, "continue", ZM_SPECIAL_CONTINUE);
    zm_define_special(script, "builtin", ZM_SPECIAL_BUILTIN);
    zm_define_special(script, "exec", ZM_SPECIAL_EXEC);
    zm_define_special(script, "exit", ZM_SPECIAL_EXIT);
    zm_define_special(script, "eval", ZM_SPECIAL_EVAL);
    zm_define_special(script, ".", ZM_SPECIAL_DOT);
}
