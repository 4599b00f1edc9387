/**
 * A conversation with an SMTP server that takes a letter of ours.  It blocks.
 */
#ifndef ZM_MTA_SUBMIT_DIALOGUE_H
#define ZM_MTA_SUBMIT_DIALOGUE_H

#include <apr_network_io.h>

#include "mta/submit/letter.h"

typedef struct dialogue_t {
    const char *server; /**< as the administrator wrote it, for people */
    const char *host;   /**< who we are */
    zm_error_t *error;
    apr_pool_t *pool;
    bool offered; /**< the server has been told of a message: from now on it may have it */

    /* private */
    apr_socket_t *socket;
    zm_buf_t input, output;
    zm_buf_t reply; /* the text of the last reply */
    int code;
    bool dsn, size, eight_bit, utf8;
} dialogue_t;

/**
 * Connects to "HOST", "HOST:PORT", "[ADDRESS]:PORT" (port 25 where none is named) or the local
 * socket "/PATH", and greets.  ZM_E_TEMPORARY, and why, when no server is there or it has no time.
 */
apr_status_t dialogue_open(dialogue_t *dialogue);

/** Gives it the letter, whose body goes on in the file.  Success: the server has taken it over. */
apr_status_t dialogue_give(dialogue_t *dialogue, const letter_t *letter, apr_file_t *file);

/** Says goodbye, in any state. */
void dialogue_close(dialogue_t *dialogue);

#endif
