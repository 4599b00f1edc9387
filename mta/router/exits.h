/**
 * Where messages go that do not go on: postman/, deferred/ (exits.c), back to
 * the sender (report.c).
 *
 * A copy for the postmaster has a '_' in its name and the message goes on; a
 * name without one is the only copy left.
 */
#ifndef ZM_MTA_ROUTER_EXITS_H
#define ZM_MTA_ROUTER_EXITS_H

#include "mta/router/message.h"

/** Keeps a copy in postman/ if the event's switch is on (ROUTER_SQUIRREL_...; 0: always). */
void router_squirrel(router_message_t *message, unsigned event, const char *key);

/**
 * Appends a line "SPOOLID FIELD: TEXT" for each address of the header that cannot be parsed to the
 * file of erraddron; does nothing when it is off.
 */
void router_note_bad_addresses(const router_message_t *message);

/** Moves the message to postman/ID.KEY: it is not routed.  Left where it is when even that fails.
 */
void router_park(router_message_t *message, const char *key, const char *why);

/** Moves the message to deferred/ID.WHY, to be resubmitted by hand or by the clock (upkeep.h). */
void router_defer(router_message_t *message, const char *why);

/**
 * Tells the sender with a form that his message is not delivered, and removes
 * it; parks it instead where nobody can be told (null path, no address, report
 * not written).
 */
void router_reject(router_message_t *message, const char *form);

/** Tells the sender with a form what is wrong with his message, which goes on.  Not about reports.
 */
void router_warn(router_message_t *message, const char *form);

/** Tells who keeps a list, and the postmaster, what is wrong with it.  Used by listexpand. */
void router_report_list(router_worker_t *worker, zm_str_t to, zm_str_t what, zm_str_t problems);

/** Whether the message being routed is a report itself, about which nobody is told. */
bool router_message_is_error(const router_worker_t *worker);

#endif
