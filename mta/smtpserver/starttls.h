/**
 * TLS of a session (RFC 3207, RFC 8314): STARTTLS, listeners that begin with it, and what is told
 * of it.  Between STARTTLS and the handshake:
 *
 *     NONE --STARTTLS--> PROMISED --220 has left--> HANDSHAKE --done--> ON
 *       |  a listener for TLS                           ^
 *       +-----------------------------------------------+
 *       +--outlook-tls-bug--> LISTENING --first byte----+    or back to NONE
 */
#ifndef ZM_SMTPSERVER_STARTTLS_H
#define ZM_SMTPSERVER_STARTTLS_H

#include "mta/smtpserver/session_parts.h"

/** A session begins.  False: nothing works; it is over. */
bool starttls_begin(session_t *session);
/** Waits for the first byte, which may be one of TLS; then greets. */
bool starttls_listen(session_t *session);
/** To be called with each event of the stream before anything is made of it. */
void starttls_event(session_t *session, zm_stream_event_t event);
/** Starts what starttls_listen has put off. */
void starttls_listened(session_t *session);
/** The session ends. */
void starttls_end(session_t *session);

/** Whether it is the client that keeps us waiting, for TLS. */
bool starttls_is_pending(const session_t *session);
bool starttls_is_offered(const session_t *session);
/** Whether this command must come over TLS, and has not. */
bool starttls_is_missing(const session_t *session, bool is_mail);

/** Fills in what the envelope tells.  info and cipher must live as long as head. */
void starttls_describe(session_t *session, envelope_head_t *head, zm_tls_info_t *info,
                       zm_buf_t *cipher);

#endif
