/* Words: quoting, expansions, list literals. */

#include <apr_strings.h>
#include <apr_tables.h>
#include <string.h>

#include "mta/script/lexer.h"

typedef struct zm_builder_t {
    zm_source_t *lexer;
    zm_word_mode_t mode;
    apr_array_header_t *parts; /* of zm_part_t */
    zm_buf_t text;             /* literal bytes that belong to the next text part */
    bool text_quoted;          /* some of them were quoted, or empty quotes stood there */
} zm_builder_t;

static bool is_name_start(char c)
{
    return zm_is_alpha(c);
}

static bool is_name(char c)
{
    return zm_is_alpha(c) || zm_is_digit(c) || c == '_';
}

/* -- building ------------------------------------------------------------------- */

static void flush(zm_builder_t *builder)
{
    zm_part_t *part;
    if (builder->text.length == 0 && !builder->text_quoted)
        return;
    part = apr_array_push(builder->parts);
    *part = (zm_part_t){.kind = ZM_PART_TEXT, .quoted = builder->text_quoted};
    part->copy = builder->lexer->unit->transient;
    part->u.text = zm_value_of(zm_str_copy(builder->lexer->unit->pool, zm_buf_str(&builder->text)));
    zm_buf_clear(&builder->text);
    builder->text_quoted = false;
}

static void add_text(zm_builder_t *builder, const char *data, apr_size_t length, bool quoted)
{
    if (builder->mode == ZM_WORD_PATTERN && quoted != builder->text_quoted)
        flush(builder);
    zm_buf_add(&builder->text, data, length);
    builder->text_quoted = builder->text_quoted || quoted;
}

static zm_part_t *add_part(zm_builder_t *builder, zm_part_kind_t kind, bool quoted)
{
    zm_part_t *part;
    flush(builder);
    part = apr_array_push(builder->parts);
    *part = (zm_part_t){.kind = kind, .quoted = quoted};
    return part;
}

static void start(zm_builder_t *builder, zm_source_t *lexer, zm_word_mode_t mode)
{
    *builder = (zm_builder_t){.lexer = lexer, .mode = mode};
    builder->parts = apr_array_make(lexer->unit->pool, 1, sizeof(zm_part_t));
}

static zm_word_t *finish(zm_builder_t *builder)
{
    zm_word_t *word = NULL;
    flush(builder);
    zm_buf_free(&builder->text);
    if (!builder->lexer->failed) {
        word = apr_palloc(builder->lexer->unit->pool, sizeof *word);
        word->parts = (zm_part_t *)(void *)builder->parts->elts;
        word->count = (uint32_t)builder->parts->nelts;
    }
    return word;
}

/* -- expansions --------------------------------------------------------------------- */

zm_node_t *zm_parse_substitution(zm_source_t *lexer, bool to_end)
{
    zm_node_t *list;
    if (!zm_lex_enter(lexer))
        return NULL;
    list = zm_parse_list(lexer);
    while (to_end && !lexer->failed && zm_lex_peek(lexer) == ZM_OP_DOUBLE_SEMICOLON)
        zm_lex_unexpected(lexer, NULL);
    zm_lex_leave(lexer);
    if (!lexer->failed && zm_lex_peek(lexer) != (to_end ? ZM_OP_END : ZM_OP_RIGHT))
        zm_lex_unexpected(lexer, to_end ? NULL : "\")\"");
    return lexer->failed ? NULL : list;
}

/* `list`, the lexer stands behind the first backquote */
static void read_backquotes(zm_builder_t *builder, bool quoted)
{
    zm_source_t *lexer = builder->lexer, inner;
    zm_buf_t text = ZM_BUF_INIT;
    unsigned line = zm_lex_line(lexer);
    zm_part_t *part;
    zm_str_t kept;
    while (lexer->at < lexer->end && *lexer->at != '`') {
        if (*lexer->at == '\\' && lexer->at + 1 < lexer->end &&
            (strchr("\\`$", lexer->at[1]) != NULL || (quoted && lexer->at[1] == '"')))
            lexer->at++;
        zm_buf_add_byte(&text, *lexer->at++);
    }
    kept = zm_str_copy(lexer->unit->pool, zm_buf_str(&text));
    zm_buf_free(&text);
    if (lexer->at >= lexer->end) {
        zm_lex_fail_at(lexer, lexer->end, "the backquote is not closed");
        return;
    }
    lexer->at++;
    part = add_part(builder, ZM_PART_COMMAND, quoted);
    zm_lex_inner(&inner, lexer, kept, line);
    part->u.command = zm_parse_substitution(&inner, true);
    zm_lex_inner_done(lexer, &inner);
}

