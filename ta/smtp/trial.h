/**
 * Trying whether a destination takes a connection (-D): its exchangers are found, and greeted one
 * after the other, with TLS where they must have it, until one is ready for mail.
 */
#ifndef ZM_TA_SMTP_TRIAL_H
#define ZM_TA_SMTP_TRIAL_H

#include "ta/smtp/smtp.h"

/** Tells people on standard error what came of it.  Ends the agent, too.  An exit status: 0, 75
 * when it may come out otherwise later, or that of the failure. */
int zm_smtp_try(zm_smtp_t *smtp);

#endif
