/* The tokenizer. */

#include "mta/script/sift_token.h"

#include <apr_tables.h>
#include <string.h>

static bool is_special(char c)
{
    static const bool specials[256] = {
        ['('] = true, [')'] = true, ['<'] = true, ['>'] = true,  ['@'] = true,
        [','] = true, [';'] = true, [':'] = true, ['\\'] = true, ['"'] = true,
        ['.'] = true, ['['] = true, [']'] = true, ['!'] = true,  ['%'] = true,
    };
    return specials[(unsigned char)c];
}

/* Offset of the closing delimiter of what opens at `at`, or 0 when there is none. */
static uint32_t closing(zm_str_t text, uint32_t at)
{
    char open = text.data[at];
    char close = open == '(' ? ')' : open == '[' ? ']' : '"';
    unsigned depth = 1;
    uint32_t i;
    for (i = at + 1; i < text.length; i++) {
        if (text.data[i] == '\\') {
            i++;
        } else if (text.data[i] == close) {
            if (--depth == 0)
                return i;
        } else if (open == '(' && text.data[i] == '(') {
            depth++;
        }
    }
    return 0;
}

/* A token with delimiters; unterminated, the rest of the text is one atom. */
static void delimited(zm_sift_token_t *token, zm_str_t text, uint32_t at)
{
    uint32_t end = closing(text, at);
    if (end == 0) {
        token->kind = ZM_SIFT_ATOM;
        token->end = (uint32_t)text.length;
        token->text = zm_str_from(text, at);
        return;
    }
    token->kind = text.data[at] == '"'   ? ZM_SIFT_QUOTED
                  : text.data[at] == '[' ? ZM_SIFT_LITERAL
                                         : ZM_SIFT_COMMENT;
    token->end = end + 1;
    token->text = zm_str_of(text.data + at + 1, end - at - 1);
}

static void next_token(zm_sift_token_t *token, zm_str_t text, uint32_t at)
{
    char c = text.data[at];
    char next = at + 1 < text.length ? text.data[at + 1] : '\0';
    uint32_t end = at + 1;
    token->start = at;
    if (c == '"' || c == '[' || c == '(') {
        delimited(token, text, at);
        return;
    }
    if (zm_is_blank(c)) {
        token->kind = ZM_SIFT_SPACE;
        while (end < text.length && zm_is_blank(text.data[end]))
            end++;
    } else if (is_special(c)) {
        token->kind = ZM_SIFT_SPECIAL;
        if ((c == ':' && next == ':') || (c == '\\' && is_special(next)))
            end++;
    } else {
        token->kind = ZM_SIFT_ATOM;
        while (end < text.length && !is_special(text.data[end]) && !zm_is_blank(text.data[end]))
            end++;
    }
    token->end = end;
    token->text = zm_str_of(text.data + at, end - at);
}

void zm_sift_tokens_split(zm_sift_tokens_t *tokens, zm_str_t text, apr_pool_t *pool)
{
    apr_array_header_t *array = apr_array_make(pool, 16, sizeof(zm_sift_token_t));
    uint32_t at = 0;
    *tokens = (zm_sift_tokens_t){.source = text};
    if (text.length == 0)
        *(zm_sift_token_t *)apr_array_push(array) =
            (zm_sift_token_t){ZM_SIFT_EMPTY, ZM_STR(""), 0, 0};
    while (at < text.length) {
        zm_sift_token_t *token = apr_array_push(array);
        next_token(token, text, at);
        at = token->end;
        tokens->comments = tokens->comments || token->kind == ZM_SIFT_COMMENT;
    }
    tokens->tokens = (zm_sift_token_t *)(void *)array->elts;
    tokens->count = (uint32_t)array->nelts;
}
