/* Commands: recursive descent over the grammar, one function a production. */

#include "mta/script/parser.h"

#include <apr_tables.h>
#include <string.h>

#include "mta/script/lexer.h"

zm_node_t *zm_node_new(zm_source_t *lexer, zm_node_kind_t kind)
{
    zm_node_t *node = apr_pcalloc(lexer->unit->pool, sizeof *node);
    node->kind = kind;
    node->line = zm_lex_line(lexer);
    return node;
}

/* -- redirections ---------------------------------------------------------------- */

bool zm_lex_at_redirect(const zm_source_t *lexer)
{
    const char *p = lexer->at;
    while (p < lexer->end && zm_is_digit(*p))
        p++;
    return p < lexer->end && (*p == '<' || *p == '>');
}

static bool read_descriptor(zm_source_t *lexer, int *number)
{
    const char *digits = lexer->at;
    int value = 0;
    while (lexer->at < lexer->end && zm_is_digit(*lexer->at) && lexer->at - digits < 3)
        value = value * 10 + (*lexer->at++ - '0');
    if (value > 31)
        return zm_lex_fail_at(lexer, digits, "descriptors above 31 are not supported");
    *number = value;
    return true;
}

static bool read_here_end(zm_source_t *lexer, zm_redirect_t *redirect)
{
    bool strip = false, literal;
    zm_word_t *word;
    zm_str_t end;
    if (lexer->at < lexer->end && *lexer->at == '-') {
        strip = true;
        lexer->at++;
    }
    zm_lex_blanks(lexer);
    if (zm_lex_peek(lexer) != ZM_OP_NONE)
        return zm_lex_unexpected(lexer, "the end word of the here-document");
    literal = *lexer->at == '\'' || *lexer->at == '\\';
    word = zm_parse_word(lexer, ZM_WORD_COMMAND);
    if (word == NULL)
        return false;
    if (!zm_word_literal(word, &end))
        return zm_lex_fail_at(lexer, lexer->at, "the end word of a here-document is literal");
    zm_lex_here(lexer, redirect, end, literal, strip);
    return true;
}

/* After the operator: &N, &-, @word or word. */
static bool read_target(zm_source_t *lexer, zm_redirect_t *redirect)
{
    zm_lex_blanks(lexer);
    if (lexer->at < lexer->end && *lexer->at == '&' && redirect->kind != ZM_REDIRECT_BOTH) {
        lexer->at++;
        if (lexer->at < lexer->end && *lexer->at == '-') {
            lexer->at++;
            redirect->kind = ZM_REDIRECT_CLOSE;
            return true;
        }
        if (lexer->at >= lexer->end || !zm_is_digit(*lexer->at))
            return zm_lex_unexpected(lexer, "a descriptor number or \"-\"");
        redirect->kind = ZM_REDIRECT_COPY;
        return read_descriptor(lexer, &redirect->source);
    }
    if (lexer->at < lexer->end && *lexer->at == '@') {
        redirect->fifo = true;
        lexer->at++;
    }
    if (zm_lex_peek(lexer) != ZM_OP_NONE)
        return zm_lex_unexpected(lexer, "a file name");
    redirect->target = zm_parse_word(lexer, ZM_WORD_ARGUMENT);
    return redirect->target != NULL;
}

bool zm_parse_redirect(zm_source_t *lexer, zm_redirect_t ***end)
{
    zm_redirect_t *redirect = apr_pcalloc(lexer->unit->pool, sizeof *redirect);
    bool numbered = zm_is_digit(*lexer->at);
    char op, next;
    **end = redirect;
    *end = &redirect->next;
    if (numbered && !read_descriptor(lexer, &redirect->descriptor))
        return false;
    if (lexer->at >= lexer->end || (*lexer->at != '<' && *lexer->at != '>'))
        return zm_lex_unexpected(lexer, NULL);
    op = *lexer->at++;
    next = lexer->at < lexer->end ? *lexer->at : '\0';
    if (!numbered)
        redirect->descriptor = op == '>';
    if (op == '<' && next == '<') {
        lexer->at++;
        redirect->kind = ZM_REDIRECT_HERE;
        return read_here_end(lexer, redirect);
    }
    if (next == '>') {
        lexer->at++;
        redirect->kind = op == '<' ? ZM_REDIRECT_BOTH : ZM_REDIRECT_APPEND;
    } else {
        redirect->kind = op == '<' ? ZM_REDIRECT_IN : ZM_REDIRECT_OUT;
    }
    return read_target(lexer, redirect);
}