/* The subject of an expansion: name, digit or special character.  False when none of them stands
 * here. */
static bool read_subject(zm_source_t *lexer, zm_part_t *part)
{
    const char *start_at = lexer->at;
    if (lexer->at >= lexer->end)
        return false;
    if (is_name_start(*lexer->at)) {
        while (lexer->at < lexer->end && is_name(*lexer->at))
            lexer->at++;
        part->kind = ZM_PART_VARIABLE;
        part->u.symbol = zm_symbol_intern(lexer->context->symbols,
                                          zm_str_of(start_at, (apr_size_t)(lexer->at - start_at)));
        return true;
    }
    switch (*lexer->at) {
    case '@':
        part->kind = ZM_PART_ALL;
        break;
    case '*':
        part->kind = ZM_PART_JOINED;
        break;
    case '?':
        part->kind = ZM_PART_STATUS;
        break;
    case '$':
        part->kind = ZM_PART_PID;
        break;
    case '-':
        part->kind = ZM_PART_FLAGS;
        break;
    case '#':
        lexer->at++;
        if (lexer->at < lexer->end && is_name_start(*lexer->at) && read_subject(lexer, part))
            part->kind = ZM_PART_LENGTH;
        else
            part->kind = ZM_PART_COUNT;
        return true;
    default:
        if (!zm_is_digit(*lexer->at))
            return false;
        part->kind = ZM_PART_POSITIONAL;
        part->u.number = (unsigned)(*lexer->at - '0');
    }
    lexer->at++;
    return true;
}

/* ${...}, the lexer stands behind the brace */
static void read_braces(zm_builder_t *builder, bool quoted, const char *dollar)
{
    zm_source_t *lexer = builder->lexer;
    zm_part_t subject = {.quoted = quoted}, *part;
    zm_parameter_t *parameter;
    if (!read_subject(lexer, &subject)) {
        zm_lex_fail_at(lexer, dollar, "\"${\" needs the name of a variable");
        return;
    }
    if (lexer->at < lexer->end && *lexer->at == '}') {
        lexer->at++;
        part = add_part(builder, subject.kind, quoted);
        part->u = subject.u;
        return;
    }
    parameter = apr_pcalloc(lexer->unit->pool, sizeof *parameter);
    parameter->subject = apr_pmemdup(lexer->unit->pool, &subject, sizeof subject);
    if (lexer->at < lexer->end && *lexer->at == ':') {
        parameter->colon = true;
        lexer->at++;
    }
    if (lexer->at >= lexer->end || strchr("-=?+", *lexer->at) == NULL) {
        zm_lex_fail_at(lexer, lexer->at, "\"${\" lacks its \"}\", or one of - = ? +");
        return;
    }
    parameter->operation = *lexer->at++;
    if (parameter->operation == '=' && subject.kind != ZM_PART_VARIABLE) {
        zm_lex_fail_at(lexer, dollar, "only a variable can be assigned");
        return;
    }
    parameter->word = zm_parse_word(lexer, quoted ? ZM_WORD_QUOTED_PARAMETER : ZM_WORD_PARAMETER);
    if (parameter->word == NULL)
        return;
    if (lexer->at >= lexer->end || *lexer->at != '}') {
        zm_lex_fail_at(lexer, lexer->at, "\"${\" lacks its \"}\" (quote blanks before it)");
        return;
    }
    lexer->at++;
    part = add_part(builder, ZM_PART_PARAMETER, quoted);
    part->u.parameter = parameter;
}

