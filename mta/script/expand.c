/*
 * Expansion of words.
 *
 * The fragments of a word are pushed on the value stack and joined when the
 * word is complete, in place.  A word of one fragment is that value, list or
 * string; of several, lists contribute nothing.
 */

#include <string.h>

#include "mta/script/interp.h"
#include "mta/script/scope.h"

typedef struct zm_joiner_t {
    zm_script_t *script;
    uint32_t base; /* where the fragments of the current word begin on the stack */
    bool exists;   /* there is a word, even if it is null */
    bool split;    /* several words may result */
} zm_joiner_t;

/* -- joining ------------------------------------------------------------------------ */

static zm_flow_t too_many(zm_script_t *script)
{
    return zm_abort(script, "the evaluation holds more than %d words", ZM_STACK_VALUES);
}

static zm_flow_t add(zm_joiner_t *joiner, zm_value_t fragment)
{
    joiner->exists = true;
    return zm_push(joiner->script, fragment) ? ZM_FLOW_NORMAL : too_many(joiner->script);
}

static zm_value_t join(zm_script_t *script, const zm_value_t *fragments, uint32_t count)
{
    apr_size_t length = 0;
    uint32_t i;
    char *data, *at;
    if (count == 1)
        return fragments[0];
    for (i = 0; i < count; i++)
        length += zm_value_str(fragments[i]).length;
    if (length == 0 || length > UINT32_MAX || !zm_arena_room(&script->arena, length))
        return ZM_VALUE_NULL;
    data = at = zm_arena_alloc(&script->arena, length);
    for (i = 0; i < count; i++) {
        zm_str_t string = zm_value_str(fragments[i]);
        if (string.length > 0)
            memcpy(at, string.data, string.length);
        at += string.length;
    }
    return zm_value_of(zm_str_of(data, length));
}

/* Ends the current word, if there is one, and leaves it on the stack. */
static void finish(zm_joiner_t *joiner)
{
    zm_script_t *script = joiner->script;
    if (joiner->exists) {
        zm_value_t word =
            join(script, script->stack + joiner->base, script->stack_top - joiner->base);
        script->stack_top = joiner->base;
        script->stack[script->stack_top++] = word;
    }
    joiner->base = script->stack_top;
    joiner->exists = false;
}

/* -- parts ---------------------------------------------------------------------------- */

static zm_flow_t expand_part(zm_joiner_t *joiner, const zm_part_t *part);

/* A value that makes no word when it is null and unquoted. */
static zm_flow_t add_variable(zm_joiner_t *joiner, zm_value_t value, bool quoted)
{
    if (!quoted && !value.is_list && value.length == 0)
        return ZM_FLOW_NORMAL;
    return add(joiner, value);
}

static zm_flow_t missing(zm_script_t *script, zm_str_t name)
{
    zm_complain(script, "%.*s: parameter not set", (int)name.length, name.data);
    script->status = 1;
    return ZM_FLOW_SKIP;
}

/* The value of a variable or positional argument; *set tells whether it has one. */
static zm_value_t subject_value(zm_script_t *script, const zm_part_t *part, bool *set)
{
    zm_value_t value = ZM_VALUE_NULL;
    unsigned number = part->u.number;
    if (part->kind == ZM_PART_VARIABLE) {
        *set = zm_variable_get(script, part->u.symbol, &value);
    } else if (number == 0) {
        *set = true;
        value = script->frame->name;
    } else {
        *set = number <= script->frame->count;
        if (*set)
            value = script->frame->args[number - 1];
    }
    return value;
}

/* $@ and $*: separate words, or joined by blanks where only one word is possible. */
static zm_flow_t add_arguments(zm_joiner_t *joiner, bool joined)
{
    const zm_frame_t *frame = joiner->script->frame;
    zm_flow_t flow = ZM_FLOW_NORMAL;
    uint32_t i;
    for (i = 0; i < frame->count && flow == ZM_FLOW_NORMAL; i++) {
        if (i > 0 && joined)
            flow = add(joiner, ZM_VALUE(" "));
        else if (i > 0)
            finish(joiner);
        if (flow == ZM_FLOW_NORMAL)
            flow = add(joiner, frame->args[i]);
    }
    return flow;
}