/* -- simple commands --------------------------------------------------------------- */

/* NAME= at the current position */
static bool at_assignment(const zm_source_t *lexer, zm_str_t *name)
{
    *name = zm_lex_name(lexer);
    return name->length > 0 && name->data + name->length < lexer->end &&
           name->data[name->length] == '=' && !zm_str_starts(*name, ZM_S("return"));
}

static bool read_assignment(zm_source_t *lexer, zm_str_t name, apr_array_header_t *assignments)
{
    zm_assignment_t *assignment = apr_array_push(assignments);
    assignment->symbol = zm_symbol_intern(lexer->context->symbols, name);
    assignment->word = NULL;
    lexer->at += name.length + 1;
    if (lexer->at < lexer->end && (*lexer->at == '(' || !zm_lex_ends_word(lexer, lexer->at))) {
        zm_word_t *word = zm_parse_word(lexer, ZM_WORD_ARGUMENT);
        assignment = &((zm_assignment_t *)(void *)assignments->elts)[assignments->nelts - 1];
        assignment->word = word;
        return word != NULL;
    }
    return true;
}

static zm_node_t *parse_simple(zm_source_t *lexer)
{
    zm_node_t *node = zm_node_new(lexer, ZM_NODE_SIMPLE);
    zm_simple_t *simple = &node->u.simple;
    apr_array_header_t *assignments = apr_array_make(lexer->unit->pool, 1, sizeof(zm_assignment_t));
    apr_array_header_t *words = apr_array_make(lexer->unit->pool, 4, sizeof(zm_word_t *));
    zm_redirect_t **end = &simple->redirects;
    zm_str_t name;
    for (;;) {
        zm_operator_t op;
        zm_word_t *word;
        zm_lex_blanks(lexer);
        op = zm_lex_peek(lexer);
        if (zm_lex_at_redirect(lexer)) {
            if (!zm_parse_redirect(lexer, &end))
                return NULL;
            continue;
        }
        if (op != ZM_OP_NONE && !(op == ZM_OP_LEFT && words->nelts > 0))
            break;
        if (words->nelts == 0 && at_assignment(lexer, &name)) {
            if (!read_assignment(lexer, name, assignments))
                return NULL;
            continue;
        }
        word = zm_parse_word(lexer, words->nelts == 0 ? ZM_WORD_COMMAND : ZM_WORD_ARGUMENT);
        if (word == NULL)
            return NULL;
        if (words->nelts == 0 && zm_word_literal(word, &name))
            simple->command = zm_symbol_intern(lexer->context->symbols, name);
        *(zm_word_t **)apr_array_push(words) = word;
    }
    simple->assignments = (zm_assignment_t *)(void *)assignments->elts;
    simple->assignment_count = (uint32_t)assignments->nelts;
    simple->words.words = (zm_word_t **)(void *)words->elts;
    simple->words.count = (uint32_t)words->nelts;
    return node;
}

/* -- compound commands --------------------------------------------------------------- */

static zm_node_t *parse_pipeline(zm_source_t *lexer);

static zm_node_t *parse_group(zm_source_t *lexer, zm_node_kind_t kind, zm_operator_t close,
                              const char *close_text)
{
    zm_node_t *node = zm_node_new(lexer, kind);
    lexer->at++;
    node->u.body = zm_parse_list(lexer);
    if (lexer->failed)
        return NULL;
    if (zm_lex_peek(lexer) != close) {
        zm_lex_unexpected(lexer, close_text);
        return NULL;
    }
    lexer->at++;
    return node;
}

