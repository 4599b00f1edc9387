/*
 * Patterns over tokens: compiled to a small program, run by a backtracking
 * machine with an explicit stack and a bounded number of steps.
 *
 *   ANY LITERAL SET CHARACTER   consume tokens, or fail
 *   REPEAT min, then one of these: takes as many as there are, gives back one at a time
 *   SPLIT a b                   tries a, on failure b
 *   JUMP a
 *   SAVE n                      notes the position in slot n
 *   BEGIN END                   hold at the ends of the subject
 *   OPEN CLOSE                  around what must be one domain literal
 */

#include <apr_strings.h>
#include <apr_tables.h>
#include <stdlib.h>
#include <string.h>

#include "mta/script/sift_token.h"

#define STEP_LIMIT 1000000
#define DEPTH_LIMIT 100
#define SLOTS 21 /* 0-19: groups; 20: inside a domain literal, its position + 1 */
#define SLOT_LITERAL 20
#define STRIPPED 0x80000000u /* in the start slot of a group inside of a domain literal */
#define UNSET 0xffffffffu

typedef enum zm_op_t {
    OP_ANY,
    OP_LITERAL,
    OP_CHARACTER,
    OP_SET,
    OP_REPEAT,
    OP_SPLIT,
    OP_JUMP,
    OP_SAVE,
    OP_BEGIN,
    OP_END,
    OP_OPEN,
    OP_CLOSE,
    OP_MATCH
} zm_op_t;

typedef struct zm_instruction_t {
    zm_op_t op;
    uint32_t a, b;
    zm_str_t text;          /* LITERAL */
    const uint8_t *members; /* SET: 256 flags, already negated where it is */
    bool negated;           /* SET */
    bool repeated;          /* ANY, SET: the operand of * or + */
} zm_instruction_t;

struct zm_sift_pattern_t {
    zm_instruction_t *code;
    unsigned groups; /* with group 0 */
    bool anchored;   /* every branch begins with ^ */
};

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

/* -- matching one element -------------------------------------------------------------------- */

/* Tokens that a literal run covers from at on, 0 if it does not. */
static uint32_t literal_length(const zm_sift_tokens_t *tokens, uint32_t at, zm_str_t run)
{
    uint32_t from = at;
    while (run.length > 0) {
        zm_str_t text;
        if (at >= tokens->count)
            return 0;
        text = tokens->tokens[at].text;
        if (text.length == 0 || text.length > run.length || !zm_str_starts_nocase(run, text))
            return 0;
        run.data += text.length;
        run.length -= text.length;
        at++;
    }
    return at - from;
}

static bool set_matches(const zm_instruction_t *set, const zm_sift_token_t *token)
{
    zm_str_t text = token->text;
    if (text.length == 0)
        return token->kind == ZM_SIFT_EMPTY ? !set->repeated : set->negated;
    if (set->repeated && text.length > 1)
        return set->negated;
    return set->members[(unsigned char)text.data[0]];
}

/* Tokens that one element covers at a position, 0 if it does not match. */
static uint32_t covers(const zm_instruction_t *element, const zm_sift_tokens_t *tokens, uint32_t at)
{
    const zm_sift_token_t *token;
    if (at >= tokens->count)
        return 0;
    token = &tokens->tokens[at];
    switch (element->op) {
    case OP_ANY:
        return !element->repeated || token->kind != ZM_SIFT_EMPTY;
    case OP_SET:
        return set_matches(element, token);
    case OP_CHARACTER:
        return token->text.length == 1 && (uint32_t)(unsigned char)zm_to_lower(
                                              (unsigned char)token->text.data[0]) == element->a;
    default:
        return literal_length(tokens, at, element->text);
    }
}

/* -- the machine ----------------------------------------------------------------------------------
 */

typedef enum zm_choice_kind_t { CHOICE_BRANCH, CHOICE_RANGE, CHOICE_RESTORE } zm_choice_kind_t;

typedef struct zm_choice_t {
    zm_choice_kind_t kind;
    uint32_t pc;       /* RESTORE: the slot */
    uint32_t position; /* RESTORE: its old value; RANGE: highest position left */
    uint32_t least;    /* RANGE: lowest position */
} zm_choice_t;

typedef struct zm_machine_t {
    const zm_sift_pattern_t *pattern;
    const zm_sift_tokens_t *tokens;
    uint32_t slots[SLOTS];
    zm_buf_t choices;
    unsigned steps;
} zm_machine_t;

static void choose(zm_machine_t *m, zm_choice_kind_t kind, uint32_t pc, uint32_t position,
                   uint32_t least)
{
    zm_choice_t choice = {kind, pc, position, least};
    zm_buf_add(&m->choices, &choice, sizeof choice);
}

static void set_slot(zm_machine_t *m, uint32_t slot, uint32_t value)
{
    choose(m, CHOICE_RESTORE, slot, m->slots[slot], 0);
    m->slots[slot] = value;
}

/* Goes back to the last choice; false when there is none. */
static bool back(zm_machine_t *m, uint32_t *pc, uint32_t *at)
{
    while (m->choices.length > 0) {
        zm_choice_t *choice =
            (zm_choice_t *)(void *)(m->choices.data + m->choices.length - sizeof *choice);
        if (choice->kind == CHOICE_RESTORE) {
            m->slots[choice->pc] = choice->position;
            m->choices.length -= sizeof *choice;
            continue;
        }
        *pc = choice->pc;
        *at = choice->position;
        if (choice->kind == CHOICE_RANGE && choice->position > choice->least)
            choice->position--;
        else
            m->choices.length -= sizeof *choice;
        return true;
    }
    return false;
}