/* At a dollar sign. */
static void read_dollar(zm_builder_t *builder, bool quoted)
{
    zm_source_t *lexer = builder->lexer;
    const char *dollar = lexer->at++;
    zm_part_t subject = {.quoted = quoted}, *part;
    char next = lexer->at < lexer->end ? *lexer->at : '\0';
    if (!zm_lex_enter(lexer))
        return;
    if (next == '{') {
        lexer->at++;
        read_braces(builder, quoted, dollar);
    } else if (next == '(') {
        lexer->at++;
        part = add_part(builder, ZM_PART_COMMAND, quoted);
        part->u.command = zm_parse_substitution(lexer, false);
        if (!lexer->failed)
            lexer->at++;
    } else if (read_subject(lexer, &subject)) {
        part = add_part(builder, subject.kind, quoted);
        part->u = subject.u;
    } else {
        add_text(builder, "$", 1, quoted);
    }
    zm_lex_leave(lexer);
}

/* -- quoting ------------------------------------------------------------------------- */

static void add_match(zm_builder_t *builder, char digit)
{
    add_part(builder, ZM_PART_MATCH, true)->u.number = (unsigned)(digit - '0');
}

/* A backslash outside of quotes. */
static void read_backslash(zm_builder_t *builder)
{
    zm_source_t *lexer = builder->lexer;
    char next;
    if (lexer->at + 1 >= lexer->end) {
        add_text(builder, lexer->at++, 1, true);
        return;
    }
    next = lexer->at[1];
    lexer->at += 2;
    if (next == '\n')
        return;
    if (zm_is_digit(next) && builder->mode != ZM_WORD_COMMAND)
        add_match(builder, next);
    else
        add_text(builder, &next, 1, true);
}

/* A backslash inside of double quotes or a here-document. */
static void read_quoted_backslash(zm_builder_t *builder, bool here)
{
    zm_source_t *lexer = builder->lexer;
    char next = lexer->at + 1 < lexer->end ? lexer->at[1] : '\0';
    if (next == '\n') {
        lexer->at += 2;
    } else if (next != '\0' && (strchr("\\`$", next) != NULL || (next == '"' && !here))) {
        add_text(builder, &next, 1, true);
        lexer->at += 2;
    } else if (zm_is_digit(next)) {
        if (here)
            add_text(builder, &next, 1, true);
        else
            add_match(builder, next);
        lexer->at += 2;
    } else {
        add_text(builder, lexer->at++, 1, true);
    }
}

static void read_single_quotes(zm_builder_t *builder)
{
    zm_source_t *lexer = builder->lexer;
    const char *open = lexer->at++;
    const char *close = memchr(lexer->at, '\'', (apr_size_t)(lexer->end - lexer->at));
    if (close == NULL) {
        zm_lex_fail_at(lexer, open, "the quote ' is not closed");
        lexer->error->incomplete = !lexer->inner;
        return;
    }
    add_text(builder, lexer->at, (apr_size_t)(close - lexer->at), true);
    lexer->at = close + 1;
}

static void read_double_quotes(zm_builder_t *builder)
{
    zm_source_t *lexer = builder->lexer;
    const char *open = lexer->at++;
    int parts_before = builder->parts->nelts;
    apr_size_t text_before = builder->text.length;
    while (!lexer->failed && lexer->at < lexer->end && *lexer->at != '"') {
        switch (*lexer->at) {
        case '\\':
            read_quoted_backslash(builder, false);
            break;
        case '$':
            read_dollar(builder, true);
            break;
        case '`':
            lexer->at++;
            read_backquotes(builder, true);
            break;
        default:
            add_text(builder, lexer->at++, 1, true);
        }
    }
    if (lexer->failed)
        return;
    if (lexer->at >= lexer->end) {
        zm_lex_fail_at(lexer, open, "the quote \" is not closed");
        lexer->error->incomplete = !lexer->inner;
        return;
    }
    lexer->at++;
    if (builder->parts->nelts == parts_before && builder->text.length == text_before)
        add_text(builder, "", 0, true);
}

/* -- list literals --------------------------------------------------------------------- */