static zm_node_t *parse_if(zm_source_t *lexer)
{
    zm_node_t *node = zm_node_new(lexer, ZM_NODE_IF), *inner = node;
    for (;;) {
        zm_keyword_t keyword;
        inner->u.branch.condition = zm_parse_list(lexer);
        if (lexer->failed || !zm_lex_expect(lexer, ZM_KEY_THEN))
            return NULL;
        inner->u.branch.then = zm_parse_list(lexer);
        if (lexer->failed)
            return NULL;
        keyword = zm_lex_keyword(lexer);
        if (keyword == ZM_KEY_ELIF) {
            lexer->at += 4;
            inner->u.branch.otherwise = zm_node_new(lexer, ZM_NODE_IF);
            inner = inner->u.branch.otherwise;
            continue;
        }
        if (keyword == ZM_KEY_ELSE) {
            lexer->at += 4;
            inner->u.branch.otherwise = zm_parse_list(lexer);
        }
        return !lexer->failed && zm_lex_expect(lexer, ZM_KEY_FI) ? node : NULL;
    }
}

static zm_node_t *parse_body(zm_source_t *lexer)
{
    zm_node_t *body;
    if (!zm_lex_expect(lexer, ZM_KEY_DO))
        return NULL;
    body = zm_parse_list(lexer);
    return !lexer->failed && zm_lex_expect(lexer, ZM_KEY_DONE) ? body : NULL;
}

static zm_node_t *parse_while(zm_source_t *lexer, zm_node_kind_t kind)
{
    zm_node_t *node = zm_node_new(lexer, kind);
    node->u.pair.left = zm_parse_list(lexer);
    if (lexer->failed)
        return NULL;
    node->u.pair.right = parse_body(lexer);
    return lexer->failed ? NULL : node;
}

static zm_node_t *parse_for(zm_source_t *lexer)
{
    zm_node_t *node = zm_node_new(lexer, ZM_NODE_FOR);
    apr_array_header_t *words = apr_array_make(lexer->unit->pool, 4, sizeof(zm_word_t *));
    zm_operator_t op;
    zm_str_t name;
    zm_lex_blanks(lexer);
    name = zm_lex_name(lexer);
    if (name.length == 0 || !zm_lex_ends_word(lexer, name.data + name.length)) {
        zm_lex_unexpected(lexer, "the name of a variable");
        return NULL;
    }
    lexer->at += name.length;
    node->u.loop.variable = zm_symbol_intern(lexer->context->symbols, name);
    zm_lex_blanks(lexer);
    if (zm_lex_keyword(lexer) == ZM_KEY_IN) {
        lexer->at += 2;
        for (;;) {
            zm_word_t *word;
            zm_lex_blanks(lexer);
            op = zm_lex_peek(lexer);
            if (op != ZM_OP_NONE && op != ZM_OP_LEFT)
                break;
            word = zm_parse_word(lexer, ZM_WORD_ARGUMENT);
            if (word == NULL)
                return NULL;
            *(zm_word_t **)apr_array_push(words) = word;
        }
        if (op != ZM_OP_SEMICOLON && op != ZM_OP_NEWLINE) {
            zm_lex_unexpected(lexer, "\";\" or a new line");
            return NULL;
        }
        zm_lex_take(lexer, op);
    } else {
        node->u.loop.arguments = true;
        if (zm_lex_peek(lexer) == ZM_OP_SEMICOLON)
            lexer->at++;
    }
    node->u.loop.words.words = (zm_word_t **)(void *)words->elts;
    node->u.loop.words.count = (uint32_t)words->nelts;
    zm_lex_lines(lexer);
    node->u.loop.body = parse_body(lexer);
    return lexer->failed ? NULL : node;
}

