/**
 * What the agent counts of its sessions, in the counters of the system
 * (mta/conf/counters.h): connections, commands and how they were answered, what
 * servers can do, and how much was sent.  STARTTLS is counted where it is done.
 */
#ifndef ZM_TA_SMTP_TALLY_H
#define ZM_TA_SMTP_TALLY_H

#include "ta/smtp/session_parts.h"

/** A connection is being made; it is there; it cannot be made; it is gone again. */
void zm_tally_start(const zm_session_t *session);
void zm_tally_connected(const zm_session_t *session);
void zm_tally_not_connected(const zm_session_t *session);
void zm_tally_closed(const zm_session_t *session);

/** A command goes out, as it is on the wire. */
void zm_tally_command(const zm_session_t *session, zm_expect_t what, zm_str_t text);
/** The reply to one is complete. */
void zm_tally_reply(const zm_session_t *session, zm_expect_t what);
/** The server has said for the last time what it can do. */
void zm_tally_capabilities(const zm_session_t *session);

/** A letter was accepted. */
void zm_tally_letter(const zm_session_t *session, const zm_transaction_t *transaction);

/** A letter was converted for a server; or could not be. */
void zm_tally_conversion(const zm_smtp_t *smtp, bool good);
/** A route leads back to us. */
void zm_tally_loop(const zm_smtp_t *smtp);

#endif
