/**
 * What the router's master does by the clock: it routes deferred mail again,
 * and once a day removes leftovers (mta/conf/leftovers.h).
 *
 * A message in deferred/ waits RESUBMIT_INTERVAL (5 minutes) after it was first
 * seen there, and twice as long after each attempt that brought it back, up to
 * 24 times the first wait.  What is known of attempts is kept in memory: after a
 * start of the daemon, which mostly follows a repair, all begin anew.  An interval
 * of 0 turns it off.  CLEANUP_INTERVAL (1 day) is the same for leftovers; the
 * first pass comes 10 minutes after the start, or after that interval.
 *
 * Both go on in small steps between other events, and move names only: what a
 * crash interrupts is done again.
 */
#ifndef ZM_MTA_ROUTER_UPKEEP_H
#define ZM_MTA_ROUTER_UPKEEP_H

#include "mta/conf/counters.h"
#include "platform/loop.h"
#include "spool/spool.h"

typedef struct router_upkeep_t router_upkeep_t;

/** counters: RT.DeferredMessages-G and RT.ResubmittedMessages are kept there.  ZM_E_CONFIG for an
 * interval that is none. */
apr_status_t router_upkeep_start(router_upkeep_t **upkeep, zm_spool_t *spool, zm_loop_t *loop,
                                 const zm_zenv_t *zenv, zm_counters_t *counters, apr_pool_t *pool,
                                 zm_error_t *error);
/** null allowed */
void router_upkeep_stop(router_upkeep_t *upkeep);

#endif
