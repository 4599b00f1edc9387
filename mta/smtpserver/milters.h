/**
 * The milters of a session: at each stage they are asked one after another (milter.h).
 *
 * Whom one refuses is refused; one that accepts is not asked any more about that message; where one
 * fails contentfilter-failmode decides.
 */
#ifndef ZM_SMTPSERVER_MILTERS_H
#define ZM_SMTPSERVER_MILTERS_H

#include "platform/str.h"

struct session_t;
typedef struct milters_t milters_t;

typedef struct milters_verdict_t {
    bool accepted;
    int code; /**< of the reply that refuses */
    const char *enhanced;
    zm_str_t text; /**< lines divided by CRs; valid during the call */
} milters_verdict_t;

typedef void milters_fn(struct session_t *session, const milters_verdict_t *verdict);

/** Whether there are any to be asked about what this client sends. */
bool milters_wanted(const struct session_t *session);
/** Stages; then is called once, at once or later, and the session waits meanwhile. */
void milters_mail(struct session_t *session, milters_fn *then);
void milters_rcpt(struct session_t *session, zm_str_t address, milters_fn *then);
/** All of the message.  Fields that were added stand in it afterwards. */
void milters_message(struct session_t *session, milters_fn *then);
/** The transaction ends. */
void milters_abort(struct session_t *session);
/** The session ends. */
void milters_close(struct session_t *session);

#endif