static zm_flow_t add_length(zm_joiner_t *joiner, const zm_part_t *part)
{
    zm_script_t *script = joiner->script;
    zm_value_t value;
    if (!zm_variable_get(script, part->u.symbol, &value) || !value.is_list)
        return part->quoted ? add(joiner, ZM_VALUE_NULL) : ZM_FLOW_NORMAL;
    return add(joiner, zm_make_number(script, value.length));
}

static zm_flow_t add_match(zm_joiner_t *joiner, unsigned number)
{
    const zm_match_t *match = joiner->script->match;
    if (match == NULL || !match->matched)
        return ZM_FLOW_NORMAL;
    if (match->groups[number].data == NULL)
        return match->tokens ? ZM_FLOW_NORMAL : add(joiner, ZM_VALUE_NULL);
    return add(joiner, zm_value_of(match->groups[number]));
}

static zm_flow_t add_list(zm_joiner_t *joiner, const zm_words_t *words)
{
    zm_script_t *script = joiner->script;
    uint32_t base = script->stack_top;
    zm_flow_t flow;
    zm_value_t list;
    if (!zm_stack_ok(script))
        return ZM_FLOW_ABORT;
    flow = zm_expand_words(script, words);
    if (flow != ZM_FLOW_NORMAL)
        return flow;
    list = zm_make_list(script, script->stack + base, script->stack_top - base);
    script->stack_top = base;
    return add(joiner, list);
}

/* Text of an unquoted substitution: words at the characters of IFS and newlines. */
static zm_flow_t add_split(zm_joiner_t *joiner, zm_str_t text)
{
    const bool *ifs = joiner->script->ifs;
    apr_size_t i = 0;
    bool first = true;
    while (i < text.length) {
        apr_size_t start;
        zm_flow_t flow;
        while (i < text.length && (text.data[i] == '\n' || ifs[(unsigned char)text.data[i]]))
            i++;
        start = i;
        while (i < text.length && text.data[i] != '\n' && !ifs[(unsigned char)text.data[i]])
            i++;
        if (i == start)
            break;
        if (!first)
            finish(joiner);
        first = false;
        flow = add(joiner, zm_value_of(zm_str_of(text.data + start, i - start)));
        if (flow != ZM_FLOW_NORMAL)
            return flow;
    }
    return ZM_FLOW_NORMAL;
}

static zm_flow_t add_command(zm_joiner_t *joiner, const zm_part_t *part)
{
    zm_result_t result;
    bool split = joiner->split && !part->quoted;
    zm_flow_t flow = zm_substitute(joiner->script, part->u.command, &result);
    uint32_t i;
    if (flow != ZM_FLOW_NORMAL)
        return flow;
    if (!result.set && split)
        return add_split(joiner, zm_value_str(result.one));
    if (!result.set)
        return add_variable(joiner, result.one, part->quoted);
    for (i = 0; i < result.count && flow == ZM_FLOW_NORMAL; i++) {
        if (i > 0 && split)
            finish(joiner);
        flow = add(joiner, zm_result_items(&result)[i]);
    }
    return flow;
}

/* -- ${name-word} ----------------------------------------------------------------------- */

static zm_flow_t add_parameter_word(zm_joiner_t *joiner, const zm_word_t *word)
{
    uint32_t i;
    zm_flow_t flow = ZM_FLOW_NORMAL;
    for (i = 0; i < word->count && flow == ZM_FLOW_NORMAL; i++)
        flow = expand_part(joiner, &word->parts[i]);
    return flow;
}

