/**
 * One connection to a server.
 *
 *              connect        220          250
 *     start ──────────► GREETING ──► HELLO ──► READY ──► (closed)
 *               └─ fails ──┴──────────┴─► owner->failed
 *
 * In READY it takes transactions from its owner and keeps commands and replies
 * in step: what was sent and not answered stands in a queue, and each reply
 * belongs to the front of it.  With PIPELINING MAIL, RCPT and DATA go out
 * together, and those of the next transaction right behind the final dot;
 * without, one command at a time.
 *
 * A server may answer slowly, wrongly, too much or not at all: every reply has
 * a time limit of its own and a bounded size, and anything that is out of step
 * ends the session.
 */
#ifndef ZM_TA_SMTP_SESSION_H
#define ZM_TA_SMTP_SESSION_H

#include "mta/net/stream.h"
#include "ta/smtp/route.h"
#include "ta/smtp/transaction.h"

typedef struct zm_session_t zm_session_t;

/** Why a session did not open. */
typedef struct zm_refusal_t {
    zm_result_t result;
    const char *status;
    const char *text;        /**< valid during the call */
    const char *diagnostic;  /**< "smtp; 500 (...)" */
    bool ehlo_broke;         /**< EHLO met silence or a 4xx: the same server may know HELO */
    bool greeting_permanent; /**< a 5xx greeting */
    bool tls_failed;         /**< STARTTLS, or what must have it and did not get it */
} zm_refusal_t;

/** What a session needs of its lane. */
typedef struct zm_session_owner_t {
    void *baton;
    void (*opened)(void *baton);
    /** The session is being closed; no other call follows. */
    void (*failed)(void *baton, const zm_refusal_t *refusal);
    /** The next transaction to send, or null. */
    zm_transaction_t *(*next)(void *baton);
    /** Every recipient has been reported, and the session is through with it. */
    void (*done)(void *baton, zm_transaction_t *transaction);
    /** To be tried again in another session. */
    void (*again)(void *baton, zm_transaction_t *transaction);
    /** The session is over; every transaction was given back before.  No other call follows. */
    void (*closed)(void *baton);
} zm_session_owner_t;

/** Connects.  helo_only: do not try EHLO.  Nothing is called before this returns. */
void zm_session_start(zm_session_t **session, zm_smtp_t *smtp, const zm_hop_t *hop, bool literal,
                      bool helo_only, const zm_session_owner_t *owner);

/** Tells an open session that there may be work.  Calls next, at once or when it can take more. */
void zm_session_work(zm_session_t *session);

const zm_peer_t *zm_session_peer(const zm_session_t *session);
bool zm_session_is_secure(const zm_session_t *session); /**< it is under TLS */
bool zm_session_idle(const zm_session_t *session);      /**< open, and nothing under way */

/** Ends an idle session with QUIT, any other at once.  The owner is not called. */
void zm_session_end(zm_session_t *session);

/** A control event: what waits for the reply to its final dot goes on, all else is given up. */
void zm_session_interrupt(zm_session_t *session);

#endif
