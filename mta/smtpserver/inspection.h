/**
 * The end of a message: those who look at it are asked, and then it is committed, set aside or
 * refused.
 *
 *     data_end --> inspection_begin --> milters --> content filter --> data_commit
 *
 * Whose messages are looked at is the policy's to say (smtp-policy.src(5), filtering).
 */
#ifndef ZM_SMTPSERVER_INSPECTION_H
#define ZM_SMTPSERVER_INSPECTION_H

#include "mta/smtpserver/verdict.h"

struct session_t;

/** What has become of it. */
typedef struct outcome_t {
    bool given;        /**< somebody has decided */
    bool discarded;    /**< it is to be taken, and thrown away */
    bool plain;        /**< the text is all of the reply */
    int64_t number;    /**< less than 0: it is refused, more: set aside */
    int code;          /**< of the reply; 0: the usual one */
    char enhanced[16]; /**< "" for none */
    zm_buf_t text;     /**< of the reply; lines are divided by CRs; empty: the usual one */
    char suffix[40];   /**< of its name, when it is set aside */
} outcome_t;

/** The message has come in whole.  Leads to data_commit, or to the reply that refuses it, at once
 * or later; the session waits meanwhile. */
void inspection_begin(struct session_t *session);
/** Why nobody is asked about what this client sends; null: they are. */
const char *inspection_spares(const struct session_t *session);
/** The session ends. */
void inspection_cancel(struct session_t *session);
/** The number of the freezer that it goes to: of the inspection, or the policy's; 0: none. */
int64_t inspection_freezes(const struct session_t *session);
/** The reply to a message that is taken, after a delay if it is set aside. */
void inspection_reply(struct session_t *session, const char *id);

#endif