static zm_flow_t complain_unset(zm_script_t *script, const zm_parameter_t *parameter)
{
    zm_value_t text = ZM_VALUE_NULL;
    zm_flow_t flow = zm_expand_value(script, parameter->word, &text);
    zm_str_t string = zm_value_str(text);
    if (flow != ZM_FLOW_NORMAL)
        return flow;
    if (parameter->word->count == 0)
        string = ZM_S("parameter null or not set");
    zm_complain(script, "%.*s", (int)string.length, string.data);
    script->status = 1;
    if (script->flags & ZM_FLAG_INTERACTIVE)
        return ZM_FLOW_SKIP;
    script->exit_status = 1;
    return ZM_FLOW_EXIT;
}

static zm_flow_t add_parameter(zm_joiner_t *joiner, const zm_parameter_t *parameter, bool quoted)
{
    zm_script_t *script = joiner->script;
    const zm_part_t *subject = parameter->subject;
    zm_value_t value = ZM_VALUE_NULL;
    bool set = true, filled = true;
    zm_flow_t flow;
    if (subject->kind == ZM_PART_VARIABLE || subject->kind == ZM_PART_POSITIONAL) {
        value = subject_value(script, subject, &set);
        filled = set && (!parameter->colon || value.length > 0);
    } else if (subject->kind == ZM_PART_ALL || subject->kind == ZM_PART_JOINED) {
        filled = script->frame->count > 0;
    }
    if (parameter->operation == '+')
        return filled ? add_parameter_word(joiner, parameter->word) : ZM_FLOW_NORMAL;
    if (filled)
        return expand_part(joiner, subject);
    if (parameter->operation == '-')
        return add_parameter_word(joiner, parameter->word);
    if (parameter->operation == '?')
        return complain_unset(script, parameter);
    flow = zm_expand_value(script, parameter->word, &value);
    if (flow != ZM_FLOW_NORMAL)
        return flow;
    zm_variable_set(script, subject->u.symbol, value);
    return add_variable(joiner, value, quoted);
}

static zm_flow_t expand_part(zm_joiner_t *joiner, const zm_part_t *part)
{
    zm_script_t *script = joiner->script;
    zm_value_t value;
    bool set;
    switch (part->kind) {
    case ZM_PART_TEXT:
        value = part->u.text;
        if (part->copy)
            value = zm_make_string(script, value.u.data, value.length);
        return add(joiner, value);
    case ZM_PART_VARIABLE:
    case ZM_PART_POSITIONAL:
        value = subject_value(script, part, &set);
        if (!set && script->flags & ZM_FLAG_NOUNSET) {
            char digit = (char)('0' + part->u.number % 10);
            return missing(script, part->kind == ZM_PART_VARIABLE ? part->u.symbol->name
                                                                  : zm_str_of(&digit, 1));
        }
        return add_variable(joiner, value, part->quoted);
    case ZM_PART_ALL:
        return add_arguments(joiner, !joiner->split);
    case ZM_PART_JOINED:
        if (part->quoted)
            joiner->exists = true;
        return add_arguments(joiner, true);
    case ZM_PART_COUNT:
        return add(joiner, zm_make_number(script, script->frame->count));
    case ZM_PART_LENGTH:
        return add_length(joiner, part);
    case ZM_PART_STATUS:
        return add(joiner, zm_make_number(script, script->status));
    case ZM_PART_PID:
        return add(joiner, zm_make_number(script, script->pid));
    case ZM_PART_FLAGS:
        return add_variable(joiner, zm_flags_value(script), part->quoted);
    case ZM_PART_PARAMETER:
        return add_parameter(joiner, part->u.parameter, part->quoted);
    case ZM_PART_COMMAND:
        return add_command(joiner, part);
    case ZM_PART_MATCH:
        return add_match(joiner, part->u.number);
    case ZM_PART_LIST:
        return add_list(joiner, part->u.list);
    }
    return ZM_FLOW_NORMAL;
}

