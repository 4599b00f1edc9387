/* The relation built-in, and the lookups that it makes callable. */

#include <apr_getopt.h>
#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "mta/script/interp.h"
#include "mta/script/scope.h"

#define LOOKUP_WORDS 29
#define LOOKUP_DEFAULTS 19

zm_relation_entry_t *zm_relation_find(zm_script_t *script, zm_str_t name)
{
    zm_relation_entry_t *entry = script->relations;
    while (entry != NULL && !zm_str_equal_c(name, entry->name))
        entry = entry->next;
    return entry;
}

/* -- lookup ---------------------------------------------------------------------------- */

/* Sorts the words of a call: key, -: defaults, then arguments. */
static bool read_query(zm_call_t *call, zm_relation_query_t *query, zm_str_t *words)
{
    apr_size_t i = 1, defaults = 0, args = 0;
    query->key = zm_call_arg(call, 0);
    if (call->count > LOOKUP_WORDS) {
        zm_call_complain(call, "more than %d words", LOOKUP_WORDS);
        return false;
    }
    query->defaults = words;
    for (; i + 1 < call->count && zm_str_equal_c(zm_call_arg(call, i), "-:"); i += 2) {
        if (defaults == LOOKUP_DEFAULTS) {
            zm_call_complain(call, "more than %d defaults", LOOKUP_DEFAULTS);
            return false;
        }
        words[defaults++] = zm_call_arg(call, i + 1);
    }
    if (zm_str_equal_c(zm_call_arg(call, i), "--"))
        i++;
    query->default_count = defaults;
    query->args = words + defaults;
    for (; i < call->count; i++)
        words[defaults + args++] = zm_call_arg(call, i);
    query->arg_count = args;
    return true;
}

static zm_value_t answer_value(zm_script_t *script, const zm_map_answer_t *answer)
{
    zm_value_t *items, list;
    apr_size_t i;
    if (answer->count == 0)
        return zm_value_of(answer->value);
    items = malloc(answer->count * sizeof *items);
    if (items == NULL)
        abort();
    for (i = 0; i < answer->count; i++)
        items[i] = zm_value_of(answer->values[i]);
    list = zm_make_list(script, items, answer->count);
    free(items);
    return list;
}

/* reason: why it failed; null: it did not. */
static void trace_lookup(zm_call_t *call, zm_str_t key, zm_value_t value, const char *reason)
{
    zm_script_t *script = call->script;
    zm_value_t items[3] = {zm_value_of(key), value, ZM_VALUE_NIL};
    if (!(script->trace_mask & ZM_TRACE_LOOKUP))
        return;
    if (reason != NULL)
        items[2] = zm_value_of(zm_str(reason));
    script->trace(script->trace_baton, ZM_TRACE_LOOKUP, script->activations, zm_str(call->name),
                  zm_make_list(script, items, reason != NULL ? 3 : 2));
}

static int lookup(zm_call_t *call)
{
    zm_relation_entry_t *entry = call->baton;
    zm_script_t *script = call->script;
    zm_str_t words[LOOKUP_WORDS + 1];
    zm_relation_query_t query;
    zm_map_answer_t answer = {0};
    zm_map_outcome_t outcome;
    zm_value_t value = ZM_VALUE_NIL;
    const char *reason = NULL;
    if (!read_query(call, &query, words))
        return 1;
    if (query.key.length == 0) {
        zm_call_complain(call, "the key is empty");
        return 1;
    }
    outcome = zm_relation_lookup(entry->relation, &query, &answer, script->arena.pool);
    if (outcome == ZM_MAP_FAILED) {
        reason = answer.reason == NULL ? "IO:error" : answer.reason;
        zm_script_defer(script, reason);
    }
    if (outcome == ZM_MAP_FOUND) {
        value = answer_value(script, &answer);
        zm_call_return(call, value);
    }
    trace_lookup(call, query.key, value, reason);
    return outcome == ZM_MAP_FOUND ? 0 : 1;
}

/* -- definition --------------------------------------------------------------------------- */

typedef struct zm_defining_t {
    zm_relation_options_t options;
    const char *name;
    bool test, upper, lower;
} zm_defining_t;

static int usage(zm_call_t *call)
{
    zm_call_complain(
        call, "usage: relation -t type[,subtype] [-f file] [-C config] [-s size] [-e seconds] "
              "[-l|-u] [-bilmnNp%%:] [-d driver] name");
    return 1;
}

/* TYPE[,SUBTYPE]; a slash separates when there is no comma. */
static void set_type(zm_defining_t *defining, const char *argument, apr_pool_t *pool)
{
    char *type = apr_pstrdup(pool, argument), *separator = strchr(type, ',');
    if (separator == NULL)
        separator = strchr(type, '/');
    if (separator != NULL) {
        *separator = '\0';
        defining->options.map.subtype = separator + 1;
    }
    defining->options.type = type;
}

