#include "mta/scheduler/tokens.h"

#include <apr_strings.h>

void zm_tokens_begin(zm_tokens_t *tokens, zm_str_t text, apr_pool_t *pool)
{
    tokens->text = text;
    tokens->at = 0;
    tokens->line = 1;
    tokens->pool = pool;
}

static int peek(const zm_tokens_t *tokens)
{
    return tokens->at < tokens->text.length ? (unsigned char)tokens->text.data[tokens->at] : -1;
}

static void skip_comment(zm_tokens_t *tokens)
{
    while (peek(tokens) >= 0 && peek(tokens) != '\n')
        tokens->at++;
}

/* Blanks of one line. */
static void skip_blanks(zm_tokens_t *tokens)
{
    while (zm_is_space(peek(tokens)) && peek(tokens) != '\n')
        tokens->at++;
}

static void skip_to_token(zm_tokens_t *tokens)
{
    for (;;) {
        skip_blanks(tokens);
        if (peek(tokens) == '#')
            skip_comment(tokens);
        if (peek(tokens) != '\n')
            return;
        tokens->at++;
        tokens->line++;
    }
}

static apr_status_t quoted_value(zm_tokens_t *tokens, zm_token_t *token, zm_error_t *error)
{
    zm_buf_t value = ZM_BUF_INIT;
    unsigned started = tokens->line;

    tokens->at++;
    for (;;) {
        int c = peek(tokens);
        if (c < 0 || c == '\n') {
            zm_buf_free(&value);
            return zm_error_set(error, ZM_E_SYNTAX,
                                "the quote that starts on line %u is not closed", started);
        }
        tokens->at++;
        if (c == '"')
            break;
        if (c == '\\') {
            int next = peek(tokens);
            bool crlf = next == '\r' && tokens->at + 1 < tokens->text.length &&
                        tokens->text.data[tokens->at + 1] == '\n';
            if (next == '\n' || crlf) {
                tokens->at += crlf ? 2 : 1;
                tokens->line++;
                continue;
            }
            if (next == '"' || next == '\\') {
                c = next;
                tokens->at++;
            }
        }
        zm_buf_add_byte(&value, (char)c);
    }
    token->value = zm_str_copy(tokens->pool, zm_buf_str(&value));
    zm_buf_free(&value);
    return APR_SUCCESS;
}

apr_status_t zm_tokens_next(zm_tokens_t *tokens, zm_token_t *token, zm_error_t *error)
{
    apr_size_t start;

    skip_to_token(tokens);
    token->line = tokens->line;
    token->has_value = false;
    token->value = ZM_S("");
    if (peek(tokens) < 0)
        return APR_EOF;
    start = tokens->at;
    token->first_column = start == 0 || tokens->text.data[start - 1] == '\n';
    while (peek(tokens) >= 0 && !zm_is_space(peek(tokens)) && peek(tokens) != '=' &&
           peek(tokens) != '#')
        tokens->at++;
    token->name = zm_str_of(tokens->text.data + start, tokens->at - start);
    skip_blanks(tokens);
    if (peek(tokens) != '=')
        return APR_SUCCESS;
    tokens->at++;
    skip_blanks(tokens);
    token->has_value = true;
    if (peek(tokens) == '"')
        return quoted_value(tokens, token, error);
    start = tokens->at;
    while (peek(tokens) >= 0 && !zm_is_space(peek(tokens)))
        tokens->at++;
    token->value = zm_str_of(tokens->text.data + start, tokens->at - start);
    return APR_SUCCESS;
}