/* A repetition of one-token elements: takes all it can, the rest are choices. */
static bool repeat(zm_machine_t *m, uint32_t *pc, uint32_t *at)
{
    const zm_instruction_t *element = &m->pattern->code[*pc + 1];
    uint32_t least = *at + m->pattern->code[*pc].a, most = *at;
    while (covers(element, m->tokens, most) == 1)
        most++;
    m->steps += most - *at;
    *pc += 2;
    if (most < least)
        return false;
    if (most > least)
        choose(m, CHOICE_RANGE, *pc, most - 1, least);
    *at = most;
    return true;
}

/* Executes the instruction at *pc; false when it fails. */
static bool step(zm_machine_t *m, uint32_t *pc, uint32_t *at)
{
    const zm_instruction_t *i = &m->pattern->code[*pc];
    uint32_t taken;
    switch (i->op) {
    case OP_REPEAT:
        return repeat(m, pc, at);
    case OP_SPLIT:
        choose(m, CHOICE_BRANCH, *pc + i->b, *at, 0);
        *pc += i->a;
        return true;
    case OP_JUMP:
        *pc += i->a;
        return true;
    case OP_SAVE:
        taken = *at;
        if (m->slots[SLOT_LITERAL] != 0 && i->a % 2 == 0)
            taken |= STRIPPED;
        set_slot(m, i->a, taken);
        break;
    case OP_BEGIN:
        if (*at != 0)
            return false;
        break;
    case OP_END: /* the empty token is nothing left over */
        if (*at != m->tokens->count && m->tokens->tokens[*at].kind != ZM_SIFT_EMPTY)
            return false;
        break;
    case OP_OPEN:
        if (*at >= m->tokens->count || m->tokens->tokens[*at].kind != ZM_SIFT_LITERAL)
            return false;
        set_slot(m, SLOT_LITERAL, *at + 1);
        break;
    case OP_CLOSE:
        if (m->slots[SLOT_LITERAL] == 0 || *at != m->slots[SLOT_LITERAL])
            return false;
        set_slot(m, SLOT_LITERAL, 0);
        break;
    default:
        taken = covers(i, m->tokens, *at);
        if (taken == 0)
            return false;
        *at += taken;
    }
    (*pc)++;
    return true;
}

static apr_status_t run(zm_machine_t *m, uint32_t start)
{
    uint32_t pc = 0, at = start, i;
    for (i = 0; i < SLOTS; i++)
        m->slots[i] = i == SLOT_LITERAL ? 0 : UNSET;
    m->slots[0] = start;
    zm_buf_clear(&m->choices);
    while (m->pattern->code[pc].op != OP_MATCH) {
        if (++m->steps > STEP_LIMIT)
            return ZM_E_LIMIT;
        if (!step(m, &pc, &at) && !back(m, &pc, &at))
            return APR_ENOENT;
    }
    m->slots[1] = at;
    return APR_SUCCESS;
}

/* -- results
 * -------------------------------------------------------------------------------------------- */

/* The tokens from start to end as they are printed: comments without parentheses. */
static zm_str_t printed(const zm_sift_tokens_t *tokens, uint32_t start, uint32_t end, bool stripped,
                        apr_pool_t *pool)
{
    char *text, *at;
    uint32_t i;
    if (end <= start)
        return ZM_S("");
    if (stripped && end == start + 1)
        return tokens->tokens[start].text;
    if (!tokens->comments)
        return zm_str_of(tokens->source.data + tokens->tokens[start].start,
                         tokens->tokens[end - 1].end - tokens->tokens[start].start);
    text = at = apr_palloc(pool, tokens->tokens[end - 1].end - tokens->tokens[start].start + 1);
    for (i = start; i < end; i++) {
        const zm_sift_token_t *token = &tokens->tokens[i];
        zm_str_t part =
            token->kind == ZM_SIFT_COMMENT
                ? token->text
                : zm_str_of(tokens->source.data + token->start, token->end - token->start);
        if (part.length > 0)
            memcpy(at, part.data, part.length);
        at += part.length;
    }
    return zm_str_of(text, (apr_size_t)(at - text));
}

apr_status_t zm_sift_pattern_match(const zm_sift_pattern_t *pattern, const zm_sift_tokens_t *tokens,
                                   zm_str_t groups[10], unsigned *count, apr_pool_t *pool)
{
    zm_machine_t m = {.pattern = pattern, .tokens = tokens};
    apr_status_t status = APR_ENOENT;
    uint32_t start;
    unsigned i;
    for (start = 0; start <= tokens->count && status == APR_ENOENT; start++) {
        if (start > 0 && pattern->anchored)
            break;
        status = run(&m, start);
    }
    zm_buf_free(&m.choices);
    if (status != APR_SUCCESS)
        return status;
    *count = pattern->groups;
    for (i = 0; i < 10; i++) {
        uint32_t from = m.slots[2 * i], to = m.slots[2 * i + 1];
        if (from == UNSET || to == UNSET)
            groups[i] = (zm_str_t){NULL, 0};
        else
            groups[i] = printed(tokens, from & ~STRIPPED, to, (from & STRIPPED) != 0, pool);
    }
    return APR_SUCCESS;
}