static bool set_option(zm_call_t *call, zm_defining_t *defining, char option, const char *argument)
{
    zm_relation_options_t *options = &defining->options;
    apr_pool_t *pool = call->script->pool;
    switch (option) {
    case 't':
        set_type(defining, argument, pool);
        return true;
    case 'f':
        options->map.file = apr_pstrdup(pool, argument);
        return true;
    case 'C':
        options->map.config = apr_pstrdup(pool, argument);
        return true;
    case 's':
        options->cache = (int)apr_atoi64(argument);
        return options->cache >= 0;
    case 'e':
        options->ttl = (unsigned)apr_atoi64(argument);
        return true;
    case 'd':
        if (zm_relation_driver(argument, &options->driver))
            return true;
        zm_call_complain(
            call, "%s: unknown driver (pathalias, pathalias.nodot, pathalias.at, longestmatch)",
            argument);
        return false;
    case 'b':
        options->post = ZM_POST_BOOLEAN;
        return true;
    case 'n':
        options->post = ZM_POST_NONNULL;
        return true;
    case 'i':
        options->post = ZM_POST_INDIRECT;
        return true;
    case 'p':
        options->post = ZM_POST_NONE;
        return true;
    case 'l':
        defining->lower = true;
        return true;
    case 'u':
        defining->upper = true;
        return true;
    case 'm':
        options->check = true;
        return true;
    case 'N':
        options->negative = true;
        return true;
    case '%':
        options->percent = true;
        return true;
    case 'T':
        defining->test = true;
        return true;
    default:
        return option == ':';
    }
}

static bool takes_argument(char option)
{
    return option != '\0' && strchr("tfCsed", option) != NULL;
}

/* Options may be clustered as in "-lmt btree". */
static bool read_options(zm_call_t *call, zm_defining_t *defining)
{
    apr_size_t i;
    for (i = 0; i < call->count; i++) {
        const char *word = zm_call_arg_c(call, i);
        if (word[0] != '-' || word[1] == '\0')
            break;
        if (strcmp(word, "--") == 0) {
            i++;
            break;
        }
        for (word++; *word != '\0'; word++) {
            const char *argument = "";
            char option = *word;
            if (strchr("tfCsedblnipumN%T:", option) == NULL) {
                zm_call_complain(call, "unknown option -%c", option);
                return false;
            }
            if (takes_argument(option)) {
                if (word[1] != '\0')
                    argument = word + 1;
                else if (++i < call->count)
                    argument = zm_call_arg_c(call, i);
                else
                    return false;
            }
            if (!set_option(call, defining, option, argument))
                return false;
            if (takes_argument(option))
                break;
        }
    }
    if (i + 1 != call->count)
        return false;
    defining->name = apr_pstrdup(call->script->pool, zm_call_arg_c(call, i));
    return defining->name[0] != '\0';
}

/* 0, or why a relation of that name cannot be: 4 a relation, 5 a built-in, 6 a function. */
static int name_taken(zm_call_t *call, const char *name)
{
    const zm_symbol_t *symbol = zm_symbol_find(&call->script->symbols, zm_str(name));
    if (zm_relation_find(call->script, zm_str(name)) != NULL) {
        zm_call_complain(call, "%s: is a relation already", name);
        return 4;
    }
    if (symbol != NULL && symbol->builtin != NULL) {
        zm_call_complain(call, "%s: is a built-in", name);
        return 5;
    }
    if (symbol != NULL && symbol->function != NULL) {
        zm_call_complain(call, "%s: is a function", name);
        return 6;
    }
    return 0;
}

static void define(zm_script_t *script, const char *name, zm_relation_t *relation)
{
    zm_relation_entry_t *entry = apr_pcalloc(script->pool, sizeof *entry),
                        **end = &script->relations;
    entry->name = name;
    entry->relation = relation;
    entry->builtin = (zm_builtin_t){
        .name = name, .kind = ZM_BUILTIN_LIST, .fn = lookup, .baton = entry, .relation = true};
    while (*end != NULL)
        end = &(*end)->next;
    *end = entry;
    zm_symbol_intern(&script->symbols, zm_str(name))->builtin = &entry->builtin;
}

static bool is_text(const char *type)
{
    return strcmp(type, "ordered") == 0 || strcmp(type, "unordered") == 0;
}

/* What maps ask for: hostname, SELFADDRESSES. */
static zm_str_t variable(void *baton, const char *name)
{
    return zm_script_get_str(baton, name);
}

static int do_relation(zm_call_t *call)
{
    zm_defining_t defining = {.options = {.cache = -1}};
    zm_relation_t *relation;
    zm_error_t error;
    apr_status_t created;
    int status;
    if (!read_options(call, &defining) || defining.options.type == NULL)
        return usage(call);
    if (defining.test)
        return zm_map_type_exists(defining.options.type) ? 0 : 3;
    if (defining.lower && defining.upper) {
        zm_call_complain(call, "-l and -u exclude each other");
        return 2;
    }
    defining.options.fold = defining.lower ? 'l' : defining.upper ? 'u' : 0;
    if (!zm_map_type_exists(defining.options.type)) {
        zm_call_complain(call, "%s: unknown type of relation", defining.options.type);
        return 3;
    }
    if (call->script->no_files && strcmp(defining.options.type, "incore") != 0) {
        zm_call_complain(call, "%s: only relations of type incore are allowed here", defining.name);
        return 1;
    }
    status = name_taken(call, defining.name);
    if (status != 0)
        return status;
    if (defining.options.post == ZM_POST_INDIRECT && !is_text(defining.options.type)) {
        zm_call_complain(call, "-i is for the types ordered and unordered");
        return 7;
    }
    defining.options.map.variable = variable;
    defining.options.map.variable_baton = call->script;
    created = zm_relation_create(&relation, &defining.options, call->script->pool, &error);
    if (created != APR_SUCCESS) {
        zm_call_complain(call, "%s: %s", defining.name, error.text);
        return 1;
    }
    define(call->script, defining.name, relation);
    return 0;
}

void zm_builtin_relation_define(zm_script_t *script)
{
    zm_script_define(script, "relation", ZM_BUILTIN_ARGV, do_relation, NULL);
}
