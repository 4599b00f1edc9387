/* The pieces of which an address is printed; shared by address.c and print.c. */
#ifndef ZM_MTA_MAIL_ADDRESS_INTERNAL_H
#define ZM_MTA_MAIL_ADDRESS_INTERNAL_H

#include "mta/mail/address.h"

typedef struct zm_piece_t {
    zm_str_t text;
    bool space;    /* a space, or a fold, stands before it */
    bool may_fold; /* its own spaces may become folds: comments and display names */
} zm_piece_t;

typedef struct zm_pieces_t {
    const zm_address_t *item;
    apr_size_t next;
    bool begun, pure_done, after_open;
} zm_pieces_t;

/* Walks the printed pieces of a good item from the first: zm_pieces_t walk = {item}; */
bool zm_pieces_next(zm_pieces_t *walk, zm_piece_t *piece);

/*
 * Encoded words (RFC 2047) are atoms.  Many mailers forget that specials must be
 * encoded in a display name and write =?utf-8?Q?J._Random?= or even a comma.
 * How many of the tokens, from the first, make up one encoded word with specials
 * inside (any but " < > @ and backslash); 1 when they do not.  text is what was
 * tokenised.
 */
apr_size_t zm_encoded_span(zm_str_t text, const zm_token_t *tokens, apr_size_t count);

/* Makes one token of the first count: the others lose text and role. */
void zm_encoded_merge(zm_str_t text, zm_token_t *tokens, apr_size_t count);

#endif
