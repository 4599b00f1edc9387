/* Patterns over tokens, from their text to a small program (sift_pattern.h). */

#include <apr_strings.h>
#include <apr_tables.h>
#include <string.h>

#include "mta/script/sift_pattern.h"

#define DEPTH_LIMIT 100

/* -- compiling --------------------------------------------------------------------------- */

typedef struct zm_compiler_t {
    zm_str_t text;
    apr_size_t at;
    apr_array_header_t *code;
    unsigned groups, depth, literals;
    bool anchored;
    apr_pool_t *pool;
    zm_error_t *error;
} zm_compiler_t;

static zm_instruction_t *emit(zm_compiler_t *c, zm_op_t op)
{
    zm_instruction_t *instruction = apr_array_push(c->code);
    *instruction = (zm_instruction_t){.op = op};
    return instruction;
}

static zm_instruction_t *code_at(const zm_compiler_t *c, uint32_t index)
{
    return &((zm_instruction_t *)(void *)c->code->elts)[index];
}

static uint32_t here(const zm_compiler_t *c)
{
    return (uint32_t)c->code->nelts;
}

/* Makes room for one instruction before index; jumps inside of what moves are relative to
 * themselves. */
static zm_instruction_t *insert(zm_compiler_t *c, uint32_t index, zm_op_t op)
{
    uint32_t count = here(c) - index;
    emit(c, op);
    memmove(code_at(c, index + 1), code_at(c, index), count * sizeof(zm_instruction_t));
    *code_at(c, index) = (zm_instruction_t){.op = op};
    return code_at(c, index);
}

static bool is_meta(const zm_compiler_t *c, apr_size_t at)
{
    char ch = c->text.data[at];
    if (ch == '$')
        return at + 1 == c->text.length;
    return ch != '\0' && strchr(".[\\()|*+?^", ch) != NULL;
}

static apr_status_t compile_set(zm_compiler_t *c)
{
    zm_str_t text = c->text;
    uint8_t *members = apr_pcalloc(c->pool, 256);
    zm_instruction_t *set;
    bool negated;
    apr_size_t first;
    unsigned i;
    c->at++;
    negated = c->at < text.length && text.data[c->at] == '^';
    if (negated)
        c->at++;
    for (first = c->at; c->at < text.length && (text.data[c->at] != ']' || c->at == first);
         c->at++) {
        unsigned low = (unsigned char)text.data[c->at], high = low;
        if (c->at + 2 < text.length && text.data[c->at + 1] == '-' && text.data[c->at + 2] != ']') {
            high = (unsigned char)text.data[c->at + 2];
            c->at += 2;
        }
        for (i = low; i <= high; i++)
            members[i] = 1;
    }
    if (c->at >= text.length)
        return zm_error_set(c->error, ZM_E_SYNTAX, "the bracket \"[\" is not closed");
    c->at++;
    for (i = 0; i < 256; i++)
        members[i] = (members[i] != 0) != negated;
    set = emit(c, OP_SET);
    set->members = members;
    set->negated = negated;
    return APR_SUCCESS;
}

static bool closes_literal_later(const zm_compiler_t *c)
{
    apr_size_t i;
    for (i = c->at; i + 1 < c->text.length; i++) {
        if (c->text.data[i] == '\\') {
            if (c->text.data[i + 1] == ']')
                return true;
            i++;
        }
    }
    return false;
}

static apr_status_t compile_escape(zm_compiler_t *c, bool *nullable)
{
    char ch;
    if (c->at + 1 >= c->text.length)
        return zm_error_set(c->error, ZM_E_SYNTAX, "it ends with a backslash");
    ch = c->text.data[c->at + 1];
    c->at += 2;
    if (ch == '[' && closes_literal_later(c)) {
        c->literals++;
        emit(c, OP_OPEN);
        *nullable = true;
    } else if (ch == ']' && c->literals > 0) {
        c->literals--;
        emit(c, OP_CLOSE);
        *nullable = true;
    } else {
        emit(c, OP_CHARACTER)->a = (unsigned char)zm_to_lower((unsigned char)ch);
    }
    return APR_SUCCESS;
}

/* A run of literal characters; a repetition behind it takes only the last. */
static void compile_run(zm_compiler_t *c)
{
    apr_size_t start = c->at, end;
    while (c->at < c->text.length && (c->at == start || !is_meta(c, c->at)))
        c->at++;
    end = c->at;
    if (end - start > 1 && end < c->text.length && strchr("*+?", c->text.data[end]) != NULL)
        c->at = --end;
    emit(c, OP_LITERAL)->text = zm_str_lower(c->pool, zm_str_of(c->text.data + start, end - start));
}

static apr_status_t compile_branches(zm_compiler_t *c, bool *nullable, bool top);

static apr_status_t compile_group(zm_compiler_t *c, bool *nullable)
{
    unsigned number = c->groups;
    apr_status_t status;
    c->at++;
    if (number < 10)
        c->groups++;
    if (++c->depth > DEPTH_LIMIT)
        return zm_error_set(c->error, ZM_E_SYNTAX, "groups are nested too deeply");
    if (number < 10)
        emit(c, OP_SAVE)->a = 2 * number;
    status = compile_branches(c, nullable, false);
    if (status != APR_SUCCESS)
        return status;
    if (c->at >= c->text.length)
        return zm_error_set(c->error, ZM_E_SYNTAX, "unmatched \"(\"");
    c->at++;
    c->depth--;
    if (number < 10)
        emit(c, OP_SAVE)->a = 2 * number + 1;
    return APR_SUCCESS;
}