/* A word that is one literal or one variable, as most are: no fragments to join.  False: it is
 * something else.  *exists: it makes a word. */
static inline bool simple_value(zm_script_t *script, const zm_word_t *word, zm_value_t *value,
                                bool *exists)
{
    const zm_part_t *part = word->parts;
    if (word->count != 1)
        return false;
    if (part->kind == ZM_PART_TEXT && !part->copy) {
        *value = part->u.text;
        *exists = true;
        return true;
    }
    if (part->kind != ZM_PART_VARIABLE || script->flags & ZM_FLAG_NOUNSET)
        return false;
    *value = ZM_VALUE_NULL;
    zm_variable_get(script, part->u.symbol, value);
    *exists = part->quoted || value->is_list || value->length > 0;
    return true;
}

/* -- words --------------------------------------------------------------------------------- */

zm_flow_t zm_expand_word(zm_script_t *script, const zm_word_t *word)
{
    zm_joiner_t joiner = {script, script->stack_top, false, true};
    uint32_t i;
    for (i = 0; i < word->count; i++) {
        zm_flow_t flow = expand_part(&joiner, &word->parts[i]);
        if (flow != ZM_FLOW_NORMAL)
            return flow;
    }
    finish(&joiner);
    return ZM_FLOW_NORMAL;
}

zm_flow_t zm_expand_words(zm_script_t *script, const zm_words_t *words)
{
    uint32_t i;
    for (i = 0; i < words->count; i++) {
        const zm_word_t *word = words->words[i];
        zm_value_t value;
        bool exists;
        zm_flow_t flow;
        if (simple_value(script, word, &value, &exists)) {
            if (exists && !zm_push(script, value))
                return too_many(script);
            continue;
        }
        flow = zm_expand_word(script, word);
        if (flow != ZM_FLOW_NORMAL)
            return flow;
    }
    return ZM_FLOW_NORMAL;
}

zm_flow_t zm_expand_value(zm_script_t *script, const zm_word_t *word, zm_value_t *value)
{
    uint32_t base = script->stack_top;
    zm_joiner_t joiner = {script, base, false, false};
    zm_flow_t flow = ZM_FLOW_NORMAL;
    bool exists;
    uint32_t i;
    if (word != NULL && simple_value(script, word, value, &exists))
        return ZM_FLOW_NORMAL; /* a null string, where it makes no word */
    *value = ZM_VALUE_NULL;
    if (word == NULL)
        return ZM_FLOW_NORMAL;
    for (i = 0; i < word->count && flow == ZM_FLOW_NORMAL; i++)
        flow = expand_part(&joiner, &word->parts[i]);
    if (flow == ZM_FLOW_NORMAL) {
        finish(&joiner);
        if (script->stack_top > base)
            *value = script->stack[base];
    }
    script->stack_top = base;
    return flow;
}

zm_flow_t zm_expand_fragments(zm_script_t *script, const zm_word_t *word, zm_fragment_fn *fn,
                              void *baton)
{
    uint32_t i;
    for (i = 0; i < word->count; i++) {
        const zm_part_t *part = &word->parts[i];
        zm_word_t one = {(zm_part_t *)(uintptr_t)part, 1};
        zm_value_t value;
        zm_flow_t flow;
        bool literal = part->quoted || part->kind != ZM_PART_TEXT;
        if (part->kind == ZM_PART_COMMAND && !part->quoted) {
            zm_result_t result;
            flow = zm_substitute(script, part->u.command, &result);
            value = flow == ZM_FLOW_NORMAL && result.count > 0 ? zm_result_items(&result)[0]
                                                               : ZM_VALUE_NULL;
            literal = result.set;
        } else {
            flow = zm_expand_value(script, &one, &value);
        }
        if (flow != ZM_FLOW_NORMAL)
            return flow;
        fn(baton, zm_value_str(value), literal);
    }
    return ZM_FLOW_NORMAL;
}
