/**
 * The addresses and parameters of MAIL and RCPT commands.
 */
#ifndef ZM_TA_AGENT_ENVELOPE_H
#define ZM_TA_AGENT_ENVELOPE_H

#include "ta/agent/job.h"

/**
 * What keeps an address from being sent inside angle brackets: control bytes,
 * blanks or '>' outside quotes, 8-bit bytes, an unusual length.  Null: nothing.
 */
const char *zm_envelope_fault(zm_str_t address, bool may_be_empty);
/** The same where UTF-8 beyond ASCII is allowed (RFC 6531). */
const char *zm_envelope_fault_beyond(zm_str_t address, bool may_be_empty);

/** " RET=..." " ENVID=..." */
void zm_envelope_mail_dsn(const zm_job_t *job, zm_buf_t *out);
/** " NOTIFY=..." " ORCPT=..." */
void zm_envelope_rcpt_dsn(const zm_recipient_t *recipient, zm_buf_t *out);

/** " BY=SECONDS;MODE" (RFC 2852) when all of these recipients have the same deadline, and it is
 * one that can still be met.  now: seconds of the wall clock. */
void zm_envelope_by(zm_recipient_t *const *recipients, int count, int64_t now, zm_buf_t *out);

#endif
