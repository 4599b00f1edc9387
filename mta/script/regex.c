#include "mta/script/regex.h"

#include <pcre2.h>
#include <string.h>

#define MATCH_LIMIT 500000 /* of PCRE2: calls of its internal match function */
#define JIT_STACK ((size_t)512 * 1024)

struct zm_regex_t {
    pcre2_code *code;
    unsigned groups;
    bool choosy; /* a match begins with one of these bytes, or after a newline */
    bool first[256];
};

struct zm_regex_scratch_t {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

/* -- translation ------------------------------------------------------------------- */

typedef struct zm_translation_t {
    zm_str_t text;
    apr_size_t at;
    zm_buf_t *out;
    apr_size_t atom;       /* where the preceding atom begins in out, or NONE */
    apr_size_t opens[100]; /* where open groups begin in out */
    unsigned depth;
    zm_error_t *error;
} zm_translation_t;

#define NONE ((apr_size_t)-1)

static void add_literal(zm_buf_t *out, char c)
{
    if (strchr("\\^$.[]|()?*+{}-#/&~ ", c) != NULL && c != '\0')
        zm_buf_add_byte(out, '\\');
    if (c == '\0')
        zm_buf_add_c(out, "\\x00");
    else
        zm_buf_add_byte(out, c);
}

/* A member of a set; backslash and the like are ordinary. */
static void add_member(zm_buf_t *out, char c)
{
    if (strchr("\\^[]-&~:.=", c) != NULL && c != '\0')
        zm_buf_add_byte(out, '\\');
    zm_buf_add_byte(out, c);
}

static apr_status_t translate_set(zm_translation_t *t)
{
    zm_str_t text = t->text;
    apr_size_t start = t->out->length, members, first;
    bool negated;
    zm_buf_add_byte(t->out, '[');
    t->at++;
    negated = t->at < text.length && text.data[t->at] == '^';
    if (negated) {
        zm_buf_add_byte(t->out, '^');
        t->at++;
    }
    members = t->out->length;
    for (first = t->at; t->at < text.length && (text.data[t->at] != ']' || t->at == first);
         t->at++) {
        char low = text.data[t->at];
        if (t->at + 2 < text.length && text.data[t->at + 1] == '-' && text.data[t->at + 2] != ']') {
            char high = text.data[t->at + 2];
            t->at += 2;
            if ((unsigned char)low > (unsigned char)high)
                continue; /* an empty range has no members */
            add_member(t->out, low);
            zm_buf_add_byte(t->out, '-');
            add_member(t->out, high);
        } else {
            add_member(t->out, low);
        }
    }
    if (t->at >= text.length)
        return zm_error_set(t->error, ZM_E_SYNTAX, "the bracket \"[\" is not closed");
    if (t->out->length == members) { /* nothing but empty ranges: no character, or any */
        t->out->length = start;
        zm_buf_add_c(t->out, negated ? "[\\x00-\\xff" : "[^\\x00-\\xff");
    }
    zm_buf_add_byte(t->out, ']');
    t->at++;
    return APR_SUCCESS;
}

static apr_status_t translate_escape(zm_translation_t *t)
{
    char c = t->at + 1 < t->text.length ? t->text.data[t->at + 1] : '\0';
    if (t->at + 1 >= t->text.length)
        return zm_error_set(t->error, ZM_E_SYNTAX, "it ends with a backslash");
    t->at += 2;
    switch (c) {
    case 'w':
    case 'W':
    case 'b':
    case 'B':
        zm_buf_add_byte(t->out, '\\');
        zm_buf_add_byte(t->out, c);
        break;
    case '<':
        zm_buf_add_c(t->out, "\\b(?=\\w)");
        break;
    case '>':
        zm_buf_add_c(t->out, "\\b(?<=\\w)");
        break;
    case '`':
        zm_buf_add_c(t->out, "\\A");
        break;
    case '\'':
        zm_buf_add_c(t->out, "\\z");
        break;
    default:
        if (c >= '1' && c <= '9')
            zm_buf_printf(t->out, "\\g{%c}", c);
        else
            add_literal(t->out, c);
    }
    return APR_SUCCESS;
}

/* One or more of * + ?, applied to the preceding atom. */
static apr_status_t translate_repetition(zm_translation_t *t)
{
    bool star = false, plus = false, maybe = false;
    zm_buf_t atom = ZM_BUF_INIT;
    if (t->atom == NONE)
        return zm_error_set(t->error, ZM_E_SYNTAX, "\"%c\" has nothing to repeat",
                            t->text.data[t->at]);
    for (; t->at < t->text.length && strchr("*+?", t->text.data[t->at]) != NULL; t->at++) {
        star = star || t->text.data[t->at] == '*';
        plus = plus || t->text.data[t->at] == '+';
        maybe = maybe || t->text.data[t->at] == '?';
    }
    zm_buf_add(&atom, t->out->data + t->atom, t->out->length - t->atom);
    t->out->length = t->atom;
    zm_buf_add_c(t->out, "(?:");
    zm_buf_add_str(t->out, zm_buf_str(&atom));
    zm_buf_add_byte(t->out, ')');
    zm_buf_add_byte(t->out, star || (plus && maybe) ? '*' : plus ? '+' : '?');
    zm_buf_free(&atom);
    return APR_SUCCESS;
}

static apr_status_t translate_one(zm_translation_t *t)
{
    char c = t->text.data[t->at];
    apr_size_t start = t->out->length;
    switch (c) {
    case '*':
    case '+':
    case '?':
        return translate_repetition(t);
    case '(':
        if (t->depth >= sizeof t->opens / sizeof t->opens[0])
            return zm_error_set(t->error, ZM_E_SYNTAX, "groups are nested too deeply");
        t->opens[t->depth++] = start;
        zm_buf_add_byte(t->out, '(');
        t->atom = NONE;
        t->at++;
        return APR_SUCCESS;
    case ')':
        if (t->depth == 0)
            return zm_error_set(t->error, ZM_E_SYNTAX, "unmatched \")\"");
        zm_buf_add_byte(t->out, ')');
        t->atom = t->opens[--t->depth];
        t->at++;
        return APR_SUCCESS;
    case '|':
    case '^':
        zm_buf_add_byte(t->out, c);
        t->atom = NONE;
        t->at++;
        return APR_SUCCESS;
    case '$':
        zm_buf_add_byte(t->out, c);
        t->at++;
        break;
    case '.':
        zm_buf_add_c(t->out, "[^\\n\\x00]");
        t->at++;
        break;
    case '[':
        t->atom = start;
        return translate_set(t);
    case '\\':
        t->atom = start;
        return translate_escape(t);
    default:
        add_literal(t->out, c);
        t->at++;
    }
    t->atom = start;
    return APR_SUCCESS;
}

apr_status_t zm_regex_translate(zm_str_t text, zm_buf_t *out, zm_error_t *error)
{
    zm_translation_t t = {.text = text, .out = out, .atom = NONE, .error = error};
    while (t.at < text.length) {
        apr_status_t status = translate_one(&t);
        if (status != APR_SUCCESS)
            return status;
    }
    if (t.depth > 0)
        return zm_error_set(error, ZM_E_SYNTAX, "unmatched \"(\"");
    return APR_SUCCESS;
}

/* -- what a match can begin with -----------------------------------------------------------

 * Labels are tried one after the other on the same subject, and most of them fail at its
 * first byte: that is found out here at less cost.  What is not plain counts as anything. */

/* The end of the set or group that opens at `at`, behind its bracket; 0: none. */
static apr_size_t skip_set(zm_str_t text, apr_size_t at)
{
    apr_size_t i = at + 1;
    if (i < text.length && text.data[i] == '^')
        i++;
    if (i < text.length && text.data[i] == ']')
        i++;
    while (i < text.length && text.data[i] != ']')
        i++;
    return i < text.length ? i + 1 : 0;
}

/* Adds the bytes that the alternatives from *at to the end of their group may begin with. */
static bool add_firsts(zm_str_t text, apr_size_t *at, bool *first, unsigned depth);

/* The first atom of an alternative. */
static bool add_atom(zm_str_t text, apr_size_t *at, bool *first, unsigned depth)
{
    char c = *at < text.length ? text.data[*at] : '\0';
    if (c == '(' && depth < 10) {
        ++*at;
        if (!add_firsts(text, at, first, depth + 1))
            return false;
    } else if (c == '\\' && *at + 1 < text.length && !zm_is_alpha(text.data[*at + 1]) &&
               !zm_is_digit(text.data[*at + 1]) && strchr("<>`'", text.data[*at + 1]) == NULL) {
        first[(unsigned char)text.data[*at + 1]] = true;
        *at += 2;
    } else if (c != '\0' && strchr("([.\\*+?|^$)", c) == NULL) {
        first[(unsigned char)c] = true;
        ++*at;
    } else {
        return false;
    }
    return *at >= text.length || strchr("*?", text.data[*at]) == NULL;
}

static bool add_firsts(zm_str_t text, apr_size_t *at, bool *first, unsigned depth)
{
    unsigned open = 0;
    if (!add_atom(text, at, first, depth))
        return false;
    while (*at > 0 && *at < text.length) {
        char c = text.data[*at];
        if (c == '|' && open == 0 && depth == 0)
            return false; /* what follows is not bound to the beginning */
        if (c == ')' && open-- == 0) {
            ++*at;
            return true;
        }
        if (c == '|' && open == 0) {
            ++*at;
            if (!add_atom(text, at, first, depth))
                return false;
            continue;
        }
        if (c == '(')
            open++;
        *at = c == '[' ? skip_set(text, *at) : c == '\\' ? *at + 2 : *at + 1;
    }
    return depth == 0;
}

static void find_firsts(zm_regex_t *regex, zm_str_t text)
{
    apr_size_t at = 1;
    memset(regex->first, 0, sizeof regex->first);
    regex->choosy =
        text.length > 1 && text.data[0] == '^' && add_firsts(text, &at, regex->first, 0);
}

static bool may_begin(const zm_regex_t *regex, zm_str_t subject)
{
    if (!regex->choosy || memchr(subject.data, '\n', subject.length) != NULL)
        return true;
    return regex->first[(unsigned char)subject.data[0]];
}

/* -- compiling and matching ------------------------------------------------------------ */

static apr_status_t free_code(void *data)
{
    pcre2_code_free(((zm_regex_t *)data)->code);
    return APR_SUCCESS;
}

apr_status_t zm_regex_compile(zm_regex_t **result, zm_str_t text, apr_pool_t *pool,
                              zm_error_t *error)
{
    zm_buf_t pattern = ZM_BUF_INIT;
    zm_regex_t *regex;
    pcre2_code *code;
    int number;
    uint32_t groups = 0;
    PCRE2_SIZE offset;
    apr_status_t status = zm_regex_translate(text, &pattern, error);
    if (status != APR_SUCCESS) {
        zm_buf_free(&pattern);
        return status;
    }
    code = pcre2_compile((PCRE2_SPTR)pattern.data, pattern.length,
                         PCRE2_MULTILINE | PCRE2_ALT_CIRCUMFLEX, &number, &offset, NULL);
    zm_buf_free(&pattern);
    if (code == NULL) {
        char reason[120];
        pcre2_get_error_message(number, (PCRE2_UCHAR *)reason, sizeof reason);
        return zm_error_set(error, ZM_E_SYNTAX, "%s", reason);
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
    regex = apr_palloc(pool, sizeof *regex);
    regex->code = code;
    regex->groups = groups;
    find_firsts(regex, text);
    apr_pool_cleanup_register(pool, regex, free_code, apr_pool_cleanup_null);
    *result = regex;
    return APR_SUCCESS;
}

static apr_status_t free_scratch(void *data)
{
    zm_regex_scratch_t *scratch = data;
    pcre2_match_data_free(scratch->data);
    pcre2_match_context_free(scratch->context);
    if (scratch->stack != NULL)
        pcre2_jit_stack_free(scratch->stack);
    return APR_SUCCESS;
}

zm_regex_scratch_t *zm_regex_scratch(apr_pool_t *pool)
{
    zm_regex_scratch_t *scratch = apr_palloc(pool, sizeof *scratch);
    scratch->data = pcre2_match_data_create(10, NULL);
    scratch->context = pcre2_match_context_create(NULL);
    scratch->stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK, NULL);
    pcre2_set_match_limit(scratch->context, MATCH_LIMIT);
    pcre2_set_heap_limit(scratch->context, 20000); /* KiB */
    if (scratch->stack != NULL)
        pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
    apr_pool_cleanup_register(pool, scratch, free_scratch, apr_pool_cleanup_null);
    return scratch;
}

apr_status_t zm_regex_match(const zm_regex_t *regex, zm_str_t subject, zm_str_t groups[10],
                            unsigned *count, zm_regex_scratch_t *scratch)
{
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(scratch->data);
    unsigned i;
    int found;
    if (subject.length > 0 && !may_begin(regex, subject))
        return APR_ENOENT;
    found = pcre2_match(regex->code, (PCRE2_SPTR)subject.data, subject.length, 0, 0, scratch->data,
                        scratch->context);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
        found = pcre2_match(regex->code, (PCRE2_SPTR)subject.data, subject.length, 0, PCRE2_NO_JIT,
                            scratch->data, scratch->context);
    if (found == PCRE2_ERROR_NOMATCH)
        return APR_ENOENT;
    if (found < 0)
        return ZM_E_LIMIT;
    *count = regex->groups + 1 < 10 ? regex->groups + 1 : 10;
    for (i = 0; i < 10; i++) {
        bool there = i < *count && (found == 0 || i < (unsigned)found) &&
                     ends[2 * i] != PCRE2_UNSET && ends[2 * i + 1] >= ends[2 * i];
        groups[i] = there ? zm_str_of(subject.data + ends[2 * i], ends[2 * i + 1] - ends[2 * i])
                          : (zm_str_t){NULL, 0};
    }
    return APR_SUCCESS;
}