static zm_node_t *parse_local(zm_source_t *lexer)
{
    zm_node_t *node = zm_node_new(lexer, ZM_NODE_LOCAL);
    apr_array_header_t *symbols = apr_array_make(lexer->unit->pool, 4, sizeof(zm_symbol_t *));
    for (;;) {
        zm_str_t name;
        zm_lex_blanks(lexer);
        if (zm_lex_peek(lexer) != ZM_OP_NONE)
            break;
        name = zm_lex_name(lexer);
        if (name.length == 0 || !zm_lex_ends_word(lexer, name.data + name.length)) {
            zm_lex_unexpected(lexer, "the name of a variable");
            return NULL;
        }
        lexer->at += name.length;
        *(zm_symbol_t **)apr_array_push(symbols) = zm_symbol_intern(lexer->context->symbols, name);
    }
    if (symbols->nelts == 0) {
        zm_lex_unexpected(lexer, "the name of a variable");
        return NULL;
    }
    node->u.local.symbols = (zm_symbol_t **)(void *)symbols->elts;
    node->u.local.count = (uint32_t)symbols->nelts;
    return node;
}

/* NAME ( — the start of a function definition */
static bool at_function(zm_source_t *lexer, zm_str_t *name)
{
    const char *p;
    *name = zm_lex_name(lexer);
    if (name->length == 0 || zm_str_starts(*name, ZM_S("return")))
        return false;
    for (p = name->data + name->length; p < lexer->end && zm_lex_is_blank(lexer, *p);)
        p++;
    return p < lexer->end && *p == '(';
}

static zm_node_t *parse_function(zm_source_t *lexer, zm_str_t name)
{
    zm_node_t *node = zm_node_new(lexer, ZM_NODE_FUNCTION);
    zm_function_t *function = apr_pcalloc(lexer->unit->pool, sizeof *function);
    apr_array_header_t *symbols = apr_array_make(lexer->unit->pool, 4, sizeof(zm_symbol_t *));
    node->u.function = function;
    function->unit = lexer->unit;
    function->name = zm_symbol_intern(lexer->context->symbols, name);
    lexer->at += name.length;
    zm_lex_blanks(lexer);
    lexer->at++;
    zm_lex_blanks(lexer);
    while (zm_lex_peek(lexer) != ZM_OP_RIGHT) {
        zm_str_t parameter = zm_lex_name(lexer);
        if (parameter.length == 0) {
            zm_lex_unexpected(lexer, "the name of a parameter or \")\"");
            return NULL;
        }
        *(zm_symbol_t **)apr_array_push(symbols) =
            zm_symbol_intern(lexer->context->symbols, parameter);
        lexer->at += parameter.length;
        zm_lex_blanks(lexer);
        if (zm_lex_peek(lexer) == ZM_OP_RIGHT)
            break;
        if (lexer->at >= lexer->end || *lexer->at != ',') {
            zm_lex_unexpected(lexer, "\",\" or \")\" in the parameters of a function");
            return NULL;
        }
        lexer->at++;
        zm_lex_blanks(lexer);
    }
    lexer->at++;
    zm_lex_lines(lexer);
    function->parameters = (zm_symbol_t **)(void *)symbols->elts;
    function->parameter_count = (uint32_t)symbols->nelts;
    function->body = parse_pipeline(lexer);
    return lexer->failed ? NULL : node;
}

/* Redirections behind a compound command. */
static zm_node_t *with_redirects(zm_source_t *lexer, zm_node_t *body)
{
    zm_redirect_t *redirects = NULL, **end = &redirects;
    zm_node_t *node;
    if (body == NULL)
        return NULL;
    for (;;) {
        zm_lex_blanks(lexer);
        if (!zm_lex_at_redirect(lexer))
            break;
        if (!zm_parse_redirect(lexer, &end))
            return NULL;
    }
    if (redirects == NULL)
        return body;
    node = zm_node_new(lexer, ZM_NODE_REDIRECT);
    node->u.redirect.body = body;
    node->u.redirect.redirects = redirects;
    return node;
}

