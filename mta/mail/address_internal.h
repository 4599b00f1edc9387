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

#endif
