/**
 * Replies of SMTP servers: putting them together from lines, and what they
 * mean.  A hostile server may send anything; every reply is bounded.
 */
#ifndef ZM_TA_SMTP_REPLY_H
#define ZM_TA_SMTP_REPLY_H

#include "platform/status.h"
#include "platform/str.h"
#include "ta/agent/outcome.h"

#define ZM_REPLY_LINES 256 /**< most lines of a reply */
#define ZM_REPLY_TEXT 4096 /**< octets kept of it; the rest is read and dropped */

typedef struct zm_reply_t {
    int code;      /**< 0: what came was no reply */
    zm_buf_t text; /**< lines as they came, each with "\r->> " before it */
    zm_buf_t last; /**< text of the last line, without code */
    int lines;
} zm_reply_t;

/** Prepares for the next reply; memory is kept. */
void zm_reply_clear(zm_reply_t *reply);
void zm_reply_free(zm_reply_t *reply);

/** Adds a line.  APR_SUCCESS: the reply is complete; APR_EAGAIN: more lines follow; ZM_E_LIMIT: too
 * many. */
apr_status_t zm_reply_line(zm_reply_t *reply, zm_str_t line);

/** The stages of a transaction that give a code another meaning. */
typedef enum zm_reply_to_t { ZM_REPLY_TO_OTHER, ZM_REPLY_TO_RCPT } zm_reply_to_t;

typedef struct zm_meaning_t {
    zm_result_t result;
    char status[12]; /**< enhanced status: the server's, when it sends them and this one agrees,
                        else by table */
} zm_meaning_t;

/** enhanced: the server announced ENHANCEDSTATUSCODES. */
zm_meaning_t zm_reply_meaning(const zm_reply_t *reply, zm_reply_to_t to, bool enhanced);

/** "smtp; 550 (text)": the diagnostic code field, parentheses in the text turned to brackets. */
void zm_reply_diagnostic(const zm_reply_t *reply, zm_buf_t *out);

#endif
