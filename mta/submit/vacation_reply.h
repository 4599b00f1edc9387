/**
 * The answer that vacation(1) sends.
 */
#ifndef ZM_MTA_SUBMIT_VACATION_REPLY_H
#define ZM_MTA_SUBMIT_VACATION_REPLY_H

#include "mta/mail/header.h"

/** Who answers whom. */
typedef struct vacation_reply_t {
    const char *me;         /**< From, and envelope sender unless that is something else */
    const char *to;         /**< who is answered */
    const char *sender;     /**< envelope sender; "": the null path */
    zm_headers_t *answered; /**< the header of the message that is answered */
    zm_str_t text;          /**< what stands in the message file: a header, an empty line, a text */
} vacation_reply_t;

/**
 * Appends the whole spool file.  Each line's first $SUBJECT becomes the subject of what is
 * answered.  A text that does not begin with a header gets one; fields that only a program may
 * set (From, To, Auto-Submitted and so on) are left out of its own.
 */
void vacation_reply(zm_buf_t *out, const vacation_reply_t *reply, apr_pool_t *pool);

#endif
