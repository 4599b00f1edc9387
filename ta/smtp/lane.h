/**
 * The work for one host, in the order it was fed.
 *
 * Lines wait until the session can use them; then their control files are
 * opened and cut into transactions.  When no session can be opened, everything
 * that waits is answered with the reason, and for a second what comes after it
 * too: that was fed before the scheduler knew.  So a dead host costs one attempt
 * and not one for each message; how long to wait then is the scheduler's matter.
 */
#ifndef ZM_TA_SMTP_LANE_H
#define ZM_TA_SMTP_LANE_H

#include "ta/smtp/smtp.h"

/** Takes a line of the scheduler. */
void zm_lanes_feed(zm_smtp_t *smtp, const zm_job_line_t *line);
/** A control event: finish what waits for its last reply, give up the rest. */
void zm_lanes_interrupt(zm_smtp_t *smtp);
/** Ends idle sessions, in order; for the end of the process. */
void zm_lanes_close(zm_smtp_t *smtp);

#endif