static zm_node_t *parse_keyword(zm_source_t *lexer, zm_keyword_t keyword)
{
    zm_str_t name = zm_lex_name(lexer);
    lexer->at += name.length;
    switch (keyword) {
    case ZM_KEY_IF:
        return with_redirects(lexer, parse_if(lexer));
    case ZM_KEY_WHILE:
        return with_redirects(lexer, parse_while(lexer, ZM_NODE_WHILE));
    case ZM_KEY_UNTIL:
        return with_redirects(lexer, parse_while(lexer, ZM_NODE_UNTIL));
    case ZM_KEY_FOR:
        return with_redirects(lexer, parse_for(lexer));
    case ZM_KEY_CASE:
        return with_redirects(lexer, zm_parse_case(lexer));
    case ZM_KEY_SSIFT:
    case ZM_KEY_TSIFT:
        lexer->at -= name.length;
        return with_redirects(lexer, zm_parse_sift(lexer));
    case ZM_KEY_LOCAL:
        return parse_local(lexer);
    default:
        lexer->at -= name.length;
        zm_lex_fail_at(lexer, lexer->at, "\"%s\" is obsolete: use ssift or tsift",
                       zm_keyword_text(keyword));
        return NULL;
    }
}

/* Whether a keyword ends the list before it. */
static bool closes(zm_keyword_t keyword)
{
    switch (keyword) {
    case ZM_KEY_THEN:
    case ZM_KEY_ELIF:
    case ZM_KEY_ELSE:
    case ZM_KEY_FI:
    case ZM_KEY_IN:
    case ZM_KEY_ESAC:
    case ZM_KEY_DO:
    case ZM_KEY_DONE:
    case ZM_KEY_TFISS:
    case ZM_KEY_TFIST:
        return true;
    default:
        return false;
    }
}

/* Null without failure is the empty command. */
static zm_node_t *parse_command(zm_source_t *lexer)
{
    zm_keyword_t keyword;
    zm_node_t *node = NULL;
    zm_str_t name;
    zm_lex_blanks(lexer);
    if (!zm_lex_enter(lexer))
        return NULL;
    keyword = zm_lex_keyword(lexer);
    if (closes(keyword))
        node = NULL;
    else if (keyword != ZM_KEY_NONE)
        node = parse_keyword(lexer, keyword);
    else if (lexer->at < lexer->end && *lexer->at == '{')
        node = with_redirects(lexer, parse_group(lexer, ZM_NODE_GROUP, ZM_OP_CLOSE_BRACE, "\"}\""));
    else if (zm_lex_peek(lexer) == ZM_OP_LEFT)
        node = with_redirects(lexer, parse_group(lexer, ZM_NODE_SUBSHELL, ZM_OP_RIGHT, "\")\""));
    else if (at_function(lexer, &name))
        node = parse_function(lexer, name);
    else if (zm_lex_peek(lexer) == ZM_OP_NONE || zm_lex_at_redirect(lexer))
        node = parse_simple(lexer);
    zm_lex_leave(lexer);
    return lexer->failed ? NULL : node;
}

static zm_node_t *parse_pipeline(zm_source_t *lexer)
{
    zm_node_t *first = parse_command(lexer), *node;
    apr_array_header_t *items;
    zm_lex_blanks(lexer);
    if (lexer->failed ||
        (zm_lex_peek(lexer) != ZM_OP_PIPE && zm_lex_peek(lexer) != ZM_OP_AMPERSAND))
        return first;
    node = zm_node_new(lexer, ZM_NODE_PIPE);
    items = apr_array_make(lexer->unit->pool, 3, sizeof(zm_node_t *));
    for (;;) {
        if (first == NULL) {
            zm_lex_unexpected(lexer, "a command");
            return NULL;
        }
        *(zm_node_t **)apr_array_push(items) = first;
        if (zm_lex_peek(lexer) != ZM_OP_PIPE)
            break;
        lexer->at++;
        zm_lex_lines(lexer);
        first = parse_command(lexer);
        if (lexer->failed)
            return NULL;
        zm_lex_blanks(lexer);
    }
    if (zm_lex_peek(lexer) == ZM_OP_AMPERSAND) {
        lexer->at++;
        node->u.list.background = true;
    }
    node->u.list.items = (zm_node_t **)(void *)items->elts;
    node->u.list.count = (uint32_t)items->nelts;
    return node;
}

