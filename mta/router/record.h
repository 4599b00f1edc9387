/**
 * What the logs say of a message, in the shapes that log scripts know.
 *
 *     S1234AbcDefGh: fromto: <ann@a.test> =>  bob@b.test, sue@c.test
 *     S1234AbcDefGh: routed from=ann@a.test size=1234 ...
 *
 * and, in the system's log,
 *
 *     S1234AbcDefGh: from=<ann@a.test>, rrelay=..., size=1234, nrcpts=2,
 *         msgid=<...>, delay=00:00:02, xdelay=00:00:00, rusage=0.00/0.00
 *
 * and what the counters RT.Received... and RT.Transmitted... of the system count:
 * messages, their recipients, and kilobytes, begun ones as whole ones.
 */
#ifndef ZM_MTA_ROUTER_RECORD_H
#define ZM_MTA_ROUTER_RECORD_H

#include "mta/router/message.h"
#include "platform/log.h"

/** A line of text that comes from outside; what is not printable becomes '?'.  id may be null. */
void router_log_text(zm_log_level_t level, const char *id, zm_str_t text);

/** That the message has been taken up: counters only. */
void router_record_received(const router_message_t *message);

/** Who wrote to whom (the fromto lines), split near 700 bytes.  Not with -l; with -S also to the
 * system's log. */
void router_record_addresses(router_message_t *message);

/** That the message has been routed, with a control file of that many octets. */
void router_record_routed(router_message_t *message, const router_plan_t *plan, apr_size_t control);

#endif
