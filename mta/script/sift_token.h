/**
 * RFC 822 tokens of a text, and the patterns of tsift labels, which match them.
 *
 * Tokens cover the text without gaps.  Patterns consume whole tokens; literal
 * text is compared without regard to ASCII case.
 */
#ifndef ZM_SCRIPT_SIFT_TOKEN_H
#define ZM_SCRIPT_SIFT_TOKEN_H

#include "platform/str.h"

typedef enum zm_sift_token_kind_t {
    ZM_SIFT_ATOM,
    ZM_SIFT_SPECIAL,
    ZM_SIFT_QUOTED,  /**< "..." */
    ZM_SIFT_LITERAL, /**< [...] */
    ZM_SIFT_COMMENT, /**< (...) */
    ZM_SIFT_SPACE,
    ZM_SIFT_EMPTY /**< all there is of the null text */
} zm_sift_token_kind_t;

typedef struct zm_sift_token_t {
    zm_sift_token_kind_t kind;
    zm_str_t text;       /**< without the delimiters */
    uint32_t start, end; /**< offsets in the text, with them */
} zm_sift_token_t;

typedef struct zm_sift_tokens_t {
    zm_str_t source;
    zm_sift_token_t *tokens;
    uint32_t count;
    bool comments; /**< there is one */
} zm_sift_tokens_t;

/** Splits text; the array is in the pool, the strings point into the text. */
void zm_sift_tokens_split(zm_sift_tokens_t *tokens, zm_str_t text, apr_pool_t *pool);

typedef struct zm_sift_pattern_t zm_sift_pattern_t;

/** Compiles text as it is (the caller has wrapped it in ^ and $).  ZM_E_SYNTAX with the reason. */
apr_status_t zm_sift_pattern_compile(zm_sift_pattern_t **pattern, zm_str_t text, apr_pool_t *pool,
                                     zm_error_t *error);

/**
 * Searches the tokens.  groups as printed (data null: unmatched), made in the
 * pool where they are not slices of the source.  APR_SUCCESS, APR_ENOENT, or
 * ZM_E_LIMIT when it takes too much work.
 */
apr_status_t zm_sift_pattern_match(const zm_sift_pattern_t *pattern, const zm_sift_tokens_t *tokens,
                                   zm_str_t groups[10], unsigned *count, apr_pool_t *pool);

#endif
