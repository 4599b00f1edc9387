/**
 * Takes scheduler.conf apart into tokens: a word in column 0 (a selector or a
 * PARAM name) or further right (a keyword), each with an optional "= value".
 */
#ifndef ZM_SCHEDULER_TOKENS_H
#define ZM_SCHEDULER_TOKENS_H

#include <apr_pools.h>

#include "platform/str.h"

typedef struct zm_tokens_t {
    zm_str_t text;
    apr_size_t at;
    unsigned line;
    apr_pool_t *pool;
} zm_tokens_t;

typedef struct zm_token_t {
    unsigned line;
    bool first_column;
    zm_str_t name;
    bool has_value;
    zm_str_t value; /**< quotes taken off, "\" line ends joined, \" and \\ resolved; in the pool if
                       changed */
} zm_token_t;

/** text must outlive the tokens. */
void zm_tokens_begin(zm_tokens_t *tokens, zm_str_t text, apr_pool_t *pool);

/** The next token.  APR_EOF at the end; ZM_E_SYNTAX (reading can go on) with the reason in *error.
 */
apr_status_t zm_tokens_next(zm_tokens_t *tokens, zm_token_t *token, zm_error_t *error);

#endif