/* && and || have equal precedence and associate to the right. */
static zm_node_t *parse_and_or(zm_source_t *lexer)
{
    zm_node_t *result = NULL, **hole = &result;
    for (;;) {
        zm_node_t *left = parse_pipeline(lexer);
        zm_operator_t op;
        if (lexer->failed)
            return NULL;
        zm_lex_blanks(lexer);
        op = zm_lex_peek(lexer);
        if (op != ZM_OP_AND && op != ZM_OP_OR) {
            *hole = left;
            return result;
        }
        *hole = zm_node_new(lexer, op == ZM_OP_AND ? ZM_NODE_AND : ZM_NODE_OR);
        (*hole)->u.pair.left = left;
        hole = &(*hole)->u.pair.right;
        zm_lex_take(lexer, op);
        zm_lex_lines(lexer);
    }
}

/* Stops before whatever cannot go on a list; null is the empty list. */
zm_node_t *zm_parse_list(zm_source_t *lexer)
{
    apr_array_header_t *items = NULL;
    zm_node_t *first = NULL, *node;
    for (;;) {
        zm_operator_t op;
        zm_lex_lines(lexer);
        node = parse_and_or(lexer);
        if (lexer->failed)
            return NULL;
        if (node != NULL && first == NULL) {
            first = node;
        } else if (node != NULL) {
            if (items == NULL) {
                items = apr_array_make(lexer->unit->pool, 8, sizeof(zm_node_t *));
                *(zm_node_t **)apr_array_push(items) = first;
            }
            *(zm_node_t **)apr_array_push(items) = node;
        }
        zm_lex_blanks(lexer);
        op = zm_lex_peek(lexer);
        if (op == ZM_OP_SEMICOLON || op == ZM_OP_NEWLINE)
            zm_lex_take(lexer, op);
        else if (node == NULL || node->kind != ZM_NODE_PIPE || !node->u.list.background)
            break;
    }
    if (items == NULL)
        return first;
    node = zm_node_new(lexer, ZM_NODE_LIST);
    node->u.list.items = (zm_node_t **)(void *)items->elts;
    node->u.list.count = (uint32_t)items->nelts;
    return node;
}

apr_status_t zm_parse(zm_unit_t *unit, zm_str_t text, const zm_parse_context_t *context,
                      zm_parse_error_t *error)
{
    zm_source_t lexer = {.text = text.data,
                         .at = text.data,
                         .end = text.data + text.length,
                         .first_line = 1,
                         .unit = unit,
                         .context = context,
                         .error = error};
    apr_array_header_t *items = apr_array_make(unit->pool, 1, sizeof(zm_node_t *));
    const char *nul = text.length > 0 ? memchr(text.data, '\0', text.length) : NULL;
    lexer.here_end = &lexer.here;
    if (nul != NULL)
        zm_lex_fail_at(&lexer, nul, "a NUL byte");
    while (!lexer.failed) {
        zm_node_t *node = zm_parse_list(&lexer);
        if (node != NULL)
            *(zm_node_t **)apr_array_push(items) = node;
        if (lexer.failed || zm_lex_peek(&lexer) != ZM_OP_DOUBLE_SEMICOLON)
            break;
        lexer.at += 2;
    }
    if (!lexer.failed && zm_lex_peek(&lexer) != ZM_OP_END)
        zm_lex_unexpected(&lexer, NULL);
    if (!lexer.failed && lexer.here != NULL)
        zm_lex_fail_at(&lexer, lexer.end, "the here-document lacks its text");
    if (lexer.failed)
        return ZM_E_SYNTAX;
    if (items->nelts == 1) {
        unit->body = *(zm_node_t **)(void *)items->elts;
    } else if (items->nelts > 1) {
        unit->body = zm_node_new(&lexer, ZM_NODE_LIST);
        unit->body->u.list.items = (zm_node_t **)(void *)items->elts;
        unit->body->u.list.count = (uint32_t)items->nelts;
    }
    return APR_SUCCESS;
}
