/* trace and untrace: what the interpreter tells while it works. */

#include <stdarg.h>
#include <string.h>

#include "mta/script/interp.h"

static const char *const keywords[] = {"assign",    "bind",    "compare", "db",       "final",
                                       "functions", "matched", "memory",  "regexp",   "resolv",
                                       "rewrite",   "rfc822",  "router",  "sequencer"};
#define KEYWORDS (sizeof keywords / sizeof keywords[0])

/* Lookups are told for the keyword db; those in DNS also for bind and resolv. */
static bool is_wanted(zm_script_t *script, zm_str_t relation)
{
    const zm_relation_entry_t *entry;
    if (zm_script_traced(script, "db"))
        return true;
    entry = zm_relation_find(script, relation);
    return entry != NULL && strcmp(zm_map_type(zm_relation_map(entry->relation)), "bind") == 0;
}

static void print_event(void *baton, zm_trace_t what, unsigned depth, zm_str_t name,
                        zm_value_t value)
{
    zm_script_t *script = baton;
    zm_buf_t line = ZM_BUF_INIT;
    if (what == ZM_TRACE_LOOKUP && !is_wanted(script, name))
        return;
    zm_buf_printf(&line, "%*s%s %.*s ", (int)(depth % 40), "",
                  what == ZM_TRACE_CALL      ? "call"
                  : what == ZM_TRACE_RETURN  ? "return"
                  : what == ZM_TRACE_LOOKUP  ? "lookup"
                  : what == ZM_TRACE_ASSIGN  ? "assign"
                  : what == ZM_TRACE_COMPARE ? "compare"
                                             : "match",
                  (int)name.length, name.data);
    zm_value_print(value, &line);
    zm_buf_add_byte(&line, '\n');
    zm_write(script, 2, zm_buf_str(&line));
    zm_buf_free(&line);
}

static unsigned bit_of(zm_str_t name)
{
    unsigned i;
    for (i = 0; i < KEYWORDS; i++)
        if (zm_str_equal_c(name, keywords[i]))
            return 1u << i;
    return 0;
}

bool zm_script_trace_word(zm_str_t word)
{
    return bit_of(word) != 0 || zm_str_equal_c(word, "all") || zm_str_equal_c(word, "on") ||
           zm_str_equal_c(word, "off") || zm_str_equal_c(word, "except");
}

bool zm_script_traced(zm_script_t *script, const char *keyword)
{
    return script->trace_words != 0 && (script->trace_words & bit_of(zm_str(keyword))) != 0;
}

void zm_script_trace_text(zm_script_t *script, const char *keyword, const char *format, ...)
{
    zm_buf_t line = ZM_BUF_INIT;
    va_list arguments;
    if (!zm_script_traced(script, keyword))
        return;
    zm_buf_printf(&line, "%s: ", keyword);
    va_start(arguments, format);
    zm_buf_vprintf(&line, format, arguments);
    va_end(arguments);
    zm_buf_add_byte(&line, '\n');
    zm_write(script, 2, zm_buf_str(&line));
    zm_buf_free(&line);
}

void zm_script_trace_value(zm_script_t *script, const char *keyword, zm_str_t text,
                           zm_value_t value)
{
    zm_buf_t out = ZM_BUF_INIT;
    if (!zm_script_traced(script, keyword))
        return;
    zm_value_print(value, &out);
    zm_script_trace_text(script, keyword, "%.*s %s", (int)text.length, text.data, zm_buf_c(&out));
    zm_buf_free(&out);
}

/* The events of our own that the keywords ask for; a C program's own tracing goes first. */
static void apply(zm_script_t *script)
{
    unsigned mask = 0;
    if (script->trace != NULL && script->trace != print_event)
        return;
    if (zm_script_traced(script, "functions"))
        mask |= ZM_TRACE_CALL | ZM_TRACE_RETURN;
    if (zm_script_traced(script, "assign"))
        mask |= ZM_TRACE_ASSIGN;
    if (zm_script_traced(script, "db") || zm_script_traced(script, "bind") ||
        zm_script_traced(script, "resolv"))
        mask |= ZM_TRACE_LOOKUP;
    if (zm_script_traced(script, "compare"))
        mask |= ZM_TRACE_COMPARE;
    if (zm_script_traced(script, "matched") || zm_script_traced(script, "regexp"))
        mask |= ZM_TRACE_MATCH;
    zm_script_set_trace(script, mask, print_event, script);
}

/* trace and untrace; "except" inverts what follows it. */
static int do_trace(zm_call_t *call)
{
    zm_script_t *script = call->script;
    bool on = strcmp(call->name, "trace") == 0;
    int status = 0;
    apr_size_t i;
    if (call->count == 0) {
        zm_call_complain(call, "usage: %s all|off|on|except|keyword...", call->name);
        return 64;
    }
    for (i = 0; i < call->count; i++) {
        zm_str_t word = zm_call_arg(call, i);
        unsigned bits = bit_of(word);
        if (zm_str_equal_c(word, "except")) {
            on = !on;
            continue;
        }
        if (zm_str_equal_c(word, "all") || zm_str_equal_c(word, "on"))
            bits = ~0u;
        if (zm_str_equal_c(word, "off")) {
            script->trace_words = 0;
        } else if (bits == 0) {
            zm_call_complain(call, "%.*s: unknown keyword", (int)word.length, word.data);
            status = 64;
        } else {
            script->trace_words = on ? script->trace_words | bits : script->trace_words & ~bits;
        }
    }
    apply(script);
    return status;
}

void zm_builtin_trace_define(zm_script_t *script)
{
    zm_script_define(script, "trace", ZM_BUILTIN_ARGV, do_trace, NULL);
    zm_script_define(script, "untrace", ZM_BUILTIN_ARGV, do_trace, NULL);
}
