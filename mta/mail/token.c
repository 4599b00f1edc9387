#include "mta/mail/token.h"

#include <string.h>

/* Classes of bytes, one table for the whole lexer. */
enum { ATOM, SPACE, CONTROL, SPECIAL };

static const uint8_t classes[256] = {
    /* control bytes, but white space */
    [0] = CONTROL,
    [1] = CONTROL,
    [2] = CONTROL,
    [3] = CONTROL,
    [4] = CONTROL,
    [5] = CONTROL,
    [6] = CONTROL,
    [7] = CONTROL,
    [8] = CONTROL,
    ['\t'] = SPACE,
    ['\n'] = SPACE,
    [11] = CONTROL,
    [12] = CONTROL,
    ['\r'] = SPACE,
    [14] = CONTROL,
    [15] = CONTROL,
    [16] = CONTROL,
    [17] = CONTROL,
    [18] = CONTROL,
    [19] = CONTROL,
    [20] = CONTROL,
    [21] = CONTROL,
    [22] = CONTROL,
    [23] = CONTROL,
    [24] = CONTROL,
    [25] = CONTROL,
    [26] = CONTROL,
    [27] = CONTROL,
    [28] = CONTROL,
    [29] = CONTROL,
    [30] = CONTROL,
    [31] = CONTROL,
    [127] = CONTROL,
    [' '] = SPACE,
    /* specials */
    ['('] = SPECIAL,
    [')'] = SPECIAL,
    ['<'] = SPECIAL,
    ['>'] = SPECIAL,
    ['@'] = SPECIAL,
    [','] = SPECIAL,
    [';'] = SPECIAL,
    [':'] = SPECIAL,
    ['\\'] = SPECIAL,
    ['"'] = SPECIAL,
    ['.'] = SPECIAL,
    ['['] = SPECIAL,
    [']'] = SPECIAL,
    ['!'] = SPECIAL,
    ['%'] = SPECIAL,
};

static int class_of(zm_str_t text, apr_size_t at)
{
    return classes[(unsigned char)text.data[at]];
}

bool zm_is_special(int byte)
{
    return classes[(unsigned char)byte] == SPECIAL;
}

zm_lexer_t zm_lexer(zm_str_t text, int flags, apr_pool_t *pool)
{
    zm_lexer_t lexer = {text, 0, flags, pool};
    if (text.length > UINT32_MAX - 1)
        lexer.text.length = UINT32_MAX - 1;
    return lexer;
}

static void finish(zm_lexer_t *lexer, zm_token_t *token, zm_token_kind_t kind, apr_size_t end)
{
    token->kind = (uint8_t)kind;
    token->extent = (uint32_t)(end - lexer->at);
    token->text = zm_str_of(lexer->text.data + lexer->at, token->extent);
    lexer->at = end;
}

/** Copies a compound, each fold becoming one space. */
static zm_str_t unfold(zm_str_t text, apr_pool_t *pool)
{
    char *copy = apr_palloc(pool, text.length + 1);
    apr_size_t i = 0, length = 0;
    while (i < text.length) {
        if (text.data[i] != '\n') {
            copy[length++] = text.data[i++];
            continue;
        }
        while (length > 0 && (zm_is_blank(copy[length - 1]) || copy[length - 1] == '\r'))
            length--;
        while (i < text.length && class_of(text, i) == SPACE)
            i++;
        copy[length++] = ' ';
    }
    copy[length] = '\0';
    return zm_str_of(copy, length);
}

/** The offset after a compound that begins at lexer->at; *closed: whether its end was found. */
static apr_size_t compound_end(const zm_lexer_t *lexer, char open, char close, bool *closed)
{
    zm_str_t text = lexer->text;
    apr_size_t i, depth = 1;
    for (i = lexer->at + 1; i < text.length; i++) {
        char byte = text.data[i];
        if (byte == '\\' && i + 1 < text.length) {
            i++;
        } else if (byte == close) {
            if (--depth == 0) {
                *closed = true;
                return i + 1;
            }
        } else if (byte == open && open == '(') {
            depth++;
        }
    }
    *closed = false;
    return text.length;
}

static void take_compound(zm_lexer_t *lexer, zm_token_t *token)
{
    static const struct {
        char open, close;
        zm_token_kind_t kind;
        const char *problem;
    } compounds[] = {{'"', '"', ZM_TOKEN_STRING, "missing closing \""},
                     {'[', ']', ZM_TOKEN_LITERAL, "missing closing ]"},
                     {'(', ')', ZM_TOKEN_COMMENT, "missing closing )"}};
    unsigned which = 0;
    bool closed;
    apr_size_t end;
    while (compounds[which].open != lexer->text.data[lexer->at])
        which++;
    end = compound_end(lexer, compounds[which].open, compounds[which].close, &closed);
    if (!closed && (lexer->flags & ZM_LEX_WHOLE) != 0) {
        finish(lexer, token, ZM_TOKEN_ATOM, end);
        return;
    }
    finish(lexer, token, compounds[which].kind, end);
    if (!closed)
        token->problem = compounds[which].problem;
    if (memchr(token->text.data, '\n', token->text.length) != NULL)
        token->text = unfold(token->text, lexer->pool);
}