static apr_status_t compile_atom(zm_compiler_t *c, bool *nullable)
{
    *nullable = false;
    switch (c->text.data[c->at]) {
    case '(':
        return compile_group(c, nullable);
    case '.':
        c->at++;
        emit(c, OP_ANY);
        return APR_SUCCESS;
    case '[':
        return compile_set(c);
    case '\\':
        return compile_escape(c, nullable);
    case '^':
        c->at++;
        emit(c, OP_BEGIN);
        *nullable = true;
        return APR_SUCCESS;
    case '*':
    case '+':
    case '?':
        return zm_error_set(c->error, ZM_E_SYNTAX, "\"%c\" has nothing to repeat",
                            c->text.data[c->at]);
    default:
        if (c->text.data[c->at] == '$' && is_meta(c, c->at)) {
            c->at++;
            emit(c, OP_END);
            *nullable = true;
            return APR_SUCCESS;
        }
        compile_run(c);
        return APR_SUCCESS;
    }
}

static bool is_single(const zm_instruction_t *instruction)
{
    return instruction->op == OP_ANY || instruction->op == OP_SET ||
           instruction->op == OP_CHARACTER ||
           (instruction->op == OP_LITERAL && instruction->text.length == 1);
}

/* Applies * + or ? to the code from start on. */
static apr_status_t compile_repetition(zm_compiler_t *c, uint32_t start, bool *nullable)
{
    char op = c->text.data[c->at++];
    uint32_t length = here(c) - start;
    zm_instruction_t *split;
    if (*nullable)
        return zm_error_set(c->error, ZM_E_SYNTAX, "the operand of \"%c\" can be empty", op);
    if (c->at < c->text.length && strchr("*+?", c->text.data[c->at]) != NULL)
        return zm_error_set(c->error, ZM_E_SYNTAX, "\"%c%c\" repeats a repetition", op,
                            c->text.data[c->at]);
    *nullable = op != '+';
    if (op == '?') { /* SPLIT +1, behind */
        split = insert(c, start, OP_SPLIT);
        split->a = 1;
        split->b = length + 1;
    } else if (length == 1 && is_single(code_at(c, start))) { /* REPEAT atom */
        code_at(c, start)->repeated = true;
        insert(c, start, OP_REPEAT)->a = op == '+';
    } else if (op == '+') { /* atom; SPLIT back, +1 */
        split = emit(c, OP_SPLIT);
        split->a = (uint32_t) - (int32_t)length;
        split->b = 1;
    } else { /* SPLIT +1, behind; atom; JUMP to SPLIT */
        split = insert(c, start, OP_SPLIT);
        split->a = 1;
        split->b = length + 2;
        emit(c, OP_JUMP)->a = (uint32_t) - (int32_t)(length + 1);
    }
    return APR_SUCCESS;
}

static apr_status_t compile_branch(zm_compiler_t *c, bool *nullable)
{
    *nullable = true;
    while (c->at < c->text.length && c->text.data[c->at] != '|' && c->text.data[c->at] != ')') {
        uint32_t start = here(c);
        bool atom_nullable;
        apr_status_t status = compile_atom(c, &atom_nullable);
        if (status == APR_SUCCESS && c->at < c->text.length &&
            strchr("*+?", c->text.data[c->at]) != NULL)
            status = compile_repetition(c, start, &atom_nullable);
        if (status != APR_SUCCESS)
            return status;
        *nullable = *nullable && atom_nullable;
    }
    return APR_SUCCESS;
}

/* branch { "|" branch }: SPLIT +1, next; branch; JUMP end */
static apr_status_t compile_branches(zm_compiler_t *c, bool *nullable, bool top)
{
    apr_array_header_t *jumps = apr_array_make(c->pool, 2, sizeof(uint32_t));
    int i;
    *nullable = false;
    for (;;) {
        uint32_t start = here(c);
        bool branch_nullable, more;
        zm_instruction_t *split;
        apr_status_t status;
        if (top && (c->at >= c->text.length || c->text.data[c->at] != '^'))
            c->anchored = false;
        status = compile_branch(c, &branch_nullable);
        if (status != APR_SUCCESS)
            return status;
        *nullable = *nullable || branch_nullable;
        more = c->at < c->text.length && c->text.data[c->at] == '|';
        if (!more)
            break;
        c->at++;
        split = insert(c, start, OP_SPLIT);
        split->a = 1;
        split->b = here(c) - start + 1;
        *(uint32_t *)apr_array_push(jumps) = here(c);
        emit(c, OP_JUMP);
    }
    for (i = 0; i < jumps->nelts; i++) {
        uint32_t index = ((uint32_t *)(void *)jumps->elts)[i];
        code_at(c, index)->a = here(c) - index;
    }
    return APR_SUCCESS;
}

apr_status_t zm_sift_pattern_compile(zm_sift_pattern_t **result, zm_str_t text, apr_pool_t *pool,
                                     zm_error_t *error)
{
    zm_compiler_t c = {.text = text, .groups = 1, .anchored = true, .pool = pool, .error = error};
    zm_sift_pattern_t *pattern;
    bool nullable;
    apr_status_t status;
    c.code = apr_array_make(pool, 16, sizeof(zm_instruction_t));
    status = compile_branches(&c, &nullable, true);
    if (status != APR_SUCCESS)
        return status;
    if (c.at < text.length)
        return zm_error_set(error, ZM_E_SYNTAX, "unmatched \")\"");
    emit(&c, OP_MATCH);
    pattern = apr_palloc(pool, sizeof *pattern);
    pattern->code = (zm_instruction_t *)(void *)c.code->elts;
    pattern->groups = c.groups;
    pattern->anchored = c.anchored;
    *result = pattern;
    return APR_SUCCESS;
}
