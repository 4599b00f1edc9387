#include "mta/script/lexer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* -- errors ------------------------------------------------------------------- */

unsigned zm_lex_line(zm_source_t *lexer)
{
    if (lexer->line_at == NULL || lexer->line_at > lexer->at) {
        lexer->line_at = lexer->text;
        lexer->line_number = lexer->first_line;
    }
    for (; lexer->line_at < lexer->at; lexer->line_at++)
        if (*lexer->line_at == '\n')
            lexer->line_number++;
    return lexer->line_number;
}

bool zm_lex_fail_at(zm_source_t *lexer, const char *place, const char *format, ...)
{
    zm_parse_error_t *error = lexer->error;
    const char *start = place, *stop = place, *p;
    va_list arguments;
    if (lexer->failed)
        return false;
    lexer->failed = true;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    error->line = lexer->first_line;
    for (p = lexer->text; p < place; p++)
        error->line += *p == '\n';
    while (start > lexer->text && start[-1] != '\n')
        start--;
    while (stop < lexer->end && *stop != '\n')
        stop++;
    error->column = (unsigned)(place - start) + 1;
    error->source = zm_str_copy(lexer->unit->pool, zm_str_of(start, (apr_size_t)(stop - start)));
    error->incomplete = place == lexer->end && !lexer->inner;
    return false;
}

static const char *const operator_texts[] = {
    "word", "end of text", "end of line", ";", ";;", "&", "&&", "||", "|", "<", ">", "(", ")", "}"};

bool zm_lex_unexpected(zm_source_t *lexer, const char *expected)
{
    zm_operator_t op = zm_lex_peek(lexer);
    const char *stop = lexer->at;
    char found[60];
    if (op == ZM_OP_NONE) {
        while (!zm_lex_ends_word(lexer, stop) && stop - lexer->at < 40)
            stop++;
        snprintf(found, sizeof found, "\"%.*s\"", (int)(stop - lexer->at), lexer->at);
    } else if (op == ZM_OP_END || op == ZM_OP_NEWLINE) {
        snprintf(found, sizeof found, "%s", operator_texts[op]);
    } else {
        snprintf(found, sizeof found, "\"%s\"", operator_texts[op]);
    }
    if (expected != NULL)
        return zm_lex_fail_at(lexer, lexer->at, "unexpected %s, expected %s", found, expected);
    return zm_lex_fail_at(lexer, lexer->at, "unexpected %s", found);
}

bool zm_lex_enter(zm_source_t *lexer)
{
    if (lexer->depth >= ZM_PARSE_DEPTH)
        return zm_lex_fail_at(lexer, lexer->at, "nested too deeply");
    lexer->depth++;
    return true;
}

void zm_lex_leave(zm_source_t *lexer)
{
    lexer->depth--;
}

/* -- pieces of text ------------------------------------------------------------- */

void zm_lex_inner(zm_source_t *inner, const zm_source_t *outer, zm_str_t text, unsigned line)
{
    *inner = (zm_source_t){.text = text.data,
                           .at = text.data,
                           .end = text.data + text.length,
                           .first_line = line,
                           .unit = outer->unit,
                           .context = outer->context,
                           .error = outer->error,
                           .inner = true,
                           .depth = outer->depth + 1};
    inner->here_end = &inner->here;
}

bool zm_lex_inner_done(zm_source_t *outer, const zm_source_t *inner)
{
    if (inner->failed)
        outer->failed = true;
    return !outer->failed;
}

/* -- blanks --------------------------------------------------------------------- */

bool zm_lex_is_blank(const zm_source_t *lexer, char c)
{
    return c == ' ' || c == '\t' ||
           (c != '\n' && lexer->context->blank != NULL && lexer->context->blank[(unsigned char)c] &&
            strchr("&|;<>(){}", c) == NULL);
}

void zm_lex_blanks_only(zm_source_t *lexer)
{
    while (lexer->at < lexer->end) {
        if (zm_lex_is_blank(lexer, *lexer->at))
            lexer->at++;
        else if (*lexer->at == '\\' && lexer->at + 1 < lexer->end && lexer->at[1] == '\n')
            lexer->at += 2;
        else
            return;
    }
}