static void take_special(zm_lexer_t *lexer, zm_token_t *token)
{
    zm_str_t text = lexer->text;
    apr_size_t at = lexer->at, length = 1;
    char byte = text.data[at];
    if (at + 1 < text.length && ((byte == ':' && text.data[at + 1] == ':') ||
                                 (byte == '\\' && class_of(text, at + 1) == SPECIAL)))
        length = 2;
    finish(lexer, token, ZM_TOKEN_SPECIAL, at + length);
}

bool zm_lexer_next(zm_lexer_t *lexer, zm_token_t *token)
{
    zm_str_t text = lexer->text;
    apr_size_t end;
    int class;
    if ((lexer->flags & ZM_LEX_SPACES) == 0)
        while (lexer->at < text.length && class_of(text, lexer->at) == SPACE)
            lexer->at++;
    if (lexer->at >= text.length)
        return false;
    token->problem = NULL;
    token->role = ZM_ROLE_NONE;
    token->offset = (uint32_t)lexer->at;
    class = class_of(text, lexer->at);
    for (end = lexer->at + 1; end < text.length && class_of(text, end) == class; end++)
        if (class == SPECIAL)
            break;
    switch (class) {
    case ATOM:
        finish(lexer, token, ZM_TOKEN_ATOM, end);
        break;
    case SPACE:
        finish(lexer, token, ZM_TOKEN_SPACE, end);
        break;
    case CONTROL:
        finish(lexer, token, ZM_TOKEN_ERROR, end);
        token->problem = "control character";
        break;
    default:
        if (memchr("\"[(", text.data[lexer->at], 3) != NULL)
            take_compound(lexer, token);
        else
            take_special(lexer, token);
        break;
    }
    return true;
}

zm_tokens_t zm_tokenise(zm_str_t text, int flags, apr_pool_t *pool)
{
    zm_lexer_t lexer = zm_lexer(text, flags, pool);
    apr_size_t capacity = 16;
    zm_tokens_t tokens = {apr_palloc(pool, capacity * sizeof(zm_token_t)), 0};
    while (zm_lexer_next(&lexer, &tokens.items[tokens.count])) {
        if (++tokens.count == capacity) {
            zm_token_t *bigger = apr_palloc(pool, 4 * capacity * sizeof *bigger);
            memcpy(bigger, tokens.items, capacity * sizeof *bigger);
            tokens.items = bigger;
            capacity *= 4;
        }
    }
    return tokens;
}

zm_str_t zm_token_inside(const zm_token_t *token)
{
    zm_str_t text = token->text;
    bool closed = token->problem == NULL && text.length > 1;
    if (token->kind != ZM_TOKEN_STRING && token->kind != ZM_TOKEN_LITERAL &&
        token->kind != ZM_TOKEN_COMMENT)
        return text;
    return zm_str_of(text.data + 1, text.length - (closed ? 2 : 1));
}

zm_str_t zm_unescape(zm_str_t text, apr_pool_t *pool)
{
    apr_size_t i, length = 0;
    char *copy;
    if (text.length == 0 || memchr(text.data, '\\', text.length) == NULL)
        return text;
    copy = apr_palloc(pool, text.length + 1);
    for (i = 0; i < text.length; i++) {
        if (text.data[i] == '\\' && i + 1 < text.length)
            i++;
        copy[length++] = text.data[i];
    }
    copy[length] = '\0';
    return zm_str_of(copy, length);
}

bool zm_token_is(const zm_token_t *token, char special)
{
    return token->kind == ZM_TOKEN_SPECIAL && token->text.length == 1 &&
           token->text.data[0] == special;
}

bool zm_is_atom(zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++)
        if (class_of(text, i) != ATOM)
            return false;
    return text.length > 0;
}

void zm_add_quoted(zm_buf_t *buffer, zm_str_t text)
{
    apr_size_t i;
    zm_buf_add_byte(buffer, '"');
    for (i = 0; i < text.length; i++) {
        char byte = text.data[i];
        if (byte == '"' || byte == '\\')
            zm_buf_add_byte(buffer, '\\');
        else if (classes[(unsigned char)byte] == CONTROL || byte == '\r' || byte == '\n')
            byte = ' ';
        zm_buf_add_byte(buffer, byte);
    }
    zm_buf_add_byte(buffer, '"');
}

void zm_add_word(zm_buf_t *buffer, zm_str_t text)
{
    if (zm_is_atom(text))
        zm_buf_add_str(buffer, text);
    else
        zm_add_quoted(buffer, text);
}

void zm_add_phrase(zm_buf_t *buffer, zm_str_t text)
{
    zm_str_t rest = text, word;
    bool plain = false;
    while (zm_str_word(&rest, &word)) {
        plain = zm_is_atom(word);
        if (!plain)
            break;
    }
    if (plain)
        zm_buf_add_str(buffer, zm_str_trim(text));
    else
        zm_add_quoted(buffer, text);
}