static zm_words_t *read_list(zm_source_t *lexer)
{
    apr_array_header_t *words = apr_array_make(lexer->unit->pool, 4, sizeof(zm_word_t *));
    zm_words_t *list = apr_palloc(lexer->unit->pool, sizeof *list);
    const char *open = lexer->at++;
    if (!zm_lex_enter(lexer))
        return NULL;
    for (;;) {
        zm_operator_t op;
        zm_word_t *word;
        zm_lex_blanks_only(lexer);
        op = zm_lex_peek(lexer);
        if (op == ZM_OP_NEWLINE) {
            zm_lex_take(lexer, op);
            continue;
        }
        if (op == ZM_OP_RIGHT)
            break;
        if (op == ZM_OP_END) {
            zm_lex_fail_at(lexer, open, "the list is not closed");
            lexer->error->incomplete = !lexer->inner;
            return NULL;
        }
        if (op != ZM_OP_NONE && op != ZM_OP_LEFT) {
            zm_lex_unexpected(lexer, "an element of the list (quote it)");
            return NULL;
        }
        word = zm_parse_word(lexer, ZM_WORD_LIST);
        if (word == NULL)
            return NULL;
        *(zm_word_t **)apr_array_push(words) = word;
    }
    lexer->at++;
    zm_lex_leave(lexer);
    list->words = (zm_word_t **)(void *)words->elts;
    list->count = (uint32_t)words->nelts;
    return list;
}

/* -- words --------------------------------------------------------------------------- */

static bool at_end(const zm_builder_t *builder)
{
    const zm_source_t *lexer = builder->lexer;
    if (lexer->failed || lexer->at >= lexer->end)
        return true;
    if (builder->mode == ZM_WORD_QUOTED_PARAMETER)
        return *lexer->at == '}';
    return zm_lex_ends_word(lexer, lexer->at);
}

zm_word_t *zm_parse_word(zm_source_t *lexer, zm_word_mode_t mode)
{
    zm_builder_t builder;
    start(&builder, lexer, mode);
    if (lexer->at < lexer->end && *lexer->at == '(' && mode != ZM_WORD_COMMAND &&
        mode != ZM_WORD_PATTERN) {
        zm_words_t *list = read_list(lexer);
        add_part(&builder, ZM_PART_LIST, false)->u.list = list;
        return finish(&builder);
    }
    while (!at_end(&builder)) {
        switch (*lexer->at) {
        case '\'':
            if (mode == ZM_WORD_QUOTED_PARAMETER)
                add_text(&builder, lexer->at++, 1, true);
            else
                read_single_quotes(&builder);
            break;
        case '"':
            read_double_quotes(&builder);
            break;
        case '\\':
            read_backslash(&builder);
            break;
        case '$':
            read_dollar(&builder, mode == ZM_WORD_QUOTED_PARAMETER);
            break;
        case '`':
            lexer->at++;
            read_backquotes(&builder, mode == ZM_WORD_QUOTED_PARAMETER);
            break;
        default:
            add_text(&builder, lexer->at++, 1, mode == ZM_WORD_QUOTED_PARAMETER);
        }
    }
    return finish(&builder);
}

zm_word_t *zm_parse_text(zm_source_t *lexer, bool label)
{
    zm_builder_t builder;
    start(&builder, lexer, ZM_WORD_ARGUMENT);
    add_text(&builder, "", 0, true);
    while (!lexer->failed && lexer->at < lexer->end) {
        char c = *lexer->at;
        if (c == '$') {
            read_dollar(&builder, true);
        } else if (c == '`' && !label) {
            lexer->at++;
            read_backquotes(&builder, true);
        } else if (c == '\\' && !label) {
            read_quoted_backslash(&builder, true);
        } else {
            add_text(&builder, lexer->at++, 1, true);
        }
    }
    return finish(&builder);
}

bool zm_word_literal(const zm_word_t *word, zm_str_t *text)
{
    if (word->count == 0) {
        *text = ZM_S("");
        return true;
    }
    if (word->count != 1 || word->parts[0].kind != ZM_PART_TEXT)
        return false;
    *text = zm_value_str(word->parts[0].u.text);
    return true;
}