void zm_lex_blanks(zm_source_t *lexer)
{
    zm_lex_blanks_only(lexer);
    if (lexer->at < lexer->end && *lexer->at == '#')
        while (lexer->at < lexer->end && *lexer->at != '\n')
            lexer->at++;
}

void zm_lex_lines(zm_source_t *lexer)
{
    zm_lex_blanks(lexer);
    while (zm_lex_peek(lexer) == ZM_OP_NEWLINE) {
        zm_lex_take(lexer, ZM_OP_NEWLINE);
        zm_lex_blanks(lexer);
    }
}

/* -- operators -------------------------------------------------------------------- */

zm_operator_t zm_lex_peek(const zm_source_t *lexer)
{
    char next = lexer->at + 1 < lexer->end ? lexer->at[1] : '\0';
    if (lexer->at >= lexer->end)
        return ZM_OP_END;
    switch (*lexer->at) {
    case '\n':
        return ZM_OP_NEWLINE;
    case ';':
        return next == ';' ? ZM_OP_DOUBLE_SEMICOLON : ZM_OP_SEMICOLON;
    case '&':
        return next == '&' ? ZM_OP_AND : ZM_OP_AMPERSAND;
    case '|':
        return next == '|' ? ZM_OP_OR : ZM_OP_PIPE;
    case '<':
        return ZM_OP_LESS;
    case '>':
        return ZM_OP_GREATER;
    case '(':
        return ZM_OP_LEFT;
    case ')':
        return ZM_OP_RIGHT;
    case '}':
        return ZM_OP_CLOSE_BRACE;
    default:
        return ZM_OP_NONE;
    }
}

/* Reads one here-document; its text, as it stands or with tabs stripped, becomes an inner text. */
static void read_here(zm_source_t *lexer, zm_here_t *here)
{
    zm_buf_t text = ZM_BUF_INIT;
    unsigned line = zm_lex_line(lexer);
    bool ended = false;
    zm_str_t kept;
    while (lexer->at < lexer->end && !ended) {
        const char *stop = memchr(lexer->at, '\n', (apr_size_t)(lexer->end - lexer->at));
        const char *next = stop == NULL ? lexer->end : stop + 1;
        if (stop == NULL)
            stop = lexer->end;
        if (here->strip)
            while (lexer->at < stop && zm_is_blank(*lexer->at))
                lexer->at++;
        ended = zm_str_equal(zm_str_of(lexer->at, (apr_size_t)(stop - lexer->at)), here->end);
        if (!ended)
            zm_buf_add(&text, lexer->at, (apr_size_t)(next - lexer->at));
        lexer->at = next;
    }
    if (!ended)
        zm_lex_fail_at(lexer, lexer->end, "the here-document lacks its end \"%.*s\"",
                       (int)here->end.length, here->end.data);
    kept = zm_str_copy(lexer->unit->pool, zm_buf_str(&text));
    zm_buf_free(&text);
    if (here->literal) {
        zm_word_t *word = apr_pcalloc(lexer->unit->pool, sizeof *word);
        word->parts = apr_pcalloc(lexer->unit->pool, sizeof *word->parts);
        word->count = 1;
        word->parts[0].quoted = true;
        word->parts[0].copy = lexer->unit->transient;
        word->parts[0].u.text = zm_value_of(kept);
        here->redirect->target = word;
    } else {
        zm_source_t inner;
        zm_lex_inner(&inner, lexer, kept, line);
        here->redirect->target = zm_parse_text(&inner, false);
        zm_lex_inner_done(lexer, &inner);
    }
}

