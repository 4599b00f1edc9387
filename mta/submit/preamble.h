/**
 * What a message tells about the person who submits it, as the environment has
 * it: the first lines of every envelope.  All of it is a claim; the owner of the
 * file tells the router who it was.
 */
#ifndef ZM_MTA_SUBMIT_PREAMBLE_H
#define ZM_MTA_SUBMIT_PREAMBLE_H

#include "platform/str.h"

typedef struct preamble_t {
    const char *full_name;  /**< FULLNAME as a phrase; null: not set, or nothing is left of it */
    const char *login_name; /**< PRETTYLOGIN; null: not set, or no address can look so */
    const char *received;   /**< "STDIN (LOGIN@HOST)" of LOGNAME, USERNAME or USER */
} preamble_t;

/** Reads the environment.  Nothing in the result can end a line or a comment. */
void preamble_read(preamble_t *preamble, const char *host, apr_pool_t *pool);

/** A variable of the environment; null: it is not set, or empty. */
const char *preamble_variable(const char *name, apr_pool_t *pool);

/** Whether a text has no control characters, so that it cannot end a line of an envelope. */
bool preamble_is_line(zm_str_t text);

/** A display name as a phrase: in quotes where it has characters that stand for something else.
 * null: nothing but blanks and control characters. */
const char *preamble_phrase(const char *name, apr_pool_t *pool);

#endif
