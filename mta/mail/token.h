/**
 * RFC 822/5322 tokens.
 *
 * A field's value (or an envelope value, or an address) is cut into atoms,
 * quoted strings, domain literals, comments and specials.  Compound tokens may
 * run over folded lines; the fold (line end and the blanks around it) becomes
 * one space.  Comments nest to any depth at no cost.  Bytes with the high bit
 * set (UTF-8, RFC 6532) are ordinary atom bytes.  A control byte outside a
 * compound is a token of its own, kind ZM_TOKEN_ERROR: it has no place in the
 * grammar, but it is kept for display.
 *
 * Specials: ( ) < > @ , ; : \ " . [ ] ! % and the two-byte specials "::" and
 * backslash followed by a special.  '!' and '%' are specials because every
 * address rule wants them so.
 *
 * Nothing is copied: a token's text points into the input, except for a
 * compound with a fold inside, whose text is made in the pool.
 */
#ifndef ZM_MTA_MAIL_TOKEN_H
#define ZM_MTA_MAIL_TOKEN_H

#include <apr_pools.h>
#include <stdbool.h>

#include "platform/str.h"

typedef enum zm_token_kind_t {
    ZM_TOKEN_ATOM,
    ZM_TOKEN_STRING,  /**< "..." */
    ZM_TOKEN_LITERAL, /**< [...] */
    ZM_TOKEN_COMMENT, /**< (...) */
    ZM_TOKEN_SPECIAL,
    ZM_TOKEN_SPACE, /**< only with ZM_LEX_SPACES */
    ZM_TOKEN_ERROR
} zm_token_kind_t;

/** What a token is for, as the parser of addresses decides. */
typedef enum zm_token_role_t {
    ZM_ROLE_NONE,
    ZM_ROLE_PHRASE,  /**< display name, name of a group */
    ZM_ROLE_PURE,    /**< part of the address proper */
    ZM_ROLE_COMMENT, /**< a comment, wherever it stands */
    ZM_ROLE_MARK     /**< < > around an address, : and ; of a group */
} zm_token_role_t;

typedef struct zm_token_t {
    zm_str_t text;       /**< with its quotes, brackets or parentheses as far as they are there */
    const char *problem; /**< what is wrong at this token, a constant text; null: nothing */
    uint32_t offset;     /**< of its first byte in the input */
    uint32_t extent;     /**< how many bytes of the input it covers */
    uint8_t kind;        /**< zm_token_kind_t */
    uint8_t role;        /**< zm_token_role_t */
} zm_token_t;

#define ZM_LEX_SPACES 1 /**< white space is a token; for pattern matching on tokens */
#define ZM_LEX_WHOLE 2  /**< an unterminated compound is one atom, without a problem */

typedef struct zm_lexer_t {
    zm_str_t text;
    apr_size_t at; /**< offset of the byte that comes next */
    int flags;
    apr_pool_t *pool; /**< for compounds with folds */
} zm_lexer_t;

/** Begins at the first byte.  Text of more than 4 GiB is cut. */
zm_lexer_t zm_lexer(zm_str_t text, int flags, apr_pool_t *pool);

/** Takes the next token.  False at the end of the text. */
bool zm_lexer_next(zm_lexer_t *lexer, zm_token_t *token);

/** An array of tokens in a pool. */
typedef struct zm_tokens_t {
    zm_token_t *items;
    apr_size_t count;
} zm_tokens_t;

/** All tokens of a text. */
zm_tokens_t zm_tokenise(zm_str_t text, int flags, apr_pool_t *pool);

/** The inside of a string, literal or comment, backslash pairs kept; of other kinds the text. */
zm_str_t zm_token_inside(const zm_token_t *token);

/** Copies text with each backslash pair replaced by its second byte; returns text itself when there
 * is none. */
zm_str_t zm_unescape(zm_str_t text, apr_pool_t *pool);

/** Whether a token is that special. */
bool zm_token_is(const zm_token_t *token, char special);

/** Whether a byte is one of the specials. */
bool zm_is_special(int byte);

/** Whether text is one atom: not empty, no specials, blanks or control bytes. */
bool zm_is_atom(zm_str_t text);

/** Appends text as a word: as it stands when it is one atom, else as a quoted string.  Line ends
 * become spaces. */
void zm_add_word(zm_buf_t *buffer, zm_str_t text);

/** Appends text as a phrase: words of atoms as they stand, else one quoted string. */
void zm_add_phrase(zm_buf_t *buffer, zm_str_t text);

/** Appends text inside "..." with backslashes before " and \, and control bytes as spaces. */
void zm_add_quoted(zm_buf_t *buffer, zm_str_t text);

#endif