void zm_lex_take(zm_source_t *lexer, zm_operator_t op)
{
    switch (op) {
    case ZM_OP_NONE:
    case ZM_OP_END:
        return;
    case ZM_OP_DOUBLE_SEMICOLON:
    case ZM_OP_AND:
    case ZM_OP_OR:
        lexer->at += 2;
        return;
    default:
        lexer->at++;
    }
    if (op == ZM_OP_NEWLINE) {
        while (lexer->here != NULL && !lexer->failed) {
            zm_here_t *here = lexer->here;
            lexer->here = here->next;
            read_here(lexer, here);
        }
        lexer->here_end = &lexer->here;
        lexer->here = NULL;
    }
}

void zm_lex_here(zm_source_t *lexer, zm_redirect_t *redirect, zm_str_t end, bool literal,
                 bool strip)
{
    zm_here_t *here = apr_pcalloc(lexer->unit->pool, sizeof *here);
    here->redirect = redirect;
    here->end = end;
    here->literal = literal;
    here->strip = strip;
    *lexer->here_end = here;
    lexer->here_end = &here->next;
}

/* -- keywords and names --------------------------------------------------------------- */

static const struct {
    const char *text;
    zm_keyword_t keyword;
} keywords[] = {{"if", ZM_KEY_IF},         {"then", ZM_KEY_THEN},     {"elif", ZM_KEY_ELIF},
                {"else", ZM_KEY_ELSE},     {"fi", ZM_KEY_FI},         {"case", ZM_KEY_CASE},
                {"in", ZM_KEY_IN},         {"esac", ZM_KEY_ESAC},     {"for", ZM_KEY_FOR},
                {"while", ZM_KEY_WHILE},   {"until", ZM_KEY_UNTIL},   {"do", ZM_KEY_DO},
                {"done", ZM_KEY_DONE},     {"ssift", ZM_KEY_SSIFT},   {"tfiss", ZM_KEY_TFISS},
                {"tsift", ZM_KEY_TSIFT},   {"tfist", ZM_KEY_TFIST},   {"local", ZM_KEY_LOCAL},
                {"sift", ZM_KEY_OBSOLETE}, {"tfis", ZM_KEY_OBSOLETE}, {"localvar", ZM_KEY_LOCAL}};

bool zm_lex_ends_word(const zm_source_t *lexer, const char *place)
{
    if (place >= lexer->end || *place == '\n' || zm_lex_is_blank(lexer, *place))
        return true;
    switch (*place) {
    case '&':
    case '|':
    case ';':
    case '<':
    case '>':
    case '(':
    case ')':
    case '}':
        return true;
    default:
        return false;
    }
}

zm_keyword_t zm_lex_keyword(const zm_source_t *lexer)
{
    const char *stop = lexer->at;
    apr_size_t length, i;
    while (stop < lexer->end && *stop >= 'a' && *stop <= 'z')
        stop++;
    length = (apr_size_t)(stop - lexer->at);
    if (length < 2 || length > 8 || (!zm_lex_ends_word(lexer, stop) && *stop != '='))
        return ZM_KEY_NONE;
    for (i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        if (strlen(keywords[i].text) == length && memcmp(keywords[i].text, lexer->at, length) == 0)
            return keywords[i].keyword;
    return ZM_KEY_NONE;
}

const char *zm_keyword_text(zm_keyword_t keyword)
{
    apr_size_t i;
    for (i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        if (keywords[i].keyword == keyword)
            return keywords[i].text;
    return "";
}

bool zm_lex_expect(zm_source_t *lexer, zm_keyword_t keyword)
{
    zm_lex_blanks(lexer);
    if (lexer->failed)
        return false;
    if (zm_lex_keyword(lexer) != keyword)
        return zm_lex_unexpected(lexer, zm_keyword_text(keyword));
    lexer->at += strlen(zm_keyword_text(keyword));
    return true;
}

zm_str_t zm_lex_name(const zm_source_t *lexer)
{
    const char *stop = lexer->at;
    if (stop < lexer->end && (zm_is_alpha(*stop) || zm_is_digit(*stop)))
        for (stop++;
             stop < lexer->end && (zm_is_alpha(*stop) || zm_is_digit(*stop) || *stop == '_');)
            stop++;
    return zm_str_of(lexer->at, (apr_size_t)(stop - lexer->at));
}
