/*
 * Runs the program of a pattern over tokens: a backtracking machine with an explicit stack and a
 * bounded number of steps.
 */

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "mta/script/sift_pattern.h"

#define STEP_LIMIT 1000000
#define STRIPPED 0x80000000u /* in the start slot of a group inside of a domain literal */
#define UNSET 0xffffffffu
#define CHOICES 32 /* without asking for memory */

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

/* -- the machine ------------------------------------------------------------------------------- */

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
    uint32_t slots[ZM_SIFT_SLOTS];
    unsigned steps;
    uint32_t count, room; /* choices left to go back to */
    zm_choice_t *choices; /* few, or allocated */
    zm_choice_t few[CHOICES];
} zm_machine_t;

static void more_room(zm_machine_t *m)
{
    zm_choice_t *old = m->choices == m->few ? NULL : m->choices;
    m->room *= 4;
    m->choices = realloc(old, m->room * sizeof *m->choices);
    if (m->choices == NULL)
        abort();
    if (old == NULL)
        memcpy(m->choices, m->few, sizeof m->few);
}

static void choose(zm_machine_t *m, zm_choice_kind_t kind, uint32_t pc, uint32_t position,
                   uint32_t least)
{
    if (m->count == m->room)
        more_room(m);
    m->choices[m->count++] = (zm_choice_t){kind, pc, position, least};
}

static void set_slot(zm_machine_t *m, uint32_t slot, uint32_t value)
{
    if (m->count > 0) /* else nobody will want it back */
        choose(m, CHOICE_RESTORE, slot, m->slots[slot], 0);
    m->slots[slot] = value;
}

/* Goes back to the last choice; false when there is none. */
static bool back(zm_machine_t *m, uint32_t *pc, uint32_t *at)
{
    while (m->count > 0) {
        zm_choice_t *choice = &m->choices[m->count - 1];
        if (choice->kind == CHOICE_RESTORE) {
            m->slots[choice->pc] = choice->position;
            m->count--;
            continue;
        }
        *pc = choice->pc;
        *at = choice->position;
        if (choice->kind == CHOICE_RANGE && choice->position > choice->least)
            choice->position--;
        else
            m->count--;
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
        if (m->slots[ZM_SIFT_SLOT_LITERAL] != 0 && i->a % 2 == 0)
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
        set_slot(m, ZM_SIFT_SLOT_LITERAL, *at + 1);
        break;
    case OP_CLOSE:
        if (m->slots[ZM_SIFT_SLOT_LITERAL] == 0 || *at != m->slots[ZM_SIFT_SLOT_LITERAL])
            return false;
        set_slot(m, ZM_SIFT_SLOT_LITERAL, 0);
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
    for (i = 0; i < ZM_SIFT_SLOTS; i++)
        m->slots[i] = i == ZM_SIFT_SLOT_LITERAL ? 0 : UNSET;
    m->slots[0] = start;
    m->count = 0;
    while (m->pattern->code[pc].op != OP_MATCH) {
        if (++m->steps > STEP_LIMIT)
            return ZM_E_LIMIT;
        if (!step(m, &pc, &at) && !back(m, &pc, &at))
            return APR_ENOENT;
    }
    m->slots[1] = at;
    return APR_SUCCESS;
}

/* -- results ----------------------------------------------------------------------------------- */

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
    zm_machine_t m;
    apr_status_t status = APR_ENOENT;
    uint32_t start;
    unsigned i;
    m.pattern = pattern;
    m.tokens = tokens;
    m.steps = 0;
    m.choices = m.few;
    m.room = CHOICES;
    for (start = 0; start <= tokens->count && status == APR_ENOENT; start++) {
        if (start > 0 && pattern->anchored)
            break;
        status = run(&m, start);
    }
    if (m.choices != m.few)
        free(m.choices);
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
