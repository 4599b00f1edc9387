/**
 * What sessions count in the counters of the system (mta/conf/counters.h, SS.*).
 *
 * The commands that come in three, "SMTP_MAIL", "SMTP_MAIL_ok" and "SMTP_MAIL_bad", are
 * counted when they come and again by their reply.
 */
#ifndef ZM_SMTPSERVER_COUNT_H
#define ZM_SMTPSERVER_COUNT_H

#include "mta/smtpserver/session_parts.h"

void count(const session_t *session, zm_counter_t counter);
void count_more(const session_t *session, zm_counter_t counter, uint64_t more);
/** A command has come; three: its outcome is counted too. */
void count_command(session_t *session, zm_counter_t counter, bool three);
/** Its last reply has been made; another than 354 is its outcome. */
void count_reply(session_t *session, int code);
/** The parameters of a MAIL or RCPT that was understood. */
void count_mail(const session_t *session, const mail_parameters_t *parameters);
void count_rcpt(const session_t *session, const rcpt_parameters_t *parameters);
/** All of a message has come. */
void count_received(const session_t *session);
/** A message is in the spool, with so many octets there. */
void count_transmitted(const session_t *session, uint64_t octets, int64_t recipients);

#endif
